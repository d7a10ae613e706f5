package community

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// told returns what the outbox has for the topics consent and members.
func (f *fixture) told() (consent []record.Consent, members []record.Member) {
	f.t.Helper()
	for _, row := range f.outbox() {
		switch row.Topic {
		case record.TopicConsent:
			c, err := record.DecodeConsent(row.Value)
			f.must(err)
			if string(row.Key) != string(record.ConsentKey(c.Number, c.Phone)) || row.Partition != c.Phone.Partition(12) {
				f.t.Errorf("consent of %v under key %q in partition %d", c.Phone, row.Key, row.Partition)
			}
			consent = append(consent, c)
		case record.TopicMembers:
			m, err := record.DecodeMembers(row.Value)
			f.must(err)
			members = append(members, m.Entries...)
		}
	}
	return consent, members
}

func TestJoiningStoresProfileConsentAndEvidence(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		profile := Profile{FirstName: "Ann", LastName: "Łukasz", City: "Chicago", State: "IL", Country: "US", Birth: NewDate(1990, 2, 28), Gender: "f", Email: "ann@example.com", Language: "en"}
		e := Evidence{
			Method: "form", Disclosure: "I agree", TextVersion: "3", PageURL: "https://x/j", IP: "192.0.2.1", UserAgent: "Mozilla",
			MessageID: "m1", Words: "w", Source: "s", At: s.at.Add(-time.Minute),
		}
		var j Joining
		s.in(func(ctx context.Context, tx *Tx) (err error) {
			j, err = tx.JoinMember(ctx, ours, ann, profile, e)
			return err
		})
		if !j.New || j.Rejoined || j.Already || j.Consent != Joined || !j.Joined.Equal(e.At) || !j.Since.Equal(e.At) {
			t.Errorf("joining %+v", j)
		}
		found := s.standing(ann)
		if diff := cmp.Diff(profile, found.Member.Profile); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(j.Membership, found); diff != "" {
			t.Error(diff)
		}
		kept, err := s.EvidenceOf(t.Context(), found.Member.ID)
		s.must(err)
		if diff := cmp.Diff([]KeptEvidence{{Joined, ours, e}}, kept); diff != "" {
			t.Error(diff)
		}
		consent, members := s.told()
		if len(consent) != 0 {
			t.Errorf("the engines were told %v, of someone who had not revoked", consent)
		}
		want := []record.Member{{
			Member: found.Member.ID, City: found.Member.CityID, CityName: "Chicago", Region: "IL", Birth: int32(NewDate(1990, 2, 28) - unixEpoch),
			Gender: 'f', Language: [2]byte{'e', 'n'}, Joined: e.At.UnixMilli(), At: started,
		}}
		if diff := cmp.Diff(want, members); diff != "" {
			t.Error(diff)
		}
		// With another number the same person is a stranger.
		if m, err := s.FindMember(t.Context(), theirs, ann); err != nil || m.Consent != Stranger || m.Member.ID != found.Member.ID {
			t.Errorf("with another number: %+v, %v", m, err)
		}
	})
}

func TestConsentMovesAsPeopleAsk(t *testing.T) {
	type step struct {
		do   string
		want Consent
		told []bool // revoked, as the engines hear it
	}
	cases := map[string][]step{
		"a stranger is invited and joins":         {{"invite", Invited, nil}, {"invite", Invited, nil}, {"join", Joined, nil}, {"invite", Joined, nil}},
		"a stranger's STOP is kept":               {{"stop", Stopped, nil}, {"invite", Stopped, nil}},
		"a STOP by text is in the log already":    {{"join", Joined, nil}, {"stop", Stopped, nil}, {"stop", Stopped, nil}},
		"a revocation in the console is told":     {{"join", Joined, nil}, {"console", Stopped, []bool{true}}, {"console", Stopped, nil}},
		"the form ends a revocation":              {{"join", Joined, nil}, {"stop", Stopped, nil}, {"join", Joined, []bool{false}}},
		"START after joining and STOP joins":      {{"join", Joined, nil}, {"stop", Stopped, nil}, {"start", Joined, []bool{false}}, {"start", Joined, nil}},
		"START of one who never joined invites":   {{"stop", Stopped, nil}, {"start", Invited, []bool{false}}, {"start", Invited, nil}},
		"START of a stranger invites":             {{"start", Invited, nil}},
		"joined, stopped by console, START joins": {{"join", Joined, nil}, {"console", Stopped, []bool{true}}, {"start", Joined, []bool{false}}},
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			eachDatabase(t, func(t *testing.T, s *fixture) {
				for i, step := range steps {
					s.at = s.at.Add(time.Minute)
					s.in(func(ctx context.Context, tx *Tx) (err error) {
						switch step.do {
						case "invite":
							_, err = tx.Invite(ctx, ours, ann, Evidence{Method: "text"})
						case "join":
							_, err = tx.JoinMember(ctx, ours, ann, Profile{FirstName: "Ann"}, Evidence{Method: "form"})
						case "start":
							_, err = tx.RejoinMember(ctx, ours, ann, Evidence{Method: "text", Words: "START"})
						case "stop":
							_, _, err = tx.RevokeConsent(ctx, ours, ann, Revocation{Evidence: Evidence{Method: "text", Words: "Stop!"}, Logged: true})
						case "console":
							_, _, err = tx.RevokeConsent(ctx, ours, ann, Revocation{Evidence: Evidence{Method: "console"}})
						}
						return err
					})
					if got := s.standing(ann).Consent; got != step.want {
						t.Fatalf("step %d, %s: %q, want %q", i, step.do, got, step.want)
					}
					consent, _ := s.told()
					var told []bool
					for _, c := range consent {
						told = append(told, c.Revoked)
						if c.Number != ours || c.Phone != ann || c.At != s.at.UnixMilli() || c.Why == "" {
							t.Errorf("step %d, %s: told %+v", i, step.do, c)
						}
					}
					if diff := cmp.Diff(step.told, told); diff != "" {
						t.Errorf("step %d, %s: told the engines %v", i, step.do, diff)
					}
				}
			})
		})
	}
}

func TestEvidenceOfEveryChangeStays(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		id := s.join(ann, Profile{})
		s.at = s.at.Add(time.Hour)
		s.in(func(ctx context.Context, tx *Tx) error {
			_, before, err := tx.RevokeConsent(ctx, ours, ann, Revocation{Evidence: Evidence{Method: "text", Words: "please stop", MessageID: "inbound/3/7"}, Logged: true})
			if before != Joined {
				t.Errorf("stood at %q before", before)
			}
			return err
		})
		s.at = s.at.Add(time.Hour)
		s.join(ann, Profile{})
		kept, err := s.EvidenceOf(t.Context(), id)
		s.must(err)
		var kinds []Consent
		for _, k := range kept {
			kinds = append(kinds, k.Kind)
		}
		if diff := cmp.Diff([]Consent{Joined, Stopped, Joined}, kinds); diff != "" || kept[1].Words != "please stop" || kept[1].MessageID != "inbound/3/7" {
			t.Errorf("%s %+v", diff, kept)
		}
	})
}

func TestAMemberIsMadeOnceHoweverManyAskAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		var wg sync.WaitGroup
		ids := make([]message.MemberID, 8)
		for i := range ids {
			wg.Go(func() {
				err := s.InTx(t.Context(), func(tx *Tx) error {
					j, err := tx.JoinMember(t.Context(), ours, ann, Profile{FirstName: "Ann", City: "Chicago", State: "IL"}, Evidence{Method: "form"})
					ids[i] = j.Member.ID
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id == 0 || id != ids[0] {
				t.Errorf("ids %v", ids)
				break
			}
		}
	})
}

func TestWhoIsDeletedLeavesOnlyARevocation(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		stays := s.join(bob, Profile{FirstName: "Bob"})
		gone := s.join(ann, Profile{FirstName: "Ann"})
		for _, id := range []message.MemberID{stays, gone} {
			_, err := s.AddToGroup(t.Context(), ours, "vip", []message.MemberID{id})
			s.must(err)
			s.in(func(ctx context.Context, tx *Tx) error {
				_, err := tx.AppendText(ctx, ours, id, Text{Direction: In, Text: "hi"})
				return err
			})
		}
		s.in(func(ctx context.Context, tx *Tx) error {
			_, _, err := tx.RevokeConsent(ctx, ours, bob, Revocation{Evidence: Evidence{Method: "text", Words: "STOP"}, Logged: true})
			return err
		})
		s.outbox()
		for _, id := range []message.MemberID{stays, gone} {
			s.in(func(ctx context.Context, tx *Tx) error { return tx.DeleteMember(ctx, id) })
			if texts, err := s.Thread(t.Context(), ours, id, 10); err != nil || len(texts) > 0 {
				t.Errorf("texts stay: %v, %v", texts, err)
			}
		}
		if m := s.standing(bob); m.Consent != Stopped || m.Member.FirstName != "" || m.Member.ID != stays {
			t.Errorf("who had revoked: %+v", m)
		}
		if m := s.standing(ann); m.Member.ID != 0 {
			t.Errorf("who had not: %+v", m)
		}
		if kept, err := s.EvidenceOf(t.Context(), gone); err != nil || len(kept) > 0 {
			t.Errorf("evidence stays: %v, %v", kept, err)
		}
		if kept, err := s.EvidenceOf(t.Context(), stays); err != nil || len(kept) != 1 || kept[0].Words != "STOP" {
			t.Errorf("evidence of who had revoked: %v, %v", kept, err)
		}
		if g, err := s.Groups(t.Context(), ours); err != nil || len(g) != 1 || g[0].Members != 0 {
			t.Errorf("groups %v, %v", g, err)
		}
		_, members := s.told()
		if len(members) != 2 || !members[0].Deleted || members[0].CityName != "" {
			t.Errorf("analytics was told %+v", members)
		}
		err := s.InTx(t.Context(), func(tx *Tx) error { return tx.DeleteMember(t.Context(), gone) })
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("deleting twice: %v", err)
		}
		if id := s.join(ann, Profile{}); id == gone {
			t.Error("the id of someone deleted came back")
		}
	})
}

func TestAPhoneOrNumberThatIsNoneIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		err := s.InTx(t.Context(), func(tx *Tx) error {
			_, err := tx.JoinMember(t.Context(), ours, 5, Profile{}, Evidence{})
			return err
		})
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("phone 5: %v", err)
		}
		err = s.InTx(t.Context(), func(tx *Tx) error {
			_, err := tx.JoinMember(t.Context(), bob, ann, Profile{}, Evidence{})
			return err
		})
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("a number that is not ours: %v", err)
		}
		if _, err := s.Member(t.Context(), ours, 77); !errors.Is(err, ErrNotFound) {
			t.Errorf("member 77: %v", err)
		}
	})
}
