package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kgo"

	"fanline/pipeline/embedded"
	"fanline/pipeline/record"
)

// The figures of docs/decisions/0001-kafka-clients.md. CPU counts broker and
// client together, because they share the process; run
//
//	go test -run '^$' -bench . -benchtime 200000x ./pipeline

const (
	benchPartitions = 12
	benchValue      = 150 // octets, about an intent or a receipt that isn't in a block
)

// cpu returns the CPU time of this process so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// measure reports CPU per record of what run does with b.N records.
func measure(b *testing.B, run func()) {
	b.ResetTimer()
	before := cpu(b)
	run()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1e3, "cpu-µs/record")
	b.StopTimer()
}

func benchBroker(b *testing.B) Config {
	broker, _ := openTopics(b, benchPartitions)
	return configOf(broker)
}

// benchPayloads are values of which half the octets are random, as of varints,
// digits and names, and no two alike within reach of a compressor.
func benchPayloads() [][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	values := make([][]byte, 4096)
	for i := range values {
		values[i] = make([]byte, benchValue)
		for j := range benchValue / 2 {
			values[i][j] = byte(r.Uint32())
		}
	}
	return values
}

func produceFranz(b *testing.B, client *kgo.Client, values [][]byte, n int) {
	b.Helper()
	failed := make(chan error, 1)
	for i := range n {
		client.Produce(context.Background(), &kgo.Record{Topic: record.TopicJobs, Partition: int32(i % benchPartitions), Value: values[i%len(values)]}, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- err:
				default: // one is enough
				}
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
}

func BenchmarkProduceFranz(b *testing.B) {
	for _, compress := range []bool{false, true} {
		b.Run(fmt.Sprintf("snappy=%v", compress), func(b *testing.B) {
			config := benchBroker(b)
			config.Compress = compress
			client, err := NewProducer(config, 5*time.Millisecond)
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			values := benchPayloads()
			measure(b, func() { produceFranz(b, client, values, b.N) })
		})
	}
}

func BenchmarkProduceKafkaGo(b *testing.B) {
	for name, compression := range map[string]kafka.Compression{"snappy=false": 0, "snappy=true": kafka.Snappy} {
		b.Run(name, func(b *testing.B) {
			config := benchBroker(b)
			transport := &kafka.Transport{Dial: config.Dialer}
			defer transport.CloseIdleConnections()
			w := &kafka.Writer{
				Addr: kafka.TCP(config.Brokers...), Topic: record.TopicJobs, Transport: transport, RequiredAcks: kafka.RequireAll,
				BatchTimeout: 5 * time.Millisecond, BatchBytes: batchBytes, BatchSize: 10_000, Async: true, Compression: compression,
				Balancer: &kafka.RoundRobin{},
			}
			values := benchPayloads()
			measure(b, func() {
				messages := make([]kafka.Message, 1000)
				for left := b.N; left > 0; left -= len(messages) {
					messages = messages[:min(left, len(messages))]
					for i := range messages {
						messages[i] = kafka.Message{Value: values[(left+i)%len(values)]}
					}
					if err := w.WriteMessages(context.Background(), messages...); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil { // waits for what is written asynchronously
					b.Fatal(err)
				}
			})
		})
	}
}

// filled starts a broker that holds b.N records in batches as a producer with a
// linger makes them.
func filled(b *testing.B) Config {
	config := benchBroker(b)
	client, err := NewProducer(config, 5*time.Millisecond)
	if err != nil {
		b.Fatal(err)
	}
	produceFranz(b, client, benchPayloads(), b.N)
	client.Close()
	return config
}

func BenchmarkConsumeFranz(b *testing.B) {
	config := filled(b)
	from := map[int32]kgo.Offset{}
	for p := range int32(benchPartitions) {
		from[p] = kgo.NewOffset().AtStart()
	}
	measure(b, func() {
		client, err := NewClient(config, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{record.TopicJobs: from}))
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		for n := 0; n < b.N; {
			fetches := client.PollRecords(context.Background(), pollRecords)
			if err := fetches.Err(); err != nil {
				b.Fatal(err)
			}
			n += fetches.NumRecords()
		}
	})
}

func BenchmarkConsumeKafkaGo(b *testing.B) {
	config := filled(b)
	measure(b, func() {
		for p := range benchPartitions {
			want := (b.N - p + benchPartitions - 1) / benchPartitions
			if want <= 0 {
				continue
			}
			r := kafka.NewReader(kafka.ReaderConfig{
				Brokers: config.Brokers, Topic: record.TopicJobs, Partition: p, MinBytes: 1, MaxBytes: 10 << 20, MaxWait: 50 * time.Millisecond, // Close waits for it
				Dialer: &kafka.Dialer{DialFunc: config.Dialer},
			})
			for range want {
				if _, err := r.ReadMessage(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
			if err := r.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkJournal is one gathering after another: a record of 4 kB for each
// partition, acknowledged, flushed at level synced, and the next.
func BenchmarkJournal(b *testing.B) {
	for _, level := range []string{"acked", "synced"} {
		b.Run(level, func(b *testing.B) {
			broker, client := openTopics(b, benchPartitions)
			var barrier Barrier
			if level == "synced" {
				barrier = broker.Sync
			}
			l := NewLog(client, barrier)
			defer l.Close()
			value := make([]byte, 4096)
			done := make(chan error, 1)
			measure(b, func() {
				for range b.N {
					gathering := make([]Entry, benchPartitions)
					for p := range gathering {
						gathering[p] = Entry{Topic: record.TopicJournal, Partition: int32(p), Value: value}
					}
					l.Append(gathering, func(_ []int64, err error) { done <- err })
					if err := <-done; err != nil {
						b.Fatal(err)
					}
				}
			})
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1e3, "ms/gathering")
		})
	}
}

// BenchmarkRestart opens a broker on 100 MB of log; ms/open is the time until
// it answers.
func BenchmarkRestart(b *testing.B) {
	dir := b.TempDir()
	run := func(use func(config Config)) {
		broker, err := embedded.Open(context.Background(), embedded.Config{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		use(configOf(broker))
		if err := broker.Close(); err != nil {
			b.Fatal(err)
		}
	}
	run(func(config Config) {
		client, err := NewProducer(config, 5*time.Millisecond)
		if err != nil {
			b.Fatal(err)
		}
		defer client.Close()
		if err := EnsureTopics(context.Background(), client, benchPartitions, 1); err != nil {
			b.Fatal(err)
		}
		produceFranz(b, client, benchPayloads(), 100<<20/benchValue)
	})
	b.ResetTimer()
	var open time.Duration
	for range b.N {
		begin := time.Now()
		run(func(Config) { open += time.Since(begin) })
	}
	b.ReportMetric(float64(open.Milliseconds())/float64(b.N), "ms/open")
}
