package receipts

import (
	"github.com/cespare/xxhash/v2"

	"fanline/engine/message"
)

// Waiting is a message that waits for receipts. It holds no pointers, so that
// millions of them cost the garbage collector nothing.
type Waiting struct {
	Phone      message.Phone
	Written    int64 // Unix ms
	Expires    int64 // Unix ms; then it is no_receipt
	Offset     int64 // of the journal record, or one before it, that says so
	Broadcast  message.BroadcastID
	Rank       message.Rank
	Member     message.MemberID
	Attributes message.Attributes
	Number     uint16 // index in the engine's numbers
	Carrier    uint16 // index in the engine's carriers
	Class      message.Class
	Parts      uint8
	Left       uint8         // ids expected and not yet seen final
	State      message.State // Open until all parts are decided
	Worst      message.State // what the receipts so far come to
	gen        uint32
	used       bool
}

// Handle names a Waiting until it is freed.
type Handle struct {
	index, gen uint32
}

// Key is the hash under which an id is looked up. Two of a million pending ids
// collide with a probability of 1 in 37 million.
func Key(carrier uint16, id []byte) uint64 {
	k := xxhash.Sum64(id) ^ (uint64(carrier)+1)*0x9E3779B97F4A7C15
	if k <= tombstone {
		k += 2
	}
	return k
}

const tombstone = 1 // marks a place in the table whose key is gone

// place is one of a Table's: an id, and the part of a message that has it. The
// upper bits of index hold the part less one, the rest the message's slot.
type place struct {
	key        uint64 // 0: free
	index, gen uint32
}

const (
	partShift = 27 // room for 134 million messages of 32 parts
	indexMask = 1<<partShift - 1
)

func (p *place) handle() Handle { return Handle{p.index & indexMask, p.gen} }

// Entry is where an id stands in a Table, until the next Expect.
type Entry struct {
	Handle Handle
	Part   uint8 // from 1
	key    uint64
	at     int
}

// Table correlates ids with waiting messages: open addressing that starts
// small and grows. One event loop owns it. The zero Table is empty.
type Table struct {
	places []place
	used   int // places that are not free
	keys   int // places that hold a key
	slots  []Waiting
	free   []uint32
	sweep  int
}

// Len returns how many messages wait.
func (t *Table) Len() int { return len(t.slots) - len(t.free) }

// Add takes a message in; its ids follow with Expect. There is room for 134
// million, far beyond what fits into memory.
func (t *Table) Add(w Waiting) Handle {
	var i uint32
	if n := len(t.free); n > 0 {
		i, t.free = t.free[n-1], t.free[:n-1]
	} else {
		i = uint32(len(t.slots))
		t.slots = append(t.slots, Waiting{})
	}
	w.gen, w.used = t.slots[i].gen, true
	t.slots[i] = w
	return Handle{i, w.gen}
}

// At returns the message of a handle, nil when it was freed. The pointer holds
// until the next Add.
func (t *Table) At(h Handle) *Waiting {
	if int(h.index) >= len(t.slots) {
		return nil
	}
	if w := &t.slots[h.index]; w.used && w.gen == h.gen {
		return w
	}
	return nil
}

// Free lets a message go; ids that still point at it match nothing.
func (t *Table) Free(h Handle) {
	if w := t.At(h); w != nil {
		*w = Waiting{gen: w.gen + 1}
		t.free = append(t.free, h.index)
	}
}

// Expect makes an id find a part, from 1, of the message. It reports whether
// another part of it has the same id (own), and whether another waiting message
// has (others), as a carrier's that uses ids again: then both are found by it,
// and something else has to tell them apart.
func (t *Table) Expect(key uint64, h Handle, part uint8) (own, others bool) {
	if (t.used+1)*2 > len(t.places) {
		t.grow()
	}
	mask := uint64(len(t.places) - 1)
	room := -1
	for i := key & mask; ; i = (i + 1) & mask {
		p := &t.places[i]
		switch {
		case p.key == 0:
			if room < 0 {
				room = int(i)
				t.used++
			}
			t.places[room] = place{key, h.index | uint32(part-1)<<partShift, h.gen}
			t.keys++
			return own, others
		case p.key == tombstone:
			if room < 0 {
				room = int(i)
			}
		case p.key == key && t.At(p.handle()) == nil: // Of a message that is over.
			p.key = tombstone
			t.keys--
			if room < 0 {
				room = int(i)
			}
		case p.key == key:
			same := p.handle() == h
			own, others = own || same, others || !same
		}
	}
}

// Find returns the first entry of an id; Next those that follow. The message of
// an entry may have been freed.
func (t *Table) Find(key uint64) (Entry, bool) {
	if t.keys == 0 {
		return Entry{}, false
	}
	return t.from(key, key&uint64(len(t.places)-1))
}

// Next returns the entry of the same id after e.
func (t *Table) Next(e Entry) (Entry, bool) {
	return t.from(e.key, uint64(e.at+1)&uint64(len(t.places)-1))
}

func (t *Table) from(key, i uint64) (Entry, bool) {
	mask := uint64(len(t.places) - 1)
	for ; ; i = (i + 1) & mask {
		switch p := &t.places[i]; p.key {
		case 0:
			return Entry{}, false
		case key:
			return Entry{Handle: p.handle(), Part: uint8(p.index>>partShift) + 1, key: key, at: int(i)}, true
		}
	}
}

// Forget takes an entry out.
func (t *Table) Forget(e Entry) {
	if e.at >= len(t.places) {
		return
	}
	p := &t.places[e.at]
	if p.key != e.key || p.handle() != e.Handle {
		return
	}
	if t.places[(e.at+1)&(len(t.places)-1)].key == 0 {
		*p = place{} // The end of a chain leaves no tombstone.
		t.used--
	} else {
		*p = place{key: tombstone}
	}
	t.keys--
}

// Purge takes the ids of freed messages out and tells of each. It goes over the
// whole table.
func (t *Table) Purge(gone func(key uint64, h Handle)) {
	for i := range t.places {
		if p := &t.places[i]; p.key > tombstone && t.At(p.handle()) == nil {
			gone(p.key, p.handle())
			*p = place{key: tombstone}
			t.keys--
		}
	}
}

// Sweep looks at the next n messages and calls expired with those whose time
// is over; expired may free them. Calling it again and again visits all.
func (t *Table) Sweep(now int64, n int, expired func(Handle, *Waiting)) {
	for range min(n, len(t.slots)) {
		if t.sweep >= len(t.slots) {
			t.sweep = 0
		}
		i := uint32(t.sweep)
		t.sweep++
		if w := &t.slots[i]; w.used && w.Expires <= now {
			expired(Handle{i, w.gen}, w)
		}
	}
}

// Each calls visit with every waiting message.
func (t *Table) Each(visit func(Handle, *Waiting)) {
	for i := range t.slots {
		if w := &t.slots[i]; w.used {
			visit(Handle{uint32(i), w.gen}, w)
		}
	}
}

// grow makes room and leaves behind tombstones and ids of freed messages.
func (t *Table) grow() {
	old := t.places
	live := 0
	for i := range old {
		if old[i].key > tombstone && t.At(old[i].handle()) != nil {
			live++
		}
	}
	size := 256
	for (live+1)*3 > size {
		size *= 2
	}
	t.places, t.used, t.keys = make([]place, size), live, live
	mask := uint64(size - 1)
	for i := range old {
		if old[i].key <= tombstone || t.At(old[i].handle()) == nil {
			continue
		}
		j := old[i].key & mask
		for t.places[j].key != 0 {
			j = (j + 1) & mask
		}
		t.places[j] = old[i]
	}
}

// Join adds a final receipt's state to what the receipts of a message come to:
// any failure wins, then any expiry, then delivery (contracts.md).
func Join(worst, state message.State) message.State {
	rank := func(s message.State) int {
		switch s {
		case message.Failed:
			return 3
		case message.Expired:
			return 2
		case message.Delivered:
			return 1
		}
		return 0
	}
	if rank(state) > rank(worst) {
		return state
	}
	return worst
}
