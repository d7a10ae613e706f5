package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// part is something that runs for the life of the process. run calls ready
// once it can be used, works until ctx ends, drains, and returns.
type part struct {
	name string
	run  func(ctx context.Context, ready func()) error
}

// errEnded is why a process stops when a part leaves that nobody asked to.
var errEnded = errors.New("ended by itself")

// stopSlow is after how long a part that still drains is named in the log.
const stopSlow = 5 * time.Second

// running is a part that was started. err is set before done is closed.
type running struct {
	part
	cancel context.CancelFunc
	ready  chan struct{}
	done   chan struct{}
	err    error
}

// runParts starts the parts in order, each when the one before is ready, and
// runs until ctx ends or a part fails. Then it stops them in reverse order,
// each wholly before the next: given as broker, analytics, engine, planner,
// edge, that is the stopping order of architecture.md. How long draining may
// take is each part's own matter; who cannot wait sends a second signal.
func runParts(ctx context.Context, log *slog.Logger, parts ...part) error {
	ended := make(chan *running, len(parts)) // room for each, so no part waits for us
	var started []*running
	var early *running
starting:
	for _, p := range parts {
		r := startPart(ctx, p, ended)
		started = append(started, r)
		select {
		case <-r.ready:
			log.Info("started", "part", p.name)
		case early = <-ended:
			break starting
		case <-ctx.Done():
			break starting
		}
	}
	if early == nil {
		select {
		case early = <-ended:
		case <-ctx.Done():
		}
	}
	var errs []error
	if early != nil {
		errs = append(errs, fmt.Errorf("%s: %w", early.name, orEnded(early.err)))
	}
	for i := len(started) - 1; i >= 0; i-- {
		if err := stopPart(log, started[i]); started[i] != early {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func startPart(ctx context.Context, p part, ended chan<- *running) *running {
	// Not a child of ctx: a part stops when its turn comes, not when the signal does.
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{part: p, cancel: cancel, ready: make(chan struct{}), done: make(chan struct{})}
	go func() {
		r.err = p.run(own, sync.OnceFunc(func() { close(r.ready) }))
		close(r.done)
		ended <- r
	}()
	return r
}

// stopPart asks a part to stop and waits until it has.
func stopPart(log *slog.Logger, r *running) error {
	start := time.Now()
	r.cancel()
	slow := time.NewTicker(stopSlow)
	defer slow.Stop()
	for {
		select {
		case <-r.done:
			log.Info("stopped", "part", r.name, "ms", time.Since(start).Milliseconds())
			if r.err != nil && !errors.Is(r.err, context.Canceled) {
				return fmt.Errorf("stopping %s: %w", r.name, r.err)
			}
			return nil
		case <-slow.C:
			log.Warn("still stopping", "part", r.name, "seconds", int(time.Since(start).Seconds()))
		}
	}
}

func orEnded(err error) error {
	if err == nil {
		return errEnded
	}
	return err
}
