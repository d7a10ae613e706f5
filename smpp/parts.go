package smpp

// A Part is one piece of a structured TLV, in the order of the wire. The trace
// reads and writes such values by their parts.
type Part struct {
	Name string
	Kind Kind // KindInteger, KindText or KindOctets
	Bits int  // an integer's width; zero: the octets up to the end of the value
}

// Parts returns how the value of a structured TLV is made up, or nil for a TLV
// that is one number, text or octet string.
func (t Tag) Parts() []Part {
	octet := func(name string) Part { return Part{name, KindInteger, 8} }
	short := func(name string) Part { return Part{name, KindInteger, 16} }
	switch t {
	case TagSourceSubaddress, TagDestSubaddress:
		return []Part{octet("type"), {"subaddress", KindOctets, 0}}
	case TagCallbackNum:
		return []Part{octet("digit_mode"), octet("ton"), octet("npi"), {"digits", KindText, 0}}
	case TagCallbackNumAtag:
		return []Part{octet("data_coding"), {"characters", KindOctets, 0}}
	case TagNetworkErrorCode:
		return []Part{octet("network_type"), short("error_code")}
	case TagItsSessionInfo:
		return []Part{octet("session_number"), {"sequence_number", KindInteger, 7}, {"end_of_session", KindInteger, 1}}
	case TagMsValidity:
		return []Part{octet("behaviour"), octet("time_unit"), short("number")}
	case TagBroadcastAreaIdentifier:
		return []Part{octet("format"), {"details", KindOctets, 0}}
	case TagBroadcastContentType:
		return []Part{octet("network_type"), short("content_type")}
	case TagBroadcastFrequencyInterval:
		return []Part{octet("time_unit"), short("number")}
	case TagBillingIdentification:
		return []Part{octet("format"), {"data", KindOctets, 0}}
	}
	return nil
}

// splitParts cuts a value into its parts: numbers and what is left for the last
// one. It reports how many parts there are, or zero when the octets don't fit.
// ms_validity ends after its first part when it is not for a time.
func splitParts(parts []Part, v []byte) (numbers [4]uint32, rest []byte, n int) {
	at := 0
	for i, p := range parts {
		if p.Bits == 0 {
			return numbers, v[at/8:], i + 1
		}
		if at+p.Bits > 8*len(v) {
			return numbers, nil, 0
		}
		for range p.Bits {
			numbers[i] = numbers[i]<<1 | uint32(v[at/8]>>(7-at%8)&1)
			at++
		}
		if at == 8*len(v) && i == 0 && len(parts) == 3 && parts[0].Name == "behaviour" {
			return numbers, nil, 1
		}
	}
	if at != 8*len(v) {
		return numbers, nil, 0
	}
	return numbers, nil, len(parts)
}

// joinParts is the inverse of splitParts.
func joinParts(parts []Part, numbers []uint32, rest []byte) []byte {
	var b []byte
	at := 0
	for i, n := range numbers {
		for bit := parts[i].Bits - 1; bit >= 0; bit-- {
			if at%8 == 0 {
				b = append(b, 0)
			}
			b[at/8] |= byte(n>>bit&1) << (7 - at%8)
			at++
		}
	}
	return append(b, rest...)
}
