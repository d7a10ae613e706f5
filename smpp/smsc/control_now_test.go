package smsc

import (
	"net"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

func TestAFaultHappensOnCommand(t *testing.T) {
	r := start(t, "")
	c := r.bind(smpp.BindTransceiverID)
	other := r.dial()
	if status := other.bind(smpp.BindTransmitterID, "sender", "pw"); status != smpp.StatusOK {
		t.Fatal(status)
	}
	for yaml, want := range map[string]string{
		"kind: fire": "kind", "{\"kind\": \"drop\", \"account\": \"nobody\"}": "no such connection", "kind: status\nstatus: none": "status", "knid: drop": "[1:",
	} {
		if _, err := r.control().Happen(t.Context(), yaml); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", yaml, err, want)
		}
	}
	if n, err := r.control().Happen(t.Context(), "{kind: half_open, for: 150ms, account: acme}"); err != nil || n != 1 {
		t.Fatalf("%d connections, %v", n, err)
	}
	until(t, "it happens", func() bool { return r.server.connections()[0].isDeaf() })
	c.send(submitTo("13125550001", "hello"))
	if !c.ended() {
		t.Error("no reset")
	}
	if status, _ := other.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Errorf("the other account: %s", status)
	}
	other.nc.Close()
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Accepted != 1 || report.Faults[faultHalfOpen] != 1 {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

func TestAnAlertComesOnCommand(t *testing.T) {
	r := start(t, "")
	if err := r.control().Alert(t.Context(), "+13125550001", "+"+testNumber); err == nil || !strings.Contains(err.Error(), "nobody receives") {
		t.Errorf("with no bind: %v", err)
	}
	c := r.bind(smpp.BindReceiverID)
	if err := r.control().Alert(t.Context(), "+13125550001", "+"+testNumber); err != nil {
		t.Fatal(err)
	}
	if _, p := c.expect(smpp.AlertNotificationID); p.(*smpp.AlertNotification).Source.Addr != "13125550001" || p.(*smpp.AlertNotification).ESME.Addr != testNumber {
		t.Errorf("alert_notification %+v", p)
	}
	until(t, "nothing is owed", func() bool { return r.server.pending.Load() == 0 })
}

func TestAnOutbindGoesOutOnCommand(t *testing.T) {
	r := start(t, "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	where := "{address: \"" + listener.Addr().String() + "\", system_id: smsc}"
	if err := r.control().Outbind(t.Context(), where); err != nil {
		t.Fatal(err)
	}
	nc, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &client{t: t, nc: nc}
	c.expect(smpp.OutbindID)
	if status := c.bind(smpp.BindReceiverID, "acme", "secret"); status != smpp.StatusOK {
		t.Error(status)
	}
	listener.Close()
	until(t, "nobody is there", func() bool { return r.control().Outbind(t.Context(), where) != nil })
	if err := r.control().Outbind(t.Context(), "{address: \"192.0.2.1:1\", system_id: smsc}"); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("elsewhere: %v", err)
	}
}

func TestAFaultOnCommandWaitsForNoSubmit(t *testing.T) {
	r := start(t, "")
	c := r.bind(smpp.BindTransceiverID)
	began := time.Now()
	if _, err := r.control().Happen(t.Context(), "kind: unbind"); err != nil {
		t.Fatal(err)
	}
	c.expect(smpp.UnbindID)
	if time.Since(began) > 5*time.Second {
		t.Error("it waited")
	}
}

func TestOperationsCanBeAskedFor(t *testing.T) {
	r := start(t, far)
	c := r.bind(smpp.BindTransmitterID)
	_, id := c.submit(submitTo("13125550001", "hello"))
	c.cancel(&smpp.CancelSM{MessageID: id, Source: smpp.Address{Addr: testNumber}})
	c.cancel(&smpp.CancelSM{MessageID: "999", Source: smpp.Address{Addr: testNumber}})
	c.nc.Close()
	r.stop()
	for _, q := range []Query{
		{Commands: []string{"cancel_sm"}, Status: "ok"},
		{Commands: []string{"cancel_sm"}, Phone: "13125550001"},
		{Commands: []string{"cancel_sm"}, Number: testNumber},
		{Commands: []string{"cancel_sm"}, Status: "ESME_RCANCELFAIL"},
	} {
		n := 0
		if err := QueryLog(r.dir, &q, func(*Entry) error { n++; return nil }); err != nil || n != 1 {
			t.Errorf("%+v: %d, %v, want 1", q, n, err)
		}
	}
}
