package engine

import (
	"time"

	"github.com/sony/gobreaker/v2"

	"fanline/engine/message"
	"fanline/engine/throttle"
	"fanline/pipeline/record"
)

// lane is what one number sends over one carrier. A lane that cannot go on
// holds no other back.
type lane struct {
	n     *number
	c     *carrier
	place int // among the number's

	waiting [message.Classes]fifo[*outgoing] // to be intended (again)
	places  fifo[place]                      // of broadcasts, behind waiting[ClassBroadcast]
	ready   [message.Classes]fifo[uint32]    // flights whose intent is durable
	delayed []*outgoing                      // put off by the carrier until their time
	ahead   int                              // parts intended and not yet written
	flying  int                              // parts intended, without a durable outcome
	pace    *throttle.Pace                   // what the carrier lets through, below the limits
	halt    halt

	accepted, throttled int64 // parts
}

// place is a recipient of a block whose carrier is chosen.
type place struct {
	h *held
	i int
}

// held is a block whose recipients are taken up one by one.
type held struct {
	block *record.Block
	next  int // the first without a lane
	bc    *broadcast
	job   *job
}

// usable tells whether messages may be routed into the lane.
func (l *lane) usable() bool { return l.c.healthy && !l.halt.on }

// bindFor returns the bind with most room; nil where none has any.
// Automatic replies and one-to-one texts to a phone keep to one bind while they
// can, so that they stay in order. Others stay with one bind for a while: what
// is handed over together costs less.
func (l *lane) bindFor(o *outgoing) *bind {
	c := l.c
	if c.state == gobreaker.StateOpen || c.state == gobreaker.StateHalfOpen && l.ahead > 0 {
		return nil // Half open: one after another.
	}
	if o.bc == nil && len(c.binds) > 0 {
		if b := c.binds[uint64(o.msg.Phone)%uint64(len(c.binds))]; b.room() > 0 {
			return b
		}
	}
	if b := c.last; b != nil && b.up && b.room() > 0 && c.inRow < bindRow {
		c.inRow++
		return b
	}
	var best *bind
	for _, b := range c.binds {
		if b.room() > 0 && (best == nil || b.room() > best.room()) {
			best = b
		}
	}
	c.last, c.inRow = best, 1
	return best
}

// bindRow is how many messages in a row go to one bind.
const bindRow = 16

// lead is how many parts may stand in the journal, or be on their way to it,
// ahead of their limit: what the limit lets through in the time of a commit and
// 20 ms. It bounds what a crash leaves uncertain on a slow number, and how long
// a pause or a STOP has to undo; less would leave the limit unused while the
// disk is slow.
func (l *lane) lead(committing time.Duration) int {
	rate := ceiling(l.n.limit.Rate(), l.c.limit.Rate(), l.c.bindLimit*len(l.c.binds), l.pace.Rate())
	if rate == 0 {
		return 1 << 30
	}
	return max(4, int(float64(rate)*(leadTime+min(committing, time.Second)).Seconds()))
}

const leadTime = 20 * time.Millisecond

// waits tells whether something could go on merely because time passes.
func (l *lane) waits() bool {
	if len(l.delayed) > 0 || l.places.len() > 0 {
		return true
	}
	for c := range l.ready {
		if l.ready[c].len() > 0 || l.waiting[c].len() > 0 {
			return true
		}
	}
	return false
}

// has tells whether anything of a class may wait to be taken up.
func (l *lane) has(class message.Class) bool {
	return l.waiting[class].len() > 0 || class == message.ClassBroadcast && (l.places.len() > 0 || l.n.blocks.len() > 0)
}

// begunFirst puts the messages of a class of which a part has left before the
// others, and returns how many they are.
func (l *lane) begunFirst(class message.Class) int {
	var begun, others []*outgoing
	for _, o := range l.waiting[class].rest() {
		if o.out > 0 {
			begun = append(begun, o)
		} else {
			others = append(others, o)
		}
	}
	l.waiting[class].replace(append(begun, others...))
	return len(begun)
}

// wake returns messages that the carrier put off, when their time has come.
func (l *lane) wake(ms int64) {
	kept := l.delayed[:0]
	for _, o := range l.delayed {
		if o.notUntil <= ms {
			l.waiting[o.msg.Class].push(o)
		} else {
			kept = append(kept, o)
		}
	}
	clear(l.delayed[len(kept):])
	l.delayed = kept
}

// each calls f with every message that waits in the lane.
func (l *lane) each(f func(*outgoing)) {
	for c := range l.waiting {
		for _, o := range l.waiting[c].rest() {
			f(o)
		}
	}
	for _, o := range l.delayed {
		f(o)
	}
}
