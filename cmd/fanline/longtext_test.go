package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanline/community"
	"fanline/community/conversation"
	"fanline/engine/carrier"
	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
	"fanline/smpp/text"

	"github.com/google/go-cmp/cmp"
)

// TestLongTextsFromPhonesAreReadWhole goes the way of a text from its PDUs to the inbox: parts named by 8-bit and 16-bit references and by
// SAR parameters, last part first, an emoji across the border of two parts, and STOP among them.
func TestLongTextsFromPhonesAreReadWhole(t *testing.T) {
	const number, phone = message.Phone(17735550100), message.Phone(14015550100)
	n := &node{carriers: &carrierNode{profiles: carrier.NewProfiles(nil)}}
	store, err := community.Open(t.Context(), filepath.Join(t.TempDir(), "fanline.db"), community.Options{Partitions: 12})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.SyncNumbers(t.Context(), []community.Number{{Number: number, Kind: "long_code", Leader: "Maya"}}); err != nil {
		t.Fatal(err)
	}
	links, err := conversation.NewLinks(bytes.Repeat([]byte("k"), 32), "https://fan.example", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := conversation.DefaultTexts()
	if err != nil {
		t.Fatal(err)
	}
	desk := conversation.New(store, links, texts, n.decodeText, conversation.Config{Program: "Demo", Help: "help@example.com", Log: slog.New(slog.DiscardHandler)})

	offset, partition := int64(0), phone.Partition(12)
	hears := func(esmClass, coding byte, octets string, options smpp.Options) {
		t.Helper()
		pdu, err := smpp.Append(nil, smpp.StatusOK, uint32(offset+1), &smpp.DeliverSM{ESMClass: esmClass, DataCoding: coding, ShortMessage: []byte(octets), Options: options})
		if err != nil {
			t.Fatal(err)
		}
		value := record.AppendInbound(nil, &record.Inbound{Number: number, Phone: phone, Carrier: "acme", At: time.Now().UnixMilli(), PDU: pdu})
		if err := desk.Handle(t.Context(), partition, []conversation.Record{{Offset: offset, Value: value}}); err != nil {
			t.Fatal(err)
		}
		offset++
	}
	member := joinByLink(t, store, desk, links, func() { hears(0, 0, "hi", nil) })

	hears(smpp.ESMUDHI, 0, "\x05\x00\x03\x07\x03\x03three", nil)
	hears(smpp.ESMUDHI, 0, "\x05\x00\x03\x07\x03\x01one, ", nil)
	hears(smpp.ESMUDHI, 0, "\x05\x00\x03\x07\x03\x02two, ", nil)
	emoji := string(text.AppendUCS2(nil, "Hi 🎉!"))
	hears(smpp.ESMUDHI, 8, "\x06\x08\x04\x01\x07\x02\x02"+emoji[8:], nil)
	hears(smpp.ESMUDHI, 8, "\x06\x08\x04\x01\x07\x02\x01"+emoji[:8], nil)
	for _, part := range []byte{2, 1, 2} {
		sar := smpp.Options{}.Append(smpp.TagSarMsgRefNum, []byte{0, 7}).Append(smpp.TagSarTotalSegments, []byte{2}).Append(smpp.TagSarSegmentSeqnum, []byte{part})
		hears(0, 0, fmt.Sprintf("SAR %d ", part), sar)
	}
	hears(smpp.ESMUDHI, 0, "\x05\x00\x03\x08\x02\x02 stop ", nil)

	thread, err := store.Thread(t.Context(), number, member, 100)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range thread {
		if line.Direction == community.In {
			got = append(got, line.Text)
		}
	}
	if diff := cmp.Diff([]string{"one, two, three", "Hi 🎉!", "SAR 1 SAR 2"}, got); diff != "" {
		t.Errorf("the leader reads (-want +got):\n%s", diff)
	}
	if m, err := store.FindMember(t.Context(), number, phone); err != nil || m.Consent != community.Stopped {
		t.Errorf("STOP in a part: consent %q, %v", m.Consent, err)
	}
}

// joinByLink has somebody write, fill in the form behind the link, and join.
func joinByLink(t *testing.T, store *community.Store, desk *conversation.Desk, links *conversation.Links, write func()) message.MemberID {
	t.Helper()
	write()
	rows, err := store.OutboxNext(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if row.Topic != record.TopicJobs {
			continue
		}
		job, err := record.DecodeJob(row.Value)
		if err != nil || job.Single == nil {
			t.Fatalf("job %+v, %v", job, err)
		}
		_, rest, _ := strings.Cut(job.Single.Text, "https://fan.example/j/")
		token, _, _ := strings.Cut(rest, " ")
		in, err := links.Open(token, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := desk.Join(t.Context(), conversation.Joining{
			Invitation: in, Profile: community.Profile{FirstName: "Ann", Birth: community.NewDate(1999, 3, 27)},
			Evidence: community.Evidence{Disclosure: "Yes.", TextVersion: "form-1", PageURL: "https://fan.example/j/…", IP: "192.0.2.1", UserAgent: "test"},
		}); err != nil {
			t.Fatal(err)
		}
		m, err := store.FindMember(t.Context(), in.Number, in.Phone)
		if err != nil {
			t.Fatal(err)
		}
		return m.Member.ID
	}
	t.Fatal("no link was sent")
	return 0
}
