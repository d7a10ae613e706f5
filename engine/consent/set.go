// Package consent holds, for each number of ours, the phones that revoked
// consent, in the form that the last check before a write needs: one look into
// a small table. Who has joined at all is decided at planning; this set is
// about who has left since.
//
//	set.Revoke(phone)
//	if set.Revoked(phone) { … }
package consent

import "fanline/engine/message"

// Set is a set of phones that revoked consent for one number: open addressing
// with linear probing, no pointers. It is not safe for concurrent use; one
// event loop owns it. The zero Set is empty.
type Set struct {
	table []message.Phone // power of two; 0: free, removed: deleted
	used  int             // places that are not free
	live  int
}

// removed marks a place whose phone joined again.
const removed = message.Phone(1)

func hash(p message.Phone) uint64 {
	h := uint64(p) * 0x9E3779B97F4A7C15
	return h ^ h>>29
}

// Len returns how many phones are revoked.
func (s *Set) Len() int { return s.live }

// Revoked tells whether the phone revoked consent.
func (s *Set) Revoked(p message.Phone) bool {
	if s.live == 0 {
		return false
	}
	mask := uint64(len(s.table) - 1)
	for i := hash(p) & mask; ; i = (i + 1) & mask {
		switch s.table[i] {
		case p:
			return true
		case 0:
			return false
		}
	}
}

// Revoke adds a phone; it reports whether it was not there.
func (s *Set) Revoke(p message.Phone) bool {
	if s.Revoked(p) {
		return false
	}
	if (s.used+1)*2 > len(s.table) {
		s.grow()
	}
	s.put(p)
	s.live++
	return true
}

// Rejoin takes a phone out; it reports whether it was there.
func (s *Set) Rejoin(p message.Phone) bool {
	if !s.Revoked(p) {
		return false
	}
	mask := uint64(len(s.table) - 1)
	i := hash(p) & mask
	for s.table[i] != p {
		i = (i + 1) & mask
	}
	s.table[i] = removed
	s.live--
	return true
}

func (s *Set) put(p message.Phone) {
	mask := uint64(len(s.table) - 1)
	i := hash(p) & mask
	for s.table[i] != 0 {
		i = (i + 1) & mask
	}
	s.table[i] = p
	s.used++
}

// grow doubles the table when it is full of live phones, or only sweeps out
// the removed ones.
func (s *Set) grow() {
	old := s.table
	size := max(64, len(old))
	for (s.live+1)*4 > size {
		size *= 2
	}
	s.table, s.used = make([]message.Phone, size), 0
	for _, p := range old {
		if p > removed {
			s.put(p)
		}
	}
}
