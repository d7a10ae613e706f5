// Package carrier is the one place where a message meets SMPP: it encodes
// texts as submit_sm, holds the binds of each account and reconnects them,
// tells the engine what became of each part, and makes what carriers deliver
// durable before it is acknowledged. What a carrier does its own way stands in
// its Profile; Profiles, Pool.Reload and Current have a changed one count for the
// next message. Pool.Enable, Drain, Disable and Rebind are the operator's, Tap is
// the ear of whoever wants to see the PDUs.
//
// It refuses to know what a broadcast is, when something may be sent and what
// the log is made of: it is handed functions for those.
//
//	inbound, err := carrier.NewInbound(carrier.InboundConfig{Partitions: 12, Log: log, Revokes: classify, Stop: e.Stop})
//	pool, err := carrier.NewPool(carrier.PoolConfig{Accounts: accounts, Attach: attach, Inbound: inbound})
//	go inbound.Run(intake)
//	err = pool.Run(ctx)
//
// The package's example wires all of it. In the order of stopping, the
// engine's intake comes first, then the pool unbinds, then inbound drains.
package carrier
