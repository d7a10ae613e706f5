package carrier

import (
	"bytes"

	"fanline/engine/message"
	"fanline/smpp"
)

// shortCodeBelow is above all short codes: at most six digits.
const shortCodeBelow message.Phone = 1_000_000

// phone reads an address as a carrier sent it: international digits, with or
// without a plus sign or 00, and national ones where the profile has a country
// code and the type of number doesn't say otherwise. 0: no E.164 number.
func (p *Profile) phone(ton byte, addr []byte) message.Phone {
	n := p.sender(ton, addr)
	if !n.Valid() {
		return 0
	}
	return n
}

// sender is phone for one of our own numbers, which may be a short code.
func (p *Profile) sender(ton byte, addr []byte) message.Phone {
	if ton == smpp.TONAlphanumeric {
		return 0
	}
	digits := trimBlanks(addr)
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
	for _, c := range digits {
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
func (p *Profile) national(ton byte, digits []byte) bool {
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
// §4.7.1); its slices alias the PDU.
type envelope struct {
	source, destination       []byte
	sourceTON, destinationTON byte
	esmClass                  byte
}

// peek reads the envelope without the rest. It forgives what smpp's reader
// forgives, so that a PDU that the session found well-formed can be peeked at.
func peek(pdu []byte) (e envelope, ok bool) {
	b := pdu[min(len(pdu), smpp.HeaderLen):]
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

func addressOf(b []byte) (ton byte, addr, rest []byte, ok bool) {
	if len(b) < 3 {
		return 0, nil, nil, false
	}
	addr, rest = cString(b[2:])
	return b[0], addr, rest, true
}

func cString(b []byte) (s, rest []byte) {
	n := bytes.IndexByte(b, 0)
	if n < 0 {
		return b, nil
	}
	return b[:n], b[n+1:]
}
