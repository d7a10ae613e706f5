package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"fanline/api"
	"fanline/community"
	"fanline/community/conversation"
	"fanline/engine/message"
	"fanline/smpp/smsc"
)

// demoOptions is what the command line asks of the demo.
type demoOptions struct {
	members    int
	exit, json bool
	seed       uint64
	again      bool            // --new
	given      map[string]bool // which of them were
}

// Bounds of --members, and what it is by default. The store's ids are 32 bits
// wide; a few members must be left beside the fans of the story.
const (
	demoMembers = 1_000_000
	demoLeast   = 100
	demoMost    = 50_000_000
)

// What a message of the demo may take: validity from the configuration, and
// how long after it a receipt is waited for.
const (
	demoValidity = time.Minute
	demoGrace    = 5 * time.Second
)

// validityOf is the validity of a broadcast to n members. It counts from the
// start of the broadcast, and what is not written by then expires unsent. So
// there must be time for a slow machine to write all of it (20,000 a second)
// and for whoever kills the demo in the middle to start it again. Nothing waits
// for it: the simulator loses no receipt.
func validityOf(n int) time.Duration {
	return 5*time.Minute + time.Duration(n)*time.Second/20_000
}

// demo is one run of the demo.
type demo struct {
	*dev
	demoOptions
	n        *node
	api      *client // /v1 on the control socket, as the command line has it
	carrier  *smsc.Client
	browser  *http.Client
	words    conversation.Texts
	fields   conversation.Fields
	memory   demoMemory
	simLog   string
	resumed  bool
	patience time.Duration // with the next step
}

// runDemo runs dev with the demo beside it. Whatever is wrong at its end is
// said, and makes the exit code 1.
func runDemo(ctx context.Context, d *dev, o demoOptions, stdout io.Writer) error {
	ctx, finish := context.WithCancel(ctx)
	defer finish()
	var wrong error
	err := d.run(ctx, func(ctx context.Context, n *node) error {
		m := &demo{dev: d, demoOptions: o, n: n, simLog: d.simulator.log, memory: demoMemory{store: n.store}, patience: stepWithin}
		defer m.close()
		var r demoReport
		if r, wrong = m.run(ctx); ctx.Err() != nil {
			return nil
		}
		if wrong != nil {
			d.screen.note("\nThe demo failed: %v\nThe log of all parts is %s/dev.log.", wrong, d.cfg.Data)
		}
		if o.json {
			if err := printJSON(stdout, r); err != nil {
				return err
			}
		}
		if o.exit || wrong != nil {
			finish()
		} else {
			d.screen.tell("\nIt stays up until Ctrl-C.")
		}
		return nil
	})
	err = errors.Join(err, d.end())
	if err != nil || wrong == nil {
		return err
	}
	if errors.Is(wrong, context.Canceled) {
		d.screen.note("Interrupted; the same command goes on where it stood.")
	}
	return errReported
}

func (m *demo) close() {
	if m.api != nil {
		m.api.close()
	}
	if m.carrier != nil {
		m.carrier.Close()
	}
	if m.browser != nil {
		m.browser.CloseIdleConnections()
	}
}

// run takes the whole way. The report holds what there is to say, also beside
// an error.
func (m *demo) run(ctx context.Context) (r demoReport, err error) {
	r.WindowsSum, r.SimLog = m.n.windowsSum(), m.simLog
	defer func() {
		var failed *stepError
		errors.As(err, &failed)
		m.memory.look(func(s *demoState) {
			if failed != nil {
				r.Journey = s.journey(&failed.step)
			} else {
				r.Journey = s.journey(nil)
			}
		})
		r.Members, r.Resumed = m.members, m.resumed
	}()
	if err := m.open(ctx); err != nil {
		return r, err
	}
	if err := m.simulate(ctx); err != nil {
		return r, fmt.Errorf("simulating members: %w", err)
	}
	if !m.memory.taken(stepStart) {
		m.screen.note("\nThe leader has posted the number %s, and people text it:", demoNumber)
	}
	if err := m.story(ctx); err != nil {
		return r, err
	}
	m.screen.note("\n%q to %s members:", textToAll, grouped(int64(m.members)))
	last, err := m.broadcast(ctx)
	if err != nil {
		return r, err
	}
	return r, m.account(ctx, last, &r)
}

// open connects to everything a fan and a leader have, and finds out where an
// earlier process stood.
func (m *demo) open(ctx context.Context) error {
	dial, err := dialControl(ctx, m.cfg.Data)
	if err != nil {
		return err
	}
	m.api = &client{http: dial, dir: m.cfg.Data}
	if m.carrier, err = smsc.Dial(m.simLog); err != nil {
		return err
	}
	m.browser = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone(), Timeout: 20 * time.Second}
	if m.words, err = conversation.DefaultTexts(); err != nil {
		return err
	}
	m.fields = conversation.Fields{Leader: simulatorLeader, Program: m.cfg.Program.Name, Help: m.cfg.Program.Help}
	if err := m.memory.load(ctx); err != nil {
		return err
	}
	var begun error
	if err := m.memory.change(ctx, func(s *demoState) { m.resumed, begun = s.begin(m.demoOptions) }); err != nil || begun != nil {
		return errors.Join(begun, err)
	}
	m.memory.look(func(s *demoState) {
		m.members, m.seed = s.Members, s.Seed
		switch {
		case m.resumed && s.finished():
			m.screen.note("\nThis data directory has a finished demo with %s members: here is its account again.\nNothing is sent; --new sends another broadcast.", grouped(int64(s.Members)))
		case m.resumed:
			m.screen.note("\nGoing on where an earlier process stood, with %s members.", grouped(int64(s.Members)))
		}
	})
	return nil
}

// simulate fills the store, once. Cut off, it is done again: members are found
// by their phones. The two fans who will be in the audience make up the number.
func (m *demo) simulate(ctx context.Context) error {
	done := false
	m.memory.look(func(s *demoState) { done = s.Simulated })
	if done {
		return nil
	}
	number, err := parsedDemoNumber()
	if err != nil {
		return err
	}
	n := m.members - fansInAudience
	m.screen.note("\nMembers, with names, cities, birth dates and languages:")
	begin := time.Now()
	show := func(r community.ImportReport) {
		text := fmt.Sprintf("  %s of %s simulated members joined", grouped(r.Rows), grouped(int64(n)))
		m.screen.show(text, fmt.Sprintf("  %s  %s", bar(float64(r.Rows)/float64(n), 50), text))
	}
	if _, err := m.n.store.Simulate(ctx, n, m.seed, number, show); err != nil {
		return err
	}
	m.screen.drop()
	joined, err := m.n.store.Count(ctx, number, "all")
	if err != nil {
		return err
	}
	if joined < int64(n) {
		return fmt.Errorf("%s of %s members have joined", grouped(joined), grouped(int64(n)))
	}
	m.screen.note("  %s %s simulated members joined, in %s", m.screen.mark(true), grouped(int64(n)), span(time.Since(begin).Seconds()))
	return m.memory.change(ctx, func(s *demoState) { s.Simulated = true })
}

// start makes a broadcast and starts it, once: the key is the same for the
// whole of this run, and the state keeps the id.
func (m *demo) start(ctx context.Context, name string, b api.NewBroadcast, kept func(*demoState) *message.BroadcastID) (message.BroadcastID, error) {
	var id message.BroadcastID
	var run int
	m.memory.look(func(s *demoState) { id, run = *kept(s), s.Run })
	if id == 0 {
		var made api.Broadcast
		if err := m.api.ask(ctx, http.MethodPost, "/v1/broadcasts", b, &made, api.IdempotencyKey, fmt.Sprintf("demo/%d/%s", run, name)); err != nil {
			return 0, err
		}
		id = made.ID
		if err := m.memory.change(ctx, func(s *demoState) { *kept(s) = id }); err != nil {
			return 0, err
		}
	}
	var now api.Broadcast
	if err := m.api.ask(ctx, http.MethodGet, pathOf("broadcasts", fmt.Sprint(id)), nil, &now); err != nil {
		return 0, err
	}
	if now.State != community.Draft {
		return id, nil // A crash came after its start.
	}
	var started api.Controlled
	return id, m.api.ask(ctx, http.MethodPost, pathOf("broadcasts", fmt.Sprint(id), "start"), nil, &started)
}

// broadcast sends to all members and returns when the last receipt is here,
// while two fans stop.
func (m *demo) broadcast(ctx context.Context) (last api.Watched, err error) {
	id, err := m.begin(ctx)
	if err != nil {
		return last, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.meanwhile(ctx) })
	g.Go(func() error {
		var err error
		last, err = m.watch(ctx, id, "rest", func(w api.Watched) { m.screen.show("  "+progressLine(w), broadcastBlock(w)...) })
		return err
	})
	err = g.Wait()
	m.screen.keep("  " + progressLine(last))
	return last, err
}

// begin starts the broadcast to all as a step of the journey.
func (m *demo) begin(ctx context.Context) (id message.BroadcastID, err error) {
	kept := func(s *demoState) *message.BroadcastID { return &s.Broadcast }
	err = m.step(ctx, stepStart, func(ctx context.Context) error {
		_, err := m.start(ctx, "all", api.NewBroadcast{
			Number: demoNumber, Text: textToAll, Audience: "all", Validity: validityOf(m.members).String(),
		}, kept)
		return err
	})
	m.memory.look(func(s *demoState) { id = s.Broadcast })
	return id, err
}

// watchEvery is how often the progress is asked for, in milliseconds.
const watchEvery = "200"

// stillFor is how long a broadcast may stand still before the demo gives up:
// longer than the engine waits for a receipt that never comes.
func stillFor(n int) time.Duration { return validityOf(n) + demoGrace + 30*time.Second }

// watch follows a broadcast over /v1 until all is sent, or at rest.
func (m *demo) watch(ctx context.Context, id message.BroadcastID, until string, show func(api.Watched)) (last api.Watched, err error) {
	body, err := m.api.request(ctx, http.MethodGet, pathOf("broadcasts", fmt.Sprint(id), "watch")+"?until="+until+"&every_ms="+watchEvery, nil)
	if err != nil {
		return last, err
	}
	defer func() { _ = body.Close() }() // It was only read.
	moved, stood := time.Now(), message.Ledger{}
	last, err = follow(body, func(w api.Watched) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if l := w.Ledger.Ledger; l != stood {
			moved, stood = time.Now(), l
		}
		show(w)
		if w.Done || time.Since(moved) <= stillFor(m.members) {
			return nil
		}
		return fmt.Errorf("broadcast %d has stood still for %v: %s to send, %s without a receipt; %s",
			id, stillFor(m.members), grouped(stood.PendingSend), grouped(stood.PendingReceipt), m.bound())
	})
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return last, err
}

// bound says how the carrier's binds are.
func (m *demo) bound() string {
	for _, c := range m.n.carriers.Carriers() {
		return fmt.Sprintf("%d of %d binds are up, %d submits are unanswered, the breaker is %s", c.Bound, c.Binds, c.InFlight, c.Breaker)
	}
	return "no carrier is configured"
}
