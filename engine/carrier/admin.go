package carrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Admin is what an operator wants of a carrier. It is not kept here over
// restarts: PoolConfig.Admin says where an account begins.
type Admin string

const (
	// Enabled carriers are bound and get messages.
	Enabled Admin = "enabled"
	// Draining carriers stay bound for receipts and texts, and get no messages.
	Draining Admin = "draining"
	// Disabled carriers are unbound.
	Disabled Admin = "disabled"
)

func (a Admin) valid() bool { return a == Enabled || a == Draining || a == Disabled }

// Why an operation on a carrier failed; errors.Is finds them.
var (
	ErrNoCarrier = errors.New("carrier: no such carrier")
	ErrDisabled  = errors.New("carrier: it is disabled; enable it first")
	ErrEnded     = errors.New("carrier: the pool has ended")
)

// Why we end a session; BindState.LastError shows it.
var (
	errOutOfStep = errors.New("carrier: a status said that the session is out of step; binding again")
	errDisabled  = errors.New("carrier: disabled by the operator")
	errRebind    = errors.New("carrier: binding again as the operator wished")
	errRemoved   = errors.New("carrier: the configuration asks for fewer binds")
)

// Enable has a carrier bind and take messages again. A bind that waits for its
// next attempt tries at once. It returns before the binds are up.
func (p *Pool) Enable(name string) error {
	c, err := p.find(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(Enabled)
	for _, b := range c.binds {
		if b.link != nil {
			b.link.serve(true)
		} else {
			b.attempt()
		}
	}
	return nil
}

// Drain gives a carrier no more messages, and takes back what its sessions have
// not begun to write; the binds stay for receipts and texts until Enable or
// Disable. It returns when everything written is answered. When ctx ends
// before, its error says how much is not; the carrier keeps draining.
func (p *Pool) Drain(ctx context.Context, name string) error {
	c, err := p.find(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	was := c.admin
	c.set(Draining)
	for _, b := range c.binds {
		if b.link != nil {
			b.link.serve(false)
		} else if was == Disabled {
			b.attempt()
		}
	}
	c.mu.Unlock()
	return c.wait(ctx, Draining, func() (bool, string) {
		n := 0
		for _, b := range c.binds {
			if b.link != nil {
				n += b.link.s.Inflight()
			}
		}
		return n == 0, fmt.Sprintf("%d submits are still without an answer", n)
	})
}

// Disable takes a carrier's messages away as Drain does, lets each bind wait
// for its answers (PoolConfig.Drain at most) and unbind, and keeps them down
// until Enable. It returns when all are down. When ctx ends before, its error
// says how many are not; they go down all the same.
func (p *Pool) Disable(ctx context.Context, name string) error {
	c, err := p.find(name)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.set(Disabled)
	for _, b := range c.binds {
		b.leave(errDisabled)
	}
	c.mu.Unlock()
	return c.wait(ctx, Disabled, func() (bool, string) {
		n := 0
		for _, b := range c.binds {
			if b.link != nil || b.abort != nil {
				n++
			}
		}
		return n == 0, fmt.Sprintf("%d binds are still up", n)
	})
}

// Rebind has every bind end its session in order and bind anew, one after
// another and each at its home host, so that the carrier goes on sending; a
// bind that is down tries at once. It stops at the first that doesn't come
// back and says why, so that a configuration that the carrier refuses costs one
// bind. With a ReconnectMin it takes as long for each bind.
func (p *Pool) Rebind(ctx context.Context, name string) error {
	c, err := p.find(name)
	if err != nil {
		return err
	}
	select {
	case c.rebinds <- struct{}{}:
		defer func() { <-c.rebinds }()
	case <-ctx.Done():
		return fmt.Errorf("carrier: %s: another rebind is under way: %w", name, context.Cause(ctx))
	}
	c.mu.Lock()
	binds, admin := c.binds, c.admin
	c.mu.Unlock()
	if admin == Disabled {
		return fmt.Errorf("%w: %s", ErrDisabled, name)
	}
	for _, b := range binds {
		if err := c.rebind(ctx, b); err != nil {
			return fmt.Errorf("carrier: %s: bind %d: %w", name, b.id, err)
		}
	}
	return nil
}

// rebind ends the session of one bind and waits for its next one.
func (c *carrierBinds) rebind(ctx context.Context, b *bind) error {
	c.mu.Lock()
	if b.removed {
		c.mu.Unlock()
		return nil
	}
	before, tries := b.state.Bound, b.tries
	b.host = c.account.home(b.index)
	if b.link != nil {
		b.leave(errRebind)
	} else {
		b.attempt()
	}
	admin := c.admin
	c.mu.Unlock()
	var refused error
	err := c.wait(ctx, admin, func() (bool, string) {
		back := b.state.Bound > before && b.link != nil || b.removed
		if !back && b.tries > tries && b.state.Refused {
			refused = errors.New(b.state.LastError)
			return true, ""
		}
		return back, "it is not back: " + b.state.LastError
	})
	return errors.Join(refused, err)
}

// set changes what the operator wants. c.mu is held.
func (c *carrierBinds) set(a Admin) {
	if c.admin == a {
		return
	}
	c.log.Info("the operator changed what this carrier does", slog.String("from", string(c.admin)), slog.String("to", string(a)))
	c.admin, c.since = a, time.Now()
	if a == Disabled {
		c.alarm = Alarm{}
		for _, b := range c.binds {
			b.state.Refused, b.state.RefusedSince, b.state.Retry = false, time.Time{}, time.Time{}
		}
	}
	c.notify()
}

// wait returns when reached says so, which is asked with c.mu held; or when ctx
// or the pool ends, or another operation wants something else of the carrier.
func (c *carrierBinds) wait(ctx context.Context, wanted Admin, reached func() (bool, string)) error {
	for {
		c.mu.Lock()
		ok, missing := reached()
		admin, changed := c.admin, c.changed
		c.mu.Unlock()
		switch {
		case ok:
			return nil
		case admin != wanted:
			return fmt.Errorf("carrier: %s is %s meanwhile: %s", c.name, admin, missing)
		}
		select {
		case <-changed:
		case <-c.pool.ended:
			return fmt.Errorf("%w: %s: %s", ErrEnded, c.name, missing)
		case <-ctx.Done():
			return fmt.Errorf("carrier: %s: %s: %w", c.name, missing, context.Cause(ctx))
		}
	}
}

// Healthy returns nil when every account that the operator has not disabled has
// a bind that is up, and of one that may submit, one that can; and otherwise
// names those that have none.
func (p *Pool) Healthy() error {
	var down []string
	for _, s := range p.State() {
		if s.Admin != Disabled && s.Sending == 0 {
			down = append(down, s.Name)
		}
	}
	if len(down) == 0 {
		return nil
	}
	return fmt.Errorf("no bind is up at %s", strings.Join(down, ", "))
}
