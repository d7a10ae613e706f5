package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// staff operates one carrier, as told.
type staff struct{}

func (staff) Carriers() []Carrier { return []Carrier{{Name: "acme", Binds: 2, Bound: 1}} }

func (staff) Change(ctx context.Context, carrier, verb string) (CarrierChange, error) {
	if carrier != "acme" {
		return CarrierChange{}, &Error{Status: http.StatusNotFound, Problem: "no carrier"}
	}
	until, _ := ctx.Deadline()
	return CarrierChange{Carrier: carrier, Verb: verb, Done: true, MS: time.Until(until).Seconds()}, nil
}

func someFrames() []TraceFrame {
	return []TraceFrame{
		{Began: true},
		{
			At: time.Date(2026, 11, 22, 8, 0, 0, 1000, time.UTC), Carrier: "acme", Bind: 2, Out: true,
			Local: netip.MustParseAddrPort("127.0.0.1:4000"), Remote: netip.MustParseAddrPort("127.0.0.1:2775"), PDU: Octets{0, 0, 0, 16, 0xAB},
		},
		{Dropped: 3, Carrier: "acme", PDU: Octets{1}},
	}
}

func (staff) Trace(ctx context.Context, q TraceRequest, some func([]TraceFrame) error) error {
	if q.Carrier == "nobody" {
		return &Error{Status: http.StatusNotFound, Problem: "no carrier"}
	}
	if q.Number == "broken" {
		return errors.New("no tap")
	}
	if err := some(someFrames()); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func TestACarrierIsOperated(t *testing.T) {
	h := newHouse(t)
	for _, verb := range []string{"enable", "drain", "disable", "rebind"} {
		c := ask[CarrierChange](h, "POST", "/v1/carriers/acme/"+verb, "")
		if c.Verb != verb || !c.Done || c.MS < 50 || c.MS > 60 {
			t.Errorf("%s: %+v", verb, c)
		}
	}
	if c := ask[CarrierChange](h, "POST", "/v1/carriers/acme/drain?wait=5m", ""); c.MS < 290 {
		t.Errorf("it waits %v s", c.MS)
	}
	for path, want := range map[string]int{
		"/v1/carriers/nobody/drain": 404, "/v1/carriers/acme/drain?wait=soon": 400, "/v1/carriers/acme/drain?wait=-1s": 400,
		"/v1/carriers/acme/drain?wait=1h": 400,
	} {
		if w := h.do("POST", path, ""); w.Code != want {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestATraceStreamsUntilTheClientLeaves(t *testing.T) {
	h := newHouse(t)
	ctx, leave := context.WithCancel(t.Context())
	server := httptest.NewServer(h.handler)
	defer server.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1/carriers/trace?number=13125550100", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	for _, want := range someFrames() {
		if !lines.Scan() {
			t.Fatal(lines.Err())
		}
		var got TraceFrame
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
			t.Error(diff)
		}
	}
	leave()
}

func TestATraceThatCannotBeginIsToldAsAnError(t *testing.T) {
	h := newHouse(t)
	for path, want := range map[string]struct {
		code    int
		problem string
	}{
		"/v1/carriers/trace":                         {400, "which number"},
		"/v1/carriers/trace?number=1&carrier=nobody": {404, "no carrier"},
		"/v1/carriers/trace?number=broken":           {500, "no tap"},
	} {
		if w := h.do("GET", path, ""); w.Code != want.code || !strings.Contains(w.Body.String(), want.problem) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestTheListSaysWhatKeepsACarrierFromGoingFaster(t *testing.T) {
	good := Carrier{
		Admin: "enabled", Bound: 2, Sending: 2, Breaker: "closed", LimitPerSecond: 1000, MostPerSecond: 500, WindowUsed: 20, Rate: 100,
	}
	for _, test := range []struct {
		name   string
		change func(*Carrier)
		want   string
	}{
		{"nothing to send", func(*Carrier) {}, LimitedByMessages},
		{"the numbers' limits", func(c *Carrier) { c.Waiting = 5 }, LimitedByNumbers},
		{"binds × window ÷ response time", func(c *Carrier) { c.Rate, c.Waiting = 480, 5 }, LimitedByWindow},
		{"every slot in use", func(c *Carrier) { c.InFlight, c.Waiting = 20, 5 }, LimitedByWindow},
		{"a small window, half full", func(c *Carrier) {
			c.Window, c.WindowUsed, c.InFlight, c.Rate, c.MostPerSecond, c.Waiting = 1000, 13, 8, 1, 4, 5
		}, LimitedByAnswers},
		{"a small window, full at times", func(c *Carrier) {
			c.Window, c.WindowUsed, c.InFlight, c.Rate, c.MostPerSecond, c.Waiting = 1000, 13, 0, 3, 4, 5
		}, LimitedByAnswers},
		{"a small window, hardly used", func(c *Carrier) { c.Window, c.WindowUsed, c.InFlight, c.Rate, c.Waiting = 1000, 13, 2, 50, 5 }, LimitedByNumbers},
		{"a small window, and nothing waits", func(c *Carrier) { c.Window, c.WindowUsed, c.InFlight, c.Rate = 1000, 13, 8, 1 }, LimitedByMessages},
		{"a window as agreed, half full", func(c *Carrier) { c.Window, c.InFlight, c.Waiting = 20, 12, 5 }, LimitedByNumbers},
		{"a small window, and throttling", func(c *Carrier) {
			c.Window, c.WindowUsed, c.InFlight, c.Rate, c.PacePerSecond, c.Waiting = 1000, 13, 8, 290, 300, 5
		}, LimitedByPace},
		{"the agreed limit", func(c *Carrier) { c.Rate, c.MostPerSecond, c.Waiting = 990, 5000, 5 }, LimitedByLimit},
		{"throttling", func(c *Carrier) { c.Rate, c.PacePerSecond, c.Waiting = 290, 300, 5 }, LimitedByPace},
		{"no bind", func(c *Carrier) { c.Sending, c.Waiting = 0, 5 }, LimitedByState},
		{"disabled", func(c *Carrier) { c.Admin, c.Waiting = "disabled", 5 }, LimitedByState},
		{"the breaker", func(c *Carrier) { c.Breaker, c.Waiting = "open", 5 }, LimitedByState},
	} {
		c := good
		test.change(&c)
		if got := c.Limiter(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
