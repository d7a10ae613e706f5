package audience

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

func TestEveryMemberOfTheAudienceIsPlannedOnceAndInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 10_000, rand.New(rand.NewPCG(1, 2)))
		stop := w.planner(Config{})
		time.Sleep(time.Second)
		synctest.Wait()
		ranks := w.planned(1)
		all := 0
		for _, r := range ranks {
			all += len(r)
		}
		if all != 10_000 {
			t.Errorf("%d of 10000 were planned", all)
		}
		blocks := w.blocks()
		if most := 10_000/record.MaxBlock + partitions; blocks > most {
			t.Errorf("%d blocks, %d would do", blocks, most)
		}
		w.mu.Lock()
		b := w.log[0]
		w.mu.Unlock()
		if b.Epoch != 1 || b.Number != 17735550100 || b.Policy != message.AtLeastOnce || b.Fields != 2 || b.Validity != 60 || b.Recipients[0].Attributes.Age != 30 {
			t.Errorf("the block's head is %+v", b)
		}
		if w.ended() != 0 {
			t.Error("marked as sent before anything was decided")
		}
		w.decide(1, 1<<30)
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		if w.readTotal != 10_000 {
			t.Errorf("%d members were read for 10000", w.readTotal)
		}
		if !slices.Equal(w.sent, []message.BroadcastID{1}) {
			t.Errorf("sent: %v", w.sent)
		}
	})
}

func TestPlanningAgainFromAnyLowWaterGivesTheSameRanks(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			w := newWorld(t)
			w.add(1, 1+rng.IntN(6_000), rng)
			c := Config{LeadPartition: 1 + rng.IntN(900), Lead: 1 + rng.IntN(3_000), Chunk: 1 + rng.IntN(2_000)}
			for round := 0; w.ended() == 0; round++ {
				if round > 5_000 {
					t.Fatalf("seed %d: does not come to an end: low %v", seed, w.low[1])
				}
				stop := w.planner(c)
				for range 1 + rng.IntN(4) {
					time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
					synctest.Wait()
					// Each partition's owner is somewhere else; one may even have lost
					// what it decided last.
					w.set(func() {
						for i, set := range w.sets[1] {
							if rng.IntN(3) > 0 {
								w.low[1][i] = min(message.Rank(set.GetCardinality()), w.low[1][i]+message.Rank(rng.IntN(700)))
							} else if rng.IntN(10) == 0 {
								w.low[1][i] -= min(w.low[1][i], message.Rank(rng.IntN(300)))
							}
						}
					})
				}
				stop()
			}
			w.planned(1)
		})
	}
}

func TestNoRankIsLeftOutWhenThePlannerIsRestarted(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 4))
			w := newWorld(t)
			n := 1 + rng.IntN(5_000)
			w.add(1, n, rng)
			c := Config{LeadPartition: 300 + rng.IntN(900), Lead: 300 + rng.IntN(3_000), Chunk: 1 + rng.IntN(2_000)}
			for round := 0; w.ended() == 0; round++ {
				if round > 5_000 {
					t.Fatal("does not come to an end")
				}
				stop := w.planner(c)
				for range 1 + rng.IntN(3) {
					time.Sleep(time.Duration(rng.IntN(150)) * time.Millisecond)
					synctest.Wait()
					w.decide(1, message.Rank(rng.IntN(400))) // Only what was planned.
				}
				stop()
			}
			all := 0
			for _, r := range w.planned(1) {
				all += len(r)
			}
			if all != n {
				t.Fatalf("seed %d: %d of %d ranks were planned", seed, all, n)
			}
			// What an earlier planner made adds to the lead over all, not to a partition's.
			if w.most > message.Rank(c.LeadPartition) {
				t.Fatalf("seed %d: ran %d ahead in a partition, the bound is %d", seed, w.most, c.LeadPartition)
			}
		})
	}
}

func TestTheLeadBoundsWhatIsPlannedAndReadAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 200_000, rand.New(rand.NewPCG(5, 5)))
		stop := w.planner(Config{LeadPartition: 1_500, Lead: 5_000, Chunk: 2_000})
		for range 20 {
			time.Sleep(100 * time.Millisecond)
			synctest.Wait()
			w.decide(1, 700)
		}
		stop()
		if w.most > 1_500 || w.mostAll > 5_000 || w.mostAll < 4_000 {
			t.Errorf("%d ahead in one partition, %d in all; bounds are 1500 and 5000", w.most, w.mostAll)
		}
		if w.readMost > 2_000+record.MaxBlock {
			t.Errorf("%d recipients were read at once", w.readMost)
		}
	})
}

func TestAPartitionWithoutProgressHoldsBackNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 40_000, rand.New(rand.NewPCG(6, 5)))
		stop := w.planner(Config{LeadPartition: 1_000, Lead: 10_000, Chunk: 2_000})
		for range 100 {
			time.Sleep(20 * time.Millisecond)
			synctest.Wait()
			w.set(func() { w.low[1][2] = 0 })
			w.decide(1, 1<<30)
		}
		w.set(func() { w.low[1][2] = 0 })
		ranks := w.planned(1)
		for i, r := range ranks {
			if i != 2 && uint64(len(r)) != w.sets[1][i].GetCardinality() {
				t.Errorf("partition %d: %d of %d planned while partition 2 stood still", i, len(r), w.sets[1][i].GetCardinality())
			}
		}
		for range 100 {
			w.decide(1, 1<<30)
			time.Sleep(20 * time.Millisecond)
			synctest.Wait()
		}
		stop()
		if len(w.sent) != 1 {
			t.Error("the partition did not catch up")
		}
	})
}

func TestARevocationAfterTheStartKeepsItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 4_000, rand.New(rand.NewPCG(7, 5)))
		stop := w.planner(Config{LeadPartition: 256, Lead: 1_024, Chunk: 1_024})
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		// Everyone above the first thousand is still to be read.
		stopped, _ := w.sets[1][0].Select(600)
		left, _ := w.sets[1][1].Select(700)
		renamed, _ := w.sets[1][2].Select(650)
		w.set(func() {
			w.revoked[message.MemberID(stopped)] = true
			w.deleted[message.MemberID(left)] = true
			w.names[message.MemberID(renamed)] = " Zoë"
		})
		for range 50 {
			w.decide(1, 1<<30)
			time.Sleep(60 * time.Millisecond)
			synctest.Wait()
		}
		stop()
		ranks := w.planned(1)
		if ranks[0][601] != message.MemberID(stopped) || ranks[1][701] != message.MemberID(left) {
			t.Error("a member moved to another rank")
		}
		for i, b := range w.log {
			for j, r := range b.Recipients {
				want := message.NoReason
				switch uint32(r.Member) {
				case stopped:
					want = message.ReasonStop
				case left:
					want = message.ReasonLeft
				case renamed:
					if !strings.HasSuffix(b.ValuesOf(j)[0], " Zoë") {
						t.Errorf("merge value %q is the old one", b.ValuesOf(j)[0])
					}
				}
				if r.Suppressed != want {
					t.Errorf("partition %d, member %d: suppressed %v, want %v", w.parts[i], r.Member, r.Suppressed, want)
				}
			}
		}
	})
}

func TestPauseActsWithinOneRoundAndResumeGoesOnFromLowWater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 50_000, rand.New(rand.NewPCG(8, 5)))
		stop := w.planner(Config{LeadPartition: 2_000, Lead: 8_000, Chunk: 1_024})
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		w.decide(1, 1_000)
		head := w.heads[0]
		w.set(func() { w.heads = nil })
		before := w.blocks()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.blocks() - before; n > 0 {
			t.Errorf("%d blocks after the pause was stored", n)
		}
		// Resumed: nothing before the owners have seen the new epoch.
		head.Epoch = 3
		w.set(func() { w.heads = []record.Block{head}; w.epoch[1] = 2 })
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.blocks() - before; n > 0 {
			t.Errorf("%d blocks for owners of an older epoch", n)
		}
		w.set(func() { w.epoch[1] = 3 })
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		first := map[int32]message.Rank{}
		for i, b := range w.log[before:] {
			if b.Epoch != 3 {
				t.Fatalf("a block of epoch %d", b.Epoch)
			}
			if p := w.parts[before+i]; first[p] == 0 {
				first[p] = b.First
			}
		}
		for p, r := range first {
			if r != w.low[1][p]+1 {
				t.Errorf("partition %d goes on at rank %d, low-water is %d", p, r, w.low[1][p])
			}
		}
		if len(first) != partitions {
			t.Errorf("%d partitions went on", len(first))
		}
	})
}

func TestNothingIsPlannedBeforeTheOwnersAreReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 1_000, rand.New(rand.NewPCG(9, 5)))
		w.notReady = true
		stop := w.planner(Config{})
		time.Sleep(time.Second)
		synctest.Wait()
		if w.blocks() > 0 || w.ended() > 0 {
			t.Error("planned without owners")
		}
		w.set(func() { w.notReady = false })
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		if len(w.log) == 0 {
			t.Error("never began")
		}
	})
}

func TestABroadcastStarvesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		rng := rand.New(rand.NewPCG(10, 5))
		w.add(1, 100_000, rng)
		w.add(2, 100_000, rng)
		delete(w.sets, 2) // Its audience cannot be read.
		w.add(3, 2_000, rng)
		stop := w.planner(Config{LeadPartition: 3_000, Lead: 12_000, Chunk: 4_000})
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		stop()
		n := map[message.BroadcastID]int{}
		for _, b := range w.log {
			n[b.Broadcast] += len(b.Recipients)
		}
		if n[3] != 2_000 {
			t.Errorf("%d of 2000 of the small broadcast were planned behind a large and a broken one", n[3])
		}
		if n[1] > 4_000 {
			t.Errorf("the large broadcast took %d, its share of the lead is 4000", n[1])
		}
	})
}

func TestBlocksThatMayBeLostAreMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 3_000, rand.New(rand.NewPCG(11, 5)))
		w.broken = errors.New("no broker")
		stop := w.planner(Config{})
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		tries := w.blocks()
		w.set(func() { w.broken, w.log, w.parts = nil, nil, nil })
		time.Sleep(3 * time.Second)
		synctest.Wait()
		stop()
		all := 0
		for _, r := range w.planned(1) {
			all += len(r)
		}
		if all != 3_000 || tries == 0 {
			t.Errorf("%d of 3000 planned after the log came back, %d blocks tried before", all, tries)
		}
	})
}

func TestAStoreThatDoesNotAnswerIsAskedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 1_000, rand.New(rand.NewPCG(13, 5)))
		w.away = errors.New("no store")
		stop := w.planner(Config{})
		time.Sleep(9500 * time.Millisecond)
		synctest.Wait()
		w.set(func() {
			if w.sending != 10 {
				t.Errorf("it was asked %d times in 9.5 s, want 10", w.sending)
			}
			w.away = nil
		})
		time.Sleep(time.Second)
		synctest.Wait()
		stop()
		all := 0
		for _, r := range w.planned(1) {
			all += len(r)
		}
		if all != 1_000 {
			t.Errorf("%d of 1000 planned once it answers", all)
		}
	})
}

func TestASmallerBlockGoesOutWhenRoomForAWholeOneDoesNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add(1, 5_000, rand.New(rand.NewPCG(12, 5)))
		stop := w.planner(Config{LeadPartition: 300, Lead: 10_000})
		time.Sleep(40 * time.Millisecond)
		synctest.Wait()
		if n := w.blocks(); n != partitions {
			t.Errorf("%d blocks at first, want one whole block for each partition", n)
		}
		time.Sleep(40 * time.Millisecond)
		synctest.Wait()
		stop()
		small := 0
		for _, b := range w.log {
			if len(b.Recipients) == 300-record.MaxBlock {
				small++
			}
		}
		if small != partitions {
			t.Errorf("%d partitions used the rest of their lead after 50 ms, want %d", small, partitions)
		}
	})
}

func TestValidityIsWhatIsLeftOfIt(t *testing.T) {
	head := record.Block{Deadline: 100_000, Validity: 60}
	for _, c := range []struct {
		now  int64
		want uint32
	}{{40_000, 60}, {39_000, 60}, {70_500, 30}, {99_999, 1}, {100_000, 0}, {500_000, 0}} {
		b := plan{head: head}
		if got := b.left(time.UnixMilli(c.now)); got != c.want {
			t.Errorf("at %d ms: %d s, want %d", c.now, got, c.want)
		}
	}
}

func TestNewRefusesAPlannerThatLacksAPart(t *testing.T) {
	w := newWorld(t)
	good := Config{Partitions: 1, Source: w, Members: w, Progress: w.progress, Produce: w.produce}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]Config{
		"partitions": {Source: w, Members: w, Progress: w.progress, Produce: w.produce},
		"source":     {Partitions: 1, Members: w, Progress: w.progress, Produce: w.produce},
		"produce":    {Partitions: 1, Source: w, Members: w, Progress: w.progress},
		"lead":       {Partitions: 1, Source: w, Members: w, Progress: w.progress, Produce: w.produce, Lead: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("a planner without a good %s was made", name)
		}
	}
}

// TestABlockNamesItsOwnHintsOnly: a round reads for many blocks, and each
// carries only the names that its recipients point to.
func TestABlockNamesItsOwnHintsOnly(t *testing.T) {
	all := []record.Hint{{Name: "a", Source: message.EvidenceImport}, {Name: "b", Source: message.EvidenceSeen}, {Name: "c", Source: message.EvidenceLookup}}
	recipients := []record.Recipient{{Hint: 3}, {}, {Hint: 1}, {Hint: 3}}
	b := record.Block{Recipients: recipients, Hints: ownHints(recipients, all)}
	if len(b.Hints) != 2 || b.HintOf(0) != all[2] || b.HintOf(1) != (record.Hint{}) || b.HintOf(2) != all[0] || b.HintOf(3) != all[2] {
		t.Errorf("%+v of %+v", b.Recipients, b.Hints)
	}
	if none := ownHints([]record.Recipient{{}, {}}, all); none != nil {
		t.Error(none)
	}
}
