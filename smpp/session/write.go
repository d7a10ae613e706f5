package session

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"fanline/smpp"
)

// gatherBelow is how much must wait before the writer takes it at once. With less it lets others run first, who may have more to
// add: measured 2 to 4 times the throughput for callers that submit one by one.
const gatherBelow = 32 << 10

// write is the writer goroutine: it hands the queue to the kernel, a chunk at a time, until the session closes and the queue is
// empty, or a write fails.
func (s *Session) write() {
	for {
		c := s.nextChunk()
		if c == nil {
			return
		}
		n, err := s.conn.Write(c.octets)
		if !s.wrote(c, n, err) {
			return
		}
	}
}

// nextChunk waits for work and takes the oldest chunk. It returns nil when the session is closed and nothing waits.
func (s *Session) nextChunk() *chunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	for gathered := false; ; {
		switch {
		case s.out.size == 0 && s.state == stateClosed:
			return nil
		case s.out.size == 0:
			s.idle, gathered = true, false
			s.more.Wait()
		case s.out.size < gatherBelow && !gathered:
			gathered = true
			s.mu.Unlock()
			runtime.Gosched()
			s.mu.Lock()
		default:
			c := s.out.take()
			s.begun = c.gen
			s.armWrite(s.now())
			return c
		}
	}
}

// armWrite sets the write deadline, renewing it only when a quarter of the time-out has passed since: setting it costs about as much
// as a small write's copying. The lock is held.
func (s *Session) armWrite(now int64) {
	timeout := int64(s.cfg.WriteTimeout)
	if s.lastCall || s.writeBy-now >= timeout {
		return
	}
	s.writeBy = now + timeout + timeout/4
	_ = s.conn.SetWriteDeadline(s.at(s.writeBy)) // Fails only on a closed connection; so will the write.
}

// wrote books what became of a chunk, of which n octets were handed to the kernel, and reports whether writing goes on.
func (s *Session) wrote(c *chunk, n int, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.BytesOut += uint64(n)
	if n > 0 {
		s.stats.Writes++
	}
	if err == nil {
		now := s.now()
		if now-c.since > int64(s.cfg.ResponseTimeout)/64 {
			s.restamp(c.octets, now)
		}
		s.live.written(c.gen, now)
		s.done = c.gen
		s.out.recycle(c)
		return true
	}
	s.cut(c.octets, n)
	s.done = c.gen
	s.writeErr = connectionEnd(err)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.writeErr = fmt.Errorf("%w: %d of %d octets taken in %v", ErrNotReading, n, len(c.octets), s.cfg.WriteTimeout)
	}
	if s.state < stateBroken {
		s.state = stateBroken
	}
	s.lookUp()
	return false
}

// restamp starts the response time of a chunk's requests anew: they waited long to be written.
func (s *Session) restamp(octets []byte, now int64) {
	for pdu := range each(octets) {
		if sl := s.request(pdu); sl != nil {
			sl.at = now
		}
	}
}

// cut gives back the requests of a chunk that did not go wholly to the kernel: of the PDU in which the write broke off
// the peer has a part that it can never complete, and of those behind it nothing.
func (s *Session) cut(octets []byte, n int) {
	end := 0
	for pdu := range each(octets) {
		end += len(pdu)
		if end <= n {
			continue
		}
		if sl := s.request(pdu); sl != nil {
			s.giveBack(Outcome{Token: sl.token, Code: NotSent})
			s.win.free(sl)
			s.stats.NotSent++
		}
	}
}

// request returns the slot of a submit_sm or data_sm that is or was queued; nil for other PDUs, and when it has been answered.
func (s *Session) request(pdu []byte) *slot {
	id := command(pdu)
	if id != smpp.SubmitSMID && id != smpp.DataSMID {
		return nil
	}
	return s.win.find(sequence(pdu), id.Response())
}

// lastWrites gives the writer until d from now for what is still queued. The lock is held.
func (s *Session) lastWrites(d time.Duration) {
	s.lastCall = true
	_ = s.conn.SetWriteDeadline(time.Now().Add(d))
}
