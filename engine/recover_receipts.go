package engine

import (
	"math/bits"
	"strings"

	"fanline/engine/message"
	"fanline/engine/receipts"
	"fanline/pipeline/record"
)

// partial is what outcomes said of a message so far.
type partial struct {
	handle handleOf
	waits  bool
	given  given
	over   bool     // it was given up as uncertain
	first  *partial // of a second attempt of which nothing has left yet
}

// attempt takes note of a part that is sent once more.
func (r *recovery) attempt(in *record.Intent) {
	part := r.texts[in.Key()]
	switch {
	case part == nil:
	case part.over:
		r.texts[in.Key()] = &partial{first: part}
	case part.given.may&(1<<(in.Part-1)) != 0:
		part.given.twice = true
	}
}

// give takes note of what the carrier told of a part.
func (r *recovery) give(offset int64, o *record.Outcome) {
	bit := uint32(1) << (o.Part - 1)
	switch o.Code {
	case message.Accepted:
		r.left(o.Message.Key(), o.Message.Phone, o.Message.Parts)
		r.expect(offset, o)
		r.texts[o.Message.Key()].given.have |= bit
	case message.Unknown:
		r.left(o.Message.Key(), o.Message.Phone, o.Message.Parts).given.may |= bit
	}
}

// left returns what is known of a message of which a part has left, or may
// have. Where it was a second attempt's, receipts can no longer settle the first
// one: they would pass for each other's.
func (r *recovery) left(key message.Key, phone message.Phone, parts uint8) *partial {
	part := r.texts[key]
	if part == nil {
		part = &partial{}
		r.texts[key] = part
	}
	if d := r.p.uncertain[phone]; part.first != nil && parts > 1 && d != nil && d.message.Key() == key {
		delete(r.p.uncertain, phone)
	}
	part.first = nil // What it left in the table finds its receipts, no more.
	return part
}

// text returns what is known of a message whose attempts are over: of the first
// one, if nothing of a second has left.
func (r *recovery) text(key message.Key) *partial {
	part := r.texts[key]
	switch {
	case part == nil:
		part = &partial{}
	case part.first != nil:
		part = part.first
	}
	r.texts[key] = part
	return part
}

// expect makes receipts of an accepted part find its message again.
func (r *recovery) expect(offset int64, o *record.Outcome) {
	key := o.Message.Key()
	part := r.texts[key]
	if part == nil {
		part = &partial{}
		r.texts[key] = part
	}
	m := &o.Message
	if part.waits && o.From == message.Submitted { // A further attempt, unless it is one more part of it.
		if w := r.p.table.At(part.handle); w != nil && w.Carrier != r.e.carrierIndex(m.Carrier) {
			delete(r.p.ids, part.handle)
			r.p.table.Free(part.handle)
			part.waits = false
		}
	}
	if !part.waits {
		part.handle = r.p.table.Add(receipts.Waiting{
			Phone: m.Phone, Written: o.Written, Expires: r.expires(o.Written), Offset: offset,
			Broadcast: m.Broadcast, Rank: m.Rank, Member: m.Member, Attributes: m.Attributes,
			Number: r.e.numberIndex(m.Number), Carrier: r.e.carrierIndex(m.Carrier), Class: m.Class, Parts: m.Parts,
		})
		part.waits = true
		if w := r.p.table.At(part.handle); o.From == message.Submitted {
			w.State = message.Submitted
		}
		if m.Broadcast == 0 {
			r.p.ids[part.handle] = m.ID
		}
	}
	if w := r.p.table.At(part.handle); w != nil {
		w.Left++
		if len(o.MessageID) == 0 {
			r.noIDs[w.Carrier] = true
			return
		}
		key := receipts.Key(w.Carrier, r.e.cfg.CanonicalID(m.Carrier, o.MessageID))
		r.p.table.Expect(key, part.handle, o.Part)
		// Once the message is final, a receipt that is read or sent again must
		// not pass for that of an uncertain message to the same phone.
		r.p.seen.Add(onceKey(key, m.Phone))
	}
}

// expires is when a message found in the journal becomes no_receipt. The
// journal doesn't keep its validity, so the longest in use stands in for it.
func (r *recovery) expires(written int64) int64 {
	return written + r.e.cfg.Grace.Milliseconds() + r.e.cfg.Validity.Milliseconds()
}

// adopted keeps a message that left uncertain waiting. Receipts have shown that
// the carrier has those of its parts whose ids are not in the journal: they
// stand beside the last snapshot, or are read again, and are found by phone.
func (r *recovery) adopted(offset int64, f *record.Final) {
	m := f.Message
	part := r.text(m.Key())
	if !part.waits {
		part.waits = true
		part.handle = r.p.table.Add(receipts.Waiting{
			Phone: m.Phone, Written: f.Written, Expires: r.expires(f.Written), Offset: offset,
			Broadcast: m.Broadcast, Rank: m.Rank, Member: m.Member, Attributes: m.Attributes,
			Number: r.e.numberIndex(m.Number), Carrier: r.e.carrierIndex(m.Carrier), Class: m.Class, Parts: m.Parts,
		})
		if m.Broadcast == 0 {
			r.p.ids[part.handle] = m.ID
		}
	}
	w := r.p.table.At(part.handle)
	if w == nil {
		return
	}
	w.State = message.Submitted
	if missing := allParts(m.Parts) &^ part.given.have; missing != 0 {
		w.Left += uint8(bits.OnesCount32(missing))
		m.Carrier = strings.Clone(m.Carrier)
		r.p.addDoubt(&doubt{
			message: m, broadcast: r.broadcast(&m), written: f.Written, expires: w.Expires, offset: w.Offset,
			missing: missing, adopted: true, handle: part.handle, waits: true,
		})
	}
}

// doubt keeps an uncertain message for receipts to settle, if they can; it is
// let go otherwise.
func (r *recovery) doubt(m *record.Message, written, offset int64) {
	part := r.text(m.Key())
	part.over = true
	missing, may := part.given.missing(m.Parts)
	if m.Parts == 1 && missing != 0 { // However long ago it was that it left.
		may = true
	}
	if !may {
		if part.waits {
			r.p.drop(part.handle, message.Uncertain)
		}
		return
	}
	if part.waits {
		r.p.since(part.handle, offset)
	}
	kept := *m
	kept.Carrier = strings.Clone(m.Carrier)
	r.p.addDoubt(&doubt{
		message: kept, broadcast: r.broadcast(m), written: written, expires: r.expires(written), offset: offset,
		missing: missing, handle: part.handle, waits: part.waits,
	})
}

// remember keeps the ids of messages that are final beyond the next restart too:
// carriers send receipts again whose answer was lost with us.
func (r *recovery) remember() {
	for _, once := range r.seen {
		r.p.remember(once)
	}
	r.p.table.Purge(func(key uint64, h handleOf) {
		if phone, ok := r.gone[h]; ok {
			r.p.remember(onceKey(key, phone))
		}
	})
}

// byPhone has the messages of carriers that leave ids out be found by phone.
func (r *recovery) byPhone() {
	for _, c := range r.e.carriers {
		r.e.detects(c)
		if c.in.noIDs {
			r.p.byPhone(c)
		} else if r.noIDs[c.index] {
			r.e.findByPhone(c)
		}
	}
}
