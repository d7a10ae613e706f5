package engine

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// post is an engine whose carriers answer, and send receipts, word by word as
// a test says; its log outlives it.
type post struct {
	t        *testing.T
	now      time.Time
	e        *Engine
	journal  [][][]byte // by partition
	jobs     [][][]byte
	receipts [][][]byte
	binds    map[string]*postBind
	config   Config
	sent     int
	booted   int
}

const (
	postPartitions = 4
	postNumber     = message.Phone(17735550100)
)

// postBind takes everything and answers nothing by itself.
type postBind struct {
	port *Port
	out  map[string]uint64 // token by phone/part of what waits for an answer
	past map[string]uint64 // … of what was answered already
}

func (b *postBind) Write(items []Item) int {
	for _, it := range items {
		b.out[string(it.PDU)] = it.Token
	}
	return len(items)
}

func (b *postBind) Revoke(func(uint64) bool) {}

// Encode writes a part for each word.
func (p *post) Encode(dst *Parts, t *Text) error {
	for i := range strings.Count(string(t.Body), " ") + 1 {
		dst.Buf = fmt.Appendf(dst.Buf, "%d/%d", t.Phone, i+1)
		dst.Ends = append(dst.Ends, len(dst.Buf))
	}
	return nil
}

// Append is the log's.
func (p *post) Append(entries []journal.Entry, done func([]int64, error)) {
	offsets := make([]int64, len(entries))
	for i, e := range entries {
		offsets[i] = int64(len(p.journal[e.Partition]))
		p.journal[e.Partition] = append(p.journal[e.Partition], append([]byte(nil), e.Value...))
	}
	done(offsets, nil)
}

// newPost starts an engine with the carriers "plain", whose ids are as they are
// in responses, and "auto", of which nobody has said how they are.
func newPost(t *testing.T, change func(*Config)) *post {
	p := &post{
		t: t, now: time.Unix(1_790_000_000, 0),
		journal: make([][][]byte, postPartitions), jobs: make([][][]byte, postPartitions), receipts: make([][][]byte, postPartitions),
	}
	p.config = Config{
		Name: "post", Partitions: postPartitions, Log: p, Validity: time.Minute, Grace: time.Hour, SnapshotEvery: 40 * time.Millisecond,
		Numbers:  []Number{{Phone: postNumber, Carriers: []string{"plain"}}, {Phone: postNumber + 1, Carriers: []string{"auto"}}},
		Carriers: []Carrier{{Name: "plain", Encoder: p}, {Name: "auto", Encoder: p}},
		Receipt:  postReceipt,
		CanonicalID: func(carrier string, id []byte) []byte {
			if carrier == "auto" {
				return foldPostID(id)
			}
			return id
		},
		DetectIDs: func(carrier string) bool { return carrier == "auto" },
		ReceiptID: postID,
	}
	if change != nil {
		change(&p.config)
	}
	p.boot()
	return p
}

// postReceipt reads id/phone/to/state/err.
func postReceipt(_ string, pdu []byte) (Receipt, bool) {
	f := strings.Split(string(pdu), "/")
	if len(f) != 5 {
		return Receipt{}, false
	}
	rc := Receipt{ID: []byte(f[0]), Err: f[4]}
	phone, _ := strconv.ParseUint(f[1], 10, 64)
	to, _ := strconv.ParseUint(f[2], 10, 64)
	state, _ := strconv.Atoi(f[3])
	rc.Phone, rc.To, rc.State = message.Phone(phone), message.Phone(to), message.State(state)
	return rc, true
}

func foldPostID(id []byte) []byte {
	s := strings.ToLower(strings.TrimSpace(string(id)))
	if _, err := strconv.ParseUint(s, 16, 64); err == nil {
		if s = strings.TrimLeft(s, "0"); s == "" {
			s = "0"
		}
	}
	return []byte(s)
}

// postID is a plain reading of what Config.ReceiptID promises.
func postID(_ string, form IDForm, id, _ []byte) ([]byte, bool) {
	from, to := 10, 16
	switch form {
	case IDSame:
		return foldPostID(id), true
	case IDHex:
		from, to = 16, 10
	}
	n, err := strconv.ParseUint(string(foldPostID(id)), from, 64)
	return strconv.AppendUint(nil, n, to), err == nil
}

// boot starts an engine on the log; called again, after a crash that has lost
// whatever was in memory.
func (p *post) boot() {
	var starts [postPartitions]Start
	var kept [postPartitions]int64
	if p.e != nil {
		for i := range int32(postPartitions) {
			starts[i].Jobs, starts[i].Receipts, kept[i] = p.e.Marks(i)
		}
	}
	p.booted++
	e, err := New(p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	p.e, p.binds = e, map[string]*postBind{}
	for _, c := range p.config.Carriers {
		b := &postBind{out: map[string]uint64{}, past: map[string]uint64{}}
		b.port = e.Attach(c.Name, 1, 100, b)
		p.binds[c.Name] = b
	}
	for i := range int32(postPartitions) {
		done := make(chan error, 1)
		go func() {
			done <- e.Own(context.Background(), i, starts[i], func(_ context.Context, i int32, until int64, each func(int64, []byte) error) error {
				for off := kept[i]; off < until; off++ {
					if err := each(off, p.journal[i][off]); err != nil {
						return err
					}
				}
				return nil
			})
		}()
		for len(done) == 0 {
			p.e.step(p.now)
		}
		if err := <-done; err != nil {
			p.t.Fatal(err)
		}
		for off := starts[i].Jobs; off < int64(len(p.jobs[i])); off++ {
			p.feed(record.TopicJobs, i, off, p.jobs[i][off])
		}
		for off := starts[i].Receipts; off < int64(len(p.receipts[i])); off++ {
			p.feed(record.TopicReceipts, i, off, p.receipts[i][off])
		}
	}
	p.steps()
}

func (p *post) feed(topic string, partition int32, offset int64, value []byte) {
	if err := p.e.Records([]Record{{topic, partition, offset, value}}); err != nil {
		p.t.Fatal(err)
	}
}

// steps lets the engine finish what it has to do now.
func (p *post) steps() {
	for range 8 {
		p.e.step(p.now)
	}
}

// pass lets time go by, with as many looks as it takes to visit each partition
// twice.
func (p *post) pass(d time.Duration) {
	p.now = p.now.Add(d)
	for range 2 * postPartitions {
		p.now = p.now.Add(20 * time.Millisecond)
		p.e.step(p.now)
	}
	p.steps()
}

// send has a text of some parts go to a phone; plain's number is postNumber,
// auto's the one after it.
func (p *post) send(number, phone message.Phone, parts int) message.ID {
	p.sent++
	for _, b := range p.binds {
		for part := range parts {
			delete(b.past, fmt.Sprintf("%d/%d", phone, part+1))
		}
	}
	id := message.ID{1, byte(p.sent >> 8), byte(p.sent)}
	i := phone.Partition(postPartitions)
	v := record.AppendSingle(nil, &record.Single{
		ID: id, Number: number, Phone: phone, Class: message.ClassOneToOne, Deadline: p.now.UnixMilli() + 3_600_000, Validity: 60,
		Text: strings.TrimSpace(strings.Repeat("w ", parts)),
	})
	p.jobs[i] = append(p.jobs[i], v)
	p.feed(record.TopicJobs, i, int64(len(p.jobs[i])-1), v)
	p.steps()
	return id
}

// answer answers a part that was written.
func (p *post) answer(carrier string, phone message.Phone, part int, a Answer) {
	p.t.Helper()
	b, key := p.binds[carrier], fmt.Sprintf("%d/%d", phone, part)
	token, ok := b.out[key]
	if !ok {
		if token, ok = b.past[key]; !ok {
			p.t.Fatalf("part %s was not written", key)
		}
	}
	delete(b.out, key)
	b.past[key] = token
	a.Token, a.At, a.Congestion = token, p.now.UnixMilli(), -1
	b.port.Answers([]Answer{a})
	p.steps()
}

// written tells whether a part waits for its answer.
func (p *post) written(carrier string, phone message.Phone, part int) bool {
	_, ok := p.binds[carrier].out[fmt.Sprintf("%d/%d", phone, part)]
	return ok
}

func (p *post) accept(carrier string, phone message.Phone, part int, id string) {
	p.t.Helper()
	p.answer(carrier, phone, part, Answer{Code: message.Accepted, ID: []byte(id)})
}

func (p *post) lose(carrier string, phone message.Phone, part int) {
	p.t.Helper()
	p.answer(carrier, phone, part, Answer{Code: message.Unknown})
}

// receipt files a receipt as an intake does: under its phone, or without one
// anywhere.
func (p *post) receipt(carrier, id string, phone, to message.Phone, state message.State, err string) {
	i := phone.Partition(postPartitions)
	if phone == 0 {
		i = int32(len(id)) % postPartitions
	}
	p.now = p.now.Add(time.Millisecond)
	v := record.AppendReceipts(nil, &record.Receipts{Carrier: carrier, Entries: []record.Receipt{
		{Bind: 7, At: p.now.UnixMilli(), PDU: fmt.Appendf(nil, "%s/%d/%d/%d/%s", id, phone, to, state, err)},
	}})
	p.receipts[i] = append(p.receipts[i], v)
	p.feed(record.TopicReceipts, i, int64(len(p.receipts[i])-1), v)
	p.steps()
}

// delivered is the usual receipt.
func (p *post) delivered(carrier, id string, phone message.Phone) {
	p.receipt(carrier, id, phone, 0, message.Delivered, "000")
}

// told is what the journal says of a message.
type toldOf struct {
	state  message.State
	finals int
	err    string
	parts  []record.Part
}

// read computes what the journal says of each message, as a stranger would.
func (p *post) read() map[message.ID]toldOf {
	all := map[message.ID]toldOf{}
	move := func(m *record.Message, from, to message.State) toldOf {
		s := all[m.ID]
		if to == message.Open {
			return s
		}
		if s.state != from {
			p.t.Errorf("the journal moves %v from %v to %v, it was %v", m.ID, from, to, s.state)
		}
		s.state = to
		return s
	}
	for _, records := range p.journal {
		owner := int64(-1)
		for off, v := range records {
			var j record.Journal
			if err := record.DecodeJournal(v, &j); err != nil {
				p.t.Fatal(err)
			}
			if j.Own != nil {
				owner = int64(off)
			} else if j.Owner < owner {
				continue
			}
			for i := range j.Outcomes {
				o := &j.Outcomes[i]
				all[o.Message.ID] = move(&o.Message, o.From, o.State)
			}
			for i := range j.Finals {
				f := &j.Finals[i]
				s := move(&f.Message, f.From, f.State)
				s.err, s.parts = f.Err, f.Parts
				if f.State.Final() {
					s.finals++
				}
				all[f.Message.ID] = s
			}
		}
	}
	return all
}

// want holds a message's state in the journal against the truth.
func (p *post) want(id message.ID, state message.State) toldOf {
	p.t.Helper()
	s := p.read()[id]
	if s.state != state {
		p.t.Errorf("the message is %v, want %v: %+v", s.state, state, p.stats("plain"))
	}
	if s.finals > 1 {
		p.t.Errorf("%d finals of one message", s.finals)
	}
	return s
}

func (p *post) stats(carrier string) CarrierReceipts {
	p.now = p.now.Add(200 * time.Millisecond)
	p.e.step(p.now)
	for _, r := range p.e.Receipts() {
		if r.Carrier == carrier {
			return r
		}
	}
	p.t.Fatalf("nothing is said of carrier %s", carrier)
	return CarrierReceipts{}
}

// counted holds what became of all receipts that were read against what is
// wanted of it; results left out are to be zero.
func (p *post) counted(carrier string, want CarrierReceipts) {
	p.t.Helper()
	got := p.stats(carrier)
	for result, n := range got.Results() {
		if w := want.Results()[result]; n != w {
			p.t.Errorf("%s: %d, want %d", result, n, w)
		}
	}
	if got.Parked != want.Parked {
		p.t.Errorf("parked: %d, want %d", got.Parked, want.Parked)
	}
}
