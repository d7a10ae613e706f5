package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// diary records what parts do, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) text() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.lines, ", ")
}

// part becomes ready at once and drains for a second.
func (d *diary) part(name string) part {
	return part{name, func(ctx context.Context, ready func()) error {
		d.write(name + " up")
		ready()
		<-ctx.Done()
		time.Sleep(time.Second) // virtual
		d.write(name + " down")
		return ctx.Err()
	}}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func TestPartsStartInOrderAndStopInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		if err := runParts(ctx, quiet(), d.part("broker"), d.part("engine"), d.part("edge")); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff("broker up, engine up, edge up, edge down, engine down, broker down", d.text()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAPartThatFailsStopsTheOthersInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		broken := errors.New("broken")
		failing := part{"engine", func(_ context.Context, ready func()) error {
			ready()
			time.Sleep(time.Minute) // virtual
			return broken
		}}
		err := runParts(t.Context(), quiet(), d.part("broker"), failing, d.part("edge"))
		if !errors.Is(err, broken) || err.Error() != "engine: broken" {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff("broker up, edge up, edge down, broker down", d.text()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAPartThatEndsUnaskedIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := runParts(t.Context(), quiet(), part{"sink", func(_ context.Context, ready func()) error {
			ready()
			return nil
		}})
		if !errors.Is(err, errEnded) {
			t.Errorf("got %v, want %v", err, errEnded)
		}
	})
}

func TestNothingStartsBehindAPartThatNeverGetsReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		refused := errors.New("refused")
		never := part{"store", func(context.Context, func()) error { return refused }}
		err := runParts(t.Context(), quiet(), d.part("broker"), never, d.part("edge"))
		if !errors.Is(err, refused) {
			t.Errorf("got %v", err)
		}
		if diff := cmp.Diff("broker up, broker down", d.text()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestASignalWhileStartingStopsWhatHasStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Minute, cancel)
		starting := part{"engine", func(ctx context.Context, _ func()) error {
			<-ctx.Done()
			d.write("engine gave up")
			return ctx.Err()
		}}
		if err := runParts(ctx, quiet(), d.part("broker"), starting, d.part("edge")); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff("broker up, engine gave up, broker down", d.text()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAnErrorWhileDrainingIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := runParts(ctx, quiet(), part{"engine", func(ctx context.Context, ready func()) error {
			ready()
			<-ctx.Done()
			return errors.New("journal is full")
		}})
		if err == nil || err.Error() != "stopping engine: journal is full" {
			t.Errorf("got %v", err)
		}
	})
}
