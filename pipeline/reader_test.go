package pipeline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/pipeline/record"
)

// runUntil runs r and returns when done is closed and r has ended.
func runUntil(t *testing.T, run func(context.Context) error, done <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	select {
	case <-done:
	case <-testContext(t).Done():
		t.Error("it takes too long")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAReaderGoesOnFromStoredOffsetsAndRepeatsWhatFailed(t *testing.T) {
	broker, client := openTopics(t, 2)
	l := NewLog(client, nil)
	defer l.Close()
	appendAll(t, l, entries(record.TopicInbound, 0, "a", "b", "c")...)
	appendAll(t, l, entries(record.TopicInbound, 1, "d", "e")...)

	stored := map[int32]int64{0: 1}
	var handled []string
	failures := 2
	done := make(chan struct{})
	reader, err := NewReader(ReaderConfig{
		Config: configOf(broker), Topic: record.TopicInbound, Partitions: 2,
		From: func(p int32) int64 { return stored[p] },
		Handle: func(_ context.Context, p int32, records []Record) error {
			if p == 1 && failures > 0 {
				failures--
				return errors.New("the store is busy")
			}
			for _, r := range records {
				handled = append(handled, string(r.Value))
			}
			if stored[p] = records[len(records)-1].Offset + 1; stored[0] == 3 && stored[1] == 2 {
				close(done)
			}
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	runUntil(t, reader.Run, done)
	slices.Sort(handled)
	if diff := cmp.Diff([]string{"b", "c", "d", "e"}, handled); diff != "" {
		t.Error(diff)
	}
	if s := reader.Stats(); s != (ReaderStats{Records: 4, Retries: 2}) {
		t.Errorf("%+v", s)
	}
}

// table is an outbox in memory.
type table struct {
	mu     sync.Mutex
	rows   []OutboxRow
	empty  chan struct{} // closed when the last row is deleted
	broken int           // how many times Done fails
}

func (o *table) Next(_ context.Context, limit int) ([]OutboxRow, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.rows[:min(limit, len(o.rows))]), nil
}

func (o *table) Done(_ context.Context, ids []int64) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken > 0 {
		o.broken--
		return errors.New("the database is locked")
	}
	o.rows = slices.DeleteFunc(o.rows, func(r OutboxRow) bool { return slices.Contains(ids, r.ID) })
	if len(o.rows) == 0 {
		close(o.empty)
	}
	return nil
}

func outboxOf(values ...string) *table {
	o := &table{empty: make(chan struct{})}
	for i, e := range entries(record.TopicJobs, 0, values...) {
		o.rows = append(o.rows, OutboxRow{ID: int64(i + 1), Entry: e})
	}
	return o
}

// valuesOf reads a partition to its present end.
func valuesOf(t *testing.T, broker Config, topic string, partition int32, end int64) []string {
	t.Helper()
	tails := runTails(t, broker)
	var got []string
	done := make(chan struct{})
	tails.Add(topic, partition, 0, func(records []Record) {
		for _, r := range records {
			got = append(got, string(r.Value))
			if r.Offset == end-1 {
				close(done)
			}
		}
	})
	select {
	case <-done:
	case <-testContext(t).Done():
		t.Fatal("not read to the end")
	}
	return got
}

func TestTheRelayWritesAllRowsInOrderAndDeletesThem(t *testing.T) {
	broker, client := openTopics(t, 1)
	l := NewLog(client, broker.Sync)
	defer l.Close()
	var want []string
	for i := range relayLimit + 20 {
		want = append(want, string(rune('a'+i%26)))
	}
	outbox := outboxOf(want...)
	relay := NewRelay(outbox, l, nil)
	runUntil(t, relay.Run, outbox.empty)
	if diff := cmp.Diff(want, valuesOf(t, configOf(broker), record.TopicJobs, 0, int64(len(want)))); diff != "" {
		t.Error(diff)
	}
	if s := relay.Stats(); s != (RelayStats{Rows: int64(len(want))}) {
		t.Errorf("%+v", s)
	}
}

func TestARelayWhoseDeletionFailsWritesAgain(t *testing.T) {
	broker, client := openTopics(t, 1)
	l := NewLog(client, nil)
	defer l.Close()
	outbox := outboxOf("a", "b")
	outbox.broken = 1
	relay := NewRelay(outbox, l, nil)
	runUntil(t, relay.Run, outbox.empty)
	if diff := cmp.Diff([]string{"a", "b", "a", "b"}, valuesOf(t, configOf(broker), record.TopicJobs, 0, 4)); diff != "" {
		t.Error(diff)
	}
}

func TestARowThatIsRefusedHoldsBackThoseBehindIt(t *testing.T) {
	_, client := openTopics(t, 1)
	l := NewLog(client, nil)
	defer l.Close()
	outbox := outboxOf("a", string(make([]byte, 2<<20)), "c")
	relay := NewRelay(outbox, l, nil)
	if n, err := relay.round(testContext(t)); n != 1 || err == nil {
		t.Errorf("relayed %d rows, %v", n, err)
	}
	if len(outbox.rows) != 2 || outbox.rows[0].ID != 2 {
		t.Errorf("%d rows are left", len(outbox.rows))
	}
}

// looks counts how often an empty outbox is asked.
type looks struct{ n int }

func (o *looks) Next(context.Context, int) ([]OutboxRow, error) { o.n++; return nil, nil }
func (o *looks) Done(context.Context, []int64) error            { return nil }

func TestARelayLooksEachSecondAndAtOnceWhenWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outbox := &looks{}
		relay := NewRelay(outbox, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- relay.Run(ctx) }()
		for i, step := range []func(){func() {}, relay.Wake, func() { time.Sleep(time.Second) }, relay.Wake} {
			step()
			synctest.Wait()
			if outbox.n != i+1 {
				t.Errorf("step %d: looked %d times", i, outbox.n)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
