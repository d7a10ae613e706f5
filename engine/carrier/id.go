package carrier

import (
	"math"
	"strconv"

	"fanline/engine"
)

// idForm is how a carrier writes its message ids.
type idForm byte

const (
	asSent idForm = iota
	hexadecimal
	decimal
	unknown // the engine is to find out
)

// CanonicalID brings the id of a submit_sm_resp, or the ID of what Receipt
// returned, to the form in which both are equal: without blanks around it,
// decimal digits without leading zeros, hexadecimal digits (a UUID's among
// them) in small letters, and without leading zeros where the profile says that
// ids are hexadecimal numbers. Other ids stay as they are. Where the form is to
// be found out, letters are small in all ids, and no number has leading zeros.
// The result aliases id; it is a copy only where a letter had to change.
func (p *Profile) CanonicalID(id []byte) []byte {
	id = trimBlanks(id)
	if p.responses == unknown {
		return foldID(id)
	}
	digits, letters, upper := 0, 0, 0
	for _, c := range id {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c >= 'a' && c <= 'f':
			letters++
		case c >= 'A' && c <= 'F':
			letters++
			upper++
		case c != '-':
			return id // Neither number nor UUID: case and zeros may mean something.
		}
	}
	if digits == len(id) || p.responses == hexadecimal && digits+letters == len(id) {
		id = trimZeros(id)
	}
	if upper > 0 {
		id = lower(id)
	}
	return id
}

// maxDigits is the length up to which hexadecimal digits are a number: what is
// longer is a UUID without dashes or a hash, of which no digit is padding.
const maxDigits = 20

// foldID is CanonicalID where the base is not known.
func foldID(id []byte) []byte {
	digits, hex, upper := 0, 0, 0
	for _, c := range id {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			hex++
		}
		if c >= 'A' && c <= 'Z' {
			upper++
		}
	}
	if digits == len(id) || digits+hex == len(id) && len(id) <= maxDigits {
		id = trimZeros(id)
	}
	if upper > 0 {
		id = lower(id)
	}
	return id
}

// DetectIDs tells whether the engine is to find out how receipts write ids.
func (p *Profile) DetectIDs() bool { return p.responses == unknown }

// ReceiptID writes the id of a receipt as CanonicalID has that of the response,
// were the carrier's ids in a form; false: it cannot be of that form. The
// result is id's own memory, room's, or a copy.
func (p *Profile) ReceiptID(form engine.IDForm, id, room []byte) ([]byte, bool) {
	id = trimBlanks(id)
	from, to := uint64(10), 16
	switch form {
	case engine.IDSame:
		return foldID(id), true
	case engine.IDHex:
		if len(id) > maxDigits {
			return nil, false
		}
		from, to = 16, 10
	}
	n, ok := number(id, from)
	if !ok {
		return nil, false
	}
	return strconv.AppendUint(room, n, to), true
}

// receiptID turns the id of a receipt into the form of responses.
func (p *Profile) receiptID(id []byte) []byte {
	if p.receipts == p.responses {
		return id
	}
	from, to := 10, 16
	if p.receipts == hexadecimal {
		from, to = 16, 10
	}
	id = trimBlanks(id)
	n, ok := number(id, uint64(from))
	if !ok {
		return id // No number of the base agreed on: as it is, it may still match.
	}
	return strconv.AppendUint(make([]byte, 0, 20), n, to)
}

// number reads digits of a base up to 16; false for anything else and for more
// than 64 bits.
func number(id []byte, base uint64) (n uint64, ok bool) {
	for _, c := range id {
		var d uint64
		switch {
		case c >= '0' && c <= '9':
			d = uint64(c - '0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			d = uint64(c|0x20-'a') + 10
		default:
			return 0, false
		}
		if d >= base || n > (math.MaxUint64-d)/base {
			return 0, false
		}
		n = n*base + d
	}
	return n, len(id) > 0
}

func trimBlanks(id []byte) []byte {
	for len(id) > 0 && id[0] <= ' ' {
		id = id[1:]
	}
	for len(id) > 0 && id[len(id)-1] <= ' ' {
		id = id[:len(id)-1]
	}
	return id
}

func trimZeros(id []byte) []byte {
	for len(id) > 1 && id[0] == '0' {
		id = id[1:]
	}
	return id
}

// lower returns a copy in small letters.
func lower(id []byte) []byte {
	out := make([]byte, len(id))
	for i, c := range id {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		out[i] = c
	}
	return out
}
