package carrier

import (
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/nyaruka/phonenumbers"

	"fanline/engine/message"
	"fanline/smpp"
)

// rememberMost is how many odd addresses a plan remembers; then it begins anew.
const rememberMost = 1 << 14

// numberingPlan reads the addresses of a country that their signs alone don't
// explain. Asking the plan costs some 15 µs, so what it said is remembered.
type numberingPlan struct {
	region, country, trunk string

	mu    sync.Mutex
	known map[string]message.Phone
}

func newNumberingPlan(region string) (*numberingPlan, error) {
	code := phonenumbers.GetCountryCodeForRegion(region)
	if code == 0 {
		return nil, fmt.Errorf("carrier: region %q is no country (ISO 3166, as US)", region)
	}
	trunk := phonenumbers.GetNddPrefixForRegion(region, true)
	return &numberingPlan{region: region, country: strconv.Itoa(code), trunk: trunk, known: map[string]message.Phone{}}, nil
}

// certain tells whether the digits' signs say enough: of a national type without
// a doubtful prefix, of ten digits in North America, or international as the
// country code shows.
func (l *numberingPlan) certain(ton byte, digits string) bool {
	switch {
	case l.country == "1":
		return len(digits) == 10 && digits[0] >= '2' || len(digits) == 11 && digits[0] == '1'
	case ton == smpp.TONNational:
		return l.trunk == "" || strings.HasPrefix(digits, l.trunk) && l.trunk == "0"
	case l.trunk == "0" && digits[0] == '0':
		return true
	}
	return strings.HasPrefix(digits, l.country) && len(digits) >= len(l.country)+8
}

// parse asks the plan; 0: no number of it, or there is no plan.
func (l *numberingPlan) parse(addr string) message.Phone {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	n, known := l.known[addr]
	l.mu.Unlock()
	if known {
		return n
	}
	if parsed, err := phonenumbers.Parse(addr, l.region); err == nil && phonenumbers.IsPossibleNumber(parsed) {
		n, _ = message.ParsePhone(phonenumbers.Format(parsed, phonenumbers.E164)) // 0 where it is none after all.
	}
	l.mu.Lock()
	if len(l.known) >= rememberMost {
		clear(l.known)
	}
	l.known[strings.Clone(addr)] = n
	l.mu.Unlock()
	return n
}
