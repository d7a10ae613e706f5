package engine

import (
	"fmt"
	"log/slog"
	"time"

	"fanline/engine/message"
	"fanline/engine/receipts"
	"fanline/pipeline/record"
)

// receipts takes up a record of receipts.
func (e *Engine) receipts(r *Record, _ time.Time) error {
	p := e.parts[r.Partition]
	if p == nil || r.Offset < p.receiptsNext {
		return nil
	}
	p.receiptsNext, p.inMemory = r.Offset+1, false
	rs, err := record.DecodeReceipts(r.Value, nil)
	if err != nil {
		return err
	}
	c := e.carrierNamed(rs.Carrier)
	if c == nil {
		return fmt.Errorf("receipts of carrier %q, which is not configured", rs.Carrier)
	}
	e.detects(c)
	for i := range rs.Entries {
		var ok bool
		if e.reading, ok = e.cfg.Receipt(rs.Carrier, rs.Entries[i].PDU); !ok {
			e.stats.Poison++
			c.in.stats.Unreadable++
			e.cfg.Logger.Error("a receipt cannot be read and is passed over", slog.String("carrier", rs.Carrier),
				slog.Int("partition", int(r.Partition)), slog.Int64("offset", r.Offset), slog.Int("entry", i))
			continue
		}
		e.receipt(p, c, &e.reading, rs.Entries[i].At)
	}
	e.reading = Receipt{} // Its id is the record's.
	e.lookAgain(c)
	p.changed = true
	if p.inMemory && p.receiptsHeld < 0 {
		p.receiptsHeld = r.Offset
	}
	return nil
}

func (e *Engine) carrierNamed(name string) *carrier {
	for _, c := range e.carriers {
		if c.name == name {
			return c
		}
	}
	return nil
}

// detects asks whether the form of a carrier's ids is to be found out; its
// profile may have changed.
func (e *Engine) detects(c *carrier) {
	c.in.detect = e.cfg.ReceiptID != nil && e.cfg.DetectIDs != nil && e.cfg.DetectIDs(c.name)
	if !c.in.detect {
		c.in.stats.Form, c.in.stats.Detected = IDSame, false
	}
}

// receipt joins one receipt to its message. One that matches nothing is parked
// until its message's id is known or its time is over. The first final receipt
// of a part decides: those that come after it, of whatever state, change
// nothing, and neither does an intermediate one at any time.
func (e *Engine) receipt(p *partition, c *carrier, rc *Receipt, at int64) {
	r := &c.in.stats
	look(&r.Receipts, r.Matched+r.Repeated, rc.ID)
	e.lookAgain(c)
	if rc.State == message.Open {
		r.Intermediate++
		return
	}
	if len(rc.ID) == 0 && !c.in.noIDs {
		e.findByPhone(c)
	}
	s, v := e.find(p, c, rc, at, false)
	if len(p.parked) > 0 {
		once := onceKey(e.parkKey(c, &s), rc.Phone)
		if _, before := p.parked[once]; before && (len(rc.ID) > 0 || v != found) { // Without an id it may be another one.
			r.Repeated++
			e.recheck(p, once, false) // The one that came first counts, if its message is known now.
			return
		}
	}
	switch v {
	case found:
		r.Matched++
		e.credit(p, c, &s, rc, at)
	case heard:
		r.Repeated++
	case decided:
		r.Late++
		e.tooLate(&s)
	case nobody:
		if d := e.doubtOf(p, rc, at); d != nil {
			r.Settled++
			e.creditDoubt(p, c, d, &s, at)
			return
		}
		e.park(p, c, &s, v, at)
	default:
		e.park(p, c, &s, v, at)
	}
}

// credit gives a receipt that was filed under p to the part that it is about.
func (e *Engine) credit(p *partition, c *carrier, s *search, rc *Receipt, at int64) {
	q, h := s.p, s.entry.Handle
	w := q.table.At(h)
	q.table.Forget(s.entry)
	if len(rc.ID) == 0 {
		c.in.stats.ByPhone++
	} else {
		c.in.learn(s.form, s.clear())
		if !c.in.sure() {
			p.remember(s.asCame())
		}
		q.remember(onceKey(s.key, w.Phone))
		if q != p || rc.Phone != w.Phone {
			p.remember(onceKey(s.key, rc.Phone))
		}
	}
	if q != p {
		c.in.stats.Astray++
		if !c.in.astray && rc.Phone != 0 {
			c.in.astray = true
			c.in.learned++
		}
	}
	e.hear(p, q, h, w, s.entry.Part, false, rc, c, at)
}

// tooLate notes a receipt of a part whose message was decided without it.
func (e *Engine) tooLate(s *search) {
	if s.n == 0 {
		return
	}
	w := s.p.table.At(s.entry.Handle)
	s.p.table.Forget(s.entry)
	s.p.remember(onceKey(s.key, w.Phone))
	if w.Left = max(w.Left, 1) - 1; w.Left == 0 {
		s.p.free(s.entry.Handle)
	}
}

// hear adds a receipt to what those of its message have said. When that is
// enough the message is final; until then it stands in memory alone, and beside
// the snapshots.
func (e *Engine) hear(p, q *partition, h handleOf, w *receipts.Waiting, part uint8, byPhone bool, rc *Receipt, c *carrier, at int64) {
	w.Left = max(w.Left, 1) - 1
	w.Worst = receipts.Join(w.Worst, rc.State)
	if w.Parts == 1 && w.State == message.Submitted && q.retries[h] == nil {
		e.finish(q, h, w, w.Worst, at, rc.Err)
		return
	}
	kept := keep(rc, c, at)
	kept.part, kept.byPhone = part, byPhone
	q.heard[h] = append(q.heard[h], kept)
	if w.State == message.Submitted && e.enough(q, h, w) {
		e.finish(q, h, w, w.Worst, at, "")
		return
	}
	p.inMemory = true
	if q != p {
		q.changed = true
		p.lent = append(p.lent, lent{parked: kept, to: q, since: q.snapshots})
	}
}

// enough tells whether the receipts so far decide a submitted message: those of
// all parts, or of the one that stands for all at that carrier.
func (e *Engine) enough(p *partition, h handleOf, w *receipts.Waiting) bool {
	if w.Left == 0 {
		return true
	}
	if w.Parts == 1 || e.cfg.PartsReceipt == nil || w.Carrier == noIndex {
		return false
	}
	one := uint8(0)
	switch e.cfg.PartsReceipt(e.carriers[w.Carrier].name) {
	case EveryPart:
		return false
	case LastPart:
		one = w.Parts
	case FirstPart:
		one = 1
	}
	for i := range p.heard[h] {
		if one == 0 || p.heard[h][i].part == one {
			return true
		}
	}
	return false
}

// keep copies what is kept of a receipt.
func keep(rc *Receipt, c *carrier, at int64) parked {
	kept := parked{receipt: *rc, carrier: c, at: at}
	kept.receipt.ID = append([]byte(nil), rc.ID...)
	return kept
}

func (e *Engine) numberIndex(phone message.Phone) uint16 {
	if n := e.numbers[phone]; n != nil {
		return n.index
	}
	return noIndex
}

func (e *Engine) carrierIndex(name string) uint16 {
	if c := e.carrierNamed(name); c != nil {
		return c.index
	}
	return noIndex
}

// noIndex stands for a number or carrier that is no longer configured.
const noIndex = 1<<16 - 1

// messageOf returns what the journal says of a waiting message.
func (e *Engine) messageOf(p *partition, h handleOf, w *receipts.Waiting) record.Message {
	m := record.Message{
		Class: w.Class, Broadcast: w.Broadcast, Rank: w.Rank, Member: w.Member, Phone: w.Phone, Parts: w.Parts, Attributes: w.Attributes,
	}
	if w.Number != noIndex {
		m.Number = e.order[w.Number].phone
	}
	if w.Carrier != noIndex {
		m.Carrier = e.carriers[w.Carrier].name
	}
	if w.Broadcast == 0 {
		m.ID = p.ids[h]
	}
	return m
}

// finish gathers the final of a message, unless its policy has it go once more
// over another carrier. Where receipts were kept, err is that of the one which
// decided.
func (e *Engine) finish(p *partition, h handleOf, w *receipts.Waiting, state message.State, at int64, err string) {
	for i := range p.heard[h] {
		if r := &p.heard[h][i]; r.receipt.State == state {
			err = r.receipt.Err
		}
	}
	if p.retries != nil {
		if e.again(p, h, state, err) {
			return
		}
		e.learn(p, h, state, at)
	}
	g := e.gather.At(p.id)
	g.Record.Finals = append(g.Record.Finals, record.Final{
		Message: e.messageOf(p, h, w), From: message.Submitted, State: state, Err: err, Written: w.Written, At: at, Parts: p.partsOf(h, w),
	})
	g.Finals = append(g.Finals, settled{bc: p.broadcasts[w.Broadcast]})
	p.free(h)
}

// partsOf returns what receipts said of each part of a message in several; nil
// where there were none. A receipt of no known part is that of the first
// without.
func (p *partition) partsOf(h handleOf, w *receipts.Waiting) []record.Part {
	told := p.heard[h]
	if w.Parts < 2 || len(told) == 0 {
		return nil
	}
	parts := make([]record.Part, w.Parts)
	for i := range told {
		r := &told[i]
		k := int(r.part) - 1
		for k < 0 || k < len(parts)-1 && parts[k].State != message.Open {
			k++
		}
		if k < len(parts) && parts[k].State == message.Open {
			parts[k] = record.Part{State: r.receipt.State, Err: r.receipt.Err, At: r.at}
		}
	}
	return parts
}

// free forgets a message that waits for nothing any more.
func (p *partition) free(h handleOf) {
	delete(p.ids, h)
	delete(p.heard, h)
	delete(p.retries, h)
	p.table.Free(h)
}

// drop keeps a message that was decided without receipts, so that those of its
// accepted parts are known when they come.
func (p *partition) drop(h handleOf, state message.State) {
	w := p.table.At(h)
	if w == nil {
		return
	}
	if w.Left == 0 {
		p.free(h)
		return
	}
	w.State, w.Offset = state, noOffset // Nobody needs its outcomes again.
	delete(p.ids, h)
	delete(p.heard, h)
}

// noOffset is behind every offset of the journal.
const noOffset = 1<<63 - 1

// expire lets go what has waited long enough: messages without a receipt after
// validity and grace, receipts without a message, doubts.
func (e *Engine) expire(p *partition, ms int64) {
	gone := map[handleOf]message.Phone{}
	p.table.Sweep(ms, 1<<30, func(h handleOf, w *receipts.Waiting) {
		if w.State == message.Submitted {
			gone[h] = w.Phone
			e.finish(p, h, w, message.NoReceipt, ms, "")
			return
		}
		p.free(h) // Parts of it were never decided: it is final by another way.
	})
	if len(gone) > 0 {
		p.table.Purge(func(key uint64, h handleOf) {
			if phone, ok := gone[h]; ok {
				p.lapsed.Add(onceKey(key, phone))
			}
		})
	}
	e.expireParked(p, ms)
	for phone, d := range p.uncertain {
		if d.expires < ms {
			delete(p.uncertain, phone)
		}
	}
}
