package engine

import (
	"slices"
	"time"

	"fanline/engine/message"
	"fanline/engine/receipts"
	"fanline/pipeline/record"
)

// parked is a receipt that came before its message's id was known, or of a
// message whose other parts have none yet.
type parked struct {
	receipt Receipt
	carrier *carrier
	at      int64
	part    uint8 // of a message that is known; 0: unknown
	byPhone bool  // … and took it though it doesn't know its id
	next    int64 // Unix ms, when it is looked for thoroughly
	several bool  // more than one message could be meant
	learned int   // … as far as was known by then: carrier.in.learned
}

// lent is a receipt that a message of another partition took. Until a snapshot
// of that one tells of it, ours do.
type lent struct {
	parked
	to    *partition
	since int64 // snapshots of to
}

// park keeps a receipt whose message is not known, or not for sure.
func (e *Engine) park(p *partition, c *carrier, s *search, v verdict, at int64) {
	r := &c.in.stats
	id := e.parkKey(c, s)
	if id == 0 { // Neither id nor phone.
		r.Unmatched++
		return
	}
	key := onceKey(id, s.rc.Phone)
	if len(p.parked) >= parkedMax {
		r.Unmatched++
		return
	}
	kept := keep(s.rc, c, at)
	kept.next = at + thoroughAfter.Milliseconds()
	if kept.several = v == several; kept.several {
		kept.learned = c.in.learned
		r.Ambiguous++
	}
	p.parked[key] = kept
	p.inMemory = true
}

// early joins the receipt that was quicker than the response with its id.
func (e *Engine) early(p *partition, key uint64, phone message.Phone) {
	if len(p.parked) == 0 {
		return
	}
	once := onceKey(key, phone)
	if _, ok := p.parked[once]; ok {
		e.recheck(p, once, false)
	}
}

// reconsider looks once more for the message of a parked receipt, and tells whether
// that has led to anything.
func (e *Engine) reconsider(p *partition, r *parked, thorough bool) bool {
	c := r.carrier
	if r.several && r.learned == c.in.learned {
		return false // That one of the two has gone doesn't make it the other's.
	}
	s, v := e.find(p, c, &r.receipt, r.at, thorough)
	switch v {
	case found:
		c.in.stats.Joined++
		e.credit(p, c, &s, &r.receipt, r.at)
		return true
	case heard:
		c.in.stats.Repeated++
		return true
	case decided:
		c.in.stats.Late++
		e.tooLate(&s)
		return true
	case several:
		r.learned = c.in.learned
		if !r.several {
			r.several = true
			c.in.stats.Ambiguous++
		}
	case nobody:
		if d := e.doubtOf(p, &r.receipt, r.at); d != nil { // It came before its message was given up as uncertain.
			c.in.stats.Settled++
			e.creditDoubt(p, c, d, &s, r.at)
			return true
		}
	}
	return false
}

// recheck reconsiders a parked receipt and keeps the receipt or lets it go.
func (e *Engine) recheck(p *partition, key uint64, thorough bool) {
	r := p.parked[key]
	if thorough {
		r.next = 2*e.now.UnixMilli() - r.at // Its age, once more.
	}
	if e.reconsider(p, &r, thorough) {
		delete(p.parked, key)
	} else {
		p.parked[key] = r
	}
}

// lookAgain goes over what is parked of a carrier when something was learned
// of it: which form its ids have, or where its receipts are filed.
func (e *Engine) lookAgain(c *carrier) {
	for c.in.looked != c.in.learned {
		c.in.looked = c.in.learned
		for _, p := range e.parts {
			if p == nil {
				continue
			}
			var keys []uint64
			for key, r := range p.parked {
				if r.carrier == c {
					keys = append(keys, key)
				}
			}
			for _, key := range keys {
				e.rekey(p, key)
			}
		}
	}
}

// rekey looks at a parked receipt again, and keeps it where it belongs now that
// its id is read in another form.
func (e *Engine) rekey(p *partition, key uint64) {
	r, ok := p.parked[key]
	if !ok {
		return // Another one took its place.
	}
	delete(p.parked, key)
	if e.reconsider(p, &r, false) {
		return
	}
	s := search{c: r.carrier, rc: &r.receipt}
	s.keys[r.carrier.in.stats.Form] = e.receiptKey(r.carrier, &r.receipt, r.carrier.in.stats.Form)
	now := onceKey(e.parkKey(r.carrier, &s), r.receipt.Phone)
	if before, taken := p.parked[now]; taken && before.at <= r.at {
		r.carrier.in.stats.Repeated++
		return
	} else if taken {
		r.carrier.in.stats.Repeated++
	}
	p.parked[now] = r
}

// How parked receipts are looked at again.
const (
	thoroughAfter = 2 * time.Second // at first, when the response with its id must have come; then at twice its age
	oftenFor      = time.Minute     // as long it is looked at whenever there is time
	againMost     = 1 << 10         // of a partition at a time, so that nothing else waits long
)

// expireParked looks at what is parked again and lets go what has waited as
// long as its message would have.
func (e *Engine) expireParked(p *partition, ms int64) {
	limit := ms - max(e.cfg.Grace, time.Minute).Milliseconds()
	budget := againMost
	for key, r := range p.parked {
		if r.at < limit {
			delete(p.parked, key)
			r.carrier.in.stats.Unmatched++
			continue
		}
		if thorough := ms >= r.next; budget > 0 && (thorough || ms-r.at < oftenFor.Milliseconds()) {
			budget--
			e.recheck(p, key, thorough)
		} else if p.uncertain[r.receipt.Phone] != nil {
			e.recheck(p, key, false)
		}
	}
	kept := p.lent[:0]
	for _, l := range p.lent {
		if l.open(e) {
			kept = append(kept, l)
		}
	}
	clear(p.lent[len(kept):])
	p.lent = kept
}

// open tells whether the other partition's snapshots may not tell of it yet.
// One may have been on its way when the receipt was taken: the next counts.
func (l *lent) open(e *Engine) bool {
	return e.parts[l.to.id] == l.to && l.to.snapshots < l.since+2
}

// findByPhone has the messages of a carrier be found by their phones too, from
// when it first sends a receipt without an id, or gives none in a response.
func (e *Engine) findByPhone(c *carrier) {
	c.in.noIDs = true
	c.in.learned++
	for _, p := range e.parts {
		if p != nil {
			p.byPhone(c)
		}
	}
}

func (p *partition) byPhone(c *carrier) {
	p.table.Each(func(h handleOf, w *receipts.Waiting) {
		for part := uint8(1); part <= w.Left && w.Carrier == c.index; part++ {
			p.table.Expect(phoneKey(c, w.Phone), h, part)
		}
	})
}

// rememberMost is how many receipts a snapshot tells of that were credited: as
// many as carriers may send again after a restart, their answer having been
// lost with us.
const rememberMost = 1 << 11

// remember takes note of a receipt that was credited, so that it is known when
// it comes again.
func (p *partition) remember(once uint64) {
	p.seen.Add(once)
	if len(p.recently) < rememberMost {
		p.recently = append(p.recently, once)
		return
	}
	p.recently[p.oldest] = once
	p.oldest = (p.oldest + 1) % rememberMost
}

// remembered lists those receipts, the oldest first.
func (p *partition) remembered() []uint64 {
	return append(slices.Clone(p.recently[p.oldest:]), p.recently[:p.oldest]...)
}

// earlyOctets bounds what a snapshot tells of receipts: brokers refuse records
// of a megabyte.
const earlyOctets = 384 << 10

// unsettled lists the receipts that nothing but memory knows of, those first
// that are no older than since.
func (p *partition) unsettled(e *Engine, since int64) []record.Early {
	var all []record.Early
	octets := 0
	add := func(r *parked, of message.Key) {
		rc := &r.receipt
		if octets += 64 + len(rc.ID) + len(rc.Err); octets <= earlyOctets {
			all = append(all, record.Early{
				Carrier: r.carrier.name, ID: rc.ID, Phone: rc.Phone, To: rc.To, State: rc.State, Err: rc.Err, At: r.at, Of: of,
			})
		}
	}
	none := message.Key{}
	for h, parts := range p.heard {
		for i := range parts {
			of := none
			if w := p.table.At(h); parts[i].byPhone && w != nil {
				m := e.messageOf(p, h, w)
				of = m.Key()
			}
			add(&parts[i], of)
		}
	}
	for i := range p.lent {
		if l := &p.lent[i]; l.open(e) {
			add(&l.parked, none)
		}
	}
	for o := range p.again {
		for i := range o.retry.said {
			add(&o.retry.said[i], none)
		}
	}
	for _, young := range []bool{true, false} {
		for _, r := range p.parked {
			if (r.at >= since) == young {
				add(&r, none)
			}
		}
	}
	return all
}
