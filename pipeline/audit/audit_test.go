package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"fanline/engine/message"
	"fanline/pipeline"
	"fanline/pipeline/embedded"
	"fanline/pipeline/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book writes a log as an engine would.
type book struct {
	t        *testing.T
	broker   *embedded.Broker
	producer *kgo.Client
}

func openBook(t *testing.T, partitions int32, segment int64) *book {
	t.Helper()
	broker, err := embedded.Open(context.Background(), embedded.Config{Dir: t.TempDir(), SegmentBytes: segment})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := broker.Close(); err != nil {
			t.Error(err)
		}
	})
	producer, err := pipeline.NewProducer(pipeline.Config{Brokers: broker.Addresses(), Dialer: broker.Dialer()}, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(producer.Close)
	b := &book{t, broker, producer}
	if err := pipeline.EnsureTopics(b.ctx(), producer, partitions, 1); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *book) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	b.t.Cleanup(cancel)
	return ctx
}

func (b *book) write(topic string, partition int32, value []byte) int64 {
	b.t.Helper()
	r, err := b.producer.ProduceSync(b.ctx(), &kgo.Record{Topic: topic, Partition: partition, Value: value}).First()
	if err != nil {
		b.t.Fatal(err)
	}
	return r.Offset
}

func (b *book) journal(partition int32, j record.Journal) int64 {
	b.t.Helper()
	return b.write(record.TopicJournal, partition, record.AppendJournal(nil, &j))
}

func (b *book) own(partition int32) int64 {
	b.t.Helper()
	return b.journal(partition, record.Journal{Owner: record.NoOwner, Own: &record.Own{Engine: "a"}})
}

func (b *book) read() *Report {
	b.t.Helper()
	report, err := Read(b.ctx(), Config{Brokers: b.broker.Addresses(), Dial: b.broker.Dialer()})
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

const broadcast = 7

func intents(owner int64, members ...message.MemberID) record.Journal {
	j := record.Journal{Owner: owner, Runs: []record.Run{{Number: 1, Carrier: "acme"}}}
	for _, m := range members {
		j.Intents = append(j.Intents, record.Intent{Class: message.ClassBroadcast, Broadcast: broadcast, Rank: message.Rank(m), Member: m, Part: 1, Parts: 1})
	}
	return j
}

func outcome(intent int64, index uint32, m message.MemberID, parts uint8, code message.Code, state message.State) record.Outcome {
	return record.Outcome{
		Ref: record.Ref{Offset: intent, Index: index}, Part: 1, Code: code, State: state,
		Message: record.Message{Broadcast: broadcast, Member: m, Rank: message.Rank(m), Parts: parts},
	}
}

func final(m message.MemberID, parts uint8, from, to message.State) record.Final {
	return record.Final{Message: record.Message{Broadcast: broadcast, Member: m, Parts: parts}, From: from, State: to}
}

func totals(ranks ...message.Rank) []byte {
	return record.AppendControl(nil, &record.Control{Broadcast: broadcast, Action: record.Start, Totals: ranks})
}

func TestTheLedgerIsRecountedFromTheJournalWithoutVoidRecords(t *testing.T) {
	b := openBook(t, 2, 0)
	b.write(record.TopicControl, 0, totals(6, 3))

	old := b.own(0)
	at := b.journal(0, intents(old, 1, 2, 3, 4))
	b.journal(0, record.Journal{Owner: old, Outcomes: []record.Outcome{
		outcome(at, 0, 1, 2, message.Accepted, message.Submitted),
		outcome(at, 1, 2, 1, message.Refused, message.Rejected),
		outcome(at, 2, 3, 1, message.NotSent, message.Open), // back to its lane
	}})
	owner := b.own(0)
	b.journal(0, record.Journal{Owner: old, Finals: []record.Final{final(1, 2, message.Submitted, message.Failed)}}) // a frozen owner wakes
	b.journal(0, record.Journal{
		Owner:    owner,
		Outcomes: []record.Outcome{outcome(at, 3, 4, 1, message.Unknown, message.Uncertain)},
		Finals:   []record.Final{final(1, 2, message.Submitted, message.Delivered), final(5, 0, message.Open, message.Suppressed)},
	})
	b.journal(0, intents(owner, 3))

	other := b.own(1)
	b.journal(1, record.Journal{Owner: other, Settles: []record.Settle{{Broadcast: broadcast, State: message.Cancelled, Count: 3}}})
	b.journal(1, record.Journal{Owner: other, Finals: []record.Final{{Message: record.Message{ID: message.ID{1}, Parts: 3}, State: message.Submitted}}})

	got := b.read()
	want := Counted{
		Ledger: message.Ledger{
			Accepted: 9, Suppressed: 1, Rejected: 1, Cancelled: 3, Uncertain: 1, Submitted: 1, Delivered: 1, PendingSend: 2,
		},
		Parts:    message.Parts{Accepted: 4, Rejected: 1, Uncertain: 1, Submitted: 2, Delivered: 2},
		Balanced: true, OpenIntents: 1,
	}
	if diff := cmp.Diff([]Broadcast{{broadcast, want}}, got.Broadcasts); diff != "" {
		t.Error(diff)
	}
	single := Counted{Ledger: message.Ledger{Accepted: 1, Submitted: 1, PendingReceipt: 1}, Parts: message.Parts{Accepted: 3, Submitted: 3, PendingReceipt: 3}, Balanced: true}
	if diff := cmp.Diff(single, got.Single); diff != "" {
		t.Error(diff)
	}
	if !got.Complete || len(got.Problems) > 0 {
		t.Errorf("complete %v, problems %v", got.Complete, got.Problems)
	}
	j := topicOf(t, got, record.TopicJournal)
	wantTopic := Topic{
		Topic: record.TopicJournal, Records: 10, Bytes: j.Bytes, Void: 1,
		Kinds:    map[string]int64{"own": 3, "intent": 5, "outcome": 4, "final": 3, "settle": 1, "accepted": 1, "refused": 1, "not_sent": 1, "unknown": 1},
		Retained: []Range{{Partition: 0, To: 7}, {Partition: 1, To: 3}},
	}
	if diff := cmp.Diff(wantTopic, j); diff != "" {
		t.Error(diff)
	}
}

func topicOf(t *testing.T, r *Report, name string) Topic {
	t.Helper()
	for _, topic := range r.Topics {
		if topic.Topic == name {
			return topic
		}
	}
	t.Fatalf("no topic %s", name)
	return Topic{}
}

func TestEveryTopicIsCountedByWhatItsRecordsHold(t *testing.T) {
	b := openBook(t, 1, 0)
	b.write(record.TopicJobs, 0, record.AppendBlock(nil, &record.Block{Broadcast: 3, Total: 40, Recipients: make([]record.Recipient, 2)}))
	b.write(record.TopicJobs, 0, record.AppendSingle(nil, &record.Single{ID: message.ID{1}}))
	b.write(record.TopicReceipts, 0, record.AppendReceipts(nil, &record.Receipts{Carrier: "a", Entries: make([]record.Receipt, 3)}))
	b.write(record.TopicInbound, 0, record.AppendInbound(nil, &record.Inbound{PDU: []byte("x")}))
	b.write(record.TopicConsent, 0, record.AppendConsent(nil, &record.Consent{Revoked: true}))
	b.write(record.TopicConsent, 0, record.AppendConsent(nil, &record.Consent{}))
	b.write(record.TopicMembers, 0, record.AppendMembers(nil, &record.Members{Entries: make([]record.Member, 4)}))
	b.write(record.TopicLater, 0, []byte("whatever"))
	b.write(record.TopicInbound, 0, []byte("nonsense"))
	got := b.read()
	kinds := map[string]map[string]int64{}
	for _, topic := range got.Topics {
		kinds[topic.Topic] = topic.Kinds
	}
	want := map[string]map[string]int64{
		"jobs": {"block": 1, "recipient": 2, "single": 1}, "receipts": {"receipt": 3}, "inbound": {"inbound": 1},
		"consent": {"revoked": 1, "rejoined": 1}, "members": {"member": 4}, "later": {}, "journal": {}, "control": {},
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	if n := topicOf(t, got, record.TopicInbound).Unreadable; n != 1 || len(got.Problems) != 1 || !strings.HasPrefix(got.Problems[0], "inbound/0@1: ") {
		t.Errorf("%d unreadable, problems %v", n, got.Problems)
	}
	if len(got.Broadcasts) != 1 || got.Broadcasts[0].Ledger.PendingSend != 40 {
		t.Errorf("broadcasts %+v: a block alone tells the audience's size", got.Broadcasts)
	}
}

// fill writes n records of 1 kB to a partition of the journal, so that segments
// roll.
func (b *book) fill(partition int32, owner int64, n int) {
	for range n {
		b.journal(partition, record.Journal{Owner: owner, Snapshot: &record.Snapshot{Broadcasts: []record.Broadcast{{ID: 99, Decided: make([]byte, 1000)}}}})
	}
}

func TestWhereTheBeginningIsTrimmedASnapshotStandsForIt(t *testing.T) {
	b := openBook(t, 1, 4<<10)
	b.write(record.TopicControl, 0, totals(10))
	owner := b.own(0)
	b.journal(0, record.Journal{Owner: owner, Finals: []record.Final{final(1, 1, message.Open, message.Rejected)}})
	b.fill(0, owner, 12)
	cut := b.journal(0, record.Journal{Owner: owner, Finals: []record.Final{final(2, 1, message.Open, message.Submitted)}})
	for range 12 {
		b.journal(0, record.Journal{Owner: owner, Finals: []record.Final{{Message: record.Message{Carrier: strings.Repeat("c", 1000), ID: message.ID{9}}}}})
	}
	b.journal(0, record.Journal{Owner: owner, Finals: []record.Final{final(3, 1, message.Open, message.Submitted)}})
	applied := b.journal(0, record.Journal{Owner: owner, Finals: []record.Final{final(2, 1, message.Submitted, message.Delivered)}})
	counts := message.Tally{message.Rejected: 1, message.Submitted: 2}
	snapshot := b.journal(0, record.Journal{Owner: owner, Snapshot: &record.Snapshot{
		Applied: applied, Broadcasts: []record.Broadcast{{ID: broadcast, Total: 10, Counts: counts, Parts: counts}},
	}})
	b.journal(0, record.Journal{Owner: owner, Finals: []record.Final{final(4, 2, message.Open, message.Suppressed)}})

	first, err := b.broker.Trim(b.ctx(), record.TopicJournal, 0, snapshot)
	if err != nil || first <= cut || first > applied {
		t.Fatalf("trimmed to %d, %v; the test wants it between %d and %d", first, err, cut, applied)
	}
	got := b.read()
	want := Counted{
		Ledger:   message.Ledger{Accepted: 10, Rejected: 1, Suppressed: 1, Submitted: 2, Delivered: 1, PendingReceipt: 1, PendingSend: 6},
		Parts:    message.Parts{Accepted: 5, Rejected: 1, Suppressed: 2, Submitted: 2, Delivered: 1, PendingReceipt: 1},
		Balanced: true,
	}
	if diff := cmp.Diff([]Broadcast{{broadcast, want}}, got.Broadcasts); diff != "" {
		t.Error(diff)
	}
	retained := topicOf(t, got, record.TopicJournal).Retained
	if diff := cmp.Diff([]Range{{From: first, To: snapshot + 2, CountedFrom: applied, Snapshot: &snapshot}}, retained); diff != "" || !got.Complete {
		t.Errorf("complete %v, %s", got.Complete, diff)
	}
}

func TestAJournalWithoutItsBeginningOrASnapshotIsReportedAsIncomplete(t *testing.T) {
	b := openBook(t, 1, 4<<10)
	owner := b.own(0)
	b.fill(0, owner, 12) // snapshots that know only what was before the cut
	end := b.journal(0, record.Journal{Owner: owner, Finals: []record.Final{final(2, 1, message.Open, message.Submitted)}})
	if first, err := b.broker.Trim(b.ctx(), record.TopicJournal, 0, end); err != nil || first == 0 {
		t.Fatal(first, err)
	}
	if got := b.read(); got.Complete || len(got.Broadcasts) == 0 {
		t.Errorf("complete %v with %d broadcasts", got.Complete, len(got.Broadcasts))
	}
}

func TestTheReadEndsAtTheEndOfALongLog(t *testing.T) {
	b := openBook(t, 3, 64<<10)
	var want int64
	for p := range int32(3) {
		owner := b.own(p)
		for i := range 500 {
			want++
			j := intents(owner, message.MemberID(i))
			value := record.AppendJournal(nil, &j)
			b.producer.Produce(b.ctx(), &kgo.Record{Topic: record.TopicJournal, Partition: p, Value: value}, nil)
		}
	}
	if err := b.producer.Flush(b.ctx()); err != nil {
		t.Fatal(err)
	}
	got := topicOf(t, b.read(), record.TopicJournal)
	if got.Kinds["intent"] != want || got.Records != want+3 {
		t.Errorf("%d records with %v, want %d intents", got.Records, got.Kinds, want)
	}
}

func TestWithoutABrokerTheErrorSaysWhichWasAsked(t *testing.T) {
	_, err := Read(context.Background(), Config{Brokers: []string{"127.0.0.1:1"}})
	if err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Error(err)
	}
}

func TestTheReportIsOneFlatObjectForEachBroadcast(t *testing.T) {
	raw, err := json.Marshal(Broadcast{3, counted(&tally{messages: message.Tally{message.Delivered: 2}, parts: message.Tally{message.Delivered: 5}}, 2)})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if n := len(got); n != 1+13+13+2 || fmt.Sprint(got["broadcast_id"], got["delivered"], got["parts_delivered"], got["balanced"]) != "3 2 5 true" {
		t.Errorf("%d fields: %s", n, raw)
	}
}
