package carrier

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
	"fanline/smpp/text"
)

// mo is a text from a member with a data_coding.
func mo(t testing.TB, dataCoding byte, octets string) []byte {
	t.Helper()
	return deliver(t, &smpp.DeliverSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: "13125550199"}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"},
		DataCoding: dataCoding, ShortMessage: []byte(octets),
	})
}

func TestDataCodingZeroIsWhatTheProfileSays(t *testing.T) {
	for alphabet, want := range map[string]string{"gsm7": "è", "latin1": "\x04", "ascii": "\x04", "gsm7_packed": ""} {
		p := profileOf(t, func(s *Settings) { s.DefaultAlphabet = alphabet })
		if alphabet == "gsm7_packed" {
			if s, _, err := p.Text(mo(t, 0, "\xc8\x32\x9b\xfd\x06")); err != nil || s != "Hello" {
				t.Errorf("%s: %q, %v", alphabet, s, err)
			}
			continue
		}
		if s, _, err := p.Text(mo(t, 0, "\x04")); err != nil || s != want {
			t.Errorf("%s: %q, %v", alphabet, s, err)
		}
	}
}

// 3GPP TS 23.038 §4: the upper half has classes and waiting indications, whose
// lower bits are no alphabet of SMPP's.
func TestEveryDataCodingIsReadByItsGroup(t *testing.T) {
	p := profileOf(t, nil)
	for coding, want := range map[byte]string{
		0x00: "@Aé", 0x01: "\x00A\x05", 0x03: "\x00A\x05", 0x04: "\x00A\x05", 0xF0: "@Aé", 0xF1: "@Aé", 0xF3: "@Aé", 0xF5: "\x00A\x05", 0xC8: "@Aé", 0xD0: "@Aé", 0x10: "@Aé",
	} {
		if s, _, err := p.Text(mo(t, coding, "\x00A\x05")); err != nil || s != want {
			t.Errorf("%#02x: %q, want %q, %v", coding, s, want, err)
		}
	}
	for _, coding := range []byte{0x08, 0x18, 0xE0} {
		if s, _, err := p.Text(mo(t, coding, "\x04\x16")); err != nil || s != "Ж" {
			t.Errorf("%#02x: %q, %v", coding, s, err)
		}
	}
}

func TestTheProfileOverridesInboundDataCodings(t *testing.T) {
	p := profileOf(t, func(s *Settings) {
		s.Inbound = map[string]string{"0": "latin1", "3": "gsm7", "4": "ucs2", "0xF5": "utf8", "8": "latin1", "0x01": "gsm7_packed"}
	})
	for coding, test := range map[byte]struct{ octets, want string }{
		0: {"\xe9", "é"}, 3: {"\x05", "é"}, 4: {"\x04\x16", "Ж"}, 0xF5: {"Ж", "Ж"}, 8: {"\x04A", "\x04A"}, 1: {"\xc8\x32\x9b\xfd\x06", "Hello"}, 2: {"\xe9", "é"},
	} {
		if s, _, err := p.Text(mo(t, coding, test.octets)); err != nil || s != test.want {
			t.Errorf("%#02x: %q, want %q, %v", coding, s, test.want, err)
		}
	}
	if s, _, err := p.Text(mo(t, 0xF5, "\xe9")); err != nil || s != "é" {
		t.Errorf("what is no UTF-8 after all: %q, %v", s, err)
	}
}

func TestUCS2ThatSaysGSM7IsReadAsWhatItIs(t *testing.T) {
	p, trusting := profileOf(t, nil), profileOf(t, func(s *Settings) { s.TrustGSM7 = true })
	for _, body := range []string{
		"СТОП", "нет", "Да — конечно, 100 %", "STOP", "No", "סטופ", "توقف", "Στοπ όλα", "Hey 🎉", "🎉", "取消し、お願い", "हाँ जी",
	} {
		octets := string(text.AppendUCS2(nil, body))
		if s, _, err := p.Text(mo(t, 0, octets)); err != nil || s != body {
			t.Errorf("%q was read as %q, %v", body, s, err)
		}
		if s, _, _ := trusting.Text(mo(t, 0, octets)); s == body && body != "🎉" {
			t.Errorf("%q was guessed though the profile forbids it", body)
		}
	}
}

func TestGSM7StaysGSM7(t *testing.T) {
	p := profileOf(t, nil)
	for _, body := range []string{
		"STOP", "@a@bb", "hahaha", "101112", " a b c d", "été!", "élée", "èè", "@@@@", "010203040506", "ΔΔ ΦΦ", "PaPaPa", "ñandu si", "èèèèèè", "éééééé", "ùùùù", "££££", "$$$$$$", "£1 £2 £", "àéàé", "no", "ok ok ok ok", "0B0D0F0A",
		"{}[]", "€€€€", "Ça va?", "ÅÄÖÅÄÖ", "What @ night?!",
	} {
		octets, ok := text.AppendGSM7(nil, body)
		if !ok {
			t.Fatalf("%q is not in the alphabet", body)
		}
		if s, _, err := p.Text(mo(t, 0, string(octets))); err != nil || s != body {
			t.Errorf("%q was read as %q, %v", body, s, err)
		}
	}
	for _, latin := range []string{"\xe9l\xe9ment!", "caf\xe9 cr\xe8me", "\xdcbergr\xf6\xdfe"} { // Carriers that say 0 and mean Latin-1.
		if s, _, err := p.Text(mo(t, 0, latin)); err != nil || s != text.Decode(3, []byte(latin)) {
			t.Errorf("%q was read as %q, %v", latin, s, err)
		}
	}
}

func TestPackedSeptetsAreThoseOfTheSpecification(t *testing.T) {
	for body, want := range map[string]string{
		"":            "",
		"hellohello":  "e8329bfd4697d9ec37",
		"1234567":     "31d98c56b3dd1a", // 7 bits are left: a carriage return, not another @.
		"12345678":    "31d98c56b3dd70",
		"Hello world": "c8329bfd06dddf723619",
	} {
		septets, _ := text.AppendGSM7(nil, body)
		packed := pack(nil, septets, 0)
		if got := fmt.Sprintf("%x", packed); got != want {
			t.Errorf("%q: %s, want %s", body, got, want)
		}
		if got := unpack(packed, 0); !bytes.Equal(got, septets) {
			t.Errorf("%q came back as %q", body, got)
		}
	}
}

func FuzzPack(f *testing.F) {
	f.Add([]byte("hellohello"), 0)
	f.Add([]byte("1234567"), 6)
	f.Add([]byte{}, 7)
	f.Fuzz(func(t *testing.T, octets []byte, header int) {
		header = max(0, min(header, 20))
		septets := bytes.Clone(octets)
		for i := range septets {
			septets[i] &= 0x7F
		}
		if n := len(septets); n > 0 && septets[n-1] == '\r' { // The padding's own character.
			septets[n-1] = 'x'
		}
		packed := pack(nil, septets, header)
		if got := unpack(packed, header); !bytes.Equal(got, septets) {
			t.Errorf("%x behind %d octets became %x and then %x", septets, header, packed, got)
		}
		unpack(octets, header) // Whatever comes, it is read.
	})
}

// longTexts are how a profile may hold parts together, with the room of a part.
var longTexts = []struct {
	name       string
	gsm, units int
}{{"udh8", 153, 67}, {"udh16", 152, 66}, {"sar", 152, 66}, {"payload", 0, 0}}

// joined reads parts as their receiver does and joins them.
func joined(t testing.TB, p *Profile, parts *engine.Parts) (whole string, each []string) {
	t.Helper()
	reference := uint16(0)
	for i, pdu := range cutParts(parts) {
		var s smpp.SubmitSM
		if _, err := smpp.DecodeInto(pdu, &s); err != nil {
			t.Fatal(err)
		}
		d := smpp.DeliverSM{ESMClass: s.ESMClass, DataCoding: s.DataCoding, ShortMessage: s.ShortMessage, Options: s.Options}
		got, part, err := p.Text(deliver(t, &d))
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			reference = part.Reference
		}
		if int(part.Part) != i+1 || int(part.Parts) != len(parts.Ends) || part.Reference != reference {
			t.Errorf("part %d of %d says %+v", i+1, len(parts.Ends), part)
		}
		each = append(each, got)
		whole += got
	}
	return whole, each
}

func TestLongTextsAreCutBetweenCharacters(t *testing.T) {
	for _, long := range longTexts {
		for _, alphabet := range []string{"gsm7", "gsm7_packed", "latin1", "ascii"} {
			p := profileOf(t, func(s *Settings) { s.LongText, s.DefaultAlphabet = long.name, alphabet })
			e := NewEncoder(p)
			for _, test := range []struct {
				body string
				room int // characters that a full first part has; 0: it isn't looked at
			}{
				{strings.Repeat("x", 161), long.gsm},
				{strings.Repeat("x", max(1, long.gsm-1)) + "[" + strings.Repeat("y", 20), 0}, // The escape would be cut from its character.
				{strings.Repeat("ж", 71), long.units},
				{strings.Repeat("ж", max(0, long.units-1)) + "🎉" + strings.Repeat("ж", 9), max(0, long.units-1)}, // A pair of surrogates.
				{strings.Repeat("🎉", 300), long.units / 2},
				{strings.Repeat("{}", 100), 0},
				{strings.Repeat("é", 170), 0},
			} {
				var parts engine.Parts
				if err := e.Encode(&parts, exampleText(test.body)); err != nil {
					t.Fatal(err)
				}
				whole, each := joined(t, p, &parts)
				if whole != test.body {
					t.Errorf("%s, %s: %.20q came back as %.40q", long.name, alphabet, test.body, whole)
				}
				if got := utf8.RuneCountInString(each[0]); long.name != "payload" && test.room > 0 && got != test.room {
					t.Errorf("%s, %s: %.20q: %d characters in the first part, want %d", long.name, alphabet, test.body, got, test.room)
				}
				if long.name == "payload" && len(each) != 1 {
					t.Errorf("%d submits", len(each))
				}
			}
		}
	}
}

func FuzzLongText(f *testing.F) {
	f.Add(strings.Repeat("x€", 100), byte(0), byte(0))
	f.Add(strings.Repeat("🎉", 100), byte(1), byte(2))
	f.Add(strings.Repeat("é", 170), byte(2), byte(3))
	f.Add(strings.Repeat("1234567", 30), byte(2), byte(1))
	f.Fuzz(func(t *testing.T, body string, long, alphabet byte) {
		if !utf8.ValidString(body) || strings.ContainsAny(body, "\r\uFEFF\uFFFD") || strings.HasSuffix(body, "@") {
			return
		}
		p := profileOf(t, func(s *Settings) {
			s.LongText, s.TrustGSM7 = longTexts[int(long)%len(longTexts)].name, true
			s.DefaultAlphabet = []string{"gsm7", "gsm7_packed", "latin1", "ascii"}[alphabet%4]
		})
		var parts engine.Parts
		if err := NewEncoder(p).Encode(&parts, exampleText(body)); err != nil {
			return
		}
		for _, pdu := range cutParts(&parts) {
			if _, _, err := smpp.Decode(pdu); err != nil {
				t.Fatal(err)
			}
		}
		if whole, _ := joined(t, p, &parts); whole != body {
			t.Errorf("%q came back as %q", body, whole)
		}
	})
}

func TestTheProfileSaysWhatStandsBesideTheText(t *testing.T) {
	two, none, flash, wide := 2, 0, 0x10, 0x18
	p := profileOf(t, func(s *Settings) {
		s.ServiceType, s.Priority, s.RegisteredDelivery, s.DataCoding, s.DataCodingUCS2 = "CMT", 3, &two, &flash, &wide
		s.MaxValidity, s.KeyTLV = time.Hour, 0
	})
	submit := func(e *Encoder, body string, validity time.Duration) (s smpp.SubmitSM) {
		t.Helper()
		var parts engine.Parts
		in := exampleText(body)
		in.Validity = validity
		if err := e.Encode(&parts, in); err != nil {
			t.Fatal(err)
		}
		if _, err := smpp.DecodeInto(parts.Buf, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	e := NewEncoder(p)
	want := smpp.SubmitSM{
		ServiceType: "CMT", Source: smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: "13125550199"},
		PriorityFlag: 3, ValidityPeriod: "000000010000000R", RegisteredDelivery: 2, DataCoding: 0x10, ShortMessage: []byte("x"),
	}
	if diff := cmp.Diff(want, submit(e, "x", 4*time.Hour)); diff != "" {
		t.Error(diff)
	}
	want.DataCoding, want.ShortMessage = 0x18, []byte("\x04\x16")
	if diff := cmp.Diff(want, submit(e, "Ж", 4*time.Hour)); diff != "" {
		t.Error(diff)
	}
	e = NewEncoder(profileOf(t, func(s *Settings) { s.Validity, s.RegisteredDelivery = "none", &none }))
	if s := submit(e, "x", time.Hour); s.ValidityPeriod != "" || s.RegisteredDelivery != 0 {
		t.Errorf("%+v", s)
	}
	e = NewEncoder(profileOf(t, func(s *Settings) { s.Validity, s.MaxValidity = "absolute", 2*time.Hour }))
	now := time.Date(2026, 12, 31, 22, 30, 0, 1, time.FixedZone("", -6*3600))
	e.now = func() time.Time { return now }
	if s := submit(e, "x", time.Hour); s.ValidityPeriod != "270101053001000+" { // In UTC, a new year, rounded up.
		t.Errorf("%q", s.ValidityPeriod)
	}
	if s := submit(e, "x", 5*time.Hour); s.ValidityPeriod != "270101063001000+" {
		t.Errorf("%q", s.ValidityPeriod)
	}
	now = now.Add(time.Minute)
	if s := submit(e, "x", 5*time.Hour); s.ValidityPeriod != "270101063101000+" {
		t.Errorf("%q", s.ValidityPeriod)
	}
	if s := submit(e, "x", 0); s.ValidityPeriod != "" {
		t.Errorf("%q", s.ValidityPeriod)
	}
}

func TestParametersOfAllKindsGoAlong(t *testing.T) {
	p := profileOf(t, func(s *Settings) {
		s.TLVs = []TLV{
			{Tag: 0x1401, Name: "campaign_id", Required: true},
			{Tag: 0x1402, Name: "entity", Type: "cstring"},
			{Tag: 0x1403, Type: "uint8", Value: "7"},
			{Tag: 0x1404, Name: "n", Type: "uint16", Value: "0x1234"},
			{Tag: 0x1405, Type: "uint32", Value: "1"},
			{Tag: 0x1406, Type: "hex", Value: "beef"},
		}
	})
	if diff := cmp.Diff([]string{"campaign_id", "entity", "n"}, p.TLVNames()); diff != "" {
		t.Error(diff)
	}
	if _, err := p.WithSenders(map[message.Phone]Sender{17735550100: {}}); err == nil || !strings.Contains(err.Error(), "wants a value for campaign_id") {
		t.Error(err)
	}
	if _, err := p.WithSenders(map[message.Phone]Sender{17735550100: {Values: map[string]string{"campaign_id": "C", "n": "70000"}}}); err == nil || !strings.Contains(err.Error(), "n:") {
		t.Error(err)
	}
	p, err := p.WithSenders(map[message.Phone]Sender{17735550100: {Values: map[string]string{"campaign_id": "C123", "n": "5"}}})
	if err != nil {
		t.Fatal(err)
	}
	var parts engine.Parts
	e := NewEncoder(p)
	if err := e.Encode(&parts, exampleText(strings.Repeat("x", 200))); err != nil {
		t.Fatal(err)
	}
	for i, pdu := range cutParts(&parts) {
		var s smpp.SubmitSM
		if _, err := smpp.DecodeInto(pdu, &s); err != nil {
			t.Fatal(err)
		}
		var got []string
		for tag, value := range s.Options.All() {
			got = append(got, fmt.Sprintf("%#04x %x", uint16(tag), value))
		}
		want := []string{"0x1401 43313233", "0x1403 07", "0x1404 0005", "0x1405 00000001", "0x1406 beef", fmt.Sprintf("0x1400 %x", exampleText("").Key.String())}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("part %d: %s", i+1, diff)
		}
	}
	in := exampleText("x")
	in.Number = 17735550101 // It has no campaign.
	if err := e.Encode(&engine.Parts{}, in); err == nil || !strings.Contains(err.Error(), "campaign_id") {
		t.Error(err)
	}
}

func TestProfilesThatMakeNoSenseAreRefusedByTheirKey(t *testing.T) {
	number := func(n int) *int { return &n }
	for key, change := range map[string]func(*Settings){
		"default_alphabet": func(s *Settings) { s.DefaultAlphabet = "ebcdic" }, "data_coding.default": func(s *Settings) { s.DataCoding = number(256) },
		"data_coding.ucs2": func(s *Settings) { s.DataCodingUCS2 = number(-1) }, "data_coding_overrides.300": func(s *Settings) { s.Inbound = map[string]string{"300": "gsm7"} },
		"data_coding_overrides.1": func(s *Settings) { s.Inbound = map[string]string{"1": "ebcdic"} }, "long_text": func(s *Settings) { s.LongText = "long" },
		"priority": func(s *Settings) { s.Priority = 4 }, "service_type": func(s *Settings) { s.ServiceType = "TOOLONG" }, "validity.form": func(s *Settings) { s.Validity = "forever" },
		"validity.max": func(s *Settings) { s.MaxValidity = 31 * 24 * time.Hour }, "number_format": func(s *Settings) { s.NumberFormat = "roman" },
		"region": func(s *Settings) { s.Region = "XX" }, "country_code": func(s *Settings) { s.Region, s.CountryCode = "GB", "1" }, "trunk_prefix": func(s *Settings) { s.TrunkPrefix = "x" },
		"tlvs[0].tag": func(s *Settings) { s.TLVs = []TLV{{Tag: 0x1400, Name: "x"}} }, "tlvs[1].tag": func(s *Settings) { s.TLVs = []TLV{{Tag: 1, Name: "x"}, {Tag: 1, Name: "y"}} },
		"tlvs[0].name": func(s *Settings) { s.TLVs = []TLV{{Tag: 1}} }, "tlvs[0].type": func(s *Settings) { s.TLVs = []TLV{{Tag: 1, Name: "x", Type: "float"}} },
		"tlvs[0].value": func(s *Settings) { s.TLVs = []TLV{{Tag: 1, Type: "uint8", Value: "256"}} }, "statuses.0x58": func(s *Settings) { s.Statuses = map[string]string{"0x58": "ignore"} },
		"key_tlv": func(s *Settings) { s.KeyTLV = -1 },
	} {
		s := Settings{Name: "acme", Source: Address{1, 1}, Destination: Address{1, 1}, KeyTLV: 0x1400}
		change(&s)
		_, err := NewProfile(s)
		if err == nil || !strings.Contains(err.Error(), key+":") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := NewProfile(Settings{NumberFormat: "national"}); err == nil {
		t.Error("national numbers of no country")
	}
}

func TestVendorParametersOfInboundTextsAreKept(t *testing.T) {
	pdu := textPDU(t, "13125550199", "Hey")
	var d smpp.DeliverSM
	if _, err := smpp.DecodeInto(slices.Clone(pdu), &d); err != nil {
		t.Fatal(err)
	}
	d.Options = d.Options.Append(0x1400, []byte("carrier_id")).Append(0x3FFF, nil).Append(0x1400, []byte("again"))
	pdu = deliver(t, &d)
	want := slices.Clone(pdu)
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.give(pdu)
		time.Sleep(gatherFor)
		synctest.Wait()
		entries := h.log.of(record.TopicInbound)
		if len(entries) != 1 {
			t.Fatalf("%d records", len(entries))
		}
		in, err := record.DecodeInbound(entries[0].Value)
		if err != nil || !bytes.Equal(in.PDU, want) {
			t.Errorf("%x, %v", in.PDU, err)
		}
		h.log.release(nil)
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}
