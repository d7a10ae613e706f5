package smsc

import (
	"sync"

	"fanline/smpp"
)

// outbox is all that a connection still has to say: answers and receipts with their times, and the window of
// deliver_sm that the client hasn't answered. Reader and writer of the connection meet here, once per read or flush.
type outbox struct {
	wake  chan struct{} // capacity 1: the writer has something to do now
	space chan struct{} // capacity 1: the reader may go on
	said  chan struct{} // closed once the farewell is written

	mu        sync.Mutex
	closed    bool   // takes nothing more
	comes     uint32 // ms at which the writer comes by itself
	receiving bool   // may be sent deliver_sm
	draining  bool   // unbinding: answers only, then the farewell
	farewell  []byte
	hangUp    bool // close our side after the farewell
	control   []byte

	answers   *wheel[response]
	ready     queue[response]
	receipts  *receiptWheel
	spare     chunks[delivery] // of all that holds deliveries
	free      chunks[response] // of all that holds answers
	due       queue[delivery]
	texts     queue[delivery] // from phones: they don't wait behind receipts
	window    []inflight      // ring by sequence number
	windowMax int
	unacked   int
	sequence  uint32
	bound     bool // the connection has bound

	prepared    map[uint64][]byte // answers that the writer doesn't make, as many as answers wait at most
	preparedKey uint64
}

// inflight is a deliver_sm that waits for its answer; seq 0 marks an empty place.
type inflight struct {
	seq  uint32
	sent uint32 // ms
	d    delivery
}

const (
	answerSlots = 2048 // of 1 ms

	// answersMax answers waiting stop the reader: a client that doesn't read is not read from.
	answersMax = 1 << 16
	// flushAnswers bounds one write, so that a long stall doesn't become one huge buffer.
	flushAnswers = 4096
)

func (b *outbox) open(window int, nowMs uint32) {
	size := 2
	for size < 2*window {
		size *= 2
	}
	b.wake, b.space, b.said = make(chan struct{}, 1), make(chan struct{}, 1), make(chan struct{})
	b.answers = newWheel(answerSlots, 1, nowMs, responseDue, &b.free)
	b.window, b.windowMax = make([]inflight, size), window
}

// receive prepares for deliver_sm.
func (b *outbox) receive(nowMs uint32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.receipts = newReceiptWheel(nowMs, &b.spare)
	b.receiving = true
}

func wakeUp(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// bind tells the writer that it may read what the reader wrote down at the bind.
func (b *outbox) bind() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound = true
}

// say queues an encoded PDU to be written at once.
func (b *outbox) say(pdu []byte) {
	b.mu.Lock()
	b.control = append(b.control, pdu...)
	b.mu.Unlock()
	wakeUp(b.wake)
}

// add takes what one read came to: answers, and deliveries where they go out here. Both at once, so that the writer is
// woken once. It says whether the reader must wait, and whether the deliveries were taken: not by a connection that is
// closing or doesn't receive.
func (b *outbox) add(answers []response, deliveries []delivery, nowMs uint32) (full, taken bool) {
	b.mu.Lock()
	first := nowMs + 1<<30
	for i := range answers {
		r := &answers[i]
		if int32(r.due-nowMs) <= 0 {
			b.ready.push(&b.free, *r)
		} else {
			b.answers.add(r, r.due)
		}
		first = earlier(first, r.due)
	}
	taken = !b.closed && !b.draining && b.receiving
	if taken {
		for i := range deliveries {
			d := &deliveries[i]
			if int32(d.due-nowMs) <= 0 {
				b.line(*d)
			} else {
				b.receipts.add(d, nowMs)
			}
			first = earlier(first, d.due)
		}
	}
	wake := b.early(first, nowMs)
	full = b.answers.n+b.ready.n >= answersMax
	b.mu.Unlock()
	if wake {
		wakeUp(b.wake)
	}
	return full, taken
}

func earlier(a, b uint32) uint32 {
	if int32(b-a) < 0 {
		return b
	}
	return a
}

// early says whether something due at first wouldn't be served in time by the writer's next round.
func (b *outbox) early(first, nowMs uint32) bool {
	return int32(first-nowMs) <= 0 || int32(b.comes-first) > wakeSlackMs
}

// wakeSlackMs is how much later than its time something may leave before the writer is woken for it.
const wakeSlackMs = 2

// line puts a delivery whose time has come in line.
func (b *outbox) line(d delivery) {
	if d.flags&deliverText != 0 {
		b.texts.push(&b.spare, d)
		return
	}
	b.due.push(&b.spare, d)
}

// nextInLine takes the delivery to send next, texts first.
func (b *outbox) nextInLine() (delivery, bool) {
	if d, ok := b.texts.pop(&b.spare); ok {
		return d, true
	}
	return b.due.pop(&b.spare)
}

// outstanding is how many answers are still to go.
func (b *outbox) outstanding() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answers.n + b.ready.n
}

// prepare keeps an answer that is longer than most, and names it for the wheel.
func (b *outbox) prepare(pdu []byte) (key uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.prepared == nil {
		b.prepared = map[uint64][]byte{}
	}
	b.preparedKey++
	b.prepared[b.preparedKey] = pdu
	return b.preparedKey
}

// takePrepared gives an answer back.
func (b *outbox) takePrepared(key uint64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	pdu := b.prepared[key]
	delete(b.prepared, key)
	return pdu
}

// full says whether more answers wait than a client that reads would leave.
func (b *outbox) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answers.n+b.ready.n >= answersMax
}

// ackResult is what a deliver_sm_resp did.
type ackResult struct {
	d     delivery
	known bool
}

// ack frees a place of the window.
func (b *outbox) ack(seq uint32) ackResult {
	w := &b.window[seq&uint32(len(b.window)-1)]
	if w.seq != seq || seq == 0 {
		return ackResult{}
	}
	d := w.d
	*w = inflight{}
	b.unacked--
	return ackResult{d, true}
}

// place finds a sequence number whose place in the ring is free; the caller has made sure that one is.
func (b *outbox) place(d delivery, nowMs uint32) uint32 {
	for {
		b.sequence++
		if b.sequence > smpp.MaxSequence {
			b.sequence = 1
		}
		w := &b.window[b.sequence&uint32(len(b.window)-1)]
		if w.seq == 0 {
			*w = inflight{seq: b.sequence, sent: nowMs, d: d}
			b.unacked++
			return b.sequence
		}
	}
}

// nextSequence numbers a PDU that nobody answers.
func (b *outbox) nextSequence() uint32 {
	b.sequence++
	if b.sequence > smpp.MaxSequence {
		b.sequence = 1
	}
	return b.sequence
}

// overdue puts deliveries that were not answered for resendMs back in line.
func (b *outbox) overdue(nowMs, resendMs uint32) {
	if b.unacked == 0 {
		return
	}
	for i := range b.window {
		w := &b.window[i]
		if w.seq != 0 && nowMs-w.sent >= resendMs {
			w.d.flags |= deliverAgain
			b.line(w.d)
			*w = inflight{}
			b.unacked--
		}
	}
}

// drain begins the end: no more deliver_sm, and the farewell once all answers are out.
func (b *outbox) drain(farewell []byte, hangUp bool) {
	b.mu.Lock()
	if !b.draining {
		b.draining, b.farewell, b.hangUp = true, farewell, hangUp
	}
	b.mu.Unlock()
	wakeUp(b.wake)
}

// close gives back every delivery that the client hasn't answered, and how many answers were never said; nothing is taken
// afterwards.
func (b *outbox) close() (out []delivery, unsaid int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	unsaid = b.answers.n + b.ready.n
	if b.receipts == nil {
		return nil, unsaid
	}
	out = make([]delivery, 0, b.receipts.len()+b.due.n+b.texts.n+b.unacked)
	for i := range b.window {
		if w := &b.window[i]; w.seq != 0 {
			w.d.flags |= deliverAgain
			out = append(out, w.d)
		}
	}
	for {
		d, ok := b.nextInLine()
		if !ok {
			break
		}
		out = append(out, d)
	}
	b.receipts.drain(func(batch []delivery) { out = append(out, batch...) })
	return out, unsaid
}

// withdraw marks what matches and was not sent yet as dead: the writer leaves it out. It returns what it marked.
func (b *outbox) withdraw(match func(*delivery) bool) (out []delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mark := func(d *delivery) bool {
		if d.flags&(deliverDead|deliverText) == 0 && match(d) {
			out = append(out, *d)
			d.flags |= deliverDead
		}
		return true
	}
	b.due.each(mark)
	if b.receipts != nil {
		b.receipts.each(mark)
	}
	return out
}
