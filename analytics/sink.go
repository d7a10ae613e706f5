package analytics

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/errgroup"

	"fanline/pipeline/record"
)

// noOwner is the owner epoch of a partition that no owner has written to yet.
const noOwner = record.NoOwner

// SinkConfig says which log to read and how to cut it.
type SinkConfig struct {
	Brokers    []string // host:port
	Dial       func(ctx context.Context, network, address string) (net.Conn, error)
	Partitions int           // of each topic
	Interval   time.Duration // after which a cut is closed; 0: 1 s
	MaxRows    int           // by which it is closed earlier; 0: 250,000
	Log        *slog.Logger
}

// Sink copies topics journal, inbound and members into ClickHouse, each record
// exactly once, for as long as the log keeps what ClickHouse has not got yet.
// Only one may run for a ClickHouse.
type Sink struct {
	db      *DB
	config  SinkConfig
	streams []*stream
	running atomic.Bool
	ended   chan struct{} // closed when Run has returned
	err     error         // of Run; read after ended
}

// NewSink prepares a sink; Run runs it.
func NewSink(db *DB, c SinkConfig) (*Sink, error) {
	if len(c.Brokers) == 0 || c.Partitions < 1 {
		return nil, fmt.Errorf("sink: %d brokers and %d partitions given, at least one of each expected", len(c.Brokers), c.Partitions)
	}
	if c.Interval == 0 {
		c.Interval = time.Second
	}
	if c.MaxRows == 0 {
		c.MaxRows = 250_000
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Sink{db: db, config: c, ended: make(chan struct{})}
	name := rand.Text()
	for topic, makeRows := range map[string]func() rows{
		record.TopicJournal: func() rows { return newEvents() },
		record.TopicInbound: func() rows { return newTexts() },
		record.TopicMembers: func() rows { return newProfiles() },
	} {
		st := newStream(topic, c.Partitions, makeRows)
		st.db, st.sink, st.interval, st.most, st.log, st.newReader = db, name, c.Interval, c.MaxRows, c.Log, s.reader
		s.streams = append(s.streams, st)
	}
	return s, nil
}

func (s *Sink) reader(st *stream, partition int) *reader {
	return &reader{
		brokers: s.config.Brokers, topic: st.topic, partition: partition, out: st.fetches, end: &st.ends[partition], log: s.config.Log,
		dialer:  &kafka.Dialer{ClientID: "fanline-analytics", Timeout: dialTimeout, DialFunc: s.config.Dial},
		trouble: func(err error) { st.trouble(partition, err) },
	}
}

// Run makes or migrates the tables, then reads until ctx ends, and returns nil
// then. It waits, with back-off, for a log or a ClickHouse that cannot be
// reached; it fails when it must not go on: ErrAnotherSink, a schema it doesn't
// know, or another number of partitions. What it has read but not written when
// ctx ends is read again by the next Run, so whoever wants to see the last
// records waits for CaughtUp first. It may be called once.
func (s *Sink) Run(ctx context.Context) error {
	if s.running.Swap(true) {
		return errors.New("sink: Run was called twice")
	}
	s.err = s.run(ctx)
	close(s.ended)
	if ctx.Err() != nil && errors.Is(s.err, ctx.Err()) {
		return nil
	}
	return s.err
}

func (s *Sink) run(ctx context.Context) error {
	if err := s.migrate(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, st := range s.streams {
		group.Go(func() error { return st.run(ctx) })
	}
	return group.Wait()
}

func (s *Sink) migrate(ctx context.Context) error {
	var schema error
	err := s.streams[0].retry(ctx, func() error {
		err := s.db.Migrate(ctx)
		if errors.Is(err, ErrSchema) {
			schema, err = err, nil
		}
		return err
	})
	return errors.Join(schema, err)
}

// CaughtUp waits until everything before the given offsets, by topic and
// partition, is in ClickHouse. Its error says why ctx or Run ended and what the
// sink was waiting for.
func (s *Sink) CaughtUp(ctx context.Context, ends map[string][]int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-s.ended:
			cancel(fmt.Errorf("the sink has ended: %w", s.err))
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(nil); <-watched }()
	known := 0
	for _, st := range s.streams {
		want, ok := ends[st.topic]
		if !ok {
			continue
		}
		known++
		if len(want) != s.config.Partitions {
			return fmt.Errorf("sink: %d offsets of topic %s, %d expected", len(want), st.topic, s.config.Partitions)
		}
		if err := st.caughtUp(ctx, want); err != nil {
			return fmt.Errorf("analytics has not caught up with topic %s: %w", st.topic, err)
		}
	}
	if known != len(ends) {
		return fmt.Errorf("sink: offsets of a topic that it doesn't read among %d", len(ends))
	}
	return nil
}

// SafeOffsets returns, by topic and partition, the offset below which the log
// may forget records as far as analytics goes. It is that of the last cut but
// one, because a restart repeats the last. A topic is absent until the sink
// knows.
func (s *Sink) SafeOffsets() map[string]map[int32]int64 {
	all := map[string]map[int32]int64{}
	for _, st := range s.streams {
		st.mu.Lock()
		if st.safe != nil {
			all[st.topic] = map[int32]int64{}
			for p, offset := range st.safe {
				all[st.topic][int32(p)] = max(offset, 0)
			}
		}
		st.mu.Unlock()
	}
	return all
}

// TopicStats is how the sink does with one topic, since it was started.
type TopicStats struct {
	Topic   string
	Records uint64        // read
	Rows    uint64        // inserted
	Cuts    uint64        // written
	Writing time.Duration // spent on them
	Void    uint64        // records of owners that another has followed: no rows
	Poison  uint64        // records that could not be read: left out
	Lost    uint64        // offsets that the log had forgotten before they were read
	Lag     []int64       // records in the log that are not in ClickHouse, by partition
	Err     error         // what it is waiting for now; nil: nothing
}

// Stats returns the state of each topic.
func (s *Sink) Stats() []TopicStats {
	var all []TopicStats
	for _, st := range s.streams {
		all = append(all, st.snapshot())
	}
	return all
}
