package smsc

import (
	"sync/atomic"
	"time"
)

// limit is a token bucket kept as one number (GCRA): the time at which it would be full again. Taking is a
// compare-and-swap, so binds that share a number don't wait for each other. The zero limit refuses nothing.
type limit struct {
	intervalNs int64 // nanoseconds that one part costs; 0: no limit
	burstNs    int64 // capacity of the bucket, in nanoseconds of refilling
	fullAt     atomic.Int64
}

// set makes the bucket hold burst's worth of perSecond parts, one part at least.
func (l *limit) set(perSecond int, burst time.Duration) {
	if perSecond <= 0 {
		l.intervalNs, l.burstNs = 0, 0
		return
	}
	l.intervalNs = int64(time.Second) / int64(perSecond)
	l.burstNs = max(int64(burst), l.intervalNs)
}

// take asks for one part at nowNs, a monotonic time, and says whether the bucket held it.
func (l *limit) take(nowNs int64) bool {
	if l.intervalNs == 0 {
		return true
	}
	for {
		full := l.fullAt.Load()
		next := max(full, nowNs) + l.intervalNs
		if next-nowNs > l.burstNs {
			return false
		}
		if l.fullAt.CompareAndSwap(full, next) {
			return true
		}
	}
}

// giveBack returns one part that another limit then refused.
func (l *limit) giveBack() {
	if l.intervalNs != 0 {
		l.fullAt.Add(-l.intervalNs)
	}
}
