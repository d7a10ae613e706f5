package smsc

import (
	"math"
	"sync"
	"time"

	"fanline/smpp"
)

// meter measures a rate over about a second.
type meter struct {
	mu sync.Mutex
	at int64 // ns
	n  float64
}

// add counts submits and gives the rate per second.
func (m *meter) add(n int, ns int64) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ns > m.at {
		m.n *= math.Exp(-float64(ns-m.at) / float64(time.Second))
		m.at = ns
	}
	m.n += float64(n)
	return m.n
}

// congestionNow is what clients of SMPP 5.0 are told after a read (SMPP 5.0 §4.8.4.18): what the scenario says, or the
// greatest of the load of the account's limit, of the last number's limit, of the account's window and of the queue of
// receipts, in hundredths; 100 when a limit has just refused.
func (c *conn) congestionNow(p *plan, submits int) byte {
	for i := range p.congestion {
		if x := &p.congestion[i]; x.window.active(c.at.ns-p.since, c.at.micros) {
			return x.state
		}
	}
	load := 0.0
	if rate := c.account.meter.add(submits, c.at.ns); c.account.limit.intervalNs > 0 {
		load = rate / float64(c.account.limit.perSecond)
	}
	if c.last != nil && c.last.number != nil {
		n := c.last.number
		if rate := n.meter.add(submits, c.at.ns); n.limit.intervalNs > 0 {
			load = max(load, rate/float64(n.limit.perSecond))
		}
	}
	if w := c.account.config.Window; w > 0 {
		load = max(load, float64(c.outstanding)/float64(w))
	}
	load = max(load, float64(c.s.pending.Load())/float64(p.maxPending))
	if c.excess {
		load = 1
	}
	return byte(min(100, load*100))
}

// tellsCongestion says whether the client speaks SMPP 5.0.
func (c *conn) tellsCongestion() bool { return c.version >= smpp.Version50 }
