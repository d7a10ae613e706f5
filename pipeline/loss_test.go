package pipeline

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/pipeline/embedded"
	"fanline/pipeline/record"
)

// lossy dials connections of which every nth answer is lost: the request was
// carried out, the connection breaks before the answer.
type lossy struct {
	dial  func(ctx context.Context, network, address string) (net.Conn, error)
	nth   int64
	reads atomic.Int64
	lost  atomic.Int64
}

func (l *lossy) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &lossyConn{Conn: conn, of: l}, nil
}

type lossyConn struct {
	net.Conn
	of    *lossy
	asked atomic.Int64 // octets written: only an answer to a large request is lost
}

func (c *lossyConn) Write(p []byte) (int, error) {
	c.asked.Add(int64(len(p)))
	return c.Conn.Write(p)
}

func (c *lossyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err != nil || c.asked.Load() < 1000 {
		return n, err
	}
	if c.of.reads.Add(1)%c.of.nth == 0 {
		c.of.lost.Add(1)
		c.Close()
		return 0, io.EOF
	}
	return n, nil
}

func TestRecordsWhoseAnswersAreLostStandInTheLogOnceAndInOrder(t *testing.T) {
	broker, _ := openTopics(t, 3)
	config := configOf(broker)
	l := &lossy{dial: config.Dialer, nth: 10}
	config.Dialer = l.Dial
	producer, err := NewProducer(config, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	log := NewLog(producer, nil)
	const rounds, size = 100, 30
	for i := range rounds {
		var wg sync.WaitGroup
		for j := range size {
			wg.Add(1)
			n := i*size + j
			log.Append([]Entry{{Topic: record.TopicJobs, Partition: int32(n % 3), Value: []byte(fmt.Sprint(n))}}, func(_ []int64, err error) {
				if err != nil {
					t.Error(err)
				}
				wg.Done()
			})
		}
		wg.Wait()
	}
	log.Close()
	if l.lost.Load() < 5 {
		t.Fatalf("only %d answers were lost", l.lost.Load())
	}
	for p := range 3 {
		got := valuesOf(t, configOf(broker), record.TopicJobs, int32(p), rounds*size/3)
		for i, v := range got {
			if want := fmt.Sprint(3*i + p); v != want {
				t.Fatalf("partition %d holds %s at offset %d, want %s", p, v, i, want)
			}
		}
	}
	ends, err := EndOffsets(testContext(t), producer, record.TopicJobs)
	if err != nil {
		t.Fatal(err)
	}
	for p, end := range ends {
		if end != rounds*size/3 {
			t.Errorf("partition %d holds %d records, want %d", p, end, rounds*size/3)
		}
	}
}

// On a full disk the broker refuses what it cannot write. What it acknowledges
// afterwards must stand in the log: were a record taken for a repetition of a
// refused one, it would be acknowledged and lost.
func TestWhatAFullDiskRefusesFailsAndWhatIsAcknowledgedAfterwardsIsThere(t *testing.T) {
	for _, refusals := range []int{1, 3} {
		t.Run(fmt.Sprint(refusals), func(t *testing.T) {
			dir := t.TempDir()
			broker, err := embedded.Open(context.Background(), embedded.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := broker.Close(); err != nil {
					t.Error(err)
				}
			})
			producer, err := NewProducer(configOf(broker), 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(producer.Close)
			if err := EnsureTopics(testContext(t), producer, 1, 1); err != nil {
				t.Fatal(err)
			}
			partition := filepath.Join(dir, "log", "partitions", record.TopicJobs+"-0")
			if err := os.MkdirAll(partition, 0o700); err != nil {
				t.Fatal(err)
			}
			segment := filepath.Join(partition, "0.dat")
			if err := os.Symlink("/dev/full", segment); err != nil {
				t.Fatal(err)
			}
			log := NewLog(producer, broker.Sync)
			defer log.Close()
			for i := range refusals {
				done := make(chan error, 1)
				log.Append(entries(record.TopicJobs, 0, fmt.Sprint("refused ", i)), func(_ []int64, err error) { done <- err })
				if err := <-done; err == nil {
					t.Fatal("written to a full disk")
				}
			}
			if err := os.Remove(segment); err != nil {
				t.Fatal(err)
			}
			var offsets []int64
			for _, v := range []string{"a", "b", "c"} {
				offsets = append(offsets, appendAll(t, log, entries(record.TopicJobs, 0, v)...)...)
			}
			got := valuesOf(t, configOf(broker), record.TopicJobs, 0, 3)
			if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]int64{0, 1, 2}, offsets); diff != "" {
				t.Error(diff)
			}
		})
	}
}
