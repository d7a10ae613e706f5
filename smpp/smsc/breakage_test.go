package smsc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

// faultsOf reads the faults that the log of a stopped simulator names, by kind.
func (r *running) faults() map[string]int64 {
	r.t.Helper()
	report, err := Audit(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	return report.Faults
}

func TestAConnectionIsDroppedOrClosedAtATime(t *testing.T) {
	for kind, reset := range map[string]bool{faultDrop: true, faultClose: false} {
		r := start(t, "faults: [{kind: "+kind+", after: 50ms}]\n")
		c := r.bind(smpp.BindTransceiverID)
		if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
			t.Error(status)
		}
		if got := c.ended(); got != reset {
			t.Errorf("%s: by reset %v, want %v", kind, got, reset)
		}
		if next := r.bind(smpp.BindTransceiverID); next.statuses(1, "13125550001")[0] != smpp.StatusOK {
			t.Errorf("%s happens on another connection too", kind)
		}
		r.stop()
		if f := r.faults(); f[kind] != 1 {
			t.Errorf("%s: the log has %v", kind, f)
		}
	}
}

func TestACloseComesAfterSubmits(t *testing.T) {
	r := start(t, "faults: [{kind: close, after_submits: 2}]\n")
	c := r.bind(smpp.BindTransmitterID)
	c.statuses(2, "13125550001")
	c.send(submitTo("13125550001", "hello"))
	if c.ended() {
		t.Error("reset, want a FIN")
	}
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Accepted != 2 {
		t.Errorf("audit: %+v, %v: want two, the third met the fault", report, err)
	}
}

func TestPDUsComeInPieces(t *testing.T) {
	r := start(t, "faults: [{kind: pieces, after_submits: 0, piece: 3, pause: 5ms}]\n")
	c := r.bind(smpp.BindTransmitterID)
	c.send(submitTo("13125550001", "hello"))
	_ = c.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	reads, pdu := 0, make([]byte, 0, 100)
	buf := make([]byte, 100)
	for len(pdu) < smpp.HeaderLen || len(pdu) < int(binary.BigEndian.Uint32(pdu)) {
		n, err := c.nc.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		pdu = append(pdu, buf[:n]...)
		reads++
	}
	if h, _, err := smpp.Decode(pdu); err != nil || h.ID != smpp.SubmitSMRespID || reads < 4 {
		t.Errorf("%x in %d reads, %v", pdu, reads, err)
	}
	r.stop()
	if f := r.faults(); f[faultPieces] != 1 {
		t.Errorf("the log has %v", f)
	}
}

func TestPiecesEndWhenTheySay(t *testing.T) {
	r := start(t, "faults: [{kind: pieces, after: 0s, piece: 1, pause: 1ms, for: 100ms}]\n")
	c := r.bind(smpp.BindTransmitterID)
	until(t, "answers are quick again", func() bool {
		began := time.Now()
		c.submit(submitTo("13125550001", "hello"))
		return time.Since(began) < 10*time.Millisecond
	})
}

// TestNothingIsReadWhileTheWindowIsShut fills what the kernels keep, and holds that the log has every submit once it was
// read and none before.
func TestNothingIsReadWhileTheWindowIsShut(t *testing.T) {
	r := start(t, "receive_buffer: 65536\nfaults: [{kind: stop_reading, after_submits: 1, for: 1s}]\n")
	c := r.bind(smpp.BindTransmitterID)
	_ = c.nc.(*net.TCPConn).SetWriteBuffer(65536)
	c.submit(submitTo("13125550001", "hello"))
	c.submit(submitTo("13125550001", "hello")) // It is taken; what is read next waits.
	pdu, err := smpp.Append(nil, 0, 5, submitTo("13125550001", strings.Repeat("x", 150)))
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { // The client reads: it is the simulator alone that doesn't.
		defer close(read)
		_, _ = io.Copy(io.Discard, c.nc) // to its end
	}()
	batch := bytes.Repeat(pdu, 20)
	began, written := time.Now(), 0
	stuck := false
	for !stuck && written < 1<<26 {
		_ = c.nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := c.nc.Write(batch)
		written += n
		stuck = errors.Is(err, os.ErrDeadlineExceeded)
	}
	if !stuck {
		t.Fatal("the window never closes")
	}
	if n := r.server.stats.accepted.Load(); n != 2 && time.Since(began) < 900*time.Millisecond {
		t.Errorf("%d accepted while nothing is read, want 2", n)
	}
	if rest := written % len(pdu); rest != 0 { // the submit that the deadline cut
		_ = c.nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
		n, err := c.nc.Write(pdu[rest:])
		if written += n; err != nil {
			t.Fatal(err)
		}
	}
	want := 2 + int64(written/len(pdu))
	until(t, "everything is read", func() bool { return r.server.stats.accepted.Load() == want })
	c.nc.Close()
	<-read
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Accepted != want || report.Faults[faultStop] != 1 {
		t.Errorf("audit: %d accepted, %v, %v, want %d", report.Accepted, report.Faults, err, want)
	}
}

func TestAHalfOpenLinkTakesAndSaysNothing(t *testing.T) {
	r := start(t, "faults: [{kind: half_open, after_submits: 1, for: 300ms}]\n")
	c := r.bind(smpp.BindTransceiverID)
	c.submit(submitTo("13125550001", "hello"))
	c.receipt()
	c.send(submitTo("13125550001", "hello")) // This meets the fault: it is taken, and its answer never comes.
	time.Sleep(20 * time.Millisecond)
	for range 3 {
		c.send(submitTo("13125550001", "hello")) // These are not even taken.
	}
	c.send(&smpp.EnquireLink{})
	c.quiet(50 * time.Millisecond)
	if !c.ended() {
		t.Error("ended by a FIN, want a reset")
	}
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Accepted != 2 || report.Faults[faultHalfOpen] != 1 {
		t.Errorf("audit: %+v, %v: want two accepted", report, err)
	}
}

func TestTheSimulatorUnbinds(t *testing.T) {
	for name, yaml := range map[string]string{"after submits": "after_submits: 1", "at a time": "after: 50ms"} {
		t.Run(name, func(t *testing.T) {
			r := start(t, "faults: [{kind: unbind, "+yaml+"}]\n")
			c := r.bind(smpp.BindTransmitterID)
			c.submit(submitTo("13125550001", "hello"))
			if name == "after submits" {
				c.submit(submitTo("13125550001", "hello"))
			}
			h, _ := c.expect(smpp.UnbindID)
			c.write(0, h.Sequence, &smpp.UnbindResp{})
			c.closed()
			r.stop()
			if f := r.faults(); f[faultUnbind] != 1 || count(r.entries(), isEvent("unbind_resp")) != 1 {
				t.Errorf("the log has %v", f)
			}
		})
	}
}

func TestSubmitsAreNackedForAWhile(t *testing.T) {
	r := start(t, "faults: [{kind: nack, after_submits: 1, submits: 2, status: ESME_RINVCMDID}]\n")
	c := r.bind(smpp.BindTransmitterID)
	c.submit(submitTo("13125550001", "hello"))
	for range 2 {
		seq := c.send(submitTo("13125550001", "hello"))
		if h, _ := c.expect(smpp.GenericNackID); h.Sequence != seq || h.Status != smpp.StatusInvCmdID {
			t.Errorf("nack %+v", h)
		}
	}
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Errorf("afterwards: %s", status)
	}
	c.nc.Close()
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Accepted != 2 || report.Odd["nack"] != 2 || report.Causes["fault"] != 2 {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

func TestSilenceBeginsAtATime(t *testing.T) {
	r := start(t, "faults: [{kind: silent, after: 30ms, submits: 1}]\n")
	c := r.bind(smpp.BindTransmitterID)
	c.submit(submitTo("13125550001", "hello"))
	until(t, "the fault is due", func() bool { return r.server.plan().faults[0].hits.Load() == 1 })
	c.send(submitTo("13125550001", "hello"))
	c.quiet(50 * time.Millisecond)
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Errorf("afterwards: %s", status)
	}
	c.nc.Close()
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Accepted != 3 || report.Unanswered != 1 {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

func TestAFloodOfTextsComesAtOnce(t *testing.T) {
	for name, yaml := range map[string]string{"after submits": "after_submits: 0", "at a time": "after: 10ms"} {
		t.Run(name, func(t *testing.T) {
			r := start(t, "faults: [{kind: flood, "+yaml+", count: 2500, number: \"17735550101\"}]\n")
			c := r.bind(smpp.BindTransceiverID)
			seq := c.send(submitTo("13125550001", "hello"))
			texts, answered := 0, false
			for texts < 2500 || !answered {
				h, p := c.receive()
				switch p := p.(type) {
				case *smpp.DeliverSM:
					if p.Destination.Addr == "17735550101" && strings.HasPrefix(string(p.ShortMessage), "flood ") {
						texts++
					}
					c.write(0, h.Sequence, &smpp.DeliverSMResp{})
				case *smpp.SubmitSMResp:
					answered = h.Sequence == seq
				}
			}
			until(t, "all are answered", func() bool { return r.server.stats.textsAcked.Load() == 2500 })
			c.nc.Close()
			r.stop()
			if report, err := Audit(r.dir); err != nil || report.Texts != 2500 || report.TextsAcked != 2500 || report.Faults[faultFlood] != 1 {
				t.Errorf("audit: %+v, %v", report, err)
			}
		})
	}
}

func TestGarbageAndWrongLengthsAreSent(t *testing.T) {
	for _, tt := range []struct {
		yaml   string
		octets int
		length uint32
	}{
		{"{kind: garbage, after: 20ms, octets: 100}", 100, 0},
		{"{kind: garbage, after_submits: 0, octets: 40}", 40, 0},
		{"{kind: bad_length, after: 20ms}", 16, 0x7fffffff},
		{"{kind: bad_length, after: 20ms, length: 4}", 16, 4},
		{"{kind: bad_length, after_submits: 0, length: 70000}", 16, 70000},
	} {
		t.Run(tt.yaml, func(t *testing.T) {
			r := start(t, "faults: ["+tt.yaml+"]\n")
			c := r.bind(smpp.BindTransmitterID)
			if strings.Contains(tt.yaml, "submits") {
				c.send(submitTo("13125550001", "hello"))
			}
			b := make([]byte, tt.octets)
			_ = c.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
			c.read(b)
			h, err := smpp.ReadHeader(b[:smpp.HeaderLen])
			if err == nil && int(h.Length) == smpp.HeaderLen || tt.length != 0 && binary.BigEndian.Uint32(b) != tt.length {
				t.Errorf("%x is a header, %v", b, err)
			}
			c.nc.Close()
			r.stop()
			if f := r.faults(); f[faultGarbage]+f[faultBadLength] != 1 {
				t.Errorf("the log has %v", f)
			}
		})
	}
}

func TestAFaultThatIsOffWaits(t *testing.T) {
	r := start(t, "faults: [{kind: status, name: busy, status: ESME_RMSGQFUL, after_submits: 0, off: true}]\n")
	first := r.bind(smpp.BindTransmitterID)
	if status := first.statuses(1, "13125550001")[0]; status != smpp.StatusOK {
		t.Errorf("off: %s", status)
	}
	first.nc.Close()
	r.server.plan().faults[0].left.Store(1)
	if status := r.bind(smpp.BindTransmitterID).statuses(1, "13125550001")[0]; status != smpp.StatusMsgQFull {
		t.Errorf("on: %s", status)
	}
}

// TestEveryWrongScenarioIsRefusedWithItsPlace has a row for each kind of mistake.
func TestEveryWrongScenarioIsRefusedWithItsPlace(t *testing.T) {
	for yaml, want := range map[string]string{
		"latency: {max: 1s, mxa: 2s}\n":                            "[1:20]",
		"receipts:\n  delay: {min: 2s, max: later}\n":              "[2:25]",
		"version: \"4.0\"\n":                                       "version",
		"on_unbind: maybe\n":                                       "on_unbind",
		"errors: [{status: ESME_ROK}]\n":                           "errors[0]: status",
		"errors: [{status: ESME_RSYSERR, share: 2}]\n":             "errors[0]: share",
		"errors: [{status: ESME_RSYSERR, nth: -1}]\n":              "errors[0]: skip, nth, count",
		"errors: [{status: ESME_RSYSERR, every: 5s}]\n":            "errors[0]: every",
		"errors: [{status: ESME_RSYSERR, for: 9s, every: 5s}]\n":   "errors[0]: every",
		"errors: [{status: ESME_RSYSERR, daily: always}]\n":        "errors[0]: daily",
		"errors: [{statsu: ESME_RSYSERR}]\n":                       "[1:",
		"rules: [{to: \"1*\", errors: [{status: 99999999999}]}]\n": "rules[0]: errors[0]",
		"accounts: {acme: {errors: [{status: none}]}}\n":           "accounts.acme: errors[0]",
		"accounts: {acme: {latncy: {}}}\n":                         "[1:",
		"binds: [{status: ESME_ROK}]\n":                            "binds[0]: status",
		"binds: [{status: perhaps}]\n":                             "binds[0]: status",
		"refuse: [{every: 5s}]\n":                                  "refuse[0]: every",
		"congestion: [{state: 101}]\n":                             "congestion[0]: state",
		"alerts: {status: 9}\n":                                    "alerts: status",
		"outbind: [{address: \"192.0.2.1:2776\", system_id: a}]\n": "outbind[0]: address",
		"outbind: [{address: \"127.0.0.1:2776\"}]\n":               "outbind[0]: system_id",
		"receive_buffer: -1\n":                                     "receive_buffer",
		"stale_binds: -1s\n":                                       "[1:",
		"ids: {repeat: 2}\n":                                       "ids.repeat",
		"responses: {nack: 0.6, no_body: 0.6}\n":                   "responses.no_body",
		"responses: {nack_status: ESME_ROK}\n":                     "responses.nack_status",
		"responses: {late: 2}\n":                                   "responses.late",
		"responses: {tlvs: [{tag: 0}]}\n":                          "responses.tlvs[0]",
		"responses: {tlvs: [{tag: 5, hex: xyz}]}\n":                "responses.tlvs[0]",
		"receipts: {format: fancy}\n":                              "receipts.format",
		"receipts: {dates: roman}\n":                               "receipts.dates",
		"receipts: {as: submit_sm}\n":                              "receipts.as",
		"receipts: {esm_class: 256}\n":                             "receipts.esm_class",
		"receipts: {tlvs: [all]}\n":                                "receipts.tlvs",
		"receipts: {tlv_only: true, tlvs: [state]}\n":              "receipts.tlv_only",
		"receipts: {id_form: roman}\n":                             "receipts.id_form",
		"receipts: {words: {DONE: YES}}\n":                         "receipts.words",
		"receipts: {errs: {UNDELIV: \"a:b\"}}\n":                   "receipts.errs",
		"receipts: {coding: utf-8}\n":                              "receipts.coding",
		"receipts: {reorder: 2}\n":                                 "receipts.reorder",
		"receipts: {states: {ENROUTE: 1}}\n":                       "receipts.states",
		"faults: [{kind: drop, after: 1s, after_submits: 3}]\n":    "faults[0]: after",
		"faults: [{kind: nack, status: ESME_NONE}]\n":              "faults[0]: status",
		"faults: [{kind: garbage, octets: 99999999}]\n":            "faults[0]: octets",
		"faults: [{kind: pieces, piece: -1}]\n":                    "faults[0]: after_submits",
	} {
		if _, err := ParseScenario("scenario.yaml", []byte(yaml)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "scenario.yaml") {
			t.Errorf("%s got %v, want %q and the file's name", yaml, err, want)
		}
	}
	const account = "accounts:\n  - {system_id: a, numbers: [{number: \"1\"}], %s}\n"
	for key, want := range map[string]string{
		"limit_by: hour": "limit_by", "window: -1": "window", "window_status: ESME_NONE": "window_status",
		"lists: {friends: [letters]}": "friends", "lists: {a-name-that-is-far-too-long: []}": "lists",
	} {
		if _, err := ParseAccounts("accounts.yaml", []byte(strings.Replace(account, "%s", key, 1))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", key, err, want)
		}
	}
}
