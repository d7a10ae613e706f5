package audience

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// plan is one broadcast in one epoch.
type plan struct {
	head   record.Block
	fields []string // merge fields in order of the text
	parts  []part   // nil until open
	rests  time.Time
}

// part is a broadcast in one partition.
type part struct {
	set     *roaring.Bitmap
	total   message.Rank
	low     message.Rank // as the owner told last
	planned message.Rank // what the log has, or low where that is more
	taken   message.Rank // what this round took
	ids     roaring.IntPeekable
	since   time.Time // of the last block, or of being open
}

// limits bound what one round may take.
type limits struct {
	partition, all int           // how far ahead of low
	wait           time.Duration // until a smaller block than a whole one
}

// take is one block to make: n ranks of a partition from first on.
type take struct {
	partition int
	first     message.Rank
	from, n   int // in the round's ids
}

func (b *plan) open(fields []string, sets []*roaring.Bitmap) {
	b.fields = fields
	b.parts = make([]part, len(sets))
	for i, set := range sets {
		b.parts[i] = part{set: set, total: message.Rank(set.GetCardinality()), ids: set.Iterator()}
	}
}

// advance takes over the owners' low-water ranks. They may lie behind what is
// planned, which is the lead, or before it, after a restart of the planner.
func (b *plan) advance(low []message.Rank) {
	for i := range b.parts {
		p := &b.parts[i]
		p.low = low[i]
		if p.low > p.planned {
			p.planned = min(p.low, p.total)
			p.seek()
		}
	}
}

// seek puts the iterator behind what is planned.
func (p *part) seek() {
	p.taken = p.planned
	p.ids = p.set.Iterator()
	if p.planned > 0 && p.planned < p.total {
		id, err := p.set.Select(uint32(p.planned)) // Counts from 0: the next one.
		if err == nil {
			p.ids.AdvanceIfNeeded(id)
		}
	}
}

// done tells whether every rank is decided.
func (b *plan) done() bool {
	for i := range b.parts {
		if b.parts[i].low < b.parts[i].total {
			return false
		}
	}
	return true
}

// keep notes that the log has what was taken; forget, that it may not.
func (b *plan) keep(now time.Time) {
	for i := range b.parts {
		p := &b.parts[i]
		if p.taken > p.planned {
			p.planned, p.since = p.taken, now
		}
	}
}

func (b *plan) forget() {
	for i := range b.parts {
		b.parts[i].seek()
	}
}

// take chooses the blocks of a round, about share recipients. The partition
// whose next member has the lowest id goes first, so that all of them move
// through the store's members side by side and one read serves them all; one
// that has no room is passed over and catches up by itself.
func (b *plan) take(share int, l limits, now time.Time) []take {
	ahead := 0
	for i := range b.parts {
		p := &b.parts[i]
		if p.planned > p.low {
			ahead += int(p.planned - p.low)
		}
		if p.since.IsZero() {
			p.since = now
		}
	}
	var takes []take
	taken := 0
	for taken < share {
		best, bestID, bestN := -1, uint32(0), 0
		for i := range b.parts {
			p := &b.parts[i]
			if p.taken == p.total {
				continue
			}
			if id := p.ids.PeekNext(); best < 0 || id < bestID {
				if n := p.room(l, ahead+taken, now); n > 0 {
					best, bestID, bestN = i, id, n
				}
			}
		}
		if best < 0 {
			break
		}
		p := &b.parts[best]
		takes = append(takes, take{partition: best, first: p.taken + 1, from: taken, n: bestN})
		p.taken += message.Rank(bestN)
		taken += bestN
		if p.taken < p.total {
			// The round reads the ids itself; here only the next is wanted.
			id, err := p.set.Select(uint32(p.taken))
			if err != nil {
				break
			}
			p.ids.AdvanceIfNeeded(id)
		}
	}
	return takes
}

// room returns how many recipients the partition's next block may have: a whole
// block or the rest, what the leads leave after having waited, or none.
func (p *part) room(l limits, ahead int, now time.Time) int {
	want := min(record.MaxBlock, int(p.total-p.taken))
	room := min(want, l.partition-int(p.taken-min(p.low, p.taken)), l.all-ahead)
	switch {
	case room == want:
		return want
	case room > 0 && now.Sub(p.since) >= l.wait && p.taken == p.planned:
		return room
	}
	return 0
}

// blocks reads the recipients of all takes at once, in order of their ids, and
// encodes a record for each take.
func (b *plan) blocks(ctx context.Context, members Members, takes []take, now time.Time) ([]Entry, error) {
	order := b.order(takes)
	ids := make([]message.MemberID, len(order))
	for i, o := range order {
		ids[i] = message.MemberID(o >> 32)
	}
	read, texts, hints, err := members.Recipients(ctx, b.head.Number, b.fields, ids, make([]record.Recipient, 0, len(ids)), make([]string, 0, len(ids)*len(b.fields)))
	if err != nil {
		return nil, err
	}
	f := len(b.fields)
	if len(read) != len(ids) || len(texts) != len(ids)*f {
		return nil, fmt.Errorf("%d recipients and %d merge values were read for %d members", len(read), len(texts), len(ids))
	}
	recipients, values := make([]record.Recipient, len(ids)), make([]string, len(ids)*f)
	for i, o := range order {
		place := int(uint32(o))
		recipients[place] = read[i]
		copy(values[place*f:], texts[i*f:(i+1)*f])
	}
	entries := make([]Entry, len(takes))
	block := b.head
	block.Fields = f
	block.Validity = b.left(now)
	for i, t := range takes {
		block.First, block.Total = t.first, b.parts[t.partition].total
		block.Recipients, block.Values = recipients[t.from:t.from+t.n], values[t.from*f:(t.from+t.n)*f]
		block.Hints = ownHints(block.Recipients, hints)
		size := 64 + len(block.Text) + 16*len(block.Hints) + t.n*(24+16*f)
		entries[i] = Entry{Partition: int32(t.partition), Value: record.AppendBlock(make([]byte, 0, size), &block)}
	}
	return entries, nil
}

// ownHints returns those of a round's hints that the recipients of one block
// have, and makes them point there.
func ownHints(recipients []record.Recipient, all []record.Hint) (own []record.Hint) {
	if len(all) == 0 {
		return nil
	}
	var at [record.MaxHints + 1]uint8 // by the place in all + 1; 0: not in own yet
	for i := range recipients {
		r := &recipients[i]
		if r.Hint == 0 {
			continue
		}
		if at[r.Hint] == 0 {
			own = append(own, all[r.Hint-1])
			at[r.Hint] = uint8(len(own))
		}
		r.Hint = at[r.Hint]
	}
	return own
}

// order returns the members of all takes in ascending order: the id in the
// upper half, the place among the takes in the lower.
func (b *plan) order(takes []take) []uint64 {
	var order []uint64
	for _, t := range takes {
		p := &b.parts[t.partition]
		ids := p.set.Iterator()
		if id, err := p.set.Select(uint32(t.first - 1)); err == nil {
			ids.AdvanceIfNeeded(id)
		}
		for i := range t.n {
			order = append(order, uint64(ids.Next())<<32|uint64(t.from+i))
		}
	}
	slices.Sort(order)
	return order
}

// left returns the seconds of validity that are left for the carrier, 0 when
// the deadline has passed: the owner then settles the ranks as expired.
func (b *plan) left(now time.Time) uint32 {
	seconds := (b.head.Deadline - now.UnixMilli() + 999) / 1000
	return uint32(min(max(seconds, 0), int64(b.head.Validity)))
}
