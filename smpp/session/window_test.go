package session

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
)

func TestSequenceNumbersRunFromOneToMaxSequenceAndWrap(t *testing.T) {
	w := newWindow(10)
	w.last = smpp.MaxSequence - 1
	var got []uint32
	for range 4 {
		got = append(got, w.open(0, smpp.SubmitSMRespID, 1, 0))
	}
	if diff := cmp.Diff([]uint32{smpp.MaxSequence, 1, 2, 3}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNumberOfAnOpenRequestIsNotGivenOutAgain(t *testing.T) {
	w := newWindow(2) // Four slots.
	stuck := w.open(7, smpp.SubmitSMRespID, 1, 0)
	for range 100 {
		seq := w.open(8, smpp.SubmitSMRespID, 1, 0)
		if seq&3 == stuck&3 {
			t.Fatalf("%d shares the slot of %d, which is open", seq, stuck)
		}
		w.free(w.find(seq, smpp.SubmitSMRespID))
	}
	if sl := w.find(stuck, smpp.SubmitSMRespID); sl == nil || sl.token != 7 {
		t.Errorf("the open request is lost: %+v", sl)
	}
}

func TestSlotAnswersToItsNumberAndCommandOnly(t *testing.T) {
	w := newWindow(4)
	seq := w.open(1, smpp.SubmitSMRespID, 1, 0)
	for _, c := range []struct {
		name    string
		seq     uint32
		command smpp.CommandID
		want    bool
	}{
		{"its response", seq, smpp.SubmitSMRespID, true},
		{"generic_nack", seq, smpp.GenericNackID, true},
		{"another response", seq, smpp.DataSMRespID, false},
		{"a request", seq, smpp.SubmitSMID, false},
		{"a number of the same slot", seq + 8, smpp.SubmitSMRespID, false},
		{"a number above 31 bits of the same slot", seq | 1<<31, smpp.SubmitSMRespID, false},
		{"zero, at a free slot", 0, smpp.GenericNackID, false},
	} {
		if got := w.find(c.seq, c.command) != nil; got != c.want {
			t.Errorf("%s: found %v, want %v", c.name, got, c.want)
		}
	}
}

func TestExpiryTakesOnlyWhatIsWrittenAndOldAndSaysWhenNext(t *testing.T) {
	w := newWindow(8)
	w.open(1, smpp.SubmitSMRespID, 1, 100) // Written and old.
	w.open(2, smpp.SubmitSMRespID, 1, 160) // Written, not old enough.
	w.open(3, smpp.SubmitSMRespID, 2, 100) // Old, but not written.
	var expired []uint64
	next := w.expire(200, 100, 1, func(sl slot) { expired = append(expired, sl.token) })
	if diff := cmp.Diff([]uint64{1}, expired); diff != "" {
		t.Error(diff)
	}
	if next != 260 || w.inflight != 2 {
		t.Errorf("next %d, in flight %d; want 260, 2", next, w.inflight)
	}
}

func TestGenerationsCompareAcrossTheirWrap(t *testing.T) {
	for _, c := range []struct {
		a, b uint32
		want bool
	}{{1, 0, true}, {0, 1, false}, {5, 5, false}, {0, 1<<32 - 1, true}, {1<<32 - 1, 0, false}} {
		if got := after(c.a, c.b); got != c.want {
			t.Errorf("after(%d, %d) = %v", c.a, c.b, got)
		}
	}
}

func TestLateTableForgetsTheOldestAndNumbersGivenOutAgain(t *testing.T) {
	table := newLateTable(3)
	for seq := uint32(1); seq <= 4; seq++ {
		table.remember(slot{token: uint64(seq), seq: seq, want: smpp.SubmitSMRespID})
	}
	if _, ok := table.take(1, smpp.SubmitSMRespID); ok {
		t.Error("1 is still there with three newer ones")
	}
	if _, ok := table.take(2, smpp.DataSMRespID); ok {
		t.Error("2 was found by another command")
	}
	if sl, ok := table.take(2, smpp.SubmitSMRespID); !ok || sl.token != 2 {
		t.Errorf("2: %+v, %v", sl, ok)
	}
	if _, ok := table.take(2, smpp.SubmitSMRespID); ok {
		t.Error("2 was found twice")
	}
	table.forget(3)
	if _, ok := table.take(3, smpp.SubmitSMRespID); ok {
		t.Error("3 was found after its number was given out again")
	}
}

// TestWindowAgreesWithAMap compares the ring with the plainest form of it over a long random history.
func TestWindowAgreesWithAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	w := newWindow(50)
	w.last = smpp.MaxSequence - 1000
	model := map[uint32]uint64{}
	var open []uint32
	for i := range uint64(200_000) {
		if !w.full() && r.IntN(2) == 0 {
			seq := w.open(i, smpp.SubmitSMRespID, 1, 0)
			if _, dup := model[seq]; dup || seq == 0 || seq > smpp.MaxSequence {
				t.Fatalf("%d was given out wrongly", seq)
			}
			model[seq] = i
			open = append(open, seq)
			continue
		}
		if len(open) == 0 {
			continue
		}
		k := r.IntN(len(open))
		seq := open[k]
		open[k], open = open[len(open)-1], open[:len(open)-1]
		sl := w.find(seq, smpp.SubmitSMRespID)
		if sl == nil || sl.token != model[seq] {
			t.Fatalf("%d: %+v, want token %d", seq, sl, model[seq])
		}
		w.free(sl)
		delete(model, seq)
		if w.inflight != len(model) {
			t.Fatalf("in flight %d, want %d", w.inflight, len(model))
		}
	}
}

func TestQueueFillsChunksAndWithdrawsInOrder(t *testing.T) {
	var q queue
	pdu := appendHeader(nil, smpp.SubmitSMID, 0, 0)
	pdu = append(pdu, make([]byte, 1000)...)
	pdu[2], pdu[3] = byte(len(pdu)>>8), byte(len(pdu)&0xff)
	for seq := range uint32(200) {
		q.put(q.tail(len(pdu), 0), pdu, seq+1)
	}
	if q.size != 200*len(pdu) || len(q.chunks) != 4 {
		t.Fatalf("%d octets in %d chunks", q.size, len(q.chunks))
	}
	q.withdraw(func(pdu []byte) bool { return sequence(pdu)%2 == 0 || sequence(pdu) > 100 })
	var got, want []uint32
	for seq := uint32(1); seq <= 100; seq += 2 {
		want = append(want, seq)
	}
	for c := q.take(); c != nil; c = q.take() {
		if len(c.octets) > chunkSize {
			t.Errorf("a chunk of %d octets", len(c.octets))
		}
		for pdu := range each(c.octets) {
			got = append(got, sequence(pdu))
		}
		q.recycle(c)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if q.size != 0 {
		t.Errorf("%d octets are left", q.size)
	}
}

func TestQueueCountsAnswersApart(t *testing.T) {
	var q queue
	q.answer(appendDeliverResp(appendHeader(nil, smpp.EnquireLinkRespID, 0, 1), smpp.DeliverSMID, 2, 0), 0)
	pdu := appendHeader(nil, smpp.SubmitSMID, 0, 0)
	q.put(q.tail(len(pdu), 0), pdu, 3)
	if q.answers != 33 || q.size != 49 {
		t.Errorf("%d octets of answers in %d, want 33 in 49", q.answers, q.size)
	}
	q.recycle(q.take())
	if q.answers != 0 || q.size != 0 {
		t.Errorf("%d octets of answers in %d are left", q.answers, q.size)
	}
	q.answer(appendHeader(nil, smpp.EnquireLinkRespID, 0, 1), 0)
	if q.take(); q.answers != 0 {
		t.Errorf("a recycled chunk counts %d octets too few or too many", q.answers)
	}
}

func TestPDULongerThanAChunkIsOneWrite(t *testing.T) {
	var q queue
	pdu := appendHeader(nil, smpp.SubmitSMID, 0, 0)
	pdu = append(pdu, make([]byte, smpp.MaxPDU-len(pdu))...)
	pdu[1], pdu[2], pdu[3] = byte(len(pdu)>>16), byte(len(pdu)>>8&0xff), byte(len(pdu)&0xff)
	q.put(q.tail(len(pdu), 0), pdu, 1)
	q.put(q.tail(len(pdu), 0), pdu, 2)
	if c := q.take(); len(c.octets) != smpp.MaxPDU {
		t.Errorf("%d octets, want %d", len(c.octets), smpp.MaxPDU)
	}
}

func TestAnswersAreWhatTheCodecWrites(t *testing.T) {
	for _, status := range []smpp.Status{smpp.StatusOK, smpp.StatusSysErr} {
		for _, c := range []struct {
			p   smpp.PDU
			got []byte
		}{
			{&smpp.EnquireLink{}, appendHeader(nil, smpp.EnquireLinkID, status, 77)},
			{&smpp.EnquireLinkResp{}, appendHeader(nil, smpp.EnquireLinkRespID, status, 77)},
			{&smpp.Unbind{}, appendHeader(nil, smpp.UnbindID, status, 77)},
			{&smpp.UnbindResp{}, appendHeader(nil, smpp.UnbindRespID, status, 77)},
			{&smpp.GenericNack{}, appendHeader(nil, smpp.GenericNackID, status, 77)},
			{&smpp.DeliverSMResp{}, appendDeliverResp(nil, smpp.DeliverSMID, 77, status)},
			{&smpp.DataSMResp{}, appendDeliverResp(nil, smpp.DataSMID, 77, status)},
		} {
			want, err := smpp.Append(nil, status, 77, c.p)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want, c.got) {
				t.Errorf("%v: %x, want %x", c.p.CommandID(), c.got, want)
			}
		}
	}
}

func TestSubmitAnswerForgivesWhatCarriersSend(t *testing.T) {
	congested := string(smpp.Options{}.Append(smpp.TagCongestionState, []byte{95}))
	for _, c := range []struct {
		name, body, id string
		congestion     int8
	}{
		{"no body", "", "", -1},
		{"empty id", "\x00", "", -1},
		{"id", "abc-1\x00", "abc-1", -1},
		{"id without its NUL", "abc-1", "abc-1", -1},
		{"id of 100 octets", string(bytes.Repeat([]byte("x"), 100)) + "\x00", string(bytes.Repeat([]byte("x"), 100)), -1},
		{"id and congestion_state", "7\x00" + congested, "7", 95},
		{"congestion_state without an id", congested, "", 95},
		{"empty id and congestion_state", "\x00" + congested, "", 95},
		{"congestion_state of 200", "7\x00\x04\x28\x00\x01\xc8", "7", 127},
		{"half a TLV", "7\x00\x04\x28\x00", "7", -1},
		{"TLV longer than the PDU", "7\x00\x04\x28\x00\x09\x01", "7", -1},
	} {
		for _, command := range []smpp.CommandID{smpp.SubmitSMRespID, smpp.DataSMRespID} {
			pdu := append(appendHeader(nil, command, 0, 1), c.body...)
			pdu[3] = byte(len(pdu))
			var a answerReader
			id, congestion := a.read(pdu)
			if string(id) != c.id || congestion != c.congestion {
				t.Errorf("%v, %s: %q, %d; want %q, %d", command, c.name, id, congestion, c.id, c.congestion)
			}
		}
	}
}

// FuzzSubmitAnswer holds the short way of reading an id to the codec's.
func FuzzSubmitAnswer(f *testing.F) {
	f.Add([]byte("abc\x00"))
	f.Add([]byte("\x00\x04\x28\x00\x01\x5a"))
	f.Add([]byte("\x04\x28\x00\x01\x5a"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 200 {
			return
		}
		pdu := append(appendHeader(nil, smpp.SubmitSMRespID, 0, 1), body...)
		pdu[3] = byte(len(pdu))
		var a answerReader
		id, _ := a.read(pdu)
		var want smpp.SubmitSMResp
		if _, err := smpp.DecodeInto(pdu, &want); err == nil && want.MessageID != string(id) {
			t.Errorf("%q: %q, the codec reads %q", body, id, want.MessageID)
		}
	})
}

func TestLivenessAsksWhenNothingIsAnsweredAndGivesUpInTime(t *testing.T) {
	const sec = int64(time.Second)
	l := liveness{interval: 30 * sec, response: 10 * sec}
	if got := l.next(); got != 30*sec {
		t.Fatalf("next %v", time.Duration(got))
	}
	if got := l.step(30*sec, 0, false); got != ask {
		t.Fatalf("at 30 s: %v, want to ask", got)
	}
	l.ask(5, 1, 30*sec, false)
	l.written(1, 31*sec)
	if got := l.next(); got != 41*sec {
		t.Errorf("due at %v, want 41s: the time counts from the write", time.Duration(got))
	}
	if l.mine(4) || !l.mine(5) {
		t.Error("a question is known by its number")
	}
	l.answer(34 * sec) // To a submit, say.
	if got := l.next(); got != 64*sec {
		t.Errorf("next question at %v, want 64s", time.Duration(got))
	}
	if !l.mine(5) {
		t.Error("the answer to a question that is settled is still ours")
	}
	l.ask(6, 2, 64*sec, false)
	l.heard = 73 * sec
	if got := l.step(74*sec, 2, false); got != dead {
		t.Errorf("unanswered: %v, want dead, whatever else was heard", got)
	}
}

func TestPeerThatReadsNothingWinsNoTimeByIt(t *testing.T) {
	const sec = int64(time.Second)
	l := liveness{interval: 30 * sec, response: 10 * sec}
	l.ask(5, 2, 30*sec, true) // A write is held up, so the question waits.
	l.written(2, 38*sec)
	if got := l.next(); got != 40*sec {
		t.Errorf("due at %v, want 40s", time.Duration(got))
	}
	l.ask(6, 3, 50*sec, true)
	if got := l.step(60*sec, 2, true); got != dead {
		t.Errorf("the question is still unwritten because of the peer: %v, want dead", got)
	}
	l.ask(7, 3, 70*sec, false)
	if got := l.step(80*sec, 2, false); got != alive || l.next() != 90*sec {
		t.Errorf("the question is still unwritten because of us: %v, next %v", got, time.Duration(l.next()))
	}
}

func TestSackGivesBackWhatABurstMadeItTake(t *testing.T) {
	var k sack
	burst := make([]byte, 1<<20)
	k.add(&Delivery{PDU: burst})
	for i := range 10 * leanAfter {
		k.empty()
		if i%10 == 0 && i < 2*leanAfter {
			k.add(&Delivery{PDU: burst[:1<<19]}) // Now and then it is needed.
		}
		k.add(&Delivery{PDU: burst[:100]})
		if i == 2*leanAfter && cap(k.octets) < 1<<19 {
			t.Error("a buffer that is used was given back")
		}
	}
	if cap(k.octets) > spareSack {
		t.Errorf("%d octets are kept for runs of 100", cap(k.octets))
	}
	var b inbox
	b.more.L = &b.mu
	if n := b.put([]Delivery{{PDU: burst}, {PDU: burst}, {PDU: burst}, {PDU: burst}, {PDU: burst[:1]}}); n != 4 {
		t.Errorf("%d of five megabytes were taken, want 4", n)
	}
}
