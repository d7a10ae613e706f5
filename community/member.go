package community

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"fanline/engine/message"
)

// Member is a person as the store has him or her.
type Member struct {
	ID      message.MemberID `json:"id"`
	Phone   message.Phone    `json:"phone"`
	CityID  uint32           `json:"-"`
	Created time.Time        `json:"created"`
	Profile
}

// Attributes are what analytics groups messages by, as of a day.
func (m *Member) Attributes(today Date) message.Attributes {
	a := message.Attributes{City: m.CityID, Age: uint8(min(m.Birth.AgeOn(today), maxAge))}
	if m.Gender != "" {
		a.Gender = m.Gender[0]
	}
	copy(a.Language[:], m.Language)
	return a
}

// Consent is where a member stands with one number. The empty one is a
// stranger's: the member never wrote to the number and nobody invited him.
type Consent string

// The states of consent.
const (
	Stranger Consent = ""
	Invited  Consent = "invited" // wrote to us and was sent the link
	Joined   Consent = "joined"
	Stopped  Consent = "stopped"
)

// Membership is a member's standing with one number. For a phone that the
// store never heard of, all but Number and Member.Phone is zero.
type Membership struct {
	Number  message.Phone `json:"number"`
	Member  Member        `json:"member"`
	Consent Consent       `json:"consent"`
	Since   time.Time     `json:"since"`  // of the present consent
	Joined  time.Time     `json:"joined"` // last; zero: never
	Ways    Ways          `json:"ways"`
	SeenAt  time.Time     `json:"seen_at"` // of Ways.Seen
}

const memberColumns = `m.id, m.phone, m.first_name, m.last_name, m.city, m.birth, m.gender, m.email, m.language, m.created,
	COALESCE(c.name, ''), COALESCE(c.state, ''), COALESCE(c.country, '')`

// scanMember reads memberColumns and whatever follows them.
func scanMember(scan func(...any) error, m *Member, more ...any) error {
	var created int64
	err := scan(append([]any{
		&m.ID, &m.Phone, &m.FirstName, &m.LastName, &m.CityID, &m.Birth, &m.Gender, &m.Email, &m.Language, &created,
		&m.City, &m.State, &m.Country,
	}, more...)...)
	m.Created = fromMillis(created)
	return err
}

// FindMember returns how the owner of a phone stands with a number of ours. A
// stranger is no error; ErrNotFound means that the number is not ours.
func (s *Store) FindMember(ctx context.Context, number, phone message.Phone) (Membership, error) {
	return s.read().findMember(ctx, s.now(), number, `m.phone = $2`, int64(phone), phone)
}

// FindMember is Store.FindMember as the transaction sees it.
func (tx *Tx) FindMember(ctx context.Context, number, phone message.Phone) (Membership, error) {
	return tx.findMember(ctx, tx.Now(), number, `m.phone = $2`, int64(phone), phone)
}

// Member returns a member by id and how he or she stands with a number of
// ours; ErrNotFound when there is no such member or number.
func (s *Store) Member(ctx context.Context, number message.Phone, id message.MemberID) (Membership, error) {
	return s.read().member(ctx, s.now(), number, id)
}

// Member is Store.Member as the transaction sees it.
func (tx *Tx) Member(ctx context.Context, number message.Phone, id message.MemberID) (Membership, error) {
	return tx.member(ctx, tx.Now(), number, id)
}

func (q querier) member(ctx context.Context, now time.Time, number message.Phone, id message.MemberID) (Membership, error) {
	found, err := q.findMember(ctx, now, number, `m.id = $2`, int64(id), 0)
	if err == nil && found.Member.ID == 0 {
		err = fmt.Errorf("member %d: %w", id, ErrNotFound)
	}
	return found, err
}

func (q querier) findMember(ctx context.Context, now time.Time, number message.Phone, where string, arg int64, phone message.Phone) (Membership, error) {
	n, err := q.numberID(ctx, number)
	if err != nil {
		return Membership{}, err
	}
	found := Membership{Number: number}
	var since, joined, seen int64
	row := q.row(ctx, `SELECT `+memberColumns+`, COALESCE(k.state, ''), COALESCE(k.since, 0), COALESCE(k.joined, 0), COALESCE(k.seen_at, 0),
			CASE WHEN m.ported_until > $3 THEN COALESCE((SELECT name FROM hints h WHERE h.id = m.ported), '') ELSE '' END,
			COALESCE((SELECT name FROM hints h WHERE h.id = k.seen), ''), COALESCE((SELECT name FROM hints h WHERE h.id = m.carrier), '')
		FROM members m LEFT JOIN cities c ON c.id = m.city LEFT JOIN consent k ON k.number = $1 AND k.member = m.id
		WHERE `+where, n, arg, millis(now))
	err = scanMember(row.Scan, &found.Member, &found.Consent, &since, &joined, &seen, &found.Ways.Looked, &found.Ways.Seen, &found.Ways.Imported)
	if errors.Is(err, sql.ErrNoRows) {
		return Membership{Number: number, Member: Member{Phone: phone}}, nil
	}
	if err != nil {
		return Membership{}, fmt.Errorf("finding a member: %w", err)
	}
	found.Since, found.Joined, found.SeenAt = fromMillis(since), fromMillis(joined), fromMillis(seen)
	if now.Sub(found.SeenAt) >= seenFor {
		found.Ways.Seen = ""
	}
	return found, nil
}

// memberID returns the id of the phone's member, who is made when missing.
func (tx *Tx) memberID(ctx context.Context, phone message.Phone) (id message.MemberID, made bool, err error) {
	if !phone.Valid() {
		return 0, false, fmt.Errorf("phone: %w", ErrInvalid)
	}
	const find = `SELECT id FROM members WHERE phone = $1`
	n, err := one[int64](ctx, tx.querier, find, int64(phone))
	if !errors.Is(err, ErrNotFound) {
		return message.MemberID(n), false, err
	}
	if n, err = tx.take(ctx, "members", 1); err != nil {
		return 0, false, err
	}
	rows, err := tx.changed(ctx, `INSERT INTO members (id, phone, slot, first_name, last_name, city, birth, gender, email, language, created)
		VALUES ($1, $2, $3, '', '', 0, 0, '', '', '', $4) ON CONFLICT (phone) DO NOTHING`, n, int64(phone), phone.Slot(), millis(tx.Now()))
	if err != nil {
		return 0, false, err
	}
	if rows == 0 { // PostgreSQL: another transaction made it while this one waited for the sequence.
		n, err = one[int64](ctx, tx.querier, find, int64(phone))
	}
	return message.MemberID(n), rows == 1, err
}

// storeProfile writes a whole profile.
func (tx *Tx) storeProfile(ctx context.Context, id message.MemberID, p Profile) error {
	city, err := tx.cityID(ctx, p.City, p.State, p.Country)
	if err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE members SET first_name = $1, last_name = $2, city = $3, birth = $4, gender = $5, email = $6, language = $7 WHERE id = $8`,
		p.FirstName, p.LastName, city, int32(p.Birth), p.Gender, p.Email, p.Language, int64(id))
}

// cityID returns the id of a city, which is made when missing; 0 for none.
func (tx *Tx) cityID(ctx context.Context, name, state, country string) (int64, error) {
	if name == "" && state == "" {
		return 0, nil
	}
	if country == "" {
		country = defaultCountry
	}
	find := func() (int64, error) {
		return one[int64](ctx, tx.querier, `SELECT id FROM cities WHERE folded = $1 AND state = $2 AND country = $3`, fold(name), state, country)
	}
	id, err := find()
	if !errors.Is(err, ErrNotFound) {
		return id, err
	}
	if id, err = tx.take(ctx, "cities", 1); err != nil {
		return 0, err
	}
	if err = tx.exec(ctx, `INSERT INTO cities (id, name, state, country, folded) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (folded, state, country) DO NOTHING`,
		id, name, state, country, fold(name)); err != nil {
		return 0, err
	}
	return find()
}

// defaultCountry is that of members who name none: that of +1 numbers.
const defaultCountry = "US"

// fold is how names are compared.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// DeleteMember removes a member and all that hangs from the profile. Of one who
// revoked, phone and revocation stay: they keep a list that is imported later
// from bringing that phone back.
func (tx *Tx) DeleteMember(ctx context.Context, id message.MemberID) error {
	found, err := one[int64](ctx, tx.querier, `SELECT COUNT(*) FROM members WHERE id = $1`, int64(id))
	if err != nil {
		return err
	}
	if found == 0 {
		return fmt.Errorf("member %d: %w", id, ErrNotFound)
	}
	if err := tx.announce(ctx, id, true); err != nil {
		return err
	}
	stopped, err := one[int64](ctx, tx.querier, `SELECT COUNT(*) FROM consent WHERE member = $1 AND state = 'stopped'`, int64(id))
	if err != nil {
		return err
	}
	statements := []string{
		`DELETE FROM group_members WHERE member = $1`, `DELETE FROM answers WHERE member = $1`, `DELETE FROM threads WHERE member = $1`, `DELETE FROM texts WHERE member = $1`,
		`DELETE FROM consent WHERE member = $1 AND state <> 'stopped'`,
	}
	if stopped > 0 {
		statements = append(statements, `DELETE FROM evidence WHERE member = $1 AND kind <> 'stopped'`,
			`UPDATE consent SET seen = 0, seen_at = 0 WHERE member = $1`,
			`UPDATE members SET first_name = '', last_name = '', city = 0, birth = 0, gender = '', email = '', language = '', carrier = 0, ported = 0, ported_until = 0 WHERE id = $1`)
	} else {
		statements = append(statements, `DELETE FROM evidence WHERE member = $1`, `DELETE FROM members WHERE id = $1`)
	}
	for _, q := range statements {
		if err := tx.exec(ctx, q, int64(id)); err != nil {
			return fmt.Errorf("deleting member %d: %w", id, err)
		}
	}
	return nil
}
