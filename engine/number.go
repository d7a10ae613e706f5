package engine

import (
	"time"

	"github.com/sony/gobreaker/v2"

	"fanline/engine/consent"
	"fanline/engine/message"
	"fanline/engine/throttle"
	"fanline/pipeline/record"
)

// number is a sender of ours inside this engine: what waits for it, by class,
// and its limit. With each of its carriers it makes a lane.
type number struct {
	phone    message.Phone
	index    uint16
	carriers []*carrier
	limit    *throttle.Limit
	revoked  consent.Set
	stopped  map[message.Phone]int64 // recent revocations: Unix ms of the STOP

	waiting [message.Classes]fifo[*outgoing] // to be intended (again)
	blocks  fifo[*held]                      // of broadcasts, behind waiting[ClassBroadcast]
	ready   [message.Classes]fifo[uint32]    // flights whose intent is durable
	delayed []*outgoing                      // put off by the carrier until their time
	ahead   int                              // parts intended and not yet written
}

// held is a block whose recipients are taken up one by one.
type held struct {
	block *record.Block
	next  int
	bc    *broadcast
	job   *job
}

// fifo is a queue in a slice that is compacted as it drains.
type fifo[T any] struct {
	items []T
	head  int
}

func (q *fifo[T]) len() int      { return len(q.items) - q.head }
func (q *fifo[T]) front() T      { return q.items[q.head] }
func (q *fifo[T]) push(v T)      { q.items = append(q.items, v) }
func (q *fifo[T]) rest() []T     { return q.items[q.head:] }
func (q *fifo[T]) replace(v []T) { q.items, q.head = v, 0 }

func (q *fifo[T]) pop() T {
	v := q.items[q.head]
	var zero T
	q.items[q.head] = zero
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	} else if q.head >= 1024 && q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	return v
}

// carrier is an account at an operator inside this engine.
type carrier struct {
	index   uint16
	name    string
	limit   *throttle.Limit
	encoder Encoder
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	binds   []*bind
	state   gobreaker.State // of the breaker, as of the present step
}

// bind is a session that is up.
type bind struct {
	carrier *carrier
	id      uint32
	window  int
	free    int // slots; one is taken at the intent and given back when the outcome is durable
	conn    Bind
	up      bool
}

// breakerOpenFor is how long a carrier whose breaker tripped is left alone.
const breakerOpenFor = 5 * time.Second

func newCarrier(index uint16, c Carrier, now time.Time) *carrier {
	return &carrier{
		index: index, name: c.Name, limit: throttle.New(c.Limit, now), encoder: c.Encoder,
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name: c.Name, Timeout: breakerOpenFor, Interval: 10 * time.Second, MaxRequests: 3,
			ReadyToTrip: func(n gobreaker.Counts) bool {
				return n.Requests >= 20 && n.TotalFailures*2 > n.Requests
			},
		}),
	}
}

// bindFor returns the bind with most free slots of the first carrier that can
// take something; nil where none can. Automatic replies and one-to-one texts
// to a phone keep to one bind while they can, so that they stay in order.
func (n *number) bindFor(o *outgoing) *bind {
	for _, c := range n.carriers {
		if c.state == gobreaker.StateOpen || c.state == gobreaker.StateHalfOpen && n.ahead > 0 {
			continue // Half open: one after another.
		}
		var best *bind
		if o.bc == nil && len(c.binds) > 0 {
			if b := c.binds[uint64(o.msg.Phone)%uint64(len(c.binds))]; b.free > 0 {
				return b
			}
		}
		for _, b := range c.binds {
			if b.free > 0 && (best == nil || b.free > best.free) {
				best = b
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// lead is how many parts may stand in the journal, or be on their way to it,
// ahead of their limit: what the limit lets through in the time of a commit and
// 20 ms. It bounds what a crash leaves uncertain on a slow number, and how long
// a pause or a STOP has to undo; less would leave the limit unused while the
// disk is slow.
func (n *number) lead(committing time.Duration) int {
	rate := n.limit.Rate()
	for _, c := range n.carriers {
		if r := c.limit.Rate(); r > 0 && (rate == 0 || r < rate) {
			rate = r
		}
	}
	if rate == 0 {
		return 1 << 30
	}
	return max(4, int(float64(rate)*(leadTime+min(committing, time.Second)).Seconds()))
}

const leadTime = 20 * time.Millisecond

// waits tells whether something could go on merely because time passes.
func (n *number) waits() bool {
	if len(n.delayed) > 0 || n.blocks.len() > 0 {
		return true
	}
	for c := range n.ready {
		if n.ready[c].len() > 0 || n.waiting[c].len() > 0 {
			return true
		}
	}
	return false
}

// revoke notes a STOP that came at a time (Unix ms).
func (n *number) revoke(p message.Phone, at int64) {
	n.revoked.Revoke(p)
	if at > n.stopped[p] {
		n.stopped[p] = at
	}
}

// rejoin ends a revocation, unless that is the later of the two: a re-join
// comes through the store, a STOP at once, so they may arrive out of order.
func (n *number) rejoin(p message.Phone, at int64) {
	if at < n.stopped[p] {
		return
	}
	n.revoked.Rejoin(p)
	delete(n.stopped, p)
}

// mayReach tells whether consent lets this message go: a revocation holds back
// everything but the answer to it, and answers to texts that came after it.
func (n *number) mayReach(o *outgoing) bool {
	if o.msg.Class == message.ClassStop || !n.revoked.Revoked(o.msg.Phone) {
		return true
	}
	return o.msg.Class == message.ClassJoining && o.at > n.stopped[o.msg.Phone]
}
