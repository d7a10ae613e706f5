package carrier

import (
	"encoding/hex"
	"fmt"
	"strconv"

	"fanline/smpp"
)

// TLV is an optional parameter that goes with every submit: what the carrier's
// own documents call a campaign id, a template id, a carrier id.
type TLV struct {
	Tag   int    // 0x0001 to 0xFFFF; SMPP 3.4 §5.3.2 leaves 0x1400 to 0x3FFF to vendors
	Name  string // by which our numbers give their values; empty: Value only
	Type  string // text, cstring, uint8, uint16, uint32 or hex
	Value string // where a number gives none; empty: the parameter is left out then
	// Required numbers cannot use the carrier without a value.
	Required bool
}

// tlv is a TLV that has been looked at.
type tlv struct {
	TLV
	tag smpp.Tag
}

// readTLVs takes over what goes with every submit.
func (p *Profile) readTLVs(s Settings) error {
	seen := map[int]bool{}
	if s.KeyTLV != 0 {
		seen[s.KeyTLV] = true
	}
	for i, t := range s.TLVs {
		path := fmt.Sprintf("tlvs[%d]", i)
		if t.Tag < 1 || t.Tag > 0xFFFF || seen[t.Tag] {
			return p.problem(path+".tag", fmt.Sprintf("0x%04X", t.Tag))
		}
		seen[t.Tag] = true
		if t.Name == "" && t.Value == "" {
			return p.problem(path+".name", t.Name)
		}
		if _, err := appendValue(nil, t.Type, t.Value); t.Value != "" && err != nil {
			return p.problem(path+".value", t.Value)
		}
		if _, err := appendValue(nil, t.Type, "0"); err != nil && t.Type != "hex" {
			return p.problem(path+".type", t.Type)
		}
		p.tlvs = append(p.tlvs, tlv{t, smpp.Tag(t.Tag)})
	}
	return nil
}

// TLVNames returns the names by which our numbers give values.
func (p *Profile) TLVNames() (names []string) {
	for i := range p.tlvs {
		if p.tlvs[i].Name != "" {
			names = append(names, p.tlvs[i].Name)
		}
	}
	return names
}

// appendTLVs appends the parameters of one of our numbers, which may be nil.
func (p *Profile) appendTLVs(b []byte, s *Sender) ([]byte, error) {
	for i := range p.tlvs {
		t := &p.tlvs[i]
		value := t.Value
		if s != nil && s.Values[t.Name] != "" && t.Name != "" {
			value = s.Values[t.Name]
		}
		if value == "" {
			if t.Required {
				return b, fmt.Errorf("the carrier wants a value for %s", t.Name)
			}
			continue
		}
		at := len(b)
		b = append(b, byte(t.tag>>8), byte(t.tag), 0, 0)
		var err error
		if b, err = appendValue(b, t.Type, value); err != nil {
			return b, fmt.Errorf("%s: %w", t.Name, err)
		}
		n := len(b) - at - 4
		b[at+2], b[at+3] = byte(n>>8), byte(n)
	}
	return b, nil
}

// appendValue appends what a word of the configuration means as a value.
func appendValue(b []byte, kind, value string) ([]byte, error) {
	var bits int
	switch kind {
	case "", "text":
		return append(b, value...), nil
	case "cstring":
		return append(append(b, value...), 0), nil
	case "hex":
		raw, err := hex.DecodeString(value)
		return append(b, raw...), err
	case "uint8":
		bits = 8
	case "uint16":
		bits = 16
	case "uint32":
		bits = 32
	default:
		return b, fmt.Errorf("type %q: want text, cstring, uint8, uint16, uint32 or hex", kind)
	}
	n, err := strconv.ParseUint(value, 0, bits)
	if err != nil {
		return b, fmt.Errorf("%q: a number of %d bits expected", value, bits)
	}
	for shift := bits - 8; shift >= 0; shift -= 8 {
		b = append(b, byte(n>>shift))
	}
	return b, nil
}
