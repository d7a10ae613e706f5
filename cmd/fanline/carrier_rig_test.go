package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/api"
	"fanline/engine"
	"fanline/engine/carrier"
	"fanline/smpp"
)

// carrierRig is a process as its operator sees it: binds, an engine that has
// nothing to do, and /v1 on the socket of a data directory. What is sent, the
// test hands to the binds itself.
type carrierRig struct {
	t    *testing.T
	dir  string
	n    *node
	stop func()

	mu    sync.Mutex
	conns map[uint32]engine.Bind // that may submit
	came  []engine.Answer
}

// newCarrierRig starts one on a directory; keys are further ones of carrier
// acme.
func newCarrierRig(t *testing.T, dir, host, keys string) *carrierRig {
	t.Helper()
	r := &carrierRig{t: t, dir: dir, conns: map[uint32]engine.Bind{}}
	file := filepath.Join(t.TempDir(), "c.yaml")
	text := `carriers: [{name: acme, hosts: ["` + host + `"], ` + keys + ` system_id: me, password: env:ACME_PASSWORD, window: 1000, limit_per_second: 100}]
numbers: [{number: "+17735550100", leader: demo, carriers: [acme], limit_per_second: 1}]`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := loadConfig(file, dir, []string{"ACME_PASSWORD=pw"})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	data, err := openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.n = &node{cfg: cfg, log: log, data: data}
	if r.n.carriers, err = newCarrierNode(r.n); err != nil {
		t.Fatal(err)
	}
	r.n.engine, err = engine.New(engine.Config{
		Partitions: 1, Carriers: r.n.carriers.engineCarriers(), Log: memoryLog{}, Receipt: r.n.carriers.receipt,
		CanonicalID: r.n.carriers.canonicalID, Logger: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.pool()
	r.serve()
	return r
}

// pool makes the binds, as carrierNode.open does.
func (r *carrierRig) pool() {
	r.t.Helper()
	c := r.n.carriers
	var err error
	if c.admin, err = loadAdminState(r.n.data); err != nil {
		r.t.Fatal(err)
	}
	c.inbound, err = carrier.NewInbound(carrier.InboundConfig{
		Partitions: 1, Log: memoryLog{}, Revokes: c.revokes, Stop: r.n.engine.Stop, Logger: r.n.log,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	c.pool, err = carrier.NewPool(carrier.PoolConfig{
		Accounts: c.accounts, Admin: c.admin.of(c.accounts), Inbound: c.inbound, Logger: r.n.log, Drain: 300 * time.Millisecond,
		Attach: func(_ string, id uint32, _ int, b engine.Bind) carrier.Port {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.conns[id] = b
			return &rigPort{r, id}
		},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// serve runs everything until stop is called.
func (r *carrierRig) serve() {
	r.t.Helper()
	listener, err := listenControl(r.n.data)
	if err != nil {
		r.t.Fatal(err)
	}
	a := api.New(api.Config{Store: struct{ api.Store }{}, Carriers: r.n.carriers, Log: r.n.log})
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, run := range []func() error{
		func() error { return r.n.engine.Run(ctx) }, func() error { return r.n.carriers.run(ctx, func() {}) },
		func() error { return api.Serve(ctx, listener, a.Handler()) },
	} {
		all.Go(func() {
			if err := run(); err != nil {
				r.t.Error(err)
			}
		})
	}
	r.stop = sync.OnceFunc(func() {
		cancel()
		all.Wait()
		if err := r.n.data.Close(); err != nil {
			r.t.Error(err)
		}
	})
	r.t.Cleanup(r.stop)
}

// rigPort keeps what the binds answer.
type rigPort struct {
	r  *carrierRig
	id uint32
}

func (p *rigPort) Answers(batch []engine.Answer) {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	p.r.came = append(p.r.came, batch...)
}

func (p *rigPort) Detach() {
	p.r.mu.Lock()
	defer p.r.mu.Unlock()
	delete(p.r.conns, p.id)
}

// until waits for what other goroutines bring about.
func (r *carrierRig) until(what string, reached func() bool) {
	r.t.Helper()
	for begun := time.Now(); !reached(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begun) > time.Minute {
			r.t.Fatalf("%s: never", what)
		}
	}
}

// bound waits until so many binds are up.
func (r *carrierRig) bound(n int) {
	r.t.Helper()
	r.until("binds up", func() bool { s, _ := r.n.carriers.state("acme"); return s.Up == n })
}

// submit hands texts to a phone to one bind, and returns when it has them all.
func (r *carrierRig) submit(to, text string, n int) {
	r.t.Helper()
	pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.SubmitSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: to},
		RegisteredDelivery: smpp.ReceiptAlways, ShortMessage: []byte(text),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.until("submits taken", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, conn := range r.conns {
			items := make([]engine.Item, n)
			for i := range items {
				items[i] = engine.Item{Token: uint64(i + 1), PDU: pdu}
			}
			n -= conn.Write(items)
			break
		}
		return n == 0
	})
}

func (r *carrierRig) answered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.came)
}

// says runs a command against the process.
func (r *carrierRig) says(args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	var out, complaints strings.Builder
	code = run(r.t.Context(), commands(), append(args, "--data", r.dir), strings.NewReader(""), &out, &complaints)
	return code, out.String(), complaints.String()
}

// change runs an operation and returns its JSON.
func (r *carrierRig) change(verb string, args ...string) (code int, c api.CarrierChange) {
	r.t.Helper()
	code, out, complaints := r.says(append([]string{"carrier", verb, "acme", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		r.t.Fatalf("%s: %v: %s%s", verb, err, out, complaints)
	}
	return code, c
}
