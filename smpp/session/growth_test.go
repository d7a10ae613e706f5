package session_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// TestTimeoutsLeaveNothingBehind: a peer that never answers a submit costs each its slot for the time-out, and memory stays what it was
// after a hundred windows.
func TestTimeoutsLeaveNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 500
		ours, theirs := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { enquireOnly(theirs) })
		f := &feeder{left: 300 * window, item: session.Item{PDU: submitPDU(t, "x")}, done: make(chan struct{})}
		s, err := session.Open(t.Context(), ours, session.Config{
			Window: window, ResponseTimeout: time.Second, EnquireInterval: time.Second / 2, Logger: slog.New(slog.DiscardHandler),
		}, f)
		if err != nil {
			t.Fatal(err)
		}
		f.s = s
		ctx, cancel := context.WithCancel(t.Context())
		run := make(chan error, 1)
		f.feed() // Before Run: then Run's goroutine has it.
		go func() { run <- s.Run(ctx) }()
		time.Sleep(100 * time.Second) // Virtual.
		early := heap()
		<-f.done
		if grown := heap() - early; grown > 256<<10 {
			t.Errorf("%d octets more after 300 windows than after 100", grown)
		}
		if st := s.Stats(); st.TimedOut != 300*window || st.Inflight != 0 || st.Waiting != 0 {
			t.Errorf("%+v", st)
		}
		cancel()
		if err := <-run; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		wg.Wait()
	})
}

// TestSessionsThatEndLeaveNothingBehind: hundreds of connections that break in the midst of submits, deliveries and requests.
func TestSessionsThatEndLeaveNothingBehind(t *testing.T) {
	once := func() {
		ours, theirs := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() {
			defer theirs.Close()
			b := make([]byte, 4096)
			_, _ = theirs.Read(b)
			_, _ = theirs.Write(append(header(smpp.BindTransceiverRespID, 0, 1), deliverPDU(t, 5)...))
			_, _ = theirs.Read(b)
		})
		s, err := session.Open(t.Context(), ours, session.Config{Window: 1000, Logger: slog.New(slog.DiscardHandler)}, &collector{})
		if err != nil {
			t.Fatal(err)
		}
		item := session.Item{PDU: submitPDU(t, "x")}
		s.Submit([]session.Item{item, item, item})
		wg.Go(func() {
			if _, _, err := s.Request(t.Context(), &smpp.QuerySM{MessageID: "1"}); err == nil {
				t.Error("answered by nobody")
			}
		})
		if err := s.Run(t.Context()); err == nil {
			t.Error("the session ended without a reason")
		}
		wg.Wait()
	}
	for range 50 {
		once()
	}
	early, routines := heap(), runtime.NumGoroutine()
	for range 500 {
		once()
	}
	// One session has buffers and a ring of 200 KB: ten of 500 that stayed would show.
	if grown := heap() - early; grown > 2<<20 {
		t.Errorf("%d octets more after 550 sessions than after 50", grown)
	}
	if n := runtime.NumGoroutine(); n > routines {
		t.Errorf("%d goroutines after 550 sessions, %d after 50", n, routines)
	}
}

// enquireOnly answers the bind and every enquire_link, and no submit.
func enquireOnly(conn net.Conn) {
	d := &distant{conn: conn, due: make(chan dueAnswer, 10)}
	answers := make(chan dueAnswer)
	var wg sync.WaitGroup
	wg.Go(d.read)
	wg.Go(func() {
		for a := range d.due {
			if smpp.CommandID(a.pdu[4])<<24|smpp.CommandID(a.pdu[7]) != smpp.SubmitSMRespID {
				answers <- a
			}
		}
		close(answers)
	})
	for a := range answers {
		_, _ = conn.Write(a.pdu)
	}
	wg.Wait()
}

// heap returns how much is reachable.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
