package carrier

import (
	"encoding/binary"

	"fanline/smpp/text"
)

// longText is how a text in several parts says that they belong together.
type longText byte

const (
	udh8    longText = iota // user data header with an 8-bit reference (3GPP TS 23.040 §9.2.3.24.1)
	udh16                   // … with a 16-bit one (§9.2.3.24.8)
	sar                     // parameters sar_* (SMPP 3.4 §5.3.2.22 to 24); the SMSC makes the header
	payload                 // one submit with message_payload (§5.3.2.32); the SMSC cuts
)

// Octets of a part of one short message that a header leaves.
const (
	airOctets = 140
	udh8Len   = 6
	udh16Len  = 7
	// oneGSM7 is how many septets one part holds (3GPP TS 23.040 §9.2.3.24.1).
	oneGSM7 = 160
)

// piece is a part as it goes on the wire.
type piece struct {
	from, to int // in cutter.octets, its header included
}

// cutter turns a text into parts as the profile has it. How many characters fit
// a part is decided by what travels over the air, GSM 03.38 or UCS-2, whatever
// the octets between us and the carrier look like.
type cutter struct {
	profile *Profile
	coding  byte // data_coding of the parts
	udh     bool // they begin with a user data header
	payload bool // the only one goes into message_payload
	ref     uint16
	octets  []byte
	pieces  []piece

	whole []byte // the text in GSM 03.38 or UCS-2
}

// cut fills pieces. The reference is of 16 bits; udh8 uses the lower ones.
func (c *cutter) cut(body string, ref uint16) error {
	c.octets, c.pieces, c.udh, c.payload, c.ref = c.octets[:0], c.pieces[:0], false, false, ref
	set := &c.profile.codings
	whole, isGSM := text.AppendGSM7(c.whole[:0], body)
	if isGSM && !set.alphabet.holds(body) {
		isGSM = false
	}
	if !isGSM {
		whole = text.AppendUCS2(whole[:0], body)
	}
	c.whole, c.coding = whole, set.ucs2Coding
	single := airOctets
	if isGSM {
		c.coding, single = set.defaultCoding, oneGSM7
	}
	if c.payload = len(whole) > single && c.profile.long == payload; c.payload || len(whole) <= single {
		c.add(whole, body, isGSM, 0, 0)
		return nil
	}
	room := c.room(isGSM)
	parts := count(whole, room, isGSM)
	if parts > text.MaxParts {
		return text.ErrTooLong
	}
	c.udh = c.profile.long != sar
	for i := 1; len(whole) > 0; i++ {
		n := fit(whole, room, isGSM)
		chars := len(body)
		if isGSM && set.alphabet != gsm7 && set.alphabet != gsm7Packed {
			chars = charsOf(body, n)
		}
		c.add(whole[:n], body[:chars], isGSM, i, parts)
		whole, body = whole[n:], body[chars:]
	}
	return nil
}

// room is how many septets, or octets of UCS-2, a part of several holds. What
// header an SMSC makes of sar_* is its own affair: the longer one is allowed
// for.
func (c *cutter) room(isGSM bool) int {
	octets := airOctets - udh8Len
	if c.profile.long != udh8 {
		octets = airOctets - udh16Len
	}
	if isGSM {
		return octets * 8 / 7
	}
	return octets &^ 1
}

// count is the number of parts that fit makes.
func count(whole []byte, room int, isGSM bool) (n int) {
	for len(whole) > 0 {
		whole = whole[fit(whole, room, isGSM):]
		n++
	}
	return n
}

// fit returns how many octets of b go into room without cutting an escape from
// its character or a surrogate pair in two.
func fit(b []byte, room int, isGSM bool) int {
	switch {
	case len(b) <= room:
		return len(b)
	case isGSM && b[room-1] == 0x1B:
		return room - 1
	case !isGSM && b[room-2]&0xFC == 0xD8:
		return room - 2
	}
	return room
}

// charsOf returns how many octets of s are the characters that take n septets.
func charsOf(s string, n int) int {
	for at, r := range s {
		if n <= 0 {
			return at
		}
		n--
		switch r {
		case '\f', '^', '{', '}', '\\', '[', '~', ']', '|', '€':
			n--
		}
	}
	return len(s)
}

// add appends a piece: its header when it is one of several, and its octets in
// the alphabet that the carrier takes.
func (c *cutter) add(data []byte, chars string, isGSM bool, i, parts int) {
	from := len(c.octets)
	if c.udh {
		if c.profile.long == udh16 {
			c.octets = append(c.octets, udh16Len-1, 8, 4, byte(c.ref>>8), byte(c.ref), byte(parts), byte(i))
		} else {
			c.octets = append(c.octets, udh8Len-1, 0, 3, byte(c.ref), byte(parts), byte(i))
		}
	}
	switch {
	case isGSM && c.profile.codings.alphabet == gsm7Packed:
		c.octets = pack(c.octets, data, len(c.octets)-from)
	case isGSM && c.profile.codings.alphabet != gsm7:
		for _, r := range chars {
			c.octets = append(c.octets, byte(r)) // holds has looked at each.
		}
	default:
		c.octets = append(c.octets, data...)
	}
	c.pieces = append(c.pieces, piece{from, len(c.octets)})
}

// appendSAR appends the parameters that say which part of which text it is.
func appendSAR(b []byte, ref uint16, parts, i int) []byte {
	b = append(b, 0x02, 0x0C, 0, 2)
	b = binary.BigEndian.AppendUint16(b, ref)
	b = append(b, 0x02, 0x0E, 0, 1, byte(parts))
	return append(b, 0x02, 0x0F, 0, 1, byte(i))
}
