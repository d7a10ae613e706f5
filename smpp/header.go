package smpp

import (
	"encoding/binary"
	"fmt"
)

const (
	// HeaderLen is the length of the PDU header in octets (SMPP 3.4 §3.2).
	HeaderLen = 16
	// MaxPDU is the longest PDU in octets that ReadHeader believes: a
	// message_payload of 64 KiB with everything around it. A longer
	// command_length means that the stream is out of step.
	MaxPDU = 1<<16 + 1024
	// MaxSequence is the last sequence_number before a sender starts at 1 again
	// (SMPP 3.4 §3.2). Peers use all 32 bits and zero; they are read as they are.
	MaxSequence = 0x7FFFFFFF
)

// Header opens every PDU (SMPP 3.4 §3.2).
type Header struct {
	Length   uint32 // octets of the whole PDU, header included
	ID       CommandID
	Status   Status // meaningful in responses, zero in requests
	Sequence uint32
}

// A ProtocolError says where and why octets are not the PDU they claim to be.
type ProtocolError struct {
	Command CommandID // zero when the header could not be read
	Offset  int       // octets from the start of the PDU
	Field   string    // in the words of the specification
	Reason  string
	Status  Status // what to answer in a generic_nack or in the response
}

func (e *ProtocolError) Error() string {
	if e.Command == 0 {
		return fmt.Sprintf("smpp: %s at octet %d: %s", e.Field, e.Offset, e.Reason)
	}
	return fmt.Sprintf("smpp: %s: %s at octet %d: %s", e.Command, e.Field, e.Offset, e.Reason)
}

// A FieldError says which field of a PDU cannot be written.
type FieldError struct {
	Command CommandID
	Field   string
	Reason  string
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("smpp: %s: %s: %s", e.Command, e.Field, e.Reason)
}

// ReadHeader reads the 16 octets that open b. The error is a *ProtocolError
// when b is shorter, or when command_length cannot be right (below 16 or above
// MaxPDU): the stream is then out of step, and only a new connection helps.
func ReadHeader(b []byte) (Header, error) {
	if len(b) < HeaderLen {
		return Header{}, &ProtocolError{
			Offset: len(b), Field: "command_length", Status: StatusInvCmdLen,
			Reason: fmt.Sprintf("%d octets are no header", len(b)),
		}
	}
	h := Header{
		Length:   binary.BigEndian.Uint32(b),
		ID:       CommandID(binary.BigEndian.Uint32(b[4:])),
		Status:   Status(binary.BigEndian.Uint32(b[8:])),
		Sequence: binary.BigEndian.Uint32(b[12:]),
	}
	if h.Length < HeaderLen || h.Length > MaxPDU {
		return h, &ProtocolError{
			Command: h.ID, Field: "command_length", Status: StatusInvCmdLen,
			Reason: fmt.Sprintf("%d is outside %d to %d", h.Length, HeaderLen, MaxPDU),
		}
	}
	return h, nil
}

// PutSequence replaces the sequence_number of an encoded PDU. It does nothing
// when pdu is shorter than a header.
func PutSequence(pdu []byte, seq uint32) {
	if len(pdu) >= HeaderLen {
		binary.BigEndian.PutUint32(pdu[12:], seq)
	}
}
