package smsc

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"fanline/smpp"
)

// Kinds of fault.
const (
	faultDrop      = "drop"         // the connection is reset; what it was owed is sent on another bind
	faultClose     = "close"        // the connection is closed in order, without unbind
	faultHalf      = "half_pdu"     // half of the next answer is written, then the connection is reset
	faultPieces    = "pieces"       // what is written goes out in pieces with pauses between
	faultSilent    = "silent"       // submits are accepted and never answered
	faultStatus    = "status"       // submits are answered with a status
	faultNack      = "nack"         // submits are answered by generic_nack with a status
	faultStop      = "stop_reading" // nothing is read: the TCP window closes; all else goes on
	faultHalfOpen  = "half_open"    // TCP lives, nothing is taken and nothing answered; then the connection is reset
	faultUnbind    = "unbind"       // the simulator asks the client to unbind
	faultFlood     = "flood"        // many texts from phones at once
	faultGarbage   = "garbage"      // octets that are no SMPP
	faultBadLength = "bad_length"   // a PDU with a wrong command_length
)

var faultKinds = [...]string{
	faultDrop, faultClose, faultHalf, faultPieces, faultSilent, faultStatus, faultNack, faultStop, faultHalfOpen, faultUnbind,
	faultFlood, faultGarbage, faultBadLength,
}

// fault is a Fault compiled; left counts down the connections it still happens on.
type fault struct {
	kind, name, account string
	after               int
	timed               bool   // afterMs counts, not after
	afterMs             uint32 // since the bind
	submits             int
	status              smpp.Status
	lasts               time.Duration
	piece               int
	pause               time.Duration
	count               int
	number              string
	octets              int
	length              uint32
	left, hits          atomic.Int64
}

const (
	floodDefault   = 1000
	garbageDefault = 64
	garbageMax     = 1 << 20
	pieceDefault   = 7
	pauseDefault   = 10 * time.Millisecond
	lengthDefault  = 0x7fffffff
)

func compileFault(f Fault, place int) (*fault, error) {
	c := &fault{
		kind: f.Kind, name: f.Name, account: f.Account, after: f.After, submits: max(f.Submits, 1), lasts: time.Duration(f.For),
		piece: f.Piece, pause: time.Duration(f.Pause), count: f.Count, number: f.Number, octets: f.Octets, length: uint32(f.Length),
	}
	if c.name == "" {
		c.name = fmt.Sprintf("%s-%d", f.Kind, place+1)
	}
	if !f.Off {
		c.left.Store(int64(max(f.Times, 1)))
	}
	known := false
	for _, kind := range faultKinds {
		known = known || kind == f.Kind
	}
	if !known {
		return nil, fmt.Errorf("kind: %q: want one of %s", f.Kind, strings.Join(faultKinds[:], ", "))
	}
	if f.After < 0 || f.Submits < 0 || f.Times < 0 || f.Piece < 0 || f.Count < 0 || f.Octets < 0 || f.Length < 0 || f.Length > lengthDefault {
		return nil, errors.New("after_submits, submits, times, piece, count, octets, length: want 0 or more")
	}
	if f.Octets > garbageMax || f.Count > textsMax {
		return nil, fmt.Errorf("octets, count: want at most %d and %d", garbageMax, textsMax)
	}
	if f.Time != nil {
		if f.After > 0 {
			return nil, errors.New("after: not together with after_submits")
		}
		c.timed, c.afterMs = true, uint32(time.Duration(*f.Time)/time.Millisecond)
	}
	return c, c.fill(f.Status)
}

// fill reads the status where the kind has one, and puts in what was left out.
func (f *fault) fill(status string) error {
	if f.kind == faultNack && status == "" {
		status = smpp.StatusSysErr.String()
	}
	if f.kind == faultStatus || f.kind == faultNack {
		s, err := parseStatus(status)
		if err != nil {
			return fmt.Errorf("status: %w", err)
		}
		f.status = s
	}
	if f.piece == 0 {
		f.piece = pieceDefault
	}
	if f.pause == 0 {
		f.pause = pauseDefault
	}
	if f.count == 0 {
		f.count = floodDefault
	}
	if f.octets == 0 {
		f.octets = garbageDefault
	}
	if f.length == 0 {
		f.length = lengthDefault
	}
	return nil
}

// fires says whether the fault still happens, and counts it.
func (f *fault) fires() bool {
	if f.left.Add(-1) < 0 {
		f.left.Add(1) // It may be switched on later.
		return false
	}
	f.hits.Add(1)
	return true
}

// faultsOf lists the faults that may happen on an account's connections.
func (p *plan) faultsOf(account string) (out []*fault) {
	for _, f := range p.faults {
		if f.account == "" || f.account == account {
			out = append(out, f)
		}
	}
	return out
}

// fault counts a submit and lets happen what is set for this number. It returns true when the submit is not to be
// looked at any more.
func (c *conn) fault() bool {
	if c.dropped {
		return true
	}
	n := c.submits
	c.submits++
	if p := c.s.plan(); p != c.faultPlan {
		c.faultPlan, c.faults = p, p.faultsOf(c.account.config.SystemID)
	}
	for _, f := range c.faults {
		if f.timed || f.after != n || !f.fires() {
			continue
		}
		c.s.logger.Info("fault", "kind", f.kind, "conn", c.id, "after_submits", n)
		c.block.event(CommandFault, false, f.status, 0, "", f.kind)
		if c.happen(f) {
			return true
		}
	}
	return false
}

// happen does what a fault does, on the reader's side. It returns true when the connection is at its end.
func (c *conn) happen(f *fault) bool {
	switch f.kind {
	case faultDrop, faultClose:
		c.s.stats.droppedByFaults.Add(1)
		c.dropped, c.hangUp, c.stopRead, c.reason = true, f.kind == faultClose, true, "fault: "+f.kind
		return true
	case faultHalf:
		c.s.stats.droppedByFaults.Add(1)
		c.reason = "fault: half a PDU"
		c.cut.Store(true)
	case faultSilent:
		c.silent = f.submits
	case faultStatus, faultNack:
		c.forced, c.forcedStatus, c.forcedNack = f.submits, f.status, f.kind == faultNack
	case faultUnbind:
		c.unbinding = true
	case faultFlood:
		c.s.flood(c.account, f)
	case faultGarbage, faultBadLength:
		c.replies = c.appendBroken(c.replies, f)
	default:
		c.endure(f)
	}
	return false
}

// endure begins a fault that lasts.
func (c *conn) endure(f *fault) {
	until := int64(1<<63 - 1)
	if f.lasts > 0 {
		until = c.s.now().ns + int64(f.lasts)
	}
	switch f.kind {
	case faultPieces:
		c.pieces.Store(&pieces{f.piece, f.pause, until})
	case faultStop:
		c.stall.Store(until)
	case faultHalfOpen:
		c.deaf.Store(until)
	}
}

// pieces is how the writer cuts up what it writes, and until when.
type pieces struct {
	size  int
	pause time.Duration
	until int64 // ns
}

// appendBroken writes what no client can read.
func (c *conn) appendBroken(dst []byte, f *fault) []byte {
	if f.kind == faultBadLength {
		return appendHeader(dst, int(f.length), smpp.EnquireLinkID, smpp.StatusOK, enquireSequence)
	}
	x := c.s.plan().seed + uint64(c.id)
	for range f.octets {
		x = mix64(x)
		dst = append(dst, byte(x)|0x80) // read as a length it is beyond every bound
	}
	return dst
}

// timedFaults is the writer's list of what is to happen at a time after the bind.
type timedFaults struct {
	plan *plan
	list []*fault
}

// faults lets happen on the writer's side what is due, and says when the next one is. ok is false when the connection is
// at its end.
func (w *writer) faults(wait time.Duration) (next time.Duration, ok bool) {
	c := w.c
	if p := c.s.plan(); p != w.timed.plan {
		w.timed.plan, w.timed.list = p, w.timed.list[:0]
		for _, f := range p.faultsOf(c.account.config.SystemID) {
			if f.timed {
				w.timed.list = append(w.timed.list, f)
			}
		}
	}
	if f := c.sudden.Swap(nil); f != nil {
		f.hits.Add(1)
		if !w.happen(f) {
			return 0, false
		}
	}
	left := w.timed.list[:0]
	for _, f := range w.timed.list {
		if ahead := int32(c.boundMs + f.afterMs - w.at.ms); ahead > 0 {
			wait = min(wait, max(time.Duration(ahead)*time.Millisecond, flushGap))
			left = append(left, f)
			continue
		}
		if f.fires() && !w.happen(f) {
			return 0, false
		}
	}
	w.timed.list = left
	return wait, true
}

// happen does what a fault does, on the writer's side.
func (w *writer) happen(f *fault) bool {
	c := w.c
	c.s.logger.Info("fault", "kind", f.kind, "conn", c.id, "after", time.Duration(f.afterMs)*time.Millisecond)
	w.block.reset(c.id, c.account.config.SystemID, w.at.micros)
	w.block.event(CommandFault, false, f.status, 0, "", f.kind)
	err := c.s.log.write(&w.block)
	if err == nil && (f.kind == faultDrop || f.kind == faultClose) {
		err = c.s.log.flush()
	}
	if err != nil {
		c.s.fail(err)
		return false
	}
	switch f.kind {
	case faultDrop:
		c.s.stats.droppedByFaults.Add(1)
		reset(c.nc)
		return false
	case faultClose:
		c.s.stats.droppedByFaults.Add(1)
		_ = c.nc.Close() // The reader finds out.
		return false
	case faultHalf:
		c.s.stats.droppedByFaults.Add(1)
		c.cut.Store(true)
	case faultUnbind:
		c.finish()
	case faultFlood:
		c.s.flood(c.account, f)
	case faultGarbage, faultBadLength:
		w.out = c.appendBroken(w.out, f)
	case faultSilent, faultStatus, faultNack:
		c.asked.Store(f)
	default:
		c.endure(f)
	}
	return true
}

// isDeaf says whether the connection is half open now.
func (c *conn) isDeaf() bool { return c.deaf.Load() != 0 }

// writePieces writes in pieces, as long as the fault lasts.
func (w *writer) writePieces(p *pieces, b []byte) error {
	for len(b) > 0 {
		n := len(b)
		if w.c.s.now().ns < p.until {
			n = min(n, p.size)
		}
		_ = w.c.nc.SetWriteDeadline(time.Now().Add(writeWithin))
		if _, err := w.c.nc.Write(b[:n]); err != nil {
			return err
		}
		if b = b[n:]; len(b) > 0 && !w.c.s.sleep(p.pause, w.done) {
			return errEnding
		}
	}
	return nil
}

var errEnding = errors.New("simulator ends")

// sleep waits; it returns false when the simulator or what it is done for ends before.
func (s *server) sleep(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-done:
	case <-s.ending:
	}
	return false
}
