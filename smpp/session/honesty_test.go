package session_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// TestEveryOutcomeIsTrue runs sessions over loopback against a peer that answers in any order, twice or never, and ends as badly as it
// can, while several goroutines submit and revoke. What the peer read is then held against what the session said.
func TestEveryOutcomeIsTrue(t *testing.T) {
	ends := map[string]int{}
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { ends[judge(t, seed)]++ })
	}
	t.Logf("sessions ended by: %v", ends)
}

func judge(t *testing.T, seed uint64) (end string) {
	peer := newLiar(t, seed)
	conn, err := net.Dial("tcp", peer.ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	// Small buffers, so that writes do break off in the midst of a PDU.
	if err := conn.(*net.TCPConn).SetWriteBuffer(16 << 10); err != nil {
		t.Fatal(err)
	}
	c := &account{room: make(chan struct{}, 1)}
	s, err := session.Open(t.Context(), conn, session.Config{
		SystemID: "honest", Window: 200, Logger: slog.New(slog.DiscardHandler),
		ResponseTimeout: 50 * time.Millisecond, WriteTimeout: 40 * time.Millisecond, UnbindTimeout: 30 * time.Millisecond,
	}, c)
	if err != nil {
		t.Fatal(err)
	}
	c.s = s

	var callers sync.WaitGroup
	taken := make([]map[uint64]bool, 3)
	for i := range taken {
		taken[i] = map[uint64]bool{}
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		callers.Go(func() { submitUntil(t, s, r, taken[i], uint64(i), c.room, peer.ended) })
	}
	err = s.Run(t.Context())
	close(peer.ended)
	callers.Wait()
	peer.close()

	known := map[uint64]session.Code{}
	for _, o := range c.outcomes {
		if !o.Late {
			if _, twice := known[o.Token]; twice {
				t.Errorf("token %d has two outcomes", o.Token)
			}
			known[o.Token] = o.Code
		}
	}
	total := 0
	for _, m := range taken {
		total += len(m)
		for token := range m {
			code, ok := known[token]
			switch {
			case !ok:
				t.Errorf("token %d was taken and has no outcome", token)
			case code == session.NotSent && peer.read[token]:
				t.Errorf("token %d is not_sent, and the peer has read it", token)
			case (code == session.Accepted || code == session.Refused) && !peer.read[token]:
				t.Errorf("token %d is %v, and the peer has not read it", token, code)
			}
		}
	}
	if len(known) != total {
		t.Errorf("%d outcomes for %d submits", len(known), total)
	}
	st := s.Stats()
	if st.Inflight != 0 || st.Waiting != 0 || int(st.Submits) != total {
		t.Errorf("stats at the end: %+v, submits %d", st, total)
	}
	if got := st.Accepted + st.Refused - st.Late + st.TimedOut + st.NotSent + st.Lost; got != st.Submits {
		t.Errorf("counters account for %d of %d submits: %+v", got, st.Submits, st)
	}
	for _, e := range []error{session.ErrPeerClosed, session.ErrPeerUnbound, session.ErrNotReading} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	t.Errorf("the session ended by: %v", err)
	return "?"
}

// submitUntil submits and revokes by turns.
func submitUntil(t *testing.T, s *session.Session, r *rand.Rand, taken map[uint64]bool, caller uint64, room, ended <-chan struct{}) {
	next := caller << 32
	for {
		select {
		case <-ended:
			return
		default:
		}
		items := make([]session.Item, 1+r.IntN(30))
		for i := range items {
			items[i] = session.Item{Token: next + uint64(i), PDU: submitPDU(t, strconv.FormatUint(next+uint64(i), 10))}
		}
		n := s.Submit(items)
		for i := range n {
			taken[next+uint64(i)] = true
		}
		next += uint64(n)
		switch r.IntN(4) {
		case 0:
			pick := r.Uint64N(5)
			s.Revoke(func(token uint64) bool { return token%5 == pick })
		case 1:
			_ = s.Inflight()
		}
		if n == 0 {
			select {
			case <-room:
			case <-ended:
			}
		}
	}
}

// account keeps outcomes and answers deliveries. Only the goroutine in Run calls it.
type account struct {
	s        *session.Session
	outcomes []session.Outcome
	room     chan struct{} // something has left the window
}

func (a *account) Outcomes(batch []session.Outcome) {
	for _, o := range batch {
		o.MessageID = nil
		a.outcomes = append(a.outcomes, o)
	}
	select {
	case a.room <- struct{}{}:
	default:
	}
}

func (a *account) Deliveries(batch []session.Delivery) {
	for _, d := range batch {
		a.s.Respond(d.Command, d.Sequence, smpp.StatusOK)
	}
}

// liar is the peer: it keeps the tokens of the submits that it has wholly read.
type liar struct {
	t    *testing.T
	ln   net.Listener
	r    *rand.Rand
	read map[uint64]bool
	wg   sync.WaitGroup

	ended chan struct{} // the session has
}

func newLiar(t *testing.T, seed uint64) *liar {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{t: t, ln: ln, r: rand.New(rand.NewPCG(seed, 99)), read: map[uint64]bool{}, ended: make(chan struct{})}
	l.wg.Go(l.serve)
	return l
}

// close is called when the session's side is closed: what is on its way is still read.
func (l *liar) close() {
	l.ln.Close()
	l.wg.Wait()
}

func (l *liar) serve() {
	c, err := l.ln.Accept()
	if err != nil {
		return
	}
	conn := c.(*net.TCPConn)
	defer conn.Close()
	_ = conn.SetReadBuffer(32 << 10)
	var out sync.WaitGroup
	answers := make(chan []byte, 10_000)
	out.Go(func() {
		for b := range answers {
			if _, err := conn.Write(b); err != nil {
				continue
			}
		}
	})
	defer out.Wait()
	defer close(answers)
	last := 50 + l.r.IntN(2000)
	way := l.r.IntN(4)
	var waiting []byte
	for i := 0; ; i++ {
		pdu, err := l.next(conn)
		if err != nil {
			return
		}
		if i >= last {
			switch way {
			case 0: // Reset, with things unread.
				_ = conn.SetLinger(0)
				return
			case 1: // Close.
				return
			case 2: // Read no more, until the session gives up.
				answers <- header(smpp.DeliverSMRespID, 0, 5)
				l.rest(conn)
				return
			case 3:
				answers <- header(smpp.UnbindID, 0, 5)
				last = 1 << 30
			}
		}
		waiting = l.react(pdu, waiting, answers)
	}
}

// next reads one whole PDU and notes whose it is.
func (l *liar) next(conn net.Conn) ([]byte, error) {
	pdu := make([]byte, smpp.HeaderLen, 256)
	if _, err := io.ReadFull(conn, pdu); err != nil {
		return nil, err
	}
	pdu = pdu[:binary.BigEndian.Uint32(pdu)]
	if _, err := io.ReadFull(conn, pdu[smpp.HeaderLen:]); err != nil {
		return nil, err
	}
	var p smpp.SubmitSM
	if _, err := smpp.DecodeInto(pdu, &p); err == nil {
		token, err := strconv.ParseUint(string(p.ShortMessage), 10, 64)
		if err != nil || l.read[token] {
			l.t.Errorf("read %q: %v, before: %v", p.ShortMessage, err, l.read[token])
		}
		l.read[token] = true
	}
	return pdu, nil
}

// rest waits without reading until the session has given up, then looks what was handed to the kernel.
func (l *liar) rest(conn net.Conn) {
	<-l.ended
	for {
		if _, err := l.next(conn); err != nil {
			return
		}
	}
}

// react answers a PDU now, later, twice or never.
func (l *liar) react(pdu, waiting []byte, answers chan<- []byte) []byte {
	id, seq := smpp.CommandID(binary.BigEndian.Uint32(pdu[4:])), binary.BigEndian.Uint32(pdu[12:])
	switch id {
	case smpp.BindTransceiverID:
		answers <- append(header(id.Response(), 0, seq)[:smpp.HeaderLen:smpp.HeaderLen], []byte{}...)
		return nil
	case smpp.SubmitSMID:
	default:
		return waiting
	}
	switch l.r.IntN(12) {
	case 0: // Never.
	case 1:
		waiting = append(waiting, header(smpp.SubmitSMRespID, 0, seq)...)
	case 2: // Twice.
		answers <- append(header(smpp.SubmitSMRespID, 0, seq), header(smpp.SubmitSMRespID, 8, seq)...)
	case 3:
		answers <- header(smpp.GenericNackID, smpp.StatusInvCmdID, seq)
	case 4: // A request of its own with the same number, then the answer.
		answers <- append(header(smpp.EnquireLinkID, 0, seq), header(smpp.SubmitSMRespID, smpp.StatusThrottled, seq)...)
	case 5: // An answer to what was never sent.
		answers <- append(header(smpp.SubmitSMRespID, 0, seq|1<<30), header(smpp.SubmitSMRespID, 0, seq)...)
	default:
		answers <- header(smpp.SubmitSMRespID, 0, seq)
	}
	if len(waiting) > 600 {
		answers <- waiting
		waiting = nil
	}
	return waiting
}

func header(id smpp.CommandID, status smpp.Status, seq uint32) []byte {
	b := binary.BigEndian.AppendUint32(nil, smpp.HeaderLen)
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	b = binary.BigEndian.AppendUint32(b, uint32(status))
	return binary.BigEndian.AppendUint32(b, seq)
}
