package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"fanline/community"
	"fanline/engine/message"
)

// Broadcast is a broadcast as clients see it.
type Broadcast struct {
	ID              message.BroadcastID      `json:"id"`
	Number          message.Phone            `json:"number"`
	Text            string                   `json:"text"`
	Audience        string                   `json:"audience"`
	State           community.BroadcastState `json:"state"`
	Epoch           message.Epoch            `json:"epoch"`
	Policy          string                   `json:"policy"`
	ValiditySeconds int64                    `json:"validity_seconds"`
	Retry           string                   `json:"retry"` // of what is not delivered, as community.ParseRetry reads it
	Total           int64                    `json:"total"` // members of the fixed audience; 0 before the start
	Created         time.Time                `json:"created"`
	Started         time.Time                `json:"started,omitzero"`
	Ended           time.Time                `json:"ended,omitzero"`
}

func viewOf(b community.Broadcast) Broadcast {
	return Broadcast{
		ID: b.ID, Number: b.Number, Text: b.Text, Audience: b.Audience, State: b.State, Epoch: b.Epoch, Policy: b.Policy.String(),
		ValiditySeconds: int64(b.Validity / time.Second), Retry: community.RetryText(b.Retry), Total: b.Total, Created: b.Created, Started: b.Started, Ended: b.Ended,
	}
}

// NewBroadcast is what a client asks for. Policy, Validity (such as "4h") and
// Retry (such as "other-route", community.ParseRetry) are the configuration's
// when empty.
type NewBroadcast struct {
	Number   string `json:"number"`
	Text     string `json:"text"`
	Audience string `json:"audience"`
	Policy   string `json:"policy,omitempty"`
	Validity string `json:"validity,omitempty"`
	Retry    string `json:"retry,omitempty"`
}

func (a *API) broadcasts(w http.ResponseWriter, r *http.Request) error {
	limit, err := limitOf(r)
	if err != nil {
		return err
	}
	all, err := a.Store.Broadcasts(r.Context(), limit)
	if err != nil {
		return err
	}
	views := make([]Broadcast, len(all))
	for i, b := range all {
		views[i] = viewOf(b)
	}
	return a.answer(w, r, struct {
		Broadcasts []Broadcast `json:"broadcasts"`
	}{views})
}

func (a *API) broadcast(w http.ResponseWriter, r *http.Request) error {
	b, err := a.broadcastOf(r)
	if err != nil {
		return err
	}
	return a.answer(w, r, viewOf(b))
}

// IdempotencyKey is the header by which a repeated creation is known: it is
// answered with the broadcast that the first one made.
const IdempotencyKey = "Idempotency-Key"

// maxKey is the longest idempotency key in octets.
const maxKey = 200

func (a *API) create(w http.ResponseWriter, r *http.Request) error {
	var body NewBroadcast
	if err := readJSON(w, r, &body); err != nil {
		return err
	}
	wanted, err := a.wanted(r.Context(), body)
	if err != nil {
		return err
	}
	key := r.Header.Get(IdempotencyKey)
	if len(key) > maxKey {
		return invalid(IdempotencyKey, "has %d octets, at most %d are taken", len(key), maxKey)
	}
	b, err := a.createOnce(r.Context(), key, wanted)
	if err != nil {
		return err
	}
	a.writeJSON(w, r, http.StatusCreated, viewOf(b))
	return nil
}

// wanted checks what only the API knows; the store checks text and audience.
func (a *API) wanted(ctx context.Context, body NewBroadcast) (n community.NewBroadcast, err error) {
	phone, err := message.ParseSender(body.Number)
	if err != nil {
		return n, invalid("number", "%v", err)
	}
	if _, err := a.number(ctx, phone); err != nil {
		return n, err
	}
	n = community.NewBroadcast{Number: phone, Text: body.Text, Audience: body.Audience, Policy: a.Policy, Validity: a.Validity}
	if body.Policy != "" {
		if n.Policy, err = message.ParsePolicy(body.Policy); err != nil {
			return n, invalid("policy", "%v", err)
		}
	}
	if body.Validity != "" {
		if n.Validity, err = time.ParseDuration(body.Validity); err != nil {
			return n, invalid("validity", "%q: want a duration such as 4h or 90m", body.Validity)
		}
	}
	if body.Retry != "" {
		retry, err := community.ParseRetry(body.Retry)
		if err != nil {
			return n, invalid("retry", "%v", err)
		}
		n.Retry = &retry
	}
	return n, nil
}

// created is what stands under an idempotency key.
type created struct {
	Broadcast message.BroadcastID `json:"broadcast"`
	Request   string              `json:"request"` // hash of what was asked for
}

// createOnce makes a draft, or returns the one that the same key made before.
// A crash between the draft and the note about it leaves a draft that nobody
// starts; the repeated request makes another.
func (a *API) createOnce(ctx context.Context, key string, n community.NewBroadcast) (community.Broadcast, error) {
	if key == "" {
		return a.Store.CreateBroadcast(ctx, n)
	}
	a.creating.Lock()
	defer a.creating.Unlock()
	sum := sha256.Sum256([]byte(key)) // The key may hold anything; the setting's name not.
	name := "idempotency/" + hex.EncodeToString(sum[:])
	request := fingerprint(n)
	switch had, err := a.Store.Setting(ctx, name); {
	case err == nil:
		var before created
		if err := json.Unmarshal([]byte(had), &before); err != nil {
			return community.Broadcast{}, fmt.Errorf("setting %s: %w", name, err)
		}
		if before.Request != request {
			return community.Broadcast{}, &Error{http.StatusConflict, "the key was used for another broadcast", IdempotencyKey}
		}
		return a.Store.Broadcast(ctx, before.Broadcast)
	case !errors.Is(err, community.ErrNotFound):
		return community.Broadcast{}, err
	}
	b, err := a.Store.CreateBroadcast(ctx, n)
	if err != nil {
		return b, err
	}
	note, err := json.Marshal(created{b.ID, request})
	if err == nil {
		err = a.Store.SetSetting(ctx, name, string(note))
	}
	return b, err
}

func fingerprint(n community.NewBroadcast) string {
	retry := "" // As the number has it.
	if n.Retry != nil {
		retry = community.RetryText(*n.Retry)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s\x00%d\x00%d\x00%s", n.Number, n.Text, n.Audience, n.Policy, n.Validity, retry))
	return hex.EncodeToString(sum[:])
}

// Controlled is what came of a start, pause, resume or cancel. Sent counts the
// messages whose bytes left or may have left; NotSent all others. After a pause
// or a cancel the count is taken once the carriers' responses have come in; one
// that takes longer than 2 s counts as not sent until it comes. Effective is how
// long it took until every owner obeyed; absent when they had not after 5 s or
// nobody had to.
type Controlled struct {
	Broadcast
	Sent      int64    `json:"sent"`
	NotSent   int64    `json:"not_sent"`
	Effective *float64 `json:"effective_ms"`
}

// How long a change is waited for, and how often it is looked at.
const (
	effectiveWithin = 5 * time.Second
	effectiveEvery  = 2 * time.Millisecond
	quietFor        = 100 * time.Millisecond // without an outcome: all responses are in
	quietWithin     = 2 * time.Second
)

func (a *API) control(change func(context.Context, message.BroadcastID) (community.Broadcast, error)) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		b, err := a.broadcastOf(r)
		if err != nil {
			return err
		}
		begin := time.Now()
		if b, err = change(r.Context(), b.ID); err != nil {
			return err
		}
		done := Controlled{Broadcast: viewOf(b)}
		if b.Epoch > 0 && b.State != community.Sent {
			if obeyed, err := a.obeyed(r.Context(), b); err != nil {
				return err
			} else if obeyed {
				ms := float64(time.Since(begin).Microseconds()) / 1000
				done.Effective = &ms
			}
		}
		p := a.Progress(b.ID)
		if done.Effective != nil && b.State != community.Sending {
			p = a.quiet(r.Context(), b.ID)
		}
		l := NewLedger(b, p)
		done.Sent = l.Ledger.Submitted + l.Ledger.Rejected + l.Ledger.Uncertain
		done.NotSent = l.Ledger.Accepted - done.Sent
		return a.answer(w, r, done)
	}
}

// obeyed waits until all owners with members of the broadcast know its epoch.
func (a *API) obeyed(ctx context.Context, b community.Broadcast) (bool, error) {
	totals, err := a.Store.Totals(ctx, b.ID)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, effectiveWithin)
	defer cancel()
	tick := time.NewTicker(effectiveEvery)
	defer tick.Stop()
	for !known(a.Progress(b.ID).Epochs, totals, b.Epoch) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, nil
		}
	}
	return true, nil
}

// quiet waits until no outcome has come for a while and returns how far the
// broadcast has come then.
func (a *API) quiet(ctx context.Context, id message.BroadcastID) Progress {
	ctx, cancel := context.WithTimeout(ctx, quietWithin)
	defer cancel()
	tick := time.NewTicker(quietFor)
	defer tick.Stop()
	for p := a.Progress(id); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return a.Progress(id)
		}
		now := a.Progress(id)
		if partsSent(now.Parts) == partsSent(p.Parts) && now.Messages[message.Cancelled] == p.Messages[message.Cancelled] {
			return now
		}
		p = now
	}
}

// known tells whether every partition that has ranks has the epoch or a newer.
func known(epochs []message.Epoch, totals []message.Rank, epoch message.Epoch) bool {
	for p, total := range totals {
		if total > 0 && (p >= len(epochs) || epochs[p] < epoch) {
			return false
		}
	}
	return true
}

// DryRun is what a broadcast would be if it were started now.
type DryRun struct {
	ID             message.BroadcastID `json:"id"`
	State          string              `json:"state"`
	Count          int64               `json:"count"` // members who would get it
	Characters     int                 `json:"characters"`
	Sample         int                 `json:"sample"`           // members whose texts were measured
	Encodings      map[string]int      `json:"encodings"`        // of the sample
	Parts          map[int]int         `json:"parts"`            // messages of the sample by their parts
	PartsEach      float64             `json:"parts_each"`       // on average
	PartsTotal     int64               `json:"parts_total"`      // for all, reckoned from the sample
	ForcedBy       []string            `json:"forced_by"`        // characters that make a text ucs2
	Unsendable     int                 `json:"unsendable"`       // of the sample: can't be encoded
	LimitPerSecond int                 `json:"limit_per_second"` // of the number, in parts; 0: none
	Minutes        *float64            `json:"minutes"`          // at that limit; null without one
	Example        string              `json:"example"`          // the text as one of them would get it
}

// sampleSize is how many texts a dry run measures.
const sampleSize = 500

func (a *API) dryRun(w http.ResponseWriter, r *http.Request) error {
	b, err := a.broadcastOf(r)
	if err != nil {
		return err
	}
	n, err := a.number(r.Context(), b.Number)
	if err != nil {
		return err
	}
	d := DryRun{
		ID: b.ID, State: string(b.State), Characters: characters(b.Text), LimitPerSecond: n.LimitPerSecond,
		Encodings: map[string]int{}, Parts: map[int]int{}, ForcedBy: []string{},
	}
	if d.Count, err = a.Store.Count(r.Context(), b.Number, b.Audience); err != nil {
		return err
	}
	if err := a.measureSample(r.Context(), b, &d); err != nil {
		return err
	}
	if d.LimitPerSecond > 0 {
		minutes := float64(d.PartsTotal) / float64(d.LimitPerSecond) / 60
		d.Minutes = &minutes
	}
	return a.answer(w, r, d)
}

// measureSample fills the text for some of the members and measures each.
func (a *API) measureSample(ctx context.Context, b community.Broadcast, d *DryRun) error {
	template, err := message.ParseTemplate(b.Text)
	if err != nil {
		return invalid("text", "%v", err)
	}
	ids, err := a.Store.Sample(ctx, b.Number, b.Audience, sampleSize)
	if err != nil {
		return err
	}
	total, forced := 0, map[string]bool{}
	for _, id := range ids {
		m, err := a.Store.Member(ctx, b.Number, id)
		if errors.Is(err, community.ErrNotFound) {
			continue // Erased since the sample was taken.
		}
		if err != nil {
			return err
		}
		text := string(template.Fill(nil, valuesOf(template.Fields, m.Member.Profile)))
		d.Example = cmp.Or(d.Example, text)
		d.Sample++
		measured, err := a.Measure(text)
		if err != nil {
			d.Unsendable++
			continue
		}
		d.Encodings[measured.Encoding]++
		d.Parts[measured.Parts]++
		total += measured.Parts
		for _, c := range measured.ForcedBy {
			if !forced[c] {
				forced[c] = true
				d.ForcedBy = append(d.ForcedBy, c)
			}
		}
	}
	if d.Sample > 0 {
		d.PartsEach = float64(total) / float64(d.Sample)
		d.PartsTotal = int64(d.PartsEach*float64(d.Count) + 0.5)
	}
	return nil
}

func valuesOf(fields []string, p community.Profile) []string {
	values := make([]string, len(fields))
	for i, f := range fields {
		switch f {
		case "first_name":
			values[i] = p.FirstName
		case "last_name":
			values[i] = p.LastName
		case "city":
			values[i] = p.City
		case "state":
			values[i] = p.State
		}
	}
	return values
}
