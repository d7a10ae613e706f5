package smsc

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the benchmark run the simulator as a process of its own, so that its CPU can be told from the load's.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FANLINE_TEST_SMSC"); dir != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		if profile := os.Getenv("FANLINE_TEST_PROFILE"); profile != "" {
			f, err := os.Create(profile)
			if err == nil {
				err = pprof.StartCPUProfile(f)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			defer f.Close()
		}
		err := Run(ctx, Options{
			Listen: "127.0.0.1:0", LogDir: dir, AddrFile: filepath.Join(dir, "addr"), Accounts: benchAccounts(), Scenario: benchScenario(),
			Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
		pprof.StopCPUProfile()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func benchAccounts() []Account {
	return []Account{{SystemID: "load", Password: "secret", Numbers: []Number{{Number: "17735550100"}, {Number: "17735550101"}}}}
}

func benchScenario() *Scenario {
	s := DefaultScenario()
	s.Seed = 1
	s.Window = 4000
	s.Receipts.States = map[string]float64{"UNDELIV": 0.03, "EXPIRED": 0.01, "REJECTD": 0.002}
	return &s
}

// startChild runs the simulator in a process and waits until it listens.
func startChild(tb testing.TB, dir string) (cmd *exec.Cmd, addr string) {
	tb.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FANLINE_TEST_SMSC="+dir)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "addr="); ok && strings.Contains(lines.Text(), "listens") {
			addr, _, _ = strings.Cut(rest, " ")
			break
		}
		tb.Log(lines.Text())
	}
	if addr == "" {
		cmd.Wait()
		tb.Fatal("the simulator didn't start")
	}
	go func() {
		for lines.Scan() {
		}
	}()
	return cmd, addr
}

// processCPU is the CPU time of a process so far.
func processCPU(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkSimulator measures what one message (submit, answer, receipt, its answer, all logged) costs the simulator's
// process: run with -benchtime 1000000x.
func BenchmarkSimulator(b *testing.B) {
	dir := b.TempDir()
	cmd, addr := startChild(b, dir)
	const binds = 4
	loaders := make([]*loader, binds)
	for i := range loaders {
		l, err := dialLoader(addr, "load", "secret", 1000)
		if err != nil {
			b.Fatal(err)
		}
		loaders[i] = l
	}
	before := processCPU(b, cmd.Process.Pid)
	b.ResetTimer()
	var wait sync.WaitGroup
	share := b.N/binds + 1
	for i, l := range loaders {
		wait.Go(func() {
			if err := l.run(1, i*share, share, "17735550100", true); err != nil {
				b.Error(err)
			}
		})
	}
	wait.Wait()
	b.StopTimer()
	cpu := processCPU(b, cmd.Process.Pid) - before
	n := float64(share * binds)
	b.ReportMetric(cpu.Seconds()*1e6/n, "µs-cpu/msg")
	b.ReportMetric(n/b.Elapsed().Seconds(), "msg/s")
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	for _, line := range strings.Split(string(status), "\n") {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			v, _ := strconv.Atoi(strings.Fields(kb)[0])
			b.ReportMetric(float64(v)/1024, "peak-MB")
		}
	}
	for _, l := range loaders {
		l.nc.Close()
	}
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		b.Error(err)
	}
	size := int64(0)
	segs, err := segments(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range segs {
		info, err := os.Stat(s)
		if err != nil {
			b.Fatal(err)
		}
		size += info.Size()
	}
	b.ReportMetric(float64(size)/n, "log-B/msg")
}
