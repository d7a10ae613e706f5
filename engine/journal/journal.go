// Package journal gathers what an engine has to make durable about its
// partitions and commits it in groups: one record for each partition, one
// acknowledgement, one barrier, then everything that waited goes on. It knows
// what a record is and nothing of why it is written.
//
//	batch := journal.NewBatch(12)
//	batch.At(3).Record.Intents = append(…)
//	entries, touched := batch.Seal(owner)
//	log.Append(entries, func(offsets []int64, err error) { … })
package journal

import (
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// Entry is a record to be appended to the log.
type Entry struct {
	Topic      string
	Partition  int32
	Key, Value []byte
}

// Log appends records. done is called once, from a goroutine of the log's own,
// when all of them are durable at the log's level, with the offset of each; or
// with an error, after which any of them may or may not stand in the log.
type Log interface {
	Append(entries []Entry, done func(offsets []int64, err error))
}

// Pending is what one partition has gathered. T stands beside each intent, U
// beside each outcome, V beside each final, and returns with them when they are
// durable.
type Pending[T, U, V any] struct {
	Partition int32
	Record    record.Journal
	Intents   []T
	Outcomes  []U
	Finals    []V
	Mark      int64 // the caller's own, as of Seal
	touched   bool
}

// Empty tells whether there is nothing to commit.
func (p *Pending[T, U, V]) Empty() bool {
	r := &p.Record
	return r.Own == nil && len(r.Intents) == 0 && len(r.Outcomes) == 0 && len(r.Finals) == 0 &&
		len(r.Settles) == 0 && r.Snapshot == nil
}

func (p *Pending[T, U, V]) reset() {
	r := &p.Record
	*r = record.Journal{
		Runs: r.Runs[:0], Intents: r.Intents[:0], Outcomes: r.Outcomes[:0], Finals: r.Finals[:0], Settles: r.Settles[:0],
	}
	clear(p.Intents)
	clear(p.Outcomes)
	clear(p.Finals)
	p.Intents, p.Outcomes, p.Finals, p.touched = p.Intents[:0], p.Outcomes[:0], p.Finals[:0], false
}

// Batch gathers by partition. Two batches take turns: one gathers while the
// other is being committed.
type Batch[T, U, V any] struct {
	parts   []Pending[T, U, V]
	touched []*Pending[T, U, V]
	buf     []byte
	entries []Entry
}

// NewBatch returns an empty batch for partitions 0 to n-1.
func NewBatch[T, U, V any](n int) *Batch[T, U, V] {
	b := &Batch[T, U, V]{parts: make([]Pending[T, U, V], n)}
	for i := range b.parts {
		b.parts[i].Partition = int32(i)
	}
	return b
}

// At returns what a partition gathers, to be added to.
func (b *Batch[T, U, V]) At(partition int32) *Pending[T, U, V] {
	p := &b.parts[partition]
	if !p.touched {
		p.touched = true
		b.touched = append(b.touched, p)
	}
	return p
}

// Run returns the index of the run of (number, carrier, bind) in what a
// partition gathers, opening it when it is the first of this gathering.
func (p *Pending[T, U, V]) Run(number message.Phone, carrier string, bind uint32, at int64) int {
	for i := len(p.Record.Runs) - 1; i >= 0; i-- {
		if r := &p.Record.Runs[i]; r.Number == number && r.Bind == bind && r.Carrier == carrier {
			return i
		}
	}
	p.Record.Runs = append(p.Record.Runs, record.Run{Number: number, Carrier: carrier, Bind: bind, At: at})
	return len(p.Record.Runs) - 1
}

// Empty tells whether no partition has anything to commit.
func (b *Batch[T, U, V]) Empty() bool {
	for _, p := range b.touched {
		if !p.Empty() {
			return false
		}
	}
	return true
}

// Seal encodes one record for each partition that gathered something, under
// the owner epoch that owner returns for it. Entry i belongs to Touched()[i].
// The entries hold until Reset.
func (b *Batch[T, U, V]) Seal(owner func(partition int32) int64) []Entry {
	kept := b.touched[:0]
	for _, p := range b.touched {
		if p.Empty() {
			p.touched = false
			continue
		}
		kept = append(kept, p)
	}
	b.touched, b.entries, b.buf = kept, b.entries[:0], b.buf[:0]
	ends := make([]int, len(kept))
	for i, p := range kept {
		p.Record.Owner = owner(p.Partition)
		if p.Record.Own != nil {
			p.Record.Owner = record.NoOwner
		}
		b.buf = record.AppendJournal(b.buf, &p.Record)
		ends[i] = len(b.buf)
	}
	from := 0
	for i, p := range kept {
		b.entries = append(b.entries, Entry{Topic: record.TopicJournal, Partition: p.Partition, Value: b.buf[from:ends[i]:ends[i]]})
		from = ends[i]
	}
	return b.entries
}

// Touched lists what Seal encoded, in the order of its entries.
func (b *Batch[T, U, V]) Touched() []*Pending[T, U, V] { return b.touched }

// Reset empties the batch for the next gathering.
func (b *Batch[T, U, V]) Reset() {
	for _, p := range b.touched {
		p.reset()
	}
	b.touched = b.touched[:0]
}
