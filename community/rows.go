package community

import (
	"errors"
	"fmt"
	"io"
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

// rowRules is how columns are read.
type rowRules struct {
	today  Date   // by which ages are judged
	region region // whose numbers stand there without a country code
}

func newRowReader(r io.Reader, f Format, rules rowRules) (rowReader, error) {
	in := newLineBuffer(r)
	if err := in.begin(); err != nil {
		return nil, err
	}
	switch f {
	case CSV:
		return newCSVRows(in, rules)
	case NDJSON:
		return &jsonRows{in: in, rules: rules}, nil
	}
	return nil, fmt.Errorf("%w: format %q, want %s or %s", ErrFormat, f, CSV, NDJSON)
}

// importColumns lists the columns that are read. Network is another name for
// carrier.
func importColumns() []string {
	return append([]string{"phone", "group", carrierColumn, networkColumn}, ProfileFields()...)
}

// The columns that say by which carrier, or on which home network, a member is.
const (
	carrierColumn = "carrier"
	networkColumn = "network"
)

func tooLong() string { return fmt.Sprintf("row: longer than %d octets", maxRow) }

// field reads one column of a row into e.
func (e *entry) field(name, value string, rules rowRules) (problem string) {
	switch name {
	case "phone":
		e.phone, problem = rules.region.phone(value)
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
	case carrierColumn, networkColumn:
		if v := strings.TrimSpace(value); v != "" && (name == carrierColumn || e.way == "") {
			e.way = v // Carrier goes first where both are there.
		}
	default:
		if err := e.Set(name, value, rules.today); err != nil {
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
