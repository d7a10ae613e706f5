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

// permutation puts the numbers from 0 to n-1 in a seeded order without holding them: i goes to a·i+c mod n.
type permutation struct{ n, a, c uint64 }

func newPermutation(n uint64, chance *rng) permutation {
	p := permutation{n: n, a: 1}
	if n < 2 {
		return p
	}
	p.c = chance.below(n)
	for { // about 0.6 of all numbers have no factor in common with n
		if p.a = chance.below(n) | 1; coprime(p.a, n) {
			return p
		}
	}
}

func coprime(a, b uint64) bool {
	for b != 0 {
		a, b = b, a%b
	}
	return a == 1
}

// at gives the i-th; from n on it begins again.
func (p permutation) at(i uint64) uint64 {
	i %= p.n
	hi, lo := bits.Mul64(p.a, i)
	return (bits.Rem64(hi, lo, p.n) + p.c) % p.n
}
