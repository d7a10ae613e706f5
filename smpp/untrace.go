package smpp

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Untrace turns an object as Trace writes it back into the octets of the PDU.
// The command may be given by name or number, and so may the status; fields
// that are left out are zero or empty; lengths and counts are computed; a TLV
// needs tag or name, and value_hex or value. A failed response without fields
// and TLVs gets no body. What follows from the rest, as "receipt", "text" and
// "warnings", is passed over. It is as strict as Encoding{Version: Version50}.
func Untrace(object []byte) ([]byte, error) { return Encoding{Version: Version50}.Untrace(object) }

// Untrace is like the function Untrace, for e.
func (e Encoding) Untrace(object []byte) ([]byte, error) {
	var t traced
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return nil, fmt.Errorf("smpp: trace: %w", err)
	}
	if dec.More() {
		return nil, errors.New("smpp: trace: more than one object")
	}
	if t.Error != "" {
		return nil, fmt.Errorf("smpp: trace of a PDU that could not be read: %s", t.Error)
	}
	id, err := t.command()
	if err != nil {
		return nil, err
	}
	status, err := t.status()
	if err != nil {
		return nil, err
	}
	p := newPDU(id)
	if p == nil {
		return nil, fmt.Errorf("smpp: trace: command %s cannot be encoded", id)
	}
	c := coder{mode: writing, version: e.Version, loose: e.Loose, status: status, body: bodyAlways}
	if len(t.Fields) == 0 && len(t.TLVs) == 0 {
		c.body = bodyNever
	}
	if err := t.fillIn(id, p); err != nil {
		return nil, err
	}
	return c.append(nil, t.Sequence, p)
}

// fillIn gives p, a PDU of the command id, the fields of the object.
func (t *traced) fillIn(id CommandID, p PDU) error {
	f := filler{fields: t.Fields, tlvs: t.TLVs}
	delete(f.fields, "sm_length")
	c := coder{mode: filling, id: id, fill: &f}
	c.walk(p)
	if c.refuse != nil {
		return c.refuse
	}
	if len(f.fields) > 0 {
		return fmt.Errorf("smpp: trace: %s has no field %s", id, strings.Join(slices.Sorted(maps.Keys(f.fields)), ", "))
	}
	if len(f.tlvs) > 0 {
		return fmt.Errorf("smpp: trace: %s has no optional parameters", id)
	}
	return nil
}

// traced is the object of a trace.
type traced struct {
	Command  string                     `json:"command"`
	ID       *uint32                    `json:"command_id"`
	StatusID *uint32                    `json:"command_status"`
	Sequence uint32                     `json:"sequence_number"`
	Status   string                     `json:"status"`
	Fields   map[string]json.RawMessage `json:"fields"`
	TLVs     []tracedOption             `json:"tlvs"`
	Names    json.RawMessage            `json:"names"`
	UDH      json.RawMessage            `json:"udh"`
	Part     json.RawMessage            `json:"part"`
	Text     json.RawMessage            `json:"text"`
	Receipt  json.RawMessage            `json:"receipt"`
	Warnings json.RawMessage            `json:"warnings"`
	Error    string                     `json:"error"`
	Offset   json.RawMessage            `json:"offset"`
	Field    json.RawMessage            `json:"field"`
}

type tracedOption struct {
	Tag      *Tag            `json:"tag"`
	Name     string          `json:"name"`
	ValueHex *string         `json:"value_hex"`
	Value    json.RawMessage `json:"value"`
	Word     json.RawMessage `json:"value_name"`
}

func (t *traced) command() (CommandID, error) {
	if t.ID != nil {
		id := CommandID(*t.ID)
		if t.Command != "" && t.Command != id.String() {
			return 0, fmt.Errorf("smpp: trace: command_id %d is %s, not %s", *t.ID, id, t.Command)
		}
		return id, nil
	}
	for _, id := range commands {
		if t.Command == id.String() {
			return id, nil
		}
	}
	return 0, fmt.Errorf("smpp: trace: command %q is not known", t.Command)
}

func (t *traced) status() (Status, error) {
	if t.StatusID != nil {
		s := Status(*t.StatusID)
		if t.Status != "" && t.Status != s.String() {
			return 0, fmt.Errorf("smpp: trace: command_status %d is %s, not %s", *t.StatusID, s, t.Status)
		}
		return s, nil
	}
	if t.Status == "" {
		return StatusOK, nil
	}
	for _, info := range statuses {
		if info.Name == t.Status {
			return info.Status, nil
		}
	}
	return 0, fmt.Errorf("smpp: trace: status %q is not known", t.Status)
}

// A filler hands the values of a trace to the fields that ask for them, and
// keeps those that nobody asked for.
type filler struct {
	fields map[string]json.RawMessage
	group  string // name of the group whose items are being read
	items  items
	next   int
	outer  map[string]json.RawMessage // the fields around the group
	tlvs   []tracedOption
}

// take moves the value called name into v.
func (f *filler) take(c *coder, name string, v any) bool {
	raw, ok := f.fields[name]
	if !ok {
		return false
	}
	delete(f.fields, name)
	if err := json.Unmarshal(raw, v); err != nil {
		c.refuseField(name, err.Error())
		return false
	}
	return true
}

func (f *filler) text(c *coder, name string, s *string) {
	var v string
	if !f.take(c, name, &v) {
		return
	}
	b, err := latin1(v)
	if err != nil {
		c.refuseField(name, err.Error())
	}
	*s = alias(b)
}

// octet goes through a variable of its own: v given to json would put every
// PDU on the heap, also those that are never traced.
func (f *filler) octet(c *coder, name string, v *byte) {
	var n byte
	f.take(c, name, &n)
	*v = n
}

func (f *filler) message(c *coder, v *[]byte) { f.octets(c, "short_message", v) }

// octets takes hexadecimal.
func (f *filler) octets(c *coder, name string, v *[]byte) {
	var digits string
	if !f.take(c, name, &digits) {
		return
	}
	b, err := hex.DecodeString(digits)
	if err != nil {
		c.refuseField(name, err.Error())
	}
	*v = b
}

func (f *filler) options(c *coder, o *Options) {
	for i, t := range f.tlvs {
		tag, v, err := t.octets()
		if err != nil {
			c.refuseField(fmt.Sprintf("tlvs[%d]", i), err.Error())
			return
		}
		*o = o.Append(tag, v)
	}
	f.tlvs = nil
}

func (t *tracedOption) octets() (Tag, []byte, error) {
	tag, err := t.tag()
	if err != nil {
		return 0, nil, err
	}
	if t.ValueHex != nil {
		v, err := hex.DecodeString(*t.ValueHex)
		return tag, v, err
	}
	if len(t.Value) == 0 || string(t.Value) == "null" {
		return 0, nil, errors.New("needs value_hex, or a value that is not null")
	}
	info, _ := tag.Lookup()
	if info.Kind == KindParts && t.Value[0] == '{' {
		v, err := partsOf(tag.Parts(), t.Value)
		return tag, v, err
	}
	if info.Kind == KindInteger {
		var n uint32
		if err := json.Unmarshal(t.Value, &n); err != nil {
			return 0, nil, err
		}
		b := binary.BigEndian.AppendUint32(nil, n)
		drop := 4 - max(info.Min, 1)
		if bigEndian(b[:drop]) != 0 {
			return 0, nil, fmt.Errorf("%d does not fit %d octets", n, 4-drop)
		}
		return tag, b[drop:], nil
	}
	var s string
	if err := json.Unmarshal(t.Value, &s); err != nil {
		return 0, nil, err
	}
	v, err := latin1(s)
	if info.Kind == KindText {
		v = append(v, 0)
	}
	return tag, v, err
}

// partsOf reads the object that appendParts writes.
func partsOf(parts []Part, object json.RawMessage) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(object, &fields); err != nil {
		return nil, err
	}
	f, c := filler{fields: fields}, coder{}
	var numbers []uint32
	var rest []byte
	for _, p := range parts {
		switch {
		case p.Kind == KindInteger && !f.has(p.Name):
			// A value that ends early, as ms_validity may.
		case p.Kind == KindInteger:
			var n uint32
			f.long(&c, p.Name, &n)
			if n>>p.Bits != 0 {
				c.refuseField(p.Name, fmt.Sprintf("%d does not fit %d bits", n, p.Bits))
			}
			numbers = append(numbers, n)
		case f.has(p.Name + "_hex"):
			f.octets(&c, p.Name+"_hex", &rest)
		default:
			var s string
			f.text(&c, p.Name, &s)
			rest = []byte(s)
		}
	}
	for name := range fields {
		c.refuseField(name, "is no part of it")
	}
	if c.refuse != nil {
		return nil, c.refuse
	}
	return joinParts(parts, numbers, rest), nil
}

func (t *tracedOption) tag() (Tag, error) {
	if t.Tag != nil {
		if t.Name != "" && t.Name != t.Tag.String() {
			return 0, fmt.Errorf("tag %d is %s, not %s", *t.Tag, *t.Tag, t.Name)
		}
		return *t.Tag, nil
	}
	for _, info := range tags {
		if info.Name == t.Name {
			return info.Tag, nil
		}
	}
	return 0, fmt.Errorf("tag %q is not known", t.Name)
}

// latin1 is the inverse of the strings that Trace writes.
func latin1(s string) ([]byte, error) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > 0xFF {
			return nil, fmt.Errorf("%q is no octet", r)
		}
		b = append(b, byte(r))
	}
	return b, nil
}
