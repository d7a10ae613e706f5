package smsc

import (
	"encoding/binary"

	"fanline/smpp"
)

// answer encodes a submit_sm_resp or data_sm_resp: a message id when accepted, else no body (SMPP 3.4 §4.4.2), but for
// SMPP 3.3 and 5.0, which have an empty one; and what is odd about it.
func (w *writer) answer(r *response) {
	if r.kind >= kindMulti {
		w.out = append(w.out, w.c.box.takePrepared(r.id)...)
		return
	}
	id := smpp.SubmitSMRespID
	if r.kind == kindData {
		id = smpp.DataSMRespID
	}
	start := len(w.out)
	if r.shape|r.tlvs != 0 {
		w.odd(r, id)
		return
	}
	w.out = appendHeader(w.out, smpp.HeaderLen, id, smpp.Status(r.status), r.seq)
	switch {
	case r.id != 0:
		w.out = append(w.ids.append(w.out, r.id), 0)
	case w.c.version == smpp.Version34 && r.kind == kindSubmit: // §4.7.2 has the body in every case
		return
	default:
		w.out = append(w.out, 0)
	}
	w.out = w.appendCongestion(w.out)
	binary.BigEndian.PutUint32(w.out[start:], uint32(len(w.out)-start))
}

// appendCongestion tells a client of SMPP 5.0 how loaded the simulator is (SMPP 5.0 §4.8.4.18).
func (w *writer) appendCongestion(dst []byte) []byte {
	if !w.c.tellsCongestion() {
		return dst
	}
	return append(dst, byte(smpp.TagCongestionState>>8), byte(smpp.TagCongestionState&0xff), 0, 1, byte(w.c.congestion.Load()))
}

// odd encodes an answer that the scenario bends.
func (w *writer) odd(r *response, id smpp.CommandID) {
	switch {
	case r.shape&shapeNack != 0:
		w.out = appendHeader(w.out, smpp.HeaderLen, smpp.GenericNackID, smpp.Status(r.status), r.seq)
		return
	case r.shape&shapeNackZero != 0:
		w.out = appendHeader(w.out, smpp.HeaderLen, smpp.GenericNackID, smpp.Status(r.status), 0)
		return
	}
	start := len(w.out)
	w.out = appendHeader(w.out, smpp.HeaderLen, id, smpp.Status(r.status), r.seq)
	refusedBody := r.shape&shapeErrorBody != 0 || w.c.version != smpp.Version34 || r.kind == kindData
	if r.shape&shapeNoBody != 0 || r.id == 0 && !refusedBody {
		return
	}
	if r.id != 0 && r.shape&shapeEmptyID == 0 {
		w.out = w.ids.append(w.out, r.id)
	}
	w.out = append(w.out, 0)
	if sets := w.c.s.plan().tlvSets; r.tlvs > 0 && int(r.tlvs) <= len(sets) && w.c.version >= smpp.Version34 {
		w.out = append(w.out, sets[r.tlvs-1]...)
	}
	w.out = w.appendCongestion(w.out)
	binary.BigEndian.PutUint32(w.out[start:], uint32(len(w.out)-start))
}

// appendAlert encodes an alert_notification (SMPP 3.4 §4.12.1) and records it.
func (w *writer) appendAlert(dst []byte, seq uint32, d *delivery, n *number) []byte {
	c := w.c
	c.s.pending.Add(-1)
	p := &smpp.AlertNotification{Source: smpp.Address{Addr: d.from.String()}, ESME: smpp.Address{Addr: n.addr}}
	p.Source.TON, p.Source.NPI = unpackType(d.fromType)
	p.ESME.TON, p.ESME.NPI = unpackType(d.toType)
	p.Options = p.Options.Append(smpp.TagMsAvailabilityStatus, []byte{c.s.plan().alertStatus})
	w.block.operate(&operation{
		command: "alert_notification", seq: seq, id: d.id, idForm: c.idForm, source: typedAddress(d.fromType, d.from.String()),
		destination: typedAddress(d.toType, n.addr),
	})
	out, err := smpp.Encoding{Version: c.version, Loose: true}.Append(dst, smpp.StatusOK, seq, p)
	if err != nil {
		return dst // Can't be: every field is of the simulator's own making.
	}
	return out
}

// settled takes a receipt off what is owed for its number, where that is bounded.
func (s *server) settled(d *delivery) {
	if d.flags&(deliverText|deliverAlert) != 0 {
		return
	}
	if n := s.numbers.all()[d.number]; n.maxPending > 0 {
		n.pending.Add(-1)
	}
}

// statOf is what a receipt says: an intermediate one that the message is under way.
func statOf(d *delivery) Stat {
	if d.flags&deliverBefore != 0 {
		return StatEnroute
	}
	return d.stat
}
