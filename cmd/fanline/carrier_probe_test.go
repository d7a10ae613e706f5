package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
)

// fakeSMSC answers as told, one connection after the other, with the system's
// own codec; what it was sent is kept.
type fakeSMSC struct {
	bindStatus smpp.Status
	silent     smpp.CommandID // never answered
	deliver    bool           // sends a text right after the bind

	mu      sync.Mutex
	binds   []smpp.Bind
	submits []smpp.SubmitSM
	put     []smpp.Status // answers to what it delivered
}

// start serves on a free port until the test ends.
func (f *fakeSMSC) start(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			if err := f.serve(conn); err != nil {
				t.Error(err)
			}
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = listener.Close()
		<-done
	})
	return listener.Addr().String()
}

func (f *fakeSMSC) serve(conn net.Conn) error {
	for {
		head := make([]byte, smpp.HeaderLen)
		if _, err := io.ReadFull(conn, head); err != nil {
			return nil // the probe has left
		}
		h, err := smpp.ReadHeader(head)
		if err != nil {
			return err
		}
		body := make([]byte, h.Length-smpp.HeaderLen)
		if _, err := io.ReadFull(conn, body); err != nil {
			return err
		}
		h, p, err := smpp.Decode(append(head, body...))
		if err != nil {
			return err
		}
		if h.ID == f.silent {
			continue
		}
		if err := f.answer(conn, h, p); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
	}
}

func (f *fakeSMSC) answer(conn net.Conn, h smpp.Header, p smpp.PDU) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []byte
	var err error
	switch p := p.(type) {
	case *smpp.Bind:
		f.binds = append(f.binds, *p)
		out, err = smpp.Append(nil, f.bindStatus, h.Sequence, &smpp.BindResp{Kind: p.Kind | 0x80000000, SystemID: "fake"})
		if f.deliver && err == nil {
			out, err = smpp.Append(out, smpp.StatusOK, 7, &smpp.DeliverSM{
				Source: smpp.Address{Addr: "13125550199"}, Destination: smpp.Address{Addr: "17735550100"}, ShortMessage: []byte("hi"),
			})
		}
	case *smpp.SubmitSM:
		f.submits = append(f.submits, *p)
		out, err = smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.SubmitSMResp{MessageID: fmt.Sprintf("id%d", len(f.submits))})
	case *smpp.EnquireLink:
		out, err = smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
	case *smpp.Unbind:
		out, err = smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.UnbindResp{})
	case *smpp.DeliverSMResp:
		f.put = append(f.put, h.Status)
	}
	if err != nil || len(out) == 0 {
		return err
	}
	_, err = conn.Write(out)
	return err
}

// probeWith runs the command against an SMSC and returns its JSON.
func probeWith(t *testing.T, address, timeout string, args ...string) (int, probeReport) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("PROBE_PASSWORD", "pw")
	text := `carriers: [{name: acme, hosts: ["` + address + `"], system_id: me, password: env:PROBE_PASSWORD, limit_per_second: 1, response_timeout: ` + timeout + `}]
numbers: [{number: "+17735550100", leader: demo, carriers: [acme], limit_per_second: 1}]`
	if err := os.WriteFile("c.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, complaints := fanline(t, append([]string{"carrier", "probe", "acme", "--config", "c.yaml", "--json"}, args...)...)
	var report probeReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("exit %d, stdout %q, stderr %q: %v", code, out, complaints, err)
	}
	return code, report
}

func TestProbeShowsWhatBothStacksSaw(t *testing.T) {
	f := &fakeSMSC{}
	address := f.start(t)
	code, report := probeWith(t, address, "10s", "--to", "+13125550199")
	if code != exitDone {
		t.Errorf("exit %d: %+v", code, report)
	}
	for _, saw := range []probeSight{report.Ours, report.Independent} {
		saw.LatencyMS, saw.EnquireLinkMS, saw.SubmitMS = 0, 0, 0
		want := probeSight{
			Stack: saw.Stack, Bind: "accepted", Code: "ESME_ROK", SMSC: "fake", EnquireLink: "accepted",
			Submit: "accepted", SubmitCode: "ESME_ROK", ID: map[string]string{"fanline": "id1", "go-smpp": "id2"}[saw.Stack],
		}
		if diff := cmp.Diff(want, saw); diff != "" {
			t.Errorf("%s: -want +got\n%s", saw.Stack, diff)
		}
	}
	if len(report.Differences) != 0 {
		t.Errorf("differences: %v", report.Differences)
	}
	// Both stacks put the same on the wire, but for the name in the text.
	for i, stack := range []string{"fanline", "go-smpp"} {
		if got := string(f.submits[i].ShortMessage); got != probeText(stack) {
			t.Errorf("%s sent %q", stack, got)
		}
		f.submits[i].ShortMessage = nil
	}
	if diff := cmp.Diff(f.binds[0], f.binds[1]); diff != "" || f.binds[0].SystemID != "me" || f.binds[0].Password != "pw" {
		t.Errorf("binds %+v\n%s", f.binds, diff)
	}
	if diff := cmp.Diff(f.submits[0], f.submits[1]); diff != "" || f.submits[0].Destination.Addr != "13125550199" {
		t.Errorf("submits %+v\n%s", f.submits, diff)
	}
	if f.binds[0].Kind != smpp.BindTransmitterID {
		t.Errorf("bound as %v: the account's receipts would come to the probe", f.binds[0].Kind)
	}
}

func TestProbeNamesARefusedBind(t *testing.T) {
	f := &fakeSMSC{bindStatus: smpp.StatusInvPassword}
	code, report := probeWith(t, f.start(t), "10s")
	if code != exitFailed {
		t.Errorf("exit %d, want %d", code, exitFailed)
	}
	for _, saw := range []probeSight{report.Ours, report.Independent} {
		if saw.Bind != "refused" || saw.Code != "ESME_RINVPASWD" {
			t.Errorf("%s saw %+v", saw.Stack, saw)
		}
	}
}

func TestProbeSaysWhenNothingAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	code, report := probeWith(t, address, "1s")
	if code != exitFailed || report.Ours.Bind != "unreachable" || report.Independent.Bind != "unreachable" || report.Ours.Error == "" {
		t.Errorf("exit %d, %+v", code, report)
	}
}

func TestProbeWaitsNoLongerThanTheTimeout(t *testing.T) {
	f := &fakeSMSC{silent: smpp.SubmitSMID}
	code, report := probeWith(t, f.start(t), "1s", "--to", "+13125550199")
	if code != exitFailed || report.Ours.Submit != "unknown" || report.Independent.Submit != "unknown" {
		t.Errorf("exit %d, %+v", code, report)
	}
}

func TestProbeNeverAcknowledgesWhatItCannotStore(t *testing.T) {
	f := &fakeSMSC{deliver: true}
	code, report := probeWith(t, f.start(t), "10s", "--bind", "transceiver")
	if code != exitDone {
		t.Errorf("exit %d, %+v", code, report)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if diff := cmp.Diff([]smpp.Status{smpp.StatusTemporaryError, smpp.StatusTemporaryError}, f.put); diff != "" {
		t.Errorf("answers to deliver_sm: %s", diff)
	}
}

func TestProbeChecksItsArguments(t *testing.T) {
	t.Setenv("ACME_PASSWORD", "x")
	for args, want := range map[string]string{
		"":                                      "NAME is missing",
		"nobody":                                `no carrier "nobody": there are acme`,
		"acme --to 12":                          "--to: not an E.164 number",
		"acme --to +13125550199 --bind x":       `--bind "x"`,
		"acme --to 13125550199 --bind receiver": "a receiver bind cannot submit",
	} {
		full := append([]string{"carrier", "probe", "--config", exampleFile}, strings.Fields(args)...)
		code, out, complaints := fanline(t, full...)
		if code != exitUsage || !strings.Contains(complaints, want) || out != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q, want %q", args, code, out, complaints, want)
		}
	}
}

func TestPDUScanFindsCommandsHoweverTheStreamIsCut(t *testing.T) {
	var stream []byte
	var want []smpp.CommandID
	for _, p := range []smpp.PDU{&smpp.EnquireLink{}, &smpp.SubmitSM{ShortMessage: []byte(probeText("x"))}, &smpp.EnquireLinkResp{}} {
		stream, _ = smpp.Append(stream, smpp.StatusOK, 1, p)
		want = append(want, p.CommandID())
	}
	for size := 1; size <= len(stream); size++ {
		var scan pduScan
		var got []smpp.CommandID
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			scan.feed(rest[:n], func(id smpp.CommandID) { got = append(got, id) })
			rest = rest[n:]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("cut every %d octets: %s", size, diff)
		}
	}
}
