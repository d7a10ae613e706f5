package pipeline

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/pipeline/record"
)

// runTails starts tails; they end with the test.
func runTails(t *testing.T, config Config) *Tails {
	t.Helper()
	tails, err := NewTails(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tails.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return tails
}

// collect returns a handle, and a function that waits for n records.
func collect(t *testing.T) (handle func([]Record), wait func(n int) []string) {
	records := make(chan Record, 10_000)
	return func(rs []Record) {
			for _, r := range rs {
				records <- r
			}
		}, func(n int) (got []string) {
			t.Helper()
			ctx := testContext(t)
			for range n {
				select {
				case r := <-records:
					got = append(got, fmt.Sprintf("%s/%d@%d %s", r.Topic, r.Partition, r.Offset, r.Value))
				case <-ctx.Done():
					t.Fatalf("got only %v", got)
				}
			}
			return got
		}
}

func entries(topic string, p int32, values ...string) []Entry {
	var es []Entry
	for _, v := range values {
		es = append(es, Entry{Topic: topic, Partition: p, Value: []byte(v)})
	}
	return es
}

func TestATailReadsFromItsOffsetAndGoesOnWithWhatComes(t *testing.T) {
	broker, client := openTopics(t, 2)
	l := NewLog(client, nil)
	defer l.Close()
	appendAll(t, l, entries(record.TopicJournal, 0, "a", "b", "c")...)
	appendAll(t, l, entries(record.TopicConsent, 1, "d")...)
	tails := runTails(t, configOf(broker))

	journal, waitJournal := collect(t)
	consent, waitConsent := collect(t)
	tails.Add(record.TopicJournal, 0, 1, journal)
	tails.Add(record.TopicConsent, 1, 0, consent)
	if diff := cmp.Diff([]string{"journal/0@1 b", "journal/0@2 c"}, waitJournal(2)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"consent/1@0 d"}, waitConsent(1)); diff != "" {
		t.Error(diff)
	}
	appendAll(t, l, entries(record.TopicJournal, 0, "e")...)
	if diff := cmp.Diff([]string{"journal/0@3 e"}, waitJournal(1)); diff != "" {
		t.Error(diff)
	}
	if n := tails.Stats().Restarted; n != 0 {
		t.Errorf("%d restarts", n)
	}
}

func TestATailAtTheEndSaysSoOnlyWhenItsRecordsWereHandled(t *testing.T) {
	broker, client := openTopics(t, 1)
	l := NewLog(client, nil)
	defer l.Close()
	appendAll(t, l, entries(record.TopicConsent, 0, "a", "b")...)
	ends, err := EndOffsets(testContext(t), client, record.TopicConsent)
	if err != nil {
		t.Fatal(err)
	}
	tails := runTails(t, configOf(broker))
	if _, ok := tails.Position(record.TopicConsent, 0); ok {
		t.Error("a position before Add")
	}
	entered, leave := make(chan struct{}), make(chan struct{})
	tails.Add(record.TopicConsent, 0, 0, func([]Record) { entered <- struct{}{}; <-leave })
	<-entered
	if at, ok := tails.Position(record.TopicConsent, 0); !ok || at != 0 {
		t.Errorf("while the records are handled: %d, %v", at, ok)
	}
	leave <- struct{}{}
	appendAll(t, l, entries(record.TopicConsent, 0, "c")...)
	<-entered
	if at, _ := tails.Position(record.TopicConsent, 0); at != ends[0] {
		t.Errorf("after the first two: %d, want %d", at, ends[0])
	}
	close(leave)
}

func TestAPartitionAddedAnewStartsAtItsNewOffsetWithItsNewHandle(t *testing.T) {
	broker, client := openTopics(t, 1)
	l := NewLog(client, nil)
	defer l.Close()
	appendAll(t, l, entries(record.TopicJournal, 0, "a", "b", "c")...)
	tails := runTails(t, configOf(broker))
	first, waitFirst := collect(t)
	tails.Add(record.TopicJournal, 0, 2, first)
	waitFirst(1)
	for range 20 { // each may meet a fetch of the one before
		again, waitAgain := collect(t)
		tails.Add(record.TopicJournal, 0, 0, again)
		if diff := cmp.Diff([]string{"journal/0@0 a", "journal/0@1 b", "journal/0@2 c"}, waitAgain(3)); diff != "" {
			t.Fatal(diff)
		}
	}
	tails.Remove(record.TopicJournal, 0)
	last, waitLast := collect(t)
	tails.Add(record.TopicJournal, 0, 3, last)
	appendAll(t, l, entries(record.TopicJournal, 0, "d")...)
	if diff := cmp.Diff([]string{"journal/0@3 d"}, waitLast(1)); diff != "" {
		t.Error(diff)
	}
}

func TestATailPastTheEndReadsFromTheStartAndSaysSo(t *testing.T) {
	broker, client := openTopics(t, 1)
	l := NewLog(client, nil)
	defer l.Close()
	appendAll(t, l, entries(record.TopicJournal, 0, "a", "b")...)
	tails := runTails(t, configOf(broker))
	handle, wait := collect(t)
	tails.Add(record.TopicJournal, 0, 9, handle) // as after a power cut
	if diff := cmp.Diff([]string{"journal/0@0 a", "journal/0@1 b"}, wait(2)); diff != "" {
		t.Error(diff)
	}
	if n := tails.Stats().Restarted; n != 1 {
		t.Errorf("%d restarts", n)
	}
}
