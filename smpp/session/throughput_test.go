package session_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// TestThroughputIsWindowOverLatency: with answers that take 20 ms, a window carries itself every 20 ms, and is used wholly.
func TestThroughputIsWindowOverLatency(t *testing.T) {
	const latency, rounds = 20 * time.Millisecond, 5
	for _, window := range []int{1, 10, 100, 1000, 10_000} {
		t.Run(fmt.Sprint("window=", window), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				peer := &distant{conn: theirs, latency: latency, due: make(chan dueAnswer, 2*window)}
				var wg sync.WaitGroup
				wg.Go(peer.read)
				wg.Go(peer.answer)
				f := &feeder{left: rounds * window, item: session.Item{PDU: submitPDU(t, "x")}, done: make(chan struct{})}
				s, err := session.Open(t.Context(), ours, session.Config{Window: window, Logger: slog.New(slog.DiscardHandler)}, f)
				if err != nil {
					t.Fatal(err)
				}
				f.s = s
				run := make(chan error, 1)
				began := time.Now()
				f.feed() // Before Run: then Run's goroutine has it.
				go func() { run <- s.Run(t.Context()) }()
				<-f.done
				if took := time.Since(began); took != rounds*latency {
					t.Errorf("%d submits took %v, want %v", rounds*window, took, rounds*latency)
				}
				if err := s.Unbind(t.Context()); err != nil {
					t.Error(err)
				}
				if err := <-run; err != nil {
					t.Error(err)
				}
				wg.Wait()
				if peer.most != window {
					t.Errorf("%d were in flight at most, want the whole window of %d", peer.most, window)
				}
			})
		})
	}
}

// TestNothingIsHeldBackAtLowLoad: one submit at a time is on the wire, and its outcome with the handler, in the very moment it is there.
func TestNothingIsHeldBackAtLowLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		peer := &distant{conn: theirs, due: make(chan dueAnswer, 10)}
		var wg sync.WaitGroup
		wg.Go(peer.read)
		wg.Go(peer.answer)
		f := &feeder{left: 1000, most: 1, item: session.Item{PDU: submitPDU(t, "x")}, done: make(chan struct{})}
		s, err := session.Open(t.Context(), ours, session.Config{Window: 1000, Logger: slog.New(slog.DiscardHandler)}, f)
		if err != nil {
			t.Fatal(err)
		}
		f.s = s
		run := make(chan error, 1)
		began := time.Now()
		f.feed() // Before Run: then Run's goroutine has it.
		go func() { run <- s.Run(t.Context()) }()
		<-f.done
		if took := time.Since(began); took != 0 {
			t.Errorf("a thousand submits, one after the other, were held back for %v", took)
		}
		if err := s.Unbind(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-run; err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}

// feeder keeps the window full, or has most in flight, until none is left.
type feeder struct {
	collector
	s    *session.Session
	item session.Item
	most int // 0: the window
	left int
	open int
	done chan struct{}
}

func (f *feeder) feed() {
	items := make([]session.Item, 64)
	for i := range items {
		items[i] = f.item
	}
	for f.left > 0 && (f.most == 0 || f.open < f.most) {
		n := min(len(items), f.left)
		if f.most > 0 {
			n = min(n, f.most-f.open)
		}
		took := f.s.Submit(items[:n])
		f.left, f.open = f.left-took, f.open+took
		if took == 0 {
			return
		}
	}
}

func (f *feeder) Outcomes(batch []session.Outcome) {
	f.open -= len(batch)
	if f.feed(); f.open == 0 && f.left == 0 {
		close(f.done)
	}
}

// distant is an SMSC that answers everything after a while.
type distant struct {
	conn    net.Conn
	latency time.Duration
	due     chan dueAnswer

	mu         sync.Mutex
	open, most int
}

type dueAnswer struct {
	at  time.Time
	pdu []byte
}

func (d *distant) count(n int) {
	d.mu.Lock()
	d.open += n
	d.most = max(d.most, d.open)
	d.mu.Unlock()
}

func (d *distant) read() {
	defer close(d.due)
	for {
		pdu := make([]byte, smpp.HeaderLen)
		if _, err := io.ReadFull(d.conn, pdu); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(pdu)-smpp.HeaderLen)
		if _, err := io.ReadFull(d.conn, body); err != nil {
			return
		}
		id := smpp.CommandID(binary.BigEndian.Uint32(pdu[4:]))
		at := time.Now()
		if id == smpp.SubmitSMID {
			d.count(1)
			at = at.Add(d.latency)
		}
		d.due <- dueAnswer{at, header(id.Response(), 0, binary.BigEndian.Uint32(pdu[12:]))}
	}
}

func (d *distant) answer() {
	for a := range d.due {
		time.Sleep(time.Until(a.at))
		if smpp.CommandID(binary.BigEndian.Uint32(a.pdu[4:])) == smpp.SubmitSMRespID {
			d.count(-1)
		}
		_, _ = d.conn.Write(a.pdu) // Fails when the session has ended.
	}
}

// TestDeliveriesThatWaitDoNotHoldBackAnswers: the handler takes nothing more for as long as a whole broadcast lasts, while the peer
// floods it with receipts. Every submit is answered all the same; what the handler cannot take is put off, not lost and not
// acknowledged, and what it took is answered when it says so.
func TestDeliveriesThatWaitDoNotHoldBackAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const submits, receiptsEach = 2000, 100
		ours, theirs := net.Pipe()
		f := &flooder{conn: theirs, each: receiptsEach, receipt: deliverPDU(t, 0), answered: map[smpp.Status]int{}}
		var wg sync.WaitGroup
		wg.Go(f.serve)
		h := &blocked{free: make(chan struct{}), feeder: feeder{left: submits, item: session.Item{PDU: submitPDU(t, "x")}, done: make(chan struct{})}}
		s, err := session.Open(t.Context(), ours, session.Config{Window: 10, Logger: slog.New(slog.DiscardHandler)}, h)
		if err != nil {
			t.Fatal(err)
		}
		h.s = s
		run := make(chan error, 1)
		h.feed() // Before Run: then Run's goroutine has it.
		go func() { run <- s.Run(t.Context()) }()
		<-h.done // Comes only if no answer waits for the handler.
		synctest.Wait()
		st := s.Stats()
		if st.Accepted != submits || st.Responds != 0 || st.PutOff == 0 || st.Deliveries+st.PutOff != submits*receiptsEach {
			t.Errorf("while the handler is blocked: %+v", st)
		}
		close(h.free)
		if err := s.Unbind(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-run; err != nil {
			t.Error(err)
		}
		wg.Wait()
		if uint64(f.answered[smpp.StatusOK]) != st.Deliveries || uint64(f.answered[smpp.StatusTemporaryError]) != st.PutOff {
			t.Errorf("the peer was answered %v for %d taken and %d put off", f.answered, st.Deliveries, st.PutOff)
		}
	})
}

// blocked is a handler that takes no delivery until it is freed.
type blocked struct {
	feeder
	free chan struct{}
}

func (b *blocked) Deliveries(batch []session.Delivery) {
	<-b.free
	for _, d := range batch {
		b.s.Respond(d.Command, d.Sequence, smpp.StatusOK)
	}
}

// flooder is an SMSC that sends many receipts with each answer, and never waits for theirs.
type flooder struct {
	conn     net.Conn
	each     int
	receipt  []byte
	seq      uint32
	answered map[smpp.Status]int
}

func (f *flooder) serve() {
	out := make(chan []byte, 100_000)
	var wg sync.WaitGroup
	wg.Go(func() {
		for b := range out {
			_, _ = f.conn.Write(b) // Fails when the session has ended.
		}
	})
	defer wg.Wait()
	defer close(out)
	pdu := make([]byte, 1024)
	for {
		if _, err := io.ReadFull(f.conn, pdu[:smpp.HeaderLen]); err != nil {
			return
		}
		h, err := smpp.ReadHeader(pdu)
		if err != nil {
			return
		}
		if _, err := io.ReadFull(f.conn, pdu[smpp.HeaderLen:h.Length]); err != nil {
			return
		}
		var b []byte
		switch h.ID {
		case smpp.DeliverSMRespID:
			f.answered[h.Status]++
			continue
		case smpp.SubmitSMID:
			for range f.each {
				f.seq++
				b = append(b, f.receipt...)
				smpp.PutSequence(b[len(b)-len(f.receipt):], f.seq)
			}
		}
		out <- append(b, header(h.ID.Response(), 0, h.Sequence)...)
	}
}

// TestRequestsBeyondTheirBoundWaitForTheirTurn: sixteen wait for their answers, a seventeenth is not even sent.
func TestRequestsBeyondTheirBoundWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { bindOnly(theirs) })
		s, err := session.Open(t.Context(), ours, session.Config{ResponseTimeout: 10 * time.Second, Logger: slog.New(slog.DiscardHandler)}, &collector{})
		if err != nil {
			t.Fatal(err)
		}
		run := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { run <- s.Run(ctx) }()
		var calls sync.WaitGroup
		for range 17 {
			calls.Go(func() {
				if _, _, err := s.Request(t.Context(), &smpp.QuerySM{MessageID: "1"}); err == nil {
					t.Error("answered by nobody")
				}
			})
		}
		synctest.Wait()
		if n := s.Stats().Requests; n != 16 {
			t.Errorf("%d are sent, want 16", n)
		}
		time.Sleep(11 * time.Second) // Virtual.
		if n := s.Stats().Requests; n != 17 {
			t.Errorf("%d are sent after the first have timed out, want 17", n)
		}
		cancel()
		if err := <-run; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		calls.Wait()
		wg.Wait()
	})
}

// bindOnly is a peer that answers the bind, reads on and says nothing more.
func bindOnly(conn net.Conn) {
	b := make([]byte, 4096)
	if _, err := conn.Read(b); err != nil {
		return
	}
	_, _ = conn.Write(header(smpp.BindTransceiverRespID, 0, 1))
	for {
		if _, err := conn.Read(b); err != nil {
			return
		}
	}
}
