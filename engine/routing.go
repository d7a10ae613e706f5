package engine

import (
	"time"

	"fanline/engine/message"
)

// choose returns the lane of a message: of the carriers that routing names for
// it, in their order, the first that is healthy; the first of all where none
// is. A number always has a carrier.
func (e *Engine) choose(n *number, phone message.Phone, hint string) *lane {
	var first *lane
	for _, l := range n.lanes {
		if l.usable() {
			l.c.trials++
			return l
		}
		if first == nil {
			first = l
		}
	}
	return first
}

// expandAtOnce is how many recipients are given a lane at a time.
const expandAtOnce = 256

// expand gives recipients of the number's blocks their lanes until one is for
// l. What is for the others waits there, so that none waits for another:
// the planner's lead bounds it. It reports whether l got one.
func (e *Engine) expand(l *lane) bool {
	if !l.usable() {
		return false
	}
	blocks := &l.n.blocks
	for blocks.len() > 0 && l.places.len() == 0 {
		h := blocks.front()
		for end := min(len(h.block.Recipients), h.next+expandAtOnce); h.next < end; h.next++ {
			r := &h.block.Recipients[h.next]
			to := e.choose(l.n, r.Phone, "")
			to.places.push(place{h, h.next})
		}
		if h.next == len(h.block.Recipients) {
			blocks.pop()
		}
	}
	return l.places.len() > 0
}

// reroute gives what waits in a lane that cannot go on, and was not begun,
// another one where there is any.
func (e *Engine) reroute(l *lane) {
	move := func(o *outgoing) (to *lane) {
		if o.out > 0 || o.flying > 0 {
			return l
		}
		o.lane = e.choose(l.n, o.msg.Phone, o.hint)
		return o.lane
	}
	for c := range l.waiting {
		q := l.waiting[c].rest()
		l.waiting[c].replace(nil)
		for _, o := range q {
			move(o).waiting[c].push(o)
		}
	}
	delayed := l.delayed
	l.delayed = nil
	for _, o := range delayed {
		to := move(o)
		to.delayed = append(to.delayed, o)
	}
	places := l.places.rest()
	l.places.replace(nil)
	for _, p := range places {
		e.choose(l.n, p.h.block.Recipients[p.i].Phone, "").places.push(p)
	}
}

// overdue decides what is too late and waits where nothing takes it up.
func (e *Engine) overdue(now time.Time) {
	ms := now.UnixMilli()
	for _, l := range e.lanes {
		if l.usable() {
			continue
		}
		for c := range l.waiting {
			l.waiting[c].replace(e.keepTimely(l.waiting[c].rest(), ms))
		}
		l.delayed = e.keepTimely(l.delayed, ms)
		for l.places.len() > 0 && ms > l.places.front().h.block.Deadline && e.fits() {
			e.recipient(l, l.places.pop(), ms)
		}
	}
	for _, n := range e.order {
		for n.blocks.len() > 0 && ms > n.blocks.front().block.Deadline && e.fits() {
			h := n.blocks.pop()
			for ; h.next < len(h.block.Recipients); h.next++ {
				e.recipient(n.lanes[0], place{h, h.next}, ms)
			}
		}
	}
}

// keepTimely decides those messages of a queue that are too late and returns
// the others.
func (e *Engine) keepTimely(queue []*outgoing, ms int64) []*outgoing {
	kept := queue[:0:0]
	for _, o := range queue {
		if ms > o.deadline && o.out == 0 && o.flying == 0 && o.dropped == message.Open && e.fits() {
			o.queued = false
			e.decide(o, message.ExpiredUnsent, message.NoReason, ms)
			continue
		}
		kept = append(kept, o)
	}
	return kept
}
