package carrier

import (
	"strings"
	"unsafe"

	"fanline/engine/message"
	"fanline/smpp"
)

// shortCodeBelow is above all short codes: at most six digits.
const shortCodeBelow message.Phone = 1_000_000

// phone reads an address as a carrier sent it: international digits, with or
// without a plus sign or 00, and national ones where the profile has a country
// code and the type of number doesn't say otherwise. 0: no E.164 number.
func (p *Profile) phone(ton byte, addr string) message.Phone {
	n := p.sender(ton, addr)
	if !n.Valid() {
		return 0
	}
	return n
}

// sender is phone for one of our own numbers, which may be a short code.
func (p *Profile) sender(ton byte, addr string) message.Phone {
	if ton == smpp.TONAlphanumeric {
		return 0
	}
	digits := strings.TrimSpace(addr)
	international := ton == smpp.TONInternational
	switch {
	case len(digits) > 0 && digits[0] == '+':
		digits, international = digits[1:], true
	case len(digits) > 2 && digits[0] == '0' && digits[1] == '0':
		digits, international = digits[2:], true
	}
	if len(digits) > 15 {
		return 0
	}
	var n message.Phone
	for i := range len(digits) {
		c := digits[i]
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + message.Phone(c-'0')
	}
	if international || p.country == "" || n < shortCodeBelow || !p.national(ton, digits) {
		return n
	}
	// The trunk prefix 0 falls away by itself: n is a number.
	for scale := message.Phone(1); ; scale *= 10 {
		if scale > n {
			return p.countryNumber()*scale + n
		}
	}
}

// national tells whether digits lack their country code. A type of number that
// is not known leaves two signs: the trunk prefix, and North America's fixed
// length.
func (p *Profile) national(ton byte, digits string) bool {
	switch {
	case p.country == "1":
		return len(digits) == 10 && digits[0] >= '2'
	case ton == smpp.TONNational:
		return true
	}
	return digits[0] == '0'
}

func (p *Profile) countryNumber() (n message.Phone) {
	for _, c := range []byte(p.country) {
		n = n*10 + message.Phone(c-'0')
	}
	return n
}

// address writes a phone of ours or a member's as the profile wants it.
func (p *Profile) address(a Address, phone message.Phone) smpp.Address {
	digits := phone.Digits()
	if a.TON == smpp.TONNational && p.country != "" && len(digits) > len(p.country) && digits[:len(p.country)] == p.country {
		digits = digits[len(p.country):]
	}
	return smpp.Address{TON: a.TON, NPI: a.NPI, Addr: digits}
}

// sourceOf returns the address of one of our numbers: short codes have a type
// and plan of their own.
func (p *Profile) sourceOf(number message.Phone) smpp.Address {
	if number < shortCodeBelow {
		return smpp.Address{TON: p.shortCode.TON, NPI: p.shortCode.NPI, Addr: number.Digits()}
	}
	return p.address(p.source, number)
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
