package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanline/api"
	"fanline/smpp"
	"fanline/smpp/pcap"
	"fanline/smpp/smsc"
	"fanline/smpp/tap"
)

// traced runs a trace until it has seen so many PDUs; meanwhile play plays.
func (r *carrierRig) traced(play func(), args ...string) (out, pcapFile string) {
	r.t.Helper()
	pcapFile = filepath.Join(r.t.TempDir(), "t.pcap")
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	var stdout strings.Builder
	began, progress := io.Pipe()
	done := make(chan int, 1)
	go func() {
		full := append([]string{"carrier", "trace", "--pcap", pcapFile, "--data", r.dir}, args...)
		done <- run(ctx, commands(), full, strings.NewReader(""), &stdout, progress)
		_ = progress.Close()
	}()
	if _, err := began.Read(make([]byte, 64)); err != nil { // It says that it has begun.
		r.t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, began) }()
	play()
	if code := <-done; code != exitDone {
		r.t.Fatalf("exit %d: %s", code, stdout.String())
	}
	return stdout.String(), pcapFile
}

// TestACaptureOfACarrierIsReadBack has one with a handshake, a packet that was
// sent again, a PDU over two packets, and a hole.
func TestACaptureOfACarrierIsReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theirs.pcap")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := pcap.NewWriter(file)
	if err != nil {
		t.Fatal(err)
	}
	us, them := netip.MustParseAddrPort("127.0.0.1:4000"), netip.MustParseAddrPort("127.0.0.2:2775")
	submit := func(to string, seq uint32) []byte {
		pdu, err := smpp.Append(nil, smpp.StatusOK, seq, &smpp.SubmitSM{Source: smpp.Address{Addr: "77333"}, Destination: smpp.Address{Addr: to}, ShortMessage: []byte("hi")})
		if err != nil {
			t.Fatal(err)
		}
		return pdu
	}
	answer, err := smpp.Append(nil, smpp.StatusOK, 2, &smpp.SubmitSMResp{MessageID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	first, second := submit("13125550142", 1), submit("13125550199", 2)
	for _, octets := range [][]byte{first, second[:20], second[20:]} {
		if err := w.Write(time.Now(), us, them, octets); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(time.Now(), them, us, answer); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                      "3 PDUs",
		"--number +13125550199": "2 PDUs",
		"--count 1":             "1 PDUs",
	} {
		code, out, complaints := fanline(t, append([]string{"carrier", "trace", "--read", path}, strings.Fields(args)...)...)
		if code != exitDone || !strings.Contains(out, want) || !strings.Contains(out, "127.0.0.1:4000 → 127.0.0.2:2775 submit_sm") {
			t.Errorf("%s: exit %d, %s%s", args, code, out, complaints)
		}
	}
	for args, want := range map[string]string{"--read " + path + "x": "no such file", "acme --read " + path: "--read takes neither", "--read carrier_trace_test.go": "no capture"} {
		if code, _, complaints := fanline(t, append([]string{"carrier", "trace"}, strings.Fields(args)...)...); code != exitUsage || !strings.Contains(complaints, want) {
			t.Errorf("%s: exit %d, %s", args, code, complaints)
		}
	}
}

func TestAStreamIsPutTogetherAsTCPSentIt(t *testing.T) {
	packet := func(seq uint32, flags byte, octets string) pcap.Packet {
		return pcap.Packet{Seq: seq, Flags: flags, Octets: []byte(octets)}
	}
	var s tcpStream
	for _, step := range []struct {
		name string
		p    pcap.Packet
		want string
		hole bool
	}{
		{"the handshake", packet(99, flagSYN, ""), "", false},
		{"the first octets", packet(100, 0x18, "abc"), "abc", false},
		{"the same again", packet(100, 0x18, "abc"), "", false},
		{"some of them again", packet(101, 0x18, "bcd"), "d", false},
		{"an acknowledgement", packet(104, 0x10, ""), "", false},
		{"behind a hole", packet(110, 0x18, "xy"), "xy", true},
		{"and on", packet(112, 0x18, "z"), "z", false},
	} {
		octets, hole := s.take(step.p)
		if string(octets) != step.want || hole != step.hole {
			t.Errorf("%s: %q, hole %v", step.name, octets, hole)
		}
	}
}

// pdusOf reads the PDUs of a capture, each with the way it went.
func pdusOf(t *testing.T, path string) (lines []string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	reader, err := pcap.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	streams := map[string]*tap.Splitter{}
	for {
		p, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		way := p.From.String() + " " + p.To.String()
		if streams[way] == nil {
			streams[way] = &tap.Splitter{}
		}
		streams[way].Feed(p.Octets, func(pdu []byte) {
			h, _ := smpp.ReadHeader(pdu) // The splitter has read it.
			lines = append(lines, h.ID.String())
		})
	}
}

func TestATraceShowsOneNumberAndWritesWhatWiresharkReads(t *testing.T) {
	s := simulate(t, smsc.Account{}, "receipts: {delay: {min: 20ms, max: 20ms}}")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "")
	r.bound(1)
	out, file := r.traced(func() {
		r.submit("13125550142", "not your business", 3)
		r.submit("13125550199", "a secret", 2)
	}, "--number", "+13125550199", "--count", "8", "acme")
	counts := map[string]int{}
	for _, line := range pdusOf(t, file) {
		counts[line]++
	}
	for id, want := range map[string]int{"submit_sm": 2, "submit_sm_resp": 2, "deliver_sm": 2, "deliver_sm_resp": 2} {
		if counts[id] != want {
			t.Errorf("%d %s, want %d: %v", counts[id], id, want, counts)
		}
	}
	if !strings.Contains(out, "8 PDUs in") || !strings.Contains(out, "acme/1 > submit_sm") || !strings.Contains(out, "text of 8 octets") {
		t.Error(out)
	}
	for _, never := range []string{"a secret", "13125550199", "13125550142", "your business"} {
		if strings.Contains(out, never) {
			t.Errorf("it prints %q:\n%s", never, out)
		}
	}
	_, port, err := net.SplitHostPort(s.plain)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("tshark", func(t *testing.T) {
		tsharkAgrees(t, file, port, map[string]int{"0x00000004": 2, "0x80000004": 2, "0x00000005": 2, "0x80000005": 2})
	})
}

// tsharkAgrees has an independent reader look for anything wrong, and count.
func tsharkAgrees(t *testing.T, file, port string, want map[string]int) {
	t.Helper()
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not on this machine; it is the independent reader here (Debian package tshark)")
	}
	ask := func(args ...string) string {
		full := append([]string{"-n", "-r", file, "-d", "tcp.port==" + port + ",smpp", "-o", "tcp.check_checksum:TRUE"}, args...)
		out, err := exec.CommandContext(t.Context(), tshark, full...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if out := ask("-Y", "tcp.analysis.flags or _ws.malformed or _ws.expert.severity >= 6291456"); out != "" {
		t.Errorf("tshark criticises:\n%s", out)
	}
	got := map[string]int{}
	for _, id := range strings.FieldsFunc(ask("-T", "fields", "-e", "smpp.command_id"), func(r rune) bool { return r == '\n' || r == ',' }) {
		got[id]++
	}
	for id, n := range want {
		if got[id] != n {
			t.Errorf("tshark counts %d of %s, want %d: %v", got[id], id, n, got)
		}
	}
}

func TestATraceOfTheSessionHoldsNoPassword(t *testing.T) {
	s := simulate(t, smsc.Account{}, "")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "binds: 2,")
	r.bound(2)
	out, file := r.traced(func() {
		if code, _, complaints := r.says("carrier", "rebind", "acme"); code != exitDone {
			t.Error(complaints)
		}
	}, "--all", "--count", "8", "--raw") // Of each bind: unbind, its answer, bind, its answer.
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("me\x00pw\x00")) || !bytes.Contains(raw, []byte("me\x00**\x00")) || strings.Contains(out, "6d65007077") {
		t.Error("the password is in the file, or nothing is")
	}
	counts := map[string]int{}
	for _, line := range pdusOf(t, file) {
		counts[line]++
	}
	if counts["bind_transceiver"] != 2 || counts["bind_transceiver_resp"] != 2 || counts["unbind"] != 2 || counts["unbind_resp"] != 2 {
		t.Errorf("%v", counts)
	}
}

func TestATraceShowsTextsWhenAsked(t *testing.T) {
	s := simulate(t, smsc.Account{}, "receipts: {lost: 1}")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "")
	r.bound(1)
	out, _ := r.traced(func() { r.submit("13125550199", "a secret", 1) }, "--number", "13125550199", "--count", "2", "--texts", "--json")
	var report traceReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.PDUs != 2 || len(report.Ports) != 1 || report.PCAP == "" {
		t.Errorf("%+v, %v in %s", report, err, out)
	}
	out, _ = r.traced(func() { r.submit("13125550199", "a secret", 1) }, "--number", "13125550199", "--count", "2", "--texts")
	if !strings.Contains(out, `17735550100(1/1)→13125550199(1/1)`) || !strings.Contains(out, `text="a secret"`) {
		t.Error(out)
	}
}

func TestATraceEndsWithItsTime(t *testing.T) {
	s := simulate(t, smsc.Account{}, "")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "")
	r.bound(1)
	if out, _ := r.traced(func() {}, "--number", "13125550199", "--seconds", "0.2"); !strings.Contains(out, "0 PDUs in 0.2 s") {
		t.Error(out)
	}
}

// TestASlowReaderLosesPDUsAndIsToldAndNobodyWaits holds the reader until far
// more has passed than the buffer takes.
func TestASlowReaderLosesPDUsAndIsToldAndNobodyWaits(t *testing.T) {
	s := simulate(t, smsc.Account{}, "receipts: {lost: 1}\nlatency: {min: 0ms, max: 0ms}")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "")
	r.bound(1)
	const submits = traceBuffer/2 + 2000 // With their answers that is beyond the buffer.
	enough := errors.New("enough")
	var got, dropped int64
	err := r.n.carriers.Trace(t.Context(), api.TraceRequest{Number: "+13125550199"}, func(some []api.TraceFrame) error {
		for _, f := range some {
			if f.Began {
				for n := 0; n < submits; n += 500 {
					r.submit("13125550199", "hello", 500)
				}
				r.until("all answered", func() bool { return r.answered() >= submits })
				continue
			}
			got++
			dropped = max(dropped, f.Dropped)
		}
		if got+dropped >= 2*submits {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || dropped == 0 || got < traceBuffer {
		t.Errorf("%v, %d PDUs, %d left out", err, got, dropped)
	}
}
