package pipeline

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// OutboxRow is a record that the store has decided to write, in the order of
// IDs.
type OutboxRow struct {
	ID int64
	Entry
}

// Outbox is the store's table of records that are to be written.
type Outbox interface {
	// Next returns the first rows, at most limit, ascending by ID.
	Next(ctx context.Context, limit int) ([]OutboxRow, error)

	// Done deletes rows.
	Done(ctx context.Context, ids []int64) error
}

// relayLimit is how many rows are written before they are deleted together.
const relayLimit = 500

// Relay writes an outbox's rows to the log, in order, and deletes them. A row
// that was written when the process ended before the deletion is written again:
// readers know it by what it says.
type Relay struct {
	outbox Outbox
	log    *Log
	logger *slog.Logger
	wake   chan struct{} // room for one: the next round sees all rows

	rows, retries atomic.Int64
}

// NewRelay returns a relay; a nil logger logs nothing.
func NewRelay(outbox Outbox, log *Log, logger *slog.Logger) *Relay {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Relay{outbox: outbox, log: log, logger: logger, wake: make(chan struct{}, 1)}
}

// Wake has Run look at once; it is called after a commit that added rows, and
// never blocks.
func (r *Relay) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Run relays until ctx ends; it looks every second, and when woken.
func (r *Relay) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		r.drain(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-r.wake:
		}
	}
}

// drain relays until the outbox is empty.
func (r *Relay) drain(ctx context.Context) {
	pause := newPause()
	for ctx.Err() == nil {
		n, err := r.round(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			r.retries.Add(1)
			r.logger.Warn("relaying the outbox; it is tried again", "err", err)
			pause.wait(ctx)
		case err == nil && n < relayLimit:
			return
		case err == nil:
			pause = newPause()
		}
	}
}

// round writes the next rows and deletes those that are in the log. When one
// fails, the rows behind it stay although they may have been written: their
// order counts for more than writing them once.
func (r *Relay) round(ctx context.Context) (int, error) {
	rows, err := r.outbox.Next(ctx, relayLimit)
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	results := make(chan result, len(rows))
	for i := range rows {
		r.log.Append([]Entry{rows[i].Entry}, func(_ []int64, err error) { results <- result{i, err} })
	}
	errs := make([]error, len(rows))
	for range rows { // each is answered: Append promises it
		got := <-results
		errs[got.row] = got.err
	}
	var done []int64
	for i := range rows {
		if errs[i] != nil {
			err = errs[i]
			break
		}
		done = append(done, rows[i].ID)
	}
	if len(done) > 0 {
		// They are written: deleting them must not fail because we are leaving.
		if err := r.outbox.Done(context.WithoutCancel(ctx), done); err != nil {
			return 0, err
		}
		r.rows.Add(int64(len(done)))
	}
	return len(done), err
}

type result struct {
	row int
	err error
}

// RelayStats is a snapshot for metrics.
type RelayStats struct{ Rows, Retries int64 }

// Stats returns counters since the start.
func (r *Relay) Stats() RelayStats { return RelayStats{Rows: r.rows.Load(), Retries: r.retries.Load()} }
