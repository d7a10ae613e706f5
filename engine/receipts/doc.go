// Package receipts takes delivery receipts in and joins them to the messages
// that wait for them. Intake makes what came durable before it is
// acknowledged; Table correlates, in memory, by the carrier and the id that
// the carrier gave. It knows nothing of how a receipt is spelled; Style only
// describes what a carrier's ids look like.
//
//	handle := table.Add(receipts.Waiting{Broadcast: 7, Rank: 1, Parts: 1})
//	table.Expect(receipts.Key(carrier, id), handle, 1)
//	entry, ok := table.Find(receipts.Key(carrier, id))
package receipts
