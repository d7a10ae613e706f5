// Package throttle keeps the rate limits that carriers set: so many parts a
// second and never more in any sliding second. It knows neither numbers nor
// binds; whoever writes asks every limit that applies.
//
//	limit := throttle.New(1000, time.Now())
//	n := limit.Take(64, time.Now()) // how many of 64 parts may be written now
package throttle

import (
	"math"
	"sync"
	"time"
)

// Limit lets at most rate parts through in any half-open second, and in any
// that is longer by jitter: what lies between the moment of asking and the
// moment at which the carrier counts varies by so much. It refills continuously
// and holds at most one part and those of 5 ms, so nothing bunches at the edges
// of a second. It is safe for concurrent use: all lanes of an engine
// share one Limit for one thing that is limited.
type Limit struct {
	mu     sync.Mutex
	rate   float64 // parts a second that refill
	burst  float64 // parts that may be held
	asked  int     // parts a second that were configured; 0: no limit
	tokens float64
	last   time.Time
	pause  time.Time
}

const (
	late   = 5 * time.Millisecond
	jitter = 5 * time.Millisecond
)

// New returns a limit of rate parts a second; 0 or less: none.
//
// A half-open time t that begins with a part sees fewer than b+r·t parts when
// the bucket holds b and refills r a second, so b+r·t = rate+1 keeps it at rate.
// The 5 ms of parts above one that the bucket holds make up for being asked late.
// 99 % of the rate are left.
func New(rate int, now time.Time) *Limit {
	l := &Limit{last: now}
	l.set(rate)
	l.tokens = l.burst
	return l
}

func (l *Limit) set(rate int) {
	l.asked = max(rate, 0)
	l.burst = 1 + float64(l.asked)*late.Seconds()
	l.rate = (float64(l.asked) + 1 - l.burst) / (time.Second + jitter).Seconds()
}

// Rate returns the configured parts a second, 0 for none.
func (l *Limit) Rate() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked
}

// SetRate changes the limit from the next part on.
func (l *Limit) SetRate(rate int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asked == 0 {
		l.last = now // There was nothing to count.
	}
	l.refill(now)
	l.set(rate)
	l.tokens = math.Min(l.tokens, l.burst)
}

// PauseUntil lets nothing through before t: the carrier said that it is
// throttling us.
func (l *Limit) PauseUntil(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.After(l.pause) {
		l.pause = t
	}
}

// Take takes up to n parts and returns how many it gave.
func (l *Limit) Take(n int, now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Before(l.pause) {
		return 0
	}
	if l.asked == 0 {
		return n
	}
	l.refill(now)
	n = min(n, int(l.tokens))
	l.tokens -= float64(n)
	return n
}

// Return gives back parts that were taken and not written.
func (l *Limit) Return(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = math.Min(l.tokens+float64(n), l.burst)
}

// refill adds what has come since last; a clock that stands or goes back adds
// nothing.
func (l *Limit) refill(now time.Time) {
	passed := now.Sub(l.last)
	if passed <= 0 {
		return
	}
	l.last = now
	l.tokens = math.Min(l.tokens+passed.Seconds()*l.rate, l.burst)
}
