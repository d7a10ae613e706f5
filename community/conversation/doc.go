// Package conversation is what a number says back: it reads the topic inbound
// and turns each text into a signup link, an answer to HELP, a revocation with
// its one confirmation, a re-join, or a line in the leader's inbox. It also
// writes and reads the signed links to the join form, and holds every text
// that people get without a leader having typed it (texts.tmpl).
//
// A text that comes in several parts is read when all are there, in whatever
// order they came; until then they wait in the store. What has waited for half
// an hour is shown as it is, with a note where a part is missing.
//
// It refuses to know Kafka, SMPP and HTTP: records come in as bytes with their
// offsets, PDUs are read by a function that cmd hands in, and what people are
// sent goes into the store's outbox, in the transaction of what it answers.
//
//	if conversation.Classify("Stop!") == conversation.Stop { … }
//
//	desk := conversation.New(store, links, texts, decode, conversation.Config{Program: "Maya Live", Help: "help@maya.example"})
//	err := desk.Handle(ctx, partition, records) // one SQL transaction with the consumed offset
package conversation
