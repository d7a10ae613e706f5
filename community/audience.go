package community

import (
	"context"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// ErrEmptyAudience is returned by StartBroadcast when nobody would get it.
var ErrEmptyAudience = fmt.Errorf("nobody who has joined matches the audience: %w", ErrState)

// Count returns how many joined members of a number match an audience now.
func (s *Store) Count(ctx context.Context, number message.Phone, audience string) (int64, error) {
	a, err := ParseAudience(audience)
	if err != nil {
		return 0, err
	}
	q := s.read()
	from, args, err := q.selectAudience(ctx, number, a, DateOf(s.now()))
	if err != nil {
		return 0, err
	}
	n, err := one[int64](ctx, q, `SELECT COUNT(*) `+from, args...)
	if err != nil {
		return 0, fmt.Errorf("counting an audience: %w", err)
	}
	return n, nil
}

// StartBroadcast fixes the audience of a draft, members who match and have
// joined, and begins to send to it. A rank means the same member from then on.
func (s *Store) StartBroadcast(ctx context.Context, id message.BroadcastID) (Broadcast, error) {
	b, err := s.Broadcast(ctx, id)
	if err != nil || b.State == Sending {
		return b, err
	}
	if b.State != Draft {
		return b, fmt.Errorf("cannot start broadcast %d, which is %s: %w", id, b.State, ErrState)
	}
	// Read outside the transaction: a million members take a while and nobody
	// has to wait, since planning asks for consent again.
	members, err := s.fixAudience(ctx, b)
	if err != nil {
		return b, fmt.Errorf("fixing the audience of broadcast %d: %w", id, err)
	}
	err = s.InTx(ctx, func(tx *Tx) error {
		if b, err = tx.lockBroadcast(ctx, id); err != nil || b.State == Sending {
			return err
		}
		if b.State != Draft {
			return fmt.Errorf("cannot start broadcast %d, which is %s: %w", id, b.State, ErrState)
		}
		return tx.start(ctx, &b, members)
	})
	return b, err
}

func (tx *Tx) start(ctx context.Context, b *Broadcast, members []*roaring.Bitmap) error {
	b.Total = 0
	for partition, set := range members {
		set.RunOptimize()
		blob, err := set.ToBytes()
		if err != nil {
			return err
		}
		total := int64(set.GetCardinality())
		b.Total += total
		if err := tx.exec(ctx, `INSERT INTO broadcast_audience (broadcast, partition, total, members) VALUES ($1, $2, $3, $4)`, int64(b.ID), partition, total, blob); err != nil {
			return err
		}
	}
	if b.Total == 0 {
		return ErrEmptyAudience
	}
	b.State, b.Epoch, b.Started = Sending, 1, fromMillis(millis(tx.Now()))
	if err := tx.exec(ctx, `UPDATE broadcasts SET state = 'sending', epoch = 1, total = $1, started = $2 WHERE id = $3`, b.Total, millis(b.Started), int64(b.ID)); err != nil {
		return err
	}
	return tx.control(ctx, *b, record.Start)
}

// fixAudience reads who matches, as sets of member ids by partition.
func (s *Store) fixAudience(ctx context.Context, b Broadcast) ([]*roaring.Bitmap, error) {
	a, err := ParseAudience(b.Audience)
	if err != nil {
		return nil, err
	}
	from, args, err := s.read().selectAudience(ctx, b.Number, a, DateOf(s.now()))
	if err != nil {
		return nil, err
	}
	members := make([]*roaring.Bitmap, s.partitions)
	for i := range members {
		members[i] = roaring.New()
	}
	err = s.scan(ctx, "ii", func(r *row) error {
		members[int(r.ints[1])%s.partitions].Add(uint32(r.ints[0]))
		return nil
	}, `SELECT m.id, m.slot `+from+` ORDER BY m.id`, args...)
	return members, err
}

// Audience returns the fixed audience of a started broadcast, by partition.
func (s *Store) Audience(ctx context.Context, id message.BroadcastID) ([]*roaring.Bitmap, error) {
	var members []*roaring.Bitmap
	q := s.read()
	err := q.each(ctx, func(r rowScanner) error {
		var partition int
		var blob []byte
		if err := r.Scan(&partition, &blob); err != nil {
			return err
		}
		set := roaring.New()
		if err := set.UnmarshalBinary(blob); err != nil {
			return fmt.Errorf("partition %d: %w", partition, err)
		}
		members = append(members, set)
		return nil
	}, `SELECT partition, members FROM broadcast_audience WHERE broadcast = $1 ORDER BY partition`, int64(id))
	if err == nil && len(members) != s.partitions {
		err = fmt.Errorf("%d of %d partitions: %w", len(members), s.partitions, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("audience of broadcast %d: %w", id, err)
	}
	return members, nil
}
