package lookup

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fanline/engine/message"
)

// Member is someone whose network ought to be known.
type Member struct {
	ID    message.MemberID
	Phone message.Phone
}

// Result is an answer about a member.
type Result struct {
	ID message.MemberID
	Answer
}

// Source is where members are and answers go.
type Source interface {
	// Last returns the highest id that was given to a member.
	Last(ctx context.Context) (message.MemberID, error)
	// Due returns those with ids above after and up to to of whom no answer
	// counts, by id, at most limit.
	Due(ctx context.Context, after, to message.MemberID, limit int) ([]Member, error)
	// Save keeps answers.
	Save(ctx context.Context, all []Result) error
}

// SweepConfig is what a sweep needs. Zero values mean the defaults.
type SweepConfig struct {
	Client      *Client
	Source      Source
	Known       func(name string) (string, bool) // the one form of a name, and whether it means anything; nil: all do
	Concurrency int                              // questions at once; default 4
	Log         *slog.Logger
}

// Sweep goes through the members by id and asks about those who are due: first
// who came since it last looked, so that people who have just joined and lists
// that were just imported don't wait, then everybody, round and round. It looks
// at window ids at a time and rests in between, so a store of 20 million costs
// a query of some milliseconds a second.
type Sweep struct {
	c       SweepConfig
	high    message.MemberID // what came up to here was seen as new
	cursor  message.MemberID // of the round
	strange atomic.Int64
}

const (
	window     = 20_000
	batch      = 64                     // asked before what they brought is saved
	restNew    = 20 * time.Millisecond  // between windows of new members in which nobody was due
	restStep   = 500 * time.Millisecond // between other windows in which nobody was due
	restFailed = 10 * time.Second       // after a batch without any answer
)

// NewSweep returns a sweep; Run it once.
func NewSweep(c SweepConfig) *Sweep {
	c.Concurrency = cmp.Or(c.Concurrency, 4)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Known == nil {
		c.Known = func(name string) (string, bool) { return name, true }
	}
	return &Sweep{c: c}
}

// Strange counts the answers that named neither a network nor a carrier of the
// configuration.
func (s *Sweep) Strange() int64 { return s.strange.Load() }

// Run sweeps until ctx ends, and then returns nil.
func (s *Sweep) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(s.step(ctx))
	}
}

// step does one batch and returns how long to rest.
func (s *Sweep) step(ctx context.Context) time.Duration {
	last, err := s.c.Source.Last(ctx)
	if err != nil {
		return s.failed(ctx, "reading members", err)
	}
	at := &s.high
	if s.high >= last {
		if at = &s.cursor; s.cursor >= last {
			s.cursor = 0
		}
	}
	to := min(last, *at+window)
	due, err := s.c.Source.Due(ctx, *at, to, batch)
	if err != nil {
		return s.failed(ctx, "reading members", err)
	}
	if len(due) == batch {
		to = due[batch-1].ID
	}
	results, err := s.ask(ctx, due)
	if len(results) > 0 {
		if err := s.c.Source.Save(ctx, results); err != nil {
			return s.failed(ctx, "keeping answers", err)
		}
	}
	if err != nil && len(results) == 0 {
		return s.failed(ctx, "asking", err) // The same again later: the service is down.
	}
	*at = to // Who got no answer is due in the next round still.
	switch {
	case len(due) > 0:
		return 0
	case at == &s.high:
		return restNew
	}
	return restStep
}

// ask asks about all of a batch at once; the error is the last one.
func (s *Sweep) ask(ctx context.Context, due []Member) ([]Result, error) {
	var mu sync.Mutex
	var results []Result
	var failed error
	var g errgroup.Group
	g.SetLimit(s.c.Concurrency)
	for _, m := range due {
		g.Go(func() error {
			a, err := s.c.Client.Ask(ctx, m.Phone)
			if err == nil && a.Name != "" {
				name, known := s.c.Known(a.Name)
				if !known { // Kept as unknown: the names of a store are few.
					s.strange.Add(1)
					name = ""
				}
				a.Name = name
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
				return nil
			}
			results = append(results, Result{m.ID, a})
			return nil
		})
	}
	_ = g.Wait() // Errors are kept above: one doesn't end the others.
	return results, failed
}

func (s *Sweep) failed(ctx context.Context, what string, err error) time.Duration {
	if ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		s.c.Log.Warn("lookups of networks wait: "+what, "err", err)
	}
	return restFailed
}
