package community

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/pipeline/record"
)

func TestPartsOfLongTextsAreKeptUntilTheyAreForgotten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		text := LongText{Number: ours, Phone: ann, Carrier: "acme", Reference: 65535, Parts: 255}
		other := text
		other.Reference = 7
		began := s.at
		part := func(n uint8) TextPart {
			return TextPart{Part: n, At: began.Add(time.Duration(n) * time.Second).UTC(), Partition: 3, Offset: 1 << 40, PDU: []byte{0, 255, n}}
		}
		kept := func(l LongText, wantState PartState, want ...TextPart) {
			t.Helper()
			s.in(func(ctx context.Context, tx *Tx) error {
				got, state, err := tx.PartsOf(ctx, l)
				if diff := cmp.Diff(want, got); diff != "" || state != wantState {
					t.Errorf("%s, want %s; parts (-want +got):\n%s", state, wantState, diff)
				}
				return err
			})
		}
		keep := func(l LongText, state PartState, p TextPart) {
			s.in(func(ctx context.Context, tx *Tx) error { return tx.KeepPart(ctx, l, p, state) })
		}
		overdue := func(since time.Time, limit int) (got []string) {
			t.Helper()
			texts, err := s.OverdueParts(t.Context(), since, limit)
			s.must(err)
			for _, o := range texts {
				if o.Number != ours || o.Phone != ann || o.Carrier != "acme" || o.Partition != 3 {
					t.Errorf("overdue: %+v", o)
				}
				got = append(got, fmt.Sprint(o.Reference, "/", o.Parts))
			}
			return got
		}
		kept(text, Waiting)
		keep(text, Waiting, part(255))
		s.at = s.at.Add(time.Minute)
		keep(other, Waiting, part(2))
		keep(text, Waiting, part(1)) // The last part before the first: they come in their order.
		kept(text, Waiting, part(1), part(255))
		if got := overdue(began, 10); got != nil {
			t.Errorf("overdue since before the last part: %v", got)
		}
		if got := overdue(s.at, 10); len(got) != 2 {
			t.Errorf("overdue: %v, want both", got)
		}
		if got := overdue(s.at, 1); len(got) != 1 {
			t.Errorf("overdue: %v, want one", got)
		}
		s.in(func(ctx context.Context, tx *Tx) error { return tx.SetParts(ctx, text, Shown) })
		if diff := cmp.Diff([]string{"7/255"}, overdue(s.at, 10)); diff != "" {
			t.Error(diff)
		}
		keep(other, Whole, part(3))
		if got := overdue(s.at, 10); got != nil {
			t.Errorf("overdue: %v", got)
		}
		s.must(s.ForgetPartsBefore(t.Context(), Whole, s.at))
		kept(other, Whole, part(2), part(3))
		s.must(s.ForgetPartsBefore(t.Context(), Whole, s.at.Add(time.Millisecond)))
		kept(other, Waiting)
		s.in(func(ctx context.Context, tx *Tx) error { return tx.ForgetParts(ctx, text) })
		kept(text, Waiting)
	})
}

func TestAHeldPartitionTellsWhatIsStillToBeRead(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		for _, want := range []int64{0, 5} {
			s.in(func(ctx context.Context, tx *Tx) error {
				next, err := tx.HoldConsumed(ctx, record.TopicInbound, 2)
				if err == nil && next != want {
					err = fmt.Errorf("next %d, want %d", next, want)
				}
				s.must(err)
				return tx.SetConsumed(ctx, record.TopicInbound, 2, 5)
			})
		}
	})
}
