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

	probing bool   // the next read only finds out whether there is something
	dueAt   uint64 // octets read when the time-out was found due that waits for a quiet line; 0: none
	octets  uint64
	reads   uint64
	gone    bool // the response to our unbind was read
	left    bool // the peer's unbind was read
	polite  bool // what is queued at the end is to be written before the connection closes
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
	s.deliverBatch()
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
		s.mu.Lock()
		if !s.live.answer(h.Sequence, now) {
			s.stats.Strays++
		}
		s.mu.Unlock()
	case smpp.UnbindID:
		s.unbindSeen(h.Sequence, now)
	case smpp.UnbindRespID:
		s.unbindAnswered(h, now)
	default:
		s.unknown(h, now)
	}
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
			return s.stray(k, now)
		}
		o.Token, o.Took, o.Late = old.token, time.Duration(now-old.at), true
		s.stats.Late++
	default:
		return s.stray(k, now)
	}
	s.live.answered = now
	if o.Code == Accepted {
		s.stats.Accepted++
	} else {
		s.stats.Refused++
	}
	if k.command == smpp.GenericNackID {
		s.stats.NacksSeen++
	}
	if o.Congestion >= 0 {
		s.stats.Congestion = o.Congestion
	}
	return true
}

// stray counts a response that answers no submit; a generic_nack to our enquire_link or unbind still answers it.
func (s *Session) stray(k key, now int64) bool {
	if k.command == smpp.GenericNackID {
		s.stats.NacksSeen++
		if s.live.answer(k.seq, now) {
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
	if s.cfg.Kind == smpp.BindTransmitterID {
		status = smpp.StatusInvBindStatus
	} else if _, err := smpp.DecodeInto(pdu, p); err != nil {
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
	in.deliveries = append(in.deliveries, Delivery{PDU: pdu, Command: h.ID, Sequence: h.Sequence, At: at})
	if len(in.deliveries) == batchSize {
		s.settle(now) // A response read before a receipt is handed over before it.
		s.deliverBatch()
	}
}

// deliverBatch hands over the noted deliveries.
func (s *Session) deliverBatch() {
	in := &s.in
	if len(in.deliveries) == 0 {
		return
	}
	s.mu.Lock()
	s.owed += len(in.deliveries)
	s.stats.Deliveries += uint64(len(in.deliveries))
	s.mu.Unlock()
	s.handler.Deliveries(in.deliveries)
	in.deliveries = in.deliveries[:0]
}

// unbindSeen answers the peer's unbind: what is unwritten comes back, and what is written has UnbindTimeout to be answered.
func (s *Session) unbindSeen(seq uint32, now int64) {
	s.in.answers = appendHeader(s.in.answers, smpp.UnbindRespID, smpp.StatusOK, seq)
	s.in.polite, s.in.left = true, true
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state >= stateUnbound {
		return // Both unbound at once; ours goes on.
	}
	s.state, s.leaveBy = stateLeaving, now+int64(s.cfg.UnbindTimeout)
	unsent := s.withdraw(func(uint64) bool { return true })
	s.log.Info("the peer unbinds", "in_flight", s.win.inflight, "unsent", unsent)
}

// unbindAnswered ends the session when the response is to our unbind.
func (s *Session) unbindAnswered(h smpp.Header, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateUnbound {
		s.stray(key{h.Sequence, h.ID}, now)
		return
	}
	if h.Status != smpp.StatusOK || h.Sequence != s.unbindSeq {
		s.log.Warn("odd answer to unbind", "status", h.Status, "sequence", h.Sequence, "want", s.unbindSeq)
	}
	s.in.gone, s.in.polite = true, true
}

// unknown answers a command that is none, or none for an ESME (SMPP 3.4 §4.3.1). Responses and notifications are not answered.
func (s *Session) unknown(h smpp.Header, now int64) {
	if h.ID.IsResponse() {
		s.mu.Lock()
		s.stray(key{h.Sequence, h.ID}, now)
		s.mu.Unlock()
		return
	}
	if h.ID == alertNotificationID || h.ID == outbindID {
		return // Neither has a response (SMPP 3.4 §4.1.7, §4.12).
	}
	s.log.Warn("command that is not for us", "command", h.ID, "sequence", h.Sequence)
	s.nack(smpp.StatusInvCmdID, h.Sequence)
}

// The two requests of SMPP 3.4 that have no response.
const (
	outbindID           smpp.CommandID = 0x0000000B
	alertNotificationID smpp.CommandID = 0x00000102
)

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
