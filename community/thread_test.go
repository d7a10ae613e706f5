package community

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// write appends a text of a member's thread, a minute after the last.
func (f *fixture) write(id message.MemberID, d Direction, text string) {
	f.t.Helper()
	f.at = f.at.Add(time.Minute)
	f.in(func(ctx context.Context, tx *Tx) error {
		_, err := tx.AppendText(ctx, ours, id, Text{Direction: d, Text: text})
		return err
	})
}

func TestTheInboxShowsWhoHasJoinedNewestFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		a, b := s.join(ann, Profile{FirstName: "Ann"}), s.join(bob, Profile{FirstName: "Bob"})
		var stranger message.MemberID
		s.in(func(ctx context.Context, tx *Tx) error {
			m, err := tx.Invite(ctx, ours, carla, Evidence{Method: "text"})
			stranger = m.Member.ID
			return err
		})
		s.write(a, In, "first")
		s.write(b, In, "hello?")
		s.write(stranger, In, "who is this")
		s.write(a, In, "second")
		s.write(a, Out, "an answer")
		s.in(func(ctx context.Context, tx *Tx) error {
			_, _, err := tx.RevokeConsent(ctx, ours, bob, Revocation{Logged: true})
			return err
		})
		heads, err := s.ListThreads(t.Context(), ours, time.Time{}, 10)
		s.must(err)
		if len(heads) != 2 || heads[0].Member.ID != a || heads[0].Unread != 2 || heads[0].Last.Text != "an answer" || heads[0].Last.Direction != Out ||
			heads[1].Member.FirstName != "Bob" || heads[1].Consent != Stopped || heads[1].Unread != 1 {
			t.Fatalf("inbox %+v", heads)
		}
		older, err := s.ListThreads(t.Context(), ours, heads[0].LastAt, 10)
		s.must(err)
		if len(older) != 1 || older[0].Member.ID != b {
			t.Errorf("before the first: %+v", older)
		}
		texts, err := s.Thread(t.Context(), ours, a, 2)
		s.must(err)
		if len(texts) != 2 || texts[0].Text != "second" || texts[1].Text != "an answer" || !texts[1].At.Equal(s.at) {
			t.Errorf("thread %+v", texts)
		}
		s.must(s.MarkRead(t.Context(), ours, a))
		heads, err = s.ListThreads(t.Context(), ours, time.Time{}, 1)
		s.must(err)
		if len(heads) != 1 || heads[0].Unread != 0 {
			t.Errorf("after reading: %+v", heads)
		}
		for _, number := range []message.Phone{bob} {
			if _, err := s.ListThreads(t.Context(), number, time.Time{}, 1); !errors.Is(err, ErrNotFound) {
				t.Errorf("the inbox of a number that is not ours: %v", err)
			}
			if _, err := s.Thread(t.Context(), number, a, 1); !errors.Is(err, ErrNotFound) {
				t.Errorf("a thread of a number that is not ours: %v", err)
			}
		}
	})
}

func TestAnAnswerStandsInTheThreadAndInTheOutboxOrInNeither(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		id := s.join(ann, Profile{FirstName: "Ann", Birth: NewDate(2000, 1, 1), Gender: "f"})
		s.write(id, In, "hi")
		s.outbox()
		key, err := s.AddReply(t.Context(), ours, id, "  Thank you! ", time.Hour)
		s.must(err)
		rows := s.outbox()
		if len(rows) != 1 {
			t.Fatalf("outbox %+v", rows)
		}
		job, err := record.DecodeJob(rows[0].Value)
		s.must(err)
		m := job.Single
		if m.ID != key || m.Text != "Thank you!" || m.Class != message.ClassOneToOne || m.Member != id || m.Phone != ann ||
			m.Deadline != s.at.Add(time.Hour).UnixMilli() || m.Validity != 3600 || m.Attributes.Age != 26 || m.Attributes.Gender != 'f' {
			t.Errorf("job %+v", m)
		}
		texts, err := s.Thread(t.Context(), ours, id, 10)
		s.must(err)
		if last := texts[len(texts)-1]; len(texts) != 2 || last.MessageID != key.String() || last.Text != "Thank you!" || last.Direction != Out {
			t.Errorf("thread %+v", texts)
		}
		heads, err := s.ListThreads(t.Context(), ours, time.Time{}, 10)
		s.must(err)
		if heads[0].Unread != 0 {
			t.Error("the thread is unread after it was answered")
		}
		s.in(func(ctx context.Context, tx *Tx) error {
			_, _, err := tx.RevokeConsent(ctx, ours, ann, Revocation{Logged: true})
			return err
		})
		if _, err := s.AddReply(t.Context(), ours, id, "one more", time.Hour); !errors.Is(err, ErrNotJoined) {
			t.Errorf("an answer to one who stopped: %v", err)
		}
		if _, err := s.AddReply(t.Context(), ours, 999, "hi", time.Hour); !errors.Is(err, ErrNotFound) {
			t.Errorf("an answer to nobody: %v", err)
		}
		if _, err := s.AddReply(t.Context(), ours, id, strings.Repeat("x", 401), time.Hour); !errors.Is(err, ErrInvalid) {
			t.Errorf("an answer that is too long: %v", err)
		}
		if rows := s.outbox(); len(rows) != 0 {
			t.Errorf("outbox %v", rows)
		}
		if texts, err := s.Thread(t.Context(), ours, id, 10); err != nil || len(texts) != 2 {
			t.Errorf("thread %+v, %v", texts, err)
		}
	})
}

func TestCheckTextCountsWhatALeaderSees(t *testing.T) {
	for name, c := range map[string]struct{ text, want, problem string }{
		"trimmed":              {" hi\n", "hi", ""},
		"400 letters":          {strings.Repeat("a", 400), strings.Repeat("a", 400), ""},
		"401 letters":          {strings.Repeat("a", 401), "", "401 characters"},
		"400 families":         {strings.Repeat("👨‍👩‍👧", 400), strings.Repeat("👨‍👩‍👧", 400), ""},
		"10,000 letters":       {strings.Repeat("a", 10_000), "", "10000 characters"},
		"a million":            {strings.Repeat("a", 1_000_000), "", "1000000 octets"},
		"empty":                {"", "", "empty"},
		"white space":          {" \n\t", "", "empty"},
		"not UTF-8":            {"\xff", "", "UTF-8"},
		"a zero":               {"a\x00b", "", "zero octet"},
		"lines inside a text":  {"a\nb", "a\nb", ""},
		"combining characters": {strings.Repeat("e\u0301", 400), strings.Repeat("e\u0301", 400), ""},
	} {
		got, err := CheckText(c.text)
		if c.problem == "" && (err != nil || got != c.want) {
			t.Errorf("%s: %d octets, %v", name, len(got), err)
		}
		if c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem) || !errors.Is(err, ErrInvalid)) {
			t.Errorf("%s: error %v, want one about %q", name, err, c.problem)
		}
	}
}

func TestGroupsBelongToTheLeader(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		ctx := t.Context()
		a, b := s.join(ann, Profile{}), s.join(bob, Profile{})
		if n, err := s.AddToGroup(ctx, ours, " VIP ", []message.MemberID{a, b, a, 999}); err != nil || n != 2 {
			t.Errorf("added %d, %v", n, err)
		}
		if n, err := s.AddToGroup(ctx, ours, "vip", []message.MemberID{a}); err != nil || n != 0 {
			t.Errorf("added %d again, %v", n, err)
		}
		if n, err := s.RemoveFromGroup(ctx, ours, "Vip", []message.MemberID{a, 999}); err != nil || n != 1 {
			t.Errorf("removed %d, %v", n, err)
		}
		all, err := s.Groups(ctx, ours)
		s.must(err)
		if len(all) != 1 || all[0] != (Group{"VIP", 1}) {
			t.Errorf("groups %+v", all)
		}
		if all, err := s.Groups(ctx, theirs); err != nil || len(all) > 0 {
			t.Errorf("another leader's groups %+v, %v", all, err)
		}
		if _, err := s.AddToGroup(ctx, bob, "vip", nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("a group of a number that is not ours: %v", err)
		}
		for _, bad := range []string{"", "  ", "a;b", `a"b`, strings.Repeat("x", 61), "a\tb"} {
			if _, err := s.AddToGroup(ctx, ours, bad, nil); !errors.Is(err, ErrInvalid) {
				t.Errorf("group %q: %v", bad, err)
			}
		}
	})
}
