package route

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
)

const ours, other = message.Phone(17735550100), message.Phone(447700900000)

func table(t testing.TB, c Config) *Table {
	t.Helper()
	made, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// order shows choices as names, groups apart by a bar.
func order(t *Table, choices []Choice) string {
	var out strings.Builder
	for i, c := range choices {
		if i > 0 {
			out.WriteString(map[bool]string{true: "|", false: " "}[c.Group != choices[i-1].Group])
		}
		out.WriteString(t.Carriers()[c.Carrier])
	}
	return out.String()
}

func TestWithoutRulesTheNumbersCarriersAreTriedInTheirOrder(t *testing.T) {
	made := table(t, Config{Carriers: []string{"acme", "beta", "gamma"}, Numbers: []Number{
		{Phone: ours, Carriers: []string{"gamma", "acme"}}, {Phone: other, Carriers: nil},
	}})
	got := made.Choices(nil, Query{Number: ours, Phone: 13125550123})
	if diff := cmp.Diff([]Choice{{Carrier: 2, Group: 0, Weight: 1}, {Carrier: 0, Group: 1, Weight: 1}}, got); diff != "" {
		t.Error(diff)
	}
	if got := made.Choices(nil, Query{Number: other, Phone: 13125550123}); got != nil {
		t.Error("a number without carriers:", got)
	}
	if got := made.Choices(nil, Query{Number: 1, Phone: 13125550123}); got != nil {
		t.Error("a number that is not ours:", got)
	}
}

func rules() Config {
	return Config{
		Carriers: []string{"acme", "beta", "gamma", "delta"},
		Numbers:  []Number{{Phone: ours, Carriers: []string{"acme", "beta", "gamma"}}, {Phone: other, Carriers: []string{"beta", "acme"}}},
		Networks: []Network{{Name: "tmo", Aliases: []string{"T-Mobile", "310260"}}},
		Prefixes: []Prefix{{Digits: "1312", Network: "att"}, {Digits: "13125550", Network: "tmo"}, {Digits: "4477", Network: "vodafone"}},
		Rules: []Rule{
			{Name: "only delta", Networks: []string{"att"}, Carriers: []Option{{Carrier: "delta", Weight: 1}}},
			{Name: "other to britain", Numbers: []message.Phone{other}, Countries: []string{"+44"}, Carriers: []Option{{Carrier: "acme", Weight: 1}}, Only: true},
			{Name: "t-mobile", Networks: []string{"TMO"}, Carriers: []Option{{Carrier: "gamma", Weight: 1, Priority: 5}, {Carrier: "beta", Weight: 1, Priority: 9}}},
			{Name: "britain", Countries: []string{"44"}, Carriers: []Option{{Carrier: "gamma", Weight: 1}}},
			{Name: "jamaica", Countries: []string{"1876"}, Carriers: []Option{{Carrier: "beta", Weight: 1}}},
		},
	}
}

func TestEvidenceRulesAndDefaultsFollowOneAnother(t *testing.T) {
	made := table(t, rules())
	const acme, beta, gamma, delta = 1, 2, 3, 4
	for _, c := range []struct {
		what string
		q    Query
		want string
	}{
		{"nothing is known", Query{Number: ours, Phone: 12125550123}, "acme|beta|gamma"},
		{"a network whose rule has no carrier of the number", Query{Number: ours, Phone: 13124440123}, "acme|beta|gamma"},
		{"the longest prefix names the network", Query{Number: ours, Phone: 13125550123}, "gamma|beta|acme"},
		{"a country", Query{Number: ours, Phone: 442070000000}, "gamma|acme|beta"},
		{"the longest code of a country", Query{Number: ours, Phone: 18765550123}, "beta|acme|gamma"},
		{"the first rule that fits, and only its carriers", Query{Number: other, Phone: 442070000000}, "acme"},
		{"a hint names a network", Query{Number: ours, Phone: 12125550123, Hint: "tmo", Source: message.EvidenceImport}, "gamma|beta|acme"},
		{"the hint's network goes before the prefix's", Query{Number: ours, Phone: 13125550123, Hint: "vodafone", Source: message.EvidenceImport}, "acme|beta|gamma"},
		{"a hint names a carrier", Query{Number: ours, Phone: 12125550123, Hint: "beta", Source: message.EvidenceImport}, "beta|acme|gamma"},
		{"a carrier that the number may not use", Query{Number: ours, Phone: 12125550123, Hint: "delta", Source: message.EvidenceLookup}, "acme|beta|gamma"},
		{"a name that nobody knows", Query{Number: ours, Phone: 13125550123, Hint: "nobody", Source: message.EvidenceLookup}, "gamma|beta|acme"},
		{"seen goes before imported", Query{Number: ours, Phone: 12125550123, Hint: "beta", Source: message.EvidenceImport, Learned: gamma}, "gamma|beta|acme"},
		{"looked up goes before seen", Query{Number: ours, Phone: 12125550123, Hint: "beta", Source: message.EvidenceLookup, Learned: gamma}, "beta|gamma|acme"},
		{"seen and imported agree", Query{Number: ours, Phone: 12125550123, Hint: "beta", Source: message.EvidenceImport, Learned: beta}, "beta|acme|gamma"},
		{"seen on a carrier that the number may not use", Query{Number: ours, Phone: 12125550123, Learned: delta}, "acme|beta|gamma"},
		{"seen on a carrier that is no more", Query{Number: ours, Phone: 12125550123, Learned: 99}, "acme|beta|gamma"},
		{"seen goes before the rule", Query{Number: ours, Phone: 13125550123, Learned: acme}, "acme|gamma|beta"},
		{"but not where the rule says only", Query{Number: other, Phone: 442070000000, Learned: beta}, "acme"},
		{"a network looked up, a carrier seen", Query{Number: ours, Phone: 12125550123, Hint: "tmo", Source: message.EvidenceLookup, Learned: acme}, "acme|gamma|beta"},
	} {
		if got := order(made, made.Choices(nil, c.q)); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
}

func TestIgnoredEvidenceIsPassedOver(t *testing.T) {
	c := rules()
	c.Ignored = []message.Evidence{message.EvidenceSeen, message.EvidencePrefix}
	made := table(t, c)
	if got := order(made, made.Choices(nil, Query{Number: ours, Phone: 13125550123, Learned: 2})); got != "acme|beta|gamma" {
		t.Error(got)
	}
	if got := order(made, made.Choices(nil, Query{Number: ours, Phone: 13125550123, Hint: "beta", Source: message.EvidenceImport})); got != "beta|acme|gamma" {
		t.Error(got)
	}
}

func TestNamesAreFoundInAnyCaseAndByAlias(t *testing.T) {
	made := table(t, rules())
	for in, want := range map[string]string{" t-mobile ": "tmo", "310260": "tmo", "ATT": "att", "Acme": "acme", "nobody": "", "": ""} {
		if got, ok := made.Canonical(in); got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", in, got, ok, want)
		}
	}
}

func TestAConfigurationThatMakesNoSenseIsRefusedByName(t *testing.T) {
	number := []Number{{Phone: ours, Carriers: []string{"acme"}}}
	for _, c := range []struct {
		c    Config
		want string
	}{
		{Config{Carriers: []string{"acme", "Acme"}}, `carrier "Acme" is there twice`},
		{Config{Numbers: number}, `number +17735550100: carrier "acme" is not configured`},
		{Config{Carriers: []string{"acme"}, Numbers: append(number, number...)}, "number +17735550100: is there twice"},
		{Config{Carriers: []string{"acme"}, Rules: []Rule{{Name: "r"}}}, "r: names no carrier"},
		{Config{Carriers: []string{"acme"}, Rules: []Rule{{Carriers: []Option{{Carrier: "x"}}}}}, `rule 1: carrier "x" is not configured`},
		{Config{Carriers: []string{"acme"}, Rules: []Rule{{Name: "r", Countries: []string{"US"}, Carriers: []Option{{Carrier: "acme"}}}}}, `r: country "US"`},
		{Config{Carriers: []string{"acme"}, Rules: []Rule{{Name: "r", Carriers: []Option{{Carrier: "acme"}, {Carrier: "acme"}}}}}, "carrier acme is there twice"},
		{Config{Prefixes: []Prefix{{Digits: "012", Network: "a"}}}, `prefix "012"`},
		{Config{Prefixes: []Prefix{{Digits: "12", Network: "a", Place: "f.csv:2"}, {Digits: "12", Network: "b", Place: "f.csv:9"}}}, "f.csv:9: prefix 12 already stands for network a"},
		{Config{Prefixes: []Prefix{{Digits: "12", Network: " "}}}, "without a name"},
		{Config{Networks: []Network{{Name: "a", Aliases: []string{"x"}}, {Name: "b", Aliases: []string{"X"}}}}, `alias "X" is empty or another network's`},
		{Config{Ignored: []message.Evidence{message.EvidenceNone}}, "none is no evidence"},
	} {
		if _, err := New(c.c); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: want %q", err, c.want)
		}
	}
}

// weighted has one rule with those weights, "a" the first carrier.
func weighted(t testing.TB, weights ...uint16) *Table {
	c := Config{Rules: []Rule{{Name: "all"}}}
	for i, w := range weights {
		name := string(rune('a' + i))
		c.Carriers = append(c.Carriers, name)
		c.Rules[0].Carriers = append(c.Rules[0].Carriers, Option{Carrier: name, Weight: w})
	}
	c.Numbers = []Number{{Phone: ours, Carriers: c.Carriers}}
	return table(t, c)
}

const phones = 100_000

// firsts returns each phone's first carrier.
func firsts(made *Table) []string {
	out := make([]string, phones)
	var room [8]Choice
	for i := range out {
		out[i] = made.Carriers()[made.Choices(room[:0], Query{Number: ours, Phone: message.Phone(13120000000 + i)})[0].Carrier]
	}
	return out
}

func TestWeightsAreRespectedWithinTwoPercent(t *testing.T) {
	for _, weights := range [][]uint16{{1, 1}, {80, 20}, {5, 3, 2}, {1, 1, 1, 1, 96}, {1, 0}} {
		sum := 0
		for _, w := range weights {
			sum += int(w)
		}
		counts := map[string]int{}
		for _, c := range firsts(weighted(t, weights...)) {
			counts[c]++
		}
		for i, w := range weights {
			got, want := float64(counts[string(rune('a'+i))])/phones, float64(w)/float64(sum)
			if got < want-0.02 || got > want+0.02 || w == 0 && got > 0 {
				t.Errorf("%v: carrier %d has %.3f of the phones, want %.3f", weights, i, got, want)
			}
		}
	}
}

func TestAPhoneKeepsToItsCarrierWhateverOrderTheConfigurationHas(t *testing.T) {
	c := Config{Carriers: []string{"a", "b", "c"}, Rules: []Rule{{Carriers: []Option{{Carrier: "a", Weight: 3}, {Carrier: "b", Weight: 2}, {Carrier: "c", Weight: 1}}}}}
	c.Numbers = []Number{{Phone: ours, Carriers: c.Carriers}}
	one := table(t, c)
	c.Carriers = []string{"c", "a", "b"}
	c.Rules = []Rule{{Carriers: []Option{{Carrier: "c", Weight: 1}, {Carrier: "b", Weight: 2}, {Carrier: "a", Weight: 3}}}}
	c.Numbers = []Number{{Phone: other, Carriers: []string{"a"}}, {Phone: ours, Carriers: []string{"b", "c", "a"}}}
	two := table(t, c)
	for range 10_000 {
		q := Query{Number: ours, Phone: message.Phone(rand.Uint64N(1e15-1e7) + 1e7)}
		first, again, second := order(one, one.Choices(nil, q)), order(one, one.Choices(nil, q)), order(two, two.Choices(nil, q))
		if first != again || first != second {
			t.Fatalf("phone %d: %s, %s, %s", q.Phone, first, again, second)
		}
	}
}

func TestAnAddedCarrierTakesItsShareAndMovesNobodyElse(t *testing.T) {
	before, after := firsts(weighted(t, 3, 2, 1)), firsts(weighted(t, 3, 2, 1, 2))
	moved := 0
	for i := range before {
		if before[i] == after[i] {
			continue
		}
		if after[i] != "d" {
			t.Fatalf("phone %d went from %s to %s", i, before[i], after[i])
		}
		moved++
	}
	if share := float64(moved) / phones; share < 0.23 || share > 0.27 {
		t.Errorf("%.3f of the phones moved, want 0.25", share)
	}
}

func TestMoreWeightOnlyDrawsPhonesToItsCarrier(t *testing.T) {
	before, after := firsts(weighted(t, 3, 2, 1)), firsts(weighted(t, 3, 4, 1))
	for i := range before {
		if before[i] != after[i] && after[i] != "b" {
			t.Fatalf("phone %d went from %s to %s", i, before[i], after[i])
		}
	}
}

// TestFailoverWithinAGroupKeepsTheOtherShares: the phones of an ill carrier
// spread over the others of its group by their weights.
func TestFailoverWithinAGroupSpreadsByWeight(t *testing.T) {
	made := weighted(t, 6, 3, 1)
	counts := map[string]int{}
	for i := range phones {
		got := made.Choices(nil, Query{Number: ours, Phone: message.Phone(13120000000 + i)})
		if made.Carriers()[got[0].Carrier] == "a" {
			counts[made.Carriers()[got[1].Carrier]]++
		}
	}
	if share := float64(counts["b"]) / float64(counts["b"]+counts["c"]); share < 0.73 || share > 0.77 {
		t.Errorf("b takes over %.3f, want 0.75", share)
	}
}

func TestChoicesAllocateNothing(t *testing.T) {
	made, room := big(t), make([]Choice, 0, 8)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		i++
		room = made.Choices(room[:0], Query{Number: ours, Phone: message.Phone(12000000000 + i*7919), Hint: "n7", Source: message.EvidenceImport})
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// big has 10,000 prefixes, 50 networks and a weighted rule for each.
func big(t testing.TB) *Table {
	c := Config{Carriers: []string{"acme", "beta", "gamma"}}
	c.Numbers = []Number{{Phone: ours, Carriers: c.Carriers}}
	for i := range 50 {
		c.Rules = append(c.Rules, Rule{Networks: []string{fmt.Sprint("n", i)}, Carriers: []Option{
			{Carrier: "acme", Weight: 80}, {Carrier: "beta", Weight: 20}, {Carrier: "gamma", Weight: 1, Priority: 1},
		}})
	}
	for i := range 10_000 {
		c.Prefixes = append(c.Prefixes, Prefix{Digits: fmt.Sprint(1_200_000 + i*79), Network: fmt.Sprint("n", i%50)})
	}
	return table(t, c)
}

func BenchmarkChoices(b *testing.B) {
	for _, c := range []struct {
		name string
		q    Query
	}{
		{"prefix", Query{Number: ours}},
		{"hint", Query{Number: ours, Hint: "n7", Source: message.EvidenceImport}},
		{"learned", Query{Number: ours, Learned: 2}},
	} {
		b.Run(c.name, func(b *testing.B) {
			made, room := big(b), make([]Choice, 0, 8)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				c.q.Phone = message.Phone(12_000_000_000 + uint64(i)*7919%7_900_000_000)
				room = made.Choices(room[:0], c.q)
			}
		})
	}
	b.Run("default", func(b *testing.B) {
		made := table(b, Config{Carriers: []string{"acme"}, Numbers: []Number{{Phone: ours, Carriers: []string{"acme"}}}})
		room := make([]Choice, 0, 8)
		for b.Loop() {
			room = made.Choices(room[:0], Query{Number: ours, Phone: 13125550123})
		}
	})
}
