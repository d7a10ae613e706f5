package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"fanline/pipeline"
	"fanline/pipeline/audit"
	"fanline/pipeline/embedded"
)

func TestAuditReadsTheLogWhetherOrNotAProcessRunsOnIt(t *testing.T) {
	dir := t.TempDir()
	run := func(args ...string) (string, error) {
		var stdout, stderr bytes.Buffer
		err := runAudit(t.Context(), append(args, "--data", dir), strings.NewReader(""), &stdout, &stderr)
		return stdout.String(), err
	}
	if _, err := run("--json"); err == nil || !strings.Contains(err.Error(), "no log") {
		t.Errorf("where nothing ever ran: %v", err)
	}
	broker, err := embedded.Open(context.Background(), embedded.Config{Dir: filepath.Join(dir, "broker")})
	if err != nil {
		t.Fatal(err)
	}
	client, err := pipeline.NewProducer(pipeline.Config{Brokers: broker.Addresses(), Dialer: broker.Dialer()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := pipeline.EnsureTopics(t.Context(), client, 2, 1); err != nil {
		t.Fatal(err)
	}
	for _, running := range []bool{true, false} {
		if !running {
			client.Close()
			if err := broker.Close(); err != nil {
				t.Fatal(err)
			}
		}
		out, err := run("--json")
		if err != nil {
			t.Fatal(err)
		}
		var report audit.Report
		if err := json.Unmarshal([]byte(out), &report); err != nil || len(report.Topics) != 8 || !report.Complete || len(report.Problems) > 0 {
			t.Errorf("running %v: %v: %s", running, err, out)
		}
		if strings.Count(out, "\n") != 1 {
			t.Errorf("running %v: not one line: %q", running, out)
		}
		if out, err = run(); err != nil || !strings.Contains(out, "journal") || !strings.Contains(out, "one-to-one") {
			t.Errorf("running %v: %v: %s", running, err, out)
		}
	}
}
