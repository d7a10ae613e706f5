package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Tails reads single partitions, each from an offset that its reader says, on
// one client and outside any group: the journal of a partition that was taken
// over, consent from its start, receipts from where the group committed.
type Tails struct {
	log    *slog.Logger
	client *kgo.Client

	// active is what the client reads, and belongs to Run's goroutine: were it
	// changed while a fetch is handed over, records of a partition's former
	// reading would reach the next one.
	active map[position]*reading

	mu      sync.Mutex
	wanted  map[position]*reading
	changed map[position]bool  // wanted differs from active
	wake    context.CancelFunc // ends the poll that is under way

	records, restarted atomic.Int64
}

// reading is one Add.
type reading struct {
	next   int64
	handle func([]Record)
}

// NewTails prepares the client; Run reads.
func NewTails(c Config) (*Tails, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	t := &Tails{
		log: c.Logger, wake: func() {},
		active: map[position]*reading{}, wanted: map[position]*reading{}, changed: map[position]bool{},
	}
	var err error
	// An offset that is not there any more, or not there after a power cut, is
	// read from the start on: again rather than not at all.
	t.client, err = NewClient(c, kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		return nil, fmt.Errorf("tails: %w", err)
	}
	return t, nil
}

// Add reads a partition from an offset on (0: all that is retained) and hands
// the records over in order, in Run's goroutine; handle must not block for long
// and keeps the slice. It is called for this Add only: after Remove, at most
// the batch that is being handed over still comes, and a later Add of the same
// partition has a handle of its own. Adding a partition that is being read
// starts it anew.
func (t *Tails) Add(topic string, partition int32, from int64, handle func(records []Record)) {
	t.want(position{topic, partition}, &reading{next: from, handle: handle})
}

// Remove stops reading a partition; nothing happens when it isn't read.
func (t *Tails) Remove(topic string, partition int32) {
	t.want(position{topic, partition}, nil)
}

func (t *Tails) want(at position, r *reading) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r == nil {
		delete(t.wanted, at)
	} else {
		t.wanted[at] = r
	}
	t.changed[at] = true
	t.wake()
}

// Position returns the offset that is handed over next: who compares it with
// EndOffsets knows whether all there was has been read.
func (t *Tails) Position(topic string, partition int32) (next int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.wanted[position{topic, partition}]
	if r == nil {
		return 0, false
	}
	return r.next, true
}

// Run reads until ctx ends and closes the client. It is called once.
func (t *Tails) Run(ctx context.Context) error {
	defer t.client.Close()
	for ctx.Err() == nil {
		polling, cancel := context.WithCancel(ctx)
		t.mu.Lock()
		t.wake = cancel
		t.apply()
		t.mu.Unlock()
		fetches := t.client.PollRecords(polling, pollRecords)
		cancel()
		if fetches.IsClientClosed() {
			return errors.New("tails: client was closed")
		}
		fetches.EachPartition(t.hand)
	}
	return nil
}

// apply has the client read what is wanted; t.mu is held.
func (t *Tails) apply() {
	remove, add := map[string][]int32{}, map[string]map[int32]kgo.Offset{}
	for at := range t.changed {
		if t.active[at] != nil {
			delete(t.active, at)
			remove[at.topic] = append(remove[at.topic], at.partition)
		}
		if r := t.wanted[at]; r != nil {
			t.active[at] = r
			if add[at.topic] == nil {
				add[at.topic] = map[int32]kgo.Offset{}
			}
			add[at.topic][at.partition] = kgo.NewOffset().At(r.next)
		}
	}
	clear(t.changed)
	t.client.RemoveConsumePartitions(remove)
	t.client.AddConsumePartitions(add)
}

func (t *Tails) hand(p kgo.FetchTopicPartition) {
	if p.Err != nil && !errors.Is(p.Err, context.Canceled) {
		t.log.Warn("reading", "topic", p.Topic, "partition", p.Partition, "err", p.Err)
	}
	if len(p.Records) == 0 {
		return
	}
	at := position{p.Topic, p.Partition}
	records := recordsOf(p.Records)
	r := t.active[at]
	t.mu.Lock()
	current, restarted := r != nil && r == t.wanted[at], r != nil && records[0].Offset < r.next
	t.mu.Unlock()
	if !current { // removed, or added anew, while it was being fetched
		return
	}
	if restarted {
		t.restarted.Add(1)
		t.log.Warn("the log ends before where reading should go on; it is read from its start",
			"topic", p.Topic, "partition", p.Partition, "got", records[0].Offset)
	}
	t.records.Add(int64(len(records)))
	r.handle(records)
	// Only now: who sees the position at the end must see the records' effect.
	t.mu.Lock()
	r.next = records[len(records)-1].Offset + 1
	t.mu.Unlock()
}

// TailsStats is a snapshot for metrics.
type TailsStats struct {
	Partitions int
	Records    int64
	Restarted  int64 // partitions read again from the start, because their offset was gone
}

// Stats returns counters since the start.
func (t *Tails) Stats() TailsStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	return TailsStats{Partitions: len(t.wanted), Records: t.records.Load(), Restarted: t.restarted.Load()}
}
