package carrier

import (
	"log/slog"
	"time"

	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/session"

	"github.com/cespare/xxhash/v2"
)

// Responder answers deliveries; *session.Session is one.
type Responder interface {
	RespondAll(responses []session.Response)
}

// Intake is where one session hands in what its carrier delivers. Deliveries
// is called by the session's own goroutine only.
type Intake struct {
	in      *Inbound
	carrier string
	profile *Current
	bind    uint32
	index   int // of the carrier
	to      Responder
	sorted  []sorted
	refused []session.Response
	warned  time.Time // when an address that is no phone was last spoken of
}

// sorted is what a delivery is and where it goes.
type sorted struct {
	number, phone message.Phone // of a text
	partition     int32
	receipt       bool
}

// Deliveries takes a batch in. Where as many deliveries wait for their answer
// as may, the rest is put off with ESME_RX_T_APPN: the carrier sends it again.
func (t *Intake) Deliveries(batch []session.Delivery) {
	t.sorted = t.sorted[:0]
	for i := range batch {
		t.sorted = append(t.sorted, t.sort(batch[i].PDU))
	}
	took := t.in.take(t, batch)
	if took == len(batch) {
		return
	}
	t.refused = t.refused[:0]
	for i := range batch[took:] {
		r := responseTo(&batch[took+i])
		r.Status = smpp.StatusTemporaryError
		t.refused = append(t.refused, r)
	}
	t.to.RespondAll(t.refused)
}

// sort looks at as much of a PDU as says what it is.
func (t *Intake) sort(pdu []byte) (s sorted) {
	e, ok := peek(pdu)
	if !ok {
		s.partition = t.partition(alias(pdu))
		return s
	}
	p := t.profile.Get()
	receipt := e.esmClass&smpp.ESMReceiptMask != 0
	if !receipt {
		_, _, _, receipt = p.parse(pdu) // By its TLV, or by its text where the profile says so, or not at all.
	}
	if !receipt {
		s.number, s.phone = p.sender(e.destinationTON, e.destination), p.phone(e.sourceTON, e.source)
		if s.partition = s.phone.Partition(t.in.cfg.Partitions); s.phone == 0 {
			s.partition = t.partition(e.source)
			t.noPhone(e)
		}
		return s
	}
	s.receipt = true
	phone := p.phone(e.sourceTON, e.source)
	switch p.member {
	case memberIsDestination:
		phone = p.phone(e.destinationTON, e.destination)
	case memberIsNone:
		phone = 0
	}
	if s.partition = phone.Partition(t.in.cfg.Partitions); phone == 0 {
		r, _, _, _ := p.parse(pdu)
		s.partition = t.partition(alias(p.CanonicalID(p.receiptID(octets(r.ID)))))
	}
	return s
}

// partition is that of something without a phone: by carrier and what it has
// instead.
func (t *Intake) partition(instead string) int32 {
	var h xxhash.Digest
	h.Reset()
	_, _ = h.WriteString(t.carrier) // It cannot fail.
	_, _ = h.WriteString(instead)
	return int32(h.Sum64() % message.Slots % uint64(t.in.cfg.Partitions))
}

// noPhone says, once a minute, that texts come from senders whom nobody can
// answer. They are kept all the same.
func (t *Intake) noPhone(e envelope) {
	if now := time.Now(); now.Sub(t.warned) >= time.Minute {
		t.warned = now
		t.in.cfg.Logger.Warn("a text came from an address that is no phone number", slog.String("carrier", t.carrier),
			slog.Int("source_addr_ton", int(e.sourceTON)), slog.Int("octets", len(e.source)))
	}
}
