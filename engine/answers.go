package engine

import (
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
		o.given.may |= 1 << (f.part - 1)
		o.given.twice = true
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
		e.expect(o, f.part, a.ID)
	case message.Refused:
		e.stats.Refused++
		e.drop(o, message.Rejected)
	case message.Unknown:
		e.stats.Unknown++
		o.unknown = true
		o.given.may |= 1 << (f.part - 1)
		o.given.lost |= 1 << (f.part - 1)
		if len(e.late) < maxLate {
			e.late[a.Token] = late{o: o, ref: f.ref, part: f.part, bind: f.bind.id, written: f.written}
		}
	}
	e.conclude(o, out)
}

// concluded carries a message with all parts decided over to the receipts. It
// came to state, which out says unless that is of a further attempt.
func (e *Engine) concluded(o *outgoing, state message.State, out *record.Outcome) {
	if o.ended {
		o.nothing()
	}
	if missing, may := o.given.missing(o.msg.Parts); out.State == message.Uncertain && may {
		if o.waits {
			o.p.since(o.handle, o.since)
		}
		o.p.addDoubt(&doubt{
			message: o.msg, broadcast: o.bc, written: o.written, expires: o.expires(e), offset: o.since,
			missing: missing, handle: o.handle, waits: o.waits,
		})
		return
	}
	if !o.waits {
		return
	}
	w := o.p.table.At(o.handle)
	if w == nil {
		return
	}
	if state != message.Submitted {
		o.p.drop(o.handle, state) // Receipts of a message that was refused in part change nothing.
		return
	}
	e.remember(o)
	if w.State = message.Submitted; e.enough(o.p, o.handle, w) {
		e.finish(o.p, o.handle, w, w.Worst, out.At, "")
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

// late is a part that was given up as unknown.
type late struct {
	o       *outgoing
	ref     record.Ref
	written int64
	bind    uint32
	part    uint8
}

// lateAnswer takes up the id of a part that had been given up as unknown. It is
// an outcome like any other, so that the id is known after a restart too.
func (e *Engine) lateAnswer(a *answer) {
	l, ok := e.late[a.Token]
	delete(e.late, a.Token)
	if !ok || a.Code != message.Accepted || e.parts[l.o.p.id] != l.o.p {
		e.stats.Stray++
		return
	}
	o, bit := l.o, uint32(1)<<(l.part-1)
	if o.left > 0 { // The other parts are still to be decided.
		if o.dropped == message.Open {
			e.lateOutcome(o, &l, a)
			o.given.lost &^= bit
			o.unknown = o.given.lost != 0
			e.expect(o, l.part, a.ID)
		}
		return
	}
	d := o.p.uncertain[o.msg.Phone]
	if d == nil || d.message.Key() != o.msg.Key() {
		return // A receipt was quicker.
	}
	out := e.lateOutcome(o, &l, a)
	w := e.waitingOf(o.p, d)
	if heard := e.place(o.p, o.carrier, d, l.part, a.ID); heard {
		return
	}
	if d.missing == 0 {
		delete(o.p.uncertain, o.msg.Phone)
		if o.bc != nil {
			delete(o.bc.limbo, o.msg.Rank)
		}
		out.From, out.State = message.Uncertain, message.Submitted
		w.State = message.Submitted
	}
	e.expectID(o.p, o.carrier, d.handle, l.part, a.ID)
}

// lateOutcome gathers the outcome of a late answer. The pointer holds until the
// next outcome.
func (e *Engine) lateOutcome(o *outgoing, l *late, a *answer) *record.Outcome {
	o.p.changed = true
	g := e.gather.At(o.p.id)
	g.Record.Outcomes = append(g.Record.Outcomes, record.Outcome{
		Ref: l.ref, Message: o.msg, Part: l.part, Code: message.Accepted, Status: a.Status, MessageID: a.ID,
		Bind: l.bind, Written: l.written, At: a.At,
	})
	g.Outcomes = append(g.Outcomes, applied{recovered: true, bc: o.bc})
	return &g.Record.Outcomes[len(g.Record.Outcomes)-1]
}

func (o *outgoing) expires(e *Engine) int64 {
	return o.written + int64(o.validity)*1000 + e.cfg.Grace.Milliseconds()
}

// expect makes the receipts of an accepted part find their message.
func (e *Engine) expect(o *outgoing, part uint8, id []byte) {
	p := o.p
	o.given.have |= 1 << (part - 1)
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
	e.expectID(p, o.carrier, o.handle, part, id)
}

// expectID registers an id; a receipt that was quicker than it joins at once.
func (e *Engine) expectID(p *partition, c *carrier, h handleOf, part uint8, id []byte) {
	w := p.table.At(h)
	w.Left++
	phone := w.Phone
	in := &c.in
	look(&in.stats.Responses, e.stats.Accepted, id)
	if len(id) == 0 && !in.noIDs {
		e.findByPhone(c) // This message among them.
		e.lookAgain(c)
	} else if in.noIDs {
		key := phoneKey(c, phone)
		p.table.Expect(key, h, part) // That others to the phone wait too is no reuse.
		e.early(p, key, phone)
	}
	if len(id) == 0 || p.table.At(h) == nil {
		return
	}
	key := e.responseKey(c, id)
	if own, others := p.table.Expect(key, h, part); others || !own && in.again(key) {
		in.stats.IDsReused++
		e.reused(c)
	}
	e.early(p, key, phone)
}
