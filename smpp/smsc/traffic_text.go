package smsc

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"fanline/smpp"
	"fanline/smpp/text"
)

// Manner says how a text from a phone comes: what it leaves out is as phones usually do it.
type Manner struct {
	Parts          string   `yaml:"parts" json:"parts,omitempty"`                     // how a long text is cut up: udh8, udh16, sar, payload; empty: udh8
	PartOrder      string   `yaml:"part_order" json:"part_order,omitempty"`           // ascending, descending, random; empty: ascending
	PartGap        Duration `yaml:"part_gap" json:"part_gap,omitempty"`               // between two parts
	Spread         bool     `yaml:"spread_binds" json:"spread_binds,omitempty"`       // each part on the account's next bind
	LosePart       float64  `yaml:"lose_part" json:"lose_part,omitempty"`             // share of long texts of which a part never comes
	Duplicate      float64  `yaml:"duplicate" json:"duplicate,omitempty"`             // share that comes twice
	DuplicateAfter Duration `yaml:"duplicate_after" json:"duplicate_after,omitempty"` // the second after the first
	Encoding       string   `yaml:"encoding" json:"encoding,omitempty"`               // gsm, latin1, ucs2, utf8; empty: gsm where that can, else ucs2
	DataCoding     *int     `yaml:"data_coding" json:"data_coding,omitempty"`         // said of it, right or wrong; left out: what the encoding is
	PhoneForm      string   `yaml:"phone_form" json:"phone_form,omitempty"`           // plain, plus, zeros, national; empty: plain
	ESMClass       int      `yaml:"esm_class" json:"esm_class,omitempty"`             // bits beside those of the header
	TLVs           []TLV    `yaml:"tlvs" json:"tlvs,omitempty"`                       // added to each part
}

// TLV is an optional parameter as scenarios and requests write it.
type TLV struct {
	Tag   uint16 `yaml:"tag" json:"tag"`
	Value string `yaml:"value_hex" json:"value_hex"`
}

// MarshalText and UnmarshalText let JSON write a duration as YAML does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads Go's form of a duration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration, such as 20ms or 3s", b)
	}
	*d = Duration(v)
	return nil
}

// Words is one string or a list of them.
type Words []string

// UnmarshalYAML takes either.
func (w *Words) UnmarshalYAML(node ast.Node) error {
	nodes := []ast.Node{node}
	if list, ok := node.(*ast.SequenceNode); ok {
		nodes = list.Values
	}
	for _, n := range nodes {
		scalar, ok := n.(ast.ScalarNode)
		if !ok {
			at := n.GetToken().Position
			return fmt.Errorf("[%d:%d] want a string, or a list of strings", at.Line, at.Column)
		}
		*w = append(*w, fmt.Sprint(scalar.GetValue()))
	}
	return nil
}

// The ways in which parts belong together.
const (
	partsUDH8 = iota
	partsUDH16
	partsSAR
	partsPayload
)

// The ways in which a phone's address is written.
const (
	phonePlain = iota
	phonePlus
	phoneZeros
	phoneNational
)

// The orders of parts.
const (
	orderAscending = iota
	orderDescending
	orderRandom
)

// manner is a Manner compiled.
type manner struct {
	parts, order, phone int
	encoding            string
	coding              int // -1: as the encoding is
	gapMs, afterMs      uint32
	spread              bool
	lose, duplicate     uint64
	esm                 byte
	tlvs                smpp.Options
}

var (
	partsWords    = []string{"udh8", "udh16", "sar", "payload"}
	phoneWords    = []string{"plain", "plus", "zeros", "national"}
	orderWords    = []string{"ascending", "descending", "random"}
	encodingWords = []string{"", "gsm", "latin1", "ucs2", "utf8"}
)

// word finds s among words; empty is the first.
func word(key, s string, words []string) (int, error) {
	if s == "" {
		return 0, nil
	}
	if i := slices.Index(words, s); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("%s: %q: want %s", key, s, strings.Join(words, ", "))
}

const duplicateAfterDefault = Duration(50 * time.Millisecond)

func (m *Manner) compile() (c manner, err error) {
	c = manner{encoding: m.Encoding, coding: -1, spread: m.Spread, gapMs: millis(m.PartGap), afterMs: millis(m.DuplicateAfter)}
	if m.DuplicateAfter == 0 {
		c.afterMs = millis(duplicateAfterDefault)
	}
	var errs [6]error
	c.parts, errs[0] = word("parts", m.Parts, partsWords)
	c.order, errs[1] = word("part_order", m.PartOrder, orderWords)
	c.phone, errs[2] = word("phone_form", m.PhoneForm, phoneWords)
	if !slices.Contains(encodingWords, m.Encoding) {
		errs[3] = fmt.Errorf("encoding: %q: want %s", m.Encoding, strings.Join(encodingWords[1:], ", "))
	}
	c.lose, errs[4] = share(m.LosePart)
	c.duplicate, errs[5] = share(m.Duplicate)
	if err := errors.Join(errs[:]...); err != nil {
		return c, err
	}
	if m.DataCoding != nil {
		if c.coding = *m.DataCoding; c.coding < 0 || c.coding > 255 {
			return c, fmt.Errorf("data_coding: %d: want 0 to 255", c.coding)
		}
	}
	if m.ESMClass < 0 || m.ESMClass > 255 {
		return c, fmt.Errorf("esm_class: %d: want 0 to 255", m.ESMClass)
	}
	c.esm = byte(m.ESMClass)
	c.tlvs, err = tlvsOf(m.TLVs)
	return c, err
}

func tlvsOf(list []TLV) (o smpp.Options, err error) {
	for _, t := range list {
		value, err := hex.DecodeString(t.Value)
		if err != nil {
			return nil, fmt.Errorf("tlvs: tag %#x: value_hex: %w", t.Tag, err)
		}
		o = o.Append(smpp.Tag(t.Tag), value)
	}
	return o, nil
}

// millis is a duration in whole milliseconds, no more than the wheel can tell apart.
func millis(d Duration) uint32 {
	return uint32(min(time.Duration(d)/time.Millisecond, 1<<30))
}

// written is the phone's address as it goes out.
func (m *manner) written(phone string) (kind byte, addr string) {
	switch m.phone {
	case phonePlus:
		return typeE164, "+" + phone
	case phoneZeros:
		return packType(smpp.TONUnknown, smpp.NPIISDN), "00" + phone
	case phoneNational:
		return packType(smpp.TONNational, smpp.NPIISDN), phone[max(0, len(phone)-nationalDigits):]
	}
	return typeE164, phone
}

// nationalDigits is how long a number is inside its country, as in North America.
const nationalDigits = 10

// octetsOf encodes a text and says what data_coding stands for it, how large a unit is and whether octet pairs that
// begin with an escape or a high surrogate belong together.
func (m *manner) octetsOf(body string) (octets []byte, coding byte, kind text.Encoding, err error) {
	switch m.encoding {
	case "latin1":
		octets, kind, coding = latin1(body), text.GSM7, 3
	case "utf8":
		octets, kind, coding = []byte(body), text.GSM7, 4
	case "ucs2":
		octets, kind, coding = text.AppendUCS2(nil, body), text.UCS2, text.UCS2.DataCoding()
	default:
		gsm, ok := text.AppendGSM7(nil, body)
		switch {
		case ok:
			octets, kind, coding = gsm, text.GSM7, text.GSM7.DataCoding()
		case m.encoding == "gsm":
			return nil, 0, 0, errors.New("encoding: gsm: the text has characters that GSM 03.38 doesn't know")
		default:
			octets, kind, coding = text.AppendUCS2(nil, body), text.UCS2, text.UCS2.DataCoding()
		}
	}
	if m.coding >= 0 {
		coding = byte(m.coding)
	}
	return octets, coding, kind, nil
}

// latin1 writes what ISO 8859-1 doesn't know as a question mark.
func latin1(s string) []byte {
	out := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xff {
			r = '?'
		}
		out = append(out, byte(r))
	}
	return out
}

// encode makes the parts of a text, or of octets given as they are; a text without any character is one empty part.
func (x *inbound) encode(body string, raw []byte, m *manner) error {
	octets, kind := raw, text.GSM7
	if raw == nil {
		var err error
		if octets, x.dcs, kind, err = m.octetsOf(body); err != nil {
			return err
		}
	} else if x.dcs = 4; m.coding >= 0 { // octets (SMPP 3.4 §5.2.19)
		x.dcs = byte(m.coding)
	}
	x.esm, x.tlvs, x.spread = m.esm, m.tlvs, m.spread
	single, room := singleOctets, partOctets
	switch m.parts {
	case partsPayload:
		single, x.form = payloadMax, formPayload
	case partsUDH16:
		room--
	}
	if kind == text.GSM7 && raw == nil && m.encoding != "latin1" && m.encoding != "utf8" { // septets, written an octet each
		single, room = max(single, singleSeptets), room*8/7
	}
	if len(octets) <= single {
		x.parts = []inboundPart{{octets: octets}}
		x.left = 1
		return nil
	}
	if m.parts == partsPayload {
		return fmt.Errorf("a message_payload holds %d octets, not %d", payloadMax, len(octets))
	}
	return x.cut(octets, room, kind, m)
}

// What one short message has room for (3GPP TS 23.040 §9.2.3.24): 140 octets, or 160 septets; six octets less in a part.
const (
	singleOctets  = 140
	partOctets    = singleOctets - 6
	singleSeptets = 160
	payloadMax    = 64000
)

func (x *inbound) cut(octets []byte, room int, kind text.Encoding, m *manner) error {
	for len(octets) > 0 {
		n := min(room, len(octets))
		if n < len(octets) {
			switch {
			case kind == text.UCS2:
				n &^= 1
				if octets[n-2]&0xfc == 0xd8 { // a high surrogate
					n -= 2
				}
			case octets[n-1] == 0x1b && m.encoding != "latin1" && m.encoding != "utf8":
				n--
			}
		}
		x.parts = append(x.parts, inboundPart{octets: octets[:n:n]})
		octets = octets[n:]
	}
	if len(x.parts) > text.MaxParts {
		return text.ErrTooLong
	}
	x.left, x.ref = len(x.parts), uint16(x.id)
	if m.parts == partsSAR {
		x.form = formSAR
		return nil
	}
	x.esm |= smpp.ESMUDHI
	total := byte(len(x.parts))
	for i := range x.parts {
		if m.parts == partsUDH16 {
			x.parts[i].udh = []byte{6, 8, 4, byte(x.ref >> 8), byte(x.ref), total, byte(i + 1)}
		} else {
			x.parts[i].udh = []byte{5, 0, 3, byte(x.ref), total, byte(i + 1)}
		}
	}
	return nil
}

// TextForm says in what form a text from a phone came: with a user data header or none, or otherwise.
type TextForm byte

const (
	formShort   TextForm = iota // short_message
	formSAR                     // parts told by the sar_ TLVs
	formPayload                 // message_payload
)

// String is empty, sar or payload.
func (f TextForm) String() string {
	switch f {
	case formSAR:
		return "sar"
	case formPayload:
		return "payload"
	}
	return ""
}

// options are the TLVs of a part.
func (x *inbound) options(part int) smpp.Options {
	var o smpp.Options
	switch x.form {
	case formSAR:
		o = o.Append(smpp.TagSarMsgRefNum, binary.BigEndian.AppendUint16(nil, x.ref)).
			Append(smpp.TagSarTotalSegments, []byte{byte(len(x.parts))}).
			Append(smpp.TagSarSegmentSeqnum, []byte{byte(part + 1)})
	case formPayload:
		o = o.Append(smpp.TagMessagePayload, x.parts[part].octets)
	}
	return append(o, x.tlvs...)
}
