package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/smsc"
)

// smscCommand runs `fanline smsc …` and gives what it printed.
func smscCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c, rest, ok := find(commands(), append([]string{"smsc"}, args...))
	if !ok {
		t.Fatalf("no command smsc %v", args)
	}
	err := c.run(t.Context(), rest, strings.NewReader(""), &out, io.Discard)
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
		"PATH": {"log"}, "--from": {"mo", "--log", "x", "--to", "1"}, "--log": {"mo", "--from", "1", "--to", "1"},
		"no command": {"launch"}, "--tls-key": {"--tls-cert", "x"}, "--tls-self-signed": {"--tls-listen", "127.0.0.1:0"},
		"--tls-listen": {"--listen", "none"}, "phone": {"messages", "--log", "x"}, "DIR": {"init"},
		"submit": {"log", t.TempDir(), "--command", "submitsm"}, "--count": {"log", t.TempDir(), "--count", "--follow"},
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

// startStandalone runs the simulator as a person would, but for its port, and gives what it says about itself.
func startStandalone(t *testing.T, args ...string) (place smscPlace) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, said := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := runSMSC(ctx, append([]string{"--listen", "127.0.0.1:0", "--json"}, args...), strings.NewReader(""), said, io.Discard)
		said.CloseWithError(err)
		done <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if err := json.NewDecoder(stdout).Decode(&place); err != nil {
		t.Fatal(err)
	}
	return place
}

// bindAt binds over a connection and gives the status of the answer.
func bindAt(t *testing.T, nc net.Conn, systemID, password string) smpp.Status {
	t.Helper()
	b, err := smpp.Append(nil, smpp.StatusOK, 1, &smpp.Bind{
		Kind: smpp.BindTransceiverID, SystemID: systemID, Password: password, InterfaceVersion: smpp.Version34,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write(b); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, smpp.HeaderLen)
	_ = nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(nc, head); err != nil {
		t.Fatal(err)
	}
	h, err := smpp.ReadHeader(head)
	if err != nil {
		t.Fatal(err)
	}
	return h.Status
}

func TestWithoutFilesTheSimulatorTakesAnyNumberPlainAndOverTLS(t *testing.T) {
	dir, err := os.MkdirTemp("", "sim") // short: a socket's name must fit
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir) // where its log goes
	place := startStandalone(t, "--tls-listen", "127.0.0.1:0", "--tls-self-signed", filepath.Join(dir, "tls"), "--http", "127.0.0.1:0")
	if len(place.Listen) != 2 || place.HTTP == "" || !strings.HasPrefix(place.Log, dir) {
		t.Fatalf("%+v", place)
	}
	plain, err := net.Dial("tcp", place.Listen[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if got := bindAt(t, plain, "smppclient1", "password"); got != smpp.StatusOK {
		t.Errorf("plain: %s", got)
	}
	pem, err := os.ReadFile(filepath.Join(dir, "tls", "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	secured, err := tls.Dial("tcp", place.Listen[1].Addr, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	defer secured.Close()
	if got := bindAt(t, secured, "smppclient1", "password"); got != smpp.StatusOK {
		t.Errorf("over TLS: %s", got)
	}
	out, err := smscCommand(t, "binds", "--log", place.Log)
	if err != nil || strings.Count(out, "smppclient1") != 2 {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := smscCommand(t, "mo", "--log", place.Log, "--from", "13125550042", "--to", "4711", "--text", "hello", "--json"); err != nil {
		t.Errorf("any number can't be texted: %q, %v", out, err)
	}
	if out, err := smscCommand(t, "drop", "--log", place.Log, "--account", "smppclient1"); err != nil || !strings.Contains(out, "dropped") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := smscCommand(t, "log", place.Log, "--command", "bind", "--status", "ok", "--count"); err != nil || strings.TrimSpace(out) != "2" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestManyTextsComeFromARowOfPhonesOrAFile(t *testing.T) {
	dir := t.TempDir()
	place := startStandalone(t, "--log", filepath.Join(dir, "log"))
	out, err := smscCommand(t, "mo", "--log", place.Log, "--from", "+13125550098", "--to", "4711", "--text", "text {i}", "--count", "5", "--json")
	var sum textsSent
	if err != nil || json.Unmarshal([]byte(out), &sum) != nil || sum.Sent != 5 || sum.Answered != 0 {
		t.Errorf("%q, %v", out, err)
	}
	file := filepath.Join(dir, "texts.ndjson")
	lines := `{"from":"13125550001","text":"one"}` + "\n\n" + `{"text":"два","to":"4712","encoding":"ucs2","data_coding":0}` + "\n" + `{"octets_hex":"00ff"}` + "\n"
	if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err = smscCommand(t, "mo", "--log", place.Log, "--from", "13125550002", "--to", "4711", "--file", file); err != nil || !strings.HasPrefix(out, "3 texts in 3 parts") {
		t.Errorf("%q, %v", out, err)
	}
	for query, want := range map[string]string{"13125550102": "1", "13125550098": "1", "13125550002": "2"} {
		if out, err := smscCommand(t, "log", place.Log, "--phone", query, "--command", "queued", "--count"); err != nil || strings.TrimSpace(out) != want {
			t.Errorf("%s: %q, %v, want %s", query, out, err, want)
		}
	}
	if err := os.WriteFile(file, []byte(`{"frm":"1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := smscCommand(t, "mo", "--log", place.Log, "--to", "4711", "--file", file); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("%v, want the line", err)
	}
	out, err = smscCommand(t, "log", place.Log, "--all", "--last", "2")
	if err != nil || strings.Count(out, "\n") != 2 || !strings.Contains(out, `"queued"`) {
		t.Errorf("%q, %v", out, err)
	}
}

func TestInitWritesExamplesThatRunAndReplacesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sim")
	if out, err := smscCommand(t, "init", dir); err != nil || !strings.Contains(out, "accounts.yaml") {
		t.Fatalf("%q, %v", out, err)
	}
	own := []byte("accounts:\n  - {system_id: mine, password: pw, numbers: [{number: '*'}]}\n")
	if err := os.WriteFile(filepath.Join(dir, "accounts.yaml"), own, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := smscCommand(t, "init", dir); err != nil {
		t.Fatal(err)
	}
	place := startStandalone(t, "--accounts", filepath.Join(dir, "accounts.yaml"), "--scenario", filepath.Join(dir, "scenario.yaml"), "--log", filepath.Join(dir, "log"))
	nc, err := net.Dial("tcp", place.Listen[0].Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if got := bindAt(t, nc, "mine", "pw"); got != smpp.StatusOK {
		t.Error(got)
	}
	text, err := smscCommand(t, "scenario", "--log", place.Log)
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(dir, "scenario.yaml"))
	if err != nil || text != string(want) {
		t.Errorf("the scenario in force isn't the file's: %v", err)
	}
	if _, err := smscCommand(t, "scenario", "--log", place.Log, "--set", filepath.Join(dir, "traffic.yaml")); err != nil {
		t.Error(err)
	}
	if out, err := smscCommand(t, "traffic", "--log", place.Log, "--off", "joins"); err != nil || !strings.Contains(out, "joins") || !strings.Contains(out, "false") {
		t.Errorf("%q, %v", out, err)
	}
	if out, err := smscCommand(t, "faults", "--log", place.Log); err != nil || !strings.Contains(out, "name") {
		t.Errorf("%q, %v", out, err)
	}
}
