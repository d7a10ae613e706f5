package community

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
)

// jsonRows reads one JSON object a line.
type jsonRows struct {
	in     *lineBuffer
	rules  rowRules
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
		if problem := e.field(name, text, j.rules); problem != "" {
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
