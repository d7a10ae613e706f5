package smsc

import "slices"

// slidingCount finds the largest number of events in any second. Events come nearly in order: connections write their
// blocks independently, so one may be a few milliseconds late. Runs are therefore gathered and sorted, and judged once
// nothing older than them can come any more.
type slidingCount struct {
	runs   []countRun // not judged yet
	enough int        // how many to gather before judging again
	window []countRun // judged; from tail on less than a second before the last judged
	tail   int
	inside int64
	most   int64
}

// countRun is how many events happened in one microsecond.
type countRun struct {
	at int64
	n  int64
}

const (
	secondMicros = 1_000_000
	// lateMicros is how late an event may stand in the log.
	lateMicros = 30 * secondMicros
	// runsMin is how many runs are gathered at least before the old ones are judged.
	runsMin = 1 << 16
)

func (c *slidingCount) add(at int64) {
	if n := len(c.runs); n > 0 && c.runs[n-1].at == at {
		c.runs[n-1].n++
		return
	}
	if len(c.runs) >= max(c.enough, runsMin) {
		c.judge(c.runs[len(c.runs)-1].at - lateMicros)
		c.enough = 2 * len(c.runs) // at a great rate most are too young yet
	}
	c.runs = append(c.runs, countRun{at, 1})
}

// judge works off runs up to a time.
func (c *slidingCount) judge(until int64) {
	slices.SortFunc(c.runs, func(a, b countRun) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	i := 0
	for ; i < len(c.runs) && c.runs[i].at <= until; i++ {
		run := c.runs[i]
		c.window = append(c.window, run)
		c.inside += run.n
		for c.window[c.tail].at <= run.at-secondMicros { // a second is [t, t+1s)
			c.inside -= c.window[c.tail].n
			c.tail++
		}
		if c.tail > len(c.window)/2 {
			c.window = slices.Delete(c.window, 0, c.tail)
			c.tail = 0
		}
		c.most = max(c.most, c.inside)
	}
	c.runs = slices.Delete(c.runs, 0, i)
}

// finish judges the rest and gives the largest count.
func (c *slidingCount) finish() int64 {
	c.judge(1<<63 - 1)
	return c.most
}
