package tap

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
)

func encode(t testing.TB, status smpp.Status, seq uint32, p smpp.PDU) []byte {
	t.Helper()
	b, err := smpp.Append(nil, status, seq, p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var (
	ours   = smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"}
	member = smpp.Address{TON: 1, NPI: 1, Addr: "13125550199"}
	other  = smpp.Address{TON: 1, NPI: 1, Addr: "13125550142"}
)

func TestAStreamIsCutIntoPDUsHoweverItWasRead(t *testing.T) {
	var stream []byte
	var want []smpp.CommandID
	for _, p := range []smpp.PDU{&smpp.EnquireLink{}, &smpp.SubmitSM{ShortMessage: []byte("some text")}, &smpp.EnquireLinkResp{}} {
		stream = append(stream, encode(t, 0, 1, p)...)
		want = append(want, p.CommandID())
	}
	for size := 1; size <= len(stream); size++ {
		var s Splitter
		var got []smpp.CommandID
		var back []byte
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			part := bytes.Clone(rest[:n])
			s.Feed(part, func(pdu []byte) {
				h, err := smpp.ReadHeader(pdu)
				if err != nil {
					t.Fatal(err)
				}
				got, back = append(got, h.ID), append(back, pdu...)
			})
			clear(part) // The reader uses its buffer again.
			rest = rest[n:]
		}
		if diff := cmp.Diff(want, got); diff != "" || !bytes.Equal(back, stream) {
			t.Fatalf("cut every %d octets: %s", size, diff)
		}
	}
}

func TestAStreamThatIsNoSMPPIsGivenUp(t *testing.T) {
	var s Splitter
	s.Feed([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), func([]byte) { t.Error("a PDU was found in HTTP") })
	if !s.Lost() {
		t.Error("nobody is told")
	}
	s.Feed(encode(t, 0, 1, &smpp.Unbind{}), func([]byte) { t.Error("it is taken up again at a place that may be wrong") })
}

func TestAConnectionShowsRequestsBeforeTheirAnswers(t *testing.T) {
	near, far := net.Pipe()
	var seen []string
	c := &Conn{Conn: near, Seen: func(_ time.Time, out bool, pdu []byte) {
		seen = append(seen, map[bool]string{true: "> ", false: "< "}[out]+Line(pdu, true))
	}}
	done := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(far, make([]byte, 16))
		if err == nil {
			_, err = far.Write(encode(t, 0, 9, &smpp.EnquireLinkResp{}))
		}
		done <- err
	}()
	if _, err := c.Write(encode(t, 0, 9, &smpp.EnquireLink{})); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"> enquire_link seq=9", "< enquire_link_resp seq=9 ESME_ROK"}, seen); diff != "" {
		t.Error(diff)
	}
}

func TestAPasswordIsBlankedAndNothingElse(t *testing.T) {
	bind := &smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "fanline", Password: "pssst", SystemType: "VMA", InterfaceVersion: 0x34}
	pdu := encode(t, 0, 1, bind)
	kept := bytes.Clone(pdu)
	got := WithoutPassword(pdu)
	bind.Password = "*****"
	if diff := cmp.Diff(encode(t, 0, 1, bind), got); diff != "" || !bytes.Equal(pdu, kept) {
		t.Errorf("%s, the original changed: %v", diff, !bytes.Equal(pdu, kept))
	}
	outbind := append([]byte{0, 0, 0, 28, 0, 0, 0, 0x0B, 0, 0, 0, 0, 0, 0, 0, 1}, "smsc\x00pssst\x00x"...)
	if got := WithoutPassword(outbind); !bytes.HasSuffix(got, []byte("smsc\x00*****\x00x")) {
		t.Errorf("outbind: %q", got)
	}
	unterminated := append([]byte{0, 0, 0, 26, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 1}, "esme\x00pssst"...)
	if got := WithoutPassword(unterminated); bytes.Contains(got, []byte("ps")) {
		t.Errorf("a bind cut off: %q", got)
	}
	submit := encode(t, 0, 2, &smpp.SubmitSM{Source: ours, Destination: member, ShortMessage: []byte("x\x00y\x00")})
	if got := WithoutPassword(submit); !bytes.Equal(got, submit) {
		t.Error("a text is taken for a password")
	}
}

func TestTheNumberIsFollowedThroughRequestsAndTheirAnswers(t *testing.T) {
	multi := []byte{0, 0, 0, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 8}
	multi = append(multi, "\x00\x01\x0117735550100\x00\x02\x02friends\x00\x01\x01\x0113125550199\x00"...)
	multi[3] = byte(len(multi))
	cancel := []byte{0, 0, 0, 0, 0, 0, 0, 0x08, 0, 0, 0, 0, 0, 0, 0, 9}
	cancel = append(cancel, "\x00id\x00\x01\x0117735550100\x00\x01\x0113125550199\x00"...)
	cancel[3] = byte(len(cancel))
	for _, step := range []struct {
		name    string
		session int
		out     bool
		pdu     []byte
		want    bool
	}{
		{"submit to the member", 1, true, encode(t, 0, 5, &smpp.SubmitSM{Source: ours, Destination: member}), true},
		{"submit to another", 1, true, encode(t, 0, 6, &smpp.SubmitSM{Source: ours, Destination: other}), false},
		{"answer to the other", 1, false, encode(t, 0, 6, &smpp.SubmitSMResp{MessageID: "x"}), false},
		{"the same sequence number on another bind", 2, false, encode(t, 0, 5, &smpp.SubmitSMResp{MessageID: "x"}), false},
		{"the same sequence number the other way", 1, true, encode(t, 0, 5, &smpp.DeliverSMResp{}), false},
		{"the answer", 1, false, encode(t, 0, 5, &smpp.SubmitSMResp{MessageID: "x"}), true},
		{"a second answer", 1, false, encode(t, 0, 5, &smpp.SubmitSMResp{MessageID: "x"}), false},
		{"a receipt", 1, false, encode(t, 0, 70, &smpp.DeliverSM{Source: member, Destination: ours, ESMClass: 4}), true},
		{"its answer", 1, true, encode(t, 0, 70, &smpp.DeliverSMResp{}), true},
		{"data_sm", 1, true, encode(t, 0, 7, &smpp.DataSM{Source: ours, Destination: smpp.Address{Addr: "+13125550199"}}), true},
		{"refused by generic_nack", 1, false, encode(t, smpp.StatusInvCmdID, 7, &smpp.GenericNack{}), true},
		{"submit_multi with the member in it", 1, true, multi, true},
		{"cancel_sm", 1, true, cancel, true},
		{"query_sm of our number", 1, true, encode(t, 0, 10, &smpp.QuerySM{MessageID: "x", Source: ours}), false},
		{"enquire_link", 1, true, encode(t, 0, 11, &smpp.EnquireLink{}), false},
		{"with leading zeros", 1, true, encode(t, 0, 12, &smpp.SubmitSM{Destination: smpp.Address{Addr: "0013125550199"}}), true},
		{"no header", 1, true, []byte("x"), false},
	} {
		f := NewFollower[int]("+13125550199", false)
		if step.name != "submit to the member" { // What came before it.
			f.Concerns(1, true, encode(t, 0, 5, &smpp.SubmitSM{Source: ours, Destination: member}))
		}
		switch step.name {
		case "a second answer":
			f.Concerns(1, false, encode(t, 0, 5, &smpp.SubmitSMResp{}))
		case "its answer":
			f.Concerns(1, false, encode(t, 0, 70, &smpp.DeliverSM{Source: member, Destination: ours, ESMClass: 4}))
		case "refused by generic_nack":
			f.Concerns(1, true, encode(t, 0, 7, &smpp.DataSM{Source: ours, Destination: member}))
		}
		if got := f.Concerns(step.session, step.out, step.pdu); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
	}
}

func TestWithLinksTheSessionItselfIsFollowedToo(t *testing.T) {
	f := NewFollower[int]("13125550199", true)
	for _, p := range []smpp.PDU{
		&smpp.Bind{Kind: smpp.BindTransmitterID}, &smpp.BindResp{Kind: smpp.BindTransmitterRespID}, &smpp.EnquireLink{}, &smpp.EnquireLinkResp{},
		&smpp.Unbind{}, &smpp.UnbindResp{}, &smpp.GenericNack{},
	} {
		if !f.Concerns(1, true, encode(t, 0, 1, p)) {
			t.Errorf("%v is passed over", p.CommandID())
		}
	}
	if f.Concerns(1, true, encode(t, 0, 1, &smpp.SubmitSM{Source: ours, Destination: other})) {
		t.Error("somebody else's text is shown")
	}
}

func TestFollowingABroadcastDoesNotAllocate(t *testing.T) {
	f := NewFollower[int]("13125550199", false)
	pdu := encode(t, 0, 5, &smpp.SubmitSM{Source: ours, Destination: other, ShortMessage: []byte("hello")})
	answer := encode(t, 0, 5, &smpp.SubmitSMResp{MessageID: "x"})
	if n := testing.AllocsPerRun(100, func() { f.Concerns(1, true, pdu); f.Concerns(1, false, answer) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTheFollowerForgetsNothingAndKeepsABoundedList(t *testing.T) {
	f := NewFollower[int]("13125550199", false)
	for i := range followedMax + 10 {
		f.Concerns(1, true, encode(t, 0, uint32(i+1), &smpp.SubmitSM{Source: ours, Destination: member}))
	}
	if len(f.asked) != followedMax {
		t.Errorf("%d requests are waited for", len(f.asked))
	}
}

func TestALineTellsThePDUAndKeepsTextsAndPhones(t *testing.T) {
	submit := &smpp.SubmitSM{
		Source: ours, Destination: member, ESMClass: 0x40, RegisteredDelivery: 1, DataCoding: 3, ValidityPeriod: "000000000100000R",
		ShortMessage: append([]byte{5, 0, 3, 7, 2, 1}, "Hey\x1b[2JAna"...), Options: smpp.Options{}.Append(0x1400, []byte("b1.m2")),
	}
	receipt := &smpp.DeliverSM{
		Source: member, Destination: ours, ESMClass: 4, ShortMessage: []byte("id:7 sub:001 dlvrd:001 submit date:2611220800 done date:2611220801 stat:DELIVRD err:000 text:Hey"),
		Options: smpp.Options{}.Append(smpp.TagReceiptedMessageID, []byte("7\x00")).Append(smpp.TagMessageState, []byte{2}),
	}
	for _, test := range []struct {
		name  string
		pdu   []byte
		plain bool
		want  string
	}{
		{"submit", encode(t, 0, 3, submit), false, `submit_sm seq=3 177******00(1/1)→131******99(1/1) esm_class=0x40 validity="000000000100000R" registered_delivery=0x01 data_coding=0x03 udh=050003070201 text of 10 octets 0x1400 of 5 octets`},
		{"submit plain", encode(t, 0, 3, submit), true, `submit_sm seq=3 17735550100(1/1)→13125550199(1/1) esm_class=0x40 validity="000000000100000R" registered_delivery=0x01 data_coding=0x03 udh=050003070201 text="Hey\x1b[2JAna" 0x1400=0x62312e6d32`},
		{"refusal without a body", []byte{0, 0, 0, 16, 0x80, 0, 0, 4, 0, 0, 0, 0x58, 0, 0, 0, 3}, false, `submit_sm_resp seq=3 ESME_RTHROTTLED`},
		{"receipt", encode(t, 0, 4, receipt), false, `deliver_sm seq=4 131******99(1/1)→177******00(1/1) esm_class=0x04 receipt id="7" stat="DELIVRD" err="000" submit_date="2611220800" done_date="2611220801" receipted_message_id="7" message_state=0x02`},
		{"bind", encode(t, 0, 1, &smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "fan", Password: "pssst", InterfaceVersion: 0x34}), true, `bind_transceiver seq=1 system_id="fan" interface_version=0x34`},
		{"payload", encode(t, 0, 5, &smpp.DataSM{Source: ours, Destination: smpp.Address{Addr: "77333"}, Options: smpp.Options{}.Append(smpp.TagMessagePayload, []byte("secret"))}), false, `data_sm seq=5 177******00(1/1)→77333(0/0) message_payload of 6 octets`},
		{"payload plain", encode(t, 0, 5, &smpp.DataSM{Source: ours, Destination: smpp.Address{Addr: "77333"}, DataCoding: 8, Options: smpp.Options{}.Append(smpp.TagMessagePayload, []byte{4, 0x16})}), true, `data_sm seq=5 17735550100(1/1)→77333(0/0) data_coding=0x08 message_payload="Ж"`},
		{"not ours to read", []byte{0, 0, 0, 17, 0, 0, 0x0A, 0xBC, 0, 0, 0, 0, 0, 0, 0, 3, 9}, false, `0x00000abc seq=3 (smpp: 0x00000abc: command_id at octet 4: is not decoded here)`},
		{"rubbish", []byte("x"), false, `no SMPP: smpp: command_length at octet 1: 1 octets are no header`},
	} {
		got := Line(test.pdu, test.plain)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
		if strings.ContainsAny(got, "\x1b\n\r") || strings.Contains(got, "pssst") {
			t.Errorf("%s: %q", test.name, got)
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add(encode(f, 0, 3, &smpp.SubmitSM{Source: ours, Destination: member, ESMClass: 0x40, ShortMessage: []byte{5, 0, 3, 7, 2, 1, 'a'}}), true)
	f.Add(encode(f, 0, 1, &smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "fan", Password: "pssst"}), false)
	f.Fuzz(func(t *testing.T, pdu []byte, plain bool) {
		if got := Line(pdu, plain); strings.ContainsAny(got, "\x1b\n\r\x00") {
			t.Errorf("%q", got)
		}
		WithoutPassword(pdu)
		NewFollower[int]("1", true).Concerns(1, true, pdu)
	})
}
