package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/api"
	"fanline/engine"
	"fanline/engine/carrier"
	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/smsc"
)

// memoryLog takes everything at once.
type memoryLog struct{}

func (memoryLog) Append(entries []journal.Entry, done func([]int64, error)) {
	done(make([]int64, len(entries)), nil)
}

// reloadRig is a process with an engine, its binds and its control socket, and
// without log, store and analytics.
type reloadRig struct {
	t    *testing.T
	n    *node
	file string // of the configuration
	dir  string
}

func newReloadRig(t *testing.T, text string) *reloadRig {
	t.Helper()
	r := &reloadRig{t: t, dir: shortTempDir(t)}
	r.file = filepath.Join(r.dir, "c.yaml")
	r.write(text)
	load := func() (*Config, error) { return loadConfig(r.file, r.dir, []string{"ACME_PASSWORD=secret"}) }
	cfg, err := load()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	r.n = &node{cfg: cfg, log: log}
	r.n.reloads = &reloader{n: r.n, load: load}
	if r.n.carriers, err = newCarrierNode(r.n); err != nil {
		t.Fatal(err)
	}
	var numbers []engine.Number
	for _, n := range cfg.Numbers {
		phone, _ := message.ParseSender(n.Number)
		numbers = append(numbers, engine.Number{Phone: phone, Carriers: n.Carriers, Limit: n.LimitPerSecond})
	}
	r.n.engine, err = engine.New(engine.Config{
		Partitions: 1, Numbers: numbers, Carriers: r.n.carriers.engineCarriers(), Log: memoryLog{}, Receipt: r.n.carriers.receipt,
		CanonicalID: r.n.carriers.canonicalID, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	inbound, err := carrier.NewInbound(carrier.InboundConfig{
		Partitions: 1, Log: memoryLog{}, Revokes: r.n.carriers.revokes, Stop: r.n.engine.Stop, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.n.carriers.pool, err = carrier.NewPool(carrier.PoolConfig{
		Accounts: r.n.carriers.accounts, Inbound: inbound, Logger: log,
		Attach: func(name string, id uint32, window int, b engine.Bind) carrier.Port {
			return r.n.engine.Attach(name, id, window, b)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := listenControl(holdData(t, r.dir))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/reload", r.n.serveReload)
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, run := range []func() error{
		func() error { return r.n.engine.Run(ctx) }, func() error { return inbound.Run(ctx) }, func() error { return r.n.carriers.pool.Run(ctx) },
		func() error { return api.Serve(ctx, listener, mux) },
	} {
		all.Go(func() {
			if err := run(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { cancel(); all.Wait() })
	return r
}

func (r *reloadRig) write(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// reload writes a configuration and runs the command.
func (r *reloadRig) reload(text string) (report reloadReport, code int) {
	r.t.Helper()
	r.write(text)
	var out, complaints strings.Builder
	code = run(r.t.Context(), commands(), []string{"reload", "--data", r.dir, "--json"}, strings.NewReader(""), &out, &complaints)
	if err := json.Unmarshal([]byte(out.String()), &report); err != nil {
		r.t.Fatalf("%v: %s%s", err, out.String(), complaints.String())
	}
	return report, code
}

// bound waits until every bind of the carrier is up and returns how often each
// has bound.
func (r *reloadRig) bound(binds int) (counts []uint64) {
	r.t.Helper()
	late := time.After(time.Minute)
	for {
		s := r.n.carriers.pool.State()[0]
		if s.Up == binds && len(s.Binds) == binds {
			for _, b := range s.Binds {
				counts = append(counts, b.Bound)
			}
			return counts
		}
		select {
		case <-time.After(2 * time.Millisecond): // The binds are other goroutines' business.
		case <-late:
			r.t.Fatalf("%+v", s)
		}
	}
}

// encoded returns a submit_sm as the carrier gets it now.
func (r *reloadRig) encoded() smpp.SubmitSM {
	r.t.Helper()
	var parts engine.Parts
	err := r.n.carriers.profiles.Encoder("acme").Encode(&parts, &engine.Text{
		Number: 17735550100, Phone: 13125550199, Key: message.Key{Broadcast: 1, Member: 1}, Body: []byte("é"),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	_, p, err := smpp.Decode(parts.Buf)
	if err != nil {
		r.t.Fatal(err)
	}
	return *p.(*smpp.SubmitSM)
}

// startCarrier runs the simulator and returns its address.
func startCarrier(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "addr")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	scenario := smsc.DefaultScenario()
	go func() {
		ended <- smsc.Run(ctx, smsc.Options{
			Listen: "127.0.0.1:0", LogDir: filepath.Join(dir, "log"), AddrFile: file, Scenario: &scenario,
			Accounts: []smsc.Account{{SystemID: "fanline", Password: "secret", Numbers: []smsc.Number{{Number: "+17735550100"}}}},
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(time.Millisecond): // The file is all that it says.
			if b, _ := os.ReadFile(file); len(b) > 0 {
				return strings.TrimSpace(string(b))
			}
		}
	}
}

func TestReloadTakesOverWhatNeedsNoUnbindAndNamesTheRest(t *testing.T) {
	host := startCarrier(t)
	profile := filepath.Join(t.TempDir(), "p.yaml")
	writeProfile := func(text string) {
		if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	writeProfile("tlvs: [{tag: 0x1401, name: campaign_id}]\n")
	config := func(more, number, rest string) string {
		return fmt.Sprintf("carriers:\n  - {name: acme, profile: %s, hosts: [\"%s\"], system_id: fanline, password: env:ACME_PASSWORD%s}\n"+
			"numbers:\n  - {number: \"+17735550100\", leader: maya, carriers: [acme]%s}\n%s", profile, host, more, number, rest)
	}
	r := newReloadRig(t, config(", binds: 2, window: 100, limit_per_second: 50", ", limit_per_second: 10, tlvs: {campaign_id: C1}", ""))
	first := r.bound(2)
	if err := os.WriteFile(filepath.Join(r.dir, "signing.key"), []byte(strings.Repeat("k", 32)), 0o600); err != nil { // As the first start does.
		t.Fatal(err)
	}

	if report, code := r.reload(config(", binds: 2, window: 100, limit_per_second: 50", ", limit_per_second: 10, tlvs: {campaign_id: C1}", "")); code != exitDone ||
		!report.OK || len(report.Applied)+len(report.Rebind)+len(report.Restart) != 0 {
		t.Errorf("nothing has changed: %+v", report)
	}

	writeProfile("default_alphabet: latin1\ntlvs: [{tag: 0x1401, name: campaign_id}]\n")
	report, code := r.reload(config(
		", binds: 2, window: 200, limit_per_second: 70, system_type: VMA, enquire_link: 45s", ", limit_per_second: 20, tlvs: {campaign_id: C2}", "http: {listen: \"127.0.0.1:1\"}\n"))
	want := reloadReport{
		OK:       true,
		Applied:  []string{"acme: profile", "acme: limit_per_second", "+17735550100: limit_per_second", "+17735550100: tlvs"},
		Rebind:   []string{"acme: window", "acme: system_type", "acme: enquire_link"},
		Restart:  []string{"http.listen"},
		Problems: []string{},
	}
	if diff := cmp.Diff(want, report); diff != "" || code != exitDone {
		t.Errorf("exit %d, -want +got:\n%s", code, diff)
	}
	if s := r.encoded(); string(s.ShortMessage) != "\xe9" {
		t.Errorf("the alphabet is still the old one: %x", s.ShortMessage)
	} else if id, _ := s.Options.Get(0x1401); string(id) != "C2" {
		t.Errorf("campaign_id is %q", id)
	}
	if diff := cmp.Diff(first, r.bound(2)); diff != "" {
		t.Errorf("a reload unbound:\n%s", diff)
	}
	if w := r.n.carriers.pool.State()[0].Binds[0].Window; w != 100 {
		t.Errorf("a window of %d without another bind", w)
	}
	if err := r.n.carriers.pool.Rebind(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	for i, b := range r.n.carriers.pool.State()[0].Binds {
		if b.Window != 200 || b.Bound != first[i]+1 {
			t.Errorf("after a rebind: %+v", b)
		}
	}
	if got := r.n.running().Carriers[0].SystemType; got != "VMA" {
		t.Errorf("running with system_type %q", got)
	}

	if _, code := r.reload(config(", binds: 3, window: 50, limit_per_second: 70, system_type: VMA, enquire_link: 45s", ", limit_per_second: 20", "")); code != exitDone {
		t.Errorf("exit %d", code)
	}
	r.bound(3)
	if w := r.n.carriers.pool.State()[0].Binds[0].Window; w != 50 {
		t.Errorf("a smaller window counts at once, not %d", w)
	}
}

func TestAnInvalidConfigurationChangesNothingAndSaysWhy(t *testing.T) {
	host := startCarrier(t)
	good := fmt.Sprintf("carriers:\n  - {name: acme, hosts: [\"%s\"], system_id: fanline, password: env:ACME_PASSWORD, limit_per_second: 5}\n"+
		"numbers:\n  - {number: \"+17735550100\", leader: maya, carriers: [acme], limit_per_second: 10}\n", host)
	r := newReloadRig(t, good)
	first := r.bound(1)
	running := *r.n.running()
	for name, test := range map[string]struct{ text, want string }{
		"a word":            {strings.Replace(good, "limit_per_second: 5}", "limit_per_second: 6, failover: sideways}", 1), "carriers[0].failover"},
		"no YAML":           {"carriers: [", "not YAML"},
		"no such profile":   {strings.Replace(good, "system_id", "profile: nobody, system_id", 1), "no profile is named"},
		"a missing file":    {strings.Replace(good, "system_id", "tls: {enabled: true, ca: nowhere.pem}, system_id", 1), "nowhere.pem"},
		"a wrong tag":       {strings.Replace(good, "limit_per_second: 10", "limit_per_second: 11, tlvs: {campaign_id: C1}", 1), "numbers[0].tlvs.campaign_id"},
		"too long a name":   {strings.Replace(good, "limit_per_second: 10", "limit_per_second: 11, addresses: {acme: TWELVELETTER}", 1), "at most 11 characters"},
		"a route to nobody": {good + "routes: {rules: [{name: x, carriers: [{name: beta}]}]}\n", "beta"},
	} {
		report, code := r.reload(test.text)
		if code != exitFailed || report.OK || !strings.Contains(strings.Join(report.Problems, "\n"), test.want) {
			t.Errorf("%s: exit %d, %+v", name, code, report)
		}
		if !cmp.Equal(running.Carriers[0].LimitPerSecond, r.n.running().Carriers[0].LimitPerSecond) || r.n.live.Load() != nil {
			t.Errorf("%s: something was changed", name)
		}
	}
	if !slices.Equal(first, r.bound(1)) {
		t.Error("a reload unbound")
	}
}

func TestAProcessWithoutAFileSaysThatThereIsNothingToReload(t *testing.T) {
	r := newReloadRig(t, "")
	r.n.reloads = nil
	var out, complaints strings.Builder
	code := run(t.Context(), commands(), []string{"reload", "--data", r.dir}, strings.NewReader(""), &out, &complaints)
	if code != exitFailed || !strings.Contains(complaints.String(), "nothing to read again") {
		t.Errorf("exit %d: %s", code, complaints.String())
	}
}

func TestAHangUpReadsTheConfigurationAgain(t *testing.T) {
	host := startCarrier(t)
	text := fmt.Sprintf("carriers:\n  - {name: acme, hosts: [\"%s\"], system_id: fanline, password: env:ACME_PASSWORD, limit_per_second: 5}\n", host)
	r := newReloadRig(t, text)
	ctx, cancel := context.WithCancel(t.Context())
	ended, ready := make(chan error, 1), make(chan struct{})
	go func() { ended <- r.n.reloads.run(ctx, func() { close(ready) }) }()
	<-ready
	r.write(strings.Replace(text, "limit_per_second: 5", "limit_per_second: 6", 1))
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	late := time.After(time.Minute)
	for r.n.running().Carriers[0].LimitPerSecond != 6 {
		select {
		case <-time.After(2 * time.Millisecond): // Signals come when they come.
		case <-late:
			t.Fatal("in vain")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
