package analytics

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"fanline/analytics/embedded"
	"fanline/analytics/embedded/embeddedtest"
	"fanline/engine/message"
	broker "fanline/pipeline/embedded"
	"fanline/pipeline/record"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

// migrated returns a DB with its tables.
func migrated(tb testing.TB, s *embedded.Server) *DB {
	tb.Helper()
	db, err := Open(Config{Addresses: []string{s.Address()}, User: s.User(), Password: s.Password()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return db
}

// testPartitions is small, so that a test's records meet in partitions.
const testPartitions = 3

// testLog is a broker with the topics that the sink reads, and a producer.
type testLog struct {
	testing.TB
	broker     *broker.Broker
	client     *kgo.Client
	partitions int32
}

func newLog(t testing.TB, partitions ...int32) *testLog {
	t.Helper()
	b, err := broker.Open(t.Context(), broker.Config{Dir: t.TempDir(), SegmentBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Addresses()...), kgo.Dialer(b.Dialer()), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(1<<20), kgo.ProducerBatchCompression(kgo.SnappyCompression()), kgo.MaxBufferedRecords(2_000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	l := &testLog{t, b, client, testPartitions}
	if len(partitions) > 0 {
		l.partitions = partitions[0]
	}
	for _, topic := range []string{record.TopicJournal, record.TopicInbound, record.TopicMembers} {
		if _, err := kadm.NewClient(client).CreateTopic(t.Context(), l.partitions, 1, nil, topic); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// append writes a record and returns its offset.
func (l *testLog) append(topic string, partition int32, value []byte) int64 {
	l.Helper()
	r := &kgo.Record{Topic: topic, Partition: partition, Value: value}
	if err := l.client.ProduceSync(context.Background(), r).FirstErr(); err != nil {
		l.Fatal(err)
	}
	return r.Offset
}

func (l *testLog) journal(partition int32, j record.Journal) int64 {
	l.Helper()
	return l.append(record.TopicJournal, partition, record.AppendJournal(nil, &j))
}

func (l *testLog) ends() map[string][]int64 {
	l.Helper()
	all := map[string][]int64{}
	for _, topic := range []string{record.TopicJournal, record.TopicInbound, record.TopicMembers} {
		listed, err := kadm.NewClient(l.client).ListEndOffsets(context.Background(), topic)
		if err != nil {
			l.Fatal(err)
		}
		all[topic] = make([]int64, l.partitions)
		for p, o := range listed[topic] {
			all[topic][p] = o.Offset
		}
	}
	return all
}

// running is a sink that runs.
type running struct {
	*Sink
	cancel context.CancelFunc
	ended  chan error
}

// runSink starts a sink that closes small cuts often; it is stopped with the
// test, if not before.
func runSink(t testing.TB, db *DB, l *testLog, change ...func(*SinkConfig)) *running {
	t.Helper()
	config := SinkConfig{
		Brokers: l.broker.Addresses(), Dial: l.broker.Dialer(), Partitions: testPartitions,
		Interval: 50 * time.Millisecond, MaxRows: 500, Log: slog.New(slog.DiscardHandler),
	}
	for _, c := range change {
		c(&config)
	}
	sink, err := NewSink(db, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{sink, cancel, make(chan error, 1)}
	go func() { r.ended <- sink.Run(ctx) }()
	t.Cleanup(func() { _ = r.stop() })
	return r
}

// stop ends the sink as a crash would: what is open is not written.
func (r *running) stop() error {
	r.cancel()
	err := <-r.ended
	r.ended <- nil // For the next stop.
	return err
}

func (r *running) caughtUp(t testing.TB, l *testLog) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.CaughtUp(ctx, l.ends()); err != nil {
		t.Fatal(err)
	}
}

func (r *running) topic(name string) TopicStats {
	all := r.Stats()
	return all[slices.IndexFunc(all, func(s TopicStats) bool { return s.Topic == name })]
}

func count(t *testing.T, db *DB, from string) (n uint64) {
	t.Helper()
	if err := db.conn.QueryRow(t.Context(), "SELECT count() FROM "+from).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// msg is a message of broadcast 7 to a member in one part.
func msg(member int) record.Message {
	return record.Message{
		Number: 17735550100, Carrier: "acme", Class: message.ClassBroadcast, Broadcast: 7, Rank: message.Rank(member),
		Member: message.MemberID(member), Phone: message.Phone(12025550000 + member), Parts: 1,
		Attributes: message.Attributes{City: uint32(member % 3), Age: 30, Gender: 'f', Language: [2]byte{'e', 'n'}},
	}
}

const someTime = 1_790_000_000_000

func submitted(m record.Message) record.Outcome {
	return record.Outcome{Message: m, Part: m.Parts, Code: message.Accepted, Written: someTime, At: someTime + 20, State: message.Submitted}
}

func delivered(m record.Message) record.Final {
	return record.Final{Message: m, From: message.Submitted, State: message.Delivered, Err: "000", Written: someTime, At: someTime + 1000}
}

// sent is a journal record that says of members first … first+n-1 that their
// messages were submitted and delivered: two rows each.
func sent(owner int64, first, n int) record.Journal {
	j := record.Journal{Owner: owner}
	for m := first; m < first+n; m++ {
		j.Outcomes = append(j.Outcomes, submitted(msg(m)))
		j.Finals = append(j.Finals, delivered(msg(m)))
	}
	return j
}
