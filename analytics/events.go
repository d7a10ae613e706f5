package analytics

import (
	"context"
	"math"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Kinds of event, as in the schema.
const (
	eventOutcome = 1
	eventFinal   = 2
)

const (
	otherReason = 127 // for reasons that this version of the schema doesn't know
	maxErr      = 16  // bytes of a receipt's err field that are kept
)

// event is a row of message_events, laid out so that it takes 80 bytes.
type event struct {
	id                message.ID
	number            uint64
	at, offset        int64
	broadcast, member uint32
	status, city      uint32
	index             uint32
	latency           int32
	carrier, err      uint16 // of the interns of these names
	partition         uint16
	language          [2]byte
	kind, class       int8
	from, state       int8
	reason, gender    int8
	parts, age        uint8
}

// settle is a row of broadcast_counts.
type settle struct {
	record.Settle
	partition uint16
	offset    int64
}

// events are the rows of topic journal.
type events struct {
	journal       record.Journal // decoded into, again and again
	carriers      *intern
	errs          *intern
	rows          []event
	settles       []settle
	named         bool             // a row has an id: one-to-one
	said          map[place]string // part_receipts
	columns       []column[event]
	settleColumns []column[settle]
}

func newEvents() *events {
	e := &events{carriers: newIntern(), errs: newIntern(), said: map[place]string{}}
	e.columns, e.settleColumns = e.eventColumns(), settleColumns()
	return e
}

func (e *events) len() int { return len(e.rows) + len(e.settles) }

func (e *events) reset() {
	e.rows, e.settles, e.named = e.rows[:0], e.settles[:0], false
	clear(e.said)
}

// place names a row: where in the log it comes from.
type place struct {
	partition uint16
	offset    int64
	index     uint32
}

func (r *event) place() place { return place{r.partition, r.offset, r.index} }

// parts keeps what a final tells of the parts of a message in several, as the
// column part_receipts has it. Few messages have several, so it stands beside
// the rows.
func (e *events) parts(row *event, parts []record.Part) {
	if len(parts) == 0 {
		return
	}
	var said []byte
	for i := range parts {
		if i > 0 {
			said = append(said, ',')
		}
		said = append(append(said, parts[i].State.String()...), ':')
		said = append(said, plain(shortErr(parts[i].Err))...)
	}
	e.said[row.place()] = string(said)
}

// plain keeps an err from looking like the end of its part.
func plain(err string) string {
	return strings.Map(func(r rune) rune {
		if r == ',' || r == ':' {
			return ' '
		}
		return r
	}, err)
}

func shortErr(err string) string { return err[:min(len(err), maxErr)] }

// add appends a row for each outcome that decided its message and for each
// final, and a count for each settle. Records of an older owner are void
// (contracts.md, "Owner").
func (e *events) add(r *source) error {
	j := &e.journal
	if err := record.DecodeJournal(r.value, j); err != nil {
		return err
	}
	switch {
	case j.Own != nil:
		*r.owner = r.offset
	case j.Owner < *r.owner:
		return errVoid
	default:
		*r.owner = j.Owner // Its own record may have been trimmed away.
	}
	for i := range j.Outcomes {
		o := &j.Outcomes[i]
		if o.State == message.Open {
			continue // One part of several, or one that returned to its lane.
		}
		row := e.row(r, &o.Message, i)
		row.kind, row.from, row.state, row.reason = eventOutcome, int8(o.From), int8(o.State), reasonOf(o.Reason)
		row.status = o.Status
		row.when(o.At, o.Written, r.at)
	}
	for i := range j.Finals {
		f := &j.Finals[i]
		row := e.row(r, &f.Message, len(j.Outcomes)+i)
		row.kind, row.from, row.state, row.reason = eventFinal, int8(f.From), int8(f.State), reasonOf(f.Reason)
		row.err = e.errs.number(shortErr(f.Err))
		e.parts(row, f.Parts)
		row.when(f.At, f.Written, r.at)
	}
	for i := range j.Settles {
		e.settles = append(e.settles, settle{j.Settles[i], uint16(r.partition), r.offset})
	}
	return nil
}

// row appends a row with all that outcomes and finals have in common.
func (e *events) row(r *source, m *record.Message, index int) *event {
	e.named = e.named || !m.ID.IsZero()
	e.rows = append(e.rows, event{
		id: m.ID, number: uint64(m.Number), offset: r.offset, broadcast: uint32(m.Broadcast), member: uint32(m.Member),
		city: m.Attributes.City, index: uint32(index), carrier: e.carriers.number(m.Carrier),
		language: m.Attributes.Language, partition: uint16(r.partition),
		class: int8(m.Class), gender: genderOf(m.Attributes.Gender), parts: m.Parts, age: m.Attributes.Age,
	})
	return &e.rows[len(e.rows)-1]
}

// when sets time and latency; what has no time of its own has the record's.
func (row *event) when(at, written, recordAt int64) {
	if at == 0 {
		at = recordAt
	}
	row.at, row.latency = clampTime(at), -1
	if written != 0 {
		row.latency = int32(min(max(at-written, 0), math.MaxInt32))
	}
}

func reasonOf(r message.Reason) int8 {
	if r > message.ReasonRoute {
		return otherReason
	}
	return int8(r)
}

// partColumns is how many of the last columns, like the first, id, can be left out.
const partColumns = 1

// eventColumns lists the columns of message_events.
func (e *events) eventColumns() []column[event] {
	var noID any = string(make([]byte, len(message.ID{})))
	var spoken languages
	var nothing any = ""
	return []column[event]{
		boxed("id", func(r *event) any {
			if r.id.IsZero() {
				return noID
			}
			return string(r.id[:])
		}),
		field("event", func(r *event) int8 { return r.kind }),
		field("broadcast", func(r *event) uint32 { return r.broadcast }),
		field("member", func(r *event) uint32 { return r.member }),
		field("number", func(r *event) uint64 { return r.number }),
		boxed("carrier", func(r *event) any { return e.carriers.boxed[r.carrier] }),
		field("class", func(r *event) int8 { return r.class }),
		field("from_state", func(r *event) int8 { return r.from }),
		field("state", func(r *event) int8 { return r.state }),
		field("reason", func(r *event) int8 { return r.reason }),
		field("status", func(r *event) uint32 { return r.status }),
		boxed("err", func(r *event) any { return e.errs.boxed[r.err] }),
		field("parts", func(r *event) uint8 { return r.parts }),
		field("city", func(r *event) uint32 { return r.city }),
		field("age", func(r *event) uint8 { return r.age }),
		field("gender", func(r *event) int8 { return r.gender }),
		boxed("language", func(r *event) any { return spoken.box(r.language) }),
		field("at", func(r *event) int64 { return r.at }),
		field("latency_ms", func(r *event) int32 { return r.latency }),
		field("source_partition", func(r *event) uint16 { return r.partition }),
		field("source_offset", func(r *event) int64 { return r.offset }),
		field("source_index", func(r *event) uint32 { return r.index }),
		boxed("part_receipts", func(r *event) any {
			if r.parts < 2 || r.kind != eventFinal {
				return nothing
			}
			return e.said[r.place()]
		}),
	}
}

func settleColumns() []column[settle] {
	return []column[settle]{
		field("broadcast", func(r *settle) uint32 { return uint32(r.Broadcast) }),
		field("state", func(r *settle) int8 { return int8(r.State) }),
		field("count", func(r *settle) int64 { return r.Count }),
		field("at", func(r *settle) int64 { return clampTime(r.At) }),
		field("source_partition", func(r *settle) uint16 { return r.partition }),
		field("source_offset", func(r *settle) int64 { return r.offset }),
	}
}

func (e *events) insert(ctx context.Context, conn driver.Conn, token string) error {
	columns := e.columns
	if !e.named { // Sixteen octets a row that the server knows to be zero.
		columns = columns[1:]
	}
	if len(e.said) == 0 {
		columns = columns[:len(columns)-partColumns]
	}
	if err := insertRows(ctx, conn, "message_events", token, columns, e.rows); err != nil {
		return err
	}
	return insertRows(ctx, conn, "broadcast_counts", token, e.settleColumns, e.settles)
}
