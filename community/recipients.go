package community

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Sending lists the broadcasts that are to be planned, oldest first, each as
// the head of its blocks: all that a block says before its recipients, without
// Total and First. Validity is what the leader allowed, from the start.
func (s *Store) Sending(ctx context.Context) ([]record.Block, error) {
	all, err := s.BroadcastsIn(ctx, Sending)
	if err != nil {
		return nil, err
	}
	heads := make([]record.Block, len(all))
	for i, b := range all {
		heads[i] = record.Block{
			Broadcast: b.ID, Epoch: b.Epoch, Number: b.Number, Policy: b.Policy, Text: b.Text,
			Deadline: millis(b.Deadline()), Validity: uint32(b.Validity.Seconds()), Retry: b.Retry,
		}
	}
	return heads, nil
}

// recipientColumns are read for every recipient, before the merge fields;
// wayColumns and seenColumns too, once the store knows any name of a carrier or
// network: they cost a tenth of all of it.
const (
	recipientColumns = `m.id, m.phone, m.city, m.birth, m.gender, m.language`
	wayColumns       = `m.carrier, m.ported, m.ported_until`
	seenColumns      = `, seen, seen_at`
)

// Recipients appends one recipient for each of the ids, which ascend, with
// phone, age, attributes and consent for a number as they are now, and len(fields)
// merge values for each. Who revoked or never joined is suppressed by
// ReasonStop, who is no longer in the store by ReasonLeft and without a phone.
// Recipients point into the hints that it returns.
func (s *Store) Recipients(ctx context.Context, number message.Phone, fields []string, ids []message.MemberID,
	recipients []record.Recipient, values []string,
) ([]record.Recipient, []string, []record.Hint, error) {
	n, err := s.read().numberID(ctx, number)
	if err != nil {
		return recipients, values, nil, err
	}
	now := s.now()
	r := recipientReader{s: s, now: millis(now), seenSince: millis(now.Add(-seenFor)), ages: agesOn(DateOf(now)), fields: len(fields)}
	if r.query, r.kinds, err = recipientQuery(fields); err != nil {
		return recipients, values, nil, err
	}
	if r.hinter, err = s.newHinter(ctx, number); err != nil {
		return recipients, values, nil, fmt.Errorf("reading recipients: %w", err)
	}
	r.consentKinds = "it"
	if r.hinter != nil {
		r.query = strings.Replace(r.query, recipientColumns, recipientColumns+", "+wayColumns, 1)
		r.kinds, r.consentKinds, r.seen = strings.Replace(r.kinds, "iiiitt", "iiiittiii", 1), "itii", seenColumns
	}
	first := len(recipients)
	recipients = slices.Grow(recipients, len(ids))
	for _, id := range ids {
		recipients = append(recipients, record.Recipient{Member: id, Suppressed: message.ReasonLeft})
	}
	r.out = recipients[first:]
	r.ends = make([]int32, len(ids)*len(fields))
	if err := r.read(ctx, n, ids); err != nil {
		return recipients[:first], values, nil, fmt.Errorf("reading recipients: %w", err)
	}
	return recipients, r.appendValues(values), r.hints(), nil
}

// hints gives the recipients of whom something is known their hints.
func (r *recipientReader) hints() []record.Hint {
	if r.ways == nil {
		return nil
	}
	for i, w := range r.ways {
		if w != (ways{}) {
			r.out[i].Hint = r.hinter.hint(w)
		}
	}
	return r.hinter.hints
}

// recipientQuery selects the columns and those merge fields; a field's texts
// stand after gender and language.
func recipientQuery(fields []string) (query, kinds string, err error) {
	columns := []string{recipientColumns}
	join := ""
	for _, f := range fields {
		switch f {
		case "first_name", "last_name":
			columns = append(columns, "m."+f)
		case "city":
			columns = append(columns, "COALESCE(c.name, '')")
			join = ` LEFT JOIN cities c ON c.id = m.city`
		case "state":
			columns = append(columns, "COALESCE(c.state, '')")
			join = ` LEFT JOIN cities c ON c.id = m.city`
		default:
			return "", "", fmt.Errorf("merge field %q: %w", f, ErrInvalid)
		}
	}
	return `SELECT ` + strings.Join(columns, ", ") + ` FROM members m` + join, "iiiitt" + strings.Repeat("t", len(fields)), nil
}

// recipientReader fills out, whose members ascend.
type recipientReader struct {
	s            *Store
	ages         *ages
	now          int64 // Unix ms
	seenSince    int64 // Unix ms from which on a carrier that was seen counts
	query, kinds string
	fields       int
	out          []record.Recipient
	text         []byte  // merge values one after another, in the order of rows
	ends         []int32 // in text, of each value of each recipient; 0: none
	at           int     // in out; rows ascend as well
	hinter       *hinter // nil: the store knows no names
	consentKinds string
	seen         string // seenColumns, with a hinter
	ways         []ways // of each recipient; nil: nothing is known of any
}

// sparse is how many ids of a range there must be for each that is wanted,
// before single look-ups cost less than reading the range.
const sparse = 6

// read reads the members, then their consent: a revocation that comes between
// the two is seen.
func (r *recipientReader) read(ctx context.Context, number int64, ids []message.MemberID) error {
	if len(ids) == 0 {
		return nil
	}
	low, high := int64(ids[0]), int64(ids[len(ids)-1])
	if high-low < int64(sparse*len(ids)) {
		r.at = 0
		if err := r.s.scan(ctx, r.kinds, r.member, r.query+` WHERE m.id BETWEEN $1 AND $2 ORDER BY m.id`, low, high); err != nil {
			return err
		}
		r.at = 0
		return r.s.scan(ctx, r.consentKinds, r.consent, `SELECT member, state`+r.seen+` FROM consent WHERE number = $1 AND member BETWEEN $2 AND $3 ORDER BY member`, number, low, high)
	}
	const most = 500
	args := []any{number}
	memberAt, consentAt := 0, 0
	for part := range slices.Chunk(ids, most) {
		args = args[:1]
		for _, id := range part {
			args = append(args, int64(id))
		}
		r.at = memberAt
		if err := r.s.scan(ctx, r.kinds, r.member, r.query+` WHERE m.id IN (`+placeholders(1, len(part))+`) ORDER BY m.id`, args[1:]...); err != nil {
			return err
		}
		memberAt, r.at = r.at, consentAt
		if err := r.s.scan(ctx, r.consentKinds, r.consent, `SELECT member, state`+r.seen+` FROM consent WHERE number = $1 AND member IN (`+placeholders(2, len(part))+`) ORDER BY member`, args...); err != nil {
			return err
		}
		consentAt = r.at
	}
	return nil
}

// find goes on to a member among out; nil when he or she is not wanted.
func (r *recipientReader) find(id int64) *record.Recipient {
	for r.at < len(r.out) && int64(r.out[r.at].Member) < id {
		r.at++
	}
	if r.at == len(r.out) || int64(r.out[r.at].Member) != id {
		return nil
	}
	return &r.out[r.at]
}

func (r *recipientReader) member(row *row) error {
	to := r.find(row.ints[0])
	if to == nil {
		return nil
	}
	to.Phone = message.Phone(row.ints[1])
	to.Suppressed = message.ReasonStop // Until consent says otherwise.
	to.Attributes = message.Attributes{City: uint32(row.ints[2]), Age: r.ages.of(Date(row.ints[3]))}
	if r.hinter != nil {
		if carrier, ported := row.ints[4], row.ints[5]; carrier != 0 || ported != 0 {
			w := r.way()
			if w.imported = int32(carrier); row.ints[6] > r.now {
				w.looked = int32(ported)
			}
		}
	}
	if len(row.texts[0]) > 0 {
		to.Attributes.Gender = row.texts[0][0]
	}
	copy(to.Attributes.Language[:], row.texts[1])
	for i, v := range row.texts[2:] {
		r.text = append(r.text, v...)
		r.ends[r.at*r.fields+i] = int32(len(r.text))
	}
	return nil
}

func (r *recipientReader) consent(row *row) error {
	to := r.find(row.ints[0])
	if to != nil && to.Suppressed == message.ReasonStop && string(row.texts[0]) == string(Joined) {
		to.Suppressed = message.NoReason
		if r.hinter == nil {
			return nil
		}
		if seen := row.ints[1]; seen != 0 && row.ints[2] >= r.seenSince {
			r.way().seen = int32(seen)
		}
	}
	return nil
}

// way is what is known of the recipient at hand.
func (r *recipientReader) way() *ways {
	if r.ways == nil {
		r.ways = make([]ways, len(r.out))
	}
	return &r.ways[r.at]
}

// appendValues cuts all merge values out of one string, which costs one
// allocation for thousands of them.
func (r *recipientReader) appendValues(values []string) []string {
	text, from := string(r.text), int32(0)
	values = slices.Grow(values, len(r.ends))
	for _, end := range r.ends {
		if end < from { // Of someone who is no longer there.
			end = from
		}
		values = append(values, text[from:end])
		from = end
	}
	return values
}
