package smsc

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"fanline/smpp"
	"fanline/smpp/text"
)

// inbound is a text from a phone on its way to a number.
type inbound struct {
	id      uint64
	account *account
	number  *number
	phone   string
	dcs     byte
	esm     byte
	parts   []inboundPart
	left    int // parts not answered yet

	sent, acked int64 // microseconds: first part first sent, last part answered
	status      smpp.Status
	done        chan struct{} // closed when all parts are answered
}

type inboundPart struct {
	udh, octets []byte
	done        bool
}

// textTable holds the texts that were not all answered yet.
type textTable struct {
	mu   sync.Mutex
	byID map[uint64]*inbound
}

func (t *textTable) put(x *inbound) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[uint64]*inbound{}
	}
	t.byID[x.id] = x
}

// textsMax bounds the texts owed at once.
const textsMax = 1 << 20

var (
	errNoNumber = errors.New("no account has this number")
	errPhone    = errors.New("not a phone: want 1 to 16 digits, with or without a plus")
	errFull     = errors.New("too many texts are owed already")
)

// inject takes a text from a phone, writes it to the log, and hands it to a bind that receives for the number, now or
// when there is one.
func (s *server) inject(from, to, body string) (*inbound, error) {
	phone := canonicalPhone(from)
	if parsePhone([]byte(phone)) == 0 {
		return nil, fmt.Errorf("from %w", errPhone)
	}
	n := s.findNumber(canonicalPhone(to))
	if n == nil {
		return nil, fmt.Errorf("to %s: %w", to, errNoNumber)
	}
	x := &inbound{id: s.nextID.Add(1), account: n.account, number: n, phone: phone, done: make(chan struct{})}
	if err := x.encode(body); err != nil {
		return nil, err
	}
	s.texts.mu.Lock()
	full := len(s.texts.byID) >= textsMax
	s.texts.mu.Unlock()
	if full {
		return nil, errFull
	}
	at := s.now()
	s.watch.add(phone)
	var b block
	b.reset(0, n.account.config.SystemID, at.micros)
	for i := range x.parts {
		b.text(recQueued, x.record(i, 0, false))
	}
	err := s.log.write(&b)
	if err == nil {
		err = s.log.flush()
	}
	if err != nil {
		s.fail(err)
		return nil, err
	}
	s.stats.texts.Add(1)
	s.owe(x, at.ms)
	return x, nil
}

// encode makes the parts; a text without any character is one empty part.
func (x *inbound) encode(body string) error {
	var m text.Message
	if err := m.Split(body, byte(x.id)); err != nil {
		return err
	}
	x.esm, x.dcs = m.ESMClass(), m.DataCoding()
	for _, p := range m.Parts {
		part := inboundPart{octets: slices.Clone(p.Data)}
		if x.esm&smpp.ESMUDHI != 0 {
			n := 1 + int(p.Data[0])
			part.udh, part.octets = part.octets[:n:n], part.octets[n:]
		}
		x.parts = append(x.parts, part)
	}
	if len(x.parts) == 0 {
		x.parts = []inboundPart{{}}
	}
	x.left = len(x.parts)
	return nil
}

// owe hands over the parts that were not answered yet.
func (s *server) owe(x *inbound, nowMs uint32) {
	s.texts.put(x)
	var batch []delivery
	for i := range x.parts {
		if !x.parts[i].done {
			batch = append(batch, delivery{id: x.id, due: nowMs, number: uint16(i), flags: deliverText})
		}
	}
	s.pending.Add(int64(len(batch)))
	x.account.deliver(batch, nowMs)
}

func (s *server) findNumber(addr string) *number {
	for _, n := range s.numbers.all() {
		if n.addr == addr {
			return n
		}
	}
	return nil
}

// record is a part as the log keeps it.
func (x *inbound) record(part int, seq uint32, again bool) *textRecord {
	return &textRecord{
		id: x.id, seq: seq, phone: typedAddress(typeE164, x.phone), number: x.number.typed, esm: x.esm, dcs: x.dcs,
		udh: x.parts[part].udh, octets: x.parts[part].octets, parts: byte(len(x.parts)), part: byte(part + 1), again: again,
	}
}

// appendText encodes a part and records it as about to be sent.
func (s *server) appendText(dst []byte, b *block, seq uint32, d delivery, again bool, micros int64) []byte {
	s.texts.mu.Lock()
	defer s.texts.mu.Unlock()
	x := s.texts.byID[d.id]
	if x == nil || int(d.number) >= len(x.parts) {
		return dst // answered on another bind meanwhile
	}
	if x.sent == 0 {
		x.sent = micros
	}
	p := &x.parts[d.number]
	b.text(recReply, x.record(int(d.number), seq, again))
	sm := &smpp.DeliverSM{
		Source:      smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: x.phone},
		Destination: x.number.address(),
		ESMClass:    x.esm, DataCoding: x.dcs, ShortMessage: append(slices.Clone(p.udh), p.octets...),
	}
	out, err := smpp.Append(dst, smpp.StatusOK, seq, sm)
	if err != nil {
		s.logger.Error("simulator can't encode a text", "error", err)
		return dst
	}
	return out
}

// ackedText is the answer to one part.
type ackedText struct {
	id     uint64
	part   uint16
	status smpp.Status
}

func (s *server) textAcked(a ackedText, micros int64) {
	s.texts.mu.Lock()
	defer s.texts.mu.Unlock()
	x := s.texts.byID[a.id]
	if x == nil || int(a.part) >= len(x.parts) || x.parts[a.part].done {
		return
	}
	x.parts[a.part].done = true
	x.left--
	if a.status != smpp.StatusOK {
		x.status = a.status
	}
	if x.left == 0 {
		x.acked = micros
		s.stats.textsAcked.Add(1)
		delete(s.texts.byID, a.id)
		close(x.done)
	}
}
