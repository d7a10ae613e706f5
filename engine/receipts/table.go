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

type place struct {
	key    uint64 // 0: free
	handle Handle
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

// Add takes a message in; its ids follow with Expect.
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

// Expect makes an id find the message. It reports whether another waiting
// message had the same id: a carrier that uses ids again, whose older message
// can no longer be told apart.
func (t *Table) Expect(key uint64, h Handle) (reused bool) {
	if (t.used+1)*2 > len(t.places) {
		t.grow()
	}
	mask := uint64(len(t.places) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		switch p := &t.places[i]; p.key {
		case 0:
			*p = place{key, h}
			t.used++
			t.keys++
			return false
		case key:
			reused = t.At(p.handle) != nil
			p.handle = h
			return reused
		}
	}
}

// Take finds the message of an id and forgets the id.
func (t *Table) Take(key uint64) (Handle, bool) {
	if t.keys == 0 {
		return Handle{}, false
	}
	mask := uint64(len(t.places) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		switch p := &t.places[i]; p.key {
		case 0:
			return Handle{}, false
		case key:
			h := p.handle
			if t.places[(i+1)&mask].key == 0 {
				*p = place{} // The end of a chain leaves no tombstone.
				t.used--
			} else {
				*p = place{key: tombstone}
			}
			t.keys--
			return h, t.At(h) != nil
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
func (t *Table) Each(visit func(*Waiting)) {
	for i := range t.slots {
		if t.slots[i].used {
			visit(&t.slots[i])
		}
	}
}

// grow makes room and leaves behind tombstones and ids of freed messages.
func (t *Table) grow() {
	old := t.places
	live := 0
	for i := range old {
		if old[i].key > tombstone && t.At(old[i].handle) != nil {
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
		if old[i].key <= tombstone || t.At(old[i].handle) == nil {
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

// Seen remembers the ids of messages that became final, so that a receipt that
// comes again is known for a repetition. It holds the last ones in two
// generations of open addressing, which start small.
type Seen struct {
	limit    int
	now, old []uint64 // power of two, at most half full; 0: free
	used     int      // of now
}

// NewSeen remembers at least the last limit ids and at most twice as many.
func NewSeen(limit int) *Seen { return &Seen{limit: limit} }

// Add remembers an id.
func (s *Seen) Add(key uint64) {
	if s.used >= s.limit {
		s.old, s.now, s.used = s.now, make([]uint64, len(s.now)), 0
	}
	if (s.used+1)*2 > len(s.now) {
		grown := make([]uint64, max(64, 2*len(s.now)))
		for _, k := range s.now {
			if k != 0 {
				*probe(grown, k) = k
			}
		}
		s.now = grown
	}
	if p := probe(s.now, key); *p == 0 {
		*p = key
		s.used++
	}
}

// Has tells whether an id is remembered.
func (s *Seen) Has(key uint64) bool {
	return len(s.now) > 0 && *probe(s.now, key) == key || len(s.old) > 0 && *probe(s.old, key) == key
}

// probe returns the place of a key, or the free one where it belongs.
func probe(table []uint64, key uint64) *uint64 {
	mask := uint64(len(table) - 1)
	for i := key & mask; ; i = (i + 1) & mask {
		if table[i] == key || table[i] == 0 {
			return &table[i]
		}
	}
}
