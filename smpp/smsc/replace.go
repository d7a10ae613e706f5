package smsc

import (
	"slices"

	"fanline/smpp"
)

// replace changes the text of a message that has not come to its end, and with it its times and whether a receipt comes
// (SMPP 3.4 §4.10). An empty time leaves that as it was.
func (c *conn) replace(h smpp.Header, p *smpp.ReplaceSM) {
	found, ok := c.find(p.MessageID)
	found = fromSource(found, p.Source.Addr)
	found = slices.DeleteFunc(found, func(m message) bool { return m.at <= c.at.micros })
	status := smpp.StatusReplaceFailed
	switch {
	case !ok:
		status = smpp.StatusInvMsgID
	case len(found) > 0:
		status = c.replaceOne(h, p, found[0])
	}
	if status != smpp.StatusOK {
		c.record(h, status, operation{note: p.MessageID})
	}
	c.reply(status, h.Sequence, &smpp.ReplaceSMResp{})
}

func (c *conn) replaceOne(h smpp.Header, p *smpp.ReplaceSM, m message) smpp.Status {
	fate, status := c.newFate(p, m.change)
	if status != smpp.StatusOK {
		return status
	}
	if !c.s.changes.put(m.changed, fate) {
		return smpp.StatusReplaceFailed
	}
	owed := c.s.withdraw(c.account, m.changed)
	failed := fate.stat != StatDelivered && fate.stat != StatAccepted
	want := p.RegisteredDelivery & 3
	tell := want == 1 || want == 2 && failed || want == 3 && !failed
	text := p.ShortMessage
	if payload, ok := p.Options.Get(smpp.TagMessagePayload); ok && len(text) == 0 {
		text = payload
	}
	ahead := max(0, fate.at-c.at.micros)
	c.record(h, smpp.StatusOK, operation{
		id: m.id, source: m.source, destination: m.destination, octets: text, stat: fate.stat, delayMillis: uint32(ahead / 1000), quiet: !tell,
	})
	if tell {
		c.oweAnew(m, fate, owed)
	}
	return smpp.StatusOK
}

// newFate is what becomes of a message with new times.
func (c *conn) newFate(p *smpp.ReplaceSM, fate change) (change, smpp.Status) {
	if p.ScheduleDeliveryTime != "" {
		at, ok := parseTime(p.ScheduleDeliveryTime, c.at.micros)
		if !ok || at-c.at.micros > sendWithin.Microseconds() {
			return fate, smpp.StatusInvSchedule
		}
		fate.at = max(fate.at, at)
	}
	if p.ValidityPeriod != "" {
		until, ok := parseTime(p.ValidityPeriod, c.at.micros)
		if !ok {
			return fate, smpp.StatusInvExpiry
		}
		if fate.at > until {
			fate = change{StatExpired, max(until, c.at.micros)}
		}
	}
	return fate, smpp.StatusOK
}

// oweAnew queues the receipt of a message that was changed.
func (c *conn) oweAnew(m message, fate change, owed []delivery) {
	d := delivery{
		id: m.id, from: m.to, submitted: uint32(m.submitted / 1_000_000), fromType: m.destType, toType: m.source[0],
		form: c.s.plan().of(m.account).behaviourFor(m.to.String(), m.number).formIndex,
	}
	if c.version < smpp.Version34 {
		d.form |= form33
	}
	if len(owed) > 0 {
		d = owed[0]
	}
	n := c.s.number(c.account, m.number)
	if n == nil {
		return
	}
	d.number, d.flags, d.stat, d.due = n.place, 0, fate.stat, c.at.ms+uint32(max(0, fate.at-c.at.micros)/1000)
	c.owe(d, n, false)
}

// replacePresent does what replace_if_present_flag asks: the messages from the same sender to the same phone with the
// same service type that have not come to their end give way to the one just accepted, and nothing more is heard of them
// (SMPP 3.4 §5.2.18).
func (c *conn) replacePresent(from *sender) {
	r := &c.submit
	to := parsePhone(octets(canonicalPhone(c.sm.Destination.Addr)))
	for _, m := range c.present(from.number.addr, r.service, to) {
		if m.id == r.id || !c.s.changes.put(m.changed, change{StatDeleted, c.at.micros}) {
			continue
		}
		c.s.withdraw(c.account, m.changed)
		c.drop(m.changed)
		c.block.operate(&operation{
			in: true, command: CommandReplaced, seq: r.seq, id: m.id, idForm: c.idForm, source: m.source, destination: m.destination,
			stat: StatDeleted, quiet: true,
		})
	}
}

// drop takes out of this read's receipts those of a message that was replaced within it.
func (c *conn) drop(m changed) {
	c.owed = slices.DeleteFunc(c.owed, func(d delivery) bool {
		gone := d.id == m.id && d.from == m.to && d.flags&deliverAlert == 0
		if gone {
			c.s.settled(&d)
		}
		return gone
	})
}
