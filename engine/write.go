package engine

import (
	"errors"
	"math/bits"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// chunk is how many parts are handed to a bind at a time.
const chunk = 256

// durable takes note that the intent of a flight is durable: it may be written
// as soon as the limits let it.
func (e *Engine) durable(i uint32, offset int64, index uint32, now time.Time) {
	f := &e.flights[i]
	f.ref = record.Ref{Offset: offset, Index: index}
	f.state = flightReady
	if !f.bind.up || e.parts[f.o.p.id] != f.o.p {
		f.o.lane.ahead--
		e.withdraw(i, message.Open, 0, now.UnixMilli())
		return
	}
	f.o.lane.ready[f.o.msg.Class].push(i)
}

// write hands the flights of a lane and a class that may go to their binds:
// the owner is still valid, consent still holds, the deadline is not over, the
// broadcast is not paused, the limits have room. All of it happens on the event loop, where
// a STOP is taken in too, so nothing comes between check and write. It reports
// whether any went.
func (e *Engine) write(l *lane, class message.Class, now time.Time) (wrote bool) {
	q := &l.ready[class]
	for left := turn; q.len() > 0 && left > 0; left -= chunk {
		if !e.writeChunk(l, q, now) {
			return wrote
		}
		wrote = true
	}
	if q.len() > 0 {
		e.in.post(event{}) // Its turn is over, not its work.
	}
	return wrote
}

// limit is one of the hierarchy: number, what the carrier is seen to take of
// it, carrier, bind.
type limit interface {
	Take(n int, now time.Time) int
	Return(n int)
}

// writeChunk writes up to a chunk of flights of one bind; false when a limit is
// used up.
func (e *Engine) writeChunk(l *lane, q *fifo[uint32], now time.Time) bool {
	b := e.flights[q.front()].bind
	limits := [...]limit{l.n.limit, l.pace, b.carrier.limit, b.limit}
	tokens := min(chunk, q.len())
	for i, limit := range limits {
		got := limit.Take(tokens, now)
		for _, before := range limits[:i] {
			if got < tokens {
				before.Return(tokens - got)
			}
		}
		tokens = got
	}
	if tokens == 0 {
		return false
	}
	ms := now.UnixMilli()
	e.items = e.items[:0]
	for q.len() > 0 && len(e.items) < tokens && e.flights[q.front()].bind == b {
		i := q.pop()
		l.ahead--
		f := &e.flights[i]
		if state, ok := e.mayWrite(f, ms); !ok {
			e.withdraw(i, state, 0, ms)
			continue
		}
		e.items = append(e.items, Item{Token: e.token(i), PDU: f.o.parts[f.part-1]})
	}
	taken := 0
	if len(e.items) > 0 {
		taken = e.flush(b, ms)
	}
	if back := tokens - taken; back > 0 {
		for _, limit := range limits {
			limit.Return(back)
		}
	}
	return true
}

// flush hands e.items to a bind, asking the carrier's breaker once.
func (e *Engine) flush(b *bind, ms int64) (taken int) {
	done, err := b.carrier.breaker.Allow()
	if err == nil && b.up {
		fl := &flush{left: len(e.items), size: len(e.items), done: done}
		for _, item := range e.items {
			f := &e.flights[uint32(item.Token)]
			f.state, f.written, f.flush = flightWritten, ms, fl
			if f.o.written == 0 {
				f.o.written = ms
			}
		}
		taken = b.conn.Write(e.items)
		for _, item := range e.items[:taken] {
			e.flights[uint32(item.Token)].o.out++
		}
		e.stats.Written += int64(taken)
	} else if err == nil {
		done(nil)
	}
	for _, item := range e.items[taken:] {
		i := uint32(item.Token)
		e.settleFlush(&e.flights[i], false)
		e.withdraw(i, message.Open, 0, ms)
	}
	return taken
}

// errFaults is what the breaker is told of a flush that mostly failed.
var errFaults = errors.New("most parts of a flush failed")

// settleFlush tells the breaker about a flush when its last part came back.
func (e *Engine) settleFlush(f *flight, fault bool) {
	fl := f.flush
	if fl == nil {
		return
	}
	f.flush = nil
	fl.left--
	if fault {
		fl.faults++
	}
	if fl.left == 0 {
		if fl.faults*2 > fl.size {
			fl.done(errFaults)
		} else {
			fl.done(nil)
		}
	}
}

// mayWrite is the last look before the bytes leave. Where it says no, state is
// what the message comes to; Open: the part goes back to its lane.
func (e *Engine) mayWrite(f *flight, ms int64) (state message.State, ok bool) {
	o := f.o
	switch bc := o.bc; {
	case o.dropped != message.Open:
		return o.dropped, false
	case !f.bind.up || e.parts[o.p.id] != o.p || e.stopping && o.out == 0:
		return message.Open, false
	case !o.n.mayReach(o):
		return message.Suppressed, false // STOP wins, even over the rest of a text.
	case o.out > 0:
		return message.Open, true // Otherwise what was begun is finished.
	case ms > o.deadline:
		return message.ExpiredUnsent, false
	case bc != nil && bc.settled:
		return message.Cancelled, false
	case bc != nil && (o.epoch != bc.epoch || bc.paused):
		return message.Open, false
	}
	return message.Open, true
}

// withdraw takes back a part whose intent is durable and of which nothing
// left. With a state its message is dropped; without, it goes back to its lane
// when the outcome is durable.
func (e *Engine) withdraw(i uint32, state message.State, status uint32, ms int64) {
	f := &e.flights[i]
	o := f.o
	if state == message.Open {
		state = o.dropped
	}
	if state == message.Open && o.out == 0 && o.bc != nil && o.bc.settled {
		state = message.Cancelled
	}
	out := e.outcome(i, message.NotSent, status, ms)
	if state == message.Open {
		o.todo |= 1 << (f.part - 1)
		return
	}
	o.left--
	e.drop(o, state)
	e.conclude(o, out)
}

// drop lets nothing more of a message be written.
func (e *Engine) drop(o *outgoing, state message.State) {
	if o.dropped == message.Open {
		o.dropped = state
	}
	o.left -= uint8(bits.OnesCount64(o.todo))
	o.todo = 0
}

// conclude says in the outcome of the last part what the message came to, and
// hands the message over to the receipts.
func (e *Engine) conclude(o *outgoing, out *record.Outcome) {
	if o.left > 0 {
		return
	}
	out.From, out.State = o.from, message.Submitted
	switch {
	case o.dropped != message.Open && !o.resent:
		out.State = o.dropped
	case o.unknown || o.dropped != message.Open: // The fate of a second attempt says nothing of the first.
		out.State = message.Uncertain
	}
	state := out.State
	switch state {
	case message.Suppressed:
		out.Reason = message.ReasonStop
	case message.Rejected:
		out.Reason = message.ReasonCode
	}
	switch {
	case o.from == message.Uncertain && state != message.Submitted:
		out.State = message.Open // A resend that failed leaves the first attempt as uncertain as it was.
		o.ended = true
	case o.from == message.Submitted: // Its state is that of the attempt before, or what receipts will say.
		out.State, out.Reason = message.Open, message.NoReason
		if state != message.Submitted {
			e.failedAgain(o, out.At)
		}
		delete(o.p.again, o)
	}
	e.concluded(o, state, out)
}

// outcome gathers the outcome of a flight. The pointer holds until the next.
func (e *Engine) outcome(i uint32, code message.Code, status uint32, ms int64) *record.Outcome {
	f := &e.flights[i]
	f.state = flightAnswered
	if (code == message.Accepted || code == message.Unknown) && f.o.since == 0 {
		f.o.since = f.o.p.acked + 1
	}
	g := e.gather.At(f.o.p.id)
	g.Record.Outcomes = append(g.Record.Outcomes, record.Outcome{
		Ref: f.ref, Message: f.o.msg, Part: f.part, Code: code, Status: status, Bind: f.bind.id,
		Written: f.written, At: ms,
	})
	g.Outcomes = append(g.Outcomes, applied{flight: i})
	out := &g.Record.Outcomes[len(g.Record.Outcomes)-1]
	if f.o.from == message.Submitted {
		out.From = message.Submitted // Of a further attempt: its id takes the place of those before.
	}
	return out
}

// applied stands beside an outcome until it is durable.
type applied struct {
	flight    uint32
	recovered bool       // of a former owner's intent: there is no flight
	bc        *broadcast // of a recovered one
}

// settled stands beside a final until it is durable.
type settled struct {
	bc  *broadcast
	job *job
}

// applyOutcome gives the slot of a durable outcome back, counts what its
// message came to, and returns what was not sent to its lane or, when its
// broadcast has moved on, to the planner.
func (e *Engine) applyOutcome(a *applied, out *record.Outcome, now time.Time) {
	if a.recovered {
		if a.bc != nil && out.State != message.Open {
			a.bc.ranks.decide(out.Message.Rank)
			a.bc.move(e, out.From, out.State, out.Message.Parts)
		}
		return
	}
	o := e.flights[a.flight].o
	e.land(a.flight)
	o.flying--
	bc := o.bc
	switch {
	case e.parts[o.p.id] != o.p:
		return // The partition was given up; its new owner decides.
	case out.State != message.Open || o.ended:
		o.job.finish(1)
		o.job = nil
		if bc != nil && out.State != message.Open {
			bc.ranks.decide(o.msg.Rank)
			bc.move(e, out.From, out.State, o.msg.Parts)
		}
		fallthrough
	case o.begins():
		if o.begins() && o.flying == 0 {
			e.requeue(o, now)
		}
	case o.todo == 0 || o.queued:
	case bc == nil || o.out > 0 || !bc.paused && !bc.settled:
		// Its rank was taken when a later epoch's blocks came by: they left it
		// to this attempt.
		if bc != nil {
			o.epoch = max(o.epoch, bc.epoch)
		}
		e.requeue(o, now)
	case o.flying == 0 && (bc.settled || o.from == message.Submitted):
		e.decide(o, message.Cancelled, message.NoReason, now.UnixMilli())
	case o.flying == 0:
		bc.ranks.release(o.msg.Rank)
		o.job.finish(1)
		o.nothing()
	}
}

// applyFinal counts a durable final.
func (e *Engine) applyFinal(s *settled, f *record.Final) {
	s.job.finish(boolToInt(f.From == message.Open))
	if s.bc == nil {
		return
	}
	if f.From == message.Open {
		s.bc.ranks.decide(f.Message.Rank)
	}
	s.bc.move(e, f.From, f.State, f.Message.Parts)
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// requeue returns a message to its lane: at once, or when the carrier's wish
// to be left alone is over. One of which nothing was begun may go another way.
func (e *Engine) requeue(o *outgoing, now time.Time) {
	o.queued = true
	if !o.lane.usable() && o.flying == 0 && o.out == 0 {
		if to := e.choose(o.n, o.p, o.msg.Phone, o.hint); to != o.lane {
			o.lane, o.notUntil = to, 0
		}
	}
	if o.notUntil > now.UnixMilli() {
		o.lane.delayed = append(o.lane.delayed, o)
		return
	}
	o.lane.waiting[o.msg.Class].push(o)
}
