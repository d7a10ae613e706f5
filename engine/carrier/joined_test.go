package carrier

import (
	"strings"
	"testing"

	"fanline/smpp"
	"fanline/smpp/text"
)

// TestPartsAreReadTogether: a character that lies across the border of two parts is whole again.
func TestPartsAreReadTogether(t *testing.T) {
	udh := func(ref, parts, part byte) string { return string([]byte{5, 0, 3, ref, parts, part}) }
	emoji := string(text.AppendUCS2(nil, "Hi 🎉!"))
	euro, _ := text.AppendGSM7(nil, "5 € each")
	packed := func(body string) string {
		septets, _ := text.AppendGSM7(nil, body)
		return string(pack(nil, septets, 6))
	}
	plain := profileOf(t, nil)
	packing := profileOf(t, func(s *Settings) { s.Inbound = map[string]string{"0": "gsm7_packed"} })
	for _, c := range []struct {
		name    string
		profile *Profile
		codings []byte
		octets  []string
		want    string
	}{
		{"one whole text", plain, []byte{8}, []string{emoji}, "Hi 🎉!"},
		{"a surrogate pair in two parts", plain, []byte{8, 8}, []string{emoji[:8], emoji[8:]}, "Hi 🎉!"},
		{"an escape and its character in two parts", plain, []byte{0, 0}, []string{string(euro[:3]), string(euro[3:])}, "5 € each"},
		{"parts of different alphabets", plain, []byte{0, 8, 0}, []string{"So ", emoji, " bye"}, "So Hi 🎉! bye"},
		{"packed septets, which end with each part", packing, []byte{0, 0}, []string{packed("Hello, "), packed("you!")}, "Hello, you!"},
	} {
		var pdus [][]byte
		for i, octets := range c.octets {
			pdus = append(pdus, deliver(t, &smpp.DeliverSM{
				ESMClass: smpp.ESMUDHI, DataCoding: c.codings[i], ShortMessage: []byte(udh(9, byte(len(c.octets)), byte(i+1)) + octets),
			}))
		}
		if got, err := c.profile.JoinedText(pdus...); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
	}
	if _, err := plain.JoinedText([]byte(strings.Repeat("x", 20))); err == nil {
		t.Error("what is no PDU was read")
	}
}

// TestPartsAreNamedInEveryWay: 8-bit and 16-bit references in the user data header, and SAR parameters, in deliver_sm and data_sm.
func TestPartsAreNamedInEveryWay(t *testing.T) {
	sar := smpp.Options{}.Append(smpp.TagSarMsgRefNum, []byte{0x12, 0x34}).Append(smpp.TagSarTotalSegments, []byte{3}).Append(smpp.TagSarSegmentSeqnum, []byte{2})
	payload := sar.Append(smpp.TagMessagePayload, []byte("payload"))
	data, err := smpp.Append(nil, smpp.StatusOK, 1, &smpp.DataSM{Options: payload})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		pdu  []byte
		want Part
		text string
	}{
		{"8 bits", deliver(t, &smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x05\x00\x03\xfe\x03\x02text")}), Part{0xFE, 2, 3}, "text"},
		{"16 bits", deliver(t, &smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x06\x08\x04\x12\x34\x03\x02text")}), Part{0x1234, 2, 3}, "text"},
		{"SAR", deliver(t, &smpp.DeliverSM{ShortMessage: []byte("text"), Options: sar}), Part{0x1234, 2, 3}, "text"},
		{"SAR in data_sm", data, Part{0x1234, 2, 3}, "payload"},
		{"a part beyond their number", deliver(t, &smpp.DeliverSM{ESMClass: smpp.ESMUDHI, ShortMessage: []byte("\x05\x00\x03\xfe\x03\x04text")}), Part{0, 1, 1}, "text"},
	} {
		if got, part, err := profileOf(t, nil).Text(c.pdu); err != nil || part != c.want || got != c.text {
			t.Errorf("%s: %q, %+v, %v", c.name, got, part, err)
		}
	}
}
