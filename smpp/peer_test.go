package smpp

import (
	"bytes"
	"strings"
	"testing"

	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"
	"github.com/google/go-cmp/cmp"
)

// theirFields are the fields of go-smpp for those of ours, in the one case that
// has most of them.
func theirFields() map[pdufield.Name]any {
	return map[pdufield.Name]any{
		pdufield.ServiceType: "CMT", pdufield.SourceAddrTON: uint8(2), pdufield.SourceAddrNPI: uint8(1), pdufield.SourceAddr: "7735550100",
		pdufield.DestAddrTON: uint8(1), pdufield.DestAddrNPI: uint8(1), pdufield.DestinationAddr: "13125550199", pdufield.ESMClass: uint8(4),
		pdufield.ProtocolID: uint8(1), pdufield.PriorityFlag: uint8(2), pdufield.ScheduleDeliveryTime: "261231235959000+",
		pdufield.ValidityPeriod: "000000040000000R", pdufield.RegisteredDelivery: uint8(1), pdufield.ReplaceIfPresentFlag: uint8(1),
		pdufield.DataCoding: uint8(3), pdufield.SMDefaultMsgID: uint8(7), pdufield.ShortMessage: []byte("Hey Ana"),
	}
}

func ourSubmit() *SubmitSM {
	return &SubmitSM{
		ServiceType: "CMT", Source: Address{2, 1, "7735550100"}, Destination: Address{1, 1, "13125550199"}, ESMClass: 4, ProtocolID: 1, PriorityFlag: 2,
		ScheduleDeliveryTime: "261231235959000+", ValidityPeriod: "000000040000000R", RegisteredDelivery: 1, ReplaceIfPresent: 1, DataCoding: 3,
		SMDefaultMsgID: 7, ShortMessage: []byte("Hey Ana"), Options: Options(nil).Append(TagReceiptedMessageID, []byte("1a2b\x00")),
	}
}

// One TLV only: go-smpp keeps them in a map and writes them in any order. Not
// deliver_sm: go-smpp puts an octet before its text that sm_length doesn't count.
func TestAnIndependentCodecWritesTheSameOctets(t *testing.T) {
	peer := pdu.NewSubmitSM(pdutlv.Fields{pdutlv.TagReceiptedMessageID: pdutlv.CString("1a2b")})
	for name, v := range theirFields() {
		if err := peer.Fields().Set(name, v); err != nil {
			t.Fatal(err)
		}
	}
	var theirs bytes.Buffer
	if err := peer.SerializeTo(&theirs); err != nil {
		t.Fatal(err)
	}
	ours, err := Append(nil, StatusOK, peer.Header().Seq, ourSubmit())
	if err != nil || !bytes.Equal(ours, theirs.Bytes()) {
		t.Errorf("%v\nours   %x\ntheirs %x", err, ours, theirs.Bytes())
	}
	_, got, err := Decode(theirs.Bytes())
	if err != nil || !cmp.Equal(got, PDU(ourSubmit())) {
		t.Errorf("%v %s", err, cmp.Diff(PDU(ourSubmit()), got))
	}
}

func TestAnIndependentCodecReadsWhatWeWrite(t *testing.T) {
	deliver := DeliverSM(*ourSubmit())
	for _, tc := range []struct {
		ours PDU
		want map[pdufield.Name]string
	}{
		{&Bind{Kind: BindTransceiverID, SystemID: "fanline", Password: "secret", SystemType: "VMA", InterfaceVersion: Version34, AddressRange: "^1"}, map[pdufield.Name]string{
			pdufield.SystemID: "fanline", pdufield.Password: "secret", pdufield.SystemType: "VMA", pdufield.AddressRange: "^1",
		}},
		{&BindResp{Kind: BindTransceiverRespID, SystemID: "smsc"}, map[pdufield.Name]string{pdufield.SystemID: "smsc"}},
		{&SubmitSMResp{MessageID: "1a2b"}, map[pdufield.Name]string{pdufield.MessageID: "1a2b"}},
		{&deliver, map[pdufield.Name]string{
			pdufield.SourceAddr: "7735550100", pdufield.DestinationAddr: "13125550199", pdufield.ValidityPeriod: "000000040000000R", pdufield.ShortMessage: "Hey Ana",
		}},
		{&DeliverSMResp{}, map[pdufield.Name]string{pdufield.MessageID: ""}},
		{&QuerySM{MessageID: "1a2b", Source: Address{1, 1, "7735550100"}}, map[pdufield.Name]string{pdufield.MessageID: "1a2b", pdufield.SourceAddr: "7735550100"}},
		{&EnquireLink{}, nil},
		{&EnquireLinkResp{}, nil},
		{&Unbind{}, nil},
		{&UnbindResp{}, nil},
		{&GenericNack{}, nil},
	} {
		b, err := Append(nil, StatusOK, 77, tc.ours)
		if err != nil {
			t.Fatal(err)
		}
		got, err := pdu.Decode(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", tc.ours.CommandID(), err)
			continue
		}
		if h := got.Header(); uint32(h.ID) != uint32(tc.ours.CommandID()) || h.Seq != 77 {
			t.Errorf("%s: header %+v", tc.ours.CommandID(), h)
		}
		for name, want := range tc.want {
			if text := strings.TrimRight(got.Fields()[name].String(), "\x00"); text != want {
				t.Errorf("%s: %s is %q, want %q", tc.ours.CommandID(), name, text, want)
			}
		}
	}
}
