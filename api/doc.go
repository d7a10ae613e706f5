// Package api is /v1: what the command line, and later the console, ask of a
// running process. For now it is served on a unix socket that only its owner
// may open, so it knows no users and no keys.
//
// It refuses to know Kafka, ClickHouse and SMPP. It serves the store; what only
// the running process knows (how far a broadcast has come, what other sources
// say of it, how a text is encoded) comes through Config.
//
//	a := api.New(api.Config{Store: store, Progress: progress, Compare: compare, Measure: measure})
//	err := api.Serve(ctx, listener, a.Handler())
package api
