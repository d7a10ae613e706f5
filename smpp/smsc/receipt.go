package smsc

import (
	"encoding/binary"
	"time"

	"fanline/smpp"
)

// receiptWriter makes deliver_sm with receipts. Receipts of one number differ in a few places of known width, so it
// encodes one, and copies and patches it for the next ones; a test holds that the octets are those of smpp.Append.
type receiptWriter struct {
	plan      *plan
	done      [minuteLen]byte // of now
	doneMin   int64
	submit    [minuteLen]byte // of the submit before
	submitMin int64

	shape   receiptShape
	pdu     []byte
	places  receiptPlaces
	ids     idWriter
	scratch []byte
}

// receiptShape is what decides where everything stands in a receipt.
type receiptShape struct {
	number           *number
	fromType, toType byte
	digits, idLen    int
}

// receiptPlaces are offsets in the encoded receipt.
type receiptPlaces struct {
	from, id, delivered, submit, done, stat, err, tlvID, state int
}

const minuteLen = len("YYMMDDhhmm")

// begin sets the clock of the receipts that follow.
func (r *receiptWriter) begin(p *plan, micros int64) {
	r.plan, r.ids.form = p, p.receipt
	if m := micros / 60_000_000; m != r.doneMin {
		r.doneMin = m
		formatMinute(&r.done, m)
	}
}

func formatMinute(dst *[minuteLen]byte, minute int64) {
	time.Unix(minute*60, 0).UTC().AppendFormat(dst[:0], "0601021504")
}

// append writes the receipt for d.
func (r *receiptWriter) append(dst []byte, seq uint32, d *delivery, n *number) []byte {
	if m := int64(d.submitted) / 60; m != r.submitMin {
		r.submitMin = m
		formatMinute(&r.submit, m)
	}
	id := r.ids.append(r.scratch[:0], d.id)
	r.scratch = id
	shape := receiptShape{n, d.fromType, d.toType, d.from.digits(), len(id)}
	if shape != r.shape {
		r.pdu = r.pdu[:0]
		pdu, err := smpp.Append(r.pdu, smpp.StatusOK, 0, receiptPDU(r.plan, d, n, &r.submit, &r.done))
		if err != nil {
			return dst // Can't be: every field is of the simulator's own making, and its length was checked on the way in.
		}
		r.shape, r.pdu = shape, pdu
		r.places = placesOf(shape)
	}
	start := len(dst)
	dst = append(dst, r.pdu...)
	b, at, row := dst[start:], &r.places, &statTable[d.stat]
	binary.BigEndian.PutUint32(b[12:], seq)
	d.from.append(b[at.from:at.from])
	copy(b[at.id:], id)
	b[at.delivered] = '0'
	if d.stat == StatDelivered {
		b[at.delivered] = '1'
	}
	copy(b[at.submit:], r.submit[:])
	copy(b[at.done:], r.done[:])
	copy(b[at.stat:], row.name)
	copy(b[at.err:], row.err)
	if r.plan.tlvs {
		copy(b[at.tlvID:], id)
		b[at.state] = row.state
	}
	return dst
}

// receiptPDU is a receipt in the form of SMPP 3.4 appendix B, with receipted_message_id and message_state
// (§5.3.2.12, §5.3.2.35) where the scenario wants them.
func receiptPDU(p *plan, d *delivery, n *number, submit, done *[minuteLen]byte) *smpp.DeliverSM {
	row := &statTable[d.stat]
	id := p.receipt.Append(nil, d.id)
	text := append([]byte("id:"), id...)
	text = append(text, " sub:001 dlvrd:000 submit date:"...)
	if d.stat == StatDelivered {
		text[len(text)-len("1 submit date:")] = '1'
	}
	text = append(text, submit[:]...)
	text = append(text, " done date:"...)
	text = append(text, done[:]...)
	text = append(append(text, " stat:"...), row.name...)
	text = append(append(text, " err:"...), row.err...)
	text = append(text, " text:"...)
	sm := &smpp.DeliverSM{ESMClass: smpp.ESMReceipt, ShortMessage: text}
	sm.Source.TON, sm.Source.NPI = unpackType(d.fromType)
	sm.Source.Addr = d.from.String()
	sm.Destination.TON, sm.Destination.NPI = unpackType(d.toType)
	sm.Destination.Addr = n.addr
	if p.tlvs {
		sm.Options = sm.Options.Append(smpp.TagReceiptedMessageID, append(id, 0)).Append(smpp.TagMessageState, []byte{row.state})
	}
	return sm
}

// placesOf counts along deliver_sm (SMPP 3.4 §4.6.1) and the text of receiptPDU.
func placesOf(s receiptShape) (p receiptPlaces) {
	p.from = smpp.HeaderLen + 1 + 2                    // service_type, source_addr_ton, source_addr_npi
	text := p.from + s.digits + 1 + 2                  // source_addr, dest_addr_ton, dest_addr_npi
	text += len(s.number.addr) + 1 + 3 + 1 + 1 + 4 + 1 // destination_addr … sm_length
	p.id = text + len("id:")
	p.delivered = p.id + s.idLen + len(" sub:001 dlvrd:00")
	p.submit = p.delivered + len("1 submit date:")
	p.done = p.submit + minuteLen + len(" done date:")
	p.stat = p.done + minuteLen + len(" stat:")
	p.err = p.stat + len("DELIVRD err:")
	p.tlvID = p.err + len("000 text:") + 4
	p.state = p.tlvID + s.idLen + 1 + 4
	return p
}
