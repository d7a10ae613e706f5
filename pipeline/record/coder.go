package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// ErrRecord is wrapped by every error of the decoders.
var ErrRecord = errors.New("bad record")

// reader walks a record. After the first error everything reads as zero, so
// decoders check once at the end.
type reader struct {
	b   []byte
	off int
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at offset %d of %d", ErrRecord, what, r.off, len(r.b))
	}
	r.off = len(r.b)
}

func (r *reader) done() bool { return r.off >= len(r.b) }

func (r *reader) byte(what string) byte {
	if r.off >= len(r.b) {
		r.fail(what + ": cut short")
		return 0
	}
	c := r.b[r.off]
	r.off++
	return c
}

func (r *reader) uvarint(what string) uint64 {
	if r.off < len(r.b) && r.b[r.off] < 0x80 {
		r.off++
		return uint64(r.b[r.off-1])
	}
	v, n := binary.Uvarint(r.b[r.off:])
	if n <= 0 {
		r.fail(what + ": bad varint")
		return 0
	}
	r.off += n
	return v
}

func (r *reader) varint(what string) int64 {
	u := r.uvarint(what)
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) uint32(what string) uint32 {
	v := r.uvarint(what)
	if v > 1<<32-1 {
		r.fail(what + ": over 32 bits")
		return 0
	}
	return uint32(v)
}

// bytes aliases the record.
func (r *reader) bytes(what string) []byte {
	n := r.uvarint(what)
	if n > uint64(len(r.b)-r.off) {
		r.fail(what + ": longer than the record")
		return nil
	}
	v := r.b[r.off : r.off+int(n) : r.off+int(n)]
	r.off += int(n)
	return v
}

// string aliases the record.
func (r *reader) string(what string) string {
	b := r.bytes(what)
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

func (r *reader) fixed(dst []byte, what string) {
	if len(r.b)-r.off < len(dst) {
		r.fail(what + ": cut short")
		return
	}
	copy(dst, r.b[r.off:])
	r.off += len(dst)
}

// count reads a number of elements of at least size bytes each, so that a
// forged count cannot make the decoder allocate more than the input's size.
func (r *reader) count(size int, what string) int {
	n := r.uvarint(what)
	if n > uint64(len(r.b)-r.off)/uint64(size) {
		r.fail(what + ": more than the record can hold")
		return 0
	}
	return int(n)
}

func (r *reader) version() {
	if v := r.byte("version"); r.err == nil && v != version {
		r.off--
		r.fail(fmt.Sprintf("version %d, this program reads %d", v, version))
	}
}

// end reports the first error, or octets left over.
func (r *reader) end() error {
	if r.err == nil && !r.done() {
		r.fail("octets left over")
	}
	return r.err
}

func appendVarint(dst []byte, v int64) []byte {
	return binary.AppendUvarint(dst, uint64(v)<<1^uint64(v>>63))
}

func appendUvarint(dst []byte, v uint64) []byte { return binary.AppendUvarint(dst, v) }

func appendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
