package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	chembedded "fanline/analytics/embedded"
	"fanline/engine/message"
	"fanline/smpp/smsc"
)

// demoRun is the whole demo as a process of its own: this test binary, started
// as the program.
type demoRun struct {
	t       *testing.T
	data    string
	library string
	members int
}

func newDemoRun(t *testing.T, members int) *demoRun {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	library := chembedded.LibraryBelow(root)
	if _, err := os.Stat(library); err != nil {
		t.Skipf("the embedded ClickHouse is not installed; `make chdb` does it (%v)", err)
	}
	d := &demoRun{t: t, data: filepath.Join(t.TempDir(), "data"), library: library, members: members}
	t.Cleanup(d.endSimulator)
	return d
}

// endSimulator ends the simulator that a killed demo has left.
func (d *demoRun) endSimulator() {
	s := &simulator{dir: filepath.Join(d.data, "smsc"), log: filepath.Join(d.data, "smsc", "log")}
	raw, err := os.ReadFile(s.file("pid"))
	if err != nil {
		return // None was started.
	}
	pid, _ := strconv.ParseInt(string(bytes.TrimSpace(raw)), 10, 64)
	s.process.Store(pid)
	if err := s.end(); err != nil {
		d.t.Error(err)
	}
}

// start starts the demo and returns what it writes.
func (d *demoRun) start(args ...string) (cmd *exec.Cmd, stdout, stderr *bytes.Buffer) {
	d.t.Helper()
	executable, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	args = append([]string{"dev", "--demo", "--members", strconv.Itoa(d.members), "--exit", "--json", "--data", d.data}, args...)
	cmd = exec.CommandContext(d.t.Context(), executable, args...)
	cmd.Env = append(os.Environ(), "FANLINE_CLICKHOUSE_LIBRARY="+d.library)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	return cmd, stdout, stderr
}

// finish runs the demo to its end and reads its line of JSON, which must be
// the only one.
func (d *demoRun) finish(args ...string) demoReport {
	d.t.Helper()
	cmd, stdout, stderr := d.start(args...)
	if err := cmd.Wait(); err != nil {
		d.t.Fatalf("%v\n%s\n%s", err, stdout, stderr)
	}
	var r demoReport
	decoder := json.NewDecoder(bytes.NewReader(bytes.TrimSuffix(stdout.Bytes(), []byte("\n"))))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil || decoder.More() || bytes.Count(stdout.Bytes(), []byte("\n")) != 1 {
		d.t.Fatalf("not one line of JSON: %v\n%s", err, stdout)
	}
	return r
}

// check holds a report against the rules and against the simulator's log,
// recounted here.
func (d *demoRun) check(r demoReport) {
	d.t.Helper()
	l := r.Ledger
	if !r.Balanced || !l.Balanced() || !l.AtRest() || r.Lost != 0 || r.SendsAfterStop != 0 {
		d.t.Errorf("balanced %v, lost %d, after STOP %d, %+v", r.Balanced, r.Lost, r.SendsAfterStop, l)
	}
	if r.Duplicates > int64(r.WindowsSum) || r.WindowsSum != simulatorBinds*simulatorWindow {
		d.t.Errorf("%d duplicates, windows hold %d", r.Duplicates, r.WindowsSum)
	}
	if l.Accepted < int64(d.members) || r.ClickHouseKeys != uint64(l.Accepted) {
		d.t.Errorf("%d members, %d accepted, %d keys in ClickHouse", d.members, l.Accepted, r.ClickHouseKeys)
	}
	if len(r.Journey) != len(journeySteps()) {
		d.t.Errorf("%d of %d steps", len(r.Journey), len(journeySteps()))
	}
	for _, s := range r.Journey {
		if !s.OK {
			d.t.Errorf("step %q failed", s.Name)
		}
	}
	var accepted int64
	err := smsc.AcceptedKeys(r.SimLog, func(a smsc.Accepted) bool {
		if a.Kind == smsc.KeyBroadcast && message.BroadcastID(a.Broadcast) == r.Broadcast && a.Parts == a.Total {
			accepted++
		}
		return true
	})
	if err != nil || accepted < l.Submitted || accepted > l.Submitted+l.Uncertain {
		d.t.Errorf("the simulator accepted %d messages, the ledger has %d and %d uncertain (%v)", accepted, l.Submitted, l.Uncertain, err)
	}
	audit, err := smsc.Audit(r.SimLog)
	if err != nil || audit.Duplicates != r.Duplicates || audit.SendsAfterStop != 0 {
		d.t.Errorf("the simulator's log: %d twice, %d after a STOP (%v)", audit.Duplicates, audit.SendsAfterStop, err)
	}
}

func TestDemoAccountsForEveryMessage(t *testing.T) {
	d := newDemoRun(t, 2000)
	first := d.finish()
	d.check(first)
	if first.Resumed || first.Ledger.Accepted != 2000 || first.Ledger.Uncertain != 0 || first.Duplicates != 0 || first.Rate <= 0 || first.RSSPeak <= 0 {
		t.Errorf("nothing was killed: %+v", first)
	}

	again := d.finish()
	d.check(again)
	if !again.Resumed || again.Broadcast != first.Broadcast || again.Ledger != first.Ledger || again.Parts != first.Parts || again.Duration != first.Duration {
		t.Errorf("a finished one is not reported as it was:\n%+v\n%+v", first, again)
	}

	another := d.finish("--new")
	d.check(another)
	if another.Resumed || another.Broadcast <= first.Broadcast || another.Duplicates != 0 {
		t.Errorf("--new: %+v", another)
	}
}

// The moments are drawn anew each time, and told when something is wrong: any
// moment must do.
func TestDemoSurvivesKill9AtAnyMoment(t *testing.T) {
	const kills = 4
	d := newDemoRun(t, 3000)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	var moments []time.Duration
	for range kills {
		after := time.Duration(200+random.IntN(1800)) * time.Millisecond
		moments = append(moments, after)
		cmd, stdout, stderr := d.start()
		killer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // Fails when it has ended by itself.
		err := cmd.Wait()
		killer.Stop()
		var ended *exec.ExitError
		if errors.As(err, &ended) {
			if status, ok := ended.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
				t.Fatalf("killed after %v: it failed by itself before: %v\n%s\n%s", moments, err, stdout, stderr)
			}
		}
	}
	r := d.finish()
	d.check(r)
	if !r.Resumed {
		t.Error("it says that nothing was resumed")
	}
	if t.Failed() {
		t.Logf("seed %d, killed after %v", seed, moments)
	}
}
