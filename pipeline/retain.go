package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Safe says that nobody needs the records of a partition below Before any more.
type Safe struct {
	Topic     string
	Partition int32
	Before    int64
}

// Trim forgets records of a partition below an offset, as far as it can, and
// returns where the partition begins then: the embedded broker's Trim, or
// DeleteRecords of a cluster.
type Trim func(ctx context.Context, topic string, partition int32, before int64) (int64, error)

// Retainer has the log forget what all who read it have finished with, so that
// it stays as large as the backlog and no larger.
type Retainer struct {
	safe   func() []Safe
	trim   Trim
	every  time.Duration
	logger *slog.Logger
	last   map[position]int64 // what was asked for last
	trims  atomic.Int64
	errs   atomic.Int64
}

// NewRetainer returns a retainer that asks safe every second and trims what has
// moved; a nil logger logs nothing.
func NewRetainer(safe func() []Safe, trim Trim, logger *slog.Logger) *Retainer {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	return &Retainer{safe: safe, trim: trim, every: time.Second, logger: logger, last: map[position]int64{}}
}

// Run trims until ctx ends. What fails is tried again with the next second.
func (r *Retainer) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			r.round(ctx)
		}
	}
}

func (r *Retainer) round(ctx context.Context) {
	for _, s := range r.safe() {
		at := position{s.Topic, s.Partition}
		if s.Before <= r.last[at] {
			continue
		}
		if _, err := r.trim(ctx, s.Topic, s.Partition, s.Before); err != nil {
			if ctx.Err() == nil {
				r.errs.Add(1)
				r.logger.Warn("trimming", "topic", s.Topic, "partition", s.Partition, "before", s.Before, "err", err)
			}
			continue
		}
		r.trims.Add(1)
		r.last[at] = s.Before
	}
}

// RetainerStats is a snapshot for metrics.
type RetainerStats struct{ Trims, Errors int64 }

// Stats returns counters since the start.
func (r *Retainer) Stats() RetainerStats {
	return RetainerStats{Trims: r.trims.Load(), Errors: r.errs.Load()}
}

// ClusterTrim returns the Trim of a Kafka cluster. Its brokers free whole
// segments by themselves and keep the offsets of an empty partition.
func ClusterTrim(client *kgo.Client) Trim {
	admin := kadm.NewClient(client)
	return func(ctx context.Context, topic string, partition int32, before int64) (int64, error) {
		var offsets kadm.Offsets
		offsets.AddOffset(topic, partition, before, -1)
		responses, err := admin.DeleteRecords(ctx, offsets)
		if err != nil {
			return 0, fmt.Errorf("deleting records of %s/%d: %w", topic, partition, err)
		}
		got, ok := responses.Lookup(topic, partition)
		switch {
		case !ok:
			return 0, fmt.Errorf("deleting records of %s/%d: not in the answer", topic, partition)
		case errors.Is(got.Err, kerr.OffsetOutOfRange): // kfake, when they are gone already
			return before, nil
		case got.Err != nil:
			return 0, fmt.Errorf("deleting records of %s/%d: %w", topic, partition, got.Err)
		}
		return got.LowWatermark, nil
	}
}
