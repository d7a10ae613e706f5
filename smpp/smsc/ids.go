package smsc

import (
	"fmt"
	"strconv"
	"strings"
)

// IDForm is how a message id is written. The simulator counts messages with one 64-bit number; real carriers write it
// in many ways and not seldom in another way in the receipt than in the response, which is what makes receipts unmatched.
type IDForm uint8

// The forms of a message id.
const (
	IDDecimal IDForm = iota // 1776000000000001
	IDHex                   // 64f41d0f2e401
	IDHexUpper
	IDPadded // decimal with zeros to 20 places
	IDUUID   // 8-4-4-4-12, made of the number by a fixed mixing
	IDShort  // the last 32 bits in hexadecimal: what fits into the nine octets of SMPP 3.3
)

var idFormNames = [...]string{IDDecimal: "decimal", IDHex: "hex", IDHexUpper: "hex-upper", IDPadded: "padded", IDUUID: "uuid", IDShort: "short"}

func (f IDForm) String() string {
	if int(f) < len(idFormNames) {
		return idFormNames[f]
	}
	return "id-form-" + strconv.Itoa(int(f))
}

// ParseIDForm reads the name of a form; the error lists those there are.
func ParseIDForm(s string) (IDForm, error) {
	for i, name := range idFormNames {
		if s == name {
			return IDForm(i), nil
		}
	}
	return 0, fmt.Errorf("id form %q: want one of %s", s, strings.Join(idFormNames[:], ", "))
}

const hexLower = "0123456789abcdef"

// Append writes id in the form.
func (f IDForm) Append(dst []byte, id uint64) []byte {
	switch f {
	case IDHex:
		return strconv.AppendUint(dst, id, 16)
	case IDHexUpper:
		start := len(dst)
		dst = strconv.AppendUint(dst, id, 16)
		for i := start; i < len(dst); i++ {
			if dst[i] >= 'a' {
				dst[i] -= 'a' - 'A'
			}
		}
		return dst
	case IDPadded:
		start := len(dst)
		dst = append(dst, "00000000000000000000"...)
		for i := start + 19; i >= start; i-- {
			dst[i] = byte('0' + id%10)
			id /= 10
		}
		return dst
	case IDUUID:
		return appendUUID(dst, mix64(id), id)
	case IDShort:
		return strconv.AppendUint(dst, uint64(uint32(id)), 16)
	default:
		return strconv.AppendUint(dst, id, 10)
	}
}

// Parse reads back what Append wrote, for query_sm.
func (f IDForm) Parse(s string) (uint64, bool) {
	switch f {
	case IDHex, IDHexUpper:
		v, err := strconv.ParseUint(s, 16, 64)
		return v, err == nil
	case IDShort:
		v, err := strconv.ParseUint(s, 16, 32)
		return v, err == nil
	case IDUUID:
		if len(s) != 36 {
			return 0, false
		}
		v, err := strconv.ParseUint(s[19:23]+s[24:], 16, 64)
		return v, err == nil
	default:
		v, err := strconv.ParseUint(s, 10, 64)
		return v, err == nil
	}
}

// names says whether what Parse read means the message id.
func (f IDForm) names(parsed, id uint64) bool {
	if f == IDShort {
		return uint32(parsed) == uint32(id)
	}
	return parsed == id
}

func appendUUID(dst []byte, hi, lo uint64) []byte {
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		word := hi
		if i >= 16 {
			word = lo
		}
		dst = append(dst, hexLower[word>>(60-4*(i%16))&15])
	}
	return dst
}

// mix64 is the finalizer of splitmix64: a bijection that spreads consecutive numbers.
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// idWriter writes many ids that lie close together: it keeps the leading digits of the one before.
type idWriter struct {
	form  IDForm
	front uint64 // what the leading digits stand for
	lead  []byte
}

// idTailUnit leaves eight digits to be written anew each time.
const idTailUnit = 100_000_000

// append writes id as its form's Append does.
func (w *idWriter) append(dst []byte, id uint64) []byte {
	if w.form != IDDecimal || id < idTailUnit {
		return w.form.Append(dst, id)
	}
	front := id / idTailUnit
	if front != w.front {
		w.front, w.lead = front, strconv.AppendUint(w.lead[:0], front, 10)
	}
	dst = append(dst, w.lead...)
	tail := uint32(id - front*idTailUnit)
	high, low := tail/10_000, tail%10_000
	return append(dst,
		digitPairs[high/100*2], digitPairs[high/100*2+1], digitPairs[high%100*2], digitPairs[high%100*2+1],
		digitPairs[low/100*2], digitPairs[low/100*2+1], digitPairs[low%100*2], digitPairs[low%100*2+1])
}

const digitPairs = "00010203040506070809" +
	"10111213141516171819" +
	"20212223242526272829" +
	"30313233343536373839" +
	"40414243444546474849" +
	"50515253545556575859" +
	"60616263646566676869" +
	"70717273747576777879" +
	"80818283848586878889" +
	"90919293949596979899"
