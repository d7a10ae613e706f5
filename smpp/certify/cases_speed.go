package certify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

func speedCases() []testCase {
	return []testCase{
		{
			id: "T-01", name: "Response times", section: "§2.7, §7.2", needs: needSubmit,
			purpose: "Binds × window ÷ response time is the most that an account can carry.",
			steps:   []string{"Submit texts, one after the other."}, expected: "All are accepted within the time-out.", run: responseTimes,
		},
		{
			id: "T-02", name: "A full window", section: "§2.7", needs: needSubmit,
			purpose:  "Throughput comes from submits that don't wait for each other.",
			steps:    []string{"Submit as many texts at once as the window, the limit and fifty allow."},
			expected: "All are answered, in any order. What is refused has a status of the class throttle, since the burst may be more than the rate allows; most are accepted.", run: fullWindow,
		},
		{
			id: "T-03", name: "Twice the window", section: "§2.7, §5.1.3", needs: needSubmit | needFlood,
			purpose:  "A client that counts wrongly must not lose its bind.",
			steps:    []string{"Submit twice the window at once.", "Send enquire_link."},
			expected: "All are answered: accepted, or refused with a status of the class throttle or transient. The session lives on.", run: overrun,
		},
		{
			id: "T-04", name: "Above the limit", section: "§5.1.3", needs: needSubmit | needFlood,
			purpose:  "How the carrier says that it is too much.",
			steps:    []string{"Submit for two seconds at one and a half times the limit."},
			expected: "All are answered. What is refused has ESME_RTHROTTLED or ESME_RMSGQFUL. The session lives on.", run: aboveLimit,
		},
		{
			id: "T-05", name: "Just below the limit", section: "§5.1.3", needs: needSubmit | needFlood,
			purpose:  "The limit that was agreed can be used.",
			steps:    []string{"Wait two seconds.", "Submit for three seconds at nine tenths of the limit."},
			expected: "All are accepted, but for one in a hundred with a status of the class transient.", run: belowLimit,
		},
	}
}

func responseTimes(ctx context.Context, r *runner) finding {
	var took []time.Duration
	for range r.cfg.Samples {
		sents, err := r.submit(ctx, submission{pdu: r.plain()})
		if err != nil {
			return fail("nothing could be submitted: %s", reasonOf(err))
		}
		if s := sents[0]; s.code != session.Accepted {
			r.accepted(sents)
			return fail("text %d: %v %v", len(took)+1, s.code, s.status)
		}
		took = append(took, sents[0].took)
	}
	p50 := percentile(took, 50)
	r.saw("%d texts: p50 %s, p95 %s, p99 %s, longest %s", len(took), shown(p50), shown(percentile(took, 95)), shown(percentile(took, 99)), shown(slices.Max(took)))
	if p50 > 0 {
		most := float64(r.cfg.Binds*r.cfg.Window) / p50.Seconds()
		limit := min(most, float64(r.cfg.LimitPerSecond))
		r.saw("%d binds × window %d ÷ p50 = %.0f/s at most; the limit is %d/s, so %.0f/s can be reached", r.cfg.Binds, r.cfg.Window, most, r.cfg.LimitPerSecond, limit)
	}
	return pass()
}

// fullWindowMost bounds the texts that a person's phone gets at once.
const fullWindowMost = 50

func fullWindow(ctx context.Context, r *runner) finding {
	n := min(r.cfg.Window, r.cfg.LimitPerSecond, fullWindowMost)
	sents, err := r.submit(ctx, slices.Repeat([]submission{{pdu: r.plain()}}, n)...)
	if err != nil {
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	t := r.tally(sents)
	r.saw("%d submitted at once: %s", n, t)
	if t.ordered {
		r.saw("answered in the order of the submits")
	} else {
		r.saw("answered out of order, which is allowed (§2.7)")
	}
	if t.slowed > 0 {
		r.saw("the carrier counts its rate over less than a second: it throttles bursts")
	}
	if t.accepted+t.slowed+t.transient != n || t.accepted <= n/2 {
		return fail("%d of %d were not accepted: %s", n-t.accepted, n, t)
	}
	return pass()
}

// tally is what became of many submits.
type tally struct {
	all, accepted, slowed, transient, refused, unanswered, unsent int
	other                                                         smpp.Status // one of the refused
	ordered                                                       bool
	longest                                                       time.Duration
}

func (t tally) String() string {
	s := fmt.Sprintf("%d accepted, %d throttled, %d refused for a moment, %d refused for good, %d unanswered", t.accepted, t.slowed, t.transient, t.refused, t.unanswered)
	if t.refused > 0 {
		s += fmt.Sprintf(" (%v)", t.other)
	}
	return s
}

func (r *runner) tally(all []*sent) tally {
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	t := tally{all: len(all), ordered: true}
	order := 0
	for _, s := range all {
		t.ordered = t.ordered && s.order > order
		order = s.order
		t.longest = max(t.longest, s.took)
		switch class := s.status.Class(); {
		case s.code == session.Accepted:
			t.accepted++
		case s.code == session.Refused && class == smpp.ClassThrottle:
			t.slowed++
		case s.code == session.Refused && class == smpp.ClassTransient:
			t.transient++
		case s.code == session.Refused:
			t.refused, t.other = t.refused+1, s.status
		case s.code == session.NotSent:
			t.unsent++
		default:
			t.unanswered++
		}
	}
	return t
}

// overrunMost bounds the texts of T-03.
const overrunMost = 2000

func overrun(ctx context.Context, r *runner) finding {
	n := min(2*r.cfg.Window, overrunMost)
	r.rest(ctx)
	defer r.rest(ctx)
	submit, _ := r.cfg.commands()
	l, err := r.open(ctx, bindAs{kind: submit, window: n})
	if err != nil {
		return fail("no session: %s", reasonOf(err))
	}
	sents, err := r.submitOn(ctx, l, slices.Repeat([]submission{{pdu: r.plain(), to: r.cfg.Flood}}, n)...)
	if err != nil {
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	t := r.tally(sents)
	r.saw("%d at once, with a window of %d: %s", n, r.cfg.Window, t)
	return r.judged(ctx, l, t)
}

// judged expects everything to be answered, and refused for nothing but the number.
func (r *runner) judged(ctx context.Context, l *link, t tally) finding {
	if end := r.stillThere(ctx, l); end.verdict != Pass {
		return end
	}
	switch {
	case t.unanswered+t.unsent > 0:
		return fail("%d of %d were not answered", t.unanswered+t.unsent, t.all)
	case t.refused > 0:
		return fail("%d of %d were refused with %v, which doesn't say that there were too many", t.refused, t.all, t.other)
	}
	return pass()
}

// pace is how often a batch of a flood goes out.
const pace = 10 * time.Millisecond

// flood submits at a rate for a time, as far as the window allows, and waits for the answers.
func (r *runner) flood(ctx context.Context, l *link, rate float64, long time.Duration) []*sent {
	var all []*sent
	tick := time.NewTicker(pace)
	defer tick.Stop()
	begun := time.Now()
	for over := begun.Add(long); time.Now().Before(over) && ctx.Err() == nil && l.alive(); {
		due := int(rate*time.Since(begun).Seconds()) - len(all)
		// What the window, or a machine that was busy elsewhere, held back is not made up for: that would be a burst.
		if most := min(l.window-l.s.Inflight(), int(2*rate*pace.Seconds())+1); due > most {
			begun = begun.Add(time.Duration(float64(due-most) / rate * float64(time.Second)))
			due = most
		}
		if due > 0 {
			sents, err := r.hand(l, slices.Repeat([]submission{{pdu: r.plain(), to: r.cfg.Flood}}, due)...)
			if err != nil {
				return all
			}
			all = append(all, sents...)
		}
		<-tick.C
	}
	r.answers(ctx, all)
	return all
}

func aboveLimit(ctx context.Context, r *runner) finding {
	defer r.rest(ctx)
	rate := 1.5 * float64(r.cfg.LimitPerSecond)
	l, sents, err := r.floods(ctx, rate, 2*time.Second)
	if err != nil {
		return fail("no session: %s", reasonOf(err))
	}
	t := r.tally(sents)
	r.saw("%d within 2 s, %.0f/s aimed at: %s", len(sents), rate, t)
	switch {
	case len(sents) <= 2*r.cfg.LimitPerSecond:
		r.saw("the window held it below the limit: the other side answers too slowly for more")
	case t.slowed == 0:
		r.saw("nothing was refused: the carrier doesn't enforce the limit by a status, or has a higher one")
	}
	return r.judged(ctx, l, t)
}

// floods opens a bind of its own and submits over it.
func (r *runner) floods(ctx context.Context, rate float64, long time.Duration) (*link, []*sent, error) {
	r.rest(ctx)
	submit, _ := r.cfg.commands()
	l, err := r.open(ctx, bindAs{kind: submit})
	if err != nil {
		return nil, nil, err
	}
	return l, r.flood(ctx, l, rate, long), nil
}

// calm is how long the carrier may take to forget that it was too much.
const calm = 2 * time.Second

func belowLimit(ctx context.Context, r *runner) finding {
	defer r.rest(ctx)
	select {
	case <-time.After(calm):
	case <-ctx.Done():
		return notRun("interrupted")
	}
	rate := 0.9 * float64(r.cfg.LimitPerSecond)
	_, sents, err := r.floods(ctx, rate, 3*time.Second)
	if err != nil {
		return fail("no session: %s", reasonOf(err))
	}
	t := r.tally(sents)
	r.saw("%d within 3 s, %.0f/s aimed at: %s", len(sents), rate, t)
	switch few := t.all / 100; {
	case t.all == 0 || t.slowed+t.refused+t.unanswered+t.unsent > 0 || t.transient > few:
		return fail("%d of %d were not accepted at nine tenths of the limit", t.all-t.accepted, t.all)
	case t.transient > 0:
		r.saw("those refused for a moment are no more than one in a hundred, and are sent again")
	}
	return pass()
}
