package smsc

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

const testNumber = "17735550100"

func testAccounts() []Account {
	return []Account{
		{SystemID: "acme", Password: "secret", MaxBinds: 2, Numbers: []Number{{Number: "+" + testNumber}, {Number: "17735550101"}}},
		{SystemID: "sender", Password: "pw", Binds: []string{"transmitter"}, Numbers: []Number{{Number: anyNumber}}},
	}
}

// quick is a scenario that answers at once and sends receipts at once.
func quick() *Scenario {
	s := DefaultScenario()
	s.Seed = 7
	s.Latency = &Distribution{}
	s.Receipts = &Receipts{Delay: &Distribution{}}
	return &s
}

// running is a simulator inside the test.
type running struct {
	t      *testing.T
	server *server
	dir    string
	addr   string
	cancel context.CancelFunc
	done   chan error
}

func startSMSC(t *testing.T, dir string, accounts []Account, scenario *Scenario, change ...func(*Options)) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{t: t, dir: dir, cancel: cancel, done: make(chan error, 1)}
	o := Options{Listen: "127.0.0.1:0", Accounts: accounts, Scenario: scenario, LogDir: dir, AddrFile: filepath.Join(dir, "addr")}
	for _, f := range change {
		f(&o)
	}
	s, err := prepare(&o)
	if err != nil {
		t.Fatal(err)
	}
	r.server = s
	listening := make(chan string, 1)
	go func() { r.done <- s.run(ctx, o, func(addr string) { listening <- addr }) }()
	select {
	case r.addr = <-listening:
	case err := <-r.done:
		t.Fatalf("the simulator ended at once: %v", err)
	}
	t.Cleanup(func() {
		if r.cancel != nil {
			r.stop()
		}
	})
	return r
}

// stop ends the simulator in order.
func (r *running) stop() {
	r.t.Helper()
	r.cancel()
	r.cancel = nil
	if err := <-r.done; err != nil {
		r.t.Errorf("the simulator ended with: %v", err)
	}
}

// entries reads the log as far as it is written.
func (r *running) entries() []Entry {
	r.t.Helper()
	return readAll(r.t, r.dir)
}

func readAll(t *testing.T, path string) []Entry {
	t.Helper()
	var out []Entry
	if err := ReadLog(path, func(e *Entry) error {
		out = append(out, cloneEntry(e))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func cloneEntry(e *Entry) Entry {
	c := *e
	c.Octets = append([]byte(nil), e.Octets...)
	c.UDH = append([]byte(nil), e.UDH...)
	c.Key = append([]byte(nil), e.Key...)
	c.TLVs = append(smpp.Options(nil), e.TLVs...)
	return c
}

// client is a client of the simulator that does one thing after the other.
type client struct {
	t   *testing.T
	nc  net.Conn
	seq uint32
}

func (r *running) dial() *client {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { nc.Close() })
	return &client{t: r.t, nc: nc}
}

// bind binds as acme and must succeed.
func (r *running) bind(kind smpp.CommandID) *client {
	r.t.Helper()
	c := r.dial()
	if status := c.bind(kind, "acme", "secret"); status != smpp.StatusOK {
		r.t.Fatalf("bind: %s", status)
	}
	return c
}

func (c *client) bind(kind smpp.CommandID, systemID, password string) smpp.Status {
	c.t.Helper()
	c.send(&smpp.Bind{Kind: kind, SystemID: systemID, Password: password, InterfaceVersion: smpp.Version34})
	h, p := c.receive()
	if h.ID != kind.Response() {
		c.t.Fatalf("bind was answered with %s", h.ID)
	}
	if resp := p.(*smpp.BindResp); h.Status == smpp.StatusOK && resp.SystemID == "" {
		c.t.Error("bind_resp lacks a system_id")
	}
	return h.Status
}

// send numbers a request and writes it.
func (c *client) send(p smpp.PDU) uint32 {
	c.t.Helper()
	c.seq++
	c.write(smpp.StatusOK, c.seq, p)
	return c.seq
}

func (c *client) write(status smpp.Status, seq uint32, p smpp.PDU) {
	c.t.Helper()
	b, err := smpp.Append(nil, status, seq, p)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// receive waits for the next PDU.
func (c *client) receive() (smpp.Header, smpp.PDU) {
	c.t.Helper()
	h, p, err := c.next(10 * time.Second)
	if err != nil {
		c.t.Fatal(err)
	}
	return h, p
}

func (c *client) next(within time.Duration) (smpp.Header, smpp.PDU, error) {
	if err := c.nc.SetReadDeadline(time.Now().Add(within)); err != nil {
		return smpp.Header{}, nil, err
	}
	head := make([]byte, smpp.HeaderLen)
	if _, err := io.ReadFull(c.nc, head); err != nil {
		return smpp.Header{}, nil, err
	}
	h, err := smpp.ReadHeader(head)
	if err != nil {
		return h, nil, err
	}
	b := append(head, make([]byte, h.Length-smpp.HeaderLen)...)
	if _, err := io.ReadFull(c.nc, b[smpp.HeaderLen:]); err != nil {
		return h, nil, err
	}
	return smpp.Decode(b)
}

// quiet fails when the simulator says anything within d.
func (c *client) quiet(d time.Duration) {
	c.t.Helper()
	h, _, err := c.next(d)
	if err == nil {
		c.t.Fatalf("got %s status %s, want silence", h.ID, h.Status)
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal(err)
	}
}

// closed fails unless the simulator ends the connection.
func (c *client) closed() {
	c.t.Helper()
	if h, _, err := c.next(10 * time.Second); err == nil {
		c.t.Fatalf("got %s, want the end of the connection", h.ID)
	} else if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the connection stays open")
	}
}

// expect waits for a PDU of a command; others on the way are handed to skip.
func (c *client) expect(id smpp.CommandID) (smpp.Header, smpp.PDU) {
	c.t.Helper()
	h, p := c.receive()
	if h.ID != id {
		c.t.Fatalf("got %s status %s, want %s", h.ID, h.Status, id)
	}
	return h, p
}

func submitTo(to, body string) *smpp.SubmitSM {
	return &smpp.SubmitSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: testNumber}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: to},
		RegisteredDelivery: smpp.ReceiptAlways, ShortMessage: []byte(body),
	}
}

// submit sends a submit_sm and waits for its answer, putting receipts aside.
func (c *client) submit(sm *smpp.SubmitSM) (smpp.Status, string) {
	c.t.Helper()
	seq := c.send(sm)
	for {
		h, p := c.receive()
		switch p := p.(type) {
		case *smpp.SubmitSMResp:
			if h.Sequence != seq {
				c.t.Fatalf("answer %d, want %d", h.Sequence, seq)
			}
			return h.Status, p.MessageID
		case *smpp.DeliverSM:
			c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
		default:
			c.t.Fatalf("got %s", h.ID)
		}
	}
}

// receipt waits for a receipt and answers it.
func (c *client) receipt() smpp.Receipt {
	c.t.Helper()
	h, p := c.expect(smpp.DeliverSMID)
	r, ok := smpp.ParseReceipt(p.(*smpp.DeliverSM))
	if !ok {
		c.t.Fatalf("deliver_sm is no receipt: %q", p.(*smpp.DeliverSM).ShortMessage)
	}
	c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
	return r
}

// until waits for a condition that the simulator reaches by itself.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(time.Millisecond) // Another goroutine's file or counter: there is nothing to wait on.
	}
}

func count(entries []Entry, match func(*Entry) bool) (n int) {
	for i := range entries {
		if match(&entries[i]) {
			n++
		}
	}
	return n
}

func isEvent(command string) func(*Entry) bool {
	return func(e *Entry) bool { return e.Kind == KindEvent && strings.HasPrefix(e.Command, command) }
}

func discardLogger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// testLogOn is a log that nothing is written to.
func testLogOn(dir string) *logWriter { return &logWriter{dir: dir, dirty: make(chan struct{}, 1)} }

// yamlKeys lists the keys of a configuration struct, those of structs in it included.
func yamlKeys(v any) (keys []string) {
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct {
			return
		}
		for i := range t.NumField() {
			f := t.Field(i)
			if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" {
				keys = append(keys, name)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeOf(v))
	return keys
}
