package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// world is everything around an engine, in one goroutine and under one seed:
// a log that acknowledges late and loses what was not acknowledged at a crash,
// a carrier that answers when it likes, a planner, fans who text STOP.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	now      time.Time
	journal  [][][]byte // by partition
	jobs     [][][]byte
	receipts [][][]byte
	jobsDone []int64
	rcptDone []int64
	kept     []int64 // by partition: where the journal that is retained begins
	consent  [][]byte
	controls [][]byte
	mu       sync.Mutex // of journal and appends: Own has a goroutine of its own
	appends  []func()
	e        *Engine
	binds    []*fakeBind // one of each carrier
	carriers []string
	retry    record.Retry
	audience []message.Rank // by partition
	planned  []message.Rank
	epoch    message.Epoch
	state    record.Action
	policy   message.Policy

	accepted map[string]int // by key/part: what the carrier took
	owed     []owedReceipt  // receipts still to be sent
	ids      int
	stopped  map[message.Phone]bool
	crashes  int
	dying    bool
	windows  int

	snapshots time.Duration // how often they are taken
}

type owedReceipt struct {
	id    string
	from  string // the carrier
	phone message.Phone
	state message.State
}

const (
	worldPartitions = 3
	worldNumber     = message.Phone(17735550100)
	worldWindow     = 8
)

// Append is the log's: acknowledged when the world gets to it.
func (w *world) Append(entries []journal.Entry, done func([]int64, error)) {
	kept := make([]journal.Entry, len(entries))
	for i, e := range entries {
		kept[i] = e
		kept[i].Value = append([]byte(nil), e.Value...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.appends = append(w.appends, func() {
		offsets := make([]int64, len(kept))
		w.mu.Lock()
		for i, e := range kept {
			if w.dying && w.rng.IntN(3) == 0 {
				continue // A crash may leave some of a gathering's records in the log.
			}
			offsets[i] = int64(len(w.journal[e.Partition]))
			w.journal[e.Partition] = append(w.journal[e.Partition], e.Value)
		}
		w.mu.Unlock()
		done(offsets, nil)
	})
}

// ackOne acknowledges the oldest append; false when there is none.
func (w *world) ackOne() bool {
	w.mu.Lock()
	if len(w.appends) == 0 {
		w.mu.Unlock()
		return false
	}
	f := w.appends[0]
	w.appends = w.appends[1:]
	w.mu.Unlock()
	f()
	return true
}

type fakeEncoder struct{}

func (fakeEncoder) Encode(dst *Parts, t *Text) error {
	parts := 1 + int(t.Phone%3)/2 // Every third member's text takes two parts.
	for i := range parts {
		dst.Buf = fmt.Appendf(dst.Buf, "%s/%d/%d", t.Key, i+1, t.Phone)
		dst.Ends = append(dst.Ends, len(dst.Buf))
	}
	return nil
}

// fakeBind holds what was written to it until the world answers.
type fakeBind struct {
	w      *world
	name   string // of its carrier
	port   *Port
	buffer []Item            // not begun to be written
	flying []Item            // on the wire
	early  map[uint64]string // by token: ids of parts that the carrier took and has not answered yet
}

func (b *fakeBind) Write(items []Item) int {
	n := len(items)
	if b.w.rng.IntN(20) == 0 {
		n = b.w.rng.IntN(n + 1)
	}
	for _, it := range items[:n] {
		b.buffer = append(b.buffer, Item{it.Token, append([]byte(nil), it.PDU...)})
	}
	return n
}

func (b *fakeBind) Revoke(match func(uint64) bool) {
	kept := b.buffer[:0:0]
	var back []Answer
	for _, it := range b.buffer {
		if match(it.Token) {
			back = append(back, Answer{Token: it.Token, Code: message.NotSent, At: b.w.ms()})
		} else {
			kept = append(kept, it)
		}
	}
	b.buffer = kept
	b.port.Answers(back)
}

func (w *world) ms() int64 { return w.now.UnixMilli() }

// put moves one part onto the wire; a part to a stopped phone is a fault.
func (b *fakeBind) put() {
	if len(b.buffer) == 0 {
		return
	}
	it := b.buffer[0]
	b.buffer = b.buffer[1:]
	b.flying = append(b.flying, it)
	if b.w.rng.IntN(3) == 0 { // Its receipt may overtake the answer.
		b.early[it.Token] = b.w.take(b, it)
	}
	f := strings.Split(string(it.PDU), "/")
	phone, _ := message.ParsePhone(f[2])
	if b.w.stopped[phone] {
		b.w.t.Fatalf("a part to %v was written after its STOP was acknowledged", phone)
	}
}

// answer answers one part on the wire, in any order.
func (b *fakeBind) answer() {
	if len(b.flying) == 0 {
		return
	}
	i := b.w.rng.IntN(len(b.flying))
	it := b.flying[i]
	b.flying = append(b.flying[:i:i], b.flying[i+1:]...)
	a := Answer{Token: it.Token, At: b.w.ms()}
	id, taken := b.early[it.Token]
	switch n := b.w.rng.IntN(12); {
	case taken && n == 0: // Its answer never comes.
		a.Code = message.Unknown
	case taken:
		a.Code, a.ID = message.Accepted, []byte(id)
	case n == 0:
		a.Code, a.Status = message.Refused, 0x45
	case n == 1:
		a.Code, a.Status, a.Later, a.Slow, a.Full = message.Refused, 0x58, true, true, b.w.rng.IntN(4) == 0
	case n == 2 && b.w.rng.IntN(8) == 0:
		a.Code, a.Status, a.Sender = message.Refused, 0x0A, true
	default:
		a.Code = message.Accepted
		a.ID = []byte(b.w.take(b, it))
	}
	b.port.Answers([]Answer{a})
}

// take is the carrier accepting a part: it will send a receipt for it.
func (w *world) take(b *fakeBind, it Item) string {
	f := strings.Split(string(it.PDU), "/")
	key := f[0] + "/" + f[1]
	w.accepted[key]++
	w.ids++
	id := fmt.Sprint("id", w.ids)
	phone, _ := message.ParsePhone(f[2])
	state := message.Delivered
	if w.rng.IntN(5) == 0 {
		state = message.Failed
	}
	w.owed = append(w.owed, owedReceipt{id, b.name, phone, state})
	return id
}

// drop loses a bind: what was on the wire may or may not have arrived.
func (w *world) drop() {
	i := w.rng.IntN(len(w.binds))
	b := w.binds[i]
	var back []Answer
	for _, it := range b.flying {
		if _, taken := b.early[it.Token]; !taken && w.rng.IntN(2) == 0 {
			w.take(b, it)
		}
		back = append(back, Answer{Token: it.Token, Code: message.Unknown, At: w.ms()})
	}
	for _, it := range b.buffer {
		back = append(back, Answer{Token: it.Token, Code: message.NotSent, At: w.ms()})
	}
	b.flying, b.buffer = nil, nil
	b.port.Answers(back)
	b.port.Detach()
	if w.rng.IntN(2) == 0 { // It stays away for a moment.
		w.e.step(w.now)
	}
	w.binds[i] = w.bindOf(b.name)
}

func (w *world) bindOf(carrier string) *fakeBind {
	b := &fakeBind{w: w, name: carrier, early: map[uint64]string{}}
	w.windows += worldWindow
	b.port = w.e.Attach(carrier, uint32(w.windows), worldWindow, b)
	return b
}

func (w *world) attach() {
	w.binds = nil
	for _, name := range w.carriers {
		w.binds = append(w.binds, w.bindOf(name))
	}
}

// anyBind is one of them, by lot.
func (w *world) anyBind() *fakeBind { return w.binds[w.rng.IntN(len(w.binds))] }

func (w *world) config() Config {
	return Config{
		Name: "test", Partitions: worldPartitions, Log: w, Validity: time.Hour, Grace: time.Hour, SnapshotEvery: w.snapshots,
		Numbers:  []Number{{Phone: worldNumber, Carriers: w.carriers}},
		Carriers: []Carrier{{Name: "acme", Encoder: fakeEncoder{}}, {Name: "beta", Encoder: fakeEncoder{}}},
		Receipt: func(_ string, pdu []byte) (Receipt, bool) {
			f := strings.Split(string(pdu), "/")
			phone, _ := message.ParsePhone(f[1])
			state := message.Delivered
			if f[2] == message.Failed.String() {
				state = message.Failed
			}
			return Receipt{ID: []byte(f[0]), Phone: phone, State: state}, true
		},
		CanonicalID: func(_ string, id []byte) []byte { return id },
	}
}

// boot starts an engine on what the log has.
func (w *world) boot() {
	e, err := New(w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	w.e = e
	for _, c := range w.consent {
		w.feed(record.TopicConsent, 0, 0, c)
	}
	for _, c := range w.controls {
		w.feed(record.TopicControl, 0, 0, c)
	}
	w.e.step(w.now)
	for p := range int32(worldPartitions) {
		done := make(chan error, 1)
		go func() {
			done <- e.Own(context.Background(), p, Start{w.jobsDone[p], w.rcptDone[p]}, func(_ context.Context, p int32, until int64, each func(int64, []byte) error) error {
				w.mu.Lock()
				records := w.journal[p]
				w.mu.Unlock()
				for off := w.kept[p]; off < until; off++ {
					if err := each(off, records[off]); err != nil {
						return err
					}
				}
				return nil
			})
		}()
		w.wait(done)
		for off := w.jobsDone[p]; off < int64(len(w.jobs[p])); off++ {
			w.feed(record.TopicJobs, p, off, w.jobs[p][off])
		}
		for off := w.rcptDone[p]; off < int64(len(w.receipts[p])); off++ {
			w.feed(record.TopicReceipts, p, off, w.receipts[p][off])
		}
	}
	w.attach()
	for p := range w.planned {
		w.planned[p] = e.Progress(1).Low[p]
	}
}

// wait lets the engine's loop and the log go on until Own has returned.
func (w *world) wait(done chan error) {
	for {
		select {
		case err := <-done:
			if err != nil {
				w.t.Fatal(err)
			}
			return
		case <-time.After(20 * time.Microsecond): // Own's goroutine has its say.
			w.ackAll()
			w.e.step(w.now)
		}
	}
}

func (w *world) ackAll() {
	for w.ackOne() {
	}
}

func (w *world) feed(topic string, p int32, offset int64, value []byte) {
	if err := w.e.Records([]Record{{topic, p, offset, value}}); err != nil {
		w.t.Fatal(err)
	}
}

// crash loses the process: of what was on its way to the log some may have
// arrived; of what the bind held some left.
func (w *world) crash() {
	w.crashes++
	w.dying = true
	for _, append := range w.appends {
		if w.rng.IntN(2) == 0 {
			append()
		}
	}
	w.appends, w.dying = nil, false
	for _, b := range w.binds {
		for len(b.buffer) > 0 && w.rng.IntN(2) == 0 {
			b.put()
		}
		for _, it := range b.flying {
			if _, taken := b.early[it.Token]; !taken && w.rng.IntN(2) == 0 {
				w.take(b, it)
			}
		}
	}
	w.boot()
}

// plan produces the next block of a partition, within a bounded lead.
func (w *world) plan(p int32) {
	low := w.e.Progress(1)
	w.planned[p] = max(w.planned[p], low.Low[p])
	if w.state == record.Pause || w.state == record.Cancel || w.planned[p] >= w.audience[p] || w.planned[p]-low.Low[p] > 60 {
		return
	}
	b := &record.Block{
		Broadcast: 1, Epoch: w.epoch, Number: worldNumber, Policy: w.policy, Deadline: w.ms() + 3_600_000, Validity: 60,
		Text: "hi", Total: w.audience[p], First: w.planned[p] + 1, Retry: w.retry,
	}
	for len(b.Recipients) < 1+w.rng.IntN(20) && w.planned[p] < w.audience[p] {
		w.planned[p]++
		b.Recipients = append(b.Recipients, record.Recipient{Member: worldMember(p, w.planned[p]), Phone: worldPhone(p, w.planned[p])})
	}
	w.jobs[p] = append(w.jobs[p], record.AppendBlock(nil, b))
	w.feed(record.TopicJobs, p, int64(len(w.jobs[p])-1), w.jobs[p][len(w.jobs[p])-1])
}

func worldMember(p int32, r message.Rank) message.MemberID {
	return message.MemberID(uint32(p)*100_000 + uint32(r))
}

func worldPhone(p int32, r message.Rank) message.Phone {
	return message.Phone(12020000000 + uint64(p)*100_000 + uint64(r))
}

// stop is a fan's STOP, aimed near the cursor.
func (w *world) stop() {
	p := int32(w.rng.IntN(worldPartitions))
	r := message.Rank(max(1, int(w.planned[p])-w.rng.IntN(30)))
	phone := worldPhone(p, r)
	c := record.AppendConsent(nil, &record.Consent{Number: worldNumber, Phone: phone, Revoked: true, At: w.ms()})
	w.consent = append(w.consent, c)
	w.e.Stop(worldNumber, phone, w.ms(), func() { w.stopped[phone] = true })
}

// receipt sends one of the receipts that are due, now and then twice.
func (w *world) receipt() {
	if len(w.owed) == 0 {
		return
	}
	i := w.rng.IntN(len(w.owed))
	r := w.owed[i]
	if w.rng.IntN(10) > 0 {
		w.owed = append(w.owed[:i:i], w.owed[i+1:]...)
	}
	p := int32((r.phone - 12020000000) / 100_000)
	v := record.AppendReceipts(nil, &record.Receipts{Carrier: r.from, Entries: []record.Receipt{{At: w.ms(), PDU: fmt.Appendf(nil, "%s/%d/%s", r.id, r.phone, r.state)}}})
	w.receipts[p] = append(w.receipts[p], v)
	w.feed(record.TopicReceipts, p, int64(len(w.receipts[p])-1), v)
}

func (w *world) control(a record.Action) {
	w.epoch++
	w.state = a
	c := record.AppendControl(nil, &record.Control{Broadcast: 1, Epoch: w.epoch, Action: a, Totals: w.audience})
	w.controls = append(w.controls, c)
	w.feed(record.TopicControl, 0, 0, c)
	w.e.step(w.now)
	for p := range w.planned {
		w.planned[p] = w.e.Progress(1).Low[p]
	}
}

func (w *world) commitOffsets() {
	for p := range int32(worldPartitions) {
		var replay int64
		w.jobsDone[p], w.rcptDone[p], replay = w.e.Marks(p)
		w.kept[p] = max(w.kept[p], replay)
	}
}

// tick does one random thing.
func (w *world) tick(faults bool) {
	w.now = w.now.Add(time.Duration(w.rng.IntN(3)) * time.Millisecond)
	switch n := w.rng.IntN(100); {
	case n < 15:
		w.plan(int32(w.rng.IntN(worldPartitions)))
	case n < 35:
		w.ackOne()
	case n < 55:
		w.anyBind().put()
	case n < 70:
		w.anyBind().answer()
	case n < 80:
		w.receipt()
	case n < 84:
		w.commitOffsets()
	case n == 84 && faults:
		w.stop()
	case n == 85 && faults && w.rng.IntN(4) == 0:
		w.drop()
	case n == 86 && faults && w.rng.IntN(6) == 0:
		w.crash()
	case n == 87 && faults && w.rng.IntN(10) == 0 && w.state != record.Cancel:
		if w.state == record.Pause {
			w.control(record.Resume)
		} else {
			w.control(record.Pause)
		}
	default:
		w.e.step(w.now)
	}
}
