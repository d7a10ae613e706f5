package carrier

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/engine"
	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp/smsc"
)

// shortLog is a log in memory: everything is durable at once, and receipts are
// read by the engine as soon as they are.
type shortLog struct {
	mu      sync.Mutex
	next    map[string]int64
	journal []record.Journal
	engine  *engine.Engine
}

func (l *shortLog) Append(entries []journal.Entry, done func([]int64, error)) {
	offsets := make([]int64, len(entries))
	var receipts []engine.Record
	l.mu.Lock()
	for i, e := range entries {
		key := fmt.Sprint(e.Topic, e.Partition)
		offsets[i] = l.next[key]
		l.next[key]++
		value := append([]byte(nil), e.Value...)
		switch e.Topic {
		case record.TopicReceipts:
			receipts = append(receipts, engine.Record{Topic: e.Topic, Partition: e.Partition, Offset: offsets[i], Value: value})
		case record.TopicJournal:
			var j record.Journal
			if err := record.DecodeJournal(value, &j); err == nil {
				l.journal = append(l.journal, j)
			}
		}
	}
	l.mu.Unlock()
	done(offsets, nil)
	if len(receipts) > 0 {
		_ = l.engine.Records(receipts) // It fails once the engine has ended.
	}
}

// finals returns what became of the messages that are final.
func (l *shortLog) finals() (all []record.Final) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.journal {
		for _, f := range l.journal[i].Finals {
			if f.State.Final() {
				all = append(all, f)
			}
		}
	}
	return all
}

// crossings is an engine between a broadcast and the simulator.
type crossings struct {
	log    *shortLog
	e      *engine.Engine
	sim    string // the simulator's log
	finish func()
}

// cross sends a text to n members through the engine and the simulator, whose
// scenario is given in YAML, and waits until receipts have decided all.
func cross(t *testing.T, profile *Profile, scenario, text string, n int) *crossings {
	t.Helper()
	if !strings.Contains(scenario, "latency:") {
		scenario += "\nlatency: {}"
	}
	dir := t.TempDir()
	addr, stopSMSC := startScenario(t, dir, scenario)
	profiles := NewProfiles(map[string]*Profile{"acme": profile})
	l := &shortLog{next: map[string]int64{}}
	var err error
	if l.engine, err = engine.New(engine.Config{
		Name: "test", Partitions: partitions, Log: l, Validity: time.Minute, Grace: time.Minute, SnapshotEvery: 300 * time.Millisecond,
		Numbers:  []engine.Number{{Phone: ourNumber, Carriers: []string{"acme"}}},
		Carriers: []engine.Carrier{{Name: "acme", Encoder: profiles.Encoder("acme")}},
		Receipt:  profiles.Receipt, CanonicalID: profiles.CanonicalID,
		DetectIDs: profiles.DetectIDs, ReceiptID: profiles.ReceiptID, PartsReceipt: profiles.PartsReceipt, Logger: quiet(),
	}); err != nil {
		t.Fatal(err)
	}
	e := l.engine
	inbound, err := NewInbound(InboundConfig{
		Partitions: partitions, Log: l, Logger: quiet(), Stop: e.Stop,
		Revokes: func(string, []byte) (string, bool) { return "", false },
	})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := NewPool(PoolConfig{
		Accounts: []Account{{
			Name: "acme", Profile: profile, Hosts: []string{addr}, Binds: 2, SystemID: "fanline", Password: func() string { return "secret" }, Window: 50,
		}},
		Attach:  func(name string, id uint32, window int, b engine.Bind) Port { return e.Attach(name, id, window, b) },
		Inbound: inbound, Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	var runs sync.WaitGroup
	run := func(f func(context.Context) error) (end func()) {
		ctx, cancel := context.WithCancel(context.Background())
		runs.Go(func() {
			if err := f(ctx); err != nil {
				t.Error(err)
			}
		})
		return cancel
	}
	endEngine, endInbound, endPool := run(e.Run), run(inbound.Run), run(pool.Run)
	c := &crossings{log: l, e: e, sim: filepath.Join(dir, "log"), finish: func() {
		endEngine()
		endPool()
		endInbound()
		runs.Wait()
		stopSMSC()
	}}
	c.send(t, text, n)
	return c
}

func (c *crossings) send(t *testing.T, text string, n int) {
	t.Helper()
	nothing := func(context.Context, int32, int64, func(int64, []byte) error) error { return nil }
	blocks := make([]record.Block, partitions)
	for i := range n {
		phone := member + message.Phone(i)
		b := &blocks[phone.Partition(partitions)]
		b.Recipients = append(b.Recipients, record.Recipient{Member: message.MemberID(i + 1), Phone: phone})
	}
	for p := range int32(partitions) {
		if err := c.e.Own(t.Context(), p, engine.Start{}, nothing); err != nil {
			t.Fatal(err)
		}
		b := &blocks[p]
		if len(b.Recipients) == 0 {
			continue
		}
		b.Broadcast, b.Epoch, b.Number, b.Deadline, b.Validity = 1, 1, ourNumber, time.Now().Add(time.Hour).UnixMilli(), 60
		b.Text, b.First, b.Total = text, 1, message.Rank(len(b.Recipients))
		if err := c.e.Records([]engine.Record{{Topic: record.TopicJobs, Partition: p, Value: record.AppendBlock(nil, b)}}); err != nil {
			t.Fatal(err)
		}
	}
	decided := func() (d int64) {
		for s, count := range c.e.Progress(1).Messages {
			if message.State(s).Final() {
				d += count
			}
		}
		return d
	}
	for late := time.Now().Add(time.Minute); decided() < int64(n); time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("%d of %d messages were decided: %v, %+v", decided(), n, c.e.Progress(1).Messages, c.e.Receipts())
		}
	}
	for late := time.Now().Add(10 * time.Second); c.e.Receipts()[0].Parked > 0 && time.Now().Before(late); {
		time.Sleep(time.Millisecond) // What is said of receipts is a moment old.
	}
}

// startScenario runs the simulator with a scenario.
func startScenario(t *testing.T, dir, scenario string) (addr string, stop func()) {
	t.Helper()
	s, err := smsc.ParseScenario("scenario", []byte(scenario))
	if err != nil {
		t.Fatal(err)
	}
	return startSMSCWith(t, dir, &s, smsc.Account{SystemID: "fanline", Password: "secret", Numbers: []smsc.Number{{Number: ourNumber.String()}}})
}

func TestReceiptsInEveryFormReachTheirMessages(t *testing.T) {
	numeric := map[string]string{"00": "delivered", "05": "failed", "03": "expired"}
	states := "states: {UNDELIV: 0.3, EXPIRED: 0.1}"
	for _, c := range []struct {
		name     string
		scenario string
		change   func(*Settings)
		parts    int // 0: 1
	}{
		{"standard", "receipts: {delay: {}, " + states + "}", nil, 0},
		{"in small letters", "receipts: {delay: {}, " + states + ", format: lower-case}", nil, 0},
		{"without counts", "receipts: {delay: {}, " + states + ", format: no-counts, dates: century}", nil, 0},
		{"in another order", "receipts: {delay: {}, " + states + ", format: reordered, dates: blank}", nil, 0},
		{"id, stat, err and no more", "receipts: {delay: {}, " + states + ", format: short, tlvs: [none]}", nil, 0},
		{"comma-separated", "receipts: {delay: {}, " + states + ", format: csv, tlvs: [none]}", func(s *Settings) { s.States = numeric }, 0},
		{"in a sentence, with TLVs", "receipts: {delay: {}, " + states + ", format: free, tlvs: [id, state, error-digits]}", nil, 0},
		{"in TLVs alone", "receipts: {delay: {}, " + states + ", tlv_only: true, tlvs: [id, state, error]}", nil, 0},
		{"in data_sm", "receipts: {delay: {}, " + states + ", as: data_sm, tlvs: [none]}", nil, 0},
		{"in message_payload", "receipts: {delay: {}, " + states + ", in_payload: true, tlvs: [none]}", nil, 0},
		{"marked 0x08", "receipts: {delay: {}, " + states + ", esm_class: 0x08, tlvs: [none]}", nil, 0},
		{"marked 0x44", "receipts: {delay: {}, " + states + ", esm_class: 0x44, tlvs: [none]}", nil, 0},
		{"not marked, with a TLV", "receipts: {delay: {}, " + states + ", esm_class: 0, tlvs: [id]}", nil, 0},
		{
			"not marked at all", "receipts: {delay: {}, " + states + ", esm_class: 0, tlvs: [none]}",
			func(s *Settings) { s.Grammar.Detect = "text" }, 0,
		},
		{"another word for failed", "receipts: {delay: {}, " + states + ", words: {UNDELIV: NOCRED}, tlvs: [none]}", nil, 0},
		{
			"ACCEPTD is all that comes", "receipts: {delay: {}, states: {ACCEPTD: 1}}",
			func(s *Settings) { s.States = map[string]string{"ACCEPTD": "delivered"} }, 0,
		},
		{
			"a state in err", "receipts: {delay: {}, states: {DELIVRD: 1}, errs: {DELIVRD: 009}, tlvs: [none]}",
			func(s *Settings) { s.Grammar.Errors = map[string]string{"9": "failed"} }, 0,
		},
		{"early", "receipts: {delay: {}, " + states + ", early: 0.5}\nlatency: {max: 20ms}", nil, 0},
		{"twice", "receipts: {delay: {}, " + states + ", duplicate: 0.5, duplicate_after: 1ms}", nil, 0},
		{"out of order", "receipts: {delay: {max: 50ms}, " + states + ", reorder: 0.5, reorder_by: {max: 100ms}}", nil, 0},
		{"on another bind", "receipts: {delay: {max: 5ms}, " + states + ", other_bind: 1}", nil, 0},
		{"after intermediate ones", "receipts: {delay: {max: 5ms}, " + states + ", intermediate: 1}", nil, 0},
		{"of several parts", "receipts: {delay: {max: 20ms}, " + states + ", reorder: 0.3, reorder_by: {max: 50ms}, early: 0.2}\nlatency: {max: 20ms}", nil, 3},
		{"hex, read as decimal", "ids: {form: hex, receipt_form: decimal}\nreceipts: {delay: {max: 50ms}, " + states + "}", nil, 0},
		{"hex, early too", "ids: {form: hex-upper, receipt_form: padded}\nreceipts: {delay: {}, " + states + ", early: 0.5}\nlatency: {max: 20ms}", nil, 2},
		{"decimal, read as hex", "ids: {form: decimal, receipt_form: hex-upper}\nreceipts: {delay: {max: 50ms}, " + states + "}", nil, 0},
		{"padded", "ids: {form: padded, receipt_form: decimal}\nreceipts: {delay: {max: 50ms}, " + states + "}", nil, 2},
		{"UUID", "ids: {form: uuid}\nreceipts: {delay: {max: 50ms}, " + states + "}", nil, 2},
		{"ids that are used again", "ids: {repeat: 0.3}\nreceipts: {delay: {max: 50ms}, " + states + "}", nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			const n = 120
			profile := profileOf(t, func(s *Settings) {
				s.IDBase = "auto"
				if c.change != nil {
					c.change(s)
				}
			})
			parts := max(1, c.parts)
			x := cross(t, profile, c.scenario, strings.Repeat("a", 10+150*(parts-1)+10*min(1, parts-1)), n)
			x.finish()
			finals := x.log.finals()
			if len(finals) != n {
				t.Errorf("%d finals of %d messages", len(finals), n)
			}
			states := map[message.State]int{}
			for i := range finals {
				f := &finals[i]
				states[f.State]++
				if int(f.Message.Parts) != parts || parts > 1 && len(f.Parts) != parts {
					t.Errorf("%d parts, of %d something is said; want %d", f.Message.Parts, len(f.Parts), parts)
				}
			}
			if all := states[message.Delivered] + states[message.Failed] + states[message.Expired]; all != n {
				t.Errorf("%d have a receipt's state: %v", all, states)
			}
			if c.name == "a state in err" && states[message.Failed] != n {
				t.Errorf("%v", states)
			}
			sent, err := smsc.Audit(x.sim)
			if err != nil {
				t.Fatal(err)
			}
			if failed, expired := sent.Receipts["UNDELIV"], sent.Receipts["EXPIRED"]; parts == 1 && c.change == nil && !strings.Contains(c.scenario, "duplicate") &&
				(int64(states[message.Failed]) != failed || int64(states[message.Expired]) != expired) {
				t.Errorf("the carrier said %d failed and %d expired, the journal %v", failed, expired, states)
			}
			if r := x.e.Receipts()[0]; r.Unmatched > 0 || r.Unreadable > 0 || r.MatchRate() < 0.99 {
				t.Errorf("%+v", r)
			}
		})
	}
}
