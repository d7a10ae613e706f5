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

func TestTheSinsOfCarriersAreForgiven(t *testing.T) {
	deliver := func(text string, options Options) *DeliverSM {
		return &DeliverSM{Source: Address{1, 1, "1"}, Destination: Address{1, 1, "2"}, ShortMessage: []byte(text), Options: options}
	}
	state := Options(nil).Append(TagMessageState, []byte{2})
	for _, tc := range []struct {
		name, body string
		id         CommandID
		status     Status
		want       PDU
	}{
		{"a failed submit_sm_resp without a body", "", SubmitSMRespID, StatusThrottled, &SubmitSMResp{}},
		{"a good submit_sm_resp without a body", "", SubmitSMRespID, StatusOK, &SubmitSMResp{}},
		{"a failed submit_sm_resp with a body", "6100", SubmitSMRespID, StatusSysErr, &SubmitSMResp{MessageID: "a"}},
		{"a bind_resp without a body", "", BindTransceiverRespID, StatusInvPassword, &BindResp{Kind: BindTransceiverRespID}},
		{
			"a failed bind_resp with a body", "736d736300 0210 0001 34", BindReceiverRespID, StatusBindFailed,
			&BindResp{Kind: BindReceiverRespID, SystemID: "smsc", Options: Options(nil).Append(TagScInterfaceVersion, []byte{0x34})},
		},
		{"a deliver_sm_resp without a body", "", DeliverSMRespID, StatusOK, &DeliverSMResp{}},
		{"a data_sm_resp without a body", "", DataSMRespID, StatusSysErr, &DataSMResp{}},
		{"a query_sm_resp without a body", "", QuerySMRespID, StatusQueryFailed, &QuerySMResp{}},
		{"a query_sm_resp without its end", "6100 00", QuerySMRespID, StatusOK, &QuerySMResp{MessageID: "a"}},
		{"a message_id without NUL", "616263", SubmitSMRespID, StatusOK, &SubmitSMResp{MessageID: "abc"}},
		{"a message_id of 80 octets", strings.Repeat("61", 80) + "00", SubmitSMRespID, StatusOK, &SubmitSMResp{MessageID: strings.Repeat("a", 80)}},
		{
			"TLVs without the message_id before them", "001D 0003 616200", SubmitSMRespID, StatusSysErr,
			&SubmitSMResp{Options: Options(nil).Append(TagAdditionalStatusInfoText, []byte("ab\x00"))},
		},
		{
			"an empty message_id before TLVs", "00 001D 0003 616200", SubmitSMRespID, StatusSysErr,
			&SubmitSMResp{Options: Options(nil).Append(TagAdditionalStatusInfoText, []byte("ab\x00"))},
		},
		{
			"vendor TLVs without the message_id", "1400 0002 6162 0427 0001 02", SubmitSMRespID, StatusSysErr,
			&SubmitSMResp{Options: Options(nil).Append(0x1400, []byte("ab")).Append(TagMessageState, []byte{2})},
		},
		{"a NUL after short_message", deliverHead + "02 6869 00", DeliverSMID, 0, deliver("hi", nil)},
		{"a NUL between short_message and TLVs", deliverHead + "02 6869 00 0427 0001 02", DeliverSMID, 0, deliver("hi", state)},
		{"an sm_length that counts a NUL which isn't there", deliverHead + "03 6869", DeliverSMID, 0, deliver("hi", nil)},
		{"a TLV that is longer than the PDU", deliverHead + "02 6869 0427 0001 02 001E 0041 6162", DeliverSMID, 0, deliver("hi", state)},
		{"half a TLV header", deliverHead + "02 6869 0427 0001 02 001E", DeliverSMID, 0, deliver("hi", state)},
		{"octets that are no TLV", deliverHead + "02 6869 FFFFFF", DeliverSMID, 0, deliver("hi", nil)},
		{"a TLV that comes twice", deliverHead + "00 0427 0001 02 0427 0001 05", DeliverSMID, 0, func() PDU {
			p := deliver("", state.Append(TagMessageState, []byte{5}))
			p.ShortMessage = []byte{}
			return p
		}()},
		{"an enquire_link with a body", "00", EnquireLinkID, 0, &EnquireLink{}},
		{"octets behind a bind", "6100 6200 00 34 00 00 00 FF", BindTransmitterID, 0, &Bind{Kind: BindTransmitterID, SystemID: "a", Password: "b", InterfaceVersion: 0x34}},
		{"a bind whose last NUL is missing", "6100 6200 00 34 00 00 5E", BindTransmitterID, 0, &Bind{Kind: BindTransmitterID, SystemID: "a", Password: "b", InterfaceVersion: 0x34, AddressRange: "^"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, got, err := Decode(wire(t, tc.id, tc.status, tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
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
