package engine

import (
	"fanline/engine/consent"
	"fanline/engine/message"
	"fanline/engine/throttle"
)

// number is a sender of ours inside this engine, with its limit and those who
// sent it a STOP. With each of its carriers it makes a lane.
type number struct {
	phone   message.Phone
	index   uint16
	lanes   []*lane // in the order of preference that the configuration gives
	over    []*lane // the same by index of the carrier; nil where it doesn't use it
	limit   *throttle.Limit
	revoked consent.Set
	stopped map[message.Phone]int64 // recent revocations: Unix ms of the STOP

	blocks fifo[*held] // of broadcasts: recipients without a lane
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
