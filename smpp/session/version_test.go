package session

import (
	"math/rand/v2"
	"strings"
	"testing"

	"fanline/smpp"
)

// TestWhatNeeds34IsFoundWithoutDecoding holds needs34 to what the codec has written.
func TestWhatNeeds34IsFoundWithoutDecoding(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	text := func(most int) string { return strings.Repeat("7", r.IntN(most+1)) }
	for range 2000 {
		p := &smpp.SubmitSM{
			ServiceType: text(5), Source: smpp.Address{TON: byte(r.IntN(7)), Addr: text(20)}, Destination: smpp.Address{NPI: byte(r.IntN(9)), Addr: text(20)},
			ESMClass: byte(r.IntN(256)), RegisteredDelivery: byte(r.IntN(2)), DataCoding: byte(r.IntN(256)), ShortMessage: []byte(text(254)),
		}
		with := r.IntN(2) == 0
		if with {
			p.Options = p.Options.Append(smpp.Tag(0x1400), []byte(text(40)))
		}
		pdu, err := smpp.Append(nil, smpp.StatusOK, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		if needs34(pdu) != with {
			t.Fatalf("%x: needs34 is %v, TLVs are there: %v", pdu, !with, with)
		}
	}
	pdu, err := smpp.Append(nil, smpp.StatusOK, 1, &smpp.DataSM{})
	if err != nil {
		t.Fatal(err)
	}
	if !needs34(pdu) {
		t.Error("data_sm came with 3.4")
	}
	for n := smpp.HeaderLen; n < smpp.HeaderLen+17; n++ { // Not from the codec: never sent to a 3.3 peer, and no panic.
		if !needs34(appendHeader(nil, smpp.SubmitSMID, 0, 1)) || !needs34(append(appendHeader(nil, smpp.SubmitSMID, 0, 1), make([]byte, n-smpp.HeaderLen)...)) {
			t.Errorf("%d octets", n)
		}
	}
}

func TestCongestionIsReadFromResponsesWithoutFields(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       int8
	}{
		{"no body", "", -1},
		{"congestion_state", "\x04\x28\x00\x01\x5a", 90},
		{"behind another TLV", "\x14\x00\x00\x02ab\x04\x28\x00\x01\x64", 100},
		{"of two octets", "\x04\x28\x00\x02\x00\x01", -1},
		{"cut off", "\x04\x28\x00\x01", -1},
		{"above the scale", "\x04\x28\x00\x01\xff", 127},
	} {
		if got := congestionOf(append(appendHeader(nil, smpp.EnquireLinkRespID, 0, 1), c.body...)); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
