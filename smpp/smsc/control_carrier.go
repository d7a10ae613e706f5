package smsc

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"fanline/smpp"
)

// Bind is a connection as GET /binds lists it.
type Bind struct {
	Conn     uint32    `json:"conn"`
	Account  string    `json:"account"` // empty: not bound yet
	Kind     string    `json:"kind,omitempty"`
	Version  string    `json:"version,omitempty"` // that the client said it speaks
	Remote   string    `json:"remote"`
	TLS      bool      `json:"tls"`
	Since    time.Time `json:"since"`     // of the connection
	Submits  int64     `json:"submits"`   // read on it
	Unacked  int       `json:"unacked"`   // deliver_sm that wait for an answer
	Waiting  int       `json:"waiting"`   // deliver_sm and answers not sent yet
	SilentMs int64     `json:"silent_ms"` // since something was read
}

// bound is what a connection became when it bound; others than its reader see it through a pointer.
type bound struct {
	account, kind string
	version       byte
}

// seen is what others than its reader may know of a connection.
type seen struct {
	since   moment
	tls     bool
	bound   atomic.Pointer[bound]
	submits atomic.Int64
}

func (s *server) serveBinds(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"binds": s.listBinds()})
}

func (s *server) listBinds() []Bind {
	out := []Bind{}
	now := s.now()
	for _, c := range s.connections() {
		b := Bind{
			Conn: c.id, Remote: c.nc.RemoteAddr().String(), TLS: c.seen.tls, Since: time.UnixMicro(c.seen.since.micros).UTC(),
			Submits: c.seen.submits.Load(), SilentMs: int64(now.ms) - c.heard.Load(),
		}
		if x := c.seen.bound.Load(); x != nil {
			b.Account, b.Kind, b.Version = x.account, x.kind, fmt.Sprintf("%d.%d", x.version>>4, x.version&15)
		}
		b.Unacked, b.Waiting = c.box.load()
		out = append(out, b)
	}
	return out
}

// connections lists the open ones, the oldest first.
func (s *server) connections() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	return out
}

// load says how many deliver_sm wait for an answer, and how much waits to be sent.
func (b *outbox) load() (unacked, waiting int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting = b.answers.n + b.ready.n + b.due.n + b.texts.n
	if b.receipts != nil {
		waiting += b.receipts.len()
	}
	return b.unacked, waiting
}

// Choice names connections: by number, by account, or all.
type Choice struct {
	Conn    uint32 `json:"conn,omitempty"`
	Account string `json:"account,omitempty"`
}

// pick lists the connections that a choice names; without any it is an error.
func (s *server) pick(c Choice) ([]*conn, error) {
	out := slices.DeleteFunc(s.connections(), func(x *conn) bool {
		name := ""
		if b := x.seen.bound.Load(); b != nil {
			name = b.account
		}
		return c.Conn != 0 && x.id != c.Conn || c.Account != "" && name != c.Account
	})
	if len(out) == 0 {
		return nil, errors.New("no such connection")
	}
	return out, nil
}

// DropRequest is the body of POST /drop.
type DropRequest struct {
	Choice
	How string `json:"how,omitempty"` // reset (RST), close (FIN) or unbind; empty: reset
}

func (s *server) serveDrop(w http.ResponseWriter, r *http.Request) {
	var q DropRequest
	if !readJSON(w, r, &q) {
		return
	}
	picked, err := s.pick(q.Choice)
	if err != nil {
		httpError(w, http.StatusNotFound, err)
		return
	}
	for _, c := range picked {
		switch q.How {
		case "", "reset":
			reset(c.nc)
		case "close":
			_ = c.nc.Close() // The client hears of it, or finds out.
		case "unbind":
			c.finish()
		default:
			httpError(w, http.StatusBadRequest, fmt.Errorf("how %q: want reset, close or unbind", q.How))
			return
		}
	}
	writeJSON(w, map[string]int{"dropped": len(picked)})
}

// serveScenario answers the scenario in force as it was given, or written out.
func (s *server) serveScenario(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = io.WriteString(w, *s.scenario.Load()) // The client is gone.
}

// errFixed is why a scenario can't be put in force.
var errFixed = errors.New("ids.form is fixed while a simulator runs: start it anew with the other form")

// replaceScenario puts another scenario in force: what it says holds for all that is decided from now on.
func (s *server) replaceScenario(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		httpError(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
		return
	}
	scenario, err := ParseScenario("scenario", b)
	if err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	p, err := compileScenario(&scenario)
	if err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	now := s.plan()
	if p.form != now.form {
		httpError(w, http.StatusConflict, errFixed)
		return
	}
	if p.seed == 0 {
		p.seed = now.seed
	}
	s.enact(p, string(b))
	s.logger.Info("simulator has another scenario")
	writeJSON(w, map[string]bool{"ok": true})
}

// enact puts a plan in force.
func (s *server) enact(p *plan, source string) {
	s.adopt(p)
	s.scenario.Store(&source)
	wakeUp(s.replanned)
}

// ReceiptRequest is the body of POST /receipt: a deliver_sm (or data_sm) made by hand. What is left out is as in a
// receipt for a message that was delivered now; text replaces the whole text.
type ReceiptRequest struct {
	Choice
	Command   string       `json:"command,omitempty"` // deliver_sm or data_sm; empty: deliver_sm
	MessageID string       `json:"message_id"`
	Stat      string       `json:"stat,omitempty"`
	From      string       `json:"from"` // the phone
	To        string       `json:"to"`   // the number
	Text      *string      `json:"text,omitempty"`
	ESMClass  *byte        `json:"esm_class,omitempty"`
	Coding    byte         `json:"data_coding,omitempty"`
	Payload   bool         `json:"payload,omitempty"` // the text in message_payload
	NoTLVs    bool         `json:"no_tlvs,omitempty"` // without receipted_message_id and message_state
	TLVs      []RequestTLV `json:"tlvs,omitempty"`    // added behind
}

// RequestTLV is an optional parameter given by hand.
type RequestTLV struct {
	Tag   uint16 `json:"tag"`
	Value string `json:"value_hex"`
}

// ByHand answers POST /receipt and POST /pdu.
type ByHand struct {
	Conn     uint32 `json:"conn"`
	Sequence uint32 `json:"sequence_number"`
	PDU      string `json:"pdu"` // as it was sent, in hex
}

func (s *server) serveReceipt(w http.ResponseWriter, r *http.Request) {
	var q ReceiptRequest
	if !readJSON(w, r, &q) {
		return
	}
	pdu, err := q.pdu(time.Now())
	if err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	sequence := handSequence + s.byHand.Add(1)%handSequences
	out, err := smpp.Append(nil, smpp.StatusOK, sequence, pdu)
	if err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	s.sendByHand(w, q.Choice, out, sequence)
}
