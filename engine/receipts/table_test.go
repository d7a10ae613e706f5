package receipts

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"fanline/engine/message"
)

func TestATableAgreesWithAMap(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var table Table
	want := map[uint64]message.Rank{}
	handles := map[message.Rank]Handle{}
	var rank message.Rank
	for i := range 300_000 {
		key := Key(uint16(rng.IntN(2)), strconv.AppendInt(nil, rng.Int64N(20_000), 10))
		switch {
		case rng.IntN(2) == 0:
			rank++
			h := table.Add(Waiting{Rank: rank})
			handles[rank] = h
			before, had := want[key]
			if reused := table.Expect(key, h); reused != had {
				t.Fatalf("step %d: reused = %v, want %v", i, reused, had)
			}
			if had {
				table.Free(handles[before])
			}
			want[key] = rank
		default:
			h, ok := table.Take(key)
			r, had := want[key]
			if ok != had || ok && table.At(h).Rank != r {
				t.Fatalf("step %d: Take = %v, want %v", i, ok, had)
			}
			if ok {
				table.Free(h)
				delete(want, key)
			}
		}
		if table.Len() != len(want) {
			t.Fatalf("step %d: Len = %d, want %d", i, table.Len(), len(want))
		}
	}
}

func TestAFreedMessageIsFoundByNoneOfItsIDs(t *testing.T) {
	var table Table
	h := table.Add(Waiting{Parts: 2})
	table.Expect(Key(0, []byte("a")), h)
	table.Expect(Key(0, []byte("b")), h)
	table.Free(h)
	other := table.Add(Waiting{Rank: 9}) // takes the same place
	if _, ok := table.Take(Key(0, []byte("a"))); ok {
		t.Error("an id of a freed message was found")
	}
	if table.At(other).Rank != 9 || table.At(h) != nil {
		t.Error("a handle of a freed message reaches its successor")
	}
}

func TestSweepVisitsAllThatExpired(t *testing.T) {
	var table Table
	for i := range 1000 {
		table.Add(Waiting{Expires: int64(i)})
	}
	n := 0
	for range 10 {
		table.Sweep(499, 100, func(h Handle, _ *Waiting) { n++; table.Free(h) })
	}
	if n != 500 || table.Len() != 500 {
		t.Errorf("swept %d, %d left", n, table.Len())
	}
}

func TestTheStateOfAllPartsFollowsTheLedgersRule(t *testing.T) {
	for _, c := range []struct {
		receipts []message.State
		want     message.State
	}{
		{[]message.State{message.Delivered, message.Delivered}, message.Delivered},
		{[]message.State{message.Failed, message.Delivered}, message.Failed},
		{[]message.State{message.Expired, message.Delivered}, message.Expired},
		{[]message.State{message.Expired, message.Failed}, message.Failed},
		{[]message.State{message.Failed, message.Expired}, message.Failed},
	} {
		worst := message.Open
		for _, s := range c.receipts {
			worst = Join(worst, s)
		}
		if worst != c.want {
			t.Errorf("%v came to %v, want %v", c.receipts, worst, c.want)
		}
	}
}

func TestSeenRemembersAtLeastItsLimitAndForgetsInTheEnd(t *testing.T) {
	s := NewSeen(100)
	for i := range 1000 {
		s.Add(uint64(i) + 1)
		for j := max(0, i-99); j <= i; j++ {
			if !s.Has(uint64(j) + 1) {
				t.Fatalf("after %d: %d forgotten", i, j)
			}
		}
	}
	if s.Has(6) {
		t.Error("nothing is ever forgotten")
	}
}

func BenchmarkExpectAndTake(b *testing.B) {
	var table Table
	const pending = 1 << 19
	key := func(i int) uint64 { return Key(1, strconv.AppendInt(nil, int64(i), 10)) }
	for i := range b.N + pending {
		table.Expect(key(i), table.Add(Waiting{Rank: message.Rank(i)}))
		if i >= pending {
			h, _ := table.Take(key(i - pending))
			table.Free(h)
		}
	}
}
