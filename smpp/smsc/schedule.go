package smsc

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"fanline/smpp"
)

// Window says when something holds: from after on, for a span, again each time that every comes round, and only within
// the hours of daily.
type Window struct {
	After Duration `yaml:"after"` // from so long after the start of the simulator or of this scenario on
	For   Duration `yaml:"for"`   // lasts so long; 0: to the end
	Every Duration `yaml:"every"` // begins again each; 0: once
	Daily string   `yaml:"daily"` // hours of the day in UTC, such as 22:00-06:30; empty: all
}

// ErrorSchedule answers submits with a status. What it leaves out doesn't restrict it.
type ErrorSchedule struct {
	Status string  `yaml:"status"` // a name of the specification or a number: vendor codes too
	Share  float64 `yaml:"share"`  // of those it would hit; 0: all
	Nth    int     `yaml:"nth"`    // every nth only
	Skip   int     `yaml:"skip"`   // not the first ones
	Count  int     `yaml:"count"`  // so many at most; 0: no bound
	Window `yaml:",inline"`
}

// window is a Window compiled: nanoseconds since the plan came into force, minutes of the day.
type window struct {
	after, length, every int64
	daily                bool
	from, to             int
}

func compileWindow(w Window) (window, error) {
	c := window{after: int64(w.After), length: int64(w.For), every: int64(w.Every)}
	if c.every > 0 && (c.length == 0 || c.length > c.every) {
		return c, fmt.Errorf("every: %s comes round before for (%s) is over", time.Duration(w.Every), time.Duration(w.For))
	}
	if w.Daily == "" {
		return c, nil
	}
	from, to, ok := strings.Cut(w.Daily, "-")
	a, err1 := time.Parse("15:04", from)
	b, err2 := time.Parse("15:04", to)
	if !ok || err1 != nil || err2 != nil {
		return c, fmt.Errorf("daily: %q: want hours of the day as 22:00-06:30", w.Daily)
	}
	c.daily, c.from, c.to = true, a.Hour()*60+a.Minute(), b.Hour()*60+b.Minute()
	return c, nil
}

// active says whether the window is open at a time: ns since the plan came into force, micros since 1970.
func (w *window) active(ns, micros int64) bool {
	if w.daily {
		m := int(micros / 60_000_000 % 1440)
		inside := m >= w.from && m < w.to
		if w.from > w.to {
			inside = m >= w.from || m < w.to
		}
		if !inside {
			return false
		}
	}
	ns -= w.after
	if ns < 0 {
		return false
	}
	if w.every > 0 {
		ns %= w.every
	}
	return w.length == 0 || ns < w.length
}

// counter picks by number: not the first skip, then every nth, count of them at most. It is shared by all connections.
type counter struct {
	skip, nth, count int64
	seen, hit        atomic.Int64
}

func compileCounter(skip, nth, count int) (*counter, error) {
	if skip < 0 || nth < 0 || count < 0 {
		return nil, fmt.Errorf("skip, nth, count: want 0 or more")
	}
	return &counter{skip: int64(skip), nth: int64(max(nth, 1)), count: int64(count)}, nil
}

func (c *counter) next() bool {
	n := c.seen.Add(1) - c.skip
	if n <= 0 || n%c.nth != 0 {
		return false
	}
	return c.count == 0 || c.hit.Add(1) <= c.count
}

type errorSchedule struct {
	status smpp.Status
	below  uint64
	window window
	*counter
}

func compileErrors(list []ErrorSchedule) ([]*errorSchedule, error) {
	var out []*errorSchedule
	for i, e := range list {
		c := &errorSchedule{}
		var err error
		fail := func(err error) ([]*errorSchedule, error) { return nil, fmt.Errorf("errors[%d]: %w", i, err) }
		if c.status, err = parseStatus(e.Status); err != nil {
			return fail(fmt.Errorf("status: %w", err))
		}
		if c.status == smpp.StatusOK {
			return fail(fmt.Errorf("status: ESME_ROK is no error"))
		}
		if c.below, err = shareOrAll(e.Share); err != nil {
			return fail(err)
		}
		if c.window, err = compileWindow(e.Window); err != nil {
			return fail(err)
		}
		if c.counter, err = compileCounter(e.Skip, e.Nth, e.Count); err != nil {
			return fail(err)
		}
		out = append(out, c)
	}
	return out, nil
}

// shareOrAll takes a share that was left out for all.
func shareOrAll(v float64) (uint64, error) {
	if v == 0 {
		return 1 << 32, nil
	}
	return share(v)
}

// scheduled is the status that the first schedule that applies gives a submit; ESME_ROK when none does.
func (b *behaviour) scheduled(p *plan, at moment, random func() uint64) smpp.Status {
	for _, e := range b.errors {
		if e.window.active(at.ns-p.since, at.micros) && (e.below >= 1<<32 || random()>>32 < e.below) && e.next() {
			return e.status
		}
	}
	return smpp.StatusOK
}
