package smpp

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// samples holds one PDU of every kind with every field in use.
func samples() []PDU {
	source, destination := Address{TONNational, NPIISDN, "7735550100"}, Address{TONInternational, NPIISDN, "13125550199"}
	options := Options(nil).Append(TagUserMessageReference, []byte{0x12, 0x34}).Append(0x1400, []byte("b7.42")).Append(0x1400, nil)
	submit := SubmitSM{
		ServiceType: "CMT", Source: source, Destination: destination, ESMClass: ESMUDHI, ProtocolID: 1, PriorityFlag: 2,
		ScheduleDeliveryTime: "261231235959000+", ValidityPeriod: "000000040000000R", RegisteredDelivery: ReceiptAlways,
		ReplaceIfPresent: 1, DataCoding: 8, SMDefaultMsgID: 3, ShortMessage: []byte("\x05\x00\x03\x07\x02\x01\x00H"), Options: options,
	}
	deliver := DeliverSM(submit)
	all := []PDU{
		&submit, &SubmitSMResp{MessageID: "1a2B-3", Options: options},
		&deliver, &DeliverSMResp{MessageID: ""},
		&DataSM{ServiceType: "CMT", Source: source, Destination: destination, ESMClass: 4, RegisteredDelivery: 1, DataCoding: 3, Options: options},
		&DataSMResp{MessageID: "x", Options: options},
		&QuerySM{MessageID: "1a2b", Source: source, Options: options},
		&SubmitMulti{
			ServiceType: "CMT", Source: source, Destinations: []Destination{{Address: destination}, {List: "friends"}, {Address: source}}, ESMClass: 3,
			ProtocolID: 1, PriorityFlag: 2, ScheduleDeliveryTime: "261231235959000+", ValidityPeriod: "000000040000000R", RegisteredDelivery: ReceiptAlways,
			ReplaceIfPresent: 1, DataCoding: 8, SMDefaultMsgID: 3, ShortMessage: []byte("Hey"), Options: options,
		},
		&SubmitMultiResp{MessageID: "1a2b", Unsuccess: []Unsuccess{{destination, StatusInvDstAddr}, {Address{}, StatusSysErr}}, Options: options},
		&CancelSM{ServiceType: "CMT", MessageID: "1a2b", Source: source, Destination: destination, Options: options}, &CancelSMResp{Options: options},
		&ReplaceSM{
			MessageID: "1a2b", Source: source, ScheduleDeliveryTime: "261231235959000+", ValidityPeriod: "000000040000000R", RegisteredDelivery: 1,
			SMDefaultMsgID: 3, ShortMessage: []byte("Hey"), Options: options,
		},
		&ReplaceSMResp{Options: options},
		&Outbind{SystemID: "smsc", Password: "secret08", Options: options},
		&AlertNotification{Source: destination, ESME: source, Options: Options(nil).Append(TagMsAvailabilityStatus, []byte{0})},
		&BroadcastSM{
			ServiceType: "CBS", Source: source, MessageID: "b1", PriorityFlag: 1, ScheduleDeliveryTime: "261231235959000+",
			ValidityPeriod: "000000040000000R", ReplaceIfPresent: 1, DataCoding: 8, SMDefaultMsgID: 3, Options: options,
		},
		&BroadcastSMResp{MessageID: "b1", Options: options},
		&QueryBroadcastSM{MessageID: "b1", Source: source, Options: options}, &QueryBroadcastSMResp{MessageID: "b1", Options: options},
		&CancelBroadcastSM{ServiceType: "CBS", MessageID: "b1", Source: source, Options: options}, &CancelBroadcastSMResp{Options: options},
		&QuerySMResp{MessageID: "1a2b", FinalDate: "261231235959000+", MessageState: StateDelivered, ErrorCode: 7, Options: options},
		&ParamRetrieve{Name: "DL friends"}, &ParamRetrieveResp{Value: "yes"},
		&QueryLastMsgs{Source: source, Number: 3}, &QueryLastMsgsResp{MessageIDs: []string{"1a2b", "1a2c"}},
		&QueryMsgDetails{MessageID: "1a2b", Source: source, TextLength: 160},
		&QueryMsgDetailsResp{
			ServiceType: "CMT", Source: source, Destinations: []Destination{{Address: destination}, {List: "friends"}}, ProtocolID: 1, PriorityFlag: 2,
			ScheduleDeliveryTime: "261231235959000+", ValidityPeriod: "000000040000000R", RegisteredDelivery: 1, DataCoding: 8, ShortMessage: []byte("Hey"),
			MessageID: "1a2b", FinalDate: "261231235959000+", MessageState: StateDelivered, ErrorCode: 7,
		},
		&EnquireLink{Options: options}, &EnquireLinkResp{Options: options}, &Unbind{Options: options}, &UnbindResp{Options: options}, &GenericNack{Options: options},
	}
	for _, kind := range []CommandID{BindReceiverID, BindTransmitterID, BindTransceiverID} {
		all = append(all,
			&Bind{Kind: kind, SystemID: "fanline", Password: "secret08", SystemType: "VMA", InterfaceVersion: Version34, AddrTON: 1, AddrNPI: 1, AddressRange: "^1773", Options: options},
			&BindResp{Kind: kind.Response(), SystemID: "smsc", Options: Options(nil).Append(TagScInterfaceVersion, []byte{Version34})})
	}
	return all
}

func TestEveryPDUReturnsAsItWasWritten(t *testing.T) {
	seen := map[CommandID]bool{}
	for _, p := range samples() {
		seen[p.CommandID()] = true
		b, err := Append([]byte("before"), StatusOK, 0x7FFFFFFF, p)
		if err != nil {
			t.Errorf("%s: %v", p.CommandID(), err)
			continue
		}
		b = bytes.TrimPrefix(b, []byte("before"))
		h, got, err := Decode(b)
		if err != nil {
			t.Errorf("%s: %v", p.CommandID(), err)
			continue
		}
		if want := (Header{uint32(len(b)), p.CommandID(), StatusOK, 0x7FFFFFFF}); h != want {
			t.Errorf("header %+v, want %+v", h, want)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("%s: %s", p.CommandID(), diff)
		}
	}
	for _, id := range commands {
		if !seen[id] {
			t.Errorf("%s has no sample", id)
		}
	}
}

func TestEveryCommandHasItsPDUAndItsName(t *testing.T) {
	for _, id := range commands {
		p := newPDU(id)
		if p == nil {
			t.Errorf("%s cannot be decoded", id)
			continue
		}
		b, err := Append(nil, StatusOK, 1, p)
		switch p := p.(type) {
		case *Bind:
			p.Kind = id
			b, err = Append(nil, StatusOK, 1, p)
		case *BindResp:
			p.Kind = id
			b, err = Append(nil, StatusOK, 1, p)
		case *SubmitMulti:
			p.Destinations = make([]Destination, 1)
			b, err = Append(nil, StatusOK, 1, p)
		}
		if h, _ := ReadHeader(b); err != nil || h.ID != id {
			t.Errorf("%s is written as %s, %v", id, h.ID, err)
		}
		if strings.HasPrefix(id.String(), "0x") {
			t.Errorf("%#x has no name", uint32(id))
		}
	}
	if p := newPDU(0x80000102); p != nil {
		t.Errorf("a response to alert_notification is decoded as %T", p)
	}
	for id, want := range map[CommandID]string{0x80000000: "generic_nack", 0x102: "alert_notification", 0x80000008: "cancel_sm_resp", 0xABC: "0x00000abc"} {
		if got := id.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestWhatTheSpecificationForbidsIsNotWritten(t *testing.T) {
	for _, tc := range []struct {
		field string
		pdu   PDU
	}{
		{"service_type", &SubmitSM{ServiceType: "123456"}},
		{"source_addr", &SubmitSM{Source: Address{Addr: strings.Repeat("1", 21)}}},
		{"destination_addr", &SubmitSM{Destination: Address{Addr: "1\x002"}}},
		{"validity_period", &SubmitSM{ValidityPeriod: strings.Repeat("0", 17)}},
		{"short_message", &SubmitSM{ShortMessage: make([]byte, 255)}},
		{"short_message", &DeliverSM{ShortMessage: make([]byte, 300)}},
		{"optional parameters", &SubmitSM{Options: Options{0x14, 0, 0, 9, 1}}},
		{"optional parameters", &SubmitSM{Options: Options(nil).Append(TagMessagePayload, make([]byte, 1<<16))}},
		{"destination_addr", &DataSM{Destination: Address{Addr: strings.Repeat("1", 65)}}},
		{"message_id", &SubmitSMResp{MessageID: strings.Repeat("a", 65)}},
		{"message_id", &QuerySM{MessageID: strings.Repeat("a", 65)}},
		{"password", &Bind{Kind: BindReceiverID, Password: "123456789"}},
		{"command_id", &Bind{}},
		{"command_id", &Bind{Kind: BindReceiverRespID}},
		{"command_id", &BindResp{Kind: BindReceiverID}},
		{"command_id", &BindResp{Kind: SubmitSMRespID}},
		{"command_id", nil},
		{"command_length", &SubmitSM{Options: Options(nil).Append(1, make([]byte, 0xFFFF)).Append(2, make([]byte, 2000))}},
	} {
		before := []byte("before")
		got, err := Append(before, StatusOK, 1, tc.pdu)
		var fe *FieldError
		if !errors.As(err, &fe) || fe.Field != tc.field || string(got) != "before" {
			t.Errorf("%s: got %q, %v", tc.field, got, err)
		}
	}
}

func TestAFailedResponseHasNoBody(t *testing.T) {
	for _, tc := range []struct {
		pdu    PDU
		status Status
		octets int
	}{
		{&SubmitSMResp{}, StatusThrottled, HeaderLen},
		{&SubmitSMResp{}, StatusOK, HeaderLen + 1},
		{&SubmitSMResp{MessageID: "a"}, StatusThrottled, HeaderLen + 2},
		{&SubmitSMResp{Options: Options(nil).Append(TagCongestionState, []byte{99})}, StatusThrottled, HeaderLen + 1 + 5},
		{&DataSMResp{}, StatusSysErr, HeaderLen + 1}, // 3.4 §4.7.2 says nothing of leaving it out.
		{&SubmitMultiResp{}, StatusSysErr, HeaderLen + 2},
		{&BindResp{Kind: BindTransceiverRespID}, StatusInvPassword, HeaderLen},
		{&DeliverSMResp{}, StatusTemporaryError, HeaderLen + 1}, // 3.4 §4.6.2: always there.
	} {
		b, err := Append(nil, tc.status, 1, tc.pdu)
		if err != nil || len(b) != tc.octets {
			t.Errorf("%s %s: %d octets, %v", tc.pdu.CommandID(), tc.status, len(b), err)
		}
	}
}

func TestAHeaderThatCannotBeRightIsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing":   {},
		"15 octets": make([]byte, 15),
		"length 15": {0, 0, 0, 15, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1},
		"too long":  {0, 1, 4, 1, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1},
		"HTTP":      []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		_, err := ReadHeader(b)
		var pe *ProtocolError
		if !errors.As(err, &pe) || pe.Status != StatusInvCmdLen || pe.Field != "command_length" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if h, err := ReadHeader([]byte{0, 1, 4, 0, 0x80, 0, 0, 4, 0, 0, 0, 0x58, 0xFF, 0xFF, 0xFF, 0xFF}); err != nil || h.Length != MaxPDU ||
		h.ID != SubmitSMRespID || h.Status != StatusThrottled || h.Sequence != 0xFFFFFFFF {
		t.Errorf("%+v, %v", h, err)
	}
}

// Some implementations believe no PDU above 4,096 or 7,424 octets; a payload
// may have 65,535.
func TestAPayloadOf64KiBIsWrittenAndRead(t *testing.T) {
	text := bytes.Repeat([]byte("a"), 0xFFFF)
	b, err := Append(nil, StatusOK, 1, &DataSM{Options: Options(nil).Append(TagMessagePayload, text)})
	if err != nil || len(b) > MaxPDU {
		t.Fatalf("%d octets, %v", len(b), err)
	}
	_, p, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := p.(*DataSM).Options.Get(TagMessagePayload); !ok || !bytes.Equal(v, text) {
		t.Errorf("%d octets came back, %v", len(v), ok)
	}
}

func TestAPDUIsOnlyReadIntoItsOwnType(t *testing.T) {
	b, err := Append(nil, StatusOK, 5, &SubmitSMResp{MessageID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []PDU{&DeliverSM{}, &DeliverSMResp{}, nil} {
		var pe *ProtocolError
		if h, err := DecodeInto(b, p); !errors.As(err, &pe) || pe.Status != StatusInvCmdID || h.Sequence != 5 {
			t.Errorf("%T: %+v, %v", p, h, err)
		}
	}
	if _, err := DecodeInto(b[:len(b)-1], &SubmitSMResp{}); err == nil {
		t.Error("a PDU without its last octet is read")
	}
}

func TestDecodeKeepsNothingOfItsInput(t *testing.T) {
	for _, p := range samples() {
		b, err := Append(nil, StatusOK, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		_, got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] = 0xEE
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("%s changed with the buffer: %s", p.CommandID(), diff)
		}
	}
}

func TestAPDUThatIsReadIntoLeavesNothingOfTheOneBefore(t *testing.T) {
	for _, p := range samples() {
		full, err := Append(nil, StatusOK, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		reused := newPDU(p.CommandID())
		if _, err := DecodeInto(full, reused); err != nil {
			t.Fatal(err)
		}
		bare := newPDU(p.CommandID())
		switch bare := bare.(type) {
		case *Bind:
			bare.Kind = p.CommandID()
		case *BindResp:
			bare.Kind = p.CommandID()
		case *SubmitMulti:
			bare.Destinations = make([]Destination, 1)
		}
		empty, err := Append(nil, StatusSysErr, 1, bare)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeInto(empty, reused); err != nil {
			t.Fatal(err)
		}
		again, err := Append(nil, StatusSysErr, 1, reused)
		if err != nil || !bytes.Equal(again, empty) {
			t.Errorf("%s keeps % x, %v", p.CommandID(), again, err)
		}
	}
}

func TestPutSequenceChangesNothingElse(t *testing.T) {
	a, _ := Append(nil, StatusOK, 1, samples()[0])
	b, _ := Append(nil, StatusOK, 0xFEDCBA98, samples()[0])
	PutSequence(a, 0xFEDCBA98)
	if !bytes.Equal(a, b) {
		t.Error(cmp.Diff(b, a))
	}
	PutSequence(a[:15], 1) // Too short: nothing happens.
	if !bytes.Equal(a, b) {
		t.Error("a short PDU was changed")
	}
}

func TestTheHotPathsDoNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1024)
	for _, p := range samples() {
		b, err := Append(nil, StatusOK, 1, p)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { dst, _ = Append(dst[:0], StatusOK, 1, p) }); n != 0 {
			t.Errorf("Append of %s: %v allocations", p.CommandID(), n)
		}
		into := newPDU(p.CommandID())
		if n := testing.AllocsPerRun(100, func() { _, _ = DecodeInto(b, into) }); n != 0 {
			t.Errorf("DecodeInto of %s: %v allocations", p.CommandID(), n)
		}
	}
	// A PDU that is made for the occasion stays on the stack.
	if n := testing.AllocsPerRun(100, func() { dst, _ = Append(dst[:0], StatusOK, 1, &SubmitSMResp{MessageID: "a"}) }); n != 0 {
		t.Errorf("Append of a new submit_sm_resp: %v allocations", n)
	}
	b, _ := Append(nil, StatusOK, 1, &SubmitSMResp{MessageID: "a"})
	if n := testing.AllocsPerRun(100, func() {
		var resp SubmitSMResp
		_, _ = DecodeInto(b, &resp)
	}); n != 0 {
		t.Errorf("DecodeInto of a new submit_sm_resp: %v allocations", n)
	}
}
