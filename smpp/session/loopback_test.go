package session_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// TestSubmitDoesNotAllocate counts a whole process in steady state: submits, writes, answers, receipts and their responses.
func TestSubmitDoesNotAllocate(t *testing.T) {
	for _, window := range []int{10, 1000, 10_000} {
		t.Run(fmt.Sprint("window=", window), func(t *testing.T) {
			p := newPump(t, window, 64, true)
			defer p.close(t)
			p.send(40_000) // Chunks and batches have their size then.
			const n = 20_000
			perRun := testing.AllocsPerRun(5, func() { p.send(n) })
			// Whole runs are counted, so a handful of the runtime's own is allowed, and a buffer that grows once more: a thousandth.
			if perRun > n/1000 {
				t.Errorf("%v allocations for %d submits", perRun, n)
			}
		})
	}
}

// TestStoppedProcessFindsAnswersBeforeTimeouts stops the reader for longer than every time-out, over a socket, with the answers there.
func TestStoppedProcessFindsAnswersBeforeTimeouts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	written, asleep := make(chan struct{}), make(chan struct{})
	var peer sync.WaitGroup
	peer.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 4096)
		if _, err := conn.Read(b); err != nil {
			return
		}
		_, _ = conn.Write(header(smpp.BindTransceiverRespID, 0, 1))
		for n := 0; n < 2*len(submitPDU(t, "x")); { // Both submits.
			k, err := conn.Read(b)
			if err != nil {
				return
			}
			n += k
		}
		_, _ = conn.Write(header(smpp.SubmitSMRespID, 0, 2))
		<-asleep
		_, _ = conn.Write(header(smpp.SubmitSMRespID, 0, 3))
		close(written)
		for err == nil {
			_, err = conn.Read(b)
		}
	})
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	h := &stopped{asleep: asleep, written: written, got: make(chan session.Outcome, 1)}
	s, err := session.Open(ctx, conn, session.Config{
		ResponseTimeout: 20 * time.Millisecond, EnquireInterval: 20 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	}, h)
	if err != nil {
		t.Fatal(err)
	}
	s.Submit([]session.Item{{Token: 0, PDU: submitPDU(t, "x")}, {Token: 1, PDU: submitPDU(t, "x")}})
	run := make(chan error, 1)
	go func() { run <- s.Run(ctx) }()
	if o := <-h.got; o.Code != session.Accepted {
		t.Errorf("outcome %+v: our own slowness was taken for the peer's", o)
	}
	cancel()
	if err := <-run; !errors.Is(err, context.Canceled) {
		t.Errorf("the session ended by %v, not by its context", err)
	}
	peer.Wait()
}

// stopped is a handler that sleeps over every time-out with its first outcome, after the answer to the second has come.
type stopped struct {
	asleep, written chan struct{}
	got             chan session.Outcome
}

func (h *stopped) Outcomes(batch []session.Outcome) {
	if batch[0].Token == 0 {
		close(h.asleep)
		<-h.written
		time.Sleep(60 * time.Millisecond) // Real time: sockets know no other. The test cannot fail by being slower.
		return
	}
	select {
	case h.got <- batch[0]:
	default:
	}
}

func (h *stopped) Deliveries([]session.Delivery) {}

func deliverPDU(t testing.TB, seq uint32) []byte {
	t.Helper()
	b, err := smpp.Append(nil, smpp.StatusOK, seq, &smpp.DeliverSM{ShortMessage: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTLSCarriesASession: nothing here may depend on a plain socket.
func TestTLSCarriesASession(t *testing.T) {
	server, client := tlsConfigs(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	k := &sink{ln: ln, receipts: true}
	var serve sync.WaitGroup
	serve.Go(func() {
		if conn, err := ln.Accept(); err == nil {
			k.serve(conn)
		}
	})
	conn, err := tls.Dial("tcp", ln.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	p := &pump{answered: make(chan int, 1<<16), run: make(chan error, 1), sink: k}
	p.s, err = session.Open(t.Context(), conn, session.Config{Window: 500, Logger: slog.New(slog.DiscardHandler)}, p)
	if err != nil {
		t.Fatal(err)
	}
	go func() { p.run <- p.s.Run(t.Context()) }()
	for range 100 {
		p.items = append(p.items, session.Item{PDU: submitPDU(t, "over TLS")})
	}
	p.send(10_000)
	p.close(t)
	serve.Wait()
	if st := p.s.Stats(); st.Accepted != 10_000 {
		t.Errorf("%+v", st)
	}
}

func tlsConfigs(t *testing.T) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots}
}

// TestDeliveriesDoNotStarveAnswers: an answer that came behind a flood of deliveries is handed over in the same read, before them.
func TestDeliveriesDoNotStarveAnswers(t *testing.T) {
	ours, theirs := net.Pipe()
	h := &order{}
	var peer sync.WaitGroup
	peer.Go(func() {
		b := make([]byte, 4096)
		_, _ = theirs.Read(b)
		_, _ = theirs.Write(header(smpp.BindTransceiverRespID, 0, 1))
		_, _ = theirs.Read(b)
		var flood []byte
		for i := range uint32(300) {
			flood = append(flood, deliverPDU(t, 100+i)...)
		}
		_, _ = theirs.Write(append(flood, header(smpp.SubmitSMRespID, 0, 2)...))
		theirs.Close()
	})
	s, err := session.Open(t.Context(), ours, session.Config{Logger: slog.New(slog.DiscardHandler)}, h)
	if err != nil {
		t.Fatal(err)
	}
	s.Submit([]session.Item{{Token: 1, PDU: submitPDU(t, "x")}})
	if err := s.Run(t.Context()); err == nil {
		t.Error("the session ended without a reason")
	}
	peer.Wait()
	if len(h.seen) < 2 || h.seen[0] != "outcome" {
		t.Errorf("handed over: %v, want the outcome first", h.seen)
	}
}

type order struct {
	mu   sync.Mutex
	seen []string
}

func (o *order) Outcomes([]session.Outcome)    { o.note("outcome") }
func (o *order) Deliveries([]session.Delivery) { o.note("deliveries") }

func (o *order) note(what string) {
	o.mu.Lock()
	o.seen = append(o.seen, what)
	o.mu.Unlock()
}

// TestPeerThatNeverPausesIsStillTimedOut: with octets always waiting there is never a quiet moment, but what was there when the time-out
// was due has been read at some point.
func TestPeerThatNeverPausesIsStillTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var flood []byte
		for len(flood) < 60<<10 {
			flood = append(flood, deliverPDU(t, 1)...)
		}
		var peer sync.WaitGroup
		peer.Go(func() {
			b := make([]byte, 4096)
			_, _ = theirs.Read(b)
			_, _ = theirs.Write(header(smpp.BindTransceiverRespID, 0, 1))
			_, _ = theirs.Read(b)
			peer.Go(func() {
				for {
					if _, err := theirs.Read(b); err != nil { // What the handler is too slow for is answered.
						return
					}
				}
			})
			for {
				if _, err := theirs.Write(flood); err != nil {
					return
				}
				time.Sleep(100 * time.Microsecond) // Virtual; shorter than any pause that would show the line to be quiet.
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		h := &busy{end: cancel}
		s, err := session.Open(ctx, ours, session.Config{
			ResponseTimeout: time.Second, EnquireInterval: time.Hour, Logger: slog.New(slog.DiscardHandler),
		}, h)
		if err != nil {
			t.Fatal(err)
		}
		s.Submit([]session.Item{{Token: 1, PDU: submitPDU(t, "x")}})
		if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		peer.Wait()
		if len(h.outcomes) != 1 || h.outcomes[0].Code != session.Unknown || s.Stats().TimedOut != 1 {
			t.Errorf("outcomes %+v", h.outcomes)
		}
	})
}

// TestPeerThatAsksAndNeverReadsIsGivenUp: what waits for it is bounded by octets, not only by the write deadline.
func TestPeerThatAsksAndNeverReadsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		flood := bytes.Repeat(header(smpp.EnquireLinkID, 0, 1), 4000)
		var peer sync.WaitGroup
		sent := 0
		peer.Go(func() {
			_, _ = theirs.Read(make([]byte, 4096))
			_, _ = theirs.Write(header(smpp.BindTransceiverRespID, 0, 1))
			for {
				n, err := theirs.Write(flood)
				sent += n
				if err != nil {
					return
				}
			}
		})
		s, err := session.Open(t.Context(), ours, session.Config{WriteTimeout: time.Hour, Logger: slog.New(slog.DiscardHandler)}, &collector{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(t.Context()); !errors.Is(err, session.ErrNotReading) {
			t.Errorf("ended by %v", err)
		}
		peer.Wait()
		if sent < 4<<20 || sent > 5<<20 {
			t.Errorf("%d octets were taken from it", sent)
		}
	})
}

// busy is a handler that takes its (virtual) time, and has the session end with the first outcome, or after a thousand deliveries too many.
type busy struct {
	collector
	end   context.CancelFunc
	calls int
}

func (b *busy) Outcomes(batch []session.Outcome) {
	b.collector.Outcomes(batch)
	b.end()
}

func (b *busy) Deliveries([]session.Delivery) {
	time.Sleep(10 * time.Millisecond)
	if b.calls++; b.calls > 1_000 {
		b.end()
	}
}
