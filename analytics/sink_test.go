package analytics

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"

	"fanline/analytics/embedded"
	"fanline/analytics/embedded/embeddedtest"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

func TestEachMessageBecomesTwoRowsThatAddUpToItsLedger(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	own := l.journal(0, record.Journal{Owner: record.NoOwner, Own: &record.Own{Engine: "a"}})
	partOfTwo, late := msg(3), msg(4)
	partOfTwo.Parts = 2
	l.journal(0, record.Journal{
		Owner:   own,
		Runs:    []record.Run{{Number: 1}},
		Intents: []record.Intent{{Broadcast: 7, Member: 1, Part: 1, Parts: 1}},
		Outcomes: []record.Outcome{
			submitted(msg(1)),
			{Message: msg(2), Part: 1, Code: message.Refused, Status: 0x45, At: someTime, Written: someTime, State: message.Rejected, Reason: message.ReasonCode},
			{Message: partOfTwo, Part: 1, Code: message.Accepted, At: someTime}, // Decides nothing yet.
			{Message: late, Part: 1, Code: message.Unknown, Written: someTime, State: message.Uncertain},
		},
		Finals:   []record.Final{delivered(msg(1)), {Message: msg(5), State: message.Suppressed, Reason: message.ReasonStop, At: someTime}},
		Snapshot: &record.Snapshot{},
	})
	l.journal(0, record.Journal{
		Owner:    own,
		Outcomes: []record.Outcome{submitted(partOfTwo)},
		Finals:   []record.Final{{Message: late, From: message.Uncertain, State: message.Submitted, At: someTime}, {Message: late, From: message.Submitted, State: message.NoReceipt, At: someTime}},
		Settles:  []record.Settle{{Broadcast: 7, Epoch: 2, State: message.Cancelled, Count: 10, At: someTime}},
	})
	sink := runSink(t, db, l)
	sink.caughtUp(t, l)

	messages, parts, err := db.Ledger(t.Context(), 7, 16)
	if err != nil {
		t.Fatal(err)
	}
	want := message.Ledger{Accepted: 16, Suppressed: 1, Rejected: 1, Cancelled: 10, Submitted: 3, Delivered: 1, NoReceipt: 1, PendingReceipt: 1, PendingSend: 1}
	if diff := cmp.Diff(want, messages); diff != "" || !messages.Balanced() {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	want = message.Ledger{Accepted: 6, Suppressed: 1, Rejected: 1, Submitted: 4, Delivered: 1, NoReceipt: 1, PendingReceipt: 2}
	if diff := cmp.Diff(want, parts); diff != "" || !parts.Balanced() {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
	rows, keys, err := db.Keys(t.Context(), 7)
	if rows != 8 || keys != 5 || err != nil {
		t.Errorf("%d rows about %d messages, %v; want 8 about 5", rows, keys, err)
	}
	if lag := sink.topic(record.TopicJournal).Lag; !cmp.Equal(lag, []int64{0, 0, 0}) {
		t.Errorf("lag %v after catching up", lag)
	}
}

func TestRecordsOfAnOlderOwnerBecomeNoRows(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	own := func(p int32) int64 {
		return l.journal(p, record.Journal{Owner: record.NoOwner, Own: &record.Own{Engine: "a"}})
	}
	first := own(0)
	l.journal(0, sent(first, 1, 10))
	second := own(0)
	l.journal(0, sent(first, 11, 10)) // A frozen owner that woke up.
	l.journal(0, sent(second, 21, 10))
	other := own(1) // Each partition has an owner of its own.
	l.journal(1, sent(other, 31, 10))
	sink := runSink(t, db, l)
	sink.caughtUp(t, l)
	if rows, keys, err := db.Keys(t.Context(), 7); rows != 60 || keys != 30 || err != nil {
		t.Errorf("%d rows about %d messages, %v; want 60 about 30", rows, keys, err)
	}
	if n := sink.topic(record.TopicJournal).Void; n != 1 {
		t.Errorf("%d void records, want 1", n)
	}
	l.journal(0, sent(first, 41, 10)) // The last cut says nothing of who the owner is …
	sink.caughtUp(t, l)
	_ = sink.stop()
	sink = runSink(t, db, l) // … and still, who repeats it must know.
	sink.caughtUp(t, l)
	if n := count(t, db, "message_events"); n != 60 {
		t.Errorf("%d rows after a restart, want 60", n)
	}
}

func TestARecordThatCannotBeReadIsCountedAndLeftOut(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	l.journal(0, sent(0, 1, 5))
	l.append(record.TopicJournal, 0, []byte{1, 0, 99, 99})
	l.append(record.TopicInbound, 1, nil)
	l.append(record.TopicMembers, 2, []byte("?"))
	l.journal(0, sent(0, 6, 5))
	var out strings.Builder
	sink := runSink(t, db, l, func(c *SinkConfig) { c.Log = slog.New(slog.NewTextHandler(&out, nil)) })
	sink.caughtUp(t, l)
	if n := count(t, db, "message_events"); n != 20 {
		t.Errorf("%d rows, want 20", n)
	}
	for _, s := range sink.Stats() {
		if s.Poison != 1 {
			t.Errorf("topic %s: %d records left out, want 1", s.Topic, s.Poison)
		}
	}
	_ = sink.stop()
	if log := out.String(); !strings.Contains(log, "topic=journal partition=0 offset=1") {
		t.Errorf("the log doesn't say which record it was:\n%s", log)
	}
}

// crashedAfterCut leaves what a sink leaves that ended between storing a cut
// and inserting its rows.
func crashedAfterCut(t *testing.T, db *DB, next []int64, rows int) *cut {
	t.Helper()
	c := &cut{topic: record.TopicJournal, seq: 1, sink: "crashed", first: []int64{0, 0, 0}, next: next, owner: []int64{noOwner, noOwner, noOwner}, rows: rows}
	if err := c.store(t.Context(), db.conn); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestACutWithoutItsRowsIsRepeatedToTheRecord(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	for i := range 30 {
		l.journal(int32(i%3), sent(0, 1+i*10, 10))
	}
	crashedAfterCut(t, db, []int64{7, 0, 10}, 340)
	sink := runSink(t, db, l, func(c *SinkConfig) { c.MaxRows = 100 }) // Smaller than the cut: it must not matter.
	sink.caughtUp(t, l)
	if rows, keys, err := db.Keys(t.Context(), 7); rows != 600 || keys != 300 || err != nil {
		t.Errorf("%d rows about %d messages, %v; want 600 about 300", rows, keys, err)
	}
}

func TestACutWhoseRowsAreInIsRepeatedWithoutEffect(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	for i := range 30 {
		l.journal(int32(i%3), sent(0, 1+i*10, 10))
	}
	c := crashedAfterCut(t, db, []int64{7, 0, 10}, 340)
	e := newEvents()
	for i := range 30 { // The rows of the cut, in an order of their own.
		p, owner := int32(2-i%3), int64(noOwner)
		if offset := int64(i / 3); offset < c.next[p] {
			j := sent(0, 1+(i/3*3+int(p))*10, 10)
			if err := e.add(&source{partition: p, offset: offset, owner: &owner, value: record.AppendJournal(nil, &j)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := e.insert(t.Context(), db.conn, c.token()); err != nil || e.len() != 340 {
		t.Fatal(e.len(), err)
	}
	sink := runSink(t, db, l)
	sink.caughtUp(t, l)
	if rows, keys, err := db.Keys(t.Context(), 7); rows != 600 || keys != 300 || err != nil {
		t.Errorf("%d rows about %d messages, %v; want 600 about 300", rows, keys, err)
	}
}

func TestNoRowIsLostOrDoubledWhenTheSinkEndsAtAnyMoment(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	random := rand.New(rand.NewPCG(1, 2))
	members := 0
	for range 15 {
		sink := runSink(t, db, l, func(c *SinkConfig) { c.Interval, c.MaxRows = time.Millisecond, 300 })
		for range 20 {
			n := 1 + random.IntN(30)
			l.journal(random.Int32N(testPartitions), sent(0, 1+members, n))
			members += n
		}
		if err := sink.stop(); err != nil {
			t.Fatal(err)
		}
	}
	runSink(t, db, l).caughtUp(t, l)
	if rows, keys, err := db.Keys(t.Context(), 7); rows != uint64(2*members) || keys != uint64(members) || err != nil {
		t.Errorf("%d rows about %d messages, %v; want %d about %d", rows, keys, err, 2*members, members)
	}
}

func TestNoRowIsLostOrDoubledWhenClickHouseIsKilledDuringInserts(t *testing.T) {
	server := embeddedtest.Start(t)
	db, l := migrated(t, server), newLog(t)
	sink := runSink(t, db, l, func(c *SinkConfig) { c.Interval, c.MaxRows = time.Millisecond, 2000 })
	members := 0
	for range 5 {
		before := sink.topic(record.TopicJournal).Cuts
		for i := range 40 {
			l.journal(int32(i%testPartitions), sent(0, 1+members, 100))
			members += 100
		}
		for sink.topic(record.TopicJournal).Cuts == before { // Until it inserts again; the next cut is under way then.
			time.Sleep(time.Millisecond)
		}
		if err := syscall.Kill(server.Status().PID, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	sink.caughtUp(t, l)
	if rows, keys, err := db.Keys(t.Context(), 7); rows != uint64(2*members) || keys != uint64(members) || err != nil {
		t.Errorf("%d rows about %d messages, %v; want %d about %d", rows, keys, err, 2*members, members)
	}
	if got := server.Status().Restarts; got != 5 {
		t.Errorf("%d restarts, want 5", got)
	}
}

func TestWithoutClickHouseTheSinkWaitsAndHoldsNoMoreThanTwoCuts(t *testing.T) {
	dir := t.TempDir()
	server, err := embedded.New(embedded.Options{Dir: dir, Library: embeddedtest.Library(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(Config{Addresses: []string{server.Address()}, User: server.User(), Password: server.Password()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l := newLog(t)
	sink := runSink(t, db, l, func(c *SinkConfig) { c.MaxRows = 100 })
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := sink.CaughtUp(short, map[string][]int64{record.TopicJournal: {1, 0, 0}}); err == nil || sink.topic(record.TopicJournal).Records != 0 {
		t.Fatalf("caught up without ClickHouse: %v", err)
	}
	serving, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(serving) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	l.journal(0, sent(0, 1, 10))
	sink.caughtUp(t, l) // It came up while the sink was waiting.
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	ended <- nil
	for i := range 100 {
		l.journal(int32(i%testPartitions), sent(0, 100+i*10, 10)) // 20 rows each.
	}
	stuck, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := sink.CaughtUp(stuck, l.ends()); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("waiting for ClickHouse ended with %v, want the reason", err)
	}
	if s := sink.topic(record.TopicJournal); s.Records > 1+2*5+1 || s.Lag[0] == 0 || s.Err == nil {
		t.Errorf("%+v: want about two cuts of 5 records held, and the rest as lag", s)
	}
}

func TestRecordsThatRetentionTookAreNoticed(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	for i := range 20 {
		l.journal(0, sent(0, 1+i, 1))
	}
	offsets := kadm.Offsets{}
	offsets.AddOffset(record.TopicJournal, 0, 15, -1)
	if _, err := kadm.NewClient(l.client).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	sink := runSink(t, db, l)
	sink.caughtUp(t, l)
	if s := sink.topic(record.TopicJournal); s.Lost != 15 || s.Records != 5 {
		t.Errorf("%d records lost and %d read, want 15 and 5", s.Lost, s.Records)
	}
	if safe := sink.SafeOffsets()[record.TopicJournal]; safe[0] > 15 {
		t.Errorf("safe offsets %v: the last cut must stay in the log", safe)
	}
}

func TestALogThatEndsBeforeWhatWasReadIsNoticed(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	l.journal(0, sent(0, 1, 1))
	crashedAfterCut(t, db, []int64{5, 0, 0}, 10) // Of a log that had five records.
	sink := runSink(t, db, l)
	for sink.topic(record.TopicJournal).Err == nil {
		time.Sleep(5 * time.Millisecond)
	}
	if err := sink.topic(record.TopicJournal).Err; !errors.Is(err, errLogEnds) {
		t.Errorf("the sink waits for %v, want %v", err, errLogEnds)
	}
}

func TestASecondSinkIsFoundOut(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	l.journal(0, sent(0, 1, 1))
	first := runSink(t, db, l)
	first.caughtUp(t, l)
	second := runSink(t, db, l)
	for member := 2; ; member++ {
		select {
		case err := <-first.ended:
			first.ended <- nil
			if !errors.Is(err, ErrAnotherSink) {
				t.Errorf("the first sink ended with %v, want %v", err, ErrAnotherSink)
			}
			return
		case err := <-second.ended:
			second.ended <- nil
			if !errors.Is(err, ErrAnotherSink) {
				t.Errorf("the second sink ended with %v, want %v", err, ErrAnotherSink)
			}
			if err := second.CaughtUp(t.Context(), l.ends()); !errors.Is(err, ErrAnotherSink) {
				t.Errorf("waiting for a sink that has ended: %v", err)
			}
			return
		default: // The test's time limit ends two that go on beside each other.
			l.journal(0, sent(0, member, 1))
		}
	}
}

func TestAnotherNumberOfPartitionsIsRefused(t *testing.T) {
	db, l := migrated(t, embeddedtest.Start(t)), newLog(t)
	crashedAfterCut(t, db, []int64{0, 0, 0}, 0)
	sink := runSink(t, db, l, func(c *SinkConfig) { c.Partitions = testPartitions - 1 })
	if err := <-sink.ended; err == nil || !strings.Contains(err.Error(), "partitions") {
		t.Errorf("Run: %v", err)
	}
	sink.ended <- nil
}
