package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fanline/engine"
	"fanline/pipeline"
	"fanline/pipeline/record"
)

// ownersGroup is the consumer group whose members share the partitions out.
const ownersGroup = "fanline-engine"

// engineNode ties the engine to the log: partitions come from the group, their
// journal is replayed, their records handed over, what is done with committed.
type engineNode struct {
	n      *node
	engine *engine.Engine
	tails  *pipeline.Tails // consent and control of all, receipts of ours
	replay *pipeline.Tails // journals of partitions that are being taken over
	owner  *pipeline.Owner
	synced chan struct{} // closed when consent and control were read to their end

	mu    sync.Mutex
	owned map[int32]context.CancelFunc
	group sync.WaitGroup
	fatal chan error
}

func newEngineNode(n *node, e *engine.Engine) (*engineNode, error) {
	en := &engineNode{n: n, engine: e, synced: make(chan struct{}), owned: map[int32]context.CancelFunc{}, fatal: make(chan error, 1)}
	var err error
	if en.tails, err = pipeline.NewTails(n.logs.config); err != nil {
		return nil, err
	}
	if en.replay, err = pipeline.NewTails(n.logs.config); err != nil {
		return nil, err
	}
	en.owner, err = pipeline.NewOwner(pipeline.OwnerConfig{
		Config: n.logs.config, Group: ownersGroup, Topic: record.TopicJobs, Instance: n.instance, Handler: en,
	})
	return en, err
}

// run serves until ctx ends. The engine stops first and drains its windows;
// then its last marks are committed and the group is left.
func (en *engineNode) run(ctx context.Context, ready func()) error {
	outer := context.WithoutCancel(ctx)
	readers, stopReaders := context.WithCancel(outer)
	defer stopReaders()
	loop, stopLoop := context.WithCancel(outer)
	defer stopLoop()
	var g errgroup.Group
	g.Go(func() error { return ignoreCanceled(en.tails.Run(readers)) })
	g.Go(func() error { return ignoreCanceled(en.replay.Run(readers)) })
	engineDone := make(chan error, 1)
	go func() { engineDone <- en.engine.Run(loop) }()
	if err := en.catchUp(ctx); err != nil {
		stopReaders()
		stopLoop()
		return errors.Join(err, <-engineDone, g.Wait())
	}
	owner, leave := context.WithCancel(outer)
	defer leave()
	g.Go(func() error { return ignoreCanceled(en.owner.Run(owner)) })
	g.Go(func() error { en.commits(owner); return nil })
	ready()
	var err error
	select {
	case err = <-engineDone:
	case err = <-en.fatal:
		stopLoop()
		err = errors.Join(err, <-engineDone)
	case <-ctx.Done():
		stopLoop()
		err = <-engineDone
	}
	en.commitMarks()
	leave()
	en.cancelAll()
	en.group.Wait()
	stopReaders()
	return errors.Join(err, g.Wait())
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// catchUp reads consent and control to their end before any partition is
// taken: nothing is sent by an engine that may not know of a STOP.
func (en *engineNode) catchUp(ctx context.Context) error {
	for _, topic := range []string{record.TopicConsent, record.TopicControl} {
		ends, err := pipeline.EndOffsets(ctx, en.n.logs.admin, topic)
		if err != nil {
			return fmt.Errorf("reading %s to its end: %w", topic, err)
		}
		for p := range ends {
			en.tails.Add(topic, int32(p), 0, en.records)
		}
		for p, end := range ends {
			if err := en.waitFor(ctx, topic, int32(p), end); err != nil {
				return err
			}
		}
	}
	return nil
}

func (en *engineNode) waitFor(ctx context.Context, topic string, p int32, end int64) error {
	for {
		next, ok := en.tails.Position(topic, p)
		if end == 0 || ok && next >= end {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
}

func (en *engineNode) records(records []pipeline.Record) {
	batch := make([]engine.Record, len(records))
	for i, r := range records {
		batch[i] = engine.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Value: r.Value}
	}
	_ = en.engine.Records(batch) // Fails only when the engine has stopped: the log keeps them.
}

// Assigned takes partitions over, each in a goroutine of its own, because a
// member that is slow to answer the group loses them.
func (en *engineNode) Assigned(ctx context.Context, assigned []pipeline.Assignment) {
	for _, a := range assigned {
		en.owner.Pause(a.Partition)
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		en.mu.Lock()
		en.owned[a.Partition] = cancel
		en.mu.Unlock()
		en.group.Go(func() {
			defer cancel()
			if err := en.takeOver(own, a); err != nil && own.Err() == nil {
				select {
				case en.fatal <- err:
				default: // One reason to stop is enough.
				}
			}
		})
	}
}

func (en *engineNode) takeOver(ctx context.Context, a pipeline.Assignment) error {
	start := engine.Start{Jobs: a.Committed[record.TopicJobs], Receipts: a.Committed[record.TopicReceipts]}
	begun := time.Now()
	if err := en.engine.Own(ctx, a.Partition, start, en.replayJournal); err != nil {
		return err
	}
	en.n.log.Debug("partition taken over", "partition", a.Partition, "ms", time.Since(begun).Milliseconds())
	en.tails.Add(record.TopicReceipts, a.Partition, start.Receipts, en.records)
	en.owner.Resume(a.Partition)
	return nil
}

// replayJournal reads a partition's journal up to the engine's own record.
func (en *engineNode) replayJournal(ctx context.Context, partition int32, until int64, each func(int64, []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	batches := make(chan []pipeline.Record, 16)
	en.replay.Add(record.TopicJournal, partition, 0, func(records []pipeline.Record) {
		select {
		case batches <- records:
		case <-ctx.Done():
		}
	})
	defer en.replay.Remove(record.TopicJournal, partition)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case records := <-batches:
			for _, r := range records {
				if r.Offset >= until {
					return nil
				}
				if err := each(r.Offset, r.Value); err != nil {
					return err
				}
			}
		}
	}
}

// Revoked drops what the engine knows of partitions that another owns now.
func (en *engineNode) Revoked(ctx context.Context, partitions []int32, lost bool) {
	for _, p := range partitions {
		en.mu.Lock()
		if cancel := en.owned[p]; cancel != nil {
			cancel()
			delete(en.owned, p)
		}
		en.mu.Unlock()
		en.tails.Remove(record.TopicReceipts, p)
		if !lost {
			en.commitMark(p)
		}
		_ = en.engine.Disown(ctx, p) // Fails only when the engine has stopped, which drops everything.
	}
}

// Records hands over what was read of jobs.
func (en *engineNode) Records(_ context.Context, _ int32, records []pipeline.Record) {
	en.records(records)
}

func (en *engineNode) cancelAll() {
	en.mu.Lock()
	defer en.mu.Unlock()
	for _, cancel := range en.owned {
		cancel()
	}
}

// commits notes how far each partition is done with, for the owner to commit.
func (en *engineNode) commits(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			en.commitMarks()
		}
	}
}

func (en *engineNode) commitMarks() {
	for _, p := range en.owner.Owned() {
		en.commitMark(p)
	}
}

func (en *engineNode) commitMark(p int32) {
	jobs, receipts, _ := en.engine.Marks(p)
	if jobs > 0 {
		en.owner.Commit(record.TopicJobs, p, jobs)
	}
	if receipts > 0 {
		en.owner.Commit(record.TopicReceipts, p, receipts)
	}
}
