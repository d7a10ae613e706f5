package main

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"fanline/api"
	"fanline/engine"
	"fanline/engine/carrier"
	"fanline/smpp"
)

// How rates are taken: over the last so many samples.
const (
	sightEvery   = time.Second
	sightSamples = 6
)

// sights are what the carriers' counts were over the last seconds.
type sights struct {
	mu  sync.Mutex
	all map[string][]sight // by carrier, the oldest first
}

// sight is one look at the counts of a carrier.
type sight struct {
	at                           time.Time
	submits                      uint64
	answered, throttled          int64
	rate, throttledShareOfRecent float64 // from the first sample to this one
}

// add takes a look in and returns what the last seconds came to.
func (s *sights) add(name string, now sight) sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[string][]sight{}
	}
	list := append(s.all[name], now)
	list = list[max(0, len(list)-sightSamples):]
	s.all[name] = list
	return between(list[0], now)
}

// now is add without keeping the look.
func (s *sights) now(name string, now sight) sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list := s.all[name]; len(list) > 0 {
		return between(list[0], now)
	}
	return now
}

func between(first, last sight) sight {
	if span := last.at.Sub(first.at).Seconds(); span > 0 {
		last.rate = max(0, float64(last.submits)-float64(first.submits)) / span
	}
	throttled, answered := last.throttled-first.throttled, last.answered-first.answered
	if all := throttled + answered; all > 0 && throttled > 0 {
		last.throttledShareOfRecent = float64(throttled) / float64(all)
	}
	return last
}

// watch looks at the carriers every second until ctx ends.
func (c *carrierNode) watch(ctx context.Context) {
	tick := time.NewTicker(sightEvery)
	defer tick.Stop()
	for {
		engines := c.engineStates()
		for _, s := range c.pool.State() {
			c.sights.add(s.Name, sightOf(s, engines[s.Name]))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func sightOf(s carrier.CarrierState, e engine.CarrierState) sight {
	now := sight{at: time.Now(), submits: sumOf(s).submits}
	for _, l := range e.Lanes {
		now.answered += l.Accepted
		now.throttled += l.Throttled
	}
	return now
}

func (c *carrierNode) engineStates() map[string]engine.CarrierState {
	states := map[string]engine.CarrierState{}
	for _, s := range c.n.engine.CarrierStates() {
		states[s.Name] = s
	}
	return states
}

// Carriers is part of api.CarrierControl.
func (c *carrierNode) Carriers() []api.Carrier {
	engines := c.engineStates()
	breakers := c.n.engine.Breakers() // Before the engine has told of its carriers for the first time.
	alarms := c.n.engine.Alarms()
	receipts := map[string]*api.CarrierReceipts{}
	for _, r := range c.n.engine.Receipts() {
		receipts[r.Carrier] = &api.CarrierReceipts{
			Matched: r.Matched + r.Joined + r.Settled, Parked: r.Parked, Unmatched: r.Unmatched,
			MatchRate: r.MatchRate(), IDForm: r.Form.String(), Detected: r.Detected,
		}
	}
	states := c.pool.State()
	out := make([]api.Carrier, 0, len(states))
	for i, s := range states {
		config := &c.n.running().Carriers[i]
		e := engines[s.Name]
		one := api.Carrier{
			Name: s.Name, Profile: config.Profile, Admin: string(s.Admin), AdminSince: s.Since, Bind: config.Bind,
			Binds: len(s.Binds), Bound: s.Up, Sending: s.Sending, LimitPerSecond: config.LimitPerSecond,
			Breaker: cmp.Or(e.Breaker, breakers[s.Name]), Healthy: e.Healthy, Congestion: congestionOf(e), Receipts: receipts[s.Name], Alarms: alarmsOf(s, alarms),
			Slowed: []api.CarrierPace{},
		}
		if e.Limit > 0 {
			one.LimitPerSecond = e.Limit
		}
		sessionsOf(&one, s, e)
		for _, l := range e.Lanes {
			one.Waiting += l.Waiting
			if l.Pace > 0 {
				one.PacePerSecond += l.Pace
				one.Slowed = append(one.Slowed, api.CarrierPace{Number: l.Number, PerSecond: l.Pace, Waiting: l.Waiting})
			}
		}
		if len(one.Slowed) < len(e.Lanes) {
			one.PacePerSecond = 0 // The others go as fast as was agreed.
		}
		recent := c.sights.now(s.Name, sightOf(s, e))
		one.Rate, one.ThrottledShare = recent.rate, recent.throttledShareOfRecent
		one.LimitedBy = one.Limiter()
		out = append(out, one)
	}
	return out
}

func congestionOf(e engine.CarrierState) int {
	if e.Name == "" {
		return -1 // The engine has not told yet.
	}
	return int(e.Congestion)
}

// sessionsOf fills in the binds and what they sum up to: windows of what is up,
// and the mean response time, which says what can be reached.
func sessionsOf(out *api.Carrier, s carrier.CarrierState, e engine.CarrierState) {
	windows := map[uint32]engine.BindWindow{}
	for _, b := range e.Binds {
		windows[b.Bind] = b
	}
	answering := 0
	for _, b := range s.Binds {
		w := windows[b.Bind]
		one := api.CarrierSession{
			Bind: b.Bind, Kind: b.Kind, Host: b.Host, Peer: b.Peer, Up: b.Up, Since: b.Since, Retry: b.Retry, Bound: b.Bound,
			Window: b.Window, WindowUsed: w.Size, InFlight: b.Inflight, AnswerMS: milliseconds(w.Answers), LastError: b.LastError,
		}
		if b.Up {
			one.Version, one.Said = versionText(b.Version), b.VersionSaid
			out.InFlight += b.Inflight
			out.Window += w.Window
			out.WindowUsed += w.Size
			if w.Answers > 0 {
				out.AnswerMS += one.AnswerMS
				out.MostPerSecond += float64(w.Size) / w.Answers.Seconds()
				answering++
			}
		}
		out.Sessions = append(out.Sessions, one)
	}
	if answering > 0 {
		out.AnswerMS /= float64(answering)
	}
}

// alarmsOf are the carrier's own and those of its numbers.
func alarmsOf(s carrier.CarrierState, all []engine.Alarm) []api.CarrierAlarm {
	alarms := []api.CarrierAlarm{}
	if s.Alarm != "" {
		alarms = append(alarms, api.CarrierAlarm{Reason: s.Alarm, Since: s.AlarmSince})
	}
	for _, a := range all {
		if a.Carrier == s.Name {
			alarms = append(alarms, api.CarrierAlarm{
				Reason: fmt.Sprintf("refuses number %v with %v (%d times; %d messages wait)", a.Number, smpp.Status(a.Status), a.Refused, a.Waiting), Since: a.Since,
			})
		}
	}
	return alarms
}
