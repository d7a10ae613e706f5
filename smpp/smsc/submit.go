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
			c.unreadable(h, err)
			return
		}
	}
	c.decide(h.Sequence, kindSubmit)
}

func (c *conn) takeData(h smpp.Header, b []byte) {
	if _, err := smpp.DecodeInto(b, &c.data); err != nil {
		c.unreadable(h, err)
		return
	}
	d := &c.data
	c.sm = smpp.SubmitSM{
		ServiceType: d.ServiceType, Source: d.Source, Destination: d.Destination, ESMClass: d.ESMClass,
		RegisteredDelivery: d.RegisteredDelivery, DataCoding: d.DataCoding, Options: d.Options,
	}
	c.decide(h.Sequence, kindData)
}

// maySubmit says whether the connection is bound to send.
func (c *conn) maySubmit() bool { return c.account != nil && c.kind != smpp.BindReceiverID }

func (c *conn) decide(seq uint32, kind byte) {
	if !c.maySubmit() {
		c.refuseState(seq, kind)
		return
	}
	if c.fault() {
		return
	}
	from, to, b := c.judge(seq, kind)
	c.answer(b, from, to)
}

// judge fills the record of the submit in c.sm, its status included.
func (c *conn) judge(seq uint32, kind byte) (from *sender, to phone, b *behaviour) {
	r := &c.submit
	*r = submitRecord{} // cleared, then filled: a literal would be made elsewhere and copied
	r.data, r.seq, r.part, r.parts = kind == kindData, seq, 1, 1
	r.esm, r.dcs, r.reg = c.sm.ESMClass, c.sm.DataCoding, c.sm.RegisteredDelivery
	r.service, r.protocol, r.priority, r.replace = c.sm.ServiceType, c.sm.ProtocolID, c.sm.PriorityFlag, c.sm.ReplaceIfPresent != 0
	r.idForm, r.otherForm = c.idForm, c.idForm != c.s.log.form
	from = c.sender()
	r.source = from.typed
	to = c.destination()
	status := c.content()
	c.sendAt, c.expires = 0, 0
	if c.sm.ValidityPeriod != "" || c.sm.ScheduleDeliveryTime != "" {
		if times := c.times(); status == smpp.StatusOK {
			status = times
		}
	}
	p := c.plan
	rules := p.of(c.account.config.SystemID)
	b = &rules.base
	if len(rules.rules) > 0 {
		addr := ""
		if from.number != nil {
			addr = from.number.addr
		}
		b = rules.behaviourFor(canonicalPhone(c.sm.Destination.Addr), addr)
	}
	switch {
	case from.number == nil:
		status = smpp.StatusInvSrcAddr
	case to == 0:
		status = smpp.StatusInvDstAddr
	}
	if r.cause = CauseContent; status == smpp.StatusOK {
		status, r.cause = c.admit(p, from.number, b)
	}
	if r.status = status; status == smpp.StatusOK {
		r.cause = CauseNone
	}
	return from, to, b
}

// admit asks window, limits, the bounds on what is owed, faults and the scenario, in this order.
func (c *conn) admit(p *plan, n *number, b *behaviour) (smpp.Status, Cause) {
	if w := c.account.config.Window; w > 0 && c.outstanding >= w {
		return c.account.windowStatus, CauseWindow
	}
	if !n.limit.take(c.at) {
		c.excess = true
		return smpp.StatusThrottled, CauseLimit
	}
	if !c.account.limit.take(c.at) {
		n.limit.giveBack()
		c.excess = true
		return smpp.StatusThrottled, CauseLimit
	}
	if c.s.pending.Load()+int64(len(c.owed)) >= p.maxPending || n.maxPending > 0 && n.pending.Load() >= n.maxPending {
		return smpp.StatusMsgQFull, CauseQueue
	}
	if c.forced > 0 {
		c.forced--
		if c.forcedNack {
			c.submit.shape = shapeNack
		}
		return c.forcedStatus, CauseFault
	}
	if len(b.errors) > 0 {
		if status := b.scheduled(p, c.at, c.random); status != smpp.StatusOK {
			return status, CauseSchedule
		}
	}
	if len(b.statuses) > 0 {
		return b.status(uint32(c.random())), CauseShare
	}
	return smpp.StatusOK, CauseNone
}

// answer records the submit and queues its answer and receipt.
func (c *conn) answer(b *behaviour, from *sender, to phone) {
	due, chance := c.due(b)
	c.tlvSet = 0
	due = c.accept(b, from, to, due, chance)
	r := &c.submit
	c.counts.count(r.status)
	c.block.submit(r)
	if !r.unanswered {
		kind := kindSubmit
		if r.data {
			kind = kindData
		}
		c.outstanding++
		c.answers = append(c.answers, response{
			id: r.id, due: due, seq: r.seq, status: uint32(r.status), kind: kind, shape: r.shape &^ shapeLate, tlvs: c.tlvSet,
		})
	}
}

// due draws when the answer goes.
func (c *conn) due(b *behaviour) (due uint32, chance uint64) {
	chance = c.random()
	if b.latency.zero {
		return c.at.ms, chance
	}
	return uint32((uint64(c.at.ns/1000) + uint64(b.latency.draw(chance)) + 999) / 1000), chance
}

// accept gives an accepted submit its id and fate, and the answer its shape. It returns when the answer is due.
func (c *conn) accept(b *behaviour, from *sender, to phone, due uint32, chance uint64) uint32 {
	r := &c.submit
	if b.responses != nil {
		due = c.bend(b.responses, due)
	}
	if r.status == smpp.StatusOK {
		c.newID()
		r.unanswered = c.silent > 0 || b.unanswered > 0 && chance>>32 < b.unanswered
		due = c.planReceipt(b, from, to, due)
	}
	if r.status == smpp.StatusOK {
		if r.replace {
			c.replacePresent(from)
		}
		if c.s.presence.active.Load() {
			c.noteAccepted(from, to)
		}
		c.s.watch.saw(to, r, c.at.micros)
		if p := c.s.plan(); len(p.replies) > 0 {
			c.echo(p, from.number, to)
		}
	}
	if c.silent > 0 {
		c.silent--
		r.unanswered = true
	}
	return due
}

// bend gives the answer its shape where the scenario has odd ones, and returns when it is due.
func (c *conn) bend(x *responseShapes, due uint32) uint32 {
	r := &c.submit
	shape := x.draw(c.random())
	if r.status != smpp.StatusOK {
		shape &= shapeErrorBody | shapeTLVs | shapeLate
	}
	if shape&(shapeNack|shapeNackZero) != 0 {
		r.status, r.cause = x.nackStatus, CauseResponse
	}
	r.shape |= shape
	if shape&shapeTLVs != 0 {
		c.tlvSet = x.set
	}
	if shape&shapeLate != 0 {
		due += (x.lateBy.draw(c.random()) + 999) / 1000
	}
	return due
}

// newID gives an accepted submit its id, now and then that of the one before.
func (c *conn) newID() {
	r := &c.submit
	if c.multiID != 0 {
		r.id = c.multiID
		return
	}
	if repeat := c.plan.repeat; repeat > 0 && c.lastID != 0 && c.random()>>32 < repeat {
		r.id = c.lastID
		return
	}
	r.id = c.takeID()
	c.lastID = r.id
}

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
func (c *conn) refuseState(seq uint32, kind byte) {
	id := smpp.SubmitSMID
	switch kind {
	case kindData:
		id = smpp.DataSMID
	case kindMulti:
		id = smpp.SubmitMultiID
	}
	c.misplaced(smpp.Header{ID: id, Sequence: seq}, "submit on a connection that may not send")
}

// misplaced answers a request that the state of the bind doesn't allow.
func (c *conn) misplaced(h smpp.Header, note string) {
	c.block.event(CommandProtocolError, true, smpp.StatusInvBindStatus, h.Sequence, "", note)
	c.s.stats.protocolErrors.Add(1)
	c.refuse(h, smpp.StatusInvBindStatus)
}

// refuse answers a request with a status and nothing else; SMPP 3.4 leaves out the body of submit_sm_resp alone then
// (§4.4.2).
func (c *conn) refuse(h smpp.Header, status smpp.Status) {
	c.reply(status, h.Sequence, emptyResponse(h.ID))
}

// emptyResponse is what answers a request that is refused.
func emptyResponse(id smpp.CommandID) smpp.PDU {
	switch id {
	case smpp.SubmitSMID:
		return &smpp.SubmitSMResp{}
	case smpp.DataSMID:
		return &smpp.DataSMResp{}
	case smpp.SubmitMultiID:
		return &smpp.SubmitMultiResp{}
	case smpp.QuerySMID:
		return &smpp.QuerySMResp{}
	case smpp.CancelSMID:
		return &smpp.CancelSMResp{}
	case smpp.ReplaceSMID:
		return &smpp.ReplaceSMResp{}
	case smpp.BroadcastSMID:
		return &smpp.BroadcastSMResp{}
	case smpp.QueryBroadcastSMID:
		return &smpp.QueryBroadcastSMResp{}
	case smpp.CancelBroadcastSMID:
		return &smpp.CancelBroadcastSMResp{}
	case smpp.BindReceiverID, smpp.BindTransmitterID, smpp.BindTransceiverID:
		return &smpp.BindResp{Kind: id.Response()}
	}
	return &smpp.GenericNack{}
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
