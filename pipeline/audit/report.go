package audit

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"fanline/engine/message"
)

// Report is what the log says.
type Report struct {
	Topics     []Topic     `json:"topics"`
	Broadcasts []Broadcast `json:"broadcasts"`
	Single     Counted     `json:"single"` // all messages that are of no broadcast

	// Complete says that the journal covers each broadcast from its beginning,
	// by itself or through a snapshot; Problems say what else is not as it
	// should be.
	Complete bool     `json:"complete"`
	Problems []string `json:"problems"`
}

// Topic counts the records of one topic.
type Topic struct {
	Topic   string `json:"topic"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"` // of keys and values

	// Kinds counts what the records hold, by its name.
	Kinds map[string]int64 `json:"kinds"`

	// Void records were written by an owner after the next one took over; they
	// count nowhere else.
	Void       int64 `json:"void"`
	Unreadable int64 `json:"unreadable"`

	Retained []Range `json:"retained"`
}

// Range is what a partition retains.
type Range struct {
	Partition int32 `json:"partition"`
	From      int64 `json:"from"`
	To        int64 `json:"to"` // the next record's offset, when it was read

	// CountedFrom is the offset from which the journal's records were added up,
	// and Snapshot the record whose counts they were added to, where the
	// beginning is not retained.
	CountedFrom int64  `json:"counted_from,omitempty"`
	Snapshot    *int64 `json:"snapshot,omitempty"`
}

// Counted is a ledger and its parts twin.
type Counted struct {
	message.Ledger
	message.Parts
	Balanced bool `json:"balanced"`

	// OpenIntents are parts about whose write nothing more is known yet.
	OpenIntents int64 `json:"open_intents"`
}

// Broadcast is the ledger of one broadcast.
type Broadcast struct {
	ID message.BroadcastID `json:"broadcast_id"`
	Counted
}

// counted adds up one broadcast that accepted that many messages. Parts are
// known when a text is encoded, so all of them are in some state.
func counted(t *tally, accepted int64) Counted {
	var parts int64
	for _, n := range t.parts {
		parts += n
	}
	messages, p := t.messages.Ledger(accepted), t.parts.Ledger(parts)
	return Counted{
		Ledger: messages, Parts: message.Parts(p),
		Balanced: messages.Balanced() && p.Balanced(), OpenIntents: t.open,
	}
}

// Print writes the report for people.
func (r *Report) Print(w io.Writer) error {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, t := range r.Topics {
		fmt.Fprintf(columns, "%s\t%d records\t%d bytes\t", t.Topic, t.Records, t.Bytes)
		for _, kind := range slices.Sorted(maps.Keys(t.Kinds)) {
			fmt.Fprintf(columns, "%s %d  ", kind, t.Kinds[kind])
		}
		if t.Void+t.Unreadable > 0 {
			fmt.Fprintf(columns, "void %d  unreadable %d", t.Void, t.Unreadable)
		}
		fmt.Fprintln(columns)
	}
	for _, b := range r.Broadcasts {
		b.print(columns, fmt.Sprintf("broadcast %d", b.ID))
	}
	r.Single.print(columns, "one-to-one")
	for _, p := range r.Problems {
		fmt.Fprintf(columns, "problem\t%s\n", p)
	}
	if !r.Complete {
		fmt.Fprintln(columns, "incomplete\tthe beginning of the journal is not retained and no snapshot stands for it")
	}
	return columns.Flush()
}

// print writes the ledger in the order of its equations.
func (c *Counted) print(w io.Writer, name string) {
	l := c.Ledger
	balanced := "balanced"
	if !c.Balanced {
		balanced = "NOT BALANCED"
	}
	fmt.Fprintf(w, "%s\taccepted %d\t%s\tsuppressed %d  rejected %d  expired_unsent %d  cancelled %d  uncertain %d  pending_send %d  "+
		"submitted %d (delivered %d  failed %d  expired %d  no_receipt %d  pending_receipt %d)\n", name, l.Accepted, balanced,
		l.Suppressed, l.Rejected, l.ExpiredUnsent, l.Cancelled, l.Uncertain, l.PendingSend,
		l.Submitted, l.Delivered, l.Failed, l.Expired, l.NoReceipt, l.PendingReceipt)
}
