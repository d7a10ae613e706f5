package carrier

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/engine"
	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
	"fanline/smpp/smsc"
)

// watched is a log and an engine that say when something has changed.
type watched struct {
	fakeLog
	fakeEngine
	changed chan struct{}
}

func newWatched() *watched { return &watched{changed: make(chan struct{}, 1)} }

func (w *watched) note() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

func (w *watched) Append(entries []journal.Entry, done func([]int64, error)) {
	w.fakeLog.Append(entries, func(offsets []int64, err error) { done(offsets, err); w.note() })
}

func (w *watched) attach(carrier string, bind uint32, window int, conn engine.Bind) Port {
	defer w.note()
	return watchedPort{w.Attach(carrier, bind, window, conn), w}
}

type watchedPort struct {
	Port
	w *watched
}

func (p watchedPort) Answers(batch []engine.Answer) { p.Port.Answers(batch); p.w.note() }

// until waits for something that changes.
func (w *watched) until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	late := time.After(time.Minute)
	for !reached() {
		select {
		case <-w.changed:
		case <-late:
			t.Fatal("in vain: ", what)
		}
	}
}

func (w *watched) answered() (n int) {
	for _, p := range w.bound() {
		n += len(p.got())
	}
	return n
}

func receiptsIn(t testing.TB, l *fakeLog) (found map[string]engine.Receipt) {
	t.Helper()
	found = map[string]engine.Receipt{}
	for _, e := range l.of(record.TopicReceipts) {
		rs, err := record.DecodeReceipts(e.Value, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range rs.Entries {
			r, ok := profileOf(t, nil).Receipt(entry.PDU)
			if !ok || r.Phone.Partition(partitions) != e.Partition {
				t.Errorf("in partition %d: %+v, %v", e.Partition, r, ok)
			}
			found[string(r.ID)] = r
		}
	}
	return found
}

// startSMSC runs the carrier simulator and returns its address.
func startSMSC(t *testing.T, dir string) (addr string, stop func()) {
	t.Helper()
	return startSMSCFor(t, dir, smsc.Account{SystemID: "fanline", Password: "secret", Numbers: []smsc.Number{{Number: ourNumber.String()}}})
}

func startSMSCFor(t *testing.T, dir string, account smsc.Account) (addr string, stop func()) {
	t.Helper()
	scenario := smsc.DefaultScenario()
	none := smsc.Duration(0)
	scenario.Latency = &smsc.Distribution{Max: none}
	scenario.Receipts = &smsc.Receipts{Delay: &smsc.Distribution{Max: none}, States: map[string]float64{"UNDELIV": 0.1}}
	return startSMSCWith(t, dir, &scenario, account)
}

func startSMSCWith(t *testing.T, dir string, scenario *smsc.Scenario, account smsc.Account) (addr string, stop func()) {
	t.Helper()
	file := filepath.Join(dir, "addr")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- smsc.Run(ctx, smsc.Options{
			Listen: "127.0.0.1:0", LogDir: filepath.Join(dir, "log"), AddrFile: file, Scenario: scenario,
			Accounts: []smsc.Account{account},
		})
	}()
	for addr == "" {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(time.Millisecond): // The file is all that it says.
			b, _ := os.ReadFile(file)
			addr = strings.TrimSpace(string(b))
		}
	}
	return addr, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestEverythingOfTheSimulatorArrives(t *testing.T) {
	const n = 2000
	dir := t.TempDir()
	addr, stopSMSC := startSMSC(t, dir)
	w := newWatched()
	profile := profileOf(t, nil)
	var stops sync.Map
	inbound, err := NewInbound(InboundConfig{
		Partitions: partitions, Log: w, Logger: quiet(),
		Revokes: func(_ string, pdu []byte) (string, bool) { s, _, _ := profile.Text(pdu); return s, s == "STOP" },
		Stop: func(number, phone message.Phone, _ int64, done func()) {
			stops.Store(phone, number)
			done()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool(PoolConfig{
		Accounts: []Account{{
			Name: "acme", Profile: profile, Hosts: []string{addr}, Binds: 2, SystemID: "fanline", Password: func() string { return "secret" }, Window: 100,
		}},
		Attach: w.attach, Inbound: inbound, Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	in, endInbound := context.WithCancel(context.Background())
	binds, endBinds := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() {
		if err := inbound.Run(in); err != nil {
			t.Error(err)
		}
	})
	poolEnded := make(chan error, 1)
	go func() { poolEnded <- pool.Run(binds) }()

	w.until(t, "two binds", func() bool { return len(w.bound()) == 2 })
	submitThrough(t, w, profile, n)
	w.until(t, "all answers", func() bool { return w.answered() == n })
	w.until(t, "all receipts", func() bool { return len(receiptsIn(t, &w.fakeLog)) == n })

	sayStop(t, dir)
	if number, ok := stops.Load(member); !ok || number != ourNumber {
		t.Errorf("the engine was told %v, %v", number, ok)
	}
	if len(w.of(record.TopicInbound)) != 1 || len(w.of(record.TopicConsent)) != 1 {
		t.Errorf("%d texts, %d revocations stored", len(w.of(record.TopicInbound)), len(w.of(record.TopicConsent)))
	}
	matchReceipts(t, w, profile, n)

	endBinds()
	if err := <-poolEnded; err != nil {
		t.Error(err)
	}
	endInbound()
	runs.Wait()
	stopSMSC()
	report, err := smsc.Audit(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if report.Accepted != n || report.Messages != n || report.Duplicates != 0 || report.ReceiptsAcked != n || report.TextsAcked != 1 || report.Stops != 1 ||
		report.ProtocolErrors != 0 || report.Unkeyed != 0 || report.SendsAfterStop != 0 || report.Binds != 2 {
		t.Errorf("%+v", report)
	}
}

// submitThrough writes a text to each of n members, by turns over two binds.
func submitThrough(t *testing.T, w *watched, profile *Profile, n int) {
	t.Helper()
	e := NewEncoder(profile)
	var parts engine.Parts
	for i := range n {
		in := exampleText("Hey Ana")
		in.Phone, in.Key.Member = member+message.Phone(i), message.MemberID(i+1)
		parts.Buf, parts.Ends = parts.Buf[:0], parts.Ends[:0]
		if err := e.Encode(&parts, in); err != nil {
			t.Fatal(err)
		}
		port := w.bound()[i%2]
		w.until(t, "a place in the window", func() bool {
			return port.conn.Write([]engine.Item{{Token: uint64(i), PDU: parts.Buf}}) == 1
		})
	}
}

// sayStop lets a member text STOP, and holds that it is answered.
func sayStop(t *testing.T, dir string) {
	t.Helper()
	phones, err := smsc.Dial(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer phones.Close()
	said, err := phones.Text(t.Context(), member.String(), ourNumber.String(), "STOP", time.Minute)
	if err != nil || !said.Answered || said.Status != "ESME_ROK" {
		t.Errorf("STOP: %+v, %v", said, err)
	}
}

// matchReceipts holds that every receipt belongs to a submit, about a tenth of
// them failed.
func matchReceipts(t *testing.T, w *watched, profile *Profile, n int) {
	t.Helper()
	answers := map[string]uint64{}
	for _, p := range w.bound() {
		for _, a := range p.got() {
			if a.Code != message.Accepted {
				t.Errorf("%+v", a)
			}
			answers[string(profile.CanonicalID(a.ID))] = a.Token
		}
	}
	failed := 0
	for id, r := range receiptsIn(t, &w.fakeLog) {
		token, ok := answers[string(profile.CanonicalID([]byte(id)))]
		if !ok || r.Phone != member+message.Phone(token) || r.To != ourNumber || r.State != message.Delivered && r.State != message.Failed {
			t.Fatalf("receipt %q is about %d, %v: %+v", id, token, ok, r)
		}
		if r.State == message.Failed {
			failed++
		}
	}
	if failed == 0 || failed > n/2 {
		t.Errorf("%d failed of about %d", failed, n/10)
	}
}

// answerBinds accepts one connection after the other, and every bind and unbind
// on it.
func answerBinds(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		for {
			pdu, err := readPDU(conn)
			if err != nil {
				break
			}
			h, err := smpp.ReadHeader(pdu)
			if err != nil {
				break
			}
			resp, _ := smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.UnbindResp{})
			if h.ID == smpp.BindTransceiverID {
				resp, _ = smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.BindResp{Kind: h.ID.Response()})
			}
			if _, err := conn.Write(resp); err != nil {
				break
			}
		}
		conn.Close()
	}
}

// The simulator answers ESME_RALYBND to a bind too many, as carriers do.
func TestAnAccountOfFourBindsHoldsFourWhenFiveAreAsked(t *testing.T) {
	addr, stopSMSC := startSMSCFor(t, t.TempDir(), smsc.Account{
		SystemID: "fanline", Password: "secret", MaxBinds: 4, Numbers: []smsc.Number{{Number: ourNumber.String()}},
	})
	defer stopSMSC()
	w := newWatched()
	inbound, err := NewInbound(InboundConfig{
		Partitions: 1, Log: w, Logger: quiet(),
		Revokes: func(string, []byte) (string, bool) { return "", false }, Stop: func(_, _ message.Phone, _ int64, done func()) { done() },
	})
	if err != nil {
		t.Fatal(err)
	}
	a := accountOf(t)
	a.Hosts, a.Binds = []string{addr}, 5
	pool, err := NewPool(PoolConfig{Accounts: []Account{a}, Attach: w.attach, Inbound: inbound, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pool.Run(ctx) }()
	refused := func() (refused, again uint64) {
		for _, b := range pool.State()[0].Binds {
			if strings.Contains(b.LastError, "ESME_RALYBND") {
				refused++
			}
			again = max(again, b.Bound)
		}
		return refused, again
	}
	late := time.After(time.Minute)
	for n := uint64(0); len(w.bound()) < 4 || n < 1; n, _ = refused() {
		select {
		case <-time.After(time.Millisecond): // A refused bind tells nobody but its state.
		case <-late:
			t.Fatalf("%+v", pool.State())
		}
	}
	if n, bound := refused(); n != 1 || bound != 1 || pool.State()[0].Up != 4 {
		t.Errorf("%+v", pool.State())
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
