package receipts

import (
	"fmt"
	"strings"
)

// Style is what the ids of a carrier look like: base, case and padding. A look
// at some of them is enough. The zero Style has seen none.
type Style struct {
	Seen    int64 `json:"seen"`    // ids looked at
	Decimal int64 `json:"decimal"` // of digits alone
	Hex     int64 `json:"hex"`     // of hexadecimal digits, a letter among them
	UUID    int64 `json:"uuid"`    // of hexadecimal digits and dashes
	Other   int64 `json:"other"`
	Empty   int64 `json:"empty"`
	Upper   int64 `json:"upper"` // hexadecimal, with capital letters
	Lower   int64 `json:"lower"` // … with small ones
	Zeros   int64 `json:"zeros"` // numbers that begin with a zero
	Min     int   `json:"min"`   // octets of the shortest that isn't empty
	Max     int   `json:"max"`   // … of the longest
}

// Observe takes note of an id.
func (s *Style) Observe(id []byte) {
	s.Seen++
	if len(id) == 0 {
		s.Empty++
		return
	}
	if s.Min == 0 || len(id) < s.Min {
		s.Min = len(id)
	}
	s.Max = max(s.Max, len(id))
	digits, upper, lower, dashes := 0, 0, 0, 0
	for _, c := range id {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'f':
			lower++
		case c >= 'A' && c <= 'F':
			upper++
		case c == '-':
			dashes++
		}
	}
	switch {
	case digits+upper+lower+dashes < len(id):
		s.Other++
		return
	case dashes > 0:
		s.UUID++
	case digits == len(id):
		s.Decimal++
	default:
		s.Hex++
	}
	if upper > 0 {
		s.Upper++
	}
	if lower > 0 {
		s.Lower++
	}
	if id[0] == '0' && dashes == 0 && len(id) > 1 {
		s.Zeros++
	}
}

// String says it for people: "hex, upper case, 8 to 10 octets, zero-padded".
func (s Style) String() string {
	if s.Seen == 0 {
		return "none seen"
	}
	var words []string
	add := func(n int64, word string) {
		if n > 0 {
			words = append(words, word)
		}
	}
	// Some hexadecimal numbers happen to have no letter.
	add(boolToInt(s.Hex == 0)*s.Decimal, "decimal")
	add(s.Hex, "hex")
	add(s.UUID, "UUID")
	add(s.Other, "other")
	add(s.Empty, "empty")
	add(s.Upper, "upper case")
	add(s.Lower, "lower case")
	switch {
	case s.Max == 0:
	case s.Min == s.Max:
		words = append(words, fmt.Sprintf("%d octets", s.Max))
	default:
		words = append(words, fmt.Sprintf("%d to %d octets", s.Min, s.Max))
	}
	add(s.Zeros, "zero-padded")
	return strings.Join(words, ", ")
}

func boolToInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
