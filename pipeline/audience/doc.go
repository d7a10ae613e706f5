// Package audience is the planner: it turns the fixed audience of every
// broadcast that is sending into blocks of recipients on the topic jobs, and
// runs ahead of the owners by a bounded lead, so that a broadcast to twenty
// million needs no more memory or log than one to a million.
//
// A rank always means the same member: the audience is a set of member ids for
// each partition and a rank is a place in it. Planning may therefore start
// anywhere, and start again, from the owners' low-water ranks alone; the
// planner keeps nothing on disk. It refuses to know Kafka, SQL and the engine:
// all three are handed in.
//
//	planner, err := audience.New(audience.Config{
//		Partitions: 12,
//		Source:     store,
//		Members:    store,
//		Progress:   func(id message.BroadcastID) (message.Epoch, []message.Rank, bool) { … },
//		Produce:    func(ctx context.Context, entries []audience.Entry) error { … },
//	})
//	err = planner.Run(ctx)
package audience
