package pipeline

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Config says how to reach the log.
type Config struct {
	Brokers  []string
	ClientID string       // shown in the brokers' logs and metrics
	Logger   *slog.Logger // nil: nothing is logged

	// Dialer connects to a broker; nil: TCP. The embedded broker's ignores
	// the address.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)

	// Compress has producers use snappy. It pays for blocks of recipients and
	// receipts, in one process too, because fewer octets are copied and written;
	// the journal's small batches of numbers don't shrink
	// (docs/decisions/0001-kafka-clients.md).
	Compress bool
}

const (
	// maxBuffered is how many records wait in a producer before produce blocks
	// its caller, and maxBufferedBytes how large they may be together: blocks of
	// recipients take up to 50 kB.
	maxBuffered      = 200_000
	maxBufferedBytes = 64 << 20

	// batchBytes is the largest batch of one partition; brokers refuse records
	// larger than 1 MiB by default.
	batchBytes = 1_000_000

	// fetchBytes bounds what a reader holds before it is asked for; the broker's
	// answer to one fetch is as large, and the default 50 MB for each reader.
	fetchBytes = 4 << 20

	// fetchWait is how long a broker holds a fetch that it has nothing for. A
	// partition that is added or resumed meanwhile waits for that fetch to
	// return; with the default of 5 s the first reply after a start took as long.
	fetchWait = 200 * time.Millisecond
)

// NewClient returns a client that neither produces nor consumes yet; opts come
// after ours and win.
func NewClient(c Config, opts ...kgo.Opt) (*kgo.Client, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	all := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.WithLogger(kgoLog{c.Logger.With("client", c.ClientID)}),
		kgo.DisableClientMetrics(),
		// A topic that was just created is found on the second look; the default
		// waits 5 s between two.
		kgo.MetadataMinAge(250 * time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxBytes(fetchBytes),
		kgo.FetchMaxWait(fetchWait),
	}
	if c.Dialer != nil {
		all = append(all, kgo.Dialer(c.Dialer))
	}
	return kgo.NewClient(append(all, opts...)...)
}

// NewProducer returns a client that writes records where their Partition says,
// once and in order (idempotent, acknowledged by all in-sync replicas), and
// gathers them for linger: 0 for the journal, 5 ms elsewhere.
func NewProducer(c Config, linger time.Duration, opts ...kgo.Opt) (*kgo.Client, error) {
	compression := kgo.NoCompression()
	if c.Compress {
		compression = kgo.SnappyCompression()
	}
	return NewClient(c, append([]kgo.Opt{
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytes(batchBytes),
		kgo.ProducerBatchCompression(compression),
		kgo.MaxBufferedRecords(maxBuffered),
		kgo.MaxBufferedBytes(maxBufferedBytes),
	}, opts...)...)
}

// kgoLog hands franz-go's warnings to slog. Its "info" is one line for each
// connection and rebalance, which is our debug.
type kgoLog struct{ log *slog.Logger }

func (l kgoLog) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

func (l kgoLog) Log(level kgo.LogLevel, msg string, args ...any) {
	switch level {
	case kgo.LogLevelError:
		l.log.Error(msg, args...)
	case kgo.LogLevelWarn:
		l.log.Warn(msg, args...)
	default:
		l.log.Debug(msg, args...)
	}
}
