package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
	"fanline/smpp/smsc"
)

// fakeSMSC answers as told, one connection after the other, with the system's
// own codec; what it was sent is kept.
type fakeSMSC struct {
	bindStatus smpp.Status
	only       smpp.CommandID // the bind that bindStatus is not for; 0: none
	silent     smpp.CommandID // never answered
	deliver    bool           // sends a text right after the bind
	unusual    bool           // … and a data_sm, which go-smpp doesn't know

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
		status := f.bindStatus
		if p.Kind == f.only {
			status = smpp.StatusOK
		}
		out, err = smpp.Append(nil, status, h.Sequence, &smpp.BindResp{Kind: p.Kind | 0x80000000, SystemID: "fake"})
		if f.deliver && err == nil {
			out, err = smpp.Append(out, smpp.StatusOK, 7, &smpp.DeliverSM{
				Source: smpp.Address{Addr: "13125550199"}, Destination: smpp.Address{Addr: "17735550100"}, ShortMessage: []byte("hi"),
			})
		}
		if f.unusual && err == nil {
			out, err = smpp.Append(out, smpp.StatusOK, 8, &smpp.DataSM{Source: smpp.Address{Addr: "13125550199"}, Destination: smpp.Address{Addr: "17735550100"}})
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
	return probeAt(t, address, timeout, "", args...)
}

// probeAt is probeWith with further keys of the carrier.
func probeAt(t *testing.T, address, timeout, keys string, args ...string) (int, probeReport) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("PROBE_PASSWORD", "pw")
	text := `carriers: [{name: acme, hosts: ["` + address + `"], ` + keys + `system_id: me, password: env:PROBE_PASSWORD, limit_per_second: 1, response_timeout: ` + timeout + `}]
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
			Stack: saw.Stack, Kind: "transmitter", Bind: "accepted", Code: "ESME_ROK", SMSC: "fake", Version: "3.3", EnquireLink: "accepted", Unbind: "accepted",
			Submit: "accepted", SubmitCode: "ESME_ROK", ID: map[string]string{"fanline": "id1", "go-smpp": "id2"}[saw.Stack],
		}
		if diff := cmp.Diff(want, saw); diff != "" {
			t.Errorf("%s: -want +got\n%s", saw.Stack, diff)
		}
	}
	if len(report.Differences) != 0 || report.Verdict != "both stacks saw the same: the carrier is ready for binds, texts" {
		t.Errorf("%q, differences: %v", report.Verdict, report.Differences)
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

// TestProbeAndCertifySendAsTrafficDoes has a profile with everything that goes
// into a submit, and a number that carries a vendor's parameter.
func TestProbeAndCertifySendAsTrafficDoes(t *testing.T) {
	f := &fakeSMSC{}
	address := f.start(t)
	profile := filepath.Join(t.TempDir(), "odd.yaml")
	text := "system_type: VMA\nservice_type: CMT\nsource: {ton: 2, npi: 8}\naddress_range: {ton: 1, npi: 1, range: \"^1773\"}\ntlvs: [{tag: 0x1400, name: campaign, type: text, value: X42}]\n"
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, report := probeAt(t, address, "10s", "profile: "+profile+", ", "--to", "+13125550199"); code != exitDone {
		t.Fatalf("exit %d, %+v", code, report)
	}
	t.Setenv("CERTIFY_PASSWORD", "pw")
	if _, report, complaints := certifyWith(t, address, "profile: "+profile+", ", "--to", "+13125550199", "--only", "S-01", "--receipt-wait", "50ms"); len(report.Results) != 1 {
		t.Fatalf("%+v %s", report, complaints)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.submits) != 3 || len(f.binds) != 3 {
		t.Fatalf("%d submits, %d binds", len(f.submits), len(f.binds))
	}
	for i := range f.submits {
		s, b := f.submits[i], f.binds[i]
		if v, _ := s.Options.Get(0x1400); string(v) != "X42" || s.ServiceType != "CMT" || s.Source.TON != 2 || s.Source.NPI != 8 {
			t.Errorf("submit %d: %+v", i, s)
		}
		if b.SystemType != "VMA" || b.AddressRange != "^1773" || b.AddrTON != 1 || b.AddrNPI != 1 {
			t.Errorf("bind %d: %+v", i, b)
		}
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
	if !strings.HasPrefix(report.Verdict, "both stacks are refused with ESME_RINVPASWD, so it is the account: compare the password") {
		t.Errorf("verdict %q", report.Verdict)
	}
}

// TestProbeNamesTheKindOfBindThatTheCarrierDidNotAgreeTo has carriers that allow transceivers alone: one refuses a transmitter,
// one doesn't answer it.
func TestProbeNamesTheKindOfBindThatTheCarrierDidNotAgreeTo(t *testing.T) {
	for name, f := range map[string]*fakeSMSC{
		"refused":    {bindStatus: smpp.StatusInvBindStatus, only: smpp.BindTransceiverID},
		"fails":      {bindStatus: smpp.StatusBindFailed, only: smpp.BindTransceiverID},
		"unanswered": {silent: smpp.BindTransmitterID},
	} {
		t.Run(name, func(t *testing.T) {
			address := f.start(t)
			code, report := probeAt(t, address, "300ms", "bind: transceiver, ")
			if code != exitFailed || !strings.Contains(report.Verdict, "try --bind transceiver") || report.Kind != "transmitter" || report.Account != "transceiver" {
				t.Errorf("exit %d, %q, %s of %s", code, report.Verdict, report.Kind, report.Account)
			}
			if _, report = probeAt(t, address, "300ms", "bind: pair, "); strings.Contains(report.Verdict, "--bind transceiver") {
				t.Errorf("of a pair: %q", report.Verdict)
			}
			code, report = probeAt(t, address, "10s", "bind: transceiver, ", "--bind", "transceiver")
			if code != exitDone || report.Verdict != "both stacks saw the same: the carrier is ready for binds" {
				t.Errorf("exit %d, %q", code, report.Verdict)
			}
			var out strings.Builder
			if err := report.print(&out, false); err != nil || strings.Count(out.String(), "bind_transceiver accepted ESME_ROK") != 2 {
				t.Errorf("%v\n%s", err, out.String())
			}
		})
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
	if !strings.HasPrefix(report.Verdict, "neither stack reaches the host") {
		t.Errorf("verdict %q", report.Verdict)
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
		"acme --version 3.5":                    `--version "3.5"`,
		"acme --receipt 5s":                     "of which text",
		"acme --receipt 5s --bind transmitter":  "a transmitter bind gets none",
	} {
		full := append([]string{"carrier", "probe", "--config", exampleFile}, strings.Fields(args)...)
		code, out, complaints := fanline(t, full...)
		if code != exitUsage || !strings.Contains(complaints, want) || out != "" {
			t.Errorf("%s: exit %d, stdout %q, stderr %q, want %q", args, code, out, complaints, want)
		}
	}
}

func TestProbeTellsWhoseFaultItIs(t *testing.T) {
	f := &fakeSMSC{unusual: true}
	code, report := probeWith(t, f.start(t), "2s")
	if code != exitFailed || !strings.HasPrefix(report.Verdict, "only go-smpp fails") || len(report.Differences) == 0 {
		t.Errorf("exit %d, %q, %v", code, report.Verdict, report.Differences)
	}
}

// TestProbeWaitsForTheReceiptOfItsOwnText asks a real simulator, over TLS too.
func TestProbeWaitsForTheReceiptOfItsOwnText(t *testing.T) {
	s := simulate(t, smsc.Account{}, "receipts: {delay: {min: 100ms, max: 150ms}}\nids: {form: hex, receipt_form: decimal, start: 1000000}")
	for _, over := range []struct{ name, host, tls string }{
		{"plain", s.plain, ""}, {"TLS", s.secure, "tls: {enabled: true, ca: " + s.ca + ", server_name: localhost}, "},
	} {
		t.Run(over.name, func(t *testing.T) {
			code, report := probeAt(t, over.host, "10s", over.tls, "--to", "+13125550199", "--receipt", "20s", "--version", "3.4")
			if code != exitDone || report.Verdict != "both stacks saw the same: the carrier is ready for binds, texts, receipts" {
				t.Errorf("exit %d, %q %v\n%+v\n%+v", code, report.Verdict, report.Differences, report.Ours, report.Independent)
			}
			for _, saw := range []probeSight{report.Ours, report.Independent} {
				if saw.Receipt != "DELIVRD" || saw.Version != "3.4" || !strings.Contains(saw.ReceiptForm, "deliver_sm, esm_class 0x4, text") ||
					!strings.HasSuffix(saw.ReceiptForm, "hexadecimal in the response, decimal in the receipt") {
					t.Errorf("%+v", saw)
				}
			}
		})
	}
}

// TestProbeAndCheckSeeTheProcessThatHoldsTheOnlyBind have a carrier that allows
// one.
func TestProbeAndCheckSeeTheProcessThatHoldsTheOnlyBind(t *testing.T) {
	s := simulate(t, smsc.Account{MaxBinds: 1}, "")
	dir := shortTempDir(t)
	newCarrierRig(t, dir, s.plain, "").bound(1)
	t.Setenv("FANLINE_DATA", dir)
	code, report := probeAt(t, s.plain, "5s", "")
	if code != exitFailed || report.Running != 1 || !strings.Contains(report.Verdict, "the fanline that runs holds 1 binds, and the account has no more") {
		t.Errorf("exit %d, %+v", code, report)
	}
	t.Setenv("CARRIER_PASSWORD", "pw")
	_, found := checkJSON(t, `carriers: [{name: acme, hosts: ["`+s.plain+`"], system_id: me, password: env:CARRIER_PASSWORD, limit_per_second: 1}]`)
	if got := found["carrier acme "+s.plain]; !got.OK || !strings.Contains(got.Detail, "1 binds are up in the fanline that runs by process") {
		t.Errorf("%+v", got)
	}
}

func TestProbeFailsWithoutTheReceipt(t *testing.T) {
	s := simulate(t, smsc.Account{}, "receipts: {lost: 1, delay: {min: 10ms, max: 20ms}}")
	code, report := probeAt(t, s.plain, "5s", "", "--to", "+13125550199", "--receipt", "200ms")
	if code != exitFailed || report.Ours.Receipt != sawNone || report.Independent.Receipt != sawNone {
		t.Errorf("exit %d, %+v", code, report)
	}
}

func TestDifferencesAreWhatNobodyWouldCallChance(t *testing.T) {
	same := probeSight{Stack: "a", Bind: sawAccepted, LatencyMS: 5, SubmitMS: 10, ID: "123"}
	for name, test := range map[string]struct {
		change func(*probeSight)
		want   int
	}{
		"the same":              {func(*probeSight) {}, 0},
		"another id":            {func(s *probeSight) { s.ID = "456" }, 0},
		"an id of another kind": {func(s *probeSight) { s.ID = "1a2b" }, 1},
		"an id with no letter":  {func(s *probeSight) { s.ID = "1a2" }, 0},
		"a little slower":       {func(s *probeSight) { s.LatencyMS = 100 }, 0},
		"much slower":           {func(s *probeSight) { s.LatencyMS = 500 }, 1},
		"another version":       {func(s *probeSight) { s.Version = "5.0" }, 1},
		"another receipt":       {func(s *probeSight) { s.Receipt, s.ReceiptForm = "UNDELIV", "x" }, 2},
		"no unbind":             {func(s *probeSight) { s.Unbind = sawFailed }, 1},
	} {
		other := same
		test.change(&other)
		if got := differencesOf(same, other); len(got) != test.want {
			t.Errorf("%s: %v", name, got)
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
