package pipeline

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"fanline/pipeline/record"
)

func TestTopicsAreCreatedOnceAndRefusedWithAnotherNumberOfPartitions(t *testing.T) {
	_, client := openTopics(t, 3)
	ctx := testContext(t)
	if err := EnsureTopics(ctx, client, 3, 1); err != nil {
		t.Errorf("a second time: %v", err)
	}
	err := EnsureTopics(ctx, client, 4, 1)
	if !errors.Is(err, ErrTopics) || !strings.Contains(err.Error(), "has 3 partitions, the configuration wants 4") {
		t.Errorf("another number of partitions: %v", err)
	}
	topics, err := kadm.NewClient(client).ListTopics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for name, d := range topics {
		got[name] = len(d.Partitions)
	}
	want := map[string]int{record.TopicControl: 1}
	for _, name := range record.Partitioned() {
		want[name] = 3
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	configs, err := kadm.NewClient(client).DescribeTopicConfigs(ctx, record.TopicConsent, record.TopicJournal)
	if err != nil {
		t.Fatal(err)
	}
	policies := map[string]string{}
	for _, c := range configs {
		for _, v := range c.Configs {
			if v.Key == "cleanup.policy" {
				policies[c.Name] = v.MaybeValue()
			}
		}
	}
	if policies[record.TopicConsent] != "compact" || policies[record.TopicJournal] != "delete" {
		t.Errorf("cleanup policies: %v", policies)
	}
}

func TestAppendAnswersWithTheOffsetOfEachEntryAfterTheBarrier(t *testing.T) {
	broker, client := openTopics(t, 3)
	var mu sync.Mutex
	var passed []string
	l := NewLog(client, func(ctx context.Context, topic string, partitions []int32) error {
		mu.Lock()
		defer mu.Unlock()
		passed = append(passed, topic)
		return broker.Sync(ctx, topic, partitions)
	})
	defer l.Close()
	entry := func(p int32, v string) Entry {
		return Entry{Topic: record.TopicJournal, Partition: p, Value: []byte(v)}
	}
	first := appendAll(t, l, entry(0, "a"), entry(1, "b"), entry(0, "c"))
	second := appendAll(t, l, entry(0, "d"), entry(2, "e"))
	if diff := cmp.Diff([][]int64{{0, 0, 1}, {2, 0}}, [][]int64{first, second}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{record.TopicJournal, record.TopicJournal}, passed); diff != "" {
		t.Errorf("barriers: %s", diff)
	}
	ends, err := EndOffsets(testContext(t), client, record.TopicJournal)
	if err != nil || cmp.Diff([]int64{3, 1, 1}, ends) != "" {
		t.Errorf("end offsets %v, %v", ends, err)
	}
	done := make(chan error, 1)
	l.Produce([]Entry{entry(1, "f")}, func(_ []int64, err error) { done <- err })
	if err := <-done; err != nil || len(passed) != 2 {
		t.Errorf("produce passed a barrier or failed: %v, %v", err, passed)
	}
}

func TestAnAppendWhoseBarrierFailsIsNotDurable(t *testing.T) {
	_, client := openTopics(t, 1)
	broken := errors.New("the disk is gone")
	l := NewLog(client, func(context.Context, string, []int32) error { return broken })
	defer l.Close()
	done := make(chan error, 1)
	l.Append([]Entry{{Topic: record.TopicJournal, Value: []byte("x")}}, func(_ []int64, err error) { done <- err })
	if err := <-done; !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	l.Produce([]Entry{{Topic: record.TopicJournal, Value: []byte("x")}}, func(_ []int64, err error) { done <- err })
	if err := <-done; err != nil {
		t.Errorf("a record that needs no barrier: %v", err)
	}
}

func TestAnEntryThatTheBrokerRefusesFailsItsAppendOnly(t *testing.T) {
	_, client := openTopics(t, 2)
	l := NewLog(client, nil)
	defer l.Close()
	done := make(chan error, 1)
	l.Append([]Entry{
		{Topic: record.TopicJobs, Value: make([]byte, 2<<20)},
		{Topic: record.TopicJobs, Partition: 1, Value: []byte("x")},
	}, func(_ []int64, err error) { done <- err })
	if err := <-done; err == nil {
		t.Error("a record of 2 MiB was taken")
	}
	appendAll(t, l, Entry{Topic: record.TopicJobs, Value: []byte("y")})
}

func TestAppendsAcknowledgedDuringABarrierShareTheNextAndCloseWaitsForAll(t *testing.T) {
	broker, client := openTopics(t, 4)
	release := make(chan struct{})
	l := NewLog(client, func(ctx context.Context, topic string, partitions []int32) error {
		<-release
		return broker.Sync(ctx, topic, partitions)
	})
	const calls = 200
	var answered int
	for i := range calls {
		l.Append([]Entry{{Topic: record.TopicJournal, Partition: int32(i % 4), Value: []byte("x")}}, func(_ []int64, err error) {
			if err != nil {
				t.Error(err)
			}
			answered++ // by the log's one goroutine
		})
	}
	if err := client.Flush(testContext(t)); err != nil {
		t.Fatal(err)
	}
	close(release)
	l.Close()
	if answered != calls {
		t.Errorf("%d of %d appends were answered", answered, calls)
	}
	if s := l.Stats(); s.Appends != calls || s.Records != calls || s.Barriers > 2 {
		t.Errorf("%+v: want one barrier for the first and one for the rest", s)
	}
	var late error
	l.Append([]Entry{{Topic: record.TopicJournal}}, func(_ []int64, err error) { late = err })
	if !errors.Is(late, ErrClosed) {
		t.Errorf("after Close: %v", late)
	}
}

func TestAProducerWithoutItsDialerReachesNoOtherBroker(t *testing.T) {
	broker := openBroker(t)
	client, err := NewProducer(Config{Brokers: broker.Addresses()}, 0, kgo.RequestRetries(0))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Ping(testContext(t)); err == nil {
		t.Error("reached a broker")
	}
}
