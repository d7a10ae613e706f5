package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"fanline/community"
	"fanline/engine/message"
)

// Progress is how far the owners have come with a broadcast.
type Progress struct {
	Ready    bool            // every partition has an owner that has read its journal
	Epochs   []message.Epoch // that the owners obey, by partition; 0: nothing heard yet
	Planned  int64           // members whom the owners have read from the log, or decided
	Messages message.Tally
	Parts    message.Tally
}

// Ledger is the ledger of a broadcast with its twin in parts.
type Ledger struct {
	Broadcast message.BroadcastID      `json:"broadcast_id"`
	State     community.BroadcastState `json:"state"`
	message.Ledger
	message.Parts
	Balanced bool `json:"balanced"`
	// Complete is false while a partition is without an owner: its messages are
	// counted as pending then.
	Complete bool        `json:"complete"`
	Compare  *Comparison `json:"compare,omitempty"`
}

// NewLedger adds up a broadcast. Parts that are not encoded yet are not
// accepted yet, so parts have no pending_send.
func NewLedger(b community.Broadcast, p Progress) Ledger {
	var parts int64
	for _, n := range p.Parts {
		parts += n
	}
	l := Ledger{
		Broadcast: b.ID, State: b.State, Ledger: p.Messages.Ledger(b.Total),
		Parts: message.Parts(p.Parts.Ledger(parts)), Complete: p.Ready || b.Epoch == 0,
	}
	l.Balanced = l.Ledger.Balanced() && message.Ledger(l.Parts).Balanced()
	return l
}

// Comparison is what other sources say of the same broadcast, each from its own
// records. A source that keeps nothing of it (any more) is absent, and Notes
// say why.
type Comparison struct {
	Engine     *message.Ledger `json:"engine"`
	Log        *message.Ledger `json:"log"`
	ClickHouse *message.Ledger `json:"clickhouse"`
	Simulator  *message.Ledger `json:"simulator"`
	DiffKeys   int64           `json:"diff_keys"` // messages on whose state two sources differ
	Examples   []string        `json:"diff_examples,omitempty"`
	Notes      []string        `json:"notes,omitempty"`
}

// broadcastOf reads the broadcast in a path; "last" is the newest.
func (a *API) broadcastOf(r *http.Request) (community.Broadcast, error) {
	text := r.PathValue("id")
	if text == "last" {
		return a.last(r.Context())
	}
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil || id == 0 {
		return community.Broadcast{}, invalid("id", "%q is no broadcast: want its number, or last", text)
	}
	return a.Store.Broadcast(r.Context(), message.BroadcastID(id))
}

func (a *API) last(ctx context.Context) (community.Broadcast, error) {
	newest, err := a.Store.Broadcasts(ctx, 1)
	if err == nil && len(newest) == 0 {
		err = &Error{Status: http.StatusNotFound, Field: "id", Problem: "there is no broadcast yet"}
	}
	if err != nil {
		return community.Broadcast{}, err
	}
	return newest[0], nil
}

func (a *API) ledger(w http.ResponseWriter, r *http.Request) error {
	b, err := a.broadcastOf(r)
	if err != nil {
		return err
	}
	l := NewLedger(b, a.Progress(b.ID))
	if text := r.URL.Query().Get("compare"); text != "" {
		compare, err := strconv.ParseBool(text)
		if err != nil {
			return invalid("compare", "%q: want true or false", text)
		}
		if compare {
			if l.Compare, err = a.compare(r.Context(), b.ID, l); err != nil {
				return err
			}
		}
	}
	return a.answer(w, r, l)
}

var errNoCompare = errors.New("this process has nothing to compare with")

func (a *API) compare(ctx context.Context, id message.BroadcastID, l Ledger) (*Comparison, error) {
	if a.Compare == nil {
		return nil, errNoCompare
	}
	c, err := a.Compare(ctx, id)
	if err != nil {
		return nil, err
	}
	if c.Engine == nil {
		c.Engine = &l.Ledger
	}
	return &c, nil
}
