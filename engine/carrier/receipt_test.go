package carrier

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
)

func TestIDsOfResponsesAndReceiptsMeet(t *testing.T) {
	for _, test := range []struct{ base, response, receipt, want string }{
		{"same", "1776000000000001", "1776000000000001", "1776000000000001"},
		{"same", "0000012345", "12345", "12345"},
		{"same", "12345", " 0000012345 ", "12345"},
		{"same", "0", "000", "0"},
		{"same", "7A1F", "7a1f", "7a1f"},
		{"same", "00AB", "00ab", "00ab"}, // Zeros of what is no decimal number may mean something.
		{"same", "3F2504E0-4F89-11D3-9A0C-0305E82C3301", "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"},
		{"same", "Zx-00A", "Zx-00A", "Zx-00A"},
		{"hex_to_decimal", "7A1F", "31263", "7a1f"},
		{"hex_to_decimal", "00007a1f", "0000031263", "7a1f"},
		{"hex_to_decimal", "12345", "74565", "12345"},
		{"hex_to_decimal", "ffffffffffffffff", "18446744073709551615", "ffffffffffffffff"},
		{"decimal_to_hex", "31263", "7A1F", "31263"},
		{"decimal_to_hex", "0031263", "00007a1f", "31263"},
		{"decimal_to_hex", "no number", "no number", "no number"},
		{"hex_to_decimal", "18446744073709551616", "18446744073709551616", "18446744073709551616"},
	} {
		p := profileOf(t, func(s *Settings) { s.IDBase = test.base })
		response := string(p.CanonicalID([]byte(test.response)))
		receipt := string(p.CanonicalID(p.receiptID([]byte(test.receipt))))
		if response != test.want || receipt != test.want {
			t.Errorf("%s: response %q → %q, receipt %q → %q, want %q", test.base, test.response, response, test.receipt, receipt, test.want)
		}
		if again := string(p.CanonicalID([]byte(response))); again != response {
			t.Errorf("%s: %q becomes %q the second time", test.base, response, again)
		}
	}
}

func TestIDsThatDifferStayApart(t *testing.T) {
	p := profileOf(t, nil)
	for _, pair := range [][2]string{{"12345", "123450"}, {"00ab", "ab"}, {"aZ", "az"}, {"10", "1"}, {"1-2", "12"}} {
		if a, b := p.CanonicalID([]byte(pair[0])), p.CanonicalID([]byte(pair[1])); bytes.Equal(a, b) {
			t.Errorf("%q and %q both become %q", pair[0], pair[1], a)
		}
	}
}

func TestCanonicalIDDoesNotAllocateWhereNothingChanges(t *testing.T) {
	p := profileOf(t, nil)
	for _, id := range []string{"1776000000000001", "00012345 ", "7a1f", "Zx", ""} {
		b := []byte(id)
		if n := testing.AllocsPerRun(100, func() { _ = p.CanonicalID(b) }); n != 0 {
			t.Errorf("%q: %v allocations", id, n)
		}
	}
}

func deliver(t testing.TB, d *smpp.DeliverSM) []byte {
	t.Helper()
	pdu, err := smpp.Append(nil, smpp.StatusOK, 7, d)
	if err != nil {
		t.Fatal(err)
	}
	return pdu
}

func receiptPDU(t testing.TB, stat string, change func(*smpp.DeliverSM)) []byte {
	t.Helper()
	d := &smpp.DeliverSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: "13125550199"}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"},
		ESMClass: smpp.ESMReceipt, ShortMessage: receiptText("1776000000000001", stat, "000"),
	}
	if change != nil {
		change(d)
	}
	return deliver(t, d)
}

func receiptText(id, stat, err string) []byte {
	return fmt.Appendf(nil, "id:%s sub:001 dlvrd:001 submit date:2609231200 done date:2609231201 stat:%s err:%s text:Hey Ana", id, stat, err)
}

func TestReceiptStatesMeanWhatTheLedgerSays(t *testing.T) {
	standard := profileOf(t, nil)
	own := profileOf(t, func(s *Settings) {
		s.States = map[string]string{"ACCEPTD": "delivered", "unknown": "pending", "XDEAD": "failed", "DELETED": "expired"}
	})
	for _, test := range []struct {
		profile *Profile
		stat    string
		want    message.State
	}{
		{standard, "DELIVRD", message.Delivered},
		{standard, "EXPIRED", message.Expired},
		{standard, "UNDELIV", message.Failed},
		{standard, "REJECTD", message.Failed},
		{standard, "DELETED", message.Failed},
		{standard, "UNKNOWN", message.Failed},
		{standard, "FAILED", message.Failed},
		{standard, "SKIPPED", message.Failed},
		{standard, "ENROUTE", message.Open},
		{standard, "ACCEPTD", message.Open},
		{standard, "BUFFRED", message.Open},
		{standard, "XDEAD", message.Open},
		{own, "ACCEPTD", message.Delivered},
		{own, "UNKNOWN", message.Open},
		{own, "xdead", message.Failed},
		{own, "DELETED", message.Expired},
		{own, "DELIVRD", message.Delivered},
	} {
		got, ok := test.profile.Receipt(receiptPDU(t, test.stat, nil))
		if !ok || got.State != test.want {
			t.Errorf("%s: %v, %v, want %v", test.stat, got.State, ok, test.want)
		}
	}
}

func TestReceiptsSayWhoseMessageTheyAreAbout(t *testing.T) {
	for _, test := range []struct {
		name    string
		profile *Profile
		pdu     []byte
		want    engine.Receipt
		ok      bool
	}{
		{
			"in text", profileOf(t, nil), receiptPDU(t, "DELIVRD", nil),
			engine.Receipt{ID: []byte("1776000000000001"), State: message.Delivered, Err: "000", Phone: 13125550199, To: 17735550100},
			true,
		},
		{
			"with the addresses the other way round", profileOf(t, func(s *Settings) { s.Member = "destination_addr" }),
			receiptPDU(t, "UNDELIV", func(d *smpp.DeliverSM) { d.ShortMessage = receiptText("9", "UNDELIV", "21b") }),
			engine.Receipt{ID: []byte("9"), State: message.Failed, Err: "21b", Phone: 17735550100, To: 13125550199},
			true,
		},
		{"in TLVs, unmarked", profileOf(t, nil), receiptPDU(t, "", func(d *smpp.DeliverSM) {
			d.ESMClass, d.ShortMessage = 0, nil
			d.Options = d.Options.Append(smpp.TagReceiptedMessageID, []byte("abc\x00")).Append(smpp.TagMessageState, []byte{smpp.StateExpired})
		}), engine.Receipt{ID: []byte("abc"), State: message.Expired, Phone: 13125550199, To: 17735550100}, true},
		{
			"of another base", profileOf(t, func(s *Settings) { s.IDBase = "hex_to_decimal" }),
			receiptPDU(t, "", func(d *smpp.DeliverSM) { d.ShortMessage = receiptText("0031263", "DELIVRD", "0") }),
			engine.Receipt{ID: []byte("7a1f"), State: message.Delivered, Err: "0", Phone: 13125550199, To: 17735550100},
			true,
		},
		{
			"that is intermediate", profileOf(t, func(s *Settings) { s.States = map[string]string{"DELIVRD": "delivered"} }),
			receiptPDU(t, "DELIVRD", func(d *smpp.DeliverSM) { d.ESMClass = smpp.ESMIntermediateReceipt }),
			engine.Receipt{ID: []byte("1776000000000001"), State: message.Open, Err: "000", Phone: 13125550199, To: 17735550100},
			true,
		},
		{
			"without a phone", profileOf(t, nil), receiptPDU(t, "DELIVRD", func(d *smpp.DeliverSM) { d.Source.Addr = "" }),
			engine.Receipt{ID: []byte("1776000000000001"), State: message.Delivered, Err: "000", To: 17735550100},
			true,
		},
		{"that is none", profileOf(t, nil), receiptPDU(t, "DELIVRD", func(d *smpp.DeliverSM) { d.ESMClass = 0 }), engine.Receipt{}, false},
		{"that is cut off", profileOf(t, nil), receiptPDU(t, "DELIVRD", nil)[:30], engine.Receipt{}, false},
		{"that is nothing", profileOf(t, nil), nil, engine.Receipt{}, false},
	} {
		got, ok := test.profile.Receipt(test.pdu)
		if diff := cmp.Diff(test.want, got); diff != "" || ok != test.ok {
			t.Errorf("%s: %v\n%s", test.name, ok, diff)
		}
	}
}

func TestReceiptsAsDataSM(t *testing.T) {
	d := &smpp.DataSM{Source: smpp.Address{Addr: "13125550199"}, Destination: smpp.Address{Addr: "17735550100"}, ESMClass: smpp.ESMReceipt}
	d.Options = d.Options.Append(smpp.TagMessagePayload, receiptText("1", "DELIVRD", "000"))
	pdu, err := smpp.Append(nil, smpp.StatusOK, 1, d)
	if err != nil {
		t.Fatal(err)
	}
	want := engine.Receipt{ID: []byte("1"), State: message.Delivered, Err: "000", Phone: 13125550199, To: 17735550100}
	got, ok := profileOf(t, nil).Receipt(pdu)
	if diff := cmp.Diff(want, got); diff != "" || !ok {
		t.Errorf("%v\n%s", ok, diff)
	}
}

func TestPhonesAreReadAsCarriersWriteThem(t *testing.T) {
	none := profileOf(t, nil)
	us := profileOf(t, func(s *Settings) { s.CountryCode = "1" })
	uk := profileOf(t, func(s *Settings) { s.CountryCode = "44" })
	for _, test := range []struct {
		profile *Profile
		ton     byte
		addr    string
		want    message.Phone
	}{
		{none, 1, "17735550100", 17735550100},
		{none, 0, "+17735550100", 17735550100},
		{none, 0, "0017735550100", 17735550100},
		{none, 1, " 17735550100 ", 17735550100},
		{none, 0, "7735550100", 7735550100}, // Nobody said which country.
		{us, 0, "7735550100", 17735550100},
		{us, 2, "7735550100", 17735550100},
		{us, 1, "7735550100", 7735550100}, // The carrier says that it is international.
		{us, 0, "+7735550100", 7735550100},
		{us, 0, "17735550100", 17735550100},
		{us, 2, "447700900123", 447700900123},
		{uk, 0, "07700900123", 447700900123},
		{uk, 2, "7700900123", 447700900123},
		{uk, 0, "447700900123", 447700900123},
		{uk, 0, "00447700900123", 447700900123},
		{none, 5, "17735550100", 0},
		{none, 5, "ACME", 0},
		{none, 0, "ACME", 0},
		{none, 0, "773-555", 0},
		{none, 0, "12345", 0},
		{none, 0, "", 0},
		{none, 0, "+", 0},
		{none, 0, "00", 0},
		{none, 0, strings.Repeat("9", 16), 0},
		{uk, 2, strings.Repeat("9", 15), 0},
	} {
		if got := test.profile.phone(test.ton, test.addr); got != test.want {
			t.Errorf("country %q, type %d, %q: %d, want %d", test.profile.addresses.country, test.ton, test.addr, got, test.want)
		}
	}
	if got := us.sender(0, "12345"); got != 12345 {
		t.Errorf("our short code is read as %d", got)
	}
}

func TestTextsAndTheirPartsAreRead(t *testing.T) {
	whole := Part{Part: 1, Parts: 1}
	for _, test := range []struct {
		name     string
		alphabet string
		d        smpp.DeliverSM
		text     string
		part     Part
	}{
		{"plain", "", smpp.DeliverSM{ShortMessage: []byte("STOP")}, "STOP", whole},
		{"default alphabet GSM", "", smpp.DeliverSM{ShortMessage: []byte{0x05, 0x00}}, "é@", whole},
		{"default alphabet Latin-1", "latin1", smpp.DeliverSM{ShortMessage: []byte{0xE9, '@'}}, "é@", whole},
		{"default alphabet ASCII", "ascii", smpp.DeliverSM{ShortMessage: []byte("e@")}, "e@", whole},
		{"UCS-2", "", smpp.DeliverSM{DataCoding: 8, ShortMessage: []byte{0xD8, 0x3C, 0xDF, 0x89}}, "🎉", whole},
		{"in message_payload", "", smpp.DeliverSM{Options: smpp.Options{}.Append(smpp.TagMessagePayload, []byte("long"))}, "long", whole},
		{"8-bit reference", "", smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x05\x00\x03\xA7\x02\x01Hey")}, "Hey", Part{0xA7, 1, 2}},
		{"16-bit reference", "", smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x06\x08\x04\x12\x34\x03\x03Hey")}, "Hey", Part{0x1234, 3, 3}},
		{"behind a port", "", smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x0B\x05\x04\x0B\x84\x0B\x84\x00\x03\x01\x02\x02Hey")}, "Hey", Part{1, 2, 2}},
		{"part beyond parts", "", smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x05\x00\x03\xA7\x02\x03Hey")}, "Hey", whole},
		{"UDHI without a header", "", smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("Hey")}, "Hey", whole},
		{"SAR", "", smpp.DeliverSM{ShortMessage: []byte("Hey"), Options: smpp.Options{}.Append(smpp.TagSarMsgRefNum, []byte{1, 2}).
			Append(smpp.TagSarTotalSegments, []byte{2}).Append(smpp.TagSarSegmentSeqnum, []byte{1})}, "Hey", Part{0x0102, 1, 2}},
		{"empty", "", smpp.DeliverSM{}, "", whole},
	} {
		p := profileOf(t, func(s *Settings) { s.DefaultAlphabet = test.alphabet })
		got, part, err := p.Text(deliver(t, &test.d))
		if err != nil || got != test.text || part != test.part {
			t.Errorf("%s: %q, %+v, %v", test.name, got, part, err)
		}
	}
	if _, _, err := profileOf(t, nil).Text([]byte("nonsense that is no PDU")); err == nil {
		t.Error("nonsense was read as a text")
	}
}

func TestUnknownCarriersGetTheSpecification(t *testing.T) {
	ps := NewProfiles(map[string]*Profile{"acme": profileOf(t, nil)})
	pdu := receiptPDU(t, "DELIVRD", nil)
	if r, ok := ps.Receipt("acme", pdu); !ok || r.State != message.Delivered {
		t.Errorf("%+v, %v", r, ok)
	}
	if _, ok := ps.Receipt("nobody", pdu); ok {
		t.Error("a receipt of a carrier that is not configured")
	}
	if got := ps.CanonicalID("nobody", []byte("007")); string(got) != "007" {
		t.Errorf("id became %q", got)
	}
	if got := ps.CanonicalID("acme", []byte("007")); string(got) != "7" {
		t.Errorf("id became %q", got)
	}
	if got, _, err := ps.Text("nobody", deliver(t, &smpp.DeliverSM{ShortMessage: []byte("hi")})); got != "hi" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

func TestBadProfilesAreRefusedByTheirKey(t *testing.T) {
	for _, test := range []struct {
		settings Settings
		key      string
	}{
		{Settings{DefaultAlphabet: "utf8"}, "default_alphabet"},
		{Settings{IDBase: "octal"}, "receipts.id_base"},
		{Settings{Member: "both"}, "receipts.member"},
		{Settings{KeyTLV: 1 << 16}, "key_tlv"},
		{Settings{CountryCode: "01"}, "country_code"},
		{Settings{CountryCode: "+1"}, "country_code"},
		{Settings{States: map[string]string{"DELIVRD": "happy"}}, "receipts.states.DELIVRD"},
		{Settings{Statuses: map[string]string{"0x58": "happy"}}, "statuses.0x58"},
		{Settings{Statuses: map[string]string{"many": "throttle"}}, "statuses.many"},
	} {
		test.settings.Name = "acme"
		if _, err := NewProfile(test.settings); err == nil || !strings.Contains(err.Error(), test.key) || !strings.Contains(err.Error(), "acme") {
			t.Errorf("%+v: %v", test.settings, err)
		}
	}
}

// FuzzPDU lets carriers send anything at all.
func FuzzPDU(f *testing.F) {
	f.Add(receiptPDU(f, "DELIVRD", nil))
	f.Add(deliver(f, &smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x05\x00\x03\xA7\x02\x01Hey")}))
	f.Add(deliver(f, &smpp.DeliverSM{Source: smpp.Address{TON: 5, Addr: "ACME"}, ShortMessage: []byte("hi")}))
	p := profileOf(f, func(s *Settings) { s.IDBase, s.CountryCode = "hex_to_decimal", "1" })
	f.Fuzz(func(t *testing.T, pdu []byte) {
		r, ok := p.Receipt(pdu)
		if ok && (r.State == message.Submitted || r.Phone != 0 && !r.Phone.Valid()) {
			t.Errorf("%+v", r)
		}
		id := p.CanonicalID(r.ID)
		if again := p.CanonicalID(id); !bytes.Equal(id, again) {
			t.Errorf("%q becomes %q", id, again)
		}
		_, part, _ := p.Text(pdu)
		if !part.valid() {
			t.Errorf("%+v", part)
		}
		// What smpp reads, peek reads in the same way.
		var d smpp.DeliverSM
		if _, err := smpp.DecodeInto(pdu, &d); err != nil {
			return
		}
		e, ok := peek(pdu)
		if !ok || e.source != d.Source.Addr || e.destination != d.Destination.Addr || e.esmClass != d.ESMClass ||
			e.sourceTON != d.Source.TON || e.destinationTON != d.Destination.TON {
			t.Errorf("%v %+v, want %+v", ok, e, d)
		}
	})
}

func BenchmarkReceipt(b *testing.B) {
	p, pdu := profileOf(b, nil), receiptPDU(b, "DELIVRD", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := p.Receipt(pdu); !ok {
			b.Fatal("no receipt")
		}
	}
}

func BenchmarkCanonicalID(b *testing.B) {
	p, id := profileOf(b, nil), []byte("1776000000000001")
	b.ReportAllocs()
	for b.Loop() {
		_ = p.CanonicalID(id)
	}
}

func TestProfilesSayWhatOddReceiptsMean(t *testing.T) {
	odd := func(s *Settings) {
		s.Grammar.Pattern = `^MSG (?P<id>\S+) FOR .* IS (?P<stat>\w+)(?: BECAUSE (?P<err>\w+))?(?: AT (?P<date>\d+))?`
		s.States = map[string]string{"GONE": "failed"}
	}
	text := func(text string, esm byte) []byte {
		return receiptPDU(t, "", func(d *smpp.DeliverSM) { d.ShortMessage, d.ESMClass = []byte(text), esm })
	}
	wide := func(text string) []byte {
		return receiptPDU(t, "", func(d *smpp.DeliverSM) {
			d.DataCoding, d.ShortMessage = 8, nil
			for i := range len(text) {
				d.ShortMessage = append(d.ShortMessage, 0, text[i])
			}
		})
	}
	standard := string(receiptText("7", "DELIVRD", "000"))
	for _, test := range []struct {
		name    string
		profile *Profile
		pdu     []byte
		want    engine.Receipt
		ok      bool
	}{
		{"a sentence", profileOf(t, odd), text("MSG a7 FOR you IS GONE BECAUSE e9 AT 2601151200", smpp.ESMReceipt), engine.Receipt{ID: []byte("a7"), State: message.Failed, Err: "e9"}, true},
		{"a sentence with a state of the specification", profileOf(t, odd), text("MSG a7 FOR you IS delivrd", smpp.ESMReceipt), engine.Receipt{ID: []byte("a7"), State: message.Delivered}, true},
		{"a sentence in UCS-2", profileOf(t, odd), wide("MSG a7 FOR you IS GONE"), engine.Receipt{ID: []byte("a7"), State: message.Failed}, true},
		{"what the pattern doesn't match is read as usual", profileOf(t, odd), text(standard, smpp.ESMReceipt), engine.Receipt{ID: []byte("7"), State: message.Delivered, Err: "000"}, true},
		{"a sentence, unmarked", profileOf(t, odd), text("MSG a7 FOR you IS GONE", 0), engine.Receipt{}, false},
		{"the usual in UCS-2", profileOf(t, nil), wide(standard), engine.Receipt{ID: []byte("7"), State: message.Delivered, Err: "000"}, true},
		{"unmarked, by its text", profileOf(t, func(s *Settings) { s.Grammar.Detect = "text" }), text(standard, 0), engine.Receipt{ID: []byte("7"), State: message.Delivered, Err: "000"}, true},
		{"unmarked, by the pattern", profileOf(t, func(s *Settings) { odd(s); s.Grammar.Detect = "text" }), text("MSG a7 FOR you IS GONE", 0), engine.Receipt{ID: []byte("a7"), State: message.Failed}, true},
		{"a person's text is none", profileOf(t, func(s *Settings) { s.Grammar.Detect = "text" }), text("my id: 7, call me", 0), engine.Receipt{}, false},
		{"and neither is one that looks like it, unless the profile says so", profileOf(t, nil), text(standard, 0), engine.Receipt{}, false},
		{"an id and no state", profileOf(t, nil), text("id:7", smpp.ESMReceipt), engine.Receipt{ID: []byte("7")}, true},
		{"an id and no state, which means delivered", profileOf(t, func(s *Settings) { s.States = map[string]string{"": "delivered"} }), text("id:7", smpp.ESMReceipt), engine.Receipt{ID: []byte("7"), State: message.Delivered}, true},
		{"an err that says more", profileOf(t, func(s *Settings) { s.Grammar.Errors = map[string]string{"011": "expired"} }), text("id:7 stat:UNDELIV err:11", smpp.ESMReceipt), engine.Receipt{ID: []byte("7"), State: message.Expired, Err: "11"}, true},
		{"an err of letters", profileOf(t, func(s *Settings) { s.Grammar.Errors = map[string]string{"21B": "pending"} }), text("id:7 stat:UNDELIV err:21b", smpp.ESMReceipt), engine.Receipt{ID: []byte("7"), Err: "21b"}, true},
		{"an err, but intermediate", profileOf(t, func(s *Settings) { s.Grammar.Errors = map[string]string{"9": "failed"} }), text("id:7 stat:ENROUTE err:9", smpp.ESMIntermediateReceipt), engine.Receipt{ID: []byte("7"), Err: "9"}, true},
		{"four digits of err", profileOf(t, nil), text("id:7 stat:DELIVRD err:0000", smpp.ESMReceipt), engine.Receipt{ID: []byte("7"), State: message.Delivered, Err: "0000"}, true},
	} {
		got, ok := test.profile.Receipt(test.pdu)
		if test.ok {
			test.want.Phone, test.want.To = 13125550199, 17735550100
		}
		if len(got.ID) == 0 {
			got.ID = nil
		}
		if diff := cmp.Diff(test.want, got); diff != "" || ok != test.ok {
			t.Errorf("%s: %v\n%s", test.name, ok, diff)
		}
	}
	nobody := profileOf(t, func(s *Settings) { s.Member = "none" })
	if got, ok := nobody.Receipt(text(standard, smpp.ESMReceipt)); !ok || got.Phone != 0 || got.To != 0 {
		t.Errorf("addresses that mean nothing are read: %+v, %v", got, ok)
	}
}

func TestGrammarsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, g := range []Grammar{
		{Pattern: "("}, {Pattern: "(?P<what>x)(?P<id>y)"}, {Pattern: "no groups"}, {Detect: "guess"}, {Parts: "some"}, {Errors: map[string]string{"9": "lost"}},
	} {
		if _, err := NewProfile(Settings{Name: "acme", Grammar: g}); err == nil {
			t.Errorf("%+v: no error", g)
		}
	}
	if p := profileOf(t, func(s *Settings) { s.Grammar.Parts = "last" }); p.PartsReceipt() != engine.LastPart {
		t.Errorf("parts %v", p.PartsReceipt())
	}
}

func TestIDsOfAnUnknownFormAreReadInEach(t *testing.T) {
	p := profileOf(t, func(s *Settings) { s.IDBase = "auto" })
	uuid := "0F2504E0-4F89-11D3-9A0C-0305E82C3301"
	for _, test := range []struct {
		response, receipt string
		form              engine.IDForm
	}{
		{"1776000000000001", "1776000000000001", engine.IDSame},
		{"0000012345", " 12345 ", engine.IDSame},
		{"000", "0", engine.IDSame},
		{"00007A1F", "7a1f", engine.IDSame},
		{"MSG-aB1", "msg-Ab1", engine.IDSame},
		{uuid, strings.ToLower(uuid), engine.IDSame},
		{"00000000000000000000000000000abc", "00000000000000000000000000000ABC", engine.IDSame},
		{strings.Repeat("x", 64), strings.Repeat("X", 64), engine.IDSame},
		{"7A1F", "0000031263", engine.IDDecimal},
		{"00007a1f", "31263", engine.IDDecimal},
		{"ffffffffffffffff", "18446744073709551615", engine.IDDecimal},
		{"31263", "7A1F", engine.IDHex},
		{"0000031263", "00007a1f", engine.IDHex},
		{"", "", engine.IDSame},
	} {
		got, ok := p.ReceiptID(test.form, []byte(test.receipt), nil)
		if want := string(p.CanonicalID([]byte(test.response))); !ok || string(got) != want {
			t.Errorf("%v: receipt %q → %q, %v; response %q → %q", test.form, test.receipt, got, ok, test.response, want)
		}
	}
	for _, id := range []string{uuid, "abc", "", "18446744073709551616", "12 34"} {
		if got, ok := p.ReceiptID(engine.IDDecimal, []byte(id), nil); ok {
			t.Errorf("%q passes for decimal: %q", id, got)
		}
	}
	for _, id := range []string{uuid, "xyz", "", "10000000000000000"} {
		if got, ok := p.ReceiptID(engine.IDHex, []byte(id), nil); ok {
			t.Errorf("%q passes for hexadecimal: %q", id, got)
		}
	}
	if string(p.CanonicalID([]byte(uuid))) != strings.ToLower(uuid) || string(p.CanonicalID([]byte("00000000000000000000000000000abc"))) != "00000000000000000000000000000abc" {
		t.Error("zeros of what is no number were taken off")
	}
	if !p.DetectIDs() || profileOf(t, nil).DetectIDs() {
		t.Error("whose form is to be found out is mistaken")
	}
	room := make([]byte, 0, 32)
	for form := range engine.IDForm(engine.IDForms) {
		if n := testing.AllocsPerRun(100, func() { _, _ = p.ReceiptID(form, []byte("31263"), room) }); n != 0 {
			t.Errorf("%v: %v allocations", form, n)
		}
	}
}

// FuzzReceiptID looks for ids that are read as one number and written as another.
func FuzzReceiptID(f *testing.F) {
	for _, id := range []string{"10", "0x10", "00A", "18446744073709551615", " 7 ", "0F2504E0-4F89-11D3-9A0C-0305E82C3301"} {
		f.Add(id)
	}
	p := profileOf(f, func(s *Settings) { s.IDBase = "auto" })
	f.Fuzz(func(t *testing.T, id string) {
		same, _ := p.ReceiptID(engine.IDSame, []byte(id), nil)
		if again := p.CanonicalID(p.CanonicalID([]byte(id))); string(same) != string(again) {
			t.Errorf("%q is %q as a receipt's and %q as a response's", id, same, again)
		}
		for form, back := range map[engine.IDForm]engine.IDForm{engine.IDDecimal: engine.IDHex, engine.IDHex: engine.IDDecimal} {
			there, ok := p.ReceiptID(form, []byte(id), nil)
			if !ok {
				continue
			}
			if home, ok := p.ReceiptID(back, there, nil); !ok || string(home) != string(same) {
				t.Errorf("%q → %q → %q, %v; want %q", id, there, home, ok, same)
			}
		}
	})
}
