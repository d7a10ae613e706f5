package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"fanline/smpp"
)

// Run reads, writes and keeps time until the link ends, and says why it ended: nil after Unbind was carried through, otherwise
// an error that wraps one of this package's, a *smpp.ProtocolError, the cause of ctx, or what the connection said. Before it
// returns, every submit has been handed to the handler, the connection is closed and the writer has ended. When ctx ends, the
// connection is cut; Unbind is the polite way.
func (s *Session) Run(ctx context.Context) error {
	if !s.running.CompareAndSwap(false, true) {
		return fmt.Errorf("session: run: %w", ErrAlreadyRun)
	}
	defer close(s.ended)
	stop := context.AfterFunc(ctx, s.kick)
	defer stop()
	var writer, deliverer sync.WaitGroup
	writer.Go(s.write)
	deliverer.Go(s.deliver)
	err := s.read(ctx)
	s.finish(&writer)
	s.inbox.close()
	deliverer.Wait()
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// read is the loop of the goroutine in Run: take what is readable, hand it over, then look at the time.
func (s *Session) read(ctx context.Context) error {
	now, quiet := s.now(), false
	if err := s.consume(now); err != nil { // What came along with the bind response.
		return err
	}
	for {
		if end, err := s.step(ctx, now, quiet); end {
			return err
		}
		if !s.arm(now) {
			now, quiet = s.now(), false
			continue
		}
		before := s.now()
		n, err := s.conn.Read(s.in.buf[s.in.filled:])
		now = s.now()
		timeout := err != nil && errors.Is(err, os.ErrDeadlineExceeded)
		s.in.dry = timeout && n == 0
		// A probe that had to wait has shown that there was nothing.
		quiet = s.in.probing && (timeout || now-before > probeFor/4)
		if n > 0 {
			s.in.filled += n
			s.in.octets += uint64(n)
			s.in.reads++
			if err := s.consume(now); err != nil {
				return err
			}
		}
		if err != nil && !timeout {
			return s.lost(err)
		}
	}
}

// lost words the end of the connection.
func (s *Session) lost(err error) error {
	s.mu.Lock()
	state, writeErr := s.state, s.writeErr
	s.mu.Unlock()
	switch {
	case s.in.left:
		return ErrPeerUnbound
	case s.in.gone:
		return s.why // It closes behind its unbind_resp, as it may.
	case state == stateUnbound && errors.Is(err, io.EOF):
		s.log.Warn("the peer closed the connection instead of answering unbind")
		return s.why
	case writeErr != nil && !errors.Is(writeErr, ErrPeerClosed):
		return fmt.Errorf("writing: %w", writeErr)
	}
	return fmt.Errorf("reading: %w", connectionEnd(err))
}

// arm sets the read deadline to the next moment that needs a decision. It reports false when somebody wants the reader's
// attention now.
func (s *Session) arm(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kicked {
		s.kicked = false
		return false
	}
	until := s.due()
	s.in.sounding = false
	if s.in.probing {
		until = now + probeFor
		// Nothing has come to the socket that TLS has not got: a read that may not wait shows what it holds.
		if s.in.sounding = s.raw.layered && s.raw.empty(); s.in.sounding {
			until = now
		}
	}
	if until == s.armed && !s.in.probing {
		return true
	}
	s.armed = until
	deadline := time.Time{}
	if until != never {
		deadline = s.at(until)
	}
	_ = s.conn.SetReadDeadline(deadline) // Fails only on a closed connection; so will the read.
	return true
}

// due returns when a decision about time has to be taken next. The lock is held.
func (s *Session) due() int64 {
	switch s.state {
	case stateBroken:
		return 0
	case stateUnbound, stateLeaving:
		if s.leaving {
			return min(s.sweepAt, s.leaveBy, s.resignBy)
		}
		return min(s.sweepAt, s.leaveBy)
	case stateDraining:
		if s.drainBy != 0 {
			return min(s.sweepAt, s.live.next(), s.drainBy)
		}
	case stateBound:
		if s.cfg.InactivityTimeout > 0 {
			return min(s.sweepAt, s.live.next(), s.active+int64(s.cfg.InactivityTimeout))
		}
	}
	return min(s.sweepAt, s.live.next())
}

// step hands over what others found, carries an unbind on, and decides about time-outs when one is due. Those wait until
// everything readable has been read: our own slowness, or a process that was stopped for a while, is not the peer's fault.
func (s *Session) step(ctx context.Context, now int64, quiet bool) (end bool, err error) {
	s.handBack(now)
	if ctx.Err() != nil {
		return true, context.Cause(ctx)
	}
	in := &s.in
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.BytesIn, s.stats.Reads = in.octets, in.reads
	quiet = quiet && !s.kicked // Somebody's call has ended the probe, not the lack of octets.
	switch {
	case s.state == stateDraining:
		s.drain(now)
	case s.state == stateUnbound && in.gone && s.owed == 0: // Until then the peer may still want our answers.
		return true, s.why
	case s.state == stateLeaving && s.win.inflight == 0 && s.owed == 0:
		s.resign(now)
		return true, ErrPeerUnbound
	}
	if s.due() > now {
		in.probing, in.dueAt = false, 0
		return false, nil
	}
	if s.raw.known() {
		// Of a socket we know better than by a probe, in which the process may have been stopped.
		quiet = in.sounding && in.dry || !s.raw.layered && s.raw.empty()
	}
	if !quiet {
		if in.dueAt == 0 {
			in.dueAt = in.octets + 1
		}
		if in.octets < in.dueAt+floodAfter {
			in.probing = true
			return false, nil
		}
	}
	in.probing, in.dueAt = false, 0
	return s.timeouts(now)
}

// timeouts acts on what is due. The lock is held.
func (s *Session) timeouts(now int64) (end bool, err error) {
	if now >= s.sweepAt {
		timeout := int64(s.cfg.ResponseTimeout)
		next := s.win.expire(now, timeout, s.done, func(sl slot) {
			s.stats.TimedOut++
			s.giveBack(Outcome{Token: sl.token, Code: Unknown})
		})
		s.sweepAt = max(next, now+timeout/64+1) // Not for every single one: they are found a sixty-fourth late at most.
	}
	if s.leaving && now >= s.resignBy {
		s.resign(now)
	}
	switch {
	case s.state == stateBroken && s.in.gone: // It closed behind its unbind_resp.
		return true, s.why
	case s.state == stateBroken && s.in.left:
		return true, ErrPeerUnbound
	case s.state == stateBroken:
		return true, fmt.Errorf("writing: %w", s.writeErr)
	case s.state == stateLeaving && now >= s.leaveBy:
		return true, ErrPeerUnbound
	case s.state == stateUnbound && now >= s.leaveBy && s.in.gone:
		return true, s.why
	case s.state == stateUnbound && now >= s.leaveBy:
		return true, ErrUnbindTimeout
	case s.state >= stateUnbound:
		return false, nil
	}
	if idle := int64(s.cfg.InactivityTimeout); idle > 0 && s.state == stateBound && now >= s.active+idle {
		s.state, s.why = stateDraining, ErrInactive
		s.drain(now)
		return false, nil
	}
	writing := s.begun != s.done
	switch s.live.step(now, s.done, writing) {
	case ask:
		seq := s.win.next()
		gen := s.out.answer(appendHeader(s.in.answers[:0], smpp.EnquireLinkID, smpp.StatusOK, seq), now)
		s.live.ask(seq, gen, now, writing)
		s.stats.EnquiresSent++
		s.signal()
	case dead:
		return true, fmt.Errorf("%w: no answer to anything for %v, no octet for %v", ErrSilent,
			time.Duration(now-s.live.answered).Round(time.Millisecond), time.Duration(now-s.live.heard).Round(time.Millisecond))
	}
	return false, nil
}

// drain sends our unbind once the window is empty and the deliveries are answered. The lock is held.
func (s *Session) drain(now int64) {
	if !s.hurry {
		if s.win.inflight > 0 || len(s.calls.open) > 0 {
			s.drainBy = 0
			return
		}
		if s.drainBy == 0 {
			s.drainBy = now + int64(s.cfg.UnbindTimeout)
		}
		if s.owed > 0 && now < s.drainBy {
			return
		}
	}
	s.unbindSeq = s.win.next()
	s.out.answer(appendHeader(s.in.answers[:0], smpp.UnbindID, smpp.StatusOK, s.unbindSeq), now)
	s.state, s.leaveBy = stateUnbound, now+int64(s.cfg.UnbindTimeout)
	s.signal()
}

// resign answers the peer's unbind. The lock is held.
func (s *Session) resign(now int64) {
	if s.leaving && s.state == stateLeaving {
		s.out.answer(appendHeader(s.in.answers[:0], smpp.UnbindRespID, smpp.StatusOK, s.leaveSeq), now)
		s.leaving, s.in.polite = false, true
		s.signal()
	}
}

// signal wakes the writer if it waits. The lock is held.
func (s *Session) signal() {
	if s.wake() {
		s.more.Signal()
	}
}

// handBack hands over the outcomes that were found outside the reader.
func (s *Session) handBack(now int64) {
	s.mu.Lock()
	batch := s.returned
	s.returned = s.in.spare[:0]
	s.mu.Unlock()
	s.in.spare = batch
	at := s.at(now)
	for i := range batch {
		batch[i].At = at
	}
	for len(batch) > 0 {
		n := min(len(batch), batchSize)
		s.handler.Outcomes(batch[:n])
		batch = batch[n:]
	}
}

// finish ends the writer, closes the connection and returns every submit that is left: NotSent what the kernel never wholly
// got, Unknown the rest.
func (s *Session) finish(writer *sync.WaitGroup) {
	s.mu.Lock()
	s.state = stateClosed
	s.stats.BytesIn, s.stats.Reads = s.in.octets, s.in.reads
	s.withdraw(func(uint64) bool { return true })
	flush := s.in.polite && s.writeErr == nil
	if flush {
		s.lastWrites(min(s.cfg.WriteTimeout, time.Second))
	}
	s.more.Broadcast()
	s.mu.Unlock()
	if !flush {
		_ = s.conn.Close()
	}
	writer.Wait()
	_ = s.conn.Close() // The reason why the session ended is known already; a second close says nothing new.

	s.mu.Lock()
	for i := range s.win.slots {
		if sl := &s.win.slots[i]; sl.seq != 0 {
			s.giveBack(Outcome{Token: sl.token, Code: Unknown})
			s.win.free(sl)
			s.stats.Lost++
		}
	}
	s.hangUpAll()
	s.out = queue{} // What is left are answers that nobody will read.
	s.mu.Unlock()
	s.handBack(s.now())
}
