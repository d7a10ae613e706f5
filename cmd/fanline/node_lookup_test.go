package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"fanline/community"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// TestAPortedNumberGoesByItsNewNetwork goes from the configuration over service
// and store to the hint of the planner.
func TestAPortedNumberGoesByItsNewNetwork(t *testing.T) {
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "2") || r.Header.Get("Authorization") != "s3cret" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, `{"network":"T-Mobile USA"}`)
	}))
	defer service.Close()
	cfg, err := load(t, twoCarriers+`routes:
  networks: [{name: tmo, aliases: [T-Mobile USA]}]
  prefixes: [{prefix: +1312, network: att}]
  rules: [{networks: [tmo], carriers: [{name: b}]}]
lookup: {url: "`+service.URL+`/{phone}", secret: env:KEY, limit_per_second: 10000}
`, "KEY=s3cret")
	if err != nil {
		t.Fatal(err)
	}
	n := &node{cfg: cfg, log: slog.New(slog.DiscardHandler)}
	if err := n.openRoutes(); err != nil {
		t.Fatal(err)
	}
	n.store, err = community.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), community.Options{Partitions: 2, Hint: n.hint})
	if err != nil {
		t.Fatal(err)
	}
	defer n.store.Close()
	if err := n.store.SyncNumbers(t.Context(), []community.Number{{Number: theNumber, Leader: "l"}}); err != nil {
		t.Fatal(err)
	}
	_, err = n.store.Import(t.Context(), strings.NewReader("phone,carrier\n+13125550101,a\n+13125550102,a\n"),
		community.ImportOptions{Number: theNumber, Format: community.CSV, Carrier: n.carrierName})
	if err != nil {
		t.Fatal(err)
	}
	if n.lookups, err = newLookupNode(n); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.lookups.run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		m, err := n.store.FindMember(t.Context(), theNumber, 13125550101)
		if err != nil || time.Now().After(deadline) {
			t.Fatal("no answer was kept", err)
		}
		if m.Ways.Looked != "" {
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	rs, _, hints, err := n.store.Recipients(t.Context(), theNumber, nil, []message.MemberID{1, 2}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := record.Block{Recipients: rs, Hints: hints}
	if b.HintOf(0) != (record.Hint{Name: "tmo", Source: message.EvidenceLookup}) {
		t.Error("ported:", b.HintOf(0))
	}
	if b.HintOf(1) != (record.Hint{Name: "a", Source: message.EvidenceImport}) {
		t.Error("the service failed, the next best evidence counts:", b.HintOf(1))
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(newLookupCollector(n.lookups))
	families, err := registry.Gather()
	if err != nil || len(families) != 3 || families[2].GetName() != "fanline_lookups_total" {
		t.Error(families, err)
	}
}
