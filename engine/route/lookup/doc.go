// Package lookup asks a service over HTTP to which network a phone was ported:
// prefixes say who was given a number, not who has it now.
//
// A Client asks about one phone, with a timeout, a rate, a bounded cache and a
// breaker. A Sweep goes through the members in the background and keeps what was
// said in the store, from which the planner reads it. Nothing that sends ever
// waits for a lookup: one that fails leaves the next best evidence.
//
//	client, err := lookup.New(lookup.Config{URL: "https://hlr.example/v1/{phone}", Field: "data.network"})
//	answer, err := client.Ask(ctx, 13125550123)
package lookup
