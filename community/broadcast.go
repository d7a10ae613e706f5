package community

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// BroadcastState is where a broadcast stands.
type BroadcastState string

// The states of a broadcast. Sent means that every message was decided;
// receipts may still come.
const (
	Draft     BroadcastState = "draft"
	Sending   BroadcastState = "sending"
	Paused    BroadcastState = "paused"
	Cancelled BroadcastState = "cancelled"
	Sent      BroadcastState = "sent"
)

// Broadcast is one text to an audience.
type Broadcast struct {
	ID       message.BroadcastID `json:"id"`
	Number   message.Phone       `json:"number"`
	Text     string              `json:"text"`
	Audience string              `json:"audience"`
	State    BroadcastState      `json:"state"`
	Epoch    message.Epoch       `json:"epoch"` // 0 until it is started
	Policy   message.Policy      `json:"-"`
	Validity time.Duration       `json:"-"`       // from the start
	Retry    Retry               `json:"-"`       // of what is not delivered
	Total    int64               `json:"total"`   // members of the fixed audience
	Created  time.Time           `json:"created"` //
	Started  time.Time           `json:"started"`
	Ended    time.Time           `json:"ended"` // sent or cancelled
}

// Deadline is when the last write may begin; zero before the start.
func (b *Broadcast) Deadline() time.Time {
	if b.Started.IsZero() {
		return time.Time{}
	}
	return b.Started.Add(b.Validity)
}

// NewBroadcast is what a leader asks for.
type NewBroadcast struct {
	Number   message.Phone
	Text     string
	Audience string
	Policy   message.Policy
	Validity time.Duration
	Retry    *Retry // nil: as the number's configuration has it
}

// CreateBroadcast checks and stores a draft. Nobody is written to yet.
func (s *Store) CreateBroadcast(ctx context.Context, n NewBroadcast) (b Broadcast, err error) {
	if n.Text, err = CheckText(n.Text); err != nil {
		return Broadcast{}, err
	}
	if _, err := message.ParseTemplate(n.Text); err != nil {
		return Broadcast{}, &FieldError{"text", err.Error()}
	}
	if _, err := ParseAudience(n.Audience); err != nil {
		return Broadcast{}, err
	}
	if n.Validity < time.Second || n.Validity > 7*24*time.Hour {
		return Broadcast{}, &FieldError{"validity", "want between 1s and 168h"}
	}
	err = s.InTx(ctx, func(tx *Tx) error {
		var number int64
		var retry Retry
		err := tx.row(ctx, `SELECT id, retry_routes, retry_on FROM numbers WHERE number = $1 AND active = 1`, int64(n.Number)).Scan(&number, &retry.Routes, &retry.On)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("number %s is not configured: %w", n.Number.Masked(), ErrNotFound)
		}
		if err != nil {
			return err
		}
		if n.Retry != nil {
			retry = *n.Retry
		}
		id, err := tx.take(ctx, "broadcasts", 1)
		if err != nil {
			return err
		}
		err = tx.exec(ctx, `INSERT INTO broadcasts (id, number, text, audience, state, epoch, policy, validity_seconds, total, created, started, ended, retry_routes, retry_on)
			VALUES ($1, $2, $3, $4, 'draft', 0, $5, $6, 0, $7, 0, 0, $8, $9)`,
			id, number, n.Text, n.Audience, n.Policy.String(), int64(n.Validity/time.Second), millis(tx.Now()), int64(retry.Routes), int64(retry.On))
		if err != nil {
			return err
		}
		b, err = tx.broadcast(ctx, message.BroadcastID(id))
		return err
	})
	if err != nil {
		return Broadcast{}, fmt.Errorf("creating a broadcast: %w", err)
	}
	return b, nil
}

const broadcastColumns = `b.id, n.number, b.text, b.audience, b.state, b.epoch, b.policy, b.validity_seconds, b.total, b.created, b.started, b.ended, b.retry_routes, b.retry_on
	FROM broadcasts b JOIN numbers n ON n.id = b.number`

func scanBroadcast(r rowScanner, b *Broadcast) error {
	var policy string
	var validity, created, started, ended int64
	err := r.Scan(&b.ID, &b.Number, &b.Text, &b.Audience, &b.State, &b.Epoch, &policy, &validity, &b.Total, &created, &started, &ended, &b.Retry.Routes, &b.Retry.On)
	if err != nil {
		return err
	}
	b.Validity = time.Duration(validity) * time.Second
	b.Created, b.Started, b.Ended = fromMillis(created), fromMillis(started), fromMillis(ended)
	b.Policy, err = message.ParsePolicy(policy)
	return err
}

// Broadcast returns one broadcast.
func (s *Store) Broadcast(ctx context.Context, id message.BroadcastID) (Broadcast, error) {
	return s.read().broadcast(ctx, id)
}

func (q querier) broadcast(ctx context.Context, id message.BroadcastID) (Broadcast, error) {
	all, err := q.broadcasts(ctx, `WHERE b.id = $1`, int64(id))
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("broadcast %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return Broadcast{}, err
	}
	return all[0], nil
}

// Broadcasts lists the newest broadcasts first, at most limit.
func (s *Store) Broadcasts(ctx context.Context, limit int) ([]Broadcast, error) {
	return s.read().broadcasts(ctx, `ORDER BY b.id DESC LIMIT $1`, limit)
}

// BroadcastsIn lists the broadcasts in a state, oldest first.
func (s *Store) BroadcastsIn(ctx context.Context, state BroadcastState) ([]Broadcast, error) {
	return s.read().broadcasts(ctx, `WHERE b.state = $1 ORDER BY b.id`, state)
}

// Started counts the broadcasts that were ever started, and of those the ones
// that are neither cancelled nor wholly decided.
func (s *Store) Started(ctx context.Context) (all, unfinished int64, err error) {
	err = s.read().row(ctx, `SELECT COUNT(*), COUNT(CASE WHEN state IN ('sending', 'paused') THEN 1 END) FROM broadcasts WHERE epoch > 0`).Scan(&all, &unfinished)
	if err != nil {
		err = fmt.Errorf("broadcasts: %w", err)
	}
	return all, unfinished, err
}

func (q querier) broadcasts(ctx context.Context, which string, args ...any) ([]Broadcast, error) {
	var all []Broadcast
	err := q.each(ctx, func(r rowScanner) error {
		var b Broadcast
		err := scanBroadcast(r, &b)
		all = append(all, b)
		return err
	}, `SELECT `+broadcastColumns+` `+which, args...)
	if err != nil {
		return nil, fmt.Errorf("broadcasts: %w", err)
	}
	return all, nil
}

// PauseBroadcast stops the planning and the sending of a broadcast that is
// sending; what was written stays written. Pausing twice is no error.
func (s *Store) PauseBroadcast(ctx context.Context, id message.BroadcastID) (Broadcast, error) {
	return s.move(ctx, id, Paused, record.Pause, Sending)
}

// ResumeBroadcast goes on with a paused one. Its deadline stays.
func (s *Store) ResumeBroadcast(ctx context.Context, id message.BroadcastID) (Broadcast, error) {
	return s.move(ctx, id, Sending, record.Resume, Paused)
}

// CancelBroadcast ends a broadcast for good.
func (s *Store) CancelBroadcast(ctx context.Context, id message.BroadcastID) (Broadcast, error) {
	return s.move(ctx, id, Cancelled, record.Cancel, Draft, Sending, Paused)
}

// MarkSent ends a broadcast of which every message was decided in an epoch. A
// newer epoch wins: then nothing changes, and that is no error.
func (s *Store) MarkSent(ctx context.Context, id message.BroadcastID, epoch message.Epoch) error {
	return s.InTx(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `UPDATE broadcasts SET state = 'sent', ended = $1 WHERE id = $2 AND state = 'sending' AND epoch = $3`,
			millis(tx.Now()), int64(id), int64(epoch))
	})
}

// move changes a broadcast's state from one of several, with a new epoch that
// the owners learn through the outbox. One that is there already stays as it is.
func (s *Store) move(ctx context.Context, id message.BroadcastID, to BroadcastState, action record.Action, from ...BroadcastState) (b Broadcast, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		if b, err = tx.lockBroadcast(ctx, id); err != nil || b.State == to {
			return err
		}
		allowed := false
		for _, f := range from {
			allowed = allowed || b.State == f
		}
		if !allowed {
			return fmt.Errorf("cannot %s broadcast %d, which is %s: %w", action, id, b.State, ErrState)
		}
		started := b.Epoch > 0
		if started {
			b.Epoch++
		}
		b.State = to
		if to == Cancelled {
			b.Ended = tx.Now()
		}
		if err := tx.exec(ctx, `UPDATE broadcasts SET state = $1, epoch = $2, ended = $3 WHERE id = $4`, to, int64(b.Epoch), millis(b.Ended), int64(id)); err != nil {
			return err
		}
		if !started {
			return nil // No owner ever heard of a draft.
		}
		return tx.control(ctx, b, action)
	})
	return b, err
}

// lockBroadcast reads a broadcast and keeps others from changing it until the
// transaction ends.
func (tx *Tx) lockBroadcast(ctx context.Context, id message.BroadcastID) (Broadcast, error) {
	if err := tx.exec(ctx, `UPDATE broadcasts SET state = state WHERE id = $1`, int64(id)); err != nil {
		return Broadcast{}, err
	}
	return tx.broadcast(ctx, id)
}

// control tells the owners about a broadcast, with the ranks of each partition.
func (tx *Tx) control(ctx context.Context, b Broadcast, action record.Action) error {
	totals, err := tx.totals(ctx, b.ID)
	if err != nil {
		return err
	}
	c := record.Control{Broadcast: b.ID, Epoch: b.Epoch, Action: action, At: millis(tx.Now()), Totals: totals}
	return tx.put(ctx, record.TopicControl, 0, nil, record.AppendControl(nil, &c))
}

// Totals returns the ranks of a broadcast's fixed audience by partition.
func (s *Store) Totals(ctx context.Context, id message.BroadcastID) ([]message.Rank, error) {
	return s.read().totals(ctx, id)
}

func (q querier) totals(ctx context.Context, id message.BroadcastID) ([]message.Rank, error) {
	var totals []message.Rank
	err := q.each(ctx, func(r rowScanner) error {
		var partition int
		var total message.Rank
		if err := r.Scan(&partition, &total); err != nil {
			return err
		}
		if partition != len(totals) {
			return fmt.Errorf("audience of broadcast %d lacks partition %d", id, len(totals))
		}
		totals = append(totals, total)
		return nil
	}, `SELECT partition, total FROM broadcast_audience WHERE broadcast = $1 ORDER BY partition`, int64(id))
	return totals, err
}
