package message

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestALedgerHasATallyInTheFieldsOfItsStates(t *testing.T) {
	tally := Tally{
		Suppressed: 1, Rejected: 2, ExpiredUnsent: 4, Cancelled: 8, Uncertain: 16,
		Submitted: 32, Delivered: 64, Failed: 128, Expired: 256, NoReceipt: 512,
	}
	want := Ledger{
		Accepted: 2000, Suppressed: 1, Rejected: 2, ExpiredUnsent: 4, Cancelled: 8, Uncertain: 16,
		Submitted: 992, Delivered: 64, Failed: 128, Expired: 256, NoReceipt: 512, PendingReceipt: 32, PendingSend: 977,
	}
	if d := cmp.Diff(want, tally.Ledger(2000)); d != "" {
		t.Error(d)
	}
	if got := (Tally{Open: 5}).Ledger(3); got != (Ledger{Accepted: 3, PendingSend: 3}) {
		t.Errorf("what is open counts as pending_send only: %+v", got)
	}
}

func TestBothEquationsHoldForEveryTallyThatIsNoMoreThanAccepted(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		var tally, half Tally
		var sum int64
		for s := Suppressed; s < States; s++ {
			tally[s], half[s] = rng.Int64N(1_000_000), rng.Int64N(1_000_000)
			sum += tally[s] + half[s]
		}
		tally.Add(half)
		pending := rng.Int64N(1000)
		l := tally.Ledger(sum + pending)
		if !l.Balanced() || l.PendingSend != pending || l.AtRest() != (pending == 0 && tally[Submitted] == 0) {
			t.Fatalf("%v of %d: %+v", tally, sum+pending, l)
		}
		if over := tally.Ledger(sum - 1); over.Balanced() {
			t.Fatalf("%d messages of %d accepted were called balanced: %+v", sum, sum-1, over)
		}
	}
}

func TestALedgerWithAnyFieldChangedIsNotBalanced(t *testing.T) {
	good := Tally{
		Suppressed: 1, Rejected: 1, ExpiredUnsent: 1, Cancelled: 1, Uncertain: 1, Submitted: 1, Delivered: 1, Failed: 1, Expired: 1, NoReceipt: 1,
	}.Ledger(20)
	if !good.Balanced() {
		t.Fatalf("%+v", good)
	}
	fields := func(l *Ledger) []*int64 {
		return []*int64{
			&l.Accepted, &l.Suppressed, &l.Rejected, &l.ExpiredUnsent, &l.Cancelled, &l.Uncertain, &l.Submitted,
			&l.Delivered, &l.Failed, &l.Expired, &l.NoReceipt, &l.PendingSend, &l.PendingReceipt,
		}
	}
	for i := range fields(&good) {
		for _, by := range []int64{1, -1} {
			l := good
			*fields(&l)[i] += by
			if l.Balanced() {
				t.Errorf("field %d changed by %d: %+v", i, by, l)
			}
		}
	}
	// Two wrongs that make a right sum are still wrong.
	l := Ledger{Accepted: 1, Suppressed: 2, PendingSend: -1}
	if l.Balanced() {
		t.Errorf("a negative count: %+v", l)
	}
}

func TestALedgerIsAtRestWhenNothingIsToCome(t *testing.T) {
	for _, tc := range []struct {
		l    Ledger
		want bool
	}{
		{Ledger{}, true},
		{Ledger{Accepted: 3, Submitted: 2, Delivered: 2, Uncertain: 1}, true},
		{Ledger{Accepted: 1, PendingSend: 1}, false},
		{Ledger{Accepted: 1, Submitted: 1, PendingReceipt: 1}, false},
	} {
		if got := tc.l.AtRest(); got != tc.want {
			t.Errorf("%+v: at rest %v", tc.l, got)
		}
	}
}

func TestAStateIsFinalWhenNoReceiptCanMoveIt(t *testing.T) {
	for s := Open; s < States; s++ {
		want := s != Open && s != Uncertain && s != Submitted
		if s.Final() != want {
			t.Errorf("%s: final %v", s, !want)
		}
	}
}

func TestALedgerOfPartsHasTheSameNamesUnderAPrefix(t *testing.T) {
	names := func(v any) map[string]int64 {
		t.Helper()
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]int64{}
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		return fields
	}
	l := Ledger{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}
	want := map[string]int64{}
	for name, n := range names(l) {
		want["parts_"+name] = n
	}
	if d := cmp.Diff(want, names(Parts(l))); d != "" || len(want) != 13 {
		t.Errorf("%d fields: %s", len(want), d)
	}
}
