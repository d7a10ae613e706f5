package carrier

import (
	"encoding/binary"
	"strings"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
)

// Receipt reads a whole deliver_sm or data_sm as a delivery receipt; false: it
// is none. ID aliases pdu and is in the form of responses, or as it came where
// the engine is to find out their form. A state that neither the specification
// nor the profile knows, and every intermediate one, is Open.
func (p *Profile) Receipt(pdu []byte) (engine.Receipt, bool) {
	r, from, to, ok := p.parse(pdu)
	if !ok {
		return engine.Receipt{}, false
	}
	out := engine.Receipt{ID: p.receiptID(octets(r.ID)), State: p.state(&r), Err: errText(r.Err)}
	switch p.member {
	case memberIsSource:
		out.Phone, out.To = p.phone(from.TON, from.Addr), p.sender(to.TON, to.Addr)
	case memberIsDestination:
		out.Phone, out.To = p.phone(to.TON, to.Addr), p.sender(from.TON, from.Addr)
	}
	return out, true
}

// parseReceipt has smpp read the receipt; all strings alias pdu.
func parseReceipt(pdu []byte) (r smpp.Receipt, source, destination smpp.Address, ok bool) {
	switch commandOf(pdu) {
	case smpp.DeliverSMID:
		var d smpp.DeliverSM
		if _, err := smpp.DecodeInto(pdu, &d); err == nil {
			r, ok = smpp.ParseReceipt(&d)
			return r, d.Source, d.Destination, ok
		}
	case smpp.DataSMID:
		var d smpp.DataSM
		if _, err := smpp.DecodeInto(pdu, &d); err == nil {
			r, ok = smpp.ParseDataReceipt(&d)
			return r, d.Source, d.Destination, ok
		}
	}
	return r, source, destination, false
}

func commandOf(pdu []byte) smpp.CommandID {
	if len(pdu) < smpp.HeaderLen {
		return 0
	}
	return smpp.CommandID(binary.BigEndian.Uint32(pdu[4:]))
}

// state maps what a receipt says to where the message stands: an intermediate
// one decides nothing, and then the profile's word about err, its word about
// stat, and the specification's count, in this order.
func (p *Profile) state(r *smpp.Receipt) message.State {
	if r.Intermediate {
		return message.Open
	}
	if len(p.grammar.errors) > 0 && r.Err != "" {
		if s, ok := p.grammar.errors[plainCode(r.Err)]; ok {
			return s
		}
	}
	if len(p.states) > 0 {
		if s, ok := p.states[strings.ToUpper(r.Stat)]; ok {
			return s
		}
	}
	switch r.State {
	case smpp.StateDelivered:
		return message.Delivered
	case smpp.StateExpired:
		return message.Expired
	case smpp.StateUndeliverable, smpp.StateRejected, smpp.StateDeleted, smpp.StateUnknown, smpp.StateSkipped:
		return message.Failed
	}
	return message.Open
}

// errText returns err in memory of its own, which for the usual one is the
// program's: what is kept of a receipt must not keep its whole record.
func errText(err string) string {
	switch err {
	case "000":
		return "000"
	case "0":
		return "0"
	}
	return strings.Clone(err)
}
