package consent

import (
	"math/rand/v2"
	"testing"

	"fanline/engine/message"
)

func TestASetAgreesWithAMapThroughRevocationsAndRejoins(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var set Set
	want := map[message.Phone]bool{}
	for i := range 200_000 {
		p := message.Phone(12025550000 + rng.Uint64N(5000))
		switch rng.IntN(3) {
		case 0:
			if set.Revoke(p) == want[p] {
				t.Fatalf("step %d: Revoke(%v) reported the wrong thing", i, p)
			}
			want[p] = true
		case 1:
			if set.Rejoin(p) != want[p] {
				t.Fatalf("step %d: Rejoin(%v) reported the wrong thing", i, p)
			}
			delete(want, p)
		default:
			if set.Revoked(p) != want[p] {
				t.Fatalf("step %d: Revoked(%v) = %v", i, p, !want[p])
			}
		}
		if set.Len() != len(want) {
			t.Fatalf("step %d: Len = %d, want %d", i, set.Len(), len(want))
		}
	}
}

func BenchmarkRevoked(b *testing.B) {
	var set Set
	for i := range 1_000_000 {
		set.Revoke(message.Phone(12025550000 + i*7))
	}
	for i := range b.N {
		set.Revoked(message.Phone(12025550000 + i*13))
	}
}
