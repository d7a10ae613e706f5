package session

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"fanline/smpp"
)

// deliverRespLen is the length of a deliver_sm_resp or data_sm_resp: header and an empty message_id (SMPP 3.4 §4.6.2, §4.7.2).
const deliverRespLen = smpp.HeaderLen + 1

// appendHeader appends a PDU of a header alone, which is the whole of enquire_link, unbind, their responses and
// generic_nack (SMPP 3.4 §4.2, §4.3, §4.11). A test holds it and appendDeliverResp byte-identical to smpp.Append.
func appendHeader(dst []byte, id smpp.CommandID, status smpp.Status, seq uint32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, smpp.HeaderLen)
	dst = binary.BigEndian.AppendUint32(dst, uint32(id))
	dst = binary.BigEndian.AppendUint32(dst, uint32(status))
	return binary.BigEndian.AppendUint32(dst, seq)
}

// appendDeliverResp appends the response to a deliver_sm or data_sm, which has its empty message_id also when it refuses.
func appendDeliverResp(dst []byte, request smpp.CommandID, seq uint32, status smpp.Status) []byte {
	dst = appendHeader(dst, request.Response(), status, seq)
	binary.BigEndian.PutUint32(dst[len(dst)-smpp.HeaderLen:], deliverRespLen)
	return append(dst, 0)
}

// answerReader reads the bodies of submit_sm_resp and data_sm_resp.
type answerReader struct {
	submit smpp.SubmitSMResp
	data   smpp.DataSMResp
}

// read returns the id and the congestion_state (-1 without one) of a whole response. A body that is nothing but an id, as
// nearly all are, is not sent through the decoder. The header decides what became of the submit, so a body that cannot be
// decoded is no error: it only has no id.
func (a *answerReader) read(pdu []byte) (id []byte, state int8) {
	body := pdu[smpp.HeaderLen:]
	if len(body) == 0 {
		return nil, -1
	}
	if end := bytes.IndexByte(body, 0); end == len(body)-1 {
		return body[:end], -1
	}
	var p smpp.PDU = &a.submit
	text, options := &a.submit.MessageID, &a.submit.Options
	if command(pdu) == smpp.DataSMRespID {
		p, text, options = &a.data, &a.data.MessageID, &a.data.Options
	}
	if _, err := smpp.DecodeInto(pdu, p); err != nil {
		return nil, -1
	}
	state = -1
	if v, ok := options.Uint(smpp.TagCongestionState); ok {
		state = congestion(v)
	}
	return unsafe.Slice(unsafe.StringData(*text), len(*text)), state // The text aliases pdu, as the caller wants it.
}

// congestion returns a congestion_state as it is kept.
func congestion(v uint32) int8 { return int8(min(v, 127)) }

// congestionOf returns the congestion_state in the TLVs of a response that has nothing before them, as enquire_link_resp; -1 without one.
func congestionOf(pdu []byte) int8 {
	state := int8(-1)
	for rest := pdu[smpp.HeaderLen:]; len(rest) >= 4; {
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if len(rest) < 4+n {
			break
		}
		if smpp.Tag(binary.BigEndian.Uint16(rest)) == smpp.TagCongestionState && n == 1 {
			state = congestion(uint32(rest[4]))
		}
		rest = rest[4+n:]
	}
	return state
}

// sequence reads a PDU's sequence number.
func sequence(pdu []byte) uint32 { return binary.BigEndian.Uint32(pdu[12:]) }

// command reads a PDU's command.
func command(pdu []byte) smpp.CommandID { return smpp.CommandID(binary.BigEndian.Uint32(pdu[4:])) }
