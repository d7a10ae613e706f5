package engine

import (
	"log/slog"
	"time"

	"fanline/engine/message"
	"fanline/engine/receipts"
	"fanline/engine/throttle"
	"fanline/pipeline/record"
)

// Port is where a bind hands in what became of its parts.
type Port struct {
	e *Engine
	b *bind
}

// Attach tells the engine of a bind that is up, with the size of its window.
func (e *Engine) Attach(name string, id uint32, window int, conn Bind) *Port {
	port := &Port{e: e}
	for _, c := range e.carriers {
		if c.name == name {
			port.b = &bind{carrier: c, id: id, window: window, free: window, conn: conn, up: true}
		}
	}
	if port.b == nil {
		panic("engine: attached a bind of a carrier that is not configured: " + name)
	}
	e.call(func(now time.Time) {
		b := port.b
		b.limit, b.answers = throttle.New(b.carrier.bindLimit, now), throttle.NewWindow(window, now)
		b.carrier.binds = append(b.carrier.binds, b)
	})
	return port
}

// Answers hands in what became of parts; it copies what it keeps.
func (p *Port) Answers(batch []Answer) { p.e.in.post(event{answers: batch, port: p}) }

// Detach tells the engine that the bind takes nothing more and has nothing left
// that could be revoked. Answers to what it wrote may still come.
func (p *Port) Detach() {
	p.e.call(func(time.Time) {
		p.b.up = false
		binds := p.b.carrier.binds
		for i, b := range binds {
			if b == p.b {
				p.b.carrier.binds = append(binds[:i:i], binds[i+1:]...)
				break
			}
		}
	})
}

// How a part that the carrier put off comes back.
const (
	slowPause  = 100 * time.Millisecond // of the part, after throttling
	laterPause = time.Second            // of the part, after another passing fault
	maxPutOff  = 5                      // times for passing faults; throttling has no limit but the deadline
	maxLate    = 1 << 16                // parts remembered for an answer after their time-out
)

// answers takes up what became of parts.
func (e *Engine) answers(batch []answer, now time.Time) {
	for k := range batch {
		a := &batch[k]
		i, f := e.flight(a.Token)
		if f == nil || f.state != flightWritten {
			e.lateAnswer(a)
			continue
		}
		e.settleFlush(f, a.Fault)
		e.adapt(f, a, now)
		e.sender(f.o.lane, a, now)
		e.answer(i, a, now)
	}
}

// adapt has rate and window follow what the answer to a part tells of its
// carrier.
func (e *Engine) adapt(f *flight, a *answer, now time.Time) {
	pace, written := f.o.lane.pace, time.UnixMilli(f.written)
	if a.Took > 0 {
		written = now.Add(-a.Took)
	}
	switch {
	case a.Code == message.Accepted:
		pace.Accepted(1, now)
		f.o.lane.accepted++
	case a.Full:
		pace.Full(written, now)
		f.bind.answers.Full(written, now)
	case a.Slow:
		pace.Throttled(written, now)
	case a.Code == message.Unknown && f.bind.up:
		f.bind.answers.Full(written, now)
	}
	if a.Congestion >= 0 {
		f.bind.carrier.congestion = a.Congestion
		pace.Congested(a.Congestion, written, now)
	}
	f.bind.answers.Answered(a.Took, now)
}

func (e *Engine) answer(i uint32, a *answer, now time.Time) {
	f := &e.flights[i]
	o := f.o
	o.p.changed = true
	switch {
	case a.Code == message.Refused && (a.Later || a.Sender) && (a.Slow || o.put < maxPutOff):
		e.putOff(i, a, now)
	case a.Code == message.NotSent:
		o.out--
		e.withdraw(i, message.Open, 0, a.At)
	case a.Code == message.Unknown && e.mayResend(o, now):
		o.resent = true
		e.outcome(i, message.Unknown, a.Status, a.At)
		o.todo |= 1 << (f.part - 1)
	default:
		e.decided(i, a)
	}
}

// decided records an answer that decides its part.
func (e *Engine) decided(i uint32, a *answer) {
	f := &e.flights[i]
	o := f.o
	if a.Code == message.Refused && e.retryRejected(o) {
		e.stats.Refused++
		e.outcome(i, message.NotSent, a.Status, a.At)
		return
	}
	o.left--
	out := e.outcome(i, a.Code, a.Status, a.At)
	switch a.Code {
	case message.Accepted:
		e.stats.Accepted++
		out.MessageID = a.ID
		e.expect(o, f, a.ID)
	case message.Refused:
		e.stats.Refused++
		e.drop(o, message.Rejected)
	case message.Unknown:
		e.stats.Unknown++
		o.unknown = true
		if len(e.late) < maxLate {
			e.late[a.Token] = o
		}
	}
	e.conclude(o, out)
}

// concluded carries a message with all parts decided over to the receipts.
func (e *Engine) concluded(o *outgoing, state message.State, out *record.Outcome) {
	if o.waits {
		w := o.p.table.At(o.handle)
		switch {
		case w == nil:
		case state == message.Submitted:
			w.State = message.Submitted
			e.remember(o)
			if w.Left == 0 {
				e.final(o.p, o.handle, w, out.At, "")
			}
		default:
			o.p.free(o.handle) // Receipts of a message that was refused in part change nothing.
		}
	}
	if o.ended {
		o.nothing()
	}
	if out.State == message.Uncertain && o.msg.Parts == 1 {
		o.p.addDoubt(&doubt{message: o.msg, broadcast: o.bc, written: o.written, expires: o.expires(e), offset: o.p.acked + 1})
	}
}

// putOff returns a part to its lane that the carrier would not take for now.
func (e *Engine) putOff(i uint32, a *answer, now time.Time) {
	f := &e.flights[i]
	o := f.o
	o.out--
	switch {
	case a.Slow:
		e.stats.Throttled++
		o.lane.throttled++
		o.notUntil = now.Add(slowPause).UnixMilli()
	default:
		o.put++
		o.notUntil = now.Add(laterPause << o.put).UnixMilli()
	}
	e.withdraw(i, message.Open, a.Status, a.At)
}

// mayResend tells whether the policy has a part that may have left sent again:
// once, within the deadline, when consent still holds.
func (e *Engine) mayResend(o *outgoing, now time.Time) bool {
	return o.policy == message.AtLeastOnce && !o.resent && o.dropped == message.Open &&
		now.UnixMilli() <= o.deadline && o.n.mayReach(o) && !e.stopping
}

// lateAnswer adopts the id of a part that had been given up as unknown.
func (e *Engine) lateAnswer(a *answer) {
	o := e.late[a.Token]
	delete(e.late, a.Token)
	if o == nil || a.Code != message.Accepted || e.parts[o.p.id] != o.p {
		e.stats.Stray++
		return
	}
	if o.msg.Parts != 1 || o.left > 0 || o.dropped != message.Open {
		return // The other parts decide.
	}
	d := o.p.uncertain[o.msg.Phone]
	if d == nil || d.several || d.message.Key() != o.msg.Key() {
		return // A receipt was quicker.
	}
	e.adopt(o.p, d, a.At)
	e.expectID(o.p, o.carrier, d.handle, a.ID)
}

func (o *outgoing) expires(e *Engine) int64 {
	return o.written + int64(o.validity)*1000 + e.cfg.Grace.Milliseconds()
}

// expect makes the receipts of an accepted part find their message.
func (e *Engine) expect(o *outgoing, f *flight, id []byte) {
	p := o.p
	if !o.waits {
		o.handle = p.table.Add(receipts.Waiting{
			Phone: o.msg.Phone, Written: o.written, Expires: o.expires(e), Offset: p.acked + 1,
			Broadcast: o.msg.Broadcast, Rank: o.msg.Rank, Member: o.msg.Member, Attributes: o.msg.Attributes,
			Number: o.n.index, Carrier: o.carrier.index, Class: o.msg.Class, Parts: o.msg.Parts,
		})
		o.waits = true
		if o.bc == nil {
			p.ids[o.handle] = o.msg.ID
		}
	}
	e.expectID(p, f.bind.carrier, o.handle, id)
}

// expectID registers an id; a receipt that was quicker than it joins at once.
func (e *Engine) expectID(p *partition, c *carrier, h handleOf, id []byte) {
	w := p.table.At(h)
	w.Left++
	key := receipts.Key(c.index, e.cfg.CanonicalID(c.name, id))
	if p.table.Expect(key, h, 1) {
		e.stats.IDsReused++
		e.cfg.Logger.Warn("a carrier used a message id again whose receipt is still to come", slog.String("carrier", c.name))
	}
	if early, ok := p.parked[key]; ok {
		delete(p.parked, key)
		e.receipt(p, c, &early.receipt, early.at)
	}
}
