package carrier

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/text"
)

// singleGSM7 is how many septets one short message of one part holds (3GPP TS
// 23.040 §9.2.3.24.1).
const singleGSM7 = 160

// ErrNotUTF8 is returned for a text with octets that are no UTF-8: nobody could
// read what would be made of them.
var ErrNotUTF8 = errors.New("carrier: the text is no UTF-8")

// Encoder encodes the texts of one carrier; it implements engine.Encoder. It
// keeps a template of everything up to the destination's digits for each of
// our numbers. It is not safe for concurrent use: each engine has its own.
type Encoder struct {
	current   *Current
	profile   *Profile // that the templates are made by
	templates map[message.Phone]*template
	last      *template // that of the number asked for last
	validity  time.Duration
	period    []byte // validity as a C-octet string
	split     text.Message
	scratch   []byte // octets of a part in another alphabet
	key       []byte
}

// template is the start of a submit_sm from one of our numbers: header with
// command_id, service_type, source, and type and plan of the destination.
type template struct {
	number message.Phone
	octets []byte
}

// NewEncoder returns an encoder for a carrier of this profile.
func NewEncoder(p *Profile) *Encoder { return newEncoder(NewCurrent(p)) }

func newEncoder(c *Current) *Encoder {
	e := &Encoder{current: c, period: []byte{0}}
	e.take(c.Get())
	return e
}

// take goes on by another profile.
func (e *Encoder) take(p *Profile) {
	e.profile, e.templates, e.last = p, map[message.Phone]*template{}, &template{}
}

// Encode appends the text's parts as submit_sm (SMPP 3.4 §4.4.1), their
// sequence numbers left to the session. An error says why the text can never
// be encoded, and leaves dst as it was. It does not allocate for a broadcast's
// message of one part in the default alphabet when dst has room.
func (e *Encoder) Encode(dst *engine.Parts, t *engine.Text) error {
	if p := e.current.Get(); p != e.profile {
		e.take(p)
	}
	if e.last.number != t.Number || len(e.last.octets) == 0 {
		if err := e.template(t.Number); err != nil {
			return err
		}
	}
	if t.Validity != e.validity {
		e.validity, e.period = t.Validity, append(appendPeriod(e.period[:0], t.Validity), 0)
	}
	body := alias(t.Body)
	if e.profile.alphabet == gsm7 && len(body) <= singleGSM7 {
		if e.one(dst, t, body) {
			return nil
		}
	}
	return e.several(dst, t, body)
}

// one encodes a text that fits one part in the default alphabet, straight into
// place; false, with dst as it was, when it doesn't.
func (e *Encoder) one(dst *engine.Parts, t *engine.Text, body string) bool {
	from := len(dst.Buf)
	b := e.head(dst.Buf, t, 0, 0)
	at := len(b)
	b, ok := text.AppendGSM7(append(b, 0), body)
	if !ok || len(b)-at-1 > singleGSM7 {
		dst.Buf = dst.Buf[:from]
		return false
	}
	b[at] = byte(len(b) - at - 1)
	dst.Buf = e.tail(b, from, t)
	dst.Ends = append(dst.Ends, len(dst.Buf))
	return true
}

// several encodes any text.
func (e *Encoder) several(dst *engine.Parts, t *engine.Text, body string) error {
	if !utf8.ValidString(body) {
		return ErrNotUTF8
	}
	if err := e.cut(body, t.Reference); err != nil {
		return fmt.Errorf("carrier: %w", err)
	}
	for i := range e.split.Parts {
		from := len(dst.Buf)
		data := e.octets(&e.split.Parts[i])
		b := append(e.head(dst.Buf, t, e.split.ESMClass(), e.split.DataCoding()), byte(len(data)))
		dst.Buf = e.tail(append(b, data...), from, t)
		dst.Ends = append(dst.Ends, len(dst.Buf))
	}
	return nil
}

// head appends a submit_sm up to sm_length.
func (e *Encoder) head(b []byte, t *engine.Text, esmClass, dataCoding byte) []byte {
	b = append(b, e.last.octets...)
	b = e.profile.appendDestination(b, t.Phone)
	b = append(b, 0, esmClass, 0, 0, 0)                    // …, protocol_id, priority_flag, schedule_delivery_time
	b = append(b, e.period...)                             // validity_period
	return append(b, smpp.ReceiptAlways, 0, dataCoding, 0) // …, replace_if_present, …, sm_default_msg_id
}

// tail appends the optional parameters and sets the length of what began at
// from.
func (e *Encoder) tail(b []byte, from int, t *engine.Text) []byte {
	if tag := e.profile.keyTag; tag != 0 {
		e.key = t.Key.AppendText(e.key[:0])
		b = append(b, byte(tag>>8), byte(tag), 0, byte(len(e.key)))
		b = append(b, e.key...)
	}
	binary.BigEndian.PutUint32(b[from:], uint32(len(b)-from))
	return b
}

// template makes e.last that of the number. The plain encoder writes it, so
// that there is one description of a submit_sm only.
func (e *Encoder) template(number message.Phone) error {
	if known := e.templates[number]; known != nil {
		e.last = known
		return nil
	}
	to := smpp.Address{TON: e.profile.destination.TON, NPI: e.profile.destination.NPI}
	whole, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.SubmitSM{Source: e.profile.sourceOf(number), Destination: to})
	if err != nil {
		return fmt.Errorf("carrier: number %s: %w", number.Masked(), err)
	}
	e.last = &template{number: number, octets: whole[:len(whole)-afterDestination]}
	e.templates[number] = e.last
	return nil
}

// afterDestination is the length of an empty submit_sm from the destination's
// digits on: their NUL, esm_class, protocol_id, priority_flag, two empty times,
// registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
// and sm_length.
const afterDestination = 11

// appendDestination appends the digits of a member's phone.
func (p *Profile) appendDestination(b []byte, phone message.Phone) []byte {
	if p.destination.TON == smpp.TONNational && p.country != "" {
		return append(b, p.address(p.destination, phone).Addr...)
	}
	return phone.AppendDigits(b)
}

// maxValidity is the longest validity_period: its days go up to 31, and longer
// ones no carrier keeps.
const maxValidity = 30 * 24 * time.Hour

// appendPeriod appends a relative time (SMPP 3.4 §7.1.1.2), rounded up to
// seconds; nothing for zero, which leaves the choice to the carrier.
func appendPeriod(b []byte, d time.Duration) []byte {
	if d <= 0 {
		return b
	}
	s := int((min(d, maxValidity) + time.Second - 1) / time.Second)
	b = append(b, "0000"...) // Years and months have no fixed length.
	for _, v := range [4]int{s / 86400, s / 3600 % 24, s / 60 % 60, s % 60} {
		b = append(b, byte('0'+v/10), byte('0'+v%10))
	}
	return append(b, "000R"...)
}
