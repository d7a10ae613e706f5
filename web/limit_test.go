package web

import (
	"fmt"
	"testing"
	"time"
)

func TestALimiterRefillsAndKeepsKeysApart(t *testing.T) {
	l := newLimiter(1, 3, 100)
	now := noon
	take := func(key string) (n int) {
		for l.allow(key, now) {
			n++
		}
		return n
	}
	if a, b := take("a"), take("b"); a != 3 || b != 3 {
		t.Errorf("bursts %d, %d", a, b)
	}
	now = now.Add(2 * time.Second)
	if a := take("a"); a != 2 {
		t.Errorf("after 2 s: %d", a)
	}
	now = now.Add(time.Hour)
	if a := take("a"); a != 3 {
		t.Errorf("after an hour: %d", a)
	}
}

func TestAFloodOfKeysCostsNoMemory(t *testing.T) {
	l := newLimiter(1, 2, 10)
	now := noon
	passed := 0
	for i := range 1000 {
		if l.allow(fmt.Sprint(i), now) {
			passed++
		}
	}
	if len(l.buckets) > 10 || passed != 10+2 {
		t.Errorf("%d buckets, %d passed; want 10 and those of the shared bucket", len(l.buckets), passed)
	}
	now = now.Add(time.Minute)
	if !l.allow("new", now) || len(l.buckets) != 1 {
		t.Errorf("after a minute: %d buckets", len(l.buckets))
	}
}

func TestOneCustomersIPv6AddressesAreOneNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "@": "@",
	} {
		if got := networkOf(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}
