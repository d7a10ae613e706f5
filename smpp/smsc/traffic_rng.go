package smsc

import "math/bits"

// rng is splitmix64: small enough to have one for each text, so that what a text is depends on the seed and its place
// alone, not on what happened before it.
type rng struct{ state uint64 }

func (r *rng) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	x := r.state
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below draws a number from 0 to n-1; n must not be 0.
func (r *rng) below(n uint64) uint64 { return r.next() % n }

// hits says whether a share, as a threshold of 32 bits, is drawn.
func (r *rng) hits(share uint64) bool { return share > 0 && r.next()>>32 < share }

// fraction draws from [0, 1).
func (r *rng) fraction() float64 { return float64(r.next()>>11) / (1 << 53) }

// permutation puts the numbers from 0 to n-1 in a seeded order without holding them: it mixes the numbers below the next
// power of two, one to one, and where that leads to n or beyond, goes on from there.
type permutation struct {
	n, mask, a, c uint64
	shift         int
}

func newPermutation(n uint64, chance *rng) permutation {
	width := max(bits.Len64(n-1), 1)
	return permutation{n: n, mask: 1<<width - 1, a: chance.next() | 1, c: chance.next(), shift: (width + 1) / 2}
}

// permutationRounds is how often a number is mixed.
const permutationRounds = 4

// at gives the i-th; from n on it begins again.
func (p permutation) at(i uint64) uint64 {
	x := i % p.n
	for {
		for range permutationRounds {
			x = (x*p.a + p.c) & p.mask
			x ^= x >> p.shift
		}
		if x < p.n {
			return x
		}
	}
}
