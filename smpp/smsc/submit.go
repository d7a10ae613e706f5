package smsc

import (
	"encoding/binary"

	"fanline/smpp"
)

// TagKey is the vendor TLV in which Fanline's carrier profile `simulator` sends the key of a message as text.
const TagKey smpp.Tag = 0x1400

// takeSubmit decides a submit_sm: status, id, when it is answered, what its receipt will say.
func (c *conn) takeSubmit(h smpp.Header, b []byte) {
	if !readSubmit(b, &c.sm) {
		if _, err := smpp.DecodeInto(b, &c.sm); err != nil {
			c.rubbish(h, err)
			return
		}
	}
	c.decide(h.Sequence, false)
}

func (c *conn) takeData(h smpp.Header, b []byte) {
	if _, err := smpp.DecodeInto(b, &c.data); err != nil {
		c.rubbish(h, err)
		return
	}
	d := &c.data
	c.sm = smpp.SubmitSM{
		ServiceType: d.ServiceType, Source: d.Source, Destination: d.Destination, ESMClass: d.ESMClass,
		RegisteredDelivery: d.RegisteredDelivery, DataCoding: d.DataCoding, Options: d.Options,
	}
	c.decide(h.Sequence, true)
}

func (c *conn) decide(seq uint32, data bool) {
	if c.account == nil || c.kind == smpp.BindReceiverID {
		c.refuseState(seq, data)
		return
	}
	if c.fault() {
		return
	}
	r := &c.submit
	*r = submitRecord{data: data, seq: seq, esm: c.sm.ESMClass, dcs: c.sm.DataCoding, reg: c.sm.RegisteredDelivery, part: 1, parts: 1}
	from := c.sender()
	r.source = from.typed
	to := c.destination()
	status := c.content()
	behaviour := &c.s.plan().base
	if len(c.s.plan().rules) > 0 {
		addr := ""
		if from.number != nil {
			addr = from.number.addr
		}
		behaviour = c.s.plan().behaviourFor(canonicalPhone(c.sm.Destination.Addr), addr)
	}
	switch {
	case from.number == nil:
		status = smpp.StatusInvSrcAddr
	case to == 0:
		status = smpp.StatusInvDstAddr
	case status == smpp.StatusOK:
		status = c.admit(from.number, behaviour)
	}
	c.answer(behaviour, from, to, status)
}

// admit asks limits, the bound on what is owed, faults and the scenario, in this order.
func (c *conn) admit(n *number, b *behaviour) smpp.Status {
	if !n.limit.take(c.at.ns) {
		return smpp.StatusThrottled
	}
	if !c.account.limit.take(c.at.ns) {
		n.limit.giveBack()
		return smpp.StatusThrottled
	}
	if c.s.pending.Load()+int64(len(c.owed)) >= c.s.plan().maxPending {
		return smpp.StatusMsgQFull
	}
	if c.forced > 0 {
		c.forced--
		return c.forcedStatus
	}
	if len(b.statuses) > 0 {
		return b.status(uint32(c.random()))
	}
	return smpp.StatusOK
}

// answer records the submit and queues its answer and receipt.
func (c *conn) answer(b *behaviour, from *sender, to phone, status smpp.Status) {
	r := &c.submit
	r.status = status
	chance := c.random()
	due := c.at.ms
	if !b.latency.zero {
		due = uint32((uint64(c.at.ns/1000) + uint64(b.latency.draw(chance)) + 999) / 1000)
	}
	c.counts.count(status)
	if status == smpp.StatusOK {
		r.id = c.takeID()
		r.unanswered = c.silent > 0 || b.unanswered > 0 && chance>>32 < b.unanswered
		due = c.planReceipt(b, from, to, due)
		c.s.watch.saw(to, r, c.at.micros)
	}
	if c.silent > 0 {
		c.silent--
		r.unanswered = true
	}
	c.block.submit(r)
	if !r.unanswered {
		c.answers = append(c.answers, response{id: r.id, due: due, seq: r.seq, status: uint32(status), data: r.data})
	}
}

// earlyMs is how long an answer waits at least whose receipt is to come first.
const earlyMs = 3

// planReceipt decides what the receipt will say and when: not before the answer, which is due at answerMs, unless the
// scenario wants it early; then the answer waits. It returns when the answer is due.
func (c *conn) planReceipt(b *behaviour, from *sender, to phone, answerMs uint32) uint32 {
	r := &c.submit
	want := r.reg & 3
	if want == 0 {
		return answerMs
	}
	chance := c.random()
	stat := b.stat(uint32(chance))
	if want == 2 && stat == StatDelivered || want == 3 && stat != StatDelivered { // §5.2.17; 3 is SMPP 5.0's
		return answerMs
	}
	r.stat = stat
	r.delayMillis = (b.delay.draw(chance>>32) + 999) / 1000
	early := false
	if b.lost|b.duplicate|b.early != 0 {
		chance = c.random()
		r.lost = chance&0xffffffff < b.lost
		r.duplicate = !r.lost && chance>>32 < b.duplicate
		early = !r.lost && c.random()>>32 < b.early
	}
	flags := byte(0)
	if early {
		r.delayMillis, flags = 0, deliverEarly
		answerMs = max(answerMs, c.at.ms+earlyMs)
	} else {
		r.delayMillis = max(r.delayMillis, answerMs-c.at.ms)
	}
	if r.lost {
		return answerMs
	}
	d := delivery{
		id: r.id, from: to, due: c.at.ms + r.delayMillis, submitted: uint32(c.at.micros / 1_000_000),
		number: from.number.place, fromType: r.destType, toType: from.kind, stat: stat, flags: flags,
	}
	c.owed = append(c.owed, d)
	if r.duplicate {
		d.due += duplicateMs
		d.flags = 0
		c.owed = append(c.owed, d)
	}
	return answerMs
}

// duplicateMs is how long after the first a receipt comes again that the scenario has twice.
const duplicateMs = 50

// sender looks up the source address; the one before is nearly always the same.
func (c *conn) sender() *sender {
	key := senderKey{c.sm.Source.TON, c.sm.Source.NPI, c.sm.Source.Addr}
	if c.last != nil && key == c.lastKey {
		return c.last
	}
	s := c.senders[key]
	if s == nil {
		key.addr = string([]byte(key.addr)) // it pointed into the read buffer
		kind := packType(key.ton, key.npi)
		s = &sender{number: c.s.number(c.account, canonicalPhone(key.addr)), typed: typedAddress(kind, key.addr), kind: kind}
		if len(c.senders) < numbersMax {
			c.senders[key] = s
		}
		c.lastKey, c.last = key, s
		return s
	}
	key.addr = s.typed[1:]
	c.lastKey, c.last = key, s
	return s
}

// destination packs the address of the phone; 0 when it isn't one.
func (c *conn) destination() phone {
	r := &c.submit
	addr := c.sm.Destination.Addr
	r.destType = packType(c.sm.Destination.TON, c.sm.Destination.NPI)
	r.dest = []byte(nil)
	if p := parsePhone(octets(addr)); p != 0 {
		r.destPhone = p
		r.dest = octets(addr)
		return p
	}
	r.dest = octets(addr)
	return parsePhone(octets(canonicalPhone(addr)))
}

// content takes text, parts and key out of the submit.
func (c *conn) content() smpp.Status {
	r := &c.submit
	r.text = c.sm.ShortMessage
	if len(c.sm.Options) > 0 {
		c.options()
	}
	if r.esm&smpp.ESMUDHI != 0 {
		if len(r.text) == 0 || 1+int(r.text[0]) > len(r.text) {
			return smpp.StatusInvESMClass
		}
		n := 1 + int(r.text[0])
		r.udh, r.text = r.text[:n:n], r.text[n:]
		if ref, part, parts, ok := concatUDH(r.udh); ok {
			r.ref, r.part, r.parts, r.sar = ref, part, parts, false
		}
	}
	return smpp.StatusOK
}

// options looks at the TLVs once. All of them are logged, unless there is nothing but the key.
func (c *conn) options() {
	r := &c.submit
	o := c.sm.Options
	if key, n := firstTLV(o); n == len(o) && smpp.Tag(binary.BigEndian.Uint16(o)) == TagKey {
		c.key(key)
		return
	}
	r.tlvs = o
	if key, ok := o.Get(TagKey); ok {
		c.key(key)
	}
	if payload, ok := o.Get(smpp.TagMessagePayload); ok && len(r.text) == 0 {
		r.text = payload
	}
	ref, ok1 := o.Uint(smpp.TagSarMsgRefNum)
	parts, ok2 := o.Uint(smpp.TagSarTotalSegments)
	part, ok3 := o.Uint(smpp.TagSarSegmentSeqnum)
	if ok1 && ok2 && ok3 && part >= 1 && part <= parts && parts <= 255 {
		r.ref, r.part, r.parts, r.sar = uint16(ref), byte(part), byte(parts), true
	}
}

// firstTLV gives the value of the first TLV and its whole length; o holds whole TLVs only.
func firstTLV(o smpp.Options) (value []byte, n int) {
	n = 4 + int(binary.BigEndian.Uint16(o[2:]))
	return o[4:n:n], n
}

func (c *conn) key(b []byte) {
	r := &c.submit
	if len(b) > 0 && b[len(b)-1] == 0 { // a C-octet string counts as well
		b = b[:len(b)-1]
	}
	r.key = b
	r.keyKind = KeyOther
	if broadcast, member, ok := parseBroadcastKey(b); ok {
		r.keyKind, r.broadcast, r.member = KeyBroadcast, broadcast, member
	} else if len(b) == 0 {
		r.keyKind = KeyNone
	} else if isULID(b) {
		r.keyKind = KeyULID
	}
}

// refuseState answers a submit of a connection that may not send.
func (c *conn) refuseState(seq uint32, data bool) {
	c.block.event(CommandProtocolError, true, smpp.StatusInvBindStatus, seq, "", "submit on a connection that may not send")
	c.s.stats.protocolErrors.Add(1)
	if data {
		c.reply(smpp.StatusInvBindStatus, seq, &smpp.DataSMResp{})
		return
	}
	c.reply(smpp.StatusInvBindStatus, seq, &smpp.SubmitSMResp{})
}

// counts are the statuses of one read, added to the server's at its end.
type counts struct{ accepted, throttled, refused int64 }

func (n *counts) count(status smpp.Status) {
	switch status {
	case smpp.StatusOK:
		n.accepted++
	case smpp.StatusThrottled:
		n.throttled++
	default:
		n.refused++
	}
}

func (n *counts) sum() int64 { return n.accepted + n.throttled + n.refused }

func (s *stats) add(n *counts) {
	if *n == (counts{}) {
		return
	}
	s.submits.Add(n.sum())
	s.accepted.Add(n.accepted)
	s.throttled.Add(n.throttled)
	s.refused.Add(n.refused)
	*n = counts{}
}
