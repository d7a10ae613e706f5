package receipts

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
func (s *Seen) Add(key uint64) { s.Again(key) }

// Again remembers an id and tells whether it was remembered already.
func (s *Seen) Again(key uint64) bool {
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
	p := probe(s.now, key)
	if *p == key {
		return true
	}
	*p = key
	s.used++
	return len(s.old) > 0 && *probe(s.old, key) == key
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
