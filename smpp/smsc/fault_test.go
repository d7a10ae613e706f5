package smsc

import (
	"errors"
	"io"
	"testing"
	"time"

	"fanline/smpp"
)

func withFault(f Fault) *Scenario {
	s := quick()
	s.Faults = []Fault{f}
	return s
}

func TestADropLeavesWhatWasTakenInTheLog(t *testing.T) {
	s := withFault(Fault{Kind: faultDrop, After: 5, Times: 1})
	s.Latency = &Distribution{Min: Duration(time.Minute), Max: Duration(time.Minute)}
	s.Receipts.Delay = &Distribution{}
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	for range 5 {
		c.send(submitTo("13125550001", "hello"))
	}
	c.send(&smpp.EnquireLink{})
	c.expect(smpp.EnquireLinkRespID) // five are read and taken,
	c.send(submitTo("13125550001", "hello"))
	c.closed() // and the sixth meets the fault.
	next := r.bind(smpp.BindTransceiverID)
	for range 7 {
		next.send(submitTo("13125550001", "hello"))
	}
	next.send(&smpp.EnquireLink{})
	next.expect(smpp.EnquireLinkRespID) // once only
	next.nc.Close()
	r.stop()
	if n := count(r.entries(), func(e *Entry) bool { return e.Accepted() }); n != 12 {
		t.Errorf("%d taken, want 5 and 7", n)
	}
}

func TestHalfAPDUIsWrittenAndNoMore(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), withFault(Fault{Kind: faultHalf, After: 1, Times: 1}))
	c := r.bind(smpp.BindTransmitterID)
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Fatal(status)
	}
	c.send(submitTo("13125550001", "hello"))
	_ = c.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	b, err := io.ReadAll(c.nc)
	if len(b) == 0 || len(b) >= smpp.HeaderLen+10 {
		t.Errorf("%d octets before the end (%v), want half an answer", len(b), err)
	}
}

func TestSilenceAndStatusLastAsLongAsTheyShould(t *testing.T) {
	s := withFault(Fault{Kind: faultStatus, After: 1, Submits: 2, Status: "ESME_RMSGQFUL", Times: 1})
	s.Faults = append(s.Faults, Fault{Kind: faultSilent, After: 4, Submits: 1, Account: "acme"}, Fault{Kind: faultDrop, After: 0, Account: "sender"})
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransmitterID)
	for i, want := range []smpp.Status{0, smpp.StatusMsgQFull, smpp.StatusMsgQFull, 0} {
		if status, _ := c.submit(submitTo("13125550001", "hello")); status != want {
			t.Errorf("submit %d: %s, want %s", i+1, status, want)
		}
	}
	c.send(submitTo("13125550001", "silence"))
	c.quiet(30 * time.Millisecond)
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Error(status)
	}
	c.nc.Close()
	r.stop()
	report, err := Audit(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	if report.Unanswered != 1 || report.Accepted != 4 || report.Statuses["ESME_RMSGQFUL"] != 2 {
		t.Errorf("%+v", report)
	}
}

func TestAClientThatDoesNotReadIsNotReadFrom(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransmitterID)
	sm := submitTo("13125550001", "hello")
	sm.RegisteredDelivery = 0
	var pdus []byte
	for range 1000 {
		pdus, _ = smpp.Append(pdus, 0, 1, sm)
	}
	sent := 0
	_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	for range 1000 {
		n, err := c.nc.Write(pdus)
		sent += n
		if err != nil {
			break // The simulator stopped reading, and the buffers between are full.
		}
	}
	most := int64(0)
	r.server.mu.Lock()
	for conn := range r.server.conns {
		conn.box.mu.Lock()
		most = max(most, int64(conn.box.ready.n+conn.box.answers.n))
		conn.box.mu.Unlock()
	}
	r.server.mu.Unlock()
	if sent == 1000*len(pdus) || most > answersMax+readBuffer/smpp.HeaderLen {
		t.Errorf("%d octets taken without an answer read, %d answers wait", sent, most)
	}
	other := r.bind(smpp.BindTransmitterID)
	if status, _ := other.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Errorf("another bind: %s", status)
	}
}

func TestAClientThatNeverBindsIsClosed(t *testing.T) {
	s := quick()
	s.BindWithin = Duration(50 * time.Millisecond)
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.dial()
	if _, _, err := c.next(10 * time.Second); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}
