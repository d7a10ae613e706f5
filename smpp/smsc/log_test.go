package smsc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fanline/smpp"
)

// logDir opens a log for a test to write.
func testLog(t testing.TB, dir string) *logWriter {
	t.Helper()
	w := &logWriter{dir: dir, dirty: make(chan struct{}, 1), version: "test", now: func() int64 { return 1_000_000 }}
	if err := openLog(w); err != nil {
		t.Fatal(err)
	}
	return w
}

func closeLog(t testing.TB, w *logWriter) {
	t.Helper()
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
}

func sampleSubmit(i int) *submitRecord {
	text := fmt.Appendf(nil, "Hey friend %d, the doors open at eight tonight, bring somebody along.", i)
	return &submitRecord{
		seq: uint32(100 + i), source: typedAddress(typeE164, testNumber), dest: fmt.Appendf(nil, "1312555%04d", i),
		destPhone: parsePhone(fmt.Appendf(nil, "1312555%04d", i)), destType: typeE164, reg: 1, part: 1, parts: 1,
		keyKind: KeyBroadcast, key: fmt.Appendf(nil, "b3.%d", i), broadcast: 3, member: uint32(i), text: text, id: uint64(5000 + i),
		stat: StatDelivered, delayMillis: uint32(100 * i),
	}
}

func TestWhatIsLoggedIsRead(t *testing.T) {
	dir := t.TempDir()
	w := testLog(t, dir)
	var b block
	b.reset(7, "acme", 2_000_000)
	b.event("bind_transceiver", true, 0, 1, "acme", "127.0.0.1:4000")
	b.submit(sampleSubmit(1))
	b.at(2_000_500)
	b.submit(sampleSubmit(2))

	odd := sampleSubmit(3)
	odd.data, odd.dest, odd.destPhone, odd.destType = true, []byte("+0013125550003"), 0, packType(0, 1)
	odd.esm, odd.dcs, odd.reg = 3, 8, 17
	odd.keyKind, odd.key = KeyULID, []byte("01JD2Q5W8Z0123456789ABCDEF")
	odd.tlvs = smpp.Options{}.Append(TagKey, odd.key).Append(0x1401, []byte{1, 2})
	odd.stat, odd.lost, odd.unanswered = StatRejected, true, true
	odd.ref, odd.part, odd.parts, odd.sar = 300, 2, 4, true
	b.submit(odd)

	part := sampleSubmit(4)
	part.esm, part.udh = 0x40, []byte{5, 0, 3, 9, 2, 1}
	part.duplicate = true
	b.submit(part)
	wide := sampleSubmit(5)
	wide.esm, wide.udh, wide.status, wide.id, wide.stat = 0x40, []byte{6, 8, 4, 1, 2, 3, 3}, smpp.StatusThrottled, 0, StatNone
	wide.delayMillis = 0
	wide.part, wide.parts, wide.keyKind = 3, 3, KeyNone
	b.submit(wide)
	b.receipt(1, 5001, typedAddress(typeE164, testNumber), parsePhone([]byte("13125550001")), typeE164, StatDelivered, false, 0)
	b.receipt(2, 5002, typedAddress(typeE164, testNumber), parsePhone([]byte("0015")), packType(0, 8), StatUndeliverable, true, 0)
	mo := &textRecord{
		id: 9, seq: 3, phone: typedAddress(typeE164, "13125550004"), number: typedAddress(typeE164, testNumber),
		esm: 0x40, udh: []byte{5, 0, 3, 1, 2, 2}, octets: []byte("STOP"), parts: 2, part: 2, again: true,
	}
	b.text(recReply, mo)
	b.ack(1, 0)
	b.ack(2, 0)
	b.ack(5, smpp.StatusMsgQFull)
	b.ack(6, 0)
	b.event(CommandClosed, false, 0, 0, "acme", "closed by the client")
	if err := w.write(&b); err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}

	base := Entry{Conn: 7, Account: "acme", Part: 1, Parts: 1, Micros: 2_000_500}
	entry := func(kind Kind, command string, change func(*Entry)) Entry {
		e := base
		e.Kind, e.Command = kind, command
		change(&e)
		return e
	}
	submit := func(i int, change func(*Entry)) Entry {
		return entry(KindSubmit, "submit_sm", func(e *Entry) {
			s := sampleSubmit(i)
			e.In, e.Seq, e.MessageID, e.Source, e.SourceType = true, s.seq, s.id, testNumber, typeE164
			e.Destination, e.DestType, e.Registered, e.Octets = string(s.dest), typeE164, 1, s.text
			e.Key, e.KeyKind, e.Broadcast, e.Member = s.key, KeyBroadcast, 3, uint32(i)
			e.Stat, e.DelayMillis = StatDelivered, s.delayMillis
			change(e)
		})
	}
	ack := func(seq uint32, status smpp.Status) Entry {
		return entry(KindDeliverResp, "deliver_sm_resp", func(e *Entry) { e.In, e.Seq, e.Status = true, seq, status })
	}
	want := []Entry{
		{Kind: KindStart, Command: "start", Micros: 1_000_000, Part: 1, Parts: 1, Text: "test"},
		entry(KindEvent, "bind_transceiver", func(e *Entry) { e.Micros, e.In, e.Seq, e.Text = 2_000_000, true, 1, "127.0.0.1:4000" }),
		submit(1, func(e *Entry) { e.Micros = 2_000_000 }),
		submit(2, func(*Entry) {}),
		submit(3, func(e *Entry) {
			e.Command, e.Destination, e.DestType = "data_sm", "+0013125550003", packType(0, 1)
			e.ESMClass, e.DataCoding, e.Registered = 3, 8, 17
			e.Key, e.KeyKind, e.Broadcast, e.Member, e.TLVs = odd.key, KeyULID, 0, 0, odd.tlvs
			e.Stat, e.Lost, e.Unanswered = StatRejected, true, true
			e.Ref, e.Part, e.Parts = 300, 2, 4
		}),
		submit(4, func(e *Entry) {
			e.ESMClass, e.UDH, e.Ref, e.Part, e.Parts, e.Duplicate = 0x40, part.udh, 9, 1, 2, true
		}),
		submit(5, func(e *Entry) {
			e.ESMClass, e.UDH, e.Ref, e.Part, e.Parts = 0x40, wide.udh, 258, 3, 3
			e.Status, e.MessageID, e.Stat, e.DelayMillis, e.Unwanted = smpp.StatusThrottled, 0, StatNone, 0, true
			e.Key, e.KeyKind, e.Broadcast, e.Member = nil, KeyNone, 0, 0
		}),
		entry(KindReceipt, "deliver_sm", func(e *Entry) {
			e.Seq, e.MessageID, e.Source, e.SourceType, e.Destination, e.DestType, e.Stat = 1, 5001, "13125550001", typeE164, testNumber, typeE164, StatDelivered
		}),
		entry(KindReceipt, "deliver_sm", func(e *Entry) {
			e.Seq, e.MessageID, e.Source, e.SourceType, e.Destination, e.DestType, e.Stat = 2, 5002, "0015", packType(0, 8), testNumber, typeE164, StatUndeliverable
			e.Again = true
		}),
		entry(KindReply, "deliver_sm", func(e *Entry) {
			e.Seq, e.MessageID, e.Source, e.SourceType, e.Destination, e.DestType = 3, 9, "13125550004", typeE164, testNumber, typeE164
			e.ESMClass, e.UDH, e.Octets, e.Ref, e.Part, e.Parts, e.Again = 0x40, mo.udh, mo.octets, 1, 2, 2, true
		}),
		ack(1, 0), ack(2, 0), ack(5, smpp.StatusMsgQFull), ack(6, 0),
		entry(KindEvent, CommandClosed, func(e *Entry) { e.Text = "closed by the client" }),
	}
	if diff := cmp.Diff(want, readAll(t, dir), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
}

func TestTextsAreReadAsTheyWere(t *testing.T) {
	texts := []string{
		"", "a", "Hey Anna, come tonight", "Hey Bob, come tonight", "Hey Bob, come tonight!", "ey Bob", "Hey Anna, come tonight",
		strings.Repeat("x", 160), strings.Repeat("x", 159), "", strings.Repeat("xy", 80), "\x00\xff\x00",
	}
	for _, slots := range []uint32{1, 5} {
		dir := t.TempDir()
		w := testLog(t, dir)
		var b block
		b.reset(1, "acme", 1)
		for i, text := range texts {
			s := sampleSubmit(i)
			s.text, s.broadcast = []byte(text), uint32(i)%slots
			b.submit(s)
		}
		if err := w.write(&b); err != nil {
			t.Fatal(err)
		}
		closeLog(t, w)
		entries := readAll(t, dir)[1:]
		for i, e := range entries {
			if string(e.Octets) != texts[i] {
				t.Errorf("%d slots: text %d is %q, want %q", slots, i, e.Octets, texts[i])
			}
		}
	}
}

func TestTextsThatShareNothingAreCompressed(t *testing.T) {
	sizes := map[bool]int{}
	for _, varied := range []bool{false, true} {
		dir := t.TempDir()
		w := testLog(t, dir)
		var b block
		b.reset(1, "acme", 1)
		words := strings.Fields("the quick brown fox jumps over a lazy dog while seven more wait at home for supper to come")
		for i := range 200 {
			s := sampleSubmit(i)
			if varied {
				s.text = nil
				for j := range 20 {
					s.text = append(append(s.text, words[mix64(uint64(i*31+j))%uint64(len(words))]...), ' ')
				}
			}
			b.submit(s)
		}
		if err := w.write(&b); err != nil {
			t.Fatal(err)
		}
		closeLog(t, w)
		if n := len(readAll(t, dir)); n != 201 {
			t.Errorf("%d entries, want 201", n)
		}
		info, err := os.Stat(filepath.Join(dir, "00000001"+segmentSuffix))
		if err != nil {
			t.Fatal(err)
		}
		sizes[varied] = int(info.Size()) / 200
	}
	if sizes[false] > 30 || sizes[true] > 70 {
		t.Errorf("octets a submit: %d alike, %d all different; want at most 30 and 70", sizes[false], sizes[true])
	}
}

// writtenLog is a log of several blocks, and where each ends.
func writtenLog(t testing.TB) (content []byte, ends []int) {
	dir := t.TempDir()
	w := testLog(t, dir)
	path := filepath.Join(dir, "00000001"+segmentSuffix)
	for i := range 4 {
		var b block
		b.reset(1, "acme", int64(i))
		for j := range 3 {
			b.submit(sampleSubmit(10*i + j))
		}
		if err := errors.Join(w.write(&b), w.flush()); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(info.Size()))
	}
	closeLog(t, w)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content, ends
}

func TestATornEndCostsOnlyItsBlock(t *testing.T) {
	content, ends := writtenLog(t)
	for cut := ends[2] + 1; cut < ends[3]; cut++ {
		dir := t.TempDir()
		path := filepath.Join(dir, "00000001"+segmentSuffix)
		torn := bytes.Clone(content[:cut])
		if cut%2 == 0 {
			torn = append(torn, make([]byte, 100)...) // the file system had given room that was never written
		}
		if err := os.WriteFile(path, torn, 0o600); err != nil {
			t.Fatal(err)
		}
		if n := count(readAll(t, dir), func(e *Entry) bool { return e.Kind == KindSubmit }); n != 9 {
			t.Fatalf("cut at %d of %d: %d submits read, want 9", cut, ends[3], n)
		}
		s := &server{log: testLogOn(dir)}
		s.logger = discardLogger()
		s.live.Store(&plan{})
		if err := s.restore(dir); err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if info, _ := os.Stat(path); info.Size() != int64(ends[2]) {
			t.Fatalf("cut at %d: restart left %d octets, want %d", cut, info.Size(), ends[2])
		}
		if aside, _ := filepath.Glob(path + ".torn-*"); len(aside) != 1 {
			t.Fatalf("what was cut off is not kept: %v", aside)
		}
		w := testLog(t, dir)
		closeLog(t, w)
		if n := count(readAll(t, dir), func(e *Entry) bool { return e.Kind == KindStart }); n != 2 {
			t.Fatalf("after the cut the log can't be gone on with: %d starts", n)
		}
	}
}

func TestDamageInTheMiddleIsReported(t *testing.T) {
	content, ends := writtenLog(t)
	for _, at := range []int{ends[0] + 2, ends[0] + 6, ends[0] + 8, ends[0] + 10, ends[0] + 20, ends[1] - 1} {
		dir := t.TempDir()
		bad := bytes.Clone(content)
		bad[at] ^= 0x20
		if err := os.WriteFile(filepath.Join(dir, "00000001"+segmentSuffix), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		err := ReadLog(dir, func(*Entry) error { return nil })
		if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), fmt.Sprint("offset ", ends[0])) {
			t.Errorf("damage at %d: %v, want ErrCorrupt with offset %d", at, err, ends[0])
		}
	}
}

func TestACutSegmentBeforeAnotherIsCorrupt(t *testing.T) {
	content, ends := writtenLog(t)
	dir := t.TempDir()
	for name, b := range map[string][]byte{"00000001": content[:ends[2]-3], "00000002": content} {
		if err := os.WriteFile(filepath.Join(dir, name+segmentSuffix), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := ReadLog(dir, func(*Entry) error { return nil }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("got %v, want ErrCorrupt", err)
	}
}

func TestSegmentsFollowEachOther(t *testing.T) {
	dir := t.TempDir()
	w := testLog(t, dir)
	w.segmentBytes = 500
	for i := range 50 {
		var b block
		b.reset(1, "acme", int64(i))
		b.submit(sampleSubmit(i))
		if err := errors.Join(w.write(&b), w.flush()); err != nil {
			t.Fatal(err)
		}
	}
	closeLog(t, w)
	segs, err := segments(dir)
	if err != nil || len(segs) < 5 {
		t.Fatalf("%d segments, %v", len(segs), err)
	}
	next := uint32(0)
	for _, e := range readAll(t, dir) {
		if e.Kind == KindSubmit {
			if e.Member != next {
				t.Fatalf("member %d after %d", e.Member, next)
			}
			next++
		}
	}
	if next != 50 {
		t.Errorf("%d submits, want 50", next)
	}
	if alone := readAll(t, segs[3]); alone[0].Kind != KindStart || alone[1].Account != "acme" {
		t.Errorf("a segment can't be read alone: %+v", alone[:2])
	}
}

func TestNothingIsAnsweredThatTheLogRefused(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick(), func(*Options) {})
	c := r.bind(smpp.BindTransceiverID)
	r.server.log.file.Lock()
	r.server.log.segment.Close() // as a full or failing disk would
	r.server.log.file.Unlock()
	c.send(submitTo("13125550002", "hello"))
	c.closed()
	if err := <-r.done; err == nil {
		t.Error("the simulator ended without saying that its log can't be written")
	}
	r.cancel()
	r.cancel = nil
}

// FuzzReadLog holds that no octets, framed or not, make the reader panic or run away.
func FuzzReadLog(f *testing.F) {
	content, ends := writtenLog(f)
	f.Add(content)
	f.Add(content[:ends[1]+5])
	f.Add([]byte(segmentMagic))
	f.Add(bytes.Clone(rareBlock().seal()[blockHeaderLen:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "00000001"+segmentSuffix)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := WriteNDJSON(io.Discard, path, true); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
		// The checksum keeps nearly everything from the decoder; so it gets the octets as a payload too.
		d := decoder{payload: b}
		if err := d.entries(func(e *Entry) error { lineOf(e); return nil }); err != nil && !errors.Is(err, errBlock) {
			t.Fatal(err)
		}
	})
}
