package community

import (
	"fmt"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"fanline/engine/message"
)

// region is a country whose numbering plan reads what has no country code; "":
// none, and then North America's ten digits are the only such numbers.
type region string

// newRegion checks the code of a country (ISO 3166).
func newRegion(code string) (region, error) {
	code = strings.ToUpper(code)
	if code != "" && phonenumbers.GetCountryCodeForRegion(code) == 0 {
		return "", fmt.Errorf("%w: region %q is no country, such as US or GB", ErrFormat, code)
	}
	return region(code), nil
}

// phone reads the phone of a row, or says why not. The numbering plan costs some
// 15 µs, so it is asked only about what its signs don't explain.
func (r region) phone(s string) (message.Phone, string) {
	s = strings.TrimSpace(s)
	digits, international := strings.CutPrefix(s, "+")
	if r == "" || international && strings.Trim(digits, "0123456789") == "" {
		return importPhone(s)
	}
	if s == "" {
		return 0, "is empty"
	}
	parsed, err := phonenumbers.Parse(s, string(r))
	if err != nil || parsed.GetExtension() != "" || !phonenumbers.IsPossibleNumber(parsed) {
		return 0, "is no number of " + string(r) + ", nor one with + and a country code"
	}
	return importPhone(phonenumbers.Format(parsed, phonenumbers.E164))
}
