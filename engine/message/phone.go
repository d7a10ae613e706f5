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

// AppendDigits appends the digits without a plus sign.
func (p Phone) AppendDigits(dst []byte) []byte { return strconv.AppendUint(dst, uint64(p), 10) }

// Digits returns the digits without a plus sign.
func (p Phone) Digits() string { return strconv.FormatUint(uint64(p), 10) }

// String returns the number with its plus sign, for people and interfaces.
// Logs go through LogValue.
func (p Phone) String() string { return "+" + p.Digits() }

// LogValue masks all but the country's first digits and the last two.
func (p Phone) LogValue() slog.Value { return slog.StringValue(p.Masked()) }

// Masked returns the number with its middle hidden: +177******00.
func (p Phone) Masked() string {
	d := []byte("+" + p.Digits())
	for i := 4; i < len(d)-2; i++ {
		d[i] = '*'
	}
	return string(d)
}

// Valid tells whether p can be an E.164 number at all.
func (p Phone) Valid() bool { return p >= 1_000_000 && p <= maxPhone }

// MarshalText writes the form with a plus sign.
func (p Phone) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what ParsePhone reads.
func (p *Phone) UnmarshalText(b []byte) error {
	v, err := ParsePhone(string(b))
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
