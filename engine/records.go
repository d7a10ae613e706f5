package engine

import (
	"log/slog"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Records hands the engine what the log has for its partitions, in order. It
// waits when the engine is behind. Values must stay as they are afterwards.
func (e *Engine) Records(batch []Record) error {
	if !e.in.post(event{records: batch}) {
		return errStopped
	}
	return nil
}

// record takes a record up. A record that cannot be read is counted, said, and
// passed over: it would be no better the next time.
func (e *Engine) record(r *Record, now time.Time) {
	var err error
	switch r.Topic {
	case record.TopicJobs:
		err = e.job(r, now)
	case record.TopicReceipts:
		err = e.receipts(r, now)
	case record.TopicConsent:
		err = e.consent(r, now)
	case record.TopicControl:
		err = e.control(r, now)
	}
	if err != nil {
		e.stats.Poison++
		e.cfg.Logger.Error("record of the log cannot be read and is passed over",
			slog.String("topic", r.Topic), slog.Int("partition", int(r.Partition)), slog.Int64("offset", r.Offset), slog.Any("error", err))
	}
}

func (e *Engine) job(r *Record, now time.Time) error {
	p := e.parts[r.Partition]
	if p == nil || r.Offset < p.jobsNext {
		return nil
	}
	p.jobsNext = r.Offset + 1
	j, err := record.DecodeJob(r.Value)
	if err != nil {
		return err
	}
	job := &job{offset: r.Offset}
	p.jobs = append(p.jobs, job)
	if j.Block != nil {
		e.block(p, j.Block, job, now)
	} else {
		e.single(p, j.Single, job, now)
	}
	p.changed = true
	p.advance(e)
	return nil
}

func (e *Engine) block(p *partition, b *record.Block, job *job, now time.Time) {
	bc := p.broadcast(e, b.Broadcast, b.Epoch, b.Total)
	bc.total = b.Total
	if b.Epoch > bc.epoch {
		e.newEpoch(bc, b.Epoch)
		bc.paused = false
	}
	last := b.First + message.Rank(len(b.Recipients)) - 1
	if b.Epoch < bc.epoch || bc.settled || bc.paused || (last <= bc.queued && len(bc.limbo) == 0) {
		return
	}
	if first := max(bc.queued, bc.ranks.low) + 1; b.First > first {
		e.stats.Gaps++
		e.cfg.Logger.Error("ranks are missing in the log: they stay undecided until the broadcast is resumed",
			slog.Uint64("broadcast", uint64(b.Broadcast)), slog.Int("partition", int(p.id)), slog.Int("from", int(first)), slog.Int("to", int(b.First)-1))
	}
	bc.queued = max(bc.queued, last)
	job.open = len(b.Recipients)
	h := &held{block: b, bc: bc, job: job}
	n := e.numbers[b.Number]
	if n == nil || len(n.lanes) == 0 {
		e.unrouted(h, now)
		return
	}
	n.blocks.push(h)
}

// unrouted decides the recipients of a block for which no number of ours is
// configured.
func (e *Engine) unrouted(h *held, now time.Time) {
	for i := range h.block.Recipients {
		r := &h.block.Recipients[i]
		rank := h.block.First + message.Rank(i)
		if !h.bc.ranks.take(rank) {
			h.job.finish(1)
			continue
		}
		e.decide(&outgoing{p: h.bc.p, bc: h.bc, job: h.job, msg: record.Message{
			Number: h.block.Number, Class: message.ClassBroadcast, Broadcast: h.block.Broadcast, Rank: rank,
			Member: r.Member, Phone: r.Phone, Attributes: r.Attributes,
		}}, message.Suppressed, message.ReasonRoute, now.UnixMilli())
	}
}

func (e *Engine) single(p *partition, s *record.Single, job *job, now time.Time) {
	ms := now.UnixMilli()
	if r, again := p.recent[s.ID]; again {
		p.recent[s.ID] = recent{r.at, job.offset}
		return
	}
	p.recent[s.ID] = recent{ms, job.offset}
	job.open = 1
	o := &outgoing{
		p: p, job: job, policy: s.Policy, validity: s.Validity, deadline: s.Deadline, at: s.At, text: s.Text, queued: true,
		hint: s.Hint, retry: retry{routes: s.Retry.Routes, on: s.Retry.On},
		msg: record.Message{Number: s.Number, Class: s.Class, ID: s.ID, Member: s.Member, Phone: s.Phone, Attributes: s.Attributes},
	}
	if o.n = e.numbers[s.Number]; o.n == nil || len(o.n.lanes) == 0 {
		e.decide(o, message.Suppressed, message.ReasonRoute, ms)
		return
	}
	if e.sendable(o, ms) {
		o.lane = e.choose(o.n, o.p, o.msg.Phone, o.hint)
		o.lane.waiting[s.Class].push(o)
	}
}

func (e *Engine) consent(r *Record, _ time.Time) error {
	c, err := record.DecodeConsent(r.Value)
	if err != nil {
		return err
	}
	n := e.numbers[c.Number]
	switch {
	case n == nil:
	case c.Revoked:
		n.revoke(c.Phone, c.At)
	default:
		n.rejoin(c.Phone, c.At)
	}
	return nil
}

// control carries out what the store decided about a broadcast.
func (e *Engine) control(r *Record, now time.Time) error {
	c, err := record.DecodeControl(r.Value)
	if err != nil {
		return err
	}
	if c.Epoch < e.controls[c.Broadcast].Epoch {
		return nil
	}
	e.controls[c.Broadcast] = c
	for _, p := range e.parts {
		if p != nil {
			e.carryOut(p, c, now)
		}
	}
	return nil
}

// carryOut applies a control to one partition.
func (e *Engine) carryOut(p *partition, c record.Control, now time.Time) {
	var total message.Rank
	if int(p.id) < len(c.Totals) {
		total = c.Totals[p.id]
	}
	bc := p.broadcast(e, c.Broadcast, c.Epoch, total)
	if bc.total == 0 {
		bc.total = total
	}
	if c.Epoch < bc.epoch || bc.settled {
		return
	}
	if c.Epoch > bc.epoch {
		e.newEpoch(bc, c.Epoch)
	}
	bc.paused = c.Action == record.Pause
	if c.Action == record.Cancel {
		e.cancel(bc, now)
	}
	e.touch(bc)
}

// newEpoch drops what the engine holds of a broadcast and has not begun; the
// planner plans it again, from the low-water rank, or never.
func (e *Engine) newEpoch(bc *broadcast, epoch message.Epoch) {
	bc.epoch, bc.queued = epoch, 0
	bc.p.changed = true
	for _, n := range e.order {
		blocks := n.blocks.rest()[:0:0]
		for _, h := range n.blocks.rest() {
			if h.bc != bc {
				blocks = append(blocks, h)
				continue
			}
			h.job.finish(len(h.block.Recipients) - h.next)
		}
		n.blocks.replace(blocks)
	}
	for _, l := range e.lanes {
		places := l.places.rest()[:0:0]
		for _, p := range l.places.rest() {
			if p.h.bc != bc {
				places = append(places, p)
				continue
			}
			p.h.job.finish(1)
		}
		l.places.replace(places)
		q := &l.waiting[message.ClassBroadcast]
		q.replace(e.release(bc, q.rest()))
		l.delayed = e.release(bc, l.delayed)
	}
}

// release gives messages of a broadcast that were not begun back to the
// planner and returns the others.
func (e *Engine) release(bc *broadcast, queue []*outgoing) []*outgoing {
	var kept []*outgoing
	for _, o := range queue {
		if o.bc != bc || o.out > 0 {
			kept = append(kept, o)
			continue
		}
		o.queued = false
		if o.flying == 0 && o.from == message.Submitted {
			e.failedAgain(o, e.now.UnixMilli())
		} else if o.flying == 0 {
			bc.ranks.release(o.msg.Rank)
			o.job.finish(1)
			o.nothing()
		}
	}
	return kept
}

// cancel settles all ranks that are neither decided nor under way.
func (e *Engine) cancel(bc *broadcast, now time.Time) {
	bc.settled, bc.cancelling = true, true
	rest := int64(bc.total) - bc.ranks.count - bc.ranks.open
	bc.ranks = ranks{low: bc.total, count: int64(bc.total)}
	g := e.gather.At(bc.p.id)
	g.Record.Settles = append(g.Record.Settles, record.Settle{
		Broadcast: bc.id, Epoch: bc.epoch, State: message.Cancelled, Count: rest, At: now.UnixMilli(),
	})
}
