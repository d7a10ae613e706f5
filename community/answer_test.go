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
