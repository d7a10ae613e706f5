package smsc

import (
	"bytes"
	"encoding/binary"
	"net"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
)

// FuzzTake holds that no octets from a client make the simulator panic, read too far, or write a log that can't be read.
func FuzzTake(f *testing.F) {
	sm := submitTo("13125550001", "hello")
	sm.Options = sm.Options.Append(TagKey, []byte("b1.2")).Append(smpp.TagSarMsgRefNum, []byte{0, 1}).Append(smpp.TagSarTotalSegments, []byte{2}).Append(smpp.TagSarSegmentSeqnum, []byte{2})
	long := submitTo("0049", "\x05\x00\x03\x01\x02\x01text")
	long.ESMClass = smpp.ESMUDHI
	replacing := submitTo("13125550001", "hello")
	replacing.ReplaceIfPresent, replacing.ScheduleDeliveryTime, replacing.ValidityPeriod, replacing.ServiceType = 1, "000000000100000R", "000001000000000R", "WAP"
	replacing.Options = replacing.Options.Append(smpp.TagSetDpf, []byte{1})
	for _, p := range []smpp.PDU{
		sm, long, replacing, &smpp.DataSM{}, &smpp.QuerySM{MessageID: "7"}, &smpp.CancelSM{MessageID: "7"}, &smpp.CancelSM{Source: sm.Source, Destination: sm.Destination},
		&smpp.ReplaceSM{MessageID: "7", ShortMessage: []byte("new")}, &smpp.SubmitMulti{Source: sm.Source, Destinations: []smpp.Destination{{Address: sm.Destination}, {List: "x"}}},
		&smpp.AlertNotification{}, &smpp.Outbind{SystemID: "x"}, &smpp.Unbind{}, &smpp.EnquireLink{}, &smpp.DeliverSMResp{},
		&smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "acme", Password: "secret"}, &smpp.GenericNack{},
	} {
		b, err := smpp.Append(nil, 0, 1, p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, smpp.Version34)
		f.Add(append(b, b...), byte(0))
		f.Add(b, smpp.Version50)
		f.Add(b, smpp.Version33)
	}
	f.Fuzz(func(t *testing.T, b []byte, version byte) {
		o := Options{Accounts: testAccounts(), Scenario: quick(), LogDir: t.TempDir()}
		s, err := prepare(&o)
		if err != nil {
			t.Fatal(err)
		}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		defer ours.Close()
		c := newConn(s, ours)
		c.at = s.now()
		if version != 0 {
			pdu, err := smpp.Append(nil, 0, 1, &smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "acme", Password: "secret", InterfaceVersion: version})
			if err != nil {
				t.Fatal(err)
			}
			if c.take(pdu) != len(pdu) || !c.flush() {
				t.Fatal("the bind failed")
			}
		}
		c.at = s.now()
		used := c.take(b)
		if used > len(b) {
			t.Fatalf("used %d of %d octets", used, len(b))
		}
		c.flush()
		if err := s.log.close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Audit(o.LogDir); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzReadSubmit holds that what the fast way reads, the decoder reads alike.
func FuzzReadSubmit(f *testing.F) {
	plain := submitTo("13125550001", "hello")
	full := submitTo("+0013125550001", "hello")
	full.ValidityPeriod, full.Options = "000000000100000R", full.Options.Append(TagKey, []byte("b1.2")).Append(0x1401, nil)
	scheduled := submitTo("1", "")
	scheduled.ScheduleDeliveryTime, scheduled.ServiceType = "000000000100000R", "WAP"
	for i, p := range []*smpp.SubmitSM{plain, full, scheduled} {
		b, err := smpp.Append(nil, 0, 1, p)
		if err != nil {
			f.Fatal(err)
		}
		var fast smpp.SubmitSM
		if readSubmit(b, &fast) != (i < 2) {
			f.Fatalf("seed %d takes the wrong way", i)
		}
		for cut := smpp.HeaderLen; cut <= len(b); cut += 3 {
			f.Add(b[:cut])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < smpp.HeaderLen || len(b) > smpp.MaxPDU {
			return
		}
		binary.BigEndian.PutUint32(b, uint32(len(b)))
		binary.BigEndian.PutUint32(b[4:], uint32(smpp.SubmitSMID))
		fast, general := smpp.SubmitSM{ServiceType: "left", ScheduleDeliveryTime: "over"}, smpp.SubmitSM{}
		if !readSubmit(b, &fast) {
			return
		}
		if _, err := smpp.DecodeInto(b, &general); err != nil {
			t.Fatalf("the decoder refuses %x: %v", b, err)
		}
		if !bytes.Equal(fast.ShortMessage, general.ShortMessage) || !bytes.Equal(fast.Options, general.Options) {
			t.Fatalf("%x:\nfast    %+v\ngeneral %+v", b, fast, general)
		}
		fast.ShortMessage, fast.Options, general.ShortMessage, general.Options = nil, nil, nil, nil
		if diff := cmp.Diff(general, fast); diff != "" {
			t.Fatalf("%x:\nfast    %+v\ngeneral %+v", b, fast, general)
		}
	})
}
