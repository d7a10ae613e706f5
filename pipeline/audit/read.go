package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/segmentio/kafka-go"

	"fanline/pipeline/record"
)

// Config says how to reach the log.
type Config struct {
	Brokers []string

	// Dial connects to a broker; nil: TCP. The embedded broker's ignores the
	// address.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	// fetchBytes is what one request may bring; a batch is up to 1 MB.
	fetchBytes = 8 << 20

	// patience is how long a broker may take for one answer.
	patience = 15 * time.Second
)

// Read reads every partition of every topic from its first retained offset to
// its end as of then, and counts. What is written meanwhile isn't waited for.
// An error means that something could not be read at all; what was read and
// makes no sense is in the report's Problems.
func Read(ctx context.Context, c Config) (*Report, error) {
	dialer := &kafka.Dialer{ClientID: "fanline-audit", Timeout: patience, DialFunc: c.Dial}
	partitions, err := lookUp(ctx, dialer, c.Brokers)
	if err != nil {
		return nil, err
	}
	count := newCount()
	for _, topic := range append(record.Partitioned(), record.TopicControl) {
		count.begin(topic)
		for _, p := range partitions[topic] {
			if err := readPartition(ctx, dialer, p, count); err != nil {
				return nil, fmt.Errorf("%s/%d: %w", p.Topic, p.ID, err)
			}
		}
	}
	return count.report(), nil
}

// lookUp asks the first broker that answers for the partitions of all topics.
func lookUp(ctx context.Context, dialer *kafka.Dialer, brokers []string) (map[string][]kafka.Partition, error) {
	var errs []error
	for _, address := range brokers {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list, err := conn.ReadPartitions()
		if err = errors.Join(err, conn.Close()); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", address, err))
			continue
		}
		byTopic := map[string][]kafka.Partition{}
		for _, p := range list {
			byTopic[p.Topic] = append(byTopic[p.Topic], p)
		}
		for _, ps := range byTopic {
			slices.SortFunc(ps, func(a, b kafka.Partition) int { return a.ID - b.ID })
		}
		return byTopic, nil
	}
	return nil, fmt.Errorf("no broker answers: %w", errors.Join(errs...))
}

func readPartition(ctx context.Context, dialer *kafka.Dialer, p kafka.Partition, count *count) (err error) {
	conn, err := dialer.DialPartition(ctx, "tcp", "", p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	stop := context.AfterFunc(ctx, func() { conn.Close() }) //nolint:errcheck // the read says why
	defer stop()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	first, last, err := conn.ReadOffsets()
	if err != nil {
		return err
	}
	part := count.partition(p.Topic, int32(p.ID), first, last)
	for next := first; next < last; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
		if _, err := conn.Seek(next, kafka.SeekAbsolute|kafka.SeekDontCheck); err != nil {
			return err
		}
		reached, err := readBatch(conn, next, last, part)
		switch {
		case errors.Is(err, kafka.OffsetOutOfRange):
			if first, _, err = conn.ReadOffsets(); err != nil {
				return err
			}
			if first <= next {
				return fmt.Errorf("offset %d is refused, although the partition begins at %d", next, first)
			}
			part.trimmed(first) // while we read
			reached = first
		case err != nil:
			return err
		case reached == next:
			return fmt.Errorf("nothing comes at offset %d of %d", next, last)
		}
		next = reached
	}
	return nil
}

// readBatch hands over what one request brings, and returns the offset behind
// it. It never asks past last: the client would wait there without a word.
func readBatch(conn *kafka.Conn, next, last int64, part *part) (int64, error) {
	batch := conn.ReadBatchWith(kafka.ReadBatchConfig{MinBytes: 1, MaxBytes: fetchBytes, MaxWait: time.Second})
	for next < last {
		m, err := batch.ReadMessage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return next, errors.Join(err, ignoreEOF(batch.Close()))
		}
		if m.Offset >= next { // a batch begins before the offset that was asked for
			part.add(m.Offset, m.Key, m.Value)
			next = m.Offset + 1
		}
	}
	return next, ignoreEOF(batch.Close())
}

// ignoreEOF passes over what a batch says that was not read to its end.
func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrShortBuffer) {
		return nil
	}
	return err
}
