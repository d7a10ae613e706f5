package engine

import (
	"context"
	"encoding/binary"
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
	receipts [benchPartitions]record.Receipts
}

const (
	benchPartitions = 12
	benchPhone      = 12025550000
)

func (b *instantBind) Write(items []Item) int {
	b.answers = b.answers[:0]
	for _, it := range items {
		b.ids++
		id := strconv.AppendInt(make([]byte, 0, 12), int64(b.ids), 10)
		b.answers = append(b.answers, Answer{Token: it.Token, Code: message.Accepted, ID: id, At: 5})
		r := &b.receipts[(binary.BigEndian.Uint64(it.PDU)-benchPhone)%benchPartitions]
		r.Entries = append(r.Entries, record.Receipt{At: 9, PDU: append(append(make([]byte, 0, 24), it.PDU[:8]...), id...)})
	}
	b.port.Answers(b.answers)
	return len(items)
}

func (b *instantBind) Revoke(func(uint64) bool) {}

type plainEncoder struct{}

func (plainEncoder) Encode(dst *Parts, t *Text) error {
	dst.Buf = binary.BigEndian.AppendUint64(dst.Buf, uint64(t.Phone))
	dst.Buf = append(append(dst.Buf, "89012345678901234567890123456789"...), t.Body...)
	dst.Ends = append(dst.Ends, len(dst.Buf))
	return nil
}

// BenchmarkEngine is the event loop's own cost of one message, from its block
// to its final, without log, network and codec.
func BenchmarkEngine(b *testing.B) {
	log := &instantLog{}
	e, err := New(Config{
		Name: "bench", Partitions: 12, Log: log, Validity: time.Hour, Grace: time.Hour, SnapshotEvery: time.Second,
		Numbers:  []Number{{Phone: worldNumber, Carriers: []string{"acme"}}},
		Carriers: []Carrier{{Name: "acme", Encoder: plainEncoder{}}},
		Receipt: func(_ string, pdu []byte) (Receipt, bool) {
			return Receipt{ID: pdu[8:], Phone: message.Phone(binary.BigEndian.Uint64(pdu)), State: message.Delivered}, true
		},
		CanonicalID: func(_ string, id []byte) []byte { return id },
	})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	for p := range int32(benchPartitions) {
		done := make(chan error, 1)
		go func() {
			done <- e.Own(context.Background(), p, Start{}, func(context.Context, int32, int64, func(int64, []byte) error) error { return nil })
		}()
		for len(done) == 0 {
			e.step(now)
		}
	}
	bind := &instantBind{}
	for p := range bind.receipts {
		bind.receipts[p].Carrier = "acme"
	}
	bind.port = e.Attach("acme", 1, 4000, bind)
	block := &record.Block{Broadcast: 1, Epoch: 1, Number: worldNumber, Deadline: 1 << 60, Validity: 60, Text: "Hey {{first_name}}, I have news for you all tonight", Total: 1 << 30, Fields: 1}
	ranks := make([]message.Rank, benchPartitions)
	offsets := make([]int64, benchPartitions)
	receiptOffsets := int64(0)
	var buf []byte
	b.ReportAllocs()
	b.ResetTimer()
	for sent := 0; sent < b.N; sent += 256 * 4 {
		var batch []Record
		for part := range 4 {
			p := int32(sent/1024+part) % benchPartitions
			block.First = ranks[p] + 1
			block.Recipients, block.Values = block.Recipients[:0], block.Values[:0]
			for range 256 {
				ranks[p]++
				block.Recipients = append(block.Recipients, record.Recipient{Member: message.MemberID(ranks[p]), Phone: message.Phone(benchPhone + uint64(ranks[p])*benchPartitions + uint64(p))})
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
		for p := range bind.receipts {
			if r := &bind.receipts[p]; len(r.Entries) > 0 {
				_ = e.Records([]Record{{record.TopicReceipts, int32(p), receiptOffsets, record.AppendReceipts(nil, r)}})
				r.Entries = r.Entries[:0]
			}
		}
		receiptOffsets++
		e.step(now)
	}
	b.StopTimer()
	s := e.Stats()
	b.ReportMetric(float64(s.Accepted)/float64(b.N), "accepted/op")
	b.ReportMetric(float64(s.ReceiptsMatched)/float64(b.N), "finals/op")
}
