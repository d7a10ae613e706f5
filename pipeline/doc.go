// Package pipeline is the log as the rest of Fanline sees it: topics, durable
// appends, the owner's group, readers of single partitions, the outbox relay
// and retention, over franz-go. The embedded broker and a Kafka cluster are
// told apart only by the dialer. It carries bytes; what they say is
// pipeline/record's business, and nothing of ours but that is imported here.
//
//	config := pipeline.Config{Brokers: broker.Addresses(), Dialer: broker.Dialer(), ClientID: "engine"}
//	producer, err := pipeline.NewProducer(config, 0)
//	journal := pipeline.NewLog(producer, broker.Sync)
//	journal.Append(entries, func(offsets []int64, err error) { … })
//	…
//	journal.Close() // flushes; then the producer, then the broker
//	producer.Close()
package pipeline
