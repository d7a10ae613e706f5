package conversation

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fanline/community"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

func TestAStrangerGetsTheLinkAndIsNotInTheInbox(t *testing.T) {
	h := newHouse(t)
	sent := h.hears(fanPhone, "Hey, is this really you?")
	if len(sent) != 1 {
		t.Fatalf("%d replies, want the link alone", len(sent))
	}
	s := sent[0]
	if s.Class != message.ClassJoining || s.Phone != fanPhone || s.Number != ourNumber || s.ID.IsZero() || s.At != noon.UnixMilli() {
		t.Errorf("reply %+v", s)
	}
	if in := h.invitation(s); in.Phone != fanPhone || in.Number != ourNumber {
		t.Errorf("the link invites %+v", in)
	}
	if h.consent(fanPhone) != community.Invited || len(h.inbox()) != 0 {
		t.Errorf("consent %q, %d threads", h.consent(fanPhone), len(h.inbox()))
	}
}

func TestAStrangerGetsNoSecondLinkWithinTheInterval(t *testing.T) {
	h := newHouse(t)
	h.hears(fanPhone, "hi")
	for range 5 {
		h.clock = h.clock.Add(90 * time.Second)
		if sent := h.hears(fanPhone, "hello??"); len(sent) != 0 {
			t.Fatalf("a link after %v: %q", h.clock.Sub(noon), sent[0].Text)
		}
	}
	h.clock = noon.Add(10 * time.Minute)
	sent := h.hears(fanPhone, "hello??")
	if len(sent) != 1 || !strings.Contains(sent[0].Text, "one step away") {
		t.Fatalf("after the interval: %+v", sent)
	}
	h.invitation(sent[0])
}

func TestTheFormJoinsAndConfirmsWithTheCard(t *testing.T) {
	h := newHouse(t)
	in := h.invitation(h.hears(fanPhone, "hi")[0])
	if st, err := h.desk.Standing(t.Context(), in); err != nil || st != Open {
		t.Fatalf("before: %v, %v", st, err)
	}
	if err := h.desk.Join(t.Context(), filledForm(in)); err != nil {
		t.Fatal(err)
	}
	sent, consents := h.outbox()
	if len(sent) != 2 || len(consents) != 0 {
		t.Fatalf("%d texts and %d consent records, want the confirmation and the card", len(sent), len(consents))
	}
	if !strings.Contains(sent[0].Text, "got your number saved") || !strings.Contains(sent[1].Text, "https://fan.example/card/17735550100.vcf") {
		t.Errorf("texts %q, %q", sent[0].Text, sent[1].Text)
	}
	for _, s := range sent {
		if s.Class != message.ClassJoining || s.Member == 0 || s.ID == sent[1-indexOf(sent, s)].ID {
			t.Errorf("text %+v", s)
		}
	}
	if st, _ := h.desk.Standing(t.Context(), in); st != Joined {
		t.Errorf("after: standing %v", st)
	}
	m, err := h.store.FindMember(t.Context(), ourNumber, fanPhone)
	if err != nil || m.Consent != community.Joined || m.Member.FirstName != "Ann" {
		t.Errorf("member %+v, %v", m, err)
	}
	kept, err := h.store.EvidenceOf(t.Context(), m.Member.ID)
	if err != nil || len(kept) != 2 || kept[1].Kind != community.Joined || kept[1].Method != "form" || kept[1].Disclosure == "" || kept[1].IP != "192.0.2.1" {
		t.Errorf("evidence %+v, %v", kept, err)
	}
}

func indexOf(all []record.Single, s record.Single) int {
	for i := range all {
		if all[i].ID == s.ID {
			return i
		}
	}
	return -1
}

func TestALinkJoinsOnce(t *testing.T) {
	h := newHouse(t)
	in := h.invitation(h.hears(fanPhone, "hi")[0])
	if err := h.desk.Join(t.Context(), filledForm(in)); err != nil {
		t.Fatal(err)
	}
	h.outbox()
	again := filledForm(in)
	again.Profile.FirstName = "Mallory"
	if err := h.desk.Join(t.Context(), again); !errors.Is(err, ErrUsed) {
		t.Errorf("second use: %v, want ErrUsed", err)
	}
	m, _ := h.store.FindMember(t.Context(), ourNumber, fanPhone)
	if sent, _ := h.outbox(); len(sent) != 0 || m.Member.FirstName != "Ann" {
		t.Errorf("second use sent %d texts and left the name %q", len(sent), m.Member.FirstName)
	}
}

func TestALinkFromBeforeAStopIsVoid(t *testing.T) {
	h := newHouse(t)
	in := h.invitation(h.hears(fanPhone, "hi")[0])
	h.clock = h.clock.Add(time.Minute)
	h.hears(fanPhone, "STOP")
	for _, step := range []string{"stopped", "started again"} {
		if err := h.desk.Join(t.Context(), filledForm(in)); !errors.Is(err, ErrUsed) {
			t.Errorf("%s: %v, want ErrUsed", step, err)
		}
		h.clock = h.clock.Add(time.Minute)
		if step == "stopped" {
			in2 := h.invitation(h.hears(fanPhone, "START")[0])
			if st, err := h.desk.Standing(t.Context(), in2); err != nil || st != Open {
				t.Errorf("the new link: %v, %v", st, err)
			}
		}
	}
}

func TestTooYoungAndUnknownNumbersDoNotJoin(t *testing.T) {
	h := newHouse(t)
	in := h.invitation(h.hears(fanPhone, "hi")[0])
	young := filledForm(in)
	young.Profile.Birth = community.NewDate(2013, 11, 23) // 13 tomorrow
	if err := h.desk.Join(t.Context(), young); !errors.Is(err, ErrTooYoung) {
		t.Errorf("12 years old: %v", err)
	}
	elsewhere := filledForm(in)
	elsewhere.Number = 12025550123
	if err := h.desk.Join(t.Context(), elsewhere); !errors.Is(err, community.ErrNotFound) {
		t.Errorf("a number that isn't ours: %v", err)
	}
	if h.consent(fanPhone) != community.Invited {
		t.Errorf("consent %q", h.consent(fanPhone))
	}
}

func TestStopGetsOneConfirmationAndThenSilence(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	p, r := h.record(fanPhone, "Stop!")
	if err := h.desk.Handle(t.Context(), p, []Record{r}); err != nil {
		t.Fatal(err)
	}
	sent, consents := h.outbox()
	if len(sent) != 1 || sent[0].Class != message.ClassStop || !strings.Contains(sent[0].Text, "Maya Live") || !strings.Contains(sent[0].Text, "no more messages") {
		t.Fatalf("sent %+v", sent)
	}
	if sent[0].Deadline > h.clock.Add(5*time.Minute).UnixMilli() {
		t.Error("the confirmation may go out after 5 minutes")
	}
	if len(consents) != 1 || !consents[0].Revoked || consents[0].Phone != fanPhone {
		t.Errorf("consent records %+v", consents)
	}
	if h.consent(fanPhone) != community.Stopped {
		t.Errorf("consent %q", h.consent(fanPhone))
	}
	for _, text := range []string{"STOP", "hello?", "stop", "YES"} {
		h.clock = h.clock.Add(time.Hour)
		if sent := h.hears(fanPhone, text); len(sent) != 0 {
			t.Errorf("%q after STOP was answered by %q", text, sent[0].Text)
		}
	}
	m, _ := h.store.FindMember(t.Context(), ourNumber, fanPhone)
	kept, err := h.store.EvidenceOf(t.Context(), m.Member.ID)
	if err != nil || kept[2].Kind != community.Stopped || kept[2].Words != "Stop!" || kept[2].MessageID == "" {
		t.Errorf("evidence %+v, %v", kept, err)
	}
}

func TestTheNetworksConfirmAStopToATollFreeNumber(t *testing.T) {
	h := newHouse(t)
	err := h.store.SyncNumbers(t.Context(), []community.Number{{Number: ourNumber, Kind: "toll_free", Leader: "Maya Torres"}})
	if err != nil {
		t.Fatal(err)
	}
	h.join(fanPhone)
	if sent := h.hears(fanPhone, "STOP"); len(sent) != 0 || h.consent(fanPhone) != community.Stopped {
		t.Errorf("sent %+v, consent %q", sent, h.consent(fanPhone))
	}
}

func TestAStrangersStopIsKeptAndConfirmed(t *testing.T) {
	h := newHouse(t)
	if sent := h.hears(fanPhone, "unsubscribe"); len(sent) != 1 || sent[0].Class != message.ClassStop {
		t.Fatalf("sent %+v", sent)
	}
	if h.consent(fanPhone) != community.Stopped {
		t.Errorf("consent %q", h.consent(fanPhone))
	}
	if sent := h.hears(fanPhone, "who is this"); len(sent) != 0 {
		t.Errorf("a link after STOP: %q", sent[0].Text)
	}
}

func TestHelpAnswersEveryone(t *testing.T) {
	h := newHouse(t)
	const joined, stopped, stranger = fanPhone, fanPhone + 1, fanPhone + 2
	h.join(joined)
	h.hears(stopped, "STOP")
	for _, phone := range []message.Phone{joined, stopped, stranger} {
		sent := h.hears(phone, "Help")
		if len(sent) != 1 || sent[0].Class != message.ClassStop || !strings.Contains(sent[0].Text, "help@maya.example") {
			t.Errorf("%v: %+v", phone, sent)
		}
	}
	if h.consent(stranger) != community.Stranger || h.consent(stopped) != community.Stopped {
		t.Error("HELP changed someone's consent")
	}
}

func TestStartBringsBackWhoHadJoined(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	h.hears(fanPhone, "STOP")
	h.clock = h.clock.Add(time.Minute)
	p, r := h.record(fanPhone, "start")
	if err := h.desk.Handle(t.Context(), p, []Record{r}); err != nil {
		t.Fatal(err)
	}
	sent, consents := h.outbox()
	if len(sent) != 1 || sent[0].Class != message.ClassStop || !strings.Contains(sent[0].Text, "Welcome back") {
		t.Errorf("sent %+v", sent)
	}
	if len(consents) != 1 || consents[0].Revoked {
		t.Errorf("consent records %+v, want the re-join", consents)
	}
	if h.consent(fanPhone) != community.Joined {
		t.Errorf("consent %q", h.consent(fanPhone))
	}
}

func TestStartOfAStrangerBringsTheLink(t *testing.T) {
	h := newHouse(t)
	sent := h.hears(fanPhone, "START")
	if len(sent) != 1 {
		t.Fatalf("%d replies", len(sent))
	}
	h.invitation(sent[0])
	if h.consent(fanPhone) != community.Invited {
		t.Errorf("consent %q", h.consent(fanPhone))
	}
}

// STOP wins over a START before it, in the store and in the last record of the
// compacted topic.
func TestStopStartStopEndsStopped(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	var batch []Record
	var p int32
	for _, text := range []string{"STOP", "START", "STOP"} {
		h.clock = h.clock.Add(time.Second)
		var r Record
		p, r = h.record(fanPhone, text)
		batch = append(batch, r)
	}
	if err := h.desk.Handle(t.Context(), p, batch); err != nil {
		t.Fatal(err)
	}
	_, consents := h.outbox()
	if len(consents) != 3 || !consents[2].Revoked || consents[1].At >= consents[2].At {
		t.Errorf("consent records %+v", consents)
	}
	if h.consent(fanPhone) != community.Stopped {
		t.Errorf("consent %q", h.consent(fanPhone))
	}
}

func TestAMembersTextIsUnreadInTheInbox(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	if sent := h.hears(fanPhone, "When do you play in Chicago?"); len(sent) != 0 {
		t.Errorf("an automatic answer: %q", sent[0].Text)
	}
	h.hears(fanPhone, "YES") // An ordinary answer.
	heads := h.inbox()
	if len(heads) != 1 || heads[0].Unread != 2 || heads[0].Last.Text != "YES" || heads[0].Member.FirstName != "Ann" {
		t.Errorf("inbox %+v", heads)
	}
}

func TestReadingRecordsAgainChangesNothing(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	p, question := h.record(fanPhone, "When?")
	_, stop := h.record(fanPhone, "STOP")
	for range 3 {
		if err := h.desk.Handle(t.Context(), p, []Record{question, stop}); err != nil {
			t.Fatal(err)
		}
	}
	sent, _ := h.outbox()
	heads := h.inbox()
	if len(sent) != 1 || len(heads) != 1 || heads[0].Unread != 1 {
		t.Errorf("%d replies, inbox %+v", len(sent), heads)
	}
}

func TestNothingIsAppliedWhenTheTransactionFails(t *testing.T) {
	h := newHouse(t)
	p, r := h.record(fanPhone, "hi")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.desk.Handle(gone, p, []Record{r}); err == nil {
		t.Fatal("no error")
	}
	if sent, _ := h.outbox(); len(sent) != 0 || h.consent(fanPhone) != community.Stranger {
		t.Fatal("something was applied")
	}
	if err := h.desk.Handle(t.Context(), p, []Record{r}); err != nil {
		t.Fatal(err)
	}
	if sent, _ := h.outbox(); len(sent) != 1 {
		t.Errorf("the second try sent %d replies", len(sent))
	}
}

func TestWhatCannotBeReadIsPassedOver(t *testing.T) {
	h := newHouse(t)
	p, good := h.record(fanPhone, "hi")
	value := func(in record.Inbound) []byte { return record.AppendInbound(nil, &in) }
	at := noon.UnixMilli()
	bad := [][]byte{
		nil,
		{1, 2},
		[]byte("nonsense"),
		value(record.Inbound{Number: ourNumber, Phone: fanPhone, At: at, PDU: []byte("broken")}),
		value(record.Inbound{Number: ourNumber, Phone: 0, At: at, PDU: []byte("hi")}),
		value(record.Inbound{Number: ourNumber, Phone: 4711, At: at, PDU: []byte("hi")}),       // a short code
		value(record.Inbound{Number: ourNumber, Phone: ourNumber, At: at, PDU: []byte("hi")}),  // ourselves
		value(record.Inbound{Number: 12025550123, Phone: fanPhone, At: at, PDU: []byte("hi")}), // not our number
	}
	var batch []Record
	for i, v := range bad {
		batch = append(batch, Record{Offset: int64(i), Value: v})
	}
	good.Offset = int64(len(bad))
	if err := h.desk.Handle(t.Context(), p, append(batch, good)); err != nil {
		t.Fatal(err)
	}
	if sent, _ := h.outbox(); len(sent) != 1 {
		t.Errorf("%d replies, want that to the one good record", len(sent))
	}
	if next, err := h.store.Consumed(t.Context(), record.TopicInbound, p); err != nil || next != good.Offset+1 {
		t.Errorf("next offset %d, %v", next, err)
	}
}

func TestStopStillCountsOnANumberThatIsNoLongerOurs(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	if err := h.store.SyncNumbers(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"hello", "HELP", "STOP", "START"} {
		if sent := h.hears(fanPhone, text); len(sent) != 0 {
			t.Errorf("%q was answered", text)
		}
	}
	if h.consent(fanPhone) != community.Stopped {
		t.Errorf("consent %q", h.consent(fanPhone))
	}
}

func TestOddTextsReachTheInboxWhole(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	for _, text := range []string{"", "a\x00b", "\xff\xfe", strings.Repeat("é", 5000), "👩‍👩‍👧‍👦", "'; DROP TABLE members; --"} {
		h.hears(fanPhone, text)
	}
	m, _ := h.store.FindMember(t.Context(), ourNumber, fanPhone)
	texts, err := h.store.Thread(t.Context(), ourNumber, m.Member.ID, 100)
	if err != nil || len(texts) != 6 {
		t.Fatalf("%d texts, %v", len(texts), err)
	}
	for i, want := range []string{"", "ab", "\uFFFD", strings.Repeat("é", 5000), "👩‍👩‍👧‍👦", "'; DROP TABLE members; --"} {
		if texts[i].Text != want {
			t.Errorf("text %d is %.40q", i, texts[i].Text)
		}
	}
}

// 1,000 strangers at once, as after a television show.
func BenchmarkHandleStrangers(b *testing.B) {
	h := newHouse(b)
	phone := fanPhone
	for b.Loop() {
		b.StopTimer()
		var batch []Record
		for len(batch) < 1000 {
			if phone++; phone.Partition(partitions) == 0 {
				_, r := h.record(phone, "hey")
				batch = append(batch, r)
			}
		}
		b.StartTimer()
		if err := h.desk.Handle(b.Context(), 0, batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/text")
}

func TestAnAnswerGoesBackByTheCarrierOfTheTextAndTheStoreRemembersIt(t *testing.T) {
	h := newHouse(t)
	numbers := []community.Number{{Number: ourNumber, Kind: "long_code", Leader: "Megan", Carriers: []string{"beta", "acme"}}}
	if err := h.store.SyncNumbers(t.Context(), numbers); err != nil {
		t.Fatal(err)
	}
	want := record.Hint{Name: "acme", Source: message.EvidenceSeen}
	sent := h.hears(fanPhone, "Hi!")
	if len(sent) != 1 || sent[0].Hint != want {
		t.Fatalf("answer %+v, want the hint %v", sent, want)
	}
	m, err := h.store.FindMember(t.Context(), ourNumber, fanPhone)
	if err != nil || m.Ways.Seen != "acme" || !m.SeenAt.Equal(noon) {
		t.Errorf("remembered: %+v at %v, %v", m.Ways, m.SeenAt, err)
	}
	if err := h.desk.Join(t.Context(), filledForm(h.invitation(sent[0]))); err != nil {
		t.Fatal(err)
	}
	for _, s := range firstOf(h.outbox()) {
		if s.Hint != want {
			t.Errorf("after the form: %+v", s.Hint)
		}
	}
}

func firstOf(singles []record.Single, _ []record.Consent) []record.Single { return singles }

func TestANumberWithOneCarrierRemembersNone(t *testing.T) {
	h := newHouse(t)
	h.hears(fanPhone, "Hi!")
	if m, err := h.store.FindMember(t.Context(), ourNumber, fanPhone); err != nil || m.Ways.Seen != "" {
		t.Errorf("%+v, %v", m.Ways, err)
	}
}
