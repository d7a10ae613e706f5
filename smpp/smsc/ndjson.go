package smsc

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"fanline/smpp"
)

// jsonLine is an entry of the log as `fanline smsc log` prints it (design/contracts.md).
type jsonLine struct {
	Time        string    `json:"t"`
	Conn        uint32    `json:"conn"`
	Account     string    `json:"account"`
	Dir         string    `json:"dir"`
	Command     string    `json:"command"`
	Status      string    `json:"status,omitempty"`
	Seq         uint32    `json:"seq"`
	MessageID   string    `json:"message_id,omitempty"`
	Source      string    `json:"source,omitempty"`
	Destination string    `json:"destination,omitempty"`
	Text        *string   `json:"text,omitempty"`
	Part        int       `json:"part,omitempty"`
	Parts       int       `json:"parts,omitempty"`
	Stat        string    `json:"stat,omitempty"`
	Key         string    `json:"key,omitempty"`
	TLVs        []jsonTLV `json:"tlvs,omitempty"`
	Coding      *int      `json:"data_coding,omitempty"`
	Form        string    `json:"form,omitempty"`       // of a text from a phone: sar, payload
	Duplicate   bool      `json:"duplicate,omitempty"`  // of a text from a phone: the same came before
	Again       bool      `json:"again,omitempty"`      // a deliver_sm sent before
	Lost        bool      `json:"lost,omitempty"`       // of a submit: the receipt will not come
	Unanswered  bool      `json:"unanswered,omitempty"` // of a submit: a fault kept the answer
	Note        string    `json:"note,omitempty"`       // of an event: remote address, reason

	Cause        string   `json:"cause,omitempty"`        // of a refused submit
	Odd          []string `json:"odd,omitempty"`          // of a submit: what was odd about its answer
	Intermediate bool     `json:"intermediate,omitempty"` // of a receipt
	Format       string   `json:"format,omitempty"`       // of a receipt, when it isn't standard
	ServiceType  string   `json:"service_type,omitempty"`
	Priority     int      `json:"priority,omitempty"`
	Schedule     string   `json:"schedule_delivery_time,omitempty"`
	Validity     string   `json:"validity_period,omitempty"`
}

type jsonTLV struct {
	Tag   int    `json:"tag"`
	Name  string `json:"name"`
	Value string `json:"value_hex"`
}

const timeLayout = "2006-01-02T15:04:05.000000Z"

// WriteNDJSON prints the log in path, a directory or one segment, a line for each bind, unbind, closed connection,
// submit, receipt, reply with its answer, and protocol error. all adds starts, texts taken in, and answers to receipts.
func WriteNDJSON(w io.Writer, path string, all bool) error {
	return WriteQuery(w, path, &Query{All: all}, 0)
}

// WriteQuery prints what q picks of the log in path, a line each; last > 0: only so many at the end.
func WriteQuery(w io.Writer, path string, q *Query, last int) error {
	out := newLineWriter(w)
	ring := lastLines{max: last}
	err := QueryLog(path, q, func(e *Entry) error {
		if last > 0 {
			return ring.add(lineOf(e))
		}
		return out.write(lineOf(e))
	})
	return errors.Join(err, ring.each(out.write), out.flush())
}

// FollowNDJSON is WriteQuery that goes on with what a running simulator adds, until ctx ends; last > 0: of what is
// there only so many lines at the end.
func FollowNDJSON(ctx context.Context, w io.Writer, dir string, q *Query, last int) error {
	out := newLineWriter(w)
	ring := lastLines{max: last}
	return FollowLog(ctx, dir, q, func(e *Entry) error {
		if ring.max > 0 {
			return ring.add(lineOf(e))
		}
		return out.write(lineOf(e))
	}, func() error {
		err := ring.each(out.write)
		ring = lastLines{}
		return errors.Join(err, out.flush())
	})
}

// lineWriter prints entries as NDJSON.
type lineWriter struct {
	out     *bufio.Writer
	encoder *json.Encoder
}

func newLineWriter(w io.Writer) *lineWriter {
	l := &lineWriter{out: bufio.NewWriterSize(w, 1<<16)}
	l.encoder = json.NewEncoder(l.out)
	l.encoder.SetEscapeHTML(false)
	return l
}

func (l *lineWriter) write(line *jsonLine) error { return l.encoder.Encode(line) }

func (l *lineWriter) flush() error { return l.out.Flush() }

// lastLines keeps the last lines added.
type lastLines struct {
	max   int
	lines []*jsonLine
	next  int // the oldest, once there are max
}

func (r *lastLines) add(l *jsonLine) error {
	if len(r.lines) < r.max {
		r.lines = append(r.lines, l)
		return nil
	}
	r.lines[r.next] = l
	r.next = (r.next + 1) % r.max
	return nil
}

func (r *lastLines) each(yield func(*jsonLine) error) error {
	for i := range r.lines {
		if err := yield(r.lines[(r.next+i)%len(r.lines)]); err != nil {
			return err
		}
	}
	return nil
}

func lineOf(e *Entry) *jsonLine {
	l := &jsonLine{
		Time: time.UnixMicro(e.Micros).UTC().Format(timeLayout), Conn: e.Conn, Account: e.Account, Dir: "out", Command: e.Command,
		Seq: e.Seq, MessageID: e.ID(), Source: e.Source, Destination: e.Destination, Stat: e.Stat.String(), Key: string(e.Key),
		Again: e.Again, Lost: e.Lost, Unanswered: e.Unanswered, Note: e.Text,
	}
	if e.In {
		l.Dir = "in"
	}
	l.Cause, l.Odd, l.Format, l.Intermediate = e.Cause.String(), e.Odd(), e.Format, e.Intermediate && e.Kind == KindReceipt
	l.ServiceType, l.Priority, l.Schedule, l.Validity = e.ServiceType, int(e.Priority), e.Schedule, e.Validity
	switch e.Kind {
	case KindOperation:
		l.Status = e.Status.String()
		if len(e.Octets) > 0 {
			text := e.Message()
			l.Text = &text
		}
	case KindSubmit, KindReply, KindQueued:
		text, coding := e.Message(), int(e.DataCoding)
		l.Text, l.Coding, l.Part, l.Parts = &text, &coding, int(e.Part), int(e.Parts)
	}
	switch e.Kind {
	case KindSubmit:
		if !e.Unanswered {
			l.Status = e.Status.String()
		}
		l.Stat = "" // what the receipt will say stands with the receipt
		l.TLVs = tlvLines(e)
	case KindReply, KindQueued:
		l.Form, l.Duplicate = e.Form.String(), e.Duplicate
		if len(e.TLVs) > 0 {
			l.TLVs = tlvLines(e)
		}
	case KindDeliverResp, KindEvent:
		l.Status = e.Status.String()
	}
	return l
}

// tlvLines lists a submit's TLVs in wire order; one whose only TLV is the key doesn't keep them apart from it.
func tlvLines(e *Entry) []jsonTLV {
	if e.TLVs == nil && e.KeyKind == KeyNone {
		return nil
	}
	o := e.TLVs
	if o == nil {
		o = smpp.Options(nil).Append(TagKey, slices.Clone(e.Key))
	}
	var out []jsonTLV
	for tag, value := range o.All() {
		out = append(out, jsonTLV{int(tag), tag.String(), hex.EncodeToString(value)})
	}
	return out
}
