package engine

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// road is one carrier with one narrow bind for several numbers, and a log that
// needs a turn to acknowledge.
type road struct {
	t            *testing.T
	e            *Engine
	port         *Port
	now          time.Time
	mu           sync.Mutex // of the log: Own has a goroutine of its own
	next         int64
	acks         []func()
	largest      int // octets of a record
	turns        int
	jobs         int64
	flying       []Item
	receiptsRead int64          // offset of the next receipt
	written      map[string]int // by number
	order        []string       // numbers and texts as they were written
}

func (r *road) Append(entries []journal.Entry, done func([]int64, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	offsets := make([]int64, len(entries))
	for i := range offsets {
		r.largest = max(r.largest, len(entries[i].Value))
		r.next++
		offsets[i] = r.next
	}
	r.acks = append(r.acks, func() { done(offsets, nil) })
}

// Encode writes the number and the text, so that the road can tell them apart.
func (r *road) Encode(dst *Parts, t *Text) error {
	dst.Buf = append(append(t.Number.AppendDigits(dst.Buf), ' '), t.Body...)
	dst.Ends = append(dst.Ends, len(dst.Buf))
	return nil
}

func (r *road) acknowledge() {
	r.mu.Lock()
	acks := r.acks
	r.acks = nil
	r.mu.Unlock()
	for _, ack := range acks {
		ack()
	}
}

func (r *road) Write(items []Item) int {
	for _, it := range items {
		number, _, _ := strings.Cut(string(it.PDU), " ")
		r.written[number]++
		r.order = append(r.order, string(it.PDU))
		r.flying = append(r.flying, it)
	}
	return len(items)
}

func (r *road) Revoke(func(uint64) bool) {}

// turn lets a round trip pass: acknowledgements, then answers.
func (r *road) turn() {
	r.now = r.now.Add(5 * time.Millisecond)
	r.acknowledge()
	r.e.step(r.now)
	answers := make([]Answer, len(r.flying))
	for i, it := range r.flying {
		answers[i] = Answer{Token: it.Token, Code: message.Accepted, ID: []byte{byte(i)}, At: r.now.UnixMilli()}
	}
	r.flying = r.flying[:0]
	r.port.Answers(answers)
	r.e.step(r.now)
}

func newRoad(t *testing.T, window int, numbers ...Number) *road {
	r := &road{t: t, now: time.Now(), written: map[string]int{}}
	var err error
	r.e, err = New(Config{
		Partitions: 1, Log: r, Numbers: numbers, Carriers: []Carrier{{Name: "acme", Encoder: r}}, Validity: time.Hour, Grace: time.Hour,
		Receipt:     func(string, []byte) (Receipt, bool) { return Receipt{}, false },
		CanonicalID: func(_ string, id []byte) []byte { return id },
	})
	if err != nil {
		t.Fatal(err)
	}
	owned := make(chan error, 1)
	go func() {
		owned <- r.e.Own(context.Background(), 0, Start{}, func(context.Context, int32, int64, func(int64, []byte) error) error { return nil })
	}()
	for {
		select {
		case err := <-owned:
			if err != nil {
				t.Fatal(err)
			}
			r.port = r.e.Attach("acme", 1, window, r)
			return r
		case <-time.After(20 * time.Microsecond): // Own's goroutine has its say.
			r.acknowledge()
			r.e.step(r.now)
		}
	}
}

func (r *road) broadcast(id message.BroadcastID, number message.Phone, members int) {
	for first := 1; first <= members; first += 250 {
		b := &record.Block{
			Broadcast: id, Epoch: 1, Number: number, Deadline: r.now.UnixMilli() + 3_600_000, Validity: 60, Text: "hi",
			Total: message.Rank(members), First: message.Rank(first),
		}
		for i := first; i < first+250; i++ {
			b.Recipients = append(b.Recipients, record.Recipient{Member: message.MemberID(i), Phone: message.Phone(12020000000 + i)})
		}
		r.feed(record.AppendBlock(nil, b))
	}
}

func (r *road) feed(job []byte) {
	if err := r.e.Records([]Record{{Topic: record.TopicJobs, Offset: r.jobs, Value: job}}); err != nil {
		r.t.Fatal(err)
	}
	r.jobs++
}

const (
	oneNumber     = message.Phone(17735550100)
	anotherNumber = message.Phone(17735550111)
)

func TestNumbersThatShareANarrowCarrierTakeTurns(t *testing.T) {
	r := newRoad(t, 8, Number{Phone: oneNumber, Carriers: []string{"acme"}}, Number{Phone: anotherNumber, Carriers: []string{"acme"}})
	r.broadcast(1, oneNumber, 2000)
	r.broadcast(2, anotherNumber, 2000)
	for range 200 {
		r.turn()
	}
	one, other := r.written[oneNumber.Digits()], r.written[anotherNumber.Digits()]
	if one+other < 400 || one > other+40 || other > one+40 {
		t.Errorf("one number sent %d and the other %d", one, other)
	}
}

func TestAReplyPassesTheBroadcastsOfAllNumbers(t *testing.T) {
	r := newRoad(t, 8, Number{Phone: oneNumber, Carriers: []string{"acme"}}, Number{Phone: anotherNumber, Carriers: []string{"acme"}})
	r.broadcast(1, oneNumber, 2000)
	r.broadcast(2, anotherNumber, 2000)
	for range 20 {
		r.turn()
	}
	r.feed(record.AppendSingle(nil, &record.Single{
		ID: message.NewID(), Number: anotherNumber, Phone: 14018465014, Class: message.ClassOneToOne, Deadline: r.now.UnixMilli() + 60_000, Validity: 60, Text: "answer",
	}))
	before := len(r.order)
	for range 10 {
		r.turn()
	}
	for i, written := range r.order[before:] {
		if strings.HasSuffix(written, " answer") {
			if i > 16 { // A window that was written, and one whose intents were durable.
				t.Errorf("%d parts of broadcasts went before it", i)
			}
			return
		}
	}
	t.Error("it was not written at all")
}

func TestWhatIsGatheredFitsIntoARecordHoweverMuchComes(t *testing.T) {
	r := newRoad(t, 8)
	r.broadcast(1, oneNumber, 100_000) // Of no number of ours: all of it is decided as it is read.
	for r.e.Progress(1).Messages[message.Suppressed] < 100_000 {
		r.turn()
		if r.turns++; r.turns > 1000 {
			t.Fatalf("%d of 100000 after %d turns", r.e.Progress(1).Messages[message.Suppressed], r.turns)
		}
	}
	if r.largest > 500_000 {
		t.Errorf("a record of the journal of %d octets", r.largest)
	}
}

func TestASlowNumberHoldsNoOtherBack(t *testing.T) {
	r := newRoad(t, 8, Number{Phone: oneNumber, Carriers: []string{"acme"}, Limit: 10}, Number{Phone: anotherNumber, Carriers: []string{"acme"}})
	r.broadcast(1, oneNumber, 2000)
	r.broadcast(2, anotherNumber, 2000)
	for range 200 { // One second.
		r.turn()
	}
	if slow, fast := r.written[oneNumber.Digits()], r.written[anotherNumber.Digits()]; slow < 9 || slow > 11 || fast < 350 {
		t.Errorf("the slow number sent %d and the fast one %d", slow, fast)
	}
}
