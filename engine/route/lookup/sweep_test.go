package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fanline/engine/message"
)

// people is a store of members with ids from 1 on.
type people struct {
	mu     sync.Mutex
	n      message.MemberID
	known  map[message.MemberID]Result
	reads  int
	broken bool
}

func (p *people) Last(context.Context) (message.MemberID, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken {
		return 0, errors.New("no store")
	}
	return p.n, nil
}

func (p *people) Due(_ context.Context, after, to message.MemberID, limit int) (due []Member, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reads++
	for id := after + 1; id <= to && len(due) < limit; id++ {
		if r, ok := p.known[id]; !ok || !time.Now().Before(r.Until) {
			due = append(due, Member{id, 13120000000 + message.Phone(id)})
		}
	}
	return due, nil
}

func (p *people) Save(_ context.Context, all []Result) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range all {
		p.known[r.ID] = r
	}
	return nil
}

// sweeping runs a sweep over people and a made-up service in virtual time.
func sweeping(t *testing.T, p *people, service answers, test func(s *Sweep)) {
	synctest.Test(t, func(t *testing.T) {
		client, err := New(Config{URL: "http://h/{phone}", Field: "network", TTL: 24 * time.Hour, PerSecond: 100, Cached: 1, Transport: service})
		if err != nil {
			t.Fatal(err)
		}
		s := NewSweep(SweepConfig{Client: client, Source: p, Known: func(name string) (string, bool) {
			return strings.ToLower(name), name != "Strange"
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		test(s)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func (p *people) answered() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.known {
		if time.Now().Before(r.Until) {
			n++
		}
	}
	return n
}

func TestEveryMemberIsLookedUpAndAgainWhenTheAnswerIsTooOld(t *testing.T) {
	p := &people{n: 500, known: map[message.MemberID]Result{}}
	sweeping(t, p, func(r *http.Request) (*http.Response, error) {
		switch {
		case strings.HasSuffix(r.URL.Path, "7"):
			return saying(404, ""), nil
		case strings.HasSuffix(r.URL.Path, "8"):
			return saying(200, `{"network":"Strange"}`), nil
		}
		return saying(200, `{"network":"ATT"}`), nil
	}, func(s *Sweep) {
		time.Sleep(10 * time.Second)
		if got := p.answered(); got != 500 {
			t.Fatalf("%d of 500 after 10 s at 100 a second", got)
		}
		p.mu.Lock()
		if p.known[1].Name != "att" || p.known[7].Name != "" || p.known[8].Name != "" || s.Strange() != 50 {
			t.Errorf("%+v %+v %+v, %d strange", p.known[1], p.known[7], p.known[8], s.Strange())
		}
		reads := p.reads
		p.n = 510 // They join.
		p.mu.Unlock()
		time.Sleep(2 * time.Second)
		if got := p.answered(); got != 510 {
			t.Errorf("%d of 510 soon after they joined", got)
		}
		time.Sleep(time.Minute)
		p.mu.Lock()
		if p.reads-reads > 200 {
			t.Errorf("%d looks into the store in a minute", p.reads-reads)
		}
		p.mu.Unlock()
		time.Sleep(24 * time.Hour)
		if got := p.answered(); got < 500 {
			t.Errorf("a day later %d answers count", got)
		}
	})
}

func TestNobodyIsForgottenWhileTheServiceIsDown(t *testing.T) {
	p := &people{n: 300, known: map[message.MemberID]Result{}}
	var mu sync.Mutex
	down, asked := true, 0
	sweeping(t, p, func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		switch {
		case down:
			return nil, errors.New("connection refused")
		case asked%3 == 0:
			return saying(500, ""), nil
		}
		return saying(200, fmt.Sprintf(`{"network":"n%d"}`, asked%4)), nil
	}, func(*Sweep) {
		time.Sleep(10 * time.Minute)
		mu.Lock()
		if p.answered() != 0 || asked > 100 {
			t.Errorf("%d answers, asked %d times in 10 minutes", p.answered(), asked)
		}
		down = false
		mu.Unlock()
		time.Sleep(10 * time.Minute)
		if got := p.answered(); got != 300 {
			t.Errorf("%d of 300 after it came back, though a third of its answers fail", got)
		}
	})
}

func TestAStoreThatDoesNotAnswerIsAskedAgainLater(t *testing.T) {
	p := &people{n: 5, broken: true, known: map[message.MemberID]Result{}}
	sweeping(t, p, func(*http.Request) (*http.Response, error) { return saying(200, `{"network":"att"}`), nil }, func(*Sweep) {
		time.Sleep(time.Minute)
		p.mu.Lock()
		p.broken = false
		p.mu.Unlock()
		time.Sleep(time.Minute)
		if got := p.answered(); got != 5 {
			t.Error(got)
		}
	})
}

func FuzzField(f *testing.F) {
	f.Add(`{"data":[{"network":"att"}]}`, "data.0.network")
	f.Add(`[[[1]]]`, "0.0.0")
	f.Add(`{"":{"":3}}`, ".")
	f.Fuzz(func(t *testing.T, raw, path string) {
		name, err := field([]byte(raw), strings.Split(path, "."))
		if err == nil && len(name) > maxName {
			t.Errorf("%q", name)
		}
	})
}
