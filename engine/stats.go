package engine

import (
	"sync/atomic"
	"time"

	"fanline/engine/message"
)

// Stats counts what the engine did since it started.
type Stats struct {
	Commits, CommitRecords               int64
	Committing                           time.Duration // from handing over to durable, all commits together
	Written                              int64         // parts handed to binds
	Accepted, Refused, Unknown           int64         // parts
	Throttled                            int64
	Retried                              int64 // attempts over another carrier
	Stray                                int64 // answers to nothing
	ReceiptsMatched, ReceiptsRepeated    int64
	ReceiptsUnmatched                    int64 // expired without a message
	ReceiptsLate                         int64 // their message had been decided without them
	ReceiptsIntermediate                 int64
	ReceiptsParked, ReceiptsPending      int64 // now
	IDsReused                            int64
	Poison                               int64 // records and receipts that cannot be read
	Gaps                                 int64 // ranks missing in the log
	InFlight, QueuedBlocks, QueuedSingle int64 // now
	QueuedPlaces                         int64 // recipients of blocks whose carrier is chosen, now
	Revoked                              int64 // phones, now
}

// liveStats is what other goroutines read of Stats.
type liveStats struct{ v atomic.Pointer[Stats] }

// Stats returns the counts as of the last turn of the event loop.
func (e *Engine) Stats() Stats {
	if s := e.live.v.Load(); s != nil {
		return *s
	}
	return Stats{}
}

// marks are how far a partition's topics are done with.
type marks struct {
	jobs, receipts, replay int64
}

// Marks tells, for a partition, the offsets below which the engine needs
// nothing any more: of jobs and receipts (to be committed) and of journal (to
// be trimmed, once every other reader is past it too).
func (e *Engine) Marks(partition int32) (jobs, receipts, journal int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := e.marks[partition]
	return m.jobs, m.receipts, m.replay
}

// view is what other goroutines see of a broadcast.
type view struct {
	parts []partView
}

type partView struct {
	epoch         message.Epoch
	total, low    message.Rank
	queued        message.Rank
	counts, parts message.Tally
}

// touch has the broadcast's view renewed at the end of this turn.
func (e *Engine) touch(bc *broadcast) {
	if e != nil && !bc.dirty { // No engine: a recovery works beside the loop.
		bc.dirty = true
		e.dirty = append(e.dirty, bc)
	}
}

// publish renews the views of what changed in this turn.
func (e *Engine) publish() {
	s := e.stats
	s.InFlight = int64(len(e.flights) - len(e.free))
	for _, n := range e.order {
		s.QueuedBlocks += int64(n.blocks.len())
		s.Revoked += int64(n.revoked.Len())
	}
	for _, l := range e.lanes {
		s.QueuedPlaces += int64(l.places.len())
		for c := range l.waiting {
			s.QueuedSingle += int64(l.waiting[c].len())
		}
	}
	for _, p := range e.parts {
		if p != nil {
			s.ReceiptsParked += int64(len(p.parked))
			s.ReceiptsPending += int64(p.table.Len())
		}
	}
	e.tell(&s)
	e.live.v.Store(&s)
	if len(e.dirty) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, bc := range e.dirty {
		bc.dirty = false
		v := e.views[bc.id]
		if v == nil {
			v = &view{parts: make([]partView, len(e.parts))}
			e.views[bc.id] = v
		}
		v.parts[bc.p.id] = partView{
			epoch: bc.epoch, total: bc.total, low: bc.ranks.low, queued: bc.queued, counts: bc.counts, parts: bc.parts,
		}
	}
	clear(e.dirty)
	e.dirty = e.dirty[:0]
}

// Progress is how far a broadcast has come in the partitions of this engine.
type Progress struct {
	Ready    bool            // all partitions are owned and recovered
	Epochs   []message.Epoch // by partition
	Low      []message.Rank  // by partition: all up to it are decided
	Queued   []message.Rank  // by partition: all up to it were read from the log in this epoch
	Messages message.Tally
	Parts    message.Tally // of what was encoded and decided
}

// Progress returns how far a broadcast has come, as durable in the journal.
func (e *Engine) Progress(id message.BroadcastID) Progress {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := Progress{
		Ready: true, Epochs: make([]message.Epoch, len(e.owned)), Low: make([]message.Rank, len(e.owned)), Queued: make([]message.Rank, len(e.owned)),
	}
	for _, owned := range e.owned {
		p.Ready = p.Ready && owned
	}
	v := e.views[id]
	if v == nil {
		return p
	}
	for i := range v.parts {
		part := &v.parts[i]
		p.Epochs[i], p.Low[i], p.Queued[i] = part.epoch, part.low, part.queued
		p.Messages.Add(part.counts)
		p.Parts.Add(part.parts)
	}
	return p
}

// Breakers returns the state of each carrier's breaker: closed, half-open or
// open. It may be called from any goroutine.
func (e *Engine) Breakers() map[string]string {
	states := make(map[string]string, len(e.carriers))
	for _, c := range e.carriers {
		states[c.name] = c.breaker.State().String()
	}
	return states
}
