package carrier

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

const (
	dialTimeout   = 10 * time.Second
	unbindTimeout = 5 * time.Second
	outOfStepFor  = 2 * time.Second // for answers, before a session that is out of step unbinds
)

// bind is one place in the pool: a session, or the wait for the next one. Its
// fields are guarded by its carrier's mu, but for those of its own goroutine.
type bind struct {
	carrier *carrierBinds
	id      uint32
	index   int
	log     *slog.Logger
	wake    chan struct{} // has room for one: don't wait for the next attempt

	removed bool
	host    int // index of the host to try next
	tries   int // attempts that have come to an end
	state   BindState
	link    *link                   // nil while down
	abort   context.CancelCauseFunc // nil unless an attempt is under way
	past    session.Stats           // of the sessions before

	backOff backOff
	endedAt time.Time // of run: when the last attempt, or its session, came to an end
}

func newBind(c *carrierBinds, i int) *bind {
	b := &bind{carrier: c, id: uint32(i + 1), index: i, host: c.account.home(i), wake: make(chan struct{}, 1)}
	b.log = c.log.With(slog.Uint64("bind", uint64(b.id)))
	b.state = BindState{
		Bind: b.id, Kind: strings.TrimPrefix(c.account.command(i).String(), "bind_"), Window: c.account.Window, Since: time.Now(),
	}
	return b
}

// run holds the bind until ctx ends or it is removed.
func (b *bind) run(ctx context.Context) {
	for b.permitted(ctx) {
		a := b.account()
		if rest := a.ReconnectMin - time.Since(b.endedAt); !b.endedAt.IsZero() && rest > 0 {
			b.pause(ctx, rest)
			continue // Much may have changed.
		}
		host := b.target(&a)
		lasted, err := b.once(ctx, &a, host)
		if ctx.Err() != nil {
			return
		}
		b.endedAt = time.Now()
		wait := b.after(&a, lasted, err)
		if wait == 0 {
			continue
		}
		b.log.Warn("not bound", slog.String("host", host), slog.Duration("lasted", lasted.Round(time.Millisecond)),
			slog.Duration("retry_after", wait.Round(time.Millisecond)), slog.Any("error", err))
		b.sleep(ctx, wait)
	}
}

// permitted waits until the bind may try: not while its carrier is disabled,
// nor while another bind asks whether a refusal still holds. It reports false
// at the end.
func (b *bind) permitted(ctx context.Context) bool {
	c := b.carrier
	for {
		c.mu.Lock()
		may, changed, removed := c.admin != Disabled && !c.refusedBy(b), c.changed, b.removed
		if may {
			b.drainWake()
		}
		c.mu.Unlock()
		if removed || ctx.Err() != nil {
			return false
		}
		if may {
			return true
		}
		select {
		case <-changed:
		case <-b.wake:
		case <-ctx.Done():
			return false
		}
	}
}

// drainWake forgets a wish to try that has come true. c.mu is held.
func (b *bind) drainWake() {
	select {
	case <-b.wake:
	default:
	}
}

func (b *bind) account() Account {
	b.carrier.mu.Lock()
	defer b.carrier.mu.Unlock()
	return b.carrier.account
}

// target is the host of this attempt.
func (b *bind) target(a *Account) string {
	b.carrier.mu.Lock()
	defer b.carrier.mu.Unlock()
	b.host %= len(a.Hosts) // There may be fewer since a reload.
	return a.Hosts[b.host]
}

// after takes up how an attempt or a session ended and returns how long to wait
// for the next one.
func (b *bind) after(a *Account, lasted time.Duration, err error) time.Duration {
	c := b.carrier
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.removed || c.admin == Disabled {
		b.backOff.reset()
		return 0
	}
	b.next(a, lasted, err)
	if meant(err) {
		b.backOff.reset()
		return 0 // The operator waits.
	}
	wait := b.backOff.next(a, lasted, c.profile.Get().refusal(err), rand.Float64())
	b.state.Retry = time.Now().Add(wait)
	return wait
}

// meant tells whether a session ended because we wanted it to.
func meant(err error) bool {
	return errors.Is(err, errRebind) || errors.Is(err, errDisabled) || errors.Is(err, errRemoved)
}

// next chooses the host of the next attempt. After a failure, which a session
// that broke is too, that is the next in the list, round and round. A bind whose
// session ended away from home, having lasted, begins at home again: nothing
// else brings it back, since a session that works is never ended for tidiness.
// Rebind does. c.mu is held.
func (b *bind) next(a *Account, lasted time.Duration, err error) {
	home := a.home(b.index)
	switch {
	case meant(err), lasted >= lasting && b.host != home:
		b.host = home
	default:
		b.host = (b.host + 1) % len(a.Hosts)
	}
}

// pause waits although somebody is in a hurry: some carriers refuse a bind that
// comes too soon after the last one.
func (b *bind) pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	c := b.carrier
	for {
		c.mu.Lock()
		changed, over := c.changed, b.removed || c.admin == Disabled
		c.mu.Unlock()
		if over {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-changed:
		}
	}
}

// sleep waits for the next attempt.
func (b *bind) sleep(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-b.wake:
	}
}

// attempt ends the wait for the next one, of a bind that is down. c.mu is held.
func (b *bind) attempt() {
	select {
	case b.wake <- struct{}{}:
	default: // It is told already.
	}
}

// leave ends the session, or the attempt at one. c.mu is held.
func (b *bind) leave(why error) {
	if b.link != nil {
		b.link.serve(false)
		b.link.quit(why)
		return
	}
	if b.abort != nil {
		b.abort(why)
	}
	b.attempt()
}

// once dials, binds and carries one session to its end.
func (b *bind) once(ctx context.Context, a *Account, host string) (lasted time.Duration, err error) {
	attempt, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if !b.begin(cancel) {
		return 0, errDisabled
	}
	l, err := b.open(attempt, a, host)
	if err != nil {
		if cause := context.Cause(attempt); cause != nil && ctx.Err() == nil {
			err = cause
		}
		b.down(host, err)
		return 0, err
	}
	began := time.Now()
	b.up(a, host, l)
	err = b.carry(ctx, l)
	l.leave()
	b.down(host, err)
	return time.Since(began), err
}

// begin notes that an attempt is under way; not when the carrier was disabled
// just now.
func (b *bind) begin(abort context.CancelCauseFunc) bool {
	c := b.carrier
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.removed || c.admin == Disabled {
		return false
	}
	b.abort = abort
	return true
}

// open dials and binds. Nothing is handed to the engine before the bind is up.
func (b *bind) open(ctx context.Context, a *Account, host string) (*link, error) {
	c := b.carrier
	conn, err := b.dial(ctx, a, host)
	if err != nil {
		return nil, err
	}
	password := ""
	if a.Password != nil {
		password = a.Password()
	}
	g := &c.profile.Get().greeting
	cfg := session.Config{
		Kind: a.command(b.index), SystemID: a.SystemID, Password: password, SystemType: cmp.Or(a.SystemType, g.systemType),
		InterfaceVersion: g.version, AddrTON: g.address.TON, AddrNPI: g.address.NPI, AddressRange: g.addressRange, Window: a.Window,
		EnquireInterval: a.EnquireLink, ResponseTimeout: a.Response, UnbindTimeout: unbindTimeout, Logger: b.log,
	}
	l := &link{bind: b, profile: &c.profile, size: a.Window, window: a.Window, log: b.log, ending: make(chan error, 1)}
	if l.s, err = session.Open(ctx, c.pool.tapped(c.name, b.id, conn), cfg, l); err != nil {
		return nil, a.explain(err)
	}
	l.intake = c.pool.cfg.Inbound.Intake(c.name, &c.profile, b.id, l)
	l.submits = cfg.Kind != smpp.BindReceiverID
	return l, nil
}

// carry runs a session until it ends, or has it unbind when ctx ends or
// somebody wants it to. The session itself is never cut by ctx: answers on their
// way would be lost.
func (b *bind) carry(ctx context.Context, l *link) error {
	ended := make(chan error, 1)
	go func() { ended <- l.s.Run(context.WithoutCancel(ctx)) }()
	drain := b.carrier.pool.cfg.Drain
	var why error
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	case why = <-l.ending:
		if errors.Is(why, errOutOfStep) {
			drain = outOfStepFor
		}
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := l.s.Unbind(bounded); err != nil {
		b.log.Warn("unbinding although answers are missing", slog.Int("inflight", l.s.Inflight()))
	}
	if err := <-ended; err != nil {
		return err
	}
	return why
}

// up notes a session that is bound, and hands it to the engine where it may
// submit.
func (b *bind) up(a *Account, host string, l *link) {
	c := b.carrier
	c.mu.Lock()
	b.link, b.abort = l, nil
	s := &b.state
	s.Host, s.Peer, s.Up, s.Refused, s.Since, s.Retry = host, l.s.Peer().SystemID, true, false, time.Now(), time.Time{}
	s.Version, s.VersionSaid = l.s.Peer().InterfaceVersion, l.s.Peer().Declared
	s.Kind, s.Window = strings.TrimPrefix(a.command(b.index).String(), "bind_"), a.Window
	s.Bound++
	switch {
	case b.removed:
		l.quit(errRemoved)
	case c.admin == Disabled:
		l.quit(errDisabled)
	default:
		l.serve(c.admin == Enabled)
	}
	c.alarmOf(b, nil)
	c.notify()
	c.mu.Unlock()
	b.log.Info("bound", slog.String("host", host), slog.String("peer", l.s.Peer().SystemID))
}

// down notes the end of a session, or that there was none.
func (b *bind) down(host string, err error) {
	c := b.carrier
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.link != nil {
		add(&b.past, b.link.s.Stats())
		b.link = nil
		b.state.Since = time.Now()
	}
	b.abort = nil
	b.state.Host, b.state.Up, b.state.Refused = host, false, c.profile.Get().refusal(err) == refusedForGood
	if err != nil {
		b.state.LastError = err.Error()
	}
	b.tries++
	c.alarmOf(b, err)
	c.notify()
}
