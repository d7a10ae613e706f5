package smsc

import (
	"fanline/smpp"
)

// Modes of esm_class (SMPP 3.4 §5.2.12).
const (
	esmModeMask    = 3
	esmDatagram    = 1 // nothing is stored: no receipt
	esmTransaction = 2 // the answer waits for the delivery
)

// earlyMs is how long an answer waits at least whose receipt is to come first.
const earlyMs = 3

// duplicateMs is how long after the first a receipt comes again that the scenario has twice.
const duplicateMs = 50

// planReceipt decides what becomes of an accepted message and when, and what receipt says so: not before the answer,
// which is due at answerMs, unless the scenario wants it early; then the answer waits. It returns when the answer is due.
func (c *conn) planReceipt(b *behaviour, from *sender, to phone, answerMs uint32) uint32 {
	r := &c.submit
	chance := c.random()
	r.stat = b.stat(uint32(chance))
	r.delayMillis = (b.delay.draw(chance>>32) + 999) / 1000
	c.fate()
	switch r.esm & esmModeMask {
	case esmDatagram:
		r.quiet = true
		return answerMs
	case esmTransaction:
		return c.transact(answerMs)
	}
	d := delivery{
		id: r.id, from: to, submitted: uint32(c.at.micros / 1_000_000), number: from.number.place, fromType: r.destType,
		toType: from.kind, stat: r.stat, form: b.formIndex,
	}
	if c.version < smpp.Version34 {
		d.form |= form33
	}
	r.before = r.reg&smpp.ReceiptIntermediate != 0
	if !c.wanted(b) {
		r.quiet = true
		if r.before {
			c.intermediate(d, from.number, answerMs)
		}
		c.alert(from, to)
		return answerMs
	}
	early, away := false, false
	if b.lost|b.duplicate|b.early != 0 {
		chance = c.random()
		r.lost = chance&0xffffffff < b.lost
		r.duplicate = !r.lost && chance>>32 < b.duplicate
		early = !r.lost && c.sendAt == 0 && c.random()>>32 < b.early
	}
	if b.odd.any {
		away = c.odd(b)
	}
	if early {
		r.delayMillis, d.flags = 0, deliverEarly
		answerMs = max(answerMs, c.at.ms+earlyMs)
	} else {
		r.delayMillis = max(r.delayMillis, answerMs-c.at.ms)
	}
	d.due = c.at.ms + r.delayMillis
	c.alert(from, to)
	if r.before {
		c.intermediate(d, from.number, answerMs)
	}
	c.owePlanned(b, d, from.number, away)
	return answerMs
}

// owePlanned queues the receipt as often as it comes.
func (c *conn) owePlanned(b *behaviour, d delivery, n *number, away bool) {
	if c.submit.lost {
		return
	}
	c.owe(d, n, away)
	if !c.submit.duplicate {
		return
	}
	again := uint32(duplicateMs)
	if b.repeatMs > 0 {
		again = b.repeatMs
	}
	d.due += again
	d.flags &^= deliverEarly
	c.owe(d, n, away)
}

// fate moves the end of a message that waits for its time, and lets it expire where the end comes too late.
func (c *conn) fate() {
	r := &c.submit
	if c.sendAt > 0 {
		r.delayMillis += uint32((c.sendAt - c.at.micros) / 1000)
	}
	if c.expires > 0 && c.at.micros+int64(r.delayMillis)*1000 > c.expires {
		r.stat = StatExpired
		r.delayMillis = uint32(min(max(c.expires-c.at.micros, 0)/1000, sendWithin.Milliseconds()))
	}
}

// wanted says whether registered_delivery (SMPP 3.4 §5.2.17; 5.0 adds 3) asks for the receipt, or it comes unasked.
func (c *conn) wanted(b *behaviour) bool {
	r := &c.submit
	failed := r.stat != StatDelivered && r.stat != StatAccepted
	switch r.reg & 3 {
	case 1:
		return true
	case 2:
		if failed {
			return true
		}
	case 3:
		if !failed {
			return true
		}
	}
	return b.odd.unasked > 0 && c.random()>>32 < b.odd.unasked
}

// odd draws what most scenarios leave out; it says whether the receipt comes on another bind.
func (c *conn) odd(b *behaviour) (away bool) {
	r, o := &c.submit, &b.odd
	if o.reorder > 0 && c.random()>>32 < o.reorder {
		r.delayMillis += (o.reorderBy.draw(c.random()) + 999) / 1000
	}
	r.before = r.before || o.intermediate > 0 && c.random()>>32 < o.intermediate
	return o.otherBind > 0 && c.random()>>32 < o.otherBind
}

// owe queues a receipt, here or on another bind.
func (c *conn) owe(d delivery, n *number, away bool) {
	if n.maxPending > 0 {
		n.pending.Add(1)
	}
	if away {
		c.away = append(c.away, d)
		return
	}
	c.owed = append(c.owed, d)
}

// intermediate queues the receipt that comes before the last word: half way, but after the answer.
func (c *conn) intermediate(d delivery, n *number, answerMs uint32) {
	d.due = max(c.at.ms+c.submit.delayMillis/2, answerMs)
	d.flags = deliverBefore
	c.owe(d, n, false)
}

// transact lets the answer wait for the delivery and say what came of it.
func (c *conn) transact(answerMs uint32) uint32 {
	r := &c.submit
	r.quiet = true
	if r.stat != StatDelivered && r.stat != StatAccepted {
		r.status, r.cause, r.id, r.unanswered = smpp.StatusDeliveryFailed, CauseDelivery, 0, false
	}
	return max(answerMs, c.at.ms+r.delayMillis)
}

// alert queues an alert_notification where delivery fails and set_dpf asks for it (SMPP 3.4 §5.3.2.29).
func (c *conn) alert(from *sender, to phone) {
	r := &c.submit
	p := c.plan
	if p.alertDelay == nil || r.tlvs == nil || r.stat == StatDelivered || r.stat == StatAccepted {
		return
	}
	if v, ok := smpp.Options(r.tlvs).Uint(smpp.TagSetDpf); !ok || v != 1 {
		return
	}
	c.owed = append(c.owed, delivery{
		id: r.id, from: to, due: c.at.ms + r.delayMillis + (p.alertDelay.draw(c.random())+999)/1000, submitted: uint32(c.at.micros / 1_000_000),
		number: from.number.place, fromType: r.destType, toType: from.kind, flags: deliverAlert,
	})
}
