package session

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"fanline/smpp"
)

// Code says what became of a submit.
type Code uint8

const (
	// Accepted: the peer answered with status ESME_ROK.
	Accepted Code = iota + 1
	// Refused: the peer answered with another status, or with generic_nack.
	Refused
	// NotSent: not all of its octets were handed to the kernel, so the peer cannot have it.
	NotSent
	// Unknown: all of it was handed to the kernel, and no answer came.
	Unknown
)

// String returns the code in the words of the journal.
func (c Code) String() string {
	switch c {
	case Accepted:
		return "accepted"
	case Refused:
		return "refused"
	case NotSent:
		return "not_sent"
	case Unknown:
		return "unknown"
	}
	return "code(0)"
}

// Outcome is what became of one submitted PDU. Every PDU that Submit took has exactly one with Late false.
type Outcome struct {
	Token     uint64
	Code      Code
	Late      bool        // an answer that came after its time-out had been reported as Unknown
	Status    smpp.Status // the peer's command_status, as it came; only with Accepted and Refused
	MessageID []byte      // the peer's id, may be empty; aliases the read buffer until the handler returns
	At        time.Time   // when the answer was read, or the end was seen
	// Took is the time from the write (to within a sixty-fourth of ResponseTimeout) to the answer; 0 without one.
	Took       time.Duration
	Congestion int8 // congestion_state of SMPP 5.0 §4.8.4.18 (0 idle to 100 congested), -1 without it
}

// Delivery is a deliver_sm or data_sm of the peer, already found well-formed. It must be answered by Respond, once.
type Delivery struct {
	PDU      []byte // the whole PDU; its buffer is reused when the handler returns
	Command  smpp.CommandID
	Sequence uint32
	At       time.Time // when it was read
}

// Handler receives what comes in. Each method is called by one goroutine, so never twice at the same time, but Outcomes may run
// beside Deliveries. While Outcomes runs nothing is read, so it should enqueue and return. Deliveries may take its time, at the price
// of memory: beyond 4 MB the peer is asked to come again. An answer read before a delivery is handed over before it. Slices and
// what they point to are reused afterwards. All methods of the session but Run, Unbind and Request may be called from inside.
type Handler interface {
	Outcomes(batch []Outcome)
	Deliveries(batch []Delivery)
}

// Item is one PDU to send: an encoded submit_sm or data_sm. The session copies it and gives it its sequence number.
type Item struct {
	Token uint64 // returned in its Outcome
	PDU   []byte
}

// state says how far the session is from its end; it only grows.
type state uint8

const (
	stateBound    state = iota // takes submits
	stateDraining              // Unbind was called: no more submits, waiting for the window to empty
	stateUnbound               // unbind sent by us: waiting for the response
	stateLeaving               // the peer has unbound: waiting for what is under way
	stateBroken                // a write failed: reading what is still there to read
	stateClosed                // Run is finishing or has finished
)

// Session is one bind. Its methods may be called from any goroutine.
type Session struct {
	conn    net.Conn
	cfg     Config
	handler Handler
	alerted AlertHandler // the handler too, if it wants to know
	log     *slog.Logger
	began   time.Time // zero of the session's clock
	peer    Peer
	version byte // what both sides speak
	raw     peeker
	in      reader
	inbox   inbox

	running atomic.Bool
	ended   chan struct{} // closed when Run returns

	mu        sync.Mutex
	more      sync.Cond // the writer waits here for work
	idle      bool      // the writer waits
	state     state
	hurry     bool // Unbind's context has ended: don't wait for the window
	win       window
	out       queue
	begun     uint32 // generation of the chunk handed to the kernel last, perhaps still being written
	done      uint32 // generation of the chunk wholly written last
	live      liveness
	sweepAt   int64 // when the window is to be looked through for time-outs
	drainBy   int64 // when unbind goes out although deliveries are unanswered; 0: submits are still in flight
	leaveBy   int64 // when the session ends although unbind isn't answered, or submits aren't after the peer's
	unbindSeq uint32
	leaving   bool      // the peer's unbind is not answered yet
	leaveSeq  uint32    // its number
	resignBy  int64     // when it is answered although something is under way
	why       error     // of an unbind that nobody asked for
	active    int64     // when something other than enquire_link was sent or read last
	calls     callTable // what Request waits for
	owed      int       // deliveries taken and not answered yet
	returned  []Outcome // outcomes found outside the reader, on their way to it
	kicked    bool      // the reader is to look up
	armed     int64     // read deadline that is set, session clock; 0: none
	writeBy   int64     // write deadline that is set
	lastCall  bool      // the write deadline is final
	writeErr  error
	stats     Stats
}

// Stats is a snapshot of a session's counters since Open.
type Stats struct {
	Submits, Accepted, Refused uint64 // taken into the window; answered, Late included
	TimedOut, Late             uint64 // Unknown by time-out, and answers that came after it
	NotSent, Lost              uint64 // returned at revocation or end: unsent, and unanswered (Unknown)
	Invalid                    uint64 // items of Submit that must not be sent to this peer: no submit_sm or data_sm, wrong length, not in its version
	Deliveries, Responds       uint64 // taken for the handler, PutOff not among them; answered by it
	PutOff                     uint64 // deliveries answered with ESME_RX_T_APPN: too many waited for the handler
	Alerts                     uint64 // alert_notifications
	Requests                   uint64 // calls of Request that were sent
	EnquiresSent, EnquiresSeen uint64
	Strays                     uint64 // responses that match nothing of ours
	NacksSent, NacksSeen       uint64
	Malformed                  uint64 // PDUs answered with an error because they could not be decoded
	BytesIn, BytesOut          uint64
	Reads, Writes              uint64
	Inflight, Waiting          int  // requests unanswered, octets not yet begun to be written
	Congestion                 int8 // congestion_state seen last, -1 if none ever
}

// Stats returns the counters as of now.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Inflight, st.Waiting = s.win.inflight, s.out.size
	return st
}

// Inflight returns how many submits have no outcome yet, waiting and written ones together.
func (s *Session) Inflight() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.win.inflight
}

// Submit takes as many items, from the first, as the window has room for, and returns their number; it never blocks. It
// takes none once the session is ending, and none on a receiver bind. An item that is not one whole submit_sm or data_sm
// would corrupt the stream: it is taken and comes back as Refused with ESME_RINVCMDLEN or ESME_RINVCMDID, unsent; so does, with
// ESME_ROPTPARNOTALLWD, a data_sm or a TLV for a peer that speaks 3.3.
func (s *Session) Submit(items []Item) (n int) {
	if len(items) == 0 || s.cfg.Kind == smpp.BindReceiverID {
		return 0
	}
	now := s.now()
	s.mu.Lock()
	if s.state != stateBound {
		s.mu.Unlock()
		return 0
	}
	for n < len(items) && !s.win.full() {
		it := &items[n]
		n++
		if status := s.checkItem(it.PDU); status != smpp.StatusOK {
			s.stats.Invalid++
			s.giveBack(Outcome{Token: it.Token, Code: Refused, Status: status})
			continue
		}
		c := s.out.tail(len(it.PDU), now)
		s.stats.Submits++
		s.out.put(c, it.PDU, s.win.open(it.Token, command(it.PDU).Response(), c.gen, now))
	}
	s.active = now
	wake := s.wake()
	s.mu.Unlock()
	if wake {
		s.more.Signal()
	}
	return n
}

// checkItem returns what is wrong with a PDU that is to be sent.
func (s *Session) checkItem(pdu []byte) smpp.Status {
	if len(pdu) < smpp.HeaderLen || len(pdu) > smpp.MaxPDU || int(binary.BigEndian.Uint32(pdu)) != len(pdu) {
		return smpp.StatusInvCmdLen
	}
	if id := command(pdu); id != smpp.SubmitSMID && id != smpp.DataSMID {
		return smpp.StatusInvCmdID
	}
	if s.version < smpp.Version34 && needs34(pdu) {
		return statusOptionNotAllowed
	}
	return smpp.StatusOK
}

// wake marks the writer as having work and reports whether it must be signalled. The lock is held.
func (s *Session) wake() bool {
	wake := s.idle && s.out.size > 0
	if wake {
		s.idle = false
	}
	return wake
}

// Response answers one Delivery.
type Response struct {
	Command  smpp.CommandID // of the Delivery
	Sequence uint32
	Status   smpp.Status
}

// Respond answers one Delivery (SMPP 3.4 §4.6.2, §4.7.2); see RespondAll.
func (s *Session) Respond(command smpp.CommandID, sequence uint32, status smpp.Status) {
	s.RespondAll([]Response{{command, sequence, status}})
}

// RespondAll answers deliveries, any time after they came and in any order. Responses are written in the order of the calls,
// behind the submits taken before. On a session that has ended it does nothing: the peer will deliver again.
func (s *Session) RespondAll(responses []Response) {
	now := s.now()
	s.mu.Lock()
	if s.state >= stateBroken {
		s.mu.Unlock()
		return
	}
	var pdu [deliverRespLen]byte
	for _, r := range responses {
		s.out.answer(appendDeliverResp(pdu[:0], r.Command, r.Sequence, r.Status), now)
	}
	s.stats.Responds += uint64(len(responses))
	s.owed = max(0, s.owed-len(responses))
	if s.owed == 0 && s.state != stateBound {
		s.lookUp()
	}
	wake := s.wake()
	s.mu.Unlock()
	if wake {
		s.more.Signal()
	}
}

// Revoke takes those submits back whose writing has not begun and whose token matches. They come as NotSent outcomes, from
// the goroutine in Run; Revoke itself returns how many they are. When it returns, none of them can be written any more.
// match is called under the session's lock: it must be quick and must not call the session.
func (s *Session) Revoke(match func(token uint64) bool) (n int) {
	s.mu.Lock()
	if s.state < stateBroken {
		n = s.withdraw(match)
	}
	s.mu.Unlock()
	if n > 0 {
		s.kick()
	}
	return n
}

// withdraw moves the waiting submits that match from the queue to the returned outcomes. The lock is held.
func (s *Session) withdraw(match func(token uint64) bool) (n int) {
	s.out.withdraw(func(pdu []byte) bool {
		sl := s.request(pdu)
		if sl == nil || !match(sl.token) {
			return false
		}
		s.giveBack(Outcome{Token: sl.token, Code: NotSent})
		s.win.free(sl)
		n++
		return true
	})
	s.stats.NotSent += uint64(n)
	return n
}

// giveBack leaves an outcome for the reader to hand over. The lock is held. The list is bounded by the window, and by what
// callers do wrong.
func (s *Session) giveBack(o Outcome) {
	o.Congestion = -1
	s.returned = append(s.returned, o)
	s.lookUp()
}

// kick makes the reader look up from its read.
func (s *Session) kick() {
	s.mu.Lock()
	s.lookUp()
	s.mu.Unlock()
}

// lookUp is kick with the lock held: under it, so that the reader cannot arm a later deadline over this one.
func (s *Session) lookUp() {
	if s.kicked || s.state == stateClosed {
		return
	}
	s.kicked, s.armed = true, 0
	_ = s.conn.SetReadDeadline(time.Unix(1, 0)) // Fails only on a closed connection, and then the read has ended too.
}

// Unbind ends the session in order: it takes no more submits, waits until the window is empty and what was delivered has
// been answered (for the latter at most UnbindTimeout), sends unbind and reads on until the response. It returns when Run
// has ended, with nil, or when ctx ends. Then the unbind goes out at once, and Run ends within UnbindTimeout by itself.
func (s *Session) Unbind(ctx context.Context) error {
	s.mu.Lock()
	if s.state == stateBound {
		s.state = stateDraining
		s.lookUp()
	}
	s.mu.Unlock()
	select {
	case <-s.ended:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	s.hurry = true
	s.lookUp()
	s.mu.Unlock()
	return context.Cause(ctx)
}

// now reads the session's clock: nanoseconds since Open, monotonic.
func (s *Session) now() int64 { return int64(time.Since(s.began)) }

// at turns the session's clock into a time.
func (s *Session) at(now int64) time.Time { return s.began.Add(time.Duration(now)) }
