package smsc

import (
	"testing"

	"fanline/smpp"
)

func TestASubmitMultiCountsEveryDestination(t *testing.T) {
	dir := t.TempDir()
	accounts := testAccounts()
	accounts[0].Lists = map[string][]string{"friends": {"+13125550021", "13125550022"}}
	r := startSMSC(t, dir, accounts, scenario(t, "rules: [{to: \"*9\", statuses: {ESME_RINVDSTADR: 1}}]\n"))
	c := r.bind(smpp.BindTransceiverID)
	to := func(addr string) smpp.Destination {
		return smpp.Destination{Address: smpp.Address{TON: 1, NPI: 1, Addr: addr}}
	}
	seq := c.send(&smpp.SubmitMulti{
		Source:             smpp.Address{TON: 1, NPI: 1, Addr: testNumber},
		Destinations:       []smpp.Destination{to("13125550001"), to("13125550009"), to("letters"), {List: "friends"}, {List: "foes"}},
		RegisteredDelivery: 1, ShortMessage: []byte("hello"),
	})
	h, p := c.expect(smpp.SubmitMultiRespID)
	resp := p.(*smpp.SubmitMultiResp)
	if h.Status != smpp.StatusOK || h.Sequence != seq || resp.MessageID == "" {
		t.Fatalf("answer %+v %+v", h, resp)
	}
	failed := map[string]smpp.Status{}
	for _, u := range resp.Unsuccess {
		failed[u.Addr] = u.Status
	}
	if len(failed) != 3 || failed["13125550009"] != smpp.StatusInvDstAddr || failed["letters"] != smpp.StatusInvDstAddr || failed["foes"] != smpp.StatusInvDLName {
		t.Errorf("unsuccess %+v", resp.Unsuccess)
	}
	reached := map[string]bool{}
	for range 3 {
		h, p := c.expect(smpp.DeliverSMID)
		sm := p.(*smpp.DeliverSM)
		if got, _ := smpp.ParseReceipt(sm); got.ID != resp.MessageID {
			t.Errorf("receipt for %s, want %s", got.ID, resp.MessageID)
		}
		reached[sm.Source.Addr] = true
		c.write(0, h.Sequence, &smpp.DeliverSMResp{})
	}
	if !reached["13125550001"] || !reached["13125550021"] || !reached["13125550022"] {
		t.Errorf("receipts for %v", reached)
	}
	c.send(&smpp.SubmitMulti{Source: smpp.Address{Addr: testNumber}, Destinations: []smpp.Destination{to("13125550009")}})
	if h, _ := c.expect(smpp.SubmitMultiRespID); h.Status != smpp.StatusInvDstAddr {
		t.Errorf("all destinations wrong: %s", h.Status)
	}
	c.nc.Close()
	r.stop()
	report, err := Audit(dir)
	if err != nil || report.Multi != 6 || report.Submits != 6 || report.Accepted != 3 || report.Refused != 3 || report.Messages != 3 ||
		report.Duplicates != 0 || report.SameID != 0 || report.Receipts["DELIVRD"] != 3 {
		t.Errorf("audit: %+v, %v", report, err)
	}
	if n := count(r.entries(), func(e *Entry) bool { return e.Command == "submit_multi" && e.Accepted() && e.ID() == resp.MessageID }); n != 3 {
		t.Errorf("%d accepted destinations in the log, want 3", n)
	}
}

func TestReceiptsOfASubmitMultiSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, "receipts: {delay: {min: 300ms, max: 300ms}}\n"))
	c := r.bind(smpp.BindTransmitterID)
	c.send(&smpp.SubmitMulti{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: testNumber}, RegisteredDelivery: 1,
		Destinations: []smpp.Destination{{Address: smpp.Address{TON: 1, NPI: 1, Addr: "13125550001"}}, {Address: smpp.Address{TON: 1, NPI: 1, Addr: "13125550002"}}},
	})
	c.expect(smpp.SubmitMultiRespID)
	c.nc.Close()
	r.stop()
	again := startSMSC(t, dir, testAccounts(), scenario(t, ""))
	c = again.bind(smpp.BindReceiverID)
	if a, b := c.receipt(), c.receipt(); a.ID != b.ID || a.ID == "" {
		t.Errorf("receipts %+v and %+v, want two of one id", a, b)
	}
}

func TestACellBroadcastIsTakenAskedAboutAndCancelled(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, far))
	c, _ := r.bindAs(smpp.BindTransmitterID, 0x50)
	source := smpp.Address{TON: 1, NPI: 1, Addr: testNumber}
	bare := &smpp.BroadcastSM{Source: source, ServiceType: "CBS"}
	c.send(bare)
	if h, _ := c.expect(smpp.BroadcastSMRespID); h.Status != smpp.StatusMissingOption {
		t.Errorf("without its TLVs: %s", h.Status)
	}
	full := *bare
	area := []byte{0, 'C', 'h', 'i'}
	full.Options = full.Options.Append(smpp.TagBroadcastAreaIdentifier, area).Append(smpp.TagBroadcastContentType, []byte{0, 0, 16}).
		Append(smpp.TagBroadcastRepNum, []byte{0, 1}).Append(smpp.TagBroadcastFrequencyInterval, []byte{9, 0, 10}).
		Append(smpp.TagMessagePayload, []byte("storm"))
	c.send(&full)
	h, p := c.expect(smpp.BroadcastSMRespID)
	id := p.(*smpp.BroadcastSMResp).MessageID
	if h.Status != smpp.StatusOK || id == "" {
		t.Fatalf("broadcast_sm: %s %q", h.Status, id)
	}
	query := func(c *client) byte {
		t.Helper()
		c.send(&smpp.QueryBroadcastSM{MessageID: id, Source: source})
		h, p := c.expect(smpp.QueryBroadcastSMRespID)
		state, _ := p.(*smpp.QueryBroadcastSMResp).Options.Uint(smpp.TagMessageState)
		if h.Status != smpp.StatusOK {
			t.Fatalf("query_broadcast_sm: %s", h.Status)
		}
		return byte(state)
	}
	if state := query(c); state != smpp.StateEnroute {
		t.Errorf("state %d, want en route", state)
	}
	c.send(&smpp.CancelBroadcastSM{MessageID: id, Source: source})
	if h, _ := c.expect(smpp.CancelBroadcastSMRespID); h.Status != smpp.StatusOK {
		t.Errorf("cancel_broadcast_sm: %s", h.Status)
	}
	c.send(&smpp.CancelBroadcastSM{MessageID: id, Source: source})
	if h, _ := c.expect(smpp.CancelBroadcastSMRespID); h.Status != smpp.StatusBcastCancelFailed {
		t.Errorf("a second time: %s", h.Status)
	}
	c.nc.Close()
	r.stop()
	again := startSMSC(t, dir, testAccounts(), scenario(t, far))
	c, _ = again.bindAs(smpp.BindTransmitterID, 0x50)
	if state := query(c); state != smpp.StateDeleted {
		t.Errorf("after a restart: state %d, want deleted", state)
	}
	if ops := again.operations("broadcast_sm"); len(ops) != 2 || ops[1].Message() != "storm" {
		t.Errorf("logged %+v", ops)
	}
}

// TestAClientThatAlwaysReplacesIsServed holds that the flag costs no reading of the log for each submit.
func TestAClientThatAlwaysReplacesIsServed(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, far))
	c := r.bind(smpp.BindTransmitterID)
	const n, phones = 600, 3
	for i := range n {
		sm := submitTo("1312555000"+string(rune('0'+i%phones)), "hello")
		sm.ReplaceIfPresent = 1
		c.send(sm)
	}
	for range n {
		if h, _ := c.expect(smpp.SubmitSMRespID); h.Status != smpp.StatusOK {
			t.Fatal(h.Status)
		}
	}
	if left := r.server.presence.n; left > 2*phones {
		t.Errorf("%d messages are noted, want no more than are under way", left)
	}
	c.nc.Close()
	r.stop()
	if report, err := Audit(dir); err != nil || report.Replaced != n-phones || report.Accepted != n {
		t.Errorf("audit: %+v, %v", report, err)
	}
	again := startSMSC(t, dir, testAccounts(), scenario(t, far))
	if owed := again.server.pending.Load(); owed != phones {
		t.Errorf("after a restart %d receipts are owed, want %d", owed, phones)
	}
}
