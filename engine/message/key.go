package message

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/oklog/ulid/v2"
)

// MemberID names a person in the store; small, so that sets of them are bitmaps.
type MemberID uint32

// BroadcastID names one text to an audience. Zero: not a broadcast.
type BroadcastID uint32

// Epoch grows with every pause, resume and cancel of a broadcast.
type Epoch uint32

// Rank is the position of a recipient in a broadcast's fixed audience, within
// one partition, ascending from 1.
type Rank uint32

// ID names a one-to-one message or an automatic reply; a ULID in form.
type ID [16]byte

// NewID returns an ID of the present millisecond and random bits.
func NewID() ID { return ID(ulid.Make()) }

// ReplyID derives the ID of the n-th automatic reply to an inbound record, so
// that reading the record again sends nothing twice.
func ReplyID(number, sender Phone, topicPartition int32, offset int64, n int) ID {
	s := fmt.Sprintf("%d/%d/%d/%d/%d", number, sender, topicPartition, offset, n)
	a, b := xxhash.Sum64String(s), xxhash.Sum64String("fanline/"+s)
	var id ID
	for i := range 8 {
		id[i], id[8+i] = byte(a>>(8*i)), byte(b>>(8*i))
	}
	id[0] &= 0x7f // A ULID's text carries 128 bits in 26 characters; keep the first below 8.
	return id
}

// String returns the 26 characters of a ULID.
func (id ID) String() string { return ulid.ULID(id).String() }

// IsZero tells whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads the 26 characters of a ULID.
func ParseID(s string) (ID, error) {
	u, err := ulid.ParseStrict(s)
	if err != nil {
		return ID{}, fmt.Errorf("message id %q: %w", s, err)
	}
	return ID(u), nil
}

// Key names a message for ever: (broadcast, member), or an ID for one-to-one.
type Key struct {
	Broadcast BroadcastID
	Member    MemberID
	ID        ID
}

// AppendText appends "b7.12345" for a broadcast's message or the ULID's text.
func (k Key) AppendText(dst []byte) []byte {
	if k.Broadcast == 0 {
		return append(dst, k.ID.String()...)
	}
	dst = append(dst, 'b')
	dst = strconv.AppendUint(dst, uint64(k.Broadcast), 10)
	dst = append(dst, '.')
	return strconv.AppendUint(dst, uint64(k.Member), 10)
}

// String returns the text form of AppendText.
func (k Key) String() string { return string(k.AppendText(nil)) }

// ErrKey is wrapped by every error of ParseKey.
var ErrKey = errors.New("not a message key")

// ParseKey reads the text form.
func ParseKey(s string) (Key, error) {
	if !strings.HasPrefix(s, "b") {
		id, err := ParseID(s)
		if err != nil {
			return Key{}, fmt.Errorf("%w: %w", ErrKey, err)
		}
		return Key{ID: id}, nil
	}
	b, m, ok := strings.Cut(s[1:], ".")
	bn, err1 := strconv.ParseUint(b, 10, 32)
	mn, err2 := strconv.ParseUint(m, 10, 32)
	if !ok || err1 != nil || err2 != nil || bn == 0 {
		return Key{}, fmt.Errorf("%w: %q", ErrKey, s)
	}
	return Key{Broadcast: BroadcastID(bn), Member: MemberID(mn)}, nil
}
