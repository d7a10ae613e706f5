package smsc

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

// operations lists those of a command in the log.
func (r *running) operations(command string) (out []Entry) {
	r.t.Helper()
	for _, e := range r.entries() {
		if e.Kind == KindOperation && e.Command == command {
			out = append(out, e)
		}
	}
	return out
}

func (c *client) query(id, source string) (smpp.Status, *smpp.QuerySMResp) {
	c.t.Helper()
	c.send(&smpp.QuerySM{MessageID: id, Source: smpp.Address{TON: 1, NPI: 1, Addr: source}})
	h, p := c.expect(smpp.QuerySMRespID)
	return h.Status, p.(*smpp.QuerySMResp)
}

func (c *client) cancel(p *smpp.CancelSM) smpp.Status {
	c.t.Helper()
	c.send(p)
	h, _ := c.expect(smpp.CancelSMRespID)
	return h.Status
}

// far is a scenario whose messages come to their end after an hour.
const far = "receipts: {delay: {min: 1h, max: 1h}, states: {UNDELIV: 0.0}}\n"

func TestAQueryTellsTheFateFromTheLog(t *testing.T) {
	r := start(t, `
rules:
  - {to: "*1", receipts: {delay: {min: 1h, max: 1h}}}
  - {to: "*2", receipts: {delay: {}, states: {UNDELIV: 1}}}
  - {to: "*3", receipts: {delay: {}, lost: 1}}
`)
	c := r.bind(smpp.BindTransmitterID)
	for _, tt := range []struct {
		to         string
		registered byte
		state      byte
		code       byte
	}{
		{"13125550001", 1, smpp.StateEnroute, 0},
		{"13125550001", 0, smpp.StateEnroute, 0},
		{"13125550002", 1, smpp.StateUndeliverable, 1},
		{"13125550002", 0, smpp.StateUndeliverable, 1},
		{"13125550003", 1, smpp.StateDelivered, 0},
		{"13125550009", 0, smpp.StateDelivered, 0},
	} {
		sm := submitTo(tt.to, "hello")
		sm.RegisteredDelivery = tt.registered
		_, id := c.submit(sm)
		time.Sleep(5 * time.Millisecond) // Its end lies a millisecond after its answer.
		status, resp := c.query(id, testNumber)
		if status != smpp.StatusOK || resp.MessageState != tt.state || resp.ErrorCode != tt.code || resp.MessageID != id {
			t.Errorf("%s, registered_delivery %d: %s %+v, want state %d", tt.to, tt.registered, status, resp, tt.state)
		}
		if final := tt.state != smpp.StateEnroute; final != (resp.FinalDate != "") {
			t.Errorf("%s: final date %q", tt.to, resp.FinalDate)
		} else if at, ok := parseTime(resp.FinalDate, 0); final && (!ok || time.Since(time.UnixMicro(at)).Abs() > time.Minute) {
			t.Errorf("%s: final date %q", tt.to, resp.FinalDate)
		}
		if status, _ := c.query(id, "17735550199"); status != smpp.StatusQueryFailed {
			t.Errorf("asked for by another sender: %s", status)
		}
	}
	if status, _ := c.query("no id", ""); status != smpp.StatusInvMsgID {
		t.Errorf("no id: %s", status)
	}
	other := r.dial()
	if status := other.bind(smpp.BindTransmitterID, "sender", "pw"); status != smpp.StatusOK {
		t.Fatal(status)
	}
	_, mine := c.submit(submitTo("13125550001", "hello"))
	if status, _ := other.query(mine, ""); status != smpp.StatusQueryFailed {
		t.Errorf("asked for by another account: %s", status)
	}
	c.nc.Close()
	other.nc.Close()
	r.stop()
	if n := len(r.operations("query_sm")); n != 14 {
		t.Errorf("%d queries in the log, want 14", n)
	}
}

func TestAQueryFindsAMessageAmongManyAndAfterARestart(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, far))
	c := r.bind(smpp.BindTransmitterID)
	var ids []string
	for range 300 {
		c.send(submitTo("13125550001", "hello"))
	}
	for range 300 {
		_, p := c.expect(smpp.SubmitSMRespID)
		ids = append(ids, p.(*smpp.SubmitSMResp).MessageID)
	}
	check := func(c *client) {
		t.Helper()
		for _, i := range []int{0, 1, 150, 299} {
			if status, resp := c.query(ids[i], testNumber); status != smpp.StatusOK || resp.MessageState != smpp.StateEnroute {
				t.Errorf("message %d: %s %+v", i, status, resp)
			}
		}
	}
	check(c)
	if status := c.cancel(&smpp.CancelSM{MessageID: ids[150], Source: smpp.Address{Addr: testNumber}}); status != smpp.StatusOK {
		t.Fatal(status)
	}
	c.nc.Close()
	r.stop()
	again := startSMSC(t, dir, testAccounts(), scenario(t, far))
	c = again.bind(smpp.BindTransmitterID)
	if status, resp := c.query(ids[150], testNumber); status != smpp.StatusOK || resp.MessageState != smpp.StateDeleted {
		t.Errorf("what was cancelled before the restart: %s %+v", status, resp)
	}
	if status, resp := c.query(ids[299], testNumber); status != smpp.StatusOK || resp.MessageState != smpp.StateEnroute {
		t.Errorf("after the restart: %s %+v", status, resp)
	}
}

func TestACancelledMessageEndsAsDeleted(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, far))
	c := r.bind(smpp.BindTransceiverID)
	_, id := c.submit(submitTo("13125550001", "hello"))
	onFailure := submitTo("13125550002", "hello")
	onFailure.RegisteredDelivery = smpp.ReceiptOnFailure
	_, failing := c.submit(onFailure)
	unasked := submitTo("13125550003", "hello")
	unasked.RegisteredDelivery = 0
	_, quiet := c.submit(unasked)
	source := smpp.Address{TON: 1, NPI: 1, Addr: testNumber}
	if status := c.cancel(&smpp.CancelSM{MessageID: id, Source: smpp.Address{Addr: "17735550101"}}); status != smpp.StatusCancelFailed {
		t.Errorf("by another sender: %s", status)
	}
	for _, x := range []string{id, failing} {
		if status := c.cancel(&smpp.CancelSM{MessageID: x, Source: source}); status != smpp.StatusOK {
			t.Fatalf("cancel_sm: %s", status)
		}
		if got := c.receipt(); got.ID != x || got.Stat != "DELETED" {
			t.Errorf("receipt %+v, want DELETED for %s", got, x)
		}
		if status := c.cancel(&smpp.CancelSM{MessageID: x, Source: source}); status != smpp.StatusCancelFailed {
			t.Errorf("a second time: %s", status)
		}
		if _, resp := c.query(x, testNumber); resp.MessageState != smpp.StateDeleted {
			t.Errorf("state %d, want deleted", resp.MessageState)
		}
	}
	if status := c.cancel(&smpp.CancelSM{MessageID: quiet, Source: source}); status != smpp.StatusOK {
		t.Fatal(status)
	}
	c.quiet(30 * time.Millisecond)
	c.nc.Close()
	r.stop()
	report, err := Audit(dir)
	if err != nil || report.Cancelled != 3 || report.Accepted != 3 || report.Receipts["DELETED"] != 2 || len(report.Receipts) != 1 {
		t.Errorf("audit: %+v, %v", report, err)
	}
	again := startSMSC(t, dir, testAccounts(), scenario(t, far))
	if owed := again.server.pending.Load(); owed != 0 {
		t.Errorf("after a restart %d receipts are owed for cancelled messages", owed)
	}
}

func TestMessagesAreCancelledByAddressAndServiceType(t *testing.T) {
	r := start(t, far)
	c := r.bind(smpp.BindTransmitterID)
	ids := map[string]string{}
	for name, sm := range map[string]*smpp.SubmitSM{
		"a": submitTo("13125550001", "a"), "b": submitTo("13125550001", "b"), "elsewhere": submitTo("13125550002", "c"),
		"service": {ServiceType: "WAP", Source: submitTo("", "").Source, Destination: submitTo("13125550001", "").Destination, RegisteredDelivery: 1},
	} {
		_, ids[name] = c.submit(sm)
	}
	if status := c.cancel(&smpp.CancelSM{Source: smpp.Address{Addr: testNumber}, Destination: smpp.Address{Addr: "13125550001"}}); status != smpp.StatusOK {
		t.Fatal(status)
	}
	for name, id := range ids {
		want := smpp.StateEnroute
		if name == "a" || name == "b" {
			want = smpp.StateDeleted
		}
		if _, resp := c.query(id, ""); resp.MessageState != want {
			t.Errorf("%s: state %d, want %d", name, resp.MessageState, want)
		}
	}
	if status := c.cancel(&smpp.CancelSM{Source: smpp.Address{Addr: testNumber}, Destination: smpp.Address{Addr: "13125550099"}}); status != smpp.StatusCancelFailed {
		t.Errorf("where nothing is: %s", status)
	}
}

func TestAReplacedMessageHasItsNewTextAndTimes(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, far))
	c := r.bind(smpp.BindTransceiverID)
	_, id := c.submit(submitTo("13125550001", "old"))
	source := smpp.Address{TON: 1, NPI: 1, Addr: testNumber}
	replace := func(p *smpp.ReplaceSM) smpp.Status {
		t.Helper()
		c.send(p)
		h, _ := c.expect(smpp.ReplaceSMRespID)
		return h.Status
	}
	if status := replace(&smpp.ReplaceSM{MessageID: id, Source: source, ScheduleDeliveryTime: "no time at all 16"[:16], RegisteredDelivery: 1}); status != smpp.StatusInvSchedule {
		t.Errorf("a wrong time: %s", status)
	}
	if status := replace(&smpp.ReplaceSM{MessageID: id, Source: source, ValidityPeriod: "000000000000000R", RegisteredDelivery: 1, ShortMessage: []byte("new")}); status != smpp.StatusOK {
		t.Fatal(status)
	}
	if got := c.receipt(); got.ID != id || got.Stat != "EXPIRED" {
		t.Errorf("receipt %+v, want EXPIRED", got)
	}
	if status := replace(&smpp.ReplaceSM{MessageID: id, Source: source, ShortMessage: []byte("newer")}); status != smpp.StatusReplaceFailed {
		t.Errorf("after its end: %s", status)
	}
	if status := replace(&smpp.ReplaceSM{MessageID: "999", Source: source}); status != smpp.StatusReplaceFailed {
		t.Errorf("an unknown id: %s", status)
	}
	c.nc.Close()
	r.stop()
	ops := r.operations("replace_sm")
	if i := slices.IndexFunc(ops, func(e Entry) bool { return e.Status == smpp.StatusOK }); i < 0 || ops[i].Message() != "new" || len(ops) != 4 {
		t.Errorf("logged %+v", ops)
	}
	if report, err := Audit(dir); err != nil || report.Replaced != 1 || report.Messages != 1 {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

func TestReplaceIfPresentTakesThePlaceOfWhatIsUnderWay(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, `
rules:
  - {to: "*1", receipts: {delay: {min: 150ms, max: 150ms}}}
`))
	c := r.bind(smpp.BindTransceiverID)
	_, first := c.submit(submitTo("13125550001", "one"))
	second := submitTo("13125550001", "two")
	second.ReplaceIfPresent = 1
	_, id := c.submit(second)
	if got := c.receipt(); got.ID != id || got.Stat != "DELIVRD" {
		t.Errorf("receipt %+v, want that of the second", got)
	}
	c.quiet(50 * time.Millisecond)
	if _, resp := c.query(first, ""); resp.MessageState != smpp.StateDeleted {
		t.Errorf("the first is in state %d", resp.MessageState)
	}
	c.nc.Close()
	r.stop()
	if report, err := Audit(dir); err != nil || report.Replaced != 1 || report.Accepted != 2 {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

func TestScheduleAndValidityAreKept(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, "rules: [{to: \"*1\", receipts: {delay: {min: 1h, max: 1h}}}]\n"))
	c := r.bind(smpp.BindTransceiverID)
	submit := func(to, schedule, validity string) (smpp.Status, string) {
		t.Helper()
		sm := submitTo(to, "hello")
		sm.ScheduleDeliveryTime, sm.ValidityPeriod = schedule, validity
		return c.submit(sm)
	}
	for want, times := range map[smpp.Status][2]string{
		smpp.StatusInvSchedule: {"tomorrow, at ten", ""}, smpp.StatusInvExpiry: {"", "9900000000000000"},
	} {
		if status, _ := submit("13125550001", times[0], times[1]); status != want {
			t.Errorf("%v: %s, want %s", times, status, want)
		}
	}
	_, expires := submit("13125550001", "", "000000000000000R")
	if got := c.receipt(); got.ID != expires || got.Stat != "EXPIRED" {
		t.Errorf("receipt %+v, want EXPIRED: its end would come after an hour", got)
	}
	_, inTime := submit("13125550002", "", "000000010000000R")
	if got := c.receipt(); got.ID != inTime || got.Stat != "DELIVRD" {
		t.Errorf("receipt %+v, want DELIVRD", got)
	}
	began := time.Now()
	_, later := submit("13125550002", "000000000001000R", "")
	if _, resp := c.query(later, ""); resp.MessageState != smpp.StateEnroute {
		t.Errorf("state %d before its time", resp.MessageState)
	}
	newer, _ := r.bindAs(smpp.BindTransmitterID, 0x50)
	if _, resp := newer.query(later, ""); resp.MessageState != smpp.StateScheduled {
		t.Errorf("told to a client of 5.0: state %d, want scheduled", resp.MessageState)
	}
	newer.nc.Close()
	if got := c.receipt(); got.ID != later || time.Since(began) < time.Second {
		t.Errorf("receipt %+v after %s, want it a second later", got, time.Since(began))
	}
	past := time.Now().Add(-time.Hour).UTC().Format("060102150405") + "000+"
	if status, id := submit("13125550002", past, ""); status != smpp.StatusOK || c.receipt().ID != id {
		t.Errorf("a time that is past: %s", status)
	}
	c.nc.Close()
	r.stop()
	e := r.entries()
	if i := slices.IndexFunc(e, func(e Entry) bool { return e.Kind == KindSubmit && e.Schedule == past }); i < 0 {
		t.Error("the log lacks schedule_delivery_time")
	}
	if i := slices.IndexFunc(e, func(e Entry) bool { return e.Validity == "000000010000000R" }); i < 0 {
		t.Error("the log lacks validity_period")
	}
}

func TestTimesAreReadAsTheSpecificationHasThem(t *testing.T) {
	base := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"261122103000000+": time.Date(2026, 11, 22, 10, 30, 0, 0, time.UTC),
		"261122103000008+": time.Date(2026, 11, 22, 8, 30, 0, 0, time.UTC), // two hours ahead of UTC
		"261122103000020-": time.Date(2026, 11, 22, 15, 30, 0, 0, time.UTC),
		"261122103000500+": time.Date(2026, 11, 22, 10, 30, 0, 500_000_000, time.UTC),
		"000001020304000R": base.AddDate(0, 0, 1).Add(2*time.Hour + 3*time.Minute + 4*time.Second),
		"010100000000000R": base.AddDate(1, 1, 0),
	} {
		if got, ok := parseTime(s, base.UnixMicro()); !ok || got != want.UnixMicro() {
			t.Errorf("%s: %s, %v, want %s", s, time.UnixMicro(got).UTC(), ok, want)
		}
	}
	for _, s := range []string{"", "26112210300000+", "261322103000000+", "261122253000000+", "26112210300000x+", "261122103000049+", "2611221030000000"} {
		if _, ok := parseTime(s, 0); ok {
			t.Errorf("%q is read as a time", s)
		}
	}
}

func TestModesOfESMClass(t *testing.T) {
	r := start(t, "rules: [{to: \"*9\", receipts: {delay: {}, states: {UNDELIV: 1}}}, {to: \"*8\", receipts: {delay: {min: 120ms, max: 120ms}}}]\n")
	c := r.bind(smpp.BindTransceiverID)
	submit := func(to string, mode byte) (smpp.Status, string) {
		sm := submitTo(to, "hello")
		sm.ESMClass = mode
		return c.submit(sm)
	}
	if status, _ := submit("13125550001", esmDatagram); status != smpp.StatusOK {
		t.Error(status)
	}
	c.quiet(30 * time.Millisecond) // A datagram has no receipt.
	if status, id := submit("13125550009", esmTransaction); status != smpp.StatusDeliveryFailed || id != "" {
		t.Errorf("a transaction that fails: %s, id %q", status, id)
	}
	began := time.Now()
	if status, _ := submit("13125550008", esmTransaction); status != smpp.StatusOK || time.Since(began) < 110*time.Millisecond {
		t.Errorf("a transaction: %s after %s, want the answer after the delivery", status, time.Since(began))
	}
	c.quiet(30 * time.Millisecond)
	if status, id := submit("13125550001", 3); status != smpp.StatusOK || c.receipt().ID != id {
		t.Errorf("store and forward: %s", status)
	}
}

func TestAnAlertFollowsAFailureWhereItIsAskedFor(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), scenario(t, "receipts: {delay: {}, states: {UNDELIV: 1}}\nalerts: {delay: {min: 20ms, max: 20ms}, status: 1}\n"))
	c := r.bind(smpp.BindTransceiverID)
	c.submit(submitTo("13125550002", "hello"))
	c.receipt()
	sm := submitTo("13125550001", "hello")
	sm.Options = sm.Options.Append(smpp.TagSetDpf, []byte{1})
	c.submit(sm)
	c.receipt()
	_, p := c.expect(smpp.AlertNotificationID)
	a := p.(*smpp.AlertNotification)
	if v, _ := a.Options.Uint(smpp.TagMsAvailabilityStatus); a.Source.Addr != "13125550001" || a.ESME.Addr != testNumber || v != 1 {
		t.Errorf("alert_notification %+v", a)
	}
	c.quiet(50 * time.Millisecond) // one, and none for the first
	c.nc.Close()
	r.stop()
	if report, err := Audit(dir); err != nil || report.Alerts != 1 {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

// TestTheAuditListsWhatWasOdd holds that whatever a fault does can be told from the audit's text.
func TestTheAuditListsWhatWasOdd(t *testing.T) {
	r := Report{
		Multi: 1, Cancelled: 2, Replaced: 3, Queries: 4, Alerts: 5, Outbinds: 6, Intermediate: 7, SameID: 8,
		Causes: map[string]int64{"limit": 9}, Odd: map[string]int64{"nack": 10}, Faults: map[string]int64{"drop": 11},
	}
	text := r.Text()
	for _, want := range []string{"submit_multi 1", "cancelled 2", "replaced 3", "queries 4", "alerts 5", "outbinds 6", "intermediate receipts 7", "another 8", "refused by limit 9", "odd answers: nack 10", "faults: drop 11"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
}
