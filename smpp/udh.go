package smpp

import (
	"encoding/binary"
	"iter"
)

// Elements are the information elements of a user data header, without the
// octet that counts them (3GPP TS 23.040 §9.2.3.24).
type Elements []byte

// SplitUserData parts a text whose esm_class has ESMUDHI from its header. Some
// carriers set the bit and send none: an octet that counts more than follows is
// text.
func SplitUserData(text []byte) (header Elements, rest []byte) {
	if len(text) == 0 || 1+int(text[0]) > len(text) {
		return nil, text
	}
	n := 1 + int(text[0])
	return Elements(text[1:n:n]), text[n:]
}

// All yields every element, by its identifier, up to the first that is not whole.
func (e Elements) All() iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		for rest := e; len(rest) >= 2; {
			n := 2 + int(rest[1])
			if n > len(rest) || !yield(rest[0], rest[2:n:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// A Segment is the place of a part in a long message: from 1 to Total.
type Segment struct {
	Reference     uint16
	Total, Number byte
}

// Segment returns what the header says of concatenation, with a reference of 8
// or 16 bits (3GPP TS 23.040 §9.2.3.24.1, §9.2.3.24.8).
func (e Elements) Segment() (Segment, bool) {
	for iei, v := range e.All() {
		switch {
		case iei == 0x00 && len(v) == 3:
			return Segment{uint16(v[0]), v[1], v[2]}, true
		case iei == 0x08 && len(v) == 4:
			return Segment{binary.BigEndian.Uint16(v), v[2], v[3]}, true
		}
	}
	return Segment{}, false
}

// Segment returns what the TLVs sar_msg_ref_num, sar_total_segments and
// sar_segment_seqnum say; all three must be there (SMPP 3.4 §5.3.2.22).
func (o Options) Segment() (Segment, bool) {
	ref, okRef := o.Uint(TagSarMsgRefNum)
	total, okTotal := o.Uint(TagSarTotalSegments)
	number, okNumber := o.Uint(TagSarSegmentSeqnum)
	if !okRef || !okTotal || !okNumber || ref > 0xFFFF || total > 0xFF || number > 0xFF {
		return Segment{}, false
	}
	return Segment{uint16(ref), byte(total), byte(number)}, true
}
