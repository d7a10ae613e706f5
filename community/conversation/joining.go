package conversation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fanline/community"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Standing is what a link still opens.
type Standing uint8

// The standings. Used means that the person stopped after the link was sent:
// only a new text, START, brings a new one.
const (
	Open Standing = iota
	Joined
	Used
)

// Joining is a form as it was filled in, already checked by the page.
type Joining struct {
	Invitation
	Profile  community.Profile
	Evidence community.Evidence // its Method is set here
}

var (
	// ErrUsed is returned by Join when the link opens the form no more.
	ErrUsed = errors.New("the link was used already")
	// ErrTooYoung is returned by Join below community.MinAge.
	ErrTooYoung = errors.New("too young to join")
)

// Standing tells whether the form behind a link may still be filled in. A link
// is good until its owner joins, and void once consent has changed after it
// was issued.
func (d *Desk) Standing(ctx context.Context, in Invitation) (Standing, error) {
	m, err := d.store.FindMember(ctx, in.Number, in.Phone)
	if err != nil {
		return Used, fmt.Errorf("standing of a link: %w", err)
	}
	return standing(in, m), nil
}

func standing(in Invitation, m community.Membership) Standing {
	switch m.Consent {
	case community.Joined:
		return Joined
	case community.Stopped:
		return Used
	case community.Invited:
		// Tokens hold seconds, the store milliseconds.
		if in.Issued.Unix() < m.Since.Unix() {
			return Used
		}
	}
	return Open // Also a stranger's: someone who was erased and still holds the link.
}

// Join stores the member with the evidence and sends the confirmation and the
// link to the contact card, in one transaction. ErrUsed when the link was used
// meanwhile.
func (d *Desk) Join(ctx context.Context, j Joining) error {
	now := d.now()
	if j.Profile.Birth.AgeOn(community.DateOf(now.UTC())) < community.MinAge {
		return ErrTooYoung
	}
	j.Evidence.Method = "form"
	who, err := d.sender(ctx, j.Number)
	if err != nil {
		return fmt.Errorf("joining: %w", err)
	}
	confirmation, err := d.texts.Fill(TextConfirmation, who)
	if err != nil {
		return err
	}
	who.Link = d.links.Card(j.Number)
	card, err := d.texts.Fill(TextCard, who)
	if err != nil {
		return err
	}
	return d.store.InTx(ctx, func(tx *community.Tx) error {
		before, err := tx.FindMember(ctx, j.Number, j.Phone)
		if err != nil {
			return fmt.Errorf("joining: %w", err)
		}
		if standing(j.Invitation, before) != Open {
			return ErrUsed
		}
		joined, err := tx.JoinMember(ctx, j.Number, j.Phone, j.Profile, j.Evidence)
		switch {
		case err != nil:
			return err
		case joined.Already, joined.Rejoined: // PostgreSQL: another transaction came between.
			return ErrUsed
		}
		for n, text := range []string{confirmation, card} {
			if err := d.send(ctx, tx, joiningReply(j, now, n, text)); err != nil {
				return err
			}
		}
		return nil
	})
}

// joiningReply is the n-th text after the form. Its id follows from the link,
// which opens once, so a repeated attempt sends nothing twice.
func joiningReply(j Joining, now time.Time, n int, text string) record.Single {
	return record.Single{
		ID:     message.ReplyID(j.Number, j.Phone, -1, j.Issued.Unix(), n), // No partition is -1: apart from inbound records.
		Number: j.Number, Phone: j.Phone, Class: message.ClassJoining, Policy: message.AtMostOnce,
		Deadline: now.Add(joiningDeadline).UnixMilli(), Validity: uint32(joiningValidity / time.Second), At: now.UnixMilli(), Text: text,
	}
}
