package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/engine/route"
	"fanline/pipeline/record"
)

const twoCarriers = `carriers:
  - {name: a, hosts: ['h:1'], system_id: x, limit_per_second: 5}
  - {name: b, hosts: ['h:1'], system_id: x, limit_per_second: 5}
  - {name: c, hosts: ['h:1'], system_id: x, limit_per_second: 5}
numbers:
  - {number: +17735550100, leader: l, carriers: [a, b], limit_per_second: 5}
  - {number: "24365", kind: short_code, leader: l, carriers: [b], limit_per_second: 5, retry_undelivered: {other_route: true, on: [failed], max: 2}}
`

func TestRoutesAreReadFromFileAndSection(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("p.csv", []byte("prefix,network\n+1312,att\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := twoCarriers + `routes:
  ignore: [seen]
  networks: [{name: att, aliases: ["AT&T"]}]
  prefixes_file: p.csv
  prefixes: [{prefix: 1313, network: tmo}]
  rules:
    - {name: r, networks: [ATT], carriers: [{name: b, weight: 3}, {name: a, priority: 1}]}
    - {numbers: [+1 773 555 0100], countries: [+1, br], carriers: [{name: b}], only: true}
`
	if err := os.WriteFile("c.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := LoadConfig("c.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := c.routeTable()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		number, phone message.Phone
		want          string
	}{
		{17735550100, 13125550123, "b a"},
		{17735550100, 13135550123, "b"},
		{17735550100, 442070000000, "a b"},
		{17735550100, 5511912345678, "b"},
		{24365, 13135550123, "b"},
	} {
		var names []string
		for _, choice := range made.Choices(nil, route.Query{Number: test.number, Phone: test.phone, Learned: 1}) {
			names = append(names, made.Carriers()[choice.Carrier])
		}
		if got := strings.Join(names, " "); got != test.want {
			t.Errorf("%d from %d: %s, want %s", test.phone, test.number, got, test.want)
		}
	}
	if name, _ := made.Canonical("at&t"); name != "att" {
		t.Errorf("alias: %q", name)
	}
	if got := c.Numbers[1].Retry.retry(); got != (record.Retry{Routes: 2, On: record.RetryFailed}) {
		t.Errorf("retry: %+v", got)
	}
	if got := c.Numbers[0].Retry.retry(); got != (record.Retry{}) {
		t.Errorf("retry by default: %+v", got)
	}
}

func TestRoutesThatMakeNoSenseAreNamedWithTheirPlace(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"names": {
			`routes:
  ignore: [rumour]
  prefixes: [{prefix: 0312, network: x}]
  rules:
    - {numbers: [+17735550199], countries: [US, X], carriers: [{name: d}, {name: a, weight: 1001}]}
    - {numbers: [24365], carriers: [{name: a}]}
    - {networks: [x]}
    - {carriers: [{name: c}]}
`, []string{
				`c.yaml:9:12: routes.ignore[0]: "rumour" found, one of prefix, import, seen, lookup expected`,
				`c.yaml:10:23: routes.prefixes[0].prefix: "0312" found, 1 to 15 digits of E.164 expected`,
				`c.yaml:12:18: routes.rules[0].numbers[0]: no number is "+17735550199"`,
				`c.yaml:12:45: routes.rules[0].countries[0]: US shares +1 with 24 others: write the code, or the longer ones that you mean`,
				`c.yaml:12:49: routes.rules[0].countries[1]: "X" found, a code such as +44 or a country such as BR expected`,
				`c.yaml:12:71: routes.rules[0].carriers[0].name: no carrier is named "d"`,
				`c.yaml:12:82: routes.rules[0].carriers[1].name: no number that the rule is about has "a" among its carriers`,
				`c.yaml:12:93: routes.rules[0].carriers[1].weight: 1001 found, 0 to 1000 expected`,
				`c.yaml:13:44: routes.rules[1].carriers[0].name: no number that the rule is about has "a" among its carriers`,
				`c.yaml:14:8: routes.rules[2].carriers: none found, at least one expected`,
				`c.yaml:15:26: routes.rules[3].carriers[0].name: no number that the rule is about has "c" among its carriers`,
			},
		},
		"the table": {
			"routes: {prefixes: [{prefix: 12, network: x}, {prefix: +12, network: y}], prefixes_file: nowhere.csv}\n",
			[]string{"c.yaml:8:1: routes: routes.prefixes_file: open nowhere.csv: no such file or directory"},
		},
		"a prefix twice": {
			"routes: {prefixes: [{prefix: 12, network: x}, {prefix: +12, network: y}]}\n",
			[]string{"c.yaml:8:1: routes: routes.prefixes[1]: prefix 12 already stands for network x"},
		},
		"lookup": {
			"lookup: {url: 'ftp://h/{phone}', timeout: 1ms, concurrency: 0, limit_per_second: 0, field: '', cache_ttl: 1s}\n",
			[]string{
				`c.yaml:8:15: lookup.url: "ftp://h/{phone}" found, http(s)://host/path with {phone} in it expected`,
				"c.yaml:8:43: lookup.timeout: 1ms found, 10ms to 1m0s expected",
				"c.yaml:8:61: lookup.concurrency: 0 found, 1 to 256 expected",
				"c.yaml:8:82: lookup.limit_per_second: 0 found, 1 to 10000 expected",
				"c.yaml:8:92: lookup.field: nothing found, text expected",
				"c.yaml:8:107: lookup.cache_ttl: 1s found, 1m0s to 8784h0m0s expected",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, twoCarriers+test.text)
			if diff := cmp.Diff(strings.Join(test.want, "\n"), fmt.Sprint(err)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAPolicyOfRetriesIsChecked(t *testing.T) {
	_, err := load(t, strings.Replace(twoCarriers, "on: [failed], max: 2", "on: [lost], max: 9", 1))
	if err == nil || !strings.Contains(err.Error(), `numbers[1].retry_undelivered.on[0]: "lost" found`) ||
		!strings.Contains(err.Error(), "numbers[1].retry_undelivered.max: 9 found, 1 to 8 expected") {
		t.Error(err)
	}
}
