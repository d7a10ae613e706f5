// Package message holds the words that every part of Fanline shares: phone,
// member, broadcast, key, class, outcome, state and the ledger that they add
// up to. It knows nothing of Kafka, SQL, SMPP or HTTP and imports nothing of
// ours.
//
//	phone, err := message.ParsePhone("+17735550100")
//	partition := phone.Partition(12)
package message
