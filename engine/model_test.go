package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

// TestAnyHistoryBalancesAndSendsNothingTwice runs random histories and holds
// the journal against what the carrier took, key by key.
func TestAnyHistoryBalancesAndSendsNothingTwice(t *testing.T) {
	seeds := uint64(300)
	if n, err := strconv.Atoi(os.Getenv("FANLINE_HISTORIES")); err == nil {
		seeds = uint64(n)
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { runHistory(t, seed) })
	}
}

func runHistory(t *testing.T, seed uint64) {
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 7)), now: time.Unix(1_790_000_000, 0), state: record.Start, epoch: 1,
		journal: make([][][]byte, worldPartitions), jobs: make([][][]byte, worldPartitions), receipts: make([][][]byte, worldPartitions),
		jobsDone: make([]int64, worldPartitions), rcptDone: make([]int64, worldPartitions), kept: make([]int64, worldPartitions),
		snapshots: 40 * time.Millisecond,
		accepted:  map[string]int{}, stopped: map[message.Phone]bool{}, planned: make([]message.Rank, worldPartitions),
	}
	if seed%3 == 0 {
		w.policy = message.AtLeastOnce
	}
	w.carriers = []string{"acme"}
	if seed%4 == 2 {
		w.carriers = append(w.carriers, "beta")
		if seed%8 == 2 {
			w.retry = record.Retry{Routes: 1, On: record.RetryFailed | record.RetryRejected}
		}
	}
	for range worldPartitions {
		w.audience = append(w.audience, message.Rank(50+w.rng.IntN(200)))
	}
	if seed%5 == 1 { // Whatever a new owner needs, no snapshot says it.
		w.snapshots = time.Hour
	}
	w.boot()
	if seed%5 < 2 { // A crash before anything is decided.
		for range 100 + w.rng.IntN(200) {
			w.tick(false)
		}
		w.crash()
	}
	for range 3000 + w.rng.IntN(3000) {
		w.tick(true)
	}
	if seed%7 == 0 && w.state != record.Cancel {
		w.control(record.Cancel)
	} else if w.state == record.Pause {
		w.control(record.Resume)
	}
	for i := 0; ; i++ {
		for range 200 {
			w.tick(false)
		}
		w.ackAll()
		w.now = w.now.Add(200 * time.Millisecond)
		w.e.step(w.now)
		l := w.ledger()
		if l.PendingSend == 0 && len(w.owed) == 0 && w.idle() && w.e.gather.Empty() && len(w.e.commits) == 0 {
			break
		}
		if i > 3000 {
			t.Fatalf("seed %d: nothing comes to rest: %+v stats %+v", seed, l, w.e.Stats())
		}
	}
	w.e.cfg.SnapshotEvery, w.e.nextSnap = 40*time.Millisecond, w.now
	for range 10 { // Receipts that came before their message was uncertain are looked at again.
		w.now = w.now.Add(200 * time.Millisecond)
		w.e.step(w.now)
		w.ackAll()
	}
	w.check(seed)
}

func (w *world) ledger() message.Ledger {
	var total int64
	for _, n := range w.audience {
		total += int64(n)
	}
	return w.e.Progress(1).Messages.Ledger(total)
}

// check holds three accounts against each other: the engine's ledger, the one
// that any reader computes from the journal, and the carrier's.
func (w *world) check(seed uint64) {
	t := w.t
	l := w.ledger()
	if !l.Balanced() {
		t.Errorf("seed %d: the ledger does not balance: %+v", seed, l)
	}
	if l.PendingReceipt != 0 {
		t.Errorf("seed %d: all receipts were sent and %d messages wait for theirs", seed, l.PendingReceipt)
	}
	states, settledCount := w.readJournal()
	var counted message.Tally
	for _, s := range states {
		counted[s]++
	}
	counted[message.Cancelled] += settledCount
	if got := w.e.Progress(1).Messages; got != counted {
		t.Errorf("seed %d: engine %v, journal %v", seed, got, counted)
	}
	for key, state := range states {
		parts := 1
		if phone := phoneOf(key); phone%3 == 2 {
			parts = 2
		}
		for part := 1; part <= parts; part++ {
			n := w.accepted[fmt.Sprint(key, "/", part)]
			submitted := state == message.Submitted || state.Final() && state >= message.Delivered
			switch {
			case submitted && n == 0:
				t.Errorf("seed %d: %v is %v and the carrier never took part %d", seed, key, state, part)
			case n > 1 && w.policy == message.AtMostOnce && (w.retry.Routes == 0 || n > 2):
				t.Errorf("seed %d: the carrier took part %d of %v %d times", seed, part, key, n)
			case n > 2 && w.retry.Routes == 0 || n > 4:
				t.Errorf("seed %d: the carrier took part %d of %v %d times in %d crashes", seed, part, key, n, w.crashes)
			case n > 0 && parts == 1 && state == message.Uncertain:
				t.Errorf("seed %d: the carrier took %v and sent its receipt, and it is uncertain", seed, key)
			case n > 0 && parts == 1 && (state == message.Suppressed || state == message.Cancelled || state == message.ExpiredUnsent):
				t.Errorf("seed %d: %v is %v and the carrier took part %d", seed, key, state, part)
			}
		}
	}
	for key := range w.accepted {
		k, err := message.ParseKey(key[:strings.IndexByte(key, '/')])
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := states[k]; !ok || s == message.Open {
			t.Errorf("seed %d: the carrier took %v, of which the journal says %v", seed, key, s)
		}
	}
}

func phoneOf(k message.Key) message.Phone {
	return worldPhone(int32(k.Member/100_000), message.Rank(k.Member%100_000))
}

// readJournal computes every message's state as a stranger to the engine would.
func (w *world) readJournal() (map[message.Key]message.State, int64) {
	states := map[message.Key]message.State{}
	var settledCount int64
	move := func(m *record.Message, from, to message.State) {
		if to == message.Open {
			return
		}
		if was := states[m.Key()]; was != from {
			w.t.Errorf("the journal moves %v from %v to %v, it was %v", m.Key(), from, to, was)
		}
		states[m.Key()] = to
	}
	for _, records := range w.journal {
		owner := int64(-1)
		for off, v := range records {
			var j record.Journal
			if err := record.DecodeJournal(v, &j); err != nil {
				w.t.Fatal(err)
			}
			if j.Own != nil {
				owner = int64(off)
			} else if j.Owner < owner {
				continue
			}
			for i := range j.Outcomes {
				move(&j.Outcomes[i].Message, j.Outcomes[i].From, j.Outcomes[i].State)
			}
			for i := range j.Finals {
				move(&j.Finals[i].Message, j.Finals[i].From, j.Finals[i].State)
			}
			for i := range j.Settles {
				settledCount += j.Settles[i].Count
			}
		}
	}
	return states, settledCount
}

// idle tells whether no bind has anything to answer and no message waits for a
// further attempt, which the ledger doesn't show.
func (w *world) idle() bool {
	for _, p := range w.e.parts {
		if len(p.again) > 0 {
			return false
		}
	}
	for _, b := range w.binds {
		if len(b.flying)+len(b.buffer) > 0 {
			return false
		}
	}
	return true
}
