package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/engine/receipts"
	"fanline/engine/throttle"
	"fanline/pipeline/record"
)

// Engine serves the partitions that it owns. Make it with New.
type Engine struct {
	cfg Config
	in  inbox

	// Owned by the event loop.
	parts       []*partition // by id; nil: not owned
	numbers     map[message.Phone]*number
	order       []*number // of Config.Numbers
	lanes       []*lane   // of all numbers, one after another
	routes      routing
	ways        []*lane // room for lanesOf
	routed      bool    // routes or limits changed: what waits may have another way
	toTake      int     // of lanes: the first to take messages up in this turn
	toWrite     int     // … to write
	carriers    []*carrier
	flights     []flight
	free        []uint32
	late        map[uint64]late // parts that timed out, by token
	reading     Receipt         // the one in hand
	idRoom      [32]byte
	gather      *batch
	spares      []*batch
	commits     []*commitment // on their way to the log, oldest first
	committing  time.Duration // how long a commit takes, of the slow ones of late
	fences      []fence
	controls    map[message.BroadcastID]record.Control // the last of each broadcast
	unread      []Record                               // of the log, for which the last turn had no room
	arena       []byte
	encoded     Parts
	text        []byte
	items       []Item
	reference   byte
	stopping    bool
	stopped     chan struct{}
	clock       func() time.Time // nil: a test steps
	now         time.Time        // of this turn
	nextSnap    time.Time
	nextOverdue time.Time
	snapTurn    int
	snapsDue    bool
	dirty       []*broadcast
	failure     error

	mu     sync.Mutex
	views  map[message.BroadcastID]*view
	owned  []bool // by partition: taken over and ready
	marks  []marks
	alarms []Alarm
	states []CarrierState
	stats  Stats
	live   liveStats
	told   told
}

type batch = journal.Batch[uint32, applied, settled]

// New checks the configuration; Run starts the engine.
func New(cfg Config) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, parts: make([]*partition, cfg.Partitions), numbers: map[message.Phone]*number{},
		late: map[uint64]late{}, controls: map[message.BroadcastID]record.Control{}, stopped: make(chan struct{}),
		gather: journal.NewBatch[uint32, applied, settled](cfg.Partitions),
		views:  map[message.BroadcastID]*view{}, owned: make([]bool, cfg.Partitions), marks: make([]marks, cfg.Partitions),
	}
	for range commitsAtOnce {
		e.spares = append(e.spares, journal.NewBatch[uint32, applied, settled](cfg.Partitions))
	}
	e.in.init()
	now := time.Now()
	byName := map[string]*carrier{}
	for i, c := range cfg.Carriers {
		carrier := newCarrier(uint16(i), c, now)
		e.carriers = append(e.carriers, carrier)
		byName[c.Name] = carrier
	}
	for i, n := range cfg.Numbers {
		number := &number{phone: n.Phone, index: uint16(i), limit: throttle.New(n.Limit, now), stopped: map[message.Phone]int64{}}
		for _, name := range n.Carriers {
			c := byName[name]
			number.lanes = append(number.lanes, &lane{n: number, c: c, place: len(number.lanes), pace: throttle.NewPace(ceiling(n.Limit, c.limit.Rate()))})
		}
		number.over = make([]*lane, len(e.carriers))
		for _, l := range number.lanes {
			number.over[l.c.index] = l
		}
		e.numbers[n.Phone] = number
		e.order = append(e.order, number)
		e.lanes = append(e.lanes, number.lanes...)
	}
	return e, nil
}

// ceiling is the rate above which nothing goes in any case, 0 where there is no limit.
func ceiling(limits ...int) (least int) {
	for _, l := range limits {
		if l > 0 && (least == 0 || l < least) {
			least = l
		}
	}
	return least
}

// errStopped is what callers get once the engine has ended.
var errStopped = errors.New("engine: stopped")

// Run is the event loop. When ctx ends it takes nothing new up, waits (at most
// 10 s) for the answers to what was written, makes them durable with a
// snapshot of each partition, and returns. It returns an error when the
// journal can no longer be written.
func (e *Engine) Run(ctx context.Context) error {
	defer close(e.stopped)
	defer e.in.close()
	e.clock = time.Now
	done := ctx.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var deadline time.Time
	for {
		select {
		case <-e.in.wake:
		case <-timer.C:
		case <-done:
			done, e.stopping, deadline = nil, true, time.Now().Add(10*time.Second)
		}
		now := time.Now()
		e.step(now)
		if e.failure != nil {
			e.cfg.Fatal(e.failure)
			return e.failure
		}
		if e.stopping && (e.drained() || now.After(deadline)) {
			return nil
		}
		timer.Reset(e.pause())
	}
}

// step takes up all that came in and carries everything as far as it goes.
func (e *Engine) step(now time.Time) {
	e.now = now
	ev := e.in.take(len(e.unread) == 0)
	for _, f := range ev.calls {
		f(now)
	}
	e.read(ev.records, now)
	e.answers(ev.answers, now)
	e.in.recycle(ev)
	e.checkFences(now)
	e.health(now)
	e.eachLane(&e.toTake, func(l *lane, c message.Class) bool { return e.dispatch(l, c, now) })
	e.periodic(now)
	e.commit()
	if e.clock != nil { // Limits count from when the octets leave, not from when this turn began.
		now = e.clock()
	}
	e.eachLane(&e.toWrite, func(l *lane, c message.Class) bool { return e.write(l, c, now) })
	e.commit()
	e.publish()
}

// read takes records of the log up, those left over from earlier turns first,
// as long as what they lead to still fits into records of the journal: many
// receipts may come at once, after a pause of the disk for example.
func (e *Engine) read(records []Record, now time.Time) {
	for len(e.unread) > 0 && e.fits() {
		e.record(&e.unread[0], now)
		e.unread[0] = Record{}
		if e.unread = e.unread[1:]; len(e.unread) == 0 {
			e.unread = nil
		}
	}
	for i := range records {
		if len(e.unread) > 0 || !e.fits() {
			e.unread = append(e.unread, records[i:]...)
			return
		}
		e.record(&records[i], now)
	}
}

// gatherMost is how many entries a partition gathers before no more records
// are taken up. An entry has some 60 octets; one more record of the log may add
// a few thousand; and brokers refuse records of a megabyte.
const gatherMost = 4096

// fits tells whether every partition has room for what another record of the
// log leads to.
func (e *Engine) fits() bool {
	for _, p := range e.gather.Touched() {
		if len(p.Intents)+len(p.Outcomes)+len(p.Finals) > gatherMost {
			return false
		}
	}
	return true
}

// eachLane visits all lanes class by class, the most urgent first, so that
// nobody's broadcast takes a slot or a token from anybody's reply. Within a
// class the lane after the one that got something last comes first the next
// time. (Beginning with another one each turn is not enough: turns come in a
// rhythm, slots become free in the same one, and somebody is always too late.)
func (e *Engine) eachLane(first *int, visit func(*lane, message.Class) (got bool)) {
	served := -1
	for c := range message.Class(message.Classes) {
		for i := range e.lanes {
			if k := (*first + i) % len(e.lanes); visit(e.lanes[k], c) {
				served = k
			}
		}
	}
	if served >= 0 {
		*first = (served + 1) % len(e.lanes)
	}
}

// pause is how long nothing needs to be looked at unless something comes in.
func (e *Engine) pause() time.Duration {
	for _, l := range e.lanes {
		if l.waits() || l.n.blocks.len() > 0 {
			return time.Millisecond
		}
	}
	if len(e.fences) > 0 || e.stopping {
		return 5 * time.Millisecond
	}
	return 50 * time.Millisecond
}

// drained tells whether nothing is in flight or waits for the journal, having
// asked for the last snapshots first.
func (e *Engine) drained() bool {
	if len(e.flights) != len(e.free) || len(e.commits) > 0 || !e.gather.Empty() || e.unfinished() {
		return false
	}
	pending := false
	for _, p := range e.parts {
		if p != nil && p.ready && !p.farewell {
			p.farewell = true
			e.due(p)
			pending = true
		}
	}
	if pending {
		e.commit()
	}
	return !pending
}

// unfinished tells whether a part of a text has left and another still waits.
func (e *Engine) unfinished() bool {
	begun := false
	for _, l := range e.lanes {
		l.each(func(o *outgoing) { begun = begun || o.out > 0 })
	}
	return begun
}

// call runs f on the event loop; false when the engine has ended.
func (e *Engine) call(f func(now time.Time)) bool { return e.in.post(event{call: f}) }

// do runs f on the event loop and waits for it.
func (e *Engine) do(ctx context.Context, f func(now time.Time)) error {
	done := make(chan struct{})
	if !e.call(func(now time.Time) { f(now); close(done) }) {
		return errStopped
	}
	select {
	case <-done:
		return nil
	case <-e.stopped:
		return errStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// How commits overlap: while one becomes durable the next may follow when it
// has waited or grown enough to be worth a record of its own.
const (
	commitsAtOnce = 2
	commitAfter   = 2 * time.Millisecond
	commitParts   = 512
)

// commitment is a gathering on its way to the log.
type commitment struct {
	b       *batch
	begun   time.Time
	offsets []int64
	err     error
	done    bool
}

// commit hands what was gathered to the log. A busy engine so writes few large
// records and an idle one answers at once.
func (e *Engine) commit() {
	if n := len(e.commits); n >= commitsAtOnce || n > 0 && (e.snapsDue || e.gathered() < commitParts && time.Since(e.commits[n-1].begun) < commitAfter) {
		return
	}
	if e.takeSnapshots(); e.gather.Empty() {
		return
	}
	c := &commitment{b: e.gather, begun: time.Now()}
	e.gather, e.spares = e.spares[0], e.spares[1:]
	entries := c.b.Seal(func(partition int32) int64 {
		if p := e.parts[partition]; p != nil {
			return p.owner
		}
		return -1
	})
	for _, p := range c.b.Touched() {
		if part := e.parts[p.Partition]; part != nil {
			p.Mark = part.covered(p.Record.Snapshot != nil)
		}
	}
	e.commits = append(e.commits, c)
	e.stats.Commits++
	e.stats.CommitRecords += int64(len(entries))
	e.cfg.Log.Append(entries, func(offsets []int64, err error) {
		took := time.Since(c.begun)
		e.call(func(now time.Time) {
			e.stats.Committing += took
			e.committing = max(took, e.committing*7/8)
			c.offsets, c.err, c.done = offsets, err, true
			e.settleCommits(now)
		})
	})
}

// gathered is how many parts wait for the next commit.
func (e *Engine) gathered() (n int) {
	for _, p := range e.gather.Touched() {
		n += len(p.Intents) + len(p.Outcomes) + len(p.Finals)
	}
	return n
}

// settleCommits applies what has become durable, in the order of the log: on a
// cluster a later gathering may be acknowledged before an earlier one.
func (e *Engine) settleCommits(now time.Time) {
	for len(e.commits) > 0 && e.commits[0].done && e.failure == nil {
		c := e.commits[0]
		e.commits = e.commits[1:]
		e.committed(c, now)
	}
}

// committed applies what has become durable.
func (e *Engine) committed(c *commitment, now time.Time) {
	if c.err != nil {
		e.failure = c.err
		return
	}
	for i, gathered := range c.b.Touched() {
		part := e.parts[gathered.Partition]
		if part != nil {
			part.acked = c.offsets[i]
		}
		for j, token := range gathered.Intents {
			e.durable(token, c.offsets[i], uint32(j), now)
		}
		for j := range gathered.Outcomes {
			e.applyOutcome(&gathered.Outcomes[j], &gathered.Record.Outcomes[j], now)
		}
		for j := range gathered.Finals {
			e.applyFinal(&gathered.Finals[j], &gathered.Record.Finals[j])
		}
		if part == nil {
			continue
		}
		for j := range gathered.Record.Settles {
			part.applySettle(e, &gathered.Record.Settles[j])
		}
		part.committed(e, gathered.Record.Snapshot, gathered.Mark)
	}
	c.b.Reset()
	e.spares = append(e.spares, c.b)
}

// handleOf keeps the receipts package's name out of the flight's file.
type handleOf = receipts.Handle
