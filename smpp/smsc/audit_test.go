package smsc

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
)

var update = flag.Bool("update", false, "write golden files anew")

// script is a log made by hand: each step is a block of its own unless it says otherwise.
type script struct {
	t   *testing.T
	dir string
	w   *logWriter
	b   block
	id  uint64
}

func newScript(t *testing.T) *script {
	dir := t.TempDir()
	return &script{t: t, dir: dir, w: testLog(t, dir)}
}

// at opens a block of a connection at a time in milliseconds.
func (s *script) at(conn uint32, ms int64) *script {
	s.flush()
	s.b.reset(conn, "acme", 1_700_000_000_000_000+ms*1000)
	return s
}

func (s *script) flush() {
	s.t.Helper()
	if len(s.b.buf) == 0 {
		return
	}
	if err := s.w.write(&s.b); err != nil {
		s.t.Fatal(err)
	}
}

func (s *script) submit(to, key string, change ...func(*submitRecord)) *script {
	s.id++
	r := &submitRecord{
		seq: uint32(s.id), source: typedAddress(typeE164, testNumber), dest: []byte(to), destPhone: parsePhone([]byte(to)), destType: typeE164,
		reg: 1, part: 1, parts: 1, text: []byte("hello"), id: s.id,
	}
	c := conn{submit: *r}
	c.key([]byte(key))
	*r = c.submit
	for _, f := range change {
		f(r)
	}
	if r.status != smpp.StatusOK {
		r.id = 0
	}
	s.b.submit(r)
	return s
}

func part(n, of byte) func(*submitRecord) {
	return func(r *submitRecord) {
		r.esm, r.udh, r.part, r.parts = 0x40, []byte{5, 0, 3, 1, of, n}, n, of
	}
}

func status(st smpp.Status) func(*submitRecord) { return func(r *submitRecord) { r.status = st } }

func from(number string) func(*submitRecord) {
	return func(r *submitRecord) { r.source = typedAddress(typeE164, number) }
}

// text has the phone's words delivered under a sequence number that is also the text's id.
func (s *script) text(seq uint32, phone, words string) *script {
	s.b.text(recReply, &textRecord{
		id: 1000 + uint64(seq), seq: seq, phone: typedAddress(typeE164, phone), number: typedAddress(typeE164, testNumber), octets: []byte(words), part: 1, parts: 1,
	})
	return s
}

func (s *script) ack(seq uint32, st ...smpp.Status) *script {
	if len(st) > 0 {
		s.b.ack(seq, st[0])
	} else {
		s.b.ack(seq, smpp.StatusOK)
	}
	return s
}

func (s *script) audit() Report {
	s.t.Helper()
	s.flush()
	if err := s.w.close(); err != nil {
		s.t.Fatal(err)
	}
	report, err := Audit(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return report
}

const (
	ulid1 = "01JD2Q5W8Z0123456789ABCDEF"
	ulid2 = "01JD2Q5W8Z0123456789ABCDEG"
)

func TestAuditCountsDuplicates(t *testing.T) {
	for _, tt := range []struct {
		name                          string
		make                          func(*script)
		submits, messages, duplicates int64
	}{
		{"each once", func(s *script) { s.submit("1", "b1.1").submit("2", "b1.2").submit("3", ulid1) }, 3, 3, 0},
		{"a broadcast's key twice", func(s *script) { s.submit("1", "b1.1").submit("1", "b1.1") }, 2, 1, 1},
		{"three times", func(s *script) { s.submit("1", "b1.1").submit("1", "b1.1").submit("1", "b1.1") }, 3, 1, 2},
		{"in another block and connection", func(s *script) { s.submit("1", "b1.1").at(2, 5).submit("1", "b1.1") }, 2, 1, 1},
		{"a one-to-one key twice", func(s *script) { s.submit("1", ulid1).submit("1", ulid1).submit("1", ulid2) }, 3, 2, 1},
		{"a foreign key twice", func(s *script) { s.submit("1", "x").submit("1", "x") }, 2, 1, 1},
		{"the same member of two broadcasts", func(s *script) { s.submit("1", "b1.1").submit("1", "b2.1") }, 2, 2, 0},
		{"members far apart", func(s *script) { s.submit("1", "b1.1").submit("1", "b1.4294967295").submit("1", "b1.65537") }, 3, 3, 0},
		{"parts of one message", func(s *script) { s.submit("1", "b1.1", part(1, 2)).submit("1", "b1.1", part(2, 2)) }, 2, 1, 0},
		{"a part twice", func(s *script) { s.submit("1", "b1.1", part(1, 2)).submit("1", "b1.1", part(1, 2)) }, 2, 1, 1},
		{"a one-to-one part twice", func(s *script) {
			s.submit("1", ulid1, part(2, 2)).submit("1", ulid1, part(1, 2)).submit("1", ulid1, part(2, 2))
		}, 3, 1, 1},
		{"refused, then accepted", func(s *script) { s.submit("1", "b1.1", status(smpp.StatusThrottled)).submit("1", "b1.1") }, 2, 1, 0},
		{"accepted, then refused", func(s *script) { s.submit("1", "b1.1").submit("1", "b1.1", status(smpp.StatusSysErr)) }, 2, 1, 0},
		{"accepted unanswered, then accepted", func(s *script) {
			s.submit("1", "b1.1", func(r *submitRecord) { r.unanswered = true }).submit("1", "b1.1")
		}, 2, 1, 1},
		{"no key, same text to one phone", func(s *script) { s.submit("1", "").submit("1", "").submit("+1", "") }, 3, 1, 2},
		{"no key, another phone or text or number", func(s *script) {
			s.submit("1", "").submit("2", "").submit("1", "", func(r *submitRecord) { r.text = []byte("bye") }).submit("1", "", from("17735550101"))
		}, 4, 4, 0},
		{"no key, two parts of one", func(s *script) { s.submit("1", "", part(1, 2)).submit("1", "", part(2, 2)) }, 2, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t).at(1, 0)
			tt.make(s)
			r := s.audit()
			if r.Submits != tt.submits || r.Messages != tt.messages || r.Duplicates != tt.duplicates {
				t.Errorf("submits %d, messages %d, duplicates %d; want %d, %d, %d", r.Submits, r.Messages, r.Duplicates, tt.submits, tt.messages, tt.duplicates)
			}
		})
	}
}

func TestAuditMeasuresTheFastestSecond(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(*script)
		want int64
	}{
		{"all at once", func(s *script) { s.at(1, 0).submit("1", "").submit("2", "").submit("3", "") }, 3},
		{"a second apart is another second", func(s *script) { s.at(1, 0).submit("1", "").at(1, 1000).submit("2", "") }, 1},
		{"just within a second", func(s *script) { s.at(1, 0).submit("1", "").at(1, 999).submit("2", "") }, 2},
		{"the window slides", func(s *script) {
			s.at(1, 0).submit("1", "").at(1, 600).submit("2", "").at(1, 900).submit("3", "").at(1, 1500).submit("4", "")
		}, 3},
		{"blocks out of order", func(s *script) {
			s.at(1, 900).submit("1", "").at(2, 100).submit("2", "").at(1, 950).submit("3", "").at(2, 1099).submit("4", "")
		}, 4},
		{"throttled ones don't count", func(s *script) {
			s.at(1, 0).submit("1", "").submit("2", "", status(smpp.StatusThrottled)).submit("3", "", status(smpp.StatusThrottled))
		}, 1},
		{"refused ones do", func(s *script) { s.at(1, 0).submit("1", "").submit("2", "", status(smpp.StatusSubmitFailed)) }, 2},
		{"another number has its own", func(s *script) { s.at(1, 0).submit("1", "").submit("2", "", from("17735550101")) }, 1},
		{"with or without a plus", func(s *script) { s.at(1, 0).submit("1", "").submit("2", "", from("+"+testNumber)) }, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			tt.make(s)
			if got := s.audit().MaxParts1s[testNumber]; got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestAuditFindsWhatWasSentAfterAStop(t *testing.T) {
	const p = "13125550042"
	for _, tt := range []struct {
		name                    string
		make                    func(*script)
		after, replies, stopped int64
	}{
		{"nothing", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1) }, 0, 0, 1},
		{"before the answer to it", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 5).submit(p, "b1.1").at(1, 10).ack(1) }, 0, 0, 1},
		{"after it", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, "b1.1") }, 1, 0, 1},
		{"an hour after it", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 3_600_000).submit(p, "b1.1") }, 1, 0, 1},
		{"on another connection, logged before the answer", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(2, 11).submit(p, "b1.1").at(1, 10).ack(1)
		}, 1, 0, 1},
		{"in the same read, behind the answer", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).submit(p, "b1.1") }, 1, 0, 1},
		{"in the same read, before the answer", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 10).submit(p, "b1.1").ack(1) }, 0, 0, 1},
		{"refused ones count as well", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, "b1.1", status(smpp.StatusThrottled))
		}, 1, 0, 1},
		{"the confirmation", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, ulid1) }, 0, 1, 1},
		{"the confirmation in two parts", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, ulid1, part(1, 2)).submit(p, ulid1, part(2, 2))
		}, 0, 2, 1},
		{"two confirmations", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, ulid1).submit(p, ulid2)
		}, 1, 1, 1},
		{"a confirmation that says it belongs to a broadcast", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, "b7.1") }, 1, 0, 1},
		{"one without a key", func(s *script) { s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, "") }, 1, 0, 1},
		{"an answer to HELP", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, ulid1)
			s.at(1, 20).text(2, p, "help").at(1, 30).ack(2).at(1, 31).submit(p, ulid2)
		}, 0, 2, 1},
		{"an answer to a HELP not sent yet", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, ulid1).submit(p, ulid2).at(1, 20).text(2, p, "help")
		}, 1, 1, 1},
		{"a text before the STOP excuses nothing", func(s *script) {
			s.at(1, 0).text(1, p, "hi").ack(1).at(1, 5).text(2, p, "STOP").at(1, 10).ack(2).at(1, 11).submit(p, ulid1).submit(p, ulid2)
		}, 1, 1, 1},
		{"after a START", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 20).text(2, p, "Start").ack(2).at(1, 30).submit(p, "b1.1")
		}, 0, 0, 1},
		{"between a STOP and a START", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 15).submit(p, "b1.1").at(1, 20).text(2, p, "START").ack(2)
		}, 1, 0, 1},
		{"a confirmation saved for a second STOP", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 20).text(2, p, "START").ack(2)
			s.at(1, 30).text(3, p, "STOP").at(1, 40).ack(3).at(1, 41).submit(p, ulid1).submit(p, ulid2)
		}, 1, 1, 2},
		{"a STOP that was refused", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1, smpp.StatusSysErr).at(1, 11).submit(p, "b1.1")
		}, 0, 0, 1},
		{"a STOP that came again", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1, smpp.StatusSysErr).at(1, 11).submit(p, "b1.1")
			s.b.text(recReply, &textRecord{id: 1001, seq: 9, phone: typedAddress(typeE164, p), number: typedAddress(typeE164, testNumber), octets: []byte("STOP"), part: 1, parts: 1, again: true})
			s.at(1, 20).ack(9).at(1, 21).submit(p, "b1.2")
		}, 1, 0, 1},
		{"another phone", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit("13125550043", "b1.1")
		}, 0, 0, 1},
		{"another number", func(s *script) {
			s.at(1, 0).text(1, p, "STOP").at(1, 10).ack(1).at(1, 11).submit(p, "b1.1", from("17735550101"))
		}, 0, 0, 1},
		{"with a plus on either side", func(s *script) {
			s.at(1, 0).text(1, "+"+p, "stop.").at(1, 10).ack(1).at(1, 11).submit(p, "b1.1", from("+"+testNumber))
		}, 1, 0, 1},
		{"no stop", func(s *script) { s.at(1, 0).text(1, p, "don't stop").at(1, 10).ack(1).at(1, 11).submit(p, "b1.1") }, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t)
			tt.make(s)
			r := s.audit()
			if r.SendsAfterStop != tt.after || r.StopReplies != tt.replies || r.Stops != tt.stopped {
				t.Errorf("after %d, replies %d, stops %d; want %d, %d, %d", r.SendsAfterStop, r.StopReplies, r.Stops, tt.after, tt.replies, tt.stopped)
			}
			if int64(len(r.AfterStop)) != tt.after {
				t.Errorf("lists %+v", r.AfterStop)
			}
			for _, a := range r.AfterStop {
				if strings.Contains(a.Phone, "13125") {
					t.Errorf("shows the whole phone: %+v", a)
				}
			}
		})
	}
}

func TestAuditCountsReceiptsByState(t *testing.T) {
	s := newScript(t).at(1, 0).submit("1", "b1.1")
	number := typedAddress(typeE164, testNumber)
	for i, stat := range []Stat{StatDelivered, StatDelivered, StatUndeliverable, StatExpired} {
		s.b.receipt(uint32(i+1), uint64(i+1), number, parsePhone([]byte("1")), typeE164, stat, i == 1, 0)
	}
	s.at(1, 5).ack(1).ack(2).ack(3, smpp.StatusMsgQFull).ack(77)
	r := s.audit()
	if diff := cmp.Diff(map[string]int64{"DELIVRD": 1, "UNDELIV": 1, "EXPIRED": 1}, r.Receipts); diff != "" {
		t.Error(diff)
	}
	if r.ReceiptsAgain != 1 || r.ReceiptsAcked != 2 {
		t.Errorf("again %d, acked %d; want 1, 2", r.ReceiptsAgain, r.ReceiptsAcked)
	}
}

func TestAcceptedKeysAreListedOnceInOrder(t *testing.T) {
	s := newScript(t).at(1, 0)
	s.submit("1", ulid2).submit("1", "b2.7", part(1, 3)).submit("1", "b2.7", part(3, 3)).submit("1", "b1.70000").submit("1", "b1.2")
	s.submit("1", "").submit("1", "b1.2").submit("1", "b3.1", status(smpp.StatusThrottled)).submit("1", "x").submit("1", ulid1, part(2, 2))
	s.audit()
	var got []string
	if err := AcceptedKeys(s.dir, func(a Accepted) bool {
		got = append(got, fmt.Sprintf("%s %d/%d", a.Key, a.Parts, a.Total))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"b1.2 1/1", "b1.70000 1/1", "b2.7 2/3", ulid1 + " 1/2", ulid2 + " 1/1", "x 1/1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	n := 0
	if err := AcceptedKeys(s.dir, func(Accepted) bool { n++; return n < 2 }); err != nil || n != 2 {
		t.Errorf("went on after false: %d, %v", n, err)
	}
}

func TestAHashSetHoldsWhatItWasGiven(t *testing.T) {
	var s hashSet
	for i := range uint64(10_000) {
		if !s.add(i * 0x9e3779b97f4a7c15) {
			t.Fatalf("%d is new and not taken", i)
		}
	}
	for i := range uint64(10_000) {
		if s.add(i * 0x9e3779b97f4a7c15) {
			t.Fatalf("%d is taken twice", i)
		}
	}
}

func TestTheLogPrintsAsTheContractSays(t *testing.T) {
	s := newScript(t).at(4, 0)
	s.b.event("bind_transceiver", true, 0, 1, "acme", "127.0.0.1:40000")
	s.submit("13125550001", "b1.1", part(2, 3), func(r *submitRecord) { r.stat, r.text = StatDelivered, []byte("Hey <Anna> & co") })
	s.submit("13125550002", ulid1, func(r *submitRecord) {
		r.tlvs = smpp.Options{}.Append(TagKey, []byte(ulid1)).Append(0x1401, []byte{7})
		r.dcs, r.text = 8, []byte{0x04, 0x1f, 0x04, 0x40}
	})
	s.submit("13125550003", "", status(smpp.StatusThrottled))
	s.submit("13125550004", "", func(r *submitRecord) { r.unanswered = true })
	s.b.receipt(1, 1, typedAddress(typeE164, testNumber), parsePhone([]byte("13125550001")), typeE164, StatDelivered, false, 0)
	s.text(2, "13125550042", "STOP")
	s.at(4, 25).ack(1).ack(2)
	s.b.event(CommandProtocolError, true, smpp.StatusInvCmdLen, 0, "", "smpp: command_length at octet 0")
	s.b.event("unbind", true, 0, 9, "", "")
	s.b.event(CommandClosed, false, 0, 0, "acme", "unbound by the client")
	s.flush()
	closeLog(t, s.w)
	var got bytes.Buffer
	if err := WriteNDJSON(&got, s.dir, false); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "log.ndjson")
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(golden, got.Bytes(), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
	var all bytes.Buffer
	if err := WriteNDJSON(&all, s.dir, true); err != nil {
		t.Fatal(err)
	}
	if more := strings.Count(all.String(), "\n") - strings.Count(got.String(), "\n"); more != 2 {
		t.Errorf("--all adds %d lines, want the start and the answer to the receipt", more)
	}
}
