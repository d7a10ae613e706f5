package throttle

import (
	"testing"
	"time"
)

// smsc is a carrier that takes so many parts a second, with some burst, and
// throttles the rest; answers take a while.
type smsc struct {
	rate, tokens, burst float64
	last                time.Time
	latency             time.Duration
	answers             []answerAt
	took, refused       int
}

type answerAt struct {
	at, written time.Time
	ok          bool
}

func (s *smsc) submit(n int, now time.Time) {
	s.tokens = min(s.burst, s.tokens+s.rate*now.Sub(s.last).Seconds())
	s.last = now
	for range n {
		ok := s.tokens >= 1
		if ok {
			s.tokens--
			s.took++
		} else {
			s.refused++
		}
		s.answers = append(s.answers, answerAt{now.Add(s.latency), now, ok})
	}
}

// run sends as fast as the pace allows for a while, with 1000 unanswered at most.
func run(p *Pace, s *smsc, from time.Time, d time.Duration) time.Time {
	now := from
	for ; now.Sub(from) < d; now = now.Add(time.Millisecond) {
		for len(s.answers) > 0 && !s.answers[0].at.After(now) {
			a := s.answers[0]
			s.answers = s.answers[1:]
			if a.ok {
				p.Accepted(1, now)
			} else {
				p.Throttled(a.written, now)
			}
		}
		if room := min(20, 1000-len(s.answers)); room > 0 {
			s.submit(p.Take(room, now), now)
		}
	}
	return now
}

func TestThePaceComesToWhatTheCarrierTakes(t *testing.T) {
	for _, rate := range []float64{20, 300, 3000} {
		for _, ceiling := range []int{0, 5000} {
			now := time.Unix(1_790_000_000, 0)
			s := &smsc{rate: rate, burst: max(2, rate/10), tokens: max(2, rate/10), last: now, latency: 30 * time.Millisecond}
			p := NewPace(ceiling)
			now = run(p, s, now, 20*time.Second) // Finds it out.
			s.took, s.refused = 0, 0
			run(p, s, now, 60*time.Second)
			if used := float64(s.took) / (60 * rate); used < 0.9 {
				t.Errorf("limit %v, ceiling %d: used %.3f of it, pace %d", rate, ceiling, used, p.Rate())
			}
			if share := float64(s.refused) / float64(s.took+s.refused); share > 0.02 {
				t.Errorf("limit %v, ceiling %d: %.4f were throttled, pace %d", rate, ceiling, share, p.Rate())
			}
		}
	}
}

func TestThePaceGoesDownQuicklyAndUpGently(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	s := &smsc{rate: 2000, burst: 200, last: now, latency: 30 * time.Millisecond}
	p := NewPace(2000)
	now = run(p, s, now, 10*time.Second)
	s.rate, s.burst = 200, 20
	now = run(p, s, now, 2*time.Second)
	if p.Rate() == 0 || p.Rate() > 260 {
		t.Errorf("two seconds after the carrier slowed to 200 the pace is %d", p.Rate())
	}
	s.rate, s.burst = 2000, 200
	s.refused = 0
	was := p.Rate()
	now = run(p, s, now, time.Second)
	if p.Rate() > was*3/2+1 {
		t.Errorf("a second after the carrier recovered the pace went from %d to %d", was, p.Rate())
	}
	run(p, s, now, 120*time.Second)
	if p.Rate() != 0 && p.Rate() < 1700 {
		t.Errorf("two minutes later it is still %d", p.Rate())
	}
}

func TestACarrierThatNeverThrottlesIsNotPaced(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	p := NewPace(0)
	s := &smsc{rate: 1e6, burst: 1e6, tokens: 1e6, last: now, latency: time.Millisecond}
	run(p, s, now, time.Second)
	if p.Rate() != 0 || s.took < 19_000 {
		t.Errorf("pace %d, took %d", p.Rate(), s.took)
	}
}

func TestWhatWasWrittenBeforeTheCutCutsNoMore(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	p := NewPace(1000)
	p.Accepted(100, now.Add(200*time.Millisecond))
	now = now.Add(300 * time.Millisecond)
	written := now.Add(-20 * time.Millisecond)
	p.Throttled(written, now)
	first := p.Rate()
	for range 500 {
		p.Throttled(written, now.Add(5*time.Millisecond))
	}
	if p.Rate() != first || first == 0 {
		t.Errorf("500 answers of one window took the pace from %d to %d", first, p.Rate())
	}
}

func TestAFullQueueIsLeftAloneLongerEachTime(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	p := NewPace(1000)
	var waits []time.Duration
	for range 6 {
		p.Full(now, now)
		from := now
		for p.Take(1, now) == 0 {
			now = now.Add(10 * time.Millisecond)
		}
		waits = append(waits, now.Sub(from).Round(100*time.Millisecond))
		now = now.Add(time.Millisecond)
	}
	for i, w := range waits {
		if want := min(fullBackoff<<i, mostBackoff); w < want || w > want+2*time.Second {
			t.Errorf("wait %d is %v, want about %v", i, w, want)
		}
	}
	p.Accepted(1, now)
	p.Full(now.Add(time.Millisecond), now.Add(2*time.Millisecond))
	if got := p.Take(1, now.Add(fullBackoff+1500*time.Millisecond)); got != 1 {
		t.Error("an accepted part did not end the back-off")
	}
}

func TestCongestionStateSlowsBeforeAnythingIsRefused(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	p := NewPace(1000)
	for range 100 {
		now = now.Add(10 * time.Millisecond)
		p.Accepted(10, now)
		p.Congested(50, now, now)
	}
	if p.Rate() != 0 {
		t.Errorf("a medium load made it %d", p.Rate())
	}
	p.Congested(95, now, now.Add(time.Millisecond))
	cut := p.Rate()
	if cut == 0 || cut > 950 {
		t.Errorf("a load of 95 made it %d", cut)
	}
	for range 100 { // At its optimum it is sent no more and no less.
		now = now.Add(10 * time.Millisecond)
		p.Take(100, now)
		p.Accepted(9, now)
		p.Congested(85, now, now)
	}
	if p.Rate() != cut {
		t.Errorf("a load of 85 took it from %d to %d", cut, p.Rate())
	}
}

func TestTheWindowFollowsHowLongAnswersTake(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	w := NewWindow(1000, now)
	answer := func(took, d time.Duration) {
		for until := now.Add(d); now.Before(until); now = now.Add(time.Millisecond) {
			w.Answered(took, now)
		}
	}
	answer(20*time.Millisecond, time.Second)
	if w.Size() != 1000 {
		t.Errorf("answers in 20 ms made it %d", w.Size())
	}
	answer(60*time.Millisecond, time.Second)
	if w.Size() != 1000 {
		t.Errorf("a threefold time, still short, made it %d", w.Size())
	}
	answer(2*time.Second, 10*time.Second)
	if w.Size() > 500 {
		t.Errorf("answers in 2 s made it %d", w.Size())
	}
	small := w.Size()
	answer(20*time.Millisecond, 5*time.Second)
	if w.Size() <= small {
		t.Errorf("it stayed at %d when answers came in time again", w.Size())
	}
	answer(20*time.Millisecond, 60*time.Second)
	if w.Size() != 1000 {
		t.Errorf("a minute later it is %d", w.Size())
	}
	w.Full(now, now.Add(time.Millisecond))
	w.Full(now, now.Add(2*time.Millisecond)) // Of the same flight: counted once.
	if w.Size() != 500 {
		t.Errorf("a full queue made it %d", w.Size())
	}
	for range 20 {
		now = now.Add(time.Second)
		w.Full(now, now.Add(time.Millisecond))
	}
	if w.Size() != 1 {
		t.Errorf("it went down to %d", w.Size())
	}
}
