package smsc

import (
	"strings"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/text"
)

const testPhone = "13125550042"

func (r *running) control() *Client {
	r.t.Helper()
	c, err := Dial(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Close)
	return c
}

// textFrom plays a phone without waiting for the answer.
func (r *running) textFrom(phone, to, body string) TextResult {
	r.t.Helper()
	result, err := r.control().Text(r.t.Context(), phone, to, body, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

func TestATextFromAPhoneReachesItsNumber(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindReceiverID)
	r.textFrom("+"+testPhone, "+"+testNumber, "Hello? ¿Qué tal?")
	h, p := c.expect(smpp.DeliverSMID)
	sm := p.(*smpp.DeliverSM)
	if sm.Source.Addr != testPhone || sm.Destination.Addr != testNumber || sm.ESMClass != 0 {
		t.Errorf("%+v", sm)
	}
	if got := text.Decode(sm.DataCoding, sm.ShortMessage); got != "Hello? ¿Qué tal?" {
		t.Errorf("text %q", got)
	}
	c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
	c.nc.Close()
	r.stop()
	entries := r.entries()
	reply := count(entries, func(e *Entry) bool {
		return e.Kind == KindReply && e.Source == testPhone && e.Message() == "Hello? ¿Qué tal?"
	})
	answer := count(entries, func(e *Entry) bool { return e.Kind == KindDeliverResp && e.Seq == h.Sequence && e.Micros > 0 })
	if reply != 1 || answer != 1 {
		t.Errorf("in the log: %d replies, %d answers", reply, answer)
	}
}

func TestALongTextComesInPartsWithAHeader(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransceiverID)
	body := strings.Repeat("Straße über Köln, 🎉 und weiter. ", 12)
	result := r.textFrom(testPhone, testNumber, body)
	var got strings.Builder
	refs := map[uint16]bool{}
	for i := range result.Parts {
		h, p := c.expect(smpp.DeliverSMID)
		sm := p.(*smpp.DeliverSM)
		n := 1 + int(sm.ShortMessage[0])
		ref, part, parts, ok := concatUDH(sm.ShortMessage[:n])
		if !ok || sm.ESMClass != smpp.ESMUDHI || int(part) != i+1 || int(parts) != result.Parts {
			t.Fatalf("part %d: %d of %d, esm_class %#x", i+1, part, parts, sm.ESMClass)
		}
		refs[ref] = true
		got.WriteString(text.Decode(sm.DataCoding, sm.ShortMessage[n:]))
		c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
	}
	if got.String() != body || len(refs) != 1 || result.Parts < 3 {
		t.Errorf("%d parts, references %v, joined %q", result.Parts, refs, got.String())
	}
}

func TestATextWaitsForABindAndSaysWhenItWasAnswered(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	results := make(chan TextResult, 1)
	control := r.control()
	go func() {
		result, err := control.Text(t.Context(), testPhone, testNumber, "hi", 10*time.Second)
		if err != nil {
			t.Error(err)
		}
		results <- result
	}()
	until(t, "the text is taken in", func() bool { return r.server.stats.texts.Load() == 1 })
	c := r.bind(smpp.BindReceiverID)
	h, _ := c.expect(smpp.DeliverSMID)
	c.write(smpp.StatusPermanentError, h.Sequence, &smpp.DeliverSMResp{})
	got := <-results
	if !got.Answered || got.Status != smpp.StatusPermanentError.String() || got.SentAt == nil || got.Answer.Before(*got.SentAt) {
		t.Errorf("%+v", got)
	}
}

func TestATextIsNotLostByARestart(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), quick())
	long := strings.Repeat("a long text from a phone. ", 10)
	r.textFrom(testPhone, testNumber, long)
	c := r.bind(smpp.BindReceiverID)
	h, _ := c.expect(smpp.DeliverSMID)
	c.expect(smpp.DeliverSMID)
	c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{}) // the first part only
	c.send(&smpp.EnquireLink{})
	c.expect(smpp.EnquireLinkRespID)
	c.nc.Close()
	r.stop()

	r = startSMSC(t, dir, testAccounts(), quick())
	c = r.bind(smpp.BindReceiverID)
	_, p := c.expect(smpp.DeliverSMID)
	if _, part, parts, _ := concatUDH(p.(*smpp.DeliverSM).ShortMessage[:6]); part != 2 || parts != 2 {
		t.Errorf("part %d of %d, want 2 of 2", part, parts)
	}
	c.quiet(30 * time.Millisecond)
}

func TestATextDoesNotWaitBehindReceipts(t *testing.T) {
	s := quick()
	s.Window = 1
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	for range 20 {
		c.send(submitTo("13125550001", "hello"))
	}
	open, answers := uint32(0), 0
	for answers < 20 || open == 0 {
		switch h, _ := c.receive(); h.ID {
		case smpp.SubmitSMRespID:
			answers++
		case smpp.DeliverSMID:
			open = h.Sequence
		}
	}
	r.textFrom(testPhone, testNumber, "STOP")
	c.write(smpp.StatusOK, open, &smpp.DeliverSMResp{})
	if _, p := c.expect(smpp.DeliverSMID); string(p.(*smpp.DeliverSM).ShortMessage) != "STOP" {
		t.Errorf("got %q, want the text before the receipts in line", p.(*smpp.DeliverSM).ShortMessage)
	}
}

func TestBadTextsAreRefused(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.control()
	for name, q := range map[string]TextRequest{
		"not a phone":         {From: "Anna", To: testNumber, Text: "x"},
		"nobody's number":     {From: testPhone, To: "15550000000", Text: "x"},
		"more than 255 parts": {From: testPhone, To: testNumber, Text: strings.Repeat("x", 160*256)},
	} {
		if _, err := c.Text(t.Context(), q.From, q.To, q.Text, 0); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	if _, err := c.Text(t.Context(), testPhone, testNumber, "x", time.Hour); err == nil {
		t.Error("a wait of an hour is taken")
	}
	if _, err := c.Messages(t.Context(), "nobody"); err == nil {
		t.Error("messages of nobody")
	}
}

func TestWhatAPhoneWasSentCanBeAsked(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), quick())
	c := r.bind(smpp.BindTransmitterID)
	long := text.Split(strings.Repeat("Welcome to the list! ", 12), 3)
	send := func(sm *smpp.SubmitSM) {
		t.Helper()
		sm.RegisteredDelivery = 0
		if status, _ := c.submit(sm); status != smpp.StatusOK {
			t.Fatal(status)
		}
	}
	parts := func(to string, only int) {
		for _, p := range long.Parts[:only] {
			sm := submitTo(to, string(p.Data))
			sm.ESMClass, sm.DataCoding = long.ESMClass(), long.DataCoding()
			send(sm)
		}
	}
	first := submitTo(testPhone, "before anybody asked")
	first.Options = first.Options.Append(TagKey, []byte("b1.5"))
	send(first)
	parts(testPhone, len(long.Parts))
	send(submitTo("13125550043", "another phone"))
	check := func(r *running, want int) []Sent {
		t.Helper()
		got, err := r.control().Messages(t.Context(), "+"+testPhone)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != want {
			t.Fatalf("%d messages, want %d: %+v", len(got), want, got)
		}
		if got[0].Text != "before anybody asked" || got[0].Key != "b1.5" || got[0].From != testNumber {
			t.Errorf("%+v", got[0])
		}
		if got[1].Text != strings.Repeat("Welcome to the list! ", 12) || !got[1].Complete || got[1].Parts != 2 {
			t.Errorf("%+v", got[1])
		}
		return got
	}
	check(r, 2)
	send(submitTo("+"+testPhone, "after"))
	parts(testPhone, 1)
	if got := check(r, 4); got[2].Text != "after" || got[3].Complete {
		t.Errorf("%+v", got[2:])
	}
	c.nc.Close()
	r.stop()
	check(startSMSC(t, dir, testAccounts(), quick()), 4)
}

func TestCountsCanBeAsked(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), slow(time.Minute))
	c := r.bind(smpp.BindTransceiverID)
	c.submit(submitTo("13125550001", "hello"))
	c.submit(submitTo("nobody", "hello"))
	r.textFrom(testPhone, testNumber, "hi")
	got, err := r.control().Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Binds != 1 || got.Submits != 2 || got.Accepted != 1 || got.Refused != 1 || got.Texts != 1 || got.Owed != 2 || got.Address != r.addr {
		t.Errorf("%+v", got)
	}
}

func TestTheControlIsPrivateAndGoesWithTheSimulator(t *testing.T) {
	dir := t.TempDir() + "/" + strings.Repeat("a-long-directory-name/", 5)
	r := startSMSC(t, dir, testAccounts(), quick())
	if _, err := r.control().Stats(t.Context()); err != nil {
		t.Fatal(err) // the path is too long for a socket: it lies elsewhere
	}
	r.stop()
	if _, err := Dial(dir); err == nil {
		t.Error("the control outlives the simulator")
	}
}
