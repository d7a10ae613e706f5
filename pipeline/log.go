package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Entry is a record to be appended. Key and Value belong to the log until the
// append is done.
type Entry struct {
	Topic      string
	Partition  int32
	Key, Value []byte
}

// Record is a record as it was read. Key and Value alias the fetch that brought
// it: who keeps a few octets for long copies them.
type Record struct {
	Topic      string
	Partition  int32
	Offset     int64
	Key, Value []byte
	Time       time.Time
}

// Barrier returns when all that was acknowledged in the partitions before the
// call is on the disk: the embedded broker's Sync.
type Barrier func(ctx context.Context, topic string, partitions []int32) error

// ErrClosed is what an append gets that came after Close.
var ErrClosed = errors.New("log is closed")

// Log appends records durably. Level synced is a Log with a barrier, level
// acked one without; in a cluster the acknowledgement of min.insync.replicas
// brokers is the promise, and there is no barrier.
type Log struct {
	client  *kgo.Client
	barrier Barrier
	wake    chan struct{} // room for one: what is acked is in the queue
	quit    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex
	acked   []*appending // each only once, so no longer than appends in flight
	flying  int
	closing bool

	appends, records, failed, barriers atomic.Int64
}

// appending is one call of Append or Produce.
type appending struct {
	records []kgo.Record
	left    atomic.Int64
	synced  bool
	err     error // the first; set by the promises' goroutine
	done    func(offsets []int64, err error)
}

// NewLog starts a log on a producer, which the caller closes after it. A nil
// barrier means level acked.
func NewLog(producer *kgo.Client, barrier Barrier) *Log {
	l := &Log{
		client: producer, barrier: barrier,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), stopped: make(chan struct{}),
	}
	go l.run()
	return l
}

// Append writes the entries and calls done once, from the log's own goroutine,
// when all of them are durable at the log's level, with the offset of each; or
// with the first error, after which any of them may or may not stand in the
// log. Calls may overlap; entries of one partition keep the order of the calls.
// The client retries what can be retried for as long as it takes, so an error
// is final: the record is refused, or the disk is (a full one, for example).
// Append itself blocks while the producer's buffer is full, and done must not
// block for long: the next waits behind it. After Close, done gets ErrClosed on
// the caller's goroutine.
func (l *Log) Append(entries []Entry, done func(offsets []int64, err error)) {
	l.produce(entries, l.barrier != nil, done)
}

// Produce is Append at level acked, whatever the log's level.
func (l *Log) Produce(entries []Entry, done func(offsets []int64, err error)) {
	l.produce(entries, false, done)
}

func (l *Log) produce(entries []Entry, synced bool, done func(offsets []int64, err error)) {
	l.mu.Lock()
	if l.closing {
		l.mu.Unlock()
		done(nil, ErrClosed)
		return
	}
	l.flying++
	l.mu.Unlock()
	l.appends.Add(1)
	l.records.Add(int64(len(entries)))
	a := &appending{records: make([]kgo.Record, len(entries)), synced: synced, done: done}
	a.left.Store(int64(len(entries)))
	if len(entries) == 0 {
		l.finish(a)
		return
	}
	promise := func(_ *kgo.Record, err error) {
		if err != nil && a.err == nil {
			a.err = err
		}
		if a.left.Add(-1) == 0 {
			l.finish(a)
		}
	}
	for i, e := range entries {
		r := &a.records[i]
		r.Topic, r.Partition, r.Key, r.Value = e.Topic, e.Partition, e.Key, e.Value
		l.client.Produce(context.Background(), r, promise)
	}
}

// finish queues what is acknowledged. It runs in the promises' goroutine, which
// serves all producers of the client and therefore never waits for ours.
func (l *Log) finish(a *appending) {
	l.mu.Lock()
	l.acked = append(l.acked, a)
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // it is awake already
	}
}

// run makes batches of whatever was acknowledged meanwhile durable together and
// calls back.
func (l *Log) run() {
	defer close(l.stopped)
	quit := l.quit
	var batch []*appending
	for {
		l.mu.Lock()
		batch, l.acked = l.acked, batch[:0]
		idle := l.closing && l.flying == 0
		l.mu.Unlock()
		if len(batch) == 0 {
			if idle {
				return
			}
			select {
			case <-l.wake:
			case <-quit:
				quit = nil // in the next round we are idle, or are woken by the last
			}
			continue
		}
		err := l.sync(batch)
		for i, a := range batch {
			l.answer(a, err)
			batch[i] = nil
		}
		l.mu.Lock()
		l.flying -= len(batch)
		l.mu.Unlock()
	}
}

func (l *Log) answer(a *appending, err error) {
	if a.err != nil {
		err = a.err
	} else if !a.synced {
		err = nil
	}
	if err != nil {
		l.failed.Add(1)
		a.done(nil, fmt.Errorf("appending %d records: %w", len(a.records), err))
		return
	}
	offsets := make([]int64, len(a.records))
	for i := range a.records {
		offsets[i] = a.records[i].Offset
	}
	a.done(offsets, nil)
}

// sync passes the barrier once for all partitions of a topic that appends of
// the batch have touched.
func (l *Log) sync(batch []*appending) error {
	touched := map[string][]int32{}
	for _, a := range batch {
		if !a.synced || a.err != nil {
			continue
		}
		for i := range a.records {
			r := &a.records[i]
			touched[r.Topic] = appendNew(touched[r.Topic], r.Partition)
		}
	}
	for topic, partitions := range touched {
		l.barriers.Add(1)
		if err := l.barrier(context.Background(), topic, partitions); err != nil {
			return err
		}
	}
	return nil
}

func appendNew(list []int32, p int32) []int32 {
	for _, have := range list {
		if have == p {
			return list
		}
	}
	return append(list, p)
}

// Close waits until every append is done. What the brokers don't acknowledge
// holds it up: end that by closing the producer, which fails what it buffers.
func (l *Log) Close() {
	l.mu.Lock()
	first := !l.closing
	l.closing = true
	l.mu.Unlock()
	if first {
		close(l.quit)
	}
	<-l.stopped
}

// LogStats is a snapshot for metrics.
type LogStats struct {
	Appends, Records int64
	Failed           int64 // appends that ended with an error
	Barriers         int64
	Buffered         int64 // records not acknowledged yet
	BufferedBytes    int64
}

// Stats returns counters since the start.
func (l *Log) Stats() LogStats {
	return LogStats{
		Appends: l.appends.Load(), Records: l.records.Load(), Failed: l.failed.Load(), Barriers: l.barriers.Load(),
		Buffered: l.client.BufferedProduceRecords(), BufferedBytes: l.client.BufferedProduceBytes(),
	}
}
