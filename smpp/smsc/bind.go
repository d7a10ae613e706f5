package smsc

import (
	"time"

	"fanline/smpp"
)

// bind admits the client to its account, or says why not.
func (c *conn) bind(h smpp.Header, b []byte) {
	var p smpp.Bind
	if _, err := smpp.DecodeInto(b, &p); err != nil {
		c.unreadable(h, err)
		return
	}
	live := c.s.plan()
	version := negotiated(p.InterfaceVersion, live.version)
	if h.ID == smpp.BindTransceiverID && live.version < smpp.Version34 {
		c.unknown(h) // came with 3.4
		return
	}
	a, status := c.admits(&p, h.ID)
	failing := live.bindError(p.SystemID, c.at.ns-live.since, c.at.micros, c.random)
	systemID := string([]byte(p.SystemID))
	note := c.nc.RemoteAddr().String()
	if failing != nil {
		note += failing.note()
		if failing.status != smpp.StatusOK {
			status = c.giveUp(a, status, failing.status)
		} else if failing.how != "" {
			status = c.giveUp(a, status, smpp.StatusBindFailed)
		}
	}
	c.block.event(h.ID.String(), true, status, h.Sequence, systemID, note)
	c.s.logger.Info("bind", "account", systemID, "conn", c.id, "kind", h.ID.String(), "version", version, "status", status.String())
	if failing != nil && !c.failBind(failing, h) {
		return
	}
	if status != smpp.StatusOK {
		c.version = version // for how the refusal is written
		c.reply(status, h.Sequence, &smpp.BindResp{Kind: h.ID.Response(), Options: c.versionTLV(version)})
		if c.account == nil {
			c.version = 0
		}
		return
	}
	if !c.writeLog() { // the bind stands in the log before it is answered
		c.stopRead = true
		return
	}
	c.begin(a, h.ID, version)
	c.seen.bound.Store(&bound{a.config.SystemID, h.ID.String(), version})
	c.reply(status, h.Sequence, &smpp.BindResp{Kind: h.ID.Response(), SystemID: smscID, Options: c.versionTLV(version)})
}

// smscID is the simulator's own system_id.
const smscID = "fanline-smsc"

// admits asks account and bind state; on ESME_ROK the account counts one bind more.
func (c *conn) admits(p *smpp.Bind, kind smpp.CommandID) (*account, smpp.Status) {
	a := c.s.accounts[p.SystemID]
	switch {
	case c.account != nil:
		return a, smpp.StatusAlreadyBound
	case a == nil:
		return nil, smpp.StatusInvSystemID
	}
	return a, a.bind(kind, p.Password, c.at.ms)
}

// giveUp takes back a bind that the scenario has fail, and returns the status that it fails with.
func (c *conn) giveUp(a *account, was, status smpp.Status) smpp.Status {
	if was == smpp.StatusOK {
		a.mu.Lock()
		a.binds--
		a.mu.Unlock()
	}
	return status
}

// begin makes the connection one of the account's.
func (c *conn) begin(a *account, kind smpp.CommandID, version byte) {
	c.block.reset(c.id, a.config.SystemID, c.at.micros)
	c.account, c.kind, c.version, c.boundMs = a, kind, version, c.s.now().ms
	if version < smpp.Version34 {
		c.idForm = IDShort
	}
	c.faultPlan = c.s.plan()
	c.faults = c.faultPlan.faultsOf(a.config.SystemID)
	c.s.binds.Add(1)
	c.box.bind()
	_ = c.nc.SetReadDeadline(time.Time{})
	c.joins = kind != smpp.BindTransmitterID
}

// negotiated is the version that both sides speak: the lower one of 3.3, 3.4 and 5.0.
func negotiated(client, server byte) byte {
	switch {
	case client < smpp.Version34:
		client = smpp.Version33
	case client < smpp.Version50:
		client = smpp.Version34
	default:
		client = smpp.Version50
	}
	return min(client, server)
}

// versionTLV is sc_interface_version, which SMPP 3.3 doesn't have (SMPP 3.4 §5.3.2.25).
func (c *conn) versionTLV(version byte) smpp.Options {
	if version < smpp.Version34 {
		return nil
	}
	return smpp.Options(nil).Append(smpp.TagScInterfaceVersion, []byte{version})
}

// note is what the log says of a bind that the scenario had fail.
func (b *bindError) note() string {
	if b.how != "" {
		return " scenario: " + b.how
	}
	return " scenario"
}

// failBind waits as the scenario says, and does what is no bind_resp. It returns whether one follows.
func (c *conn) failBind(f *bindError, h smpp.Header) bool {
	if f.delay > 0 {
		if !c.writeLog() || !c.s.sleep(f.delay, c.written) {
			c.stopRead = true
			return false
		}
		c.at = c.s.now()
		c.block.reset(c.id, "", c.at.micros)
	}
	switch f.how {
	case bindNack:
		c.reply(f.status, h.Sequence, &smpp.GenericNack{})
	case bindSilent:
	case bindClose:
		c.dropped, c.hangUp, c.stopRead, c.reason = true, true, true, "bind refused by closing"
	default:
		return true
	}
	return false
}

func (c *conn) unbind(h smpp.Header) {
	c.block.event("unbind", true, smpp.StatusOK, h.Sequence, "", "")
	c.reason, c.orderly = "unbound by the client", true
	switch c.s.plan().onUnbind {
	case unbindSilent:
		return
	case unbindClose:
		c.stopRead, c.lingers = true, true
	default:
		_ = c.nc.SetReadDeadline(time.Now().Add(unbindWithin)) // the client closes; if it doesn't, we do
	}
	c.farewell = c.encode(smpp.StatusOK, h.Sequence, &smpp.UnbindResp{})
}

// unknown refuses a command that isn't one here.
func (c *conn) unknown(h smpp.Header) {
	c.s.stats.protocolErrors.Add(1)
	c.block.event(CommandProtocolError, true, smpp.StatusInvCmdID, h.Sequence, "", "command "+h.ID.String())
	if !h.ID.IsResponse() && h.ID != smpp.OutbindID && h.ID != smpp.AlertNotificationID { // those have no answer
		c.reply(smpp.StatusInvCmdID, h.Sequence, &smpp.GenericNack{})
	}
}
