package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/pipeline/record"
)

func TestARetainerTrimsWhatMovedEachSecondAndRepeatsWhatFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var before atomic.Int64
		before.Store(10)
		var calls []string
		fail := true
		r := NewRetainer(
			func() []Safe { return []Safe{{record.TopicJobs, 0, before.Load()}, {record.TopicJobs, 1, 0}} },
			func(_ context.Context, topic string, p int32, at int64) (int64, error) {
				calls = append(calls, fmt.Sprintf("%s/%d<%d", topic, p, at))
				if fail {
					fail = false
					return 0, errors.New("busy")
				}
				return at, nil
			}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		time.Sleep(3500 * time.Millisecond) // three rounds of virtual time
		before.Store(20)
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"jobs/0<10", "jobs/0<10", "jobs/0<20"}, calls); diff != "" {
			t.Error(diff)
		}
		if s := r.Stats(); s != (RetainerStats{Trims: 2, Errors: 1}) {
			t.Errorf("%+v", s)
		}
	})
}

func TestAClusterIsTrimmedByDeleteRecords(t *testing.T) {
	_, client := openTopics(t, 1)
	l := NewLog(client, nil)
	defer l.Close()
	appendAll(t, l, entries(record.TopicJobs, 0, "a", "b", "c")...)
	trim := ClusterTrim(client)
	ctx := testContext(t)
	for _, before := range []int64{2, 1} { // the second is done already
		if _, err := trim(ctx, record.TopicJobs, 0, before); err != nil {
			t.Fatal(err)
		}
		starts, err := StartOffsets(ctx, client, record.TopicJobs)
		if err != nil || starts[0] != 2 {
			t.Errorf("trimmed before %d: begins at %v, %v", before, starts, err)
		}
	}
	if _, err := trim(ctx, "nothing", 0, 1); err == nil {
		t.Error("a topic that isn't there was trimmed")
	}
}
