package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

func throttled() Answer {
	return Answer{Code: message.Refused, Status: 0x58, Later: true, Slow: true}
}

// capped makes a carrier take so many parts a second and throttle the rest.
func (c *crossed) capped(rate float64) *float64 {
	tokens, last := rate/20, c.x.now
	c.answer = func(Item) Answer {
		tokens = min(rate/20, tokens+rate*c.x.now.Sub(last).Seconds())
		last = c.x.now
		if tokens < 1 {
			return throttled()
		}
		tokens--
		c.ids++
		return Answer{Code: message.Accepted, ID: []byte(c.name + time.Duration(c.ids).String())}
	}
	return &rate
}

func TestAThrottledPartIsSentAgainAndIsOneMessage(t *testing.T) {
	x := newCrossing(t, 4, []Number{{Phone: oneNumber, Carriers: []string{"acme"}}}, "acme")
	acme := x.carriers["acme"]
	refusals := 3
	acme.answer = func(it Item) Answer {
		if strings.Contains(string(it.PDU), "/2 ") && refusals > 0 { // The second part alone.
			refusals--
			return throttled()
		}
		acme.ids++
		return Answer{Code: message.Accepted, ID: []byte{byte(acme.ids)}}
	}
	x.single(12025550001, "one|two|three", record.Retry{})
	x.turns(1000)
	want := []string{"12025550001/1", "12025550001/2", "12025550001/2", "12025550001/2", "12025550001/2", "12025550001/3"}
	var got []string
	for _, w := range acme.written {
		got = append(got, strings.Fields(w)[0])
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("wrote %q", got)
	}
	if s := x.e.Stats(); s.Accepted != 3 || s.Throttled != 3 || s.ReceiptsPending != 1 {
		t.Errorf("%d parts accepted, %d throttled, %d messages wait for receipts", s.Accepted, s.Throttled, s.ReceiptsPending)
	}
}

func TestTheRateFollowsACarrierThatTakesLessThanAgreed(t *testing.T) {
	x := newCrossing(t, 100, []Number{{Phone: oneNumber, Carriers: []string{"acme"}, Limit: 1000}}, "acme")
	acme := x.carriers["acme"]
	acme.capped(200)
	x.broadcast(1, oneNumber, 10_000)
	x.turns(10 * 200)
	x.now = x.now.Add(time.Millisecond)
	before, refused := x.e.Stats().Accepted, x.e.Stats().Throttled
	x.turns(20 * 200) // 20 s.
	took, throttled := x.e.Stats().Accepted-before, x.e.Stats().Throttled-refused
	if took < 20*200*9/10 {
		t.Errorf("%d parts in 20 s over a carrier that takes 200 a second", took)
	}
	if throttled > took/20 {
		t.Errorf("%d were throttled beside %d that were taken", throttled, took)
	}
	if s := x.e.CarrierStates()[0].Lanes[0]; s.Pace < 100 || s.Pace > 300 {
		t.Errorf("pace %d", s.Pace)
	}
}

func TestThrottlingOfOneNumberSlowsNoOther(t *testing.T) {
	x := newCrossing(t, 100, []Number{
		{Phone: oneNumber, Carriers: []string{"acme"}}, {Phone: anotherNumber, Carriers: []string{"acme"}},
	}, "acme")
	acme := x.carriers["acme"]
	slow := map[string]bool{} // Phones of the first broadcast.
	acme.answer = func(it Item) Answer {
		if phone, _, _ := strings.Cut(string(it.PDU), "/"); slow[phone] {
			return throttled()
		}
		acme.ids++
		return Answer{Code: message.Accepted, ID: []byte{byte(acme.ids >> 8), byte(acme.ids)}}
	}
	b := &record.Block{
		Broadcast: 9, Epoch: 1, Number: anotherNumber, Deadline: x.now.UnixMilli() + 3_600_000, Validity: 60, Text: "slow", Total: 200, First: 1,
	}
	for i := range 200 {
		phone := message.Phone(14015550000 + i)
		slow[phone.Digits()] = true
		b.Recipients = append(b.Recipients, record.Recipient{Member: message.MemberID(i + 1), Phone: phone})
	}
	x.feed(record.AppendBlock(nil, b))
	x.broadcast(1, oneNumber, 1000)
	x.turns(200)
	if p := x.e.Progress(1); p.Messages[message.Submitted] != 1000 {
		t.Errorf("of the number that nobody throttles %v", p.Messages)
	}
}

func TestAFullQueueIsLeftToEmpty(t *testing.T) {
	x := newCrossing(t, 50, []Number{{Phone: oneNumber, Carriers: []string{"acme"}}}, "acme")
	acme := x.carriers["acme"]
	acme.answer = func(Item) Answer {
		return Answer{Code: message.Refused, Status: 0x14, Later: true, Slow: true, Full: true}
	}
	x.broadcast(1, oneNumber, 250)
	x.turns(200) // One second.
	if n := len(acme.written); n > 60 {
		t.Errorf("%d parts were offered to a full queue in a second", n)
	}
	acme.answer = nil
	x.turns(4000)
	if p := x.e.Progress(1); p.Messages[message.Submitted] != 250 {
		t.Errorf("when it had emptied: %v", p.Messages)
	}
}

func TestCongestionIsActedUponBeforeAnythingIsThrottled(t *testing.T) {
	x := newCrossing(t, 50, []Number{{Phone: oneNumber, Carriers: []string{"acme"}}}, "acme")
	acme := x.carriers["acme"]
	x.broadcast(1, oneNumber, 5000)
	x.turns(100)
	acme.congestion = 95
	x.turns(100)
	s := x.e.CarrierStates()[0]
	if s.Congestion != 95 || s.Lanes[0].Pace == 0 || x.e.Stats().Throttled > 0 {
		t.Errorf("%+v", s)
	}
	slow := s.Lanes[0].Pace
	acme.congestion = 20
	x.turns(600)
	if got := x.e.CarrierStates()[0].Lanes[0].Pace; got <= slow {
		t.Errorf("at leisure again it stays at %d, after %d", got, slow)
	}
}

func TestAPartWithoutAnswerIsNotSentAgainUnlessThePolicySaysSo(t *testing.T) {
	for _, policy := range []message.Policy{message.AtMostOnce, message.AtLeastOnce} {
		x := newCrossing(t, 4, []Number{{Phone: oneNumber, Carriers: []string{"acme"}}}, "acme")
		acme := x.carriers["acme"]
		acme.answer = func(Item) Answer { return Answer{Code: message.Unknown} }
		x.feed(record.AppendSingle(nil, &record.Single{
			ID: message.NewID(), Number: oneNumber, Phone: 12025550001, Class: message.ClassOneToOne, Policy: policy,
			Deadline: x.now.UnixMilli() + 3_600_000, Validity: 60, Text: "hello",
		}))
		x.turns(1000)
		if want := 1 + int(policy); len(acme.written) != want {
			t.Errorf("%v: written %d times, want %d", policy, len(acme.written), want)
		}
	}
}

func TestEveryLimitOfTheHierarchyHolds(t *testing.T) {
	x := newCrossing(t, 1000, []Number{
		{Phone: oneNumber, Carriers: []string{"acme"}, Limit: 400}, {Phone: anotherNumber, Carriers: []string{"acme"}, Limit: 900},
	}, "acme")
	x.turn()
	x.e.SetCarrierLimit("acme", 1000, 0)
	x.broadcast(1, oneNumber, 5000)
	x.broadcast(2, anotherNumber, 5000)
	x.turns(400) // Two seconds.
	one, other := x.e.Progress(1).Messages[message.Submitted], x.e.Progress(2).Messages[message.Submitted]
	if one < 700 || one > 810 || one+other < 1850 || one+other > 2010 {
		t.Errorf("in 2 s the number with 400/s sent %d, both %d over a carrier with 1000/s", one, one+other)
	}
	x.e.SetCarrierLimit("acme", 1000, 200) // One bind.
	x.turns(100)
	was := x.e.Progress(1).Messages[message.Submitted] + x.e.Progress(2).Messages[message.Submitted]
	x.turns(200)
	if got := x.e.Progress(1).Messages[message.Submitted] + x.e.Progress(2).Messages[message.Submitted] - was; got < 170 || got > 205 {
		t.Errorf("in a second %d went over a bind that takes 200/s", got)
	}
	x.e.SetCarrierLimit("acme", 0, 0)
	x.e.SetNumberLimit(oneNumber, 0)
	x.turns(100)
	if got := x.e.Progress(1).Messages[message.Submitted]; got < 4000 {
		t.Errorf("without limits %d", got)
	}
}
