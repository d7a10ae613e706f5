package engine

import (
	"log/slog"
	"time"

	"github.com/sony/gobreaker/v2"

	"fanline/engine/message"
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
	in         incoming

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
		was := c.state
		if c.look(now) {
			changed = true
		}
		if c.state != was {
			e.cfg.Logger.Warn("a carrier's breaker changed: it opens when most parts of a while failed for the carrier's own reasons",
				slog.String("carrier", c.name), slog.String("breaker", c.state.String()), slog.String("was", was.String()))
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
		e.tellCarriers()
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

// SetCarrierLimit changes what a carrier may be sent, in parts a second over
// all binds and over each of them, from the next part on; 0: no limit.
func (e *Engine) SetCarrierLimit(name string, limit, bindLimit int) {
	e.call(func(now time.Time) {
		c := e.carrierNamed(name)
		if c == nil {
			return
		}
		c.limit.SetRate(limit, now)
		c.bindLimit = bindLimit
		for _, b := range c.binds {
			b.limit.SetRate(bindLimit, now)
		}
		e.setCeilings(now)
	})
}

// SetNumberLimit changes what may go out from a number, in parts a second, from
// the next part on; 0: no limit.
func (e *Engine) SetNumberLimit(phone message.Phone, limit int) {
	e.call(func(now time.Time) {
		if n := e.numbers[phone]; n != nil {
			n.limit.SetRate(limit, now)
			e.setCeilings(now)
		}
	})
}

func (e *Engine) setCeilings(now time.Time) {
	for _, l := range e.lanes {
		l.pace.SetCeiling(ceiling(l.n.limit.Rate(), l.c.limit.Rate()), now)
	}
}

// CarrierState is how an engine sees a carrier now.
type CarrierState struct {
	Name       string
	Breaker    string // closed, half-open or open
	Healthy    bool   // messages may be routed to it
	Congestion int8   // congestion_state seen last (SMPP 5.0 §4.8.4.18); -1: none
	Limit      int    // parts a second agreed for all binds; 0: none
	Binds      []BindWindow
	Lanes      []LaneState
}

// BindWindow is how much of a bind's window is used.
type BindWindow struct {
	Bind         uint32
	Window, Size int           // agreed, and what is used of it for how the carrier answers
	Held         int           // slots in use
	Answers      time.Duration // how long answers take, smoothed; 0: none came yet
}

// LaneState is what goes from one number over a carrier.
type LaneState struct {
	Number    message.Phone
	Pace      int // parts a second that the carrier was found to take; 0: no less than agreed
	Waiting   int // messages that have this carrier and wait
	Accepted  int64
	Throttled int64
	Stopped   bool // the carrier refuses this sender
}

// CarrierStates returns the engine's view of all carriers, as of a few tenths
// of a second ago at most.
func (e *Engine) CarrierStates() []CarrierState {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.states // Replaced as a whole, never changed.
}

// tellCarriers renews what CarrierStates returns.
func (e *Engine) tellCarriers() {
	all := make([]CarrierState, len(e.carriers))
	for i, c := range e.carriers {
		s := &all[i]
		*s = CarrierState{Name: c.name, Breaker: c.state.String(), Healthy: c.healthy, Congestion: c.congestion, Limit: c.limit.Rate()}
		for _, b := range c.binds {
			s.Binds = append(s.Binds, BindWindow{
				Bind: b.id, Window: b.window, Size: b.answers.Size(), Held: b.window - b.free, Answers: b.answers.Took(),
			})
		}
	}
	for _, l := range e.lanes {
		waiting := l.places.len()
		for k := range l.waiting {
			waiting += l.waiting[k].len()
		}
		s := &all[l.c.index]
		s.Lanes = append(s.Lanes, LaneState{
			Number: l.n.phone, Pace: l.pace.Rate(), Waiting: waiting + len(l.delayed), Accepted: l.accepted, Throttled: l.throttled, Stopped: l.halt.on,
		})
	}
	e.mu.Lock()
	e.states = all
	e.mu.Unlock()
}
