package smsc

import (
	"time"

	"fanline/smpp"
)

// bind admits the client to its account, or says why not.
func (c *conn) bind(h smpp.Header, b []byte) {
	var p smpp.Bind
	if _, err := smpp.DecodeInto(b, &p); err != nil {
		c.rubbish(h, err)
		return
	}
	status := smpp.StatusAlreadyBound
	a := c.s.accounts[p.SystemID]
	switch {
	case c.account != nil:
	case a == nil:
		status = smpp.StatusInvSystemID
	default:
		status = a.bind(c, h.ID, p.Password)
	}
	systemID := string([]byte(p.SystemID))
	c.block.event(h.ID.String(), true, status, h.Sequence, systemID, c.nc.RemoteAddr().String())
	c.s.logger.Info("bind", "account", systemID, "conn", c.id, "kind", h.ID.String(), "status", status.String())
	resp := &smpp.BindResp{Kind: h.ID.Response(), SystemID: "fanline-smsc"}
	resp.Options = resp.Options.Append(smpp.TagScInterfaceVersion, []byte{smpp.Version34})
	if status != smpp.StatusOK {
		c.reply(status, h.Sequence, resp)
		return
	}
	if !c.writeLog() { // the bind stands in the log before it is answered
		c.stopRead = true
		return
	}
	c.block.reset(c.id, a.config.SystemID, c.at.micros)
	c.account, c.kind = a, h.ID
	c.seen.bound.Store(&bound{a.config.SystemID, h.ID.String(), p.InterfaceVersion})
	c.faults = c.s.faultsOf(a.config.SystemID)
	c.s.binds.Add(1)
	_ = c.nc.SetReadDeadline(time.Time{})
	c.reply(status, h.Sequence, resp)
	c.joins = h.ID != smpp.BindTransmitterID
}

func (c *conn) unbind(h smpp.Header) {
	c.block.event("unbind", true, smpp.StatusOK, h.Sequence, "", "")
	c.reason = "unbound by the client"
	c.farewell = c.encode(smpp.StatusOK, h.Sequence, &smpp.UnbindResp{})
	_ = c.nc.SetReadDeadline(time.Now().Add(unbindWithin)) // the client closes; if it doesn't, we do
}

// query answers with what is known: messages whose receipt is owed are on their way, the others are forgotten.
func (c *conn) query(h smpp.Header, b []byte) {
	var q smpp.QuerySM
	if _, err := smpp.DecodeInto(b, &q); err != nil {
		c.rubbish(h, err)
		return
	}
	if c.account == nil {
		c.reply(smpp.StatusInvBindStatus, h.Sequence, &smpp.QuerySMResp{})
		return
	}
	resp := &smpp.QuerySMResp{MessageID: string([]byte(q.MessageID))}
	status := smpp.StatusQueryFailed
	if id, ok := c.s.plan().form.Parse(q.MessageID); !ok {
		status = smpp.StatusInvMsgID
	} else if c.account.owes(id) {
		status, resp.MessageState = smpp.StatusOK, stateEnroute
	}
	c.reply(status, h.Sequence, resp)
}

const stateEnroute = 1 // SMPP 3.4 §5.2.28
