package carrier

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fanline/engine/message"
	"fanline/smpp"
)

// Part says which part of a longer text an inbound one is; Parts is 1 for a
// whole text, and Reference is then 0.
type Part struct {
	Reference   uint16
	Part, Parts uint8
}

// errNotText is returned for a PDU that is neither deliver_sm nor data_sm.
var errNotText = errors.New("carrier: neither deliver_sm nor data_sm")

// Text reads the text of a whole deliver_sm or data_sm, from short_message or
// message_payload, and which part of a longer one it is by its user data header
// (3GPP TS 23.040 §9.2.3.24) or SAR parameters (SMPP 3.4 §5.3.2.22).
func (p *Profile) Text(pdu []byte) (string, Part, error) {
	b, err := textBodyOf(pdu)
	if err != nil {
		return "", b.part, err
	}
	return p.codings.decode(b.dataCoding, b.octets, b.header), b.part, nil
}

// JoinedText reads consecutive parts of one longer text together: a character
// may lie across their border, as half a surrogate pair or an escape of GSM
// 03.38 at the end of a part does.
func (p *Profile) JoinedText(pdus ...[]byte) (string, error) {
	var joined strings.Builder
	var run textBody // parts so far that read as one
	for i, pdu := range pdus {
		b, err := textBodyOf(pdu)
		if err != nil {
			return "", err
		}
		if i == 0 || b.dataCoding == run.dataCoding && !p.codings.packed(b.dataCoding) {
			run.octets = append(slices.Clip(run.octets), b.octets...)
			run.dataCoding, run.header = b.dataCoding, b.header
			continue
		}
		joined.WriteString(p.codings.decode(run.dataCoding, run.octets, run.header))
		run = b
	}
	joined.WriteString(p.codings.decode(run.dataCoding, run.octets, run.header))
	return joined.String(), nil
}

// textBody is what an inbound PDU says of its text.
type textBody struct {
	octets     []byte // without its user data header
	header     int    // octets of that
	dataCoding byte
	part       Part
}

// textBodyOf reads a whole deliver_sm or data_sm.
func textBodyOf(pdu []byte) (b textBody, err error) {
	whole := Part{Part: 1, Parts: 1}
	b.part = whole
	var options smpp.Options
	var esmClass byte
	switch commandOf(pdu) {
	case smpp.DeliverSMID:
		var d smpp.DeliverSM
		if _, err := smpp.DecodeInto(pdu, &d); err != nil {
			return b, fmt.Errorf("carrier: inbound text: %w", err)
		}
		b.octets, options, esmClass, b.dataCoding = d.ShortMessage, d.Options, d.ESMClass, d.DataCoding
	case smpp.DataSMID:
		var d smpp.DataSM
		if _, err := smpp.DecodeInto(pdu, &d); err != nil {
			return b, fmt.Errorf("carrier: inbound text: %w", err)
		}
		options, esmClass, b.dataCoding = d.Options, d.ESMClass, d.DataCoding
	default:
		return b, errNotText
	}
	if len(b.octets) == 0 {
		b.octets, _ = options.Get(smpp.TagMessagePayload)
	}
	ok := false
	if esmClass&smpp.ESMUDHI != 0 {
		all := len(b.octets)
		b.part, b.octets, ok = udhPart(b.octets)
		b.header = all - len(b.octets)
	}
	if !ok {
		b.part, ok = sarPart(options)
	}
	if !ok {
		b.part = whole
	}
	return b, nil
}

// udhPart takes the user data header off. One that is longer than the text is
// none: what a carrier announced wrongly is still readable.
func udhPart(octets []byte) (part Part, rest []byte, ok bool) {
	if len(octets) == 0 || int(octets[0])+1 > len(octets) {
		return part, octets, false
	}
	header, rest := octets[1:1+octets[0]], octets[1+octets[0]:]
	for len(header) >= 2 && int(header[1])+2 <= len(header) {
		id, v := header[0], header[2:2+header[1]]
		switch {
		case id == 0x00 && len(v) == 3:
			part = Part{Reference: uint16(v[0]), Parts: v[1], Part: v[2]}
		case id == 0x08 && len(v) == 4:
			part = Part{Reference: binary.BigEndian.Uint16(v), Parts: v[2], Part: v[3]}
		}
		header = header[2+len(v):]
	}
	return part, rest, part.valid()
}

func sarPart(o smpp.Options) (part Part, ok bool) {
	ref, hasRef := o.Uint(smpp.TagSarMsgRefNum)
	parts, hasParts := o.Uint(smpp.TagSarTotalSegments)
	n, hasPart := o.Uint(smpp.TagSarSegmentSeqnum)
	if !hasRef || !hasParts || !hasPart || ref > 0xFFFF || parts > 0xFF || n > 0xFF {
		return part, false
	}
	part = Part{Reference: uint16(ref), Parts: uint8(parts), Part: uint8(n)}
	return part, part.valid()
}

func (p Part) valid() bool { return p.Part >= 1 && p.Part <= p.Parts }

// Addresses returns from whom a deliver_sm or data_sm comes and to which of our
// numbers it goes; 0: no phone, or none of ours.
func (p *Profile) Addresses(pdu []byte) (from, to message.Phone) {
	e, ok := peek(pdu)
	if !ok {
		return 0, 0
	}
	return p.phone(e.sourceTON, e.source), p.sender(e.destinationTON, e.destination)
}
