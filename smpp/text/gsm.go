package text

import (
	"slices"
	"unicode/utf8"
)

// AppendGSM7 writes s in the GSM 03.38 default alphabet behind dst, unpacked:
// one octet a septet, an escape before each character of the extension table.
// It reports false, and returns dst as it was, when a character of s is in
// neither table. It does not allocate when dst has room.
func AppendGSM7(dst []byte, s string) ([]byte, bool) {
	start := len(dst)
	for {
		dst = slices.Grow(dst, len(s))
		n := len(dst)
		out := dst[n : n+len(s)]
		i := 0
		for ; i < len(out); i++ {
			g := octetToGSM[s[i]]
			if g == notPlain {
				break
			}
			out[i] = g
		}
		dst, s = dst[:n+i], s[i:]
		if s == "" {
			return dst, true
		}
		r, size := utf8.DecodeRuneInString(s)
		g, escaped, ok := gsmOf(r)
		if !ok {
			return dst[:start], false
		}
		if escaped {
			dst = append(dst, escape)
		}
		dst, s = append(dst, g), s[size:]
	}
}

// gsmOf returns the septet of a character, and whether an escape goes before it.
func gsmOf(r rune) (septet byte, escaped, ok bool) {
	if r < utf8.RuneSelf {
		if g := octetToGSM[r]; g != notPlain {
			return g, false, true
		}
	}
	switch r {
	case '\f':
		return 0x0A, true, true
	case '^':
		return 0x14, true, true
	case '{':
		return 0x28, true, true
	case '}':
		return 0x29, true, true
	case '\\':
		return 0x2F, true, true
	case '[':
		return 0x3C, true, true
	case '~':
		return 0x3D, true, true
	case ']':
		return 0x3E, true, true
	case '|':
		return 0x40, true, true
	case '€':
		return 0x65, true, true
	}
	g, ok := gsmBeyondASCII(r)
	return g, false, ok
}

// gsmBeyondASCII is the part of the basic table that ASCII lacks.
func gsmBeyondASCII(r rune) (byte, bool) {
	switch r {
	case '£':
		return 0x01, true
	case '¥':
		return 0x03, true
	case 'è':
		return 0x04, true
	case 'é':
		return 0x05, true
	case 'ù':
		return 0x06, true
	case 'ì':
		return 0x07, true
	case 'ò':
		return 0x08, true
	case 'Ç':
		return 0x09, true
	case 'Ø':
		return 0x0B, true
	case 'ø':
		return 0x0C, true
	case 'Å':
		return 0x0E, true
	case 'å':
		return 0x0F, true
	case 'Δ':
		return 0x10, true
	case 'Φ':
		return 0x12, true
	case 'Γ':
		return 0x13, true
	case 'Λ':
		return 0x14, true
	case 'Ω':
		return 0x15, true
	case 'Π':
		return 0x16, true
	case 'Ψ':
		return 0x17, true
	case 'Σ':
		return 0x18, true
	case 'Θ':
		return 0x19, true
	case 'Ξ':
		return 0x1A, true
	case 'Æ':
		return 0x1C, true
	case 'æ':
		return 0x1D, true
	case 'ß':
		return 0x1E, true
	case 'É':
		return 0x1F, true
	case '¤':
		return 0x24, true
	case '¡':
		return 0x40, true
	case 'Ä':
		return 0x5B, true
	case 'Ö':
		return 0x5C, true
	case 'Ñ':
		return 0x5D, true
	case 'Ü':
		return 0x5E, true
	case '§':
		return 0x5F, true
	case '¿':
		return 0x60, true
	case 'ä':
		return 0x7B, true
	case 'ö':
		return 0x7C, true
	case 'ñ':
		return 0x7D, true
	case 'ü':
		return 0x7E, true
	case 'à':
		return 0x7F, true
	}
	return 0, false
}

// appendFromGSM decodes unpacked septets. A septet that the extension table
// lacks means what it means in the basic table, a lone escape is a space (3GPP
// TS 23.038 §6.2.1.1). Octets above 0x7F are no septets: carriers that send
// Latin-1 under data_coding 0 mean that.
func appendFromGSM(dst []byte, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c > 0x7F:
			dst = utf8.AppendRune(dst, rune(c))
		case c != escape:
			dst = utf8.AppendRune(dst, gsmBasic[c])
		case i+1 == len(b) || b[i+1] == escape || b[i+1] > 0x7F:
			dst = append(dst, ' ')
		default:
			i++
			r := gsmExtension[b[i]]
			if r == 0 {
				r = gsmBasic[b[i]]
			}
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
