package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config says where a broker keeps its log.
type Config struct {
	// Dir is the data directory: the log lies in Dir/log, the socket's path in
	// Dir/broker.addr. It is made where it is missing.
	Dir    string
	Logger *slog.Logger // nil: nothing is logged

	// SegmentBytes is the size at which a segment is closed; trimming frees
	// whole segments, so it is small. 0: 4 MiB.
	SegmentBytes int64

	// SyncEvery is how often what changed is flushed to the disk when nobody
	// asks for it. 0: 50 ms.
	SyncEvery time.Duration

	// CompactBytes is the size of compacted topics from which Open compacts
	// them. 0: 64 MiB.
	CompactBytes int64
}

const (
	defaultSegmentBytes = 4 << 20
	defaultSyncEvery    = 50 * time.Millisecond
	defaultCompactBytes = 64 << 20
)

// Broker is a running broker. All its methods may be called from several
// goroutines.
type Broker struct {
	config   Config
	log      *slog.Logger
	dir      string // of the log
	lock     *os.File
	listener *privateListener
	cluster  *kfake.Cluster
	syncer   *syncer
	warnings atomic.Int64 // of kfake

	stop    context.CancelFunc // ends the background flushing
	stopped chan struct{}

	mu     sync.RWMutex // held for reading while cluster is asked
	closed bool
}

var (
	// ErrClosed is returned by methods of a broker that was closed.
	ErrClosed = errors.New("embedded broker is closed")

	// ErrInUse is wrapped by Open when a broker runs on the directory.
	ErrInUse = errors.New("another process uses it")
)

// Open starts a broker on what stands in the directory. Reading the log back
// takes memory and time in proportion to what is retained (0.1 s for 100 MB in
// the page cache). A second broker on the same directory is refused.
func Open(ctx context.Context, config Config) (*Broker, error) {
	if config.SegmentBytes == 0 {
		config.SegmentBytes = defaultSegmentBytes
	}
	if config.SyncEvery == 0 {
		config.SyncEvery = defaultSyncEvery
	}
	if config.CompactBytes == 0 {
		config.CompactBytes = defaultCompactBytes
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := &Broker{config: config, log: config.Logger, dir: filepath.Join(config.Dir, "log"), stopped: make(chan struct{})}
	if err := b.start(); err != nil {
		return nil, fmt.Errorf("embedded broker in %s: %w", config.Dir, errors.Join(err, b.release()))
	}
	flushing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b.stop = cancel
	go func() {
		defer close(b.stopped)
		b.syncer.run(flushing, config.SyncEvery)
	}()
	return b, nil
}

func (b *Broker) start() error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	var err error
	if b.lock, err = lockDirectory(filepath.Join(b.dir, "lock")); err != nil {
		return err
	}
	if err := removeStaleSocket(AddressFile(b.config.Dir)); err != nil {
		return err
	}
	// What kfake remembers of the last run's group members and fetch sessions
	// would have the next member wait for theirs to time out (45 s).
	if err := removeIfThere(filepath.Join(b.dir, sessionFile)); err != nil {
		return err
	}
	err = b.serve(true)
	if errors.Is(err, errCompaction) {
		b.log.Error("going on without compaction", "err", err)
		err = b.serve(false)
	}
	if err != nil {
		return err
	}
	return writeAddress(AddressFile(b.config.Dir), b.listener.path)
}

// serve reads the log back and starts the broker on it.
func (b *Broker) serve(compact bool) error {
	if err := b.undoCompaction(); err != nil {
		return err
	}
	if b.syncer != nil {
		b.syncer.close()
	}
	b.syncer = newSyncer(filepath.Join(b.dir, "partitions"), b.config.SegmentBytes, b.log)
	// The page cache of a killed process reaches the disk in no order. What we
	// are about to serve as the log must not be a log with a hole in it.
	if err := b.syncer.flushWhole(); err != nil {
		return err
	}
	var err error
	if b.listener, err = listenPrivately(); err != nil {
		return err
	}
	if b.cluster, err = kfake.NewCluster(b.options()...); err != nil {
		return errors.Join(err, b.listener.remove())
	}
	if !compact {
		return nil
	}
	if err := b.compact(); err != nil {
		b.cluster.Close()
		return errors.Join(err, b.listener.remove())
	}
	return nil
}

const (
	sessionFile = "session_state.json"
	forever     = 10 * 365 * 24 * time.Hour
)

func (b *Broker) options() []kfake.Opt {
	return []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.DataDir(b.dir),
		kfake.ListenFn(b.listener.take),
		kfake.WithLogger(kfakeLog{b.log, &b.warnings}),
		kfake.ClusterID("fanline"),
		kfake.BrokerConfigs(map[string]string{
			"log.segment.bytes": strconv.FormatInt(b.config.SegmentBytes, 10),
			// Only Trim deletes: what is old may still be owed to someone.
			"log.retention.ms": "-1",
			// kfake's own compaction deletes a log before it writes it anew, and
			// answers nobody meanwhile; compact does it at the start.
			"log.cleaner.backoff.ms": strconv.FormatInt(forever.Milliseconds(), 10),
			// A process that stood still for a week must find its place again.
			"offsets.retention.minutes": strconv.FormatInt(int64(forever.Minutes()), 10),
			// groups.log is rewritten, with everybody waiting, when it has grown
			// by this much: 10 ms a megabyte.
			"state.log.compact.bytes": "1048576",
		}),
	}
}

// Addresses returns what to give to a client as its seed brokers. They resolve
// nowhere: only a client with the broker's Dialer reaches it.
func (b *Broker) Addresses() []string { return []string{brokerAddress} }

// Dialer returns the function by which clients connect, whatever the address.
func (b *Broker) Dialer() func(ctx context.Context, network, address string) (net.Conn, error) {
	return dialSocket(b.listener.path)
}

// Close flushes and stops the broker. Clients must have left before: those that
// have not are cut off, which is logged.
func (b *Broker) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	b.stop()
	<-b.stopped
	if n := b.await(clientsLeave); n > 0 {
		b.log.Warn("broker closes before its clients", "connections", n)
	}
	b.cluster.Close()
	err := b.syncer.flushWhole()
	return errors.Join(err, removeIfThere(filepath.Join(b.dir, sessionFile)), removeIfThere(AddressFile(b.config.Dir)), b.release())
}

// clientsLeave is how long Close waits for connections whose clients have gone:
// the broker notices once a fetch that it holds for them is over.
const clientsLeave = time.Second

// await waits for all connections to end and returns how many have not.
func (b *Broker) await(within time.Duration) int64 {
	for deadline := time.Now().Add(within); b.listener.open() > 0 && time.Now().Before(deadline); {
		time.Sleep(2 * time.Millisecond)
	}
	return b.listener.open()
}

// release gives back what start took, as far as it came.
func (b *Broker) release() error {
	var errs []error
	if b.cluster != nil {
		b.cluster.Close()
	}
	if b.syncer != nil {
		b.syncer.close()
	}
	if b.listener != nil {
		errs = append(errs, b.listener.remove())
	}
	if b.lock != nil {
		errs = append(errs, b.lock.Close())
	}
	return errors.Join(errs...)
}

// kfakeLog hands what kfake says to slog. Its warnings are about writes that
// failed; the producer hears of those itself.
type kfakeLog struct {
	log      *slog.Logger
	warnings *atomic.Int64
}

func (l kfakeLog) Logf(level kfake.LogLevel, format string, args ...any) {
	if level == kfake.LogLevelError || level == kfake.LogLevelWarn {
		l.warnings.Add(1)
	}
	switch level {
	case kfake.LogLevelError:
		l.log.Error("broker", "detail", fmt.Sprintf(format, args...))
	case kfake.LogLevelWarn:
		l.log.Warn("broker", "detail", fmt.Sprintf(format, args...))
	}
}
