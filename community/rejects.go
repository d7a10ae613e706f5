package community

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
)

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
