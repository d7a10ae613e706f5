package smpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Append writes p with its header behind dst, as SMPP 3.4 has it. It is strict:
// a string that is too long or holds a NUL, a text above 254 octets and optional
// parameters that are no TLVs are refused with a *FieldError, and dst is
// returned as it was. It does not allocate when dst has room.
func Append(dst []byte, status Status, seq uint32, p PDU) ([]byte, error) {
	c := coder{mode: writing, version: Version34, status: status}
	return c.append(dst, seq, p)
}

// An Encoding says for whom PDUs are written. The zero value is SMPP 3.4, as
// Append has it.
type Encoding struct {
	// Version is the interface_version that both sides speak: below Version34 is
	// 3.3 (no TLVs, hexadecimal message ids, no operation that came later), from
	// Version50 on 5.0 (texts of 255 octets, 255 destinations, broadcasts, bodies
	// in failed responses too); zero is 3.4.
	Version byte
	// Loose takes what the specification forbids and the wire can carry: strings
	// of any length, any TLV. It is there to test what other software does.
	Loose bool
}

// Append is like the function Append, for e.
func (e Encoding) Append(dst []byte, status Status, seq uint32, p PDU) ([]byte, error) {
	c := coder{mode: writing, version: e.Version, loose: e.Loose, status: status}
	if e.Version == 0 {
		c.version = Version34
	}
	return c.append(dst, seq, p)
}

// append writes the PDU behind dst.
func (c *coder) append(dst []byte, seq uint32, p PDU) ([]byte, error) {
	start := len(dst)
	c.pos, c.buf = start, append(dst, make([]byte, HeaderLen)...)
	if !c.walk(p) {
		return dst, &FieldError{Field: "command_id", Reason: "is of no PDU of this package"}
	}
	if c.refuse != nil {
		return dst, c.refuse
	}
	if len(c.buf)-start > MaxPDU {
		return dst, &FieldError{Command: c.id, Field: "command_length", Reason: fmt.Sprintf("%d octets, at most %d", len(c.buf)-start, MaxPDU)}
	}
	h := c.buf[start : start+HeaderLen]
	binary.BigEndian.PutUint32(h, uint32(len(c.buf)-start))
	binary.BigEndian.PutUint32(h[4:], uint32(c.id))
	binary.BigEndian.PutUint32(h[8:], uint32(c.status))
	binary.BigEndian.PutUint32(h[12:], seq)
	return c.buf, nil
}

// Decode reads one whole PDU and copies what it keeps. The error is a
// *ProtocolError; the header is returned with it as far as it could be read,
// so that the caller can answer.
func Decode(b []byte) (Header, PDU, error) {
	h, err := wholeHeader(b)
	if err != nil {
		return h, nil, err
	}
	p := newPDU(h.ID)
	if p == nil {
		return h, nil, &ProtocolError{Command: h.ID, Offset: 4, Field: "command_id", Reason: "is not decoded here", Status: StatusInvCmdID}
	}
	if h, err = DecodeInto(bytes.Clone(b), p); err != nil {
		return h, nil, err
	}
	return h, p, nil
}

// DecodeInto reads one whole PDU into p, whose type must fit the command. The
// strings and slices of p point into b: they are valid until b is reused. It
// does not allocate. After an error the content of p is undefined.
func DecodeInto(b []byte, p PDU) (Header, error) {
	h, err := wholeHeader(b)
	if err != nil {
		return h, err
	}
	c := coder{mode: reading, buf: b, pos: HeaderLen, id: h.ID}
	if !c.walk(p) {
		return h, &ProtocolError{Command: h.ID, Offset: 4, Field: "command_id", Reason: "cannot be read into this type", Status: StatusInvCmdID}
	}
	if c.read != nil {
		return h, c.read
	}
	return h, nil
}

// wholeHeader reads the header of a PDU of which all octets are there.
func wholeHeader(b []byte) (Header, error) {
	h, err := ReadHeader(b)
	if err == nil && int(h.Length) != len(b) {
		err = &ProtocolError{
			Command: h.ID, Field: "command_length", Status: StatusInvCmdLen,
			Reason: fmt.Sprintf("is %d, and there are %d octets", h.Length, len(b)),
		}
	}
	return h, err
}

// commands lists every operation that this package knows. It is an array, and
// never written to.
var commands = [...]CommandID{
	BindReceiverID, BindReceiverRespID, BindTransmitterID, BindTransmitterRespID,
	BindTransceiverID, BindTransceiverRespID, SubmitSMID, SubmitSMRespID,
	DeliverSMID, DeliverSMRespID, DataSMID, DataSMRespID, QuerySMID, QuerySMRespID,
	EnquireLinkID, EnquireLinkRespID, UnbindID, UnbindRespID, GenericNackID,
	SubmitMultiID, SubmitMultiRespID, CancelSMID, CancelSMRespID, ReplaceSMID, ReplaceSMRespID,
	OutbindID, AlertNotificationID, BroadcastSMID, BroadcastSMRespID,
	QueryBroadcastSMID, QueryBroadcastSMRespID, CancelBroadcastSMID, CancelBroadcastSMRespID,
	ParamRetrieveID, ParamRetrieveRespID, QueryLastMsgsID, QueryLastMsgsRespID, QueryMsgDetailsID, QueryMsgDetailsRespID,
}
