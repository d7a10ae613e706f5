package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"fanline/api"
	"fanline/engine/carrier"
	"fanline/smpp/smsc"
)

func TestWhatAnOperatorWantsSurvivesARestart(t *testing.T) {
	s := simulate(t, smsc.Account{}, "")
	dir := shortTempDir(t)
	r := newCarrierRig(t, dir, s.plain, "binds: 2,")
	r.bound(2)
	if code, c := r.change("disable"); code != exitDone || !c.Done || c.Bound != 0 || c.Admin != "disabled" {
		t.Fatalf("exit %d, %+v", code, c)
	}
	r.stop()
	r = newCarrierRig(t, dir, s.plain, "binds: 2,")
	if list := r.n.carriers.Carriers(); list[0].Admin != "disabled" || list[0].Bound != 0 || list[0].LimitedBy != api.LimitedByState {
		t.Errorf("after the restart: %+v", list[0])
	}
	if code, _, complaints := r.says("carrier", "rebind", "acme"); code != exitFailed || !strings.Contains(complaints, "enable it first") {
		t.Errorf("exit %d, %s", code, complaints)
	}
	if code, c := r.change("enable"); code != exitDone || c.Bound != 2 || c.Admin != "enabled" {
		t.Errorf("exit %d, %+v", code, c)
	}
	raw, err := os.ReadFile(filepath.Join(dir, adminFile))
	if err != nil || string(raw) != "{\"carriers\":{}}\n" {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestAWishIsWrittenDownBeforeItTakesEffect(t *testing.T) {
	d, err := openDataDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	s, err := loadAdminState(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.set("acme", carrier.Disabled); err != nil {
		t.Fatal(err)
	}
	if err := s.set("gone", carrier.Draining); err != nil {
		t.Fatal(err)
	}
	again, err := loadAdminState(d)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]carrier.Admin{"acme": carrier.Disabled} // Of the carriers that there are.
	if diff := cmp.Diff(want, again.of([]carrier.Account{{Name: "acme"}, {Name: "other"}})); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(d.file(adminFile), []byte(`{"carriers":{"acme":"asleep"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadAdminState(d); err == nil || !strings.Contains(err.Error(), "asleep") {
		t.Errorf("a word that nobody knows: %v", err)
	}
	s.path = filepath.Join(t.TempDir(), "nowhere", adminFile)
	if err := s.set("acme", carrier.Enabled); err == nil || s.Carriers["acme"] != carrier.Disabled {
		t.Errorf("what could not be written took effect: %v, %v", err, s.Carriers)
	}
}

func TestDisableTellsWhatBecameOfWhatWasUnderWay(t *testing.T) {
	s := simulate(t, smsc.Account{}, "unanswered: 1")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "response_timeout: 10s,")
	r.bound(1)
	r.submit("13125550199", "hello", 5)
	code, c := r.change("disable")
	if code != exitDone || c.InFlight != 5 || c.Uncertain+c.TakenBack != 5 || c.Uncertain == 0 || c.Answered != 0 || c.Bound != 0 {
		t.Errorf("exit %d, %+v", code, c)
	}
	if told := toldChange(c); !strings.Contains(told, "left uncertain: they went out") {
		t.Error(told)
	}
}

func TestDrainWaitsForAnswersAndKeepsTheBinds(t *testing.T) {
	s := simulate(t, smsc.Account{}, "latency: {min: 100ms, max: 100ms}")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "")
	r.bound(1)
	r.submit("13125550199", "hello", 5)
	code, c := r.change("drain")
	if code != exitDone || c.InFlight != 5 || c.Answered+c.TakenBack != 5 || c.Uncertain != 0 || c.Bound != 1 || c.Admin != "draining" {
		t.Errorf("exit %d, %+v", code, c)
	}
	if code, _, _ := r.says("carrier", "enable", "acme"); code != exitDone {
		t.Errorf("enable: exit %d", code)
	}
	r.submit("13125550199", "hello again", 1)
}

func TestRebindBindsEachAnew(t *testing.T) {
	s := simulate(t, smsc.Account{}, "")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "binds: 3,")
	r.bound(3)
	if code, c := r.change("rebind"); code != exitDone || c.Bound != 3 {
		t.Errorf("exit %d, %+v", code, c)
	}
	state, _ := r.n.carriers.state("acme")
	for _, b := range state.Binds {
		if b.Bound != 2 {
			t.Errorf("bind %d was up %d times", b.Bind, b.Bound)
		}
	}
}

func TestEnableSaysWhyTheCarrierDoesNotComeUp(t *testing.T) {
	s := simulate(t, smsc.Account{SystemID: "somebody"}, "")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "")
	code, c := r.change("enable", "--wait", "20s")
	if code != exitFailed || c.Done || !strings.Contains(c.Problem, "ESME_RINVSYSID") {
		t.Errorf("exit %d, %+v", code, c)
	}
	r.until("an alarm", func() bool { return len(r.n.carriers.Carriers()[0].Alarms) > 0 })
	_, out, _ := r.says("carrier", "list")
	if !strings.Contains(out, "ALARM since") || !strings.Contains(out, "ESME_RINVSYSID") || !strings.Contains(out, "no bind that may submit is up") {
		t.Error(out)
	}
}

func TestNamesThatDoNotExistAreTold(t *testing.T) {
	s := simulate(t, smsc.Account{}, "")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "")
	for args, want := range map[string]string{
		"carrier drain nobody":            `no carrier "nobody"; there is acme`,
		"carrier drain":                   "NAME is missing",
		"carrier trace nobody --number 1": `no carrier "nobody"; there is acme`,
		"carrier trace":                   "--number is missing",
		"carrier drain acme --wait 0s":    "want a duration",
	} {
		if code, _, complaints := r.says(strings.Fields(args)...); code != exitUsage || !strings.Contains(complaints, want) {
			t.Errorf("%s: exit %d, %s", args, code, complaints)
		}
	}
}

// listed is a carrier of which there is something to tell in every column.
func listed(now time.Time) []api.Carrier {
	return []api.Carrier{
		{
			Name: "acme", Admin: "enabled", Binds: 2, Bound: 1, Sending: 1, InFlight: 9, Window: 20, WindowUsed: 10, AnswerMS: 20, LimitPerSecond: 1000,
			PacePerSecond: 800, Rate: 480, ThrottledShare: 0.0123, Waiting: 12345, MostPerSecond: 500, LimitedBy: api.LimitedByWindow, Breaker: "closed", Congestion: 85,
			Receipts: &api.CarrierReceipts{Matched: 9990, Unmatched: 10, MatchRate: 0.999, IDForm: "hex_to_decimal", Detected: true},
			Slowed:   []api.CarrierPace{{Number: 17735550100, PerSecond: 800, Waiting: 12000}},
			Alarms:   []api.CarrierAlarm{{Reason: "refuses number +177******00\x1b", Since: now.Add(-3 * time.Hour)}},
			Sessions: []api.CarrierSession{
				{Bind: 1, Kind: "transceiver", Host: "smsc1:2775", Peer: "ACME", Version: "3.4", Said: true, Up: true, Since: now.Add(-50 * time.Hour), Window: 20, WindowUsed: 10, InFlight: 9, AnswerMS: 20},
				{Bind: 2, Kind: "transceiver", Host: "smsc2:2775", Since: now.Add(-90 * time.Second), Retry: now.Add(12 * time.Second), LastError: "connection refused"},
			},
		},
		{Name: "spare", Admin: "disabled", Binds: 1, Breaker: "closed", Congestion: -1, LimitedBy: api.LimitedByState, Sessions: []api.CarrierSession{{Bind: 1, Kind: "transceiver", LastError: "disabled"}}},
	}
}

func TestTheListIsReadable(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.Local)
	var out strings.Builder
	if err := printCarriers(&out, listed(now), false, now); err != nil {
		t.Fatal(err)
	}
	want := `CARRIER  STATE     BINDS  WINDOW  ANSWERS  RATE/S  LIMIT/S            THROTTLED  WAITING  RECEIPTS  IDS                     CONGESTION  BREAKER
acme     enabled   1/2    9/10    20.0 ms  480     1,000 (takes 800)  1.2 %      12,345   99.90 %   hex_to_decimal (found)  85          closed
spare    disabled  0/1    0/0     -        0       none               0.0 %      0        -         -                       -           closed

acme: its windows are full: by binds × window ÷ response time, they would carry 500/s (window 10 ÷ 20.0 ms); more binds, a larger window or a nearer host make it faster
  ALARM since 2026-11-22 05:00:00 (3 h 0 min ago): refuses number +177******00` + "\uFFFD" + `
  number +17735550100: the carrier throttles it, and takes 800/s; 12,000 messages wait
  bind 2 transceiver smsc2:2775: down for 1 min: connection refused; tries again in 12s
  bound to 1 × smsc1:2775 ("ACME", SMPP 3.4)

spare: sends nothing: it is disabled
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	out.Reset()
	if err := printCarriers(&out, listed(now)[:1], true, now); err != nil {
		t.Fatal(err)
	}
	if want := `bind 1 transceiver smsc1:2775: up for 2 days, "ACME", SMPP 3.4, window 9/10 of 20, answers in 20.0 ms`; !strings.Contains(out.String(), want) {
		t.Error(out.String())
	}
}

func TestTheListAnswersHowToGetMore(t *testing.T) {
	c := api.Carrier{Name: "acme", Admin: "enabled", Sending: 1, Breaker: "closed", LimitPerSecond: 100, PacePerSecond: 50, MostPerSecond: 5000, WindowUsed: 100, AnswerMS: 20, Waiting: 7}
	for limit, want := range map[string]string{
		api.LimitedByPace: "it throttles above 50/s", api.LimitedByLimit: "at the limit agreed, 100/s", api.LimitedByWindow: "a larger window",
		api.LimitedByNumbers: "the limits of their numbers", api.LimitedByMessages: "nothing waits", api.LimitedByState: "no bind that may submit",
	} {
		c.LimitedBy = limit
		if got := whyNotFaster(&c); !strings.Contains(got, want) {
			t.Errorf("%s: %q", limit, got)
		}
	}
	c.Breaker, c.LimitedBy = "open", api.LimitedByState
	if got := whyNotFaster(&c); !strings.Contains(got, "breaker") {
		t.Error(got)
	}
}

// TestTheListTellsAVersionThatNobodySaid has an SMSC whose bind response has no sc_interface_version.
func TestTheListTellsAVersionThatNobodySaid(t *testing.T) {
	r := newCarrierRig(t, shortTempDir(t), (&fakeSMSC{}).start(t), "")
	r.bound(1)
	for _, test := range []struct{ flag, want string }{{"--binds", `"fake", SMPP 3.3 (not said), window`}, {"--binds=false", `("fake", SMPP 3.3 (not said))`}} {
		if _, out, complaints := r.says("carrier", "list", test.flag); !strings.Contains(out, test.want) {
			t.Errorf("%s: %s%s", test.flag, out, complaints)
		}
	}
}

// TestTheListNamesTheCarrierThatAnswersSlowly has what a carrier that takes 3 s to answer looks like: a window that was made
// smaller, and is not full at every look.
func TestTheListNamesTheCarrierThatAnswersSlowly(t *testing.T) {
	slow := api.Carrier{
		Name: "acme", Admin: "enabled", Sending: 1, Breaker: "closed", LimitPerSecond: 100, Window: 1000, WindowUsed: 13, InFlight: 8,
		AnswerMS: 3000, MostPerSecond: 4.3, Rate: 3, Waiting: 1234,
	}
	for _, test := range []struct {
		name   string
		change func(*api.Carrier)
		want   string
		not    string
	}{
		{"slow answers", func(*api.Carrier) {}, "the carrier answers after 3.0 s: windows were made smaller (13 of 1,000)", "number"},
		{"rather slow", func(c *api.Carrier) { c.AnswerMS = 400 }, "the carrier answers after 400 ms: windows were made smaller", "number"},
		{"no answers", func(c *api.Carrier) { c.AnswerMS, c.MostPerSecond, c.InFlight = 0, 0, 13 }, "the carrier left submits unanswered: windows were made smaller", "number"},
		{"quick again", func(c *api.Carrier) { c.AnswerMS, c.MostPerSecond, c.InFlight = 20, 650, 12 }, "a while ago: windows were made smaller", "number"},
		{"the numbers' limits", func(c *api.Carrier) { c.InFlight, c.Rate = 1, 0.3 }, "for the limits of their numbers, or this machine is busy; the carrier answers after 3.0 s: windows were made smaller (13 of 1,000), and even those are not full", ""},
		{"throttled numbers", func(c *api.Carrier) {
			c.Window, c.InFlight, c.Rate, c.Slowed = 13, 1, 0.3, []api.CarrierPace{{Number: 17735550100, PerSecond: 5, Waiting: 1200}}
		}, "1,234 messages wait, 1,200 of them for numbers that the carrier throttles (below); as for", "not for this carrier"},
	} {
		c := slow
		test.change(&c)
		c.LimitedBy = c.Limiter()
		if got := whyNotFaster(&c); !strings.Contains(got, test.want) || test.not != "" && strings.Contains(got, test.not) {
			t.Errorf("%s (%s): %q", test.name, c.LimitedBy, got)
		}
	}
}

func TestTheListShowsTheBindsAsTheyAre(t *testing.T) {
	s := simulate(t, smsc.Account{}, "")
	r := newCarrierRig(t, shortTempDir(t), s.plain, "binds: 2,")
	r.bound(2)
	var all struct{ Carriers []api.Carrier }
	r.until("the engine's view", func() bool {
		_, out, _ := r.says("carrier", "list", "--json")
		return json.Unmarshal([]byte(out), &all) == nil && all.Carriers[0].Breaker != ""
	})
	c := all.Carriers[0]
	if c.Bound != 2 || c.Binds != 2 || c.Admin != "enabled" || c.Breaker != "closed" || c.Congestion != -1 || c.LimitPerSecond != 100 || len(c.Alarms) != 0 {
		t.Errorf("%+v", c)
	}
	for _, b := range c.Sessions {
		if !b.Up || b.Peer != "fanline-smsc" || b.Version != "3.4" || !b.Said || b.Host != s.plain || b.Window != 1000 {
			t.Errorf("%+v", b)
		}
	}
}

func TestRatesAreThoseOfTheLastSeconds(t *testing.T) {
	var s sights
	begun := time.Now()
	var last sight
	for i := range 20 {
		last = s.add("acme", sight{at: begun.Add(time.Duration(i) * time.Second), submits: uint64(100 * i), answered: int64(90 * i), throttled: int64(10 * i)})
	}
	if last.rate != 100 || last.throttledShareOfRecent != 0.1 || len(s.all["acme"]) != sightSamples {
		t.Errorf("%+v of %d samples", last, len(s.all["acme"]))
	}
	if now := s.now("acme", sight{at: begun.Add(24 * time.Second), submits: 1900}); now.rate != 50 {
		t.Errorf("half of the time nothing went: %v/s", now.rate)
	}
	if now := s.now("other", sight{at: begun, submits: 5}); now.rate != 0 {
		t.Errorf("one look is no rate: %v/s", now.rate)
	}
}

func TestMetricsHaveWhatTheListShows(t *testing.T) {
	registry := prometheus.NewRegistry()
	m := newCarrierMetrics()
	registry.MustRegister(collectorOf(func(out chan<- prometheus.Metric) { m.collect(listed(time.Now()), out) }))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, x := range f.GetMetric() {
			name := f.GetName()
			for _, l := range x.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = x.GetGauge().GetValue()
		}
	}
	for name, want := range map[string]float64{
		"fanline_carrier_binds acme": 1, "fanline_carrier_binds_wanted acme": 2, "fanline_carrier_alarms acme": 1, "fanline_carrier_admin acme enabled": 1,
		"fanline_carrier_admin spare enabled": 0, "fanline_carrier_admin spare disabled": 1, "fanline_carrier_window_used acme": 10, "fanline_carrier_pace acme": 800,
		"fanline_carrier_answer_seconds acme": 0.02, "fanline_carrier_throttled_ratio acme": 0.0123, "fanline_carrier_congestion_state acme": 85,
		"fanline_carrier_waiting acme": 12345, "fanline_carrier_breaker_open acme": 0, "fanline_carrier_in_flight acme": 9, "fanline_carrier_limit acme": 1000,
	} {
		if v, there := got[name]; !there || v != want {
			t.Errorf("%s: %v, want %v", name, v, want)
		}
	}
}

// collectorOf is a collector made of one function.
type collectorOf func(chan<- prometheus.Metric)

func (c collectorOf) Describe(out chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, out) }
func (c collectorOf) Collect(out chan<- prometheus.Metric) { c(out) }
