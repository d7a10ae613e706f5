package community

import (
	"context"
	"fmt"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Evidence is what shows later that someone agreed, or took it back (product
// research §3.5). At is set to the present when it is zero.
type Evidence struct {
	Method      string    `json:"method"`       // form, text, reply, import, console, simulated
	Disclosure  string    `json:"disclosure"`   // the exact words beside the box
	TextVersion string    `json:"text_version"` // of those words
	PageURL     string    `json:"page_url"`
	IP          string    `json:"ip"`
	UserAgent   string    `json:"user_agent"`
	MessageID   string    `json:"message_id"` // of the text that began or ended it
	Words       string    `json:"words"`      // raw words of a revocation or a START
	Source      string    `json:"source"`     // file of an import
	At          time.Time `json:"at"`
}

// Joining is what JoinMember did.
type Joining struct {
	Membership
	New      bool // the phone was unknown before
	Rejoined bool // had revoked before
	Already  bool // was joined already; the profile was stored anew
}

// JoinMember stores a profile and the member's consent for a number. It
// announces the member to analytics, and to the engines when the member had
// revoked before.
func (tx *Tx) JoinMember(ctx context.Context, number, phone message.Phone, p Profile, e Evidence) (Joining, error) {
	id, made, err := tx.memberID(ctx, phone)
	if err != nil {
		return Joining{}, fmt.Errorf("joining: %w", err)
	}
	if err := tx.storeProfile(ctx, id, p); err != nil {
		return Joining{}, fmt.Errorf("joining, profile: %w", err)
	}
	before, err := tx.setConsent(ctx, number, phone, id, Joined, e)
	if err != nil {
		return Joining{}, fmt.Errorf("joining, consent: %w", err)
	}
	if err := tx.announce(ctx, id, false); err != nil {
		return Joining{}, fmt.Errorf("joining: %w", err)
	}
	now, err := tx.Member(ctx, number, id)
	return Joining{Membership: now, New: made, Rejoined: before == Stopped, Already: before == Joined}, err
}

// RejoinMember takes back a revocation by a text such as START. Who had joined
// before is joined again; another is invited.
func (tx *Tx) RejoinMember(ctx context.Context, number, phone message.Phone, e Evidence) (Joining, error) {
	found, err := tx.FindMember(ctx, number, phone)
	if err != nil || found.Consent == Joined || found.Consent == Invited {
		return Joining{Membership: found, Already: found.Consent == Joined}, err
	}
	id, made, err := tx.memberID(ctx, phone)
	if err != nil {
		return Joining{}, fmt.Errorf("joining again: %w", err)
	}
	to := Invited
	if !found.Joined.IsZero() {
		to = Joined
	}
	before, err := tx.setConsent(ctx, number, phone, id, to, e)
	if err != nil {
		return Joining{}, fmt.Errorf("joining again: %w", err)
	}
	now, err := tx.Member(ctx, number, id)
	return Joining{Membership: now, New: made, Rejoined: before == Stopped}, err
}

// Invite notes that a stranger wrote to a number and was sent the link. For
// anyone else it changes nothing. It returns how the member stands now.
func (tx *Tx) Invite(ctx context.Context, number, phone message.Phone, e Evidence) (Membership, error) {
	found, err := tx.FindMember(ctx, number, phone)
	if err != nil || found.Consent != Stranger {
		return found, err
	}
	id, _, err := tx.memberID(ctx, phone)
	if err != nil {
		return Membership{}, fmt.Errorf("inviting: %w", err)
	}
	if _, err := tx.setConsent(ctx, number, phone, id, Invited, e); err != nil {
		return Membership{}, fmt.Errorf("inviting: %w", err)
	}
	return tx.Member(ctx, number, id)
}

// Revocation is how a member took consent back.
type Revocation struct {
	Evidence
	// Logged tells that the engine wrote it to the topic consent already, as it
	// does for a text; otherwise the outbox does.
	Logged bool
}

// RevokeConsent stores a revocation, also a stranger's. It returns the member
// and how he or she stood before.
func (tx *Tx) RevokeConsent(ctx context.Context, number, phone message.Phone, r Revocation) (Membership, Consent, error) {
	id, _, err := tx.memberID(ctx, phone)
	if err != nil {
		return Membership{}, "", fmt.Errorf("revoking: %w", err)
	}
	before, err := tx.setConsent(ctx, number, phone, id, Stopped, r.Evidence)
	if err != nil {
		return Membership{}, "", fmt.Errorf("revoking: %w", err)
	}
	if !r.Logged && before != Stopped {
		if err := tx.tellEngines(ctx, number, phone, true, r.Evidence); err != nil {
			return Membership{}, "", err
		}
	}
	now, err := tx.Member(ctx, number, id)
	return now, before, err
}

// setConsent moves a member to a state, keeps the evidence, and returns the
// state before. The end of a revocation is told to the engines here, so that
// no way of joining can forget it.
func (tx *Tx) setConsent(ctx context.Context, number, phone message.Phone, id message.MemberID, to Consent, e Evidence) (before Consent, err error) {
	n, err := tx.numberID(ctx, number)
	if err != nil {
		return "", err
	}
	if e.At.IsZero() {
		e.At = tx.Now()
	}
	// The update that changes nothing holds the row until the end of the
	// transaction in both databases; SQLite has no SELECT … FOR UPDATE.
	err = tx.exec(ctx, `INSERT INTO consent (number, member, state, since, evidence, joined, joined_evidence) VALUES ($1, $2, '', 0, 0, 0, 0)
		ON CONFLICT (number, member) DO UPDATE SET state = consent.state`, n, int64(id))
	if err != nil {
		return "", err
	}
	if before, err = one[Consent](ctx, tx.querier, `SELECT state FROM consent WHERE number = $1 AND member = $2`, n, int64(id)); err != nil {
		return "", err
	}
	evidence, err := tx.keepEvidence(ctx, n, id, to, e)
	if err != nil {
		return before, err
	}
	at := millis(e.At)
	if before != to {
		if err := tx.exec(ctx, `UPDATE consent SET state = $1, since = $2, evidence = $3 WHERE number = $4 AND member = $5`, to, at, evidence, n, int64(id)); err != nil {
			return before, err
		}
	}
	if to == Joined && before != Joined {
		if err := tx.exec(ctx, `UPDATE consent SET joined = $1, joined_evidence = $2 WHERE number = $3 AND member = $4`, at, evidence, n, int64(id)); err != nil {
			return before, err
		}
	}
	if before == Stopped && to != Stopped {
		err = tx.tellEngines(ctx, number, phone, false, e)
	}
	return before, err
}

// keepEvidence adds a row of evidence and returns its id.
func (tx *Tx) keepEvidence(ctx context.Context, number int64, id message.MemberID, kind Consent, e Evidence) (int64, error) {
	n, err := tx.take(ctx, "evidence", 1)
	if err != nil {
		return 0, err
	}
	return n, tx.exec(ctx, `INSERT INTO evidence (id, kind, number, member, method, disclosure, text_version, page_url, ip, user_agent, message_id, words, source, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		n, kind, number, int64(id), e.Method, e.Disclosure, e.TextVersion, e.PageURL, e.IP, e.UserAgent, e.MessageID, e.Words, e.Source, millis(e.At))
}

// tellEngines puts a record for the topic consent into the outbox.
func (tx *Tx) tellEngines(ctx context.Context, number, phone message.Phone, revoked bool, e Evidence) error {
	why := e.Method
	if e.At.IsZero() {
		e.At = tx.Now()
	}
	c := record.Consent{Number: number, Phone: phone, Revoked: revoked, Why: why, At: millis(e.At)}
	return tx.put(ctx, record.TopicConsent, phone.Partition(tx.s.partitions), record.ConsentKey(number, phone), record.AppendConsent(nil, &c))
}

// EvidenceOf lists what a member agreed to or took back, oldest first.
func (s *Store) EvidenceOf(ctx context.Context, id message.MemberID) ([]KeptEvidence, error) {
	var all []KeptEvidence
	q := s.read()
	err := q.each(ctx, func(r rowScanner) error {
		var k KeptEvidence
		var at int64
		err := r.Scan(&k.Kind, &k.Number, &k.Method, &k.Disclosure, &k.TextVersion, &k.PageURL, &k.IP, &k.UserAgent, &k.MessageID, &k.Words, &k.Source, &at)
		k.At = fromMillis(at)
		all = append(all, k)
		return err
	}, `SELECT e.kind, n.number, e.method, e.disclosure, e.text_version, e.page_url, e.ip, e.user_agent, e.message_id, e.words, e.source, e.at
		FROM evidence e JOIN numbers n ON n.id = e.number
		WHERE e.member = $1 OR e.id IN (SELECT joined_evidence FROM consent WHERE member = $1) ORDER BY e.at, e.id`, int64(id))
	return all, err
}

// KeptEvidence is evidence with what it is evidence of.
type KeptEvidence struct {
	Kind   Consent       `json:"kind"`
	Number message.Phone `json:"number"`
	Evidence
}
