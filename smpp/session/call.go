package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fanline/smpp"
)

// maxCalls is how many calls of Request may wait for an answer at once; further ones wait for their turn.
const maxCalls = 16

// Why Request came back without an answer.
var (
	// ErrNoResponse: the request was sent, and no answer came in ResponseTimeout or before the session ended.
	ErrNoResponse = errors.New("no response")
	// ErrNotSent: nothing of the request reached the peer.
	ErrNotSent = errors.New("not sent")
)

// call is one request that is not a submit, waiting for its answer.
type call struct {
	want   smpp.CommandID
	gen    uint32 // generation of the chunk that holds it
	done   chan struct{}
	header smpp.Header
	pdu    smpp.PDU
	err    error
}

// callTable holds the calls by their sequence number, under the session's lock.
type callTable struct {
	open  map[uint32]*call
	turns chan struct{} // has room for maxCalls
}

// Request sends query_sm, cancel_sm, replace_sm, submit_multi, broadcast_sm, query_broadcast_sm or cancel_broadcast_sm and waits for
// its answer. The error is nil when the peer answered, whatever it said: Header.Status is its status, and Header.ID tells its
// response from a generic_nack, by which it refuses as well. The PDU is nil when its body was left out or could not be read.
//
// Without an answer the error wraps ErrNotSent, or ErrNoResponse, also when ctx has ended (then with its cause): what the request asks
// for may have been done. Requests are outside the window; a sixteenth of them waits for no one, a seventeenth for its turn.
func (s *Session) Request(ctx context.Context, p smpp.PDU) (smpp.Header, smpp.PDU, error) {
	id := p.CommandID()
	if err := s.mayRequest(id); err != nil {
		return smpp.Header{}, nil, fmt.Errorf("session: %v: %w: %w", id, ErrNotSent, err)
	}
	octets, err := smpp.Encoding{Version: s.version}.Append(nil, smpp.StatusOK, 0, p) // Refuses what the peer's version doesn't know.
	if err != nil {
		return smpp.Header{}, nil, fmt.Errorf("session: %w: %w", ErrNotSent, err)
	}
	select {
	case s.calls.turns <- struct{}{}:
	case <-ctx.Done():
		return smpp.Header{}, nil, fmt.Errorf("session: %v: %w: %w", id, ErrNotSent, context.Cause(ctx))
	case <-s.ended:
		return smpp.Header{}, nil, fmt.Errorf("session: %v: %w: the session has ended", id, ErrNotSent)
	}
	defer func() { <-s.calls.turns }()
	c := &call{want: id.Response(), done: make(chan struct{})}
	seq, ok := s.call(c, octets)
	if !ok {
		return smpp.Header{}, nil, fmt.Errorf("session: %v: %w: the session is ending", id, ErrNotSent)
	}
	late := time.NewTimer(s.cfg.ResponseTimeout)
	defer late.Stop()
	var why error
	select {
	case <-c.done:
	case <-late.C:
		why = fmt.Errorf("%w in %v", ErrNoResponse, s.cfg.ResponseTimeout)
	case <-ctx.Done():
		why = fmt.Errorf("%w: %w", ErrNoResponse, context.Cause(ctx))
	}
	if why != nil {
		s.forget(seq, c, why)
	}
	if c.err != nil {
		return c.header, c.pdu, fmt.Errorf("session: %v: %w", id, c.err)
	}
	return c.header, c.pdu, nil
}

// mayRequest says why this bind sends no such request (SMPP 3.4 §2.3, 5.0 §2.4).
func (s *Session) mayRequest(id smpp.CommandID) error {
	switch id {
	case smpp.QuerySMID, smpp.CancelSMID, smpp.ReplaceSMID, smpp.SubmitMultiID:
	case smpp.BroadcastSMID, smpp.QueryBroadcastSMID, smpp.CancelBroadcastSMID:
		if s.version < smpp.Version50 {
			return fmt.Errorf("it came with SMPP 5.0, and both sides speak %#x", s.version)
		}
	default:
		return errors.New("Request does not send it")
	}
	if s.cfg.Kind == smpp.BindReceiverID {
		return errors.New("a receiver bind may not")
	}
	return nil
}

// isCallResponse tells whether a response answers what Request sends.
func isCallResponse(id smpp.CommandID) bool {
	switch id {
	case smpp.QuerySMRespID, smpp.CancelSMRespID, smpp.ReplaceSMRespID, smpp.SubmitMultiRespID,
		smpp.BroadcastSMRespID, smpp.QueryBroadcastSMRespID, smpp.CancelBroadcastSMRespID:
		return true
	}
	return false
}

// call queues a request and enters it into the table.
func (s *Session) call(c *call, octets []byte) (seq uint32, ok bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateBound {
		return 0, false
	}
	seq = s.win.next()
	smpp.PutSequence(octets, seq)
	c.gen = s.out.answer(octets, now)
	if s.calls.open == nil {
		s.calls.open = make(map[uint32]*call)
	}
	s.calls.open[seq] = c
	s.active = now
	s.stats.Requests++
	s.signal()
	return seq, true
}

// forget ends a call without an answer, unless one came in this moment.
func (s *Session) forget(seq uint32, c *call, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls.open[seq] == c {
		c.err = why
		s.hangUp(seq, c)
	}
}

// hangUp takes a finished call from the table. The lock is held.
func (s *Session) hangUp(seq uint32, c *call) {
	delete(s.calls.open, seq)
	close(c.done)
	if s.state == stateDraining && len(s.calls.open) == 0 {
		s.lookUp()
	}
}

// answerCall gives a response to the call that waits for it; pdu is nil for a generic_nack. It reports false when there is none. The
// lock is held.
func (s *Session) answerCall(h smpp.Header, pdu []byte, now int64) bool {
	c, ok := s.calls.open[h.Sequence]
	if !ok || (h.ID != c.want && h.ID != smpp.GenericNackID) || after(c.gen, s.begun) {
		return false
	}
	c.header = h
	if pdu != nil {
		_, p, err := smpp.Decode(pdu)
		switch {
		case err == nil:
			c.pdu = p
		case len(pdu) > smpp.HeaderLen:
			s.log.Warn("response that cannot be decoded", "error", err, "sequence", h.Sequence)
		}
	}
	s.answered(now)
	s.hangUp(h.Sequence, c)
	return true
}

// hangUpAll ends the calls that the end of the session leaves. The lock is held.
func (s *Session) hangUpAll() {
	for seq, c := range s.calls.open {
		c.err = fmt.Errorf("%w: the session has ended", ErrNoResponse)
		if after(c.gen, s.begun) {
			c.err = fmt.Errorf("%w: the session has ended", ErrNotSent)
		}
		s.hangUp(seq, c)
	}
}
