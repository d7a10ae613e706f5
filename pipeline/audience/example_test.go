package audience_test

import (
	"context"

	"fanline/engine/message"
	"fanline/pipeline/audience"
)

// store is both the source of broadcasts and that of members.
type store interface {
	audience.Source
	audience.Members
}

// A process plans with what the store, the engine and the log have for it.
func Example() {
	run := func(ctx context.Context, s store, progress func(message.BroadcastID) (message.Epoch, []message.Rank, bool), produce func(context.Context, []audience.Entry) error) error {
		planner, err := audience.New(audience.Config{Partitions: 12, Source: s, Members: s, Progress: progress, Produce: produce})
		if err != nil {
			return err
		}
		return planner.Run(ctx)
	}
	_ = run
}
