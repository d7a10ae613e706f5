package audience

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2"
	"go.uber.org/goleak"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const partitions = 4

// world is a store, a log and the owners, as the planner sees them.
type world struct {
	t  *testing.T
	mu sync.Mutex

	heads   []record.Block
	sets    map[message.BroadcastID][]*roaring.Bitmap
	revoked map[message.MemberID]bool
	deleted map[message.MemberID]bool
	names   map[message.MemberID]string

	epoch     map[message.BroadcastID]message.Epoch // as the owners have seen
	low       map[message.BroadcastID][]message.Rank
	notReady  bool
	sent      []message.BroadcastID
	log       []*record.Block
	parts     []int32 // of log
	most      message.Rank
	mostAll   int
	broken    error // of producing
	away      error // of the store
	readMost  int
	readTotal int
	sending   int // calls
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, sets: map[message.BroadcastID][]*roaring.Bitmap{}, revoked: map[message.MemberID]bool{}, deleted: map[message.MemberID]bool{},
		names: map[message.MemberID]string{}, epoch: map[message.BroadcastID]message.Epoch{}, low: map[message.BroadcastID][]message.Rank{},
	}
}

// add makes a broadcast to n members, who are spread over the partitions.
func (w *world) add(id message.BroadcastID, n int, rng *rand.Rand) {
	sets := make([]*roaring.Bitmap, partitions)
	for i := range sets {
		sets[i] = roaring.New()
	}
	member := uint32(0)
	for range n {
		member += 1 + rng.Uint32N(3)
		sets[rng.IntN(partitions)].Add(member)
	}
	w.sets[id] = sets
	w.low[id] = make([]message.Rank, partitions)
	w.heads = append(w.heads, record.Block{
		Broadcast: id, Epoch: 1, Number: 17735550100, Policy: message.AtLeastOnce, Text: "Hey {{first_name}} of {{city}}",
		Deadline: time.Now().Add(time.Minute).UnixMilli(), Validity: 60,
	})
}

func (w *world) Sending(context.Context) ([]record.Block, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sending++
	if w.away != nil {
		return nil, w.away
	}
	return slices.Clone(w.heads), nil
}

func (w *world) Audience(_ context.Context, id message.BroadcastID) ([]*roaring.Bitmap, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sets[id] == nil {
		return nil, errors.New("no audience")
	}
	return w.sets[id], nil
}

func (w *world) MarkSent(_ context.Context, id message.BroadcastID, epoch message.Epoch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = append(w.sent, id)
	w.heads = slices.DeleteFunc(w.heads, func(b record.Block) bool { return b.Broadcast == id && b.Epoch == epoch })
	return nil
}

func phoneOf(id message.MemberID) message.Phone { return 12_000_000_000 + message.Phone(id) }

func (w *world) Recipients(_ context.Context, _ message.Phone, fields []string, ids []message.MemberID, rs []record.Recipient, vs []string) ([]record.Recipient, []string, []record.Hint, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.IsSorted(ids) {
		w.t.Error("the store was asked for members out of order")
	}
	w.readMost, w.readTotal = max(w.readMost, len(ids)), w.readTotal+len(ids)
	var hints []record.Hint
	for _, id := range ids {
		r := record.Recipient{Member: id, Phone: phoneOf(id), Attributes: message.Attributes{Age: 30}}
		if h := hintOf(id); h.Name != "" {
			at := slices.Index(hints, h)
			if at < 0 {
				at = len(hints)
				hints = append(hints, h)
			}
			r.Hint = uint8(at + 1)
		}
		if w.revoked[id] {
			r.Suppressed = message.ReasonStop
		}
		if w.deleted[id] {
			r.Suppressed, r.Phone = message.ReasonLeft, 0
		}
		rs = append(rs, r)
		for _, f := range fields {
			vs = append(vs, fmt.Sprint(f, " ", id, w.names[id]))
		}
	}
	return rs, vs, hints, nil
}

// hintOf knows something of every other member: many names over all, few among
// neighbours.
func hintOf(id message.MemberID) record.Hint {
	if id%2 == 0 {
		return record.Hint{}
	}
	return record.Hint{Name: fmt.Sprint("network ", id%7+id/1000%20), Source: message.EvidenceImport}
}

func (w *world) progress(id message.BroadcastID) (message.Epoch, []message.Rank, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.epoch[id], slices.Clone(w.low[id]), !w.notReady
}

func (w *world) produce(_ context.Context, entries []Entry) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range entries {
		job, err := record.DecodeJob(e.Value)
		if err != nil || job.Block == nil {
			w.t.Errorf("a job that cannot be read: %v", err)
			continue
		}
		b := job.Block
		w.log, w.parts = append(w.log, b), append(w.parts, e.Partition)
		if ahead := b.First + message.Rank(len(b.Recipients)) - 1 - w.low[b.Broadcast][e.Partition]; ahead < 1<<31 {
			w.most = max(w.most, ahead)
		}
	}
	return w.broken
}

// planner runs until the test stops it.
func (w *world) planner(c Config) (stop func()) {
	c.Partitions, c.Source, c.Members, c.Progress, c.Produce = partitions, w, w, w.progress, w.produce
	p, err := New(c)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("the planner ended with %v", err)
		}
	}
}

// planned returns, from the log, the member of every rank by partition, and
// fails when a rank ever meant two members or another than the audience's.
func (w *world) planned(id message.BroadcastID) []map[message.Rank]message.MemberID {
	w.mu.Lock()
	defer w.mu.Unlock()
	ranks := make([]map[message.Rank]message.MemberID, partitions)
	for i := range ranks {
		ranks[i] = map[message.Rank]message.MemberID{}
	}
	for i, b := range w.log {
		if b.Broadcast != id {
			continue
		}
		set := w.sets[id][w.parts[i]]
		if uint64(b.Total) != set.GetCardinality() {
			w.t.Fatalf("block says %d in all, the audience has %d", b.Total, set.GetCardinality())
		}
		if len(b.Recipients) == 0 || len(b.Recipients) > record.MaxBlock {
			w.t.Fatalf("block of %d", len(b.Recipients))
		}
		for j, r := range b.Recipients {
			rank := b.First + message.Rank(j)
			want, err := set.Select(uint32(rank - 1))
			if err != nil || uint32(r.Member) != want {
				w.t.Fatalf("partition %d rank %d is member %d, in the audience it is %d (%v)", w.parts[i], rank, r.Member, want, err)
			}
			if v := b.ValuesOf(j); v[0] != fmt.Sprint("first_name ", r.Member, w.names[r.Member]) || !strings.HasPrefix(v[1], fmt.Sprint("city ", r.Member)) {
				w.t.Fatalf("member %d has the merge values %q", r.Member, v)
			}
			if b.HintOf(j) != hintOf(r.Member) {
				w.t.Fatalf("member %d has the hint %v, want %v", r.Member, b.HintOf(j), hintOf(r.Member))
			}
			ranks[w.parts[i]][rank] = r.Member
		}
	}
	return ranks
}

// decide lets the owners decide all that is planned of a broadcast, or up to n
// more ranks in each partition.
func (w *world) decide(id message.BroadcastID, n message.Rank) {
	w.mu.Lock()
	defer w.mu.Unlock()
	reach := make([]message.Rank, partitions)
	for i, b := range w.log {
		if b.Broadcast == id {
			reach[w.parts[i]] = max(reach[w.parts[i]], b.First+message.Rank(len(b.Recipients))-1)
		}
	}
	all := 0
	for i := range reach {
		if reach[i] > w.low[id][i] {
			all += int(reach[i] - w.low[id][i])
		}
		w.low[id][i] = max(w.low[id][i], min(reach[i], w.low[id][i]+n))
	}
	w.mostAll = max(w.mostAll, all)
}

// blocks returns how many blocks the log has.
func (w *world) blocks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.log)
}

// ended returns how many broadcasts were marked as sent.
func (w *world) ended() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}

func (w *world) set(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
}
