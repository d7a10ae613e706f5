package carrier

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/session"
)

const partitions = 12

var errDisk = errors.New("no space left on device")

// house is an Inbound with everything around it.
type house struct {
	t       testing.TB
	log     *fakeLog
	in      *Inbound
	session *fakeSession
	intake  *Intake
	seq     uint32
	ended   chan error
	end     context.CancelFunc

	mu    sync.Mutex
	texts []string // that the classifier saw
	told  []stopped
}

type stopped struct {
	number, phone message.Phone
	at            int64
	done          func()
}

// newHouse runs an Inbound whose log waits to be released.
func newHouse(t testing.TB, change func(*InboundConfig)) *house {
	t.Helper()
	h := &house{t: t, log: &fakeLog{held: true}, session: &fakeSession{}, ended: make(chan error, 1)}
	profile := profileOf(t, nil)
	cfg := InboundConfig{
		Partitions: partitions, Log: h.log, Logger: quiet(),
		Revokes: func(carrier string, pdu []byte) (string, bool) {
			s, _, err := profile.Text(pdu)
			if err != nil || carrier != "acme" {
				t.Errorf("classifier got %q of %s: %v", s, carrier, err)
			}
			h.mu.Lock()
			h.texts = append(h.texts, s)
			h.mu.Unlock()
			return "STOP", strings.HasPrefix(s, "STOP")
		},
		Stop: func(number, phone message.Phone, at int64, done func()) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.told = append(h.told, stopped{number, phone, at, done})
		},
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if h.in, err = NewInbound(cfg); err != nil {
		t.Fatal(err)
	}
	h.intake = h.in.Intake("acme", NewCurrent(profile), 3, h.session)
	ctx, cancel := context.WithCancel(context.Background())
	h.end = cancel
	go func() { h.ended <- h.in.Run(ctx) }()
	return h
}

// asked returns the texts that the classifier saw.
func (h *house) asked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.texts)
}

// stops returns what the engine was told.
func (h *house) stops() []stopped {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.told)
}

// finish ends the Inbound and waits for it.
func (h *house) finish() error {
	h.end()
	return <-h.ended
}

// give delivers PDUs and returns the first one's sequence number.
func (h *house) give(pdus ...[]byte) (first uint32) {
	batch := make([]session.Delivery, len(pdus))
	for i, pdu := range pdus {
		h.seq++
		batch[i] = session.Delivery{PDU: pdu, Command: commandOf(pdu), Sequence: h.seq, At: time.Now()}
	}
	h.intake.Deliveries(batch)
	for _, pdu := range pdus { // The session's buffer is used again.
		clear(pdu)
	}
	return h.seq - uint32(len(pdus)) + 1
}

func textPDU(t testing.TB, from, body string) []byte {
	t.Helper()
	return deliver(t, &smpp.DeliverSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: from}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"},
		ShortMessage: []byte(body),
	})
}

func receiptFrom(t testing.TB, phone message.Phone) []byte {
	t.Helper()
	return receiptPDU(t, "DELIVRD", func(d *smpp.DeliverSM) { d.Source.Addr = phone.Digits() })
}
