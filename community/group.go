package community

import (
	"context"
	"fmt"
	"strings"

	"fanline/engine/message"
)

// Group is a leader's hand-picked set of members.
type Group struct {
	Name    string `json:"name"`
	Members int64  `json:"members"`
}

// Groups lists the groups of the leader to whom a number belongs.
func (s *Store) Groups(ctx context.Context, number message.Phone) ([]Group, error) {
	q := s.read()
	leader, err := q.leaderID(ctx, number)
	if err != nil {
		return nil, err
	}
	var all []Group
	err = q.each(ctx, func(r rowScanner) error {
		var g Group
		err := r.Scan(&g.Name, &g.Members)
		all = append(all, g)
		return err
	}, `SELECT g.name, (SELECT COUNT(*) FROM group_members gm WHERE gm.grp = g.id) FROM groups g WHERE g.leader = $1 ORDER BY g.folded`, leader)
	return all, err
}

// AddToGroup puts members into a group of the number's leader, which is made
// when missing, and returns how many were not in it before. Ids without a
// member are passed over.
func (s *Store) AddToGroup(ctx context.Context, number message.Phone, group string, members []message.MemberID) (added int64, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		id, err := tx.groupID(ctx, number, group)
		if err != nil {
			return err
		}
		for _, m := range members {
			n, err := tx.changed(ctx, `INSERT INTO group_members (grp, member) SELECT $1, id FROM members WHERE id = $2
				ON CONFLICT (grp, member) DO NOTHING`, id, int64(m))
			if err != nil {
				return fmt.Errorf("group %q: %w", group, err)
			}
			added += n
		}
		return nil
	})
	return added, err
}

// RemoveFromGroup takes members out of a group and returns how many were in it.
func (s *Store) RemoveFromGroup(ctx context.Context, number message.Phone, group string, members []message.MemberID) (removed int64, err error) {
	err = s.InTx(ctx, func(tx *Tx) error {
		id, err := tx.groupID(ctx, number, group)
		if err != nil {
			return err
		}
		for _, m := range members {
			n, err := tx.changed(ctx, `DELETE FROM group_members WHERE grp = $1 AND member = $2`, id, int64(m))
			if err != nil {
				return fmt.Errorf("group %q: %w", group, err)
			}
			removed += n
		}
		return nil
	})
	return removed, err
}

// groupID returns the id of a group, which is made when missing.
func (tx *Tx) groupID(ctx context.Context, number message.Phone, group string) (int64, error) {
	name, problem := checkGroup(group)
	if problem != "" {
		return 0, &FieldError{"group", problem}
	}
	leader, err := tx.leaderID(ctx, number)
	if err != nil {
		return 0, err
	}
	if err := tx.exec(ctx, `INSERT INTO groups (leader, name, folded) VALUES ($1, $2, $3) ON CONFLICT (leader, folded) DO NOTHING`, leader, name, fold(name)); err != nil {
		return 0, fmt.Errorf("group %q: %w", name, err)
	}
	return one[int64](ctx, tx.querier, `SELECT id FROM groups WHERE leader = $1 AND folded = $2`, leader, fold(name))
}

// checkGroup trims a group's name. A quote could not be written in a filter.
func checkGroup(s string) (string, string) {
	v, problem := clean(s)
	if problem == "" {
		v, problem = limited(v, 60)
	}
	switch {
	case problem != "":
	case v == "":
		problem = "is empty"
	case strings.ContainsAny(v, `";|`):
		problem = `holds one of " ; |`
	}
	return v, problem
}
