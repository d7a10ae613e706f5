package web

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"fanline/community/conversation"
	"fanline/engine/message"
)

const (
	ourNumber = message.Phone(17735550100)
	fanPhone  = message.Phone(13125550187)
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// house is a site over a directory of one number and a joiner that remembers.
type house struct {
	t      *testing.T
	site   *Site
	links  *conversation.Links
	clock  time.Time
	sender Sender

	standing conversation.Standing
	joined   []conversation.Joining
	joinErr  error
	dirErr   error
}

func (h *house) Sender(_ context.Context, number message.Phone) (Sender, error) {
	if h.dirErr != nil {
		return Sender{}, h.dirErr
	}
	if number != h.sender.Number {
		return Sender{}, ErrNoSender
	}
	return h.sender, nil
}

func (h *house) Senders(context.Context) ([]Sender, error) { return []Sender{h.sender}, h.dirErr }

func (h *house) Standing(context.Context, conversation.Invitation) (conversation.Standing, error) {
	return h.standing, nil
}

func (h *house) Join(_ context.Context, j conversation.Joining) error {
	if h.joinErr != nil {
		return h.joinErr
	}
	h.joined = append(h.joined, j)
	h.standing = conversation.Joined
	return nil
}

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, clock: noon, sender: Sender{Number: ourNumber, Leader: "Maya Torres", Program: "Maya Live", Help: "help@maya.example"}}
	links, err := conversation.NewLinks(bytes.Repeat([]byte("k"), 32), "https://fan.example", 72*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	h.links = links
	h.site, err = New(Config{
		PublicURL: "https://fan.example", Program: "Maya Live", Now: func() time.Time { return h.clock },
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}, links, h, h)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *house) path() string { return "/j/" + h.links.Token(ourNumber, fanPhone, noon) }

func (h *house) do(r *http.Request) *httptest.ResponseRecorder {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.site.Handler().ServeHTTP(w, r)
	return w
}

func (h *house) get(path string) *httptest.ResponseRecorder {
	return h.do(httptest.NewRequest(http.MethodGet, "https://fan.example"+path, nil))
}

func (h *house) post(path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "https://fan.example"+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://fan.example")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("User-Agent", "Telephone/1.0")
	r.Header.Set("Accept-Language", "es-MX,es;q=0.9,en;q=0.8")
	r.RemoteAddr = "192.0.2.7:4711"
	return h.do(r)
}

// goodForm is what Ann fills in.
func (h *house) goodForm() url.Values {
	return url.Values{
		"first_name": {"  Ann  Marie "}, "last_name": {"O’Brien-Núñez"}, "city": {"Chicago"}, "state": {"IL"},
		"birth_month": {"3"}, "birth_day": {"27"}, "birth_year": {"1999"}, "gender": {"f"}, "email": {"ann@example.com"},
		"consent": {"yes"}, "consent_version": {disclosureVersion(Disclosure(h.sender))},
	}
}

func wantStatus(t *testing.T, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	if w.Code != status {
		t.Fatalf("status %d, want %d; body: %.300s", w.Code, status, w.Body)
	}
}

func wantText(t *testing.T, w *httptest.ResponseRecorder, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("the page lacks %q", text)
		}
	}
}
