package community

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// draft makes a broadcast from ours.
func (f *fixture) draft(audience, text string) Broadcast {
	f.t.Helper()
	b, err := f.CreateBroadcast(f.t.Context(), NewBroadcast{Number: ours, Text: text, Audience: audience, Policy: message.AtLeastOnce, Validity: time.Hour})
	f.must(err)
	return b
}

// controls returns what the outbox has for the topic control.
func (f *fixture) controls() []record.Control {
	f.t.Helper()
	var all []record.Control
	for _, row := range f.outbox() {
		if row.Topic == record.TopicControl {
			c, err := record.DecodeControl(row.Value)
			f.must(err)
			all = append(all, c)
		}
	}
	return all
}

func TestStartFixesTheAudienceByPartition(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		want := map[int32][]uint32{}
		for i := range 300 {
			phone := message.Phone(12025550000 + i)
			id := s.join(phone, Profile{City: []string{"Chicago", "Boise"}[i%2], State: []string{"IL", "ID"}[i%2]})
			if i%2 == 0 {
				want[phone.Partition(12)] = append(want[phone.Partition(12)], uint32(id))
			}
		}
		s.outbox()
		b := s.draft("city=chicago", "hi")
		if b.State != Draft || b.Epoch != 0 || !b.Deadline().IsZero() || len(s.outbox()) > 0 {
			t.Errorf("draft %+v", b)
		}
		s.at = s.at.Add(time.Minute)
		b, err := s.StartBroadcast(t.Context(), b.ID)
		s.must(err)
		if b.State != Sending || b.Epoch != 1 || b.Total != 150 || !b.Started.Equal(s.at) || !b.Deadline().Equal(s.at.Add(time.Hour)) {
			t.Errorf("started %+v", b)
		}
		stored, err := s.Broadcast(t.Context(), b.ID)
		s.must(err)
		if diff := cmp.Diff(b, stored); diff != "" {
			t.Error(diff)
		}
		// Whoever comes now is not in it.
		s.join(12025551000, Profile{City: "Chicago", State: "IL"})
		sets, err := s.Audience(t.Context(), b.ID)
		s.must(err)
		totals, err := s.Totals(t.Context(), b.ID)
		s.must(err)
		for p, set := range sets {
			if !slices.Equal(set.ToArray(), want[int32(p)]) || int(totals[p]) != len(want[int32(p)]) {
				t.Errorf("partition %d: members %v, total %d, want %v", p, set.ToArray(), totals[p], want[int32(p)])
			}
		}
		controls := s.controls()
		if diff := cmp.Diff([]record.Control{{Broadcast: b.ID, Epoch: 1, Action: record.Start, At: s.at.UnixMilli(), Totals: totals}}, controls); diff != "" {
			t.Error(diff)
		}
		again, err := s.StartBroadcast(t.Context(), b.ID)
		if err != nil || again.Epoch != 1 || len(s.controls()) != 0 {
			t.Errorf("started again: %+v, %v", again, err)
		}
	})
}

func TestABroadcastMovesOnlyAsItMay(t *testing.T) {
	type step struct {
		do    string
		state BroadcastState
		epoch message.Epoch
		fails bool
		told  record.Action // 0: nothing
	}
	cases := map[string][]step{
		"whole life": {
			{"start", Sending, 1, false, record.Start},
			{"pause", Paused, 2, false, record.Pause},
			{"pause", Paused, 2, false, 0},
			{"resume", Sending, 3, false, record.Resume},
			{"resume", Sending, 3, false, 0},
			{"sent", Sent, 3, false, 0},
			{"pause", Sent, 3, true, 0},
			{"cancel", Sent, 3, true, 0},
			{"start", Sent, 3, true, 0},
		},
		"cancelled while sending": {{"start", Sending, 1, false, record.Start}, {"cancel", Cancelled, 2, false, record.Cancel}, {"resume", Cancelled, 2, true, 0}, {"cancel", Cancelled, 2, false, 0}},
		"cancelled while paused":  {{"start", Sending, 1, false, record.Start}, {"pause", Paused, 2, false, record.Pause}, {"cancel", Cancelled, 3, false, record.Cancel}, {"sent", Cancelled, 3, false, 0}},
		"cancelled as a draft":    {{"pause", Draft, 0, true, 0}, {"cancel", Cancelled, 0, false, 0}, {"start", Cancelled, 0, true, 0}},
		"sent of an older epoch":  {{"start", Sending, 1, false, record.Start}, {"pause", Paused, 2, false, record.Pause}, {"resume", Sending, 3, false, record.Resume}, {"sent1", Sending, 3, false, 0}},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, s *fixture) {
				ctx := t.Context()
				s.join(ann, Profile{})
				s.outbox()
				b := s.draft("all", "hi")
				for i, step := range steps {
					var err error
					switch step.do {
					case "start":
						_, err = s.StartBroadcast(ctx, b.ID)
					case "pause":
						_, err = s.PauseBroadcast(ctx, b.ID)
					case "resume":
						_, err = s.ResumeBroadcast(ctx, b.ID)
					case "cancel":
						_, err = s.CancelBroadcast(ctx, b.ID)
					case "sent":
						err = s.MarkSent(ctx, b.ID, step.epoch)
					case "sent1":
						err = s.MarkSent(ctx, b.ID, 1)
					}
					if (err != nil) != step.fails || step.fails && !errors.Is(err, ErrState) {
						t.Fatalf("step %d, %s: error %v", i, step.do, err)
					}
					now, err := s.Broadcast(ctx, b.ID)
					s.must(err)
					if now.State != step.state || now.Epoch != step.epoch {
						t.Fatalf("step %d, %s: %s in epoch %d, want %s in %d", i, step.do, now.State, now.Epoch, step.state, step.epoch)
					}
					if over := now.State == Sent || now.State == Cancelled; now.Ended.IsZero() == over {
						t.Errorf("step %d, %s: ended %v", i, step.do, now.Ended)
					}
					var told record.Action
					for _, c := range s.controls() {
						told = c.Action
						if c.Epoch != step.epoch || len(c.Totals) != 12 {
							t.Errorf("step %d, %s: told %+v", i, step.do, c)
						}
					}
					if told != step.told {
						t.Errorf("step %d, %s: the owners were told %v, want %v", i, step.do, told, step.told)
					}
				}
			})
		})
	}
}

func TestOnlyBroadcastsThatWereStartedCount(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		ctx := t.Context()
		s.join(ann, Profile{})
		want := func(all, unfinished int64) {
			t.Helper()
			if a, u, err := s.Started(ctx); err != nil || a != all || u != unfinished {
				t.Errorf("%d started, %d of them unfinished, %v; want %d and %d", a, u, err, all, unfinished)
			}
		}
		draft, sent, paused, cancelled := s.draft("all", "a"), s.draft("all", "b"), s.draft("all", "c"), s.draft("all", "d")
		want(0, 0)
		for _, b := range []Broadcast{sent, paused, cancelled} {
			_, err := s.StartBroadcast(ctx, b.ID)
			s.must(err)
		}
		want(3, 3)
		s.must(s.MarkSent(ctx, sent.ID, 1))
		_, err := s.PauseBroadcast(ctx, paused.ID)
		s.must(err)
		for _, id := range []message.BroadcastID{cancelled.ID, draft.ID} {
			_, err = s.CancelBroadcast(ctx, id)
			s.must(err)
		}
		want(3, 1)
	})
}

func TestWhatCannotBeSentIsNoBroadcast(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		good := NewBroadcast{Number: ours, Text: "hi", Audience: "all", Validity: time.Hour}
		for name, change := range map[string]func(*NewBroadcast){
			"no text":          func(n *NewBroadcast) { n.Text = " " },
			"10,000 letters":   func(n *NewBroadcast) { n.Text = strings.Repeat("x", 10_000) },
			"merge field":      func(n *NewBroadcast) { n.Text = "hi {{nickname}}" },
			"open merge field": func(n *NewBroadcast) { n.Text = "hi {{first_name" },
			"audience":         func(n *NewBroadcast) { n.Audience = "town=Chicago" },
			"no audience":      func(n *NewBroadcast) { n.Audience = "" },
			"no validity":      func(n *NewBroadcast) { n.Validity = 0 },
			"long validity":    func(n *NewBroadcast) { n.Validity = 1000 * time.Hour },
			"not our number":   func(n *NewBroadcast) { n.Number = bob },
		} {
			n := good
			change(&n)
			if _, err := s.CreateBroadcast(t.Context(), n); !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		b := s.draft("all", "hi")
		if _, err := s.StartBroadcast(t.Context(), b.ID); !errors.Is(err, ErrEmptyAudience) {
			t.Errorf("started without members: %v", err)
		}
		if now, err := s.Broadcast(t.Context(), b.ID); err != nil || now.State != Draft {
			t.Errorf("after that: %+v, %v", now, err)
		}
		if _, err := s.StartBroadcast(t.Context(), 99); !errors.Is(err, ErrNotFound) {
			t.Errorf("started broadcast 99: %v", err)
		}
		if _, err := s.Audience(t.Context(), b.ID); !errors.Is(err, ErrNotFound) {
			t.Errorf("audience of a draft: %v", err)
		}
	})
}

func TestBroadcastsAreListedNewestFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		s.join(ann, Profile{})
		for i := range 3 {
			s.draft("all", fmt.Sprint("text ", i))
		}
		_, err := s.StartBroadcast(t.Context(), 2)
		s.must(err)
		all, err := s.Broadcasts(t.Context(), 2)
		s.must(err)
		if len(all) != 2 || all[0].ID != 3 || all[1].ID != 2 {
			t.Errorf("broadcasts %+v", all)
		}
		heads, err := s.Sending(t.Context())
		s.must(err)
		want := []record.Block{{
			Broadcast: 2, Epoch: 1, Number: ours, Policy: message.AtLeastOnce, Deadline: s.at.Add(time.Hour).UnixMilli(), Validity: 3600, Text: "text 1",
		}}
		if diff := cmp.Diff(want, heads); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRecipientsAreReadAsTheyAreNow(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		ctx := t.Context()
		ids := make([]message.MemberID, 0, 40)
		phones := map[message.MemberID]message.Phone{}
		for i := range 40 {
			phone := message.Phone(12025550000 + i*7)
			id := s.join(phone, Profile{FirstName: fmt.Sprint("F", i), LastName: "", City: "Boise", State: "ID", Birth: NewDate(2000, 9, 1+i%30), Gender: "f", Language: "en"})
			ids, phones[id] = append(ids, id), phone
		}
		stopped, gone, invited := ids[3], ids[5], ids[8]
		s.must(s.InTx(ctx, func(tx *Tx) error {
			if _, _, err := tx.RevokeConsent(ctx, ours, phones[stopped], Revocation{Logged: true}); err != nil {
				return err
			}
			if err := tx.exec(ctx, `UPDATE consent SET state = 'invited' WHERE member = $1`, int64(invited)); err != nil {
				return err
			}
			return tx.DeleteMember(ctx, gone)
		}))
		never := message.MemberID(1_000_000)
		for name, want := range map[string][]message.MemberID{
			"a range":        ids,
			"every third":    {ids[0], ids[3], ids[5], ids[8], ids[9], ids[12]},
			"far apart":      {ids[0], gone, ids[39], never},
			"one":            {ids[7]},
			"none":           {},
			"nobody, nobody": {never, never + 1},
		} {
			before := []record.Recipient{{Member: 77}}
			rs, vs, _, err := s.Recipients(ctx, ours, []string{"first_name", "state", "last_name", "city", "first_name"}, want, before, []string{"kept"})
			s.must(err)
			if len(rs) != 1+len(want) || len(vs) != 1+5*len(want) || rs[0].Member != 77 || vs[0] != "kept" {
				t.Fatalf("%s: %d recipients, %d values", name, len(rs), len(vs))
			}
			for i, r := range rs[1:] {
				v := vs[1+5*i : 6+5*i]
				id := want[i]
				exp := record.Recipient{Member: id, Phone: phones[id], Attributes: message.Attributes{City: r.Attributes.City, Age: 26, Gender: 'f', Language: [2]byte{'e', 'n'}}}
				n := slices.Index(ids, id)
				if 1+n%30 > 21 { // Born after 21 September: not 26 yet on that day.
					exp.Attributes.Age = 25
				}
				expValues := []string{fmt.Sprint("F", n), "ID", "", "Boise", fmt.Sprint("F", n)}
				switch id {
				case stopped, invited:
					exp.Suppressed = message.ReasonStop
				case gone, never, never + 1:
					exp, expValues = record.Recipient{Member: id, Suppressed: message.ReasonLeft}, []string{"", "", "", "", ""}
				}
				if diff := cmp.Diff(exp, r); diff != "" {
					t.Errorf("%s, member %d: %s", name, id, diff)
				}
				if diff := cmp.Diff(expValues, v); diff != "" {
					t.Errorf("%s, member %d: %s", name, id, diff)
				}
			}
		}
		if _, _, _, err := s.Recipients(ctx, ours, []string{"nickname"}, ids, nil, nil); !errors.Is(err, ErrInvalid) {
			t.Errorf("an unknown merge field: %v", err)
		}
		if _, _, _, err := s.Recipients(ctx, bob, nil, ids, nil, nil); !errors.Is(err, ErrNotFound) {
			t.Errorf("a number that is not ours: %v", err)
		}
	})
}

func TestASampleIsSpreadOverTheAudience(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		var all []message.MemberID
		for i := range 25 {
			all = append(all, s.join(message.Phone(12025550000+i), Profile{}))
		}
		for n, want := range map[int][]message.MemberID{0: nil, 1: {all[0]}, 3: {all[0], all[9], all[18]}, 25: all, 100: all} {
			got, err := s.Sample(t.Context(), ours, "all", n)
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("a sample of %d is %v, %v; want %v", n, got, err, want)
			}
		}
		if got, err := s.Sample(t.Context(), ours, "city=Nowhere", 5); err != nil || got != nil {
			t.Errorf("a sample of nobody is %v, %v", got, err)
		}
	})
}

func TestAnAutomaticAnswerGoesOnceInItsTime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		id := s.join(ann, Profile{})
		for i, step := range []struct {
			kind  string
			after time.Duration
			every time.Duration
			want  bool
		}{
			{"help", 0, time.Hour, true},
			{"help", time.Minute, time.Hour, false},
			{"invite", 0, time.Hour, true},
			{"help", 59 * time.Minute, time.Hour, true},
			{"help", 0, 0, true},
			{"help", -24 * time.Hour, 0, true},
		} {
			s.at = s.at.Add(step.after)
			s.in(func(ctx context.Context, tx *Tx) error {
				got, err := tx.AnswerOnce(ctx, ours, id, step.kind, step.every)
				if got != step.want {
					t.Errorf("step %d: %t", i, got)
				}
				return err
			})
		}
	})
}

func BenchmarkRecipients(b *testing.B) {
	ctx := b.Context()
	s, err := Open(ctx, filepath.Join(b.TempDir(), "a.db"), Options{Partitions: 12})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.SyncNumbers(ctx, []Number{{Number: ours, Kind: "long_code", Leader: "demo"}}); err != nil {
		b.Fatal(err)
	}
	const n, chunk = 100_000, 8_192
	if _, err := s.Simulate(ctx, n, 1, ours, nil); err != nil {
		b.Fatal(err)
	}
	ids := make([]message.MemberID, chunk)
	var rs []record.Recipient
	var vs []string
	first := 1
	for b.Loop() {
		for i := range ids {
			ids[i] = message.MemberID(first + i)
		}
		if rs, vs, _, err = s.Recipients(ctx, ours, []string{"first_name"}, ids, rs[:0], vs[:0]); err != nil {
			b.Fatal(err)
		}
		if first += chunk; first+chunk > n {
			first = 1
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*chunk), "ns/recipient")
}
