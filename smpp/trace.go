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
// The fields have the names and the order of the specification; what repeats is
// a list of objects. A string's octets are shown as the characters of Latin-1,
// so that none is lost; short_message is hexadecimal. A TLV has tag, name,
// value_hex, and value: a number, a text, an object of a structure's parts, or
// null where octets are none of these; value_name is the word for a number.
// "names" has the words for the numbers of fields. "udh" and "part" tell a user
// data header, a receipt is added as "receipt", and what was forgiven while
// reading as "warnings", each with its offset. For a PDU that cannot be read the
// object is error, offset and field, and the *ProtocolError is returned with it.
func Trace(b []byte) ([]byte, error) { return Tracing{}.Trace(b) }

// Tracing says what a trace has beside the octets.
type Tracing struct {
	// Text reads the octets of a message, without its user data header, by their
	// data_coding; the trace then has them as "text". Alphabets are not this
	// package's business: see smpp/text.
	Text func(dataCoding byte, octets []byte) string
}

// Trace is like the function Trace, with what g asks for.
func (g Tracing) Trace(b []byte) ([]byte, error) {
	h, err := wholeHeader(b)
	if err != nil {
		return traceError(err), err
	}
	p := newPDU(h.ID)
	if p == nil {
		err := &ProtocolError{Command: h.ID, Offset: 4, Field: "command_id", Reason: "is not decoded here", Status: StatusInvCmdID}
		return traceError(err), err
	}
	t := tracer{header: h}
	t.checkHeader()
	c := coder{mode: reading, buf: b, pos: HeaderLen, id: h.ID, status: h.Status, trace: &t}
	c.walk(p)
	if c.read != nil {
		return traceError(c.read), c.read
	}
	if c.pos < len(b) {
		t.warn(c.pos, "octets behind the last field were ignored")
	}
	t.checkWhole(p)
	return t.object(p, g), nil
}

// A tracer gathers what the reader of one PDU tells it, as JSON.
type tracer struct {
	header                        Header
	fields, tlvs, names, warnings []byte
	group, path                   string // of the group, and of its item, as "dest_address[0]."
	items                         int    // of the group so far
	ended                         bool   // told that the PDU ends early
}

func (t *tracer) object(p PDU, g Tracing) []byte {
	h := t.header
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
	if len(t.names) > 0 {
		out = append(append(append(out, `,"names":{`...), t.names...), '}')
	}
	out = t.message(out, p, g)
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
	t.checkText(at, name, s, terminated, size)
}

func (t *tracer) octet(name string, v byte) { t.number(name, uint32(v)) }

func (t *tracer) number(name string, v uint32) {
	t.fields = strconv.AppendUint(appendName(t.fields, name), uint64(v), 10)
	if word := enumName(name, v); word != "" && (v != 0 || name == "message_state") {
		t.names = appendJSONText(appendName(t.names, t.path+name), word)
	}
}

func (t *tracer) shortMessage(at, length int, v []byte) {
	t.fields = strconv.AppendInt(appendName(t.fields, "sm_length"), int64(length), 10)
	t.fields = appendJSONHex(appendName(t.fields, "short_message"), v)
	t.checkMessage(at, length, len(v))
}

func (t *tracer) options(at int, o Options) {
	t.checkOptions(at, o)
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
	if info.Kind == KindInteger {
		if n, ok := number(v); ok {
			out = strconv.AppendUint(out, uint64(n), 10)
			if word := enumName(info.Name, n); word != "" {
				out = appendJSONText(append(out, `,"value_name":`...), word)
			}
			return out
		}
	}
	if info.Kind == KindParts && (tag != TagNetworkErrorCode || !asciiDigits(v)) {
		if object := appendParts(out, tag.Parts(), v); object != nil {
			return object
		}
	}
	switch {
	case info.Kind == KindText:
		return appendJSONText(out, alias(trimNUL(v)))
	case printable(v):
		return appendJSONText(out, alias(v))
	}
	return append(out, "null"...)
}

// appendParts writes a structured value as an object; octets are a text where
// they are one, else hexadecimal under a name that says so. It returns nil for
// octets that don't have the structure.
func appendParts(out []byte, parts []Part, v []byte) []byte {
	numbers, rest, n := splitParts(parts, v)
	if n == 0 {
		return nil
	}
	out = append(out, '{')
	for i, p := range parts[:n] {
		switch {
		case p.Kind == KindInteger:
			out = strconv.AppendUint(appendName(out, p.Name), uint64(numbers[i]), 10)
		case printable(rest) || len(rest) == 0:
			out = appendJSONText(appendName(out, p.Name), alias(rest))
		default:
			out = appendJSONHex(appendName(out, p.Name+"_hex"), rest)
		}
	}
	return append(out, '}')
}

func printable(v []byte) bool {
	for _, c := range v {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return len(v) > 0
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
