package smsc

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fanline/smpp"
)

// slow is a scenario whose receipts take a moment, so that a restart comes between.
func slow(delay time.Duration) *Scenario {
	s := quick()
	s.Receipts.Delay = &Distribution{Min: Duration(delay), Max: Duration(delay)}
	return s
}

func TestARestartGoesOnWithWhatIsOwed(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), slow(time.Minute))
	c := r.bind(smpp.BindTransceiverID)
	owed := map[string]bool{}
	for i := range 5 {
		status, id := c.submit(submitTo(fmt.Sprintf("1312555000%d", i), "hello"))
		if status != smpp.StatusOK {
			t.Fatal(status)
		}
		owed[id] = true
	}
	c.nc.Close()
	r.stop()

	r = startSMSC(t, dir, testAccounts(), quick())
	if got := r.server.pending.Load(); got != 5 {
		t.Errorf("owed after the restart: %d, want 5", got)
	}
	c = r.bind(smpp.BindTransceiverID)
	c.quiet(30 * time.Millisecond) // Not due for a minute: the log said when.
	_, id := c.submit(submitTo("13125550009", "hello"))
	if owed[id] {
		t.Errorf("id %s is given out again", id)
	}
	c.nc.Close()
	r.stop()
}

func TestReceiptsNotAnsweredBeforeARestartComeAgain(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), quick())
	c := r.bind(smpp.BindTransceiverID)
	var ids []string
	for i := range 6 {
		c.send(submitTo(fmt.Sprintf("1312555000%d", i), "hello"))
		_, p := c.expect(smpp.SubmitSMRespID)
		ids = append(ids, p.(*smpp.SubmitSMResp).MessageID)
		h, _ := c.expect(smpp.DeliverSMID)
		switch i % 3 {
		case 0:
			c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
		case 1:
			c.write(smpp.StatusMsgQFull, h.Sequence, &smpp.DeliverSMResp{}) // for now
		}
	}
	c.send(&smpp.EnquireLink{}) // What was said before it has been read.
	c.expect(smpp.EnquireLinkRespID)
	c.nc.Close()
	r.stop()

	r = startSMSC(t, dir, testAccounts(), quick())
	c = r.bind(smpp.BindReceiverID)
	var got []string
	for range 4 {
		receipt := c.receipt()
		if receipt.Stat != "DELIVRD" {
			t.Errorf("receipt %+v", receipt)
		}
		got = append(got, receipt.ID)
	}
	c.quiet(30 * time.Millisecond)
	slices.Sort(got)
	if want := []string{ids[1], ids[2], ids[4], ids[5]}; !slices.Equal(got, want) {
		t.Errorf("receipts for %v, want %v", got, want)
	}
	c.nc.Close()
	r.stop()

	r = startSMSC(t, dir, testAccounts(), quick())
	if got := r.server.pending.Load(); got != 0 {
		t.Errorf("owed after all was answered: %d", got)
	}
}

func TestDoubledReceiptsAreOwedUntilBothAreAnswered(t *testing.T) {
	dir := t.TempDir()
	s := quick()
	s.Receipts.Duplicate = 1
	r := startSMSC(t, dir, testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	c.send(submitTo("13125550001", "hello"))
	c.expect(smpp.SubmitSMRespID)
	c.receipt()
	c.send(&smpp.EnquireLink{})
	for {
		if h, _ := c.receive(); h.ID == smpp.EnquireLinkRespID {
			break
		}
	}
	c.nc.Close()
	r.stop()
	r = startSMSC(t, dir, testAccounts(), quick())
	if got := r.server.pending.Load(); got != 1 {
		t.Errorf("owed after one of two: %d", got)
	}
}

func TestAKilledSimulatorLosesNoReceipt(t *testing.T) {
	dir := t.TempDir()
	const messages, rounds = 3000, 3
	accepted, receipts, missing := map[string]bool{}, map[string]int{}, 0
	for round := range rounds + 1 {
		cmd, addr := startChild(t, dir)
		r := &running{t: t, addr: addr}
		c := r.dial()
		if status := c.bind(smpp.BindTransceiverID, "load", "secret"); status != smpp.StatusOK {
			t.Fatal(status)
		}
		sent := 0
		for round < rounds && len(accepted) < (round+1)*messages/rounds || round == rounds && missing > 0 {
			for round < rounds && sent < len(accepted)-round*messages/rounds+100 {
				c.send(submitTo(fmt.Sprintf("1312%07d", sent), "hello"))
				sent++
			}
			h, p, err := c.next(10 * time.Second)
			if err != nil {
				t.Fatalf("round %d, %d accepted, %d receipts: %v", round, len(accepted), len(receipts), err)
			}
			switch p := p.(type) {
			case *smpp.SubmitSMResp:
				accepted[p.MessageID] = true
				if receipts[p.MessageID] == 0 {
					missing++
				}
			case *smpp.DeliverSM:
				receipt, _ := smpp.ParseReceipt(p)
				if receipts[receipt.ID]++; receipts[receipt.ID] == 1 && accepted[receipt.ID] {
					missing--
				}
				c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // Killed: the error says so.
		c.nc.Close()
	}
	for id := range accepted {
		if receipts[id] == 0 {
			t.Fatalf("no receipt for %s of %d accepted", id, len(accepted))
		}
	}
	report, err := Audit(dir)
	if err != nil {
		t.Fatal(err)
	}
	if report.Starts != rounds+1 || report.Accepted < int64(len(accepted)) {
		t.Errorf("the log has %d starts and %d accepted, answered were %d", report.Starts, report.Accepted, len(accepted))
	}
}

func TestWhatIsOwedToAGoneAccountIsDropped(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), slow(time.Minute))
	c := r.bind(smpp.BindTransceiverID)
	c.submit(submitTo("13125550001", "hello"))
	c.nc.Close()
	r.stop()
	r = startSMSC(t, dir, benchAccounts(), quick())
	if got := r.server.pending.Load(); got != 0 {
		t.Errorf("owed to nobody: %d", got)
	}
}
