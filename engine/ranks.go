package engine

import (
	"math/bits"

	"fanline/engine/message"
)

// ranks remembers which recipients of a broadcast are taken (their intent is
// on its way or they are decided) and which are decided, in memory bounded by
// the distance between the first undecided rank and the last taken one: the
// planner's lead. Bits live in a ring that grows with that distance.
type ranks struct {
	low     message.Rank // all up to it are decided
	count   int64        // decided in all
	open    int64        // taken and not decided
	taken   []uint64
	decided []uint64
}

func (r *ranks) place(rank message.Rank) (word int, bit uint64) {
	i := uint64(rank) & (uint64(len(r.taken))*64 - 1)
	return int(i / 64), 1 << (i % 64)
}

// reach makes room for a rank above low.
func (r *ranks) reach(rank message.Rank) {
	if uint64(rank-r.low) < uint64(len(r.taken))*64 {
		return
	}
	old := *r
	size := max(16, len(r.taken))
	for uint64(size)*64 <= uint64(rank-r.low) {
		size *= 2
	}
	r.taken, r.decided = make([]uint64, size), make([]uint64, size)
	for k := range message.Rank(len(old.taken) * 64) {
		w, b := old.place(old.low + 1 + k)
		if old.taken[w]&b == 0 {
			continue
		}
		nw, nb := r.place(old.low + 1 + k)
		r.taken[nw] |= nb
		if old.decided[w]&b != 0 {
			r.decided[nw] |= nb
		}
	}
}

// has tells whether the rank is taken or decided.
func (r *ranks) has(rank message.Rank) bool {
	if rank <= r.low {
		return true
	}
	if uint64(rank-r.low) >= uint64(len(r.taken))*64 {
		return false
	}
	w, b := r.place(rank)
	return r.taken[w]&b != 0
}

// isDecided tells whether the rank is decided.
func (r *ranks) isDecided(rank message.Rank) bool {
	if rank <= r.low {
		return true
	}
	if !r.has(rank) {
		return false
	}
	w, b := r.place(rank)
	return r.decided[w]&b != 0
}

// take marks a rank as taken; false when it already was.
func (r *ranks) take(rank message.Rank) bool {
	if r.has(rank) {
		return false
	}
	r.reach(rank)
	w, b := r.place(rank)
	r.taken[w] |= b
	r.open++
	return true
}

// release gives a taken rank back: nothing of it was sent.
func (r *ranks) release(rank message.Rank) {
	if rank <= r.low || !r.has(rank) {
		return
	}
	if w, b := r.place(rank); r.taken[w]&b != 0 && r.decided[w]&b == 0 {
		r.taken[w] &^= b
		r.open--
	}
}

// decide marks a taken rank as decided for ever and moves low over all that
// are; false when it was decided before.
func (r *ranks) decide(rank message.Rank) bool {
	if rank <= r.low {
		return false
	}
	r.reach(rank)
	w, b := r.place(rank)
	if r.decided[w]&b != 0 {
		return false
	}
	if r.taken[w]&b != 0 {
		r.open--
	}
	r.taken[w] |= b
	r.decided[w] |= b
	r.count++
	for {
		w, b := r.place(r.low + 1)
		if r.decided[w]&b == 0 {
			return true
		}
		r.low++
		r.taken[w] &^= b
		r.decided[w] &^= b
	}
}

// bitmap returns the decided ranks above low: bit i stands for low+1+i, little
// end first, without zeros at the end.
func (r *ranks) bitmap() []byte {
	var out []byte
	for left, k := r.count-int64(r.low), message.Rank(0); left > 0; k++ {
		if w, b := r.place(r.low + 1 + k); r.decided[w]&b != 0 {
			for int(k/8) >= len(out) {
				out = append(out, 0)
			}
			out[k/8] |= 1 << (k % 8)
			left--
		}
	}
	return out
}

// restore sets low and the decided ranks above it; nothing else is taken.
func (r *ranks) restore(low message.Rank, bitmap []byte) {
	*r = ranks{low: low, count: int64(low)}
	for i, octet := range bitmap {
		for ; octet != 0; octet &= octet - 1 {
			r.decide(low + 1 + message.Rank(8*i+bits.TrailingZeros8(octet)))
		}
	}
}
