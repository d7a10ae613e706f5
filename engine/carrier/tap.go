package carrier

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"fanline/smpp"
)

// Frame is one PDU on its way, as a Tap sees it.
type Frame struct {
	At            time.Time
	Carrier       string
	Bind          uint32
	Out           bool // from us to the carrier
	Local, Remote netip.AddrPort
	PDU           []byte // valid during the call; of TLS, what is inside
}

// tap is one listener; mu has its calls come one at a time and none after stop.
type tap struct {
	mu      sync.Mutex
	f       func(Frame)
	stopped bool
}

// Tap has f see every PDU of every bind, bind requests and their passwords
// included, until stop is called; when stop returns, f is not called any more.
// f is called by one goroutine at a time, holds up the bind whose PDU it is
// handed, and must not call stop. A tap that begins in the middle of a session
// misses at most the PDU under way. While no tap is on, a read or a write costs
// one atomic load.
func (p *Pool) Tap(f func(Frame)) (stop func()) {
	t := &tap{f: f}
	p.mu.Lock()
	p.taps.Store(p.others(t, true))
	p.mu.Unlock()
	return func() {
		p.mu.Lock()
		p.taps.Store(p.others(t, false))
		p.mu.Unlock()
		t.mu.Lock()
		t.stopped = true
		t.mu.Unlock()
	}
}

// others returns the taps with or without t; nil for none. p.mu is held.
func (p *Pool) others(t *tap, with bool) *[]*tap {
	var list []*tap
	if now := p.taps.Load(); now != nil {
		list = slices.DeleteFunc(slices.Clone(*now), func(o *tap) bool { return o == t })
	}
	if with {
		list = append(list, t)
	}
	if len(list) == 0 {
		return nil
	}
	return &list
}

// tapped wraps a connection so that taps see what passes.
func (p *Pool) tapped(carrier string, bind uint32, conn net.Conn) net.Conn {
	return &tappedConn{Conn: conn, pool: p, frame: Frame{Carrier: carrier, Bind: bind, Local: addrPort(conn.LocalAddr()), Remote: addrPort(conn.RemoteAddr())}}
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{} // A pipe of a test.
}

// tappedConn is used by one reader and one writer.
type tappedConn struct {
	net.Conn
	pool    *Pool
	frame   Frame
	in, out framer
}

// Read is part of net.Conn.
func (t *tappedConn) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.see(&t.in, b[:n], false)
	return n, err
}

// Write is part of net.Conn. Taps see what is about to be written, so that no
// answer is seen before its request.
func (t *tappedConn) Write(b []byte) (int, error) {
	t.see(&t.out, b, true)
	return t.Conn.Write(b)
}

// Under returns the connection itself, into which sessions look for what is
// still to be read.
func (t *tappedConn) Under() net.Conn { return t.Conn }

// see cuts octets into PDUs for the taps.
func (t *tappedConn) see(f *framer, b []byte, out bool) {
	taps := t.pool.taps.Load()
	if taps == nil {
		if f.synced {
			f.reset()
		}
		return
	}
	frame := t.frame
	frame.At, frame.Out = time.Now(), out
	f.feed(b, func(pdu []byte) {
		frame.PDU = pdu
		for _, tap := range *taps {
			tap.mu.Lock()
			if !tap.stopped {
				tap.f(frame)
			}
			tap.mu.Unlock()
		}
	})
}

// framer cuts a stream into PDUs. It may begin anywhere in it.
type framer struct {
	synced bool
	held   []byte // the beginning of a PDU whose rest is to come, at most smpp.MaxPDU
}

func (f *framer) reset() { *f = framer{} }

func (f *framer) feed(b []byte, each func(pdu []byte)) {
	if !f.synced {
		at := beginning(b)
		if at < 0 {
			return // Nothing in it looks like a PDU: the next octets may.
		}
		f.synced, b = true, b[at:]
	}
	if len(f.held) > 0 {
		f.held = append(f.held, b...)
		b = f.held
	}
	for len(b) >= smpp.HeaderLen {
		n := int(binary.BigEndian.Uint32(b))
		if n < smpp.HeaderLen || n > smpp.MaxPDU {
			f.reset() // The session ends by this, too.
			return
		}
		if len(b) < n {
			break
		}
		each(b[:n])
		b = b[n:]
	}
	f.held = append(f.held[:0], b...) // b may lie in held, further on.
}

// beginning finds where the first PDU in b begins, as the first place from
// which on headers follow one another as their lengths say; -1: nowhere.
func beginning(b []byte) int {
	for at := range b {
		rest := b[at:]
		for len(rest) >= smpp.HeaderLen && plausible(rest) {
			rest = rest[min(len(rest), int(binary.BigEndian.Uint32(rest))):]
		}
		if len(rest) == 0 && at < len(b) {
			return at
		}
		if len(rest) < smpp.HeaderLen && len(b)-at > len(rest) {
			return at // Headers up to the beginning of one more.
		}
	}
	return -1
}

// plausible tells whether octets begin with what could be a header: commands
// are few, and statuses small numbers (SMPP 3.4 §5.1.2, §5.1.3).
func plausible(b []byte) bool {
	n, id, status := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	if n < smpp.HeaderLen || n > smpp.MaxPDU || status > 0xFFFF {
		return false
	}
	if id == uint32(smpp.GenericNackID) {
		return true
	}
	switch id &^ 0x80000000 {
	case 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0B, 0x15, 0x21, 0x102, 0x103, 0x111, 0x112, 0x113:
		return true
	}
	return false
}
