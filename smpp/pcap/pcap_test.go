package pcap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// written is one call of Write.
type written struct {
	at       time.Time
	from, to string
	octets   []byte
}

func capture(t *testing.T, all ...written) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := NewWriter(&file)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range all {
		if err := w.Write(x.at, netip.MustParseAddrPort(x.from), netip.MustParseAddrPort(x.to), x.octets); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

func packets(t *testing.T, file []byte) (all []Packet) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		p.Octets = bytes.Clone(p.Octets)
		all = append(all, p)
	}
}

const (
	us, them     = "127.0.0.1:40001", "192.0.2.7:2775"
	us6, them6   = "[2001:db8::1]:40002", "[2001:db8::2]:3550"
	also, enough = "127.0.0.1:40003", 70_000
)

func at(us int) time.Time { return time.Date(2026, 11, 22, 8, 0, 0, us*1000, time.UTC) }

func TestAConnectionCountsItsOctetsEachWay(t *testing.T) {
	got := packets(t, capture(t,
		written{at(1), us, them, []byte("abc")},
		written{at(2), them, us, []byte("de")},
		written{at(3), also, them, []byte("x")}, // another connection to the same end
		written{at(4), us, them, []byte("f")},
		written{at(5), us6, them6, []byte("six")},
	))
	want := []Packet{
		{At: at(1), From: netip.MustParseAddrPort(us), To: netip.MustParseAddrPort(them), Seq: 1, Ack: 1, Flags: 0x18, Octets: []byte("abc")},
		{At: at(2), From: netip.MustParseAddrPort(them), To: netip.MustParseAddrPort(us), Seq: 1, Ack: 4, Flags: 0x18, Octets: []byte("de")},
		{At: at(3), From: netip.MustParseAddrPort(also), To: netip.MustParseAddrPort(them), Seq: 1, Ack: 1, Flags: 0x18, Octets: []byte("x")},
		{At: at(4), From: netip.MustParseAddrPort(us), To: netip.MustParseAddrPort(them), Seq: 4, Ack: 3, Flags: 0x18, Octets: []byte("f")},
		{At: at(5), From: netip.MustParseAddrPort(us6), To: netip.MustParseAddrPort(them6), Seq: 1, Ack: 1, Flags: 0x18, Octets: []byte("six")},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Error(diff)
	}
}

func TestALongPDUIsCutIntoPacketsThatIPCanCarry(t *testing.T) {
	for _, way := range [][2]string{{us, them}, {us6, them6}} {
		long := bytes.Repeat([]byte("0123456789"), enough/10)
		got := packets(t, capture(t, written{at(1), way[0], way[1], long}, written{at(2), way[0], way[1], []byte("end")}))
		if len(got) != 3 || len(got[0].Octets) != MaxSegment || got[0].Flags != flagACK || got[1].Flags != flagACK|flagPSH {
			t.Fatalf("%d packets, the first of %d octets, flags %x", len(got), len(got[0].Octets), got[0].Flags)
		}
		if back := append(got[0].Octets, got[1].Octets...); !bytes.Equal(back, long) {
			t.Error("the octets did not come back")
		}
		if got[1].Seq != 1+MaxSegment || got[2].Seq != 1+enough {
			t.Errorf("sequence numbers %d, %d", got[1].Seq, got[2].Seq)
		}
	}
}

// TestChecksumsAreRight sums up as RFC 1071 §1 says that a receiver does: over a whole header with its checksum the result is
// all ones.
func TestChecksumsAreRight(t *testing.T) {
	fold := func(b ...[]byte) uint16 {
		var sum uint32
		for _, word := range chunks(bytes.Join(b, nil)) {
			sum += uint32(word)
		}
		for sum>>16 != 0 {
			sum = sum&0xFFFF + sum>>16
		}
		return uint16(sum)
	}
	for _, octets := range []string{"", "a", "ab", "\xff\xff\xff", strings.Repeat("\xfe", 999)} {
		file := capture(t, written{at(1), us, them, []byte(octets)}, written{at(1), us6, them6, []byte(octets)})
		first := file[fileHeader+recordHeader+ethernetLen:]
		ip4 := first[:ipv4Len+tcpLen+len(octets)]
		if got := fold(ip4[:ipv4Len]); got != 0xFFFF {
			t.Errorf("%d octets: IPv4 header sums to %04x", len(octets), got)
		}
		tcp := ip4[ipv4Len:]
		if got := fold(ip4[12:20], []byte{0, 6, byte(len(tcp) >> 8), byte(len(tcp))}, tcp); got != 0xFFFF {
			t.Errorf("%d octets: TCP over IPv4 sums to %04x", len(octets), got)
		}
		ip6 := first[len(ip4)+recordHeader+ethernetLen:]
		tcp = ip6[ipv6Len:]
		if got := fold(ip6[8:40], []byte{0, 0, byte(len(tcp) >> 8), byte(len(tcp)), 0, 0, 0, 6}, tcp); got != 0xFFFF {
			t.Errorf("%d octets: TCP over IPv6 sums to %04x", len(octets), got)
		}
	}
}

func chunks(b []byte) (words []uint16) {
	for ; len(b) > 1; b = b[2:] {
		words = append(words, binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		words = append(words, uint16(b[0])<<8)
	}
	return words
}

func TestEndsThatNoHeaderCanHoldAreRefused(t *testing.T) {
	w, err := NewWriter(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	good, other := netip.MustParseAddrPort(us), netip.MustParseAddrPort(them6)
	for _, way := range [][2]netip.AddrPort{{good, other}, {good, {}}, {{}, good}} {
		if err := w.Write(at(1), way[0], way[1], []byte("x")); !errors.Is(err, errEndpoints) {
			t.Errorf("%v: got %v", way, err)
		}
	}
	if err := w.Write(at(1), good, netip.MustParseAddrPort("[::ffff:192.0.2.7]:2775"), nil); err != nil {
		t.Errorf("an IPv4 address in the form of IPv6: %v", err)
	}
}

func TestTheReaderTakesOtherMakesOfCapture(t *testing.T) {
	file := capture(t, written{at(7), us, them, []byte("abc")})
	big := bytes.Clone(file) // As a machine of the other byte order writes it, in nanoseconds.
	for _, field := range [][2]int{{0, 4}, {4, 2}, {6, 2}, {16, 4}, {20, 4}, {24, 4}, {28, 4}, {32, 4}, {36, 4}} {
		reverse(big[field[0] : field[0]+field[1]])
	}
	binary.BigEndian.PutUint32(big, 0xA1B23C4D)
	binary.BigEndian.PutUint32(big[28:], 7000)
	got := packets(t, big)
	if len(got) != 1 || !got[0].At.Equal(at(7)) || string(got[0].Octets) != "abc" {
		t.Errorf("got %+v", got)
	}
	padded := bytes.Clone(file) // Ethernet pads short frames.
	padded = append(padded, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(padded[32:], uint32(len(file)-40+4))
	binary.LittleEndian.PutUint32(padded[36:], uint32(len(file)-40+4))
	if got := packets(t, padded); len(got) != 1 || string(got[0].Octets) != "abc" {
		t.Errorf("padding is read as octets: %+v", got)
	}
	if _, err := NewReader(strings.NewReader("\x0a\x0d\x0d\x0a and what pcapng holds")); !errors.Is(err, ErrFormat) {
		t.Errorf("pcapng: %v", err)
	}
}

func reverse(b []byte) {
	for i := range len(b) / 2 {
		b[i], b[len(b)-1-i] = b[len(b)-1-i], b[i]
	}
}

// TestTsharkFindsNothingToCriticise asks an implementation that isn't ours.
func TestTsharkFindsNothingToCriticise(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not on this machine; it is the independent reader here (Debian package tshark)")
	}
	path := filepath.Join(t.TempDir(), "t.pcap")
	file := capture(t,
		written{at(1), us, them, bytes.Repeat([]byte("x"), enough)}, written{at(2), them, us, []byte("de")},
		written{at(3), us, them, []byte("f")}, written{at(4), us6, them6, bytes.Repeat([]byte("y"), enough)}, written{at(5), them6, us6, []byte("g")},
	)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), tshark, append([]string{
			"-n", "-r", path, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE",
		}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if out := run("-Y", "tcp.analysis.flags or _ws.malformed or _ws.expert.severity >= 6291456"); out != "" {
		t.Errorf("tshark criticises:\n%s", out)
	}
	if out := run("-T", "fields", "-e", "tcp.checksum.status", "-e", "tcp.len"); out != "1\t65495\n1\t4505\n1\t2\n1\t1\n1\t65495\n1\t4505\n1\t1\n" {
		t.Errorf("tshark reads\n%s", out)
	}
}

func FuzzReader(f *testing.F) {
	var file bytes.Buffer
	w, err := NewWriter(&file)
	if err != nil {
		f.Fatal(err)
	}
	for _, way := range [][2]string{{us, them}, {us6, them6}} {
		if err := w.Write(at(1), netip.MustParseAddrPort(way[0]), netip.MustParseAddrPort(way[1]), []byte("abc")); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		for err == nil {
			_, err = r.Next()
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, ErrFormat) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("unforeseen error %v", err)
		}
	})
}
