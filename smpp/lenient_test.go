package smpp

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wire makes a PDU of a header with the right length and a body in hexadecimal
// with blanks.
func wire(t testing.TB, id CommandID, status Status, body string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(body, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	out := binary.BigEndian.AppendUint32(nil, uint32(HeaderLen+len(b)))
	out = binary.BigEndian.AppendUint32(out, uint32(id))
	out = binary.BigEndian.AppendUint32(out, uint32(status))
	out = binary.BigEndian.AppendUint32(out, 1)
	return append(out, b...)
}

// deliverHead is a deliver_sm up to and without sm_length.
const deliverHead = "00 01 01 3100 01 01 3200 00 00 00 00 00 00 00 00 00"

// A sin is a PDU that the specification does not know, and what is made of it.
type sin struct {
	name, body string
	id         CommandID
	status     Status
	want       PDU
	warning    string // what the trace says of it; empty where nothing is wrong
}

func sins() []sin {
	deliver := func(text string, options Options) *DeliverSM {
		return &DeliverSM{Source: Address{1, 1, "1"}, Destination: Address{1, 1, "2"}, ShortMessage: []byte(text), Options: options}
	}
	state := Options(nil).Append(TagMessageState, []byte{2})
	info := Options(nil).Append(TagAdditionalStatusInfoText, []byte("ab\x00"))
	return []sin{
		// Bodies of responses (SMPP 3.4 §4.4.2).
		{"a failed submit_sm_resp without a body", "", SubmitSMRespID, StatusThrottled, &SubmitSMResp{}, ""},
		{"a good submit_sm_resp without a body", "", SubmitSMRespID, StatusOK, &SubmitSMResp{}, "ends before message_id"},
		{"a failed submit_sm_resp with a body", "6100", SubmitSMRespID, StatusSysErr, &SubmitSMResp{MessageID: "a"}, ""},
		{"a good submit_sm_resp with an empty id", "00", SubmitSMRespID, StatusOK, &SubmitSMResp{}, "message_id is empty"},
		{"a bind_resp without a body", "", BindTransceiverRespID, StatusInvPassword, &BindResp{Kind: BindTransceiverRespID}, ""},
		{"a good bind_resp without a body", "", BindTransceiverRespID, StatusOK, &BindResp{Kind: BindTransceiverRespID}, "ends before system_id"},
		{
			"a failed bind_resp with a body", "736d736300 0210 0001 34", BindReceiverRespID, StatusBindFailed,
			&BindResp{Kind: BindReceiverRespID, SystemID: "smsc", Options: Options(nil).Append(TagScInterfaceVersion, []byte{0x34})}, "",
		},
		{"a deliver_sm_resp without a body", "", DeliverSMRespID, StatusOK, &DeliverSMResp{}, "ends before message_id"},
		{"a failed data_sm_resp without a body", "", DataSMRespID, StatusSysErr, &DataSMResp{}, ""},
		{"a failed query_sm_resp without a body", "", QuerySMRespID, StatusQueryFailed, &QuerySMResp{}, ""},
		{"a query_sm_resp without its end", "6100 00", QuerySMRespID, StatusOK, &QuerySMResp{MessageID: "a"}, "ends before message_state"},
		{"a submit_multi_resp without its count", "6100", SubmitMultiRespID, StatusOK, &SubmitMultiResp{MessageID: "a"}, "ends before no_unsuccess"},
		{
			"a submit_multi_resp that counts one too many", "6100 02 01 01 3100 0000000B", SubmitMultiRespID, StatusOK,
			&SubmitMultiResp{MessageID: "a", Unsuccess: []Unsuccess{{Address{1, 1, "1"}, StatusInvDstAddr}}}, "ends before the last 1 of unsuccess_sme",
		},
		{"TLVs without the message_id before them", "001D 0003 616200", SubmitSMRespID, StatusSysErr, &SubmitSMResp{Options: info}, "message_id is missing"},
		{"an empty message_id before TLVs", "00 001D 0003 616200", SubmitSMRespID, StatusSysErr, &SubmitSMResp{Options: info}, ""},
		{
			"vendor TLVs without the message_id", "1400 0002 6162 0427 0001 02", SubmitSMRespID, StatusSysErr,
			&SubmitSMResp{Options: Options(nil).Append(0x1400, []byte("ab")).Append(TagMessageState, []byte{2})}, "message_id is missing",
		},
		{
			"congestion_state in an enquire_link_resp", "0428 0001 5F", EnquireLinkRespID, 0,
			&EnquireLinkResp{Options: Options(nil).Append(TagCongestionState, []byte{95})}, "",
		},
		{"an enquire_link with a body", "00", EnquireLinkID, 0, &EnquireLink{}, "surplus NUL"},
		{"an unbind with a body", "6279650A", UnbindID, 0, &Unbind{}, "says 25866"},

		// Strings.
		{"a message_id without NUL", "616263", SubmitSMRespID, StatusOK, &SubmitSMResp{MessageID: "abc"}, "message_id has no NUL"},
		{"a message_id of 80 octets", strings.Repeat("61", 80) + "00", SubmitSMRespID, StatusOK, &SubmitSMResp{MessageID: strings.Repeat("a", 80)}, "longer than 64"},
		{
			"a bind whose last NUL is missing", "6100 6200 00 34 00 00 5E", BindTransmitterID, 0,
			&Bind{Kind: BindTransmitterID, SystemID: "a", Password: "b", InterfaceVersion: 0x34, AddressRange: "^"}, "address_range has no NUL",
		},
		{
			"a password of nine characters", "6100 313233343536373839 00 00 34 00 00 00", BindTransmitterID, 0,
			&Bind{Kind: BindTransmitterID, SystemID: "a", Password: "123456789", InterfaceVersion: 0x34}, "password is longer than 8",
		},
		{
			"a system_id of twenty characters", strings.Repeat("61", 20) + "00 6200 00 34 00 00 00", BindReceiverID, 0,
			&Bind{Kind: BindReceiverID, SystemID: strings.Repeat("a", 20), Password: "b", InterfaceVersion: 0x34}, "system_id is longer than 15",
		},
		{
			"a validity_period without NUL", "6100 01 01 3100 00 " + "30303030303030343030303030303052" + " 01 00 02 6869", ReplaceSMID, 0,
			&ReplaceSM{MessageID: "a", Source: Address{1, 1, "1"}, ValidityPeriod: "000000040000000R", RegisteredDelivery: 1, ShortMessage: []byte("hi")},
			"validity_period has no NUL",
		},
		{
			"a time of ten digits", "6100 32363031313531323031 00 02 00", QuerySMRespID, 0,
			&QuerySMResp{MessageID: "a", FinalDate: "2601151201", MessageState: 2}, "neither empty nor 16",
		},
		{
			"validity_period set in a deliver_sm", "00 01 01 3100 01 01 3200 00 00 00 00 3030303030303034303030303030305200 00 00 00 00 02 6869", DeliverSMID, 0,
			func() PDU { p := deliver("hi", nil); p.ValidityPeriod = "000000040000000R"; return p }(), "validity_period is set in a deliver_sm",
		},
		{"octets behind a bind", "6100 6200 00 34 00 00 00 FF", BindTransmitterID, 0, &Bind{Kind: BindTransmitterID, SystemID: "a", Password: "b", InterfaceVersion: 0x34}, "no TLV"},

		// short_message and what follows it.
		{"a NUL after short_message", deliverHead + "02 6869 00", DeliverSMID, 0, deliver("hi", nil), "surplus NUL"},
		{"a NUL between short_message and TLVs", deliverHead + "02 6869 00 0427 0001 02", DeliverSMID, 0, deliver("hi", state), "surplus NUL"},
		{"an sm_length that counts a NUL which isn't there", deliverHead + "03 6869", DeliverSMID, 0, deliver("hi", nil), "sm_length is one more"},
		{"the same before TLVs", deliverHead + "03 6869 0427 0001 02", DeliverSMID, 0, deliver("hi", state), "sm_length is one more"},
		{"an sm_length that is one too short", deliverHead + "01 6869", DeliverSMID, 0, deliver("hi", nil), "sm_length is one less"},
		{"the same before TLVs, one too short", deliverHead + "01 6869 0427 0001 02", DeliverSMID, 0, deliver("hi", state), "sm_length is one less"},
		{"a text of 255 octets from a 3.4 peer", deliverHead + "FF" + strings.Repeat("61", 255), DeliverSMID, 0, deliver(strings.Repeat("a", 255), nil), "255 octets"},

		// TLVs.
		{"a TLV that is longer than the PDU", deliverHead + "02 6869 0427 0001 02 001E 0041 6162", DeliverSMID, 0, deliver("hi", state), "receipted_message_id has 2 octets and says 65"},
		{"half a TLV header", deliverHead + "02 6869 0427 0001 02 001E", DeliverSMID, 0, deliver("hi", state), "no TLV"},
		{"octets that are no TLV", deliverHead + "02 6869 FFFFFF", DeliverSMID, 0, deliver("hi", nil), "no TLV"},
		{"a TLV that comes twice", deliverHead + "02 6869 0427 0001 02 0427 0001 05", DeliverSMID, 0, deliver("hi", state.Append(TagMessageState, []byte{5})), "message_state comes again"},
		{
			"an integer TLV that is too long", deliverHead + "02 6869 0427 0004 00000002", DeliverSMID, 0,
			deliver("hi", Options(nil).Append(TagMessageState, []byte{0, 0, 0, 2})), "message_state has 4 octets, not 1",
		},
		{
			"an integer TLV that is too short", deliverHead + "02 6869 020B 0001 50", DeliverSMID, 0,
			deliver("hi", Options(nil).Append(TagDestinationPort, []byte{0x50})), "destination_port has 1 octets, not 2",
		},
		{
			"network_error_code as digits", deliverHead + "02 6869 0423 0003 303334", DeliverSMID, 0,
			deliver("hi", Options(nil).Append(TagNetworkErrorCode, []byte("034"))), "network_error_code is digits",
		},
	}
}

func TestTheSinsOfCarriersAreForgiven(t *testing.T) {
	for _, tc := range sins() {
		t.Run(tc.name, func(t *testing.T) {
			pdu := wire(t, tc.id, tc.status, tc.body)
			_, got, err := Decode(pdu)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			object, _ := Trace(pdu)
			_, warnings, warned := strings.Cut(string(object), `"warnings":`)
			if warned != (tc.warning != "") || !strings.Contains(warnings, tc.warning) {
				t.Errorf("the trace says %s, want %q", object, tc.warning)
			}
		})
	}
}

func TestASequenceNumberOf32BitsOrZeroIsTaken(t *testing.T) {
	for _, seq := range []uint32{0, MaxSequence + 1, 0xFFFFFFFF} {
		pdu := wire(t, SubmitSMRespID, 0, "6100")
		PutSequence(pdu, seq)
		if h, _, err := Decode(pdu); err != nil || h.Sequence != seq {
			t.Errorf("%d: %+v, %v", seq, h, err)
		}
		if object, err := Trace(pdu); err != nil || !strings.Contains(string(object), "sequence_number is outside") {
			t.Errorf("%s, %v", object, err)
		}
	}
}

func TestWhatCannotBeReadSaysWhereAndHowToAnswer(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		id         CommandID
		offset     int
		field      string
		status     Status
	}{
		{"an unknown command", "", 0xABC, 4, "command_id", StatusInvCmdID},
		{"a response that nobody sends", "00", 0x80000102, 4, "command_id", StatusInvCmdID},
		{"a deliver_sm without a body", "", DeliverSMID, 16, "service_type", StatusInvCmdLen},
		{"a deliver_sm that ends in an address", "00 01 01 3132", DeliverSMID, 21, "dest_addr_ton", StatusInvCmdLen},
		{"a deliver_sm without sm_length", deliverHead, DeliverSMID, 34, "sm_length", StatusInvCmdLen},
		{"an sm_length far beyond the end", deliverHead + "F0 6869", DeliverSMID, 34, "sm_length", StatusInvMsgLen},
		{"a bind without a password", "6100", BindReceiverID, 18, "password", StatusInvCmdLen},
		{"a query_sm without its source", "6100", QuerySMID, 18, "source_addr_ton", StatusInvCmdLen},
		{"a submit_multi with more destinations than octets", "00 01 01 3100 20 01 01 01 3200", SubmitMultiID, 21, "number_of_dests", StatusInvNumDests},
		{"a submit_multi that ends in a destination", "00 01 01 3100 02 01 01 01 3200", SubmitMultiID, 27, "dest_flag", StatusInvCmdLen},
		{"a destination that is neither address nor list", "00 01 01 3100 01 03 01 01 3200", SubmitMultiID, 22, "dest_flag", StatusInvDestFlag},
	} {
		_, _, err := Decode(wire(t, tc.id, 0, tc.body))
		var pe *ProtocolError
		if !errors.As(err, &pe) {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if pe.Command != tc.id || pe.Offset != tc.offset || pe.Field != tc.field || pe.Status != tc.status || pe.Reason == "" {
			t.Errorf("%s: %+v", tc.name, pe)
		}
	}
}
