package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/community"
	"fanline/engine/message"
)

const (
	ourNumber  = message.Phone(17735550100)
	partitions = 4
)

// house is the API over a real store; what the running process knows is set by
// the test.
type house struct {
	t       *testing.T
	store   *community.Store
	handler http.Handler

	mu       sync.Mutex
	progress Progress
	compared Comparison
	failing  error
}

func newHouse(t *testing.T) *house {
	t.Helper()
	store, err := community.Open(t.Context(), filepath.Join(t.TempDir(), "fanline.db"), community.Options{Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	err = store.SyncNumbers(t.Context(), []community.Number{{Number: ourNumber, Kind: "long_code", Leader: "Maya", Carriers: []string{"acme"}, LimitPerSecond: 10}})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: store}
	h.handler = New(Config{
		Store: store, Policy: message.AtMostOnce, Validity: 4 * time.Hour, Log: slog.New(slog.DiscardHandler),
		Progress: func(message.BroadcastID) Progress {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.progress
		},
		Compare: func(context.Context, message.BroadcastID) (Comparison, error) { return h.compared, h.failing },
		Measure: func(text string) (Measured, error) {
			if strings.Contains(text, "☠") {
				return Measured{}, errors.New("cannot be encoded")
			}
			if strings.Contains(text, "é") {
				return Measured{Encoding: "ucs2", Parts: 2, ForcedBy: []string{"é"}}, nil
			}
			return Measured{Encoding: "gsm7", Parts: 1}, nil
		},
		Carriers: staff{},
		Route:    routeOf,
	}).Handler()
	return h
}

func (h *house) set(change func(*Progress)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.progress)
}

func (h *house) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

// ask does a request that must succeed and reads its answer.
func ask[T any](h *house, method, path, body string, headers ...string) T {
	h.t.Helper()
	w := h.do(method, path, body, headers...)
	if w.Code >= 300 {
		h.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		h.t.Fatalf("%s %s: %v in %s", method, path, err, w.Body)
	}
	return v
}

// join makes members with phones that end in 1, 2, …
func (h *house) join(profiles ...community.Profile) []message.MemberID {
	h.t.Helper()
	var ids []message.MemberID
	for i, p := range profiles {
		err := h.store.InTx(h.t.Context(), func(tx *community.Tx) error {
			joined, err := tx.JoinMember(h.t.Context(), ourNumber, phoneOf(i), p, community.Evidence{Method: "form"})
			ids = append(ids, joined.Member.ID)
			return err
		})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	return ids
}

func phoneOf(i int) message.Phone { return 13125550100 + message.Phone(i) }

func (h *house) says(i int, text string) {
	h.t.Helper()
	err := h.store.InTx(h.t.Context(), func(tx *community.Tx) error {
		m, err := tx.FindMember(h.t.Context(), ourNumber, phoneOf(i))
		if err == nil {
			_, err = tx.AppendText(h.t.Context(), ourNumber, m.Member.ID, community.Text{Direction: community.In, Text: text})
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

const newOne = `{"number":"+17735550100","text":"Hey {{first_name}}, see you in {{city}}","audience":"all"}`

func TestErrorsNameTheFieldAndWhatToDo(t *testing.T) {
	h := newHouse(t)
	text := func(s string) string {
		b, _ := json.Marshal(map[string]string{"number": "+17735550100", "audience": "all", "text": s})
		return string(b)
	}
	tests := []struct {
		name, method, path, body string
		status                   int
		field, says              string
	}{
		{"10,000 characters", "POST", "/v1/broadcasts", text(strings.Repeat("x", 10_000)), 400, "text", "has 10000 characters, at most 400"},
		{"10,000 emoji", "POST", "/v1/broadcasts", text(strings.Repeat("👍", 10_000)), 400, "text", "at most 400 characters"},
		{"401 clusters", "POST", "/v1/broadcasts", text(strings.Repeat("👩‍👩‍👧‍👦", 401)), 400, "text", "has 401 characters"},
		{"no text", "POST", "/v1/broadcasts", text("  "), 400, "text", "is empty"},
		{"unknown merge field", "POST", "/v1/broadcasts", text("Hey {{nickname}}"), 400, "text", `unknown merge field "nickname"`},
		{"open braces", "POST", "/v1/broadcasts", text("Hey {{first_name"), 400, "text", "not closed"},
		{"bad audience", "POST", "/v1/broadcasts", strings.Replace(newOne, "all", "town=Rome", 1), 400, "audience", "is no field"},
		{"no number", "POST", "/v1/broadcasts", `{"text":"x","audience":"all"}`, 400, "number", "E.164"},
		{"another's number", "POST", "/v1/broadcasts", strings.Replace(newOne, "0100", "0199", 1), 404, "number", "there is +17735550100"},
		{"bad policy", "POST", "/v1/broadcasts", newOne[:len(newOne)-1] + `,"policy":"twice"}`, 400, "policy", "at-most-once"},
		{"bad validity", "POST", "/v1/broadcasts", newOne[:len(newOne)-1] + `,"validity":"soon"}`, 400, "validity", "such as 4h"},
		{"short validity", "POST", "/v1/broadcasts", newOne[:len(newOne)-1] + `,"validity":"1ms"}`, 400, "validity", "between 1s"},
		{"unknown field", "POST", "/v1/broadcasts", `{"txt":"x"}`, 400, "txt", "no such field"},
		{"wrong type", "POST", "/v1/broadcasts", `{"text":5}`, 400, "text", "want a string"},
		{"not JSON", "POST", "/v1/broadcasts", `text=x`, 400, "", "not the JSON object"},
		{"empty body", "POST", "/v1/broadcasts", ``, 400, "", "not the JSON object"},
		{"two objects", "POST", "/v1/broadcasts", newOne + newOne, 400, "", "follows"},
		{"2 MB", "POST", "/v1/broadcasts", text(strings.Repeat("x", 2<<20)), 413, "", "more than 1048576 octets"},
		{"no such broadcast", "GET", "/v1/broadcasts/77", "", 404, "", "not found"},
		{"no broadcast yet", "GET", "/v1/broadcasts/last", "", 404, "id", "no broadcast yet"},
		{"not an id", "GET", "/v1/broadcasts/x/ledger", "", 400, "id", "or last"},
		{"id zero", "GET", "/v1/broadcasts/0", "", 400, "id", "or last"},
		{"huge id", "GET", "/v1/broadcasts/99999999999", "", 400, "id", "or last"},
		{"limit", "GET", "/v1/broadcasts?limit=0", "", 400, "limit", "1 to 1000"},
		{"no path", "GET", "/v1/nothing", "", 404, "", "not in /v1"},
		{"wrong method", "PUT", "/v1/broadcasts", "", 404, "", "PUT /v1/broadcasts is not"},
		{"no phone", "GET", "/v1/numbers/abc/inbox", "", 400, "number", "E.164"},
		{"no member", "GET", "/v1/numbers/+17735550100/inbox/5", "", 404, "", "not found"},
		{"bad member", "GET", "/v1/numbers/+17735550100/inbox/x", "", 400, "member", "plus sign"},
		{"stranger", "GET", "/v1/numbers/+17735550100/inbox/+13125550100", "", 404, "member", "joined"},
		{"bad before", "GET", "/v1/numbers/+17735550100/inbox?before=now", "", 400, "before", "such as"},
		{"bad format", "POST", "/v1/numbers/+17735550100/members/import?source=people.xlsx", "", 400, "format", "csv or ndjson"},
		{"group of nobody", "POST", "/v1/numbers/+17735550100/groups/vip/members", "{}", 400, "phones", "nobody"},
		{"bad phone", "POST", "/v1/numbers/+17735550100/groups/vip/members", `{"phones":["12"]}`, 400, "phones", "E.164"},
		{"bad group", "POST", "/v1/numbers/+17735550100/groups/a%22b/members", `{"members":[1]}`, 400, "group", "holds one of"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := h.do(tt.method, tt.path, tt.body)
			var got Error
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatalf("%v in %s", err, w.Body)
			}
			if w.Code != tt.status || got.Field != tt.field || !strings.Contains(got.Problem, tt.says) {
				t.Errorf("%d %+v; want %d, field %q, %q", w.Code, got, tt.status, tt.field, tt.says)
			}
		})
	}
	if all, err := h.store.Broadcasts(t.Context(), 10); err != nil || len(all) != 0 {
		t.Errorf("%d broadcasts were made, %v", len(all), err)
	}
}

func TestNumbersAndCarriersAreListed(t *testing.T) {
	h := newHouse(t)
	n := ask[struct{ Numbers []community.Number }](h, "GET", "/v1/numbers", "")
	if len(n.Numbers) != 1 || n.Numbers[0].Number != ourNumber || n.Numbers[0].LimitPerSecond != 10 {
		t.Errorf("%+v", n)
	}
	c := ask[struct{ Carriers []Carrier }](h, "GET", "/v1/carriers", "")
	if len(c.Carriers) != 1 || c.Carriers[0].Bound != 1 {
		t.Errorf("%+v", c)
	}
}

func TestGroupsArePickedByHand(t *testing.T) {
	h := newHouse(t)
	ids := h.join(make([]community.Profile, 3)...)
	const path = "/v1/numbers/+17735550100/groups/"
	body := fmt.Sprintf(`{"phones":["+1 312 555-0100","+13125559999"],"members":[%d]}`, ids[2])
	got := ask[GroupChanged](h, "POST", path+"front%20row/members", body)
	if got.Group != "front row" || got.Changed != 2 || len(got.Unknown) != 1 || got.Unknown[0] != "+13125559999" {
		t.Errorf("%+v", got)
	}
	list := ask[struct{ Groups []community.Group }](h, "GET", path[:len(path)-1], "")
	if len(list.Groups) != 1 || list.Groups[0].Members != 2 {
		t.Errorf("%+v", list)
	}
	if got := ask[GroupChanged](h, "DELETE", path+"front%20row/members", body); got.Changed != 2 {
		t.Errorf("%+v", got)
	}
}

func TestTheInboxShowsAnswersAndHidesStrangers(t *testing.T) {
	h := newHouse(t)
	ids := h.join(community.Profile{FirstName: "Ann", LastName: "Lee", City: "Chicago", State: "IL"})
	h.says(0, "When do you play?")
	const path = "/v1/numbers/+17735550100/inbox"
	list := ask[struct{ Threads []ThreadLine }](h, "GET", path, "")
	if len(list.Threads) != 1 || list.Threads[0].Unread != 1 || list.Threads[0].FirstName != "Ann" || list.Threads[0].Last.Text != "When do you play?" {
		t.Fatalf("%+v", list)
	}
	sent := ask[Replied](h, "POST", path+"/+13125550100/replies", `{"text":"Tomorrow at eight!"}`)
	if _, err := message.ParseID(sent.ID); err != nil || sent.Member != ids[0] {
		t.Errorf("%+v, %v", sent, err)
	}
	view := ask[ThreadView](h, "GET", fmt.Sprintf("%s/%d", path, ids[0]), "")
	if len(view.Texts) != 2 || view.Texts[1].Direction != community.Out || view.Texts[1].MessageID != sent.ID {
		t.Errorf("%+v", view)
	}
	h.says(0, "See you!")
	ask[map[string]any](h, "POST", path+"/+13125550100/read", "")
	if list := ask[struct{ Threads []ThreadLine }](h, "GET", path, ""); list.Threads[0].Unread != 0 {
		t.Errorf("%+v", list)
	}
	for _, body := range []string{`{"text":""}`, fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 401))} {
		if w := h.do("POST", path+"/+13125550100/replies", body); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), `"field":"text"`) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	err := h.store.InTx(t.Context(), func(tx *community.Tx) error {
		_, _, err := tx.RevokeConsent(t.Context(), ourNumber, phoneOf(0), community.Revocation{Evidence: community.Evidence{Method: "text"}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := h.do("POST", path+"/+13125550100/replies", `{"text":"Hello?"}`); w.Code != http.StatusConflict {
		t.Errorf("an answer after STOP: %d %s", w.Code, w.Body)
	}
}
