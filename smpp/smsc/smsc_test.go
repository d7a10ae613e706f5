package smsc

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

func TestABindIsCheckedAgainstItsAccount(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	for _, tt := range []struct {
		name         string
		kind         smpp.CommandID
		id, password string
		want         smpp.Status
	}{
		{"unknown system_id", smpp.BindTransceiverID, "nobody", "secret", smpp.StatusInvSystemID},
		{"wrong password", smpp.BindTransceiverID, "acme", "Secret", smpp.StatusInvPassword},
		{"a kind the account may not open", smpp.BindReceiverID, "sender", "pw", smpp.StatusBindFailed},
		{"transceiver", smpp.BindTransceiverID, "acme", "secret", smpp.StatusOK},
		{"receiver", smpp.BindReceiverID, "acme", "secret", smpp.StatusOK},
		{"one more than max_binds", smpp.BindTransmitterID, "acme", "secret", smpp.StatusAlreadyBound},
		{"another account is not concerned", smpp.BindTransmitterID, "sender", "pw", smpp.StatusOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := r.dial()
			if got := c.bind(tt.kind, tt.id, tt.password); got != tt.want {
				t.Errorf("status %s, want %s", got, tt.want)
			}
			if tt.want == smpp.StatusOK {
				if got := c.bind(tt.kind, tt.id, tt.password); got != smpp.StatusAlreadyBound {
					t.Errorf("a second bind on the connection: %s, want %s", got, smpp.StatusAlreadyBound)
				}
			}
		})
	}
}

func TestAPlaceIsFreeAgainOnceItsBindIsGone(t *testing.T) {
	accounts := testAccounts()
	accounts[0].MaxBinds = 1
	r := startSMSC(t, t.TempDir(), accounts, quick())
	first := r.bind(smpp.BindTransceiverID)
	if got := r.dial().bind(smpp.BindTransceiverID, "acme", "secret"); got != smpp.StatusAlreadyBound {
		t.Fatalf("second bind: %s", got)
	}
	first.nc.Close()
	until(t, "the place is free", func() bool { return r.dial().bind(smpp.BindTransceiverID, "acme", "secret") == smpp.StatusOK })
}

func TestASubmitIsAnsweredByWhatIsWrongWithIt(t *testing.T) {
	s := quick()
	s.Rules = []Rule{{To: "1312*13", Answers: Answers{Statuses: map[string]float64{"ESME_RSYSERR": 1}}}}
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransmitterID)
	for _, tt := range []struct {
		name   string
		change func(*smpp.SubmitSM)
		want   smpp.Status
	}{
		{"nothing", func(*smpp.SubmitSM) {}, smpp.StatusOK},
		{"a plus in front is the same number", func(p *smpp.SubmitSM) { p.Source.Addr = "+" + testNumber }, smpp.StatusOK},
		{"a number of another account", func(p *smpp.SubmitSM) { p.Source.Addr = "17735550199" }, smpp.StatusInvSrcAddr},
		{"no sender", func(p *smpp.SubmitSM) { p.Source.Addr = "" }, smpp.StatusInvSrcAddr},
		{"a name as destination", func(p *smpp.SubmitSM) { p.Destination.Addr = "Anna" }, smpp.StatusInvDstAddr},
		{"a destination with a plus", func(p *smpp.SubmitSM) { p.Destination.Addr = "+13125550001" }, smpp.StatusOK},
		{"the scenario's pattern", func(p *smpp.SubmitSM) { p.Destination.Addr = "13125550013" }, smpp.StatusSysErr},
		{"a UDH longer than the text", func(p *smpp.SubmitSM) { p.ESMClass, p.ShortMessage = smpp.ESMUDHI, []byte{9, 0} }, smpp.StatusInvESMClass},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sm := submitTo("13125550002", "hello")
			sm.RegisteredDelivery = 0
			tt.change(sm)
			status, id := c.submit(sm)
			if status != tt.want || (id != "") != (tt.want == smpp.StatusOK) {
				t.Errorf("answered %s id %q, want %s", status, id, tt.want)
			}
		})
	}
	c.nc.Close()
	r.stop()
	entries := r.entries()
	if n := count(entries, func(e *Entry) bool { return e.Kind == KindSubmit }); n != 8 {
		t.Errorf("%d submits in the log, want 8, refused ones included", n)
	}
	if n := count(entries, func(e *Entry) bool {
		return e.Kind == KindSubmit && e.Destination == "Anna" && e.Status == smpp.StatusInvDstAddr
	}); n != 1 {
		t.Error("the refused destination is not in the log as it came")
	}
}

func TestOnlyABoundTransmitterMaySubmit(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	unbound := r.dial()
	if got, _ := unbound.submit(submitTo("13125550002", "x")); got != smpp.StatusInvBindStatus {
		t.Errorf("before a bind: %s", got)
	}
	receiver := r.bind(smpp.BindReceiverID)
	if got, _ := receiver.submit(submitTo("13125550002", "x")); got != smpp.StatusInvBindStatus {
		t.Errorf("on a receiver: %s", got)
	}
}

func TestALimitThrottlesItsNumberAndNoOther(t *testing.T) {
	accounts := testAccounts()
	accounts[0].Numbers[0].Limit, accounts[0].Numbers[0].Burst = 10, Duration(500*time.Millisecond)
	r := startSMSC(t, t.TempDir(), accounts, quick())
	c := r.bind(smpp.BindTransceiverID)
	started := time.Now()
	accepted := 0
	for range 40 {
		sm := submitTo("13125550002", "x")
		sm.RegisteredDelivery = 0
		switch status, _ := c.submit(sm); status {
		case smpp.StatusOK:
			accepted++
		case smpp.StatusThrottled:
		default:
			t.Fatal(status)
		}
	}
	allowed := 5 + int(time.Since(started)*10/time.Second) + 1
	if accepted < 5 || accepted > allowed {
		t.Errorf("accepted %d, want the bucket's 5 and no more than %d", accepted, allowed)
	}
	other := submitTo("13125550002", "x")
	other.Source.Addr = "17735550101"
	if status, _ := c.submit(other); status != smpp.StatusOK {
		t.Errorf("the other number: %s", status)
	}
}

func TestReceiptsComeOnlyWhereTheyAreAskedFor(t *testing.T) {
	for _, tt := range []struct {
		name  string
		state string
		reg   byte
		want  string
	}{
		{"none", "", 0, ""},
		{"always, delivered", "", 1, "DELIVRD"},
		{"always, failed", "UNDELIV", 1, "UNDELIV"},
		{"on failure, delivered", "", 2, ""},
		{"on failure, failed", "REJECTD", 2, "REJECTD"},
		{"on success, failed", "EXPIRED", 3, ""},
		{"always, with other bits", "DELETED", 0x09, "DELETED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := quick()
			if tt.state != "" {
				s.Receipts.States = map[string]float64{tt.state: 1}
			}
			r := startSMSC(t, t.TempDir(), testAccounts(), s)
			c := r.bind(smpp.BindTransceiverID)
			sm := submitTo("13125550002", "hello")
			sm.RegisteredDelivery = tt.reg
			seq := c.send(sm)
			h, p := c.expect(smpp.SubmitSMRespID)
			if h.Sequence != seq || h.Status != smpp.StatusOK {
				t.Fatalf("answer %+v", h)
			}
			if tt.want == "" {
				c.send(&smpp.EnquireLink{}) // What was due before it would come before its answer.
				c.quietExcept(smpp.EnquireLinkRespID)
				return
			}
			got := c.receipt()
			if got.Stat != tt.want || got.ID != p.(*smpp.SubmitSMResp).MessageID {
				t.Errorf("receipt %+v, want %s for %s", got, tt.want, p.(*smpp.SubmitSMResp).MessageID)
			}
		})
	}
}

// quietExcept wants one PDU and then silence for a while.
func (c *client) quietExcept(id smpp.CommandID) {
	c.t.Helper()
	c.expect(id)
	c.quiet(30 * time.Millisecond)
}

func TestAReceiptIsThatOfTheSubmit(t *testing.T) {
	s := quick()
	s.IDs = IDs{Form: "hex", ReceiptForm: "decimal", Start: 0xabcdef0}
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	c.send(submitTo("13125550002", "hello"))
	_, p := c.expect(smpp.SubmitSMRespID)
	if got := p.(*smpp.SubmitSMResp).MessageID; got != "abcdef1" {
		t.Errorf("id %q, want hexadecimal from ids.start", got)
	}
	_, p = c.expect(smpp.DeliverSMID)
	sm := p.(*smpp.DeliverSM)
	if sm.Source.Addr != "13125550002" || sm.Destination.Addr != testNumber || sm.ESMClass != smpp.ESMReceipt {
		t.Errorf("receipt from %+v to %+v, esm_class %#x", sm.Source, sm.Destination, sm.ESMClass)
	}
	if !strings.HasPrefix(string(sm.ShortMessage), "id:180150001 sub:001 dlvrd:001 submit date:") {
		t.Errorf("text %q", sm.ShortMessage)
	}
	if v, _ := sm.Options.Text(smpp.TagReceiptedMessageID); v != "180150001" {
		t.Errorf("receipted_message_id %q", v)
	}
	if v, _ := sm.Options.Uint(smpp.TagMessageState); v != 2 {
		t.Errorf("message_state %d", v)
	}
}

func TestAnEarlyReceiptComesBeforeTheAnswer(t *testing.T) {
	s := quick()
	s.Receipts.Early = 1
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	for range 20 {
		c.send(submitTo("13125550002", "hello"))
		receipt := c.receipt()
		if _, p := c.expect(smpp.SubmitSMRespID); p.(*smpp.SubmitSMResp).MessageID != receipt.ID {
			t.Fatal("the receipt is another message's")
		}
	}
}

func TestReceiptsAreLostAndDoubledAsTheScenarioSays(t *testing.T) {
	for _, tt := range []struct {
		name            string
		lost, duplicate float64
		want            int
	}{{"lost", 1, 0, 0}, {"twice", 0, 1, 2}} {
		t.Run(tt.name, func(t *testing.T) {
			s := quick()
			s.Receipts.Lost, s.Receipts.Duplicate = tt.lost, tt.duplicate
			r := startSMSC(t, t.TempDir(), testAccounts(), s)
			c := r.bind(smpp.BindTransceiverID)
			c.send(submitTo("13125550002", "hello"))
			c.expect(smpp.SubmitSMRespID)
			for range tt.want {
				c.receipt()
			}
			c.quiet(2 * duplicateMs * time.Millisecond)
		})
	}
}

func TestNoMoreReceiptsAreOutThanTheWindowAllows(t *testing.T) {
	s := quick()
	s.Window = 3
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	for range 10 {
		c.send(submitTo("13125550002", "hello"))
	}
	answers, open := 0, []uint32{}
	for answers < 10 || len(open) < 3 {
		switch h, _ := c.receive(); h.ID {
		case smpp.SubmitSMRespID:
			answers++
		case smpp.DeliverSMID:
			open = append(open, h.Sequence)
		}
	}
	c.quiet(30 * time.Millisecond)
	for i := range 7 {
		c.write(smpp.StatusOK, open[i], &smpp.DeliverSMResp{})
		h, _ := c.expect(smpp.DeliverSMID) // one place free, one more
		if slices.Contains(open, h.Sequence) {
			t.Fatalf("sequence %d is used twice", h.Sequence)
		}
		open = append(open, h.Sequence)
	}
}

func TestWhatADroppedBindLeavesComesOnAnother(t *testing.T) {
	s := quick()
	s.Window = 2
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	first := r.bind(smpp.BindTransceiverID)
	want := map[string]bool{}
	for range 6 {
		first.send(submitTo("13125550002", "hello"))
	}
	for len(want) < 6 {
		if _, p := first.receive(); p != nil {
			if resp, ok := p.(*smpp.SubmitSMResp); ok {
				want[resp.MessageID] = true
			}
		}
	}
	second := r.bind(smpp.BindReceiverID)
	second.quiet(20 * time.Millisecond) // They are the first bind's while it lives.
	first.nc.Close()
	for len(want) > 0 {
		got := second.receipt()
		if !want[got.ID] {
			t.Fatalf("receipt for %s, which was not owed any more", got.ID)
		}
		delete(want, got.ID)
	}
	second.quiet(20 * time.Millisecond)
}

func TestReceiptsWaitForABindThatReceives(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransmitterID)
	_, id := c.submit(submitTo("13125550002", "hello"))
	receiver := r.bind(smpp.BindReceiverID)
	if got := receiver.receipt(); got.ID != id {
		t.Errorf("receipt for %s, want %s", got.ID, id)
	}
}

func TestARefusedDeliveryComesAgainOnlyWhenItMay(t *testing.T) {
	for _, tt := range []struct {
		status smpp.Status
		again  bool
	}{{smpp.StatusTemporaryError, true}, {smpp.StatusMsgQFull, true}, {smpp.StatusPermanentError, false}} {
		t.Run(tt.status.String(), func(t *testing.T) {
			s := quick()
			s.Resend = Duration(20 * time.Millisecond)
			r := startSMSC(t, t.TempDir(), testAccounts(), s)
			c := r.bind(smpp.BindTransceiverID)
			c.send(submitTo("13125550002", "hello"))
			c.expect(smpp.SubmitSMRespID)
			h, _ := c.expect(smpp.DeliverSMID)
			c.write(tt.status, h.Sequence, &smpp.DeliverSMResp{})
			if !tt.again {
				c.quiet(60 * time.Millisecond)
				return
			}
			c.receipt()
			c.quiet(60 * time.Millisecond)
		})
	}
}

func TestADeliveryNobodyAnswersComesAgain(t *testing.T) {
	s := quick()
	s.Resend = Duration(50 * time.Millisecond)
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	c.send(submitTo("13125550002", "hello"))
	c.expect(smpp.SubmitSMRespID)
	first, _ := c.expect(smpp.DeliverSMID)
	second, _ := c.expect(smpp.DeliverSMID)
	if first.Sequence == second.Sequence {
		t.Error("sent again under the same sequence number")
	}
	c.write(smpp.StatusOK, second.Sequence, &smpp.DeliverSMResp{})
	c.nc.Close()
	r.stop()
	if n := count(r.entries(), func(e *Entry) bool { return e.Kind == KindReceipt && e.Again }); n != 1 {
		t.Errorf("%d receipts marked as sent again, want 1", n)
	}
}

func TestEverySubmitOfACrowdIsAnsweredOnce(t *testing.T) {
	s := DefaultScenario()
	s.Seed = 3
	s.Latency = &Distribution{Max: Duration(20 * time.Millisecond)}
	s.Receipts.Delay = &Distribution{Max: Duration(30 * time.Millisecond)}
	s.Statuses = map[string]float64{"ESME_RSUBMITFAIL": 0.1}
	accounts := benchAccounts()
	dir := t.TempDir()
	r := startSMSC(t, dir, accounts, &s)
	const each = 5000
	errs := make(chan error, 3)
	loaders := make([]*loader, 3)
	for i := range loaders {
		l, err := dialLoader(r.addr, "load", "secret", 200)
		if err != nil {
			t.Fatal(err)
		}
		defer l.nc.Close()
		loaders[i] = l
		go func() { errs <- l.run(1, i*each, each, testNumber, true) }()
	}
	for range loaders {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	accepted := 0
	for _, l := range loaders {
		if l.accepted+l.refused[smpp.StatusSubmitFailed] != each {
			t.Errorf("accepted %d, refused %v of %d", l.accepted, l.refused, each)
		}
		if l.receipts != l.accepted {
			t.Errorf("%d receipts for %d accepted", l.receipts, l.accepted)
		}
		accepted += l.accepted
	}
	if share := 1 - float64(accepted)/(3*each); share < 0.08 || share > 0.12 {
		t.Errorf("refused a share of %.3f, want 0.1", share)
	}
	r.stop()
	report, err := Audit(dir)
	if err != nil {
		t.Fatal(err)
	}
	if report.Submits != 3*each || report.Accepted != int64(accepted) || report.Messages != int64(accepted) || report.Duplicates != 0 {
		t.Errorf("audit %+v", report)
	}
	if report.Receipts["DELIVRD"] != int64(accepted) || report.ReceiptsAcked != int64(accepted) {
		t.Errorf("receipts %v, acked %d", report.Receipts, report.ReceiptsAcked)
	}
}
