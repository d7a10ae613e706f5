package smsc

import (
	"encoding/binary"
	"time"

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
	early    bool // some of the batch go before the answers
	bound    bool // what the reader wrote down at the bind may be read
	answers  []response
	at       moment
	checked  time.Time // when overdue deliveries and silence were looked at
	heard    int64     // ms of the last read when that was looked at
	misses   int       // enquire_link sent since
	receipt  receiptWriter
	ids      idWriter
	done     <-chan struct{} // closed when the connection is at its end
	timed    timedFaults
	emitted  func([]delivery) // emit and emitAnswers as values, made once
	answered func([]response)
}

// sending is a delivery with the number it goes out under.
type sending struct {
	seq uint32
	d   delivery
}

// write says what is due until done closes.
func (c *conn) write(done <-chan struct{}) {
	w := &writer{c: c, checked: time.Now(), done: done}
	w.emitted, w.answered = w.emit, w.emitAnswers
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
			_ = c.nc.Close() // the reader notices
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
	w.out, w.batch, w.answers, w.early = w.out[:0], w.batch[:0], w.answers[:0], false
	if until := w.c.deaf.Load(); until != 0 {
		return w.deaf(until)
	}
	bye, wait, more := w.collect()
	if w.bound {
		if wait, ok = w.faults(wait); !ok {
			return 0, false, false
		}
		w.ids.form = w.c.idForm
	}
	if !w.encodeDeliveries(true) {
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
		w.c.cutOff.Add(1)
		reset(w.c.nc)
		return 0, false, false
	}
	if !w.encodeDeliveries(false) {
		return 0, false, false
	}
	w.out = append(w.out, bye...)
	if !w.send() {
		w.c.cutOff.Add(int64(len(w.answers)))
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
	if w.c.box.hangUp {
		closeWrite(w.c.nc)
	}
}

func (w *writer) send() bool {
	if len(w.out) == 0 {
		return true
	}
	if err := w.c.s.log.flush(); err != nil {
		w.c.s.fail(err)
		return false
	}
	if p := w.c.pieces.Load(); p != nil {
		return w.writePieces(p, w.out) == nil
	}
	_ = w.c.nc.SetWriteDeadline(time.Now().Add(writeWithin))
	_, err := w.c.nc.Write(w.out)
	return err == nil
}

// deaf is the round of a writer whose connection is half open: it says nothing until the fault is over, which ends the
// connection as the crash of a host would.
func (w *writer) deaf(until int64) (wait time.Duration, more, ok bool) {
	left := time.Duration(until - w.at.ns)
	if left <= 0 {
		reset(w.c.nc)
		return 0, false, false
	}
	return min(left, housekeeping), false, true
}

// collect takes under the lock what is due, and finds the time of the next flush.
func (w *writer) collect() (bye []byte, wait time.Duration, more bool) {
	b := &w.c.box
	b.mu.Lock()
	defer b.mu.Unlock()
	w.out = append(w.out, b.control...)
	b.control = b.control[:0]
	w.bound = b.bound
	wasFull := b.answers.n+b.ready.n >= answersMax
	for len(w.answers) < flushAnswers {
		r, ok := b.ready.pop(&b.free)
		if !ok {
			break
		}
		w.answers = append(w.answers, r)
	}
	b.answers.turn(w.at.ms, w.answered)
	if wasFull && b.answers.n+b.ready.n < answersMax {
		wakeUp(b.space)
	}
	more = b.ready.n > 0
	if b.receiving && !b.draining && !more { // a receipt doesn't overtake its answer
		w.collectDeliveries(b)
	}
	if b.draining && b.farewell != nil && !more && b.answers.n == 0 {
		bye, b.farewell = b.farewell, nil
	}
	w.housekeep(b)
	wait = w.nextFlush(b)
	b.comes = w.at.ms + uint32(wait/time.Millisecond)
	return bye, wait, more
}

func (w *writer) collectDeliveries(b *outbox) {
	b.receipts.turn(w.at.ms, w.emitted)
	for b.unacked < b.windowMax {
		d, ok := b.nextInLine()
		if !ok {
			return
		}
		w.deliver(d)
	}
}

func (w *writer) deliver(d delivery) {
	switch {
	case d.flags&deliverDead != 0:
		w.c.s.pending.Add(-1)
		w.c.s.settled(&d)
		return
	case d.flags&deliverAlert != 0: // nobody answers it
		w.batch = append(w.batch, sending{w.c.box.nextSequence(), d})
		return
	}
	w.early = w.early || d.flags&deliverEarly != 0
	w.batch = append(w.batch, sending{w.c.box.place(d, w.at.ms), d})
}

// emit takes deliveries that are due: into the batch while the window has room and nothing stands in line before them.
func (w *writer) emit(due []delivery) {
	b := &w.c.box
	for i := range due {
		if b.unacked < b.windowMax && b.due.n == 0 && b.texts.n == 0 {
			w.deliver(due[i])
		} else {
			b.line(due[i])
		}
	}
}

func (w *writer) emitAnswers(due []response) {
	room := max(0, min(flushAnswers-len(w.answers), len(due)))
	w.answers = append(w.answers, due[:room]...)
	for _, r := range due[room:] {
		w.c.box.ready.push(&w.c.box.free, r)
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
	if b.receiving && !b.draining && b.receipts.len() > 0 {
		return max(gap, time.Duration(b.receipts.aheadMs())*time.Millisecond)
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
		b.overdue(w.at.ms, uint32(w.c.s.plan().resend/time.Millisecond))
	}
	heard := w.c.heard.Load()
	if heard != w.heard {
		w.heard, w.misses = heard, 0
	}
	if w.c.stall.Load() != 0 { // It is we who don't read.
		return
	}
	silent, limit := int64(w.at.ms)-heard, w.c.s.plan().enquire.Milliseconds()
	switch {
	case silent >= limit*int64(w.misses+1) && w.misses < 2:
		w.misses++
		w.out, _ = smpp.Append(w.out, smpp.StatusOK, enquireSequence, &smpp.EnquireLink{})
	case silent >= limit*3:
		_ = w.c.nc.Close() // asked twice in vain
	}
}

// enquireSequence numbers the simulator's own enquire_link, apart from its deliver_sm.
const enquireSequence = smpp.MaxSequence - 1

// encodeDeliveries records and encodes the batch, or those of it that go before the answers.
func (w *writer) encodeDeliveries(early bool) bool {
	if len(w.batch) == 0 || early && !w.early {
		return true
	}
	c := w.c
	numbers := c.s.numbers.all()
	w.block.reset(c.id, c.account.config.SystemID, w.at.micros)
	w.receipt.begin(c.s.forms.all(), c.version, w.at.micros)
	n := 0
	for i := range w.batch {
		s := &w.batch[i]
		if (s.d.flags&deliverEarly != 0) != early {
			continue
		}
		n++
		again := s.d.flags&deliverAgain != 0
		switch {
		case s.d.flags&deliverText != 0:
			w.out = c.s.appendText(w.out, &w.block, s.seq, s.d, again, w.at.micros)
		case s.d.flags&deliverAlert != 0:
			w.out = w.appendAlert(w.out, s.seq, &s.d, numbers[s.d.number])
		default:
			number := numbers[s.d.number]
			form := w.receipt.formOf(&s.d)
			w.block.receipt(s.seq, s.d.id, number.typed, s.d.from, s.d.fromType, statOf(&s.d), again, form.how(&s.d, c.version))
			w.out = w.receipt.append(w.out, s.seq, &s.d, number)
		}
	}
	c.s.stats.receipts.Add(int64(n))
	if err := c.s.log.write(&w.block); err != nil {
		c.s.fail(err)
		return false
	}
	return true
}

// appendHeader writes a PDU's header.
func appendHeader(dst []byte, length int, id smpp.CommandID, status smpp.Status, seq uint32) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(length)<<32|uint64(id))
	return binary.BigEndian.AppendUint64(dst, uint64(status)<<32|uint64(seq))
}
