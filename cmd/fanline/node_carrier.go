package main

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"fanline/community/conversation"
	"fanline/engine"
	"fanline/engine/carrier"
)

// carrierNode holds the binds of all accounts and what they deliver.
type carrierNode struct {
	n        *node
	profiles carrier.Profiles
	accounts []carrier.Account
	inbound  *carrier.Inbound
	pool     *carrier.Pool
	admin    *adminState
	sights   sights
}

func newCarrierNode(n *node) (*carrierNode, error) {
	accounts, err := n.cfg.accounts()
	if err != nil {
		return nil, err
	}
	profiles := map[string]*carrier.Profile{}
	for i := range accounts {
		profiles[accounts[i].Name] = accounts[i].Profile
	}
	return &carrierNode{n: n, accounts: accounts, profiles: carrier.NewProfiles(profiles)}, nil
}

// engineCarriers are the accounts in the engine's words.
func (c *carrierNode) engineCarriers() []engine.Carrier {
	out := make([]engine.Carrier, len(c.accounts))
	for i, a := range c.accounts {
		out[i] = engine.Carrier{Name: a.Name, Limit: c.n.cfg.Carriers[i].LimitPerSecond, Encoder: c.profiles.Encoder(a.Name)}
	}
	return out
}

func (c *carrierNode) receipt(name string, pdu []byte) (engine.Receipt, bool) {
	return c.profiles.Receipt(name, pdu)
}

func (c *carrierNode) canonicalID(name string, id []byte) []byte {
	return c.profiles.CanonicalID(name, id)
}

// revokes is the classifier that the engine's side asks about an inbound text.
func (c *carrierNode) revokes(name string, pdu []byte) (word string, ok bool) {
	text, _, err := c.profiles.Text(name, pdu)
	if err != nil || conversation.Classify(text) != conversation.Stop {
		return "", false
	}
	return text, true
}

// open prepares binds and intake; the engine must be there.
func (c *carrierNode) open() error {
	e := c.n.engine
	var err error
	if c.admin, err = loadAdminState(c.n.data); err != nil {
		return err
	}
	c.inbound, err = carrier.NewInbound(carrier.InboundConfig{
		Partitions: c.n.logs.partitions, Log: engineLog{c.n.logs}, Revokes: c.revokes, Stop: e.Stop, Logger: c.n.log,
	})
	if err != nil {
		return err
	}
	c.pool, err = carrier.NewPool(carrier.PoolConfig{
		Accounts: c.accounts, Admin: c.admin.of(c.accounts), Inbound: c.inbound, Logger: c.n.log,
		Attach: func(name string, id uint32, window int, b engine.Bind) carrier.Port {
			return e.Attach(name, id, window, b)
		},
	})
	return err
}

// run keeps the binds up until ctx ends; then it unbinds, and the intake makes
// durable and answers what came until then.
func (c *carrierNode) run(ctx context.Context, ready func()) error {
	intake, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var g errgroup.Group
	g.Go(func() error { return ignoreCanceled(c.inbound.Run(intake)) })
	g.Go(func() error { c.watch(ctx); return nil })
	ready()
	err := ignoreCanceled(c.pool.Run(ctx))
	stop()
	return errors.Join(err, g.Wait())
}

// healthy says which carriers have no bind at all.
func (c *carrierNode) healthy() error { return c.pool.Healthy() }

// windowsSum is how many parts can be between intent and outcome at once: the
// bound of what a crash leaves uncertain.
func (n *node) windowsSum() int {
	sum := 0
	for _, c := range n.running().Carriers {
		sum += c.Binds * c.Window
	}
	return sum
}
