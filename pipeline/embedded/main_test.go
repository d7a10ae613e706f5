package embedded

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

// childDir names the data directory to a child that is started to be killed.
const childDir = "FANLINE_TEST_CHILD_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := produceUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	goleak.VerifyTestMain(m)
}

// patience bounds every wait. It is less than the 45 s for which kfake would
// have a member wait for one of the last run.
const patience = 30 * time.Second

func testContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, config Config) *Broker {
	t.Helper()
	b, err := Open(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeBroker(t, b) })
	return b
}

func closeBroker(t testing.TB, b *Broker) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func newClient(b *Broker, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(b.Addresses()...), kgo.Dialer(b.Dialer()), kgo.DisableClientMetrics(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MetadataMinAge(50 * time.Millisecond),
	}, opts...)...)
}

func client(t testing.TB, b *Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	c, err := newClient(b, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func createTopic(t testing.TB, c *kgo.Client, topic string, partitions int32, configs map[string]*string) {
	t.Helper()
	if _, err := kadm.NewClient(c).CreateTopic(testContext(t), partitions, 1, configs, topic); err != nil {
		t.Fatal(err)
	}
}

// produce writes values one batch each and returns the last offset.
func produce(t testing.TB, c *kgo.Client, topic string, partition int32, values ...string) int64 {
	t.Helper()
	var last int64
	for _, v := range values {
		key, value, _ := strings.Cut(v, "=")
		r, err := c.ProduceSync(testContext(t), &kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: []byte(value)}).First()
		if err != nil {
			t.Fatal(err)
		}
		last = r.Offset
	}
	return last
}

// readAll reads a partition from its start to its present end.
func readAll(t testing.TB, b *Broker, topic string, partition int32) []*kgo.Record {
	t.Helper()
	start, end := offsets(t, b, topic, partition)
	var records []*kgo.Record
	if start == end {
		return nil
	}
	c := client(t, b, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))
	ctx := testContext(t)
	for {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("after %d records: %v", len(records), err)
		}
		records = append(records, fetches.Records()...)
		if n := len(records); n > 0 && records[n-1].Offset == end-1 {
			c.Close()
			return records
		}
	}
}

func offsets(t testing.TB, b *Broker, topic string, partition int32) (start, end int64) {
	t.Helper()
	info := b.cluster.PartitionInfo(topic, partition)
	if info == nil {
		t.Fatalf("no partition %s/%d", topic, partition)
	}
	return info.LogStartOffset, info.HighWatermark
}

// crashed copies the log as a killed process would leave it, and returns the
// directory of the copy.
func crashed(t testing.TB, b *Broker) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "log"), os.DirFS(b.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func repeat(n int, value string) []string {
	values := make([]string, n)
	for i := range values {
		values[i] = fmt.Sprintf("%d=%s", i, value)
	}
	return values
}

// child starts this test binary as produceUntilKilled.
func child(t testing.TB, dir string) (*exec.Cmd, *lines) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, newLines(out)
}
