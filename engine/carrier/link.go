package carrier

import (
	"log/slog"
	"sync"
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
	window  int
	answers []engine.Answer
	// outOfStep has a place for one: a status said that only a new bind helps.
	outOfStep chan struct{}
	warned    time.Time // when a sender that is not allowed was last spoken of
	refused   int       // submits that no sender of ours may send
	left      sync.Once
}

// Write hands parts to the session, as many as it takes. A session that takes
// none although its window has room is ending: until the answers under way have
// come it would look like the bind with most room, so it is detached at once.
// Write is called by one goroutine, the engine's event loop.
func (l *link) Write(items []engine.Item) (n int) {
	var chunk [64]session.Item
	for n < len(items) {
		some := min(len(items)-n, len(chunk))
		for i := range chunk[:some] {
			chunk[i] = session.Item(items[n+i])
		}
		took := l.s.Submit(chunk[:some])
		n += took
		if took > 0 {
			continue
		}
		if l.s.Inflight() == l.window {
			break
		}
		// There is room, and nobody but us fills it.
		if l.s.Submit(chunk[:1]) == 0 {
			l.leave()
			break
		}
		n++
	}
	return n
}

// leave detaches the bind, once, and takes back what has not begun to be
// written, since nobody will revoke it from now on. What is written is still
// answered.
func (l *link) leave() {
	l.left.Do(func() {
		l.s.Revoke(func(uint64) bool { return true })
		if l.port != nil {
			l.port.Detach()
		}
	})
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
		l.refused++
		if o.At.Sub(l.warned) >= time.Minute {
			l.warned = o.At
			l.log.Error("the carrier takes nothing from a sender of ours: its number or its agreement needs looking after",
				slog.String("status", o.Status.String()), slog.Int("refused", l.refused))
		}
	}
}

// Deliveries takes in what the carrier delivers.
func (l *link) Deliveries(batch []session.Delivery) { l.intake.Deliveries(batch) }
