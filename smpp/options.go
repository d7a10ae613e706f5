package smpp

import (
	"encoding/binary"
	"iter"
)

// Options are the optional parameters of a PDU: TLVs as they stand on the
// wire, in order, unknown and vendor tags included (SMPP 3.4 §3.2.4).
type Options []byte

// Get returns the value of the first TLV with tag t, and whether there is one.
// The value points into o.
func (o Options) Get(t Tag) ([]byte, bool) {
	for len(o) >= 4 {
		n := 4 + int(binary.BigEndian.Uint16(o[2:]))
		if n > len(o) {
			break
		}
		if Tag(binary.BigEndian.Uint16(o)) == t {
			return o[4:n:n], true
		}
		o = o[n:]
	}
	return nil, false
}

// All yields every TLV in wire order. The values point into o.
func (o Options) All() iter.Seq2[Tag, []byte] {
	return func(yield func(Tag, []byte) bool) {
		for rest := o; len(rest) >= 4; {
			n := 4 + int(binary.BigEndian.Uint16(rest[2:]))
			if n > len(rest) || !yield(Tag(binary.BigEndian.Uint16(rest)), rest[4:n:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// Append returns o with one more TLV. A value above 65,535 octets has no wire
// form: it leaves a TLV without its value, which the Append of a PDU refuses.
func (o Options) Append(t Tag, v []byte) Options {
	o = binary.BigEndian.AppendUint16(o, uint16(t))
	if len(v) > 0xFFFF {
		return append(o, 0xFF, 0xFF)
	}
	o = binary.BigEndian.AppendUint16(o, uint16(len(v)))
	return append(o, v...)
}

// Uint returns the value of an integer TLV. Carriers send integers shorter or
// longer than specified; they count as what they say, up to 32 bits.
func (o Options) Uint(t Tag) (uint32, bool) {
	v, _ := o.Get(t)
	return number(v)
}

// number reads an integer of any length whose value has 32 bits.
func number(v []byte) (uint32, bool) {
	for len(v) > 4 && v[0] == 0 {
		v = v[1:]
	}
	if len(v) == 0 || len(v) > 4 {
		return 0, false
	}
	return bigEndian(v), true
}

// Text returns the value of a C-octet string TLV without its NUL, or of an
// octet string as it is. It points into o.
func (o Options) Text(t Tag) (string, bool) {
	v, ok := o.Get(t)
	return alias(trimNUL(v)), ok
}

// wholeTLVs returns how many octets at the start of b are whole TLVs.
func wholeTLVs(b []byte) int {
	n := 0
	for len(b)-n >= 4 {
		next := n + 4 + int(binary.BigEndian.Uint16(b[n+2:]))
		if next > len(b) {
			break
		}
		n = next
	}
	return n
}
