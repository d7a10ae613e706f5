package smsc

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"fanline/smpp"
)

func TestBindsFailByPlan(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		want       []smpp.Status
	}{
		{"a password", "binds: [{account: acme, status: ESME_RINVPASWD}]", []smpp.Status{smpp.StatusInvPassword}},
		{"another account's", "binds: [{account: sender, status: ESME_RINVPASWD}]", []smpp.Status{0}},
		{"the first two", "binds: [{status: ESME_RSYSERR, count: 2}]", []smpp.Status{smpp.StatusSysErr, smpp.StatusSysErr, 0}},
		{"the second", "binds: [{status: ESME_RSYSERR, skip: 1, count: 1}]", []smpp.Status{0, smpp.StatusSysErr}},
		{"for a while", "binds: [{status: ESME_RSYSERR, after: 1h}]", []smpp.Status{0}},
		{"a vendor's", "binds: [{status: \"0x480\"}]", []smpp.Status{0x480}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, tt.yaml+"\n")
			for i, want := range tt.want {
				c := r.dial()
				if got := c.bind(smpp.BindTransmitterID, "acme", "secret"); got != want {
					t.Errorf("bind %d: %s, want %s", i, got, want)
				}
				if want == smpp.StatusOK {
					if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
						t.Errorf("bind %d: submit %s", i, status)
					}
				}
				c.nc.Close()
			}
			until(t, "no place is taken", func() bool { return r.server.binds.Load() == 0 })
			if a := r.server.accounts["acme"]; a.binds != 0 {
				t.Errorf("%d places are taken by binds that failed", a.binds)
			}
			r.stop()
			if n := count(r.entries(), func(e *Entry) bool {
				return isEvent("bind_")(e) && strings.Contains(e.Text, "scenario") == (e.Status != 0)
			}); n != len(tt.want) {
				t.Errorf("%d binds in the log as they should be, want %d", n, len(tt.want))
			}
		})
	}
}

func TestABindGetsNoAnswerANackOrTheEnd(t *testing.T) {
	bind := &smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "acme", Password: "secret", InterfaceVersion: 0x34}
	silent := start(t, "binds: [{status: silent}]\n").dial()
	silent.send(bind)
	silent.quiet(50 * time.Millisecond)
	nacked := start(t, "binds: [{status: nack}]\n").dial()
	seq := nacked.send(bind)
	if h, _ := nacked.expect(smpp.GenericNackID); h.Sequence != seq || h.Status != smpp.StatusInvCmdID {
		t.Errorf("nack %+v", h)
	}
	closed := start(t, "binds: [{status: close}]\n").dial()
	closed.send(bind)
	closed.closed()
	late := start(t, "binds: [{status: ESME_ROK, delay: 150ms}]\n").dial()
	began := time.Now()
	if status := late.bind(smpp.BindTransceiverID, "acme", "secret"); status != smpp.StatusOK || time.Since(began) < 150*time.Millisecond {
		t.Errorf("%s after %s", status, time.Since(began))
	}
}

func TestConnectionsAreRefusedAtTimes(t *testing.T) {
	r := start(t, "refuse: [{after: 100ms, for: 300ms}]\n")
	before := r.bind(smpp.BindTransmitterID)
	refused := func() bool {
		nc, err := net.Dial("tcp", r.addr)
		if err == nil {
			nc.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	until(t, "connections are refused", refused)
	if status, _ := before.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Errorf("a bind that was there: %s", status)
	}
	until(t, "connections are taken again", func() bool { return !refused() })
	if status, _ := r.bind(smpp.BindTransmitterID).submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Error(status)
	}
	before.nc.Close()
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Faults["refuse"] != 1 || report.Faults["refuse: over"] != 1 {
		t.Errorf("audit: %+v, %v", report.Faults, err)
	}
}

func TestASimulatorEndsWhileConnectionsAreRefused(t *testing.T) {
	r := start(t, "refuse: [{for: 1h}]\n")
	until(t, "connections are refused", func() bool {
		nc, err := net.Dial("tcp", r.addr)
		if err == nil {
			nc.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	r.stop()
}

func TestAPlaceIsTakenByAStaleBind(t *testing.T) {
	accounts := testAccounts()
	accounts[0].MaxBinds = 1
	r := startSMSC(t, t.TempDir(), accounts, scenario(t, "stale_binds: 300ms\n"))
	first := r.bind(smpp.BindTransceiverID)
	reset(first.nc)
	until(t, "the bind has ended", func() bool { return r.server.binds.Load() == 0 })
	if got := r.dial().bind(smpp.BindTransceiverID, "acme", "secret"); got != smpp.StatusAlreadyBound {
		t.Errorf("at once: %s, want ESME_RALYBND", got)
	}
	var next *client
	until(t, "its place is free", func() bool {
		next = r.dial()
		return next.bind(smpp.BindTransceiverID, "acme", "secret") == smpp.StatusOK
	})
	next.send(&smpp.Unbind{})
	next.expect(smpp.UnbindRespID)
	next.nc.Close()
	until(t, "the bind has ended", func() bool { return r.server.binds.Load() == 0 })
	if got := r.dial().bind(smpp.BindTransceiverID, "acme", "secret"); got != smpp.StatusOK {
		t.Errorf("after an unbind: %s, want the place free", got)
	}
}

func TestUnbindIsAnsweredAsTheScenarioSays(t *testing.T) {
	silent := start(t, "on_unbind: silent\n").bind(smpp.BindTransceiverID)
	silent.send(&smpp.Unbind{})
	silent.quiet(50 * time.Millisecond)
	closing := start(t, "on_unbind: close\n").bind(smpp.BindTransceiverID)
	closing.send(&smpp.Unbind{})
	closing.expect(smpp.UnbindRespID)
	closing.closed()
	waiting := start(t, "").bind(smpp.BindTransceiverID)
	waiting.send(&smpp.Unbind{})
	waiting.expect(smpp.UnbindRespID)
	waiting.quiet(50 * time.Millisecond) // It is the client that closes.
	waiting.closed()
}

func TestALinkIsAskedAfterBeforeTheBind(t *testing.T) {
	r := start(t, "enquire_before_bind: true\n")
	c := r.dial()
	h, _ := c.expect(smpp.EnquireLinkID)
	c.write(0, h.Sequence, &smpp.EnquireLinkResp{})
	if status := c.bind(smpp.BindTransceiverID, "acme", "secret"); status != smpp.StatusOK {
		t.Error(status)
	}
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Error(status)
	}
}

func TestOutbindAsksAClientToBind(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := start(t, "outbind: [{address: \""+listener.Addr().String()+"\", system_id: smsc, password: knock, after: 10ms}]\n")
	sender := r.bind(smpp.BindTransmitterID)
	nc, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &client{t: t, nc: nc}
	if _, p := c.expect(smpp.OutbindID); p.(*smpp.Outbind).SystemID != "smsc" || p.(*smpp.Outbind).Password != "knock" {
		t.Errorf("outbind %+v", p)
	}
	if status := c.bind(smpp.BindReceiverID, "acme", "secret"); status != smpp.StatusOK {
		t.Fatal(status)
	}
	if _, id := sender.submit(submitTo("13125550001", "hello")); c.receipt().ID != id {
		t.Error("another receipt")
	}
	nc.Close()
	sender.nc.Close()
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Outbinds != 1 {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

func TestOutbindIsRepeatedAsOftenAsItSays(t *testing.T) {
	o := Outbind{Times: 3, Window: Window{After: Duration(time.Second), Every: Duration(time.Minute)}}
	for _, tt := range []struct {
		done int
		at   time.Duration
		due  bool
	}{{0, 0, false}, {0, time.Second, true}, {1, 2 * time.Second, false}, {1, 61 * time.Second, true}, {2, 121 * time.Second, true}, {3, time.Hour, false}} {
		if got := outbindDue(&o, tt.done, int64(tt.at)); got != tt.due {
			t.Errorf("after %d, at %s: %v", tt.done, tt.at, got)
		}
	}
	once := Outbind{}
	if !outbindDue(&once, 0, 0) || outbindDue(&once, 1, int64(time.Hour)) {
		t.Error("without every and times it isn't once")
	}
	for ever := (Outbind{Window: Window{Every: Duration(time.Second)}}); !outbindDue(&ever, 1000, int64(time.Hour)); {
		t.Error("with every and no times it ends")
		break
	}
}

// ended fails unless the connection breaks off, and says whether by a reset.
func (c *client) ended() (byReset bool) {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := io.Copy(io.Discard, c.nc)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("the connection stays open")
	}
	return errors.Is(err, syscall.ECONNRESET)
}
