package engine

import (
	"context"
	"strconv"
	"testing"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// instantLog acknowledges at once.
type instantLog struct{ next int64 }

func (l *instantLog) Append(entries []journal.Entry, done func([]int64, error)) {
	offsets := make([]int64, len(entries))
	for i := range offsets {
		l.next++
		offsets[i] = l.next
	}
	done(offsets, nil)
}

// instantBind accepts at once and owes a receipt.
type instantBind struct {
	port     *Port
	ids      int
	answers  []Answer
	receipts record.Receipts
}

func (b *instantBind) Write(items []Item) int {
	b.answers = b.answers[:0]
	for _, it := range items {
		b.ids++
		id := strconv.AppendInt(make([]byte, 0, 12), int64(b.ids), 10)
		b.answers = append(b.answers, Answer{Token: it.Token, Code: message.Accepted, ID: id, At: 5})
		b.receipts.Entries = append(b.receipts.Entries, record.Receipt{At: 9, PDU: id})
	}
	b.port.Answers(b.answers)
	return len(items)
}

func (b *instantBind) Revoke(func(uint64) bool) {}

type plainEncoder struct{}

func (plainEncoder) Encode(dst *Parts, t *Text) error {
	dst.Buf = append(append(dst.Buf, "0123456789012345678901234567890123456789"...), t.Body...)
	dst.Ends = append(dst.Ends, len(dst.Buf))
	return nil
}

// BenchmarkEngine is the event loop's own cost of one message, from its block
// to its final, without log, network and codec.
func BenchmarkEngine(b *testing.B) {
	log := &instantLog{}
	e, err := New(Config{
		Name: "bench", Partitions: 12, Log: log, Validity: time.Hour, Grace: time.Hour, SnapshotEvery: time.Second,
		Numbers:     []Number{{Phone: worldNumber, Carriers: []string{"acme"}}},
		Carriers:    []Carrier{{Name: "acme", Encoder: plainEncoder{}}},
		Receipt:     func(_ string, pdu []byte) (Receipt, bool) { return Receipt{ID: pdu, State: message.Delivered}, true },
		CanonicalID: func(_ string, id []byte) []byte { return id },
	})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	for p := range int32(12) {
		done := make(chan error, 1)
		go func() {
			done <- e.Own(context.Background(), p, Start{}, func(context.Context, int32, int64, func(int64, []byte) error) error { return nil })
		}()
		for len(done) == 0 {
			e.step(now)
		}
	}
	bind := &instantBind{receipts: record.Receipts{Carrier: "acme"}}
	bind.port = e.Attach("acme", 1, 4000, bind)
	block := &record.Block{Broadcast: 1, Epoch: 1, Number: worldNumber, Deadline: 1 << 60, Validity: 60, Text: "Hey {{first_name}}, I have news for you all tonight", Total: 1 << 30, Fields: 1}
	ranks := make([]message.Rank, 12)
	offsets := make([]int64, 12)
	receiptOffsets := int64(0)
	var buf []byte
	b.ReportAllocs()
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += 256 * 4 {
		var batch []Record
		for range 4 {
			p := int32(sent/256) % 12
			block.First = ranks[p] + 1
			block.Recipients, block.Values = block.Recipients[:0], block.Values[:0]
			for range 256 {
				ranks[p]++
				block.Recipients = append(block.Recipients, record.Recipient{Member: message.MemberID(ranks[p]), Phone: message.Phone(12025550000 + uint64(ranks[p]))})
				block.Values = append(block.Values, "Alice")
			}
			buf = record.AppendBlock(nil, block)
			batch = append(batch, Record{record.TopicJobs, p, offsets[p], buf})
			offsets[p]++
		}
		if err := e.Records(batch); err != nil {
			b.Fatal(err)
		}
		for range 6 {
			e.step(now)
		}
		v := record.AppendReceipts(nil, &bind.receipts)
		bind.receipts.Entries = bind.receipts.Entries[:0]
		_ = e.Records([]Record{{record.TopicReceipts, 0, receiptOffsets, v}})
		receiptOffsets++
		e.step(now)
	}
	b.StopTimer()
	s := e.Stats()
	b.ReportMetric(float64(s.Accepted)/float64(b.N), "accepted/op")
	b.ReportMetric(float64(s.ReceiptsMatched)/float64(b.N), "finals/op")
}
