package certify

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/smsc"
	"fanline/smpp/tap"
)

const (
	ourNumber = "17735550100"
	phone     = "13125550199"
	floodTo   = "13125550142"
	secretPW  = "pssst-42"
)

// quick is a carrier in good order that doesn't take long, by the keys of a scenario.
func quick(scenario string) string {
	for _, line := range []string{
		"latency: {min: 1ms, max: 5ms}", "receipts: {delay: {min: 150ms, max: 200ms}}", "resend_after: 50ms",
	} {
		if key, _, _ := strings.Cut(line, ":"); !strings.Contains("\n"+scenario, "\n"+key+":") {
			scenario = line + "\n" + scenario
		}
	}
	return scenario
}

// simulator runs one until the test ends and returns its address and its log.
func simulator(t *testing.T, account smsc.Account, scenario string) (addr, log string) {
	t.Helper()
	s, err := smsc.ParseScenario("scenario", []byte(quick(scenario)))
	if err != nil {
		t.Fatal(err)
	}
	if account.SystemID == "" {
		account.SystemID = "fanline"
	}
	account.Password = secretPW
	if account.Numbers == nil {
		account.Numbers = []smsc.Number{{Number: ourNumber}}
	}
	log = t.TempDir()
	ready, ended := make(chan string, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		ended <- smsc.Run(ctx, smsc.Options{
			Listen: "127.0.0.1:0", Accounts: []smsc.Account{account}, Scenario: &s, LogDir: log,
			Ready: func(binds []smsc.Listening, _ string) { ready <- binds[0].Addr },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case addr = <-ready:
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return addr, log
}

// configFor is a configuration for a peer at an address.
func configFor(addr string) Config {
	return Config{
		Carrier: "acme", Program: "fanline test", Hosts: []string{addr},
		Dial: func(ctx context.Context, host string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", host)
		},
		SystemID: "fanline", Password: secretPW, Kind: "transceiver", Binds: 2, Window: 20, LimitPerSecond: 200,
		Source: smpp.Address{TON: 1, NPI: 1, Addr: ourNumber}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: phone},
		Timeout: 2 * time.Second, ReceiptWait: 3 * time.Second, ReconnectWait: 5 * time.Second, Samples: 5,
	}
}

func carryOut(t *testing.T, c Config) *Report {
	t.Helper()
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *Report) result(t *testing.T, id string) Result {
	t.Helper()
	for _, x := range r.Results {
		if x.ID == id {
			return x
		}
	}
	t.Fatalf("case %s was not carried out", id)
	return Result{}
}

// meddler stands between the certification and a simulator and changes what the simulator says, PDU by PDU.
type meddler struct {
	// change returns what is passed on instead of a PDU of the simulator; a nil function passes it on. cut ends the connection.
	change func(h smpp.Header, pdu []byte) (instead []byte, cut bool)
	// silence is after how long without a word a connection ends; 0: never.
	silence time.Duration
}

// start listens until the test ends.
func (m *meddler) start(t *testing.T, to string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			all.Go(func() { m.copy(far, near, false) })
			all.Go(func() { m.copy(near, far, true) })
		}
	})
	t.Cleanup(func() { _ = listener.Close(); all.Wait() })
	return listener.Addr().String()
}

func (m *meddler) copy(to, from net.Conn, meddles bool) {
	defer func() { _ = to.Close(); _ = from.Close() }()
	var s tap.Splitter
	buf := make([]byte, 1<<16)
	for {
		if m.silence > 0 {
			_ = from.SetReadDeadline(time.Now().Add(m.silence)) // Fails only when it is closed, which Read says.
		}
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		var out []byte
		over := false
		s.Feed(buf[:n], func(pdu []byte) {
			h, _ := smpp.ReadHeader(pdu) // The splitter has read it.
			if !meddles || m.change == nil {
				out = append(out, pdu...)
				return
			}
			instead, cut := m.change(h, pdu)
			out, over = append(out, instead...), over || cut
		})
		if _, err := to.Write(out); err != nil || over {
			return
		}
	}
}

func encoded(status smpp.Status, seq uint32, p smpp.PDU) []byte {
	b, err := smpp.Append(nil, status, seq, p)
	if err != nil {
		panic(err)
	}
	return b
}

func joined(lines []string) string { return strings.Join(lines, "\n") }
