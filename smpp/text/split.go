package text

import (
	"errors"
	"slices"
	"unicode/utf8"
)

// Room for characters in one short message of 140 octets: septets for GSM7,
// UTF-16 units for UCS2; in a part of several, six octets hold the user data
// header (3GPP TS 23.040 §9.2.3.24.1).
const (
	singleGSM7 = 160
	partGSM7   = 153
	singleUCS2 = 70
	partUCS2   = 67

	// MaxParts is how many parts one reference can count.
	MaxParts = 255

	udhLen = 6
	// udhi is esm_class with the bit that announces a user data header.
	udhi = 0x40
)

// ErrTooLong is returned for a text of more than MaxParts parts.
var ErrTooLong = errors.New("text: more than 255 parts")

// Message is one text as the parts that travel and are billed. Its memory is
// reused by the next call of its Split method.
type Message struct {
	Encoding Encoding
	Parts    []Part

	buf []byte
}

// Part is one short message.
type Part struct {
	Data []byte // the octets of short_message, user data header first if there are several parts
	Text string // the characters in it, a piece of the text that was split
}

// ESMClass returns the esm_class of the parts: 0x40 when they start with a user
// data header, else 0.
func (m *Message) ESMClass() byte {
	if len(m.Parts) > 1 {
		return udhi
	}
	return 0
}

// DataCoding returns the data_coding of the parts, unless the carrier's profile
// knows better.
func (m *Message) DataCoding() byte { return m.Encoding.DataCoding() }

// Split returns s as parts that a phone joins again by ref, which should differ
// between texts to the same phone. No Parts: the text is too long for 255.
func Split(s string, ref byte) Message {
	var m Message
	if err := m.Split(s, ref); err != nil {
		return Message{Encoding: m.Encoding}
	}
	return m
}

// Split does what the function Split does, in the memory of m: Data of earlier
// Parts is overwritten. It returns ErrTooLong, and leaves no Parts, for a text
// of more than MaxParts parts. It does not allocate when m has room.
func (m *Message) Split(s string, ref byte) error {
	m.Parts = m.Parts[:0]
	m.Encoding = GSM7
	single, part := singleGSM7, partGSM7
	encoded, ok := AppendGSM7(m.buf[:0], s)
	if !ok {
		m.Encoding = UCS2
		single, part = 2*singleUCS2, 2*partUCS2
		encoded = AppendUCS2(encoded[:0], s)
	}
	m.buf = encoded
	if len(encoded) <= single {
		m.Parts = append(m.Parts, Part{Data: encoded, Text: s})
		return nil
	}
	return m.cut(s, ref, part)
}

// cut divides what m.buf holds into parts of at most room octets. The parts are
// built behind it in the same buffer, which is grown first so that it stays
// where it is.
func (m *Message) cut(s string, ref byte, room int) error {
	whole := len(m.buf)
	if whole > MaxParts*room {
		return ErrTooLong
	}
	parts := whole/(room-2) + 1 // At most: a part may stay one unit short of its room.
	m.buf = slices.Grow(m.buf, whole+parts*udhLen)
	rest := m.buf[:whole]
	for len(rest) > 0 {
		if len(m.Parts) == MaxParts {
			m.Parts = m.Parts[:0]
			return ErrTooLong
		}
		n := m.Encoding.fit(rest, room)
		from := len(m.buf)
		m.buf = append(m.buf, udhLen-1, 0, 3, ref, 0, byte(len(m.Parts)+1))
		m.buf = append(m.buf, rest[:n]...)
		chars := m.Encoding.prefix(s, n)
		m.Parts = append(m.Parts, Part{Data: m.buf[from:len(m.buf):len(m.buf)], Text: s[:chars]})
		rest, s = rest[n:], s[chars:]
	}
	for _, p := range m.Parts {
		p.Data[4] = byte(len(m.Parts))
	}
	return nil
}

// fit returns how many octets of b go into room without cutting an escape pair
// or a surrogate pair in two.
func (e Encoding) fit(b []byte, room int) int {
	switch {
	case len(b) <= room:
		return len(b)
	case e == GSM7 && b[room-1] == escape:
		return room - 1
	case e == UCS2 && b[room-2]&0xFC == 0xD8:
		return room - 2
	}
	return room
}

// prefix returns how many octets of s are the characters that take n octets
// when encoded.
func (e Encoding) prefix(s string, n int) int {
	at := 0
	for n > 0 && at < len(s) {
		if e == GSM7 && octetToGSM[s[at]] != notPlain {
			at++
			n--
			continue
		}
		r, size := utf8.DecodeRuneInString(s[at:])
		at += size
		n -= e.size(r)
	}
	return at
}

// size returns how many octets r takes.
func (e Encoding) size(r rune) int {
	if e == UCS2 {
		if r >= 0x10000 {
			return 4
		}
		return 2
	}
	if _, escaped, _ := gsmOf(r); escaped {
		return 2
	}
	return 1
}
