package engine

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
)

// Config says what an engine serves and what it is handed. All functions must
// be safe for concurrent use.
type Config struct {
	Name       string // of this engine, in own records
	Partitions int
	Numbers    []Number
	Carriers   []Carrier

	// Log makes journal records durable. Its level (acked or synced) is the
	// level of the promise.
	Log journal.Log
	// Receipt reads a receipt as it came; false: it is none.
	Receipt func(carrier string, pdu []byte) (Receipt, bool)
	// CanonicalID brings the ids of a carrier's responses and receipts to one
	// form; it may return id itself.
	CanonicalID func(carrier string, id []byte) []byte
	// DetectIDs tells of a carrier of which nobody has said how its receipts write
	// ids: the engine finds out by trying. nil: of none.
	DetectIDs func(carrier string) bool
	// ReceiptID writes the id of such a carrier's receipt as CanonicalID would have
	// its response's, were it in a form, into room or by itself; false: it cannot be.
	ReceiptID func(carrier string, form IDForm, id, room []byte) ([]byte, bool)
	// PartsReceipt says of which parts of a text in several a carrier sends
	// receipts; of all where nil.
	PartsReceipt func(carrier string) PartsReceipt

	Validity      time.Duration // the longest in use, for messages found in the journal
	Grace         time.Duration // after validity, before no_receipt
	SnapshotEvery time.Duration // 5 s where zero
	Logger        *slog.Logger
	// Fatal is told when the journal can no longer be written; the engine has
	// stopped by then.
	Fatal func(error)
}

// Number is a sender of ours.
type Number struct {
	Phone    message.Phone
	Carriers []string // in order of preference
	Limit    int      // parts a second, 0: none
}

// Carrier is an account at an operator.
type Carrier struct {
	Name  string
	Limit int // parts a second, 0: none

	BindLimit int // parts a second of each bind, 0: none
	Encoder   Encoder
}

// Encoder turns texts into parts ready for a bind of its carrier.
type Encoder interface {
	// Encode appends the parts of a text. An error says why it cannot be
	// encoded, for good.
	Encode(dst *Parts, t *Text) error
}

// Text is what an Encoder encodes.
type Text struct {
	Number, Phone message.Phone
	Key           message.Key
	Body          []byte // filled, UTF-8
	Validity      time.Duration
	Reference     byte // of a text in several parts
}

// Parts holds encoded parts one after another; Ends[i] is where part i ends.
type Parts struct {
	Buf  []byte
	Ends []int
}

// Item is a part handed to a bind.
type Item struct {
	Token uint64
	PDU   []byte
}

// Bind is a session to a carrier. Neither method blocks. Every item that Write
// took comes back by exactly one Answer that is not Late.
type Bind interface {
	// Write takes the first n items.
	Write(items []Item) (n int)
	// Revoke gives back, as NotSent, the parts whose writing has not begun and
	// whose token matches.
	Revoke(match func(token uint64) bool)
}

// Answer is what a part came to on its bind.
type Answer struct {
	Token  uint64
	Code   message.Code
	Status uint32
	ID     []byte // copied by Answers
	At     int64  // Unix ms
	Later  bool   // the carrier would not take it for now: throttling, queue full, passing fault
	Slow   bool   // … because it goes too fast
	Fault  bool   // counts against the carrier's breaker
	Late   bool   // the answer came after Unknown was reported
	Full   bool   // … because its queue is full: that takes longer
	Sender bool   // the carrier takes nothing from this number: stop it there and call someone
	// Took is the time from the write to the answer, 0 without one.
	Took time.Duration
	// Congestion is the carrier's congestion_state (SMPP 5.0 §4.8.4.18), 0 idle
	// to 100 congested; -1 where it sent none.
	Congestion int8
}

// Receipt is what a delivery receipt says.
type Receipt struct {
	ID    []byte
	State message.State // Open: not final
	Err   string
	Phone message.Phone // whose message; 0 unknown
	To    message.Phone // our number; 0 unknown
}

func (c *Config) validate() error {
	if c.Partitions < 1 || c.Partitions > message.Slots {
		return fmt.Errorf("engine: %d partitions, want 1 to %d", c.Partitions, message.Slots)
	}
	if c.Log == nil || c.Receipt == nil || c.CanonicalID == nil {
		return errors.New("engine: Log, Receipt and CanonicalID must be set")
	}
	names := map[string]bool{}
	for _, carrier := range c.Carriers {
		if names[carrier.Name] {
			return fmt.Errorf("engine: carrier %q is there twice", carrier.Name)
		}
		names[carrier.Name] = true
	}
	for _, n := range c.Numbers {
		for _, name := range n.Carriers {
			if !names[name] {
				return fmt.Errorf("engine: number %v names carrier %q, which is not configured", n.Phone, name)
			}
		}
	}
	if c.SnapshotEvery == 0 {
		c.SnapshotEvery = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Fatal == nil {
		c.Fatal = func(error) {}
	}
	return nil
}
