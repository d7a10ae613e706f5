package community

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"fanline/engine/message"
)

// rowReader reads the rows of a file one by one.
type rowReader interface {
	// next returns the next row, or why it is not good; io.EOF at the end.
	next() (e entry, problem string, err error)
	// place returns the line at which the last row begins and the row as it
	// stands in the file, valid until next.
	place() (line int64, columns []string)
	// header names the columns of place; nil when rows have none.
	header() []string
	// ignored names the columns that are not read.
	ignored() []string
}

// maxRow is the longest row in octets; a longer one is rejected without being
// held in memory.
const maxRow = 64 << 10

// ErrFormat is wrapped by errors about a file as a whole.
var ErrFormat = errors.New("the file cannot be read")

func newRowReader(r io.Reader, f Format, today Date) (rowReader, error) {
	in := newLineBuffer(r)
	if err := in.begin(); err != nil {
		return nil, err
	}
	switch f {
	case CSV:
		return newCSVRows(in, today)
	case NDJSON:
		return &jsonRows{in: in, today: today}, nil
	}
	return nil, fmt.Errorf("%w: format %q, want %s or %s", ErrFormat, f, CSV, NDJSON)
}

// lineBuffer holds a stretch of the file of at least one longest row.
type lineBuffer struct {
	r          io.Reader
	buf        []byte
	start, end int
	eof        bool
	failed     error // of r; whole lines read before are still good
	line       int64 // at start, from 1
}

func newLineBuffer(r io.Reader) *lineBuffer {
	return &lineBuffer{r: r, buf: make([]byte, 8*maxRow), line: 1}
}

// begin passes over a byte order mark and refuses what is no UTF-8 text.
func (l *lineBuffer) begin() error {
	if err := l.atEnd(); err != nil && err != io.EOF {
		return err
	}
	b := l.buf[:l.end]
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		l.start = 3
	case bytes.HasPrefix(b, []byte("\xff\xfe")), bytes.HasPrefix(b, []byte("\xfe\xff")):
		return fmt.Errorf("%w: it is UTF-16; save it as UTF-8", ErrFormat)
	}
	if bytes.IndexByte(b, '\r') >= 0 && bytes.IndexByte(b, '\n') < 0 && len(bytes.TrimRight(b, "\r")) > bytes.IndexByte(b, '\r') {
		return fmt.Errorf("%w: its lines end in CR alone; save it with LF or CR LF", ErrFormat)
	}
	return nil
}

// fill makes sure that a longest row lies in the buffer, or all that is left.
func (l *lineBuffer) fill() {
	if l.eof || l.end-l.start > maxRow {
		return
	}
	copy(l.buf, l.buf[l.start:l.end])
	l.start, l.end = 0, l.end-l.start
	for l.end < len(l.buf) {
		n, err := l.r.Read(l.buf[l.end:])
		l.end += n
		if err == io.EOF {
			l.eof = true
			return
		}
		if err != nil {
			l.eof, l.failed = true, err
			l.end = l.start + bytes.LastIndexByte(l.buf[l.start:l.end], '\n') + 1
			return
		}
	}
}

// atEnd returns io.EOF behind the last row, or why there are no more.
func (l *lineBuffer) atEnd() error {
	l.fill()
	switch {
	case l.start < l.end:
		return nil
	case l.failed != nil:
		return fmt.Errorf("reading behind line %d: %w", l.line-1, l.failed)
	}
	return io.EOF
}

// rest returns what is buffered, at most one longest row and one octet.
func (l *lineBuffer) rest() []byte { return l.buf[l.start:min(l.end, l.start+maxRow+1)] }

// skip goes on by n octets.
func (l *lineBuffer) skip(n int) {
	l.line += int64(bytes.Count(l.buf[l.start:l.start+n], []byte{'\n'}))
	l.start += n
}

// skipLine goes on behind the next line feed, however far that is.
func (l *lineBuffer) skipLine() {
	for {
		if i := bytes.IndexByte(l.buf[l.start:l.end], '\n'); i >= 0 {
			l.skip(i + 1)
			return
		}
		l.skip(l.end - l.start)
		if l.eof {
			return
		}
		l.fill()
	}
}

// oneLine returns the buffered line without its end, and its length with it.
// When it is longer than maxRow, ok is false and line holds its beginning.
func (l *lineBuffer) oneLine() (line []byte, length int, ok bool) {
	b := l.rest()
	i := bytes.IndexByte(b, '\n')
	switch {
	case i >= 0:
		return bytes.TrimSuffix(b[:i], []byte{'\r'}), i + 1, true
	case len(b) <= maxRow:
		return bytes.TrimSuffix(b, []byte{'\r'}), len(b), true
	}
	return b[:80], 0, false
}

func tooLong() string { return fmt.Sprintf("row: longer than %d octets", maxRow) }

// field reads one column of a row into e.
func (e *entry) field(name, value string, today Date) (problem string) {
	switch name {
	case "phone":
		e.phone, problem = importPhone(value)
		if problem != "" {
			problem = "phone: " + problem
		}
	case "group":
		for g := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ';' || r == '|' }) {
			if strings.TrimSpace(g) == "" {
				continue
			}
			v, bad := checkGroup(g)
			if bad != "" {
				return "group: " + bad
			}
			if len(e.groups) == 20 {
				return "group: more than 20 in one row"
			}
			e.groups = append(e.groups, v)
		}
	default:
		if err := e.Set(name, value, today); err != nil {
			problem = err.Error()
		}
	}
	return problem
}

// importPhone reads E.164, and the ten digits that North Americans write.
func importPhone(s string) (message.Phone, string) {
	s = strings.TrimSpace(s)
	if s == "" {
		return 0, "is empty"
	}
	p, err := message.ParsePhone(s)
	if err != nil {
		return 0, strings.TrimPrefix(err.Error(), message.ErrPhone.Error()+": ")
	}
	if s[0] != '+' {
		switch {
		case p >= 2_000_000_000 && p <= 9_999_999_999:
			p += 10_000_000_000
		case p >= 12_000_000_000 && p <= 19_999_999_999:
		default:
			return 0, "has no country code: write + and the code before it"
		}
	}
	if p >= 10_000_000_000 && p <= 19_999_999_999 { // NANP: NXX NXX XXXX
		if area, exchange := p/10_000_000%1000, p/10_000%1000; area < 200 || exchange < 200 {
			return 0, "is no North American number: area code and exchange begin with 2 to 9"
		}
	} else if p < 10_000_000_000 && p/1_000_000_000 == 1 {
		return 0, "has 10 digits after +; a North American number has 11"
	}
	return p, ""
}

// jsonRows reads one JSON object a line.
type jsonRows struct {
	in     *lineBuffer
	today  Date
	from   int64
	raw    string
	unread []string
}

func (j *jsonRows) header() []string         { return nil }
func (j *jsonRows) ignored() []string        { return j.unread }
func (j *jsonRows) place() (int64, []string) { return j.from, []string{j.raw} }

func (j *jsonRows) next() (e entry, problem string, err error) {
	for {
		if err := j.in.atEnd(); err != nil {
			return e, "", err
		}
		j.from = j.in.line
		line, length, ok := j.in.oneLine()
		if !ok {
			j.raw = string(line)
			j.in.skipLine()
			return e, tooLong(), nil
		}
		if len(bytes.TrimSpace(line)) == 0 {
			j.in.skip(length)
			continue
		}
		j.raw = string(line)
		j.in.skip(length)
		e, problem = j.row()
		return e, problem, nil
	}
}

func (j *jsonRows) row() (e entry, problem string) {
	var fields map[string]any
	d := json.NewDecoder(strings.NewReader(j.raw))
	d.UseNumber() // A phone may be a number, which a float would spoil.
	if err := d.Decode(&fields); err != nil || fields == nil {
		return e, "row: is not a JSON object"
	}
	if _, err := d.Token(); err != io.EOF {
		return e, "row: more than one JSON value in the line"
	}
	// In one order, so that a row with several problems always shows the same.
	for _, name := range importColumns() {
		v, has := fields[name]
		if !has && name == "phone" {
			return e, "phone: is missing"
		}
		if !has || v == nil {
			continue
		}
		text, ok := jsonText(v)
		if !ok {
			return e, name + ": want a text"
		}
		if problem := e.field(name, text, j.today); problem != "" {
			return e, problem
		}
		delete(fields, name)
	}
	for name := range fields {
		if len(j.unread) < 20 && !slices.Contains(importColumns(), name) && !slices.Contains(j.unread, name) {
			j.unread = append(j.unread, name)
			slices.Sort(j.unread)
		}
	}
	return e, ""
}

// jsonText returns a value as a file of texts would hold it; groups may be a
// list of texts.
func jsonText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			s, ok := v[i].(string)
			if !ok {
				return "", false
			}
			parts[i] = s
		}
		return strings.Join(parts, ";"), true
	}
	return "", false
}

// importColumns lists the columns that are read.
func importColumns() []string { return append([]string{"phone", "group"}, ProfileFields()...) }

// rejectWriter keeps the rows that were not taken: CSV rows as CSV with the
// columns line and reason before their own, so that the file can be put right
// and imported; NDJSON rows as objects with line, reason and row.
type rejectWriter struct {
	rows rowReader
	csv  *csv.Writer
	json *json.Encoder
}

func newRejectWriter(w io.Writer, rows rowReader) (*rejectWriter, error) {
	r := &rejectWriter{rows: rows}
	if w == nil {
		return r, nil
	}
	header := rows.header()
	if header == nil {
		r.json = json.NewEncoder(w)
		r.json.SetEscapeHTML(false)
		return r, nil
	}
	r.csv = csv.NewWriter(w)
	return r, r.csv.Write(append([]string{"line", "reason"}, header...))
}

func (r *rejectWriter) write(problem string) error {
	line, columns := r.rows.place()
	switch {
	case r.csv != nil:
		return r.csv.Write(append([]string{fmt.Sprint(line), problem}, columns...))
	case r.json != nil:
		return r.json.Encode(struct {
			Line   int64  `json:"line"`
			Reason string `json:"reason"`
			Row    string `json:"row"`
		}{line, problem, columns[0]})
	}
	return nil
}

func (r *rejectWriter) flush() error {
	if r.csv == nil {
		return nil
	}
	r.csv.Flush()
	return r.csv.Error()
}
