package analytics

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"fanline/pipeline/record"
)

// text is a row of inbound_texts: that one was received, never what it said.
type text struct {
	number          uint64
	at, offset      int64
	carrier         uint16 // of carriers
	slot, partition uint16
}

// texts are the rows of topic inbound.
type texts struct {
	carriers *intern
	rows     []text
	columns  []column[text]
}

func newTexts() *texts {
	t := &texts{carriers: newIntern()}
	t.columns = []column[text]{
		field("number", func(r *text) uint64 { return r.number }),
		field("slot", func(r *text) uint16 { return r.slot }),
		boxed("carrier", func(r *text) any { return t.carriers.boxed[r.carrier] }),
		field("at", func(r *text) int64 { return r.at }),
		field("source_partition", func(r *text) uint16 { return r.partition }),
		field("source_offset", func(r *text) int64 { return r.offset }),
	}
	return t
}

func (t *texts) len() int { return len(t.rows) }

func (t *texts) reset() { t.rows = t.rows[:0] }

func (t *texts) add(r *source) error {
	in, err := record.DecodeInbound(r.value)
	if err != nil {
		return err
	}
	if in.At == 0 {
		in.At = r.at
	}
	t.rows = append(t.rows, text{
		number: uint64(in.Number), at: clampTime(in.At), offset: r.offset,
		carrier: t.carriers.number(in.Carrier), slot: uint16(in.Phone.Slot()), partition: uint16(r.partition),
	})
	return nil
}

func (t *texts) insert(ctx context.Context, conn driver.Conn, token string) error {
	return insertRows(ctx, conn, "inbound_texts", token, t.columns, t.rows)
}
