package smsc

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

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

// FuzzScenario reads scenarios: what is taken can be put in force, written out and read again, and its phones text what
// can be sent.
func FuzzScenario(f *testing.F) {
	for _, pattern := range []string{"*.yaml", "faults/*.yaml"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "configs", "simulator", pattern))
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ParseScenario("fuzz", b)
		if err != nil {
			return
		}
		if _, err := ParseScenario("again", []byte(scenarioText(&s))); err != nil {
			t.Fatalf("%v\n%s", err, scenarioText(&s))
		}
		p, err := compileScenario(&s)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range p.traffic {
			r := &runningStream{stream: st, progress: progress{seed: 1}, order: newPermutation(st.phones.count, &rng{1})}
			before := r.dueAt(0)
			for i := range uint64(3) {
				at := r.dueAt(i)
				if at < before {
					t.Fatalf("text %d comes before the one before it", i)
				}
				before = at
				phone, _, text, chance := st.textAt(1, i, r.order)
				if parsePhone([]byte(phone)) == 0 {
					t.Fatalf("phone %q", phone)
				}
				x := inbound{number: &number{addr: "1"}}
				x.kind, x.phone = text.manner.written(phone)
				if err := x.encode(text.write(&chance, i, phone), text.octets, &text.manner); err != nil {
					t.Fatal(err)
				}
				for part := range x.parts {
					if _, err := smpp.Append(nil, smpp.StatusOK, 1, x.pdu(part)); err != nil {
						t.Fatalf("part %d of %q: %v", part, text.spec.Text, err)
					}
				}
			}
		}
	})
}

// FuzzQuery reads what GET /log is asked.
func FuzzQuery(f *testing.F) {
	f.Add("phone=%2B13125550042&command=submit_sm,bind&status=ok&since=90s&last=3")
	f.Add("stat=DELIVRD&key=b1.2&message_id=7&text=x&conn=1&until=2026-01-02T15:04:05Z&all&count&at_least=1&wait=5s")
	f.Fuzz(func(t *testing.T, query string) {
		v, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		l, err := parseLogRequest(v, time.Unix(1_700_000_000, 0))
		if err != nil {
			return
		}
		p := newPicker(&l.q)
		for _, e := range []Entry{
			{Kind: KindStart, Command: "start"},
			{Kind: KindSubmit, Command: "submit_sm", Source: "1", Destination: "2", Octets: []byte("x")},
			{Kind: KindReceipt, Command: "deliver_sm", Stat: StatDelivered, Conn: 1, Seq: 1},
			{Kind: KindDeliverResp, Command: "deliver_sm_resp", In: true, Conn: 1, Seq: 1},
			{Kind: KindEvent, Command: CommandClosed, Conn: 1},
		} {
			p.pick(&e)
		}
	})
}
