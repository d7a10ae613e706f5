// Package embedded runs the log in this process: kfake with its segments on
// disk, behind a private unix socket. Clients speak Kafka's protocol to it and
// see the same as of a cluster of one broker. The package holds what kfake
// leaves out (docs/decisions/0001-kafka-clients.md lists it): a lock on the
// directory, durability as a barrier, trimming that cannot lose the place in a
// log, and a start that waits for no client of the last run. It knows nothing
// of topics and what stands in them.
//
//	broker, err := embedded.Open(ctx, embedded.Config{Dir: "data", Logger: slog.Default()})
//	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Addresses()...), kgo.Dialer(broker.Dialer()))
//	…
//	client.Close() // clients leave first
//	err = broker.Close()
package embedded
