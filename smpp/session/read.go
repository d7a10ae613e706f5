package session

import (
	"errors"
	"fmt"
	"time"

	"fanline/smpp"
)

const (
	// readSize is how much one read takes at least, when the peer has that much. Measured: 4 KB to 256 KB differ within noise.
	readSize = 64 << 10
	// batchSize is how many outcomes or deliveries a handler gets at once: few enough to stay in the cache, and to hold
	// the lock for some microseconds only.
	batchSize = 512
	// maxAnswers is how many octets of answers may wait because the peer reads none; then the session ends. A quarter of a
	// million deliver_sm_resp: no window of a peer is as large.
	maxAnswers = 4 << 20
	// probeFor is how long a read waits that is to find out whether there is anything to read.
	probeFor = int64(time.Millisecond)
	// resignAfter is how long the peer waits for unbind_resp at most. The shortest patience known is two seconds (jsmpp).
	resignAfter = int64(time.Second)
	// floodAfter is how much must have been read since a time-out was due to be sure that what was there at that moment is
	// through, even if the peer never pauses: more than any receive buffer holds.
	floodAfter = 16 << 20
)

// reader is what only the goroutine in Run touches.
type reader struct {
	buf    []byte
	filled int // octets in buf

	outcomes   []Outcome // token not looked up yet
	keys       []key     // of outcomes, in step
	deliveries []Delivery
	answers    []byte // ours, encoded, for the next lock
	spare      []Outcome

	answer  answerReader
	deliver smpp.DeliverSM
	data    smpp.DataSM

	probing  bool   // the next read only finds out whether there is something
	sounding bool   // the next read only takes what TLS holds
	dry      bool   // the last read found nothing
	alerts   int    // of deliveries, those that are alert_notifications
	dueAt    uint64 // octets read when the time-out was found due that waits for a quiet line; 0: none
	octets   uint64
	reads    uint64
	gone     bool // the response to our unbind was read
	left     bool // the peer's unbind was read
	// misdelivered: something was delivered to a transmitter.
	misdelivered bool
	polite       bool // what is queued at the end is to be written before the connection closes
}

// key says which request a response answers.
type key struct {
	seq     uint32
	command smpp.CommandID
}

func newReader() reader {
	return reader{
		buf:        make([]byte, readSize+smpp.MaxPDU),
		outcomes:   make([]Outcome, 0, batchSize),
		keys:       make([]key, 0, batchSize),
		deliveries: make([]Delivery, 0, batchSize),
	}
}

// consume hands over the whole PDUs in the buffer and moves the rest to its start.
func (s *Session) consume(now int64) error {
	in := &s.in
	at := s.at(now)
	rest := in.buf[:in.filled]
	s.live.heard = now
	var failure error
	for len(rest) >= smpp.HeaderLen {
		h, err := smpp.ReadHeader(rest)
		if err != nil {
			failure = s.outOfStep(h, err)
			break
		}
		if len(rest) < int(h.Length) {
			break
		}
		s.dispatch(h, rest[:h.Length:h.Length], at, now)
		rest = rest[h.Length:]
	}
	s.settle(now)
	s.deliverBatch(now)
	in.filled = copy(in.buf, rest)
	if err := s.reply(now); err != nil {
		return err
	}
	return failure
}

// outOfStep answers a length that cannot be right. Nothing behind it can be trusted, so the session ends.
func (s *Session) outOfStep(h smpp.Header, err error) error {
	status := smpp.StatusInvCmdLen
	var perr *smpp.ProtocolError
	if errors.As(err, &perr) {
		status = perr.Status
	}
	s.nack(status, h.Sequence)
	s.in.polite = true
	return err
}

func (s *Session) nack(status smpp.Status, seq uint32) {
	s.in.answers = appendHeader(s.in.answers, smpp.GenericNackID, status, seq)
	s.count(func(st *Stats) { st.NacksSent++ })
}

// count changes counters under the lock; not for what happens often.
func (s *Session) count(change func(*Stats)) {
	s.mu.Lock()
	change(&s.stats)
	s.mu.Unlock()
}

// dispatch takes one whole PDU. A response is one by its command alone: a request of the peer never answers ours, whatever
// its number.
func (s *Session) dispatch(h smpp.Header, pdu []byte, at time.Time, now int64) {
	switch h.ID {
	case smpp.SubmitSMRespID, smpp.DataSMRespID, smpp.GenericNackID:
		s.response(h, pdu, at, now)
	case smpp.DeliverSMID, smpp.DataSMID:
		s.delivery(h, pdu, at, now)
	case smpp.EnquireLinkID:
		s.in.answers = appendHeader(s.in.answers, smpp.EnquireLinkRespID, smpp.StatusOK, h.Sequence)
		s.count(func(st *Stats) { st.EnquiresSeen++ })
	case smpp.EnquireLinkRespID:
		s.enquireAnswered(h, pdu, now)
	case smpp.UnbindID:
		s.unbindSeen(h.Sequence, now)
	case smpp.UnbindRespID:
		s.unbindAnswered(h, now)
	default:
		s.other(h, pdu, at, now)
	}
}

// enquireAnswered takes a response to an enquire_link, also one that came after something else had shown that the peer is there.
func (s *Session) enquireAnswered(h smpp.Header, pdu []byte, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.live.mine(h.Sequence) {
		s.stats.Strays++
		return
	}
	s.live.answer(now)
	s.congested(congestionOf(pdu))
}

// congested notes a congestion_state, which 5.0 allows in any response (SMPP 5.0 §4.8.4.18). The lock is held.
func (s *Session) congested(state int8) {
	if state >= 0 {
		s.stats.Congestion = state
	}
}

// answered notes that a request of ours other than enquire_link was answered. The lock is held.
func (s *Session) answered(now int64) {
	s.live.answer(now)
	s.active = now
}

// response notes an answer; settle finds out to what.
func (s *Session) response(h smpp.Header, pdu []byte, at time.Time, now int64) {
	in := &s.in
	o := Outcome{Code: Accepted, Status: h.Status, At: at, Congestion: -1}
	if h.ID == smpp.GenericNackID || h.Status != smpp.StatusOK {
		o.Code = Refused
	}
	if h.ID != smpp.GenericNackID {
		o.MessageID, o.Congestion = in.answer.read(pdu)
	} else if len(pdu) > smpp.HeaderLen {
		o.Congestion = congestionOf(pdu)
	}
	in.outcomes = append(in.outcomes, o)
	in.keys = append(in.keys, key{h.Sequence, h.ID})
	if len(in.keys) == batchSize {
		s.settle(now)
	}
}

// settle finds the requests that the noted responses answer, and hands them over.
func (s *Session) settle(now int64) {
	in := &s.in
	if len(in.keys) == 0 {
		return
	}
	s.mu.Lock()
	n := 0
	for i := range in.keys {
		if s.match(&in.outcomes[i], in.keys[i], now) {
			if n != i {
				in.outcomes[n] = in.outcomes[i]
			}
			n++
		}
	}
	s.mu.Unlock()
	if n > 0 {
		s.handler.Outcomes(in.outcomes[:n])
	}
	in.outcomes, in.keys = in.outcomes[:0], in.keys[:0]
}

// match completes an outcome by the request it answers and closes that. It reports false for a response that answers nothing of
// ours: a duplicate, a stranger, or one whose request has not even begun to be written. The lock is held.
func (s *Session) match(o *Outcome, k key, now int64) bool {
	sl := s.win.find(k.seq, k.command)
	switch {
	case sl != nil && !after(sl.gen, s.begun):
		o.Token, o.Took = sl.token, time.Duration(max(0, now-sl.at))
		s.win.free(sl)
	case sl == nil:
		old, ok := s.win.late.take(k.seq, k.command)
		if !ok {
			return s.stray(o.Status, k, now)
		}
		o.Token, o.Took, o.Late = old.token, time.Duration(now-old.at), true
		s.stats.Late++
	default:
		return s.stray(o.Status, k, now)
	}
	s.answered(now)
	if o.Code == Accepted {
		s.stats.Accepted++
	} else {
		s.stats.Refused++
	}
	if k.command == smpp.GenericNackID {
		s.stats.NacksSeen++
	}
	s.congested(o.Congestion)
	return true
}

// stray counts a response that answers no submit; a generic_nack to something else of ours still answers that. One with
// sequence number 0 says that the peer could not even read whose it is, and blames nothing: to take it for the only request that
// is open would sometimes be wrong, and a wrong refusal is a text sent twice. The lock is held.
func (s *Session) stray(status smpp.Status, k key, now int64) bool {
	if k.command == smpp.GenericNackID {
		s.stats.NacksSeen++
		if s.live.mine(k.seq) {
			s.live.answer(now)
			return false
		}
		if s.answerCall(smpp.Header{Length: smpp.HeaderLen, ID: k.command, Status: status, Sequence: k.seq}, nil, now) {
			return false
		}
		if s.state == stateUnbound && k.seq == s.unbindSeq {
			s.in.gone = true
			return false
		}
	}
	s.stats.Strays++
	if n := s.stats.Strays; n&(n-1) == 0 {
		s.log.Warn("response that answers nothing of ours", "command", k.command, "sequence", k.seq, "strays", n)
	}
	return false
}

// delivery checks a deliver_sm or data_sm and notes it for the handler; one that cannot be decoded is answered at once, and
// the session lives.
func (s *Session) delivery(h smpp.Header, pdu []byte, at time.Time, now int64) {
	in := &s.in
	var p smpp.PDU = &in.deliver
	if h.ID == smpp.DataSMID {
		p = &in.data
	}
	status := smpp.StatusOK
	if s.cfg.Kind == smpp.BindTransmitterID && !in.misdelivered {
		// Against SMPP 3.4 §2.3, and some carriers do it; refused, their receipts would be lost.
		in.misdelivered = true
		s.log.Warn("the peer delivers on a bind that is for sending; it is taken", "command", h.ID)
	}
	if _, err := smpp.DecodeInto(pdu, p); err != nil {
		status = smpp.StatusSysErr
		var perr *smpp.ProtocolError
		if errors.As(err, &perr) {
			status = perr.Status
		}
		s.log.Warn("delivery that cannot be decoded", "error", err, "sequence", h.Sequence)
	}
	if status != smpp.StatusOK {
		in.answers = appendDeliverResp(in.answers, h.ID, h.Sequence, status)
		s.count(func(st *Stats) { st.Malformed++ })
		return
	}
	s.note(Delivery{PDU: pdu, Command: h.ID, Sequence: h.Sequence, At: at}, now)
}

// note keeps a delivery for the end of the read.
func (s *Session) note(d Delivery, now int64) {
	in := &s.in
	in.deliveries = append(in.deliveries, d)
	if len(in.deliveries) == batchSize {
		s.settle(now) // A response read before a receipt is handed over before it.
		s.deliverBatch(now)
	}
}

// deliverBatch puts the noted deliveries into the inbox.
func (s *Session) deliverBatch(now int64) {
	in := &s.in
	if len(in.deliveries) == 0 {
		return
	}
	count := len(in.deliveries) - in.alerts
	s.mu.Lock()
	s.owed += count
	s.stats.Deliveries += uint64(count)
	s.stats.Alerts += uint64(in.alerts)
	s.active = now
	s.mu.Unlock()
	if took := s.inbox.put(in.deliveries); took < len(in.deliveries) {
		s.putOff(in.deliveries[took:])
	}
	in.deliveries, in.alerts = in.deliveries[:0], 0
}

// putOff has the peer send deliveries again for which the handler is too slow.
func (s *Session) putOff(batch []Delivery) {
	n := 0
	for i := range batch {
		if d := &batch[i]; d.Command != smpp.AlertNotificationID {
			s.in.answers = appendDeliverResp(s.in.answers, d.Command, d.Sequence, smpp.StatusTemporaryError)
			n++
		}
	}
	s.mu.Lock()
	s.owed -= n
	s.stats.Deliveries -= uint64(n)
	s.stats.PutOff += uint64(n)
	first := s.stats.PutOff == uint64(n)
	s.mu.Unlock()
	if first {
		s.log.Warn("the handler is slower than the peer delivers: it is asked to send again", "waiting_octets", maxBacklog)
	}
}

// unbindSeen takes the peer's unbind: what is unwritten comes back, and what is written has UnbindTimeout to be answered. Most peers
// close when they have unbind_resp, so that waits a moment while something is under way either way.
func (s *Session) unbindSeen(seq uint32, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state >= stateUnbound { // Both unbound at once, and ours goes on; or it asks again.
		s.in.answers = appendHeader(s.in.answers, smpp.UnbindRespID, smpp.StatusOK, seq)
		s.in.polite, s.in.left = true, true
		return
	}
	s.in.left = true
	s.state, s.leaveBy = stateLeaving, now+int64(s.cfg.UnbindTimeout)
	s.leaving, s.leaveSeq, s.resignBy = true, seq, now+min(int64(s.cfg.UnbindTimeout), resignAfter)
	unsent := s.withdraw(func(uint64) bool { return true })
	s.log.Info("the peer unbinds", "in_flight", s.win.inflight, "unsent", unsent)
}

// unbindAnswered ends the session when the response is to our unbind.
func (s *Session) unbindAnswered(h smpp.Header, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateUnbound {
		s.stray(h.Status, key{h.Sequence, h.ID}, now)
		return
	}
	if h.Status != smpp.StatusOK || h.Sequence != s.unbindSeq {
		s.log.Warn("odd answer to unbind", "status", h.Status, "sequence", h.Sequence, "want", s.unbindSeq)
	}
	s.in.gone, s.in.polite = true, true
}

// other takes what comes seldom: answers to Request, notifications, and commands that are none, or none for an ESME (SMPP 3.4
// §4.3.1).
func (s *Session) other(h smpp.Header, pdu []byte, at time.Time, now int64) {
	switch {
	case h.ID.IsResponse():
		s.mu.Lock()
		if !isCallResponse(h.ID) || !s.answerCall(h, pdu, now) {
			s.stray(h.Status, key{h.Sequence, h.ID}, now)
		}
		s.mu.Unlock()
	case h.ID == smpp.AlertNotificationID:
		if s.alerted == nil {
			s.count(func(st *Stats) { st.Alerts++ })
		} else {
			s.in.alerts++
			s.note(Delivery{PDU: pdu, Command: h.ID, Sequence: h.Sequence, At: at}, now)
		}
	case h.ID == smpp.OutbindID: // It has no response (SMPP 3.4 §4.1.7), and we are bound.
	case h.ID == smpp.BindReceiverID, h.ID == smpp.BindTransmitterID, h.ID == smpp.BindTransceiverID:
		s.in.answers = appendHeader(s.in.answers, h.ID.Response(), smpp.StatusAlreadyBound, h.Sequence)
	default:
		s.log.Warn("command that is not for us", "command", h.ID, "sequence", h.Sequence)
		s.nack(smpp.StatusInvCmdID, h.Sequence)
	}
}

// reply queues the answers of this read.
func (s *Session) reply(now int64) error {
	in := &s.in
	s.mu.Lock()
	if s.state < stateBroken {
		s.out.answer(in.answers, now)
	}
	over := s.out.answers > maxAnswers
	wake := s.wake()
	s.mu.Unlock()
	in.answers = in.answers[:0]
	if wake {
		s.more.Signal()
	}
	if over {
		return fmt.Errorf("%w: %d octets of answers wait", ErrNotReading, maxAnswers)
	}
	return nil
}
