package engine

import (
	"testing"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Two broadcasts to one phone: the first is delivered before a crash, the
// second is left uncertain by it. The first one's receipt is read once more.
func TestAReceiptReadAgainAfterARestartMatchesNoUncertainMessage(t *testing.T) {
	w := &world{t: t, now: time.Now(), carriers: []string{"acme"}}
	e, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	p := newPartition(0)
	e.parts[0] = p
	r := &recovery{e: e, p: p, open: map[record.Ref]openIntent{}, texts: map[message.Key]*partial{}, begun: map[message.Key]begun{}, gone: map[handleOf]message.Phone{}, noIDs: map[uint16]bool{}}
	text := func(b message.BroadcastID) record.Message {
		return record.Message{Class: message.ClassBroadcast, Broadcast: b, Rank: 1, Member: 7, Phone: 14018465014, Number: worldNumber, Carrier: "acme", Parts: 1}
	}
	at := w.ms()
	r.outcome(3, &record.Outcome{Message: text(1), Part: 1, Code: message.Accepted, MessageID: []byte("a1"), Written: at, At: at, State: message.Submitted})
	r.final(4, &record.Final{Message: text(1), From: message.Submitted, State: message.Delivered, Written: at, At: at})
	r.outcome(5, &record.Outcome{Message: text(2), Part: 1, Code: message.Unknown, Written: at, At: at, State: message.Uncertain})

	again := Receipt{ID: []byte("a1"), Phone: 14018465014, State: message.Delivered}
	e.receipt(p, e.carrierNamed("acme"), &again, at+1000)
	if p.uncertain[14018465014] == nil || e.carriers[0].in.stats.Repeated != 1 {
		t.Errorf("the second message is settled by the first one's receipt: %+v", e.carriers[0].in.stats)
	}

	own := Receipt{ID: []byte("a2"), Phone: 14018465014, State: message.Delivered}
	e.receipt(p, e.carrierNamed("acme"), &own, at+1000)
	if p.uncertain[14018465014] != nil || e.carriers[0].in.stats.Settled != 1 {
		t.Errorf("the second message's own receipt doesn't settle it: %+v", e.carriers[0].in.stats)
	}
}

// All that the journal knows of a broadcast is one part of a text that left;
// the other came back unsent when its bind was lost, and then we crashed.
func TestATextBegunBeforeACrashIsUncertainAndNotSentAgain(t *testing.T) {
	w := &world{t: t, now: time.Now(), carriers: []string{"acme"}}
	e, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	p := newPartition(0)
	r := &recovery{e: e, p: p, open: map[record.Ref]openIntent{}, texts: map[message.Key]*partial{}, begun: map[message.Key]begun{}, gone: map[handleOf]message.Phone{}, noIDs: map[uint16]bool{}}
	text := record.Message{Class: message.ClassBroadcast, Broadcast: 7, Rank: 1, Member: 7, Phone: 14018465014, Number: worldNumber, Carrier: "acme", Parts: 2}
	at := w.ms()
	r.outcome(3, &record.Outcome{Message: text, Part: 1, Code: message.Accepted, MessageID: []byte("a1"), Written: at, At: at})
	r.outcome(3, &record.Outcome{Message: text, Part: 2, Code: message.NotSent, At: at})
	r.takeOver(w.now)

	block := record.AppendBlock(nil, &record.Block{
		Broadcast: 7, Epoch: 1, Number: worldNumber, Deadline: at + 1000, Text: "hi", Total: 1, First: 1,
		Recipients: []record.Recipient{{Member: 7, Phone: text.Phone}},
	})
	e.record(&Record{Topic: record.TopicJobs, Partition: 0, Value: block}, w.now)
	if o := e.next(e.lanes[0], message.ClassBroadcast, at); o != nil {
		t.Error("it is taken up again")
	}
	g := e.gather.At(0)
	for i := range g.Finals {
		e.applyFinal(&g.Finals[i], &g.Record.Finals[i])
	}
	if bc := p.broadcasts[7]; bc.counts[message.Uncertain] != 1 || bc.ranks.low != 1 {
		t.Errorf("counted %v, decided up to %d", bc.counts, bc.ranks.low)
	}
}
