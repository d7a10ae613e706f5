package community

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Outgoing is a row of the outbox: a record for the log.
type Outgoing struct {
	ID        int64
	Topic     string
	Partition int32
	Key       []byte
	Value     []byte
}

// Wake gets a value when something may stand in the outbox. It holds one
// signal, so whoever reads it then empties the outbox; there is one reader.
func (s *Store) Wake() <-chan struct{} { return s.wake }

func (s *Store) notify() {
	select {
	case s.wake <- struct{}{}:
	default: // A signal waits already.
	}
}

// OutboxNext returns the oldest rows, at most limit, oldest first.
func (s *Store) OutboxNext(ctx context.Context, limit int) ([]Outgoing, error) {
	var rows []Outgoing
	q := s.read()
	err := q.each(ctx, func(r rowScanner) error {
		var o Outgoing
		err := r.Scan(&o.ID, &o.Topic, &o.Partition, &o.Key, &o.Value)
		rows = append(rows, o)
		return err
	}, `SELECT id, topic, partition, key, value FROM outbox ORDER BY id LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	return rows, nil
}

// OutboxDone deletes rows that the log has. It deletes those very rows and not
// all up to the last: on PostgreSQL a lower id may become visible later. Only
// their ids are looked at.
func (s *Store) OutboxDone(ctx context.Context, rows []Outgoing) error {
	if len(rows) == 0 {
		return nil
	}
	return s.InTx(ctx, func(tx *Tx) error {
		for part := range slices.Chunk(rows, bulkRows) {
			args := make([]any, len(part))
			for i, row := range part {
				args[i] = row.ID
			}
			if err := tx.exec(ctx, `DELETE FROM outbox WHERE id IN (`+placeholders(1, len(part))+`)`, args...); err != nil {
				return fmt.Errorf("outbox: %w", err)
			}
		}
		return nil
	})
}

// put adds a record to the outbox. Its transaction wakes the relay.
func (tx *Tx) put(ctx context.Context, topic string, partition int32, key, value []byte) error {
	if key == nil {
		key = []byte{}
	}
	tx.told = true
	if err := tx.exec(ctx, `INSERT INTO outbox (topic, partition, key, value) VALUES ($1, $2, $3, $4)`, topic, partition, key, value); err != nil {
		return fmt.Errorf("outbox, %s: %w", topic, err)
	}
	return nil
}

// Send puts a one-to-one message or an automatic reply into the outbox. A
// message without an ID gets one. Member, attributes, hint and the number's
// policy of retries are filled in from the store when they are missing; a
// stranger has no member and no hint.
func (tx *Tx) Send(ctx context.Context, m record.Single) (message.ID, error) {
	if m.ID.IsZero() {
		m.ID = message.NewID()
	}
	if !m.Number.ValidSender() || !m.Phone.Valid() || m.Text == "" {
		return m.ID, fmt.Errorf("sending: %w: wants number, phone and text", ErrInvalid)
	}
	if m.Member == 0 {
		found, err := tx.FindMember(ctx, m.Number, m.Phone)
		if err != nil {
			return m.ID, err
		}
		m.Member, m.Attributes = found.Member.ID, found.Member.Attributes(DateOf(tx.Now()))
		if m.Hint.Name == "" {
			m.Hint = tx.s.HintFor(found)
		}
	}
	// Who has stopped gets one confirmation, never perhaps two.
	if m.Retry == (record.Retry{}) && m.Class != message.ClassStop {
		err := tx.row(ctx, `SELECT retry_routes, retry_on FROM numbers WHERE number = $1`, int64(m.Number)).Scan(&m.Retry.Routes, &m.Retry.On)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return m.ID, fmt.Errorf("sending: %w", err)
		}
	}
	return m.ID, tx.put(ctx, record.TopicJobs, m.Phone.Partition(tx.s.partitions), nil, record.AppendSingle(nil, &m))
}

// announce puts a member's profile into the outbox, for analytics.
func (tx *Tx) announce(ctx context.Context, id message.MemberID, deleted bool) error {
	var m Member
	var joined int64
	row := tx.row(ctx, `SELECT `+memberColumns+`, COALESCE((SELECT MIN(k.joined) FROM consent k WHERE k.member = m.id AND k.joined > 0), 0)
		FROM members m LEFT JOIN cities c ON c.id = m.city WHERE m.id = $1`, int64(id))
	if err := scanMember(row.Scan, &m, &joined); err != nil {
		return fmt.Errorf("announcing member %d: %w", id, err)
	}
	r := record.Member{
		Member: id, Deleted: deleted, City: m.CityID, CityName: m.City, Region: m.State,
		Birth: m.Birth.unix(), Joined: joined, At: millis(tx.Now()),
	}
	if m.Gender != "" {
		r.Gender = m.Gender[0]
	}
	copy(r.Language[:], m.Language)
	if deleted {
		r = record.Member{Member: id, Deleted: true, At: r.At}
	}
	return tx.put(ctx, record.TopicMembers, m.Phone.Partition(tx.s.partitions), nil,
		record.AppendMembers(nil, &record.Members{Entries: []record.Member{r}}))
}

// Consumed returns the offset from which a partition of a topic is still to be
// read; 0 when it never was.
func (tx *Tx) Consumed(ctx context.Context, topic string, partition int32) (int64, error) {
	return tx.consumed(ctx, topic, partition)
}

// Consumed is Tx.Consumed outside a transaction, to know where to begin.
func (s *Store) Consumed(ctx context.Context, topic string, partition int32) (int64, error) {
	return s.read().consumed(ctx, topic, partition)
}

func (q querier) consumed(ctx context.Context, topic string, partition int32) (int64, error) {
	next, err := one[int64](ctx, q, `SELECT next_offset FROM consumed WHERE topic = $1 AND partition = $2`, topic, partition)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	return next, err
}

// SetConsumed stores the next offset to read, together with what was done about
// those before. An offset never goes back.
func (tx *Tx) SetConsumed(ctx context.Context, topic string, partition int32, next int64) error {
	return tx.exec(ctx, `INSERT INTO consumed (topic, partition, next_offset) VALUES ($1, $2, $3)
		ON CONFLICT (topic, partition) DO UPDATE SET next_offset = excluded.next_offset
		WHERE consumed.next_offset < excluded.next_offset`, topic, partition, next)
}

// Setting returns a setting; ErrNotFound when it was never set.
func (s *Store) Setting(ctx context.Context, name string) (string, error) {
	return one[string](ctx, s.read(), `SELECT value FROM settings WHERE name = $1`, name)
}

// SetSetting stores a setting.
func (s *Store) SetSetting(ctx context.Context, name, value string) error {
	return s.InTx(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	})
}

// placeholders returns "$first, …" for n parameters.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return b.String()
}
