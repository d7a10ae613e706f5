// Package record holds the schemas of what stands in the log's topics
// (contracts.md, "The log"): plain bytes, a version byte first, then varints
// (unsigned LEB128 as in encoding/binary) and length-prefixed strings, in the
// order of the Go fields. It knows what a record says and nothing of Kafka.
//
// Decoders never panic and refuse what they don't understand with an error
// that names the field and the offset. Strings and byte slices of a decoded
// record alias the input.
//
//	b := record.AppendBlock(nil, &block)
//	job, err := record.DecodeJob(b)
package record

// Topic names.
const (
	TopicJobs     = "jobs"
	TopicJournal  = "journal"
	TopicReceipts = "receipts"
	TopicInbound  = "inbound"
	TopicConsent  = "consent"
	TopicLater    = "later"
	TopicMembers  = "members"
	TopicControl  = "control"
)

// Partitioned lists the topics that share one number of partitions and are
// assigned together; control has one partition and stands beside them.
func Partitioned() []string {
	return []string{TopicJobs, TopicJournal, TopicReceipts, TopicInbound, TopicConsent, TopicLater, TopicMembers}
}

// version is the first byte of every record.
const version = 1
