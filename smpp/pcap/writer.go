package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"
)

// The file format (pcap 2.4, microseconds, Ethernet).
const (
	magic        = 0xA1B2C3D4
	versionMajor = 2
	versionMinor = 4
	linkEthernet = 1
	snapLength   = 1 << 18 // beyond every packet that Write makes
	fileHeader   = 24
	recordHeader = 16
)

// Lengths of the headers in front of the octets, in octets.
const (
	ethernetLen = 14
	ipv4Len     = 20
	ipv6Len     = 40
	tcpLen      = 20
)

// MaxSegment is how many octets one packet carries at most: an IPv4 packet has 65,535 with its headers.
const MaxSegment = 0xFFFF - ipv4Len - tcpLen

// Types and numbers of the headers.
const (
	etherIPv4   = 0x0800
	etherIPv6   = 0x86DD
	protocolTCP = 6
	flagPSH     = 0x08
	flagACK     = 0x10
	hopLimit    = 64
	tcpWindow   = 0xFFFF
)

// errEndpoints is returned for octets whose way cannot be written into a header.
var errEndpoints = errors.New("pcap: two IP addresses of one family are needed")

// Writer writes a capture. It may be used by one goroutine at a time.
type Writer struct {
	out   io.Writer
	flows map[flow]*[2]uint32
	buf   []byte
}

// flow names a connection, whichever way its octets go: a is the lower end.
type flow struct{ a, b netip.AddrPort }

// firstSequence is that of the first octet either way; 1 is what readers show of a connection relatively.
const firstSequence = 1

// NewWriter writes the file's header.
func NewWriter(out io.Writer) (*Writer, error) {
	var h []byte
	h = binary.LittleEndian.AppendUint32(h, magic)
	h = binary.LittleEndian.AppendUint16(h, versionMajor)
	h = binary.LittleEndian.AppendUint16(h, versionMinor)
	h = append(h, make([]byte, 8)...) // Times are UTC, and of unknown exactness.
	h = binary.LittleEndian.AppendUint32(h, snapLength)
	h = binary.LittleEndian.AppendUint32(h, linkEthernet)
	if _, err := out.Write(h); err != nil {
		return nil, fmt.Errorf("pcap: %w", err)
	}
	return &Writer{out: out, flows: map[flow]*[2]uint32{}}, nil
}

// Write adds octets that went from one end of a connection to the other: one packet, or as many of MaxSegment octets as it
// takes. Connections are told apart by their ends; those of one that is reopened on the same ports go on in the old one.
func (w *Writer) Write(at time.Time, from, to netip.AddrPort, octets []byte) error {
	from, to = unmapped(from), unmapped(to)
	if !from.IsValid() || !to.IsValid() || from.Addr().Is4() != to.Addr().Is4() {
		return fmt.Errorf("%w: %v to %v", errEndpoints, from, to)
	}
	key, direction := flow{from, to}, 0
	if to.Compare(from) < 0 {
		key, direction = flow{to, from}, 1
	}
	next := w.flows[key]
	if next == nil {
		next = &[2]uint32{firstSequence, firstSequence}
		w.flows[key] = next
	}
	for {
		n := min(len(octets), MaxSegment)
		flags := byte(flagACK)
		if n == len(octets) {
			flags |= flagPSH // The sender had no more at that time.
		}
		if err := w.packet(at, from, to, next[direction], next[1-direction], flags, octets[:n]); err != nil {
			return err
		}
		next[direction] += uint32(n)
		if octets = octets[n:]; len(octets) == 0 {
			return nil
		}
	}
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

func (w *Writer) packet(at time.Time, from, to netip.AddrPort, seq, ack uint32, flags byte, octets []byte) error {
	b := append(w.buf[:0], make([]byte, recordHeader)...)
	b = appendEthernet(b, from, to)
	b = appendIP(b, from.Addr(), to.Addr(), len(octets))
	b = appendTCP(b, from, to, seq, ack, flags, octets)
	length := uint32(len(b) - recordHeader)
	binary.LittleEndian.PutUint32(b[0:], uint32(at.Unix()))
	binary.LittleEndian.PutUint32(b[4:], uint32(at.Nanosecond()/int(time.Microsecond)))
	binary.LittleEndian.PutUint32(b[8:], length)
	binary.LittleEndian.PutUint32(b[12:], length)
	w.buf = b
	if _, err := w.out.Write(b); err != nil {
		return fmt.Errorf("pcap: %w", err)
	}
	return nil
}

// appendEthernet writes addresses that say that they were made up: locally administered, with the end's port.
func appendEthernet(b []byte, from, to netip.AddrPort) []byte {
	station := func(b []byte, a netip.AddrPort) []byte {
		last := a.Addr().As16()
		return append(b, 0x02, 0, last[14], last[15], byte(a.Port()>>8), byte(a.Port()))
	}
	b = station(station(b, to), from)
	if from.Addr().Is4() {
		return binary.BigEndian.AppendUint16(b, etherIPv4)
	}
	return binary.BigEndian.AppendUint16(b, etherIPv6)
}

// appendIP writes the header of RFC 791 §3.1 or RFC 8200 §3.
func appendIP(b []byte, from, to netip.Addr, octets int) []byte {
	if !from.Is4() {
		b = binary.BigEndian.AppendUint32(b, 6<<28)
		b = binary.BigEndian.AppendUint16(b, uint16(tcpLen+octets))
		b = append(b, protocolTCP, hopLimit)
		return append(append(b, from.AsSlice()...), to.AsSlice()...)
	}
	start := len(b)
	b = append(b, 0x45, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4Len+tcpLen+octets))
	b = append(b, 0, 0, 0x40, 0, hopLimit, protocolTCP, 0, 0) // Don't fragment; the checksum follows.
	b = append(append(b, from.AsSlice()...), to.AsSlice()...)
	binary.BigEndian.PutUint16(b[start+10:], checksum(0, b[start:]))
	return b
}

// appendTCP writes the header of RFC 9293 §3.1 and the octets.
func appendTCP(b []byte, from, to netip.AddrPort, seq, ack uint32, flags byte, octets []byte) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, from.Port())
	b = binary.BigEndian.AppendUint16(b, to.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, tcpLen/4<<4, flags)
	b = binary.BigEndian.AppendUint16(b, tcpWindow)
	b = append(b, 0, 0, 0, 0) // The checksum follows; nothing is urgent.
	b = append(b, octets...)
	binary.BigEndian.PutUint16(b[start+16:], checksum(pseudo(from.Addr(), to.Addr(), len(b)-start), b[start:]))
	return b
}

// pseudo is the sum over the header that the checksum imagines (RFC 9293 §3.1, RFC 8200 §8.1).
func pseudo(from, to netip.Addr, length int) uint32 {
	sum := add(add(0, from.AsSlice()), to.AsSlice())
	return sum + protocolTCP + uint32(length)
}

func checksum(sum uint32, b []byte) uint16 {
	sum = add(sum, b)
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return ^uint16(sum)
}

// add adds 16-bit words; 65,535 octets of them cannot overflow 32 bits.
func add(sum uint32, b []byte) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(b[0])<<8 | uint32(b[1])
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
