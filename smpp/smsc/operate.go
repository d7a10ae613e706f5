package smsc

import (
	"slices"
	"sync"

	"fanline/smpp"
)

// changes are what cancel_sm, replace_sm and replace_if_present_flag made of messages. What a message was when it came
// stands in the log; this is the rest, and the log has it too.
type changes struct {
	mu   sync.Mutex
	byID map[changed]change
}

// changed names a message: a submit_multi has one id for many.
type changed struct {
	id uint64
	to phone
}

// change is a message's fate since.
type change struct {
	stat Stat
	at   int64 // microseconds: when it comes, or came, to that end
}

// changesMax bounds the messages changed; above it nothing more is cancelled or replaced.
const changesMax = 1 << 20

func (c *changes) put(k changed, x change) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = map[changed]change{}
	}
	if _, ok := c.byID[k]; !ok && len(c.byID) >= changesMax {
		return false
	}
	c.byID[k] = x
	return true
}

func (c *changes) get(k changed) (change, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x, ok := c.byID[k]
	return x, ok
}

// message is an accepted submit as the log has it, with its fate as far as it is known.
type message struct {
	changed
	account, number, service string
	source, destination      string // with their type octets in front
	destType                 byte
	registered               byte
	submitted, sendAt        int64
	change
}

func (s *server) messageOf(e *Entry) message {
	m := message{
		changed: changed{e.MessageID, parsePhone([]byte(canonicalPhone(e.Destination)))},
		account: e.Account, number: canonicalPhone(e.Source), service: e.ServiceType, destType: e.DestType, registered: e.Registered,
		source: typedAddress(e.SourceType, e.Source), destination: typedAddress(e.DestType, e.Destination),
		submitted: e.Micros, change: change{e.Stat, e.Micros + int64(e.DelayMillis)*1000},
	}
	if e.ESMClass&esmModeMask == esmTransaction {
		m.at = e.Micros // What was answered was done with.
	}
	if e.Schedule != "" {
		m.sendAt, _ = parseTime(e.Schedule, e.Micros) // It was read before.
	}
	if x, ok := s.changes.get(m.changed); ok {
		m.change = x
	}
	return m
}

// find lists an account's messages by an id as a client wrote it.
func (c *conn) find(written string) (out []message, ok bool) {
	parsed, ok := c.idForm.Parse(written)
	if !ok || parsed == 0 {
		return nil, false
	}
	if !c.writeLog() { // what this read brought so far may be asked for
		c.stopRead = true
		return nil, true
	}
	c.block.reset(c.id, c.account.config.SystemID, c.at.micros)
	err := c.s.log.lookUp(c.idForm, parsed, func(e *Entry) error {
		if e.Accepted() && e.Account == c.account.config.SystemID {
			out = append(out, c.s.messageOf(e))
		}
		return nil
	})
	if err != nil {
		c.s.logger.Error("simulator can't read its log", "error", err)
	}
	return out, true
}

// operate answers what asks about messages or changes them.
func (c *conn) operate(h smpp.Header, b []byte) {
	if c.account == nil || c.kind == smpp.BindReceiverID && h.ID != smpp.QuerySMID {
		c.misplaced(h, h.ID.String()+" on a connection that may not")
		return
	}
	var err error
	switch h.ID {
	case smpp.QuerySMID:
		var p smpp.QuerySM
		if _, err = smpp.DecodeInto(b, &p); err == nil {
			c.query(h, &p)
		}
	case smpp.CancelSMID:
		var p smpp.CancelSM
		if _, err = smpp.DecodeInto(b, &p); err == nil {
			c.cancel(h, &p)
		}
	case smpp.ReplaceSMID:
		var p smpp.ReplaceSM
		if _, err = smpp.DecodeInto(b, &p); err == nil {
			c.replace(h, &p)
		}
	default:
		err = c.broadcast(h, b)
	}
	if err != nil {
		c.unreadable(h, err)
	}
}

// record logs an operation with its answer.
func (c *conn) record(h smpp.Header, status smpp.Status, o operation) {
	o.in, o.command, o.status, o.seq, o.idForm = true, h.ID.String(), status, h.Sequence, c.idForm
	c.block.operate(&o)
}

// query answers with a message's state, and when it came to its end (SMPP 3.4 §4.8).
func (c *conn) query(h smpp.Header, q *smpp.QuerySM) {
	resp := &smpp.QuerySMResp{MessageID: string([]byte(q.MessageID))}
	found, ok := c.find(q.MessageID)
	found = fromSource(found, q.Source.Addr)
	status := smpp.StatusOK
	switch {
	case !ok:
		status = smpp.StatusInvMsgID
	case len(found) == 0:
		status = smpp.StatusQueryFailed
	default:
		m := found[0]
		resp.MessageState = smpp.StateEnroute
		if m.sendAt > c.at.micros && c.version >= smpp.Version50 {
			resp.MessageState = smpp.StateScheduled
		}
		if m.at <= c.at.micros {
			resp.MessageState, resp.FinalDate = statTable[m.stat].state, formatTime(m.at)
			if code := statTable[m.stat].err; code != "" {
				resp.ErrorCode = byte(int(code[0]-'0')*100 + int(code[1]-'0')*10 + int(code[2]-'0'))
			}
		}
	}
	o := operation{note: q.MessageID}
	if len(found) > 0 {
		o.id, o.destination, o.source = found[0].id, found[0].destination, found[0].source
	}
	c.record(h, status, o)
	c.reply(status, h.Sequence, resp)
}

// fromSource keeps the messages of a sender; an empty address is any (SMPP 3.4 §4.8.1 has it match the submit's).
func fromSource(found []message, source string) []message {
	if source == "" {
		return found
	}
	return slices.DeleteFunc(found, func(m message) bool { return m.number != canonicalPhone(source) })
}

// cancel withdraws a message by its id, or all from a sender to a phone (SMPP 3.4 §4.9).
func (c *conn) cancel(h smpp.Header, p *smpp.CancelSM) {
	var found []message
	status := smpp.StatusCancelFailed
	if p.MessageID != "" {
		var ok bool
		if found, ok = c.find(p.MessageID); !ok {
			status = smpp.StatusInvMsgID
		}
	} else {
		found = c.present(p.Source.Addr, p.ServiceType, parsePhone([]byte(canonicalPhone(p.Destination.Addr))))
	}
	found = fromSource(found, p.Source.Addr)
	if p.Destination.Addr != "" {
		to := parsePhone([]byte(canonicalPhone(p.Destination.Addr)))
		found = slices.DeleteFunc(found, func(m message) bool { return m.to != to })
	}
	found = slices.DeleteFunc(found, func(m message) bool { return m.at <= c.at.micros })
	for _, m := range found {
		if c.delete(h, m) {
			status = smpp.StatusOK
		}
	}
	if status != smpp.StatusOK {
		c.record(h, status, operation{note: p.MessageID})
	}
	c.reply(status, h.Sequence, &smpp.CancelSMResp{})
}

// delete brings a message to its end as deleted; a receipt says so where registered_delivery asks for failures.
func (c *conn) delete(h smpp.Header, m message) bool {
	fate := change{StatDeleted, c.at.micros}
	if !c.s.changes.put(m.changed, fate) {
		return false
	}
	owed := c.s.withdraw(c.account, m.changed)
	c.drop(m.changed)
	want := m.registered & 3
	tell := want == 1 && len(owed) > 0 || want == 2
	c.record(h, smpp.StatusOK, operation{id: m.id, source: m.source, destination: m.destination, stat: StatDeleted, quiet: !tell})
	if tell {
		c.oweAnew(m, fate, owed)
	}
	return true
}

// withdraw takes back the receipts that a message is still owed.
func (s *server) withdraw(a *account, m changed) (out []delivery) {
	match := func(d *delivery) bool { return d.id == m.id && d.from == m.to && d.flags&deliverAlert == 0 }
	a.mu.Lock()
	receivers := slices.Clone(a.receivers)
	a.parked = slices.DeleteFunc(a.parked, func(d delivery) bool {
		if d.flags&(deliverText|deliverDead) != 0 || !match(&d) {
			return false
		}
		out = append(out, d)
		s.pending.Add(-1)
		s.settled(&d)
		return true
	})
	a.mu.Unlock()
	for _, r := range receivers {
		out = append(out, r.box.withdraw(match)...)
	}
	// The last word, if it is among them, is the one to go by.
	slices.SortStableFunc(out, func(x, y delivery) int { return int(x.flags&deliverBefore) - int(y.flags&deliverBefore) })
	return out
}
