package engine

import (
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// outgoing is a message that has been taken up.
type outgoing struct {
	p        *partition
	n        *number
	lane     *lane      // in which it waits or flies
	bc       *broadcast // nil: one-to-one
	job      *job
	msg      record.Message
	epoch    message.Epoch
	policy   message.Policy
	validity uint32        // seconds
	deadline int64         // Unix ms
	at       int64         // Unix ms of what a one-to-one message answers
	text     string        // of a one-to-one message
	hint     record.Hint   // what is known of the way to it
	block    *record.Block // of a broadcast's, with its place there
	place    int

	one      [1][]byte // the parts' octets; one is the room of the usual case
	parts    [][]byte
	carrier  *carrier
	todo     uint64        // bit i: part i+1 is to be intended
	left     uint8         // parts without a decision
	flying   uint8         // flights
	out      uint8         // parts that were handed to a bind and did not come back unsent
	dropped  message.State // what it came to: nothing more of it is written
	unknown  bool          // a part may have left and no response came
	queued   bool          // it stands in a queue of its lane
	ended    bool          // a resend that came to nothing
	resent   bool          // at-least-once: the one resend was used
	put      uint8         // how often the carrier put it off
	notUntil int64         // Unix ms, after it was put off
	from     message.State
	first    *doubt // of a second attempt: the first one, which a receipt may settle should this come to nothing
	written  int64  // Unix ms of the first write
	since    int64  // offset in the journal before which nothing says that a part has left; 0: none has
	handle   handleOf
	waits    bool // handle is valid
	given    given
	retry    retry
}

// maxParts is the largest number of parts of one text.
const maxParts = 32

type flightState uint8

const (
	flightGathered flightState = iota // its intent is on its way to the log
	flightReady                       // its intent is durable
	flightWritten                     // the bind has it
	flightAnswered                    // its outcome is on its way to the log
)

// flight is one part between its intent and its durable outcome; it holds a
// slot of the window of its bind.
type flight struct {
	o       *outgoing
	bind    *bind
	flush   *flush
	ref     record.Ref
	written int64
	gen     uint32
	part    uint8 // from 1
	state   flightState
}

// flush is what one write handed to one bind, for the breaker.
type flush struct {
	left, faults, size int
	done               func(error)
}

// token names a flight for its bind: generation and place.
func (e *Engine) token(i uint32) uint64 { return uint64(e.flights[i].gen)<<32 | uint64(i) }

// flight finds the flight of a token; nil when it has ended.
func (e *Engine) flight(token uint64) (uint32, *flight) {
	i := uint32(token)
	if int(i) >= len(e.flights) {
		return 0, nil
	}
	f := &e.flights[i]
	if f.o == nil || f.gen != uint32(token>>32) {
		return 0, nil
	}
	return i, f
}

func (e *Engine) newFlight(o *outgoing, b *bind, part uint8) uint32 {
	var i uint32
	if n := len(e.free); n > 0 {
		i, e.free = e.free[n-1], e.free[:n-1]
	} else {
		i = uint32(len(e.flights))
		e.flights = append(e.flights, flight{})
	}
	e.flights[i] = flight{o: o, bind: b, part: part, gen: e.flights[i].gen}
	b.free--
	o.lane.flying++
	return i
}

// land ends a flight and gives its slot back.
func (e *Engine) land(i uint32) {
	f := &e.flights[i]
	f.bind.free++
	f.o.n.over[f.bind.carrier.index].flying--
	*f = flight{gen: f.gen + 1}
	e.free = append(e.free, i)
}
