package smpp

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStructuredTLVsReturnAsTheyWereWritten(t *testing.T) {
	o := Options(nil).
		Append(TagSourceSubaddress, Subaddress{0xA0, []byte("123")}.Octets()).
		Append(TagCallbackNum, CallbackNum{1, Address{1, 1, "7735550100"}}.Octets()).
		Append(TagCallbackNum, CallbackNum{0, Address{2, 8, "5550101"}}.Octets()).
		Append(TagCallbackNumAtag, CallbackTag{8, []byte{0, 'x'}}.Octets()).
		Append(TagNetworkErrorCode, []byte{3, 1, 2}).
		Append(TagMsValidity, MSValidity{4, 2, 0x0102}.Octets()).
		Append(TagItsSessionInfo, TeleserviceSession{7, 100, true}.Octets()).
		Append(TagBroadcastAreaIdentifier, BroadcastArea{AreaName, []byte("Chicago")}.Octets()).
		Append(TagBroadcastAreaIdentifier, BroadcastArea{AreaPolygon, []byte{1, 2}}.Octets()).
		Append(TagBroadcastContentType, BroadcastContent{1, 0x0123}.Octets()).
		Append(TagBroadcastFrequencyInterval, BroadcastInterval{IntervalMinutes, 300}.Octets()).
		Append(TagBillingIdentification, Billing{2, []byte("b7")}.Octets()).
		AppendUint(TagCongestionState, 95).AppendUint(TagSarMsgRefNum, 0x1234).AppendUint(TagSarTotalSegments, 3).AppendUint(TagSarSegmentSeqnum, 2)
	type all struct {
		Subaddress Subaddress
		Callbacks  []CallbackNum
		Tags       []CallbackTag
		Network    byte
		Code       uint16
		Validity   MSValidity
		Session    TeleserviceSession
		Areas      []BroadcastArea
		Content    BroadcastContent
		Interval   BroadcastInterval
		Billing    Billing
		Congestion Congestion
		Segment    Segment
	}
	var got all
	var ok [9]bool
	got.Subaddress, ok[0] = o.Subaddress(TagSourceSubaddress)
	got.Callbacks, got.Tags, got.Areas = o.CallbackNums(), o.CallbackTags(), o.BroadcastAreas()
	got.Network, got.Code, ok[1] = o.NetworkError()
	got.Validity, ok[2] = o.MSValidity()
	got.Session, ok[3] = o.TeleserviceSession()
	got.Content, ok[4] = o.BroadcastContent()
	got.Interval, ok[5] = o.BroadcastInterval()
	got.Billing, ok[6] = o.Billing()
	got.Congestion, ok[7] = o.Congestion()
	got.Segment, ok[8] = o.Segment()
	want := all{
		Subaddress{0xA0, []byte("123")},
		[]CallbackNum{{1, Address{1, 1, "7735550100"}}, {0, Address{2, 8, "5550101"}}},
		[]CallbackTag{{8, []byte{0, 'x'}}},
		3, 0x102,
		MSValidity{4, 2, 0x0102},
		TeleserviceSession{7, 100, true},
		[]BroadcastArea{{AreaName, []byte("Chicago")}, {AreaPolygon, []byte{1, 2}}},
		BroadcastContent{1, 0x0123},
		BroadcastInterval{IntervalMinutes, 300},
		Billing{2, []byte("b7")},
		95,
		Segment{0x1234, 3, 2},
	}
	if diff := cmp.Diff(want, got); diff != "" || ok != [9]bool{true, true, true, true, true, true, true, true, true} {
		t.Error(ok, diff)
	}
	if v, ok := Options(nil).Append(TagMsValidity, MSValidity{Behaviour: 3, Number: 9}.Octets()).MSValidity(); !ok || v != (MSValidity{Behaviour: 3}) {
		t.Errorf("%+v, %v", v, ok)
	}
}

// A TLV that isn't whole, or not there, is nobody's value.
func TestAnInvalidTLVIsDroppedAndNeverThePDU(t *testing.T) {
	for _, info := range Tags() {
		for _, n := range []int{0, 1, 2, 5, 30, 300} {
			o := Options(nil).Append(info.Tag, make([]byte, n)).AppendUint(TagUserMessageReference, 7)
			pdu, err := Encoding{Loose: true}.Append(nil, StatusOK, 1, &DeliverSM{ShortMessage: []byte("hi"), Options: o})
			if err != nil {
				t.Fatal(err)
			}
			_, got, err := Decode(pdu)
			if err != nil {
				t.Fatalf("%s of %d octets: %v", info.Name, n, err)
			}
			d := got.(*DeliverSM)
			if ref, ok := d.Options.Uint(TagUserMessageReference); string(d.ShortMessage) != "hi" || info.Tag != TagUserMessageReference && (!ok || ref != 7) {
				t.Errorf("%s of %d octets takes others with it: %+v", info.Name, n, d)
			}
			object, err := Trace(pdu)
			if warned := strings.Contains(string(object), info.Name+" has "+strconv.Itoa(n)+" octets"); err != nil || warned == info.Tag.fits(n) {
				t.Errorf("%s of %d octets: %s, %v", info.Name, n, object, err)
			}
			for _, ok := range []bool{
				second(d.Options.Subaddress(info.Tag)), second(d.Options.MSValidity()), second(d.Options.TeleserviceSession()), second(d.Options.Billing()),
				second(d.Options.BroadcastContent()), second(d.Options.BroadcastInterval()), second(d.Options.Segment()),
			} {
				if n == 0 && ok {
					t.Errorf("%s of no octets has a value", info.Name)
				}
			}
			d.Options.CallbackNums()
			d.Options.CallbackTags()
			d.Options.BroadcastAreas()
		}
	}
}

func second[T any](_ T, ok bool) bool { return ok }

// The value of a trace alone, without its hexadecimal, gives the TLV again.
func TestTheValueOfATLVIsEnoughToWriteIt(t *testing.T) {
	for _, c := range jsonLines[peerCase](t, "testdata/peers/cases.jsonl") {
		for _, tlv := range c.TLVs {
			pdu, err := Encoding{Version: Version50, Loose: true}.Append(nil, StatusOK, 1, &DataSM{Options: Options(nil).Append(Tag(tlv.Tag), unhex(t, tlv.Value))})
			if err != nil {
				t.Fatal(err)
			}
			object, err := Trace(pdu)
			if err != nil {
				t.Fatal(err)
			}
			var trace map[string]any
			if err := json.Unmarshal(object, &trace); err != nil {
				t.Fatal(err)
			}
			option := trace["tlvs"].([]any)[0].(map[string]any)
			if option["value"] == nil {
				continue // Octets that are neither a number nor a text.
			}
			delete(option, "value_hex")
			again, err := json.Marshal(trace)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := Untrace(again); err != nil || !bytes.Equal(back, pdu) {
				t.Errorf("%s: %s\n%x\n%x, %v", Tag(tlv.Tag), again, pdu, back, err)
			}
		}
	}
}

func TestNumbersHaveTheirWords(t *testing.T) {
	for _, tc := range []struct {
		field string
		value uint32
		want  string
	}{
		{"esm_class", 0x00, ""},
		{"esm_class", 0x04, "delivery receipt"},
		{"esm_class", 0x43, "store and forward, UDHI"},
		{"esm_class", 0xA0, "intermediate notification, reply path"},
		{"esm_class", 0x18, "conversation abort"},
		{"esm_class", 0x0C, "reserved type"},
		{"registered_delivery", 0x11, "receipt, intermediate notification"},
		{"registered_delivery", 0x0E, "receipt on failure, delivery acknowledgement, manual acknowledgement"},
		{"source_addr_npi", 18, "WAP"},
		{"source_addr_npi", 2, ""},
		{"dest_addr_ton", 5, "alphanumeric"},
		{"message_state", 0, "SCHEDULED"},
		{"message_state", 9, "SKIPPED"},
		{"message_state", 10, ""},
		{"data_coding", 8, "UCS-2"},
		{"data_coding", 0xF4, "GSM message class, binary"},
		{"interface_version", 0x33, "3.3 or earlier"},
		{"sc_interface_version", 0x50, "5.0"},
		{"ussd_service_op", 18, "USSR confirm"},
		{"ms_msg_wait_facilities", 0x81, "fax indication on"},
		{"broadcast_error_status", 0x109, "ESME_RINVBCASTAREAFMT"},
		{"nothing", 1, ""},
	} {
		if got := enumName(tc.field, tc.value); got != tc.want {
			t.Errorf("%s %#x: %q, want %q", tc.field, tc.value, got, tc.want)
		}
	}
	for n, want := range map[Congestion]string{
		0: "idle", 1: "low load", 29: "low load", 30: "medium load", 49: "medium load", 50: "high load", 79: "high load",
		80: "optimum load", 89: "optimum load", 90: "nearing congestion", 99: "nearing congestion", 100: "congested", 101: "reserved",
	} {
		if got := n.String(); got != want {
			t.Errorf("congestion %d: %s, want %s", n, got, want)
		}
	}
}

func TestAnObjectOfPartsThatIsNoneSaysWhy(t *testing.T) {
	for value, want := range map[string]string{
		`{"network_type":3,"error_code":65536}`:      "16 bits",
		`{"network_type":"x"}`:                       "network_type",
		`{"network_type":3,"error_code":1,"more":1}`: "more",
	} {
		object := `{"command":"deliver_sm","tlvs":[{"name":"network_error_code","value":` + value + `}]}`
		if b, err := Untrace([]byte(object)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: % x, %v", value, b, err)
		}
	}
}
