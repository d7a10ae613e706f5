package carrier

import (
	"strings"
	"unsafe"

	"fanline/engine/message"
	"fanline/smpp"
)

// shortCodeBelow is above the short codes that are told by their length: at
// most six digits.
const shortCodeBelow message.Phone = 1_000_000

// addresses is how a carrier writes numbers.
type addresses struct {
	source, destination              Address
	shortCode, tollFree, alphaNumber Address
	format                           numberFormat
	country                          string
	countryNumber                    message.Phone // country as a number; 0: none
	trunk                            string        // before national numbers, as written
	plan                             *numberingPlan
}

type numberFormat byte

const (
	digitsOnly numberFormat = iota
	withPlus
	withZeros
	nationally
)

// readAddresses takes over how addresses are written.
func (p *Profile) readAddresses(s Settings) error {
	a := &p.addresses
	a.source, a.destination, a.country, a.trunk = s.Source, s.Destination, s.CountryCode, s.TrunkPrefix
	a.shortCode, a.tollFree, a.alphaNumber = Address{TON: smpp.TONNetworkSpecific}, s.Source, Address{TON: smpp.TONAlphanumeric}
	for _, given := range []struct{ to, from *Address }{{&a.shortCode, s.ShortCode}, {&a.tollFree, s.TollFree}, {&a.alphaNumber, s.Alphanumeric}} {
		if given.from != nil {
			*given.to = *given.from
		}
	}
	formats := map[string]numberFormat{"": digitsOnly, "digits": digitsOnly, "plus": withPlus, "00": withZeros, "national": nationally}
	if !choose(&a.format, s.NumberFormat, formats) {
		return p.problem("number_format", s.NumberFormat)
	}
	if s.Region != "" {
		var err error
		if a.plan, err = newNumberingPlan(s.Region); err != nil {
			return p.problem("region", s.Region)
		}
		if a.country == "" {
			a.country = a.plan.country
		}
		if a.country != a.plan.country {
			return p.problem("country_code", s.CountryCode)
		}
	}
	if len(a.country) > 3 || !isDigits(a.country) || strings.HasPrefix(a.country, "0") {
		return p.problem("country_code", s.CountryCode)
	}
	if len(a.trunk) > 4 || !isDigits(a.trunk) {
		return p.problem("trunk_prefix", s.TrunkPrefix)
	}
	if a.format == nationally && a.country == "" {
		return p.problem("country_code", s.CountryCode)
	}
	if a.destination.TON == smpp.TONNational && a.country != "" && s.NumberFormat == "" {
		a.format = nationally // The type of number says it.
	}
	for _, c := range []byte(a.country) {
		a.countryNumber = a.countryNumber*10 + message.Phone(c-'0')
	}
	return nil
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// phone reads an address as a carrier sent it: international digits, with or
// without a plus sign or 00, and national ones where the profile has a country
// code and the type of number doesn't say otherwise. 0: no E.164 number.
func (p *Profile) phone(ton byte, addr string) message.Phone {
	n := p.number(ton, addr)
	if !n.Valid() {
		return 0
	}
	return n
}

// sender is phone for one of our own numbers, which may be a short code or
// stand under another address there.
func (p *Profile) sender(ton byte, addr string) message.Phone {
	if len(p.senders.byAddress) > 0 {
		if n, ok := p.senders.byAddress[strings.TrimSpace(addr)]; ok {
			return n
		}
	}
	return p.number(ton, addr)
}

// number reads the digits of an address. What is plain is decided by its signs;
// a numbering plan is asked about the rest.
func (p *Profile) number(ton byte, addr string) message.Phone {
	if ton == smpp.TONAlphanumeric {
		return 0
	}
	a := &p.addresses
	digits := strings.TrimSpace(addr)
	international := ton == smpp.TONInternational
	switch {
	case len(digits) > 0 && digits[0] == '+':
		digits, international = digits[1:], true
	case len(digits) > 2 && digits[0] == '0' && digits[1] == '0' && a.trunk != "00":
		digits, international = digits[2:], true
	}
	n, plain := digitsOf(digits)
	switch {
	case !plain || len(digits) > 15:
		return a.plan.parse(addr)
	case international || n < shortCodeBelow && ton != smpp.TONNational:
		return n
	case a.plan != nil && !a.plan.certain(ton, digits):
		return a.plan.parse(addr)
	case a.country == "" || !a.national(ton, digits):
		return n
	}
	if a.plan != nil {
		n, _ = digitsOf(strings.TrimPrefix(digits, a.plan.trunk))
	} else if a.trunk != "" {
		n, _ = digitsOf(strings.TrimPrefix(digits, a.trunk))
	}
	// Without a plan the trunk prefix 0 falls away by itself: n is a number.
	for scale := message.Phone(1); ; scale *= 10 {
		if scale > n {
			return a.countryNumber*scale + n
		}
	}
}

// digitsOf reads decimal digits; false: there is something else.
func digitsOf(s string) (n message.Phone, ok bool) {
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + message.Phone(c-'0')
	}
	return n, true
}

// national tells whether digits lack their country code. A type of number that
// is not known leaves two signs: the trunk prefix, and North America's fixed
// length.
func (a *addresses) national(ton byte, digits string) bool {
	switch {
	case a.country == "1":
		return len(digits) == 10 && digits[0] >= '2'
	case ton == smpp.TONNational:
		return true
	case a.trunk != "":
		return strings.HasPrefix(digits, a.trunk)
	}
	return digits[0] == '0'
}

// appendNumber appends a number's digits as the carrier wants them.
func (a *addresses) appendNumber(b []byte, phone message.Phone) []byte {
	switch a.format {
	case withPlus:
		b = append(b, '+')
	case withZeros:
		b = append(b, '0', '0')
	case nationally:
		var buf [20]byte
		digits := alias(phone.AppendDigits(buf[:0]))
		if rest, ok := strings.CutPrefix(digits, a.country); ok && rest != "" {
			return append(append(b, a.trunk...), rest...)
		}
		return append(b, digits...)
	}
	return phone.AppendDigits(b)
}

// npiE164 is the numbering plan of international numbers (SMPP 3.4 §5.2.6).
const npiE164 = 1

// foreign tells whether a number has to say that it is international where
// those of the carrier's own country go without country code.
func (a *addresses) foreign(phone message.Phone) bool {
	if a.format != nationally || phone < shortCodeBelow {
		return false
	}
	var buf [20]byte
	return !strings.HasPrefix(alias(phone.AppendDigits(buf[:0])), a.country)
}

// source returns the address of one of our numbers. Its kind says type and
// plan; one whose kind is not known is taken for a short code by its length.
func (p *Profile) source(number message.Phone) smpp.Address {
	a, s := &p.addresses, p.senders.byNumber[number]
	as := a.source
	switch {
	case s != nil && s.Address != "" && !isDigits(strings.TrimPrefix(s.Address, "+")):
		as = a.alphaNumber
	case s != nil && s.Kind == kindShortCode, (s == nil || s.Kind == "") && number < shortCodeBelow:
		as = a.shortCode
	case s != nil && s.Kind == kindTollFree:
		as = a.tollFree
	}
	switch {
	case s != nil && s.Address != "":
		return smpp.Address{TON: as.TON, NPI: as.NPI, Addr: s.Address}
	case as == a.shortCode && (number < shortCodeBelow || s != nil && s.Kind == kindShortCode):
		return smpp.Address{TON: as.TON, NPI: as.NPI, Addr: number.Digits()}
	}
	if a.foreign(number) {
		as = Address{TON: smpp.TONInternational, NPI: npiE164}
	}
	return smpp.Address{TON: as.TON, NPI: as.NPI, Addr: string(a.appendNumber(nil, number))}
}

// envelope is what opens deliver_sm and data_sm alike (SMPP 3.4 §4.6.1,
// §4.7.1); its strings alias the PDU.
type envelope struct {
	source, destination       string
	sourceTON, destinationTON byte
	esmClass                  byte
}

// peek reads the envelope without the rest. It forgives what smpp's reader
// forgives, so that a PDU that the session found well-formed can be peeked at.
func peek(pdu []byte) (e envelope, ok bool) {
	b := alias(pdu[min(len(pdu), smpp.HeaderLen):])
	_, b = cString(b) // service_type
	if e.sourceTON, e.source, b, ok = addressOf(b); !ok {
		return e, false
	}
	if e.destinationTON, e.destination, b, ok = addressOf(b); !ok || len(b) == 0 {
		return e, false
	}
	e.esmClass = b[0]
	return e, true
}

func addressOf(b string) (ton byte, addr, rest string, ok bool) {
	if len(b) < 3 {
		return 0, "", "", false
	}
	addr, rest = cString(b[2:])
	return b[0], addr, rest, true
}

// cString takes a C-octet string, whose NUL may be missing, off.
func cString(b string) (s, rest string) {
	s, rest, _ = strings.Cut(b, "\x00")
	return s, rest
}

// alias returns octets as a string without copying them.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// octets returns a string that aliases octets as what it is.
func octets(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
