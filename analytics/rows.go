package analytics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// source is a record of the log as it reaches the rows of its topic.
type source struct {
	partition int32
	offset    int64
	at        int64 // Unix ms of the record, for entries without a time
	value     []byte
	owner     *int64 // latest owner epoch of the partition; own records move it on
}

// rows gathers what records of one topic become. An error of add means that
// the record is void or cannot be read; then nothing of it has been appended.
type rows interface {
	add(r *source) error
	len() int
	reset()
	// insert writes all of them; token makes a repetition of them harmless.
	insert(ctx context.Context, conn driver.Conn, token string) error
}

// errVoid: the record is of an owner that another has followed.
var errVoid = errors.New("of an older owner")

const (
	// chunkRows are turned into columns at a time: as many as stay in the
	// second-level cache over all columns.
	chunkRows = 1024
	// maxBlockRows is above any cut: 250,000 rows and those of one more record.
	maxBlockRows = 4_000_000
	// insertTimeout bounds one attempt; a full cut takes half a second on a
	// busy machine.
	insertTimeout = time.Minute
)

// column is a column of a table and how it is filled from rows.
type column[R any] struct {
	name   string
	append func(c driver.BatchColumn, chunk []R) error
}

// field is a column of plain values; they go by a slice of their type, which
// is what clickhouse-go appends fastest.
func field[R, V any](name string, of func(*R) V) column[R] {
	var scratch []V
	return column[R]{name, func(c driver.BatchColumn, chunk []R) error {
		scratch = scratch[:0]
		for i := range chunk {
			scratch = append(scratch, of(&chunk[i]))
		}
		return c.Append(scratch)
	}}
}

// boxed is a column whose values are boxed already, so that giving them one by
// one allocates nothing.
func boxed[R any](name string, of func(*R) any) column[R] {
	return column[R]{name, func(c driver.BatchColumn, chunk []R) error {
		for i := range chunk {
			if err := c.AppendRow(of(&chunk[i])); err != nil {
				return err
			}
		}
		return nil
	}}
}

// insertRows sends all rows as one block. With a token the server drops a
// block that it has already taken under it.
func insertRows[R any](ctx context.Context, conn driver.Conn, table, token string, columns []column[R], rows []R) error {
	if len(rows) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	settings := clickhouse.Settings{
		// The server must not cut or join blocks by rules of its own: a token
		// names a block, and a repetition must be cut the same.
		"min_insert_block_size_rows":  0,
		"min_insert_block_size_bytes": 0,
		"max_insert_block_size":       maxBlockRows,
		"async_insert":                0,
	}
	if token != "" {
		settings["insert_deduplicate"] = 1
		settings["insert_deduplication_token"] = token
	}
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	statement := fmt.Sprintf("INSERT INTO %s (%s)", table, strings.Join(names, ", "))
	batch, err := conn.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), statement)
	if err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	defer func() { _ = batch.Close() }() // After Send it does nothing.
	for len(rows) > 0 {
		n := min(chunkRows, len(rows))
		for i := range columns {
			if err := columns[i].append(batch.Column(i), rows[:n]); err != nil {
				return fmt.Errorf("%s.%s: %w", table, columns[i].name, err)
			}
		}
		rows = rows[n:]
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("%s: %w", table, err)
	}
	return nil
}

// intern numbers the short strings of a column of few values and boxes each
// once.
type intern struct {
	numbers map[string]uint16
	boxed   []any
	last    string // mostly the next one too
	lastNum uint16
}

// internMost bounds the table; what comes later shares the empty string's
// number. Carriers come from the configuration and err fields have three
// digits, so only a hostile carrier gets there.
const internMost = 10_000

func newIntern() *intern { return &intern{numbers: map[string]uint16{"": 0}, boxed: []any{""}} }

func (in *intern) number(s string) uint16 {
	if s == in.last {
		return in.lastNum
	}
	n, ok := in.numbers[s]
	if !ok && len(in.boxed) < internMost {
		n = uint16(len(in.boxed))
		s = strings.Clone(s) // It aliases a record.
		in.numbers[s], in.boxed = n, append(in.boxed, s)
	}
	if ok || n > 0 {
		in.last, in.lastNum = in.boxed[n].(string), n
	}
	return n
}

// languages boxes languages, found by their two octets.
type languages [1 << 16]any

func (l *languages) box(code [2]byte) any {
	slot := &l[int(code[0])<<8|int(code[1])]
	if *slot == nil {
		*slot = string(code[:])
	}
	return *slot
}

// genderOf keeps what the schema knows.
func genderOf(g byte) int8 {
	if g == 'f' || g == 'm' || g == 'x' {
		return int8(g)
	}
	return 0
}

// clampTime keeps a time within what DateTime64 and a table's months can hold:
// one out of it would make a partition of its own.
func clampTime(ms int64) int64 {
	const year2200 = 7_258_118_400_000
	return min(max(ms, 0), year2200)
}
