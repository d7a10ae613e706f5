package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
)

var attributes = message.Attributes{City: 300, Age: 34, Gender: 'f', Language: [2]byte{'e', 'n'}}

func sampleBlock() *Block {
	return &Block{
		Broadcast: 7, Epoch: 2, Number: 17735550100, Policy: message.AtLeastOnce, Deadline: 1_790_000_000_000,
		Validity: 14400, Text: "Hey {{first_name}}, hi", Total: 900, First: 129, Fields: 1,
		Retry: Retry{Routes: 1, On: RetryFailed | RetryExpired},
		Hints: []Hint{{Name: "acme", Source: message.EvidenceSeen}, {Name: "T-Mobile", Source: message.EvidenceImport}},
		Recipients: []Recipient{
			{Member: 1, Phone: 12025550101, Attributes: attributes},
			{Member: 70000, Phone: 447700900123, Suppressed: message.ReasonStop, Hint: 2},
		},
		Values: []string{"Ann", ""},
	}
}

func sampleJournal() *Journal {
	head := Message{Number: 17735550100, Carrier: "acme", Class: message.ClassBroadcast, Broadcast: 7, Rank: 130, Member: 70000, Phone: 12025550101, Parts: 2, Attributes: attributes}
	single := Message{Number: 17735550100, Carrier: "acme", ID: message.ID{1, 2, 3}, Member: 9, Phone: 12025550102, Parts: 1}
	second := head
	second.Rank, second.Member = 131, 70001
	return &Journal{
		Owner: 42,
		Own:   &Own{Engine: "a", At: 5},
		Runs:  []Run{{Number: 17735550100, Carrier: "acme", Bind: 3, At: 1_790_000_000_000}, {Number: 1, Carrier: "b", At: 9}},
		Intents: []Intent{
			{Run: 0, Class: message.ClassBroadcast, Broadcast: 7, Epoch: 2, Rank: 130, Member: 70000, Phone: 12025550101, Part: 1, Parts: 2},
			{Run: 1, Class: message.ClassStop, ID: message.ID{9}, Member: 4, Phone: 12025550102, Part: 1, Parts: 1},
		},
		Outcomes: []Outcome{
			{Ref: Ref{41, 3}, Message: head, Part: 2, Code: message.Accepted, MessageID: []byte("abc"), Bind: 3, Written: 1000, At: 1020, State: message.Submitted},
			{Ref: Ref{41, 4}, Message: second, Part: 1, Code: message.Refused, Status: 0x45, MessageID: []byte{}, At: 1020, State: message.Rejected, Reason: message.ReasonCode},
			{Ref: Ref{40, 0}, Message: single, Part: 1, Code: message.Unknown, MessageID: []byte{}, Written: 7, State: message.Uncertain},
			{Ref: Ref{40, 1}, Message: head, Part: 1, Code: message.NotSent, Status: 0x58, MessageID: []byte{}},
		},
		Finals: []Final{
			{Message: head, From: message.Submitted, State: message.Delivered, Err: "000", Written: 1000, At: 3000},
			{Message: single, From: message.Uncertain, State: message.Submitted, At: 8},
			{Message: second, From: message.Submitted, State: message.Failed, Err: "21b", Written: 1000, At: 3000, Parts: []Part{
				{State: message.Delivered, Err: "000", At: 2900}, {State: message.Failed, Err: "21b", At: 3000}, {},
			}},
		},
		Settles: []Settle{{Broadcast: 7, Epoch: 3, State: message.Cancelled, Count: 12, At: 9}},
		Snapshot: &Snapshot{Applied: 50, Replay: 40, Broadcasts: []Broadcast{
			{ID: 7, Epoch: 2, Total: 900, Low: 128, Decided: []byte{5}, Settled: true, Counts: message.Tally{0, 1, 2, 3}, Parts: message.Tally{5}},
		}, Recent: []message.ID{{1}, {2}}},
		Early: []Early{
			{Carrier: "acme", ID: []byte("a1"), Phone: 12025550101, To: 17735550100, State: message.Delivered, Err: "000", At: 1_790_000_000_000},
			{Carrier: "acme", ID: []byte("a2"), Phone: 12025550102, State: message.Failed, At: 1_790_000_000_001},
			{Carrier: "b", ID: []byte("1"), State: message.Expired, Of: message.Key{Broadcast: 7, Member: 70000}},
			{Carrier: "b", ID: []byte{}, State: message.Delivered, Of: message.Key{ID: message.ID{9}}},
		},
		Seen: []uint64{1, 1<<64 - 1, 77},
	}
}

func TestEveryRecordReadsBackAsWritten(t *testing.T) {
	block := sampleBlock()
	job, err := DecodeJob(AppendBlock(nil, block))
	if err != nil || cmp.Diff(block, job.Block) != "" {
		t.Errorf("block: %v %s", err, cmp.Diff(block, job.Block))
	}
	single := &Single{
		ID: message.NewID(), Number: 1773, Phone: 12025550101, Member: 3, Class: message.ClassOneToOne, Deadline: 5, Validity: 60, At: 1_790_000_000_000, Text: "Hi", Attributes: attributes,
		Hint: Hint{Name: "beta", Source: message.EvidenceLookup}, Retry: Retry{Routes: 2, On: RetryRejected},
	}
	if job, err = DecodeJob(AppendSingle(nil, single)); err != nil || cmp.Diff(single, job.Single) != "" {
		t.Errorf("single: %v %s", err, cmp.Diff(single, job.Single))
	}
	want := sampleJournal()
	var got Journal
	if err := DecodeJournal(AppendJournal(nil, want), &got); err != nil || cmp.Diff(want, &got) != "" {
		t.Errorf("journal: %v %s", err, cmp.Diff(want, &got))
	}
	in := Inbound{Number: 1773, Phone: 12025550101, Carrier: "acme", Bind: 1, At: 77, PDU: []byte{1, 2}}
	if gotIn, err := DecodeInbound(AppendInbound(nil, &in)); err != nil || cmp.Diff(in, gotIn) != "" {
		t.Errorf("inbound: %v %s", err, cmp.Diff(in, gotIn))
	}
	rs := Receipts{Carrier: "acme", Entries: []Receipt{{Bind: 1, At: 1000, PDU: []byte("x")}, {Bind: 2, At: 999, PDU: []byte("yz")}}}
	if gotRs, err := DecodeReceipts(AppendReceipts(nil, &rs), nil); err != nil || cmp.Diff(rs, gotRs) != "" {
		t.Errorf("receipts: %v %s", err, cmp.Diff(rs, gotRs))
	}
	c := Consent{Number: 1773, Phone: 12025550101, Revoked: true, Why: "STOP", At: 5}
	if gotC, err := DecodeConsent(AppendConsent(nil, &c)); err != nil || c != gotC {
		t.Errorf("consent: %v %v", err, gotC)
	}
	ms := Members{Entries: []Member{{Member: 5, City: 3, CityName: "Chicago", Region: "IL", Birth: -400, Gender: 'm', Language: [2]byte{'e', 'n'}, Joined: 1, At: 2}, {Member: 6, Deleted: true}}}
	if gotMs, err := DecodeMembers(AppendMembers(nil, &ms)); err != nil || cmp.Diff(ms, gotMs) != "" {
		t.Errorf("members: %v %s", err, cmp.Diff(ms, gotMs))
	}
	ctl := Control{Broadcast: 7, Epoch: 3, Action: Cancel, At: 9, Totals: []message.Rank{1, 0, 900}}
	if gotCtl, err := DecodeControl(AppendControl(nil, &ctl)); err != nil || cmp.Diff(ctl, gotCtl) != "" {
		t.Errorf("control: %v %s", err, cmp.Diff(ctl, gotCtl))
	}
}

// What was written before finals told of their parts still reads, and a final
// of one part takes not an octet more than it did.
func TestAFinalWithoutPartsIsWrittenAsItAlwaysWas(t *testing.T) {
	f := Final{
		Message: Message{Number: 17735550100, Carrier: "acme", Class: message.ClassBroadcast, Broadcast: 7, Rank: 130, Member: 70000, Phone: 12025550101, Parts: 1, Attributes: attributes},
		From:    message.Submitted, State: message.Delivered, Err: "000", Written: 1000, At: 3000,
	}
	const before = "\x01T\x04\x01\x03\x94\x89\xfc\x88B\x04acme\a\x03\x82\x01\xf0\xa2\x04\x95\xaa\x9d\xe6,\x01\xac\x02\"fen\x06\a\x00\x03000\xf0.\x9f\x1f"
	if got := string(AppendJournal(nil, &Journal{Owner: 42, Finals: []Final{f}})); got != before {
		t.Errorf("written as %q, before %q", got, before)
	}
	var got Journal
	if err := DecodeJournal([]byte(before), &got); err != nil || cmp.Diff([]Final{f}, got.Finals) != "" {
		t.Errorf("%v %s", err, cmp.Diff([]Final{f}, got.Finals))
	}
}

func TestARecordCutShortIsRefused(t *testing.T) {
	records := map[string]struct {
		b      []byte
		decode func([]byte) error
	}{
		"job":     {AppendBlock(nil, sampleBlock()), func(b []byte) error { _, err := DecodeJob(b); return err }},
		"inbound": {AppendInbound(nil, &Inbound{PDU: []byte("abc")}), func(b []byte) error { _, err := DecodeInbound(b); return err }},
		"consent": {AppendConsent(nil, &Consent{Why: "STOP"}), func(b []byte) error { _, err := DecodeConsent(b); return err }},
	}
	for name, r := range records {
		for n := range len(r.b) {
			if r.decode(r.b[:n]) == nil {
				t.Errorf("%s cut to %d of %d octets was accepted", name, n, len(r.b))
			}
		}
		if r.decode(append(r.b[:len(r.b):len(r.b)], 0)) == nil {
			t.Errorf("%s with an octet left over was accepted", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(AppendBlock(nil, sampleBlock()))
	f.Add(AppendSingle(nil, &Single{Text: "hi"}))
	f.Add(AppendJournal(nil, sampleJournal()))
	f.Add(AppendReceipts(nil, &Receipts{Carrier: "a", Entries: []Receipt{{PDU: []byte("x")}}}))
	f.Add(AppendMembers(nil, &Members{Entries: []Member{{Member: 5}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if job, err := DecodeJob(b); err == nil && job.Block != nil {
			again, err := DecodeJob(AppendBlock(nil, job.Block))
			if err != nil || cmp.Diff(job, again) != "" {
				t.Fatalf("a block read does not write back the same: %v", err)
			}
		}
		var j Journal
		if DecodeJournal(b, &j) == nil && len(j.Intents) > 0 {
			var again Journal
			if err := DecodeJournal(AppendJournal(nil, &j), &again); err != nil {
				t.Fatalf("a journal record read does not write back: %v", err)
			}
		}
		_, _ = DecodeInbound(b)
		_, _ = DecodeReceipts(b, nil)
		_, _ = DecodeConsent(b)
		_, _ = DecodeMembers(b)
		_, _ = DecodeControl(b)
	})
}
