// Package analytics is ClickHouse as the rest of Fanline sees it: the schema,
// the sink that fills it from the log, and the reports. It reads the log with
// a client of its own (kafka-go, not the engine's franz-go), so what it counts
// is an independent check of what the engine wrote. It refuses to know how a
// message is sent, who may be sent one, and where the server comes from:
// analytics/embedded and a cluster look the same from here. Nothing here is
// needed to send.
//
//	db, err := analytics.Open(analytics.Config{Addresses: []string{server.Address()}, User: server.User(), Password: server.Password()})
//	sink, err := analytics.NewSink(db, analytics.SinkConfig{Brokers: broker.Addresses(), Dial: broker.Dialer(), Partitions: 12})
//	go sink.Run(ctx)                        // migrates, then reads until ctx ends
//	err = sink.CaughtUp(ctx, ends)          // everything up to there is in
//	ledger, parts, err := db.Ledger(ctx, broadcast, accepted)
package analytics
