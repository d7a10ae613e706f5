package session

import "math"

// never is later than any moment of a session.
const never = math.MaxInt64

// maxMissed is how many enquire_links in a row may stay unanswered by a peer that still sends other things.
const maxMissed = 3

// liveness decides when to ask whether the peer is there, and when it is not. It is a plain value, stepped with the session's clock.
//
// It asks when nothing of ours has been answered for interval, whatever else the peer sends: a process that only sends
// and never answers is of no use. A peer from which nothing at all comes is given up at the latest interval plus response after
// its last octet; one that sends, but leaves maxMissed questions in a row unanswered, likewise.
type liveness struct {
	interval, response int64

	heard    int64 // last octet of the peer
	answered int64 // last answer to a request of ours
	missed   int
	asked    question
}

// question is the enquire_link that is open; seq 0: none.
type question struct {
	seq uint32
	gen uint32 // generation of the chunk that holds it
	at  int64  // when it was wholly written
}

// next returns when step has something to decide.
func (l *liveness) next(done uint32) int64 {
	switch {
	case l.asked.seq == 0:
		return l.answered + l.interval
	case after(l.asked.gen, done):
		return never // Still unwritten: the write deadline decides.
	}
	due := l.asked.at + l.response
	if l.missed > 0 {
		due = min(due, max(l.heard+l.interval+l.response, l.asked.at))
	}
	return due
}

type verdict uint8

const (
	alive verdict = iota
	ask           // send an enquire_link
	dead
)

// step is called when next is past and everything readable has been read.
func (l *liveness) step(now int64, done uint32) verdict {
	if now < l.next(done) {
		return alive
	}
	if l.asked.seq == 0 {
		return ask
	}
	l.missed++
	silent := l.heard < l.asked.at || now >= l.heard+l.interval+l.response
	if silent || l.missed >= maxMissed {
		return dead
	}
	return ask
}

// ask notes that an enquire_link was queued.
func (l *liveness) ask(seq, gen uint32, now int64) { l.asked = question{seq: seq, gen: gen, at: now} }

// written notes that a chunk was handed to the kernel at now.
func (l *liveness) written(gen uint32, now int64) {
	if l.asked.seq != 0 && l.asked.gen == gen {
		l.asked.at = now
	}
}

// answer notes a response to the enquire_link with this number and reports whether it was the open one.
func (l *liveness) answer(seq uint32, now int64) bool {
	if seq == 0 || seq != l.asked.seq {
		return false
	}
	l.asked, l.missed, l.answered = question{}, 0, now
	return true
}
