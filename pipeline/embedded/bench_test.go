package embedded

import (
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// BenchmarkBarrier compares the two ways to flush twelve partitions to each of
// which a batch of 4 kB was written; only the flush is counted.
func BenchmarkBarrier(b *testing.B) {
	const partitions = 12
	for name, avoid := range map[string]time.Duration{"syncfs": 0, "fdatasync": time.Hour} {
		b.Run(name, func(b *testing.B) {
			broker := open(b, Config{Dir: b.TempDir(), SyncEvery: 1 << 40})
			c := client(b, broker)
			createTopic(b, c, "t", partitions, nil)
			broker.syncer.whole.avoid.Store(time.Now().Add(avoid).UnixNano())
			all := make([]int32, partitions)
			batch := make([]*kgo.Record, partitions)
			for p := range all {
				all[p] = int32(p)
			}
			var took, cpu time.Duration
			for range b.N {
				for p := range batch {
					batch[p] = &kgo.Record{Topic: "t", Partition: int32(p), Value: make([]byte, 4096)}
				}
				if err := c.ProduceSync(testContext(b), batch...).FirstErr(); err != nil {
					b.Fatal(err)
				}
				begin, before := time.Now(), cpuTime(b)
				if err := broker.Sync(testContext(b), "t", all); err != nil {
					b.Fatal(err)
				}
				took += time.Since(begin)
				cpu += cpuTime(b) - before
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N), "cpu-µs/flush")
			b.ReportMetric(float64(took.Microseconds())/float64(b.N), "µs/flush")
		})
	}
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
