package carrier

import (
	"encoding/binary"
	"strings"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
)

// Receipt reads a whole deliver_sm or data_sm as a delivery receipt; false: it
// is none. ID aliases pdu and is in the form of responses. A state that neither
// the specification nor the profile knows, and every intermediate one, is Open.
func (p *Profile) Receipt(pdu []byte) (engine.Receipt, bool) {
	r, from, to, ok := parseReceipt(pdu)
	if !ok {
		return engine.Receipt{}, false
	}
	if p.memberIsDestination {
		from, to = to, from
	}
	return engine.Receipt{
		ID: p.receiptID(octets(r.ID)), State: p.state(&r), Err: errText(r.Err),
		Phone: p.phone(from.TON, from.Addr), To: p.sender(to.TON, to.Addr),
	}, true
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

// state maps what a receipt says to where the message stands.
func (p *Profile) state(r *smpp.Receipt) message.State {
	if r.Intermediate {
		return message.Open
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
