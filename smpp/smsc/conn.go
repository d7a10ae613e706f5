package smsc

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"fanline/smpp"
)

// conn is one connection: a reader that takes what the client says, a writer that says what is due. Between the two
// stands the outbox; everything else here belongs to the reader alone.
type conn struct {
	s       *server
	id      uint32
	nc      net.Conn
	account *account // nil before the bind
	kind    smpp.CommandID
	box     outbox
	block   block
	rng     uint64
	ids     idRange
	seen    seen

	version byte   // spoken since the bind; 0: not bound
	idForm  IDForm // of the ids that it is told
	boundMs uint32

	submits      int // since the bind
	faults       []*fault
	faultPlan    *plan // whose faults they are
	silent       int   // submits still to be left unanswered
	forced       int   // submits still to be answered with forcedStatus
	forcedStatus smpp.Status
	forcedNack   bool
	cut          atomic.Bool            // the writer sends half of the next answer and drops the connection
	asked        atomic.Pointer[fault]  // that the writer found due and the reader is to do
	sudden       atomic.Pointer[fault]  // that somebody wants to happen now
	pieces       atomic.Pointer[pieces] // how the writer cuts up what it writes; nil: not at all
	stall        atomic.Int64           // ns until which nothing is read
	deaf         atomic.Int64           // ns until which nothing is taken or said; 0: not
	congestion   atomic.Uint32          // what a client of SMPP 5.0 is told

	outstanding     int    // answers owed, as far as the reader knows
	excess          bool   // a limit has refused in this read
	lastID          uint64 // given to the submit before
	multiID         uint64 // of the submit_multi being worked on, once it has one
	tlvSet          byte   // of the answer being made
	sendAt, expires int64  // of the submit being worked on
	validity        string // the last validity_period, with an octet in front as addresses have
	validityBad     bool
	validityAt      int64 // when it ends; relative: how long after the submit
	relative        bool

	at        moment // of the read being worked on
	plan      *plan  // in force during it
	answers   []response
	owed      []delivery
	away      []delivery // owed on another bind
	acks      []ackRecord
	echoes    []*inbound // replies of phones to the submits of this read
	submit    submitRecord
	sm        smpp.SubmitSM
	data      smpp.DataSM
	senders   map[senderKey]*sender
	lastKey   senderKey
	last      *sender
	heard     atomic.Int64 // ms of the last read
	stopRead  bool
	paced     bool          // reads keep a distance while busy
	lingers   bool          // until the farewell is out
	replies   []byte        // to be said once the read is logged
	farewell  []byte        // to be said after all answers, those of the read included
	joins     bool          // receives from the end of this read on
	written   chan struct{} // closed when the writer has ended
	dropped   bool          // by a fault: nothing more is said
	unsaid    int           // answers that a fault kept back
	cutOff    atomic.Int64  // answers whose write failed or was cut
	hangUp    bool          // dropped in order, by a FIN
	orderly   bool          // unbound, by either side
	unbinding bool          // a fault wants the client to unbind, once this read is done
	counts    counts
	reason    string
}

// senderKey is a source address as it came.
type senderKey struct {
	ton, npi byte
	addr     string
}

// sender is what a source address came to.
type sender struct {
	number *number // nil: the account may not use it
	typed  string
	kind   byte
}

type ackRecord struct {
	seq    uint32
	status smpp.Status
}

const (
	readBuffer = 256 << 10
	// writeWithin is how long a client may leave its side unread before it is given up.
	writeWithin = 30 * time.Second
	// readGap lies between two reads of a connection that brought less than readMany again within busyGap, where answers
	// take their time anyway: fewer and larger reads cost less.
	readGap  = time.Millisecond
	busyGap  = 2 * time.Millisecond
	readMany = 16 << 10
	// unbindWithin is how long the simulator waits for the end of a connection that unbinds.
	unbindWithin = 2 * time.Second
)

func newConn(s *server, nc net.Conn) *conn {
	c := &conn{s: s, nc: nc, id: s.nextConn.Add(1), senders: map[senderKey]*sender{}, written: make(chan struct{})}
	c.rng = mix64(s.plan().seed + uint64(c.id))
	c.paced = !s.plan().base.latency.zero
	c.idForm = s.plan().form
	if tcp := tcpOf(nc); tcp != nil && s.plan().receiveBuf > 0 {
		_ = tcp.SetReadBuffer(s.plan().receiveBuf) // the kernel takes at least its minimum
	}
	now := s.now().ms
	c.heard.Store(int64(now))
	c.seen.since = s.now()
	_, c.seen.tls = nc.(*tls.Conn)
	c.box.open(s.plan().window, now)
	return c
}

// run serves the connection to its end.
func (c *conn) run() {
	done := make(chan struct{})
	go func() {
		defer close(c.written)
		c.write(done)
	}()
	c.read()
	close(done)
	_ = c.nc.Close()
	<-c.written
	c.leave()
}

// leave logs the end and gives back what the client hasn't answered.
func (c *conn) leave() {
	name := ""
	if c.account != nil {
		name = c.account.config.SystemID
		stale := uint32(0)
		if d := c.s.plan().stale; d > 0 && !c.orderly {
			stale = max(1, c.s.now().ms+uint32(d/time.Millisecond))
		}
		c.account.leave(c, stale)
		c.s.binds.Add(-1)
	}
	at := c.s.now()
	owed, unsaid := c.box.close()
	rest := slices.DeleteFunc(owed, func(d delivery) bool {
		dead := d.flags&deliverDead != 0
		if dead {
			c.s.pending.Add(-1)
			c.s.settled(&d)
		}
		return dead
	})
	c.block.reset(c.id, name, at.micros)
	c.block.event(CommandClosed, false, smpp.StatusOK, uint32(unsaid+c.unsaid+int(c.cutOff.Load())), name, c.reason)
	c.writeLog()
	if c.account != nil {
		c.account.deliver(rest, at.ms)
		c.s.logger.Info("bind ended", "account", name, "conn", c.id, "reason", c.reason, "owed", len(rest))
	}
}

// finish asks the client to unbind: the simulator stops.
func (c *conn) finish() {
	_ = c.nc.SetDeadline(time.Now().Add(unbindWithin))
	if pdu, err := smpp.Append(nil, smpp.StatusOK, smpp.MaxSequence, &smpp.Unbind{}); err == nil {
		c.box.drain(pdu, false)
	}
}

func (c *conn) read() {
	buf := make([]byte, readBuffer)
	have := 0
	_ = c.nc.SetReadDeadline(time.Now().Add(c.s.plan().bindWithin))
	if c.s.plan().enquireFirst {
		c.block.reset(c.id, "", c.s.now().micros)
		c.block.event("enquire_link", false, smpp.StatusOK, enquireSequence, "", "")
		c.replies = c.encode(smpp.StatusOK, enquireSequence, &smpp.EnquireLink{})
		if !c.flush() {
			return
		}
	}
	for !c.stopRead {
		n, err := c.nc.Read(buf[have:])
		if n > 0 && c.endured() {
			have = 0
			continue
		}
		have += n
		if n > 0 {
			before := c.at.ns
			c.at = c.s.now()
			busy := c.at.ns-before < int64(busyGap)
			c.heard.Store(int64(c.at.ms))
			used := c.take(buf[:have])
			if !c.flush() {
				return
			}
			have = copy(buf, buf[used:have])
			if c.stopRead {
				c.linger(buf)
				return
			}
			if busy && c.paced && n < readMany {
				time.Sleep(readGap)
			}
		}
		if err != nil {
			if c.reason == "" {
				c.reason = readReason(err, c.account != nil)
			}
			return
		}
	}
}

func readReason(err error, bound bool) string {
	switch {
	case errors.Is(err, io.EOF):
		return "closed by the client"
	case errors.Is(err, os.ErrDeadlineExceeded) && !bound:
		return "no bind in time"
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no unbind_resp in time"
	case errors.Is(err, net.ErrClosed):
		return "closed by the simulator"
	}
	return err.Error()
}

// take works on every whole PDU in b and says how many octets it used.
func (c *conn) take(b []byte) (used int) {
	name := ""
	if c.account != nil {
		name = c.account.config.SystemID
	}
	c.block.reset(c.id, name, c.at.micros)
	c.answers, c.owed, c.away, c.acks, c.excess = c.answers[:0], c.owed[:0], c.away[:0], c.acks[:0], false
	c.plan = c.s.plan()
	if f := c.asked.Swap(nil); f != nil {
		c.happen(f)
	}
	if c.account != nil && c.account.config.Window > 0 {
		c.outstanding = c.box.outstanding()
	}
	for !c.stopRead && len(b)-used >= smpp.HeaderLen {
		h, err := smpp.ReadHeader(b[used:])
		if err != nil {
			c.rubbish(h, err)
			used = len(b)
			break
		}
		end := used + int(h.Length)
		if end > len(b) {
			break
		}
		c.pdu(h, b[used:end:end])
		used = end
	}
	return used
}

// flush writes the log, then lets go what it allows. It returns false when the connection is at its end.
func (c *conn) flush() bool {
	if !c.writeLog() {
		return false
	}
	c.settle()
	c.oweEchoes()
	c.seen.submits.Add(c.counts.sum())
	c.s.stats.add(&c.counts)
	if len(c.replies) > 0 {
		c.box.say(c.replies)
		c.replies = c.replies[:0]
	}
	if c.joins { // now that bind_resp stands in line before anything else
		c.joins = false
		c.box.receive(c.at.ms)
		c.account.receive(c, c.at.ms)
	}
	if c.dropped {
		c.unsaid += len(c.answers)
		c.answers = c.answers[:0]
	}
	if c.tellsCongestion() {
		c.congestion.Store(uint32(c.congestionNow(c.s.plan(), len(c.answers))))
	}
	c.s.pending.Add(int64(len(c.owed) + len(c.away)))
	here := c.owed
	if c.s.plan().spread {
		here = nil
	}
	full, taken := c.box.add(c.answers, here, c.at.ms)
	if len(c.owed) > 0 && (!taken || c.s.plan().spread) {
		c.account.deliver(c.owed, c.at.ms)
	}
	if len(c.away) > 0 {
		c.account.deliverBut(c, c.away, c.at.ms)
	}
	if c.dropped {
		c.end()
		return false
	}
	if c.unbinding {
		c.unbinding = false
		c.finish()
	}
	for ; full; full = c.box.full() {
		select {
		case <-c.box.space:
		case <-c.written: // it gave up: the client doesn't read
			c.reason = "client doesn't read"
			return false
		}
	}
	if c.farewell != nil {
		c.box.drain(c.farewell, c.lingers) // After unbind_resp it is the client that closes.
		c.farewell = nil
	}
	return true
}

// reset closes a connection as a crash would, without a FIN.
func reset(nc net.Conn) {
	if tcp := tcpOf(nc); tcp != nil {
		_ = tcp.SetLinger(0)
		_ = tcp.Close() // under TLS too: without a close_notify
	}
	_ = nc.Close()
}

func (c *conn) writeLog() bool {
	if err := c.s.log.write(&c.block); err != nil {
		c.reason = "log can't be written"
		c.s.fail(err)
		return false
	}
	return true
}

// settle frees the window and decides what refused deliveries come to.
func (c *conn) settle() {
	if len(c.acks) == 0 {
		return
	}
	var texts []ackedText
	done := int64(0)
	c.box.mu.Lock()
	for _, a := range c.acks {
		r := c.box.ack(a.seq)
		switch {
		case !r.known:
		case a.status != smpp.StatusOK && retryable(a.status):
			r.d.flags |= deliverAgain
			r.d.due = c.at.ms + uint32(c.s.plan().resend/time.Millisecond)
			c.box.receipts.add(&r.d, c.at.ms)
		default:
			done++
			c.s.settled(&r.d)
			if r.d.flags&deliverText != 0 {
				texts = append(texts, ackedText{r.d.id, r.d.number, a.status})
			}
		}
	}
	blocked := c.box.due.n+c.box.texts.n > 0
	c.box.mu.Unlock()
	if blocked {
		wakeUp(c.box.wake)
	}
	c.s.pending.Add(-done)
	c.s.stats.receiptsAcked.Add(done - int64(len(texts)))
	for _, t := range texts {
		c.s.textAcked(t, c.at.micros)
	}
}

// retryable says whether a refused deliver_sm is sent again (SMPP 3.4 §5.1.3; reference/smpp.md section 5).
func retryable(s smpp.Status) bool {
	class := s.Class()
	return class == smpp.ClassThrottle || class == smpp.ClassTransient
}

// idRange is a run of message ids taken from the server at once.
type idRange struct{ next, end uint64 }

const idRangeLen = 1024

func (c *conn) takeID() uint64 {
	if c.ids.next == c.ids.end {
		c.ids.end = c.s.nextID.Add(idRangeLen)
		c.ids.next = c.ids.end - idRangeLen
	}
	c.ids.next++
	return c.ids.next
}

// random is splitmix64, seeded by the scenario and the connection.
func (c *conn) random() uint64 {
	c.rng += 0x9e3779b97f4a7c15
	x := c.rng
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
