package smsc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
)

func TestBindsAreListedWithWhatTheyAreOwed(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), slow(time.Minute))
	r.dial() // not bound yet
	c := r.bind(smpp.BindTransceiverID)
	c.submit(submitTo("13125550001", "hello"))
	r.textFrom(testPhone, testNumber, "hi")
	c.expect(smpp.DeliverSMID)
	until(t, "two connections are listed", func() bool {
		binds, err := r.control().Binds(t.Context())
		return err == nil && len(binds) == 2
	})
	binds, err := r.control().Binds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := binds[1]
	if binds[0].Account != "" || b.Account != "acme" || b.Kind != "bind_transceiver" || b.Version != "3.4" || b.Submits != 1 || b.Unacked != 1 || b.Waiting != 1 {
		t.Errorf("%+v", binds)
	}
}

func TestAConnectionCanBeDroppedInEveryWay(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	for _, how := range []string{"reset", "close", "unbind"} {
		c := r.bind(smpp.BindTransceiverID)
		until(t, "the bind is listed", func() bool {
			b, err := r.control().Binds(t.Context())
			return err == nil && len(b) == 1 && b[0].Account == "acme"
		})
		if err := r.control().Drop(t.Context(), DropRequest{Choice: Choice{Account: "acme"}, How: how}); err != nil {
			t.Fatal(err)
		}
		if how == "unbind" {
			h, _ := c.expect(smpp.UnbindID)
			c.write(smpp.StatusOK, h.Sequence, &smpp.UnbindResp{})
		}
		_ = c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := c.nc.Read(make([]byte, 1))
		if clean := errors.Is(err, io.EOF); clean != (how != "reset") {
			t.Errorf("%s: the client reads %v", how, err)
		}
		until(t, "the connection is gone", func() bool {
			b, err := r.control().Binds(t.Context())
			return err == nil && len(b) == 0
		})
	}
	if err := r.control().Drop(t.Context(), DropRequest{Choice: Choice{Conn: 99}}); err == nil {
		t.Error("a connection that isn't there is dropped")
	}
}

func TestAReceiptMadeByHandIsSentAndLogged(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindReceiverID)
	csv := "00,0210021543,0210021500,,447700900123,8000,77"
	for name, q := range map[string]ReceiptRequest{
		"as usual":       {MessageID: "77", From: testPhone, To: testNumber, Stat: "UNDELIV"},
		"of its own":     {MessageID: "77", From: testPhone, To: testNumber, Text: &csv, NoTLVs: true},
		"in data_sm":     {MessageID: "77", From: testPhone, To: testNumber, Command: "data_sm"},
		"in a payload":   {MessageID: "77", From: testPhone, To: testNumber, Payload: true},
		"with more TLVs": {MessageID: "77", From: testPhone, To: testNumber, TLVs: []RequestTLV{{0x1401, "6162"}}},
	} {
		sent, err := r.control().Receipt(t.Context(), q)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		h, p := c.receive()
		if h.Sequence != sent.Sequence || h.ID.String() != "deliver_sm" && q.Command == "" {
			t.Errorf("%s: %+v, want %+v", name, h, sent)
		}
		b, err := smpp.Append(nil, h.Status, h.Sequence, p)
		if err != nil || hex.EncodeToString(b) != sent.PDU {
			t.Errorf("%s: got %x, want %s, %v", name, b, sent.PDU, err)
		}
		c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
	}
	if n, err := r.control().Count(t.Context(), url.Values{"command": {CommandByHand}}, 5, 5*time.Second); err != nil || n != 5 {
		t.Errorf("%d in the log, %v", n, err)
	}
	if _, err := r.control().Receipt(t.Context(), ReceiptRequest{Command: "submit_sm", From: "1", To: "2"}); err == nil {
		t.Error("a receipt in a submit_sm is sent")
	}
	if r.server.pending.Load() != 0 {
		t.Errorf("%d owed", r.server.pending.Load())
	}
}

func TestOctetsCanBeSentAsTheyAre(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindReceiverID)
	want := "00000011000000050000000000000007ff" // deliver_sm of one octet
	if _, err := r.control().PDU(t.Context(), PDURequest{PDU: want}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 17)
	_ = c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.ReadFull(c.nc, got); err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%x, %v", got, err)
	}
	if _, err := r.control().PDU(t.Context(), PDURequest{PDU: "xyz"}); err == nil {
		t.Error("what is no hex is sent")
	}
}

func TestAScenarioIsReplacedWhileItRuns(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransmitterID)
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Fatal(status)
	}
	before, err := r.control().Scenario(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.control().SetScenario(t.Context(), "latency: {}\nstatuses: {ESME_RTHROTTLED: 1}\n"); err != nil {
		t.Fatal(err)
	}
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusThrottled {
		t.Errorf("%s, want the new scenario's answer", status)
	}
	if err := r.control().SetScenario(t.Context(), before); err != nil {
		t.Fatalf("what GET /scenario gives can't be put back: %v\n%s", err, before)
	}
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
		t.Errorf("%s, want the first scenario's answer", status)
	}
	for _, bad := range []string{"", "nonsense: 1\n", "statuses: {ESME_X: 1}\n", "ids: {form: hex}\n"} {
		if err := r.control().SetScenario(t.Context(), bad); err == nil {
			t.Errorf("%q is put in force", bad)
		}
	}
	if now, err := r.control().Scenario(t.Context()); err != nil || now != before {
		t.Errorf("%s, %v, want it as it was", now, err)
	}
}

func TestAScenarioWrittenOutIsTheSameWhenItIsRead(t *testing.T) {
	files := []string{""}
	for _, pattern := range []string{"*.yaml", "faults/*.yaml"} {
		some, err := filepath.Glob(filepath.Join("..", "..", "configs", "simulator", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, some...)
	}
	for _, file := range files {
		s := DefaultScenario()
		if filepath.Base(file) == "accounts.yaml" {
			continue
		}
		if file != "" {
			var err error
			if s, err = LoadScenario(file); err != nil {
				t.Fatal(err)
			}
		}
		again, err := ParseScenario("again", []byte(scenarioText(&s)))
		if diff := cmp.Diff(s, again); err != nil || diff != "" {
			t.Errorf("%s: %v %s", file, err, diff)
		}
	}
}

func TestFaultsAreSwitchedWhileItRuns(t *testing.T) {
	s := quick()
	s.Faults = []Fault{{Kind: faultStatus, After: 1, Status: "ESME_RSYSERR"}}
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	faults, err := r.control().Faults(t.Context())
	if err != nil || len(faults) != 1 || !faults[0].On {
		t.Fatalf("%+v, %v", faults, err)
	}
	second := func() smpp.Status {
		t.Helper()
		c := r.bind(smpp.BindTransmitterID)
		c.submit(submitTo("13125550001", "hello"))
		status, _ := c.submit(submitTo("13125550001", "hello"))
		c.nc.Close()
		return status
	}
	turn := func(on bool) {
		t.Helper()
		if err := r.control().SwitchFault(t.Context(), FaultSwitch{Name: faults[0].Name, On: on}); err != nil {
			t.Fatal(err)
		}
	}
	turn(false)
	if status := second(); status != smpp.StatusOK {
		t.Errorf("switched off: %s", status)
	}
	turn(true)
	if status := second(); status != smpp.StatusSysErr {
		t.Errorf("switched on: %s", status)
	}
	if err := r.control().SwitchFault(t.Context(), FaultSwitch{Name: "none", On: true}); err == nil {
		t.Error("a fault that isn't there is switched")
	}
}

// web starts a simulator with its page and gives the address of that.
func web(t *testing.T, scenario *Scenario) (*running, string) {
	t.Helper()
	addr := ""
	r := startSMSC(t, t.TempDir(), testAccounts(), scenario, func(o *Options) {
		o.HTTP = "127.0.0.1:0"
		o.Ready = func(_ []Listening, http string) { addr = http }
	})
	return r, addr
}

func TestTheControlOnTCPLetsNoOtherSiteIn(t *testing.T) {
	_, addr := web(t, quick())
	for name, tc := range map[string]struct {
		method, host, header, value string
		want                        int
	}{
		"as it is":                     {"GET", addr, "", "", 200},
		"by a name that leads here":    {"GET", "evil.example", "", "", 403},
		"localhost":                    {"GET", "localhost:" + addr[strings.LastIndex(addr, ":")+1:], "", "", 200},
		"a post of another site":       {"POST", addr, "Origin", "https://evil.example", 403},
		"a post that a browser marked": {"POST", addr, "Sec-Fetch-Site", "cross-site", 403},
		"a post of the page":           {"POST", addr, "Sec-Fetch-Site", "same-origin", 400},
	} {
		path := "/stats"
		if tc.method == "POST" {
			path = "/mo"
		}
		req, err := http.NewRequestWithContext(t.Context(), tc.method, "http://"+addr+path, bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = tc.host
		if tc.header != "" {
			req.Header.Set(tc.header, tc.value)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.want {
			t.Errorf("%s: %s, want %d", name, resp.Status, tc.want)
		}
	}
	if err := Run(t.Context(), Options{Listen: "127.0.0.1:0", HTTP: "0.0.0.0:0", Accounts: testAccounts(), LogDir: t.TempDir()}); err == nil {
		t.Error("the page is shown to everybody")
	}
}
