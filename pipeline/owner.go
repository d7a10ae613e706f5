package pipeline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Assignment is a partition that this process now owns, in every topic.
type Assignment struct {
	Partition int32
	Committed map[string]int64 // by topic, as the group has them; absent: none yet
}

// OwnerHandler is told what an Owner owns and reads. Calls don't overlap, and
// none may block for long: a member that is slow for RebalanceTimeout loses
// its partitions.
type OwnerHandler interface {
	// Assigned comes before any record of the partitions.
	Assigned(ctx context.Context, assigned []Assignment)

	// Revoked comes when partitions go, or when Run ends. Their state must be
	// dropped before it returns; what was handed to Commit by then is still
	// committed. lost says that another engine may own them already, so that
	// nothing more may be committed.
	Revoked(ctx context.Context, partitions []int32, lost bool)

	// Records hands over what was read of one partition, in order.
	Records(ctx context.Context, partition int32, records []Record)
}

// OwnerConfig says which group and how.
type OwnerConfig struct {
	Config
	Group    string
	Topic    string // whose partitions are shared out; the other topics' follow it
	Instance string // a name that outlives restarts, so that one that comes back keeps its partitions; empty: none
	Handler  OwnerHandler

	Session     time.Duration // after which a silent member loses its partitions; 0: 6 s
	CommitEvery time.Duration // 0: 200 ms
}

// rebalanceTimeout is how long members may take to give partitions up.
const rebalanceTimeout = 20 * time.Second

// pollRecords bounds what is handed over between two chances to rebalance.
const pollRecords = 4096

// position is a partition of a topic.
type position struct {
	topic     string
	partition int32
}

// Owner is a member of the group whose members share the partitions out. It
// reads the topic for the partitions it owns, and commits what it is told:
// polled is not finished (contracts.md, "Offsets").
type Owner struct {
	config OwnerConfig
	log    *slog.Logger
	client *kgo.Client

	// started is closed by Run: franz-go joins, and would tell of partitions,
	// before the caller has the Owner that its handler needs.
	started chan struct{}

	// committing is held while a commit is under way, so that a partition is
	// given up before it or after it.
	committing sync.Mutex

	mu        sync.Mutex
	owned     map[int32]bool
	pending   map[position]int64 // of owned partitions
	committed map[position]int64 // of owned partitions

	records, commits, commitErrors, rebalances atomic.Int64
}

// NewOwner prepares a member. Nothing is told to the handler before Run, which
// must follow, and ends it.
func NewOwner(c OwnerConfig) (*Owner, error) {
	if c.Session == 0 {
		c.Session = 6 * time.Second
	}
	if c.CommitEvery == 0 {
		c.CommitEvery = 200 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	o := &Owner{
		config: c, log: c.Logger.With("group", c.Group), started: make(chan struct{}),
		owned: map[int32]bool{}, pending: map[position]int64{}, committed: map[position]int64{},
	}
	opts := []kgo.Opt{
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(c.Topic),
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(c.Session),
		kgo.HeartbeatInterval(c.Session / 6),
		kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		// A commit past the end is what a power cut leaves. Reading again does
		// nothing twice; going on at the end would leave records out.
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(o.onAssigned),
		kgo.OnPartitionsRevoked(func(ctx context.Context, _ *kgo.Client, ps map[string][]int32) { o.onRevoked(ctx, ps, false) }),
		kgo.OnPartitionsLost(func(ctx context.Context, _ *kgo.Client, ps map[string][]int32) { o.onRevoked(ctx, ps, true) }),
	}
	if c.Instance != "" {
		opts = append(opts, kgo.InstanceID(c.Instance))
	}
	var err error
	o.client, err = NewClient(c.Config, opts...)
	if err != nil {
		return nil, fmt.Errorf("owner in group %s: %w", c.Group, err)
	}
	return o, nil
}

// Run reads and commits until ctx ends; then it gives up all partitions, commits
// what Revoked left, and leaves. It is called once.
func (o *Owner) Run(ctx context.Context) error {
	close(o.started)
	err := o.poll(ctx)
	o.client.CloseAllowingRebalance() // calls Revoked, with an instance id too
	return err
}

func (o *Owner) poll(ctx context.Context) error {
	due := time.Now().Add(o.config.CommitEvery)
	for ctx.Err() == nil {
		waiting, cancel := context.WithDeadline(ctx, due)
		fetches := o.client.PollRecords(waiting, pollRecords)
		cancel()
		if fetches.IsClientClosed() {
			return errors.New("owner: client was closed")
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) { o.hand(ctx, p) })
		if now := time.Now(); !now.Before(due) {
			o.commit(ctx, nil)
			due = now.Add(o.config.CommitEvery)
		}
		o.client.AllowRebalance()
	}
	return nil
}

func (o *Owner) hand(ctx context.Context, p kgo.FetchTopicPartition) {
	if p.Err != nil && !errors.Is(p.Err, context.DeadlineExceeded) && !errors.Is(p.Err, context.Canceled) {
		// franz-go goes on by itself; what it tells here is worth a line.
		o.log.Warn("reading", "topic", p.Topic, "partition", p.Partition, "err", p.Err)
	}
	if len(p.Records) == 0 {
		return
	}
	o.records.Add(int64(len(p.Records)))
	o.config.Handler.Records(ctx, p.Partition, recordsOf(p.Records))
}

// recordsOf copies the headers of records; the handler keeps the slice.
func recordsOf(from []*kgo.Record) []Record {
	records := make([]Record, len(from))
	for i, r := range from {
		records[i] = Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Key: r.Key, Value: r.Value, Time: r.Timestamp}
	}
	return records
}

func (o *Owner) onAssigned(ctx context.Context, _ *kgo.Client, assigned map[string][]int32) {
	partitions := slices.Sorted(slices.Values(assigned[o.config.Topic]))
	if len(partitions) == 0 {
		return
	}
	select {
	case <-o.started:
	case <-ctx.Done():
		return
	}
	o.rebalances.Add(1)
	commits, err := o.fetchCommitted(ctx)
	if err != nil {
		return // the session ended before an answer; nothing was taken over
	}
	list := make([]Assignment, len(partitions))
	o.mu.Lock()
	for i, p := range partitions {
		o.owned[p] = true
		list[i] = Assignment{Partition: p, Committed: map[string]int64{}}
		for topic, offsets := range commits {
			if at, ok := offsets[p]; ok {
				list[i].Committed[topic] = at
				o.committed[position{topic, p}] = at
			}
		}
	}
	o.mu.Unlock()
	o.config.Handler.Assigned(ctx, list)
}

// fetchCommitted asks until it is answered or the session ends: a partition that
// is assigned must be taken over.
func (o *Owner) fetchCommitted(ctx context.Context) (map[string]map[int32]int64, error) {
	for {
		commits, err := committed(ctx, o.client, o.config.Group)
		if err == nil {
			return commits, nil
		}
		o.log.Warn("taking partitions over", "err", err)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (o *Owner) onRevoked(ctx context.Context, revoked map[string][]int32, lost bool) {
	var partitions []int32
	o.mu.Lock()
	for _, p := range slices.Sorted(slices.Values(revoked[o.config.Topic])) {
		if o.owned[p] {
			partitions = append(partitions, p)
		}
	}
	o.mu.Unlock()
	if len(partitions) == 0 {
		return
	}
	o.rebalances.Add(1)
	o.config.Handler.Revoked(ctx, partitions, lost)
	if !lost {
		o.commit(ctx, partitions)
	}
	o.committing.Lock()
	defer o.committing.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range partitions {
		delete(o.owned, p)
	}
	gone := func(at position, _ int64) bool { return slices.Contains(partitions, at.partition) }
	maps.DeleteFunc(o.pending, gone)
	maps.DeleteFunc(o.committed, gone)
}

// Commit asks for an offset of a partition to be committed: everything below it
// is finished or in a snapshot. It only notes it; the next round, at most
// CommitEvery later, sends it, if the partition is still owned then. For one that
// isn't owned, and when the offset is lower than one noted before, it does
// nothing.
func (o *Owner) Commit(topic string, partition int32, offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := position{topic, partition}
	if !o.owned[partition] {
		return
	}
	if have, ok := o.committed[at]; ok && offset <= have {
		return
	}
	if offset > o.pending[at] {
		o.pending[at] = offset
	}
}

// Committed returns what the group has for a partition that is owned; ok is
// false for another one, or when nothing was ever committed.
func (o *Owner) Committed(topic string, partition int32) (offset int64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	offset, ok = o.committed[position{topic, partition}]
	return offset, ok
}

// commit sends what is pending of the partitions, of all when nil. An error
// keeps it pending for the next round.
func (o *Owner) commit(ctx context.Context, only []int32) {
	o.committing.Lock()
	defer o.committing.Unlock()
	send := map[string]map[int32]kgo.EpochOffset{}
	o.mu.Lock()
	for at, offset := range o.pending {
		if only != nil && !slices.Contains(only, at.partition) {
			continue
		}
		if send[at.topic] == nil {
			send[at.topic] = map[int32]kgo.EpochOffset{}
		}
		send[at.topic][at.partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	o.mu.Unlock()
	if len(send) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, o.config.Session)
	defer cancel()
	o.commits.Add(1)
	o.client.CommitOffsetsSync(ctx, send, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		o.answered(send, resp, err)
	})
}

func (o *Owner) answered(sent map[string]map[int32]kgo.EpochOffset, resp *kmsg.OffsetCommitResponse, err error) {
	if errors.Is(err, context.Canceled) {
		return // Run ends: what is pending is committed on the way out.
	}
	if err != nil {
		o.commitErrors.Add(1)
		o.log.Warn("committing", "err", err)
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				o.commitErrors.Add(1)
				o.log.Warn("committing", "topic", t.Topic, "partition", p.Partition, "err", err)
				continue
			}
			at, offset := position{t.Topic, p.Partition}, sent[t.Topic][p.Partition].Offset
			o.committed[at] = offset
			if o.pending[at] == offset {
				delete(o.pending, at)
			}
		}
	}
}

// Owned lists the partitions owned now, ascending.
func (o *Owner) Owned() []int32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(maps.Keys(o.owned))
}

// Pause stops reading partitions, from what was not fetched yet on; Resume goes
// on. Within Assigned it means that no record comes before Resume.
func (o *Owner) Pause(partitions ...int32) {
	o.client.PauseFetchPartitions(map[string][]int32{o.config.Topic: partitions})
}

// Resume goes on reading.
func (o *Owner) Resume(partitions ...int32) {
	o.client.ResumeFetchPartitions(map[string][]int32{o.config.Topic: partitions})
}

// OwnerStats is a snapshot for metrics.
type OwnerStats struct {
	Owned                                      int
	Records, Commits, CommitErrors, Rebalances int64
}

// Stats returns counters since the start.
func (o *Owner) Stats() OwnerStats {
	return OwnerStats{
		Owned: len(o.Owned()), Records: o.records.Load(), Commits: o.commits.Load(),
		CommitErrors: o.commitErrors.Load(), Rebalances: o.rebalances.Load(),
	}
}
