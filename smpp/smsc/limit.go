package smsc

import (
	"sync/atomic"
	"time"
)

// limit is a token bucket kept as one number (GCRA): the time at which it would be full again. Taking is a
// compare-and-swap, so binds that share a number don't wait for each other. With bySecond it is a count in the second of
// the clock instead, as some carriers have it: a client may then send twice as many in one sliding second. The zero limit
// refuses nothing.
type limit struct {
	intervalNs   int64 // nanoseconds that one part costs; 0: no limit
	burstNs      int64 // capacity of the bucket, in nanoseconds of refilling
	perSecond    int64
	bySecond     bool
	countRefused bool
	fullAt       atomic.Int64
	second       atomic.Int64 // bySecond: the second, and the count in its low bits
}

// What limit_by may say.
const (
	limitBucket = "bucket"
	limitSecond = "second"
)

// countBits hold the count of a second.
const countBits = 24

// knockingFor is how far ahead refused parts that count can fill a bucket at most.
const knockingFor = int64(time.Second)

// set makes the bucket hold burst's worth of perSecond parts, one part at least.
func (l *limit) set(perSecond int, burst time.Duration) {
	if perSecond <= 0 {
		l.intervalNs, l.burstNs = 0, 0
		return
	}
	l.perSecond = int64(perSecond)
	l.intervalNs = int64(time.Second) / int64(perSecond)
	l.burstNs = max(int64(burst), l.intervalNs)
}

// take asks for one part at a moment and says whether the limit allows it.
func (l *limit) take(at moment) bool {
	if l.intervalNs == 0 {
		return true
	}
	if l.bySecond {
		return l.takeSecond(at.micros / 1_000_000)
	}
	for {
		full := l.fullAt.Load()
		next := max(full, at.ns) + l.intervalNs
		if next-at.ns > l.burstNs {
			if l.countRefused && next-at.ns <= l.burstNs+knockingFor && !l.fullAt.CompareAndSwap(full, next) {
				continue
			}
			return false
		}
		if l.fullAt.CompareAndSwap(full, next) {
			return true
		}
	}
}

func (l *limit) takeSecond(second int64) bool {
	for {
		have := l.second.Load()
		count := have & (1<<countBits - 1)
		if have>>countBits < second {
			count = 0
			if over := (have & (1<<countBits - 1)) - l.perSecond; l.countRefused && have>>countBits == second-1 && over > 0 {
				count = min(over, l.perSecond) // knocking in the last second fills this one
			}
		}
		taken := count < l.perSecond
		if !taken && !l.countRefused {
			return false
		}
		if l.second.CompareAndSwap(have, max(second, have>>countBits)<<countBits|min(count+1, 1<<countBits-1)) {
			return taken
		}
	}
}

// giveBack returns one part that another limit then refused.
func (l *limit) giveBack() {
	switch {
	case l.intervalNs == 0:
	case l.bySecond:
		l.second.Add(-1) // not below the count that was taken just now
	default:
		l.fullAt.Add(-l.intervalNs)
	}
}
