package session

import (
	"fanline/smpp"
)

// window holds the requests in flight in a ring of slots indexed by sequence number. The ring has at least twice as many
// slots as the window allows requests, so a free one is always near, and a number is never given out while the request
// that had its slot is open. A slot answers only to its own number and to the response of its own command.
//
// A window is a plain value: the session calls it under its lock.
type window struct {
	slots    []slot
	limit    int
	inflight int
	last     uint32 // the number given out last
	late     lateTable
}

// slot is one request in flight; seq 0 means free.
type slot struct {
	token uint64
	at    int64 // nanoseconds on the session's clock from which its response time counts
	seq   uint32
	gen   uint32         // generation of the chunk that holds its octets
	want  smpp.CommandID // the command that answers it
}

func newWindow(limit int) window {
	size := 4
	for size < 2*limit {
		size *= 2
	}
	return window{slots: make([]slot, size), limit: limit, late: newLateTable(size)}
}

func (w *window) slot(seq uint32) *slot { return &w.slots[seq&uint32(len(w.slots)-1)] }

// full reports whether no further request fits.
func (w *window) full() bool { return w.inflight >= w.limit }

// next gives out a sequence number whose slot is free. It cannot fail while requests in flight are fewer than slots.
func (w *window) next() uint32 {
	for {
		if w.last >= smpp.MaxSequence {
			w.last = 0
		}
		w.last++
		if w.slot(w.last).seq == 0 {
			return w.last
		}
	}
}

// open puts a request into the window; the caller has asked full first.
func (w *window) open(token uint64, want smpp.CommandID, gen uint32, at int64) uint32 {
	seq := w.next()
	*w.slot(seq) = slot{token: token, at: at, seq: seq, gen: gen, want: want}
	w.inflight++
	w.late.forget(seq)
	return seq
}

// find returns the request that a response of this command and number answers; generic_nack answers any.
func (w *window) find(seq uint32, command smpp.CommandID) *slot {
	sl := w.slot(seq)
	if seq == 0 || sl.seq != seq || (sl.want != command && command != smpp.GenericNackID) {
		return nil
	}
	return sl
}

// free closes a request.
func (w *window) free(sl *slot) {
	*sl = slot{}
	w.inflight--
}

// expire closes the requests that were wholly written (generation ≤ done) at least timeout before now, hands each to
// report, and remembers them for an answer that comes late. It returns the earliest moment at which another can expire:
// one opened from now on cannot before now+timeout.
func (w *window) expire(now, timeout int64, done uint32, report func(slot)) (next int64) {
	next = now + timeout
	if w.inflight == 0 {
		return next
	}
	for i := range w.slots {
		sl := &w.slots[i]
		if sl.seq == 0 || after(sl.gen, done) {
			continue // Unwritten ones are the write deadline's business; they get their time when they are written.
		}
		if due := sl.at + timeout; due > now {
			next = min(next, due)
			continue
		}
		report(*sl)
		w.late.remember(*sl)
		w.free(sl)
	}
	return next
}

// after reports whether generation a was made later than b; both wrap.
func after(a, b uint32) bool { return int32(a-b) > 0 }

// lateTable remembers requests whose time-out has been reported, so that an answer that comes after all still finds its
// token. It keeps as many as the ring has slots; at that limit the oldest is forgotten, and its late answer is a stray.
type lateTable struct {
	entries map[uint32]slot
	order   []uint32 // ring of remembered numbers, oldest at head
	head    int
}

func newLateTable(limit int) lateTable {
	return lateTable{entries: make(map[uint32]slot), order: make([]uint32, limit)}
}

func (t *lateTable) remember(sl slot) {
	delete(t.entries, t.order[t.head]) // 0, which is no number, while the ring isn't full
	t.order[t.head] = sl.seq
	t.head = (t.head + 1) % len(t.order)
	t.entries[sl.seq] = sl
}

// forget drops a number that is given out anew (after 2^31 requests).
func (t *lateTable) forget(seq uint32) {
	if len(t.entries) > 0 {
		delete(t.entries, seq)
	}
}

// take returns and forgets the request that a late response answers.
func (t *lateTable) take(seq uint32, command smpp.CommandID) (slot, bool) {
	if len(t.entries) == 0 {
		return slot{}, false
	}
	sl, ok := t.entries[seq]
	if !ok || (sl.want != command && command != smpp.GenericNackID) {
		return slot{}, false
	}
	delete(t.entries, seq)
	return sl, true
}
