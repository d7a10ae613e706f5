package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const killPartitions = 3

// produceUntilKilled is the child: it writes records without end, says which
// were acknowledged, and reads them in a group that commits.
func produceUntilKilled(dir string) error {
	ctx := context.Background()
	b, err := Open(ctx, Config{Dir: dir, SegmentBytes: 64 << 10})
	if err != nil {
		return err
	}
	producer, err := newClient(b)
	if err != nil {
		return err
	}
	if _, err := kadm.NewClient(producer).CreateTopic(ctx, killPartitions, 1, nil, "t"); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return err
	}
	reader, err := newClient(b, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.InstanceID("i"), kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()), kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return err
	}
	var mu sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
		_ = out.Flush() // A parent that listens no more has killed this process already.
	}
	go func() {
		for {
			records := reader.PollFetches(ctx).Records()
			if len(records) == 0 || reader.CommitRecords(ctx, records...) != nil {
				continue
			}
			last := records[len(records)-1]
			say("committed %d %d", last.Partition, last.Offset+1)
		}
	}()
	for i := 0; ; i++ {
		value := fmt.Sprintf("%d-%s", i, strings.Repeat("x", i%700))
		producer.Produce(ctx, &kgo.Record{Topic: "t", Partition: int32(i % killPartitions), Value: []byte(value)}, func(r *kgo.Record, err error) {
			if err == nil {
				say("acked %d %d %s", r.Partition, r.Offset, r.Value)
			}
		})
		if i%100 == 99 {
			if err := producer.Flush(ctx); err != nil {
				return err
			}
		}
	}
}

// lines scans a child's output.
type lines struct{ *bufio.Scanner }

func newLines(r io.Reader) *lines { return &lines{bufio.NewScanner(r)} }

func TestAcknowledgedRecordsAndCommittedOffsetsSurviveAKillAndMembersRejoinAtOnce(t *testing.T) {
	dir := t.TempDir()
	acked := map[[2]int64]string{}
	committed := map[int32]int64{}
	for round := range 3 {
		cmd, out := child(t, dir)
		records, commits := 0, 0
		for (records < 1500 || commits < 5) && out.Scan() {
			var p, offset int64
			var value string
			if n, _ := fmt.Sscanf(out.Text(), "acked %d %d %s", &p, &offset, &value); n == 3 {
				acked[[2]int64{p, offset}] = value
				records++
			} else if n, _ := fmt.Sscanf(out.Text(), "committed %d %d", &p, &offset); n == 2 {
				committed[int32(p)] = max(offset, committed[int32(p)])
				commits++
			}
		}
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for out.Scan() { // what it said before it died counts too; the last line may be torn
			var p, offset int64
			var value string
			if n, _ := fmt.Sscanf(out.Text(), "acked %d %d %s", &p, &offset, &value); n == 3 {
				if _, known := acked[[2]int64{p, offset}]; !known {
					acked[[2]int64{p, offset}] = value
				}
			}
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		if records < 1500 {
			t.Fatalf("round %d: the child acknowledged only %d records and %d commits", round, records, commits)
		}
	}
	address, err := os.ReadFile(AddressFile(dir))
	if err != nil {
		t.Fatalf("the killed broker's address: %v", err)
	}
	b := open(t, Config{Dir: dir, SegmentBytes: 64 << 10})
	if _, err := os.Stat(strings.TrimSpace(string(address))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket of the killed broker is still there: %v", err)
	}
	found := 0
	for p := range int32(killPartitions) {
		next := int64(0)
		for _, r := range readAll(t, b, "t", p) {
			if r.Offset != next {
				t.Fatalf("partition %d goes on at %d where %d should be", p, r.Offset, next)
			}
			next++
			want, ok := acked[[2]int64{int64(p), r.Offset}]
			if !ok {
				continue // written, and killed before the acknowledgement was read
			}
			found++
			if !strings.HasPrefix(string(r.Value), want) { // the last line may be torn
				t.Fatalf("partition %d offset %d holds %.20q, acknowledged was %.20q", p, r.Offset, r.Value, want)
			}
		}
	}
	if found != len(acked) {
		t.Errorf("%d of %d acknowledged records are there", found, len(acked))
	}
	c := client(t, b)
	responses, err := kadm.NewClient(c).FetchOffsets(testContext(t), "g")
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range committed {
		if got := responses["t"][p].At; got < want {
			t.Errorf("group offset of partition %d is %d, %d was committed", p, got, want)
		}
	}
	assignedWithinPatience(t, b, "i")
}

// assignedWithinPatience joins the group as a member of the given instance and
// waits for partitions.
func assignedWithinPatience(t *testing.T, b *Broker, instance string) {
	t.Helper()
	assigned := make(chan struct{})
	var once sync.Once
	c := client(t, b, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.InstanceID(instance), kgo.DisableAutoCommit(),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, ps map[string][]int32) {
			if len(ps["t"]) > 0 {
				once.Do(func() { close(assigned) })
			}
		}))
	select {
	case <-assigned:
	case <-testContext(t).Done():
		t.Error("the group waits for a member of the last run")
	}
	c.Close()
}

func TestABrokerClosedBeforeItsConsumersHasTheNextOnesWaitForNobody(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Config{Dir: dir})
	producer := client(t, b)
	createTopic(t, producer, "t", 1, nil)
	produce(t, producer, "t", 0, "=a")
	reader := client(t, b, kgo.ConsumerGroup("g"), kgo.ConsumeTopics("t"), kgo.InstanceID("old"), kgo.Balancers(kgo.CooperativeStickyBalancer()))
	if fetches := reader.PollFetches(testContext(t)); fetches.Err() != nil || fetches.NumRecords() != 1 {
		t.Fatal(fetches.Err())
	}
	if n := b.Stats().Connections; n == 0 {
		t.Error("the reader had left; the test shows nothing")
	}
	closeBroker(t, b)
	next := open(t, Config{Dir: dir})
	assignedWithinPatience(t, next, "new")
}
