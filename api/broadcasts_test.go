package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/community"
	"fanline/engine/message"
)

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
