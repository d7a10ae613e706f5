package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"fanline/engine/message"
)

// Carrier is one account at an operator, as it stands now.
type Carrier struct {
	Name       string    `json:"name"`
	Profile    string    `json:"profile"`
	Admin      string    `json:"admin"` // what the operator wants: enabled, draining, disabled
	AdminSince time.Time `json:"admin_since"`
	Bind       string    `json:"bind"`    // transceiver, transmitter, receiver, pair
	Binds      int       `json:"binds"`   // wanted
	Bound      int       `json:"bound"`   // up
	Sending    int       `json:"sending"` // of those: able to submit

	InFlight   int     `json:"in_flight"`
	Window     int     `json:"window"`      // of all binds that are up: submits that may be without an answer
	WindowUsed int     `json:"window_size"` // of it, what is used for how the carrier answers
	AnswerMS   float64 `json:"answer_ms"`   // how long answers take, smoothed; 0: none came yet

	LimitPerSecond int     `json:"limit_per_second"` // parts, agreed; 0: none
	PacePerSecond  int     `json:"pace_per_s"`       // that the carrier was found to take, of all its numbers; 0: of some no less than agreed
	Rate           float64 `json:"rate_per_s"`       // parts, over the last seconds
	ThrottledShare float64 `json:"throttled_share"`  // of the answers of the last seconds
	Waiting        int     `json:"waiting"`          // messages that have this carrier and wait
	MostPerSecond  float64 `json:"most_per_s"`       // binds × window ÷ response time; 0: not known yet
	LimitedBy      string  `json:"limited_by"`       // why it isn't faster: see Limiter

	Breaker    string `json:"breaker"` // closed, open, half-open
	Healthy    bool   `json:"healthy"` // messages may be routed to it
	Congestion int    `json:"congestion_state"`

	Slowed   []CarrierPace    `json:"slowed"` // numbers of which the carrier takes less than was agreed
	Receipts *CarrierReceipts `json:"receipts,omitempty"`
	Alarms   []CarrierAlarm   `json:"alarms"`
	Sessions []CarrierSession `json:"sessions"`
}

// CarrierReceipts is what became of receipts since the start.
type CarrierReceipts struct {
	Matched   int64   `json:"matched"`
	Parked    int64   `json:"parked"` // that wait for their message, now
	Unmatched int64   `json:"unmatched"`
	MatchRate float64 `json:"match_rate"` // of final receipts; 1 where there were none
	IDForm    string  `json:"id_form"`    // how receipts write the ids of responses
	Detected  bool    `json:"id_form_detected"`
}

// CarrierPace is how fast a carrier was found to take parts of one number.
type CarrierPace struct {
	Number    message.Phone `json:"number"`
	PerSecond int           `json:"pace_per_s"`
	Waiting   int           `json:"waiting"` // messages
}

// CarrierAlarm is something that a person must look after.
type CarrierAlarm struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// CarrierSession is one bind.
type CarrierSession struct {
	Bind       uint32    `json:"bind"`
	Kind       string    `json:"kind"`
	Host       string    `json:"host"`                        // that it is bound to, or was tried last
	Peer       string    `json:"peer"`                        // the SMSC's system_id
	Version    string    `json:"interface_version,omitempty"` // sc_interface_version; 3.3 where the SMSC said none
	Said       bool      `json:"interface_version_said"`      // whether it said one
	Up         bool      `json:"up"`
	Since      time.Time `json:"since"`
	Retry      time.Time `json:"retry,omitzero"` // of one that is down: when it tries again
	Bound      uint64    `json:"bound"`          // how often since the start
	Window     int       `json:"window"`
	WindowUsed int       `json:"window_size"`
	InFlight   int       `json:"in_flight"`
	AnswerMS   float64   `json:"answer_ms"`
	LastError  string    `json:"last_error,omitempty"`
}

// What keeps a carrier from going faster.
const (
	LimitedByState    = "state"    // it is not enabled, not bound, or its breaker is open
	LimitedByPace     = "pace"     // it throttles: the engine slowed down
	LimitedByLimit    = "limit"    // the limit that was agreed
	LimitedByWindow   = "window"   // binds × window ÷ response time
	LimitedByAnswers  = "answers"  // it answers slowly: the engine made the windows smaller
	LimitedByMessages = "messages" // nothing waits
	LimitedByNumbers  = "numbers"  // something waits, and none of the above is reached: the numbers' own limits, or the machine's
)

// nearly is how much of what is possible counts as all of it.
const nearly = 0.85

// smaller is how much of the agreed window, at most, counts as a window that was made smaller: the last quarter comes and goes.
const smaller = 0.75

// Shrunk reports whether the engine uses less of the windows than was agreed, since the carrier answers slowly or not at all.
func (c *Carrier) Shrunk() bool { return float64(c.WindowUsed) < smaller*float64(c.Window) }

// Limiter says what keeps the carrier from going faster.
func (c *Carrier) Limiter() string {
	reached := func(most float64) bool { return most > 0 && c.Rate >= nearly*most }
	full := reached(c.MostPerSecond) || c.InFlight > 0 && float64(c.InFlight) >= nearly*float64(c.WindowUsed)
	// A small window with slow answers breathes: it is seldom seen full, though it is what everything waits for. By half, numbers
	// with limits of their own would leave more of it free.
	half := c.InFlight > 0 && 2*c.InFlight >= c.WindowUsed || c.MostPerSecond > 0 && 2*c.Rate >= c.MostPerSecond
	switch {
	case c.Admin != "enabled" || c.Sending == 0 || c.Breaker == "open":
		return LimitedByState
	case c.PacePerSecond > 0 && reached(float64(c.PacePerSecond)):
		return LimitedByPace
	case reached(float64(c.LimitPerSecond)):
		return LimitedByLimit
	case c.Shrunk() && (full || c.Waiting > 0 && half):
		return LimitedByAnswers
	case full:
		return LimitedByWindow
	case c.Waiting > 0:
		return LimitedByNumbers
	}
	return LimitedByMessages
}

// CarrierChange is what an operation on a carrier came to.
type CarrierChange struct {
	Carrier   string  `json:"carrier"`
	Verb      string  `json:"verb"`
	Admin     string  `json:"admin"`
	Done      bool    `json:"done"`
	Problem   string  `json:"problem,omitempty"` // why not
	MS        float64 `json:"ms"`
	Binds     int     `json:"binds"`
	Bound     int     `json:"bound"`
	InFlight  int     `json:"in_flight"` // when it began
	Answered  int     `json:"answered"`  // meanwhile
	TakenBack int     `json:"taken_back"`
	Uncertain int     `json:"uncertain"` // left without an answer
}

// TraceRequest says what a trace shows.
type TraceRequest struct {
	Carrier string // empty: all
	Number  string // whose PDUs
	Links   bool   // binds, enquire_link and unbind too
}

// TraceFrame is one line of a trace. The first says that it has begun; one with Dropped, how many PDUs were left out so far
// because nobody read quickly enough.
type TraceFrame struct {
	Began   bool           `json:"began,omitempty"`
	Dropped int64          `json:"dropped,omitempty"`
	At      time.Time      `json:"at,omitzero"`
	Carrier string         `json:"carrier,omitempty"`
	Bind    uint32         `json:"bind,omitempty"`
	Out     bool           `json:"out,omitempty"` // we sent it
	Local   netip.AddrPort `json:"local,omitzero"`
	Remote  netip.AddrPort `json:"remote,omitzero"`
	PDU     Octets         `json:"pdu,omitempty"` // without password
}

// Octets are hexadecimal in JSON.
type Octets []byte

// MarshalText is part of encoding.TextMarshaler.
func (o Octets) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, o), nil }

// UnmarshalText is part of encoding.TextUnmarshaler.
func (o *Octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.AppendDecode(nil, text)
	return err
}

// CarrierControl operates carriers.
type CarrierControl interface {
	// Carriers lists the carriers with their binds as they are now.
	Carriers() []Carrier
	// Change enables, disables, drains or rebinds a carrier and waits for the end of it. An *Error says that it was not begun.
	Change(ctx context.Context, carrier, verb string) (CarrierChange, error)
	// Trace hands over what a request asks for until ctx ends or some returns an error.
	Trace(ctx context.Context, q TraceRequest, some func([]TraceFrame) error) error
}

func (a *API) carriers(w http.ResponseWriter, r *http.Request) error {
	var all []Carrier
	if a.Carriers != nil {
		all = a.Carriers.Carriers()
	}
	return a.answer(w, r, struct {
		Carriers []Carrier `json:"carriers"`
	}{orEmpty(all)})
}

// changeWait bounds what a change may take: a rebind has every bind wait for its answers, one after the other.
const changeWait = 10 * time.Minute

// carrierChange carries an operation out. When the client leaves or the time is over, a drain goes on all the same; a rebind
// ends with the bind that it is at.
func (a *API) carrierChange(w http.ResponseWriter, r *http.Request) error {
	if a.Carriers == nil {
		return noCarriers()
	}
	wait := time.Minute
	if text := r.URL.Query().Get("wait"); text != "" {
		var err error
		if wait, err = time.ParseDuration(text); err != nil || wait <= 0 || wait > changeWait {
			return invalid("wait", "%q: want a duration of at most %v, such as 90s", text, changeWait)
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	change, err := a.Carriers.Change(ctx, r.PathValue("name"), r.PathValue("verb"))
	if err != nil {
		return err
	}
	return a.answer(w, r, change)
}

func noCarriers() error {
	return &Error{Status: http.StatusNotFound, Problem: "no carrier is configured"}
}

// trace streams PDUs until the client leaves.
func (a *API) trace(w http.ResponseWriter, r *http.Request) error {
	if a.Carriers == nil {
		return noCarriers()
	}
	q := r.URL.Query()
	request := TraceRequest{Carrier: q.Get("carrier"), Number: q.Get("number"), Links: q.Get("links") == "true"}
	if request.Number == "" && !request.Links {
		return invalid("number", "which number's PDUs?")
	}
	out := &traceStream{w: w}
	if err := a.Carriers.Trace(r.Context(), request, out.frames); err != nil && r.Context().Err() == nil && out.err == nil {
		return err
	}
	return nil
}

// traceStream begins the answer with the first frame, so that an error before it can still be told as such. One goroutine
// hands frames in; they are flushed together.
type traceStream struct {
	w   http.ResponseWriter
	out *json.Encoder
	err error
}

func (s *traceStream) frames(some []TraceFrame) error {
	if s.out == nil {
		s.w.Header().Set("Content-Type", "application/x-ndjson")
		s.out = json.NewEncoder(s.w)
	}
	for i := range some {
		if s.err = s.out.Encode(some[i]); s.err != nil {
			return s.err
		}
	}
	s.err = http.NewResponseController(s.w).Flush()
	return s.err
}
