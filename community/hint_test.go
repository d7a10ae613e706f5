package community

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// knownCarriers stands for the table of routes.
func knownCarriers(name string) (string, bool) {
	canonical, ok := map[string]string{"acme": "acme", "t-mobile": "tmo", "tmo": "tmo"}[strings.ToLower(name)]
	return canonical, ok
}

func (f *fixture) take(format Format, file string) ImportReport {
	f.t.Helper()
	report, err := f.Import(f.t.Context(), strings.NewReader(file), ImportOptions{Number: ours, Format: format, Carrier: knownCarriers})
	if err != nil {
		f.t.Fatal(err)
	}
	return report
}

func (f *fixture) ways(phone message.Phone) Ways {
	f.t.Helper()
	m, err := f.FindMember(f.t.Context(), ours, phone)
	if err != nil {
		f.t.Fatal(err)
	}
	return m.Ways
}

func TestTheColumnCarrierOfAnImportIsKept(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		report := s.take(CSV, "phone,Carrier,first_name\n+12025550123, T-Mobile ,Ann\n+12025550124,nobody,Bob\n+447700900123,,Carla\n")
		if diff := cmp.Diff(map[string]int64{"nobody": 1}, report.UnknownCarriers); diff != "" || report.Created != 3 || report.Rejected != 0 {
			t.Errorf("%+v %s", report, diff)
		}
		if s.ways(ann).Imported != "tmo" || s.ways(bob) != (Ways{}) || s.ways(carla) != (Ways{}) {
			t.Error(s.ways(ann), s.ways(bob), s.ways(carla))
		}
		if report = s.take(CSV, "phone\n+12025550123\n"); report.Unchanged != 1 || s.ways(ann).Imported != "tmo" {
			t.Errorf("a file without the column: %+v, %+v", report, s.ways(ann))
		}
		if report = s.take(CSV, "phone,carrier\n+12025550123,\n+12025550124,TMO\n"); report.Unchanged != 1 || report.Updated != 1 || s.ways(ann).Imported != "tmo" || s.ways(bob).Imported != "tmo" {
			t.Errorf("an empty field: %+v, %+v", report, s.ways(ann))
		}
		report = s.take(NDJSON, `{"phone":"+12025550123","network":"acme"}`+"\n"+`{"phone":"+12025550124","network":"acme","carrier":"t-mobile"}`+"\n")
		if report.Updated != 1 || report.Unchanged != 1 || s.ways(ann).Imported != "acme" || s.ways(bob).Imported != "tmo" {
			t.Errorf("the column network: %+v, %+v", report, s.ways(ann))
		}
	})
}

func TestAnImportTellsAtMostTwentyUnknownCarriers(t *testing.T) {
	s := newFixture(t, t.TempDir()+"/a.db")
	var file strings.Builder
	file.WriteString("phone,carrier\n")
	for i := range 3000 {
		fmt.Fprintf(&file, "+1202555%04d,somebody %d\n", i, i)
	}
	report := s.take(CSV, file.String())
	if len(report.UnknownCarriers) != 21 || report.UnknownCarriers["other"] != 2980 {
		t.Errorf("%v", report.UnknownCarriers)
	}
}

func TestTheCarrierOfATextIsKeptWhenItChanges(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		s.join(ann, Profile{})
		saw := func(carrier string, at time.Time) {
			t.Helper()
			err := s.InTx(t.Context(), func(tx *Tx) error {
				before, err := tx.FindMember(t.Context(), ours, ann)
				if err != nil {
					return err
				}
				return tx.SawCarrier(t.Context(), before, ann, carrier, at)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		want := func(carrier string, at time.Time) {
			t.Helper()
			m, err := s.FindMember(t.Context(), ours, ann)
			if err != nil || m.Ways.Seen != carrier || !m.SeenAt.Equal(at.UTC()) {
				t.Errorf("%+v at %v, %v; want %q at %v", m.Ways, m.SeenAt, err, carrier, at)
			}
		}
		begin := s.at
		saw("acme", begin)
		want("acme", begin)
		saw("acme", begin.Add(time.Hour))
		want("acme", begin) // Not written again for so little.
		saw("beta", begin.Add(2*time.Hour))
		want("beta", begin.Add(2*time.Hour))
		saw("acme", begin.Add(time.Hour))
		want("beta", begin.Add(2*time.Hour)) // An older text says nothing new.
		saw("beta", begin.Add(2*time.Hour+seenRenew))
		want("beta", begin.Add(2*time.Hour+seenRenew))
		s.at = begin.Add(seenRenew + seenFor + 2*time.Hour)
		want("", begin.Add(2*time.Hour+seenRenew)) // Too long ago to count.
	})
}

func TestRecipientsCarryTheStrongestUsableHint(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		s.take(CSV, "phone,carrier\n+12025550123,tmo\n+12025550124,acme\n+447700900123,\n+12025550125,tmo\n")
		id := func(phone message.Phone) message.MemberID {
			m, err := s.FindMember(t.Context(), ours, phone)
			if err != nil {
				t.Fatal(err)
			}
			return m.Member.ID
		}
		err := s.InTx(t.Context(), func(tx *Tx) error {
			return errors.Join(
				tx.SawCarrier(t.Context(), Membership{Number: ours}, bob, "beta", s.at),
				tx.SawCarrier(t.Context(), Membership{Number: ours}, ann, "beta", s.at.Add(-seenFor-time.Hour)))
		})
		if err != nil {
			t.Fatal(err)
		}
		looked := []Looked{{id(carla), "att", s.at.Add(time.Hour)}, {id(bob), "", s.at.Add(time.Hour)}, {id(ann), "att", s.at}}
		if err := s.SaveLookups(t.Context(), looked); err != nil {
			t.Fatal(err)
		}
		ids := []message.MemberID{id(ann), id(bob), id(carla), id(12025550125), 99}
		want := []record.Hint{
			{Name: "tmo", Source: message.EvidenceImport}, // The lookup and the text are too old.
			{Name: "beta", Source: message.EvidenceSeen},  // The lookup found nothing.
			{Name: "att", Source: message.EvidenceLookup}, //
			{Name: "tmo", Source: message.EvidenceImport}, //
			{},
		}
		read := func(sparse ...message.MemberID) (out []record.Hint) {
			rs, _, hints, err := s.Recipients(t.Context(), ours, nil, sparse, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			b := record.Block{Hints: hints, Recipients: rs}
			for i := range rs {
				out = append(out, b.HintOf(i))
			}
			return out
		}
		if diff := cmp.Diff(want[:4], read(ids[:4]...)); diff != "" {
			t.Error("a range:", diff)
		}
		if diff := cmp.Diff(want, read(ids...)); diff != "" {
			t.Error("single look-ups:", diff)
		}
		s.hint = func(number message.Phone, w Ways) record.Hint {
			if number != ours {
				t.Error(number)
			}
			if w.Seen == "beta" && w.Imported == "acme" {
				return record.Hint{Name: "acme", Source: message.EvidenceImport}
			}
			return record.Hint{}
		}
		if diff := cmp.Diff([]record.Hint{{}, {Name: "acme", Source: message.EvidenceImport}, {}, {}}, read(ids[:4]...)); diff != "" {
			t.Error("chosen by the program:", diff)
		}
	})
}

func TestMoreHintsThanABlockHoldsAreLeftOut(t *testing.T) {
	h := hinter{names: map[int64]string{}, choose: func(_ message.Phone, w Ways) record.Hint { return w.Best() }, found: map[ways]uint8{}}
	for i := range int64(300) {
		h.names[i+1] = fmt.Sprint("network ", i)
	}
	for i := range int32(300) {
		want := uint8(i + 1)
		if i >= record.MaxHints {
			want = 0
		}
		if got := h.hint(ways{imported: i + 1}); got != want {
			t.Fatalf("hint %d: %d, want %d", i, got, want)
		}
	}
	if len(h.hints) != record.MaxHints {
		t.Error(len(h.hints))
	}
}

func TestLookupsAreDueForWhoJoinedAndIsNotKnown(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		s.take(CSV, "phone\n+12025550123\n+12025550124\n+447700900123\n")
		err := s.InTx(t.Context(), func(tx *Tx) error {
			_, err := tx.Invite(t.Context(), ours, 12025550199, Evidence{})
			if err != nil {
				return err
			}
			_, _, err = tx.RevokeConsent(t.Context(), ours, bob, Revocation{})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		last, err := s.LastMember(t.Context())
		if err != nil || last != 4 {
			t.Fatal(last, err)
		}
		due := func(after message.MemberID, limit int) (phones []message.Phone) {
			all, err := s.LookupsDue(t.Context(), after, last, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range all {
				phones = append(phones, d.Phone)
			}
			return phones
		}
		if diff := cmp.Diff([]message.Phone{ann, carla}, due(0, 10)); diff != "" {
			t.Error("neither an invited one nor one who stopped:", diff)
		}
		if diff := cmp.Diff([]message.Phone{carla}, due(1, 10)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]message.Phone{ann}, due(0, 1)); diff != "" {
			t.Error(diff)
		}
		if err := s.SaveLookups(t.Context(), []Looked{{1, "att", s.at.Add(time.Hour)}}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]message.Phone{carla}, due(0, 10)); diff != "" {
			t.Error(diff)
		}
		s.at = s.at.Add(time.Hour)
		if diff := cmp.Diff([]message.Phone{ann, carla}, due(0, 10)); diff != "" {
			t.Error("its time is over:", diff)
		}
	})
}

func TestAnErasedMemberLeavesNoWay(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		s.take(CSV, "phone,carrier\n+12025550123,tmo\n")
		err := s.InTx(t.Context(), func(tx *Tx) error {
			if err := tx.SawCarrier(t.Context(), Membership{Number: ours}, ann, "acme", s.at); err != nil {
				return err
			}
			if _, _, err := tx.RevokeConsent(t.Context(), ours, ann, Revocation{}); err != nil {
				return err
			}
			return tx.DeleteMember(t.Context(), 1)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.ways(ann); got != (Ways{}) {
			t.Error(got)
		}
	})
}

func TestASingleTextCarriesHintAndPolicy(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		policy := Retry{Routes: 2, On: record.RetryFailed}
		if err := s.SyncNumbers(t.Context(), []Number{{Number: ours, Kind: "long_code", Leader: "demo", Retry: policy}}); err != nil {
			t.Fatal(err)
		}
		s.take(CSV, "phone,carrier\n+12025550123,tmo\n")
		if _, err := s.AddReply(t.Context(), ours, 1, "Hi", time.Hour); err != nil {
			t.Fatal(err)
		}
		rows, err := s.OutboxNext(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		job, err := record.DecodeJob(rows[len(rows)-1].Value)
		if err != nil || job.Single == nil {
			t.Fatal(err)
		}
		if got := job.Single; got.Hint != (record.Hint{Name: "tmo", Source: message.EvidenceImport}) || got.Retry != policy {
			t.Errorf("%+v", got)
		}
		err = s.InTx(t.Context(), func(tx *Tx) error {
			_, err := tx.Send(t.Context(), record.Single{Number: ours, Phone: ann, Class: message.ClassStop, Text: "You are out."})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if rows, err = s.OutboxNext(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		if job, err = record.DecodeJob(rows[len(rows)-1].Value); err != nil || job.Single.Retry != (Retry{}) {
			t.Errorf("a confirmation of STOP: %+v, %v", job.Single, err)
		}
	})
}

func TestABroadcastHasItsNumbersPolicyUnlessItSaysOtherwise(t *testing.T) {
	eachDatabase(t, func(t *testing.T, s *fixture) {
		policy := Retry{Routes: 1, On: record.RetryFailed | record.RetryExpired}
		if err := s.SyncNumbers(t.Context(), []Number{{Number: ours, Kind: "long_code", Leader: "demo", Retry: policy}}); err != nil {
			t.Fatal(err)
		}
		s.take(CSV, "phone\n+12025550123\n")
		make := func(own *Retry) message.BroadcastID {
			b, err := s.CreateBroadcast(t.Context(), NewBroadcast{Number: ours, Text: "Hi", Audience: "all", Validity: time.Hour, Retry: own})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.StartBroadcast(t.Context(), b.ID); err != nil {
				t.Fatal(err)
			}
			return b.ID
		}
		want := map[message.BroadcastID]Retry{make(nil): policy, make(&Retry{}): {}, make(&Retry{Routes: 3, On: record.RetryRejected}): {Routes: 3, On: record.RetryRejected}}
		heads, err := s.Sending(t.Context())
		if err != nil || len(heads) != 3 {
			t.Fatal(heads, err)
		}
		for _, b := range heads {
			if b.Retry != want[b.Broadcast] {
				t.Errorf("broadcast %d: %+v, want %+v", b.Broadcast, b.Retry, want[b.Broadcast])
			}
		}
	})
}

func TestPoliciesOfRetriesAreReadAsTheyAreWritten(t *testing.T) {
	all := record.RetryFailed | record.RetryRejected | record.RetryExpired
	for in, want := range map[string]Retry{
		"never":                         {},
		"other-route":                   {Routes: 1, On: all},
		"other-route:failed":            {Routes: 1, On: record.RetryFailed},
		"other-route:failed, expired:3": {Routes: 3, On: record.RetryFailed | record.RetryExpired},
		"other-route::8":                {Routes: 8, On: all},
	} {
		got, err := ParseRetry(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
		if again, err := ParseRetry(RetryText(got)); err != nil || again != got {
			t.Errorf("%q is written %q, which is read as %+v, %v", in, RetryText(got), again, err)
		}
	}
	for _, in := range []string{"", "always", "other-route:lost", "other-route:failed:0", "other-route:failed:9", "other-route:failed:x"} {
		if got, err := ParseRetry(in); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %+v, %v", in, got, err)
		}
	}
}
