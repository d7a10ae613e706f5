package carrier

import (
	"unicode/utf8"

	"fanline/smpp/text"
)

// Lengths of a user data header with an 8-bit reference, and of what a part has
// room for besides, in octets of UCS-2.
const (
	udhLen   = 6
	partUCS2 = 134
	oneUCS2  = 140
)

// cut splits a text into e.split as the profile's default alphabet has it. How
// many characters fit a part is decided by what travels over the air, GSM 03.38
// or UCS-2, whatever the octets between us and the carrier look like.
func (e *Encoder) cut(body string, ref byte) error {
	if err := e.split.Split(body, ref); err != nil {
		return err
	}
	if e.split.Encoding == text.GSM7 && !e.profile.alphabet.holds(body) {
		return e.cutUCS2(body, ref)
	}
	return nil
}

// holds tells whether a text of GSM characters can be written in the alphabet.
func (a alphabet) holds(body string) bool {
	limit := rune(utf8.MaxRune)
	switch a {
	case latin1:
		limit = 0xFF
	case ascii:
		limit = 0x7F
	}
	for _, r := range body {
		if r > limit {
			return false
		}
	}
	return true
}

// octets returns a part as it goes on the wire; valid until the next call.
func (e *Encoder) octets(p *text.Part) []byte {
	if e.profile.alphabet == gsm7 || e.split.Encoding != text.GSM7 {
		return p.Data
	}
	e.scratch = e.scratch[:0]
	if len(e.split.Parts) > 1 {
		e.scratch = append(e.scratch, p.Data[:udhLen]...)
	}
	for _, r := range p.Text {
		e.scratch = append(e.scratch, byte(r)) // holds has looked at each.
	}
	return e.scratch
}

// cutUCS2 splits a text into parts of UCS-2 although GSM 03.38 has all of its
// characters, because the carrier's default alphabet lacks one.
func (e *Encoder) cutUCS2(body string, ref byte) error {
	whole := text.AppendUCS2(nil, body)
	e.split.Encoding, e.split.Parts = text.UCS2, e.split.Parts[:0]
	if len(whole) <= oneUCS2 {
		e.split.Parts = append(e.split.Parts, text.Part{Data: whole, Text: body})
		return nil
	}
	for len(whole) > 0 {
		n := min(len(whole), partUCS2) // GSM 03.38 has no character beyond one unit.
		data := append([]byte{udhLen - 1, 0, 3, ref, 0, byte(len(e.split.Parts) + 1)}, whole[:n]...)
		e.split.Parts = append(e.split.Parts, text.Part{Data: data})
		whole = whole[n:]
	}
	if len(e.split.Parts) > text.MaxParts {
		e.split.Parts = e.split.Parts[:0]
		return text.ErrTooLong
	}
	for _, p := range e.split.Parts {
		p.Data[4] = byte(len(e.split.Parts))
	}
	return nil
}
