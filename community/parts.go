package community

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fanline/engine/message"
)

// LongText names an inbound text that comes in several parts. A phone uses a
// reference again after a while.
type LongText struct {
	Number, Phone message.Phone
	Carrier       string
	Reference     uint16
	Parts         uint8 // how many there are
}

// TextPart is one part of a long text, as it came.
type TextPart struct {
	Part      uint8     // counts from 1
	At        time.Time // when the carrier delivered it
	Partition int32     // of topic inbound
	Offset    int64
	PDU       []byte // whole deliver_sm or data_sm
}

// PartState says what became of the parts of a long text.
type PartState string

const (
	// Waiting parts have not been shown to anyone.
	Waiting PartState = "waiting"
	// Shown parts were shown although others are missing.
	Shown PartState = "shown"
	// Whole texts had all their parts when they were shown.
	Whole PartState = "joined"
)

// PartsOf returns the parts that are kept of a long text, in their order, and
// what became of them; none and Waiting where there is none. Only one
// transaction at a time may deal with the parts of a partition: see HoldConsumed.
func (tx *Tx) PartsOf(ctx context.Context, l LongText) (parts []TextPart, state PartState, err error) {
	n, err := tx.numberID(ctx, l.Number)
	if err != nil {
		return nil, "", err
	}
	state = Waiting
	err = tx.each(ctx, func(r rowScanner) error {
		var p TextPart
		var at int64
		if err := r.Scan(&p.Part, &state, &at, &p.Partition, &p.Offset, &p.PDU); err != nil {
			return err
		}
		p.At = time.UnixMilli(at).UTC()
		parts = append(parts, p)
		return nil
	}, `SELECT part, state, at, partition, log_offset, pdu FROM inbound_parts
		WHERE number = $1 AND phone = $2 AND carrier = $3 AND reference = $4 AND parts = $5 ORDER BY part`,
		n, int64(l.Phone), l.Carrier, l.Reference, l.Parts)
	if err != nil {
		return nil, "", fmt.Errorf("parts: %w", err)
	}
	return parts, state, nil
}

// KeepPart keeps a part, and says what has become of all that are kept of its text.
func (tx *Tx) KeepPart(ctx context.Context, l LongText, p TextPart, state PartState) error {
	n, err := tx.numberID(ctx, l.Number)
	if err != nil {
		return err
	}
	err = tx.exec(ctx, `INSERT INTO inbound_parts (number, phone, carrier, reference, parts, part, state, at, kept, partition, log_offset, pdu)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		n, int64(l.Phone), l.Carrier, l.Reference, l.Parts, p.Part, state, millis(p.At), millis(tx.Now()), p.Partition, p.Offset, p.PDU)
	if err != nil {
		return fmt.Errorf("parts: %w", err)
	}
	return tx.SetParts(ctx, l, state)
}

// SetParts says what has become of all parts that are kept of a text.
func (tx *Tx) SetParts(ctx context.Context, l LongText, state PartState) error {
	n, err := tx.numberID(ctx, l.Number)
	if err != nil {
		return err
	}
	err = tx.exec(ctx, `UPDATE inbound_parts SET state = $1
		WHERE number = $2 AND phone = $3 AND carrier = $4 AND reference = $5 AND parts = $6 AND state <> $1`,
		state, n, int64(l.Phone), l.Carrier, l.Reference, l.Parts)
	if err != nil {
		return fmt.Errorf("parts: %w", err)
	}
	return nil
}

// ForgetParts deletes what is kept of a text.
func (tx *Tx) ForgetParts(ctx context.Context, l LongText) error {
	n, err := tx.numberID(ctx, l.Number)
	if err != nil {
		return err
	}
	err = tx.exec(ctx, `DELETE FROM inbound_parts WHERE number = $1 AND phone = $2 AND carrier = $3 AND reference = $4 AND parts = $5`,
		n, int64(l.Phone), l.Carrier, l.Reference, l.Parts)
	if err != nil {
		return fmt.Errorf("parts: %w", err)
	}
	return nil
}

// ForgetPartsBefore deletes what was kept before a time of texts that have come
// to this state.
func (s *Store) ForgetPartsBefore(ctx context.Context, state PartState, before time.Time) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.exec(ctx, `DELETE FROM inbound_parts WHERE state = $1 AND kept < $2`, state, millis(before)); err != nil {
			return fmt.Errorf("parts: %w", err)
		}
		return nil
	})
}

// OverdueText is a long text that has waited for its missing parts.
type OverdueText struct {
	LongText
	Partition int32 // of topic inbound
}

// OverdueParts returns at most limit texts of which no part has been kept since
// a time, and some are missing.
func (s *Store) OverdueParts(ctx context.Context, since time.Time, limit int) (texts []OverdueText, err error) {
	err = s.read().each(ctx, func(r rowScanner) error {
		var t OverdueText
		var number, phone int64
		if err := r.Scan(&number, &phone, &t.Carrier, &t.Reference, &t.Parts, &t.Partition); err != nil {
			return err
		}
		t.Number, t.Phone = message.Phone(number), message.Phone(phone)
		texts = append(texts, t)
		return nil
	}, `SELECT n.number, p.phone, p.carrier, p.reference, p.parts, MIN(p.partition)
		FROM inbound_parts p JOIN numbers n ON n.id = p.number
		WHERE p.state = $1 GROUP BY n.number, p.phone, p.carrier, p.reference, p.parts
		HAVING MAX(p.kept) <= $2 ORDER BY MAX(p.kept) LIMIT $3`, Waiting, millis(since), limit)
	if err != nil {
		return nil, fmt.Errorf("overdue parts: %w", err)
	}
	return texts, nil
}

// HoldConsumed is Consumed for a transaction that is going to act on what stands
// in a partition: until it ends, no other one gets past this call for that
// partition.
func (tx *Tx) HoldConsumed(ctx context.Context, topic string, partition int32) (int64, error) {
	next, err := one[int64](ctx, tx.querier, `UPDATE consumed SET next_offset = next_offset WHERE topic = $1 AND partition = $2 RETURNING next_offset`,
		topic, partition)
	if errors.Is(err, ErrNotFound) {
		return 0, nil // Nobody else has anything to do with it yet.
	}
	return next, err
}
