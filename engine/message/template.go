package message

import (
	"fmt"
	"slices"
	"strings"
)

// MergeFields are the names that may stand in {{…}}.
var mergeFields = []string{"first_name", "last_name", "city", "state"}

// MergeFields lists the names that may stand in double braces in a text.
func MergeFields() []string { return slices.Clone(mergeFields) }

// Template is a text cut at its merge fields: Literals[0] Fields[0]
// Literals[1] … ; there is always one literal more than fields.
type Template struct {
	Literals []string
	Fields   []string
}

// ParseTemplate cuts a text at {{field}}; white space inside the braces is
// passed over. An unknown field or braces left open is an error that names
// the place in bytes from the start.
func ParseTemplate(text string) (Template, error) {
	var t Template
	rest, at := text, 0
	for {
		open := strings.Index(rest, "{{")
		if open < 0 {
			break
		}
		end := strings.Index(rest[open:], "}}")
		if end < 0 {
			return Template{}, fmt.Errorf("merge field at byte %d is not closed by }}", at+open)
		}
		field := strings.TrimSpace(rest[open+2 : open+end])
		if !slices.Contains(mergeFields, field) {
			return Template{}, fmt.Errorf("unknown merge field %q at byte %d: want one of %s", field, at+open, strings.Join(mergeFields, ", "))
		}
		t.Literals = append(t.Literals, rest[:open])
		t.Fields = append(t.Fields, field)
		rest, at = rest[open+end+2:], at+open+end+2
	}
	t.Literals = append(t.Literals, rest)
	return t, nil
}

// Fill appends the text with values in place of the fields, in their order.
func (t Template) Fill(dst []byte, values []string) []byte {
	for i, lit := range t.Literals {
		dst = append(dst, lit...)
		if i < len(t.Fields) && i < len(values) {
			dst = append(dst, values[i]...)
		}
	}
	return dst
}
