package text

import (
	"slices"
	"unicode/utf8"
)

// Encoding is how the characters of a message become octets.
type Encoding byte

const (
	// GSM7 is the GSM 03.38 default alphabet with its extension table, one octet
	// a septet.
	GSM7 Encoding = iota
	// UCS2 is UTF-16, most significant octet first: surrogate pairs included,
	// which every phone of this century shows.
	UCS2
)

// String returns "gsm7" or "ucs2".
func (e Encoding) String() string {
	if e == GSM7 {
		return "gsm7"
	}
	return "ucs2"
}

// DataCoding returns the data_coding that the specification gives the encoding
// (SMPP 3.4 §5.2.19): 0, the SMSC's default alphabet, or 8.
func (e Encoding) DataCoding() byte {
	if e == GSM7 {
		return 0
	}
	return 8
}

// Encode returns the encoding that s needs: GSM7 if every character is in its
// tables, otherwise UCS2. It reports false when s is no valid UTF-8; its broken
// octets would be sent as U+FFFD.
func Encode(s string) (Encoding, bool) {
	enc := GSM7
	for i := 0; i < len(s); {
		if octetToGSM[s[i]] != notPlain {
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return UCS2, false
		}
		if _, _, ok := gsmOf(r); !ok {
			enc = UCS2
		}
		i += size
	}
	return enc, true
}

// AppendUCS2 writes s as UTF-16, most significant octet first, behind dst.
// Octets that are no UTF-8 become U+FFFD. It does not allocate when dst has room.
func AppendUCS2(dst []byte, s string) []byte {
	dst = slices.Grow(dst, 2*len(s))
	for _, r := range s {
		if r < 0x10000 {
			dst = append(dst, byte(r>>8), byte(r))
			continue
		}
		r -= 0x10000
		hi, lo := 0xD800|r>>10, 0xDC00|r&0x3FF
		dst = append(dst, byte(hi>>8), byte(hi), byte(lo>>8), byte(lo))
	}
	return dst
}

// Decode reads the octets of a short message, without user data header, by its
// data_coding (SMPP 3.4 §5.2.19): 0 GSM 03.38, 1 ASCII, 3 Latin-1, 8 UCS-2, and
// the message classes and waiting indications that phones and carriers put into
// the upper half (3GPP TS 23.038 §4). Anything else is read as Latin-1, which
// loses nothing. What cannot be read becomes U+FFFD.
func Decode(dataCoding byte, b []byte) string {
	return string(AppendDecoded(make([]byte, 0, len(b)+len(b)/4), dataCoding, b))
}

// AppendDecoded writes what Decode returns behind dst, as UTF-8.
func AppendDecoded(dst []byte, dataCoding byte, b []byte) []byte {
	switch alphabetOf(dataCoding) {
	case alphabetGSM:
		return appendFromGSM(dst, b)
	case alphabetASCII:
		for _, c := range b {
			if c > 0x7F {
				dst = utf8.AppendRune(dst, utf8.RuneError)
				continue
			}
			dst = append(dst, c)
		}
		return dst
	case alphabetUCS2:
		return appendFromUCS2(dst, b)
	}
	for _, c := range b {
		dst = utf8.AppendRune(dst, rune(c))
	}
	return dst
}

type alphabet byte

const (
	alphabetGSM alphabet = iota
	alphabetASCII
	alphabetLatin1
	alphabetUCS2
)

// alphabetOf follows SMPP below 0x10, and GSM's coding groups above.
func alphabetOf(dataCoding byte) alphabet {
	switch {
	case dataCoding == 0:
		return alphabetGSM
	case dataCoding == 1:
		return alphabetASCII
	case dataCoding == 8:
		return alphabetUCS2
	case dataCoding < 0x10:
		return alphabetLatin1
	case dataCoding < 0x80: // General coding, bits 3 and 2.
		switch dataCoding >> 2 & 3 {
		case 0:
			return alphabetGSM
		case 2:
			return alphabetUCS2
		}
		return alphabetLatin1
	case dataCoding >= 0xE0 && dataCoding < 0xF0: // Message waiting in UCS-2.
		return alphabetUCS2
	case dataCoding >= 0xF0 && dataCoding&0x04 != 0: // Eight bit data with a class.
		return alphabetLatin1
	case dataCoding >= 0xC0: // Message waiting, or a class with GSM.
		return alphabetGSM
	}
	return alphabetLatin1
}

// appendFromUCS2 reads UTF-16; half a pair, or half a unit at the end, becomes
// U+FFFD.
func appendFromUCS2(dst []byte, b []byte) []byte {
	for len(b) >= 2 {
		r := rune(b[0])<<8 | rune(b[1])
		b = b[2:]
		if r >= 0xD800 && r < 0xE000 {
			low := rune(0)
			if r < 0xDC00 && len(b) >= 2 {
				low = rune(b[0])<<8 | rune(b[1])
			}
			if low < 0xDC00 || low >= 0xE000 {
				dst = utf8.AppendRune(dst, utf8.RuneError)
				continue
			}
			r, b = 0x10000+(r&0x3FF<<10|low&0x3FF), b[2:]
		}
		dst = utf8.AppendRune(dst, r)
	}
	if len(b) == 1 {
		dst = utf8.AppendRune(dst, utf8.RuneError)
	}
	return dst
}
