package smsc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// faultNow is the body of POST /fault: a fault as in the scenario, in YAML or JSON, with the number of a connection.
// What says when it happens is not looked at.
type faultNow struct {
	Conn  uint32 `yaml:"conn"` // 0: those of account, or all
	Fault `yaml:",inline"`
}

// serveFaultNow lets a fault happen on connections at once.
func (s *server) serveFaultNow(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		httpError(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
		return
	}
	var q faultNow
	if err := parseYAML("body", b, &q); err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	f, err := compileFault(q.Fault, 0)
	if err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	picked, err := s.pick(Choice{Conn: q.Conn, Account: q.Account})
	if err != nil {
		httpError(w, http.StatusNotFound, err)
		return
	}
	n := 0
	for _, c := range picked {
		if c.seen.bound.Load() != nil {
			c.sudden.Store(f)
			wakeUp(c.box.wake)
			n++
		}
	}
	writeJSON(w, map[string]int{"connections": n})
}

// AlertRequest is the body of POST /alert.
type AlertRequest struct {
	From string `json:"from"` // the phone that is there again
	To   string `json:"to"`   // the number that had a message for it
}

var errNoReceiver = errors.New("nobody receives for this number")

// serveAlert sends an alert_notification to a bind that receives for the number.
func (s *server) serveAlert(w http.ResponseWriter, r *http.Request) {
	var q AlertRequest
	if !readJSON(w, r, &q) {
		return
	}
	from, n := parsePhone([]byte(canonicalPhone(q.From))), s.findNumber(canonicalPhone(q.To))
	switch {
	case from == 0:
		httpError(w, http.StatusBadRequest, fmt.Errorf("from %w", errPhone))
		return
	case n == nil:
		httpError(w, http.StatusNotFound, fmt.Errorf("to %s: %w", q.To, errNoNumber))
		return
	}
	n.account.mu.Lock()
	receives := len(n.account.receivers) > 0
	n.account.mu.Unlock()
	if !receives {
		httpError(w, http.StatusConflict, errNoReceiver)
		return
	}
	at := s.now()
	address := n.address()
	s.pending.Add(1)
	n.account.deliver([]delivery{{
		from: from, due: at.ms, submitted: uint32(at.micros / 1_000_000), number: n.place, fromType: typeE164,
		toType: packType(address.TON, address.NPI), flags: deliverAlert,
	}}, at.ms)
	writeJSON(w, map[string]bool{"ok": true})
}

// serveOutbind connects to a client and asks it to bind, as outbind in the scenario does.
func (s *server) serveOutbind(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyMax))
	if err != nil {
		httpError(w, http.StatusBadRequest, fmt.Errorf("body: %w", err))
		return
	}
	var o Outbind
	if err = parseYAML("body", b, &o); err == nil {
		err = checkOutbind(&o)
	}
	if err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	if err := s.outbind(r.Context(), &o); err != nil {
		httpError(w, http.StatusBadGateway, err)
		return
	}
	writeJSON(w, map[string]bool{"ok": true})
}

// Happen lets a fault happen at once: a fault of the scenario's list in YAML or JSON, such as "kind: half_open", with
// conn for one connection or account for those of one. It says on how many connections it will.
func (c *Client) Happen(ctx context.Context, fault string) (connections int, err error) {
	var r struct {
		Connections int `json:"connections"`
	}
	err = c.do(ctx, http.MethodPost, "/fault", strings.NewReader(fault), &r)
	return r.Connections, err
}

// Alert sends an alert_notification: a phone is there again for which a number had a message.
func (c *Client) Alert(ctx context.Context, from, to string) error {
	return c.post(ctx, "/alert", AlertRequest{From: from, To: to}, &struct{}{})
}

// Outbind connects to a client and asks it to bind; o is an entry of the scenario's outbind in YAML or JSON.
func (c *Client) Outbind(ctx context.Context, o string) error {
	return c.do(ctx, http.MethodPost, "/outbind", strings.NewReader(o), &struct{}{})
}
