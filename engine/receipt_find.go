package engine

import (
	"encoding/binary"

	"fanline/engine/message"
	"fanline/engine/receipts"
)

// verdict is what looking for a receipt's message came to.
type verdict uint8

const (
	nobody  verdict = iota // no message is known that it could be about
	found                  // one is
	several                // more than one is, or may be: nothing may be credited
	decided                // one is, and it was decided without this receipt
	heard                  // it was here before, or another final one of that part
	perhaps                // one is, unless it was here before, or another message turns out to be meant
)

// search looks for the message of a receipt under one id after another.
type search struct {
	c     *carrier
	rc    *Receipt
	at    int64
	to    *number // of ours, to which the receipt came; nil: unknown
	keys  [IDForms]uint64
	p     *partition
	entry receipts.Entry
	key   uint64
	form  IDForm
	n     int // different parts, or messages
}

// in takes up the messages of a partition that have the id, unless they are
// others' that only share it.
func (s *search) in(p *partition, form IDForm) {
	key := s.keys[form]
	for en, ok := p.table.Find(key); ok; en, ok = p.table.Next(en) {
		w := p.table.At(en.Handle)
		if w == nil || !s.fits(w) || s.n > 0 && s.p == p && s.entry.Handle == en.Handle && s.key == key {
			continue
		}
		if s.n++; s.n == 1 {
			s.p, s.entry, s.key, s.form = p, en, key, form
		}
	}
}

// fits tells whether the receipt can be about a message: it names its phone.
// Some carriers leave the number out, or its country, or swap the addresses.
// Without an id it must also be younger, and have come to the same number.
func (s *search) fits(w *receipts.Waiting) bool {
	rc := s.rc
	if len(rc.ID) == 0 && (s.at < w.Written || s.to != nil && s.to.index != w.Number) {
		return false
	}
	return rc.Phone == w.Phone || rc.Phone == 0 || rc.To == w.Phone || national(rc.Phone, w.Phone)
}

// only tells whether the id can be of no other form.
func (s *search) only() bool {
	for form, key := range s.keys {
		if IDForm(form) != s.form && key != 0 {
			return false
		}
	}
	return true
}

// clear tells whether the id would be another one in every other form.
func (s *search) clear() bool {
	for form, key := range s.keys {
		if IDForm(form) != s.form && key == s.key {
			return false
		}
	}
	return true
}

// national tells whether short is a whole number without its country's digits.
func national(short, whole message.Phone) bool {
	if short < 1_000_000 || short >= whole {
		return false
	}
	power := message.Phone(10_000_000)
	for power <= short {
		power *= 10
	}
	return whole%power == short
}

// find looks for the message of a final receipt. As long as the form of a
// carrier's ids is not sure, all are tried, and a match counts only if it is
// the only one, the receipt names its phone, and no other message to that can
// still turn out to be meant; once it is, that form alone is, until the receipt has waited for some
// time: thorough. Other partitions are searched where the receipt was filed
// under no phone, and where some of this carrier's were astray.
func (e *Engine) find(p *partition, c *carrier, rc *Receipt, at int64, thorough bool) (search, verdict) {
	s := search{c: c, rc: rc, at: at, to: e.numbers[rc.To]}
	first := c.in.stats.Form
	s.keys[first] = e.receiptKey(c, rc, first)
	e.findIn(&s, p, c, first, thorough)
	if len(rc.ID) > 0 && c.in.detect && (!c.in.sure() || thorough && s.n == 0) {
		for form := range IDForm(IDForms) {
			if form != first {
				s.keys[form] = e.receiptKey(c, rc, form)
				e.findIn(&s, p, c, form, thorough)
			}
		}
		if s.n == 1 && !s.only() && (rc.Phone == 0 || p.uncertain[rc.Phone] != nil || e.busy(rc.Phone) || s.wasHere(p)) {
			return s, perhaps
		}
	}
	if s.n == 1 && c.in.stats.IDsReused > 0 && (p.uncertain[rc.Phone] != nil || e.busy(rc.Phone)) {
		return s, perhaps // What has no id yet may have this one too.
	}
	switch {
	case s.n == 0:
		return s, past(p, c, &s)
	case s.n > 1, len(rc.ID) == 0 && p.uncertain[rc.Phone] != nil:
		return s, several
	}
	if st := s.p.table.At(s.entry.Handle).State; st != message.Open && st != message.Submitted {
		return s, decided
	}
	return s, found
}

func (e *Engine) findIn(s *search, p *partition, c *carrier, form IDForm, thorough bool) {
	if s.keys[form] == 0 {
		return
	}
	before := s.n
	s.in(p, form)
	if s.n > before || !thorough && !c.in.astray && s.rc.Phone != 0 {
		return
	}
	for _, q := range e.parts {
		if q != nil && q != p && q.ready {
			s.in(q, form)
		}
	}
}

// past tells what is remembered of a receipt that no message waits for.
func past(p *partition, c *carrier, s *search) verdict {
	if len(s.rc.ID) == 0 {
		return nobody
	}
	if c.in.detect && p.seen.Has(s.asCame()) {
		return heard
	}
	for form, key := range s.keys {
		if key == 0 {
			continue
		}
		if c.in.sure() && IDForm(form) != c.in.stats.Form {
			continue
		}
		switch once := onceKey(key, s.rc.Phone); {
		case p.seen.Has(once):
			return heard
		case p.lapsed.Has(once):
			return decided
		}
	}
	return nobody
}

// wasHere tells whether the receipt may have been here before, and so be about
// another message than the one found.
func (s *search) wasHere(p *partition) bool {
	for _, key := range s.keys {
		if once := onceKey(key, s.rc.Phone); key != 0 && key != s.key && (p.seen.Has(once) || p.lapsed.Has(once)) {
			return true
		}
	}
	return p.seen.Has(s.asCame())
}

// asCame is under which a receipt is remembered whose id may be of any form.
func (s *search) asCame() uint64 {
	return onceKey(receipts.Key(^s.c.index, s.rc.ID), s.rc.Phone) // No carrier has such an index.
}

// busy tells whether a part to a phone has left whose id is still to come.
func (e *Engine) busy(phone message.Phone) bool {
	for i := range e.flights {
		if f := &e.flights[i]; f.o != nil && f.state == flightWritten && f.o.msg.Phone == phone {
			return true
		}
	}
	return false
}

// responseKey is the hash under which the id of a response is looked up.
func (e *Engine) responseKey(c *carrier, id []byte) uint64 {
	return receipts.Key(c.index, e.cfg.CanonicalID(c.name, id))
}

// parkKey is that under which a receipt is kept when no message is known.
func (e *Engine) parkKey(c *carrier, s *search) uint64 {
	if key := s.keys[c.in.stats.Form]; key != 0 || len(s.rc.ID) == 0 {
		return key
	}
	return e.receiptKey(c, s.rc, IDSame) // Its id cannot be of the form that the others have.
}

// receiptKey is that under which the response with the id of a receipt is, were
// it written in a form; 0: it cannot be. One without an id is looked up by its
// phone.
func (e *Engine) receiptKey(c *carrier, rc *Receipt, form IDForm) uint64 {
	if len(rc.ID) == 0 {
		return phoneKey(c, rc.Phone)
	}
	if !c.in.detect {
		return e.responseKey(c, rc.ID)
	}
	id, ok := e.cfg.ReceiptID(c.name, form, rc.ID, e.idRoom[:0])
	if !ok {
		return 0
	}
	return receipts.Key(c.index, id)
}

// phoneKey stands for the id of a message to a phone where the carrier gives
// none, in its responses or in its receipts. No id begins with a NUL.
func phoneKey(c *carrier, phone message.Phone) uint64 {
	if phone == 0 {
		return 0
	}
	var id [9]byte
	binary.BigEndian.PutUint64(id[1:], uint64(phone))
	return receipts.Key(c.index, id[:])
}

// onceKey is under which a receipt is remembered: an id that the carrier uses
// again for another phone is another one.
func onceKey(key uint64, phone message.Phone) uint64 {
	k := key ^ uint64(phone)*0x9E3779B97F4A7C15
	if k == 0 {
		return 1
	}
	return k
}
