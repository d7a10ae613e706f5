package analytics

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// ErrAnotherSink ends a sink that finds another one writing: two would insert
// everything twice.
var ErrAnotherSink = errors.New("another process feeds this ClickHouse")

// cut says which records one insert took: of each partition those from first
// up to, not including, next. It is written before its rows, and repeated to
// the record after a crash.
type cut struct {
	topic string
	seq   uint64
	sink  string  // the process that wrote it
	first []int64 // by partition, as the other two
	next  []int64
	owner []int64 // owner epoch as of first
	rows  int
}

// token names the cut's rows to the server, which drops a second block of the
// same name.
func (c *cut) token() string { return fmt.Sprintf("%s/%d/%s", c.topic, c.seq, c.sink) }

// lastCut returns the newest cut of a topic, nil when there is none.
func lastCut(ctx context.Context, conn driver.Conn, topic string) (*cut, error) {
	const query = `SELECT topic, seq, sink, first, next, owner, events FROM sink_cuts WHERE topic = ? ORDER BY seq DESC LIMIT 1`
	var c cut
	var events uint64
	err := conn.QueryRow(ctx, query, topic).Scan(&c.topic, &c.seq, &c.sink, &c.first, &c.next, &c.owner, &events)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading sink_cuts: %w", err)
	}
	c.rows = int(events)
	return &c, nil
}

// store writes the cut, unless a newer one, or the same of another process, is
// there.
func (c *cut) store(ctx context.Context, conn driver.Conn) error {
	last, err := lastCut(ctx, conn, c.topic)
	if err != nil {
		return err
	}
	if last != nil && (last.seq > c.seq || last.seq == c.seq && last.sink != c.sink) {
		return fmt.Errorf("%w: cut %d of topic %s is by %s, ours would be %d by %s", ErrAnotherSink, last.seq, c.topic, last.sink, c.seq, c.sink)
	}
	batch, err := conn.PrepareBatch(ctx, "INSERT INTO sink_cuts (topic, seq, sink, first, next, owner, events, at)")
	if err != nil {
		return fmt.Errorf("sink_cuts: %w", err)
	}
	defer func() { _ = batch.Close() }()
	if err := batch.Append(c.topic, c.seq, c.sink, c.first, c.next, c.owner, uint64(c.rows), time.Now()); err != nil {
		return fmt.Errorf("sink_cuts: %w", err)
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("sink_cuts: %w", err)
	}
	return nil
}
