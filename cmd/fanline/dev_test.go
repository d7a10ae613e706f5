package main

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"fanline/smpp/smsc"
)

func devConfig(t *testing.T) *Config {
	t.Helper()
	cfg, err := loadConfig("", t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// occupied takes an address, unless another program on this machine has it.
func occupied(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		return address
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestDevGivesWayWhenItsPortIsTakenAndStaysThere(t *testing.T) {
	cfg := devConfig(t)
	taken := occupied(t, cfg.HTTP.Listen)
	moved, err := chooseListen(cfg)
	if err != nil || cfg.HTTP.Listen == taken || !strings.Contains(moved, taken) {
		t.Fatalf("%s, %q, %v", cfg.HTTP.Listen, moved, err)
	}
	if cfg.HTTP.PublicURL != "http://"+cfg.HTTP.Listen {
		t.Errorf("links would go to %s, the pages are at %s", cfg.HTTP.PublicURL, cfg.HTTP.Listen)
	}
	again, err := loadConfig("", cfg.Data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chooseListen(again); err != nil || again.HTTP.Listen != cfg.HTTP.Listen {
		t.Errorf("links in texts that were sent point to %s, the next start listens on %s (%v)", cfg.HTTP.Listen, again.HTTP.Listen, err)
	}
}

func TestAConfiguredPortIsNeverLeft(t *testing.T) {
	cfg := devConfig(t)
	cfg.HTTP.Listen, cfg.HTTP.PublicURL = occupied(t, "127.0.0.1:0"), "https://fan.example"
	want := cfg.HTTP
	if moved, err := chooseListen(cfg); err != nil || moved != "" || cfg.HTTP != want {
		t.Errorf("%+v, %q, %v", cfg.HTTP, moved, err)
	}
}

func TestPortZeroIsSettledBeforeLinksAreMade(t *testing.T) {
	cfg := devConfig(t)
	cfg.HTTP.Listen, cfg.HTTP.PublicURL = "127.0.0.1:0", "http://127.0.0.1:0"
	if _, err := chooseListen(cfg); err != nil || strings.HasSuffix(cfg.HTTP.Listen, ":0") || cfg.HTTP.PublicURL != "http://"+cfg.HTTP.Listen {
		t.Errorf("%+v, %v", cfg.HTTP, err)
	}
}

func TestDevRefusesWhatMakesNoSense(t *testing.T) {
	carriers := filepath.Join(t.TempDir(), "c.yaml")
	text := "carriers:\n  - {name: a, hosts: [\"127.0.0.1:2775\"], system_id: x, limit_per_second: 1}\n"
	if err := os.WriteFile(carriers, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"--exit":                        "--exit belongs to --demo",
		"--members 5000":                "--members belongs to --demo",
		"--demo --members 1":            "want 100 to",
		"--demo --config " + carriers:   "names carriers",
		"--demo --config /nowhere/x":    "no such file",
		"--nope":                        "not defined",
		"--demo two words are too many": "one word too many",
	} {
		code, _, complaints := fanline(t, append([]string{"dev"}, strings.Fields(args)...)...)
		if code == exitDone || !strings.Contains(complaints, want) {
			t.Errorf("dev %s: exit %d, %q; want %q", args, code, complaints, want)
		}
	}
}

func TestDevTouchesNothingOfADirectoryThatIsInUse(t *testing.T) {
	data, err := openDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	code, _, complaints := fanline(t, "dev", "--data", data.path)
	if code != exitFailed || !strings.Contains(complaints, "in use by process") {
		t.Errorf("exit %d, %q", code, complaints)
	}
	if _, err := os.Stat(data.file("smsc")); err == nil {
		t.Error("a simulator was set up there")
	}
}

func TestTheSimulatorIsFoundAgainAndEndsWhenAsked(t *testing.T) {
	dir, log := filepath.Join(t.TempDir(), "smsc"), slog.New(slog.DiscardHandler)
	first, err := startSimulator(t.Context(), dir, 1, log)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.end() }() // Where the test ends early.
	if first.reused {
		t.Error("the first one is reused")
	}
	if session, err := unix.Getsid(first.pid()); err != nil || session != first.pid() {
		t.Errorf("the simulator is in session %d (%v): Ctrl-C on our terminal would reach it", session, err)
	}
	second, err := startSimulator(t.Context(), dir, 1, log)
	if err != nil {
		t.Fatal(err)
	}
	if !second.reused || second.address != first.address || second.pid() != first.pid() {
		t.Errorf("reused %v, %s and %s, %d and %d", second.reused, second.address, first.address, second.pid(), first.pid())
	}
	if err := second.end(); err != nil {
		t.Fatal(err)
	}
	<-first.exited // It has ended, and nobody else was asked to.
	if second.alive() {
		t.Error("it ended and is alive")
	}
	third, err := startSimulator(t.Context(), dir, 1, log)
	if err != nil || third.reused {
		t.Fatalf("after the end: %v, reused %v", err, third.reused)
	}
	if err := third.end(); err != nil {
		t.Error(err)
	}
}

func TestAStrangersProcessIsNeverTakenForTheSimulator(t *testing.T) {
	s := &simulator{dir: t.TempDir(), log: "/nowhere", logger: slog.New(slog.DiscardHandler)}
	s.process.Store(int64(os.Getpid())) // As a pid file of another day would say.
	if s.isOurs() {
		t.Error("this test passes for a simulator")
	}
	if err := s.end(); err != nil { // Must not signal us.
		t.Error(err)
	}
}

func TestASimulatorThatCannotStartSaysWhy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "smsc")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "log"), nil, 0o600); err != nil { // Where a directory should be.
		t.Fatal(err)
	}
	_, err := startSimulator(t.Context(), dir, 1, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "log") {
		t.Errorf("%v", err)
	}
}

func TestWhatDevWritesForOthersIsWhatItRunsOn(t *testing.T) {
	cfg := devConfig(t)
	s := &simulator{dir: filepath.Join(cfg.Data, "smsc"), address: "127.0.0.1:4711"}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.readPassword(); err != nil {
		t.Fatal(err)
	}
	s.configure(cfg)
	if err := writeDevConfig(cfg); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cfg.Data, "dev.yaml")
	read, err := loadConfig(path, "", nil) // Validates it too.
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cfg, read, cmpopts.IgnoreTypes(Secret{})); diff != "" {
		t.Errorf("(-running +written)\n%s", diff)
	}
	if got := read.Carriers[0].Password.Reveal(); got != s.password || len(got) != maxPassword {
		t.Errorf("the password is %q, %q written", s.password, got)
	}
	if raw, err := os.ReadFile(path); err != nil || bytes.Contains(raw, []byte(s.password)) {
		t.Errorf("the password itself stands in %s (%v)", path, err)
	}
}

func TestTheSimulatorsFilesAreGood(t *testing.T) {
	s := &simulator{dir: t.TempDir()}
	if err := s.writeFiles(7); err != nil {
		t.Fatal(err)
	}
	accounts, err := smsc.LoadAccounts(s.file("accounts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if a := accounts[0]; a.Limit != simulatorLimit || a.Numbers[0].Number != demoNumber || a.Numbers[0].Limit != simulatorLimit {
		t.Errorf("%+v", a)
	}
	scenario, err := smsc.LoadScenario(s.file("scenario.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if scenario.Seed != 7 || scenario.Receipts.Lost != 0 || len(scenario.Receipts.States) == 0 || len(scenario.Statuses) == 0 {
		t.Errorf("%+v", scenario)
	}
	if r := scenario.Rules[0]; r.Statuses == nil || len(r.Statuses) != 0 || len(r.Receipts.States) != 0 || r.To != fanPrefix+"*" {
		t.Errorf("the fans' phones may fail: %+v", r)
	}
}

func TestWordsForAShellAreSafeToPaste(t *testing.T) {
	for word, want := range map[string]string{
		"data/smsc/log": "data/smsc/log", "": "''", "my data": "'my data'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "a;b": "'a;b'",
	} {
		if got := quoted(word); got != want {
			t.Errorf("%q: %s, want %s", word, got, want)
		}
	}
}

func TestProgressIsPlainLinesWhereNothingCanBeDrawnOver(t *testing.T) {
	var out, report bytes.Buffer
	s := newScreen(&out)
	s.report = &report
	for range 50 {
		s.show("half", "a", "block")
	}
	s.note("a step")
	s.keep("half")
	s.keep("all")
	s.tell("%d in all", 7)
	if _, err := io.WriteString(s, "a log line\n"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("half\na step\nall\na log line\n", out.String()); diff != "" {
		t.Errorf("progress (-want +got)\n%s", diff)
	}
	if report.String() != "7 in all\n" {
		t.Errorf("report %q", report.String())
	}
}

func TestABlockIsDrawnOverItselfAndFitsTheTerminal(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.report, s.terminal, s.width = &out, true, func() int { return 10 }
	s.show("", "0123456789", "b")
	s.note("x")
	s.show("", "c")
	s.keep("")
	s.note("y")
	want := "01234567…\nb\n" + "\x1b[2A\x1b[J" + "x\n" + "01234567…\nb\n" + "\x1b[2A\x1b[J" + "c\n" + "y\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
