package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"fanline/smpp/smsc"
)

// smscCommand runs `fanline smsc …` and gives what it printed.
func smscCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := runSMSC(t.Context(), args, strings.NewReader(""), &out, io.Discard)
	return out.String(), err
}

func TestTheSimulatorIsRunAskedAndAudited(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	stderr, said := io.Pipe()
	go func() {
		done <- runSMSC(ctx, []string{
			"--listen", "127.0.0.1:0", "--log", log, "--addr", filepath.Join(dir, "addr"), "--scenario", "../../configs/simulator/demo.yaml",
			"--accounts", "../../configs/simulator/accounts.yaml",
		}, strings.NewReader(""), io.Discard, said)
		said.Close()
	}()
	first := make([]byte, 4096)
	n, err := stderr.Read(first) // It says so once it listens.
	if err != nil || !strings.Contains(string(first[:n]), "listens") {
		t.Fatalf("%q, %v", first[:n], err)
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }() // ends with the pipe

	out, err := smscCommand(t, "mo", "--log", log, "--from", "+13125550042", "--to", "+17735550100", "--text", "hello", "--json")
	var result smsc.TextResult
	if err != nil || json.Unmarshal([]byte(out), &result) != nil || result.Parts != 1 || result.Answered {
		t.Errorf("mo: %q, %v", out, err)
	}
	if out, err := smscCommand(t, "messages", "--log", log, "--phone", "+13125550042", "--json"); err != nil || strings.TrimSpace(out) != `{"messages":[]}` {
		t.Errorf("messages: %q, %v", out, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if out, err := smscCommand(t, "log", log, "--all"); err != nil || !strings.Contains(out, `"command":"queued"`) || !strings.Contains(out, `"text":"hello"`) {
		t.Errorf("log: %q, %v", out, err)
	}
	out, err = smscCommand(t, "audit", "--log", log, "--json")
	var report map[string]any
	if err != nil || json.Unmarshal([]byte(out), &report) != nil {
		t.Fatalf("audit: %q, %v", out, err)
	}
	for _, key := range []string{"submits", "messages", "duplicates", "receipts", "max_parts_1s", "sends_after_stop"} {
		if _, ok := report[key]; !ok {
			t.Errorf("audit prints no %s", key)
		}
	}
}

func TestTheSimulatorSaysWhatItMisses(t *testing.T) {
	for want, args := range map[string][]string{
		"--accounts": {"--log", "x"}, "--log": {"--accounts", "x"}, "PATH": {"log"}, "--from": {"mo", "--log", "x", "--to", "1"},
	} {
		if _, err := smscCommand(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want it to name %s", args, err, want)
		}
	}
	if _, err := smscCommand(t, "audit", "--log", t.TempDir()); err == nil {
		t.Error("a directory without a log is audited")
	}
	if _, err := smscCommand(t, "mo", "--log", t.TempDir(), "--from", "1", "--to", "2"); err == nil {
		t.Error("a text is sent where no simulator runs")
	}
}
