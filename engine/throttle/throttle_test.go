package throttle

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// drain runs a limit with an endless backlog for a while, asking at uneven
// moments, and returns the moment of every part.
func drain(rate int, during time.Duration, rng *rand.Rand) []time.Duration {
	start := time.Unix(1_790_000_000, 0)
	l := New(rate, start)
	var parts []time.Duration
	for at := time.Duration(0); at < during; at += time.Duration(rng.IntN(3000)) * time.Microsecond {
		for range l.Take(1<<20, start.Add(at)) {
			parts = append(parts, at)
		}
	}
	return parts
}

func TestNoSlidingSecondExceedsTheLimitAndABacklogUsesIt(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, rate := range []int{1, 7, 100, 1000, 4500, 100_000} {
		const during = 5 * time.Second
		parts := drain(rate, during, rng)
		first := 0
		for i, at := range parts {
			for parts[first] <= at-time.Second {
				first++
			}
			if n := i - first + 1; n > rate {
				t.Fatalf("limit %d: %d parts within the second that ends at %v", rate, n, at)
			}
		}
		if want := int(float64(rate) * during.Seconds() * 0.98); len(parts) < want-1 {
			t.Errorf("limit %d: %d parts in %v, at least %d expected", rate, len(parts), during, want)
		}
	}
}

// The carrier counts a part some time after it was let through, and not always
// the same time.
func TestACarrierThatCountsUnevenlyLateSeesTheLimitKept(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, rate := range []int{1, 10, 50, 500, 5000} {
		counted := drain(rate, 5*time.Second, rng)
		for i := range counted {
			counted[i] += time.Duration(rng.IntN(int(jitter)))
		}
		slices.Sort(counted)
		first := 0
		for i, at := range counted {
			for counted[first] <= at-time.Second {
				first++
			}
			if n := i - first + 1; n > rate {
				t.Fatalf("limit %d: the carrier counts %d parts within the second that ends at %v", rate, n, at)
			}
		}
	}
}

func TestALimitOfZeroLetsEverythingThrough(t *testing.T) {
	now := time.Unix(0, 0)
	if got := New(0, now).Take(500, now); got != 500 {
		t.Errorf("Take(500) = %d", got)
	}
}

func TestAPausedLimitGivesNothingUntilThePauseEnds(t *testing.T) {
	now := time.Unix(0, 0)
	l := New(100, now)
	l.PauseUntil(now.Add(time.Second))
	l.PauseUntil(now.Add(time.Millisecond)) // An earlier end doesn't shorten it.
	if got := l.Take(1, now.Add(999*time.Millisecond)); got != 0 {
		t.Errorf("before the end: %d", got)
	}
	if got := l.Take(1, now.Add(time.Second)); got != 1 {
		t.Errorf("at the end: %d", got)
	}
}

func TestANewRateHoldsFromTheNextPart(t *testing.T) {
	now := time.Unix(0, 0)
	l := New(100_000, now)
	l.SetRate(1, now)
	if got := l.Take(1000, now); got > 1 {
		t.Errorf("after lowering to 1/s: %d at once", got)
	}
}

func TestAClockThatGoesBackGivesNothing(t *testing.T) {
	now := time.Unix(1000, 0)
	l := New(10, now)
	l.Take(1, now)
	if got := l.Take(1, now.Add(-time.Hour)); got != 0 {
		t.Errorf("Take after the clock went back = %d", got)
	}
	if got := l.Take(10, now.Add(100*time.Millisecond)); got != 1 {
		t.Errorf("Take 100 ms later = %d, want 1", got)
	}
}
