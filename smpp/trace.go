package smpp

import (
	"encoding/hex"
	"errors"
	"strconv"
	"unicode/utf8"
)

// Trace returns one whole PDU as one JSON object, without a line end:
//
//	{"command":"submit_sm_resp","command_id":2147483652,"command_status":0,"sequence_number":7,
//	 "status":"ESME_ROK","fields":{"message_id":"1a2b"},"tlvs":[]}
//
// The fields have the names and the order of the specification. A string's
// octets are shown as the characters of Latin-1, so that none is lost;
// short_message is hexadecimal. A TLV has tag, name, value_hex, and value: a
// number, a text, or null where octets are neither. A receipt is added as
// "receipt", and what was forgiven while reading as "warnings", each with its
// offset. For a PDU that cannot be read the object is error, offset and field,
// and the *ProtocolError is returned with it.
func Trace(b []byte) ([]byte, error) {
	h, err := wholeHeader(b)
	if err != nil {
		return traceError(err), err
	}
	p := newPDU(h.ID)
	if p == nil {
		err := &ProtocolError{Command: h.ID, Offset: 4, Field: "command_id", Reason: "is not decoded here", Status: StatusInvCmdID}
		return traceError(err), err
	}
	t := tracer{}
	c := coder{mode: reading, buf: b, pos: HeaderLen, id: h.ID, trace: &t}
	c.walk(p)
	if c.read != nil {
		return traceError(c.read), c.read
	}
	if c.pos < len(b) {
		t.warn(c.pos, "octets behind the last field were ignored")
	}
	return t.object(h, p), nil
}

// A tracer gathers what the reader of one PDU tells it, as JSON.
type tracer struct {
	fields, tlvs, warnings []byte
}

func (t *tracer) object(h Header, p PDU) []byte {
	out := append([]byte(nil), `{"command":`...)
	out = appendJSONText(out, h.ID.String())
	out = append(out, `,"command_id":`...)
	out = strconv.AppendUint(out, uint64(h.ID), 10)
	out = append(out, `,"command_status":`...)
	out = strconv.AppendUint(out, uint64(h.Status), 10)
	out = append(out, `,"sequence_number":`...)
	out = strconv.AppendUint(out, uint64(h.Sequence), 10)
	out = append(out, `,"status":`...)
	out = appendJSONText(out, h.Status.String())
	out = append(out, `,"fields":{`...)
	out = append(out, t.fields...)
	out = append(out, `},"tlvs":[`...)
	out = append(out, t.tlvs...)
	out = append(out, ']')
	if r, ok := receiptIn(p); ok {
		out = append(out, `,"receipt":`...)
		out = appendReceipt(out, r)
	}
	if len(t.warnings) > 0 {
		out = append(out, `,"warnings":[`...)
		out = append(out, t.warnings...)
		out = append(out, ']')
	}
	return append(out, '}')
}

func (t *tracer) text(at int, name, s string, terminated bool, size int) {
	t.fields = appendJSONText(appendName(t.fields, name), s)
	if !terminated {
		t.warn(at+len(s), name+" has no NUL")
	}
	if len(s) >= size {
		t.warn(at, name+" is longer than "+strconv.Itoa(size-1)+" octets")
	}
}

func (t *tracer) octet(name string, v byte) {
	t.fields = strconv.AppendUint(appendName(t.fields, name), uint64(v), 10)
}

func (t *tracer) message(at, length int, v []byte) {
	t.fields = strconv.AppendInt(appendName(t.fields, "sm_length"), int64(length), 10)
	t.fields = appendJSONHex(appendName(t.fields, "short_message"), v)
	if length != len(v) {
		t.warn(at, "sm_length is one more than the octets that follow")
	}
}

func (t *tracer) options(o Options) {
	for tag, v := range o.All() {
		if len(t.tlvs) > 0 {
			t.tlvs = append(t.tlvs, ',')
		}
		t.tlvs = append(t.tlvs, `{"tag":`...)
		t.tlvs = strconv.AppendUint(t.tlvs, uint64(tag), 10)
		t.tlvs = append(t.tlvs, `,"name":`...)
		t.tlvs = appendJSONText(t.tlvs, tag.String())
		t.tlvs = append(t.tlvs, `,"value_hex":`...)
		t.tlvs = appendJSONHex(t.tlvs, v)
		t.tlvs = append(t.tlvs, `,"value":`...)
		t.tlvs = append(appendOptionValue(t.tlvs, tag, v), '}')
	}
}

func (t *tracer) warn(at int, reason string) {
	if len(t.warnings) > 0 {
		t.warnings = append(t.warnings, ',')
	}
	t.warnings = append(t.warnings, `{"offset":`...)
	t.warnings = strconv.AppendInt(t.warnings, int64(at), 10)
	t.warnings = append(t.warnings, `,"warning":`...)
	t.warnings = append(appendJSONText(t.warnings, reason), '}')
}

// appendOptionValue writes a value by the table's kind; octets that are
// printable ASCII are shown as text, as vendor tags often are.
func appendOptionValue(out []byte, tag Tag, v []byte) []byte {
	info, _ := tag.Lookup()
	switch {
	case info.Kind == KindInteger && len(v) > 0 && len(v) <= 4:
		return strconv.AppendUint(out, uint64(bigEndian(v)), 10)
	case info.Kind == KindText:
		return appendJSONText(out, alias(trimNUL(v)))
	case info.Kind == KindOctets && printable(v):
		return appendJSONText(out, alias(v))
	}
	return append(out, "null"...)
}

func printable(v []byte) bool {
	for _, c := range v {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(v) > 0
}

func receiptIn(p PDU) (Receipt, bool) {
	switch p := p.(type) {
	case *DeliverSM:
		return ParseReceipt(p)
	case *DataSM:
		return ParseDataReceipt(p)
	}
	return Receipt{}, false
}

func appendReceipt(out []byte, r Receipt) []byte {
	out = append(out, '{')
	for _, f := range [...]struct{ name, value string }{
		{"id", r.ID}, {"stat", r.Stat}, {"err", r.Err}, {"submit_date", r.SubmitDate}, {"done_date", r.DoneDate}, {"text", r.Text},
	} {
		out = appendJSONText(appendName(out, f.name), f.value)
	}
	out = strconv.AppendInt(appendName(out, "sub"), int64(r.Sub), 10)
	out = strconv.AppendInt(appendName(out, "dlvrd"), int64(r.Dlvrd), 10)
	out = strconv.AppendUint(appendName(out, "message_state"), uint64(r.State), 10)
	out = strconv.AppendBool(appendName(out, "intermediate"), r.Intermediate)
	return append(out, '}')
}

func traceError(err error) []byte {
	out := appendJSONText([]byte(`{"error":`), err.Error())
	var p *ProtocolError
	if errors.As(err, &p) {
		out = append(out, `,"offset":`...)
		out = strconv.AppendInt(out, int64(p.Offset), 10)
		out = appendJSONText(append(out, `,"field":`...), p.Field)
	}
	return append(out, '}')
}

// appendName writes a member's name, behind a comma unless it is the first.
func appendName(out []byte, name string) []byte {
	if n := len(out); n > 0 && out[n-1] != '{' {
		out = append(out, ',')
	}
	return append(appendJSONText(out, name), ':')
}

func appendUint(out []byte, v uint64) []byte { return strconv.AppendUint(out, v, 10) }

func appendJSONHex(out, v []byte) []byte {
	return append(hex.AppendEncode(append(out, '"'), v), '"')
}

// appendJSONText writes octets as a JSON string of Latin-1 characters.
func appendJSONText(out []byte, s string) []byte {
	out = append(out, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < ' ' || c >= 0x7F && c < 0xA0:
			out = append(out, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		default:
			out = utf8.AppendRune(out, rune(c))
		}
	}
	return append(out, '"')
}
