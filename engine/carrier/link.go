package carrier

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fanline/engine"
	"fanline/smpp"
	"fanline/smpp/session"
)

// link joins one session to the engine and to Inbound: it is the session's
// handler, and the engine's bind.
type link struct {
	bind    *bind // whose session it is
	profile *Current
	log     *slog.Logger
	s       *session.Session // set before Run
	intake  *Intake
	submits bool // false on a receiver bind
	size    int  // the session's window
	answers []engine.Answer
	warned  time.Time // when a sender that is not allowed was last spoken of
	refused int       // submits that no sender of ours may send
	// ending has a place for one: why the session is to unbind.
	ending chan error
	// settling is true while somebody waits for the window to become empty, or to
	// have room.
	settling atomic.Bool

	// mu is held while parts are handed over, so that none goes once serve has
	// said no. It is taken after the carrier's.
	mu     sync.Mutex
	port   Port // nil while detached
	last   Port // the port of answers
	window int  // how many submits the engine may have here: at most size
	wanted bool // the engine is to have it
	gone   bool // it is ending
}

// Write hands parts to the session, as many as it takes. A session that takes
// none although its window has room is ending: until the answers under way have
// come it would look like the bind with most room, so it is detached at once.
// Write is called by one goroutine, the engine's event loop.
func (l *link) Write(items []engine.Item) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.wanted || l.gone {
		return 0
	}
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
		if l.s.Inflight() >= l.size {
			break
		}
		// There is room, and nobody but us fills it.
		if l.s.Submit(chunk[:1]) == 0 {
			l.gone = true
			l.detach()
			break
		}
		n++
	}
	return n
}

// serve attaches the link to the engine, or detaches it: parts whose writing
// has not begun come back then, since nobody will revoke them any more, and what
// is written is still answered.
func (l *link) serve(wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wanted = wanted
	if !wanted {
		l.detach()
		l.settling.Store(true)
		return
	}
	l.attach()
}

// resize gives the engine another window of this session. A smaller one counts
// as soon as so much of the present one is answered, so that the engine is never
// told of room that isn't there; one beyond the session's own needs another bind.
func (l *link) resize(window int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	window = min(window, l.size)
	if window == l.window {
		return
	}
	l.window = window
	if l.port != nil {
		l.detach()
		l.attach()
	}
}

// attach hands the session to the engine when it has the room that it is to
// promise; settled comes back to it otherwise. l.mu is held.
func (l *link) attach() {
	if l.port != nil || l.gone || !l.submits || !l.wanted {
		return
	}
	if l.window < l.size {
		l.settling.Store(true) // Before the look, so that no answer in between is missed.
		if l.s.Inflight() > l.size-l.window {
			return
		}
	}
	b := l.bind
	l.port = b.carrier.pool.cfg.Attach(b.carrier.name, b.id, l.window, l)
	l.last = l.port
}

// detach takes the session away from the engine. l.mu is held.
func (l *link) detach() {
	l.s.Revoke(func(uint64) bool { return true })
	if l.port != nil {
		l.port.Detach()
		l.port = nil
	}
}

// leave detaches the link for good.
func (l *link) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.gone || l.port != nil {
		l.gone = true
		l.detach()
	}
}

// quit has the session unbind.
func (l *link) quit(why error) {
	select {
	case l.ending <- why:
	default: // It is ending already.
	}
}

// Revoke takes parts back whose writing has not begun.
func (l *link) Revoke(match func(token uint64) bool) { l.s.Revoke(match) }

// RespondAll answers deliveries.
func (l *link) RespondAll(responses []session.Response) { l.s.RespondAll(responses) }

// Outcomes hands what became of submits to the engine.
func (l *link) Outcomes(batch []session.Outcome) {
	p := l.profile.Get()
	l.answers = l.answers[:0]
	for i := range batch {
		o := &batch[i]
		l.answers = append(l.answers, p.answer(o))
		if o.Code == session.Refused {
			l.look(p, o)
		}
	}
	l.mu.Lock() // While an attach is under way its port isn't known yet.
	port := l.last
	l.mu.Unlock()
	port.Answers(l.answers)
	clear(l.answers) // They hold ids in the read buffer.
	if l.settling.Load() {
		l.settled()
	}
}

// settled looks whether what somebody waits for has come.
func (l *link) settled() {
	c := l.bind.carrier
	c.mu.Lock()
	defer c.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.attach()
	if l.port != nil || l.s.Inflight() == 0 {
		l.settling.Store(false)
		c.notify()
	}
}

// look acts on a refusal that concerns more than its message.
func (l *link) look(p *Profile, o *session.Outcome) {
	switch p.class(o.Status) {
	case smpp.ClassSession:
		l.quit(errOutOfStep)
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
