package audience

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Source is where broadcasts come from and where their end is noted.
type Source interface {
	// Sending lists the broadcasts to plan, oldest first, each as the head of
	// its blocks: all that a block says before Total. Validity is what was
	// allowed from the start, in seconds.
	Sending(ctx context.Context) ([]record.Block, error)

	// Audience returns a broadcast's fixed audience: member ids by partition.
	Audience(ctx context.Context, id message.BroadcastID) ([]*roaring.Bitmap, error)

	// MarkSent notes that every message was decided. A newer epoch wins, and
	// that is no error.
	MarkSent(ctx context.Context, id message.BroadcastID, epoch message.Epoch) error
}

// Members is where recipients are read.
type Members interface {
	// Recipients appends, for each of the ascending ids, the recipient as he or
	// she is now, suppressed with the reason where that is so, and the values of
	// the fields. Recipients point into the hints, of which there are at most
	// record.MaxHints. The strings stay valid.
	Recipients(ctx context.Context, number message.Phone, fields []string, ids []message.MemberID,
		recipients []record.Recipient, values []string) ([]record.Recipient, []string, []record.Hint, error)
}

// Progress tells how far the owners have come with a broadcast: the epoch that
// all of them have seen, and for each partition the rank up to which all is
// decided. It is not ready while a partition has no owner or its owner has not
// recovered.
type Progress func(id message.BroadcastID) (epoch message.Epoch, low []message.Rank, ready bool)

// Producer appends records to the topic jobs and returns when all of them are
// durable. After an error some of them may be; the planner makes them again.
type Producer func(ctx context.Context, entries []Entry) error

// Entry is one record for a partition of the topic jobs.
type Entry struct {
	Partition int32
	Value     []byte
}

// Config is what a planner needs. Zero values mean the defaults.
type Config struct {
	Partitions int
	Source     Source
	Members    Members
	Progress   Progress
	Produce    Producer
	Log        *slog.Logger

	// LeadPartition bounds, for one broadcast in one partition, how many ranks
	// planning may be ahead of the low-water rank; Lead bounds all together and
	// is shared equally by the broadcasts that are sending. At these bounds the
	// planner waits. Owners hold what lies between in memory.
	LeadPartition int // default 40,000
	Lead          int // default 240,000

	// Chunk is how many recipients one round reads and produces, which is also
	// what a pause may come too late for.
	Chunk int // default 8,192

	// Wait is how long a partition waits for a whole block's worth of room
	// before it gets a smaller one.
	Wait time.Duration // default 50 ms
}

// Planner plans broadcasts. Run it once.
type Planner struct {
	c     Config
	plans []*plan // as Sending listed them
	blind bool    // the last round could not ask what is to be sent
	stats counters
}

// pollBusy and pollIdle are how often the planner looks when it has nothing to
// do: for room while broadcasts are sending, for a broadcast while none is.
// retry is how long a broadcast rests after an error, and all of them when the
// store doesn't answer.
const (
	pollBusy = 5 * time.Millisecond
	pollIdle = 50 * time.Millisecond
	retry    = time.Second
)

// New checks a configuration.
func New(c Config) (*Planner, error) {
	c.LeadPartition = cmp.Or(c.LeadPartition, 40_000)
	c.Lead = cmp.Or(c.Lead, 240_000)
	c.Chunk = cmp.Or(c.Chunk, 8_192)
	c.Wait = cmp.Or(c.Wait, 50*time.Millisecond)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Partitions < 1:
		return nil, errors.New("planner: wants the number of partitions")
	case c.Source == nil || c.Members == nil || c.Progress == nil || c.Produce == nil:
		return nil, errors.New("planner: wants Source, Members, Progress and Produce")
	case c.LeadPartition < 1 || c.Lead < 1 || c.Chunk < 1 || c.Wait < 0:
		return nil, errors.New("planner: leads and chunk are at least 1")
	}
	return &Planner{c: c}, nil
}

// Run plans until ctx ends, and then returns nil: what is planned stands in the
// log, the rest follows from the low-water ranks. Errors of the store or the
// log are logged and tried again.
func (p *Planner) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		for p.round(ctx) && ctx.Err() == nil {
		}
		switch {
		case p.blind:
			timer.Reset(retry)
		case len(p.plans) > 0:
			timer.Reset(pollBusy)
		default:
			timer.Reset(pollIdle)
		}
	}
}

// round asks what is to be sent, lets every broadcast plan its share of a
// chunk, and produces it all. It tells whether there may be more to do at once.
// Asking anew each time is what makes pause and cancel act within one round.
func (p *Planner) round(ctx context.Context) (more bool) {
	err := p.refresh(ctx)
	if p.blind = err != nil; p.blind {
		p.failed(ctx, "reading the broadcasts", err)
		return false
	}
	now := time.Now()
	var entries []Entry
	var planned []*plan
	share := max(record.MaxBlock, p.c.Chunk/max(1, len(p.plans)))
	for _, b := range p.plans {
		if now.Before(b.rests) {
			continue
		}
		more, err := p.plan(ctx, b, share, now)
		if err != nil {
			b.rests = now.Add(retry)
			b.forget()
			p.failed(ctx, "planning", err, "broadcast", b.head.Broadcast)
			continue
		}
		if len(more) > 0 {
			entries = append(entries, more...)
			planned = append(planned, b)
		}
	}
	if len(entries) == 0 {
		return false
	}
	err = p.c.Produce(ctx, entries)
	for _, b := range planned {
		if err != nil {
			b.rests = now.Add(retry)
			b.forget()
		} else {
			b.keep(now)
		}
	}
	if err != nil {
		p.failed(ctx, "producing blocks", err)
		return false
	}
	p.stats.count(entries)
	return true
}

// plan makes the next blocks of a broadcast, or ends it.
func (p *Planner) plan(ctx context.Context, b *plan, share int, now time.Time) ([]Entry, error) {
	epoch, low, ready := p.c.Progress(b.head.Broadcast)
	// Owners that never heard of a broadcast have decided nothing of it.
	fresh := epoch == 0 && b.head.Epoch == 1
	if !ready || epoch != b.head.Epoch && !fresh {
		return nil, nil
	}
	if len(low) != p.c.Partitions {
		return nil, fmt.Errorf("low-water ranks of %d partitions, want %d", len(low), p.c.Partitions)
	}
	if err := p.open(ctx, b); err != nil {
		return nil, err
	}
	b.advance(low)
	if b.done() {
		if err := p.c.Source.MarkSent(ctx, b.head.Broadcast, b.head.Epoch); err != nil {
			return nil, err
		}
		p.c.Log.InfoContext(ctx, "every message of the broadcast is decided", "broadcast", b.head.Broadcast)
		return nil, nil
	}
	lead := p.c.Lead / len(p.plans)
	takes := b.take(share, limits{partition: p.c.LeadPartition, all: max(1, lead), wait: p.c.Wait}, now)
	if len(takes) == 0 {
		return nil, nil
	}
	return b.blocks(ctx, p.c.Members, takes, now)
}

// refresh brings the list of plans up to date. A broadcast in a new epoch is
// planned anew, from the low-water ranks of that epoch.
func (p *Planner) refresh(ctx context.Context) error {
	heads, err := p.c.Source.Sending(ctx)
	if err != nil {
		return err
	}
	old := p.plans
	p.plans = make([]*plan, 0, len(heads))
	for _, head := range heads {
		i := slices.IndexFunc(old, func(b *plan) bool {
			return b.head.Broadcast == head.Broadcast && b.head.Epoch == head.Epoch
		})
		if i >= 0 {
			p.plans = append(p.plans, old[i])
		} else {
			p.plans = append(p.plans, &plan{head: head})
		}
	}
	return nil
}

// open loads what planning needs, once.
func (p *Planner) open(ctx context.Context, b *plan) error {
	if b.parts != nil {
		return nil
	}
	template, err := message.ParseTemplate(b.head.Text)
	if err != nil {
		return err
	}
	sets, err := p.c.Source.Audience(ctx, b.head.Broadcast)
	if err != nil {
		return err
	}
	if len(sets) != p.c.Partitions {
		return fmt.Errorf("an audience of %d partitions, want %d", len(sets), p.c.Partitions)
	}
	b.open(template.Fields, sets)
	return nil
}

func (p *Planner) failed(ctx context.Context, what string, err error, attributes ...any) {
	if ctx.Err() == nil {
		p.stats.errors.Add(1)
		p.c.Log.ErrorContext(ctx, what+"; it is tried again", append(attributes, "error", err)...)
	}
}
