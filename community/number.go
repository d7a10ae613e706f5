package community

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"fanline/engine/message"
)

// Number is one sender of a leader, as configured.
type Number struct {
	Number         message.Phone `json:"number"`
	Kind           string        `json:"kind"`
	Leader         string        `json:"leader"`
	Carriers       []string      `json:"carriers"`
	LimitPerSecond int           `json:"limit_per_second"`
	Retry          Retry         `json:"-"` // of what is not delivered, unless a broadcast says otherwise
}

// SyncNumbers makes the store's numbers and leaders those of the configuration.
// A number that is no longer configured keeps its members and loses the right
// to send.
func (s *Store) SyncNumbers(ctx context.Context, numbers []Number) error {
	return s.InTx(ctx, func(tx *Tx) error {
		if err := tx.exec(ctx, `UPDATE numbers SET active = 0`); err != nil {
			return err
		}
		for _, n := range numbers {
			if err := tx.syncNumber(ctx, n); err != nil {
				return fmt.Errorf("number %s: %w", n.Number.Masked(), err)
			}
		}
		return nil
	})
}

func (tx *Tx) syncNumber(ctx context.Context, n Number) error {
	if !n.Number.ValidSender() || n.Leader == "" {
		return fmt.Errorf("%w: wants a number and a leader", ErrInvalid)
	}
	if err := tx.exec(ctx, `INSERT INTO leaders (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, n.Leader); err != nil {
		return err
	}
	leader, err := one[int64](ctx, tx.querier, `SELECT id FROM leaders WHERE name = $1`, n.Leader)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `INSERT INTO numbers (number, kind, leader, carriers, limit_per_second, active, retry_routes, retry_on) VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
		ON CONFLICT (number) DO UPDATE SET kind = excluded.kind, leader = excluded.leader, carriers = excluded.carriers,
			limit_per_second = excluded.limit_per_second, active = 1, retry_routes = excluded.retry_routes, retry_on = excluded.retry_on`,
		int64(n.Number), n.Kind, leader, strings.Join(n.Carriers, ","), n.LimitPerSecond, int64(n.Retry.Routes), int64(n.Retry.On))
}

// Numbers lists the configured numbers in order of the number.
func (s *Store) Numbers(ctx context.Context) ([]Number, error) {
	var all []Number
	q := s.read()
	err := q.each(ctx, func(r rowScanner) error {
		var n Number
		var carriers string
		err := r.Scan(&n.Number, &n.Kind, &n.Leader, &carriers, &n.LimitPerSecond, &n.Retry.Routes, &n.Retry.On)
		if carriers != "" {
			n.Carriers = strings.Split(carriers, ",")
		}
		all = append(all, n)
		return err
	}, `SELECT n.number, n.kind, l.name, n.carriers, n.limit_per_second, n.retry_routes, n.retry_on FROM numbers n JOIN leaders l ON l.id = n.leader WHERE n.active = 1 ORDER BY n.number`)
	return all, err
}

// numberID returns the row of a number of ours, configured now or once.
func (q querier) numberID(ctx context.Context, number message.Phone) (int64, error) {
	id, err := one[int64](ctx, q, `SELECT id FROM numbers WHERE number = $1`, int64(number))
	if errors.Is(err, ErrNotFound) {
		return 0, fmt.Errorf("number %s is not configured: %w", number.Masked(), ErrNotFound)
	}
	return id, err
}

// leaderID returns the leader to whom a number belongs.
func (q querier) leaderID(ctx context.Context, number message.Phone) (int64, error) {
	id, err := one[int64](ctx, q, `SELECT leader FROM numbers WHERE number = $1`, int64(number))
	if errors.Is(err, ErrNotFound) {
		return 0, fmt.Errorf("number %s is not configured: %w", number.Masked(), ErrNotFound)
	}
	return id, err
}
