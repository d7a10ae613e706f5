package message

import (
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// Phone is a telephone number in E.164 form, its digits read as a decimal
// number (at most 15 digits, ITU-T E.164 §6.2.1). Zero is no phone.
type Phone uint64

// Slots is the number of slots into which phones hash, for ever.
const Slots = 1024

// maxPhone is the largest number of 15 digits.
const maxPhone = 999_999_999_999_999

// ErrPhone is wrapped by every error of ParsePhone.
var ErrPhone = errors.New("not an E.164 number")

// ParsePhone reads "+17735550100" or "17735550100"; spaces, dashes, dots and
// parentheses between digits are passed over. National forms are not guessed.
func ParsePhone(s string) (Phone, error) {
	var n uint64
	digits := 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			if digits == 15 {
				return 0, fmt.Errorf("%w: more than 15 digits", ErrPhone)
			}
			if digits == 0 && c == '0' {
				return 0, fmt.Errorf("%w: begins with 0, where a country code must stand", ErrPhone)
			}
			n = n*10 + uint64(c-'0')
			digits++
		case c == '+' && i == 0, c == ' ', c == '-', c == '.', c == '(', c == ')':
		default:
			return 0, fmt.Errorf("%w: character %q at position %d", ErrPhone, c, i+1)
		}
	}
	if digits < 7 {
		return 0, fmt.Errorf("%w: %d digits, at least 7 expected", ErrPhone, digits)
	}
	return Phone(n), nil
}

// ParseSender reads what ParsePhone reads, and short codes: 3 to 6 digits, which
// only ever stand for a number of ours.
func ParseSender(s string) (Phone, error) {
	if n := len(s); n >= 3 && n <= 6 && s[0] != '0' {
		if v, err := strconv.ParseUint(s, 10, 32); err == nil {
			return Phone(v), nil
		}
	}
	p, err := ParsePhone(s)
	if err != nil {
		return 0, fmt.Errorf("%w (a short code has 3 to 6 digits)", err)
	}
	return p, nil
}

// shortCodeBelow is the first number that is no short code.
const shortCodeBelow = 1_000_000

// AppendDigits appends the digits without a plus sign.
func (p Phone) AppendDigits(dst []byte) []byte { return strconv.AppendUint(dst, uint64(p), 10) }

// Digits returns the digits without a plus sign.
func (p Phone) Digits() string { return strconv.FormatUint(uint64(p), 10) }

// String returns the number with its plus sign, a short code without, for
// people and interfaces. Logs go through LogValue.
func (p Phone) String() string {
	if p < shortCodeBelow {
		return p.Digits()
	}
	return "+" + p.Digits()
}

// LogValue masks all but the country's first digits and the last two.
func (p Phone) LogValue() slog.Value { return slog.StringValue(p.Masked()) }

// Masked returns the number with its middle hidden: +177******00. Short codes
// are nobody's phone and stay whole.
func (p Phone) Masked() string {
	d := []byte(p.String())
	if p < shortCodeBelow {
		return string(d)
	}
	for i := 4; i < len(d)-2; i++ {
		d[i] = '*'
	}
	return string(d)
}

// Valid tells whether p can be an E.164 number at all.
func (p Phone) Valid() bool { return p >= shortCodeBelow && p <= maxPhone }

// ValidSender tells whether p can be a number of ours: E.164 or a short code.
func (p Phone) ValidSender() bool { return p >= 100 && p <= maxPhone }

// MarshalText writes the form of String.
func (p Phone) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what ParseSender reads.
func (p *Phone) UnmarshalText(b []byte) error {
	v, err := ParseSender(string(b))
	if err == nil {
		*p = v
	}
	return err
}

// Slot returns xxhash64(digits) mod 1024; it never changes for a phone.
func (p Phone) Slot() int {
	var buf [20]byte
	return int(xxhash.Sum64(p.AppendDigits(buf[:0])) % Slots)
}

// Partition returns the Kafka partition of a phone among n.
func (p Phone) Partition(n int) int32 { return int32(p.Slot() % n) }
