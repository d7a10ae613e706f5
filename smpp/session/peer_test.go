package session_test

import (
	"log/slog"
	"net"
	"sync"
	"testing"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/smpptest"

	"fanline/smpp"
	"fanline/smpp/session"
)

// TestGoSMPPServerTakesOurBindAndSubmits lets an independent stack read what we write. Its server answers a bind with a sequence
// number of its own.
func TestGoSMPPServerTakesOurBindAndSubmits(t *testing.T) {
	var mu sync.Mutex
	texts := map[string]int{}
	srv := smpptest.NewUnstartedServer()
	srv.Handler = func(c smpptest.Conn, m pdu.Body) {
		var resp pdu.Body
		switch m.Header().ID {
		case pdu.SubmitSMID:
			mu.Lock()
			texts[m.Fields()[pdufield.ShortMessage].String()]++
			mu.Unlock()
			resp = pdu.NewSubmitSMResp()
			if err := resp.Fields().Set(pdufield.MessageID, "their-id"); err != nil {
				t.Error(err)
			}
		case pdu.UnbindID:
			resp = pdu.NewUnbindResp()
		default:
			t.Errorf("the server read %v", m.Header().ID)
			return
		}
		resp.Header().Seq = m.Header().Seq
		if err := c.Write(resp); err != nil {
			t.Error(err)
		}
	}
	var serve sync.WaitGroup
	serve.Go(srv.Serve)
	defer serve.Wait()
	defer srv.Close()

	for _, kind := range []smpp.CommandID{smpp.BindTransceiverID, smpp.BindTransmitterID} {
		clear(texts)
		conn, err := net.Dial("tcp", srv.Addr())
		if err != nil {
			t.Fatal(err)
		}
		c := &collector{}
		s, err := session.Open(t.Context(), conn, session.Config{
			Kind: kind, SystemID: smpptest.DefaultUser, Password: smpptest.DefaultPasswd, Window: 10, Logger: slog.New(slog.DiscardHandler),
		}, c)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Peer().SystemID; got != smpptest.DefaultSystemID {
			t.Errorf("peer %q, want %q", got, smpptest.DefaultSystemID)
		}
		run := make(chan error, 1)
		go func() { run <- s.Run(t.Context()) }()
		if n := s.Submit([]session.Item{{Token: 1, PDU: submitPDU(t, "one")}, {Token: 2, PDU: submitPDU(t, "two")}}); n != 2 {
			t.Errorf("took %d", n)
		}
		if err := s.Unbind(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-run; err != nil {
			t.Error(err)
		}
		mu.Lock()
		if len(texts) != 2 || texts["one"] != 1 || texts["two"] != 1 {
			t.Errorf("%v: the server read %v", kind, texts)
		}
		mu.Unlock()
		if len(c.outcomes) != 2 {
			t.Fatalf("%v: outcomes %+v", kind, c.outcomes)
		}
		for _, o := range c.outcomes {
			if o.Code != session.Accepted || string(o.MessageID) != "their-id" {
				t.Errorf("%v: %+v", kind, o)
			}
		}
	}
}

// collector keeps the outcomes, which only the goroutine in Run writes.
type collector struct {
	outcomes []session.Outcome
}

func (c *collector) Outcomes(batch []session.Outcome) {
	for _, o := range batch {
		o.MessageID = append([]byte(nil), o.MessageID...)
		c.outcomes = append(c.outcomes, o)
	}
}

func (c *collector) Deliveries([]session.Delivery) {}
