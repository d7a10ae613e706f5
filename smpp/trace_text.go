package smpp

import (
	"encoding/json"
	"strconv"
)

// messageOf returns the message that a PDU carries, from short_message or
// message_payload, and how to read it.
func messageOf(p PDU) (esmClass, dataCoding byte, text []byte, o Options) {
	switch p := p.(type) {
	case *SubmitSM:
		esmClass, dataCoding, text, o = p.ESMClass, p.DataCoding, p.ShortMessage, p.Options
	case *DeliverSM:
		esmClass, dataCoding, text, o = p.ESMClass, p.DataCoding, p.ShortMessage, p.Options
	case *SubmitMulti:
		esmClass, dataCoding, text, o = p.ESMClass, p.DataCoding, p.ShortMessage, p.Options
	case *DataSM:
		esmClass, dataCoding, o = p.ESMClass, p.DataCoding, p.Options
	case *ReplaceSM:
		text, o = p.ShortMessage, p.Options
	case *BroadcastSM:
		dataCoding, o = p.DataCoding, p.Options
	default:
		return 0, 0, nil, nil
	}
	if len(text) == 0 {
		text, _ = o.Get(TagMessagePayload)
	}
	return esmClass, dataCoding, text, o
}

// message writes the message of p as people read it: its user data header, its
// place in a longer one, and its characters.
func (t *tracer) message(out []byte, p PDU, g Tracing) []byte {
	esmClass, dataCoding, text, o := messageOf(p)
	part, isPart := Segment{}, false
	if esmClass&ESMUDHI != 0 {
		header, rest := SplitUserData(text)
		if header != nil {
			out = appendElements(append(out, `,"udh":[`...), header)
		}
		part, isPart = header.Segment()
		text = rest
	}
	if !isPart {
		part, isPart = o.Segment()
	}
	if isPart {
		out = append(out, `,"part":{`...)
		out = strconv.AppendUint(appendName(out, "reference"), uint64(part.Reference), 10)
		out = strconv.AppendUint(appendName(out, "total"), uint64(part.Total), 10)
		out = strconv.AppendUint(appendName(out, "number"), uint64(part.Number), 10)
		out = append(out, '}')
	}
	if g.Text != nil && len(text) > 0 && !binaryCoding(dataCoding) {
		characters, _ := json.Marshal(g.Text(dataCoding, text)) // A string always has a form.
		out = append(append(out, `,"text":`...), characters...)
	}
	return out
}

// binaryCoding reports whether data_coding says that the octets are no text.
func binaryCoding(dataCoding byte) bool {
	return dataCoding == CodingBinary || dataCoding == CodingBinary2 || dataCoding >= 0xF0 && dataCoding&4 != 0
}

func appendElements(out []byte, header Elements) []byte {
	first := true
	for iei, v := range header.All() {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = strconv.AppendUint(append(out, `{"iei":`...), uint64(iei), 10)
		out = append(appendJSONHex(append(out, `,"value_hex":`...), v), '}')
	}
	return append(out, ']')
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
