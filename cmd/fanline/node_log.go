package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"fanline/engine/journal"
	"fanline/pipeline"
	"fanline/pipeline/embedded"
	"fanline/pipeline/record"
)

// Partitions of every topic that is partitioned at all.
const (
	partitionsEmbedded = 12
	partitionsCluster  = 24
)

// logNode is the log as this process reaches it: the embedded broker, or the
// clients of a cluster.
type logNode struct {
	broker     *embedded.Broker // nil: a cluster
	config     pipeline.Config
	partitions int
	admin      *kgo.Client
	synced     *pipeline.Log // journal, inbound, consent: on the disk before it is done
	acked      *pipeline.Log // receipts, jobs, the outbox: survives kill -9
	closers    []func()
}

// openLog starts the broker where none is named, makes the topics and opens
// the producers.
func openLog(ctx context.Context, n *node) (*logNode, error) {
	l := &logNode{partitions: partitionsEmbedded}
	l.config = pipeline.Config{Brokers: n.cfg.Log.Brokers, ClientID: "fanline", Logger: n.log}
	var barrier pipeline.Barrier
	if len(n.cfg.Log.Brokers) == 0 {
		broker, err := embedded.Open(ctx, embedded.Config{Dir: filepath.Join(n.data.path, "broker"), Logger: n.log})
		if err != nil {
			return nil, fmt.Errorf("embedded broker: %w", err)
		}
		l.broker, barrier = broker, broker.Sync
		l.config.Brokers, l.config.Dialer = broker.Addresses(), broker.Dialer()
	} else {
		l.partitions, l.config.Compress = partitionsCluster, true
	}
	if err := l.clients(ctx, barrier); err != nil {
		return nil, errors.Join(fmt.Errorf("log: %w", err), l.close())
	}
	return l, nil
}

func (l *logNode) clients(ctx context.Context, barrier pipeline.Barrier) error {
	var err error
	if l.admin, err = pipeline.NewClient(l.config); err != nil {
		return err
	}
	replication, err := pipeline.Replication(ctx, l.admin)
	if err != nil {
		return err
	}
	if err := pipeline.EnsureTopics(ctx, l.admin, int32(l.partitions), replication); err != nil {
		return err
	}
	open := func(linger time.Duration, barrier pipeline.Barrier) (*pipeline.Log, error) {
		producer, err := pipeline.NewProducer(l.config, linger)
		if err != nil {
			return nil, err
		}
		log := pipeline.NewLog(producer, barrier)
		l.closers = append(l.closers, func() { closeProducer(log, producer, acknowledging) })
		return log, nil
	}
	if l.synced, err = open(0, barrier); err != nil {
		return err
	}
	l.acked, err = open(2*time.Millisecond, nil)
	return err
}

// closeProducer waits for what is under way. Brokers that don't answer don't hold up
// the end: what they have not acknowledged fails, and counts as after a crash.
func closeProducer(log *pipeline.Log, producer *kgo.Client, patience time.Duration) {
	done := make(chan struct{})
	go func() { log.Close(); close(done) }()
	select {
	case <-done:
		producer.Close()
	case <-time.After(patience):
		producer.Close() // Fails what it holds, which ends the log.
		<-done
	}
}

// acknowledging is how long brokers may take for what was written last.
const acknowledging = 5 * time.Second

// close flushes and leaves; clients go before the broker.
func (l *logNode) close() error {
	for _, c := range l.closers {
		c()
	}
	if l.admin != nil {
		l.admin.Close()
	}
	if l.broker == nil {
		return nil
	}
	// Clients close their connections in goroutines of their own.
	for begun := time.Now(); l.broker.Stats().Connections > 0 && time.Since(begun) < leaving; {
		time.Sleep(5 * time.Millisecond)
	}
	return l.broker.Close()
}

// leaving is how long clients may take to hang up.
const leaving = time.Second

// engineLog is the engine's view of the log. Receipts are acknowledged to the
// carrier when the broker has them; everything else when it is on the disk.
type engineLog struct{ *logNode }

// Append makes records durable at the level of their topic.
func (l engineLog) Append(entries []journal.Entry, done func([]int64, error)) {
	out := make([]pipeline.Entry, len(entries))
	for i, e := range entries {
		out[i] = pipeline.Entry{Topic: e.Topic, Partition: e.Partition, Key: e.Key, Value: e.Value}
	}
	if len(entries) > 0 && entries[0].Topic == record.TopicReceipts {
		l.acked.Append(out, done)
		return
	}
	l.synced.Append(out, done)
}

// produce appends records and waits for the acknowledgement.
func (l *logNode) produce(ctx context.Context, entries []pipeline.Entry) error {
	done := make(chan error, 1)
	l.acked.Append(entries, func(_ []int64, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
