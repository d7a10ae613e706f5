package analytics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/segmentio/kafka-go"
)

const (
	fetchMin     = 64 << 10               // bytes that a fetch waits for …
	fetchWait    = 400 * time.Millisecond // … so long at most: fewer, fuller answers cost less
	fetchMax     = 1 << 20                // bytes of an answer, thus of what a reader holds
	fetchTimeout = 20 * time.Second
	dialTimeout  = 10 * time.Second
	readBackOff  = 200 * time.Millisecond // doubled up to …
	readBackMost = 5 * time.Second
)

// forEver as reader.until reads on without end.
const forEver = 1<<63 - 1

// fetch is what one answer of the broker held.
type fetch struct {
	partition int32
	start     int64 // offset where reading began: when it is above the last fetch's end, records are gone
	records   []kafka.Message
}

// reader reads one partition, from the record asked for and by no group. It is
// kafka-go's connection and not its Reader, because the latter skips over
// records that retention has removed, and waits for ever behind the end of a
// log that became shorter, without a word.
type reader struct {
	brokers   []string
	dialer    *kafka.Dialer
	topic     string
	partition int
	out       chan<- fetch
	end       *atomic.Int64 // of the log as last seen
	trouble   func(error)   // told of what keeps the reader from reading; nil: it reads
	log       *slog.Logger
}

// errLogEnds: the log ends before the record that is wanted.
var errLogEnds = errors.New("the log ends before what was read of it: it was lost, or it is not the log that fed this ClickHouse")

// run hands over all records from next on, up to, not including, until. It
// returns nil when it has got there or when ctx ends; faults it outlives.
func (r *reader) run(ctx context.Context, next, until int64) error {
	for backOff := readBackOff; next < until; {
		before := next
		err := r.read(ctx, &next, until)
		if ctx.Err() != nil {
			return nil
		}
		if next > before {
			backOff = readBackOff
		}
		if err == nil {
			continue
		}
		if errors.Is(err, errLogEnds) && until != forEver {
			r.log.Error("records to be read again are gone", "topic", r.topic, "partition", r.partition, "from", next, "to", until)
			return r.hand(ctx, fetch{partition: int32(r.partition), start: until})
		}
		r.trouble(err)
		select {
		case <-time.After(backOff):
		case <-ctx.Done():
			return nil
		}
		backOff = min(2*backOff, readBackMost)
	}
	return nil
}

// read reads on one connection until it breaks. The position is at *next.
func (r *reader) read(ctx context.Context, next *int64, until int64) error {
	conn, err := r.connect(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer func() {
		if stop() {
			_ = conn.Close()
		}
	}()
	if err := r.seek(ctx, conn, next, until); err != nil {
		return err
	}
	r.trouble(nil)
	for *next < until {
		if err := conn.SetReadDeadline(time.Now().Add(fetchTimeout)); err != nil {
			return err
		}
		records, reached, err := r.fetch(conn, until)
		f := fetch{int32(r.partition), *next, records}
		if len(records) > 0 {
			*next = records[len(records)-1].Offset + 1
		}
		if reached {
			*next = until
		}
		if len(records) > 0 {
			if err := r.hand(ctx, f); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) hand(ctx context.Context, f fetch) error {
	select {
	case r.out <- f:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fetch asks once and returns the records below until, none when nothing came,
// and whether a record at or behind until was seen.
func (r *reader) fetch(conn *kafka.Conn, until int64) (records []kafka.Message, reached bool, err error) {
	batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: fetchMin, MaxBytes: fetchMax, MaxWait: fetchWait})
	for err == nil && !reached {
		var m kafka.Message
		if m, err = batch.ReadMessage(); err == nil {
			if reached = m.Offset >= until; !reached {
				records = append(records, m)
			}
		}
	}
	closeErr := batch.Close()
	r.end.Store(max(r.end.Load(), batch.HighWaterMark()))
	switch {
	case reached:
		return records, true, nil
	case errors.Is(err, io.EOF):
		return records, false, closeErr
	case errors.Is(err, kafka.RequestTimedOut): // kafka-go's word for a fetch that waited in vain
		return records, false, nil
	}
	return records, false, err
}

// seek moves to *next, or to the first record that is left. The log says where
// it begins and ends at every new connection, and a connection breaks when the
// record asked for is out of that range.
func (r *reader) seek(ctx context.Context, conn *kafka.Conn, next *int64, until int64) error {
	if err := conn.SetReadDeadline(time.Now().Add(fetchTimeout)); err != nil {
		return err
	}
	first, end, err := conn.ReadOffsets()
	if err != nil {
		return fmt.Errorf("offsets of %s/%d: %w", r.topic, r.partition, err)
	}
	r.end.Store(end)
	if *next < first {
		*next = first
		if err := r.hand(ctx, fetch{partition: int32(r.partition), start: min(first, until)}); err != nil {
			return err
		}
	}
	if *next > end || until != forEver && until > end {
		return fmt.Errorf("%w: %s/%d ends at %d, wanted from %d", errLogEnds, r.topic, r.partition, end, *next)
	}
	_, err = conn.Seek(*next, kafka.SeekAbsolute|kafka.SeekDontCheck)
	return err
}

// connect dials the partition's leader, asking one broker after the other.
func (r *reader) connect(ctx context.Context) (*kafka.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var failed error
	for _, broker := range r.brokers {
		conn, err := r.dialer.DialLeader(ctx, "tcp", broker, r.topic, r.partition)
		if err == nil {
			return conn, nil
		}
		failed = fmt.Errorf("%s/%d at %s: %w", r.topic, r.partition, broker, err)
	}
	return nil, failed
}
