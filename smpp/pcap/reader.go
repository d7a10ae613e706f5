package pcap

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// Packet is one TCP packet of a capture.
type Packet struct {
	At        time.Time
	From, To  netip.AddrPort
	Seq, Ack  uint32
	Flags     byte   // of TCP: 0x01 FIN, 0x02 SYN, 0x04 RST, 0x08 PSH, 0x10 ACK
	Octets    []byte // valid until the next call of Next
	Truncated bool   // the capture kept only the start
}

// ErrFormat is returned for a file that is no pcap of Ethernet.
var ErrFormat = errors.New("pcap: no capture of Ethernet in the classic format")

// Reader reads a capture.
type Reader struct {
	in    *bufio.Reader
	order binary.ByteOrder
	unit  time.Duration
	buf   []byte
}

// NewReader reads the file's header: either byte order, microseconds or nanoseconds. pcapng is another format.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReader(in), order: binary.LittleEndian, unit: time.Microsecond}
	var h [fileHeader]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	const nanoseconds = 0xA1B23C4D
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(h[:]) {
		case magic:
			r.order = order
		case nanoseconds:
			r.order, r.unit = order, time.Nanosecond
		default:
			continue
		}
		if r.order.Uint32(h[20:])&0x0FFFFFFF != linkEthernet {
			return nil, ErrFormat
		}
		return r, nil
	}
	return nil, ErrFormat
}

// Next returns the next TCP packet; others are passed over. At the end it returns io.EOF.
func (r *Reader) Next() (Packet, error) {
	for {
		var h [recordHeader]byte
		if _, err := io.ReadFull(r.in, h[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return Packet{}, io.EOF
			}
			return Packet{}, fmt.Errorf("pcap: the last record is cut off: %w", err)
		}
		kept, length := r.order.Uint32(h[8:]), r.order.Uint32(h[12:])
		if kept > snapLength {
			return Packet{}, fmt.Errorf("%w: a record of %d octets", ErrFormat, kept)
		}
		if cap(r.buf) < int(kept) {
			r.buf = make([]byte, kept)
		}
		r.buf = r.buf[:kept]
		if _, err := io.ReadFull(r.in, r.buf); err != nil {
			return Packet{}, fmt.Errorf("pcap: the last record is cut off: %w", err)
		}
		p, ok := dissect(r.buf)
		if !ok {
			continue
		}
		p.At = time.Unix(int64(r.order.Uint32(h[0:])), int64(r.order.Uint32(h[4:]))*int64(r.unit)).UTC()
		p.Truncated = kept < length
		return p, nil
	}
}

// dissect takes the headers of one packet off; false: it is no TCP, or cut off before its octets.
func dissect(b []byte) (p Packet, ok bool) {
	if len(b) < ethernetLen {
		return p, false
	}
	kind, b := binary.BigEndian.Uint16(b[12:]), b[ethernetLen:]
	var from, to netip.Addr
	switch {
	case kind == etherIPv4 && len(b) >= ipv4Len && b[9] == protocolTCP:
		header, total := int(b[0]&0x0F)*4, int(binary.BigEndian.Uint16(b[2:]))
		if header < ipv4Len || total < header || len(b) < header {
			return p, false
		}
		from, to = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		b = b[header:min(total, len(b))] // Ethernet may pad.
	case kind == etherIPv6 && len(b) >= ipv6Len && b[6] == protocolTCP:
		from, to = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		b = b[ipv6Len:min(ipv6Len+int(binary.BigEndian.Uint16(b[4:])), len(b))]
	default:
		return p, false
	}
	if len(b) < tcpLen || int(b[12]>>4)*4 < tcpLen || len(b) < int(b[12]>>4)*4 {
		return p, false
	}
	return Packet{
		From: netip.AddrPortFrom(from, binary.BigEndian.Uint16(b)), To: netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:])),
		Seq: binary.BigEndian.Uint32(b[4:]), Ack: binary.BigEndian.Uint32(b[8:]), Flags: b[13], Octets: b[int(b[12]>>4)*4:],
	}, true
}
