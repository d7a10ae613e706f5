package engine

import (
	"time"

	"github.com/sony/gobreaker/v2"

	"fanline/engine/throttle"
)

// carrier is an account at an operator inside this engine.
type carrier struct {
	index   uint16
	name    string
	limit   *throttle.Limit
	encoder Encoder

	bindLimit  int  // parts a second of each bind; 0: none
	congestion int8 // congestion_state seen last; -1: none
	breaker    *gobreaker.TwoStepCircuitBreaker[struct{}]
	binds      []*bind
	last       *bind // that took the last message
	inRow      int   // messages that it took in a row

	state   gobreaker.State // of the breaker, as of this turn
	healthy bool            // as of this turn: messages may be routed to it
	trials  int             // messages routed to it since its breaker was half open
	tried   time.Time       // when trials began to count
}

// bind is a session that is up.
type bind struct {
	carrier *carrier
	id      uint32
	window  int
	free    int // slots; one is taken at the intent and given back when the outcome is durable
	conn    Bind
	up      bool
	limit   *throttle.Limit
	answers throttle.Window // how many of the slots may be used
}

// room is how many parts the bind can take now.
func (b *bind) room() int { return b.free - (b.window - b.answers.Size()) }

const (
	breakerOpenFor = 5 * time.Second // how long a carrier whose breaker tripped is left alone
	breakerTrials  = 3               // what it is tried with then, before it gets its share again
	trialsFor      = time.Second     // after which it is tried again, should the trials have come to nothing
)

func newCarrier(index uint16, c Carrier, now time.Time) *carrier {
	return &carrier{
		index: index, name: c.Name, limit: throttle.New(c.Limit, now), encoder: c.Encoder, bindLimit: c.BindLimit, congestion: -1,
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name: c.Name, Timeout: breakerOpenFor, Interval: 10 * time.Second, MaxRequests: breakerTrials,
			ReadyToTrip: func(n gobreaker.Counts) bool {
				return n.Requests >= 20 && n.TotalFailures*2 > n.Requests
			},
		}),
	}
}

// look renews what the carrier's health is, and reports whether it changed.
func (c *carrier) look(now time.Time) (changed bool) {
	if state := c.breaker.State(); state != c.state {
		c.state, c.trials, c.tried = state, 0, now
	}
	if c.state == gobreaker.StateHalfOpen && now.Sub(c.tried) >= trialsFor {
		c.trials, c.tried = 0, now
	}
	was := c.healthy
	c.healthy = len(c.binds) > 0 && c.state != gobreaker.StateOpen && (c.state == gobreaker.StateClosed || c.trials < breakerTrials)
	return c.healthy != was
}

// overdueEvery is how often lanes that cannot go on are looked through.
const overdueEvery = 100 * time.Millisecond

// health looks at all carriers; where one came or went, what waits for those
// that are gone is routed anew.
func (e *Engine) health(now time.Time) {
	changed := e.routed
	e.routed = false
	for _, c := range e.carriers {
		if c.look(now) {
			changed = true
		}
	}
	for _, l := range e.lanes {
		if l.look(now) {
			changed = true
		}
	}
	if !e.nextOverdue.After(now) {
		e.nextOverdue = now.Add(overdueEvery)
		e.overdue(now)
		e.alarming()
	}
	if !changed {
		return
	}
	for _, l := range e.lanes {
		if !l.usable() {
			e.reroute(l)
		}
	}
}
