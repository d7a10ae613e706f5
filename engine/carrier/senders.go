package carrier

import (
	"fmt"
	"strings"

	"fanline/engine/message"
)

// The words of Sender.Kind.
const (
	kindLongCode  = "long_code"
	kindShortCode = "short_code"
	kindTollFree  = "toll_free"
)

// Sender is what a carrier has to know about one of our numbers.
type Sender struct {
	Kind string // long_code, short_code or toll_free; empty: up to six digits are a short code
	// Address stands in its place there: an alphanumeric one of at most 11
	// characters, to which nobody can answer, or another number.
	Address string
	Values  map[string]string // of the profile's TLVs, by their names
}

// senders are our numbers as one carrier has them.
type senders struct {
	given     map[message.Phone]Sender
	byNumber  map[message.Phone]*Sender
	byAddress map[string]message.Phone
}

// WithSenders returns the profile for a carrier that our numbers use. The error
// says which number lacks what.
func (p *Profile) WithSenders(numbers map[message.Phone]Sender) (*Profile, error) {
	q := *p
	q.senders = senders{given: numbers, byNumber: map[message.Phone]*Sender{}, byAddress: map[string]message.Phone{}}
	for number, s := range numbers {
		switch s.Kind {
		case "", kindLongCode, kindShortCode, kindTollFree:
		default:
			return nil, fmt.Errorf("carrier: number %s: kind %q: want long_code, short_code or toll_free", number.Masked(), s.Kind)
		}
		if err := checkAddress(s.Address); err != nil {
			return nil, fmt.Errorf("carrier: number %s: %w", number.Masked(), err)
		}
		if s.Address != "" {
			if other, twice := q.senders.byAddress[s.Address]; twice {
				return nil, fmt.Errorf("carrier: numbers %s and %s have the same address", other.Masked(), number.Masked())
			}
			q.senders.byAddress[s.Address] = number
		}
		if _, err := q.appendTLVs(nil, &s); err != nil {
			return nil, fmt.Errorf("carrier: number %s: %w", number.Masked(), err)
		}
		q.senders.byNumber[number] = &s
	}
	return &q, nil
}

// alphanumericLen is how long an alphanumeric address may be (3GPP TS 23.040
// §9.1.2.5: ten octets of septets).
const alphanumericLen = 11

// checkAddress tells whether an address may stand for one of our numbers. It
// goes over the wire as ASCII: a character that GSM 03.38 has elsewhere could
// become another one, @ the very end of the address.
func checkAddress(s string) error {
	if isDigits(strings.TrimPrefix(s, "+")) {
		if len(s) > 20 {
			return fmt.Errorf("address %q: at most 20 digits expected", s)
		}
		return nil
	}
	if len(s) > alphanumericLen {
		return fmt.Errorf("address %q: at most %d characters expected", s, alphanumericLen)
	}
	for _, c := range []byte(s) {
		same := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(" !\"#%&'()*+,-./:;<=>?", c) >= 0
		if !same {
			return fmt.Errorf("address %q: %q is not the same character in ASCII and GSM 03.38", s, c)
		}
	}
	return nil
}
