package community

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// csvRows reads CSV as RFC 4180 has it, with LF or CR LF, and separated by
// commas, semicolons or tabs. encoding/csv is not used because one quote that
// is never closed would swallow the rest of the file; here it costs one line.
type csvRows struct {
	in      *lineBuffer
	rules   rowRules
	comma   byte
	names   []string // of the columns as the file has them
	columns []string // what is read from each; "": nothing
	from    int64

	text []byte // the fields of the row one after another, quotes resolved
	ends []int  // in text
	raw  []byte // the row as it stands in the file
	good bool   // text and ends hold one field for each column
}

func newCSVRows(in *lineBuffer, rules rowRules) (*csvRows, error) {
	c := &csvRows{in: in, rules: rules, comma: ','}
	line, _, _ := in.oneLine()
	for _, other := range []byte{';', '\t'} {
		if bytes.Count(line, []byte{other}) > bytes.Count(line, []byte{c.comma}) {
			c.comma = other
		}
	}
	problem, err := c.record()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	}
	if err != nil {
		return nil, err
	}
	if problem != "" {
		return nil, fmt.Errorf("%w: header: %s", ErrFormat, problem)
	}
	return c, c.readHeader()
}

// readHeader finds out what each column is.
func (c *csvRows) readHeader() error {
	if len(c.ends) > 200 {
		return fmt.Errorf("%w: header: %d columns, at most 200 are read", ErrFormat, len(c.ends))
	}
	for _, name := range c.fields() {
		v, problem := clean(name)
		if problem != "" {
			return fmt.Errorf("%w: header: a name %s", ErrFormat, problem)
		}
		c.names = append(c.names, v)
		column := strings.ReplaceAll(strings.ToLower(v), " ", "_")
		if !slices.Contains(importColumns(), column) {
			column = ""
		}
		if column != "" && slices.Contains(c.columns, column) {
			return fmt.Errorf("%w: header: two columns are named %s", ErrFormat, column)
		}
		c.columns = append(c.columns, column)
	}
	if !slices.Contains(c.columns, "phone") {
		return fmt.Errorf("%w: its first row must name the columns, among them phone; it may name %s",
			ErrFormat, strings.Join(importColumns(), ", "))
	}
	return nil
}

func (c *csvRows) header() []string { return c.names }

func (c *csvRows) ignored() []string {
	var names []string
	for i, column := range c.columns {
		// What we put before a rejected row is no surprise when it comes back.
		if column == "" && c.names[i] != "line" && c.names[i] != "reason" {
			names = append(names, c.names[i])
		}
	}
	return names
}

func (c *csvRows) place() (int64, []string) {
	if c.good {
		return c.from, c.fields()
	}
	return c.from, []string{strings.TrimRight(string(c.raw), "\r\n")}
}

// fields cuts the row's fields out of one string.
func (c *csvRows) fields() []string {
	all, from := make([]string, len(c.ends)), 0
	text := string(c.text)
	for i, end := range c.ends {
		all[i] = text[from:end]
		from = end
	}
	return all
}

func (c *csvRows) next() (e entry, problem string, err error) {
	for {
		problem, err := c.record()
		if err != nil || problem != "" {
			return e, problem, err
		}
		if len(bytes.TrimSpace(c.text)) > 0 { // Spreadsheets leave empty rows at the end.
			break
		}
	}
	text, from := string(c.text), 0
	for i, end := range c.ends {
		if c.columns[i] != "" {
			if problem := e.field(c.columns[i], text[from:end], c.rules); problem != "" {
				return e, problem, nil
			}
		}
		from = end
	}
	return e, "", nil
}

// record reads the next row into text and ends and goes on behind it. A row
// that makes no sense costs its first line only: when a quote was not closed,
// the lines that it seems to hold are rows of their own.
func (c *csvRows) record() (problem string, err error) {
	if err := c.in.atEnd(); err != nil {
		return "", err
	}
	c.from, c.good = c.in.line, false
	b := c.in.rest()
	length, problem := c.parse(b)
	if problem == "" && c.columns != nil && len(c.ends) != len(c.columns) && len(bytes.TrimSpace(c.text)) > 0 {
		problem = fmt.Sprintf("row: has %d fields, the header has %d", len(c.ends), len(c.columns))
	}
	if problem == "" {
		c.good = true
		c.raw = b[:length]
		c.in.skip(length)
		return "", nil
	}
	line, length, ok := c.in.oneLine()
	c.raw = bytes.Clone(line)
	if ok {
		c.in.skip(length)
		return problem, nil
	}
	c.in.skipLine()
	return tooLong(), nil
}

// parse reads one row from the beginning of b and returns how many octets it
// takes with its line end.
func (c *csvRows) parse(b []byte) (length int, problem string) {
	c.text, c.ends = c.text[:0], c.ends[:0]
	i := 0
	for {
		if i < len(b) && b[i] == '"' {
			if i, problem = c.quoted(b, i+1); problem != "" {
				return 0, problem
			}
		} else {
			start := i
			for i < len(b) && b[i] != c.comma && b[i] != '\n' {
				if b[i] == '"' {
					return 0, fmt.Sprintf("row: a quote inside field %d, which does not begin with one", len(c.ends)+1)
				}
				i++
			}
			field := b[start:i]
			if i == len(b) || b[i] == '\n' {
				field = bytes.TrimSuffix(field, []byte{'\r'})
			}
			c.text = append(c.text, field...)
		}
		c.ends = append(c.ends, len(c.text))
		switch {
		case i > maxRow:
			return 0, tooLong()
		case i == len(b):
			return i, ""
		case b[i] == '\n':
			return i + 1, ""
		}
		i++ // The separator; what follows is a field, even when it is empty.
	}
}

// quoted reads a field behind its opening quote and returns the place of the
// separator or line end that follows it.
func (c *csvRows) quoted(b []byte, i int) (next int, problem string) {
	for {
		j := bytes.IndexByte(b[i:], '"')
		if j < 0 {
			return 0, fmt.Sprintf("row: the quote that opens field %d is not closed", len(c.ends)+1)
		}
		c.text = append(c.text, b[i:i+j]...)
		i += j + 1
		if i == len(b) || b[i] != '"' {
			break
		}
		c.text = append(c.text, '"')
		i++
	}
	if i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n' || i+1 == len(b) && b[i] == '\r' {
		i++
	}
	if i < len(b) && b[i] != c.comma && b[i] != '\n' {
		return 0, fmt.Sprintf("row: text behind the closing quote of field %d", len(c.ends)+1)
	}
	return i, ""
}
