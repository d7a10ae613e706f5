package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"fanline/community"
	"fanline/engine/message"
)

// Config is what the API serves and asks. Log and Now have defaults, Compare,
// Carriers, Route and CarrierName may be absent; everything else is needed.
type Config struct {
	Store Store

	// Progress tells how far the owners have come with a broadcast, as durable
	// in the journal.
	Progress func(id message.BroadcastID) Progress

	// Compare recounts a broadcast from the log, from ClickHouse and from the
	// simulator.
	Compare func(ctx context.Context, id message.BroadcastID) (Comparison, error)

	// Measure says how a text would travel.
	Measure func(text string) (Measured, error)

	// Carriers lists and operates the carriers.
	Carriers CarrierControl

	// Route explains the way of a message to a phone, of whom m tells what is
	// known.
	Route func(m community.Membership, phone message.Phone) Route

	// CarrierName is community.ImportOptions.Carrier.
	CarrierName func(name string) (string, bool)

	// Policy, Validity and ReplyValidity are the defaults of the configuration.
	Policy        message.Policy
	Validity      time.Duration
	ReplyValidity time.Duration // of a leader's answer to one member; default Validity

	Log *slog.Logger
	Now func() time.Time
}

// Store is the part of community.Store that the API serves.
type Store interface {
	Numbers(ctx context.Context) ([]community.Number, error)
	Importer
	Groups
	People
	Threads
	Replier
	Broadcasts
	Starter
	Controls
	Audiences
	Settings
}

// Importer takes whole lists of members.
type Importer interface {
	Import(ctx context.Context, r io.Reader, o community.ImportOptions) (community.ImportReport, error)
}

// Groups are hand-picked sets of members.
type Groups interface {
	Groups(ctx context.Context, number message.Phone) ([]community.Group, error)
	AddToGroup(ctx context.Context, number message.Phone, group string, members []message.MemberID) (int64, error)
	RemoveFromGroup(ctx context.Context, number message.Phone, group string, members []message.MemberID) (int64, error)
}

// People finds single members.
type People interface {
	FindMember(ctx context.Context, number, phone message.Phone) (community.Membership, error)
	Member(ctx context.Context, number message.Phone, id message.MemberID) (community.Membership, error)
}

// Threads are the talk of a number with single members.
type Threads interface {
	ListThreads(ctx context.Context, number message.Phone, before time.Time, limit int) ([]community.ThreadHead, error)
	Thread(ctx context.Context, number message.Phone, member message.MemberID, limit int) ([]community.Text, error)
	MarkRead(ctx context.Context, number message.Phone, member message.MemberID) error
}

// Replier answers one member.
type Replier interface {
	AddReply(ctx context.Context, number message.Phone, member message.MemberID, text string, validity time.Duration) (message.ID, error)
}

// Broadcasts are texts to an audience.
type Broadcasts interface {
	CreateBroadcast(ctx context.Context, n community.NewBroadcast) (community.Broadcast, error)
	Broadcast(ctx context.Context, id message.BroadcastID) (community.Broadcast, error)
	Broadcasts(ctx context.Context, limit int) ([]community.Broadcast, error)
}

// Starter fixes an audience and begins to send to it.
type Starter interface {
	StartBroadcast(ctx context.Context, id message.BroadcastID) (community.Broadcast, error)
	Totals(ctx context.Context, id message.BroadcastID) ([]message.Rank, error)
}

// Controls change where a started broadcast stands.
type Controls interface {
	PauseBroadcast(ctx context.Context, id message.BroadcastID) (community.Broadcast, error)
	ResumeBroadcast(ctx context.Context, id message.BroadcastID) (community.Broadcast, error)
	CancelBroadcast(ctx context.Context, id message.BroadcastID) (community.Broadcast, error)
}

// Audiences are counted and sampled for a dry run.
type Audiences interface {
	Count(ctx context.Context, number message.Phone, audience string) (int64, error)
	Sample(ctx context.Context, number message.Phone, audience string, n int) ([]message.MemberID, error)
}

// Settings remember what a repeated request was answered.
type Settings interface {
	Setting(ctx context.Context, name string) (string, error)
	SetSetting(ctx context.Context, name, value string) error
}

// Measured is how a text would travel.
type Measured struct {
	Encoding string // gsm7, ucs2
	Parts    int
	ForcedBy []string // characters that gsm7 lacks
}

// API answers /v1.
type API struct {
	Config
	creating sync.Mutex // one creation with an idempotency key at a time
}

// New returns an API.
func New(c Config) *API {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.ReplyValidity == 0 {
		c.ReplyValidity = c.Validity
	}
	return &API{Config: c}
}

// Handler returns all of /v1.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	route := func(pattern string, h func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				a.fail(w, r, err)
			}
		})
	}
	route("GET /v1/numbers", a.numbers)
	route("GET /v1/carriers", a.carriers)
	route("GET /v1/carriers/trace", a.trace)
	route("POST /v1/carriers/{name}/{verb}", a.carrierChange)
	route("POST /v1/numbers/{number}/members/import", a.importMembers)
	route("GET /v1/numbers/{number}/members/{member}", a.member)
	route("GET /v1/numbers/{number}/groups", a.groups)
	route("POST /v1/numbers/{number}/groups/{group}/members", a.addToGroup)
	route("DELETE /v1/numbers/{number}/groups/{group}/members", a.removeFromGroup)
	route("GET /v1/numbers/{number}/routes/{phone}", a.route)
	route("GET /v1/numbers/{number}/inbox", a.inbox)
	route("GET /v1/numbers/{number}/inbox/{member}", a.thread)
	route("POST /v1/numbers/{number}/inbox/{member}/read", a.markRead)
	route("POST /v1/numbers/{number}/inbox/{member}/replies", a.reply)
	route("GET /v1/broadcasts", a.broadcasts)
	route("POST /v1/broadcasts", a.create)
	route("GET /v1/broadcasts/{id}", a.broadcast)
	route("POST /v1/broadcasts/{id}/start", a.control(a.Store.StartBroadcast))
	route("POST /v1/broadcasts/{id}/pause", a.control(a.Store.PauseBroadcast))
	route("POST /v1/broadcasts/{id}/resume", a.control(a.Store.ResumeBroadcast))
	route("POST /v1/broadcasts/{id}/cancel", a.control(a.Store.CancelBroadcast))
	route("GET /v1/broadcasts/{id}/dry-run", a.dryRun)
	route("GET /v1/broadcasts/{id}/watch", a.watch)
	route("GET /v1/broadcasts/{id}/ledger", a.ledger)
	route("/", func(_ http.ResponseWriter, r *http.Request) error {
		return &Error{Status: http.StatusNotFound, Problem: fmt.Sprintf("%s %s is not in /v1", r.Method, r.URL.Path)}
	})
	return mux
}

// Error is what a client is told: {"error": …, "field": …}.
type Error struct {
	Status  int    `json:"-"`
	Problem string `json:"error"`
	Field   string `json:"field,omitempty"`
}

// Error returns the problem, after the field when there is one.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Problem
	}
	return e.Problem
}

func invalid(field, format string, args ...any) error {
	return &Error{http.StatusBadRequest, fmt.Sprintf(format, args...), field}
}

// toldAs turns an error of the store into what the client is told.
func toldAs(err error) *Error {
	var told *Error
	var field *community.FieldError
	var audience *community.AudienceError
	switch {
	case errors.As(err, &told):
		return told
	case errors.As(err, &field):
		return &Error{http.StatusBadRequest, field.Problem, field.Field}
	case errors.As(err, &audience):
		return &Error{http.StatusBadRequest, audience.Error(), "audience"}
	case errors.Is(err, community.ErrNotFound):
		return &Error{Status: http.StatusNotFound, Problem: err.Error()}
	case errors.Is(err, community.ErrInvalid):
		return &Error{Status: http.StatusBadRequest, Problem: err.Error()}
	case errors.Is(err, community.ErrState), errors.Is(err, community.ErrNotJoined):
		return &Error{Status: http.StatusConflict, Problem: err.Error()}
	}
	// Whoever may open the socket may read our errors.
	return &Error{Status: http.StatusInternalServerError, Problem: err.Error()}
}

func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	told := toldAs(err)
	if told.Status == http.StatusInternalServerError && r.Context().Err() == nil {
		a.Log.Error("request failed", "request", r.Pattern, "err", err)
	}
	a.writeJSON(w, r, told.Status, told)
}

func (a *API) writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.Log.Debug("client left", "request", r.Pattern, "err", err)
	}
}

func (a *API) answer(w http.ResponseWriter, r *http.Request, v any) error {
	a.writeJSON(w, r, http.StatusOK, v)
	return nil
}

// maxJSON bounds a request's body; a text of many times the allowed length
// still gets the error that tells its length.
const maxJSON = 1 << 20

// readJSON reads the one JSON object of a body into v, strictly.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxJSON))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the JSON object")
		}
	}
	var tooLarge *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &tooLarge):
		return &Error{Status: http.StatusRequestEntityTooLarge, Problem: fmt.Sprintf("the request has more than %d octets", tooLarge.Limit)}
	case errors.As(err, &kind):
		return invalid(kind.Field, "want a %s, found a %s", kind.Type, kind.Value)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		field := strings.Trim(strings.TrimPrefix(err.Error(), "json: unknown field "), `"`)
		return invalid(field, "there is no such field")
	}
	return invalid("", "the body is not the JSON object that is wanted: %v", err)
}

// numberOf reads the number in a path; it must be one of ours.
func (a *API) numberOf(r *http.Request) (community.Number, error) {
	p, err := message.ParseSender(r.PathValue("number"))
	if err != nil {
		return community.Number{}, invalid("number", "%v", err)
	}
	return a.number(r.Context(), p)
}

func (a *API) number(ctx context.Context, p message.Phone) (community.Number, error) {
	all, err := a.Store.Numbers(ctx)
	if err != nil {
		return community.Number{}, err
	}
	var known []string
	for _, n := range all {
		if n.Number == p {
			return n, nil
		}
		known = append(known, n.Number.String())
	}
	return community.Number{}, &Error{
		Status: http.StatusNotFound, Field: "number",
		Problem: fmt.Sprintf("%s is not configured; there is %s", p, orNone(known)),
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (a *API) numbers(w http.ResponseWriter, r *http.Request) error {
	all, err := a.Store.Numbers(r.Context())
	if err != nil {
		return err
	}
	return a.answer(w, r, struct {
		Numbers []community.Number `json:"numbers"`
	}{orEmpty(all)})
}

// orEmpty makes JSON's [] of no elements, and not null.
func orEmpty[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// How long a client of the socket may take. Streams have no limit: an import
// and a watch last as long as they last, and end with the client.
const (
	headerTimeout = 5 * time.Second
	drainTimeout  = 5 * time.Second
)

// Serve answers on the socket until ctx ends. Streams end with ctx, other
// requests may finish for up to 5 s.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("api: serving %v: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	err := server.Shutdown(drain)
	if err != nil {
		err = errors.Join(fmt.Errorf("api: requests were still running after %v: %w", drainTimeout, err), server.Close())
	}
	if serving := <-failed; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}
