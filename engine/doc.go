// Package engine decides what goes where and when: it takes recipients from
// the log, checks consent, fills and encodes their texts, waits for limits and
// windows, makes each intent durable before the bytes leave, records what came
// of it, and joins receipts to it.
//
// One event loop owns everything about its partitions; Kafka, binds and timers
// hand it batches and are handed batches. It knows neither SMPP nor Kafka nor
// SQL: carriers, the log and the decoders are handed in.
//
//	e, err := engine.New(config)
//	go e.Run(ctx)
//	e.Own(ctx, 3, replay)      // take a partition over
//	e.Records(batch)           // what the log has for it
package engine
