package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fanline/engine/message"
	"fanline/engine/route"
	"fanline/pipeline/record"
)

// crossing is an engine with several carriers, each with a bind that answers as
// the test says.
type crossing struct {
	*road
	carriers map[string]*crossed
}

// crossed is one carrier and its bind.
type crossed struct {
	x       *crossing
	name    string
	window  int
	port    *Port
	flying  []Item
	written []string // phones' texts in the order written
	ids     int
	answer  func(item Item) Answer // nil: accepted
	mute    bool                   // answers nothing
	// congestion is its congestion_state; 0: it sends none.
	congestion int8
}

func (c *crossed) Write(items []Item) int {
	for _, it := range items {
		c.written = append(c.written, string(it.PDU))
		c.flying = append(c.flying, it)
	}
	return len(items)
}

func (c *crossed) Revoke(func(uint64) bool) {}

func (c *crossed) up() { c.port = c.x.e.Attach(c.name, 1, c.window, c) }

// down loses the bind: what was written was answered before.
func (c *crossed) down() { c.port.Detach() }

// Encode writes phone and text.
func (x *crossing) Encode(dst *Parts, t *Text) error {
	for i := range strings.Count(string(t.Body), "|") + 1 {
		dst.Buf = fmt.Appendf(dst.Buf, "%s/%d %s", t.Phone.Digits(), i+1, t.Body)
		dst.Ends = append(dst.Ends, len(dst.Buf))
	}
	return nil
}

func (x *crossing) turn() {
	x.now = x.now.Add(5 * time.Millisecond)
	x.acknowledge()
	x.e.step(x.now)
	for _, c := range x.carriers {
		if c.port == nil || c.mute {
			continue
		}
		var answers []Answer
		for _, it := range c.flying {
			c.ids++
			a := Answer{Code: message.Accepted, ID: fmt.Appendf(nil, "%s%d", c.name, c.ids)}
			if c.answer != nil {
				a = c.answer(it)
			}
			a.Token, a.At, a.Congestion = it.Token, x.now.UnixMilli(), c.congestion-1
			if c.congestion > 0 {
				a.Congestion++
			}
			answers = append(answers, a)
		}
		c.flying = c.flying[:0]
		c.port.Answers(answers)
	}
	x.e.step(x.now)
}

func (x *crossing) turns(n int) {
	for range n {
		x.turn()
	}
}

// receipt hands in a receipt as a carrier's.
func (x *crossing) receipt(carrier, id string, phone message.Phone, state message.State) {
	pdu := fmt.Appendf(nil, "%s/%s/%s", id, phone.Digits(), state)
	v := record.AppendReceipts(nil, &record.Receipts{Carrier: carrier, Entries: []record.Receipt{{At: x.now.UnixMilli(), PDU: pdu}}})
	if err := x.e.Records([]Record{{Topic: record.TopicReceipts, Offset: x.receiptsRead, Value: v}}); err != nil {
		x.t.Fatal(err)
	}
	x.receiptsRead++
}

func newCrossing(t *testing.T, window int, numbers []Number, carriers ...string) *crossing {
	x := &crossing{road: &road{t: t, now: time.Now(), written: map[string]int{}}, carriers: map[string]*crossed{}}
	cfg := Config{
		Partitions: 1, Log: x.road, Numbers: numbers, Validity: time.Hour, Grace: time.Hour,
		Receipt: func(_ string, pdu []byte) (Receipt, bool) {
			f := strings.Split(string(pdu), "/")
			phone, _ := message.ParsePhone(f[1])
			for s := message.Open; s < message.States; s++ {
				if s.String() == f[2] {
					return Receipt{ID: []byte(f[0]), Phone: phone, State: s}, true
				}
			}
			return Receipt{}, false
		},
		CanonicalID: func(_ string, id []byte) []byte { return id },
	}
	for _, name := range carriers {
		cfg.Carriers = append(cfg.Carriers, Carrier{Name: name, Encoder: x})
		x.carriers[name] = &crossed{x: x, name: name, window: window}
	}
	var err error
	if x.e, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	owned := make(chan error, 1)
	go func() {
		owned <- x.e.Own(context.Background(), 0, Start{}, func(context.Context, int32, int64, func(int64, []byte) error) error { return nil })
	}()
	for {
		select {
		case err := <-owned:
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range carriers {
				x.carriers[name].up()
			}
			return x
		case <-time.After(20 * time.Microsecond): // Own's goroutine has its say.
			x.acknowledge()
			x.e.step(x.now)
		}
	}
}

func (x *crossing) single(phone message.Phone, text string, retry record.Retry) {
	x.feed(record.AppendSingle(nil, &record.Single{
		ID: message.NewID(), Number: oneNumber, Phone: phone, Class: message.ClassOneToOne, Deadline: x.now.UnixMilli() + 3_600_000,
		Validity: 60, Text: text, Retry: retry,
	}))
}

func both() []Number { return []Number{{Phone: oneNumber, Carriers: []string{"acme", "beta"}}} }

func TestMessagesStayWithTheFirstCarrierWhileItIsHealthy(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	x.broadcast(1, oneNumber, 500)
	x.turns(60)
	acme, beta := x.carriers["acme"], x.carriers["beta"]
	if len(acme.written) < 100 || len(beta.written) > 0 {
		t.Errorf("acme wrote %d, and beta %d because acme was busy", len(acme.written), len(beta.written))
	}
}

func TestACarrierThatIsGoneIsLeftForTheNextAndComesBack(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	acme, beta := x.carriers["acme"], x.carriers["beta"]
	x.broadcast(1, oneNumber, 250)
	x.turns(10)
	x.turn()
	acme.down()
	x.turns(30)
	gone := len(acme.written)
	if len(beta.written) < 50 {
		t.Errorf("without acme, beta wrote %d", len(beta.written))
	}
	x.turns(200)
	if p := x.e.Progress(1); p.Messages[message.Submitted] != 250 || len(acme.written) != gone {
		t.Errorf("%v, of them %d by acme after it was gone", p.Messages, len(acme.written)-gone)
	}
	acme.up()
	x.turn()
	x.broadcast2(250)
	before := len(beta.written)
	x.turns(50)
	if len(acme.written) == gone || len(beta.written) > before {
		t.Errorf("acme is back and wrote %d, beta %d", len(acme.written)-gone, len(beta.written)-before)
	}
}

// broadcast2 is a second broadcast.
func (x *crossing) broadcast2(members int) { x.broadcast(2, oneNumber, members) }

func TestWhatWaitsWhileAllCarriersAreGoneExpiresInTime(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	x.carriers["acme"].down()
	x.carriers["beta"].down()
	x.turn()
	x.broadcast(1, oneNumber, 750)
	x.single(12025550123, "hello", record.Retry{})
	x.turns(50)
	if n := x.e.Stats().Commits; n > 10 {
		t.Errorf("%d commits while nothing could be sent: it is requeued over and over", n)
	}
	x.now = x.now.Add(2 * time.Hour)
	x.turns(100)
	if p := x.e.Progress(1); p.Messages[message.ExpiredUnsent] != 750 {
		t.Errorf("%v", p.Messages)
	}
	if s := x.e.Stats(); s.QueuedSingle != 0 {
		t.Errorf("%d still wait", s.QueuedSingle)
	}
}

func TestACarrierThatTakesNothingHoldsNoOtherBack(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	table, err := route.New(route.Config{
		Carriers: []string{"acme", "beta"}, Numbers: []route.Number{{Phone: oneNumber, Carriers: []string{"acme", "beta"}}},
		Rules: []route.Rule{{Carriers: []route.Option{{Carrier: "acme", Weight: 1}, {Carrier: "beta", Weight: 1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	x.e.SetRoutes(table)
	x.carriers["acme"].mute = true
	x.broadcast(1, oneNumber, 1000)
	x.turns(400)
	if got := len(x.carriers["beta"].written); got < 430 || got > 570 {
		t.Errorf("beta, which has a weight of a half, wrote %d of 1000", got)
	}
	if got := len(x.carriers["acme"].written); got != 4 {
		t.Errorf("acme, which never answers, has %d in a window of 4", got)
	}
}

func TestTheWayIsThatOfHintAndTable(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	table, err := route.New(route.Config{
		Carriers: []string{"beta", "acme"}, Numbers: []route.Number{{Phone: oneNumber, Carriers: []string{"acme", "beta"}}},
		Prefixes: []route.Prefix{{Digits: "1202", Network: "north"}},
		Rules:    []route.Rule{{Networks: []string{"north"}, Carriers: []route.Option{{Carrier: "beta", Weight: 1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	x.e.SetRoutes(table)
	x.single(12025550001, "prefix", record.Retry{})
	x.single(13125550002, "default", record.Retry{})
	x.feed(record.AppendSingle(nil, &record.Single{
		ID: message.NewID(), Number: oneNumber, Phone: 13125550003, Class: message.ClassOneToOne, Deadline: x.now.UnixMilli() + 3_600_000,
		Text: "hint", Hint: record.Hint{Name: "beta", Source: message.EvidenceSeen},
	}))
	x.turns(5)
	if got := x.carriers["beta"].written; !slices.Equal(got, []string{"12025550001/1 prefix", "13125550003/1 hint"}) {
		t.Errorf("beta wrote %q", got)
	}
	if got := x.carriers["acme"].written; !slices.Equal(got, []string{"13125550002/1 default"}) {
		t.Errorf("acme wrote %q", got)
	}
}

func TestASenderThatIsRefusedIsStoppedAndItsMessagesAreNot(t *testing.T) {
	x := newCrossing(t, 4, []Number{{Phone: oneNumber, Carriers: []string{"acme"}}}, "acme")
	acme := x.carriers["acme"]
	refused := 0
	acme.answer = func(Item) Answer { refused++; return Answer{Code: message.Refused, Status: 0x0A, Sender: true} }
	x.broadcast(1, oneNumber, 250)
	x.turns(100)
	if refused > 2*acme.window {
		t.Errorf("%d parts were offered to a carrier that takes nothing from the number", refused)
	}
	alarms := x.e.Alarms()
	if len(alarms) != 1 || alarms[0].Number != oneNumber || alarms[0].Carrier != "acme" || alarms[0].Status != 0x0A || alarms[0].Waiting == 0 {
		t.Errorf("alarms %+v", alarms)
	}
	if p := x.e.Progress(1); p.Messages[message.Rejected] != 0 {
		t.Errorf("%d messages were rejected for what their sender is blamed for", p.Messages[message.Rejected])
	}
	before := refused
	x.now = x.now.Add(haltFor)
	x.turns(50)
	if refused != before+1 {
		t.Errorf("it was tried with %d parts", refused-before)
	}
	acme.answer = nil
	x.now = x.now.Add(haltFor)
	x.turns(300)
	x.now = x.now.Add(time.Minute)
	x.turns(300)
	if p := x.e.Progress(1); p.Messages[message.Submitted] != 250 || len(x.e.Alarms()) != 0 {
		t.Errorf("when the carrier took the number again: %v, alarms %v", p.Messages, x.e.Alarms())
	}
}

func TestASenderThatOneCarrierRefusesGoesByTheOther(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	x.carriers["acme"].answer = func(Item) Answer { return Answer{Code: message.Refused, Status: 0x0A, Sender: true} }
	x.broadcast(1, oneNumber, 250)
	x.turns(300)
	if p := x.e.Progress(1); p.Messages[message.Submitted] != 250 || len(x.carriers["beta"].written) != 250 {
		t.Errorf("%v, of them %d by beta", p.Messages, len(x.carriers["beta"].written))
	}
}

func retrying(on record.RetryOn) record.Retry { return record.Retry{Routes: 1, On: on} }

func TestAnUndeliveredMessageGoesAnotherWayOnlyByPolicy(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	acme, beta := x.carriers["acme"], x.carriers["beta"]
	x.single(12025550001, "no policy", record.Retry{})
	x.single(12025550002, "expired only", retrying(record.RetryExpired))
	x.single(12025550003, "any failure", retrying(record.RetryFailed))
	x.single(12025550004, "two | parts", retrying(record.RetryFailed))
	x.turns(5)
	if !slices.Equal(acme.written, []string{
		"12025550001/1 no policy", "12025550002/1 expired only", "12025550003/1 any failure", "12025550004/1 two | parts", "12025550004/2 two | parts",
	}) {
		t.Fatalf("acme wrote %q", acme.written)
	}
	for i := range 4 {
		x.receipt("acme", fmt.Sprint("acme", i+1), message.Phone(12025550001+i), message.Failed)
	}
	x.receipt("acme", "acme5", 12025550004, message.Delivered)
	x.turns(10)
	if !slices.Equal(beta.written, []string{"12025550003/1 any failure", "12025550004/1 two | parts", "12025550004/2 two | parts"}) {
		t.Errorf("beta wrote %q", beta.written)
	}
	if s := x.e.Stats(); s.ReceiptsPending != 2 || s.Retried != 2 {
		t.Errorf("%d messages wait for receipts, %d were sent again", s.ReceiptsPending, s.Retried)
	}
	for i, phone := range []message.Phone{12025550003, 12025550004, 12025550004} {
		x.receipt("beta", fmt.Sprint("beta", i+1), phone, message.Delivered)
	}
	x.turns(5)
	if s := x.e.Stats(); s.ReceiptsPending != 0 || s.ReceiptsMatched != 8 {
		t.Errorf("%d messages wait for receipts, %d matched", s.ReceiptsPending, s.ReceiptsMatched)
	}
}

func TestAFurtherAttemptThatFailsLeavesTheMessageWhatItWas(t *testing.T) {
	for _, test := range []struct {
		name string
		fail func(x *crossing)
	}{
		{"refused", func(x *crossing) {
			x.carriers["beta"].answer = func(Item) Answer { return Answer{Code: message.Refused, Status: 0x0B} }
		}},
		{"no answer", func(x *crossing) {
			x.carriers["beta"].answer = func(Item) Answer { return Answer{Code: message.Unknown} }
		}},
		{"stopped", func(x *crossing) {
			for i := range message.Phone(250) {
				x.e.Stop(oneNumber, 12020000001+i, x.now.UnixMilli(), func() {})
			}
		}},
		{"delivered to nobody either", func(x *crossing) {
			x.turns(40)
			for i := range 250 {
				x.receipt("beta", fmt.Sprint("beta", i+1), 0, message.Expired)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			x := newCrossing(t, 100, both(), "acme", "beta")
			b := &record.Block{
				Broadcast: 1, Epoch: 1, Number: oneNumber, Deadline: x.now.UnixMilli() + 3_600_000, Validity: 60, Text: "hi", Total: 250, First: 1,
				Retry: retrying(record.RetryFailed),
			}
			for i := range 250 {
				b.Recipients = append(b.Recipients, record.Recipient{Member: message.MemberID(i + 1), Phone: message.Phone(12020000001 + i)})
			}
			x.feed(record.AppendBlock(nil, b))
			x.turns(20)
			if test.name != "delivered to nobody either" {
				test.fail(x)
				x.turn()
			}
			for i := range 250 {
				x.receipt("acme", fmt.Sprint("acme", i+1), 0, message.Failed)
			}
			if test.name == "delivered to nobody either" {
				test.fail(x)
			}
			x.turns(300)
			p := x.e.Progress(1)
			want := message.Failed
			if test.name == "delivered to nobody either" {
				want = message.Expired // What the last attempt came to.
			}
			if p.Messages[want] != 250 || p.Messages[message.Submitted] != 0 || !p.Messages.Ledger(250).Balanced() {
				t.Errorf("%v", p.Messages)
			}
		})
	}
}

func TestARefusedMessageGoesAnotherWayByPolicyAndIsRememberedThere(t *testing.T) {
	x := newCrossing(t, 4, both(), "acme", "beta")
	table, err := route.New(route.Config{
		Carriers: []string{"acme", "beta"}, Numbers: []route.Number{{Phone: oneNumber, Carriers: []string{"acme", "beta"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	x.e.SetRoutes(table)
	acme, beta := x.carriers["acme"], x.carriers["beta"]
	acme.answer = func(Item) Answer { return Answer{Code: message.Refused, Status: 0x0B} }
	x.single(12025550001, "refused", retrying(record.RetryRejected))
	x.single(12025550002, "refused for good", record.Retry{})
	x.turns(5)
	if !slices.Equal(beta.written, []string{"12025550001/1 refused"}) {
		t.Errorf("beta wrote %q", beta.written)
	}
	acme.answer = nil
	x.single(12025550003, "fails", retrying(record.RetryFailed))
	x.turns(3)
	x.receipt("acme", fmt.Sprint("acme", acme.ids), 12025550003, message.Failed)
	x.turns(5)
	x.receipt("beta", fmt.Sprint("beta", beta.ids), 12025550003, message.Delivered)
	x.turns(5)
	x.single(12025550003, "the next", record.Retry{})
	x.turns(5)
	if last := beta.written[len(beta.written)-1]; last != "12025550003/1 the next" {
		t.Errorf("after beta had delivered what acme could not, beta wrote %q last", last)
	}
}
