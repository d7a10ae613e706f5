package analytics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// unread as a position: wherever the log begins.
const unread = -1

// batch is a cut on its way, with its rows. Two of them take turns: one is
// filled while the other is written. While ClickHouse is down both are full,
// the gatherer waits, and so do the readers, each with one answer in hand:
// that bounds memory.
type batch struct {
	cut  cut
	rows rows
	due  time.Time // when it is handed over, however small; zero: nothing in it
}

// stream feeds one topic: a reader for each partition → gather → write.
type stream struct {
	topic     string
	db        *DB
	sink      string // names this process in its cuts
	interval  time.Duration
	most      int // rows by which a cut is closed
	log       *slog.Logger
	newReader func(s *stream, partition int) *reader

	fetches chan fetch    // unbuffered: see batch
	full    chan *batch   // from gather to write
	free    chan *batch   // and back
	nudge   chan struct{} // want has changed

	// Of the goroutine of run, later that of gather.
	next  []int64 // by partition, behind the last record gathered
	owner []int64
	seq   uint64

	ends []atomic.Int64 // of the log, by partition

	mu       sync.Mutex
	done     []int64       // all before it is in ClickHouse
	safe     []int64       // a restart reads again from here; nil: not known yet
	want     []int64       // CaughtUp waits for it; a cut that has reached it is closed
	moved    chan struct{} // closed and replaced when done moves
	troubles []error       // by partition; behind them that of writing
	stats    TopicStats    // without Lag and Err
}

func newStream(topic string, partitions int, makeRows func() rows) *stream {
	s := &stream{
		topic: topic, fetches: make(chan fetch), full: make(chan *batch, 1), free: make(chan *batch, 2), nudge: make(chan struct{}, 1),
		next: slices.Repeat([]int64{unread}, partitions), owner: slices.Repeat([]int64{noOwner}, partitions),
		ends: make([]atomic.Int64, partitions), done: slices.Repeat([]int64{unread}, partitions), want: make([]int64, partitions),
		moved: make(chan struct{}), troubles: make([]error, partitions+1), stats: TopicStats{Topic: topic},
	}
	for range cap(s.free) {
		s.free <- &batch{rows: makeRows()}
	}
	return s
}

// run repeats the last cut, then reads on behind it, until ctx ends or another
// sink turns up.
func (s *stream) run(ctx context.Context) error {
	var last *cut
	if err := s.retry(ctx, func() (err error) {
		last, err = lastCut(ctx, s.db.conn, s.topic)
		return err
	}); err != nil {
		return err
	}
	if last == nil {
		last = &cut{topic: s.topic, first: s.next, next: s.next, owner: s.owner}
	}
	if len(last.first) != len(s.done) {
		return fmt.Errorf("topic %s was fed from %d partitions, the configuration has %d: members would be looked for where they are not",
			s.topic, len(last.first), len(s.done))
	}
	if err := s.repeat(ctx, last); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for p, next := range s.next {
		group.Go(func() error { return s.newReader(s, p).run(ctx, next, forEver) })
	}
	group.Go(func() error { return s.gather(ctx) })
	group.Go(func() error { return s.write(ctx) })
	return group.Wait()
}

// repeat reads the records of the last cut again and inserts them under the
// same token, because nobody knows whether that happened before the end of the
// process that wrote the cut.
func (s *stream) repeat(ctx context.Context, last *cut) error {
	s.seq, s.next, s.owner = last.seq, slices.Clone(last.first), slices.Clone(last.owner)
	s.setSafe(last.first)
	b := <-s.free
	b.cut = *last
	group, readers := errgroup.WithContext(ctx)
	for p := range last.first {
		if last.next[p] > last.first[p] {
			group.Go(func() error { return s.newReader(s, p).run(readers, last.first[p], last.next[p]) })
		}
	}
	read := make(chan error, 1)
	go func() { read <- group.Wait() }()
	for reading := true; reading; {
		select {
		case f := <-s.fetches:
			s.add(b, f, math.MaxInt) // All: what belongs to it was decided when it was stored.
		case err := <-read:
			if err = errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			reading = false
		}
	}
	if n := b.rows.len(); n != last.rows {
		s.log.Error("a cut that is repeated has other rows than before; ClickHouse keeps what it has", "cut", last.token(), "rows", n, "before", last.rows)
	}
	copy(s.next, last.next)
	if err := s.retry(ctx, func() error { return b.rows.insert(ctx, s.db.conn, last.token()) }); err != nil {
		return err
	}
	s.finish(b)
	return nil
}

// gather turns records into rows and closes a cut when it is due, full, or
// awaited by CaughtUp.
func (s *stream) gather(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var f fetch
	for {
		b, err := s.begin(ctx)
		if err != nil {
			return err
		}
		if len(f.records) > 0 { // What the cut before left over.
			f = s.add(b, f, s.most)
		}
		for !s.ripe(b) {
			if !b.due.IsZero() {
				timer.Reset(time.Until(b.due))
			}
			select {
			case f = <-s.fetches:
				f = s.add(b, f, s.most)
			case <-timer.C:
			case <-s.nudge:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		s.seq++
		b.cut.next, b.cut.rows = slices.Clone(s.next), b.rows.len()
		select {
		case s.full <- b:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// begin opens the next cut in a batch that is free.
func (s *stream) begin(ctx context.Context) (*batch, error) {
	select {
	case b := <-s.free:
		b.cut = cut{topic: s.topic, seq: s.seq + 1, sink: s.sink, first: slices.Clone(s.next), owner: slices.Clone(s.owner)}
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// add appends rows until there are most of them and returns what is left of f.
func (s *stream) add(b *batch, f fetch, most int) fetch {
	p := f.partition
	var count TopicStats
	s.moveTo(p, f.start, &count)
	for len(f.records) > 0 && b.rows.len() < most {
		m := &f.records[0]
		f.records = f.records[1:]
		s.moveTo(p, m.Offset, &count)
		s.next[p] = m.Offset + 1
		count.Records++
		err := b.rows.add(&source{partition: p, offset: m.Offset, at: m.Time.UnixMilli(), value: m.Value, owner: &s.owner[p]})
		switch {
		case errors.Is(err, errVoid):
			count.Void++
		case err != nil:
			count.Poison++
			s.log.Error("record cannot be read, it is left out", "topic", s.topic, "partition", p, "offset", m.Offset, "err", err)
		}
	}
	f.start = s.next[p]
	if !slices.Equal(s.next, b.cut.first) {
		s.setDue(b)
	}
	s.count(count)
	return f
}

// moveTo notices records that retention removed before they were read.
func (s *stream) moveTo(p int32, offset int64, count *TopicStats) {
	if before := s.next[p]; offset > before {
		s.next[p] = offset
		if before == unread && offset == 0 {
			return
		}
		count.Lost += uint64(offset - max(before, 0))
		s.log.Error("records were removed from the log before analytics had read them", "topic", s.topic, "partition", p, "from", max(before, 0), "to", offset)
	}
}

// idleFactor intervals may pass before a cut without rows is written: it only
// moves the place to restart from.
const idleFactor = 5

func (s *stream) setDue(b *batch) {
	wait := s.interval
	if b.rows.len() == 0 {
		wait *= idleFactor
	}
	if due := time.Now().Add(wait); b.due.IsZero() || due.Before(b.due) {
		b.due = due
	}
}

// ripe tells whether the cut is to be closed now.
func (s *stream) ripe(b *batch) bool {
	switch {
	case b.due.IsZero():
		return false
	case b.rows.len() >= s.most, !time.Now().Before(b.due):
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !reached(s.done, s.want) && reached(s.next, s.want)
}

// reached tells whether all positions are at or behind those wanted.
func reached(positions, want []int64) bool {
	for p, w := range want {
		if max(positions[p], 0) < w {
			return false
		}
	}
	return true
}
