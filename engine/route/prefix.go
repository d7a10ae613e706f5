package route

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"sort"

	"fanline/engine/message"
)

// ranges finds the longest prefix of a phone. Every phone has a key: its digits
// moved left to 15 places, then how many there are, so that the phones with a
// prefix are one range of keys. Ranges of prefixes lie in one another or apart;
// cut where they begin and end they are one sorted list, of 12 octets a cut.
type ranges struct {
	starts []uint64 // ascending; starts[0] is 0
	values []value
	index  []uint32 // by the first four digits: how many starts there are up to there; nil for short lists
}

// value is what a range of keys belongs to.
type value struct {
	id     uint16
	digits uint8 // length of the prefix; 0: none
}

const (
	places   = 15                 // digits of the longest phone (ITU-T E.164 §6.2.1)
	keyBits  = 4                  // for the number of digits
	indexed  = 100_000_000_000    // 10^11: what follows the first four of 15 digits
	indexLen = 10_000             // first four digits
	keyEnd   = indexLen * indexed // behind the digits of all phones
)

var (
	errDigits = errors.New("want 1 to 15 digits, the first not 0")
	errTwice  = errors.New("the prefix is there twice")
)

// span returns the keys of the phones that begin with digits: from lo to
// below hi.
func span(digits string) (lo, hi uint64, err error) {
	if len(digits) == 0 || len(digits) > places || digits[0] == '0' {
		return 0, 0, errDigits
	}
	var n uint64
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0, 0, errDigits
		}
		n = n*10 + uint64(digits[i]-'0')
	}
	unit := power(places - len(digits))
	return n*unit<<keyBits | uint64(len(digits)), (n + 1) * unit << keyBits, nil
}

// power returns 10^n for n up to 15.
func power(n int) uint64 {
	return [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}[n&15]
}

// key returns the digits of a phone moved left, and their number.
func key(p message.Phone) (aligned uint64, digits int) {
	digits = bits.Len64(uint64(p)) * 1233 >> 12 // log10(2) is about 1233/4096.
	if digits < 16 && uint64(p) >= power(digits) {
		digits++
	}
	if digits > places {
		return 0, 0 // No phone.
	}
	return uint64(p) * power(places-digits), digits
}

// find returns what the longest prefix of a phone belongs to.
func (r *ranges) find(p message.Phone) value {
	if len(r.starts) == 0 {
		return value{}
	}
	aligned, digits := key(p)
	k := aligned<<keyBits | uint64(digits)
	lo, hi := 0, len(r.starts)
	if r.index != nil {
		first := aligned / indexed
		lo, hi = int(r.index[first]), int(r.index[first+1])
	}
	for lo < hi { // The first start behind k.
		mid := int(uint(lo+hi) >> 1)
		if r.starts[mid] <= k {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return r.values[lo-1]
}

// area is one prefix before it becomes part of ranges.
type area struct {
	lo, hi uint64
	value  value
}

// newRanges sorts areas and cuts them into ranges. The error is of the index of
// an area whose prefix is there twice.
func newRanges(areas []area) (ranges, error) {
	slices.SortFunc(areas, func(a, b area) int { return cmp.Compare(a.lo, b.lo) })
	r := ranges{starts: []uint64{0}, values: []value{{}}}
	var open []area
	leave := func(before uint64) {
		for len(open) > 0 && open[len(open)-1].hi <= before {
			end := open[len(open)-1].hi
			open = open[:len(open)-1]
			var outer value
			if len(open) > 0 {
				outer = open[len(open)-1].value
			}
			r.cut(end, outer)
		}
	}
	for i, a := range areas {
		if i > 0 && a.lo == areas[i-1].lo {
			return ranges{}, errTwice
		}
		leave(a.lo)
		r.cut(a.lo, a.value)
		open = append(open, a)
	}
	leave(keyEnd << keyBits)
	r.starts, r.values = slices.Clip(r.starts), slices.Clip(r.values)
	if len(r.starts) > 64 {
		r.index = make([]uint32, indexLen+1)
		for i := range r.index {
			at := uint64(i) * indexed << keyBits
			r.index[i] = uint32(sort.Search(len(r.starts), func(j int) bool { return r.starts[j] > at }))
		}
	}
	return r, nil
}

// cut lets a value begin at a key.
func (r *ranges) cut(at uint64, v value) {
	if last := len(r.starts) - 1; r.starts[last] == at {
		r.values[last] = v
		return
	}
	r.starts = append(r.starts, at)
	r.values = append(r.values, v)
}

// ReadPrefixes reads a table of prefixes: CSV with a line prefix,network at its
// head; a prefix may have a plus sign; lines that begin with # are passed over.
// The name stands in errors, each of which names its line; 20 at most are told.
func ReadPrefixes(in io.Reader, name string) ([]Prefix, error) {
	raw, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	rows := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))))
	rows.FieldsPerRecord, rows.ReuseRecord, rows.Comment, rows.TrimLeadingSpace = -1, true, '#', true
	header, err := rows.Read()
	if err != nil || len(header) != 2 || Fold(header[0]) != "prefix" || Fold(header[1]) != "network" {
		return nil, fmt.Errorf("%s:1: want the line prefix,network at the head", name)
	}
	var errs []error
	prefixes := make([]Prefix, 0, bytes.Count(raw, []byte("\n")))
	networks := map[string]string{} // One string for each network, not for each line.
	seen := make(map[string]int, cap(prefixes))
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return prefixes, errors.Join(errs...)
		}
		line, _ := 0, 0
		if err == nil {
			line, _ = rows.FieldPos(0)
			err = addPrefix(&prefixes, row, line, seen, networks)
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			line, err = bad.Line, bad.Err
		}
		if err != nil {
			if errs = append(errs, fmt.Errorf("%s:%d: %w", name, line, err)); len(errs) == 20 {
				return nil, errors.Join(append(errs, fmt.Errorf("%s: there may be more", name))...)
			}
		}
	}
}

// addPrefix adds a line.
func addPrefix(to *[]Prefix, row []string, line int, seen map[string]int, networks map[string]string) error {
	if len(row) != 2 {
		return fmt.Errorf("%d columns, want prefix and network", len(row))
	}
	digits := row[0]
	if len(digits) > 0 && digits[0] == '+' {
		digits = digits[1:]
	}
	if _, _, err := span(digits); err != nil {
		return fmt.Errorf("prefix %q: %w", row[0], err)
	}
	if had := seen[digits]; had > 0 {
		return fmt.Errorf("prefix %s already stands on line %d", digits, had)
	}
	network, ok := networks[row[1]]
	if !ok {
		if Fold(row[1]) == "" {
			return fmt.Errorf("prefix %s without a network", digits)
		}
		network = string(append([]byte(nil), row[1]...))
		networks[network] = network
	}
	seen[digits] = line
	*to = append(*to, Prefix{Digits: digits, Network: network})
	return nil
}
