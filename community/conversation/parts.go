package conversation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fanline/community"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// How long parts of a text are kept.
const (
	// partsWait is how long the other parts may take after the last one that
	// came; then what is there is shown. Phones send them at once, and carriers
	// try again for minutes.
	partsWait = 30 * time.Minute
	// partsLate is how long parts of a text that was shown without the others
	// are known, so that those are read as what they are when they come after all.
	partsLate = 24 * time.Hour
	// partsTwice is how long parts of a whole text are known, so that a part that
	// a carrier delivers again isn't the first of another text.
	partsTwice = time.Hour
	// overdueEvery is how often Run looks.
	overdueEvery = time.Minute
	// overdueMost is how many texts one look shows; the next shows the others.
	overdueMost = 1000
)

// Run shows texts whose missing parts have not come in time, and forgets old
// parts, until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	ticker := time.NewTicker(overdueEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if err := d.ShowOverdue(ctx); err != nil && ctx.Err() == nil {
			d.config.Log.Error("texts with missing parts wait on", "err", err)
		}
	}
}

// part keeps one part of a longer text in the transaction that also moves the
// offset. It reports whether t now has a text to act on: the whole one when this
// was the last part missing, whatever their order was. A part that alone says
// STOP has counted by then.
func (d *Desk) part(ctx context.Context, tx *community.Tx, t *inbound, p Part, active bool) (ready bool, err error) {
	l := community.LongText{Number: t.Number, Phone: t.Phone, Carrier: t.Carrier, Reference: p.Ref, Parts: p.Total}
	kept, state, err := tx.PartsOf(ctx, l)
	if err != nil {
		return false, err
	}
	if i := slices.IndexFunc(kept, func(k community.TextPart) bool { return k.Part == p.Seq }); i >= 0 {
		// Compared as text: what a carrier delivers again has another number.
		if before, _, err := d.decode(t.Carrier, kept[i].PDU); err == nil && clean(before) == t.text {
			return false, nil
		}
		if state == community.Waiting { // The phone uses its reference again.
			if err := d.showIncomplete(ctx, tx, t.who, l, kept, active); err != nil {
				return false, err
			}
		}
		if err := tx.ForgetParts(ctx, l); err != nil {
			return false, err
		}
		kept, state = nil, community.Waiting
	}
	mine := community.TextPart{Part: p.Seq, At: t.at(), Partition: t.partition, Offset: t.offset, PDU: t.PDU}
	if len(kept)+1 < int(p.Total) {
		if state == community.Shown {
			t.text = missing("late", p.Seq, p.Seq, p.Total) + " " + t.text
		}
		return state == community.Shown, tx.KeepPart(ctx, l, mine, state)
	}
	kept = append(kept, mine)
	slices.SortFunc(kept, func(a, b community.TextPart) int { return int(a.Part) - int(b.Part) })
	t.text = d.joined(l, kept)
	return true, tx.KeepPart(ctx, l, mine, community.Whole)
}

// joined reads parts as one text, with a note in the place of each gap.
func (d *Desk) joined(l community.LongText, parts []community.TextPart) string {
	var pieces []string
	next := 1
	for len(parts) > 0 {
		if first := int(parts[0].Part); first > next {
			pieces = append(pieces, missing("missing", uint8(next), uint8(first-1), l.Parts))
			next = first
		}
		var run [][]byte // Without a gap, so that a character may lie across a border.
		for len(parts) > 0 && int(parts[0].Part) == next {
			run = append(run, parts[0].PDU)
			parts, next = parts[1:], next+1
		}
		text, _, err := d.decode(l.Carrier, run...)
		if err != nil { // Each could be read when it came, so the carrier's profile has changed.
			d.config.Log.Warn("parts of a text cannot be read any more", "carrier", l.Carrier, "err", err)
			text = missing("unreadable", uint8(next-len(run)), uint8(next-1), l.Parts)
		}
		pieces = append(pieces, strings.TrimSpace(clean(text)))
	}
	if next <= int(l.Parts) {
		pieces = append(pieces, missing("missing", uint8(next), l.Parts, l.Parts))
	}
	return strings.Join(pieces, " ")
}

// missing is the note about parts of a text.
func missing(what string, from, to, total uint8) string {
	if from == to {
		return fmt.Sprintf("[part %d of %d: %s]", from, total, what)
	}
	return fmt.Sprintf("[parts %d to %d of %d: %s]", from, to, total, what)
}

// ShowOverdue puts texts into their inboxes of which parts have been missing for
// half an hour, with a note where they are, and forgets parts that have been
// kept long enough. Run calls it every minute.
func (d *Desk) ShowOverdue(ctx context.Context) error {
	now := d.now()
	err := errors.Join(
		d.store.ForgetPartsBefore(ctx, community.Whole, now.Add(-partsTwice)),
		d.store.ForgetPartsBefore(ctx, community.Shown, now.Add(-partsLate)),
	)
	if err != nil {
		return err
	}
	overdue, err := d.store.OverdueParts(ctx, now.Add(-partsWait), overdueMost)
	if err != nil || len(overdue) == 0 {
		return err
	}
	senders, err := d.senders(ctx)
	if err != nil {
		return err
	}
	for _, o := range overdue {
		if err := d.showOverdue(ctx, senders, o); err != nil {
			return fmt.Errorf("parts of a text: %w", err)
		}
	}
	return nil
}

// showOverdue shows one text, unless its last part comes in this moment.
func (d *Desk) showOverdue(ctx context.Context, senders map[message.Phone]sender, o community.OverdueText) error {
	return d.store.InTx(ctx, func(tx *community.Tx) error {
		if _, err := tx.HoldConsumed(ctx, record.TopicInbound, o.Partition); err != nil {
			return err
		}
		kept, state, err := tx.PartsOf(ctx, o.LongText)
		if err != nil || state != community.Waiting || len(kept) == 0 {
			return err
		}
		who, active := senders[o.Number]
		if err := d.showIncomplete(ctx, tx, who, o.LongText, kept, active); err != nil {
			return err
		}
		return tx.SetParts(ctx, o.LongText, community.Shown)
	})
}

// showIncomplete treats parts as a text of their own. A STOP among them has
// counted when it came; of what else they may ask for, a part is missing.
func (d *Desk) showIncomplete(ctx context.Context, tx *community.Tx, who sender, l community.LongText, kept []community.TextPart, active bool) error {
	if !active {
		return nil
	}
	text := d.joined(l, kept)
	last := slices.MaxFunc(kept, func(a, b community.TextPart) int { return int(a.Offset - b.Offset) })
	found, err := tx.FindMember(ctx, l.Number, l.Phone)
	if err != nil {
		return err
	}
	return d.talk(ctx, tx, &inbound{
		Inbound:   record.Inbound{Number: l.Number, Phone: l.Phone, Carrier: l.Carrier, At: last.At.UnixMilli()},
		partition: last.Partition, offset: last.Offset, text: text, who: who,
		replies: 1, // The first is for what the part itself was answered with when it came.
	}, found)
}

// clean takes out what is no text: PostgreSQL takes no NUL, and such a text must
// not be read for ever.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}
