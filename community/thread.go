package community

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rivo/uniseg"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// MaxText is the most that a leader may type, in grapheme clusters, before
// merge fields are filled in (product research §0).
const MaxText = 400

// Direction tells who wrote a text.
type Direction string

// In is a member's text, Out the leader's or an automatic one.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// Text is one text of a thread.
type Text struct {
	ID        int64     `json:"id"`
	Direction Direction `json:"direction"`
	Text      string    `json:"text"`
	At        time.Time `json:"at"`
	MessageID string    `json:"message_id,omitempty"` // key of a text that we sent
}

// ThreadHead is a line of the inbox.
type ThreadHead struct {
	Member  Member    `json:"member"`
	Consent Consent   `json:"consent"`
	Last    Text      `json:"last"`
	LastAt  time.Time `json:"last_at"`
	Unread  int       `json:"unread"`
}

// AppendText adds a text to the thread of a member with a number; one that
// came in makes it unread.
func (tx *Tx) AppendText(ctx context.Context, number message.Phone, member message.MemberID, t Text) (Text, error) {
	n, err := tx.numberID(ctx, number)
	if err != nil {
		return t, err
	}
	if t.At.IsZero() {
		t.At = tx.Now()
	}
	unread := 0
	if t.Direction == In {
		unread = 1
	}
	t.ID, err = one[int64](ctx, tx.querier, `INSERT INTO texts (number, member, direction, text, at, message_id) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		n, int64(member), t.Direction, t.Text, millis(t.At), t.MessageID)
	if err != nil {
		return t, fmt.Errorf("thread: %w", err)
	}
	err = tx.exec(ctx, `INSERT INTO threads (number, member, last_text, last_at, unread) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (number, member) DO UPDATE SET last_text = excluded.last_text, last_at = excluded.last_at,
			unread = threads.unread + excluded.unread`, n, int64(member), t.ID, millis(t.At), unread)
	if err != nil {
		return t, fmt.Errorf("thread: %w", err)
	}
	return t, nil
}

// ListThreads returns the newest threads of a number, at most limit, with a
// last text before the given time (zero: all). Only people who have joined, now
// or once, are in an inbox.
func (s *Store) ListThreads(ctx context.Context, number message.Phone, before time.Time, limit int) ([]ThreadHead, error) {
	q := s.read()
	n, err := q.numberID(ctx, number)
	if err != nil {
		return nil, err
	}
	last := int64(1<<63 - 1)
	if !before.IsZero() {
		last = millis(before)
	}
	var all []ThreadHead
	err = q.each(ctx, func(r rowScanner) error {
		var h ThreadHead
		var at int64
		err := scanMember(r.Scan, &h.Member, &h.Consent, &h.Last.ID, &h.Last.Direction, &h.Last.Text, &h.Last.MessageID, &at, &h.Unread)
		h.LastAt = fromMillis(at)
		h.Last.At = h.LastAt
		all = append(all, h)
		return err
	}, `SELECT `+memberColumns+`, k.state, x.id, x.direction, x.text, x.message_id, t.last_at, t.unread
		FROM threads t JOIN members m ON m.id = t.member JOIN texts x ON x.id = t.last_text
		JOIN consent k ON k.number = t.number AND k.member = t.member AND k.joined > 0
		LEFT JOIN cities c ON c.id = m.city
		WHERE t.number = $1 AND t.last_at < $2 ORDER BY t.last_at DESC, t.last_text DESC LIMIT $3`, n, last, limit)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	return all, nil
}

// Thread returns the newest texts of a thread, at most limit, oldest first.
func (s *Store) Thread(ctx context.Context, number message.Phone, member message.MemberID, limit int) ([]Text, error) {
	q := s.read()
	n, err := q.numberID(ctx, number)
	if err != nil {
		return nil, err
	}
	var all []Text
	err = q.each(ctx, func(r rowScanner) error {
		var t Text
		var at int64
		err := r.Scan(&t.ID, &t.Direction, &t.Text, &at, &t.MessageID)
		t.At = fromMillis(at)
		all = append(all, t)
		return err
	}, `SELECT id, direction, text, at, message_id FROM (
			SELECT id, direction, text, at, message_id FROM texts WHERE number = $1 AND member = $2 ORDER BY id DESC LIMIT $3
		) AS newest ORDER BY id`, n, int64(member), limit)
	if err != nil {
		return nil, fmt.Errorf("thread: %w", err)
	}
	return all, nil
}

// MarkRead makes a thread read.
func (s *Store) MarkRead(ctx context.Context, number message.Phone, member message.MemberID) error {
	return s.InTx(ctx, func(tx *Tx) error {
		n, err := tx.numberID(ctx, number)
		if err != nil {
			return err
		}
		return tx.exec(ctx, `UPDATE threads SET unread = 0 WHERE number = $1 AND member = $2`, n, int64(member))
	})
}

// AddReply stores a leader's answer in the thread and puts it into the outbox
// as a one-to-one message that may be sent for validity; the thread is read
// then. A member who has not joined, or has stopped, gets ErrNotJoined.
func (s *Store) AddReply(ctx context.Context, number message.Phone, member message.MemberID, text string, validity time.Duration) (id message.ID, err error) {
	if text, err = CheckText(text); err != nil {
		return id, err
	}
	err = s.InTx(ctx, func(tx *Tx) error {
		to, err := tx.Member(ctx, number, member)
		if err != nil {
			return err
		}
		if to.Consent != Joined {
			return fmt.Errorf("answering member %d: %w", member, ErrNotJoined)
		}
		now := tx.Now()
		id, err = tx.Send(ctx, record.Single{
			Number: number, Phone: to.Member.Phone, Member: member, Class: message.ClassOneToOne,
			Deadline: now.Add(validity).UnixMilli(), Validity: uint32(validity / time.Second), Text: text,
			Attributes: to.Member.Attributes(DateOf(now)), Hint: s.HintFor(to),
		})
		if err != nil {
			return err
		}
		if _, err := tx.AppendText(ctx, number, member, Text{Direction: Out, Text: text, At: now, MessageID: id.String()}); err != nil {
			return err
		}
		return tx.exec(ctx, `UPDATE threads SET unread = 0 WHERE member = $1 AND number = (SELECT id FROM numbers WHERE number = $2)`, int64(member), int64(number))
	})
	return id, err
}

// CheckText refuses what cannot be sent as it was typed: nothing, more than
// MaxText characters, what is no text. It returns the text without white space
// around it.
func CheckText(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", &FieldError{"text", "is not valid UTF-8"}
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return "", &FieldError{"text", "is empty"}
	}
	if strings.ContainsRune(text, 0) {
		return "", &FieldError{"text", "holds a zero octet"}
	}
	if len(text) > 64*MaxText { // No need to count what is far beyond.
		return "", &FieldError{"text", fmt.Sprintf("has %d octets, at most %d characters may be typed", len(text), MaxText)}
	}
	if n := uniseg.GraphemeClusterCount(text); n > MaxText {
		return "", &FieldError{"text", fmt.Sprintf("has %d characters, at most %d may be typed", n, MaxText)}
	}
	return text, nil
}
