package smsc

import (
	"bufio"
	"context"
	"errors"
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

	"fanline/smpp"
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
		_ = cmd.Wait()
		tb.Fatal("the simulator didn't start")
	}
	go func() {
		for lines.Scan() {
		}
	}()
	return cmd, addr
}

// processCPU is the CPU time of a process so far, in its own code and in the kernel.
func processCPU(tb testing.TB, pid int) (user, system time.Duration) {
	tb.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	ticks := func(i int) time.Duration {
		n, err := strconv.Atoi(f[i])
		if err != nil {
			tb.Fatal(err)
		}
		return time.Duration(n) * 10 * time.Millisecond // USER_HZ is 100 on every Linux
	}
	return ticks(11), ticks(12)
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
	user0, system0 := processCPU(b, cmd.Process.Pid)
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
	user, system := processCPU(b, cmd.Process.Pid)
	n := float64(share * binds)
	b.ReportMetric((user-user0).Seconds()*1e6/n, "µs-user/msg")
	b.ReportMetric((system-system0).Seconds()*1e6/n, "µs-kernel/msg")
	b.ReportMetric(n/b.Elapsed().Seconds(), "msg/s")
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	for _, line := range strings.Split(string(status), "\n") {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			v, _ := strconv.Atoi(strings.Fields(kb)[0])
			b.ReportMetric(float64(v)/1024, "peak-MB")
		}
	}
	counters, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", cmd.Process.Pid))
	for _, line := range strings.Split(string(counters), "\n") {
		for name, unit := range map[string]string{"syscr: ": "reads/1k", "syscw: ": "writes/1k"} {
			if v, ok := strings.CutPrefix(line, name); ok {
				calls, _ := strconv.Atoi(v)
				b.ReportMetric(float64(calls)*1000/n, unit)
			}
		}
	}
	for _, l := range loaders {
		l.nc.Close()
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait()); err != nil {
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

// BenchmarkTake is the reader's part without the kernel: decode, decide, record, plan.
func BenchmarkTake(b *testing.B) {
	o := Options{Accounts: benchAccounts(), Scenario: benchScenario(), LogDir: b.TempDir()}
	s, err := prepare(&o)
	if err != nil {
		b.Fatal(err)
	}
	defer closeLog(b, s.log)
	c := newConn(s, nil)
	c.account, c.kind = s.accounts["load"], smpp.BindTransceiverID
	c.box.receive(0)
	var in []byte
	for i := range 128 {
		sm := submitTo(fmt.Sprintf("1312%07d", 5000+i), "Hey "+[]string{"Anna", "Bob", "Guadalupe"}[i%3]+", the doors open at eight tonight, bring a friend and show this text at the bar for a drink on us. See you there! Reply STOP to end.")
		sm.Options = sm.Options.Append(TagKey, appendBroadcastKey(nil, 1, uint32(5000+i)))
		if in, err = smpp.Append(in, 0, uint32(i+1), sm); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		c.at = moment{micros: c.at.micros + 1000, ns: c.at.ns + 1_000_000, ms: c.at.ms + 1}
		if used := c.take(in); used != len(in) {
			b.Fatal(used)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/128, "ns/submit")
}

// BenchmarkAudit is a submit, its receipt and its answer read from a log and counted.
func BenchmarkAudit(b *testing.B) {
	dir := messagesLog(b)
	b.ResetTimer()
	r, err := Audit(dir)
	if err != nil || r.Duplicates != 0 || int(r.Messages) < b.N {
		b.Fatalf("%+v %v", r, err)
	}
}

// BenchmarkQuery is a submit, its receipt and its answer looked at for the messages of one phone.
func BenchmarkQuery(b *testing.B) {
	dir := messagesLog(b)
	b.ResetTimer()
	n := 0
	err := QueryLog(dir, &Query{Phone: "13125550000", All: true}, func(*Entry) error { n++; return nil })
	if err != nil || n < b.N {
		b.Fatal(n, err)
	}
}

// BenchmarkTraffic is a text from a phone that is made up, logged and owed.
func BenchmarkTraffic(b *testing.B) {
	s, err := ParseScenario("bench", []byte(`traffic: [{to: "`+testNumber+`", phones: {from: "13125000000", count: 400000}, per_second: 1000, texts: [{text: JOIN}]}]`))
	if err != nil {
		b.Fatal(err)
	}
	srv, err := prepare(&Options{Accounts: testAccounts(), Scenario: &s, LogDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	srv.traffic.adopt(srv.plan())
	r := srv.traffic.running[0]
	b.ReportAllocs()
	b.ResetTimer()
	var batch []*inbound
	for i := 0; b.Loop(); i++ {
		batch = append(batch, srv.makeText(r)...)
		r.sent++
		if len(batch) == 1000 {
			if err := srv.takeIn(batch, nil); err != nil {
				b.Fatal(err)
			}
			clear(srv.texts.byID)
			for _, a := range srv.accounts {
				a.parked = a.parked[:0]
			}
			batch = batch[:0]
		}
	}
	b.StopTimer()
	if err := srv.log.close(); err != nil {
		b.Fatal(err)
	}
}

// messagesLog writes a log with b.N messages.
func messagesLog(b *testing.B) (dir string) {
	dir = b.TempDir()
	w := testLog(b, dir)
	var blk block
	number := typedAddress(typeE164, testNumber)
	const each = 100
	for i := 0; i < b.N; i += each {
		blk.reset(1, "acme", 1_700_000_000_000_000+int64(i)*5)
		for j := range each {
			s := sampleSubmit((i + j) % 10_000)
			s.member, s.id = uint32(i+j), uint64(i+j+1)
			blk.submit(s)
		}
		if err := w.write(&blk); err != nil {
			b.Fatal(err)
		}
		blk.reset(1, "acme", 1_700_000_000_000_000+int64(i)*5+300)
		for j := range each {
			blk.receipt(uint32(i+j+1), uint64(i+j+1), number, parsePhone([]byte("13125550000")), typeE164, StatDelivered, false, 0)
		}
		for j := range each {
			blk.ack(uint32(i+j+1), 0)
		}
		if err := w.write(&blk); err != nil {
			b.Fatal(err)
		}
	}
	closeLog(b, w)
	return dir
}
