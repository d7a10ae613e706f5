package pipeline

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/pipeline/record"
)

// engine is an OwnerHandler that tells what it is told.
type engine struct {
	t      *testing.T
	events chan string
	owner  *Owner

	mu       sync.Mutex
	read     map[int32]int64 // next offset by partition
	finish   bool            // commit all that was read when partitions go
	assigned func([]Assignment)
}

func newEngine(t *testing.T) *engine {
	return &engine{t: t, events: make(chan string, 1000), read: map[int32]int64{}}
}

func (e *engine) Assigned(_ context.Context, assigned []Assignment) {
	if e.assigned != nil {
		e.assigned(assigned)
	}
	for _, a := range assigned {
		e.events <- fmt.Sprintf("own %d %v", a.Partition, a.Committed)
	}
}

func (e *engine) Revoked(_ context.Context, partitions []int32, lost bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range partitions {
		if e.finish {
			e.owner.Commit(record.TopicJobs, p, e.read[p])
		}
		e.events <- fmt.Sprintf("drop %d %v", p, lost)
	}
}

func (e *engine) Records(_ context.Context, p int32, records []Record) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range records {
		e.read[p] = r.Offset + 1
		e.events <- fmt.Sprintf("read %d@%d %s", p, r.Offset, r.Value)
	}
}

// expect waits for the events, in any order.
func (e *engine) expect(want ...string) {
	e.t.Helper()
	ctx := testContext(e.t)
	var got []string
	for range want {
		select {
		case s := <-e.events:
			got = append(got, s)
		case <-ctx.Done():
			e.t.Fatalf("waiting for %v, got only %v", want, got)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		e.t.Fatal(diff)
	}
}

// join starts an owner; stop ends it and waits.
func (e *engine) join(config Config, instance string) (stop func()) {
	e.t.Helper()
	owner, err := NewOwner(OwnerConfig{Config: config, Group: "engine", Topic: record.TopicJobs, Instance: instance, Handler: e})
	if err != nil {
		e.t.Fatal(err)
	}
	e.owner = owner
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- owner.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				e.t.Error(err)
			}
		})
	}
	e.t.Cleanup(stop)
	return stop
}

func job(p int32, v string) Entry {
	return Entry{Topic: record.TopicJobs, Partition: p, Value: []byte(v)}
}

// instances run a test with and without an instance id.
func instances(t *testing.T, test func(t *testing.T, instance string)) {
	for _, instance := range []string{"", "engine-a"} {
		t.Run("instance="+instance, func(t *testing.T) { test(t, instance) })
	}
}

func TestAnOwnerThatComesBackGoesOnWhereItCommittedInAllTopics(t *testing.T) {
	instances(t, func(t *testing.T, instance string) {
		broker, client := openTopics(t, 2)
		l := NewLog(client, nil)
		defer l.Close()
		appendAll(t, l, job(0, "a"), job(0, "b"), job(0, "c"), job(1, "d"))

		e := newEngine(t)
		stop := e.join(configOf(broker), instance)
		e.expect("own 0 map[]", "own 1 map[]", "read 0@0 a", "read 0@1 b", "read 0@2 c", "read 1@0 d")
		e.owner.Commit(record.TopicJobs, 0, 2)
		e.owner.Commit(record.TopicReceipts, 0, 7)
		e.owner.Commit(record.TopicJobs, 0, 1) // never back
		stop()
		e.expect("drop 0 false", "drop 1 false")
		got, err := CommittedOffsets(testContext(t), client, "engine", record.TopicReceipts)
		if err != nil || cmp.Diff(map[int32]int64{0: 7}, got) != "" {
			t.Errorf("committed for receipts: %v, %v", got, err)
		}

		e = newEngine(t)
		e.join(configOf(broker), instance)
		e.expect("own 0 map[jobs:2 receipts:7]", "own 1 map[]", "read 0@2 c", "read 1@0 d")
		if at, ok := e.owner.Committed(record.TopicReceipts, 0); !ok || at != 7 {
			t.Errorf("committed: %d %v", at, ok)
		}
	})
}

func TestWhatRevokedHandsToCommitIsCommittedBeforeAnotherOwns(t *testing.T) {
	broker, client := openTopics(t, 2)
	l := NewLog(client, nil)
	defer l.Close()
	appendAll(t, l, job(0, "a"), job(1, "b"))

	first := newEngine(t)
	first.finish = true
	stop := first.join(configOf(broker), "")
	first.expect("own 0 map[]", "own 1 map[]", "read 0@0 a", "read 1@0 b")

	second := newEngine(t)
	second.join(configOf(broker), "")
	var dropped string
	select {
	case dropped = <-first.events:
	case <-testContext(t).Done():
		t.Fatal("nothing was given up to the second member")
	}
	var kept, moved int32 = 0, 1
	if dropped == "drop 0 false" {
		kept, moved = 1, 0
	}
	second.expect(fmt.Sprintf("own %d map[jobs:1]", moved))
	first.owner.Commit(record.TopicJobs, moved, 99) // late: it isn't ours any more
	appendAll(t, l, job(kept, "c"), job(moved, "d"))
	first.expect(fmt.Sprintf("read %d@1 c", kept))
	second.expect(fmt.Sprintf("read %d@1 d", moved))

	stop()
	first.expect(fmt.Sprintf("drop %d false", kept))
	second.expect(fmt.Sprintf("own %d map[jobs:2]", kept))
	got, err := CommittedOffsets(testContext(t), client, "engine", record.TopicJobs)
	if err != nil || got[moved] != 1 || got[kept] != 2 {
		t.Errorf("committed: %v, %v", got, err)
	}
}

func TestAPartitionPausedWhenAssignedIsReadFromResumeOn(t *testing.T) {
	broker, client := openTopics(t, 1)
	l := NewLog(client, nil)
	defer l.Close()
	appendAll(t, l, job(0, "a"))
	e := newEngine(t)
	e.assigned = func([]Assignment) { e.owner.Pause(0) }
	e.join(configOf(broker), "")
	e.expect("own 0 map[]")
	appendAll(t, l, job(0, "b"))
	e.owner.Resume(0)
	e.expect("read 0@0 a", "read 0@1 b")
}
