package smsc

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// trafficTable is the traffic that is being made up.
type trafficTable struct {
	mu      sync.Mutex
	of      *plan // whose streams these are
	running []*runningStream
	before  map[string]progress // from the log of earlier runs

	echoes  echoTable
	dropped atomic.Int64 // replies that had no room
}

// progress is how far a stream came: after a restart it goes on there.
type progress struct{ sent, seed uint64 }

type runningStream struct {
	*stream
	progress
	order   permutation
	begun   bool
	on      bool
	base    int64 // ns since the start of the simulator: the beginning of the curve
	pausedA int64 // ns at which it was switched off
}

const (
	// trafficTick is how often texts are made up where many are due; they are logged and owed together.
	trafficTick = 10 * time.Millisecond
	// trafficWait is how often a stream looks whether its number's account has bound.
	trafficWait = 100 * time.Millisecond
	// trafficBatch bounds the texts of one round.
	trafficBatch = 2048
	// trafficOwed texts on their way stop the phones: they text once the client has taken some.
	trafficOwed = 100_000
)

// runTraffic makes up texts until ctx ends.
func (s *server) runTraffic(ctx context.Context) {
	for {
		wait := s.makeTraffic()
		select {
		case <-ctx.Done():
			return
		case <-s.replanned:
		case <-time.After(wait):
		}
	}
}

// adopt takes over the streams of the plan in force; those of the same name and text go on where they are.
func (t *trafficTable) adopt(p *plan) {
	if t.of == p {
		return
	}
	t.of = p
	had := map[string]*runningStream{}
	for _, r := range t.running {
		had[r.name] = r
	}
	t.running = nil
	for _, st := range p.traffic {
		r := &runningStream{stream: st, progress: progress{seed: p.seed}, on: !st.off}
		if old := had[st.name]; old != nil {
			r.progress, r.begun, r.base = old.progress, old.begun, old.base
		} else if old, ok := t.before[st.name]; ok {
			r.progress = old
		}
		chance := rng{mix64(r.seed ^ hashOf(st.name))}
		r.order = newPermutation(st.phones.count, &chance)
		t.running = append(t.running, r)
	}
}

// makeTraffic makes up what is due and says when to come again.
func (s *server) makeTraffic() time.Duration {
	t := &s.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	t.adopt(s.plan())
	now := s.now().ns
	wait := time.Hour
	var batch []*inbound
	var moved []*runningStream
	for _, r := range t.running {
		if !r.on || r.total > 0 && r.sent >= r.total {
			continue
		}
		if !r.begun && !s.begin(r, now) {
			wait = min(wait, trafficWait)
			continue
		}
		before := r.sent
		var next time.Duration
		batch, next = s.advance(r, now, batch)
		wait = min(wait, next)
		if r.sent > before {
			moved = append(moved, r)
		}
	}
	if len(moved) > 0 {
		_ = s.takeIn(batch, func(b *block) { // What goes wrong ends the simulator.
			for _, r := range moved {
				b.event(CommandTraffic, false, 0, 0, "", fmt.Sprintf("%d sent, seed %d: %s", r.sent, r.seed, r.name))
			}
		})
	}
	return wait
}

// begin starts the clock of a stream once somebody receives for its number.
func (s *server) begin(r *runningStream, now int64) bool {
	n := s.findNumber(r.numbers[0])
	if n == nil || !n.account.receives() {
		return false
	}
	r.begun = true
	r.base = now + int64(r.spec.After)
	if r.sent > 0 { // after a restart: as if no time had passed
		r.base = now - int64(r.dueAt(r.sent))
	}
	return true
}

// receives says whether a connection of the account is sent deliver_sm.
func (a *account) receives() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.receivers) > 0
}

// dueAt is when the i-th text is sent, after the beginning: somewhere in its stretch of the curve.
func (r *runningStream) dueAt(i uint64) time.Duration {
	chance := rng{mix64(r.seed + i)}
	return r.curve.when(float64(i) + chance.fraction())
}

// advance makes up the texts of a stream that are due, and says in how long the next one is.
func (s *server) advance(r *runningStream, now int64, batch []*inbound) ([]*inbound, time.Duration) {
	room := min(trafficBatch, trafficOwed-s.texts.owed()) - len(batch)
	for ; r.total == 0 || r.sent < r.total; r.sent++ {
		in := r.base + int64(r.dueAt(r.sent)) - now
		if in > 0 {
			return batch, min(max(time.Duration(in), trafficTick), time.Second)
		}
		if room <= 0 {
			return batch, trafficTick
		}
		made := s.makeText(r)
		batch = append(batch, made...)
		room -= len(made)
	}
	return batch, time.Hour
}

// makeText makes up the next text of a stream, twice where it comes twice; none when its number is nobody's.
func (s *server) makeText(r *runningStream) []*inbound {
	phone, number, t, chance := r.textAt(r.seed, r.sent, r.order)
	n := s.findNumber(number)
	if n == nil {
		return nil
	}
	x, err := s.newInbound(n, phone, t.write(&chance, r.sent, phone), t.octets, &t.manner)
	if err != nil { // It was tried when the scenario was read.
		s.logger.Error("simulator can't make up a text", "traffic", r.name, "error", err)
		return nil
	}
	if twin := s.arrange(x, &t.manner, &chance, 0); twin != nil {
		return []*inbound{x, twin}
	}
	return []*inbound{x}
}

// parseProgress reads what makeTraffic noted.
func parseProgress(note string) (name string, p progress, ok bool) {
	var sent, seed uint64
	n, err := fmt.Sscanf(note, "%d sent, seed %d: %s", &sent, &seed, &name)
	if err != nil || n != 3 {
		return "", progress{}, false
	}
	return name, progress{sent, seed}, true
}

// TrafficState is a stream as GET /traffic lists it.
type TrafficState struct {
	Name  string `json:"name"`
	On    bool   `json:"on"`
	Begun bool   `json:"begun"` // somebody receives for its number
	Sent  uint64 `json:"sent"`
	Total uint64 `json:"total,omitempty"`
	Late  bool   `json:"late,omitempty"` // the client takes texts more slowly than phones send them
}

// TrafficSwitch is the body of POST /traffic.
type TrafficSwitch struct {
	Name string `json:"name"`
	On   bool   `json:"on"`
}

func (s *server) serveTraffic(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"traffic": s.listTraffic()})
}

func (s *server) listTraffic() []TrafficState {
	t := &s.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	t.adopt(s.plan())
	now := s.now().ns
	out := []TrafficState{}
	for _, r := range t.running {
		late := r.on && r.begun && (r.total == 0 || r.sent < r.total) && now-r.base-int64(r.dueAt(r.sent)) > int64(time.Second)
		out = append(out, TrafficState{r.name, r.on, r.begun, r.sent, r.total, late})
	}
	return out
}

func (s *server) switchTraffic(w http.ResponseWriter, r *http.Request) {
	var q TrafficSwitch
	if !readJSON(w, r, &q) {
		return
	}
	if !s.turnTraffic(q) {
		httpError(w, http.StatusNotFound, fmt.Errorf("no traffic %q in the scenario", q.Name))
		return
	}
	wakeUp(s.replanned)
	writeJSON(w, map[string]any{"traffic": s.listTraffic()})
}

// turnTraffic switches a stream: while it is off its clock stands still.
func (s *server) turnTraffic(q TrafficSwitch) bool {
	t := &s.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	t.adopt(s.plan())
	now := s.now().ns
	for _, r := range t.running {
		if r.name != q.Name {
			continue
		}
		if q.On && !r.on && r.begun {
			r.base += now - r.pausedA
		}
		if !q.On {
			r.pausedA = now
		}
		r.on = q.On
		return true
	}
	return false
}
