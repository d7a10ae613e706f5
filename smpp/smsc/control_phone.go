package smsc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// TextRequest is the body of POST /mo.
type TextRequest struct {
	From   string `json:"from"` // the phone
	To     string `json:"to"`   // the number
	Text   string `json:"text"`
	Octets string `json:"octets_hex,omitempty"` // in place of a text: octets as they are
	Wait   string `json:"wait,omitempty"`       // a duration: until all parts are answered, at most a minute
	Manner
}

// TextResult answers POST /mo.
type TextResult struct {
	ID       string     `json:"id"`
	Parts    int        `json:"parts"`
	Answered bool       `json:"answered"`         // by deliver_sm_resp, all parts
	Status   string     `json:"status,omitempty"` // of the answer
	SentAt   *time.Time `json:"sent_at,omitempty"`
	Answer   *time.Time `json:"answered_at,omitempty"`
}

func (s *server) serveText(w http.ResponseWriter, r *http.Request) {
	var q TextRequest
	if !readJSON(w, r, &q) {
		return
	}
	wait, err := parseWait(q.Wait)
	if err != nil {
		httpError(w, http.StatusBadRequest, err)
		return
	}
	x, err := s.inject(&q)
	switch {
	case errors.Is(err, errNoNumber):
		httpError(w, http.StatusNotFound, err)
		return
	case err != nil:
		httpError(w, http.StatusBadRequest, err)
		return
	}
	if wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-x.done:
		case <-timer.C:
		case <-r.Context().Done():
		}
	}
	writeJSON(w, s.result(x))
}

func (s *server) result(x *inbound) TextResult {
	s.texts.mu.Lock()
	defer s.texts.mu.Unlock()
	r := TextResult{ID: string(s.plan().form.Append(nil, x.id)), Parts: len(x.parts), Answered: x.left == 0}
	if x.sent != 0 {
		t := time.UnixMicro(x.sent).UTC()
		r.SentAt = &t
	}
	if r.Answered {
		t := time.UnixMicro(x.acked).UTC()
		r.Answer, r.Status = &t, x.status.String()
	}
	return r
}

func (s *server) serveMessages(w http.ResponseWriter, r *http.Request) {
	phone := canonicalPhone(strings.TrimSpace(r.URL.Query().Get("phone")))
	if parsePhone([]byte(phone)) == 0 {
		httpError(w, http.StatusBadRequest, fmt.Errorf("phone: %w", errPhone))
		return
	}
	sent, err := s.sent(phone)
	if err != nil {
		httpError(w, http.StatusInternalServerError, err)
		return
	}
	writeJSON(w, map[string]any{"messages": sent})
}
