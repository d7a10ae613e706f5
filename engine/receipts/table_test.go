package receipts

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"unsafe"

	"fanline/engine/message"
)

func TestATableAgreesWithAMap(t *testing.T) {
	type part struct {
		h    Handle
		part uint8
	}
	rng := rand.New(rand.NewPCG(5, 6))
	var table Table
	want := map[uint64][]part{} // Ids of freed messages among them.
	live := map[Handle]message.Rank{}
	var handles []Handle
	for i := range 300_000 {
		key := Key(uint16(rng.IntN(2)), strconv.AppendInt(nil, rng.Int64N(20_000), 10))
		switch rng.IntN(5) {
		case 0, 1:
			h := table.Add(Waiting{Rank: message.Rank(i)})
			live[h] = message.Rank(i)
			handles = append(handles, h)
			reused := false
			for _, p := range want[key] {
				_, ok := live[p.h]
				reused = reused || ok
			}
			n := uint8(1 + rng.IntN(32))
			if own, got := table.Expect(key, h, n); own || got != reused {
				t.Fatalf("step %d: reused = %v, want %v", i, got, reused)
			}
			want[key] = append(want[key], part{h, n})
		case 2:
			if len(handles) > 0 { // Its ids stay and match nothing.
				k := rng.IntN(len(handles))
				table.Free(handles[k])
				delete(live, handles[k])
				handles = append(handles[:k], handles[k+1:]...)
			}
		default:
			var got []part
			for e, ok := table.Find(key); ok; e, ok = table.Next(e) {
				if w := table.At(e.Handle); w != nil {
					if w.Rank != live[e.Handle] {
						t.Fatalf("step %d: rank %d under the handle of %d", i, w.Rank, live[e.Handle])
					}
					got = append(got, part{e.Handle, e.Part})
					if rng.IntN(2) == 0 {
						table.Forget(e)
					}
				}
			}
			var kept []part
			for _, p := range want[key] {
				if _, ok := live[p.h]; !ok {
					continue
				}
				if !slices.Contains(got, p) {
					t.Fatalf("step %d: %v is not found among %v", i, p, got)
				}
				for e, ok := table.Find(key); ok; e, ok = table.Next(e) {
					if e.Handle == p.h {
						kept = append(kept, p)
					}
				}
			}
			want[key] = kept
		}
		if table.Len() != len(live) {
			t.Fatalf("step %d: Len = %d, want %d", i, table.Len(), len(live))
		}
	}
	ids := 0
	for _, ps := range want {
		for _, p := range ps {
			if _, ok := live[p.h]; ok {
				ids++
			}
		}
	}
	table.Purge(func(uint64, Handle) {})
	if table.keys != ids {
		t.Errorf("%d ids after a purge, want %d", table.keys, ids)
	}
}

func TestAFreedMessageIsFoundByNoneOfItsIDs(t *testing.T) {
	var table Table
	h := table.Add(Waiting{Parts: 2})
	table.Expect(Key(0, []byte("a")), h, 1)
	table.Expect(Key(0, []byte("b")), h, 2)
	table.Free(h)
	other := table.Add(Waiting{Rank: 9}) // takes the same place
	if e, ok := table.Find(Key(0, []byte("a"))); !ok || e.Handle != h || table.At(e.Handle) != nil {
		t.Error("an id of a freed message was found")
	}
	if table.At(other).Rank != 9 || table.At(h) != nil {
		t.Error("a handle of a freed message reaches its successor")
	}
	gone := 0
	table.Purge(func(uint64, Handle) { gone++ })
	if _, ok := table.Find(Key(0, []byte("b"))); ok || gone != 2 {
		t.Errorf("%d ids purged, want 2", gone)
	}
}

func TestTwoMessagesWithOneIDAreBothFound(t *testing.T) {
	var table Table
	key := Key(3, []byte("7"))
	a, b := table.Add(Waiting{Phone: 1}), table.Add(Waiting{Phone: 2})
	if own, others := table.Expect(key, a, 1); own || others {
		t.Error("an id is not new")
	}
	if own, others := table.Expect(key, a, 2); !own || others {
		t.Error("two parts of a message with one id are no reuse of it")
	}
	if own, others := table.Expect(key, b, 1); own || !others {
		t.Error("an id used again was not noticed")
	}
	found := map[message.Phone]uint8{}
	for e, ok := table.Find(key); ok; e, ok = table.Next(e) {
		found[table.At(e.Handle).Phone] += e.Part
	}
	if found[1] != 3 || found[2] != 1 {
		t.Errorf("parts found by phone: %v", found)
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

func BenchmarkExpectAndFind(b *testing.B) {
	var table Table
	const pending = 1 << 19
	key := func(i int) uint64 { return Key(1, strconv.AppendInt(nil, int64(i), 10)) }
	for i := range b.N + pending {
		table.Expect(key(i), table.Add(Waiting{Rank: message.Rank(i)}), 1)
		if i >= pending {
			e, _ := table.Find(key(i - pending))
			table.Forget(e)
			table.Free(e.Handle)
		}
	}
}

// TestAMessageTakesTheMemoryThatItIsMeantTo holds the size of a waiting message:
// 72 octets, and 32 to 48 for its id.
func TestAMessageTakesTheMemoryThatItIsMeantTo(t *testing.T) {
	if n := unsafe.Sizeof(Waiting{}); n != 72 {
		t.Errorf("a waiting message takes %d octets", n)
	}
	if n := unsafe.Sizeof(place{}); n != 16 {
		t.Errorf("a place takes %d octets", n)
	}
}
