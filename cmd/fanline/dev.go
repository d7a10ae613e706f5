package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"fanline/engine/message"
)

// devOptions is what the command line asks of dev.
type devOptions struct {
	config, data string
	debug        bool
	demo         bool
	demoOptions
}

// runDev runs everything in one go, without any configuration: the node on its
// embedded log, store and analytics, and a simulated carrier where the
// configuration names none.
func runDev(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	o, err := devFlags(args, stderr)
	if err != nil {
		return err
	}
	cfg, err := loadConfig(o.config, o.data, os.Environ())
	if err != nil {
		return err
	}
	simulated := len(cfg.Carriers) == 0
	switch {
	case o.demo && !simulated:
		return usagef("%s names carriers, and --demo sends to the simulator alone", o.config)
	case simulated && len(cfg.Numbers) > 0:
		return usagef("%s names numbers and no carrier that serves them", o.config)
	}
	if cfg.Data, err = filepath.Abs(cfg.Data); err != nil {
		return err
	}
	if o.demo && o.data == "" {
		if cfg.Data, err = demoData(cfg.Data, o.demoOptions); err != nil {
			return err
		}
	}
	if err := freeDataDir(cfg.Data); err != nil {
		return err
	}
	if o.demo {
		if err := markDemo(cfg.Data, o.demoOptions); err != nil {
			return err
		}
	}
	s := newScreen(stderr)
	if !o.demo || !o.json {
		s.report = stdout
	}
	log, closeLog, err := devLog(cfg.Data, s, o.debug)
	if err != nil {
		return err
	}
	defer closeLog()
	moved, err := chooseListen(cfg)
	if err != nil {
		return err
	}
	d := &dev{cfg: cfg, log: log, screen: s, moved: moved, shownData: shownData(o)}
	if simulated {
		if d.simulator, err = startSimulator(ctx, filepath.Join(cfg.Data, "smsc"), o.seed, log); err != nil {
			return err
		}
		d.simulator.configure(cfg)
		if err := writeDevConfig(cfg); err != nil {
			return errors.Join(err, d.end())
		}
	}
	if o.demo {
		cfg.Sending.Validity, cfg.Sending.ReceiptGrace = demoValidity, demoGrace
		return runDemo(ctx, d, o.demoOptions, stdout)
	}
	return errors.Join(d.run(ctx, d.welcome), d.end())
}

func devFlags(args []string, stderr io.Writer) (o devOptions, err error) {
	flags := newFlags("dev", stderr)
	flags.StringVar(&o.config, "config", "", "configuration `FILE`; without one everything is embedded and the carrier is simulated")
	flags.StringVar(&o.data, "data", "", "data `DIR`, instead of the configured one")
	flags.BoolVar(&o.debug, "debug", false, "log more, and to the terminal as well")
	flags.BoolVar(&o.demo, "demo", false, "show the main job: a fan joins, and a broadcast reaches every member and is accounted for")
	flags.IntVar(&o.members, "members", demoMembers, "with --demo: how many `MEMBERS` get the broadcast")
	flags.BoolVar(&o.exit, "exit", false, "with --demo: end when it is done")
	flags.BoolVar(&o.json, "json", false, "with --demo: end with one line of JSON")
	flags.Uint64Var(&o.seed, "seed", 1, "with --demo: `SEED` of members and carrier; the same one makes the same")
	flags.BoolVar(&o.again, "new", false, "with --demo: send another broadcast where one is finished")
	if _, err := parseFlags(flags, args); err != nil {
		return o, err
	}
	o.given = map[string]bool{}
	for _, name := range []string{"members", "exit", "json", "seed", "new"} {
		o.given[name] = false
	}
	flags.Visit(func(f *flag.Flag) {
		if _, ours := o.given[f.Name]; ours {
			o.given[f.Name] = true
		}
	})
	for name, given := range o.given {
		if given && !o.demo {
			return o, usagef("--%s belongs to --demo", name)
		}
	}
	if o.members < demoLeast || o.members > demoMost {
		return o, usagef("--members %d: want %d to %d", o.members, demoLeast, demoMost)
	}
	return o, nil
}

// freeDataDir refuses a directory that another process holds before anything
// in it is touched: its simulator is that process's.
func freeDataDir(path string) error {
	d, err := openDataDir(path)
	if err != nil {
		return err
	}
	return d.Close()
}

// shownData is the flag that makes other commands find our data directory;
// empty where they find it by themselves.
func shownData(o devOptions) string {
	switch {
	case o.data != "":
		return " --data " + quoted(o.data)
	case o.config != "":
		return " --config " + quoted(o.config)
	}
	return ""
}

// quoted makes a word safe to paste into a shell.
func quoted(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+:=@%,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// devLog writes everything into DATA/dev.log and warnings to the terminal too.
func devLog(data string, s *screen, debug bool) (*slog.Logger, func(), error) {
	f, err := os.OpenFile(filepath.Join(data, "dev.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, err
	}
	inFile, onScreen := slog.LevelInfo, slog.LevelWarn
	if debug {
		inFile, onScreen = slog.LevelDebug, slog.LevelDebug
	}
	log := slog.New(slog.NewMultiHandler(
		slog.NewTextHandler(f, &slog.HandlerOptions{Level: inFile}),
		slog.NewTextHandler(s, &slog.HandlerOptions{Level: onScreen}),
	))
	return log, func() { _ = f.Close() }, nil // What it holds was written line by line.
}

// listenFile remembers where the pages were served, so that the links in texts
// that were sent already still work after the next start.
const listenFile = "http.addr"

// chooseListen settles http.listen. The default one gives way when another
// program has it; one that was configured does not. It returns what to tell
// about that.
func chooseListen(cfg *Config) (moved string, err error) {
	standard := defaultConfig().HTTP
	_, port, err := net.SplitHostPort(cfg.HTTP.Listen)
	if err != nil {
		return "", err // Validated before: this cannot be.
	}
	if port != "0" && cfg.HTTP.Listen != standard.Listen {
		return "", nil
	}
	host, _, _ := net.SplitHostPort(cfg.HTTP.Listen)
	candidates := []string{cfg.HTTP.Listen, net.JoinHostPort(host, "0")}
	path := filepath.Join(cfg.Data, listenFile)
	if raw, err := os.ReadFile(path); err == nil {
		candidates = append([]string{strings.TrimSpace(string(raw))}, candidates...)
	}
	wanted := cfg.HTTP.Listen
	for i, candidate := range candidates {
		l, err := net.Listen("tcp", candidate)
		if errors.Is(err, syscall.EADDRINUSE) && i+1 < len(candidates) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("http.listen: %w", err)
		}
		cfg.HTTP.Listen = l.Addr().String()
		if err := l.Close(); err != nil {
			return "", err
		}
		break
	}
	if port != "0" && cfg.HTTP.Listen != wanted {
		moved = fmt.Sprintf("another program has, or had, %s: the pages are at %s", wanted, cfg.HTTP.Listen)
	}
	if u, err := url.Parse(cfg.HTTP.PublicURL); err == nil && (cfg.HTTP.PublicURL == standard.PublicURL || u.Port() == "0") {
		cfg.HTTP.PublicURL = "http://" + cfg.HTTP.Listen
	}
	return moved, writeAtomically(path, cfg.HTTP.Listen+"\n")
}

// dev is one run of dev.
type dev struct {
	cfg       *Config
	log       *slog.Logger
	screen    *screen
	moved     string
	shownData string
	simulator *simulator // nil: real carriers
	opened    bool       // the node has the data directory
}

// run runs the node, and show beside it once all of it is there.
func (d *dev) run(ctx context.Context, show func(ctx context.Context, n *node) error) error {
	d.screen.note("starting: log, store, analytics, carrier …")
	return runNode(ctx, d.cfg, d.log, func(n *node) []part {
		d.opened = true
		var parts []part
		if d.simulator != nil {
			parts = append(parts, part{"simulator", d.simulator.watch})
		}
		return append(parts, part{"dev", func(ctx context.Context, ready func()) error {
			ready()
			if err := waitReady(ctx, n); err != nil {
				return err
			}
			if err := show(ctx, n); err != nil {
				return err
			}
			<-ctx.Done()
			return nil
		}})
	})
}

// end ends the simulator, unless the node never was ours: then it is the
// simulator of whoever has the data directory.
func (d *dev) end() error {
	if d.simulator == nil || d.simulator.reused && !d.opened {
		return nil
	}
	return d.simulator.end()
}

// readyWithin is how long the node may take to read its journal, take its
// partitions over and bind.
const readyWithin = 3 * time.Minute

// waitReady waits for what /readyz asks for and names what is missing.
func waitReady(ctx context.Context, n *node) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		var missing []string
		for _, c := range n.readyChecks() {
			if err := c.ok(ctx); err != nil {
				missing = append(missing, c.name+": "+err.Error())
			}
		}
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("not ready after %v: %s", readyWithin, strings.Join(missing, "; "))
			}
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// welcome says where everything is and what to try.
func (d *dev) welcome(_ context.Context, n *node) error {
	d.screen.tell("Fanline is up.\n")
	d.places(n)
	d.screen.tell("\nTry, in another terminal:")
	phone := "+14015550100"
	if d.simulator != nil {
		d.try("text the number as a fan would, and see what comes back: a link to the form",
			"smsc mo --log "+quoted(d.simulator.log)+" --from "+phone+" --to "+demoNumber+" --text 'Hi!'",
			"smsc messages --log "+quoted(d.simulator.log)+" --phone "+phone)
	}
	d.try("bring in a list of members", "members import FILE.csv"+d.shownData)
	d.try("write to all of them", "broadcast create --text 'Hey {{first_name}}!' --audience all"+d.shownData)
	d.try("read what people write, and answer", "inbox list"+d.shownData)
	d.screen.tell("\nCtrl-C stops everything in order.")
	return nil
}

// try prints commands that may be pasted.
func (d *dev) try(what string, commands ...string) {
	d.screen.tell("  %s", what)
	for _, c := range commands {
		d.screen.tell("      %s %s", programName(), c)
	}
}

// programName is the program as it was called.
func programName() string {
	if strings.ContainsRune(os.Args[0], filepath.Separator) {
		return quoted(os.Args[0])
	}
	return "fanline"
}

// places says what listens where.
func (d *dev) places(n *node) {
	row := func(name, format string, args ...any) {
		d.screen.tell("  %-16s "+format, append([]any{name}, args...)...)
	}
	if d.moved != "" {
		row("note", "%s", d.moved)
	}
	numbers := make([]string, len(d.cfg.Numbers))
	for i, number := range d.cfg.Numbers {
		numbers[i] = fmt.Sprintf("%s (%s)", number.Number, number.Leader)
	}
	row("numbers", "%s", strings.Join(numbers, ", "))
	row("pages", "%s", d.cfg.HTTP.PublicURL)
	row("metrics, health", "http://%s/metrics /healthz /readyz", n.public.Addr())
	if d.simulator != nil {
		row("carrier", "simulator, SMPP on %s, process %d, log in %s", d.simulator.address, d.simulator.pid(), d.simulator.log)
	}
	if n.clickhouse != nil {
		row("ClickHouse", "native %s; console http://%s/play?user=%s&password=%s",
			n.clickhouse.Address(), n.clickhouse.HTTPAddress(), n.clickhouse.User(), url.QueryEscape(n.clickhouse.Password()))
	}
	row("control", "%s (/v1, for the command line)", n.control.Addr())
	row("process", "%d, data in %s, log in %s", os.Getpid(), d.cfg.Data, filepath.Join(d.cfg.Data, "dev.log"))
}

// demoNumber is the number of dev and demo; its own type checks it in a test.
const demoNumber = "+17735550100"

// parsedDemoNumber is demoNumber as the store and the engine have it.
func parsedDemoNumber() (message.Phone, error) { return message.ParsePhone(demoNumber) }
