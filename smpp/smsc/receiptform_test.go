package smsc

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

// got is a receipt as it came.
type got struct {
	command    smpp.CommandID
	esm        byte
	text       string // short_message
	payload    string
	hasPayload bool
	options    smpp.Options
}

// receiptPDU waits for the next receipt, and answers it.
func (c *client) receiptPDU() got {
	c.t.Helper()
	h, p := c.receive()
	g := got{command: h.ID}
	switch p := p.(type) {
	case *smpp.DeliverSM:
		g.esm, g.text, g.options = p.ESMClass, string(p.ShortMessage), p.Options
		c.write(0, h.Sequence, &smpp.DeliverSMResp{})
	case *smpp.DataSM:
		g.esm, g.options = p.ESMClass, p.Options
		c.write(0, h.Sequence, &smpp.DataSMResp{})
	default:
		c.t.Fatalf("got %s", h.ID)
	}
	payload, ok := g.options.Get(smpp.TagMessagePayload)
	g.payload, g.hasPayload = string(payload), ok
	return g
}

// TestReceiptsAreWrittenAsCarriersWriteThem has a row for every way of reference/smpp.md section 4.
func TestReceiptsAreWrittenAsCarriersWriteThem(t *testing.T) {
	const dates = `submit date:\d{10} done date:\d{10}`
	for _, tt := range []struct {
		name, yaml string
		text       string // what short_message matches; ID stands for the id
		payload    string // what message_payload matches
		command    smpp.CommandID
		esm        byte
		id         bool // receipted_message_id
		state      int  // message_state; -1: none
		netErr     string
	}{
		{"standard", `format: standard`, `^id:ID sub:001 dlvrd:000 ` + dates + ` stat:UNDELIV err:001 text:$`, "", 0, 4, true, 5, ""},
		{"lower-case keys", `format: lower-case`, `^id:ID sub:001 dlvrd:000 ` + dates + ` stat:undeliv err:001 text:$`, "", 0, 4, true, 5, ""},
		{"capitals", `format: upper-case`, `^ID:ID SUB:001 DLVRD:000 SUBMIT DATE:\d{10} DONE DATE:\d{10} STAT:UNDELIV ERR:001 TEXT:$`, "", 0, 4, true, 5, ""},
		{"a word of two", `words: {UNDELIV: "NOT DELIVERED"}`, `stat:NOT DELIVERED err:001`, "", 0, 4, true, 5, ""},
		{"UTF-16", `coding: ucs2`, "^\x00i\x00d\x00:", "", 0, 4, true, 5, ""},
		{"UTF-16 that is too long", `coding: ucs2, id_form: uuid, words: {UNDELIV: "NOT DELIVERED AT ALL"}`, "^$", "^\x00i\x00d\x00:", 0, 4, true, 5, ""},
		{"without sub and dlvrd", `format: no-counts`, `^id:ID ` + dates + ` stat:UNDELIV err:001 text:$`, "", 0, 4, true, 5, ""},
		{"reordered", `format: reordered`, `^stat:UNDELIV err:001 ` + dates + ` dlvrd:000 id:ID sub:001 text:$`, "", 0, 4, true, 5, ""},
		{"short", `format: short`, `^id:ID stat:UNDELIV err:001$`, "", 0, 4, true, 5, ""},
		{"CSV", `format: csv, tlvs: [none]`, `^05,\d{10},\d{10},,13125550001,17735550100,ID$`, "", 0, 4, false, -1, ""},
		{"a sentence", `format: free`, `^Your message`, "", 0, 4, true, 5, ""},
		{"seconds", `dates: second`, `submit date:\d{12} done date:\d{12} stat`, "", 0, 4, true, 5, ""},
		{"centuries", `dates: century`, `submit date:20\d{12} done date:20\d{12} stat`, "", 0, 4, true, 5, ""},
		{"zero dates", `dates: zero`, `submit date:0000000000 done date:0000000000 stat`, "", 0, 4, true, 5, ""},
		{"no dates", `dates: blank`, `submit date: done date: stat`, "", 0, 4, true, 5, ""},
		{"err of four digits", `errs: {UNDELIV: "0001"}`, `err:0001 text`, "", 0, 4, true, 5, ""},
		{"err with letters", `errs: {UNDELIV: "21b"}`, `err:21b text`, "", 0, 4, true, 5, ""},
		{"another word", `words: {UNDELIV: FAILED}`, `stat:FAILED err`, "", 0, 4, true, 5, ""},
		{"a number for the state", `words: {UNDELIV: "0"}`, `stat:0 err`, "", 0, 4, true, 5, ""},
		{"as data_sm", `as: data_sm`, `^$`, `^id:ID .*stat:UNDELIV`, smpp.DataSMID, 4, true, 5, ""},
		{"in message_payload", `in_payload: true`, `^$`, `^id:ID .*stat:UNDELIV`, 0, 4, true, 5, ""},
		{"TLVs only", `tlv_only: true`, `^$`, "", 0, 4, true, 5, ""},
		{"the id alone as TLV", `tlvs: [id]`, `^id:ID`, "", 0, 4, true, -1, ""},
		{"no TLV", `tlvs: [none]`, `^id:ID`, "", 0, 4, false, -1, ""},
		{"network_error_code", `tlvs: [id, state, error]`, `^id:ID`, "", 0, 4, true, 5, "\x03\x00\x01"},
		{"network_error_code in digits", `tlvs: [id, state, error-digits]`, `^id:ID`, "", 0, 4, true, 5, "001"},
		{"no mark", `esm_class: 0`, `^id:ID`, "", 0, 0, true, 5, ""},
		{"marked as an acknowledgement", `esm_class: 0x08`, `^id:ID`, "", 0, 8, true, 5, ""},
		{"marked as intermediate", `esm_class: 0x20`, `^id:ID`, "", 0, 0x20, true, 5, ""},
		{"a UDHI without a UDH", `esm_class: 0x44`, `^id:ID`, "", 0, 0x44, true, 5, ""},
		{"padded ids", `id_form: padded`, `^id:\d{20} `, "", 0, 4, true, 5, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t, "receipts: {delay: {}, states: {UNDELIV: 1}, "+tt.yaml+"}\n")
			c := r.bind(smpp.BindTransceiverID)
			_, id := c.submit(submitTo("13125550001", "hello"))
			g := c.receiptPDU()
			for what, x := range map[string][2]string{"short_message": {g.text, tt.text}, "message_payload": {g.payload, tt.payload}} {
				if x[1] != "" && !regexp.MustCompile(strings.ReplaceAll(strings.ReplaceAll(x[1], ":ID", ":"+id), ",ID", ","+id)).MatchString(x[0]) {
					t.Errorf("%s %q, want %s", what, x[0], x[1])
				}
			}
			if g.hasPayload != (tt.payload != "") {
				t.Errorf("message_payload: %v", g.hasPayload)
			}
			if want := max(tt.command, smpp.DeliverSMID); g.command != want || g.esm != tt.esm {
				t.Errorf("%s with esm_class %#x, want %s with %#x", g.command, g.esm, want, tt.esm)
			}
			if told, ok := g.options.Text(smpp.TagReceiptedMessageID); ok != tt.id || ok && !strings.Contains(tt.yaml, "id_form") && told != id {
				t.Errorf("receipted_message_id %q, %v", told, ok)
			}
			state, ok := g.options.Uint(smpp.TagMessageState)
			if ok != (tt.state >= 0) || ok && int(state) != tt.state {
				t.Errorf("message_state %d, %v, want %d", state, ok, tt.state)
			}
			if code, _ := g.options.Get(smpp.TagNetworkErrorCode); string(code) != tt.netErr {
				t.Errorf("network_error_code %q, want %q", code, tt.netErr)
			}
			c.nc.Close()
			r.stop()
			i := count(r.entries(), func(e *Entry) bool {
				return e.Kind == KindReceipt && e.Stat == StatUndeliverable && e.Command == g.command.String()
			})
			if acked := count(r.entries(), func(e *Entry) bool { return e.Kind == KindDeliverResp }); i != 1 || acked != 1 {
				t.Errorf("the log has %d such receipts and %d answers", i, acked)
			}
		})
	}
}

func TestTheLogNamesTheFormatOfAReceipt(t *testing.T) {
	r := start(t, "receipts: {delay: {}, format: csv}\n")
	c := r.bind(smpp.BindTransceiverID)
	c.submit(submitTo("13125550001", "hello"))
	c.receiptPDU()
	c.nc.Close()
	r.stop()
	if n := count(r.entries(), func(e *Entry) bool { return e.Kind == KindReceipt && e.Format == "csv" }); n != 1 {
		t.Errorf("%d receipts of format csv in the log, want 1", n)
	}
}

func TestEveryFinalStateCanBeReported(t *testing.T) {
	for _, name := range finalStats() {
		r := start(t, "receipts: {delay: {}, states: {"+name+": 1}}\n")
		c := r.bind(smpp.BindTransceiverID)
		c.submit(submitTo("13125550001", "hello"))
		stat, _ := parseStat(name)
		if g := c.receipt(); g.Stat != name || g.State != statTable[stat].state {
			t.Errorf("%s: got %+v", name, g)
		}
	}
}

func TestAnIntermediateReceiptComesBeforeTheLastWord(t *testing.T) {
	for name, tt := range map[string]struct {
		yaml       string
		registered byte
	}{
		"asked for alone": {"", smpp.ReceiptIntermediate},
		"asked for":       {"", smpp.ReceiptAlways | smpp.ReceiptIntermediate},
		"by the scenario": {", intermediate: 1", smpp.ReceiptAlways},
		"as BUFFRED":      {", intermediate: 1, words: {ENROUTE: BUFFRED}", smpp.ReceiptAlways},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := startSMSC(t, dir, testAccounts(), scenario(t, "receipts: {delay: {min: 100ms, max: 100ms}"+tt.yaml+"}\n"))
			c := r.bind(smpp.BindTransceiverID)
			sm := submitTo("13125550001", "hello")
			sm.RegisteredDelivery = tt.registered
			_, id := c.submit(sm)
			first := c.receiptPDU()
			if first.esm != smpp.ESMIntermediateReceipt || !strings.HasPrefix(first.text, "id:"+id) {
				t.Errorf("first %+v, want an intermediate one", first)
			}
			if want := map[bool]string{true: "BUFFRED", false: "ENROUTE"}[name == "as BUFFRED"]; !strings.Contains(first.text, "stat:"+want) {
				t.Errorf("first %q, want %s", first.text, want)
			}
			if tt.registered == smpp.ReceiptIntermediate {
				c.quiet(150 * time.Millisecond)
				return
			}
			if g := c.receiptPDU(); g.esm != smpp.ESMReceipt || !strings.Contains(g.text, "stat:DELIVRD") {
				t.Errorf("then %+v, want the last word", g)
			}
			c.nc.Close()
			r.stop()
			if report, err := Audit(dir); err != nil || report.Intermediate != 1 || report.Receipts["DELIVRD"] != 1 || len(report.Receipts) != 1 {
				t.Errorf("audit: %+v, %v", report, err)
			}
		})
	}
}

func TestAnIntermediateReceiptSurvivesARestartOnlyWhileItIsOwed(t *testing.T) {
	dir := t.TempDir()
	yaml := "receipts: {delay: {min: 600ms, max: 600ms}, intermediate: 1}\n"
	r := startSMSC(t, dir, testAccounts(), scenario(t, yaml))
	c := r.bind(smpp.BindTransceiverID)
	c.submit(submitTo("13125550001", "one"))
	c.receiptPDU() // the intermediate one of the first is answered
	c.submit(submitTo("13125550002", "two"))
	until(t, "the answer stands in the log", func() bool {
		return count(r.entries(), func(e *Entry) bool { return e.Kind == KindDeliverResp }) == 1
	})
	c.nc.Close()
	r.stop()
	again := startSMSC(t, dir, testAccounts(), scenario(t, yaml))
	c = again.bind(smpp.BindReceiverID)
	kinds := map[byte]int{}
	for range 3 {
		kinds[c.receiptPDU().esm]++
	}
	if kinds[smpp.ESMIntermediateReceipt] != 1 || kinds[smpp.ESMReceipt] != 2 {
		t.Errorf("%v, want one intermediate and two last words", kinds)
	}
	c.quiet(30 * time.Millisecond)
}

func TestReceiptsNobodyAskedForCome(t *testing.T) {
	r := start(t, "receipts: {delay: {}, unasked: 1}\n")
	c := r.bind(smpp.BindTransceiverID)
	sm := submitTo("13125550001", "hello")
	sm.RegisteredDelivery = 0
	if _, id := c.submit(sm); c.receipt().ID != id {
		t.Error("another receipt")
	}
}

func TestReceiptsOvertakeThoseHeldBack(t *testing.T) {
	r := start(t, "receipts: {delay: {}, reorder: 0.3, reorder_by: {min: 30ms, max: 60ms}}\n")
	c := r.bind(smpp.BindTransceiverID)
	const n = 60
	var order []string
	for i := range n {
		c.send(submitTo("13125550001", fmt.Sprint(i)))
	}
	var ids, receipts []string
	for len(receipts) < n {
		h, p := c.receive()
		switch p := p.(type) {
		case *smpp.SubmitSMResp:
			ids = append(ids, p.MessageID)
		case *smpp.DeliverSM:
			got, _ := smpp.ParseReceipt(p)
			receipts = append(receipts, got.ID)
			c.write(0, h.Sequence, &smpp.DeliverSMResp{})
		}
	}
	order = append(order, ids...)
	moved, seen := 0, map[string]bool{}
	for i := range order {
		if receipts[i] != order[i] {
			moved++
		}
		seen[receipts[i]] = true
	}
	if moved == 0 || len(seen) != n {
		t.Errorf("%d of %d out of place, %d different", moved, n, len(seen))
	}
}

func TestReceiptsComeOnAnotherBind(t *testing.T) {
	r := start(t, "receipts: {delay: {}, other_bind: 1}\n")
	a, b := r.bind(smpp.BindTransceiverID), r.bind(smpp.BindTransceiverID)
	for range 5 {
		if _, id := a.submit(submitTo("13125550001", "hello")); b.receipt().ID != id {
			t.Error("another receipt")
		}
		if _, id := b.submit(submitTo("13125550001", "hello")); a.receipt().ID != id {
			t.Error("another receipt")
		}
	}
	b.nc.Close()
	until(t, "one bind is left", func() bool { return r.server.binds.Load() == 1 })
	a.send(submitTo("13125550001", "hello"))
	a.expect(smpp.SubmitSMRespID)
	a.receipt() // There is no other.
}

func TestADuplicateComesWhenItIsSaid(t *testing.T) {
	r := start(t, "receipts: {delay: {}, duplicate: 1, duplicate_after: 150ms}\n")
	c := r.bind(smpp.BindTransceiverID)
	_, id := c.submit(submitTo("13125550001", "hello"))
	first := c.receipt()
	began := time.Now()
	if second := c.receipt(); first.ID != id || second.ID != id || time.Since(began) < 100*time.Millisecond {
		t.Errorf("%+v, then %+v after %s", first, second, time.Since(began))
	}
}

func TestAnIDIsGivenTwice(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, "ids: {repeat: 1}\nreceipts: {delay: {}}\n"))
	c := r.bind(smpp.BindTransceiverID)
	_, a := c.submit(submitTo("13125550001", "one"))
	c.receipt()
	_, b := c.submit(submitTo("13125550002", "two"))
	if got := c.receipt(); a != b || got.ID != a {
		t.Errorf("ids %s and %s, receipt for %s: want the same", a, b, got.ID)
	}
	c.nc.Close()
	r.stop()
	if report, err := Audit(dir); err != nil || report.SameID != 1 || report.Messages != 2 || report.Duplicates != 0 {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

func TestAnotherScenarioLeavesReceiptsInTheirForm(t *testing.T) {
	r := start(t, "receipts: {delay: {min: 200ms, max: 200ms}, format: csv, tlvs: [none]}\n")
	c := r.bind(smpp.BindTransceiverID)
	_, id := c.submit(submitTo("13125550001", "hello"))
	p, err := compileScenario(scenario(t, "receipts: {delay: {}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	r.server.adopt(p)
	if g := c.receiptPDU(); !strings.HasPrefix(g.text, "00,") || !strings.HasSuffix(g.text, ","+id) {
		t.Errorf("planned before: %q, want CSV", g.text)
	}
	_, id = c.submit(submitTo("13125550001", "hello"))
	if g := c.receiptPDU(); !strings.HasPrefix(g.text, "id:"+id) {
		t.Errorf("planned after: %q, want the standard form", g.text)
	}
}

// TestOurOwnParserReadsEveryForm holds the two sides of this module against each other.
func TestOurOwnParserReadsEveryForm(t *testing.T) {
	n := &number{addr: testNumber}
	d := &delivery{id: 1_795_335_352_000_001, from: parsePhone([]byte("13125550001")), submitted: 1_795_335_352, fromType: typeE164, toType: typeE164}
	for format := range formatCount {
		for dates := range datesCount {
			for _, ids := range []IDForm{IDDecimal, IDHex, IDHexUpper, IDPadded, IDUUID} {
				for _, ucs2 := range []bool{false, true} {
					for _, tlvs := range []byte{0, tlvID, tlvID | tlvState, tlvID | tlvState | tlvErrorDigits} {
						for stat := StatDelivered; stat < statCount; stat++ {
							if format == formatFree && tlvs&tlvState == 0 || format == formatCSV && dates > datesCentury {
								continue // The one says nothing; the other isn't told from a text by anybody.
							}
							f := receiptForm{format: format, dates: dates, ids: ids, ucs2: ucs2, tlvs: tlvs, esm: smpp.ESMReceipt}
							got, ok := smpp.ParseReceipt(f.pdu(d, stat, false, false, n, 1_795_335_400).(*smpp.DeliverSM))
							state := got.State
							if format == formatCSV && tlvs&tlvState == 0 { // its numbers are for a profile to read
								state = statTable[stat].state
							}
							if want := string(ids.Append(nil, d.id)); !ok || got.ID != want || state != statTable[stat].state {
								t.Fatalf("%s, dates %s, ids %s, UTF-16 %v, TLVs %#x, %s: read %+v", formatNames[format], datesNames[dates], ids, ucs2, tlvs, stat, got)
							}
						}
					}
				}
			}
		}
	}
}
