package engine

import (
	"math/rand/v2"
	"testing"

	"fanline/engine/message"
)

func TestRanksAgreeWithSetsAndSurviveASnapshot(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var r ranks
		taken, decided := map[message.Rank]bool{}, map[message.Rank]bool{}
		low := message.Rank(0)
		for step := range 4000 {
			rank := low + message.Rank(rng.IntN(3000))
			switch rng.IntN(8) {
			case 0:
				r.release(rank)
				if !decided[rank] {
					delete(taken, rank)
				}
			case 1, 2:
				if rank == 0 {
					break
				}
				if got := r.take(rank); got == taken[rank] {
					t.Fatalf("seed %d step %d: take(%d) = %v", seed, step, rank, got)
				}
				taken[rank] = true
			case 3:
				var restored ranks
				restored.restore(r.low, r.bitmap())
				if restored.low != r.low || restored.count != r.count {
					t.Fatalf("seed %d step %d: restored low %d count %d, want %d %d", seed, step, restored.low, restored.count, r.low, r.count)
				}
				r = restored
				clear(taken)
				for d := range decided {
					taken[d] = true
				}
			default:
				rank = low + 1 + message.Rank(rng.IntN(20))
				if got := r.decide(rank); got == decided[rank] {
					t.Fatalf("seed %d step %d: decide(%d) = %v", seed, step, rank, got)
				}
				taken[rank], decided[rank] = true, true
				for decided[low+1] {
					low++
				}
			}
			if r.low != low || r.count != int64(len(decided)) || r.open != int64(len(taken)-len(decided)) {
				t.Fatalf("seed %d step %d: low %d count %d open %d, want %d %d %d", seed, step, r.low, r.count, r.open, low, len(decided), len(taken)-len(decided))
			}
		}
	}
}

func TestRanksUseMemoryOfTheLeadNotOfTheAudience(t *testing.T) {
	var r ranks
	for rank := message.Rank(1); rank <= 1_000_000; rank++ {
		r.take(rank + 500)
		r.decide(rank)
	}
	if words := len(r.taken); words > 32 {
		t.Errorf("%d words held for a lead of 500 ranks", words)
	}
}
