package community

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// bulk stores batches of members of one number. It writes hundreds of rows by
// one statement, the same in both databases.
type bulk struct {
	s      *Store
	number int64
	phone  message.Phone // the number's
	with   Evidence
	proof  int64 // id of the evidence that all rows share
	cities map[place]int64
	groups map[string]int64
	ways   map[string]int64
	report ImportReport
}

// place is a city as it is looked up.
type place struct{ folded, state, country string }

// known is what the store has of the owner of a phone.
type known struct {
	Member
	consent Consent
	joined  int64
	way     int64 // column carrier
}

// stored is a member on the way into the store.
type stored struct {
	*entry
	id     int64
	city   int64
	wayID  int64  // of the column carrier, or what the store had
	before *known // nil: new
	same   bool   // the profile is as it was
}

// bulkRows is how many rows one statement holds: twelve parameters each, of
// the 32,766 that SQLite takes.
const bulkRows = 500

func (s *Store) newBulk(ctx context.Context, number message.Phone, e Evidence) (*bulk, error) {
	w := &bulk{s: s, phone: number, with: e, cities: map[place]int64{}, groups: map[string]int64{}, ways: map[string]int64{}}
	q := s.read()
	var err error
	if w.number, err = q.numberID(ctx, number); err != nil {
		return nil, err
	}
	err = q.each(ctx, func(r rowScanner) error {
		var p place
		var id int64
		err := r.Scan(&id, &p.folded, &p.state, &p.country)
		w.cities[p] = id
		return err
	}, `SELECT id, folded, state, country FROM cities`)
	return w, err
}

// store writes a batch in one transaction.
func (w *bulk) store(ctx context.Context, b *batch) error {
	report := b.read
	report.Created, report.Updated, report.Unchanged = w.report.Created, w.report.Updated, w.report.Unchanged
	report.Joined, report.Revoked = w.report.Joined, w.report.Revoked
	proof := w.proof
	if len(b.entries) > 0 {
		err := w.s.InTx(ctx, func(tx *Tx) error {
			if proof == 0 {
				w.with.At = tx.Now()
				var err error
				if proof, err = tx.keepEvidence(ctx, w.number, 0, Joined, w.with); err != nil {
					return err
				}
			}
			return w.inTx(ctx, tx, b.entries, proof, &report)
		})
		if err != nil {
			return err
		}
	}
	w.proof, w.report = proof, report
	return nil
}

func (w *bulk) inTx(ctx context.Context, tx *Tx, entries []entry, proof int64, report *ImportReport) error {
	members, err := w.find(ctx, tx, entries)
	if err != nil {
		return fmt.Errorf("finding members: %w", err)
	}
	if err := w.write(ctx, tx, members, report); err != nil {
		return fmt.Errorf("writing members: %w", err)
	}
	if err := w.consent(ctx, tx, members, proof, report); err != nil {
		return fmt.Errorf("writing consent: %w", err)
	}
	if err := w.group(ctx, tx, members); err != nil {
		return fmt.Errorf("writing groups: %w", err)
	}
	return w.announce(ctx, tx, members)
}

// find looks up who of a batch is in the store and gives ids to the others.
func (w *bulk) find(ctx context.Context, tx *Tx, entries []entry) ([]stored, error) {
	// Whoever makes members waits for this sequence, so nobody makes one of
	// these between the look-up and the insert.
	if _, err := tx.take(ctx, "members", 0); err != nil {
		return nil, err
	}
	had := map[message.Phone]*known{}
	for part := range slices.Chunk(entries, bulkRows) {
		args := []any{w.number}
		for i := range part {
			args = append(args, int64(part[i].phone))
		}
		err := tx.each(ctx, func(r rowScanner) error {
			var m known
			err := scanMember(r.Scan, &m.Member, &m.consent, &m.joined, &m.way)
			had[m.Phone] = &m
			return err
		}, `SELECT `+memberColumns+`, COALESCE(k.state, ''), COALESCE(k.joined, 0), m.carrier FROM members m LEFT JOIN cities c ON c.id = m.city
			LEFT JOIN consent k ON k.number = $1 AND k.member = m.id WHERE m.phone IN (`+placeholders(2, len(part))+`)`, args...)
		if err != nil {
			return nil, err
		}
	}
	next, err := tx.take(ctx, "members", len(entries)-len(had))
	if err != nil {
		return nil, err
	}
	members := make([]stored, len(entries))
	for i := range entries {
		m := stored{entry: &entries[i], before: had[entries[i].phone]}
		if m.before == nil {
			m.id = next
			next++
		} else {
			m.id = int64(m.before.ID)
			m.fillFrom(&m.before.Profile)
		}
		if m.city, err = w.city(ctx, tx, &m.Profile); err != nil {
			return nil, err
		}
		if m.wayID, err = w.way(ctx, tx, &m); err != nil {
			return nil, err
		}
		m.same = m.before != nil && m.sameAs(&m.before.Member) && m.wayID == m.before.way
		members[i] = m
	}
	return members, nil
}

// way returns the id of the column carrier; without one, what the store has.
func (w *bulk) way(ctx context.Context, tx *Tx, m *stored) (int64, error) {
	if m.way == "" {
		if m.before == nil {
			return 0, nil
		}
		return m.before.way, nil
	}
	id, known := w.ways[m.way]
	if known {
		return id, nil
	}
	id, err := tx.hintID(ctx, m.way)
	w.ways[m.way] = id // Void, as that of cities, once a transaction fails.
	return id, err
}

// sameAs tells whether a profile would be stored as it is.
func (m *stored) sameAs(before *Member) bool {
	mine, old := m.Profile, before.Profile
	mine.City, mine.State, mine.Country, old.City, old.State, old.Country = "", "", "", "", "", ""
	return mine == old && m.city == int64(before.CityID)
}

func (w *bulk) city(ctx context.Context, tx *Tx, p *Profile) (int64, error) {
	if p.City == "" && p.State == "" {
		return 0, nil
	}
	if p.Country == "" {
		p.Country = defaultCountry
	}
	key := place{fold(p.City), p.State, p.Country}
	id, known := w.cities[key]
	if known {
		return id, nil
	}
	id, err := tx.cityID(ctx, p.City, p.State, p.Country)
	// Should this transaction fail, so does the import, and the map is not used
	// again. The key must not hold on to a whole row of the file.
	w.cities[place{strings.Clone(key.folded), strings.Clone(key.state), strings.Clone(key.country)}] = id
	return id, err
}

// values runs a statement "before (…), (…) after" for all rows; fill appends
// the parameters of one.
func values[T any](ctx context.Context, tx *Tx, rows []T, before, after string, columns int, fill func(args []any, row *T) []any) error {
	args := make([]any, 0, min(len(rows), bulkRows)*columns)
	var whole *sql.Stmt // for bulkRows of them
	if len(rows) >= bulkRows {
		var err error
		if whole, err = tx.prepare(ctx, before+valueRows(bulkRows, columns)+after); err != nil {
			return err
		}
		defer func() { _ = whole.Close() }() // Its last execution said what there was to say.
	}
	for part := range slices.Chunk(rows, bulkRows) {
		args = args[:0]
		for i := range part {
			args = fill(args, &part[i])
		}
		if len(part) < bulkRows {
			return tx.exec(ctx, before+valueRows(len(part), columns)+after, args...)
		}
		if _, err := whole.ExecContext(ctx, args...); err != nil {
			return err
		}
	}
	return nil
}

// valueRows returns "($1, $2), ($3, $4)" for two rows of two columns.
func valueRows(rows, columns int) string {
	parts := make([]string, rows)
	for i := range parts {
		parts[i] = "(" + placeholders(1+i*columns, columns) + ")"
	}
	return strings.Join(parts, ", ")
}

func (tx *Tx) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	return tx.on.(*sql.Tx).PrepareContext(ctx, tx.dialect.sql(query))
}

// write inserts new members and updates those whose profile changed.
func (w *bulk) write(ctx context.Context, tx *Tx, members []stored, report *ImportReport) error {
	var made, changed []stored
	for _, m := range members {
		if m.before == nil {
			made = append(made, m)
		} else if !m.same {
			changed = append(changed, m)
		}
		switch {
		case m.again: // Counted as a duplicate.
		case m.before == nil:
			report.Created++
		case m.same:
			report.Unchanged++
		default:
			report.Updated++
		}
	}
	now := millis(tx.Now())
	err := values(ctx, tx, made, `INSERT INTO members (id, phone, slot, first_name, last_name, city, birth, gender, email, language, created, carrier) VALUES `, ``, 12,
		func(args []any, m *stored) []any {
			return append(args, m.id, int64(m.phone), int64(m.phone.Slot()), m.FirstName, m.LastName, m.city, int64(m.Birth), m.Gender, m.Email, m.Language, now, m.wayID)
		})
	if err != nil || len(changed) == 0 {
		return err
	}
	update, err := tx.prepare(ctx, `UPDATE members SET first_name = $1, last_name = $2, city = $3, birth = $4, gender = $5, email = $6, language = $7, carrier = $8 WHERE id = $9`)
	if err != nil {
		return err
	}
	defer func() { _ = update.Close() }() // Its last execution said what there was to say.
	for _, m := range changed {
		if _, err := update.ExecContext(ctx, m.FirstName, m.LastName, m.city, int64(m.Birth), m.Gender, m.Email, m.Language, m.wayID, m.id); err != nil {
			return err
		}
	}
	return nil
}

// consent joins all but those who have joined already and those who revoked.
func (w *bulk) consent(ctx context.Context, tx *Tx, members []stored, proof int64, report *ImportReport) error {
	join := members[:0:0]
	for _, m := range members {
		switch {
		case m.before != nil && m.before.consent == Joined:
		case m.before != nil && m.before.consent == Stopped:
			if !m.again {
				report.Revoked++
			}
		default:
			join = append(join, m)
		}
	}
	report.Joined += int64(len(join))
	at := millis(w.with.At)
	return values(ctx, tx, join, `INSERT INTO consent (number, member, state, since, evidence, joined, joined_evidence) VALUES `,
		` ON CONFLICT (number, member) DO UPDATE SET state = excluded.state, since = excluded.since, evidence = excluded.evidence,
			joined = excluded.joined, joined_evidence = excluded.joined_evidence WHERE consent.state = 'invited'`, 7,
		func(args []any, m *stored) []any {
			return append(args, w.number, m.id, string(Joined), at, proof, at, proof)
		})
}

// group puts members into the groups that their rows name.
func (w *bulk) group(ctx context.Context, tx *Tx, members []stored) error {
	type pair struct{ group, member int64 }
	var pairs []pair
	for _, m := range members {
		for _, name := range m.groups {
			id, known := w.groups[fold(name)]
			if !known {
				var err error
				if id, err = tx.groupID(ctx, w.phone, name); err != nil {
					return err
				}
				w.groups[strings.Clone(fold(name))] = id
			}
			pairs = append(pairs, pair{id, m.id})
		}
	}
	return values(ctx, tx, pairs, `INSERT INTO group_members (grp, member) VALUES `, ` ON CONFLICT (grp, member) DO NOTHING`, 2,
		func(args []any, p *pair) []any { return append(args, p.group, p.member) })
}

// announce tells analytics about new and changed members, in one record for
// each partition and up to announceRows of them.
func (w *bulk) announce(ctx context.Context, tx *Tx, members []stored) error {
	const announceRows = 1000
	blocks := make([]record.Members, tx.s.partitions)
	flush := func(partition int32) error {
		b := &blocks[partition]
		if len(b.Entries) == 0 {
			return nil
		}
		value := record.AppendMembers(nil, b)
		b.Entries = b.Entries[:0]
		return tx.put(ctx, record.TopicMembers, partition, nil, value)
	}
	now, joined := millis(tx.Now()), millis(w.with.At)
	for _, m := range members {
		if m.same {
			continue
		}
		partition := m.phone.Partition(tx.s.partitions)
		b := &blocks[partition]
		r := m.record(now)
		if r.Joined = joined; m.before != nil && m.before.consent != Invited && m.before.consent != Stranger {
			r.Joined = m.before.joined
		}
		b.Entries = append(b.Entries, r)
		if len(b.Entries) == announceRows {
			if err := flush(partition); err != nil {
				return err
			}
		}
	}
	for partition := range blocks {
		if err := flush(int32(partition)); err != nil {
			return err
		}
	}
	return nil
}

func (m *stored) record(now int64) record.Member {
	r := record.Member{
		Member: message.MemberID(m.id), City: uint32(m.city), CityName: m.City, Region: m.State,
		Birth: m.Birth.unix(), At: now,
	}
	if m.Gender != "" {
		r.Gender = m.Gender[0]
	}
	copy(r.Language[:], m.Language)
	return r
}
