package tap

import (
	"bytes"
	"net"
	"sync"
	"time"

	"fanline/smpp"
)

// Splitter cuts one direction of a connection into PDUs, however its octets were cut into reads.
type Splitter struct {
	rest []byte
	lost bool
}

// Feed takes octets in and calls each with every PDU that is whole now; it is valid during the call. After octets that are
// no SMPP header the stream cannot be followed any more: what comes is dropped, and Lost reports it.
func (s *Splitter) Feed(b []byte, each func(pdu []byte)) {
	if s.lost {
		return
	}
	if len(s.rest) > 0 {
		s.rest = append(s.rest, b...)
		b = s.rest
	}
	for len(b) >= smpp.HeaderLen {
		h, err := smpp.ReadHeader(b)
		if err != nil {
			s.lost, s.rest = true, nil
			return
		}
		if len(b) < int(h.Length) {
			break
		}
		each(b[:h.Length:h.Length])
		b = b[h.Length:]
	}
	s.rest = append(s.rest[:0:0], b...) // A copy: b is the caller's, or the start of what has been used up.
}

// Lost reports whether the stream stopped being SMPP.
func (s *Splitter) Lost() bool { return s.lost }

// Conn calls Seen with every PDU that goes over a connection, with the time of its last octet. Seen is called by the
// goroutines that read and write, one call at a time; the PDU is valid during the call.
type Conn struct {
	net.Conn
	Seen func(at time.Time, out bool, pdu []byte)

	writing sync.Mutex // one Write at a time, so that Inject comes between PDUs
	mu      sync.Mutex // guards what follows, and calls of Seen
	in, out Splitter
}

// Read reads, and shows what came.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.show(&c.in, false, b[:n])
	}
	return n, err
}

// Write shows what is going to be written, and writes it. An answer can therefore not be seen before its request.
func (c *Conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.show(&c.out, true, b)
	return c.Conn.Write(b)
}

// WriteCut writes a PDU in three writes with pauses between them, the first two within its header, as a bad network may cut
// it. Nothing else is written meanwhile.
func (c *Conn) WriteCut(pdu []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	c.show(&c.out, true, pdu)
	for _, part := range [][]byte{pdu[:5], pdu[5:11], pdu[11:]} {
		if _, err := c.Conn.Write(part); err != nil {
			return err
		}
		time.Sleep(cutFor)
	}
	return nil
}

// cutFor is how long the rest of a cut PDU is held back: long enough for TCP to send what is there.
const cutFor = 50 * time.Millisecond

func (c *Conn) show(s *Splitter, out bool, b []byte) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.Feed(b, func(pdu []byte) { c.Seen(now, out, pdu) })
}

// WithoutPassword returns pdu with the password of a bind or an outbind replaced by as many asterisks, in a copy; any other
// PDU is returned as it is (SMPP 3.4 §4.1, §4.1.7).
func WithoutPassword(pdu []byte) []byte {
	h, err := smpp.ReadHeader(pdu)
	if err != nil {
		return pdu
	}
	const outbind = 0x0B
	switch h.ID {
	case smpp.BindReceiverID, smpp.BindTransmitterID, smpp.BindTransceiverID, outbind:
	default:
		return pdu
	}
	pdu = bytes.Clone(pdu)
	_, password, _ := bytes.Cut(pdu[smpp.HeaderLen:], []byte{0}) // Behind system_id.
	for i := range password {
		if password[i] == 0 {
			break
		}
		password[i] = '*'
	}
	return pdu
}
