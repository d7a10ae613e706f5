package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"time"

	"fanline/community"
	"fanline/engine/message"
)

// benchReport is the JSON of `make bench` (contracts.md). Times are CPU time of
// all processes, simulator included, so they add up to what a message costs.
type benchReport struct {
	Rate    float64        `json:"rate_per_s"` // messages from the start until the last one was decided by its submit
	CPU     float64        `json:"cpu_us_per_msg"`
	Stages  []benchStage   `json:"stages"`
	RSS1M   float64        `json:"rss_1m_mb"`
	RSS5M   *float64       `json:"rss_5m_mb"`       // null with --quick
	Rest    float64        `json:"rest_rate_per_s"` // … until the last receipt was in ClickHouse; the scenario's receipts take up to 2 s
	Members int            `json:"members"`
	Commits float64        `json:"parts_per_commit"`
	Commit  float64        `json:"commit_ms"` // from handing over to durable, on average
	Note    string         `json:"note,omitempty"`
	Ledger  message.Ledger `json:"ledger"`
}

// benchStage is what one stage costs, beside what architecture.md planned.
type benchStage struct {
	Name   string   `json:"name"`
	CPU    float64  `json:"cpu_us_per_msg"`
	Budget *float64 `json:"budget_us_per_msg,omitempty"`
}

// runBench measures whole broadcasts with nothing left out: planner, log,
// engine, SMPP, simulator, receipts, ClickHouse. Each size runs in a process of
// its own, because peak memory belongs to a process.
func runBench(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("bench", stderr)
	asJSON := flags.Bool("json", false, "end with one line of JSON")
	quick := flags.Bool("quick", false, "one million members only")
	members := flags.Int("members", 0, "one run with so many `MEMBERS` instead")
	profile := flags.String("cpuprofile", "", "keep the CPU profile of the (last) run in `FILE`")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	first := 1_000_000
	if *members > 0 {
		first = *members
	}
	r, err := benchChild(ctx, first, *profile, stderr)
	if err != nil {
		return err
	}
	if !*quick && *members == 0 {
		large, err := benchChild(ctx, 5_000_000, "", stderr)
		if err != nil {
			return err
		}
		r.RSS5M = &large.RSS1M
	}
	if *asJSON {
		return printJSON(stdout, r)
	}
	return r.print(stdout)
}

func (r *benchReport) print(w io.Writer) error {
	fmt.Fprintf(w, "%s messages: %s/s sent, %s/s to rest in ClickHouse, %.1f µs of CPU a message on %d cores, %.0f parts a commit of %.1f ms\n",
		grouped(int64(r.Members)), grouped(int64(r.Rate)), grouped(int64(r.Rest)), r.CPU, runtime.NumCPU(), r.Commits, r.Commit)
	for _, s := range r.Stages {
		budget := ""
		if s.Budget != nil {
			budget = fmt.Sprintf("  (budget %.1f)", *s.Budget)
		}
		fmt.Fprintf(w, "  %-22s %6.2f µs%s\n", s.Name, s.CPU, budget)
	}
	fmt.Fprintf(w, "  peak memory %.0f MB with %s members", r.RSS1M, grouped(int64(r.Members)))
	if r.RSS5M != nil {
		fmt.Fprintf(w, ", %.0f MB with 5,000,000", *r.RSS5M)
	}
	_, err := fmt.Fprintln(w)
	return err
}

// benchRunCommand is this program measuring one size.
const benchRunCommand = "internal-bench"

func benchChild(ctx context.Context, members int, profile string, stderr io.Writer) (*benchReport, error) {
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "fanline-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // What is left there is temporary, and the figures stand.
	fmt.Fprintf(stderr, "bench: %s members\n", grouped(int64(members)))
	child := exec.CommandContext(ctx, executable, benchRunCommand, "--members", strconv.Itoa(members), "--data", dir, "--cpuprofile", profile)
	child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
	child.Stderr = stderr
	out, err := child.Output()
	if err != nil {
		return nil, fmt.Errorf("bench of %d members: %w", members, err)
	}
	var r benchReport
	return &r, json.Unmarshal(out, &r)
}

// runBenchOnce is the child: one size, one broadcast, one line of JSON.
func runBenchOnce(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("bench run", stderr)
	members := flags.Int("members", 1_000_000, "members")
	data := flags.String("data", "", "data directory")
	profile := flags.String("cpuprofile", "", "file")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	cfg, err := loadConfig("", *data, os.Environ())
	if err != nil {
		return err
	}
	cfg.HTTP.Listen = "127.0.0.1:0"
	cfg.Sending.Validity, cfg.Sending.ReceiptGrace = time.Hour, time.Minute
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	sim, err := benchSimulator(ctx, filepath.Join(*data, "smsc"), log)
	if err != nil {
		return err
	}
	sim.configure(cfg)
	cfg.Carriers[0].LimitPerSecond, cfg.Numbers[0].LimitPerSecond = 0, 0
	cfg.Carriers[0].Binds = benchBinds
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var r *benchReport
	err = runNode(ctx, cfg, log, func(n *node) []part {
		return []part{{"bench", func(ctx context.Context, ready func()) error {
			ready()
			err := waitReady(ctx, n)
			if err == nil {
				r, err = benchBroadcast(ctx, n, sim, *members, *profile, stderr)
			}
			stop() // Everything else stops in its order; this part is the first.
			<-ctx.Done()
			return err
		}}}
	})
	if err = errors.Join(err, sim.end()); err != nil {
		return err
	}
	return printJSON(stdout, r)
}

// benchSimulator is a carrier without limits: what is measured is us.
func benchSimulator(ctx context.Context, dir string, log *slog.Logger) (*simulator, error) {
	s := &simulator{dir: dir, log: filepath.Join(dir, "log"), logger: log}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := s.readPassword(); err != nil {
		return nil, err
	}
	accounts := fmt.Sprintf("accounts:\n  - {system_id: %s, password: %q, limit_per_second: 0, numbers: [{number: %q, limit_per_second: 0}]}\n",
		simulatorSystem, "file:"+s.file("password"), demoNumber)
	const scenario = `seed: 1
latency: {min: 1ms, max: 20ms}
statuses: {ESME_RINVDSTADR: 0.001}
receipts:
  states: {UNDELIV: 0.02, EXPIRED: 0.01}
  delay: {min: 100ms, p50: 500ms, p90: 1s, p99: 1500ms, max: 2s}
  lost: 0
  duplicate: 0
  early: 0
max_pending: 20000000
`
	if err := errors.Join(writeAtomically(s.file("accounts.yaml"), accounts), writeAtomically(s.file("scenario.yaml"), scenario)); err != nil {
		return nil, err
	}
	return s, s.start(ctx, "127.0.0.1:0")
}

// benchDraft makes the members and the broadcast that is going to be measured.
func benchDraft(ctx context.Context, n *node, members int) (b community.Broadcast, err error) {
	number, err := message.ParsePhone(demoNumber)
	if err != nil {
		return b, err
	}
	if _, err := n.store.Simulate(ctx, members, 1, number, nil); err != nil {
		return b, err
	}
	if err := n.analyticsCaughtUp(ctx); err != nil {
		return b, err
	}
	return n.store.CreateBroadcast(ctx, community.NewBroadcast{
		Number: number, Text: "Hey {{first_name}}, the new song is out tonight. Tell me what you think of it!", Audience: "all", Validity: time.Hour,
	})
}

// benchBroadcast sends one broadcast to everyone and measures it.
func benchBroadcast(ctx context.Context, n *node, sim *simulator, members int, keep string, stderr io.Writer) (*benchReport, error) {
	b, err := benchDraft(ctx, n, members)
	if err != nil {
		return nil, err
	}
	runtime.GC()
	pids := map[string]int{"clickhouse": n.clickhouse.Status().PID, "simulator": sim.pid(), "self": os.Getpid()}
	before, was := cpuOf(pids), n.engine.Stats()
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		return nil, err
	}
	begun := time.Now()
	if _, err := n.store.StartBroadcast(ctx, b.ID); err != nil {
		pprof.StopCPUProfile()
		return nil, err
	}
	sent, ledger, err := n.untilRest(ctx, b.ID, int64(members), begun, stderr)
	if err == nil {
		err = n.analyticsCaughtUp(ctx)
	}
	rest := time.Since(begun)
	pprof.StopCPUProfile()
	if err != nil {
		return nil, err
	}
	after, stats := cpuOf(pids), n.engine.Stats()
	if keep != "" {
		if err := os.WriteFile(keep, profile.Bytes(), 0o600); err != nil {
			return nil, err
		}
	}
	r := &benchReport{
		Rate: float64(members) / sent.Seconds(), Rest: float64(members) / rest.Seconds(), Members: members, Ledger: ledger,
		Commits: float64(stats.Written-was.Written) / float64(max(1, stats.Commits-was.Commits)), RSS1M: peakMemory("self"),
		Commit: milliseconds(stats.Committing-was.Committing) / float64(max(1, stats.Commits-was.Commits)),
	}
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(members) }
	for name := range pids {
		r.CPU += each(after[name] - before[name])
	}
	r.Stages, err = benchStages(profile.Bytes(), each(after["self"]-before["self"]))
	simulatorBudget, clickhouseBudget := 1.0, 1.5
	r.Stages = append(r.Stages,
		benchStage{"clickhouse server", each(after["clickhouse"] - before["clickhouse"]), &clickhouseBudget},
		benchStage{"simulator", each(after["simulator"] - before["simulator"]), &simulatorBudget})
	return r, err
}

// untilRest waits until a broadcast is wholly accounted for, and returns when
// every message had been decided by its submit.
func (n *node) untilRest(ctx context.Context, id message.BroadcastID, total int64, begun time.Time, stderr io.Writer) (sent time.Duration, l message.Ledger, err error) {
	said := begun
	for {
		select {
		case <-ctx.Done():
			return 0, l, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		l = n.engine.Progress(id).Messages.Ledger(total)
		if l.PendingSend == 0 && sent == 0 {
			sent = time.Since(begun)
		}
		if l.AtRest() {
			return sent, l, nil
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			fmt.Fprintf(stderr, "bench: %s of %s sent after %.0f s\n", grouped(total-l.PendingSend), grouped(total), time.Since(begun).Seconds())
		}
	}
}

// benchBinds is so many that windows don't limit what is measured: a slot is
// held for the response time and for two commits.
const benchBinds = 8
