package analytics_test

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"fanline/analytics"
	"fanline/pipeline/record"
)

// The sink fills ClickHouse from the log; reports read what is in.
func Example() {
	db, err := analytics.Open(analytics.Config{Addresses: []string{"127.0.0.1:9000"}, User: "fanline", Password: "…"})
	if err != nil {
		fmt.Println(err)
		return
	}
	sink, err := analytics.NewSink(db, analytics.SinkConfig{Brokers: []string{"127.0.0.1:9092"}, Partitions: 12})
	if err != nil {
		fmt.Println(err)
		return
	}
	group, ctx := errgroup.WithContext(context.Background())
	group.Go(func() error { return sink.Run(ctx) })
	ends := map[string][]int64{record.TopicJournal: make([]int64, 12)} // As the log's client lists them.
	if err := sink.CaughtUp(ctx, ends); err == nil {
		messages, parts, err := db.Ledger(ctx, 7, 1_000_000)
		fmt.Println(messages, parts, err)
	}
}
