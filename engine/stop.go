package engine

import (
	"time"

	"fanline/engine/message"
)

// stopWait is how long a STOP is held back for answers to what was written to
// its member before it came.
const stopWait = 2 * time.Second

// fence is a STOP that waits for the answers to what is already on the wire.
type fence struct {
	number *number
	phone  message.Phone
	until  time.Time
	done   func()
}

// Stop lets nothing more be written to a phone from a number, takes back what
// its binds have not begun to write, and calls done when what was written has
// been answered, or after 2 s: only then may the STOP be acknowledged. at is
// when the STOP came (Unix ms). The revocation must be durable before. done
// runs on the event loop and must not block; it is called once in any case.
func (e *Engine) Stop(number, phone message.Phone, at int64, done func()) {
	ok := e.call(func(now time.Time) {
		n := e.numbers[number]
		if n == nil {
			done()
			return
		}
		n.revoke(phone, at)
		for _, l := range n.lanes {
			for _, b := range l.c.binds {
				b.conn.Revoke(func(token uint64) bool {
					_, f := e.flight(token)
					return f != nil && f.o.n == n && f.o.msg.Phone == phone && f.o.msg.Class != message.ClassStop
				})
			}
		}
		e.fences = append(e.fences, fence{n, phone, now.Add(stopWait), done})
	})
	if !ok {
		done()
	}
}

// checkFences lets the STOPs go that have nothing on the wire any more.
func (e *Engine) checkFences(now time.Time) {
	if len(e.fences) == 0 {
		return
	}
	type target struct {
		n     *number
		phone message.Phone
	}
	written := map[target]bool{}
	for i := range e.flights {
		if f := &e.flights[i]; f.o != nil && f.state == flightWritten && f.o.msg.Class != message.ClassStop {
			written[target{f.o.n, f.o.msg.Phone}] = true
		}
	}
	kept := e.fences[:0]
	for _, f := range e.fences {
		if written[target{f.number, f.phone}] && now.Before(f.until) {
			kept = append(kept, f)
			continue
		}
		f.done()
	}
	clear(e.fences[len(kept):])
	e.fences = kept
}
