package route

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
)

func TestAnExplanationTellsWhatEachPieceOfEvidenceCameTo(t *testing.T) {
	made := table(t, rules())
	got := made.Explain(ours, 13125550123, []Finding{
		{message.EvidenceImport, "beta"}, {message.EvidenceLookup, "delta"}, {message.EvidenceSeen, "nobody"},
	}, 0)
	want := Explanation{
		Number: ours, Phone: 13125550123, Network: "tmo", NetworkFrom: message.EvidencePrefix, Rule: "t-mobile",
		Evidence: []Weighed{
			{message.EvidenceLookup, "delta", false, "a carrier that the number may not use"},
			{message.EvidenceSeen, "nobody", false, "no carrier and no network of the configuration has this name"},
			{message.EvidenceImport, "beta", true, "a carrier that the number may use: it is tried before the rules'"},
			{message.EvidencePrefix, "+13125550 tmo", true, "the longest prefix: the member's network, by which rules are chosen"},
		},
		Choices: []Place{
			{"beta", 0, 1, 1, message.EvidenceImport}, {"gamma", 1, 1, 1, message.EvidenceNone}, {"acme", 2, 1, 1, message.EvidenceNone},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := made.Explain(1, 13125550123, nil, 0); got.Problem != "the number is not configured" {
		t.Error(got.Problem)
	}
}

func TestAnExplanationOfARuleThatAllowsOnlyItsOwn(t *testing.T) {
	got := table(t, rules()).Explain(other, 442070000000, []Finding{{message.EvidenceLookup, "vodafone"}, {message.EvidenceSeen, "beta"}}, 2)
	if got.Rule != "other to britain" || !got.Only || got.Country != "44" || len(got.Choices) != 1 || len(got.Evidence) != 2 {
		t.Errorf("%+v", got)
	}
	for _, w := range got.Evidence {
		if w.Source == message.EvidenceSeen && (w.Used || w.Why != `a carrier, but rule "other to britain" allows only its own`) {
			t.Errorf("%+v", w)
		}
	}
}

// TestAnExplanationAgreesWithTheChoices: the two must never tell different
// stories.
func TestAnExplanationAgreesWithTheChoices(t *testing.T) {
	made := table(t, rules())
	names := []string{"", "acme", "beta", "gamma", "delta", "att", "tmo", "vodafone", "nobody"}
	for _, number := range []message.Phone{ours, other} {
		for _, phone := range []message.Phone{13125550123, 13124440123, 12125550123, 442070000000, 447700900123, 18765550123} {
			for source := message.EvidenceImport; source <= message.EvidenceLookup; source++ {
				for _, name := range names {
					for learned := range uint16(5) {
						var findings []Finding
						if name != "" {
							findings = []Finding{{source, name}}
						}
						e := made.Explain(number, phone, findings, learned)
						room := made.Choices(nil, Query{Number: number, Phone: phone, Hint: name, Source: source, Learned: learned})
						for i, c := range room {
							if e.Choices[i].Carrier != made.Carriers()[c.Carrier] || e.Choices[i].Group != int(c.Group) {
								t.Fatalf("%v %v %s %q %d: %v and %s", number, phone, source, name, learned, e.Choices, order(made, room))
							}
						}
						if len(room) != len(e.Choices) {
							t.Fatal(len(room), len(e.Choices))
						}
					}
				}
			}
		}
	}
}

func TestTheStrongestUsableFindingIsTheHint(t *testing.T) {
	made := table(t, rules())
	for _, c := range []struct {
		findings []Finding
		want     string
	}{
		{nil, ""},
		{[]Finding{{message.EvidenceImport, "att"}, {message.EvidenceSeen, "beta"}}, "beta"},
		{[]Finding{{message.EvidenceSeen, "beta"}, {message.EvidenceLookup, "delta"}}, "beta"},
		{[]Finding{{message.EvidenceSeen, "beta"}, {message.EvidenceLookup, "tmo"}}, "tmo"},
		{[]Finding{{message.EvidenceSeen, "beta"}, {message.EvidenceLookup, "att"}}, "beta"},
		{[]Finding{{message.EvidenceImport, "vodafone"}, {message.EvidenceLookup, "att"}}, "att"},
		{[]Finding{{message.EvidenceSeen, "nobody"}}, ""},
	} {
		if got := made.Best(ours, c.findings); got.Name != c.want {
			t.Errorf("%v: %v, want %s", c.findings, got, c.want)
		}
	}
}
