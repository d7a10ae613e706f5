package community

import (
	"context"
	"testing"
	"time"

	"fanline/engine/message"
)

func TestAnAutomaticTextOfAKindGoesOutOnceInItsInterval(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		member := s.join(ann, Profile{})
		may := func(number message.Phone, kind string, every time.Duration) (ok bool) {
			s.in(func(ctx context.Context, tx *Tx) (err error) {
				ok, err = tx.AnswerOnce(ctx, number, member, kind, every)
				return err
			})
			return ok
		}
		const every = 10 * time.Minute
		for _, step := range []struct {
			after  time.Duration
			number message.Phone
			kind   string
			every  time.Duration
			want   bool
		}{
			{0, ours, "link", every, true},
			{0, ours, "link", every, false},
			{0, ours, "help", every, true},   // another kind
			{0, theirs, "link", every, true}, // another number
			{9 * time.Minute, ours, "link", every, false},
			{time.Minute, ours, "link", every, true}, // a refusal did not begin the interval anew
			{0, ours, "link", 0, true},
			{-time.Hour, ours, "link", every, false}, // the clock was set back
			{0, ours, "link", 0, true},
		} {
			s.at = s.at.Add(step.after)
			if got := may(step.number, step.kind, step.every); got != step.want {
				t.Errorf("%+v: %v", step, got)
			}
		}
	})
}

func TestASampleIsSpreadOverTheAudience(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		var chicago []message.MemberID
		for i := range message.Phone(30) {
			city := "Chicago"
			if i%3 == 2 {
				city = "Boston"
			}
			if id := s.join(ann+i, Profile{City: city}); city == "Chicago" {
				chicago = append(chicago, id)
			}
		}
		for n, want := range map[int]int{0: 0, 1: 1, 5: 5, 19: 10, 20: 20, 100: 20} {
			ids, err := s.Sample(t.Context(), ours, "city=Chicago", n)
			if err != nil || len(ids) != want {
				t.Errorf("%d of 20: %v, %v; want %d", n, ids, err, want)
			}
			if len(ids) > 1 && (ids[0] != chicago[0] || ids[len(ids)-1] < chicago[len(chicago)*3/4]) {
				t.Errorf("%d of 20 are not spread: %v of %v", n, ids, chicago)
			}
		}
		if ids, err := s.Sample(t.Context(), ours, "city=Rome", 5); err != nil || len(ids) != 0 {
			t.Errorf("of nobody: %v, %v", ids, err)
		}
		if _, err := s.Sample(t.Context(), ours, "town=Rome", 5); err == nil {
			t.Error("a bad filter was taken")
		}
	})
}
