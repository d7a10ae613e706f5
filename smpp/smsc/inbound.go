package smsc

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"fanline/smpp"
)

// inbound is a text from a phone on its way to a number.
type inbound struct {
	id      uint64
	account *account
	number  *number
	phone   string // as it is written on the wire
	kind    byte   // packed TON and NPI of that
	dcs     byte
	esm     byte
	form    TextForm
	ref     uint16 // of the parts
	again   bool   // a duplicate of the one before
	spread  bool   // each part on another bind
	tlvs    smpp.Options
	parts   []inboundPart
	order   []int // of parts that are due at the same time; nil: as they are
	left    int   // parts not answered yet

	sent, acked int64 // microseconds: first part first sent, last part answered
	status      smpp.Status
	done        chan struct{} // closed when all parts are answered; nil: nobody waits
}

type inboundPart struct {
	udh, octets []byte
	delayMs     uint32 // from when it was taken in
	done        bool   // or it never comes
}

// textTable holds the texts that were not all answered yet.
type textTable struct {
	mu   sync.Mutex
	byID map[uint64]*inbound
}

func (t *textTable) put(texts []*inbound) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[uint64]*inbound{}
	}
	for _, x := range texts {
		t.byID[x.id] = x
	}
}

// owed is how many texts are on their way.
func (t *textTable) owed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.byID)
}

// full says that no more are taken.
func (t *textTable) full() bool { return t.owed() >= textsMax }

// textsMax bounds the texts owed at once.
const textsMax = 1 << 20

var (
	errNoNumber = errors.New("no account has this number")
	errPhone    = errors.New("not a phone: want 1 to 16 digits, with or without a plus")
	errFull     = errors.New("too many texts are owed already")
)

// inject takes a text from a phone, writes it to the log, and hands it to a bind that receives for the number, now or
// when there is one.
func (s *server) inject(q *TextRequest) (*inbound, error) {
	phone := canonicalPhone(q.From)
	if parsePhone([]byte(phone)) == 0 {
		return nil, fmt.Errorf("from %w", errPhone)
	}
	n := s.findNumber(canonicalPhone(q.To))
	if n == nil {
		return nil, fmt.Errorf("to %s: %w", q.To, errNoNumber)
	}
	m, err := q.compile()
	if err != nil {
		return nil, err
	}
	var raw []byte
	if q.Octets != "" {
		if raw, err = hex.DecodeString(q.Octets); err != nil || q.Text != "" {
			return nil, errors.New("octets_hex: want octets in hex, and no text beside them")
		}
	}
	x, err := s.newInbound(n, phone, q.Text, raw, &m)
	if err != nil {
		return nil, err
	}
	x.done = make(chan struct{})
	chance := rng{mix64(s.plan().seed ^ x.id)}
	batch := []*inbound{x}
	if twin := s.arrange(x, &m, &chance, 0); twin != nil {
		batch = append(batch, twin)
	}
	if s.texts.full() {
		return nil, errFull
	}
	s.watch.add(phone)
	return x, s.takeIn(batch, nil)
}

// newInbound encodes a text.
func (s *server) newInbound(n *number, phone, body string, raw []byte, m *manner) (*inbound, error) {
	x := &inbound{id: s.nextID.Add(1), account: n.account, number: n}
	x.kind, x.phone = m.written(phone)
	return x, x.encode(body, raw, m)
}

// arrange says when each part comes, so long from now and in what order, whether one gets lost, and makes the second of
// a text that comes twice.
func (s *server) arrange(x *inbound, m *manner, chance *rng, fromMs uint32) (twin *inbound) {
	if len(x.parts) > 1 && m.order != orderAscending {
		x.order = make([]int, len(x.parts))
		for i := range x.order {
			x.order[i] = len(x.order) - 1 - i
			if m.order == orderRandom {
				j := chance.below(uint64(i + 1))
				x.order[i] = x.order[j]
				x.order[j] = i
			}
		}
	}
	for turn := range x.parts {
		x.parts[x.inTurn(turn)].delayMs = fromMs + uint32(turn)*m.gapMs
	}
	if len(x.parts) > 1 && chance.hits(m.lose) {
		x.parts[chance.below(uint64(len(x.parts)))].done = true
		x.left--
	}
	if !chance.hits(m.duplicate) {
		return nil
	}
	twin = new(inbound)
	*twin = *x
	twin.id, twin.again, twin.parts, twin.done = s.nextID.Add(1), true, slices.Clone(x.parts), nil
	for i := range twin.parts {
		twin.parts[i].delayMs += m.afterMs
	}
	return twin
}

// inTurn is the part that goes at a turn.
func (x *inbound) inTurn(turn int) int {
	if x.order == nil {
		return turn
	}
	return x.order[turn]
}

// takeIn writes texts to the log, with a note behind them, and then owes them.
func (s *server) takeIn(batch []*inbound, note func(*block)) error {
	at := s.now()
	var b block
	var of *account
	for _, x := range batch {
		if x.account != of {
			if err := s.log.write(&b); err != nil {
				s.fail(err)
				return err
			}
			of = x.account
			b.reset(0, of.config.SystemID, at.micros)
		}
		b.queued(x)
	}
	if note != nil {
		note(&b)
	}
	err := s.log.write(&b)
	if err == nil {
		err = s.log.flush()
	}
	if err != nil {
		s.fail(err)
		return err
	}
	s.stats.texts.Add(int64(len(batch)))
	s.owe(batch, at.ms)
	return nil
}

// queued records a text that was taken in, a record for each part that will come.
func (b *block) queued(x *inbound) {
	for i := range x.parts {
		if !x.parts[i].done {
			b.text(recQueued, x.record(i, 0, false))
		}
	}
}

// oweMany is how many deliveries go to one bind before it is the next one's turn.
const oweMany = 64

// owe hands over the parts that were not answered yet, each when its time comes.
func (s *server) owe(texts []*inbound, nowMs uint32) {
	s.texts.put(texts)
	var batch []delivery
	of := texts[0].account
	flush := func() {
		s.pending.Add(int64(len(batch)))
		of.deliver(batch, nowMs)
		batch = batch[:0]
	}
	for _, x := range texts {
		if x.account != of {
			flush()
			of = x.account
		}
		for turn := range x.parts {
			i := x.inTurn(turn)
			if x.parts[i].done {
				continue
			}
			batch = append(batch, delivery{id: x.id, due: nowMs + x.parts[i].delayMs, number: uint16(i), flags: deliverText})
			if x.spread || len(batch) >= oweMany {
				flush()
			}
		}
	}
	flush()
}

// findNumber finds whose number it is: the account that lists it, or else the first by name that may use any and be
// sent texts; nil when there is none.
func (s *server) findNumber(addr string) *number {
	var last *number
	for _, n := range s.numbers.all() {
		if n.addr == addr && n.account.mayReceive() {
			return n
		}
		if n.addr == addr {
			last = n
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.accounts)) {
		a := s.accounts[name]
		if a.any != nil && a.mayReceive() {
			return s.number(a, addr)
		}
	}
	return last
}

// mayReceive says whether a bind of the account could be sent deliver_sm.
func (a *account) mayReceive() bool {
	return slices.Contains(a.kinds, smpp.BindReceiverID) || slices.Contains(a.kinds, smpp.BindTransceiverID)
}

// record is a part as the log keeps it.
func (x *inbound) record(part int, seq uint32, again bool) *textRecord {
	return &textRecord{
		id: x.id, seq: seq, phone: typedAddress(x.kind, x.phone), number: x.number.typed, esm: x.esm, dcs: x.dcs,
		udh: x.parts[part].udh, octets: x.parts[part].octets, parts: byte(len(x.parts)), part: byte(part + 1), again: again,
		form: x.form, ref: x.ref, twin: x.again, delayMs: x.parts[part].delayMs, tlvs: x.tlvs,
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
	b.text(recReply, x.record(int(d.number), seq, again))
	out, err := smpp.Append(dst, smpp.StatusOK, seq, x.pdu(int(d.number)))
	if err != nil {
		s.logger.Error("simulator can't encode a text", "error", err)
		return dst
	}
	return out
}

// pdu is a part as it goes out.
func (x *inbound) pdu(part int) *smpp.DeliverSM {
	sm := &smpp.DeliverSM{Destination: x.number.address(), ESMClass: x.esm, DataCoding: x.dcs, Options: x.options(part)}
	sm.Source.TON, sm.Source.NPI = unpackType(x.kind)
	sm.Source.Addr = x.phone
	if p := &x.parts[part]; x.form != formPayload {
		sm.ShortMessage = slices.Concat(p.udh, p.octets)
	}
	return sm
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
		if x.done != nil {
			close(x.done)
		}
	}
}
