package session

import "math"

// never is later than any moment of a session.
const never = math.MaxInt64

// liveness decides when to ask whether the peer is there, and when it is not. It is a plain value, stepped with the session's clock.
//
// It asks when nothing of ours has been answered for interval, whatever else the peer sends: a process that only sends and never
// answers is of no use. Any answer answers the question too. Without one the peer is given up when response has passed since the
// question: interval plus response after its last answer, never more.
type liveness struct {
	interval, response int64

	heard    int64 // last octet of the peer
	answered int64 // last answer to a request of ours
	asked    question
}

// question is the enquire_link sent last; seq 0: none ever.
type question struct {
	seq  uint32
	gen  uint32 // generation of the chunk that holds it
	at   int64  // from when it counts
	open bool
	held bool // queued while the peer kept a write of ours waiting
}

// next returns when step has something to decide.
func (l *liveness) next() int64 {
	if l.asked.open {
		return l.asked.at + l.response
	}
	return l.answered + l.interval
}

type verdict uint8

const (
	alive verdict = iota
	ask           // send an enquire_link
	dead
)

// step is called when next is past and everything readable has been read; writing tells whether the peer keeps a write of ours
// waiting.
func (l *liveness) step(now int64, done uint32, writing bool) verdict {
	switch {
	case now < l.next():
		return alive
	case !l.asked.open:
		return ask
	case after(l.asked.gen, done) && !writing:
		l.asked.at = now // Not the peer but we, who were stopped for a while, have not asked yet.
		return alive
	}
	return dead
}

// ask notes that an enquire_link was queued.
func (l *liveness) ask(seq, gen uint32, now int64, writing bool) {
	l.asked = question{seq: seq, gen: gen, at: now, open: true, held: writing}
}

// written notes that a chunk was handed to the kernel, wholly. The question in it counts from then; a peer that doesn't read
// wins no time by it.
func (l *liveness) written(gen uint32, now int64) {
	if q := &l.asked; q.open && q.gen == gen && !q.held {
		q.at = now
	}
}

// answer notes that something of ours was answered.
func (l *liveness) answer(now int64) { l.answered, l.asked.open = now, false }

// mine reports whether a response or generic_nack has the number of the last enquire_link.
func (l *liveness) mine(seq uint32) bool { return seq != 0 && seq == l.asked.seq }
