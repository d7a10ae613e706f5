package smpp

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// Each case is a PDU, and the versions for which it can be written: 3.3 has no
// TLVs and only hexadecimal ids of eight digits, 5.0 one octet of text and one
// destination more.
func TestVersionsDifferInWhatCanBeWritten(t *testing.T) {
	none := []byte{}
	from33, from34, only50 := []byte{Version33, Version34, Version50}, []byte{Version34, Version50}, []byte{Version50}
	options := Options(nil).AppendText(TagAdditionalStatusInfoText, "x")
	text := func(n int) []byte { return bytes.Repeat([]byte("a"), n) }
	for _, tc := range []struct {
		name     string
		pdu      PDU
		versions []byte
	}{
		{"a text of 254 octets", &SubmitSM{ShortMessage: text(254)}, from33},
		{"a text of 255 octets", &SubmitSM{ShortMessage: text(255)}, only50},
		{"a text of 256 octets", &SubmitSM{ShortMessage: text(256)}, none},
		{"a text of 255 octets to replace another", &ReplaceSM{ShortMessage: text(255)}, only50},
		{"254 destinations", &SubmitMulti{Destinations: make([]Destination, 254)}, from33},
		{"255 destinations", &SubmitMulti{Destinations: make([]Destination, 255)}, only50},
		{"256 destinations", &SubmitMulti{Destinations: make([]Destination, 256)}, none},
		{"no destination", &SubmitMulti{}, none},
		{"255 that failed", &SubmitMultiResp{Unsuccess: make([]Unsuccess, 255)}, from33},
		{"256 that failed", &SubmitMultiResp{Unsuccess: make([]Unsuccess, 256)}, none},
		{"TLVs", &SubmitSMResp{Options: options}, from34},
		{"an id of eight hexadecimal digits", &SubmitSMResp{MessageID: "1a2B3c4D"}, from33},
		{"an id of nine", &SubmitSMResp{MessageID: "1a2B3c4D5"}, from34},
		{"an id that is no number", &QuerySM{MessageID: "x-1"}, from34},
		{"an id of 64 octets", &CancelSM{MessageID: strings.Repeat("a", 64)}, from34},
		{"an id of 65 octets", &ReplaceSM{MessageID: strings.Repeat("a", 65)}, none},
		{"a system_id of 15 octets", &Outbind{SystemID: strings.Repeat("a", 15)}, from33},
		{"a system_id of 16 octets", &Outbind{SystemID: strings.Repeat("a", 16)}, none},
		{"a password of 8 octets", &Bind{Kind: BindReceiverID, Password: strings.Repeat("a", 8)}, from33},
		{"a password of 9 octets", &Bind{Kind: BindReceiverID, Password: strings.Repeat("a", 9)}, none},
		{"an address of 20 octets", &SubmitSM{Destination: Address{Addr: strings.Repeat("1", 20)}}, from33},
		{"an address of 21 octets", &BroadcastSM{Source: Address{Addr: strings.Repeat("1", 21)}}, none},
		{"an address of 64 octets in data_sm", &DataSM{Destination: Address{Addr: strings.Repeat("1", 64)}}, from33},
		{"an address of 64 octets in alert_notification", &AlertNotification{ESME: Address{Addr: strings.Repeat("1", 64)}}, from33},
		{"the name of a list of 20 octets", &SubmitMulti{Destinations: []Destination{{List: strings.Repeat("a", 20)}}}, from33},
		{"the name of a list of 21 octets", &SubmitMulti{Destinations: []Destination{{List: strings.Repeat("a", 21)}}}, none},
		{"a time of 16 octets", &SubmitSM{ValidityPeriod: "000000040000000R"}, from33},
		{"a time of 4 octets", &SubmitSM{ScheduleDeliveryTime: "0400"}, none},
		{"message_payload beside short_message", &SubmitSM{ShortMessage: text(1), Options: Options(nil).Append(TagMessagePayload, text(1))}, none},
		{"sar_ TLVs beside a user data header", &SubmitSM{ESMClass: ESMUDHI, Options: Options(nil).AppendUint(TagSarMsgRefNum, 7)}, none},
		{"sar_ TLVs", &DataSM{Options: Options(nil).AppendUint(TagSarMsgRefNum, 7)}, from34},
		{"a TLV of a length that isn't its", &SubmitSM{Options: Options(nil).Append(TagDestinationPort, text(1))}, none},
		{"a vendor's TLV of any length", &SubmitSM{Options: Options(nil).Append(0x1400, text(3000))}, from34},
		{"a broadcast", &BroadcastSM{Options: Options(nil).Append(TagBroadcastRepNum, []byte{0, 3})}, from34},
	} {
		for _, version := range from33 {
			want := bytes.IndexByte(tc.versions, version) >= 0
			b, err := Encoding{Version: version}.Append(nil, StatusOK, 1, tc.pdu)
			var refused *FieldError
			if want != (err == nil) || err != nil && (!errors.As(err, &refused) || b != nil) {
				t.Errorf("%s in %#x: %v", tc.name, version, err)
			}
		}
	}
}

func TestVersionsDifferInFailedResponses(t *testing.T) {
	for _, tc := range []struct {
		pdu           PDU
		v33, v34, v50 int // octets of the body
	}{
		{&SubmitSMResp{}, 1, 0, 1},
		{&BindResp{Kind: BindReceiverRespID}, 1, 0, 1},
		{&SubmitSMResp{MessageID: "a"}, 2, 2, 2},
		{&DataSMResp{}, 1, 1, 1},
		{&DeliverSMResp{}, 1, 1, 1},
		{&QuerySMResp{}, 4, 4, 4},
		{&SubmitMultiResp{}, 2, 2, 2},
		{&BroadcastSMResp{}, 1, 1, 1},
		{&CancelSMResp{}, 0, 0, 0},
	} {
		for version, want := range map[byte]int{Version33: tc.v33, Version34: tc.v34, 0: tc.v34, Version50: tc.v50} {
			b, err := Encoding{Version: version}.Append(nil, StatusSysErr, 1, tc.pdu)
			if err != nil || len(b)-HeaderLen != want {
				t.Errorf("%s in %#x: % x, %v", tc.pdu.CommandID(), version, b, err)
			}
		}
	}
}

func TestWithoutScInterfaceVersionThePeerSpeaks33(t *testing.T) {
	for _, tc := range []struct {
		options Options
		want    byte
	}{
		{nil, Version33},
		{Options(nil).Append(TagScInterfaceVersion, []byte{0x34}), Version34},
		{Options(nil).Append(TagScInterfaceVersion, []byte{0x50}), Version50},
		{Options(nil).Append(TagScInterfaceVersion, nil), Version33},
	} {
		if got := (&BindResp{Options: tc.options}).Version(); got != tc.want {
			t.Errorf("% x: %#x, want %#x", tc.options, got, tc.want)
		}
	}
}

func TestLooseWritesWhatTheWireCanCarry(t *testing.T) {
	loose := Encoding{Version: Version33, Loose: true}
	for _, p := range []PDU{
		&SubmitSM{ServiceType: "far too long", ValidityPeriod: "4h", ShortMessage: make([]byte, 255), Options: Options(nil).Append(TagDestinationPort, nil)},
		&SubmitSM{ESMClass: ESMUDHI, ShortMessage: []byte("x"), Options: Options(nil).Append(TagMessagePayload, nil).Append(TagSarMsgRefNum, nil)},
		&SubmitMulti{}, &SubmitSMResp{MessageID: strings.Repeat("x", 300)},
	} {
		b, err := loose.Append(nil, StatusOK, 1, p)
		if err != nil {
			t.Errorf("%T: %v", p, err)
			continue
		}
		if _, _, err := Decode(b); err != nil {
			t.Errorf("%T: %v", p, err)
		}
	}
	for _, p := range []PDU{
		&SubmitSM{ServiceType: "a\x00b"}, &SubmitSM{ShortMessage: make([]byte, 256)}, &SubmitSM{Options: Options{1}},
		&SubmitMulti{Destinations: make([]Destination, 256)},
	} {
		if b, err := loose.Append(nil, StatusOK, 1, p); err == nil {
			t.Errorf("%T becomes % x", p, b)
		}
	}
}
