package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// ReaderConfig says what a Reader reads.
type ReaderConfig struct {
	Config
	Topic      string
	Partitions int32

	// From returns the offset from which a partition is read: what the place
	// that keeps the results has stored beside them.
	From func(partition int32) int64

	// Handle takes a batch of one partition, in order, and returns when its
	// results and its last offset + 1 are stored together. An error has the same
	// batch handed over again, after a pause, for as long as it takes; a record
	// that can never be handled is Handle's to set aside.
	Handle func(ctx context.Context, partition int32, records []Record) error
}

// Reader reads all partitions of a topic for someone who keeps the offsets
// himself, in the transaction of the results, so that a record read again does
// nothing twice.
type Reader struct {
	config           ReaderConfig
	log              *slog.Logger
	client           *kgo.Client
	records, retries atomic.Int64
}

// NewReader asks From for each partition and prepares the client; Run reads.
func NewReader(c ReaderConfig) (*Reader, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	from := map[int32]kgo.Offset{}
	for p := range c.Partitions {
		from[p] = kgo.NewOffset().At(c.From(p))
	}
	client, err := NewClient(c.Config,
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Topic: from}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, fmt.Errorf("reader of %s: %w", c.Topic, err)
	}
	return &Reader{config: c, log: c.Logger.With("topic", c.Topic), client: client}, nil
}

// Run reads until ctx ends and closes the client. It is called once.
func (r *Reader) Run(ctx context.Context) error {
	defer r.client.Close()
	for ctx.Err() == nil {
		fetches := r.client.PollRecords(ctx, pollRecords)
		if fetches.IsClientClosed() {
			return fmt.Errorf("reader of %s: client was closed", r.config.Topic)
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if p.Err != nil && !errors.Is(p.Err, context.Canceled) {
				r.log.Warn("reading", "partition", p.Partition, "err", p.Err)
			}
			if len(p.Records) > 0 {
				r.hand(ctx, p.Partition, recordsOf(p.Records))
			}
		})
	}
	return nil
}

func (r *Reader) hand(ctx context.Context, partition int32, records []Record) {
	for pause := newPause(); ctx.Err() == nil; {
		err := r.config.Handle(ctx, partition, records)
		if err == nil {
			r.records.Add(int64(len(records)))
			return
		}
		if ctx.Err() != nil {
			return
		}
		r.retries.Add(1)
		r.log.Warn("handling records; they are tried again", "partition", partition, "offset", records[0].Offset, "err", err)
		pause.wait(ctx)
	}
}

// ReaderStats is a snapshot for metrics.
type ReaderStats struct{ Records, Retries int64 }

// Stats returns counters since the start.
func (r *Reader) Stats() ReaderStats {
	return ReaderStats{Records: r.records.Load(), Retries: r.retries.Load()}
}

// pause grows from 50 ms to 5 s from one failure to the next.
type pause time.Duration

func newPause() pause { return pause(50 * time.Millisecond) }

func (p *pause) wait(ctx context.Context) {
	timer := time.NewTimer(time.Duration(*p))
	defer timer.Stop()
	*p = min(2**p, pause(5*time.Second))
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
