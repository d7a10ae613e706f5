package carrier

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"fanline/engine"
	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/session"
)

// TestMain holds every test to the rule that whoever starts a goroutine waits for it.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// fakeLog keeps what is appended; it acknowledges at once, or when told.
type fakeLog struct {
	mu      sync.Mutex
	held    bool // wait for release
	entries []journal.Entry
	waiting []func(err error)
	appends int
	fail    func(topic string) error
}

func (l *fakeLog) Append(entries []journal.Entry, done func([]int64, error)) {
	l.mu.Lock()
	l.appends++
	var err error
	for _, e := range entries {
		if l.fail != nil && err == nil {
			err = l.fail(e.Topic)
		}
		e.Key, e.Value = bytes.Clone(e.Key), bytes.Clone(e.Value)
		l.entries = append(l.entries, e)
	}
	offsets := make([]int64, len(entries))
	call := func(failed error) {
		if failed == nil {
			failed = err
		}
		done(offsets, failed)
	}
	if l.held {
		l.waiting = append(l.waiting, call)
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	call(nil)
}

// release acknowledges the oldest append that waits.
func (l *fakeLog) release(err error) bool {
	l.mu.Lock()
	if len(l.waiting) == 0 {
		l.mu.Unlock()
		return false
	}
	call := l.waiting[0]
	l.waiting = l.waiting[1:]
	l.mu.Unlock()
	call(err)
	return true
}

func (l *fakeLog) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.appends
}

func (l *fakeLog) of(topic string) (found []journal.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Topic == topic {
			found = append(found, e)
		}
	}
	return found
}

// fakeEngine is what a pool tells about its binds.
type fakeEngine struct {
	mu     sync.Mutex
	up     []*fakePort // attached and not detached
	events []string    // in order: attach, answers, detach
}

type fakePort struct {
	e       *fakeEngine
	carrier string
	bind    uint32
	window  int
	conn    engine.Bind
	answers []engine.Answer
}

func (e *fakeEngine) Attach(carrier string, bind uint32, window int, conn engine.Bind) Port {
	p := &fakePort{e: e, carrier: carrier, bind: bind, window: window, conn: conn}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.up, e.events = append(e.up, p), append(e.events, "attach")
	return p
}

func (p *fakePort) Answers(batch []engine.Answer) {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	for _, a := range batch {
		a.ID = bytes.Clone(a.ID)
		p.answers = append(p.answers, a)
	}
	p.e.events = append(p.e.events, "answers")
}

func (p *fakePort) Detach() {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	p.e.up = slices.DeleteFunc(p.e.up, func(other *fakePort) bool { return other == p })
	p.e.events = append(p.e.events, "detach")
}

func (e *fakeEngine) bound() []*fakePort {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.up)
}

func (e *fakeEngine) said() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.events)
}

func (p *fakePort) got() []engine.Answer {
	p.e.mu.Lock()
	defer p.e.mu.Unlock()
	return slices.Clone(p.answers)
}

// fakeSMSC is the other side of every connection of a pool.
type fakeSMSC struct {
	t testing.TB

	mu     sync.Mutex
	dialed []string
	conns  []*smscConn
	work   sync.WaitGroup
	// refuse answers the n-th dial (from 0) with an error, bind with a status.
	refuse func(n int) error
	bind   func(n int) smpp.Status
	// submit answers a submit; no answer when it says false.
	submit func(c *smscConn, s *smpp.SubmitSM) (status smpp.Status, id string, answer bool)
}

type smscConn struct {
	smsc   *fakeSMSC
	conn   net.Conn
	mu     sync.Mutex
	got    []smpp.CommandID
	bound  smpp.Bind
	acks   map[uint32]smpp.Status // deliver_sm_resp by sequence
	submit []uint32               // sequence numbers
}

func (s *fakeSMSC) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.dialed)
	s.dialed = append(s.dialed, address)
	if s.refuse != nil {
		if err := s.refuse(n); err != nil {
			return nil, err
		}
	}
	ours, theirs := net.Pipe()
	c := &smscConn{smsc: s, conn: theirs, acks: map[uint32]smpp.Status{}}
	s.conns = append(s.conns, c)
	s.work.Go(func() { c.serve(n) })
	return ours, nil
}

func (s *fakeSMSC) dials() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dialed)
}

func (s *fakeSMSC) conn(i int) *smscConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[i]
}

func (c *smscConn) serve(n int) {
	defer c.conn.Close()
	for {
		pdu, err := readPDU(c.conn)
		if err != nil {
			return
		}
		h, p, err := smpp.Decode(pdu)
		if err != nil {
			c.smsc.t.Errorf("the pool sent %x: %v", pdu, err)
			return
		}
		c.mu.Lock()
		c.got = append(c.got, h.ID)
		c.mu.Unlock()
		switch p := p.(type) {
		case *smpp.Bind:
			c.mu.Lock()
			c.bound = *p
			c.mu.Unlock()
			status := smpp.StatusOK
			if c.smsc.bind != nil {
				status = c.smsc.bind(n)
			}
			c.send(status, h.Sequence, &smpp.BindResp{Kind: p.Kind.Response(), SystemID: "smsc"})
		case *smpp.SubmitSM:
			c.mu.Lock()
			c.submit = append(c.submit, h.Sequence)
			c.mu.Unlock()
			if c.smsc.submit == nil {
				continue
			}
			if status, id, ok := c.smsc.submit(c, p); ok {
				c.answer(h.Sequence, status, id)
			}
		case *smpp.DeliverSMResp:
			c.mu.Lock()
			c.acks[h.Sequence] = h.Status
			c.mu.Unlock()
		case *smpp.EnquireLink:
			c.send(smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
		case *smpp.Unbind:
			c.send(smpp.StatusOK, h.Sequence, &smpp.UnbindResp{})
		}
	}
}

func readPDU(r io.Reader) ([]byte, error) {
	head := make([]byte, smpp.HeaderLen)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	pdu := append(head, make([]byte, int(binary.BigEndian.Uint32(head))-smpp.HeaderLen)...)
	_, err := io.ReadFull(r, pdu[smpp.HeaderLen:])
	return pdu, err
}

func (c *smscConn) send(status smpp.Status, seq uint32, p smpp.PDU) {
	pdu, err := smpp.Append(nil, status, seq, p)
	if err != nil {
		c.smsc.t.Error(err)
		return
	}
	_, _ = c.conn.Write(pdu) // A pool that has gone reads nothing.
}

func (c *smscConn) answer(seq uint32, status smpp.Status, id string) {
	c.send(status, seq, &smpp.SubmitSMResp{MessageID: id})
}

func (c *smscConn) commands() []smpp.CommandID {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// saw returns the bind, the sequence numbers of the submits, and the answers to
// deliveries by sequence number.
func (c *smscConn) saw() (smpp.Bind, []uint32, map[uint32]smpp.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bound, slices.Clone(c.submit), maps.Clone(c.acks)
}

// fakeSession answers deliveries.
type fakeSession struct {
	mu        sync.Mutex
	responses []session.Response
}

func (s *fakeSession) RespondAll(responses []session.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.responses = append(s.responses, responses...)
}

// answered returns the status by sequence; a second answer is an error.
func (s *fakeSession) answered(t testing.TB) map[uint32]smpp.Status {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[uint32]smpp.Status{}
	for _, r := range s.responses {
		if _, twice := all[r.Sequence]; twice {
			t.Errorf("delivery %d was answered twice", r.Sequence)
		}
		all[r.Sequence] = r.Status
	}
	return all
}

// Whose texts the tests are about.
const (
	ourNumber = message.Phone(17735550100)
	member    = message.Phone(13125550199)
)

// whileDown refuses dials for as long as a switch is on.
func whileDown(down *atomic.Bool, why string) func(int) error {
	return func(int) error {
		if down.Load() {
			return errors.New(why)
		}
		return nil
	}
}
