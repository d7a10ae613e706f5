package certify

import (
	"bytes"
	"context"
	"encoding/hex"
	"html"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/smsc"
)

// TestACarrierInGoodOrderPasses carries the whole plan out, rude cases included.
func TestACarrierInGoodOrderPasses(t *testing.T) {
	addr, log := simulator(t, smsc.Account{Limit: 200, MaxBinds: 2}, "enquire_link: 300ms\nrules: [{to: \"000\", statuses: {ESME_RINVDSTADR: 1}}]")
	c := configFor(addr)
	c.Negative, c.Flood, c.Idle, c.MO = true, floodTo, time.Second, 10*time.Second
	c.Progress = textWhenAsked(t, log)
	r := carryOut(t, c)
	for _, x := range r.Results {
		if x.Verdict == Fail || x.Verdict == NotRun {
			t.Errorf("%s %s: %s %s\n%s", x.ID, x.Name, x.Verdict, x.Reason, joined(x.Observed))
		}
		if len(x.Steps) == 0 || x.Expected == "" || x.Purpose == "" || x.Section == "" {
			t.Errorf("%s says too little of itself", x.ID)
		}
	}
	if r.Verdict != Pass || r.Failed != 0 || r.SMSC.SystemID == "" || r.SMSC.InterfaceVersion == "" {
		t.Errorf("%s: %s, %+v", r.Verdict, r.Summary(), r.SMSC)
	}
	if got := r.Receipts; got.Asked == 0 || got.Matched != got.Asked || got.IDForms["the same"] == 0 {
		t.Errorf("receipts %+v", got)
	}
	holdsNoSecret(t, r)
}

// textWhenAsked plays the person of M-01.
func textWhenAsked(t *testing.T, log string) func(Result) {
	return func(x Result) {
		if x.ID != "M-01" || x.Verdict != "" {
			return
		}
		client, err := smsc.Dial(log)
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		if _, err := client.Text(t.Context(), phone, ourNumber, "hello", 0); err != nil {
			t.Error(err)
		}
	}
}

// holdsNoSecret looks for the password in every form of the report, as text and as octets.
func holdsNoSecret(t *testing.T, r *Report) {
	t.Helper()
	var md, page bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{secretPW, hex.EncodeToString([]byte(secretPW))} {
		if strings.Contains(md.String(), form) || strings.Contains(page.String(), form) {
			t.Errorf("the report holds the password as %q", form)
		}
	}
	for _, x := range r.Results {
		for _, page := range []string{strings.ReplaceAll(md.String(), "\\", ""), html.UnescapeString(page.String())} {
			if !strings.Contains(page, x.ID) || !strings.Contains(page, x.Name) {
				t.Errorf("%s is missing in the report", x.ID)
			}
		}
	}
	if strings.Contains(page.String(), "<script") || strings.Contains(page.String(), "http://") || strings.Contains(page.String(), "https://") {
		t.Error("the page needs something from elsewhere")
	}
}

// TestWhatACarrierDoesWrongFails has one misbehaviour each; the cases named must fail, and say why.
func TestWhatACarrierDoesWrongFails(t *testing.T) {
	instead := func(id smpp.CommandID, pdu func(h smpp.Header, pdu []byte) []byte) *meddler {
		return &meddler{change: func(h smpp.Header, b []byte) ([]byte, bool) {
			if h.ID == id {
				return pdu(h, b), false
			}
			return b, false
		}}
	}
	never := func(smpp.Header, []byte) []byte { return nil }
	for _, test := range []struct {
		name     string
		account  smsc.Account
		scenario string
		meddler  *meddler
		config   func(*Config)
		fails    map[string]string // case: a piece of its reason
	}{
		{
			name: "it answers no enquire_link", meddler: instead(smpp.EnquireLinkRespID, never),
			fails: map[string]string{"L-01": "no answer", "L-04": "no answer", "L-05": "no answer"},
		},
		{
			name: "it nacks nothing", meddler: instead(smpp.GenericNackID, never), fails: map[string]string{"L-03": "no generic_nack"},
		},
		{
			name: "it nacks with another status",
			meddler: instead(smpp.GenericNackID, func(h smpp.Header, _ []byte) []byte {
				return encoded(smpp.StatusSysErr, h.Sequence, &smpp.GenericNack{})
			}),
			fails: map[string]string{"L-03": "ESME_RSYSERR"},
		},
		{
			name: "it hangs up at a command that it doesn't know",
			meddler: &meddler{change: func(h smpp.Header, b []byte) ([]byte, bool) {
				return b, h.ID == smpp.GenericNackID
			}},
			fails: map[string]string{"L-03": "did not live on"},
		},
		{
			name: "it does not answer unbind", scenario: "on_unbind: silent",
			config: func(c *Config) { c.Timeout = 300 * time.Millisecond },
			fails:  map[string]string{"B-01": "unbind", "B-03": "unbind", "X-02": "unbind"},
		},
		{
			name: "fewer binds than agreed", account: smsc.Account{MaxBinds: 1}, fails: map[string]string{"B-04": "1 of 2 binds were accepted: the bind was refused with ESME_RALYBND"},
		},
		{
			name: "the wrong password", config: func(c *Config) { c.Password = "wrong" },
			fails: map[string]string{"B-03": "ESME_RINVPASWD", "S-01": "ESME_RINVPASWD", "X-01": "ESME_RINVPASWD"},
		},
		{
			name: "any password will do",
			meddler: instead(smpp.BindTransceiverRespID, func(h smpp.Header, _ []byte) []byte {
				return encoded(smpp.StatusOK, h.Sequence, &smpp.BindResp{Kind: smpp.BindTransceiverRespID, SystemID: "open"})
			}),
			config: func(c *Config) { c.Negative = true },
			fails:  map[string]string{"B-05": "accepted", "B-06": "accepted", "B-08": "ESME_ROK"},
		},
		{
			name: "a wrong password is told by a status that says to try again",
			meddler: instead(smpp.BindTransceiverRespID, func(h smpp.Header, b []byte) []byte {
				if h.Status != smpp.StatusInvPassword {
					return b
				}
				return encoded(smpp.StatusSysErr, h.Sequence, &smpp.BindResp{Kind: smpp.BindTransceiverRespID})
			}),
			config: func(c *Config) { c.Negative = true }, fails: map[string]string{"B-05": "ESME_RSYSERR"},
		},
		{
			name: "it hangs up in silence", config: func(c *Config) { c.Idle = time.Second },
			meddler: &meddler{silence: 300 * time.Millisecond}, fails: map[string]string{"L-02": "did not survive"},
		},
		{
			name: "it refuses", scenario: "statuses: {ESME_RSUBMITFAIL: 1}",
			fails: map[string]string{"S-01": "ESME_RSUBMITFAIL", "S-04": "ESME_RSUBMITFAIL", "S-06": "ESME_RSUBMITFAIL", "T-01": "ESME_RSUBMITFAIL", "T-02": "not accepted", "S-13": "transient"},
		},
		{
			name: "it doesn't answer", scenario: "unanswered: 1", config: func(c *Config) { c.Timeout = 300 * time.Millisecond },
			fails: map[string]string{"S-01": "no response", "T-02": "unanswered"},
		},
		{
			name: "it gives no id", scenario: "responses: {empty_id: 1}", config: func(c *Config) { c.ReceiptWait = 500 * time.Millisecond },
			fails: map[string]string{"S-01": "without a message_id", "R-01": "accepted without message_id: receipts can only be matched by phone and time"},
		},
		{
			name: "it gives an id twice", scenario: "ids: {repeat: 1}", fails: map[string]string{"S-06": "given twice"},
		},
		{
			name: "it loses receipts", scenario: "receipts: {lost: 1, delay: {min: 10ms, max: 20ms}}", config: func(c *Config) { c.ReceiptWait = 300 * time.Millisecond },
			fails: map[string]string{"S-01": "no receipt", "S-06": "no receipt", "R-01": "did not come", "R-03": "no receipt", "X-03": "no receipt"},
		},
		{
			name: "texts don't arrive", scenario: "receipts: {states: {UNDELIV: 1}, delay: {min: 10ms, max: 20ms}}",
			fails: map[string]string{"S-01": "UNDELIV", "S-08": "UNDELIV"},
		},
		{
			name: "ids in another base", scenario: "ids: {form: hex, receipt_form: decimal, start: 1000000}",
			config: func(c *Config) { c.IDBase = "same" },
			fails:  map[string]string{"R-02": "set it to hex_to_decimal"},
		},
		{
			name: "ids that have nothing to do with each other",
			meddler: instead(smpp.SubmitSMRespID, func(h smpp.Header, _ []byte) []byte {
				return encoded(smpp.StatusOK, h.Sequence, &smpp.SubmitSMResp{MessageID: "x-" + strings.Repeat("y", int(h.Sequence%40))})
			}),
			config: func(c *Config) { c.ReceiptWait = 500 * time.Millisecond },
			fails:  map[string]string{"S-01": "no receipt", "R-01": "fit no response"},
		},
		{
			name: "receipts that nobody asked for", scenario: "receipts: {unasked: 1, delay: {min: 10ms, max: 20ms}}",
			fails: map[string]string{"S-09": "a receipt came", "S-10": "a receipt came"},
		},
		{
			name: "a receipt that is put off is lost", scenario: "resend_after: 1h", config: func(c *Config) { c.ReceiptWait = 500 * time.Millisecond },
			fails: map[string]string{"R-03": "lost"},
		},
		{
			name: "a wrong phone stops the sender", scenario: "statuses: {ESME_RINVSRCADR: 1}", fails: map[string]string{"S-13": "sender"},
		},
		{
			name: "a wrong phone is delivered to", fails: map[string]string{"S-13": "DELIVRD"},
		},
		{
			name: "anybody's name is taken", account: smsc.Account{Numbers: []smsc.Number{{Number: "*"}}}, config: func(c *Config) { c.Negative = true },
			fails: map[string]string{"S-14": "accepted"},
		},
		{
			name: "a bind that died keeps the next one out", account: smsc.Account{MaxBinds: 1}, scenario: "stale_binds: 1h",
			config: func(c *Config) { c.ReconnectWait = time.Second }, fails: map[string]string{"X-01": "no bind was accepted"},
		},
		{
			name: "too many are met with silence", account: smsc.Account{Limit: 100},
			meddler: instead(smpp.SubmitSMRespID, func(h smpp.Header, b []byte) []byte {
				if h.Status == smpp.StatusThrottled {
					return nil
				}
				return b
			}),
			config: func(c *Config) { c.Flood, c.LimitPerSecond, c.Timeout = floodTo, 100, 500*time.Millisecond },
			fails:  map[string]string{"T-04": "were not answered"},
		},
		{
			name: "less than agreed", account: smsc.Account{Limit: 50},
			config: func(c *Config) { c.Flood, c.LimitPerSecond = floodTo, 200 }, fails: map[string]string{"T-05": "not accepted"},
		},
		{
			name: "twice the window is refused as wrong", account: smsc.Account{Window: 20, WindowStatus: "ESME_RINVDSTADR"}, scenario: "latency: {min: 100ms, max: 100ms}",
			config: func(c *Config) { c.Flood = floodTo }, fails: map[string]string{"T-03": "ESME_RINVDSTADR"},
		},
		{
			name: "no text from the phone", config: func(c *Config) { c.MO = 100 * time.Millisecond }, fails: map[string]string{"M-01": "no text came"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			addr, _ := simulator(t, test.account, test.scenario)
			if test.meddler != nil {
				addr = test.meddler.start(t, addr)
			}
			c := configFor(addr)
			if test.config != nil {
				test.config(&c)
			}
			for id := range test.fails {
				c.Only = append(c.Only, id)
			}
			r := carryOut(t, c)
			for id, why := range test.fails {
				if x := r.result(t, id); x.Verdict != Fail || !strings.Contains(x.Reason, why) {
					t.Errorf("%s: %s %q, want %s with %q\n%s", id, x.Verdict, x.Reason, Fail, why, joined(x.Observed))
				}
			}
			if r.Verdict != Fail {
				t.Errorf("the whole: %s", r.Verdict)
			}
		})
	}
}

func TestWhatIsNotOfferedDoesNotFail(t *testing.T) {
	queryRefused := &meddler{change: func(h smpp.Header, b []byte) ([]byte, bool) {
		if h.ID == smpp.QuerySMRespID {
			return encoded(smpp.StatusInvCmdID, h.Sequence, &smpp.GenericNack{}), false
		}
		return b, false
	}}
	addr, _ := simulator(t, smsc.Account{Binds: []string{"transceiver"}}, "")
	c := configFor(queryRefused.start(t, addr))
	c.Only = []string{"B-01", "B-02", "B-03", "S-15", "C-02", "T-04", "B-05", "M-01", "L-02"}
	r := carryOut(t, c)
	for id, want := range map[string]string{
		"B-01": NotApplicable, "B-02": NotApplicable, "B-03": Pass, "S-15": NotApplicable, "C-02": NotApplicable,
		"T-04": NotRun, "B-05": NotRun, "M-01": NotRun, "L-02": NotRun,
	} {
		if x := r.result(t, id); x.Verdict != want || want != Pass && x.Reason == "" {
			t.Errorf("%s: %s %q, want %s", id, x.Verdict, x.Reason, want)
		}
	}
}

// TestWhatSMPP33DoesNotHaveIsNotTried has a profile of SMPP 3.3, and a carrier that says 3.3 to one of 3.4: our own session
// refuses both what 3.3 lacks, and the carrier must not be blamed for it.
func TestWhatSMPP33DoesNotHaveIsNotTried(t *testing.T) {
	says33 := &meddler{change: func(h smpp.Header, b []byte) ([]byte, bool) {
		if h.ID == smpp.BindTransceiverRespID {
			return encoded(smpp.StatusOK, h.Sequence, &smpp.BindResp{Kind: h.ID, SystemID: "old", Options: smpp.Options{}.Append(smpp.TagScInterfaceVersion, []byte{smpp.Version33})}), false
		}
		return b, false
	}}
	const noTLVs, noTransceiver = "SMPP 3.3 has no optional parameters", "SMPP 3.3 has no bind_transceiver"
	for name, test := range map[string]struct {
		kind    string
		version byte
		want    map[string]string // the reason; empty: it passes
	}{
		"our profile":    {"pair", smpp.Version33, map[string]string{"B-01": "", "B-02": "", "B-03": noTransceiver, "S-01": "", "S-06": "", "S-07": noTLVs, "S-08": noTLVs}},
		"their response": {"transceiver", smpp.Version34, map[string]string{"B-03": "", "S-01": "", "S-07": noTLVs, "S-08": noTLVs}},
	} {
		addr, log := simulator(t, smsc.Account{}, "receipts_to: any")
		if test.version == smpp.Version34 {
			addr = says33.start(t, addr)
		}
		c := configFor(addr)
		c.Kind, c.Version, c.Long = test.kind, test.version, "sar"
		for id := range test.want {
			c.Only = append(c.Only, id)
		}
		r := carryOut(t, c)
		for id, reason := range test.want {
			verdict := Pass
			if reason != "" {
				verdict = NotApplicable
			}
			if x := r.result(t, id); x.Verdict != verdict || x.Reason != reason {
				t.Errorf("%s: %s: %s %q, want %s %q\n%s", name, id, x.Verdict, x.Reason, verdict, reason, joined(x.Observed))
			}
		}
		if report, err := smsc.Audit(log); err != nil || report.Submits == 0 {
			t.Errorf("%s: %d submits, %v", name, report.Submits, err)
		}
	}
}

func TestWithoutAPhoneNothingIsSent(t *testing.T) {
	addr, log := simulator(t, smsc.Account{}, "")
	c := configFor(addr)
	c.Destination.Addr, c.Only = "", []string{"S", "T", "R", "L-01"}
	r := carryOut(t, c)
	if r.Passed != 1 || r.Failed != 0 {
		t.Errorf("%s", r.Summary())
	}
	if report, err := smsc.Audit(log); err != nil || report.Submits != 0 {
		t.Errorf("%d submits, %v", report.Submits, err)
	}
}

func TestAPairOfBindsIsCertifiedOverBoth(t *testing.T) {
	addr, _ := simulator(t, smsc.Account{Binds: []string{"transmitter", "receiver"}}, "receipts_to: any")
	c := configFor(addr)
	c.Kind, c.Only = "pair", []string{"B-01", "B-02", "B-03", "S-01", "S-06", "R-01", "X-03"}
	r := carryOut(t, c)
	for _, x := range r.Results {
		want := Pass
		if x.ID == "B-03" {
			want = NotApplicable
		}
		if x.Verdict != want {
			t.Errorf("%s: %s %s\n%s", x.ID, x.Verdict, x.Reason, joined(x.Observed))
		}
	}
}

// TestTheReceiptOfAPhoneThatNobodyHasIsOurs has ids written in two ways, so that only the phone tells whose a receipt is.
func TestTheReceiptOfAPhoneThatNobodyHasIsOurs(t *testing.T) {
	const nobody = "13125550000"
	addr, _ := simulator(t, smsc.Account{}, `
ids: {form: hex, receipt_form: decimal}
rules: [{to: "`+nobody+`", receipts: {states: {UNDELIV: 1}}}]`)
	c := configFor(addr)
	c.Only, c.Nowhere = []string{"S-13", "R-01"}, nobody
	r := carryOut(t, c)
	for _, id := range c.Only {
		if x := r.result(t, id); x.Verdict != Pass {
			t.Errorf("%s: %s %s\n%s", id, x.Verdict, x.Reason, joined(x.Observed))
		}
	}
	if zeros := (phones{"13125550199", "", "000"}); !zeros.have("000") || zeros.have("") || zeros.have("00") {
		t.Error("a phone of zeros alone is another phone, or one that is missing")
	}
}

// TestOtherTrafficIsPutOffAndAppearsNowhere has a receipt and a text of somebody else come to the certification's bind.
func TestOtherTrafficIsPutOffAndAppearsNowhere(t *testing.T) {
	addr, log := simulator(t, smsc.Account{}, "")
	c := configFor(addr)
	c.Only = []string{"S-01"}
	const stranger, words = "13125550177", "STOP it at once"
	c.Progress = func(x Result) {
		if x.Verdict != "" {
			return
		}
		client, err := smsc.Dial(log)
		if err != nil {
			t.Error(err)
			return
		}
		defer client.Close()
		if _, err := client.Text(t.Context(), stranger, ourNumber, words, 0); err != nil {
			t.Error(err)
		}
	}
	r := carryOut(t, c)
	if x := r.result(t, "S-01"); x.Verdict != Pass {
		t.Errorf("%s %s", x.Verdict, x.Reason)
	}
	var md bytes.Buffer
	if err := r.Markdown(&md); err != nil {
		t.Fatal(err)
	}
	if s := md.String(); strings.Contains(s, stranger) || strings.Contains(s, hex.EncodeToString([]byte("STOP"))) || !strings.Contains(s, "of other traffic") {
		t.Errorf("the report shows what others texted, or hides that something was put off:\n%s", s)
	}
	if got := putOffAnswers(t, log); got == 0 {
		t.Error("the text was not put off")
	}
}

// putOffAnswers counts deliveries that were answered with ESME_RX_T_APPN.
func putOffAnswers(t *testing.T, log string) (n int) {
	t.Helper()
	var out bytes.Buffer
	if err := smsc.WriteNDJSON(&out, log, true); err != nil {
		t.Fatal(err)
	}
	return strings.Count(out.String(), "ESME_RX_T_APPN")
}

func TestAHostThatIsDownFailsTheConnection(t *testing.T) {
	addr, _ := simulator(t, smsc.Account{}, "")
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	c := configFor(addr)
	c.Hosts, c.Only = append(c.Hosts, closed.Addr().String()), []string{"C-01", "B-04"}
	r := carryOut(t, c)
	for _, id := range c.Only {
		if x := r.result(t, id); x.Verdict != Fail || !strings.Contains(x.Reason+joined(x.Observed), "connection refused") {
			t.Errorf("%s: %s %s", id, x.Verdict, x.Reason)
		}
	}
}

func TestAnInterruptedCertificationSaysSo(t *testing.T) {
	addr, _ := simulator(t, smsc.Account{}, "")
	c := configFor(addr)
	ctx, cancel := context.WithCancel(t.Context())
	c.Progress = func(x Result) {
		if x.ID == "L-01" {
			cancel()
		}
	}
	r, err := Run(ctx, c)
	if err == nil || r == nil || len(r.Results) >= len(plan()) || r.result(t, "L-01").Verdict == Fail {
		t.Errorf("err %v, report %+v", err, r)
	}
}

func TestConfigurationsThatMakeNoSenseAreRefused(t *testing.T) {
	good := configFor("127.0.0.1:1")
	for name, change := range map[string]func(*Config){
		"no host": func(c *Config) { c.Hosts = nil }, "no way there": func(c *Config) { c.Dial = nil },
		"no kind": func(c *Config) { c.Kind = "carrier pigeon" }, "no such case": func(c *Config) { c.Only = []string{"S-99"} },
	} {
		c := good
		change(&c)
		if _, err := Run(t.Context(), c); err == nil {
			t.Errorf("%s: nobody is told", name)
		}
	}
}

func TestIdsAreRecognisedInEveryForm(t *testing.T) {
	for _, test := range []struct {
		response, receipt, base string
		want                    int
	}{
		{"1a2b", "1a2b", "same", formSame},
		{"1a2b", "1A2B", "same", formCase},
		{"0000123", "123", "same", formZeros},
		{"1a2b", "6699", "same", formHexToDecimal},
		{"6699", "1A2B", "same", formDecimalToHex},
		{"0001a2b", "0006699", "same", formHexToDecimal},
		{"10", "16", "same", formHexToDecimal},
		{"16", "10", "decimal_to_hex", formDecimalToHex},
		{"550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-A716-446655440000", "same", formCase},
		{"1a2b", "77", "same", len(idForms)},
		{"", "", "same", len(idForms)},
	} {
		if got := relation(test.response, test.receipt, test.base); got != test.want {
			t.Errorf("%s, %s: %d, want %d", test.response, test.receipt, got, test.want)
		}
	}
}

func TestMain(m *testing.M) { os.Exit(m.Run()) }
