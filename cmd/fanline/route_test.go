package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/api"
	"fanline/engine/message"
	"fanline/engine/route"
)

const routed = twoCarriers + `routes:
  prefixes: [{prefix: +1312, network: att}]
  rules:
    - {name: att direct, networks: [att], carriers: [{name: b, weight: 3}, {name: a, weight: 1, priority: 1}]}
`

// explainOffline runs the command on a configuration without a process.
func explainOffline(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("c.yaml", []byte("data: nowhere\n"+routed), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, complaints strings.Builder
	code := run(t.Context(), commands(), append([]string{"route", "explain", "--config", "c.yaml"}, args...), strings.NewReader(""), &out, &complaints)
	return code, out.String(), complaints.String()
}

func TestARouteIsExplainedByTheConfigurationAlone(t *testing.T) {
	code, out, complaints := explainOffline(t, "+13125550123", "--number", "+17735550100", "--json")
	if code != exitDone || !strings.Contains(complaints, "no process runs") {
		t.Fatal(code, complaints)
	}
	var got api.Route
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	want := api.Route{
		Number: 17735550100, Phone: 13125550123, Network: "att", NetworkFrom: message.EvidencePrefix, Region: "US", Rule: "att direct",
		Evidence: []api.RouteEvidence{{Source: message.EvidencePrefix, Says: "+1312 att", Used: true, Why: "the longest prefix: the member's network, by which rules are chosen"}},
		Choices:  []api.RouteChoice{{Carrier: "b", Weight: 3, Share: 1}, {Carrier: "a", Group: 1, Weight: 1, Share: 1}},
		Carrier:  "b", Why: `rule "att direct"`, Failover: []string{"a"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestARouteIsExplainedInWords(t *testing.T) {
	code, out, complaints := explainOffline(t, "+13125550123", "--number", "+17735550100", "--hint", "A")
	want := `from +17735550100 to +13125550123 (US)

evidence, the strongest first
  import  a          used: yes  a carrier that the number may use: it is tried before the rules'
  prefix  +1312 att  used: yes  the longest prefix: the member's network, by which rules are chosen

network  att, by prefix
rule     att direct

tried in this order
  a  priority 0  weight 1 (100 %)  
  b  priority 1  weight 3 (100 %)  

now: a (evidence (import) names it)
then: [b]
`
	if diff := cmp.Diff(want, out); diff != "" || code != exitDone {
		t.Error(code, complaints, diff)
	}
}

func TestAQuestionAboutARouteThatCannotBeAnsweredSaysWhatIsMissing(t *testing.T) {
	for want, args := range map[string][]string{
		"the configuration has 2 numbers; say which with --number": {"+13125550123"},
		"PHONE is missing": {},
		"not an E.164":     {"0312"},
	} {
		if code, _, complaints := explainOffline(t, args...); code != exitUsage || !strings.Contains(complaints, want) {
			t.Errorf("%v: exit %d, %s", args, code, complaints)
		}
	}
}

// TestWhoGetsAMessageNowIsTheFirstHealthyCarrier holds what the engine does and
// what `fanline route explain` says of it together.
func TestWhoGetsAMessageNowIsTheFirstHealthyCarrier(t *testing.T) {
	e := route.Explanation{Choices: []route.Place{{Carrier: "a", Share: 0.8, Weight: 4}, {Carrier: "b", Share: 0.2, Weight: 1}, {Carrier: "c", Group: 1, Share: 1, Weight: 1}}, Rule: "r"}
	got := explained(e, map[string]health{"a": {false, "drained"}, "b": {true, "fine"}, "c": {true, "fine"}})
	if got.Carrier != "b" || got.Why != `rule "r"; this phone is of the 20 % that its weight gives it; not healthy before it: [a]` ||
		len(got.Failover) != 1 || got.Failover[0] != "c" || *got.Choices[0].Healthy || got.Choices[0].Health != "drained" {
		t.Errorf("%+v", got)
	}
	got = explained(e, map[string]health{})
	if got.Carrier != "" || !strings.HasPrefix(got.Problem, "no carrier is healthy") {
		t.Errorf("none is healthy: %+v", got)
	}
}

// TestABroadcastSaysWhetherAnotherRouteMayBeTried: off unless the number's
// configuration or the flag says so.
func TestABroadcastSaysWhetherAnotherRouteMayBeTried(t *testing.T) {
	p := startProcess(t)
	for flag, want := range map[string]string{
		"":                     `"retry":"never"`,
		"never":                `"retry":"never"`,
		"other-route":          `"retry":"other-route:failed,rejected,expired:1"`,
		"other-route:failed:2": `"retry":"other-route:failed:2"`,
	} {
		args := []string{"broadcast", "create", "--text", "Hi", "--audience", "all", "--json"}
		if flag != "" {
			args = append(args, "--retry", flag)
		}
		if out := p.mustSay(args...); !strings.Contains(out, want) {
			t.Errorf("%q: %s", flag, out)
		}
	}
	if code, _, complaints := p.says("", "broadcast", "create", "--text", "Hi", "--audience", "all", "--retry", "always"); code != exitUsage || !strings.Contains(complaints, "want never, other-route") {
		t.Errorf("exit %d, %s", code, complaints)
	}
}
