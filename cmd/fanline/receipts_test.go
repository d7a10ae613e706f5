package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"fanline/engine"
	"fanline/engine/carrier"
)

func TestAProfileSaysHowReceiptsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	text := `receipts:
  id_base: hex_to_decimal
  member: none
  detect: text
  pattern: '^MSG (?P<id>\S+) IS (?P<stat>\w+)'
  parts: last
  states: {ACCEPTD: delivered, '': expired}
  errors: {'9': failed}
`
	if err := os.WriteFile("p.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := LoadProfile("p.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := ReceiptProfile{
		IDBase: "hex_to_decimal", Member: "none", Detect: "text", Pattern: `^MSG (?P<id>\S+) IS (?P<stat>\w+)`, Parts: "last",
		States: map[string]string{"ACCEPTD": "delivered", "": "expired"}, Errors: map[string]string{"9": "failed"},
	}
	if diff := cmp.Diff(want, p.Receipts); diff != "" {
		t.Error(diff)
	}
	if _, err := carrier.NewProfile(carrier.Settings{Name: "p", IDBase: p.Receipts.IDBase, Member: p.Receipts.Member, Grammar: p.Receipts.grammar()}); err != nil {
		t.Error(err)
	}
	if d, err := LoadProfile("default"); err != nil || d.Receipts.IDBase != "auto" {
		t.Errorf("default profile: %v, %v", d.Receipts, err)
	}
}

func TestReceiptsOfAProfileThatMakeNoSenseAreNamed(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "receipts:\n  id_base: octal\n  detect: guess\n  pattern: '('\n  parts: some\n  errors: {'9': lost}\n"
	if err := os.WriteFile("p.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LoadProfile("p.yaml")
	for _, want := range []string{"p.yaml:2:12: receipts.id_base", "p.yaml:3:11: receipts.detect", "p.yaml:4:12: receipts.pattern", "p.yaml:5:10: receipts.parts", ": receipts.errors.9: \"lost\" found"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestMetricsTellWhatBecameOfEachCarriersReceipts(t *testing.T) {
	m := newReceiptMetrics()
	all := []engine.CarrierReceipts{{Carrier: "acme", Matched: 7, Joined: 2, Late: 3, Unmatched: 1, Parked: 4, IDsReused: 5, ByForm: [engine.IDForms]int64{1, 8, 0}}}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collected(func(out chan<- prometheus.Metric) { m.collect(all, out) }))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, sample := range f.GetMetric() {
			name := f.GetName()
			for _, l := range sample.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = sample.GetCounter().GetValue() + sample.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"fanline_receipts_total acme matched": 7, "fanline_receipts_total acme joined": 2, "fanline_receipts_total acme settled": 0,
		"fanline_receipts_total acme repeated": 0, "fanline_receipts_total acme late": 3, "fanline_receipts_total acme unmatched": 1,
		"fanline_receipts_total acme intermediate": 0, "fanline_receipts_total acme unreadable": 0,
		"fanline_receipt_ids_total acme same": 1, "fanline_receipt_ids_total acme hex_to_decimal": 8, "fanline_receipt_ids_total acme decimal_to_hex": 0,
		"fanline_message_ids_reused_total acme": 5, "fanline_receipts_parked acme": 4, "fanline_receipt_match_ratio acme": 9.0 / 14,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s: %v, %v; want %v", name, v, ok, want)
		}
	}
}

// collected is a collector that describes itself by what it collects.
type collected func(out chan<- prometheus.Metric)

func (c collected) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }
func (c collected) Collect(out chan<- prometheus.Metric) { c(out) }
