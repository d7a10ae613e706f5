package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/pipeline/record"
)

const (
	ann  = message.Phone(12025550101)
	ben  = message.Phone(12025550102)
	cleo = message.Phone(447700900123)
)

func TestAReceiptReachesItsMessageOnWhateverBindItComes(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "m1")
	p.want(id, message.Submitted)
	p.receipt("plain", "m1", ann, postNumber, message.Failed, "21b") // Filed with bind 7; bind 1 wrote.
	if s := p.want(id, message.Failed); s.err != "21b" || s.parts != nil {
		t.Errorf("err %q, parts %v", s.err, s.parts)
	}
	p.counted("plain", CarrierReceipts{Matched: 1})
}

func TestAReceiptThatIsQuickerThanItsResponseJoinsWhenThatComes(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 1)
	p.delivered("plain", "m1", ann)
	p.counted("plain", CarrierReceipts{Parked: 1})
	p.accept("plain", ann, 1, "m1")
	p.want(id, message.Delivered)
	p.counted("plain", CarrierReceipts{Joined: 1})
}

func TestTheFirstFinalReceiptStandsWhateverComesAfter(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "m1")
	p.receipt("plain", "m1", ann, 0, message.Open, "") // ENROUTE
	p.want(id, message.Submitted)
	p.receipt("plain", "m1", ann, 0, message.Failed, "001")
	p.delivered("plain", "m1", ann)                    // DELIVRD after UNDELIV
	p.receipt("plain", "m1", ann, 0, message.Open, "") // an intermediate one that was overtaken
	p.receipt("plain", "m1", ann, 0, message.Failed, "001")
	p.want(id, message.Failed)
	p.counted("plain", CarrierReceipts{Matched: 1, Repeated: 2, Intermediate: 2})
}

func TestARepeatedEarlyReceiptCountsOnce(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 1)
	p.receipt("plain", "m1", ann, 0, message.Expired, "")
	p.delivered("plain", "m1", ann)
	p.accept("plain", ann, 1, "m1")
	p.want(id, message.Expired)
	p.counted("plain", CarrierReceipts{Joined: 1, Repeated: 1})
}

func TestAReceiptAfterNoReceiptIsLateAndChangesNothing(t *testing.T) {
	p := newPost(t, nil)
	id, other := p.send(postNumber, ann, 1), p.send(postNumber, ben, 1)
	p.accept("plain", ann, 1, "m1")
	p.accept("plain", ben, 1, "m2")
	p.pass(2 * time.Hour)
	p.want(id, message.NoReceipt)
	p.want(other, message.NoReceipt)
	p.delivered("plain", "m1", ann)
	p.want(id, message.NoReceipt)
	p.counted("plain", CarrierReceipts{Late: 1})
	again := p.send(postNumber, ann, 1) // The id is used again for the same phone: the new message's.
	p.accept("plain", ann, 1, "m3")
	p.delivered("plain", "m3", ann)
	p.want(again, message.Delivered)
}

func TestAReceiptOfAnAcceptedPartWhoseMessageWasRefusedChangesNothing(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 2)
	p.accept("plain", ann, 1, "m1")
	p.answer("plain", ann, 2, Answer{Code: message.Refused, Status: 0x0B})
	p.want(id, message.Rejected)
	p.delivered("plain", "m1", ann)
	p.want(id, message.Rejected)
	p.counted("plain", CarrierReceipts{Late: 1})
	if n := p.e.Stats().ReceiptsPending; n != 0 {
		t.Errorf("%d messages still wait", n)
	}
}

func TestAnUnmatchedReceiptIsLetGoAfterTheGrace(t *testing.T) {
	p := newPost(t, nil)
	p.delivered("plain", "nobody's", ann)
	p.pass(30 * time.Minute)
	p.counted("plain", CarrierReceipts{Parked: 1})
	p.pass(time.Hour)
	p.counted("plain", CarrierReceipts{Unmatched: 1})
	if r := p.stats("plain"); r.MatchRate() != 0 {
		t.Errorf("match rate %v", r.MatchRate())
	}
}

func TestAReceiptThatCannotBeReadIsCountedAndPassedOver(t *testing.T) {
	p := newPost(t, nil)
	p.receipt("plain", "a/b", ann, 0, message.Delivered, "")
	p.counted("plain", CarrierReceipts{Unreadable: 1})
}

// Several messages, one id.

func TestAnIDUsedAgainIsNoticedAtOnceAndTheReceiptsAreToldApartByPhone(t *testing.T) {
	for _, second := range []message.Phone{samePartition(ann), ben + 1, cleo} {
		p := newPost(t, nil)
		a, b := p.send(postNumber, ann, 1), p.send(postNumber, second, 1)
		p.accept("plain", ann, 1, "7")
		p.accept("plain", second, 1, "7")
		if r := p.stats("plain"); r.IDsReused != 1 {
			t.Errorf("phone %d: %d ids used again, want 1", second, r.IDsReused)
		}
		p.receipt("plain", "7", second, 0, message.Failed, "1")
		p.want(a, message.Submitted)
		p.want(b, message.Failed)
		p.delivered("plain", "7", ann)
		p.want(a, message.Delivered)
		p.counted("plain", CarrierReceipts{Matched: 2})
	}
}

func TestAnIDUsedAgainForOnePhoneIsCreditedToNeither(t *testing.T) {
	p := newPost(t, nil)
	a := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "7")
	b := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "7")
	p.delivered("plain", "7", ann)
	p.want(a, message.Submitted)
	p.want(b, message.Submitted)
	r := p.stats("plain")
	if r.Ambiguous != 1 || r.Parked != 1 {
		t.Errorf("%d ambiguous, %d parked", r.Ambiguous, r.Parked)
	}
	p.pass(3 * time.Hour)
	p.want(a, message.NoReceipt) // Not: the other one's, once this is gone.
	p.want(b, message.NoReceipt)
	p.counted("plain", CarrierReceipts{Unmatched: 1})
}

func TestAnIDOfAFinishedMessageCanBeUsedAgain(t *testing.T) {
	p := newPost(t, nil)
	other := samePartition(ann)
	a := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "7")
	p.delivered("plain", "7", ann)
	b := p.send(postNumber, other, 1)
	p.receipt("plain", "7", other, 0, message.Failed, "1") // Early, and no repetition: another phone's.
	p.accept("plain", other, 1, "7")
	p.want(a, message.Delivered)
	p.want(b, message.Failed)
}

func TestPartsThatShareAnIDAreEachHeard(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 2)
	p.accept("plain", ann, 1, "7")
	p.accept("plain", ann, 2, "7")
	if r := p.stats("plain"); r.IDsReused != 0 {
		t.Errorf("%d ids used again, and it is one message", r.IDsReused)
	}
	p.delivered("plain", "7", ann)
	p.want(id, message.Submitted)
	p.delivered("plain", "7", ann)
	p.want(id, message.Delivered)
}

// samePartition returns another phone of the same partition.
func samePartition(phone message.Phone) message.Phone {
	for other := phone + 1; ; other++ {
		if other.Partition(postPartitions) == phone.Partition(postPartitions) {
			return other
		}
	}
}

// Receipts that say little, or say it elsewhere.

func TestAReceiptWithoutAnIDIsFoundByPhoneAndTime(t *testing.T) {
	p := newPost(t, nil)
	p.delivered("plain", "", ann) // From before anything was sent: nobody's.
	p.pass(time.Second)
	a, b := p.send(postNumber, ann, 1), p.send(postNumber, ben, 1)
	p.accept("plain", ann, 1, "m1")
	p.accept("plain", ben, 1, "m2")
	p.want(a, message.Submitted)
	p.receipt("plain", "", ann, postNumber, message.Failed, "5")
	p.want(a, message.Failed)
	p.want(b, message.Submitted)
	r := p.stats("plain")
	if r.ByPhone != 1 || r.Matched != 1 || r.Parked != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAReceiptWithoutAnIDIsNobodysWhileTwoMessagesWait(t *testing.T) {
	p := newPost(t, nil)
	a := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "m1")
	b := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "m2")
	p.delivered("plain", "", ann)
	p.want(a, message.Submitted)
	p.want(b, message.Submitted)
	if r := p.stats("plain"); r.Ambiguous != 1 {
		t.Errorf("%d ambiguous", r.Ambiguous)
	}
	p.delivered("plain", "m1", ann) // Ids still tell them apart.
	p.delivered("plain", "m2", ann)
	p.want(a, message.Delivered)
	p.want(b, message.Delivered)
}

func TestAReceiptOfAnotherNumberOfOursIsNotTakenForIt(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "m1")
	p.receipt("plain", "", ann, postNumber+1, message.Failed, "")
	p.want(id, message.Submitted)
}

func TestAMessageThatGotNoIDIsFoundByPhone(t *testing.T) {
	p := newPost(t, nil)
	a, b := p.send(postNumber, ann, 1), p.send(postNumber, ben, 1)
	p.accept("plain", ann, 1, "")
	p.accept("plain", ben, 1, "")
	p.receipt("plain", "", ben, 0, message.Expired, "")
	p.want(a, message.Submitted)
	p.want(b, message.Expired)
	p.boot()
	p.delivered("plain", "", ann)
	p.want(a, message.Delivered)
}

func TestAReceiptWithoutAPhoneIsFoundInWhateverPartition(t *testing.T) {
	for _, id := range []string{"1", "12", "123", "1234"} { // They are filed in every partition.
		p := newPost(t, nil)
		m := p.send(postNumber, ann, 1)
		p.accept("plain", ann, 1, id)
		p.delivered("plain", id, 0)
		p.want(m, message.Delivered)
		p.delivered("plain", id, 0)
		p.counted("plain", CarrierReceipts{Matched: 1, Repeated: 1})
	}
}

func TestAReceiptWithoutAPhoneThatIsEarlyJoinsAMomentLater(t *testing.T) {
	p := newPost(t, nil)
	m := p.send(postNumber, ann, 1)
	p.delivered("plain", "12", 0)
	p.accept("plain", ann, 1, "12")
	p.pass(5 * time.Second)
	p.want(m, message.Delivered)
}

func TestAddressesTheOtherWayRoundOrWithoutACountryAreUnderstood(t *testing.T) {
	for name, file := range map[string]func(p *post, id string, phone message.Phone){
		"swapped": func(p *post, id string, phone message.Phone) {
			p.receipt("plain", id, postNumber, phone, message.Delivered, "")
		},
		"national": func(p *post, id string, phone message.Phone) { p.delivered("plain", id, phone%10_000_000_000) },
	} {
		p := newPost(t, nil)
		var sent []message.ID
		for i := range message.Phone(12) {
			sent = append(sent, p.send(postNumber, ann+i, 1))
			p.accept("plain", ann+i, 1, fmt.Sprint("m", i))
		}
		for i := range message.Phone(12) {
			if i == 6 { // From now on it is known, and they are found at once.
				p.pass(5 * time.Second)
			}
			file(p, fmt.Sprint("m", i), ann+i)
		}
		for _, id := range sent {
			p.want(id, message.Delivered)
		}
		if r := p.stats("plain"); r.Astray == 0 || r.Matched < 6 || r.Parked != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestAReceiptNamingAnotherPhoneIsNotCredited(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "m1")
	p.delivered("plain", "m1", ben)
	p.delivered("plain", "m1", samePartition(ann))
	p.pass(10 * time.Second)
	p.want(id, message.Submitted)
	p.counted("plain", CarrierReceipts{Parked: 2})
}

// Messages in several parts.

func TestAllPartsComeToOneStateAndEachIsKept(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 3)
	p.accept("plain", ann, 3, "c") // Responses out of order.
	p.receipt("plain", "c", ann, 0, message.Delivered, "000")
	p.accept("plain", ann, 1, "a")
	p.receipt("plain", "b", ann, 0, message.Expired, "9") // Early.
	p.accept("plain", ann, 2, "b")
	p.want(id, message.Submitted)
	p.receipt("plain", "a", ann, 0, message.Failed, "21b")
	s := p.want(id, message.Failed)
	at := func(i int) int64 { return s.parts[i].At }
	if len(s.parts) != 3 {
		t.Fatalf("%d parts", len(s.parts))
	}
	want := []record.Part{
		{State: message.Failed, Err: "21b", At: at(0)}, {State: message.Expired, Err: "9", At: at(1)}, {State: message.Delivered, Err: "000", At: at(2)},
	}
	if d := cmp.Diff(want, s.parts); d != "" || s.err != "21b" {
		t.Errorf("err %q, parts %s", s.err, d)
	}
	if at(2) >= at(1) || at(1) >= at(0) {
		t.Errorf("times %d, %d, %d", at(0), at(1), at(2))
	}
}

func TestAMessageOfWhichAPartHasNoReceiptKeepsWhatTheOthersSaid(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 2)
	p.accept("plain", ann, 1, "a")
	p.accept("plain", ann, 2, "b")
	p.delivered("plain", "b", ann)
	p.pass(3 * time.Hour)
	s := p.want(id, message.NoReceipt)
	if len(s.parts) != 2 || s.parts[0].State != message.Open || s.parts[1].State != message.Delivered {
		t.Errorf("parts %v", s.parts)
	}
}

func TestACarrierMaySendReceiptsForOnePartOnly(t *testing.T) {
	for _, c := range []struct {
		parts    PartsReceipt
		receipts []int // parts, in the order in which their receipts come; the last decides
	}{
		{EveryPart, []int{2, 1, 3}},
		{LastPart, []int{1, 3}},
		{LastPart, []int{3}},
		{FirstPart, []int{2, 1}},
		{FirstPart, []int{1}},
		{AnyPart, []int{2}},
	} {
		p := newPost(t, func(cfg *Config) { cfg.PartsReceipt = func(string) PartsReceipt { return c.parts } })
		id := p.send(postNumber, ann, 3)
		for part := 1; part <= 3; part++ {
			p.accept("plain", ann, part, fmt.Sprint("m", part))
		}
		for i, part := range c.receipts {
			p.want(id, message.Submitted)
			state := message.Delivered
			if i == 0 && len(c.receipts) > 1 {
				state = message.Failed // It counts too.
			}
			p.receipt("plain", fmt.Sprint("m", part), ann, 0, state, "")
		}
		want := message.Delivered
		if len(c.receipts) > 1 {
			want = message.Failed
		}
		p.want(id, want)
	}
}

func TestTheOneReceiptMayComeBeforeTheLastResponse(t *testing.T) {
	p := newPost(t, func(cfg *Config) { cfg.PartsReceipt = func(string) PartsReceipt { return LastPart } })
	id := p.send(postNumber, ann, 2)
	p.accept("plain", ann, 2, "b")
	p.delivered("plain", "b", ann)
	p.want(id, message.Open)
	p.accept("plain", ann, 1, "a")
	p.want(id, message.Delivered)
}
