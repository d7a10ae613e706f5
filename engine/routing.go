package engine

import (
	"slices"
	"time"

	"fanline/engine/message"
	"fanline/engine/route"
	"fanline/pipeline/record"
)

// routing is what the engine knows of the ways to members: the table, and how
// its carriers are the engine's.
type routing struct {
	table   *route.Table
	known   []string // carriers of the last table, which what was learned counts by
	to      []int    // by carrier of the table: index of the engine's, -1 where it has none
	choices []route.Choice
}

// learnedFor is how long a delivery that showed another way than the table's
// counts, and learnedMost how many of them a partition remembers.
const (
	learnedFor  = 30 * 24 * time.Hour
	learnedMost = 1 << 16
)

// SetRoutes has messages that are given a carrier from now on go by a table.
// Without one, a number's carriers are tried in the order of its configuration.
// Those that wait already stay where they are as long as that is healthy.
func (e *Engine) SetRoutes(t *route.Table) {
	e.call(func(time.Time) {
		r := &e.routes
		was := r.known
		r.table, r.known, r.to = t, t.Carriers(), nil
		for _, name := range r.known {
			i := -1
			if c := e.carrierNamed(name); c != nil {
				i = int(c.index)
			}
			r.to = append(r.to, i)
		}
		renumber := make([]int, len(was))
		for i, name := range was {
			renumber[i] = slices.Index(r.known, name)
		}
		for _, p := range e.parts {
			if p != nil && p.learned != nil {
				p.learned.Renumber(renumber)
			}
		}
		e.routed = true
	})
}

// choose returns the lane of a message: of the carriers that routing names for
// it, in their order, the first that is healthy; the first of all where none
// is. A number that messages are taken up for has a carrier.
func (e *Engine) choose(n *number, p *partition, phone message.Phone, hint record.Hint) *lane {
	lanes := e.lanesOf(n, p, phone, hint)
	l := firstUsable(lanes, 0)
	if l == nil {
		return lanes[0]
	}
	l.c.trials++
	return l
}

// lanesOf lists the lanes of a message in the order in which they are to be
// tried. It stands until the next call.
func (e *Engine) lanesOf(n *number, p *partition, phone message.Phone, hint record.Hint) []*lane {
	if e.routes.table == nil || len(n.lanes) == 1 {
		return n.lanes
	}
	q := route.Query{Number: n.phone, Phone: phone, Hint: hint.Name, Source: hint.Source}
	if p.learned != nil {
		q.Learned = p.learned.Of(phone, uint32(e.now.Add(-learnedFor).Unix()))
	}
	e.routes.choices = e.routes.table.Choices(e.routes.choices[:0], q)
	e.ways = e.ways[:0]
	for _, c := range e.routes.choices {
		if i := e.routes.to[c.Carrier]; i >= 0 && n.over[i] != nil {
			e.ways = append(e.ways, n.over[i])
		}
	}
	if len(e.ways) == 0 { // The table doesn't know the number.
		return n.lanes
	}
	return e.ways
}

// firstUsable returns the first usable lane that is not in a set; nil where
// there is none.
func firstUsable(lanes []*lane, not laneSet) *lane {
	for _, l := range lanes {
		if l.usable() && !not.has(l) {
			return l
		}
	}
	return nil
}

// laneSet is a set of lanes of one number; those beyond the first 64 are not
// told apart, and count as in it once any of them is.
type laneSet uint64

func (s laneSet) has(l *lane) bool     { return s&(1<<min(l.place, 63)) != 0 }
func (s laneSet) with(l *lane) laneSet { return s | 1<<min(l.place, 63) }

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
			e.placeOf(l.n, h, h.next).places.push(place{h, h.next})
		}
		if h.next == len(h.block.Recipients) {
			blocks.pop()
		}
	}
	return l.places.len() > 0
}

// placeOf chooses the lane of a recipient.
func (e *Engine) placeOf(n *number, h *held, i int) *lane {
	return e.choose(n, h.bc.p, h.block.Recipients[i].Phone, h.block.HintOf(i))
}

// reroute gives what waits in a lane that cannot go on, and was not begun,
// another one where there is any.
func (e *Engine) reroute(l *lane) {
	move := func(o *outgoing) (to *lane) {
		if o.out > 0 || o.flying > 0 {
			return l
		}
		o.lane = e.choose(l.n, o.p, o.msg.Phone, o.hint)
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
		if to := move(o); to != l {
			to.waiting[o.msg.Class].push(o) // It was another carrier's wish.
		} else {
			l.delayed = append(l.delayed, o)
		}
	}
	places := l.places.rest()
	l.places.replace(nil)
	for _, p := range places {
		e.placeOf(l.n, p.h, p.i).places.push(p)
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
