package route

import (
	"math/bits"

	"fanline/engine/message"
)

// Learned remembers over which carrier phones were lately reached, of those for
// which the table alone would have chosen another: a compact overlay, owned by
// one goroutine, one for each partition. It is a table of buckets of eight slots
// of 16 octets that grows to a bound; there a phone that comes new takes the
// place of the one in its bucket that was confirmed longest ago. What is
// forgotten costs at most one message that takes the table's way again.
type Learned struct {
	slots []slot // len is a power of two
	most  int
	n     int
}

// slot is one phone; none while phone is 0.
type slot struct {
	phone   message.Phone
	at      uint32 // Unix seconds of the last confirmation
	carrier uint16 // 1 + index
}

// bucket is how many slots a phone may stand in: two cache lines.
const bucket = 8

// NewLearned returns an empty overlay for at most as many phones, rounded up to
// a power of two, 8 at least. It takes 16 octets for each when it is full and
// next to nothing before the first.
func NewLearned(most int) *Learned {
	return &Learned{most: 1 << bits.Len(uint(max(most, bucket)-1))}
}

// Len returns how many phones are remembered.
func (l *Learned) Len() int { return l.n }

// Of returns 1 + the index of the carrier of a phone, as a Query wants it; 0
// where none is known or it was last confirmed before since (Unix seconds).
func (l *Learned) Of(p message.Phone, since uint32) uint16 {
	if s := l.find(p); s != nil && s.at >= since {
		return s.carrier
	}
	return 0
}

// Delivered notes that a message to a phone arrived over a carrier, at a time
// in Unix seconds. first is the table's first choice without what was learned:
// where that is what worked, nothing needs to be remembered.
func (l *Learned) Delivered(p message.Phone, carrier, first uint16, at uint32) {
	if carrier == first {
		l.Forget(p)
		return
	}
	l.Learn(p, carrier, at)
}

// Failed notes that a message to a phone did not arrive over a carrier.
func (l *Learned) Failed(p message.Phone, carrier uint16) {
	if s := l.find(p); s != nil && s.carrier == carrier+1 {
		l.drop(s)
	}
}

// Learn notes the carrier of a phone as of a time in Unix seconds. What is
// known from a later time stays.
func (l *Learned) Learn(p message.Phone, carrier uint16, at uint32) {
	if p == 0 {
		return
	}
	if s := l.find(p); s != nil {
		if at >= s.at {
			s.at, s.carrier = at, carrier+1
		}
		return
	}
	if len(l.slots) == 0 {
		l.slots = make([]slot, bucket)
	}
	for !l.put(slot{p, at, carrier + 1}) {
		l.grow()
	}
}

// Forget drops a phone.
func (l *Learned) Forget(p message.Phone) {
	if s := l.find(p); s != nil {
		l.drop(s)
	}
}

func (l *Learned) drop(s *slot) {
	*s = slot{}
	l.n--
}

// Renumber follows a change of the table's carriers: to[i] is the new index of
// what was carrier i; what has none, or a negative one, is forgotten.
func (l *Learned) Renumber(to []int) {
	for i := range l.slots {
		s := &l.slots[i]
		if s.phone == 0 {
			continue
		}
		if old := int(s.carrier) - 1; old < len(to) && to[old] >= 0 {
			s.carrier = uint16(to[old]) + 1
		} else {
			l.drop(s)
		}
	}
}

func (l *Learned) find(p message.Phone) *slot {
	if l.n == 0 || p == 0 {
		return nil
	}
	b := l.bucketOf(p)
	for i := range b {
		if b[i].phone == p {
			return &b[i]
		}
	}
	return nil
}

// bucketOf spreads phones by Fibonacci hashing: those of one partition agree in
// another hash, and neighbours are many.
func (l *Learned) bucketOf(p message.Phone) []slot {
	h := uint64(p) * 0x9e3779b97f4a7c15
	at := h >> 32 & uint64(len(l.slots)-1) &^ (bucket - 1)
	return l.slots[at : at+bucket : at+bucket]
}

// put stores a slot in its bucket; false where it is full and may yet grow.
func (l *Learned) put(s slot) bool {
	b := l.bucketOf(s.phone)
	oldest := 0
	for i := range b {
		if b[i].phone == 0 {
			b[i] = s
			l.n++
			return true
		}
		if b[i].at < b[oldest].at {
			oldest = i
		}
	}
	if len(l.slots) < l.most {
		return false
	}
	b[oldest] = s
	return true
}

// grow doubles the table. A phone's new bucket takes from one old bucket only,
// so nothing is crowded out.
func (l *Learned) grow() {
	old := l.slots
	l.slots, l.n = make([]slot, 2*len(old)), 0
	for _, s := range old {
		if s.phone != 0 {
			l.put(s)
		}
	}
}
