// Package community is the store of who belongs to whom: leaders, numbers,
// members with their consent, groups, threads and broadcasts, in SQLite or
// PostgreSQL by the same SQL. Whatever the rest of Fanline must learn of a
// change goes through the outbox, in the transaction of the change itself.
//
// It knows nothing of Kafka, of SMPP, of HTTP and of what became of a message;
// it refuses to know whether a text can be encoded or what a keyword means.
//
//	store, err := community.Open(ctx, "data/fanline.db", community.Options{Partitions: 12})
//	err = store.InTx(ctx, func(tx *community.Tx) error {
//		joined, err := tx.JoinMember(ctx, number, phone, profile, evidence)
//		…
//	})
package community
