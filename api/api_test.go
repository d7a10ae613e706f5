package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
		Carriers: func() []Carrier { return []Carrier{{Name: "acme", Binds: 2, Bound: 1}} },
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

func TestADraftIsMadeAsItWasTyped(t *testing.T) {
	h := newHouse(t)
	b := ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	if b.ID == 0 || b.State != community.Draft || b.Policy != "at-most-once" || b.ValiditySeconds != 14400 || b.Number != ourNumber {
		t.Errorf("%+v", b)
	}
	if got := ask[Broadcast](h, "GET", "/v1/broadcasts/last", ""); got.ID != b.ID || got.Text != "Hey {{first_name}}, see you in {{city}}" {
		t.Errorf("read back %+v", got)
	}
	full := ask[Broadcast](h, "POST", "/v1/broadcasts", fmt.Sprintf(`{"number":"17735550100","text":%q,"audience":"city=Chicago age>=21"}`, strings.Repeat("👩‍👩‍👧‍👦", 400)))
	if full.ID == b.ID {
		t.Error("400 grapheme clusters made no broadcast of their own")
	}
	list := ask[struct{ Broadcasts []Broadcast }](h, "GET", "/v1/broadcasts", "")
	if len(list.Broadcasts) != 2 || list.Broadcasts[0].ID != full.ID {
		t.Errorf("list %+v", list)
	}
}

func TestARepeatedCreationMakesOneBroadcast(t *testing.T) {
	h := newHouse(t)
	first := ask[Broadcast](h, "POST", "/v1/broadcasts", newOne, IdempotencyKey, "a b/ü")
	again := ask[Broadcast](h, "POST", "/v1/broadcasts", newOne, IdempotencyKey, "a b/ü")
	other := ask[Broadcast](h, "POST", "/v1/broadcasts", newOne, IdempotencyKey, "c")
	if first.ID != again.ID || other.ID == first.ID {
		t.Errorf("ids %d, %d, %d", first.ID, again.ID, other.ID)
	}
	w := h.do("POST", "/v1/broadcasts", strings.Replace(newOne, "Hey", "Hi", 1), IdempotencyKey, "c")
	if w.Code != http.StatusConflict {
		t.Errorf("another text under the same key: %d %s", w.Code, w.Body)
	}
	if w := h.do("POST", "/v1/broadcasts", newOne, IdempotencyKey, strings.Repeat("k", 201)); w.Code != http.StatusBadRequest {
		t.Errorf("a long key: %d", w.Code)
	}
}

func TestOneKeyAtOnceMakesOneBroadcast(t *testing.T) {
	h := newHouse(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if w := h.do("POST", "/v1/broadcasts", newOne, IdempotencyKey, "k"); w.Code != http.StatusCreated {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
	wait.Wait()
	if all, err := h.store.Broadcasts(t.Context(), 10); err != nil || len(all) != 1 {
		t.Errorf("%d broadcasts, %v", len(all), err)
	}
}

func TestControlsWaitUntilTheOwnersObey(t *testing.T) {
	h := newHouse(t)
	h.join(community.Profile{FirstName: "Ann"}, community.Profile{FirstName: "Bob"}, community.Profile{FirstName: "Cy"})
	b := ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	obey := func(e message.Epoch) {
		h.set(func(p *Progress) { p.Ready, p.Epochs = true, []message.Epoch{e, e, e, e} })
	}
	path := fmt.Sprintf("/v1/broadcasts/%d/", b.ID)
	obey(1)
	started := ask[Controlled](h, "POST", path+"start", "")
	if started.State != community.Sending || started.Total != 3 || started.NotSent != 3 || started.Effective == nil {
		t.Errorf("started %+v", started)
	}
	// One is submitted, one delivered; the owners learn of the pause a little later.
	h.set(func(p *Progress) { p.Messages[message.Submitted], p.Messages[message.Delivered] = 1, 1 })
	learned := make(chan struct{})
	go func() {
		defer close(learned)
		for {
			b, err := h.store.Broadcast(context.Background(), b.ID)
			if err != nil || b.State == community.Paused {
				obey(2)
				return
			}
		}
	}()
	paused := ask[Controlled](h, "POST", path+"pause", "")
	<-learned
	if paused.State != community.Paused || paused.Sent != 2 || paused.NotSent != 1 || paused.Effective == nil {
		t.Errorf("paused %+v", paused)
	}
	if w := h.do("POST", path+"start", ""); w.Code != http.StatusConflict {
		t.Errorf("start of a paused one: %d %s", w.Code, w.Body)
	}
	obey(3)
	if got := ask[Controlled](h, "POST", path+"resume", ""); got.State != community.Sending {
		t.Errorf("resumed %+v", got)
	}
	obey(4)
	if got := ask[Controlled](h, "POST", path+"cancel", ""); got.State != community.Cancelled || got.Sent != 2 || got.NotSent != 1 {
		t.Errorf("cancelled %+v", got)
	}
	if w := h.do("POST", path+"resume", ""); w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "cancelled") {
		t.Errorf("resume of a cancelled one: %d %s", w.Code, w.Body)
	}
}

func TestAnAudienceOfNobodyIsNotStarted(t *testing.T) {
	h := newHouse(t)
	ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	w := h.do("POST", "/v1/broadcasts/last/start", "")
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "nobody") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := ask[Controlled](h, "POST", "/v1/broadcasts/last/cancel", ""); got.State != community.Cancelled || got.Effective != nil {
		t.Errorf("cancelled draft %+v", got)
	}
}

func TestADryRunMeasuresTheTextsAsPeopleWouldGetThem(t *testing.T) {
	h := newHouse(t)
	var people []community.Profile
	for range 6 {
		people = append(people, community.Profile{FirstName: "Ann", City: "Chicago", State: "IL"})
	}
	people = append(people, community.Profile{FirstName: "Zoé", City: "Chicago", State: "IL"}, community.Profile{FirstName: "☠", City: "Chicago"},
		community.Profile{FirstName: "Far", City: "Boston", State: "MA"})
	h.join(people...)
	ask[Broadcast](h, "POST", "/v1/broadcasts", strings.Replace(newOne, "all", "city=Chicago", 1))
	d := ask[DryRun](h, "GET", "/v1/broadcasts/last/dry-run", "")
	minutes := (6*1 + 1*2) / 10.0 / 60 // parts at 10 a second
	want := DryRun{
		ID: 1, State: "draft", Count: 8, Characters: 39, Sample: 8, Encodings: map[string]int{"gsm7": 6, "ucs2": 1},
		Parts: map[int]int{1: 6, 2: 1}, PartsEach: 1, PartsTotal: 8, ForcedBy: []string{"é"}, Unsendable: 1,
		LimitPerSecond: 10, Minutes: &minutes, Example: "Hey Ann, see you in Chicago",
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Error(diff)
	}
	if all, _ := h.store.Broadcasts(t.Context(), 1); all[0].State != community.Draft {
		t.Error("the dry run started it")
	}
}

func TestTheLedgerAddsUpMessagesAndParts(t *testing.T) {
	h := newHouse(t)
	h.join(make([]community.Profile, 5)...)
	ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	h.set(func(p *Progress) {
		p.Ready, p.Epochs = true, []message.Epoch{1, 1, 1, 1}
		p.Messages[message.Delivered], p.Messages[message.Submitted], p.Messages[message.Suppressed] = 2, 1, 1
		p.Parts[message.Delivered], p.Parts[message.Submitted] = 4, 2
	})
	ask[Controlled](h, "POST", "/v1/broadcasts/last/start", "")
	got := ask[map[string]any](h, "GET", "/v1/broadcasts/last/ledger", "")
	for field, want := range map[string]any{
		"broadcast_id": 1.0, "state": "sending", "accepted": 5.0, "suppressed": 1.0, "submitted": 3.0, "delivered": 2.0, "pending_receipt": 1.0,
		"pending_send": 1.0, "parts_accepted": 6.0, "parts_delivered": 4.0, "parts_pending_receipt": 2.0, "parts_pending_send": 0.0,
		"balanced": true, "complete": true,
	} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	if len(got) != 2*13+4 {
		t.Errorf("%d fields: %v", len(got), got)
	}
}

func TestACompareHoldsAllSources(t *testing.T) {
	h := newHouse(t)
	ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	log := message.Ledger{Accepted: 3}
	h.compared = Comparison{Log: &log, DiffKeys: 2, Examples: []string{"b1.2"}, Notes: []string{"clickhouse: down"}}
	got := ask[Ledger](h, "GET", "/v1/broadcasts/last/ledger?compare=1", "")
	if got.Compare == nil || got.Compare.Engine == nil || got.Compare.Log == nil || got.Compare.ClickHouse != nil || got.Compare.DiffKeys != 2 {
		t.Errorf("%+v", got.Compare)
	}
	h.failing = errors.New("log is away")
	if w := h.do("GET", "/v1/broadcasts/last/ledger?compare=1", ""); w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "log is away") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := h.do("GET", "/v1/broadcasts/last/ledger?compare=maybe", ""); w.Code != http.StatusBadRequest {
		t.Errorf("%d", w.Code)
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

// server is the API behind a real connection.
func (h *house) server() *httptest.Server {
	s := httptest.NewServer(h.handler)
	h.t.Cleanup(s.Close)
	return s
}

func TestAnImportStreamsProgressRejectsAndReport(t *testing.T) {
	h := newHouse(t)
	s := h.server()
	var file bytes.Buffer
	file.WriteString("phone,first_name,city,state\n")
	const good, bad = 11_000, 700 // more than one batch
	for i := range good {
		fmt.Fprintf(&file, "+1312%07d,Ann,Chicago,IL\n", 2000000+i)
	}
	for i := range bad {
		fmt.Fprintf(&file, "12%d,Bad,Nowhere,XX\n", i%10)
	}
	resp, err := http.Post(s.URL+"/v1/numbers/+17735550100/members/import?source=people.csv", "text/csv", &file)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var progress int
	var rejects strings.Builder
	var report *community.ImportReport
	d := json.NewDecoder(resp.Body)
	for {
		var line ImportLine
		err := d.Decode(&line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case line.Error != nil:
			t.Fatal(line.Error)
		case line.Progress != nil:
			progress++
		case line.Report != nil:
			report = line.Report
		}
		rejects.Write(line.Rejects)
	}
	if report == nil || report.Rows != good+bad || report.Created != good || report.Rejected != bad || progress < 2 {
		t.Errorf("%d progress lines, report %+v", progress, report)
	}
	if n := strings.Count(rejects.String(), "\n"); n != bad+1 {
		t.Errorf("%d lines of rejects, want a header and %d: %.200s", n, bad, rejects.String())
	}
	if n, err := h.store.Count(t.Context(), ourNumber, "city=Chicago"); err != nil || n != good {
		t.Errorf("%d members, %v", n, err)
	}
}

func TestABrokenFileIsAnErrorWithTheReportSoFar(t *testing.T) {
	h := newHouse(t)
	s := h.server()
	resp, err := http.Post(s.URL+"/v1/numbers/+17735550100/members/import?format=csv", "text/csv", strings.NewReader("name\nAnn\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var line ImportLine
	if err := json.NewDecoder(resp.Body).Decode(&line); err != nil || line.Error == nil || !strings.Contains(line.Error.Problem, "phone") || line.Report == nil {
		t.Errorf("%+v, %v", line, err)
	}
}

func TestAWatchEndsWhenNothingIsToCome(t *testing.T) {
	h := newHouse(t)
	h.join(make([]community.Profile, 4)...)
	ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	h.set(func(p *Progress) { p.Ready, p.Epochs = true, []message.Epoch{1, 1, 1, 1} })
	ask[Controlled](h, "POST", "/v1/broadcasts/last/start", "")
	s := h.server()
	for _, tt := range []struct {
		until string
		last  func(*Progress)
	}{
		{"sent", func(p *Progress) { p.Messages[message.Submitted], p.Parts[message.Submitted] = 4, 4 }},
		{"rest", func(p *Progress) {
			p.Messages[message.Submitted], p.Messages[message.Delivered], p.Messages[message.Failed] = 0, 3, 1
		}},
	} {
		resp, err := http.Get(s.URL + "/v1/broadcasts/last/watch?every_ms=50&until=" + tt.until)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		var line Watched
		for n := 0; lines.Scan(); n++ {
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatalf("%v in %s", err, lines.Bytes())
			}
			if n == 0 && line.Done {
				t.Errorf("until %s: done at once: %s", tt.until, lines.Bytes())
			}
			if n == 1 {
				h.set(tt.last)
			}
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if !line.Done || line.Sent != 4 || line.Allowed != 10 || !line.Ledger.Balanced {
			t.Errorf("until %s: last line %+v", tt.until, line)
		}
	}
}

func TestAWatchDoesNotEndWhileAPartitionHasNoOwner(t *testing.T) {
	l := NewLedger(community.Broadcast{ID: 1, Epoch: 1, State: community.Sending, Total: 2}, Progress{Messages: message.Tally{message.Delivered: 2}})
	if l.Complete || l.over(false) || l.over(true) {
		t.Error("over, though a partition is unknown")
	}
	l.Complete = true
	if !l.over(false) {
		t.Error("not over")
	}
}

func TestTheMeterFollowsTheLastSeconds(t *testing.T) {
	var m meter
	at := time.Unix(0, 0)
	for i := range int64(20) {
		m.add(at, i*100)
		at = at.Add(500 * time.Millisecond)
	}
	if got := m.perSecond(); got != 200 {
		t.Errorf("steady: %v", got)
	}
	for range 10 {
		m.add(at, 1900)
		at = at.Add(500 * time.Millisecond)
	}
	if got := m.perSecond(); got != 0 || len(m.samples) > 10 {
		t.Errorf("after a stop: %v, %d samples", got, len(m.samples))
	}
}

func TestSecondsLeftNeedARateOrALimit(t *testing.T) {
	l := Ledger{Ledger: message.Ledger{Accepted: 100, PendingSend: 60, Submitted: 40}, Parts: Parts{Submitted: 80}}
	for _, tt := range []struct {
		rate  float64
		limit int
		want  float64
		ok    bool
	}{{20, 10, 6, true}, {0, 10, 12, true}, {0, 0, 0, false}} {
		if got, ok := secondsLeft(l, tt.rate, tt.limit); got != tt.want || ok != tt.ok {
			t.Errorf("rate %v, limit %d: %v, %v", tt.rate, tt.limit, got, ok)
		}
	}
}

func TestServeEndsStreamsWithItsContext(t *testing.T) {
	h := newHouse(t)
	h.join(make([]community.Profile, 1)...)
	ask[Broadcast](h, "POST", "/v1/broadcasts", newOne)
	listener := httptest.NewUnstartedServer(nil).Listener
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, listener, h.handler) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + listener.Addr().String() + "/v1/broadcasts/last/watch")
	if err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(resp.Body).Scan() {
		t.Error("no first line")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}
