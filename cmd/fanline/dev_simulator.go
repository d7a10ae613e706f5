package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"fanline/smpp/smsc"
)

// The simulated carrier of dev and demo. The judge of our limit is the
// simulator's own: it answers ESME_RTHROTTLED above the same figure.
const (
	simulatorName   = "simulator" // of the carrier and of its profile
	simulatorSystem = "fanline"
	simulatorBinds  = 4
	simulatorWindow = 1000
	simulatorLimit  = 100_000 // parts per second, of the account and of the number
	simulatorLeader = "demo"
)

// How long the simulator may take to start (it reads what its log says is
// owed) and to end, and how often it is looked after.
const (
	simulatorStart = 2 * time.Minute
	simulatorEnd   = 15 * time.Second
	simulatorEvery = 500 * time.Millisecond
)

// simulator is the simulated carrier as a process of its own, in its own
// session: Ctrl-C on the terminal reaches us alone, so that the engine can
// drain first. It outlives us when we are killed, as a carrier would, and the
// next start finds it again; left alone, it ends after 10 idle minutes.
type simulator struct {
	dir, log string
	address  string
	password string
	reused   bool
	logger   *slog.Logger

	process atomic.Int64  // 0: unknown
	child   *exec.Cmd     // nil: another process started it
	exited  chan struct{} // of child; closed when it is gone
}

// startSimulator finds the one that serves dir, or starts it.
func startSimulator(ctx context.Context, dir string, seed uint64, logger *slog.Logger) (*simulator, error) {
	s := &simulator{dir: dir, log: filepath.Join(dir, "log"), logger: logger}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := s.readPassword(); err != nil {
		return nil, err
	}
	if s.find(ctx) {
		s.reused = true
		return s, nil
	}
	if err := s.writeFiles(seed); err != nil {
		return nil, err
	}
	return s, s.start(ctx, "127.0.0.1:0")
}

// file returns the path of a file of the simulator.
func (s *simulator) file(name string) string { return filepath.Join(s.dir, name) }

// readPassword returns the account's password, which is made once.
func (s *simulator) readPassword() error {
	raw, err := os.ReadFile(s.file("password"))
	if errors.Is(err, os.ErrNotExist) {
		raw = []byte(strings.ToLower(rand.Text()[:8])) // SMPP 3.4 §4.1.1 leaves room for 8 octets.
		err = writeAtomically(s.file("password"), string(raw)+"\n")
	}
	s.password = strings.TrimSpace(string(raw))
	return err
}

// find tells whether the simulator of an earlier run is alive: it takes
// connections and its control answers.
func (s *simulator) find(ctx context.Context) bool {
	raw, err := os.ReadFile(s.file("addr"))
	if err != nil {
		return false
	}
	address := strings.TrimSpace(string(raw))
	dialer := net.Dialer{Timeout: 2 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close() // It was only a question.
	if s.answers(ctx) != nil {
		return false
	}
	s.address = address
	if raw, err := os.ReadFile(s.file("pid")); err == nil {
		pid, _ := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64) // 0 when it is no number: then it is left to end by itself.
		s.process.Store(pid)
	}
	return true
}

// answers asks the control interface.
func (s *simulator) answers(ctx context.Context) error {
	client, err := smsc.Dial(s.log)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err = client.Stats(ctx)
	return err
}

// start runs the simulator and waits until it answers.
func (s *simulator) start(ctx context.Context, listen string) error {
	executable, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.Remove(s.file("addr")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	out, err := os.OpenFile(s.file("out"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // The child has its own.
	child := exec.Command(executable, "smsc", "--listen", listen, "--accounts", s.file("accounts.yaml"), "--scenario", s.file("scenario.yaml"),
		"--log", s.log, "--addr", s.file("addr"), "--idle-exit", "10m")
	child.Stdout, child.Stderr, child.Dir = out, out, s.dir
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := child.Start(); err != nil {
		return fmt.Errorf("starting the simulator: %w", err)
	}
	s.child, s.exited = child, make(chan struct{})
	s.process.Store(int64(child.Process.Pid))
	go func(exited chan struct{}) {
		defer close(exited) // end and watch wait for it.
		_ = child.Wait()    // Why it ended stands in its output.
	}(s.exited)
	if err := writeAtomically(s.file("pid"), fmt.Sprintln(child.Process.Pid)); err != nil {
		return errors.Join(err, s.end())
	}
	return s.awaitStart(ctx)
}

func (s *simulator) awaitStart(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, simulatorStart)
	defer cancel()
	for {
		if raw, err := os.ReadFile(s.file("addr")); err == nil && s.answers(ctx) == nil {
			if address := strings.TrimSpace(string(raw)); address != s.address { // A restart keeps it: others may be reading.
				s.address = address
			}
			return nil
		}
		select {
		case <-s.exited:
			return fmt.Errorf("the simulator ended at once: %s", s.lastWords())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the simulator did not listen within %v: %s", simulatorStart, s.lastWords()), s.end())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// lastWords is the last line of what the simulator said.
func (s *simulator) lastWords() string {
	f, err := os.Open(s.file("out"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }() // It was only read.
	if info, err := f.Stat(); err == nil && info.Size() > 4096 {
		_, _ = f.Seek(-4096, io.SeekEnd) // Else the whole file is read, which is no harm.
	}
	raw, err := io.ReadAll(f)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(raw), []byte("\n"))
	return fmt.Sprintf("%s (in %s)", lines[len(lines)-1], s.file("out"))
}

// watch starts the simulator again on its address when it ends by itself: it
// goes on with what its log says is owed, as a carrier does after an outage.
func (s *simulator) watch(ctx context.Context, ready func()) error {
	ready()
	tick := time.NewTicker(simulatorEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if s.alive() {
			continue
		}
		s.logger.Warn("the carrier simulator ended; it is started again", "said", s.lastWords())
		if err := s.start(ctx, s.address); err != nil && ctx.Err() == nil {
			s.logger.Error("the carrier simulator does not start; it is tried again", "error", err)
		}
	}
}

func (s *simulator) alive() bool {
	if s.child != nil {
		select {
		case <-s.exited:
			return false
		default:
			return true
		}
	}
	return s.process.Load() == 0 || s.isOurs()
}

// isOurs tells whether the process still is the simulator of this directory
// and not another one that was given its number.
func (s *simulator) isOurs() bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.process.Load()))
	if err != nil {
		return false
	}
	args := strings.Split(string(raw), "\x00")
	return len(args) > 2 && args[1] == "smsc" && strings.Contains(string(raw), "\x00--log\x00"+s.log+"\x00")
}

// pid is the simulator's process.
func (s *simulator) pid() int { return int(s.process.Load()) }

// end asks the simulator to end and waits until it has.
func (s *simulator) end() error {
	pid := s.pid()
	if pid == 0 || s.child == nil && !s.isOurs() || !s.alive() {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ending the simulator (process %d): %w", pid, err)
	}
	for deadline := time.Now().Add(simulatorEnd); s.alive(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("the simulator (process %d) was asked to end and has not after %v", pid, simulatorEnd)
		}
	}
	return nil
}

// configure makes the simulator the carrier of the one number of dev.
func (s *simulator) configure(cfg *Config) {
	var c CarrierConfig
	c.setDefaults()
	c.Name, c.Profile, c.Hosts, c.SystemID = simulatorName, simulatorName, []string{s.address}, simulatorSystem
	c.Binds, c.Window, c.LimitPerSecond = simulatorBinds, simulatorWindow, simulatorLimit
	c.EnquireLink = 30 * time.Second // As its profile has it, whose word a file's reader takes.
	c.Password = Secret{ref: "file:" + s.file("password"), reveal: func() string { return s.password }}
	var n NumberConfig
	n.setDefaults()
	n.Number, n.Leader, n.Carriers, n.LimitPerSecond = demoNumber, simulatorLeader, []string{simulatorName}, simulatorLimit
	cfg.Carriers, cfg.Numbers = []CarrierConfig{c}, []NumberConfig{n}
}

// writeDevConfig writes what dev runs on into DATA/dev.yaml, for commands that
// ask for a configuration: `fanline carrier probe simulator --config …`.
func writeDevConfig(cfg *Config) error {
	c, n := &cfg.Carriers[0], &cfg.Numbers[0]
	password, _ := c.Password.MarshalText() // Names the file, never the password.
	text := fmt.Sprintf(`# Written by fanline dev at each start: what the running process was given.
data: %q
http: {listen: %q, public_url: %q}
carriers:
  - {name: %s, profile: %s, hosts: [%q], binds: %d, system_id: %s, password: %q, window: %d, limit_per_second: %d}
numbers:
  - {number: %q, kind: %s, leader: %s, carriers: [%s], limit_per_second: %d}
`, cfg.Data, cfg.HTTP.Listen, cfg.HTTP.PublicURL, c.Name, c.Profile, c.Hosts[0], c.Binds, c.SystemID,
		strings.Trim(string(password), "[]"), c.Window, c.LimitPerSecond, n.Number, n.Kind, n.Leader, c.Name, n.LimitPerSecond)
	return writeAtomically(filepath.Join(cfg.Data, "dev.yaml"), text)
}

// writeFiles writes who may bind and how the carrier behaves.
//
// It fails as real ones do: refused submits, texts that can't be delivered or
// expire, receipts that come twice or before the answer to their submit. It
// loses no receipt, so that a ledger comes to rest a few seconds after the
// last message and not when validity and grace are over. It refuses for good
// and never for a while: a handful of messages that are tried again after 2 and
// 4 s would make the time of a whole broadcast theirs. And it is kind to the
// phones of the demo's fans, whose story must not hang on a throw of dice.
func (s *simulator) writeFiles(seed uint64) error {
	accounts := fmt.Sprintf(`accounts:
  - system_id: %s
    password: %q
    limit_per_second: %d
    numbers:
      - {number: %q, limit_per_second: %d}
`, simulatorSystem, "file:"+s.file("password"), simulatorLimit, demoNumber, simulatorLimit)
	scenario := fmt.Sprintf(`seed: %d
latency: {min: 1ms, max: 20ms}
statuses: {ESME_RINVDSTADR: 0.002, ESME_RX_P_APPN: 0.001}
receipts:
  states: {UNDELIV: 0.02, EXPIRED: 0.01, REJECTD: 0.003, DELETED: 0.001, UNKNOWN: 0.001}
  delay: {min: 100ms, p50: 800ms, p90: 2s, p99: 3500ms, max: 5s}
  lost: 0
  duplicate: 0.001
  early: 0.001
max_pending: 20000000
rules:
  - {to: "%s*", statuses: {}, receipts: {states: {}}}
`, seed, fanPrefix)
	return errors.Join(writeAtomically(s.file("accounts.yaml"), accounts), writeAtomically(s.file("scenario.yaml"), scenario))
}
