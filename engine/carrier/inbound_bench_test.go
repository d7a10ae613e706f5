package carrier

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
	"fanline/smpp/session"
)

// BenchmarkInbound takes receipts in, appends them to a log that does nothing,
// and answers them: all that happens between session and log, per receipt.
func BenchmarkInbound(b *testing.B) {
	log := &discardLog{}
	in, err := NewInbound(InboundConfig{
		Partitions: partitions, Log: log, Logger: quiet(),
		Revokes: func(string, []byte) (string, bool) { return "", false }, Stop: func(_, _ message.Phone, _ int64, done func()) { done() },
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = in.Run(ctx) })
	answered := &countSession{room: make(chan struct{}, 1)}
	intake := in.Intake("acme", NewCurrent(profileOf(b, nil)), 1, answered)
	batch := make([]session.Delivery, 256)
	for i := range batch {
		batch[i] = session.Delivery{PDU: receiptFrom(b, member+message.Phone(i)), Command: smpp.DeliverSMID, Sequence: uint32(i), At: time.Now()}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for given := 0; given < b.N; given += len(batch) {
		answered.wait(given + len(batch) - 8192)
		intake.Deliveries(batch)
	}
	b.StopTimer()
	cancel()
	run.Wait()
}

type discardLog struct{ octets int }

func (l *discardLog) Append(entries []journal.Entry, done func([]int64, error)) {
	for _, e := range entries {
		l.octets += len(e.Value)
	}
	done(nil, nil)
}

// countSession is a session whose window is counted by answers.
type countSession struct {
	mu   sync.Mutex
	n    int
	room chan struct{}
}

func (s *countSession) RespondAll(responses []session.Response) {
	s.mu.Lock()
	s.n += len(responses)
	s.mu.Unlock()
	select {
	case s.room <- struct{}{}:
	default:
	}
}

func (s *countSession) wait(n int) {
	for {
		s.mu.Lock()
		have := s.n
		s.mu.Unlock()
		if have >= n {
			return
		}
		<-s.room
	}
}

// FuzzInbound delivers anything that a session would let through.
func FuzzInbound(f *testing.F) {
	f.Add(receiptPDU(f, "DELIVRD", nil))
	f.Add(textPDU(f, "13125550199", "STOP"))
	f.Add(deliver(f, &smpp.DeliverSM{Source: smpp.Address{TON: 5, Addr: "ACME"}}))
	f.Fuzz(func(t *testing.T, pdu []byte) {
		if len(pdu) < smpp.HeaderLen {
			return
		}
		binary.BigEndian.PutUint32(pdu, uint32(len(pdu)))
		h := newHouse(t, func(c *InboundConfig) {
			c.Revokes = func(_ string, pdu []byte) (string, bool) { return "x", len(pdu)%2 == 0 }
			c.Stop = func(_, _ message.Phone, _ int64, done func()) { done() }
		})
		h.log.mu.Lock()
		h.log.held = false
		h.log.mu.Unlock()
		h.give(pdu)
		if err := h.finish(); err != nil {
			t.Error(err)
		}
		if len(h.session.answered(t)) != 1 || len(h.log.of(record.TopicInbound))+len(h.log.of(record.TopicReceipts)) != 1 {
			t.Errorf("answers %v", h.session.answered(t))
		}
	})
}
