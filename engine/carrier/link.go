package carrier

import (
	"log/slog"
	"sync/atomic"
	"time"

	"fanline/engine"
	"fanline/smpp"
	"fanline/smpp/session"
)

// link joins one session to the engine and to Inbound: it is the session's
// handler, and the engine's bind.
type link struct {
	profile *Profile
	log     *slog.Logger
	s       *session.Session // set before Run
	port    Port             // nil on a receiver bind
	intake  *Intake
	answers []engine.Answer
	// outOfStep has a place for one: a status said that only a new bind helps.
	outOfStep chan struct{}
	warned    time.Time    // when a sender that is not allowed was last spoken of
	refused   atomic.Int64 // submits that no sender of ours may send
}

// Write hands parts to the session, as many as it takes.
func (l *link) Write(items []engine.Item) (n int) {
	var chunk [64]session.Item
	for n < len(items) {
		some := min(len(items)-n, len(chunk))
		for i := range chunk[:some] {
			chunk[i] = session.Item(items[n+i])
		}
		took := l.s.Submit(chunk[:some])
		n += took
		if took < some {
			break
		}
	}
	return n
}

// Revoke takes parts back whose writing has not begun.
func (l *link) Revoke(match func(token uint64) bool) { l.s.Revoke(match) }

// RespondAll answers deliveries.
func (l *link) RespondAll(responses []session.Response) { l.s.RespondAll(responses) }

// Outcomes hands what became of submits to the engine.
func (l *link) Outcomes(batch []session.Outcome) {
	l.answers = l.answers[:0]
	for i := range batch {
		o := &batch[i]
		l.answers = append(l.answers, l.profile.answer(o))
		if o.Code == session.Refused {
			l.look(o)
		}
	}
	l.port.Answers(l.answers)
	clear(l.answers) // They hold ids in the read buffer.
}

// look acts on a refusal that concerns more than its message.
func (l *link) look(o *session.Outcome) {
	switch l.profile.class(o.Status) {
	case smpp.ClassSession:
		select {
		case l.outOfStep <- struct{}{}:
		default: // It is ending already.
		}
	case smpp.ClassSender:
		l.refused.Add(1)
		if o.At.Sub(l.warned) >= time.Minute {
			l.warned = o.At
			l.log.Error("the carrier takes nothing from a sender of ours: its number or its agreement needs looking after",
				slog.String("status", o.Status.String()), slog.Int64("refused", l.refused.Load()))
		}
	}
}

// Deliveries takes in what the carrier delivers.
func (l *link) Deliveries(batch []session.Delivery) { l.intake.Deliveries(batch) }
