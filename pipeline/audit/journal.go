package audit

import (
	"fmt"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// journal counts one partition of topic journal. A record whose owner is older
// than the last owner known before it is void (contracts.md, "Owner").
//
// Where the partition's beginning is not retained, the first snapshot that says
// what all before a retained record came to stands for it, and what is read
// before that snapshot waits in early.
type journal struct {
	part   *part
	owner  int64 // the last known; record.NoOwner: none yet
	first  int64
	early  []move // until counting begins; at most what one snapshot interval holds
	counts bool
	open   map[record.Ref]message.BroadcastID
	buf    record.Journal
}

// move takes messages of a broadcast from one state to another.
type move struct {
	offset    int64
	broadcast message.BroadcastID
	from, to  message.State
	messages  int64
	parts     int64
}

func newJournal(p *part, first int64) *journal {
	return &journal{part: p, owner: record.NoOwner, first: first, counts: first == 0, open: map[record.Ref]message.BroadcastID{}}
}

func (j *journal) add(offset int64, value []byte) error {
	r := &j.buf
	if err := record.DecodeJournal(value, r); err != nil {
		return err
	}
	if r.Own != nil {
		j.owner = offset
	} else if r.Owner < j.owner {
		j.part.topic.Void++
		return nil
	} else if r.Owner >= offset {
		return fmt.Errorf("its owner's record is %d, which comes later", r.Owner)
	}
	// A record of an owner whose own record isn't retained tells of it, too.
	j.owner = max(j.owner, r.Owner)
	j.kinds(r)
	for i := range r.Intents {
		in := &r.Intents[i]
		j.open[record.Ref{Offset: offset, Index: uint32(i)}] = in.Broadcast
		j.part.count.at(in.Broadcast).open++
	}
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if b, ok := j.open[o.Ref]; ok {
			delete(j.open, o.Ref)
			j.part.count.at(b).open--
		}
		if o.State != message.Open {
			j.move(move{offset, o.Message.Broadcast, o.From, o.State, 1, int64(o.Message.Parts)})
		}
	}
	for i := range r.Finals {
		f := &r.Finals[i]
		j.move(move{offset, f.Message.Broadcast, f.From, f.State, 1, int64(f.Message.Parts)})
	}
	for _, s := range r.Settles {
		j.move(move{offset, s.Broadcast, message.Open, s.State, s.Count, 0})
	}
	if r.Snapshot != nil {
		j.snapshot(offset, r.Snapshot)
	}
	return nil
}

func (j *journal) kinds(r *record.Journal) {
	kinds := j.part.topic.Kinds
	if r.Own != nil {
		kinds["own"]++
	}
	if r.Snapshot != nil {
		kinds["snapshot"]++
	}
	for kind, n := range map[string]int{"intent": len(r.Intents), "outcome": len(r.Outcomes), "final": len(r.Finals), "settle": len(r.Settles)} {
		if n > 0 {
			kinds[kind] += int64(n)
		}
	}
	for i := range r.Outcomes {
		kinds[r.Outcomes[i].Code.String()]++
	}
}

func (j *journal) move(m move) {
	if !j.counts {
		j.early = append(j.early, m)
		return
	}
	t := j.part.count.at(m.broadcast)
	t.messages[m.to] += m.messages
	t.parts[m.to] += m.parts
	if m.from != message.Open {
		t.messages[m.from] -= m.messages
		t.parts[m.from] -= m.parts
	}
}

// snapshot learns the audiences' sizes, and begins the counting where the
// journal's beginning is missing.
func (j *journal) snapshot(offset int64, s *record.Snapshot) {
	c := j.part.count
	for i := range s.Broadcasts {
		c.total(s.Broadcasts[i].ID, j.part.partition, s.Broadcasts[i].Total)
	}
	if j.counts || s.Applied < j.first {
		return // what lies between Applied and the first retained record is unknown
	}
	for i := range s.Broadcasts {
		t := c.at(s.Broadcasts[i].ID)
		t.messages.Add(s.Broadcasts[i].Counts)
		t.parts.Add(s.Broadcasts[i].Parts)
	}
	j.part.read.CountedFrom, j.part.read.Snapshot = s.Applied, &offset
	j.count(s.Applied)
}

// end counts what is there when no snapshot came.
func (j *journal) end() {
	if !j.counts {
		j.part.count.complete = false
		j.count(0)
	}
}

// count begins to count, with the early moves from an offset on.
func (j *journal) count(from int64) {
	early := j.early
	j.early, j.counts = nil, true
	for _, m := range early {
		if m.offset >= from {
			j.move(m)
		}
	}
}
