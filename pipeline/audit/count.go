package audit

import (
	"fmt"
	"maps"
	"slices"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// problemsMax bounds the report; what is beyond it is the same again.
const problemsMax = 50

// count adds up what is read, partition after partition.
type count struct {
	topics     []*Topic
	broadcasts map[message.BroadcastID]*tally
	totals     map[place]message.Rank // the audience's size in each partition
	complete   bool
	problems   []string
	parts      []*part
}

// place is a broadcast in one partition.
type place struct {
	broadcast message.BroadcastID
	partition int32
}

// tally is what the messages of one broadcast have come to; broadcast 0 stands
// for all one-to-one messages.
type tally struct {
	messages, parts message.Tally
	open            int64 // intents without an outcome
}

func newCount() *count {
	return &count{broadcasts: map[message.BroadcastID]*tally{}, totals: map[place]message.Rank{}, complete: true}
}

func (c *count) begin(topic string) {
	c.topics = append(c.topics, &Topic{Topic: topic, Kinds: map[string]int64{}, Retained: []Range{}})
}

func (c *count) at(b message.BroadcastID) *tally {
	t := c.broadcasts[b]
	if t == nil {
		t = &tally{}
		c.broadcasts[b] = t
	}
	return t
}

// total learns how many ranks a broadcast has in a partition.
func (c *count) total(b message.BroadcastID, partition int32, n message.Rank) {
	at := place{b, partition}
	c.totals[at] = max(c.totals[at], n)
}

func (c *count) problem(format string, args ...any) {
	if len(c.problems) < problemsMax {
		c.problems = append(c.problems, fmt.Sprintf(format, args...))
	}
}

// partition begins a partition of the topic that began last.
func (c *count) partition(topic string, partition int32, first, last int64) *part {
	t := c.topics[len(c.topics)-1]
	p := &part{count: c, topic: t, partition: partition, read: Range{Partition: partition, From: first, To: last}}
	if topic == record.TopicJournal {
		p.read.CountedFrom = first
		p.journal = newJournal(p, first)
	}
	c.parts = append(c.parts, p)
	return p
}

func (c *count) report() *Report {
	for _, p := range c.parts {
		if p.journal != nil {
			p.journal.end()
		}
		p.topic.Retained = append(p.topic.Retained, p.read)
	}
	r := &Report{Topics: []Topic{}, Broadcasts: []Broadcast{}, Problems: []string{}}
	for _, t := range c.topics {
		r.Topics = append(r.Topics, *t)
	}
	accepted := map[message.BroadcastID]int64{}
	for at, n := range c.totals {
		accepted[at.broadcast] += int64(n)
		c.at(at.broadcast)
	}
	for _, id := range slices.Sorted(maps.Keys(c.broadcasts)) {
		t := c.broadcasts[id]
		n, known := accepted[id]
		if id == 0 || !known {
			for _, s := range t.messages {
				n += s
			}
		}
		switch {
		case id == 0:
			r.Single = counted(t, n)
			continue
		case !known:
			c.problem("broadcast %d: no retained record says how large its audience is", id)
		}
		r.Broadcasts = append(r.Broadcasts, Broadcast{id, counted(t, n)})
	}
	if c.broadcasts[0] == nil {
		r.Single = counted(&tally{}, 0)
	}
	r.Complete = c.complete
	r.Problems = append(r.Problems, c.problems...)
	return r
}

// part counts one partition.
type part struct {
	count     *count
	topic     *Topic
	partition int32
	read      Range
	journal   *journal // of topic journal
}

// trimmed says that the partition's beginning went while it was read.
func (p *part) trimmed(first int64) {
	p.count.problem("%s/%d: offsets %d to %d were trimmed while they were read", p.topic.Topic, p.partition, p.read.From, first)
}

func (p *part) add(offset int64, key, value []byte) {
	p.topic.Records++
	p.topic.Bytes += int64(len(key) + len(value))
	if err := p.decode(offset, value); err != nil {
		p.topic.Unreadable++
		p.count.problem("%s/%d@%d: %v", p.topic.Topic, p.partition, offset, err)
	}
}

func (p *part) decode(offset int64, value []byte) error {
	kinds := p.topic.Kinds
	switch p.topic.Topic {
	case record.TopicJournal:
		return p.journal.add(offset, value)
	case record.TopicJobs:
		job, err := record.DecodeJob(value)
		switch {
		case err != nil:
			return err
		case job.Block != nil:
			kinds["block"]++
			kinds["recipient"] += int64(len(job.Block.Recipients))
			p.count.total(job.Block.Broadcast, p.partition, job.Block.Total)
		default:
			kinds["single"]++
		}
	case record.TopicReceipts:
		rs, err := record.DecodeReceipts(value, nil)
		if err != nil {
			return err
		}
		kinds["receipt"] += int64(len(rs.Entries))
	case record.TopicInbound:
		if _, err := record.DecodeInbound(value); err != nil {
			return err
		}
		kinds["inbound"]++
	case record.TopicConsent:
		consent, err := record.DecodeConsent(value)
		if err != nil {
			return err
		}
		if consent.Revoked {
			kinds["revoked"]++
		} else {
			kinds["rejoined"]++
		}
	case record.TopicMembers:
		ms, err := record.DecodeMembers(value)
		if err != nil {
			return err
		}
		kinds["member"] += int64(len(ms.Entries))
	case record.TopicControl:
		control, err := record.DecodeControl(value)
		if err != nil {
			return err
		}
		kinds[control.Action.String()]++
		for partition, n := range control.Totals {
			p.count.total(control.Broadcast, int32(partition), n)
		}
	}
	return nil // later: its records are counted, nothing here reads them
}
