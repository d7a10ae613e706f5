package engine

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Start says from where a partition's topics are read.
type Start struct {
	Jobs, Receipts int64 // committed offsets
}

// Replay reads journal records of a partition from the oldest retained one up
// to, and without, the offset until. It calls each with every record in order.
type Replay func(ctx context.Context, partition int32, until int64, each func(offset int64, value []byte) error) error

// Own takes a partition over. It writes our own record, which fences every
// older owner; reads the journal up to it; marks what an older owner left
// without an outcome as uncertain; and starts to serve the partition. Consent
// must have been read to its end before.
func (e *Engine) Own(ctx context.Context, partition int32, start Start, replay Replay) error {
	owner, err := e.writeOwn(ctx, partition)
	if err != nil {
		return fmt.Errorf("own partition %d: %w", partition, err)
	}
	r := &recovery{e: e, p: newPartition(partition), open: map[record.Ref]openIntent{}, texts: map[message.Key]*partial{}, begun: map[message.Key]begun{}, gone: map[handleOf]message.Phone{}, noIDs: map[uint16]bool{}}
	r.p.owner, r.p.acked = owner, owner
	r.p.jobsNext, r.p.receiptsNext = start.Jobs, start.Receipts
	r.p.receiptsDone = start.Receipts
	var j record.Journal
	err = replay(ctx, partition, owner, func(offset int64, value []byte) error {
		if err := record.DecodeJournal(value, &j); err != nil {
			return fmt.Errorf("journal record %d of partition %d: %w", offset, partition, err)
		}
		r.apply(offset, &j)
		return nil
	})
	if err != nil {
		return fmt.Errorf("recover partition %d: %w", partition, err)
	}
	return e.do(ctx, func(now time.Time) { r.takeOver(now) })
}

// Disown gives a partition up at once: what was not written is left to the
// next owner, what was is uncertain to it unless its outcome becomes durable.
func (e *Engine) Disown(ctx context.Context, partition int32) error {
	return e.do(ctx, func(time.Time) {
		p := e.parts[partition]
		if p == nil {
			return
		}
		for _, bc := range p.broadcasts {
			e.newEpoch(bc, bc.epoch)
		}
		e.parts[partition] = nil
		e.mu.Lock()
		e.owned[partition] = false
		e.mu.Unlock()
	})
}

func (e *Engine) writeOwn(ctx context.Context, partition int32) (int64, error) {
	value := record.AppendJournal(nil, &record.Journal{Owner: record.NoOwner, Own: &record.Own{Engine: e.cfg.Name, At: time.Now().UnixMilli()}})
	type result struct {
		offset int64
		err    error
	}
	done := make(chan result, 1)
	e.cfg.Log.Append([]journal.Entry{{Topic: record.TopicJournal, Partition: partition, Value: value}}, func(offsets []int64, err error) {
		if err != nil {
			done <- result{err: err}
			return
		}
		done <- result{offset: offsets[0]}
	})
	select {
	case r := <-done:
		return r.offset, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// recovery rebuilds a partition from its journal.
type recovery struct {
	e     *Engine
	p     *partition
	owner int64 // of the records being read
	open  map[record.Ref]openIntent
	texts map[message.Key]*partial   // messages that wait for receipts
	begun map[message.Key]begun      // of those that are undecided
	early []record.Early             // as of the last snapshot
	seen  []uint64                   // likewise
	gone  map[handleOf]message.Phone // of messages that are final
	noIDs map[uint16]bool            // carriers that accepted parts without giving an id
}

// begun is what outcomes that decide nothing said of a message.
type begun struct {
	message record.Message
	written int64 // Unix ms
	offset  int64 // of the first of them
	unknown bool  // a part got no answer; by policy it was to be sent again
}

type openIntent struct {
	intent record.Intent
	run    record.Run
}

// apply takes a record up. Those of an owner before the last one are void.
func (r *recovery) apply(offset int64, j *record.Journal) {
	if j.Own != nil {
		r.owner = offset
	} else if j.Owner < r.owner {
		return
	}
	if j.Snapshot != nil {
		r.restore(j.Snapshot)
		r.early, r.seen = j.Early, j.Seen
		for i := range r.early { // They alias the record.
			e := &r.early[i]
			e.Carrier, e.ID, e.Err = strings.Clone(e.Carrier), bytes.Clone(e.ID), strings.Clone(e.Err)
		}
	}
	for i := range j.Intents {
		in := j.Intents[i]
		run := j.Runs[in.Run]
		run.Carrier = strings.Clone(run.Carrier)
		r.open[record.Ref{Offset: offset, Index: uint32(i)}] = openIntent{in, run}
		r.attempt(&in)
		if in.Broadcast == 0 {
			r.p.recent[in.ID] = recent{at: run.At}
		}
	}
	for i := range j.Outcomes {
		r.outcome(offset, &j.Outcomes[i])
	}
	for i := range j.Finals {
		r.final(offset, &j.Finals[i])
	}
	for i := range j.Settles {
		s := &j.Settles[i]
		bc := r.p.broadcast(nil, s.Broadcast, s.Epoch, 0)
		bc.epoch, bc.settled = s.Epoch, true
		bc.counts[s.State] += s.Count
		bc.ranks = ranks{low: bc.total, count: int64(bc.total)}
	}
}

func (r *recovery) restore(s *record.Snapshot) {
	for i := range s.Broadcasts {
		b := &s.Broadcasts[i]
		bc := r.p.broadcast(nil, b.ID, b.Epoch, b.Total)
		bc.epoch, bc.total, bc.settled, bc.counts, bc.parts = b.Epoch, b.Total, b.Settled, b.Counts, b.Parts
		if b.Settled {
			bc.ranks = ranks{low: b.Total, count: int64(b.Total)}
		} else {
			bc.ranks.restore(b.Low, b.Decided)
		}
	}
	for _, id := range s.Recent {
		r.p.recent[id] = recent{at: time.Now().UnixMilli()}
	}
}

// move applies a change of a message's state.
func (r *recovery) move(m *record.Message, from, to message.State) {
	if m.Broadcast == 0 || to == message.Open {
		return
	}
	bc := r.p.broadcast(nil, m.Broadcast, 0, 0)
	if from == message.Open {
		bc.ranks.decide(m.Rank)
	}
	bc.move(nil, from, to, m.Parts)
}

func (r *recovery) outcome(offset int64, o *record.Outcome) {
	delete(r.open, o.Ref)
	r.move(&o.Message, o.From, o.State)
	r.give(offset, o)
	key := o.Message.Key()
	if o.From == message.Submitted { // A further attempt: the message stays what it is.
		return
	}
	if d := r.p.uncertain[o.Message.Phone]; o.State == message.Open && d != nil && d.message.Key() == key {
		if part := r.texts[key]; o.Code == message.Accepted && part != nil { // A late answer; another part's is still to come.
			d.missing &^= 1 << (o.Part - 1)
			d.handle, d.waits = part.handle, part.waits
			r.p.since(d.handle, d.offset)
		}
		return
	}
	if o.State == message.Open {
		b, more := r.begun[key]
		switch {
		case o.Code == message.Accepted || o.Code == message.Unknown:
			if !more {
				b.message, b.written, b.offset = o.Message, o.Written, offset
				b.message.Carrier = strings.Clone(b.message.Carrier)
			}
			b.unknown = b.unknown || o.Code == message.Unknown
			r.begun[key] = b
		case o.Code == message.NotSent && o.Message.Broadcast == 0 && !more:
			delete(r.p.recent, o.Message.ID) // It went back to its lane: its job is read again.
		}
		return
	}
	b, more := r.begun[key]
	delete(r.begun, key)
	if o.From == message.Uncertain {
		delete(r.p.uncertain, o.Message.Phone)
	}
	if !more {
		b.written, b.offset = o.Written, offset
	}
	part := r.texts[key]
	switch {
	case o.State == message.Uncertain:
		r.doubt(&o.Message, b.written, b.offset)
	case part == nil || !part.waits:
	case o.State == message.Submitted:
		if w := r.p.table.At(part.handle); w != nil {
			w.State = message.Submitted
		}
	default:
		r.p.drop(part.handle, o.State)
		delete(r.texts, key)
	}
}

// broadcast is that of a message, nil for a one-to-one. It may be the first
// thing known of it in this partition.
func (r *recovery) broadcast(m *record.Message) *broadcast {
	if m.Broadcast == 0 {
		return nil
	}
	return r.p.broadcast(nil, m.Broadcast, 0, 0)
}

func (r *recovery) decided(m *record.Message) bool {
	bc := r.p.broadcasts[m.Broadcast]
	return bc != nil && bc.ranks.isDecided(m.Rank)
}

func (r *recovery) final(offset int64, f *record.Final) {
	r.move(&f.Message, f.From, f.State)
	key := f.Message.Key()
	if b, more := r.begun[key]; f.State == message.Uncertain {
		if !more {
			b.offset = offset
		}
		r.doubt(&f.Message, f.Written, b.offset)
		delete(r.begun, key)
		return
	}
	delete(r.begun, key)
	if d := r.p.uncertain[f.Message.Phone]; d != nil && d.message.Key() == key {
		delete(r.p.uncertain, f.Message.Phone)
	}
	if f.State == message.Submitted { // out of uncertain
		r.adopted(offset, f)
		return
	}
	if part := r.texts[key]; part != nil {
		if part.waits {
			delete(r.p.ids, part.handle)
			r.p.table.Free(part.handle)
			r.gone[part.handle] = f.Message.Phone
		}
		delete(r.texts, key)
	}
}

// takeOver makes the recovered partition the engine's own: intents without an
// outcome become uncertain, in the journal too.
func (r *recovery) takeOver(now time.Time) {
	e, p := r.e, r.p
	e.parts[p.id] = p
	p.ready, p.changed = true, true
	ms := now.UnixMilli()
	g := e.gather.At(p.id)
	uncertain := map[message.Key]bool{}
	left := map[message.Key]int{}
	for _, open := range r.open {
		left[open.intent.Key()]++
		in := &open.intent
		r.left(in.Key(), in.Phone, in.Parts).given.may |= 1 << (in.Part - 1)
	}
	for ref, open := range r.open {
		key := open.intent.Key()
		left[key]--
		r.unanswered(g, ref, &open, left[key] == 0, ms)
		uncertain[key] = true
	}
	for key, b := range r.begun {
		if !uncertain[key] && !r.decided(&b.message) { // Now that the snapshot was read: what decided it may have been trimmed.
			uncertain[key] = true
			r.halfSent(key, &b, ms)
		}
	}
	if n := len(uncertain); n > 0 {
		e.cfg.Logger.Warn("messages of the last run are uncertain: they may have left, and no response is known",
			slog.Int("partition", int(p.id)), slog.Int("messages", n))
	}
	for _, bc := range p.broadcasts {
		e.touch(bc)
	}
	for id := range e.controls {
		e.carryOut(p, e.controls[id], now)
	}
	for _, bc := range p.broadcasts {
		r.settleRest(bc, ms)
	}
	r.byPhone()
	slices.SortFunc(r.early, func(a, b record.Early) int { return cmp.Compare(a.At, b.At) }) // The first of a part stands.
	for i := range r.early {
		early := &r.early[i]
		if c := e.carrierNamed(early.Carrier); c != nil {
			rc := Receipt{ID: early.ID, State: early.State, Err: early.Err, Phone: early.Phone, To: early.To}
			d := p.uncertain[early.Phone]
			if s, v := e.find(p, c, &rc, early.At, false); d != nil && d.message.Key() == early.Of && v != found {
				c.in.stats.Settled++
				e.creditDoubt(p, c, d, &s, early.At)
				continue
			}
			e.receipt(p, c, &rc, early.At)
		}
	}
	r.remember() // Only now: what a message was told by one of these it is yet to be told.
	p.advance(e)
	e.mu.Lock()
	e.owned[p.id] = true
	e.mu.Unlock()
}

// unanswered gathers the outcome of an intent that has none; that of the last
// part says that its message is uncertain.
func (r *recovery) unanswered(g *journal.Pending[uint32, applied, settled], ref record.Ref, open *openIntent, last bool, ms int64) {
	in := &open.intent
	m := record.Message{
		Number: open.run.Number, Carrier: open.run.Carrier, Class: in.Class, Broadcast: in.Broadcast, Rank: in.Rank,
		ID: in.ID, Member: in.Member, Phone: in.Phone, Parts: in.Parts,
	}
	out := record.Outcome{Ref: ref, Message: m, Part: in.Part, Code: message.Unknown, Bind: open.run.Bind, Written: open.run.At, At: ms}
	var bc *broadcast
	if in.Broadcast != 0 {
		bc = r.p.broadcast(r.e, in.Broadcast, in.Epoch, 0)
	}
	if last && !r.submitted(in.Key()) && (bc == nil || !bc.ranks.isDecided(in.Rank)) {
		out.State = message.Uncertain
		b, more := r.begun[in.Key()]
		if bc != nil {
			bc.ranks.take(in.Rank)
			if !b.unknown { // Else this was the second attempt.
				r.limbo(bc, in.Rank)
			}
		}
		if !more {
			b.written, b.offset = open.run.At, r.p.acked+1
		}
		r.doubt(&m, b.written, b.offset)
	}
	g.Record.Outcomes = append(g.Record.Outcomes, out)
	g.Outcomes = append(g.Outcomes, applied{recovered: true, bc: bc})
}

// submitted tells whether a message waits for receipts: what of it is open is
// a further attempt.
func (r *recovery) submitted(key message.Key) bool {
	part := r.texts[key]
	if part == nil || !part.waits {
		return false
	}
	w := r.p.table.At(part.handle)
	return w != nil && w.State == message.Submitted
}

// settleRest cancels what a cancel had left out because it was under way, and
// what then came back unsent before the old owner could say so.
func (r *recovery) settleRest(bc *broadcast, ms int64) {
	if !bc.settled || bc.cancelling {
		return
	}
	rest := int64(bc.total)
	for _, n := range bc.counts {
		rest -= n
	}
	g := r.e.gather.At(r.p.id)
	for i := range g.Record.Outcomes {
		if o := &g.Record.Outcomes[i]; o.Message.Broadcast == bc.id && o.From == message.Open && o.State != message.Open {
			rest--
		}
	}
	for i := range g.Record.Finals {
		if f := &g.Record.Finals[i]; f.Message.Broadcast == bc.id && f.From == message.Open {
			rest--
		}
	}
	if rest > 0 {
		g.Record.Settles = append(g.Record.Settles, record.Settle{Broadcast: bc.id, Epoch: bc.epoch, State: message.Cancelled, Count: rest, At: ms})
	}
}

// halfSent marks a message as uncertain of which a part has left, or may have,
// and the rest was never intended, or came back: its text is gone with the old
// owner.
func (r *recovery) halfSent(key message.Key, b *begun, ms int64) {
	m := &b.message
	g := r.e.gather.At(r.p.id)
	g.Record.Finals = append(g.Record.Finals, record.Final{Message: *m, State: message.Uncertain, Written: b.written, At: ms})
	bc := r.broadcast(m)
	g.Finals = append(g.Finals, settled{bc: bc})
	switch {
	case bc == nil:
		r.p.recent[m.ID] = recent{at: ms}
	case m.Parts == 1: // The second attempt that its policy asks for was not made.
		r.limbo(bc, m.Rank)
	default:
		bc.ranks.take(m.Rank)
	}
	r.doubt(m, b.written, b.offset)
}

func (r *recovery) limbo(bc *broadcast, rank message.Rank) {
	bc.ranks.take(rank)
	if bc.limbo == nil {
		bc.limbo = map[message.Rank]struct{}{}
	}
	bc.limbo[rank] = struct{}{}
}
