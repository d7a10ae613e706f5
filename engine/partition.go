package engine

import (
	"time"

	"fanline/engine/message"
	"fanline/engine/receipts"
	"fanline/engine/route"
	"fanline/pipeline/record"
)

// partition is all that the owner of a partition knows about it.
type partition struct {
	id         int32
	owner      int64 // offset of our own record
	acked      int64 // offset of the last journal record that is durable
	ready      bool
	farewell   bool // the last snapshot was asked for
	changed    bool // since the last snapshot
	snapshot   bool // one is due: it goes into the next record
	broadcasts map[message.BroadcastID]*broadcast

	table     receipts.Table
	ids       map[handleOf]message.ID // of one-to-one messages in table
	seen      *receipts.Seen
	parked    map[uint64]parked
	heard     map[handleOf][]parked // receipts of messages whose other parts have none yet
	recently  []uint64              // the last receipts credited, a ring: what snapshots tell of seen
	oldest    int                   // of recently
	lent      []lent                // receipts that messages of other partitions took
	lapsed    *receipts.Seen        // ids whose message became no_receipt
	snapshots int64                 // that are durable
	uncertain map[message.Phone]*doubt
	recent    map[message.ID]recent  // one-to-one messages taken up
	learned   *route.Learned         // ways that deliveries showed; nil: none yet
	retries   map[handleOf]*outgoing // messages that may have a further attempt, by what they wait in; nil: none
	again     map[*outgoing]struct{} // those that have one under way; nil: none

	jobs         []*job
	jobsNext     int64 // offset after the last job record read
	receiptsNext int64 // offset after the last receipts record read
	inMemory     bool  // the record of receipts in hand left something in memory alone
	receiptsHeld int64 // the first record since the last snapshot that did so; -1: none
	receiptsDone int64 // what is below is durable in the journal
	replay       int64 // from the last durable snapshot
}

// How much a partition remembers.
const (
	seenIDs     = 1 << 15
	parkedMax   = 1 << 16
	recentFor   = 24 * time.Hour
	recentSaved = 10 * time.Minute // of it, what snapshots carry, and whose jobs may be read again
	recentMost  = 1 << 14          // in a snapshot, which must fit into a record
)

func newPartition(id int32) *partition {
	return &partition{
		id: id, owner: -1, acked: -1, receiptsHeld: -1, broadcasts: map[message.BroadcastID]*broadcast{}, ids: map[handleOf]message.ID{},
		seen: receipts.NewSeen(seenIDs), lapsed: receipts.NewSeen(seenIDs), parked: map[uint64]parked{}, heard: map[handleOf][]parked{}, uncertain: map[message.Phone]*doubt{},
		recent: map[message.ID]recent{},
	}
}

// job is a record of topic jobs of which something is still open.
type job struct {
	offset int64
	open   int
}

// recent is a one-to-one message that was taken up.
type recent struct {
	at     int64 // Unix ms
	offset int64 // of its job; 0: not read by this owner
}

// broadcast is what a partition knows of one broadcast.
type broadcast struct {
	id         message.BroadcastID
	p          *partition
	epoch      message.Epoch
	total      message.Rank
	queued     message.Rank // highest rank taken up in this epoch
	ranks      ranks
	counts     message.Tally // messages, as durable in the journal
	parts      message.Tally
	settled    bool // cancelled: what was open is settled
	cancelling bool // … by this owner
	paused     bool
	limbo      map[message.Rank]struct{} // uncertain since a crash; may be sent again by policy
	dirty      bool

	text     string
	template message.Template
}

func (p *partition) broadcast(e *Engine, id message.BroadcastID, epoch message.Epoch, total message.Rank) *broadcast {
	bc := p.broadcasts[id]
	if bc == nil {
		bc = &broadcast{id: id, p: p, epoch: epoch, total: total}
		p.broadcasts[id] = bc
		p.changed = true
		e.touch(bc)
	}
	return bc
}

// move counts a message that went from one state to another.
func (bc *broadcast) move(e *Engine, from, to message.State, parts uint8) {
	if from != message.Open {
		bc.counts[from]--
		bc.parts[from] -= int64(parts)
	}
	bc.counts[to]++
	bc.parts[to] += int64(parts)
	e.touch(bc)
}

// finish marks n recipients of a job record as decided or dropped.
func (j *job) finish(n int) {
	if j != nil {
		j.open -= n
	}
}

// covered is the offset of receipts below which the gathering that now goes to
// the log says, itself or by its snapshot, all that they have told.
func (p *partition) covered(snapshot bool) int64 {
	if snapshot {
		p.receiptsHeld = -1
	}
	if p.receiptsHeld >= 0 {
		return p.receiptsHeld
	}
	return p.receiptsNext
}

// committed moves the marks on that the log is trimmed and committed by.
// receipts is the offset up to which the gathering covers them.
func (p *partition) committed(e *Engine, snapshot *record.Snapshot, receipts int64) {
	p.receiptsDone = max(p.receiptsDone, receipts)
	if snapshot != nil {
		p.snapshots++
		p.replay = snapshot.Replay
	}
	p.advance(e)
}

func (p *partition) advance(e *Engine) {
	for len(p.jobs) > 0 && p.jobs[0].open <= 0 {
		p.jobs = p.jobs[1:]
	}
	next := p.jobsNext
	if len(p.jobs) > 0 {
		next = p.jobs[0].offset
	}
	e.mu.Lock()
	e.marks[p.id] = marks{jobs: next, receipts: p.receiptsDone, replay: p.replay}
	e.mu.Unlock()
}

// applySettle moves what a cancel settled.
func (p *partition) applySettle(e *Engine, s *record.Settle) {
	if bc := p.broadcasts[s.Broadcast]; bc != nil {
		bc.counts[s.State] += s.Count
		e.touch(bc)
	}
}

// snapshot gathers the record from which the next owner starts. Nothing may be
// on its way to the log: what a snapshot says and what the records before it
// say must be the same.
func (e *Engine) snapshot(p *partition) {
	s := &record.Snapshot{Applied: p.acked + 1, Replay: e.oldestOpen(p)}
	for _, bc := range p.broadcasts {
		s.Broadcasts = append(s.Broadcasts, record.Broadcast{
			ID: bc.id, Epoch: bc.epoch, Total: bc.total, Low: bc.ranks.low, Decided: bc.ranks.bitmap(),
			Settled: bc.settled, Counts: bc.counts, Parts: bc.parts,
		})
	}
	since := e.now.Add(-recentSaved).UnixMilli()
	next := p.jobsNext // What is read again after a crash.
	if len(p.jobs) > 0 {
		next = p.jobs[0].offset
	}
	waiting := e.waitingIDs(p)
	for id, r := range p.recent {
		if (r.at >= since || r.offset >= next) && !waiting[id] && len(s.Recent) < recentMost {
			s.Recent = append(s.Recent, id)
		}
	}
	j := &e.gather.At(p.id).Record
	j.Snapshot, j.Early, j.Seen = s, p.unsettled(e, since), p.remembered()
	p.changed, p.snapshot = false, false
}

// waitingIDs lists the one-to-one messages of a partition that have no intent:
// the next owner must take them up again.
func (e *Engine) waitingIDs(p *partition) map[message.ID]bool {
	ids := map[message.ID]bool{}
	for _, l := range e.lanes {
		l.each(func(o *outgoing) {
			if o.p == p && o.bc == nil && o.flying == 0 && o.since == 0 {
				ids[o.msg.ID] = true
			}
		})
	}
	return ids
}

// oldestOpen returns the offset of the oldest journal record that a new owner
// would still need: of an open intent or of a message that waits for receipts.
func (e *Engine) oldestOpen(p *partition) int64 {
	oldest := p.acked + 1
	for i := range e.flights {
		f := &e.flights[i]
		if f.o == nil || f.o.p != p {
			continue
		}
		if f.state != flightGathered {
			oldest = min(oldest, f.ref.Offset)
		}
		if f.o.since > 0 {
			oldest = min(oldest, f.o.since)
		}
	}
	p.table.Each(func(_ handleOf, w *receipts.Waiting) {
		oldest = min(oldest, w.Offset)
	})
	for _, d := range p.uncertain {
		oldest = min(oldest, d.offset)
	}
	for _, l := range e.lanes { // Of texts whose other parts wait in their lanes.
		l.each(func(o *outgoing) {
			if o.p == p && o.since > 0 {
				oldest = min(oldest, o.since)
			}
		})
	}
	return max(oldest, 0)
}

// periodic takes the snapshots that are due, one partition at a time, and
// looks for what has expired.
func (e *Engine) periodic(now time.Time) {
	if now.Before(e.nextSnap) || e.stopping {
		return
	}
	e.nextSnap = now.Add(e.cfg.SnapshotEvery / time.Duration(len(e.parts)))
	e.snapTurn = (e.snapTurn + 1) % len(e.parts)
	ms := now.UnixMilli()
	if e.snapTurn == 0 {
		e.forget(ms)
	}
	p := e.parts[e.snapTurn]
	if p == nil || !p.ready {
		return
	}
	e.expire(p, ms)
	for id, r := range p.recent {
		if ms-r.at > recentFor.Milliseconds() {
			delete(p.recent, id)
		}
	}
	if p.changed {
		e.due(p)
	}
}

// stopKept is how long the moment of a STOP is remembered, beside the STOP
// itself: a reply to an older text is never on its way for longer.
const stopKept = 24 * time.Hour

// forget lets go what only recent events need.
func (e *Engine) forget(ms int64) {
	for _, n := range e.order {
		for phone, at := range n.stopped {
			if ms-at > stopKept.Milliseconds() {
				delete(n.stopped, phone)
			}
		}
	}
	for token, l := range e.late {
		if l.o.expires(e) < ms {
			delete(e.late, token)
		}
	}
}

// due has a snapshot of the partition taken with the next gathering.
func (e *Engine) due(p *partition) {
	p.snapshot = true
	e.snapsDue = true
}

// takeSnapshots takes those that are due.
func (e *Engine) takeSnapshots() {
	if !e.snapsDue {
		return
	}
	e.snapsDue = false
	for _, p := range e.parts {
		if p != nil && p.snapshot {
			e.snapshot(p)
		}
	}
}
