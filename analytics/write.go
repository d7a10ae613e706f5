package analytics

import (
	"context"
	"errors"
	"slices"
	"time"
)

const (
	writeBackOff  = 100 * time.Millisecond // doubled up to …
	writeBackMost = 5 * time.Second
)

// write stores each cut, then inserts its rows, and repeats either until
// ClickHouse has taken it.
func (s *stream) write(ctx context.Context) error {
	for {
		var b *batch
		select {
		case b = <-s.full:
		case <-ctx.Done():
			return ctx.Err()
		}
		began := time.Now()
		if err := s.retry(ctx, func() error { return b.cut.store(ctx, s.db.conn) }); err != nil {
			return err
		}
		// The cut before is in, or this one would not have been stored.
		s.setSafe(b.cut.first)
		if err := s.retry(ctx, func() error { return b.rows.insert(ctx, s.db.conn, b.cut.token()) }); err != nil {
			return err
		}
		s.count(TopicStats{Cuts: 1, Rows: uint64(b.rows.len()), Writing: time.Since(began)})
		s.finish(b)
	}
}

// finish makes known that all before the cut's end is in, and frees the batch.
func (s *stream) finish(b *batch) {
	s.mu.Lock()
	s.done = slices.Clone(b.cut.next)
	close(s.moved)
	s.moved = make(chan struct{})
	s.mu.Unlock()
	b.rows.reset()
	b.due = time.Time{}
	s.free <- b // There is room: it came from there.
}

func (s *stream) setSafe(first []int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.safe = slices.Clone(first)
}

// retry repeats what ClickHouse must do, with back-off, until it worked, ctx
// has ended, or another sink has turned up.
func (s *stream) retry(ctx context.Context, do func() error) error {
	for backOff := writeBackOff; ; backOff = min(2*backOff, writeBackMost) {
		err := do()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, ErrAnotherSink) {
			return err
		}
		s.trouble(len(s.troubles)-1, err)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(backOff):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// trouble notes what keeps a reader, or the writer, from going on; nil when it
// goes on. A server that is away troubles all readers at once: the first to wait
// and the last to go on are logged, and not each of them. A log that ends too
// early doesn't come back by itself, so that is always said.
func (s *stream) trouble(of int, err error) {
	s.mu.Lock()
	before, waited := s.troubles[of], firstOf(s.troubles)
	s.troubles[of] = err
	waits := firstOf(s.troubles)
	s.mu.Unlock()
	switch {
	case err != nil && (waited == nil || errors.Is(err, errLogEnds) && !errors.Is(before, errLogEnds)):
		s.log.Warn("analytics waits", "topic", s.topic, "err", err)
	case waits == nil && waited != nil:
		s.log.Info("analytics goes on", "topic", s.topic, "after", waited)
	}
}

// firstOf returns the first error that is one.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *stream) count(n TopicStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &s.stats
	t.Records += n.Records
	t.Rows += n.Rows
	t.Void += n.Void
	t.Poison += n.Poison
	t.Lost += n.Lost
	t.Cuts += n.Cuts
	t.Writing += n.Writing
}

func (s *stream) snapshot() TopicStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.stats
	t.Lag = make([]int64, len(s.done))
	for p, done := range s.done {
		t.Lag[p] = max(0, s.ends[p].Load()-max(done, 0))
	}
	t.Err = errors.Join(s.troubles...)
	return t
}

// caughtUp waits until all records before want are in ClickHouse.
func (s *stream) caughtUp(ctx context.Context, want []int64) error {
	s.mu.Lock()
	for p := range s.want {
		s.want[p] = max(s.want[p], want[p])
	}
	s.mu.Unlock()
	select {
	case s.nudge <- struct{}{}:
	default: // One is on its way already, and it looks at all of want.
	}
	for {
		s.mu.Lock()
		in, moved := reached(s.done, want), s.moved
		s.mu.Unlock()
		if in {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), s.snapshot().Err)
		}
	}
}
