package web

import (
	"net/netip"
	"sync"
	"time"
)

// bucket is a token bucket; tokens are counted as of last.
type bucket struct {
	tokens float64
	last   time.Time
}

// limiter gives each key a token bucket. It holds at most max keys: when full
// it forgets those that are full again, and if none is, newcomers share one
// bucket, so that a flood from many addresses costs no memory.
type limiter struct {
	rate  float64 // a second
	burst float64
	max   int

	mu      sync.Mutex
	buckets map[string]*bucket
	shared  bucket
	swept   time.Time
}

// sweepEvery bounds what a flood makes us spend on forgetting.
const sweepEvery = time.Second

func newLimiter(rate, burst float64, max int) *limiter {
	return &limiter{rate: rate, burst: burst, max: max, buckets: map[string]*bucket{}, shared: bucket{tokens: burst}}
}

// allow takes one token of key.
func (l *limiter) allow(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= l.max && now.Sub(l.swept) >= sweepEvery {
			l.forget(now)
		}
		if len(l.buckets) >= l.max {
			b = &l.shared
		} else {
			b = &bucket{tokens: l.burst, last: now}
			l.buckets[key] = b
		}
	}
	l.refill(b, now)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func (l *limiter) refill(b *bucket, now time.Time) {
	b.tokens = min(l.burst, b.tokens+now.Sub(b.last).Seconds()*l.rate)
	b.last = now
}

func (l *limiter) forget(now time.Time) {
	l.swept = now
	for key, b := range l.buckets {
		if l.refill(b, now); b.tokens >= l.burst {
			delete(l.buckets, key)
		}
	}
}

// networkOf is what counts as one visitor: an IPv4 address, or the /64 that an
// IPv6 provider hands to one customer.
func networkOf(addr string) string {
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return addr
	}
	ip = ip.Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return addr
	}
	return prefix.String()
}
