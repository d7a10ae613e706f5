package conversation

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"fanline/engine/message"
)

// Links writes and reads the signed links of one installation. A token says
// which number invited which phone, and when; it is deterministic
// authenticated encryption (the SIV construction over HMAC-SHA256), so a link
// in a log or a browser's history shows nobody's phone, and one octet changed
// makes it void.
type Links struct {
	base       string // public URL without a slash at its end
	ttl        time.Duration
	sign, hide []byte
}

// Invitation is what a token says.
type Invitation struct {
	Number message.Phone // ours
	Phone  message.Phone // the person's
	Issued time.Time     // to the second
}

// The reasons why a token opens nothing.
var (
	ErrForged  = errors.New("not a link of ours")
	ErrExpired = errors.New("the link has expired")
)

// A token is tag ‖ hidden(number ‖ phone ‖ issued), 40 characters of base64, and
// a letter at its end: what telephones make a link of stops before a dash there.
const (
	tagSize     = 12 // 96 bits; a guess a microsecond would take 10^15 years
	phoneSize   = 7  // 15 digits need 50 bits
	payloadSize = 2*phoneSize + 4
	tokenChars  = (tagSize+payloadSize)*4/3 + len(tokenEnd)
	tokenEnd    = "a"
)

// minKey is the least octets of a signing key, those of the hash.
const minKey = sha256.Size

// NewLinks takes the signing key (at least 32 octets), the public URL under
// which the join form is served, and how long a link opens it.
func NewLinks(key []byte, publicURL string, ttl time.Duration) (*Links, error) {
	if len(key) < minKey {
		return nil, fmt.Errorf("signing key of %d octets, at least %d expected", len(key), minKey)
	}
	if ttl <= 0 {
		return nil, fmt.Errorf("links that live %v", ttl)
	}
	// One key for each use: a tag must tell nothing about the mask.
	return &Links{
		base: strings.TrimRight(publicURL, "/"),
		ttl:  ttl,
		sign: mac(key, []byte("fanline join link: sign")),
		hide: mac(key, []byte("fanline join link: hide")),
	}, nil
}

// Join returns the address of the form for one person.
func (l *Links) Join(number, phone message.Phone, now time.Time) string {
	return l.base + "/j/" + l.Token(number, phone, now)
}

// Card returns the address of a number's contact card.
func (l *Links) Card(number message.Phone) string {
	return l.base + "/card/" + number.Digits() + ".vcf"
}

// Token returns the signed part of Join.
func (l *Links) Token(number, phone message.Phone, now time.Time) string {
	var b [tagSize + payloadSize]byte
	payload := b[tagSize:]
	putPhone(payload, number)
	putPhone(payload[phoneSize:], phone)
	binary.BigEndian.PutUint32(payload[2*phoneSize:], uint32(now.Unix()))
	copy(b[:tagSize], mac(l.sign, payload))
	l.mask(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:]) + tokenEnd
}

// Open reads a token: ErrForged when we did not sign it, ErrExpired (with the
// invitation) when it is too old.
func (l *Links) Open(token string, now time.Time) (Invitation, error) {
	token, ok := strings.CutSuffix(token, tokenEnd)
	if !ok || len(token) != tokenChars-len(tokenEnd) {
		return Invitation{}, ErrForged
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tagSize+payloadSize { // The decoder passes over line breaks.
		return Invitation{}, ErrForged
	}
	l.mask(b)
	payload := b[tagSize:]
	if !hmac.Equal(b[:tagSize], mac(l.sign, payload)[:tagSize]) {
		return Invitation{}, ErrForged
	}
	in := Invitation{
		Number: getPhone(payload),
		Phone:  getPhone(payload[phoneSize:]),
		Issued: time.Unix(int64(binary.BigEndian.Uint32(payload[2*phoneSize:])), 0),
	}
	if !now.Before(in.Issued.Add(l.ttl)) {
		return in, ErrExpired
	}
	return in, nil
}

// TTL returns how long a link opens the form.
func (l *Links) TTL() time.Duration { return l.ttl }

// mask hides or shows the payload of b, whose tag is the key stream's seed.
func (l *Links) mask(b []byte) {
	stream := mac(l.hide, b[:tagSize])
	for i := range payloadSize {
		b[tagSize+i] ^= stream[i]
	}
}

func mac(key, b []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(b)
	return h.Sum(nil)
}

func putPhone(b []byte, p message.Phone) {
	var full [8]byte
	binary.BigEndian.PutUint64(full[:], uint64(p))
	copy(b, full[8-phoneSize:])
}

func getPhone(b []byte) message.Phone {
	var full [8]byte
	copy(full[8-phoneSize:], b[:phoneSize])
	return message.Phone(binary.BigEndian.Uint64(full[:]))
}
