package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"fanline/smpp/pcap"
	"fanline/smpp/tap"
)

// readTrace prints the PDUs of a capture, ours or a carrier's, as the trace of a
// running process would. Without a number it prints all of them.
func (t *tracing) readTrace(path string, links bool) error {
	file, err := os.Open(path)
	if err != nil {
		return usageError{err}
	}
	defer func() { _ = file.Close() }() // It was only read.
	reader, err := pcap.NewReader(file)
	if err != nil {
		return usagef("%s: %w", path, err)
	}
	c := &captured{tracing: t, follower: tap.NewFollower[connection](t.report.Number, links), all: t.report.Number == "", streams: map[way]*tcpStream{}}
	for {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = c.packet(p)
		}
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	t.report.Dropped = c.gaps
	return t.flush()
}

// captured is a capture while it is read.
type captured struct {
	*tracing
	follower *tap.Follower[connection]
	all      bool
	streams  map[way]*tcpStream
	gaps     int64 // octets that are missing, as holes
}

// way is one direction of a connection; connection is both.
type way struct{ from, to netip.AddrPort }

type connection struct{ a, b netip.AddrPort }

// tcpStream puts the octets of one direction together, as far as a capture has
// them in order: what came twice is left out, and behind a hole a PDU is
// expected to begin with a packet.
type tcpStream struct {
	split tap.Splitter
	next  uint32
	known bool
}

// TCP's flags (RFC 9293 §3.1).
const flagSYN = 0x02

// take returns the octets of a packet that are new, and whether some before
// them are missing.
func (s *tcpStream) take(p pcap.Packet) (octets []byte, hole bool) {
	if p.Flags&flagSYN != 0 {
		*s = tcpStream{next: p.Seq + 1, known: true}
		return nil, false
	}
	octets = p.Octets
	if behind := int32(s.next - p.Seq); s.known && behind > 0 { // Sent again.
		octets = octets[min(int(behind), len(octets)):]
	} else if s.known && behind < 0 && len(octets) > 0 {
		hole = true
		s.split = tap.Splitter{}
	}
	if len(octets) > 0 {
		s.next, s.known = p.Seq+uint32(len(p.Octets)), true
	}
	return octets, hole
}

func (c *captured) packet(p pcap.Packet) (err error) {
	w := way{p.From, p.To}
	s := c.streams[w]
	if s == nil {
		s = &tcpStream{}
		c.streams[w] = s
	}
	octets, hole := s.take(p)
	if hole {
		c.gaps++
	}
	s.split.Feed(octets, func(pdu []byte) {
		if err == nil {
			err = c.pdu(p, pdu)
		}
	})
	return err
}

// pdu prints a PDU that is asked for. Who is the carrier nobody knows: the lower
// end stands for us.
func (c *captured) pdu(p pcap.Packet, pdu []byte) error {
	ends, out := connection{p.From, p.To}, true
	if p.To.Compare(p.From) < 0 {
		ends, out = connection{p.To, p.From}, false
	}
	if !c.follower.Concerns(ends, out, pdu) && !c.all {
		return nil
	}
	c.report.PDUs++
	return c.line(p.At.Format(traceTime)+" "+p.From.String()+" → "+p.To.String(), tap.WithoutPassword(pdu))
}

// line prints one PDU behind its time and its way.
func (t *tracing) line(before string, pdu []byte) error {
	if _, err := fmt.Fprintf(t.lines, "%s %s\n", before, tap.Line(pdu, t.plain)); err != nil {
		return err
	}
	if t.raw {
		if _, err := fmt.Fprintf(t.lines, "    %x\n", pdu); err != nil {
			return err
		}
	}
	if t.count > 0 && t.report.PDUs >= t.count {
		return errEnough
	}
	return nil
}

// traceTime is how a trace writes the time of a PDU.
const traceTime = "15:04:05.000000"
