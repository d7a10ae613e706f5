package certify

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/smsc"
)

// single serves one connection at a time, as some servers do: until a connection has bound, and, when it ends before its bind,
// for some time more.
type single struct {
	to    string // where binds are passed on to
	keeps time.Duration
	loose atomic.Int32 // connections that ended before their bind
}

// start listens until the test ends.
func (s *single) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ended := make(chan struct{})
	all.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			if bind := s.awaitBind(near); bind != nil {
				all.Go(func() { s.pass(near, bind) })
				continue
			}
			s.loose.Add(1)
			_ = near.Close()
			select {
			case <-time.After(s.keeps):
			case <-ended:
			}
		}
	})
	t.Cleanup(func() { close(ended); _ = listener.Close(); all.Wait() })
	return listener.Addr().String()
}

// awaitBind refuses everything before the bind, which it returns; nil: the connection ended.
func (s *single) awaitBind(conn net.Conn) []byte {
	for {
		pdu := make([]byte, smpp.HeaderLen)
		if _, err := io.ReadFull(conn, pdu); err != nil {
			return nil
		}
		h, err := smpp.ReadHeader(pdu)
		if err != nil {
			return nil
		}
		pdu = append(pdu, make([]byte, h.Length-smpp.HeaderLen)...)
		if _, err := io.ReadFull(conn, pdu[smpp.HeaderLen:]); err != nil {
			return nil
		}
		if h.ID == smpp.BindTransceiverID {
			return pdu
		}
		if _, err := conn.Write(encoded(smpp.StatusInvBindStatus, h.Sequence, &smpp.GenericNack{})); err != nil {
			return nil
		}
	}
}

func (s *single) pass(near net.Conn, bind []byte) {
	far, err := net.Dial("tcp", s.to)
	if err != nil {
		_ = near.Close()
		return
	}
	if _, err := far.Write(bind); err != nil {
		_ = near.Close()
	}
	var m meddler
	var both sync.WaitGroup
	both.Go(func() { m.copy(far, near, false) })
	both.Go(func() { m.copy(near, far, true) })
	both.Wait()
}

// TestHostsAreTriedWithoutLeavingAConnectionUnbound has a server that a bare connection keeps from serving anybody for as long
// as the test runs.
func TestHostsAreTriedWithoutLeavingAConnectionUnbound(t *testing.T) {
	addr, _ := simulator(t, smsc.Account{}, "")
	s := &single{to: addr, keeps: time.Hour}
	addr = s.start(t)
	c := configFor(addr)
	c.Hosts, c.Only = []string{addr, addr}, []string{"C-01", "C-02", "B-03", "S-01"}
	r := carryOut(t, c)
	for id, want := range map[string]string{"C-01": Pass, "C-02": NotApplicable, "B-03": Pass, "S-01": Pass} {
		if x := r.result(t, id); x.Verdict != want {
			t.Errorf("%s: %s %s\n%s", id, x.Verdict, x.Reason, joined(x.Observed))
		}
	}
	if x := r.result(t, "C-01"); len(x.Observed) != 2 || !strings.HasSuffix(x.Observed[1], "; bound and unbound") {
		t.Errorf("%q", x.Observed)
	}
	if n := s.loose.Load(); n != 0 {
		t.Errorf("%d connections ended before a bind", n)
	}
}

// TestABindThatIsNotAnsweredBehindALooseConnectionIsTriedAgain has B-07 leave such a connection, which is what it is about.
func TestABindThatIsNotAnsweredBehindALooseConnectionIsTriedAgain(t *testing.T) {
	addr, _ := simulator(t, smsc.Account{}, "")
	s := &single{to: addr, keeps: 1500 * time.Millisecond}
	c := configFor(s.start(t))
	c.Negative, c.Timeout, c.keeps, c.Only = true, 500*time.Millisecond, 1500*time.Millisecond, []string{"B-07", "B-08", "L-01"}
	r := carryOut(t, c)
	for _, id := range c.Only {
		if x := r.result(t, id); x.Verdict != Pass {
			t.Errorf("%s: %s %s\n%s", id, x.Verdict, x.Reason, joined(x.Observed))
		}
	}
	if x := r.result(t, "B-08"); !strings.Contains(joined(x.Observed), "after a connection of ours that never bound") {
		t.Errorf("%q", x.Observed)
	}
	// Without such a connection before it, silence is judged at once.
	silent := &meddler{change: func(smpp.Header, []byte) ([]byte, bool) { return nil, false }}
	c = configFor(silent.start(t, addr))
	c.Timeout, c.keeps, c.Only = 200*time.Millisecond, time.Hour, []string{"C-01", "B-03"}
	if x := carryOut(t, c).result(t, "B-03"); x.Verdict != Fail || strings.Contains(joined(x.Observed), "tried again") {
		t.Errorf("%s %s %q", x.Verdict, x.Reason, x.Observed)
	}
}
