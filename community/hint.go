package community

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Ways is what is known of the way to a member: names of carriers or home
// networks, "" where there is none.
type Ways struct {
	Looked   string `json:"looked_up"` // what a lookup of ported numbers said, while it counts
	Seen     string `json:"seen"`      // the carrier by which the member lately wrote to the number
	Imported string `json:"imported"`  // the column of an imported file
}

// Best returns the strongest that there is; Options.Hint may know better.
func (w Ways) Best() record.Hint {
	switch {
	case w.Looked != "":
		return record.Hint{Name: w.Looked, Source: message.EvidenceLookup}
	case w.Seen != "":
		return record.Hint{Name: w.Seen, Source: message.EvidenceSeen}
	case w.Imported != "":
		return record.Hint{Name: w.Imported, Source: message.EvidenceImport}
	}
	return record.Hint{}
}

// seenFor is how long the carrier by which a member wrote counts: people change
// networks. It is renewed when it is older than seenRenew, so that somebody who
// writes every day costs a write a month.
const (
	seenFor   = 180 * 24 * time.Hour
	seenRenew = 30 * 24 * time.Hour
)

// hintID returns the id of a name, which is made when missing; 0 for none.
func (tx *Tx) hintID(ctx context.Context, name string) (int64, error) {
	if name == "" {
		return 0, nil
	}
	const find = `SELECT id FROM hints WHERE name = $1`
	id, err := one[int64](ctx, tx.querier, find, name)
	if !errors.Is(err, ErrNotFound) {
		return id, err
	}
	if err := tx.exec(ctx, `INSERT INTO hints (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, name); err != nil {
		return 0, err
	}
	return one[int64](ctx, tx.querier, find, name)
}

// hints returns all names by id.
func (q querier) hints(ctx context.Context) (map[int64]string, error) {
	names := map[int64]string{}
	err := q.each(ctx, func(r rowScanner) error {
		var id int64
		var name string
		err := r.Scan(&id, &name)
		names[id] = name
		return err
	}, `SELECT id, name FROM hints`)
	return names, err
}

// SawCarrier notes that a phone wrote to a number by a carrier. What is known
// already is not written again; a phone without a standing with the number is
// passed over. before is what FindMember said.
func (tx *Tx) SawCarrier(ctx context.Context, before Membership, phone message.Phone, carrier string, at time.Time) error {
	if before.Ways.Seen == carrier && at.Sub(before.SeenAt) < seenRenew || at.Before(before.SeenAt) {
		return nil
	}
	id, err := tx.hintID(ctx, carrier)
	if err != nil {
		return fmt.Errorf("carrier of a text: %w", err)
	}
	err = tx.exec(ctx, `UPDATE consent SET seen = $1, seen_at = $2 WHERE number = (SELECT id FROM numbers WHERE number = $3)
		AND member = (SELECT id FROM members WHERE phone = $4)`, id, millis(at), int64(before.Number), int64(phone))
	if err != nil {
		return fmt.Errorf("carrier of a text: %w", err)
	}
	return nil
}

// Due is a member whose network ought to be looked up.
type Due struct {
	Member message.MemberID
	Phone  message.Phone
}

// LookupsDue returns those among the members with ids above after and up to
// to who have joined a number and of whom no lookup counts any more, at most
// limit, by id.
func (s *Store) LookupsDue(ctx context.Context, after, to message.MemberID, limit int) ([]Due, error) {
	var due []Due
	err := s.scan(ctx, "ii", func(r *row) error {
		due = append(due, Due{message.MemberID(r.ints[0]), message.Phone(r.ints[1])})
		return nil
	}, `SELECT m.id, m.phone FROM members m WHERE m.id > $1 AND m.id <= $2 AND m.ported_until <= $3
		AND EXISTS (SELECT 1 FROM numbers n JOIN consent k ON k.number = n.id AND k.member = m.id WHERE n.active = 1 AND k.state = 'joined')
		ORDER BY m.id LIMIT $4`, int64(after), int64(to), millis(s.now()), limit)
	if err != nil {
		return nil, fmt.Errorf("lookups that are due: %w", err)
	}
	return due, nil
}

// LastMember returns the highest id that was given to a member.
func (s *Store) LastMember(ctx context.Context) (message.MemberID, error) {
	next, err := one[int64](ctx, s.read(), `SELECT next FROM sequences WHERE name = 'members'`)
	if err != nil {
		return 0, fmt.Errorf("members: %w", err)
	}
	return message.MemberID(next - 1), nil
}

// Looked is what a lookup said of a member.
type Looked struct {
	Member message.MemberID
	Name   string // "": nothing that the configuration knows
	Until  time.Time
}

// SaveLookups stores what lookups said.
func (s *Store) SaveLookups(ctx context.Context, all []Looked) error {
	if len(all) == 0 {
		return nil
	}
	err := s.InTx(ctx, func(tx *Tx) error {
		for _, l := range all {
			id, err := tx.hintID(ctx, l.Name)
			if err != nil {
				return err
			}
			if err := tx.exec(ctx, `UPDATE members SET ported = $1, ported_until = $2 WHERE id = $3`, id, millis(l.Until), int64(l.Member)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("lookups: %w", err)
	}
	return nil
}

// ways are the ids of what is known of a recipient.
type ways struct{ looked, seen, imported int32 }

// hinter turns ids into the hints of a round of recipients.
type hinter struct {
	names  map[int64]string
	number message.Phone
	choose func(message.Phone, Ways) record.Hint
	found  map[ways]uint8 // index of the hint + 1
	hints  []record.Hint
}

// hint returns 1 + the index of the hint for what is known, 0 where there is
// none. Only a few combinations exist; should a round have more hints than a
// block has room for, the rest go without.
func (h *hinter) hint(w ways) uint8 {
	if had, ok := h.found[w]; ok {
		return had
	}
	known := Ways{h.names[int64(w.looked)], h.names[int64(w.seen)], h.names[int64(w.imported)]}
	best := h.choose(h.number, known)
	at := uint8(0)
	if best.Name != "" {
		for i := range h.hints {
			if h.hints[i] == best {
				at = uint8(i + 1)
			}
		}
		if at == 0 && len(h.hints) < record.MaxHints {
			h.hints = append(h.hints, best)
			at = uint8(len(h.hints))
		}
	}
	h.found[w] = at
	return at
}

// newHinter reads the names; it is nil where there are none.
func (s *Store) newHinter(ctx context.Context, number message.Phone) (*hinter, error) {
	names, err := s.read().hints(ctx)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	choose := s.hint
	if choose == nil {
		choose = func(_ message.Phone, w Ways) record.Hint { return w.Best() }
	}
	return &hinter{names: names, number: number, choose: choose, found: map[ways]uint8{}}, nil
}

// HintFor returns the hint for a message of a number to someone.
func (s *Store) HintFor(m Membership) record.Hint {
	if s.hint == nil {
		return m.Ways.Best()
	}
	return s.hint(m.Number, m.Ways)
}

// carrierName reads the column carrier of an import; a name that the program
// doesn't know is no reason to lose a member.
func (o *ImportOptions) carrierName(value string) (name string, known bool) {
	v, problem := clean(value)
	if v == "" || problem != "" {
		return "", problem == ""
	}
	if o.Carrier == nil {
		return v, len(v) <= 64
	}
	return o.Carrier(v)
}

// shownCarrier is how an unknown name stands in a report.
func shownCarrier(value string) string {
	v, problem := limited(value, 64)
	return cmp.Or(map[bool]string{true: v}[problem == ""], "(a long text)")
}
