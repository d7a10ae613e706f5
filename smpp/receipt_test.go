package smpp

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReceiptsAreReadInEveryFormThatCarriersSend(t *testing.T) {
	const std = "id:0123456789 sub:001 dlvrd:001 submit date:2601151200 done date:2601151201 stat:DELIVRD err:000 text:Hey Ana"
	full := Receipt{ID: "0123456789", Sub: 1, Dlvrd: 1, SubmitDate: "2601151200", DoneDate: "2601151201", Stat: "DELIVRD", Err: "000", Text: "Hey Ana", State: StateDelivered}
	for _, tc := range []struct {
		name, text string
		want       Receipt
	}{
		{"as the specification has it", std, full},
		{"upper case", "ID:0123456789 SUB:001 DLVRD:001 SUBMIT DATE:2601151200 DONE DATE:2601151201 STAT:DELIVRD ERR:000 TEXT:Hey Ana", full},
		{"Text with a capital", "id:0123456789 sub:001 dlvrd:001 submit date:2601151200 done date:2601151201 stat:DELIVRD err:000 Text:Hey Ana", full},
		{"another order", "stat:DELIVRD err:000 id:0123456789 done date:2601151201 submit date:2601151200 dlvrd:001 sub:001 text:Hey Ana", full},
		{"text before the rest", "text:Hey Ana id:0123456789 sub:001 dlvrd:001 submit date:2601151200 done date:2601151201 stat:DELIVRD err:000", full},
		{"blanks behind the colons", "id: 0123456789 sub: 001 dlvrd: 001 submit date: 2601151200 done date: 2601151201 stat: DELIVRD err: 000 text: Hey Ana", full},
		{"blanks before the colons", "id :0123456789 sub :001 dlvrd :001 submit date :2601151200 done date :2601151201 stat :DELIVRD err :000 text :Hey Ana", full},
		{"commas between", "id:0123456789,sub:001,dlvrd:001,submit date:2601151200,done date:2601151201,stat:DELIVRD,err:000,text:Hey Ana", full},
		{"underscores in the dates", "id:0123456789 sub:001 dlvrd:001 submit_date:2601151200 done_date:2601151201 stat:DELIVRD err:000 text:Hey Ana", full},
		{"a NUL at the end", std + "\x00", full},
		{"lines", "id:0123456789\r\nsub:001\r\ndlvrd:001\r\nsubmit date:2601151200\r\ndone date:2601151201\r\nstat:DELIVRD\r\nerr:000\r\ntext:Hey Ana\r\n", full},
		{
			"no sub, no dlvrd", "id:a1 submit date:2601151200 done date:2601151201 stat:UNDELIV err:21b text:",
			Receipt{ID: "a1", SubmitDate: "2601151200", DoneDate: "2601151201", Stat: "UNDELIV", Err: "21b", State: StateUndeliverable},
		},
		{"an id and a stat, nothing else", "id:a1 stat:EXPIRED", Receipt{ID: "a1", Stat: "EXPIRED", State: StateExpired}},
		{"only an id", "id:a1", Receipt{ID: "a1"}},
		{"four digits of err", "id:1 stat:REJECTD err:0000", Receipt{ID: "1", Stat: "REJECTD", Err: "0000", State: StateRejected}},
		{"empty values", "id:1 sub: dlvrd: submit date: done date: stat:DELIVRD err: text:", Receipt{ID: "1", Stat: "DELIVRD", State: StateDelivered}},
		{"values with blanks", "id:1 stat:NOT SENT err:no route text:a b  c", Receipt{ID: "1", Stat: "NOT SENT", Err: "no route", Text: "a b  c"}},
		{"a word behind the id", "id:1 IP:10.0.0.1 stat:DELIVRD", Receipt{ID: "1", Stat: "DELIVRD", State: StateDelivered}},
		{"a UUID", "id:2f1c0a52-7b1e-4c55-9d1d-0a2b3c4d5e6f sub:001 stat:ACCEPTD", Receipt{ID: "2f1c0a52-7b1e-4c55-9d1d-0a2b3c4d5e6f", Sub: 1, Stat: "ACCEPTD", State: StateAccepted}},
		{"keys within the text", "id:1 stat:DELIVRD text:id:2 stat:FAILED", Receipt{ID: "1", Stat: "DELIVRD", Text: "id:2 stat:FAILED", State: StateDelivered}},
		{"a key that comes twice", "id:1 id:2 stat:DELIVRD", Receipt{ID: "1", Stat: "DELIVRD", State: StateDelivered}},
		{"a longer word that ends like a key", "msgid:9 id:1 substat:x stat:DELIVRD", Receipt{ID: "1", Stat: "DELIVRD", State: StateDelivered}},
		{"numbers that are none", "id:1 sub:xxx dlvrd:99999999999999999999 stat:UNKNOWN", Receipt{ID: "1", Stat: "UNKNOWN", State: StateUnknown}},
		{"12 digits of date", "id:1 done date:260115120130 stat:DELIVRD", Receipt{ID: "1", DoneDate: "260115120130", Stat: "DELIVRD", State: StateDelivered}},
		{"a date with colons", "id:1 done date:2026-01-15 12:01:30 stat:DELIVRD", Receipt{ID: "1", DoneDate: "2026-01-15 12:01:30", Stat: "DELIVRD", State: StateDelivered}},
		{"a stat in small letters", "id:1 stat:delivrd", Receipt{ID: "1", Stat: "delivrd", State: StateDelivered}},
		{"ACKED", "id:1 stat:ACKED", Receipt{ID: "1", Stat: "ACKED", State: StateAccepted}},
		{"BUFFRED", "id:1 stat:BUFFRED", Receipt{ID: "1", Stat: "BUFFRED", State: StateEnroute}},
		{"FAILED", "id:1 stat:FAILED", Receipt{ID: "1", Stat: "FAILED", State: StateUndeliverable}},
		{"NOCRED", "id:1 stat:NOCRED", Receipt{ID: "1", Stat: "NOCRED", State: StateRejected}},
		{"a number for a stat", "id:1 stat:0", Receipt{ID: "1", Stat: "0"}},
		{"the commas of a British carrier", "00,0210021543,0210021500,,447700900123,8000,1a2b", Receipt{ID: "1a2b", Stat: "00", DoneDate: "0210021543", SubmitDate: "0210021500"}},
		{"commas that mean nothing", "yes, no, perhaps, I, don't, know, yet", Receipt{}},
		{"too many commas", "00,0210021543,0210021500,,447700900123,8000,1a2b,more", Receipt{}},
		{"nothing", "", Receipt{}},
		{"a colon", ":", Receipt{}},
		{"an empty receipt", "id:", Receipt{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := ParseReceipt(&DeliverSM{ESMClass: ESMReceipt, ShortMessage: []byte(tc.text)})
			if !ok {
				t.Error("esm_class says that it is a receipt")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			got, ok = ParseReceiptText([]byte(tc.text))
			if want := tc.want.ID != "" && tc.want.Stat != ""; ok != want {
				t.Errorf("by its text alone: %v, want %v", ok, want)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatMakesAReceipt(t *testing.T) {
	text := []byte("id:1 stat:DELIVRD")
	id := Options(nil).Append(TagReceiptedMessageID, []byte("A\x00"))
	udh := append([]byte{5, 0, 3, 7, 1, 1}, text...)
	for _, tc := range []struct {
		name string
		pdu  DeliverSM
		ok   bool
		want Receipt
	}{
		{"esm_class 0x04", DeliverSM{ESMClass: 0x04, ShortMessage: text}, true, Receipt{ID: "1", Stat: "DELIVRD", State: 2}},
		{"esm_class 0x08", DeliverSM{ESMClass: 0x08, ShortMessage: text}, true, Receipt{ID: "1", Stat: "DELIVRD", State: 2}},
		{"esm_class 0x20", DeliverSM{ESMClass: 0x20, ShortMessage: text}, true, Receipt{ID: "1", Stat: "DELIVRD", State: 2, Intermediate: true}},
		{"UDHI without a header", DeliverSM{ESMClass: 0x44, ShortMessage: text}, true, Receipt{ID: "1", Stat: "DELIVRD", State: 2}},
		{"UDHI with a header", DeliverSM{ESMClass: 0x44, ShortMessage: udh}, true, Receipt{ID: "1", Stat: "DELIVRD", State: 2}},
		{"UDHI and nothing", DeliverSM{ESMClass: 0x44}, true, Receipt{}},
		{"a person who types like a receipt", DeliverSM{ShortMessage: text}, false, Receipt{}},
		{"a manual acknowledgement", DeliverSM{ESMClass: 0x10, ShortMessage: text}, false, Receipt{}},
		{"a TLV, no esm_class", DeliverSM{Options: id}, true, Receipt{ID: "A"}},
		{"a TLV with an id and a text with another", DeliverSM{ESMClass: 4, ShortMessage: text, Options: id}, true, Receipt{ID: "A", Stat: "DELIVRD", State: 2}},
		{
			"a TLV with a state and a text with another",
			DeliverSM{ESMClass: 4, ShortMessage: text, Options: Options(nil).Append(TagMessageState, []byte{5})},
			true,
			Receipt{ID: "1", Stat: "DELIVRD", State: 5},
		},
		{"TLVs alone", DeliverSM{ESMClass: 4, Options: id.Append(TagMessageState, []byte{3})}, true, Receipt{ID: "A", Stat: "EXPIRED", State: 3}},
		{"a state of nobody's", DeliverSM{ESMClass: 4, Options: id.Append(TagMessageState, []byte{77})}, true, Receipt{ID: "A", State: 77}},
		{"message_payload", DeliverSM{ESMClass: 4, Options: Options(nil).Append(TagMessagePayload, text)}, true, Receipt{ID: "1", Stat: "DELIVRD", State: 2}},
		{
			"UCS-2",
			DeliverSM{ESMClass: 4, DataCoding: 8, ShortMessage: []byte("\x00i\x00d\x00:\x001\x00 \x00s\x00t\x00a\x00t\x00:\x00D\x00E\x00L\x00I\x00V\x00R\x00D\x04\x51")},
			true,
			Receipt{ID: "1", Stat: "DELIVRD?"},
		},
		{"ASCII that calls itself UCS-2", DeliverSM{ESMClass: 4, DataCoding: 8, ShortMessage: text}, true, Receipt{ID: "1", Stat: "DELIVRD", State: 2}},
		{
			"ASCII digits for network_error_code",
			DeliverSM{ESMClass: 4, ShortMessage: text, Options: Options(nil).Append(TagNetworkErrorCode, []byte("034"))},
			true,
			Receipt{ID: "1", Stat: "DELIVRD", State: 2, Err: "034"},
		},
	} {
		got, ok := ParseReceipt(&tc.pdu)
		if ok != tc.ok || !cmp.Equal(got, tc.want) {
			t.Errorf("%s: %v, %s", tc.name, ok, cmp.Diff(tc.want, got))
		}
		p := tc.pdu
		data := DataSM{ESMClass: p.ESMClass, DataCoding: p.DataCoding, Options: p.Options}
		if len(p.ShortMessage) > 0 {
			data.Options = append(Options(nil), p.Options...).Append(TagMessagePayload, p.ShortMessage)
		}
		if got, ok := ParseDataReceipt(&data); ok != tc.ok || !cmp.Equal(got, tc.want) {
			t.Errorf("%s, as data_sm: %v, %s", tc.name, ok, cmp.Diff(tc.want, got))
		}
	}
}

func TestNetworkErrorsComeInTwoForms(t *testing.T) {
	for _, tc := range []struct {
		value   []byte
		network byte
		code    uint16
		ok      bool
	}{
		{[]byte{3, 1, 2}, 3, 0x102, true}, {[]byte("034"), 0, 34, true}, {[]byte{3, 1}, 0, 0, false}, {nil, 0, 0, false},
	} {
		network, code, ok := Options(nil).Append(TagNetworkErrorCode, tc.value).NetworkError()
		if network != tc.network || code != tc.code || ok != tc.ok {
			t.Errorf("% x: %d, %d, %v", tc.value, network, code, ok)
		}
	}
}

func TestReceiptDatesHaveTenTwelveOrFourteenDigits(t *testing.T) {
	chicago := time.FixedZone("Chicago", -6*3600)
	for in, want := range map[string]string{
		"2601151201":     "2026-01-15T12:01:00-06:00",
		"260115120130":   "2026-01-15T12:01:30-06:00",
		"20260115120130": "2026-01-15T12:01:30-06:00",
		"202601151201":   "2026-01-15T12:01:00-06:00", // There is no month 26: the year has four digits.
		"0000000000":     "",
		"000000000000":   "",
		"":               "",
		"yesterday":      "",
		"26011512xx":     "",
		"2613151201":     "",
	} {
		got, ok := ParseReceiptTime(in, chicago)
		if ok != (want != "") || ok && got.Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %q", in, got, ok, want)
		}
	}
}

func TestReceiptsAreReadWithoutAllocating(t *testing.T) {
	tlvs := Options(nil).Append(TagReceiptedMessageID, []byte("A\x00")).Append(TagMessageState, []byte{2})
	for _, p := range []*DeliverSM{
		{ESMClass: 4, ShortMessage: []byte("id:0123456789 sub:001 dlvrd:001 submit date:2601151200 done date:2601151201 stat:DELIVRD err:000 text:Hey Ana")},
		{ESMClass: 4, Options: tlvs},
		{ESMClass: 4, Options: tlvs.Append(TagMessagePayload, []byte("id:1 stat:BUFFRED"))},
		{ShortMessage: []byte("STOP")},
	} {
		if n := testing.AllocsPerRun(100, func() { ParseReceipt(p) }); n != 0 {
			t.Errorf("%q: %v allocations", p.ShortMessage, n)
		}
	}
}
