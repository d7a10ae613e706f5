package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/google/go-cmp/cmp"

	"fanline/community"
	"fanline/engine/message"
)

// drawer is settings in a map.
type drawer map[string]string

func (d drawer) Setting(_ context.Context, name string) (string, error) {
	if value, ok := d[name]; ok {
		return value, nil
	}
	return "", community.ErrNotFound
}

func (d drawer) SetSetting(_ context.Context, name, value string) error {
	d[name] = value
	return nil
}

func TestADemoGoesOnWhereItStoodUnlessAnotherIsAskedFor(t *testing.T) {
	stood := func() demoState {
		return demoState{
			Members: 500, Seed: 3, Simulated: true, Run: 1, Fans: 2, Phones: map[string]string{roleFirst: "+14015550100"},
			Steps: []demoStep{{stepTexts, true, 1}}, City: 1, Broadcast: 2,
		}
	}
	given := func(names ...string) map[string]bool {
		m := map[string]bool{}
		for _, n := range names {
			m[n] = true
		}
		return m
	}
	for name, test := range map[string]struct {
		had     demoState
		asked   demoOptions
		want    demoState
		resumed bool
		err     error
	}{
		"first time":    {demoState{}, demoOptions{members: 1000, seed: 1}, demoState{Members: 1000, Seed: 1, Run: 1, Phones: map[string]string{}}, false, nil},
		"same command":  {stood(), demoOptions{members: 500, seed: 3, given: given("members", "seed")}, stood(), true, nil},
		"none given":    {stood(), demoOptions{members: demoMembers, seed: 1, given: given()}, stood(), true, nil},
		"other members": {stood(), demoOptions{members: 600, given: given("members")}, stood(), false, errOtherDemo},
		"other seed":    {stood(), demoOptions{seed: 9, given: given("seed")}, stood(), false, errOtherDemo},
		"new": {
			had: stood(), asked: demoOptions{again: true, given: given("new")},
			want: demoState{Members: 500, Seed: 3, Simulated: true, Run: 2, Fans: 2, Phones: map[string]string{}},
		},
	} {
		got := test.had
		resumed, err := got.begin(test.asked)
		if !errors.Is(err, test.err) || resumed != test.resumed {
			t.Errorf("%s: resumed %v, %v; want %v, %v", name, resumed, err, test.resumed, test.err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestTheStateOutlivesTheProcess(t *testing.T) {
	kept := drawer{}
	first := demoMemory{store: kept}
	if err := first.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := first.change(t.Context(), func(s *demoState) {
		if _, err := s.begin(demoOptions{members: 700, seed: 2}); err != nil {
			t.Error(err)
		}
		s.phone(roleFirst)
		s.Steps = append(s.Steps, demoStep{stepTexts, true, 12.5})
		s.Broadcast = 4
	})
	if err != nil {
		t.Fatal(err)
	}
	second := demoMemory{store: kept}
	if err := second.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.state, second.state); diff != "" {
		t.Errorf("(-kept +loaded)\n%s", diff)
	}
	if !second.taken(stepTexts) || second.taken(stepLink) {
		t.Error("the wrong steps are taken")
	}
	kept[demoSetting] = "{"
	if err := second.load(t.Context()); err == nil || !strings.Contains(err.Error(), demoSetting) {
		t.Errorf("a broken setting: %v", err)
	}
}

func TestEachFanHasAPhoneThatNoSimulatedMemberHas(t *testing.T) {
	s := demoState{Phones: map[string]string{}}
	seen := map[string]bool{}
	for range 300 {
		for _, role := range []string{roleFirst, roleStranger, roleEarly, roleSecond} {
			p := s.phone(role)
			if phone, err := message.ParsePhone(p); err != nil || phone/10_000 != 1401555 || seen[p] {
				t.Fatalf("%s: %v, seen before: %v", p, err, seen[p])
			}
			if s.phone(role) != p {
				t.Fatalf("%s has two phones", role)
			}
			seen[p] = true
		}
		s.Phones = map[string]string{} // --new
	}
}

func TestAnotherFanTakesHerStepsAnewAndNoOthers(t *testing.T) {
	s := demoState{Phones: map[string]string{}, Steps: []demoStep{{stepTexts, true, 1}, {stepLink, true, 1}, {stepStranger, true, 1}}}
	before := s.phone(roleFirst)
	s.again(roleFirst, []string{stepTexts, stepLink})
	if s.phone(roleFirst) == before || s.taken(stepTexts) || s.taken(stepLink) || !s.taken(stepStranger) {
		t.Errorf("%+v", s)
	}
}

func TestTheJourneyIsToldInItsOrderAndEndsWithWhatFailed(t *testing.T) {
	s := demoState{Steps: []demoStep{{stepStart, true, 1}, {stepSecond, true, 2}, {stepEarlyStop, true, 3}}}
	want := []demoStep{{stepStart, true, 1}, {stepEarlyStop, true, 3}, {stepSecond, true, 2}, {stepStop, false, 4}}
	if diff := cmp.Diff(want, s.journey(&demoStep{stepStop, false, 4})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if s.finished() {
		t.Error("finished after three steps")
	}
	for _, name := range journeySteps() {
		s.Steps = append(s.Steps, demoStep{name, true, 1})
	}
	if !s.finished() {
		t.Error("not finished after all steps")
	}
}

func TestLostIsWhatOneSideHasAloneUnlessItIsUncertain(t *testing.T) {
	set := func(ids ...uint32) *roaring.Bitmap { return roaring.BitmapOf(ids...) }
	for name, test := range map[string]struct {
		submitted, uncertain, accepted, want *roaring.Bitmap
	}{
		"agreed":                      {set(1, 2, 3), set(), set(1, 2, 3), set()},
		"never reached the carrier":   {set(1, 2, 3), set(), set(1, 3), set(2)},
		"the ledger doesn't have it":  {set(1), set(), set(1, 9), set(9)},
		"uncertain, the carrier has":  {set(1), set(2), set(1, 2), set()},
		"uncertain, the carrier lost": {set(1), set(2), set(1), set()},
		"both ways":                   {set(1, 2), set(3), set(2, 3, 4), set(1, 4)},
	} {
		k := keyAccounts{submitted: test.submitted, uncertain: test.uncertain, accepted: test.accepted}
		if got := k.lost(); !got.Equals(test.want) {
			t.Errorf("%s: %v, want %v", name, got.ToArray(), test.want.ToArray())
		}
	}
}

func TestPhonesOfACityAreComparedBothWays(t *testing.T) {
	set := func(phones ...message.Phone) phoneSet {
		s := phoneSet{}
		for _, p := range phones {
			s[p] = true
		}
		return s
	}
	if err := sameSet("x", set(1, 2), set(2, 1)); err != nil {
		t.Error(err)
	}
	for _, got := range []phoneSet{set(1), set(1, 2, 3), set(1, 3), set()} {
		if err := sameSet("x", set(1, 2), got); err == nil {
			t.Errorf("%v passes for 1 and 2", got)
		}
	}
}

func TestTheVerdictNamesWhatIsWrong(t *testing.T) {
	good := func() (*demoReport, counted) {
		l := message.Ledger{Accepted: 10, Suppressed: 1, Uncertain: 1, Submitted: 8, Delivered: 7, Failed: 1}
		p := message.Ledger{Accepted: 9, Uncertain: 1, Submitted: 8, Delivered: 7, Failed: 1}
		r := &demoReport{Ledger: l, WindowsSum: 4}
		r.Parts.Accepted, r.Parts.Uncertain, r.Parts.Submitted, r.Parts.Delivered, r.Parts.Failed = 9, 1, 8, 7, 1
		return r, counted{messages: l, parts: p}
	}
	if r, c := good(); r.verdict(c) != nil {
		t.Errorf("nothing is wrong: %v", r.verdict(c))
	}
	for want, spoil := range map[string]func(r *demoReport, c *counted){
		"at rest": func(r *demoReport, c *counted) {
			r.Ledger.PendingReceipt, r.Ledger.Delivered = 1, 6
			c.messages = r.Ledger
		},
		"balance":        func(r *demoReport, c *counted) { r.Ledger.Accepted++; c.messages = r.Ledger },
		"other messages": func(r *demoReport, c *counted) { c.messages.Delivered-- },
		"other parts":    func(r *demoReport, c *counted) { c.parts.Failed++ },
		"lost":           func(r *demoReport, c *counted) { r.Lost = 1 },
		"duplicates":     func(r *demoReport, c *counted) { r.Duplicates = 5 },
		"after a STOP":   func(r *demoReport, c *counted) { r.SendsAfterStop = 1 },
	} {
		r, c := good()
		spoil(r, &c)
		if err := r.verdict(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestPeakMemoryIsReadInMegabytes(t *testing.T) {
	for status, want := range map[string]float64{
		"Name:\tfanline\nVmHWM:\t  524288 kB\nVmRSS:\t 1 kB\n": 512,
		"Name:\tfanline\n":    0,
		"VmHWM:\tmany kB\n":   0,
		"VmHWMx:\t 2048 kB\n": 0,
	} {
		if got := parsePeak(status); got != want {
			t.Errorf("%q: %v, want %v", status, got, want)
		}
	}
}

func TestAnotherSizeOfDemoGoesBesideTheOneThatIsThere(t *testing.T) {
	usual := filepath.Join(t.TempDir(), "data")
	if err := os.MkdirAll(usual, 0o700); err != nil {
		t.Fatal(err)
	}
	first := demoOptions{members: 500, seed: 1, given: map[string]bool{"members": true}}
	if got, err := demoData(usual, first); err != nil || got != usual {
		t.Fatalf("where nothing is: %q, %v", got, err)
	}
	if err := markDemo(usual, first); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    demoOptions
		want string
	}{
		{first, usual},
		{demoOptions{members: 1000, seed: 1, given: map[string]bool{}}, usual}, // the default goes on with what is there
		{demoOptions{members: 1000, seed: 1, given: map[string]bool{"members": true}}, usual + "-1000-1"},
		{demoOptions{members: 500, seed: 7, given: map[string]bool{"seed": true}}, usual + "-500-7"},
	} {
		if got, err := demoData(usual, c.o); err != nil || got != c.want {
			t.Errorf("%+v: %q, %v, want %q", c.o, got, err, c.want)
		}
	}
}
