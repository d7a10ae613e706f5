package engine

import (
	"log/slog"
	"time"

	"fanline/engine/message"
)

// halt is the state of a lane whose carrier refuses the sender itself (SMPP 3.4
// §5.1.3: ESME_RINVSRCADR and its like). The messages are not to blame: they
// wait, or go another way, while somebody looks after the number.
type halt struct {
	on      bool
	trial   bool // it was halted, and one message at a time tries whether the carrier takes them again
	strikes int  // refusals in a row
	until   time.Time
	since   time.Time
	status  uint32
	refused int64
}

const (
	haltStrikes = 3           // refusals in a row that halt a lane; one on trial
	haltFor     = time.Minute // until the next trial
)

// Alarm says that somebody must look after something: what, since when, and
// what the carrier said.
type Alarm struct {
	Number  message.Phone
	Carrier string
	Status  uint32 // command_status
	Since   time.Time
	Refused int64 // submits refused so since then
	Waiting int   // messages that wait for it
}

// halted tells whether the lane may take nothing up: the carrier refuses its
// number, or one message is trying.
func (l *lane) halted() bool {
	return l.halt.on || l.halt.trial && l.flying > 0
}

// look ends a halt when its time is over: then one message tries.
func (l *lane) look(now time.Time) (changed bool) {
	if !l.halt.on || now.Before(l.halt.until) {
		return false
	}
	l.halt.on, l.halt.trial, l.halt.strikes = false, true, 0
	return true
}

// sender takes note of how the carrier takes a lane's sender.
func (e *Engine) sender(l *lane, a *answer, now time.Time) {
	h := &l.halt
	switch {
	case a.Sender:
		h.refused++
		h.strikes++
		h.status = a.Status
		if h.on || h.strikes < haltStrikes && !h.trial {
			return
		}
		if !h.trial {
			h.since = now
			e.cfg.Logger.Error("the carrier takes nothing from this number: it is stopped there and tried once a minute",
				slog.Any("number", l.n.phone), slog.String("carrier", l.c.name), slog.Uint64("status", uint64(a.Status)))
		}
		h.on, h.trial, h.until = true, false, now.Add(haltFor)
		e.routed = true
	case a.Code == message.Accepted && (h.trial || h.strikes > 0):
		if h.trial {
			e.cfg.Logger.Info("the carrier takes this number again", slog.Any("number", l.n.phone), slog.String("carrier", l.c.name))
		}
		*h = halt{}
	}
}

// Alarms lists the numbers that carriers refuse, as of the last turn.
func (e *Engine) Alarms() []Alarm {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Alarm(nil), e.alarms...)
}

// alarming renews what Alarms returns.
func (e *Engine) alarming() {
	var all []Alarm
	for _, l := range e.lanes {
		if h := &l.halt; h.on || h.trial {
			waiting := l.places.len()
			l.each(func(*outgoing) { waiting++ })
			all = append(all, Alarm{Number: l.n.phone, Carrier: l.c.name, Status: h.status, Since: h.since, Refused: h.refused, Waiting: waiting})
		}
	}
	if len(all) == 0 && len(e.alarms) == 0 {
		return
	}
	e.mu.Lock()
	e.alarms = all
	e.mu.Unlock()
}
