// Package audit reads the whole retained log with a client that the engine
// doesn't share (kafka-go) and recounts from it what every message came to:
// records by topic and kind, and each broadcast's ledger and its parts twin,
// from the journal alone. Of the engine's code it uses the schemas of
// pipeline/record and nothing else; it never writes and joins no group.
//
//	report, err := audit.Read(ctx, audit.Config{Brokers: addresses, Dial: dial})
//	fmt.Println(report.Broadcasts[0].Delivered)
package audit
