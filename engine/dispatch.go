package engine

import (
	"math/bits"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// turn is how many messages of one number are taken up before the next number
// has its turn.
const turn = 512

// dispatch takes messages of a lane and a class up, as long as binds have
// slots and the lead over the limit allows. What is more urgent than a
// broadcast may go past the lead by as much again: it doesn't wait behind what
// only waits for tokens. It reports whether any was taken up.
func (e *Engine) dispatch(l *lane, class message.Class, now time.Time) (took bool) {
	ms := now.UnixMilli()
	if class == message.ClassStop {
		l.wake(ms)
	}
	if !l.has(class) {
		return false
	}
	lead := l.lead(e.committing)
	if class != message.ClassBroadcast {
		lead *= 2
	}
	turns := turn
	if e.stopping { // What was begun is finished; nothing else is taken up.
		turns = l.begunFirst(class)
	}
	before := l.ahead
	for range turns {
		if l.ahead >= lead || l.halted() {
			return l.ahead > before
		}
		o := e.next(l, class, ms)
		if o == nil || !e.intend(o, ms) {
			return l.ahead > before
		}
	}
	if (l.waits() || l.n.blocks.len() > 0) && !e.stopping {
		e.in.post(event{}) // Its turn is over, not its work.
	}
	return l.ahead > before
}

// next returns the first message of a class without taking it from its queue.
// Recipients of blocks it turns into messages, and queues, one at a time.
func (e *Engine) next(l *lane, class message.Class, ms int64) *outgoing {
	if l.waiting[class].len() > 0 {
		return l.waiting[class].front()
	}
	for class == message.ClassBroadcast && (l.places.len() > 0 || e.expand(l)) {
		p := l.places.pop()
		if o := e.recipient(l, p, ms); o != nil {
			o.queued = true
			l.waiting[message.ClassBroadcast].push(o)
			return o
		}
	}
	return nil
}

// recipient turns a place of a block into a message, or decides it at once.
func (e *Engine) recipient(l *lane, at place, ms int64) *outgoing {
	h, i := at.h, at.i
	b, r := h.block, &h.block.Recipients[i]
	rank := b.First + message.Rank(i)
	from, first := message.Open, (*doubt)(nil)
	if _, doubtful := h.bc.limbo[rank]; doubtful && b.Policy == message.AtLeastOnce {
		delete(h.bc.limbo, rank)
		from, first = message.Uncertain, h.bc.p.second(r.Phone, b.Broadcast)
	} else if h.bc.settled || !h.bc.ranks.take(rank) {
		h.job.finish(1)
		return nil
	}
	o := &outgoing{
		p: h.bc.p, n: l.n, lane: l, bc: h.bc, job: h.job, epoch: b.Epoch, policy: b.Policy, validity: b.Validity, deadline: b.Deadline,
		from: from, first: first, resent: from == message.Uncertain, // A third attempt is not made.
		block: b, place: i, hint: b.HintOf(i),
		retry: retry{routes: b.Retry.Routes, on: b.Retry.On},
		msg: record.Message{
			Number: b.Number, Class: message.ClassBroadcast, Broadcast: b.Broadcast, Rank: rank,
			Member: r.Member, Phone: r.Phone, Attributes: r.Attributes,
		},
	}
	if first != nil {
		o.since = first.offset
	}
	if r.Suppressed != message.NoReason {
		e.decide(o, message.Suppressed, r.Suppressed, ms)
		return nil
	}
	if !e.sendable(o, ms) {
		return nil
	}
	return o
}

// sendable decides a message that may no longer be sent.
func (e *Engine) sendable(o *outgoing, ms int64) bool {
	switch {
	case !o.n.mayReach(o):
		e.decide(o, message.Suppressed, message.ReasonStop, ms)
	case ms > o.deadline:
		e.decide(o, message.ExpiredUnsent, message.NoReason, ms)
	default:
		return true
	}
	return false
}

// decide settles a message of which no part was begun.
func (e *Engine) decide(o *outgoing, state message.State, reason message.Reason, ms int64) {
	if o.from == message.Submitted {
		e.failedAgain(o, ms)
		return
	}
	if o.from == message.Uncertain {
		o.job.finish(1) // It stays uncertain: the resend did not take place.
		o.nothing()
		return
	}
	g := e.gather.At(o.p.id)
	g.Record.Finals = append(g.Record.Finals, record.Final{Message: o.msg, From: o.from, State: state, Reason: reason, At: ms})
	g.Finals = append(g.Finals, settled{bc: o.bc, job: o.job})
}

// intend gathers the intents of the message at the front of its queue, as many
// parts as the bind has slots for; false when it has to wait for slots.
func (e *Engine) intend(o *outgoing, ms int64) bool {
	q := &o.lane.waiting[o.msg.Class]
	if o.dropped != message.Open {
		q.pop()
		o.queued = false
		return true
	}
	b := o.lane.bindFor(o)
	if b == nil {
		return false
	}
	if o.out == 0 && o.flying == 0 {
		if o.parts != nil && !e.sendable(o, ms) || o.carrier != b.carrier && !e.encode(o, b.carrier, ms) {
			q.pop()
			o.queued = false
			return true
		}
	}
	g := e.gather.At(o.p.id)
	run := g.Run(o.msg.Number, b.carrier.name, b.id, ms)
	for o.todo != 0 && b.room() > 0 {
		i := bits.TrailingZeros64(o.todo)
		o.todo &^= 1 << i
		g.Record.Intents = append(g.Record.Intents, record.Intent{
			Run: run, Class: o.msg.Class, Broadcast: o.msg.Broadcast, Epoch: o.epoch, Rank: o.msg.Rank, ID: o.msg.ID,
			Member: o.msg.Member, Phone: o.msg.Phone, Part: uint8(i + 1), Parts: o.msg.Parts,
		})
		g.Intents = append(g.Intents, e.newFlight(o, b, uint8(i+1)))
		o.flying++
		o.lane.ahead++
	}
	if o.todo != 0 {
		return false
	}
	q.pop()
	o.queued = false
	return true
}

// encode fills the parts of a message for a carrier.
func (e *Engine) encode(o *outgoing, c *carrier, ms int64) bool {
	if !e.fill(o) {
		return e.unencodable(o, ms)
	}
	e.reference++
	e.encoded.Buf, e.encoded.Ends = e.encoded.Buf[:0], e.encoded.Ends[:0]
	err := c.encoder.Encode(&e.encoded, &Text{
		Number: o.msg.Number, Phone: o.msg.Phone, Key: o.msg.Key(), Body: e.text,
		Validity: time.Duration(o.validity) * time.Second, Reference: e.reference,
	})
	if n := len(e.encoded.Ends); err != nil || n == 0 || n > maxParts {
		return e.unencodable(o, ms)
	}
	o.parts = o.one[:0]
	from := 0
	stored := e.store(e.encoded.Buf)
	for _, end := range e.encoded.Ends {
		o.parts = append(o.parts, stored[from:end:end])
		from = end
	}
	o.carrier = c
	o.msg.Carrier, o.msg.Parts, o.left = c.name, uint8(len(o.parts)), uint8(len(o.parts))
	o.todo = 1<<len(o.parts) - 1
	return true
}

// fill puts the text of a message into e.text; false when its merge fields
// make no sense.
func (e *Engine) fill(o *outgoing) bool {
	if o.bc == nil {
		e.text = append(e.text[:0], o.text...)
		return true
	}
	if o.bc.text != o.block.Text {
		t, err := message.ParseTemplate(o.block.Text)
		if err != nil {
			return false
		}
		o.bc.text, o.bc.template = o.block.Text, t
	}
	e.text = o.bc.template.Fill(e.text[:0], o.block.ValuesOf(o.place))
	return true
}

func (e *Engine) unencodable(o *outgoing, ms int64) bool {
	e.decide(o, message.Rejected, message.ReasonText, ms)
	return false
}

// store copies octets into a chunk that the messages of a while share; it goes
// when the last of them has ended.
func (e *Engine) store(b []byte) []byte {
	if len(e.arena)+len(b) > cap(e.arena) {
		e.arena = make([]byte, 0, max(64<<10, len(b)))
	}
	from := len(e.arena)
	e.arena = append(e.arena, b...)
	return e.arena[from:len(e.arena):len(e.arena)]
}
