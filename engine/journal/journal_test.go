package journal

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

const number = message.Phone(17735550100)

// batch has a word beside every entry for what waits until it is durable.
type batch = Batch[string, string, string]

func intend(p *Pending[string, string, string], carrier string, bind uint32, rank message.Rank, waits string) {
	r := p.Run(number, carrier, bind, 1000)
	p.Record.Intents = append(p.Record.Intents, record.Intent{
		Run: r, Class: message.ClassBroadcast, Broadcast: 7, Epoch: 1, Rank: rank, Member: message.MemberID(rank), Phone: 13125550199, Part: 1, Parts: 1,
	})
	p.Intents = append(p.Intents, waits)
}

func decide(p *Pending[string, string, string], offset int64, waits string) {
	p.Record.Outcomes = append(p.Record.Outcomes, record.Outcome{
		Ref: record.Ref{Offset: offset, Index: 1}, Part: 1, Code: message.Accepted, MessageID: []byte("a1"), State: message.Submitted,
	})
	p.Outcomes = append(p.Outcomes, waits)
}

// epoch gives every partition an owner epoch of its own.
func epoch(partition int32) int64 { return 100 + int64(partition) }

// decoded reads entries back and checks that each is a whole record of the
// partition that Touched names.
func decoded(t *testing.T, b *batch, entries []Entry) []record.Journal {
	t.Helper()
	if len(entries) != len(b.Touched()) {
		t.Fatalf("%d entries for %d partitions", len(entries), len(b.Touched()))
	}
	out := make([]record.Journal, len(entries))
	for i, e := range entries {
		if e.Topic != record.TopicJournal || e.Key != nil || e.Partition != b.Touched()[i].Partition {
			t.Errorf("entry %d: topic %s, key %q, partition %d; Touched says %d", i, e.Topic, e.Key, e.Partition, b.Touched()[i].Partition)
		}
		if err := record.DecodeJournal(e.Value, &out[i]); err != nil {
			t.Fatalf("entry %d: %v", i, err)
		}
	}
	return out
}

func TestEveryPartitionBecomesOneRecordOfItsOwner(t *testing.T) {
	b := NewBatch[string, string, string](4)
	intend(b.At(3), "acme", 1, 10, "ten")
	decide(b.At(1), 41, "of 41")
	intend(b.At(3), "acme", 1, 11, "eleven")
	decide(b.At(3), 42, "of 42")
	b.At(1).Record.Settles = append(b.At(1).Record.Settles, record.Settle{Broadcast: 7, Epoch: 2, State: message.Cancelled, Count: 5})
	if b.Empty() {
		t.Fatal("the batch is empty")
	}
	got := decoded(t, b, b.Seal(epoch))
	if len(got) != 2 || b.Touched()[0].Partition != 3 || b.Touched()[1].Partition != 1 {
		t.Fatalf("%d records, want those of partitions 3 and 1 in the order of their first entry", len(got))
	}
	three, one := got[0], got[1]
	if three.Owner != 103 || len(three.Runs) != 1 || len(three.Intents) != 2 || len(three.Outcomes) != 1 || three.Intents[1].Rank != 11 {
		t.Errorf("partition 3: %+v", three)
	}
	if one.Owner != 101 || len(one.Intents) != 0 || len(one.Outcomes) != 1 || one.Outcomes[0].Ref.Offset != 41 || len(one.Settles) != 1 {
		t.Errorf("partition 1: %+v", one)
	}
	if d := cmp.Diff([]string{"ten", "eleven"}, b.Touched()[0].Intents); d != "" {
		t.Errorf("what waits for partition 3: %s", d)
	}
}

func TestAnyKindOfEntryIsSomethingToCommit(t *testing.T) {
	for name, add := range map[string]func(*Pending[string, string, string]){
		"own":      func(p *Pending[string, string, string]) { p.Record.Own = &record.Own{Engine: "a", At: 5} },
		"intent":   func(p *Pending[string, string, string]) { intend(p, "acme", 1, 1, "") },
		"outcome":  func(p *Pending[string, string, string]) { decide(p, 1, "") },
		"final":    func(p *Pending[string, string, string]) { p.Record.Finals = []record.Final{{State: message.Failed}} },
		"settle":   func(p *Pending[string, string, string]) { p.Record.Settles = []record.Settle{{Count: 1}} },
		"snapshot": func(p *Pending[string, string, string]) { p.Record.Snapshot = &record.Snapshot{Applied: 1} },
	} {
		b := NewBatch[string, string, string](1)
		add(b.At(0))
		if b.Empty() || b.At(0).Empty() {
			t.Errorf("%s: nothing to commit", name)
		}
		want := int64(100)
		if name == "own" { // Its own offset is the epoch, and it isn't known yet.
			want = record.NoOwner
		}
		if got := decoded(t, b, b.Seal(epoch)); len(got) != 1 || got[0].Owner != want {
			t.Errorf("%s: %+v", name, got)
		}
		b.Reset()
		if !b.Empty() || !b.At(0).Empty() || len(b.Seal(epoch)) != 0 {
			t.Errorf("%s is still there after Reset", name)
		}
	}
}

func TestAPartitionThatGatheredNothingIsLeftOut(t *testing.T) {
	b := NewBatch[string, string, string](3)
	b.At(0)
	b.At(2)
	if !b.Empty() || len(b.Seal(epoch)) != 0 || len(b.Touched()) != 0 {
		t.Error("a batch that was only looked at has something to commit")
	}
	decide(b.At(1), 1, "")
	b.At(0)
	if got := b.Seal(epoch); len(got) != 1 || got[0].Partition != 1 {
		t.Errorf("%+v", got)
	}
	b.Reset()
	// A partition that Seal left out gathers like any other afterwards.
	decide(b.At(0), 2, "")
	if got := decoded(t, b, b.Seal(epoch)); len(got) != 1 || len(got[0].Outcomes) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestARunIsSharedByTheIntentsOfOneNumberCarrierAndBind(t *testing.T) {
	b := NewBatch[string, string, string](2)
	p := b.At(0)
	for _, tc := range []struct {
		number  message.Phone
		carrier string
		bind    uint32
		want    int
	}{
		{number, "acme", 1, 0},
		{number, "acme", 1, 0},
		{number, "acme", 2, 1},
		{number, "other", 1, 2},
		{number + 1, "acme", 1, 3},
		{number, "acme", 1, 0}, // It need not be the last one.
		{number, "acme", 2, 1},
	} {
		if got := p.Run(tc.number, tc.carrier, tc.bind, 1000); got != tc.want {
			t.Errorf("run of (%d, %s, %d): %d, want %d", tc.number, tc.carrier, tc.bind, got, tc.want)
		}
	}
	p.Run(number, "acme", 1, 2000)
	if len(p.Record.Runs) != 4 || p.Record.Runs[0].At != 1000 {
		t.Errorf("runs %+v: a run keeps the time at which it was opened", p.Record.Runs)
	}
	if got := b.At(1).Run(number, "acme", 1, 3000); got != 0 || len(b.At(1).Record.Runs) != 1 {
		t.Errorf("run %d: another partition has runs of its own", got)
	}
}

func TestResetLeavesNothingForTheNextGathering(t *testing.T) {
	b := NewBatch[string, string, string](2)
	for round := range 3 {
		p := b.At(1)
		if len(p.Record.Runs) != 0 || len(p.Intents) != 0 || len(p.Outcomes) != 0 || len(p.Finals) != 0 {
			t.Fatalf("round %d begins with %+v", round, p)
		}
		for i := range 3 - round { // Less every time: what is longer must not show through.
			intend(p, "acme", uint32(round), message.Rank(10*round+i+1), "waits")
		}
		p.Finals = append(p.Finals, "final")
		p.Record.Finals = append(p.Record.Finals, record.Final{State: message.Failed, Err: "034"})
		got := decoded(t, b, b.Seal(epoch))
		if len(got) != 1 || len(got[0].Runs) != 1 || got[0].Runs[0].Bind != uint32(round) || len(got[0].Intents) != 3-round ||
			got[0].Intents[0].Rank != message.Rank(10*round+1) || len(got[0].Finals) != 1 {
			t.Fatalf("round %d: %+v", round, got)
		}
		b.Reset()
		// What stood beside the entries is let go, so that it can be collected.
		if held := p.Intents[:3-round]; held[0] != "" {
			t.Errorf("round %d: Reset holds on to %q", round, held)
		}
		if !b.Empty() || len(b.Touched()) != 0 {
			t.Errorf("round %d: not empty after Reset", round)
		}
	}
}
