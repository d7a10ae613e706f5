package engine

import (
	"math/bits"

	"fanline/engine/message"
	"fanline/engine/receipts"
	"fanline/pipeline/record"
)

// doubt is an uncertain message that receipts, or late responses, may still
// settle: of every part, the carrier either told the id or may have it.
type doubt struct {
	message   record.Message
	broadcast *broadcast
	written   int64    // Unix ms
	expires   int64    // Unix ms
	several   bool     // more than one to this phone: a receipt can't tell them apart
	missing   uint32   // bit i: nothing has shown yet that the carrier has part i+1
	adopted   bool     // it is submitted already; receipts of missing parts are found by phone alone
	handle    handleOf // in the table
	waits     bool     // handle is valid
	offset    int64    // in the journal, below which nothing says that it is uncertain
}

// doubtOf finds the one uncertain message to which a receipt with an unknown
// id can belong: the only one to that phone, with nothing else to it under
// way that could be its message instead.
func (e *Engine) doubtOf(p *partition, rc *Receipt, at int64) *doubt {
	d := p.uncertain[rc.Phone]
	if d == nil || rc.Phone == 0 || d.several || at < d.written || rc.To != 0 && rc.To != d.message.Number || e.busy(rc.Phone) {
		return nil
	}
	return d
}

// creditDoubt gives a receipt to an uncertain message: the carrier has one more
// of its parts. When it has all, the message is submitted. Which of several
// missing parts it was nobody can tell; it counts as the first.
func (e *Engine) creditDoubt(p *partition, c *carrier, d *doubt, s *search, at int64) {
	rc := s.rc
	switch {
	case len(rc.ID) == 0:
	case c.in.detect: // No response has told which form the id has.
		p.remember(s.asCame())
	default:
		p.remember(onceKey(e.parkKey(c, s), rc.Phone))
	}
	part := uint8(bits.TrailingZeros32(d.missing)) + 1
	w := e.waitingOf(p, d)
	if !d.adopted {
		w.Left++ // It was not expected.
	}
	if d.missing &= d.missing - 1; d.missing == 0 {
		delete(p.uncertain, d.message.Phone)
		if !d.adopted {
			e.adopt(p, d, at)
		}
	}
	e.hear(p, p, d.handle, w, part, true, rc, c, at)
}

// place takes note that the carrier has a part of an uncertain message, whose
// id is only known now, and tells whether its receipt was heard already. The
// receipts that the message took by its phone counted as those of the first
// parts that were missing; now it may show that they are others'.
func (e *Engine) place(p *partition, c *carrier, d *doubt, part uint8, id []byte) (heard bool) {
	bit := uint32(1) << (part - 1)
	var its, holds *parked
	key := e.responseKey(c, id)
	for i, told := 0, p.heard[d.handle]; i < len(told); i++ {
		r := &told[i]
		if r.byPhone && len(id) > 0 && its == nil && e.isOf(c, &r.receipt, key) {
			its = r
		} else if r.byPhone && r.part == part {
			holds = r
		}
	}
	switch {
	case its != nil && holds != nil:
		its.part, holds.part = part, its.part
	case its != nil && its.part != part:
		d.missing = d.missing&^bit | 1<<(its.part-1)
		its.part = part
	case its == nil && holds != nil && d.missing != 0:
		holds.part = uint8(bits.TrailingZeros32(d.missing)) + 1
		d.missing &= d.missing - 1
	case its == nil:
		d.missing &^= bit
	}
	if its != nil {
		its.byPhone = false
	}
	return its != nil
}

// isOf tells whether the id of a receipt may be that of a response.
func (e *Engine) isOf(c *carrier, rc *Receipt, key uint64) bool {
	for form := range IDForm(IDForms) {
		if (!c.in.sure() || form == c.in.stats.Form) && e.receiptKey(c, rc, form) == key {
			return true
		}
	}
	return false
}

// waitingOf returns the entry in the table of an uncertain message.
func (e *Engine) waitingOf(p *partition, d *doubt) *receipts.Waiting {
	if d.waits {
		if w := p.table.At(d.handle); w != nil {
			return w
		}
	}
	m := &d.message
	d.waits = true
	d.handle = p.table.Add(receipts.Waiting{
		Phone: m.Phone, Written: d.written, Expires: d.expires, Offset: d.offset,
		Broadcast: m.Broadcast, Rank: m.Rank, Member: m.Member, Attributes: m.Attributes,
		Number: e.numberIndex(m.Number), Carrier: e.carrierIndex(m.Carrier), Class: m.Class, Parts: m.Parts,
	})
	if m.Broadcast == 0 {
		p.ids[d.handle] = m.ID
	}
	return p.table.At(d.handle)
}

// adopt moves an uncertain message on to submitted: the carrier has it.
func (e *Engine) adopt(p *partition, d *doubt, at int64) {
	if d.broadcast != nil {
		delete(d.broadcast.limbo, d.message.Rank)
	}
	g := e.gather.At(p.id)
	g.Record.Finals = append(g.Record.Finals, record.Final{
		Message: d.message, From: message.Uncertain, State: message.Submitted, Written: d.written, At: at,
	})
	g.Finals = append(g.Finals, settled{bc: d.broadcast})
	p.table.At(d.handle).State = message.Submitted
}

// addDoubt takes an uncertain message up, unless a part of it was never written
// or was refused: then nothing can show that the carrier has it all.
func (p *partition) addDoubt(d *doubt) {
	if before := p.uncertain[d.message.Phone]; before != nil {
		before.several = true
		return
	}
	p.uncertain[d.message.Phone] = d
}

// since has the journal be kept from where it says that a part of an uncertain
// message left; what settles it needs that.
func (p *partition) since(h handleOf, offset int64) {
	if w := p.table.At(h); w != nil {
		w.Offset = min(w.Offset, offset)
	}
}

// second takes the doubt about a broadcast's first attempt out, since from now
// on the second one decides.
func (p *partition) second(phone message.Phone, id message.BroadcastID) *doubt {
	d := p.uncertain[phone]
	if d == nil || d.several || d.adopted || d.message.Broadcast != id {
		return nil
	}
	delete(p.uncertain, phone)
	return d
}

// nothing ends a second attempt that says nothing of the first. Where parts of
// both may have left, receipts of the one would pass for the other's.
func (o *outgoing) nothing() {
	if o.first != nil {
		if o.first.message.Parts == 1 || o.given == (given{}) {
			o.p.addDoubt(o.first)
		}
		o.first = nil
	}
}

// allParts has a bit for each of n parts.
func allParts(n uint8) uint32 { return uint32(1<<n - 1) }

// given is what the carrier told of the parts of a message. Bit i: part i+1.
type given struct {
	have  uint32 // accepted, with an id
	may   uint32 // left, or may have, and once no response came
	lost  uint32 // of them, those that were given up so far
	twice bool   // a part was sent again by policy
}

// missing returns the parts of which nothing shows that the carrier has them;
// false: nothing will. It may not have them all; or, of a part that was sent
// twice, it may have two, and receipts of the one would pass for another part's.
func (g given) missing(parts uint8) (uint32, bool) {
	m := allParts(parts) &^ g.have
	return m, m != 0 && m&^g.may == 0 && (parts == 1 || !g.twice)
}
