package community

import (
	"context"
	"fmt"

	"fanline/engine/message"
)

// Sample returns up to n of the joined members who match an audience now,
// spread over all of them, in ascending order.
func (s *Store) Sample(ctx context.Context, number message.Phone, audience string, n int) ([]message.MemberID, error) {
	count, err := s.Count(ctx, number, audience)
	if err != nil || count == 0 || n < 1 {
		return nil, err
	}
	a, err := ParseAudience(audience)
	if err != nil {
		return nil, err
	}
	from, args, err := s.read().selectAudience(ctx, number, a, DateOf(s.now()))
	if err != nil {
		return nil, err
	}
	every := (count + int64(n) - 1) / int64(n)
	var ids []message.MemberID
	var seen int64
	err = s.scan(ctx, "i", func(r *row) error {
		if seen%every == 0 && len(ids) < n {
			ids = append(ids, message.MemberID(r.ints[0]))
		}
		seen++
		return nil
	}, `SELECT m.id `+from+` ORDER BY m.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("sampling an audience: %w", err)
	}
	return ids, nil
}
