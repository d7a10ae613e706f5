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
	for i := range rs.Entries {
		rc, ok := e.cfg.Receipt(rs.Carrier, rs.Entries[i].PDU)
		if !ok {
			e.stats.Poison++
			e.cfg.Logger.Error("a receipt cannot be read and is passed over", slog.String("carrier", rs.Carrier),
				slog.Int("partition", int(r.Partition)), slog.Int64("offset", r.Offset), slog.Int("entry", i))
			continue
		}
		e.receipt(p, c, &rc, rs.Entries[i].At)
	}
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

// receipt joins one receipt to its message. One that matches nothing is parked
// until its message's id is known or its time is over.
func (e *Engine) receipt(p *partition, c *carrier, rc *Receipt, at int64) {
	if rc.State == message.Open {
		e.stats.ReceiptsIntermediate++
		return
	}
	key := receipts.Key(c.index, e.cfg.CanonicalID(c.name, rc.ID))
	en, ok := p.table.Find(key)
	h := en.Handle
	if !ok || p.table.At(h) == nil {
		e.unmatched(p, c, key, rc, at)
		return
	}
	p.table.Forget(en)
	e.stats.ReceiptsMatched++
	p.seen.Add(key)
	w := p.table.At(h)
	w.Left--
	w.Worst = receipts.Join(w.Worst, rc.State)
	if w.State == message.Submitted && w.Left == 0 {
		e.final(p, h, w, at, rc.Err)
		return
	}
	p.heard[h] = append(p.heard[h], keep(rc, c, at))
	p.inMemory = true
}

// keep copies what is kept of a receipt.
func keep(rc *Receipt, c *carrier, at int64) parked {
	kept := parked{receipt: *rc, carrier: c, at: at}
	kept.receipt.ID = append([]byte(nil), rc.ID...)
	return kept
}

func (e *Engine) unmatched(p *partition, c *carrier, key uint64, rc *Receipt, at int64) {
	if p.seen.Has(key) {
		e.stats.ReceiptsRepeated++
		return
	}
	if d := e.doubtOf(p, rc, at); d != nil {
		e.adopt(p, d, at)
		e.expectID(p, c, d.handle, rc.ID)
		e.receipt(p, c, rc, at)
		return
	}
	if len(p.parked) >= parkedMax {
		e.stats.ReceiptsUnmatched++
		return
	}
	p.parked[key] = keep(rc, c, at)
	p.inMemory = true
}

// doubtOf finds the one uncertain message to which a receipt with an unknown
// id can belong: the only one to that phone, with nothing else to it under
// way that could be its message instead.
func (e *Engine) doubtOf(p *partition, rc *Receipt, at int64) *doubt {
	d := p.uncertain[rc.Phone]
	if d == nil || rc.Phone == 0 || d.several || at < d.written || rc.To != 0 && rc.To != d.message.Number {
		return nil
	}
	for i := range e.flights {
		if o := e.flights[i].o; o != nil && o.msg.Phone == rc.Phone {
			return nil
		}
	}
	return d
}

func (p *partition) addDoubt(d *doubt) {
	if before := p.uncertain[d.message.Phone]; before != nil {
		before.several = true
		return
	}
	p.uncertain[d.message.Phone] = d
}

// second takes the doubt about a broadcast's first attempt out, since from now
// on the second one decides.
func (p *partition) second(phone message.Phone, id message.BroadcastID) *doubt {
	d := p.uncertain[phone]
	if d == nil || d.several || d.message.Broadcast != id {
		return nil
	}
	delete(p.uncertain, phone)
	return d
}

// nothing ends a second attempt that says nothing of the first.
func (o *outgoing) nothing() {
	if o.first != nil {
		o.p.addDoubt(o.first)
		o.first = nil
	}
}

// adopt moves an uncertain message on to submitted: the carrier has it.
func (e *Engine) adopt(p *partition, d *doubt, at int64) {
	delete(p.uncertain, d.message.Phone)
	if d.broadcast != nil {
		delete(d.broadcast.limbo, d.message.Rank)
	}
	g := e.gather.At(p.id)
	g.Record.Finals = append(g.Record.Finals, record.Final{
		Message: d.message, From: message.Uncertain, State: message.Submitted, Written: d.written, At: at,
	})
	g.Finals = append(g.Finals, settled{bc: d.broadcast})
	m := &d.message
	d.handle = p.table.Add(receipts.Waiting{
		Phone: m.Phone, Written: d.written, Expires: d.expires, Offset: p.acked + 1,
		Broadcast: m.Broadcast, Rank: m.Rank, Member: m.Member, Attributes: m.Attributes,
		Number: e.numberIndex(m.Number), Carrier: e.carrierIndex(m.Carrier), Class: m.Class, Parts: m.Parts, State: message.Submitted,
	})
	if m.Broadcast == 0 {
		p.ids[d.handle] = m.ID
	}
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

// final gathers the final of a message whose receipts have all come.
func (e *Engine) final(p *partition, h handleOf, w *receipts.Waiting, at int64, errText string) {
	e.finish(p, h, w, w.Worst, at, errText)
}

func (e *Engine) finish(p *partition, h handleOf, w *receipts.Waiting, state message.State, at int64, errText string) {
	if p.retries != nil {
		if e.again(p, h, state, errText, nil) {
			return
		}
		e.learn(p, h, state, at)
	}
	g := e.gather.At(p.id)
	g.Record.Finals = append(g.Record.Finals, record.Final{
		Message: e.messageOf(p, h, w), From: message.Submitted, State: state, Err: errText, Written: w.Written, At: at,
	})
	g.Finals = append(g.Finals, settled{bc: p.broadcasts[w.Broadcast]})
	p.free(h)
}

// free forgets a message that waits for nothing any more.
func (p *partition) free(h handleOf) {
	delete(p.ids, h)
	delete(p.heard, h)
	delete(p.retries, h)
	p.table.Free(h)
}

// expire lets go what has waited long enough: messages without a receipt after
// validity and grace, receipts without a message, doubts.
func (e *Engine) expire(p *partition, ms int64) {
	p.table.Sweep(ms, 1<<30, func(h handleOf, w *receipts.Waiting) {
		if w.State == message.Submitted {
			e.finish(p, h, w, message.NoReceipt, ms, "")
			return
		}
		p.free(h) // Parts of it were never decided: it is final by another way.
	})
	limit := ms - max(e.cfg.Grace, time.Minute).Milliseconds()
	for key, early := range p.parked {
		if d := e.doubtOf(p, &early.receipt, early.at); d != nil { // It came before its message was given up as uncertain.
			e.adopt(p, d, early.at)
			e.expectID(p, early.carrier, d.handle, early.receipt.ID)
		} else if early.at < limit {
			delete(p.parked, key)
			e.stats.ReceiptsUnmatched++
		}
	}
	for phone, d := range p.uncertain {
		if d.expires < ms {
			delete(p.uncertain, phone)
		}
	}
}
