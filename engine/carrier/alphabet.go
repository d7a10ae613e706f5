package carrier

import (
	"strconv"
	"unicode/utf8"

	"fanline/smpp/text"
)

// alphabet is how octets stand for characters.
type alphabet byte

const (
	gsm7 alphabet = iota
	gsm7Packed
	latin1
	ascii
	ucs2
	utf8Octets
	asSpecified // as data_coding says
)

// codings is what data_coding means to a carrier.
type codings struct {
	alphabet      alphabet // of data_coding 0, and of what we send
	defaultCoding byte     // sent with it
	ucs2Coding    byte
	inbound       *[256]alphabet // by data_coding; nil: as specified, 0 as alphabet
	guess         bool           // whether GSM 03.38 is UCS-2
}

// readCodings takes over what data_coding means.
func (p *Profile) readCodings(s Settings) error {
	c := &p.codings
	words := map[string]alphabet{"": gsm7, "gsm7": gsm7, "gsm7_packed": gsm7Packed, "latin1": latin1, "ascii": ascii}
	if !choose(&c.alphabet, s.DefaultAlphabet, words) {
		return p.problem("default_alphabet", s.DefaultAlphabet)
	}
	c.ucs2Coding, c.guess = text.UCS2.DataCoding(), !s.TrustGSM7
	for _, given := range []struct {
		to   *byte
		from *int
		key  string
	}{{&c.defaultCoding, s.DataCoding, "data_coding.default"}, {&c.ucs2Coding, s.DataCodingUCS2, "data_coding.ucs2"}} {
		if given.from == nil {
			continue
		}
		if *given.from < 0 || *given.from > 255 {
			return p.problem(given.key, strconv.Itoa(*given.from))
		}
		*given.to = byte(*given.from)
	}
	if len(s.Inbound) == 0 && c.alphabet == gsm7 {
		return nil
	}
	c.inbound = &[256]alphabet{}
	for i := range c.inbound {
		c.inbound[i] = asSpecified
	}
	c.inbound[0] = c.alphabet
	words["ucs2"], words["utf8"] = ucs2, utf8Octets
	delete(words, "")
	for coding, word := range s.Inbound {
		n, err := strconv.ParseUint(coding, 0, 8)
		a, ok := words[word]
		if err != nil || !ok {
			return p.problem("data_coding_overrides."+coding, word)
		}
		c.inbound[n] = a
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

// decode reads the octets of an inbound text that carries skip octets of header
// before them, by the carrier's data_coding.
func (c *codings) decode(dataCoding byte, b []byte, skip int) string {
	a := asSpecified
	if c.inbound != nil {
		a = c.inbound[dataCoding]
	}
	switch a {
	case gsm7:
		dataCoding = 0
	case gsm7Packed:
		return text.Decode(0, unpack(b, skip))
	case latin1:
		dataCoding = 3
	case ascii:
		dataCoding = 1
	case ucs2:
		dataCoding = 8
	case utf8Octets:
		if utf8.Valid(b) {
			return string(b)
		}
		dataCoding = 3
	}
	if dataCoding == 0 && c.guess && looksUCS2(b) {
		dataCoding = 8 // The carrier changed its mind and not the number.
	}
	return text.Decode(dataCoding, b)
}

// packed tells whether parts in this data_coding each fill their last octet, so
// that their octets can't be put together.
func (c *codings) packed(dataCoding byte) bool {
	return c.inbound != nil && c.inbound[dataCoding] == gsm7Packed
}

// looksUCS2 tells whether octets that are said to be GSM 03.38 can hardly be
// anything but UTF-16: some carriers turn a text that needs it into UCS-2 and
// leave data_coding at 0. In GSM 03.38 the upper octet of each unit would be one
// and the same letter before every single character: @ of Latin, è of Cyrillic;
// and neither it nor Latin-1 has both octets above 0x7F and below 0x20, as
// ideographs have. In doubt a text stays what it says it is.
func looksUCS2(b []byte) bool {
	if len(b) < 4 || len(b)%2 != 0 {
		return false
	}
	var latin, script, doubled, punctuation, pairs, others int
	letters := byte(0) // the upper octet of the script
	for i := 0; i < len(b); i += 2 {
		switch hi, lo := b[i], b[i+1]; {
		case hi == 0:
			if lo < 0x20 && lo != '\n' && lo != '\r' || lo == 0x7F {
				return false
			}
			latin++
		case hi < 0x20:
			if letters != 0 && letters != hi || !everyday(hi, lo) {
				return false
			}
			letters = hi
			script++
			if lo == hi {
				doubled++ // The same septet twice.
			}
		case hi == 0x20 && lo >= 0x10 && lo < 0x70:
			punctuation++
		case hi >= 0xD8 && hi <= 0xDB:
			if i+3 >= len(b) || b[i+2]&0xFC != 0xDC {
				return false
			}
			i += 2
			pairs++
		case hi >= 0xDC && hi < 0xFE: // Half a pair, or private: nobody writes that.
			return false
		default:
			others++
		}
	}
	switch {
	case pairs > 0:
		return true
	case others > 0:
		return neitherGSM7NorLatin1(b)
	case script > 0:
		return script >= 3 && doubled < script
	}
	return latin >= 2 && latin > punctuation
}

// everyday tells whether a unit belongs to a script that people text in: Greek,
// Cyrillic, Hebrew, Arabic, those of India, Thai, Georgian, Ethiopic, Khmer, and
// the accents of Vietnamese.
func everyday(hi, lo byte) bool {
	switch hi {
	case 0x03:
		return lo >= 0x70
	case 0x05:
		return lo >= 0x90
	case 0x04, 0x06, 0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x10, 0x12, 0x17, 0x1E:
		return true
	}
	return hi == 0x01 || hi == 0x02 // Latin with marks of its own; £ and $ in GSM 03.38.
}

// neitherGSM7NorLatin1 tells whether octets have what each of the two lacks.
func neitherGSM7NorLatin1(b []byte) bool {
	high, control := false, false
	for _, c := range b {
		high = high || c > 0x7F
		control = control || c < 0x20 && c != '\n' && c != '\r'
	}
	return high && control
}

// pack writes septets as the octets that travel over the air (3GPP TS 23.038
// §6.1.2.1), behind the octets of a user data header: fill bits bring the first
// septet to a boundary of septets.
func pack(dst, septets []byte, header int) []byte {
	bit := 0
	if header > 0 && len(septets) > 0 {
		bit = (7 - header*8%7) % 7
		if bit > 0 {
			dst = append(dst, 0)
		}
	}
	for _, s := range septets {
		at := bit % 8
		if at == 0 {
			dst = append(dst, 0)
		}
		dst[len(dst)-1] |= s << at
		if at > 1 {
			dst = append(dst, s>>(8-at))
		}
		bit += 7
	}
	if bit%8 == 1 && len(septets) > 0 { // Seven bits are left: as @ they would be read as one more character.
		dst[len(dst)-1] |= '\r' << 1
	}
	return dst
}

// unpack reads what pack writes. A carriage return that ends with the last octet
// is padding (3GPP TS 23.038 §6.1.2.3.1).
func unpack(b []byte, header int) []byte {
	bit := 0
	if header > 0 {
		bit = (7 - header*8%7) % 7
	}
	septets := make([]byte, 0, len(b)*8/7)
	for ; bit+7 <= len(b)*8; bit += 7 {
		i, at := bit/8, bit%8
		s := b[i] >> at
		if at > 1 {
			s |= b[i+1] << (8 - at)
		}
		septets = append(septets, s&0x7F)
	}
	if n := len(septets); n > 0 && bit == len(b)*8 && septets[n-1] == '\r' {
		septets = septets[:n-1]
	}
	return septets
}
