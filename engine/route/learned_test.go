package route

import (
	"math/rand/v2"
	"testing"

	"fanline/engine/message"
)

func TestOnlyWhatTheTableWouldNotHaveChosenIsRemembered(t *testing.T) {
	l := NewLearned(100)
	l.Delivered(13125550101, 0, 0, 1000)
	if l.Len() != 0 || l.Of(13125550101, 0) != 0 {
		t.Error("the first choice was remembered")
	}
	l.Delivered(13125550101, 2, 0, 1000)
	if got := l.Of(13125550101, 1000); got != 3 {
		t.Error(got)
	}
	if got := l.Of(13125550101, 1001); got != 0 {
		t.Error("what is too old still counts:", got)
	}
	l.Learn(13125550101, 1, 999)
	if got := l.Of(13125550101, 0); got != 3 {
		t.Error("an older confirmation replaced a later one:", got)
	}
	l.Failed(13125550101, 1)
	if l.Len() != 1 {
		t.Error("another carrier's failure made it forget")
	}
	l.Failed(13125550101, 2)
	if l.Len() != 0 {
		t.Error("a failure was not noticed")
	}
	l.Learn(13125550101, 2, 5)
	l.Delivered(13125550101, 0, 0, 6)
	if l.Len() != 0 {
		t.Error("the first choice works again, and the other is remembered")
	}
	l.Learn(0, 1, 5)
	if l.Of(0, 0) != 0 || l.Len() != 0 {
		t.Error("no phone was remembered")
	}
}

func TestPhonesFollowTheirCarriersThroughAReload(t *testing.T) {
	l := NewLearned(100)
	for c := range uint16(4) {
		l.Learn(message.Phone(13125550100+uint64(c)), c, 5)
	}
	l.Renumber([]int{2, -1, 0})
	for i, want := range []uint16{3, 0, 1, 0} {
		if got := l.Of(message.Phone(13125550100+i), 0); got != want {
			t.Errorf("phone %d: %d, want %d", i, got, want)
		}
	}
	if l.Len() != 2 {
		t.Error(l.Len())
	}
}

// TestAFullOverlayForgetsThoseConfirmedLongestAgo compares it with a map.
func TestAFullOverlayForgetsThoseConfirmedLongestAgo(t *testing.T) {
	const most = 1 << 12
	l, all := NewLearned(most), map[message.Phone]uint16{}
	random := rand.New(rand.NewPCG(3, 4))
	for at := range uint32(10 * most) {
		p := message.Phone(13120000000 + uint64(random.IntN(8*most)))
		c := uint16(random.IntN(5))
		l.Learn(p, c, at)
		all[p] = c
		if l.Of(p, at) != c+1 {
			t.Fatal("what was learned just now is not there")
		}
		if l.Len() > most || len(l.slots) > most {
			t.Fatalf("%d phones in %d slots, at most %d", l.Len(), len(l.slots), most)
		}
	}
	there, recent := 0, 0
	for p, c := range all {
		if got := l.Of(p, 0); got != 0 {
			there++
			if got != c+1 {
				t.Fatalf("phone %d: %d, want %d", p, got, c+1)
			}
		}
		if l.Of(p, 9*most) != 0 {
			recent++
		}
	}
	if there != l.Len() {
		t.Errorf("%d are found, %d are counted", there, l.Len())
	}
	if there < most*9/10 || recent < most/2 {
		t.Errorf("%d of %d places are used, %d by the last tenth", there, most, recent)
	}
}

func TestAnOverlayAllocatesOnlyWhileItGrows(t *testing.T) {
	l := NewLearned(1 << 10)
	for i := range 1 << 14 {
		l.Learn(message.Phone(13120000000+i), 1, 1)
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i++
		l.Of(message.Phone(13120000000+i), 0)
		l.Learn(message.Phone(13130000000+i), 2, uint32(i))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLearnedOf(b *testing.B) {
	l := NewLearned(1 << 16)
	for i := range 1 << 15 {
		l.Learn(message.Phone(13120000000+i*7), 1, 1)
	}
	for i := 0; b.Loop(); i++ {
		l.Of(message.Phone(13120000000+i*7919%230000), 0)
	}
}
