package smsc

import (
	"encoding/binary"
	"time"

	"fanline/smpp"
)

// receiptWriter makes deliver_sm with receipts. Receipts of one number differ in a few places of known width, so it
// encodes one, and copies and patches it for the next ones; a test holds that the octets are those of smpp.Append.
type receiptWriter struct {
	forms     []*receiptForm
	v33       bool // the client speaks SMPP 3.3: no TLVs
	version   byte
	now       int64           // Unix seconds
	done      [minuteLen]byte // of now
	doneMin   int64
	submit    [minuteLen]byte // of the submit before
	submitMin int64

	shape   receiptShape
	pdu     []byte
	places  receiptPlaces
	ids     idWriter
	scratch []byte
	short   receiptForm // the form of the last receipt for a submit by SMPP 3.3
}

// receiptShape is what decides where everything stands in a receipt.
type receiptShape struct {
	form             *receiptForm
	number           *number
	fromType, toType byte
	digits, idLen    int
}

// receiptPlaces are offsets in the encoded receipt.
type receiptPlaces struct {
	from, id, delivered, submit, done, stat, err, tlvID, state int
}

const minuteLen = len("YYMMDDhhmm")

// begin sets the clock of the receipts that follow, and what they may be.
func (r *receiptWriter) begin(forms []*receiptForm, version byte, micros int64) {
	r.forms, r.version, r.v33, r.now = forms, version, version < smpp.Version34, micros/1_000_000
	if m := micros / 60_000_000; m != r.doneMin {
		r.doneMin = m
		formatMinute(&r.done, m)
	}
}

// formOf is how the receipt is written: as planned, with a short id when its submit came by SMPP 3.3.
func (r *receiptWriter) formOf(d *delivery) *receiptForm {
	i := d.form &^ form33
	if int(i) >= len(r.forms) {
		i = 0
	}
	f := r.forms[i]
	if d.form&form33 != 0 {
		r.short = *f
		r.short.ids = IDShort
		return &r.short
	}
	return f
}

func formatMinute(dst *[minuteLen]byte, minute int64) {
	time.Unix(minute*60, 0).UTC().AppendFormat(dst[:0], "0601021504")
}

// append writes the receipt for d.
func (r *receiptWriter) append(dst []byte, seq uint32, d *delivery, n *number) []byte {
	form := r.formOf(d)
	if r.v33 || d.flags&deliverBefore != 0 || d.form&form33 != 0 || !form.patched {
		return r.whole(dst, seq, d, n, form)
	}
	if m := int64(d.submitted) / 60; m != r.submitMin {
		r.submitMin = m
		formatMinute(&r.submit, m)
	}
	r.ids.form = form.ids
	id := r.ids.append(r.scratch[:0], d.id)
	r.scratch = id
	shape := receiptShape{form, n, d.fromType, d.toType, d.from.digits(), len(id)}
	if shape != r.shape {
		r.pdu = r.pdu[:0]
		pdu, err := smpp.Append(r.pdu, smpp.StatusOK, 0, form.pdu(d, d.stat, false, false, n, r.now))
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
	if form.tlvs != 0 {
		copy(b[at.tlvID:], id)
		b[at.state] = row.state
	}
	return dst
}

// whole writes a receipt that is no copy of another.
func (r *receiptWriter) whole(dst []byte, seq uint32, d *delivery, n *number, form *receiptForm) []byte {
	out, err := smpp.Encoding{Version: r.version, Loose: true}.Append(dst, smpp.StatusOK, seq, form.pdu(d, statOf(d), d.flags&deliverBefore != 0, r.v33, n, r.now))
	if err != nil {
		return dst // Can't be: every field is of the simulator's own making, and its length was checked on the way in.
	}
	return out
}

// placesOf counts along deliver_sm (SMPP 3.4 §4.6.1) and the text of the standard form.
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
