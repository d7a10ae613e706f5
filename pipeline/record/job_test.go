package record

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
)

// TestJobsOfAProgramThatKnewNoRoutesAreStillRead holds records as they were
// written before hints and retries: an upgrade finds them in the log.
func TestJobsOfAProgramThatKnewNoRoutesAreStillRead(t *testing.T) {
	for _, c := range []struct {
		hex  string
		want Job
	}{
		{
			"010107029489fc88420180b083c59868c07016486579207b7b66697273745f6e616d657d7d2c2068698407810101020195aa9de62c0000ac022266656e03416e6ef0a2049bb2b6e8830d0102000000000000",
			Job{Block: &Block{
				Broadcast: 7, Epoch: 2, Number: 17735550100, Policy: message.AtLeastOnce, Deadline: 1_790_000_000_000,
				Validity: 14400, Text: "Hey {{first_name}}, hi", Total: 900, First: 129, Fields: 1,
				Recipients: []Recipient{
					{Member: 1, Phone: 12025550101, Attributes: attributes},
					{Member: 70000, Phone: 447700900123, Suppressed: message.ReasonStop},
				},
				Values: []string{"Ann", ""},
			}},
		},
		{
			"01020102030405060708090a0b0c0d0e0f10ed0d95aa9de62c0302000a3c80b083c59868024869ac022266656e",
			Job{Single: &Single{
				ID: message.ID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Number: 1773, Phone: 12025550101, Member: 3,
				Class: message.ClassOneToOne, Deadline: 5, Validity: 60, At: 1_790_000_000_000, Text: "Hi", Attributes: attributes,
			}},
		},
	} {
		raw, err := hex.DecodeString(c.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeJob(raw)
		if err != nil || cmp.Diff(c.want, got) != "" {
			t.Error(err, cmp.Diff(c.want, got))
		}
	}
}

func TestARecipientPointsToAHintOfItsBlock(t *testing.T) {
	b := sampleBlock()
	if got := b.HintOf(1); got != (Hint{"T-Mobile", message.EvidenceImport}) {
		t.Error(got)
	}
	if got := b.HintOf(0); got != (Hint{}) {
		t.Error(got)
	}
	b.Recipients[0].Hint = 3
	if _, err := DecodeJob(AppendBlock(nil, b)); err == nil {
		t.Error("a hint that the block doesn't have was read")
	}
}

func TestRetriesCoverTheStatesOfTheirPolicyOnly(t *testing.T) {
	on := RetryFailed | RetryExpired
	for s := message.Open; s < message.States; s++ {
		if want := s == message.Failed || s == message.Expired; on.Covers(s) != want {
			t.Errorf("%s: %v", s, !want)
		}
		if RetryOn(0).Covers(s) {
			t.Errorf("%s is covered by no policy", s)
		}
	}
	if !RetryRejected.Covers(message.Rejected) {
		t.Error("rejected is not covered")
	}
}
