package conversation

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/community"
	"fanline/pipeline/record"
)

// texts returns what the leader reads of a phone, oldest first.
func (h *house) texts() (texts []string) {
	h.t.Helper()
	m, err := h.store.FindMember(h.t.Context(), ourNumber, fanPhone)
	if err != nil {
		h.t.Fatal(err)
	}
	thread, err := h.store.Thread(h.t.Context(), ourNumber, m.Member.ID, 100)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, t := range thread {
		if t.Direction == community.In {
			texts = append(texts, t.Text)
		}
	}
	return texts
}

func (h *house) reads(want ...string) {
	h.t.Helper()
	if diff := cmp.Diff(want, h.texts()); diff != "" {
		h.t.Errorf("the leader reads (-want +got):\n%s", diff)
	}
}

func (h *house) showOverdue() {
	h.t.Helper()
	if err := h.desk.ShowOverdue(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func TestPartsInAnyOrderBecomeOneText(t *testing.T) {
	parts := []string{"7/1/3|I have been to ", "7/2/3|every show ", "7/3/3|since 2009!"}
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			h := newHouse(t)
			h.join(fanPhone)
			for i, k := range order {
				if i == 2 {
					h.reads()
				}
				h.hears(fanPhone, parts[k])
			}
			h.reads("I have been to every show since 2009!")
		})
	}
}

func TestPartsThatComeTwiceCountOnce(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	for _, part := range []string{"7/2/2|you!#seq 1", "7/2/2|you!#seq 2", "7/1/2|Love #seq 3", "7/1/2|Love #seq 4", "7/2/2|you!#seq 5"} {
		h.hears(fanPhone, part)
	}
	h.reads("Love you!")
	h.clock = h.clock.Add(time.Hour)
	h.showOverdue()
	h.reads("Love you!")
}

func TestPartsAreToldApartByAllThatNamesThem(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	h.hears(fanPhone, "7/1/2|one ")
	h.hears(fanPhone, "8/1/2|two ")   // another reference
	h.hears(fanPhone, "7/1/3|three ") // another number of parts
	h.hears(fanPhone+1, "7/2/2|somebody else's")
	h.hears(fanPhone, "a whole text between them")
	h.reads("a whole text between them")
	h.hears(fanPhone, "8/2/2|2")
	h.hears(fanPhone, "7/2/2|1")
	h.hears(fanPhone, "7/3/3|3")
	h.hears(fanPhone, "7/2/3|3 ")
	h.reads("a whole text between them", "two 2", "one 1", "three 3 3")
}

func TestPartsOfAnotherCarrierAreAnotherText(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	h.hears(fanPhone, "7/1/2|one ")
	p, r := h.record(fanPhone, "7/2/2|two")
	in, err := record.DecodeInbound(r.Value)
	if err != nil {
		t.Fatal(err)
	}
	in.Carrier = "globex"
	r.Value = record.AppendInbound(nil, &in)
	if err := h.desk.Handle(t.Context(), p, []Record{r}); err != nil {
		t.Fatal(err)
	}
	h.reads()
}

// TestMissingPartsAreWaitedForAndThenNoted: nothing that came is lost, and the leader sees that something is missing.
func TestMissingPartsAreWaitedForAndThenNoted(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	h.hears(fanPhone, "7/2/5|see you ")
	h.clock = h.clock.Add(29 * time.Minute)
	h.hears(fanPhone, "7/3/5|tonight!") // The time counts from the last part that came.
	h.clock = h.clock.Add(29 * time.Minute)
	h.showOverdue()
	h.reads()
	h.clock = h.clock.Add(time.Minute)
	h.showOverdue()
	const shown = "[part 1 of 5: missing] see you tonight! [parts 4 to 5 of 5: missing]"
	h.reads(shown)
	h.clock = h.clock.Add(time.Hour)
	h.showOverdue()
	h.hears(fanPhone, "7/3/5|tonight!") // Once more, and nothing new.
	h.reads(shown)
	h.hears(fanPhone, "7/1/5|Ann here, ")
	h.reads(shown, "[part 1 of 5: late] Ann here,")
	h.hears(fanPhone, "7/5/5|❤")
	h.hears(fanPhone, "7/4/5| Bye ")
	h.reads(shown, "[part 1 of 5: late] Ann here,", "[part 5 of 5: late] ❤", "Ann here, see you tonight! Bye ❤")
	h.clock = h.clock.Add(25 * time.Hour)
	h.showOverdue()
	if left := h.kept("7/1/5"); left != 0 {
		t.Errorf("%d parts are kept for ever", left)
	}
}

// kept counts the parts that the store has of a text.
func (h *house) kept(name string) (n int) {
	h.t.Helper()
	var ref uint16
	var part, parts uint8
	if _, err := fmt.Sscanf(name, "%d/%d/%d", &ref, &part, &parts); err != nil {
		h.t.Fatal(err)
	}
	err := h.store.InTx(h.t.Context(), func(tx *community.Tx) error {
		kept, _, err := tx.PartsOf(h.t.Context(), community.LongText{Number: ourNumber, Phone: fanPhone, Carrier: "acme", Reference: ref, Parts: parts})
		n = len(kept)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

func TestAReferenceUsedAgainBeginsAnotherText(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	h.hears(fanPhone, "0/1/2|first ")
	h.hears(fanPhone, "0/2/2|text")
	h.hears(fanPhone, "0/1/2|second ") // At once, by a phone that numbers all its texts alike.
	h.reads("first text")
	h.hears(fanPhone, "0/2/2|text, too")
	h.reads("first text", "second text, too")
	h.hears(fanPhone, "0/1/2|third ")
	h.hears(fanPhone, "0/1/2|fourth ") // The end of the third never came.
	h.hears(fanPhone, "0/2/2|one")
	h.reads("first text", "second text, too", "third [part 2 of 2: missing]", "fourth one")
}

func TestSTOPInPartsCountsByItselfAndTogether(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts []string
		want  community.Consent
	}{
		{"a part that alone says STOP", []string{"7/2/2|stop!"}, community.Stopped},
		{"STOP divided", []string{"7/2/2|SCRIBE", "7/1/2|UNSUB"}, community.Stopped},
		{"half of it", []string{"7/2/2|SCRIBE"}, community.Joined},
		{"the word within a sentence", []string{"7/1/2|please don't ", "7/2/2|stop it"}, community.Joined},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.join(fanPhone)
			replies := 0
			for _, part := range c.parts {
				replies += len(h.hears(fanPhone, part))
			}
			if got := h.consent(fanPhone); got != c.want {
				t.Errorf("consent %q, want %q", got, c.want)
			}
			if stopped := c.want == community.Stopped; (replies == 1) != stopped {
				t.Errorf("%d confirmations", replies)
			}
		})
	}
}

func TestASTOPInAPartIsConfirmedOnceAndTheWholeTextIsRead(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	sent := h.hears(fanPhone, "7/1/2|STOP")
	if len(sent) != 1 {
		t.Fatalf("%d replies to the part", len(sent))
	}
	if sent := h.hears(fanPhone, "7/2/2| and never write again"); len(sent) != 0 {
		t.Errorf("%d more replies to the whole", len(sent))
	}
	if h.consent(fanPhone) != community.Stopped {
		t.Error("not stopped")
	}
	h.reads("STOP and never write again")
}

func TestHELPInPartsIsAnsweredWhenItIsWhole(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	if sent := h.hears(fanPhone, "7/2/2|LP"); len(sent) != 0 {
		t.Errorf("%d replies to half a word", len(sent))
	}
	if sent := h.hears(fanPhone, "7/1/2|HE"); len(sent) != 1 {
		t.Errorf("%d replies to HELP", len(sent))
	}
}

func TestAStrangersLongTextGetsOneLink(t *testing.T) {
	h := newHouse(t)
	sent := slices.Concat(h.hears(fanPhone, "7/2/2|how are you?"), h.hears(fanPhone, "7/1/2|Hi Maya, "))
	if len(sent) != 1 {
		t.Fatalf("%d replies, want the link", len(sent))
	}
	h.invitation(sent[0])
}

func TestAStrangersTextWithAMissingPartGetsTheLinkLater(t *testing.T) {
	h := newHouse(t)
	if sent := h.hears(fanPhone, "7/2/2|how are you?"); len(sent) != 0 {
		t.Fatalf("%d replies to a part", len(sent))
	}
	h.clock = h.clock.Add(31 * time.Minute)
	h.showOverdue()
	sent, _ := h.outbox()
	if len(sent) != 1 {
		t.Fatalf("%d replies, want the link", len(sent))
	}
	h.invitation(sent[0])
}

// TestPartsReadAgainAfterACrashChangeNothing: they stand in the transaction that moves the offset.
func TestPartsReadAgainAfterACrashChangeNothing(t *testing.T) {
	h := newHouse(t)
	h.join(fanPhone)
	var records []Record
	var p int32
	for _, part := range []string{"7/2/2|you", "7/1/2|Love ", "8/1/2|More ", "9/1/2|late "} {
		var r Record
		p, r = h.record(fanPhone, part)
		records = append(records, r)
	}
	for range 3 {
		if err := h.desk.Handle(t.Context(), p, records); err != nil {
			t.Fatal(err)
		}
	}
	h.hears(fanPhone, "8/2/2|of it")
	h.reads("Love you", "More of it")
}
