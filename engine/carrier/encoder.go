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
	second    int64  // that an absolute period was made in
	period    []byte // validity_period as a C-octet string
	cutter    cutter
	key       []byte
	now       func() time.Time
}

// template is what all submits from one of our numbers have in common.
type template struct {
	number message.Phone
	head   []byte // header with command_id, service_type, source, and type and plan of the destination
	tlvs   []byte // the number's own parameters
}

// NewEncoder returns an encoder for a carrier of this profile.
func NewEncoder(p *Profile) *Encoder { return newEncoder(NewCurrent(p)) }

func newEncoder(c *Current) *Encoder {
	e := &Encoder{current: c, now: time.Now}
	e.take(c.Get())
	return e
}

// take goes on by another profile.
func (e *Encoder) take(p *Profile) {
	e.profile, e.cutter.profile = p, p
	e.templates, e.last = map[message.Phone]*template{}, &template{}
	e.validity, e.second, e.period = 0, 0, append(e.period[:0], 0)
}

// Encode appends the text's parts as submit_sm (SMPP 3.4 §4.4.1), their
// sequence numbers left to the session. An error says why the text can never
// be encoded, and leaves dst as it was. It does not allocate for a broadcast's
// message of one part in the default alphabet when dst has room.
func (e *Encoder) Encode(dst *engine.Parts, t *engine.Text) error {
	if p := e.current.Get(); p != e.profile {
		e.take(p)
	}
	if e.last.number != t.Number || len(e.last.head) == 0 {
		if err := e.template(t.Number); err != nil {
			return err
		}
	}
	if t.Validity != e.validity || e.profile.period == absolute {
		e.setPeriod(t.Validity)
	}
	body := alias(t.Body)
	if e.profile.codings.alphabet == gsm7 && len(body) <= oneGSM7 {
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
	b := e.head(dst.Buf, t, 0, e.profile.codings.defaultCoding)
	at := len(b)
	b, ok := text.AppendGSM7(append(b, 0), body)
	if !ok || len(b)-at-1 > oneGSM7 {
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
	c := &e.cutter
	if err := c.cut(body, reference(t)); err != nil {
		return fmt.Errorf("carrier: %w", err)
	}
	esmClass := byte(0)
	if c.udh {
		esmClass = smpp.ESMUDHI
	}
	for i, p := range c.pieces {
		from := len(dst.Buf)
		data := c.octets[p.from:p.to]
		b := e.head(dst.Buf, t, esmClass, c.coding)
		if c.payload {
			b = append(b, 0, byte(smpp.TagMessagePayload>>8), byte(smpp.TagMessagePayload&0xFF), byte(len(data)>>8), byte(len(data)))
			b = append(b, data...)
		} else {
			b = append(append(b, byte(len(data))), data...)
		}
		if e.profile.long == sar && len(c.pieces) > 1 {
			b = appendSAR(b, c.ref, len(c.pieces), i+1)
		}
		dst.Buf = e.tail(b, from, t)
		dst.Ends = append(dst.Ends, len(dst.Buf))
	}
	return nil
}

// reference is that of a text in several parts: of 16 bits, the same whenever
// the text is encoded, the engine's own in the lower ones.
func reference(t *engine.Text) uint16 {
	return uint16(byte(uint64(t.Key.Broadcast)*31+uint64(t.Key.Member)))<<8 | uint16(t.Reference)
}

// head appends a submit_sm up to sm_length.
func (e *Encoder) head(b []byte, t *engine.Text, esmClass, dataCoding byte) []byte {
	p := e.profile
	b = append(b, e.last.head...)
	if p.addresses.foreign(t.Phone) { // It would be read as one of the carrier's own country.
		b[len(b)-2], b[len(b)-1] = smpp.TONInternational, npiE164
	}
	b = p.addresses.appendNumber(b, t.Phone)
	b = append(b, 0, esmClass, 0, p.priority, 0)     // …, protocol_id, …, schedule_delivery_time
	b = append(b, e.period...)                       // validity_period
	return append(b, p.registered, 0, dataCoding, 0) // …, replace_if_present, …, sm_default_msg_id
}

// tail appends the optional parameters and sets the length of what began at
// from.
func (e *Encoder) tail(b []byte, from int, t *engine.Text) []byte {
	b = append(b, e.last.tlvs...)
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
	p := e.profile
	to := smpp.Address{TON: p.addresses.destination.TON, NPI: p.addresses.destination.NPI}
	whole, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.SubmitSM{ServiceType: p.service, Source: p.source(number), Destination: to})
	if err != nil {
		return fmt.Errorf("carrier: number %s: %w", number.Masked(), err)
	}
	tlvs, err := p.appendTLVs(nil, p.senders.byNumber[number])
	if err != nil {
		return fmt.Errorf("carrier: number %s: %w", number.Masked(), err)
	}
	e.last = &template{number: number, head: whole[:len(whole)-afterDestination], tlvs: tlvs}
	e.templates[number] = e.last
	return nil
}

// afterDestination is the length of an empty submit_sm from the destination's
// digits on: their NUL, esm_class, protocol_id, priority_flag, two empty times,
// registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id
// and sm_length.
const afterDestination = 11

// periodForm is how a validity_period is written.
type periodForm byte

const (
	relative periodForm = iota
	absolute
	noPeriod
)

// maxValidity is the longest validity_period: its days go up to 31, and longer
// ones no carrier keeps.
const maxValidity = 30 * 24 * time.Hour

// setPeriod makes e.period that of a validity. An absolute one is good for the
// second that it was made in.
func (e *Encoder) setPeriod(validity time.Duration) {
	p := e.profile
	var now time.Time
	if p.period == absolute {
		now = e.now()
		if validity == e.validity && now.Unix() == e.second {
			return
		}
	}
	e.validity, e.second = validity, now.Unix()
	e.period = e.period[:0]
	switch d := min(validity, p.maxValidity); {
	case p.period == relative:
		e.period = appendPeriod(e.period, d)
	case p.period == absolute && d > 0: // In UTC, rounded up (SMPP 3.4 §7.1.1.1).
		e.period = append(now.Add(d+time.Second-1).UTC().AppendFormat(e.period, "060102150405"), "000+"...)
	}
	e.period = append(e.period, 0)
}

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
