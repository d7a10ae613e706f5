package audience

import "sync/atomic"

// Stats counts what a planner did since it was made.
type Stats struct {
	Blocks int64
	Octets int64
	Errors int64
}

type counters struct{ blocks, octets, errors atomic.Int64 }

func (c *counters) count(entries []Entry) {
	c.blocks.Add(int64(len(entries)))
	for _, e := range entries {
		c.octets.Add(int64(len(e.Value)))
	}
}

// Stats may be asked at any time.
func (p *Planner) Stats() Stats {
	return Stats{Blocks: p.stats.blocks.Load(), Octets: p.stats.octets.Load(), Errors: p.stats.errors.Load()}
}
