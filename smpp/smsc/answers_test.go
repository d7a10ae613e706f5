package smsc

import (
	"testing"
	"time"

	"fanline/smpp"
)

// statuses submits n times to a phone and gives the statuses answered.
func (c *client) statuses(n int, to string) (out []smpp.Status) {
	c.t.Helper()
	for range n {
		status, _ := c.submit(submitTo(to, "hello"))
		out = append(out, status)
	}
	return out
}

func TestErrorsComeByPlan(t *testing.T) {
	const ok, busy = smpp.StatusOK, smpp.StatusMsgQFull
	for _, tt := range []struct {
		name, yaml string
		want       []smpp.Status
	}{
		{"all", "errors: [{status: ESME_RMSGQFUL}]", []smpp.Status{busy, busy}},
		{"every third", "errors: [{status: ESME_RMSGQFUL, nth: 3}]", []smpp.Status{ok, ok, busy, ok, ok, busy}},
		{"not the first two", "errors: [{status: ESME_RMSGQFUL, skip: 2}]", []smpp.Status{ok, ok, busy, busy}},
		{"the first two", "errors: [{status: ESME_RMSGQFUL, count: 2}]", []smpp.Status{busy, busy, ok, ok}},
		{"of the second on, every other, twice", "errors: [{status: ESME_RMSGQFUL, skip: 1, nth: 2, count: 2}]", []smpp.Status{ok, ok, busy, ok, busy, ok, ok}},
		{"a vendor's", "errors: [{status: \"0x401\"}]", []smpp.Status{0x401}},
		{"the first that applies", "errors: [{status: ESME_RTHROTTLED, count: 1}, {status: ESME_RMSGQFUL, count: 1}]", []smpp.Status{smpp.StatusThrottled, busy, ok}},
		{"none yet", "errors: [{status: ESME_RMSGQFUL, after: 1h}]", []smpp.Status{ok}},
		{"for a phone", "rules: [{to: \"*0001\", errors: [{status: ESME_RMSGQFUL}]}]", []smpp.Status{busy}},
		{"for a number", "rules: [{from: \"+17735550101\", errors: [{status: ESME_RMSGQFUL}]}]", []smpp.Status{ok}},
		{"for an account", "accounts: {acme: {errors: [{status: ESME_RMSGQFUL}]}}", []smpp.Status{busy}},
		{"for another account", "accounts: {sender: {errors: [{status: ESME_RMSGQFUL}]}}", []smpp.Status{ok}},
		{"a rule on an account", "accounts: {acme: {errors: [{status: ESME_RTHROTTLED}]}}\nrules: [{to: \"*0001\", errors: [{status: ESME_RMSGQFUL}]}]", []smpp.Status{busy}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			r := startSMSC(t, dir, testAccounts(), scenario(t, tt.yaml+"\n"))
			c := r.bind(smpp.BindTransmitterID)
			refused := int64(0)
			for i, status := range c.statuses(len(tt.want), "13125550001") {
				if status != tt.want[i] {
					t.Errorf("submit %d: %s, want %s", i, status, tt.want[i])
				}
				if status != ok {
					refused++
				}
			}
			c.nc.Close()
			r.stop()
			if report, err := Audit(dir); err != nil || report.Causes["errors"] != refused || report.Accepted != int64(len(tt.want))-refused {
				t.Errorf("audit: %+v, %v", report, err)
			}
		})
	}
}

func TestErrorsComeByShare(t *testing.T) {
	r := start(t, "errors: [{status: ESME_RSYSERR, share: 0.3}]\n")
	c := r.bind(smpp.BindTransmitterID)
	n := 0
	for range 400 {
		c.send(submitTo("13125550001", "hello"))
	}
	for range 400 {
		if h, _ := c.expect(smpp.SubmitSMRespID); h.Status == smpp.StatusSysErr {
			n++
		}
	}
	if n < 80 || n > 160 {
		t.Errorf("%d of 400, want about 120", n)
	}
}

func TestWindowsOpenAndCloseWhenTheySay(t *testing.T) {
	const second = int64(time.Second)
	at := func(clock string) int64 {
		v, err := time.Parse("2006-01-02 15:04:05", "2026-11-22 "+clock)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixMicro()
	}
	for _, tt := range []struct {
		w      Window
		ns     int64
		micros int64
		open   bool
	}{
		{Window{}, 0, 0, true},
		{Window{After: Duration(time.Second)}, second - 1, 0, false},
		{Window{After: Duration(time.Second)}, second, 0, true},
		{Window{For: Duration(time.Second)}, second - 1, 0, true},
		{Window{For: Duration(time.Second)}, second, 0, false},
		{Window{For: Duration(5 * time.Second), Every: Duration(30 * time.Second)}, 34 * second, 0, true},
		{Window{For: Duration(5 * time.Second), Every: Duration(30 * time.Second)}, 35 * second, 0, false},
		{Window{After: Duration(10 * time.Second), For: Duration(5 * time.Second), Every: Duration(30 * time.Second)}, 42 * second, 0, true},
		{Window{After: Duration(10 * time.Second), For: Duration(5 * time.Second), Every: Duration(30 * time.Second)}, 9 * second, 0, false},
		{Window{Daily: "09:00-17:30"}, 0, at("08:59:59"), false},
		{Window{Daily: "09:00-17:30"}, 0, at("17:29:59"), true},
		{Window{Daily: "09:00-17:30"}, 0, at("17:30:00"), false},
		{Window{Daily: "22:00-06:30"}, 0, at("23:00:00"), true},
		{Window{Daily: "22:00-06:30"}, 0, at("06:29:00"), true},
		{Window{Daily: "22:00-06:30"}, 0, at("12:00:00"), false},
	} {
		w, err := compileWindow(tt.w)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.active(tt.ns, tt.micros); got != tt.open {
			t.Errorf("%+v at %s: open %v", tt.w, time.Duration(tt.ns), got)
		}
	}
}

func TestErrorsFollowTheClockOfTheScenario(t *testing.T) {
	r := start(t, "errors: [{status: ESME_RTHROTTLED, for: 150ms}]\n")
	c := r.bind(smpp.BindTransmitterID)
	if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusThrottled {
		t.Errorf("at first: %s", status)
	}
	until(t, "the window closes", func() bool {
		status, _ := c.submit(submitTo("13125550001", "hello"))
		return status == smpp.StatusOK
	})
}

// TestAnswersAreBent has a row for every odd way to answer.
func TestAnswersAreBent(t *testing.T) {
	for _, tt := range []struct {
		name, yaml string
		to         string
		check      func(t *testing.T, b []byte)
		odd        string
		accepted   int64
	}{
		{"a header alone", "no_body: 1", "13125550001", func(t *testing.T, b []byte) {
			if len(b) != smpp.HeaderLen {
				t.Errorf("%x", b)
			}
		}, "no_body", 1},
		{"an empty id", "empty_id: 1", "13125550001", func(t *testing.T, b []byte) {
			if len(b) != smpp.HeaderLen+1 || b[smpp.HeaderLen] != 0 {
				t.Errorf("%x", b)
			}
		}, "empty_id", 1},
		{"a refusal with a body", "error_body: true", "nobody", func(t *testing.T, b []byte) {
			if len(b) != smpp.HeaderLen+1 || b[smpp.HeaderLen] != 0 {
				t.Errorf("%x", b)
			}
		}, "", 0},
		{"a nack", "nack: 1, nack_status: ESME_RINVCMDID", "13125550001", func(t *testing.T, b []byte) {
			h, _, err := smpp.Decode(b)
			if err != nil || h.ID != smpp.GenericNackID || h.Status != smpp.StatusInvCmdID || h.Sequence != 2 {
				t.Errorf("%+v, %v", h, err)
			}
		}, "nack", 0},
		{"a nack for nothing", "nack_zero: 1", "13125550001", func(t *testing.T, b []byte) {
			h, _, err := smpp.Decode(b)
			if err != nil || h.ID != smpp.GenericNackID || h.Status != smpp.StatusSysErr || h.Sequence != 0 {
				t.Errorf("%+v, %v", h, err)
			}
		}, "nack_zero", 0},
		{"TLVs", "tlvs: [{tag: 0x1402, text: msc}, {tag: 0x1403, hex: \"00ff\"}]", "13125550001", func(t *testing.T, b []byte) {
			_, p, err := smpp.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			resp := p.(*smpp.SubmitSMResp)
			a, _ := resp.Options.Get(0x1402)
			x, _ := resp.Options.Get(0x1403)
			if resp.MessageID == "" || string(a) != "msc" || string(x) != "\x00\xff" {
				t.Errorf("%+v", resp)
			}
		}, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			r := startSMSC(t, dir, testAccounts(), scenario(t, "responses: {"+tt.yaml+"}\n"))
			c := r.bind(smpp.BindTransmitterID)
			c.send(submitTo(tt.to, "hello"))
			tt.check(t, c.raw())
			c.send(&smpp.EnquireLink{})
			c.expect(smpp.EnquireLinkRespID)
			c.nc.Close()
			r.stop()
			report, err := Audit(dir)
			if err != nil || report.Accepted != tt.accepted || tt.odd != "" && report.Odd[tt.odd] != 1 {
				t.Errorf("audit: %+v, %v", report, err)
			}
		})
	}
}

func TestLateAnswersAreOvertaken(t *testing.T) {
	r := start(t, "responses: {late: 0.3, late_by: {min: 20ms, max: 50ms}}\n")
	c := r.bind(smpp.BindTransmitterID)
	const n = 60
	for range n {
		c.send(submitTo("13125550001", "hello"))
	}
	moved, seen := 0, map[uint32]bool{}
	for i := range n {
		h, _ := c.expect(smpp.SubmitSMRespID)
		if int(h.Sequence) != i+2 {
			moved++
		}
		seen[h.Sequence] = true
	}
	if moved == 0 || len(seen) != n {
		t.Errorf("%d of %d out of place, %d different", moved, n, len(seen))
	}
	c.nc.Close()
	r.stop()
	if report, err := Audit(r.dir); err != nil || report.Odd["late"] == 0 || report.Accepted != n {
		t.Errorf("audit: %+v, %v", report, err)
	}
}

func TestSeveralAnswersComeInOneSegment(t *testing.T) {
	r := start(t, "")
	c := r.bind(smpp.BindTransmitterID)
	var b []byte
	for i := range 20 {
		pdu, err := smpp.Append(nil, 0, uint32(i+2), submitTo("13125550001", "hello"))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, pdu...)
	}
	if _, err := c.nc.Write(b); err != nil {
		t.Fatal(err)
	}
	until(t, "the submits are logged", func() bool { return r.server.stats.accepted.Load() == 20 })
	time.Sleep(20 * time.Millisecond) // The kernel gathers what was written.
	buf := make([]byte, 1<<16)
	n, err := c.nc.Read(buf)
	if err != nil || n < 20*smpp.HeaderLen {
		t.Errorf("one read gave %d octets (%v), want twenty answers", n, err)
	}
}

func TestMoreThanTheWindowIsRefused(t *testing.T) {
	for _, tt := range []struct {
		status string
		want   smpp.Status
	}{{"", smpp.StatusMsgQFull}, {"ESME_RSUBMITFAIL", smpp.StatusSubmitFailed}} {
		accounts := testAccounts()
		accounts[0].Window, accounts[0].WindowStatus = 5, tt.status
		s := scenario(t, "")
		s.Latency = &Distribution{Min: Duration(300 * time.Millisecond), Max: Duration(300 * time.Millisecond)}
		r := startSMSC(t, t.TempDir(), accounts, s)
		c := r.bind(smpp.BindTransmitterID)
		for range 8 {
			c.send(submitTo("13125550001", "hello"))
		}
		counts := map[smpp.Status]int{}
		for range 8 {
			h, _ := c.expect(smpp.SubmitSMRespID)
			counts[h.Status]++
		}
		if counts[smpp.StatusOK] != 5 || counts[tt.want] != 3 {
			t.Errorf("%v, want 5 accepted and 3 %s", counts, tt.want)
		}
		if status, _ := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK {
			t.Errorf("with an empty window: %s", status)
		}
		c.nc.Close()
		r.stop()
		if report, err := Audit(r.dir); err != nil || report.Causes["window"] != 3 {
			t.Errorf("audit: %+v, %v", report, err)
		}
	}
}

func TestANumbersQueueCanBeFull(t *testing.T) {
	accounts := testAccounts()
	accounts[0].Numbers[0].MaxPending = 3
	r := startSMSC(t, t.TempDir(), accounts, scenario(t, "receipts: {delay: {min: 200ms, max: 200ms}}\n"))
	c := r.bind(smpp.BindTransceiverID)
	want := []smpp.Status{0, 0, 0, smpp.StatusMsgQFull}
	for i, status := range c.statuses(4, "13125550001") {
		if status != want[i] {
			t.Errorf("submit %d: %s, want %s", i, status, want[i])
		}
	}
	other := submitTo("13125550001", "hello")
	other.Source.Addr = "17735550101"
	if status, _ := c.submit(other); status != smpp.StatusOK {
		t.Errorf("another number: %s", status)
	}
	for range 4 {
		c.receipt()
	}
	until(t, "there is room again", func() bool {
		status, _ := c.submit(submitTo("13125550001", "hello"))
		return status == smpp.StatusOK
	})
}

func TestALimitCountsAsItIsSaid(t *testing.T) {
	at := func(ms int64) moment { return moment{ns: ms * 1e6, micros: ms * 1000, ms: uint32(ms)} }
	bySecond := limit{bySecond: true}
	bySecond.set(10, time.Second)
	taken := func(l *limit, from, n int) (out int) {
		for i := range n {
			if l.take(at(int64(from + i))) {
				out++
			}
		}
		return out
	}
	if a, b := taken(&bySecond, 990, 10), taken(&bySecond, 1000, 20); a != 10 || b != 10 {
		t.Errorf("by the second of the clock: %d before its edge and %d after, want 10 and 10", a, b)
	}
	bucket := limit{}
	bucket.set(10, time.Second)
	if a, b := taken(&bucket, 990, 10), taken(&bucket, 1000, 20); a != 10 || b != 0 {
		t.Errorf("by bucket: %d and %d, want 10 and 0", a, b)
	}
	for _, l := range []*limit{{countRefused: true}, {bySecond: true, countRefused: true}} {
		l.set(10, time.Second)
		for ms := range 3000 { // knocks a thousand times a second
			l.take(at(int64(ms)))
		}
		if n := taken(l, 3000, 500); n > 1 {
			t.Errorf("by second %v: %d taken while knocking, want hardly any", l.bySecond, n)
		}
		if !l.take(at(9000)) {
			t.Errorf("by second %v: still refused after a rest", l.bySecond)
		}
	}
}
