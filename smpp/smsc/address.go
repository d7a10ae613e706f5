package smsc

import (
	"strconv"
	"unsafe"
)

// phone is an address of up to 16 digits in one word: the value in the low 56 bits, the number of digits in five above
// it, and a bit that says that it begins with a zero. Zero means "not an address of digits".
type phone uint64

const (
	phoneDigitsMax  = 16
	phoneCountShift = 56
	phoneCountMask  = 31
	phoneValueMask  = 1<<phoneCountShift - 1
	phoneZeroFirst  = 1 << 61
)

// parsePhone packs digits; anything else, a leading plus included, gives 0.
func parsePhone(b []byte) phone {
	if len(b) == 0 || len(b) > phoneDigitsMax {
		return 0
	}
	var v uint64
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 {
			return 0
		}
		v = v*10 + d
	}
	v |= uint64(len(b)) << phoneCountShift
	if b[0] == '0' {
		v |= phoneZeroFirst
	}
	return phone(v)
}

func (p phone) value() uint64 { return uint64(p) & phoneValueMask }

func (p phone) digits() int { return int(p >> phoneCountShift & phoneCountMask) }

// plain says whether the value alone gives the digits back.
func (p phone) plain() bool { return p != 0 && p&phoneZeroFirst == 0 }

// append writes the digits as they came.
func (p phone) append(dst []byte) []byte {
	n := p.digits()
	start := len(dst)
	dst = append(dst, "0000000000000000"[:min(n, phoneDigitsMax)]...)
	v, i := p.value(), len(dst)
	for ; i >= start+2; i -= 2 {
		pair := v % 100 * 2
		v /= 100
		dst[i-1], dst[i-2] = digitPairs[pair+1], digitPairs[pair]
	}
	if i > start {
		dst[start] = byte('0' + v%10)
	}
	return dst
}

func (p phone) String() string { return string(p.append(make([]byte, 0, phoneDigitsMax))) }

// canonicalPhone drops a leading plus or 00, so that one subscriber written in two ways is one phone.
func canonicalPhone(s string) string {
	switch {
	case len(s) > 1 && s[0] == '+':
		return s[1:]
	case len(s) > 4 && s[0] == '0' && s[1] == '0':
		return s[2:]
	}
	return s
}

// packType keeps type of number and numbering plan in one octet; SMPP 3.4 §5.2.5 and §5.2.6 define no TON above 6
// and no NPI above 18, and what lies outside is cut to the nearest word that fits.
func packType(ton, npi byte) byte { return min(ton, 7)<<5 | min(npi, 31) }

func unpackType(t byte) (ton, npi byte) { return t >> 5, t & 31 }

// typedAddress puts the type octet in front of an address, as the log and tables keep it.
func typedAddress(kind byte, addr string) string { return string(append([]byte{kind}, addr...)) }

// parseBroadcastKey reads "b<broadcast>.<member>" without leading zeros, the only form that formatBroadcastKey writes back.
func parseBroadcastKey(b []byte) (broadcast, member uint32, ok bool) {
	if len(b) < 4 || b[0] != 'b' {
		return 0, 0, false
	}
	i := 1
	v, i, ok := canonicalUint32(b, i)
	if !ok || i >= len(b) || b[i] != '.' {
		return 0, 0, false
	}
	w, i, ok := canonicalUint32(b, i+1)
	if !ok || i != len(b) {
		return 0, 0, false
	}
	return v, w, true
}

func canonicalUint32(b []byte, i int) (uint32, int, bool) {
	start := i
	var v uint64
	for i < len(b) && b[i]-'0' <= 9 {
		v = v*10 + uint64(b[i]-'0')
		i++
		if i-start > 10 {
			return 0, i, false
		}
	}
	if i == start || v > 1<<32-1 || (b[start] == '0' && i-start > 1) {
		return 0, i, false
	}
	return uint32(v), i, true
}

func appendBroadcastKey(dst []byte, broadcast, member uint32) []byte {
	dst = append(dst, 'b')
	dst = strconv.AppendUint(dst, uint64(broadcast), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(member), 10)
}

// isULID says whether b has the shape of a ULID: 26 characters of Crockford's alphabet, the first at most 7.
func isULID(b []byte) bool {
	if len(b) != 26 || b[0] > '7' {
		return false
	}
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
		case c >= 'A' && c <= 'Z' && c != 'I' && c != 'L' && c != 'O' && c != 'U':
		default:
			return false
		}
	}
	return true
}

// octets looks at a string as bytes without copying; they must not be written to.
func octets(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// stringOf looks at bytes as a string without copying; it is valid as long as they stay as they are.
func stringOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
