package carrier

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/text"
)

func profileOf(t testing.TB, change func(*Settings)) *Profile {
	t.Helper()
	s := Settings{Name: "acme", Source: Address{1, 1}, Destination: Address{1, 1}, KeyTLV: 0x1400}
	if change != nil {
		change(&s)
	}
	p, err := NewProfile(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// plainly encodes a text with smpp.Append, from the specification's names.
func plainly(t testing.TB, source smpp.Address, in *engine.Text, parts []text.Part, m *text.Message, period string, key bool) [][]byte {
	t.Helper()
	var all [][]byte
	for _, p := range parts {
		submit := &smpp.SubmitSM{
			Source: source, Destination: smpp.Address{TON: 1, NPI: 1, Addr: in.Phone.Digits()},
			ESMClass: m.ESMClass(), ValidityPeriod: period, RegisteredDelivery: smpp.ReceiptAlways,
			DataCoding: m.DataCoding(), ShortMessage: p.Data,
		}
		if key {
			submit.Options = submit.Options.Append(0x1400, []byte(in.Key.String()))
		}
		pdu, err := smpp.Append(nil, smpp.StatusOK, 0, submit)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pdu)
	}
	return all
}

func cutParts(parts *engine.Parts) (all [][]byte) {
	from := 0
	for _, end := range parts.Ends {
		all = append(all, parts.Buf[from:end:end])
		from = end
	}
	return all
}

func exampleText(body string) *engine.Text {
	return &engine.Text{
		Number: 17735550100, Phone: 13125550199, Key: message.Key{Broadcast: 7, Member: 12345},
		Body: []byte(body), Validity: 4 * time.Hour, Reference: 0xA7,
	}
}

func TestEncodedPartsAreWhatThePlainEncoderWrites(t *testing.T) {
	bodies := []string{
		"", "Hey Ana", "Hey {{x}} [€] @£é", "Привет", "Hey 🎉", strings.Repeat("x", 160), strings.Repeat("x", 161),
		strings.Repeat("€", 80), strings.Repeat("€", 81), strings.Repeat("ж", 70), strings.Repeat("ж", 71),
		strings.Repeat("🎉", 68), strings.Repeat("word ", 100),
	}
	numbers := []struct {
		number message.Phone
		source smpp.Address
	}{
		{17735550100, smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"}},
		{12345, smpp.Address{TON: 3, NPI: 0, Addr: "12345"}},
		{447700900123, smpp.Address{TON: 1, NPI: 1, Addr: "447700900123"}},
	}
	validities := []struct {
		d      time.Duration
		period string
	}{
		{4 * time.Hour, "000000040000000R"},
		{0, ""},
		{time.Minute, "000000000100000R"},
		{1500 * time.Millisecond, "000000000002000R"},
		{3*24*time.Hour + 5*time.Hour + 6*time.Minute + 7*time.Second, "000003050607000R"},
		{900 * time.Hour * 24, "000030000000000R"},
	}
	for _, key := range []bool{true, false} {
		e := NewEncoder(profileOf(t, func(s *Settings) {
			if !key {
				s.KeyTLV = 0
			}
		}))
		for _, body := range bodies {
			for _, n := range numbers {
				for _, v := range validities {
					in := exampleText(body)
					in.Number, in.Validity = n.number, v.d
					parts := &engine.Parts{Buf: []byte("before"), Ends: []int{6}}
					if err := e.Encode(parts, in); err != nil {
						t.Fatal(err)
					}
					m := text.Split(body, in.Reference)
					want := append([][]byte{[]byte("before")}, plainly(t, n.source, in, m.Parts, &m, v.period, key)...)
					if diff := cmp.Diff(want, cutParts(parts)); diff != "" {
						t.Errorf("%q from %d for %v:\n%s", body, n.number, v.d, diff)
					}
				}
			}
		}
	}
}

func TestTextsThatCannotBeEncodedLeaveNothingBehind(t *testing.T) {
	e := NewEncoder(profileOf(t, nil))
	for _, test := range []struct {
		body string
		want error
	}{
		{"Hey \xff", ErrNotUTF8},
		{strings.Repeat("x", 255*153+1), text.ErrTooLong},
		{strings.Repeat("ж", 255*67+1), text.ErrTooLong},
	} {
		parts := &engine.Parts{Buf: []byte("before"), Ends: []int{6}}
		if err := e.Encode(parts, exampleText(test.body)); !errors.Is(err, test.want) {
			t.Errorf("%.20q: %v, want %v", test.body, err, test.want)
		}
		if string(parts.Buf) != "before" || len(parts.Ends) != 1 {
			t.Errorf("%.20q left %q", test.body, parts.Buf)
		}
	}
}

func TestDefaultAlphabetOfTheProfileIsWritten(t *testing.T) {
	for _, test := range []struct {
		alphabet, body string
		dataCoding     byte
		octets         string
		parts          int
	}{
		{"gsm7", "é@", 0, "\x05\x00", 1},
		{"latin1", "é@", 0, "\xe9@", 1},
		{"ascii", "e@", 0, "e@", 1},
		{"ascii", "é@", 8, "\x00\xe9\x00@", 1},
		{"latin1", "€", 8, "\x20\xac", 1},
		{"latin1", "[", 0, "[", 1},
		{"latin1", "Δx", 8, "\x03\x94\x00x", 1},
		{"ascii", strings.Repeat("é", 71), 8, "", 2},
		{"latin1", strings.Repeat("[", 81), 0, "", 2}, // 162 septets over the air
	} {
		e := NewEncoder(profileOf(t, func(s *Settings) { s.DefaultAlphabet = test.alphabet }))
		var parts engine.Parts
		if err := e.Encode(&parts, exampleText(test.body)); err != nil {
			t.Fatal(err)
		}
		var whole []byte
		all := cutParts(&parts)
		for i, pdu := range all {
			var submit smpp.SubmitSM
			if _, err := smpp.DecodeInto(pdu, &submit); err != nil {
				t.Fatal(err)
			}
			octets := submit.ShortMessage
			if len(all) > 1 {
				if want := []byte{5, 0, 3, 0xA7, byte(len(all)), byte(i + 1)}; submit.ESMClass != smpp.ESMUDHI || !bytes.HasPrefix(octets, want) {
					t.Errorf("%s %.10q part %d: esm_class %#x, header %x", test.alphabet, test.body, i+1, submit.ESMClass, octets[:6])
				}
				octets = octets[6:]
			}
			if submit.DataCoding != test.dataCoding {
				t.Errorf("%s %.10q: data_coding %d, want %d", test.alphabet, test.body, submit.DataCoding, test.dataCoding)
			}
			whole = append(whole, octets...)
		}
		if len(all) != test.parts || test.octets != "" && string(whole) != test.octets {
			t.Errorf("%s %.10q: %d parts, octets %x", test.alphabet, test.body, len(all), whole)
		}
		want := map[string]byte{"gsm7": 0, "latin1": 3, "ascii": 1}[test.alphabet]
		if test.dataCoding == 8 {
			want = 8
		}
		if got := text.Decode(want, whole); got != test.body {
			t.Errorf("%s: %.10q is read as %.10q", test.alphabet, test.body, got)
		}
	}
}

func TestNationalAddressesAreWrittenWithoutTheCountryCode(t *testing.T) {
	p := profileOf(t, func(s *Settings) {
		s.Source, s.Destination, s.CountryCode = Address{2, 1}, Address{2, 8}, "1"
		s.ShortCode = &Address{6, 0}
	})
	e := NewEncoder(p)
	for _, test := range []struct {
		number message.Phone
		want   smpp.Address
	}{
		{17735550100, smpp.Address{TON: 2, NPI: 1, Addr: "7735550100"}},
		{54321, smpp.Address{TON: 6, NPI: 0, Addr: "54321"}},
	} {
		var parts engine.Parts
		in := exampleText("Hey")
		in.Number = test.number
		if err := e.Encode(&parts, in); err != nil {
			t.Fatal(err)
		}
		var submit smpp.SubmitSM
		if _, err := smpp.DecodeInto(parts.Buf, &submit); err != nil {
			t.Fatal(err)
		}
		if submit.Source != test.want || submit.Destination != (smpp.Address{TON: 2, NPI: 8, Addr: "3125550199"}) {
			t.Errorf("from %v to %v", submit.Source, submit.Destination)
		}
	}
}

func TestEncodingABroadcastDoesNotAllocate(t *testing.T) {
	e := NewEncoder(profileOf(t, nil))
	in, parts := exampleText(strings.Repeat("Hey Ana ", 12)+"bye!"), &engine.Parts{}
	encode := func() {
		parts.Buf, parts.Ends = parts.Buf[:0], parts.Ends[:0]
		if err := e.Encode(parts, in); err != nil {
			t.Fatal(err)
		}
	}
	encode()
	if n := testing.AllocsPerRun(100, encode); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzEncode holds the template against the plain encoder.
func FuzzEncode(f *testing.F) {
	f.Add("Hey Ana", uint64(17735550100), uint64(13125550199), uint32(7), uint32(12345), int64(time.Hour), byte(1))
	f.Add("Hey 🎉", uint64(12345), uint64(447700900123), uint32(1), uint32(1), int64(0), byte(0))
	f.Add(strings.Repeat("€", 81), uint64(1), uint64(999999999999999), uint32(1<<31), uint32(1<<31), int64(-1), byte(255))
	e := NewEncoder(profileOf(f, nil))
	f.Fuzz(func(t *testing.T, body string, number, phone uint64, broadcast, member uint32, validity int64, ref byte) {
		in := &engine.Text{
			Number: message.Phone(number), Phone: message.Phone(phone), Body: []byte(body), Validity: time.Duration(validity), Reference: ref,
			Key: message.Key{Broadcast: message.BroadcastID(broadcast), Member: message.MemberID(member)},
		}
		var parts engine.Parts
		err := e.Encode(&parts, in)
		m := text.Split(body, ref)
		if _, valid := text.Encode(body); len(m.Parts) == 0 || !valid {
			if err == nil {
				t.Fatalf("%q was encoded", body)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		source := smpp.Address{TON: 1, NPI: 1, Addr: in.Number.Digits()}
		if number < 1_000_000 {
			source.TON, source.NPI = 3, 0
		}
		want := plainly(t, source, in, m.Parts, &m, string(appendPeriod(nil, in.Validity)), true)
		if diff := cmp.Diff(want, cutParts(&parts)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, test := range []struct{ name, body string }{
		{"gsm7_100", strings.Repeat("Hey Ana ", 12) + "bye!"},
		{"gsm7_300", strings.Repeat("Hey Ana ", 37) + "bye!"},
		{"ucs2_60", strings.Repeat("Привет", 10)},
	} {
		b.Run(test.name, func(b *testing.B) {
			e, in, parts := NewEncoder(profileOf(b, nil)), exampleText(test.body), &engine.Parts{}
			b.ReportAllocs()
			for b.Loop() {
				parts.Buf, parts.Ends = parts.Buf[:0], parts.Ends[:0]
				if err := e.Encode(parts, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
