package smsc

import (
	"net"
	"time"
	"unsafe"

	"fanline/smpp"
)

const (
	// flushGap is the time between two writes of a connection that is busy: below it the system calls cost more than
	// the messages. flushGapBusy holds where a write carries flushMany PDUs or more anyway.
	flushGap     = time.Millisecond
	flushGapBusy = 2 * time.Millisecond
	flushMany    = 48
	// housekeeping is how often an idle connection looks at what is overdue.
	housekeeping = time.Second
)

// writer is what the writing goroutine of a connection keeps.
type writer struct {
	c        *conn
	out      []byte
	block    block
	batch    []sending
	answers  []response
	at       moment
	checked  time.Time // when overdue deliveries and silence were looked at
	enquired int64     // ms of the last enquire_link that nothing has followed yet; 0: none
	misses   int
	receipt  receiptWriter
}

// sending is a delivery with the number it goes out under.
type sending struct {
	seq uint32
	d   delivery
}

// write says what is due until done closes.
func (c *conn) write(done <-chan struct{}) {
	w := &writer{c: c, checked: time.Now()}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return
		case <-c.box.wake:
		case <-timer.C:
		}
		wait, more, ok := w.flush()
		if !ok {
			c.nc.Close() // the reader notices
			return
		}
		if more {
			wait = 0
		}
		timer.Reset(wait)
	}
}

// flush writes all that is due and says when to come again.
func (w *writer) flush() (wait time.Duration, more, ok bool) {
	w.at = w.c.s.now()
	w.out, w.batch, w.answers = w.out[:0], w.batch[:0], w.answers[:0]
	bye, wait, more := w.collect()
	if len(w.batch) > 0 && !w.encodeDeliveries() {
		return 0, false, false
	}
	cut := 0
	for i := range w.answers {
		cut = len(w.out)
		w.answer(&w.answers[i])
	}
	if len(w.answers) > 0 && w.c.cut.Load() {
		w.out = w.out[:cut+(len(w.out)-cut)/2]
		w.send()
		reset(w.c.nc)
		return 0, false, false
	}
	w.out = append(w.out, bye...)
	if !w.send() {
		return 0, false, false
	}
	if bye != nil {
		w.bye()
	}
	return wait, more, true
}

// bye half-closes after the farewell to a client that goes; one that is asked to go may still answer.
func (w *writer) bye() {
	close(w.c.box.said)
	if tcp, ok := w.c.nc.(*net.TCPConn); ok && w.c.box.hangUp {
		tcp.CloseWrite()
	}
}

func (w *writer) send() bool {
	if len(w.out) == 0 {
		return true
	}
	w.c.nc.SetWriteDeadline(time.Now().Add(writeWithin))
	_, err := w.c.nc.Write(w.out)
	return err == nil
}

// collect takes under the lock what is due, and finds the time of the next flush.
func (w *writer) collect() (bye []byte, wait time.Duration, more bool) {
	b := &w.c.box
	b.mu.Lock()
	defer b.mu.Unlock()
	w.out = append(w.out, b.control...)
	b.control = b.control[:0]
	b.answers.turn(w.at.ms, func(r response) { b.ready.push(&b.answers.chunks, r) })
	wasFull := b.answers.n+b.ready.n >= answersMax
	for len(w.answers) < flushAnswers {
		r, ok := b.ready.pop(&b.answers.chunks)
		if !ok {
			break
		}
		w.answers = append(w.answers, r)
	}
	if wasFull && b.answers.n+b.ready.n < answersMax {
		wakeUp(b.space)
	}
	if b.receiving && !b.draining {
		w.collectDeliveries(b)
	}
	more = b.ready.n > 0
	if b.draining && b.farewell != nil && !more && b.answers.n == 0 {
		bye, b.farewell = b.farewell, nil
	}
	w.housekeep(b)
	wait = w.nextFlush(b)
	b.comes = w.at.ms + uint32(wait/time.Millisecond)
	return bye, wait, more
}

func (w *writer) collectDeliveries(b *outbox) {
	b.receipts.turn(w.at.ms, b.line)
	for b.unacked < b.windowMax {
		d, ok := b.nextInLine()
		if !ok {
			return
		}
		w.batch = append(w.batch, sending{b.place(d, w.at.ms), d})
	}
}

// nextFlush is when something may be due next; idle connections sleep until woken.
func (w *writer) nextFlush(b *outbox) time.Duration {
	gap := flushGap
	if len(w.answers)+len(w.batch) >= flushMany {
		gap = flushGapBusy
	}
	if b.answers.n > 0 {
		return max(gap, time.Duration(b.answers.ahead())*time.Millisecond)
	}
	if b.receiving && !b.draining && b.receipts.n > 0 {
		return max(gap, time.Duration(b.receipts.ahead())*receiptSlotMs*time.Millisecond)
	}
	return housekeeping
}

// housekeep once a second sends again what nobody answered, and asks a silent client whether it lives.
func (w *writer) housekeep(b *outbox) {
	now := time.Now()
	if now.Sub(w.checked) < housekeeping {
		return
	}
	w.checked = now
	if b.receiving && !b.draining {
		b.overdue(w.at.ms, uint32(w.c.s.plan.resend/time.Millisecond))
	}
	silent := int64(w.at.ms) - w.c.heard.Load()
	limit := w.c.s.plan.enquire.Milliseconds()
	switch {
	case silent < limit:
		w.misses = 0
	case silent >= limit*int64(w.misses+1) && w.misses < 2:
		w.misses++
		w.out, _ = smpp.Append(w.out, smpp.StatusOK, enquireSequence, &smpp.EnquireLink{})
	case silent >= limit*3:
		w.c.nc.Close() // asked twice in vain
	}
}

// enquireSequence numbers the simulator's own enquire_link, apart from its deliver_sm.
const enquireSequence = smpp.MaxSequence - 1

// encodeDeliveries writes the log, then the PDUs of a batch.
func (w *writer) encodeDeliveries() bool {
	c := w.c
	numbers := c.s.numbers.all()
	w.block.reset(c.id, c.account.config.SystemID, w.at.micros)
	w.receipt.begin(c.s.plan, w.at.micros)
	for i := range w.batch {
		s := &w.batch[i]
		again := s.d.flags&deliverAgain != 0
		if s.d.flags&deliverText != 0 {
			w.out = c.s.appendText(w.out, &w.block, s.seq, s.d, again, w.at.micros)
			continue
		}
		n := numbers[s.d.number]
		w.block.receipt(s.seq, s.d.id, n.typed, s.d.from, s.d.fromType, s.d.stat, again)
		w.out = w.receipt.append(w.out, s.seq, &s.d, n)
	}
	c.s.stats.receipts.Add(int64(len(w.batch)))
	if err := c.s.log.write(&w.block); err != nil {
		c.s.fail(err)
		return false
	}
	return true
}

func (w *writer) answer(r *response) {
	var id [40]byte
	text := id[:0]
	if r.id != 0 {
		text = w.c.s.plan.form.Append(text, r.id)
	}
	var err error
	if r.data {
		w.out, err = smpp.Append(w.out, smpp.Status(r.status), r.seq, &smpp.DataSMResp{MessageID: string(text)})
	} else if r.id == 0 {
		w.out = appendHeader(w.out, smpp.HeaderLen, smpp.SubmitSMRespID, smpp.Status(r.status), r.seq) // §4.4.2: no body
	} else {
		resp := smpp.SubmitSMResp{MessageID: unsafe.String(unsafe.SliceData(text), len(text))}
		w.out, err = smpp.Append(w.out, smpp.Status(r.status), r.seq, &resp)
	}
	if err != nil {
		w.c.s.logger.Error("simulator can't encode an answer", "error", err)
	}
}

// appendHeader writes the header of a PDU that has no body.
func appendHeader(dst []byte, length int, id smpp.CommandID, status smpp.Status, seq uint32) []byte {
	for _, v := range [...]uint32{uint32(length), uint32(id), uint32(status), seq} {
		dst = append(dst, byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
	}
	return dst
}

// receiptWriter makes deliver_sm with receipts.
type receiptWriter struct {
	plan      *plan
	done      [10]byte // YYMMDDhhmm of now
	doneMin   int64
	submit    [10]byte
	submitMin int64
	sm        smpp.DeliverSM
	text      []byte
	tlvs      smpp.Options
	from      []byte
}

func (r *receiptWriter) begin(p *plan, micros int64) {
	r.plan = p
	if m := micros / 60_000_000; m != r.doneMin {
		r.doneMin = m
		formatMinute(&r.done, m)
	}
}

func formatMinute(dst *[10]byte, minute int64) {
	copy(dst[:], time.Unix(minute*60, 0).UTC().AppendFormat(nil, "0601021504"))
}

// append writes the receipt of SMPP 3.4 appendix B with receipted_message_id and message_state (§5.3.2.12, §5.3.2.35).
func (r *receiptWriter) append(dst []byte, seq uint32, d *delivery, n *number) []byte {
	if m := int64(d.submitted) / 60; m != r.submitMin {
		r.submitMin = m
		formatMinute(&r.submit, m)
	}
	row := &statTable[d.stat]
	t := append(r.text[:0], "id:"...)
	t = r.plan.receipt.Append(t, d.id)
	idEnd := len(t)
	delivered := " sub:001 dlvrd:000 submit date:"
	if d.stat == StatDelivered {
		delivered = " sub:001 dlvrd:001 submit date:"
	}
	t = append(t, delivered...)
	t = append(t, r.submit[:]...)
	t = append(t, " done date:"...)
	t = append(t, r.done[:]...)
	t = append(t, " stat:"...)
	t = append(t, row.name...)
	t = append(t, " err:"...)
	t = append(t, row.err...)
	t = append(t, " text:"...)
	r.text = t
	r.from = d.from.append(r.from[:0])

	sm := &r.sm
	sm.Source.TON, sm.Source.NPI = unpackType(d.fromType)
	sm.Source.Addr = unsafe.String(unsafe.SliceData(r.from), len(r.from))
	sm.Destination.TON, sm.Destination.NPI = unpackType(d.toType)
	sm.Destination.Addr = n.addr
	sm.ESMClass = smpp.ESMReceipt
	sm.ShortMessage = t
	if r.plan.tlvs {
		o := append(r.tlvs[:0], byte(smpp.TagReceiptedMessageID>>8), byte(smpp.TagReceiptedMessageID), 0, byte(idEnd-3+1))
		o = append(o, t[3:idEnd]...)
		o = append(o, 0)
		o = append(o, byte(smpp.TagMessageState>>8), byte(smpp.TagMessageState&0xff), 0, 1, row.state)
		r.tlvs, sm.Options = o, o
	}
	out, err := smpp.Append(dst, smpp.StatusOK, seq, sm)
	if err != nil {
		return dst // Can't be: every field is of the simulator's own making; a test encodes them all.
	}
	return out
}
