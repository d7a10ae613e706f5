package smsc

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/text"
)

// scenarioOf reads a scenario on top of one that answers at once.
func scenarioOf(t *testing.T, yaml string) *Scenario {
	t.Helper()
	s, err := ParseScenario("test", []byte("seed: 7\nlatency: {}\nreceipts: {}\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// mo is a text as a client gets it.
type mo struct {
	from, to string
	ton      byte
	esm, dcs byte
	body     string // of a part: without its header
	part     int
	parts    int
	ref      uint16
	tlvs     smpp.Options
}

// take reads and answers texts until there are n parts.
func (c *client) take(n int) []mo {
	c.t.Helper()
	var out []mo
	for len(out) < n {
		h, p := c.receive()
		sm, ok := p.(*smpp.DeliverSM)
		if !ok {
			c.t.Fatalf("got %s", h.ID)
		}
		out = append(out, readText(c.t, sm))
		c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
	}
	return out
}

func readText(t *testing.T, sm *smpp.DeliverSM) mo {
	t.Helper()
	m := mo{
		from: sm.Source.Addr, to: sm.Destination.Addr, ton: sm.Source.TON, esm: sm.ESMClass, dcs: sm.DataCoding, part: 1, parts: 1,
		tlvs: slices.Clone(sm.Options),
	}
	octets := sm.ShortMessage
	if sm.ESMClass&smpp.ESMUDHI != 0 {
		n := 1 + int(octets[0])
		ref, part, parts, ok := concatUDH(octets[:n])
		if !ok {
			t.Fatalf("header %x", octets[:n])
		}
		m.ref, m.part, m.parts, octets = ref, int(part), int(parts), octets[n:]
	}
	for tag, value := range sm.Options.All() {
		switch tag {
		case smpp.TagSarMsgRefNum:
			m.ref = uint16(value[0])<<8 | uint16(value[1])
		case smpp.TagSarTotalSegments:
			m.parts = int(value[0])
		case smpp.TagSarSegmentSeqnum:
			m.part = int(value[0])
		case smpp.TagMessagePayload:
			octets = value
		}
	}
	m.body = string(octets)
	return m
}

func TestPeopleJoinAlongTheCurve(t *testing.T) {
	for name, tc := range map[string]struct {
		yaml  string
		at    []float64 // share of the time
		share []float64 // of the texts sent by then
	}{
		"even":   {"shape: even", []float64{0.25, 0.5}, []float64{0.25, 0.5}},
		"rising": {"shape: rising", []float64{0.5}, []float64{0.2954}}, // (0.1+0.55)/2*0.5 / 0.55
		"peak":   {"shape: peak", []float64{0.5, 0.25}, []float64{0.5, 0.1477}},
		"post":   {"shape: post", []float64{0.1, 0.25}, []float64{0.3499, 0.6513}},
		"curve":  {"curve: [{at: 0, rate: 0}, {at: 0.5, rate: 1}, {at: 1, rate: 1}]", []float64{0.5}, []float64{1.0 / 3}},
	} {
		s := scenarioOf(t, "traffic: [{to: '"+testNumber+"', phones: {from: '13125550000', count: 400000}, total: 400000, over: 10h, "+tc.yaml+", texts: [{text: JOIN}]}]")
		p, err := compileScenario(s)
		if err != nil {
			t.Fatal(name, err)
		}
		st := &runningStream{stream: p.traffic[0], progress: progress{seed: 7}}
		last, begin := time.Duration(-1), 0
		counts := make([]int, len(tc.at))
		for i := range uint64(400_000) {
			at := st.dueAt(i)
			if at < last {
				t.Fatalf("%s: text %d comes at %v, the one before at %v", name, i, at, last)
			}
			last = at
			for j, share := range tc.at {
				if at.Hours() < share*10 {
					counts[j]++
				}
			}
			if at < 0 || at > 10*time.Hour {
				begin++
			}
		}
		for j, share := range tc.share {
			if got := float64(counts[j]) / 400_000; math.Abs(got-share) > 0.002 {
				t.Errorf("%s: %.4f sent after %.2f of the time, want %.4f", name, got, tc.at[j], share)
			}
		}
		if begin > 0 {
			t.Errorf("%s: %d texts outside of the ten hours", name, begin)
		}
		if rate := p.traffic[0].curve.peak(); rate < 400_000.0/36_000-0.01 || rate > 100 {
			t.Errorf("%s: peak of %.1f a second", name, rate)
		}
	}
}

func TestEachPhoneTextsOnceBeforeAnyTextsAgain(t *testing.T) {
	for _, yaml := range []string{
		"from: '13125550000', count: 997", "from: '0012', count: 88", "pattern: '+131255500##'", "list: ['1', '22', '333']", "from: '19', order: ascending",
		"from: '13125550000', count: 1024",
	} {
		s := scenarioOf(t, "traffic: [{to: '"+testNumber+"', phones: {"+yaml+"}, per_second: 1, texts: [{text: x}]}]")
		p, err := compileScenario(s)
		if err != nil {
			t.Fatal(yaml, err)
		}
		st := p.traffic[0]
		chance := rng{3}
		order := newPermutation(st.phones.count, &chance)
		seen, rising := map[string]bool{}, true
		before := ""
		for i := range st.phones.count {
			phone, _, _, _ := st.textAt(7, i, order)
			seen[phone] = true
			rising = rising && phone > before
			before = phone
		}
		again, _, _, _ := st.textAt(7, st.phones.count, order)
		if uint64(len(seen)) != st.phones.count || !seen[again] {
			t.Errorf("%s: %d phones of %d", yaml, len(seen), st.phones.count)
		}
		if st.phones.count > 50 && rising {
			t.Errorf("%s: ascending", yaml)
		}
	}
}

func TestGeneratedTextsAreTheSameForTheSameSeed(t *testing.T) {
	yaml := `traffic:
  - {name: joins, to: "` + testNumber + `", phones: {pattern: "1312555####"}, per_second: 5000, total: 60, texts: [{text: "JOIN {i}", share: 0.7}, {text: "🎉 {phone}", characters: 90, part_order: random}]}
`
	run := func() []string {
		r := startSMSC(t, t.TempDir(), testAccounts(), scenarioOf(t, yaml))
		c := r.bind(smpp.BindTransceiverID)
		defer c.nc.Close()
		until(t, "all are made up", func() bool { return r.server.listTraffic()[0].Sent == 60 })
		n := int(r.server.pending.Load())
		var out []string
		for _, m := range c.take(n) {
			out = append(out, fmt.Sprint(m.from, m.part, m.parts, text.Decode(m.dcs, []byte(m.body))))
		}
		slices.Sort(out)
		return out
	}
	first := run()
	if second := run(); !slices.Equal(first, second) {
		t.Errorf("%v\n%v", first, second)
	}
	if n := len(first); n < 70 || n > 100 {
		t.Errorf("%d parts of 60 texts, of which 0.3 have two", n)
	}
}

func TestTextsComeInEveryManner(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransceiverID)
	long := strings.Repeat("Is it [tonight]? ", 20)
	emoji := strings.Repeat("🎉🎊 ok ", 20)
	coding := func(n int) *int { return &n }
	for name, tc := range map[string]struct {
		q     TextRequest
		parts int
		check func(m mo) bool
		body  func(dcs byte, s string) string
	}{
		"8-bit references":  {TextRequest{Text: long}, 3, func(m mo) bool { return m.esm == smpp.ESMUDHI && m.ref < 256 && m.dcs == 0 }, nil},
		"16-bit references": {TextRequest{Text: long, Manner: Manner{Parts: "udh16"}}, 3, func(m mo) bool { return m.esm == smpp.ESMUDHI && m.ref > 255 }, nil},
		"SAR":               {TextRequest{Text: long, Manner: Manner{Parts: "sar"}}, 3, func(m mo) bool { return m.esm == 0 && m.ref > 0 }, nil},
		"message_payload":   {TextRequest{Text: long, Manner: Manner{Parts: "payload"}}, 1, func(m mo) bool { return m.esm == 0 && len(m.body) == 380 }, nil},
		"emoji whole":       {TextRequest{Text: emoji, Manner: Manner{Parts: "udh16"}}, 3, func(m mo) bool { return m.dcs == 8 && len(m.body)%2 == 0 }, nil},
		"message class":     {TextRequest{Text: "STOP", Manner: Manner{DataCoding: coding(0xF1)}}, 1, func(m mo) bool { return m.dcs == 0xF1 && m.body == "STOP" }, nil},
		"reserved coding":   {TextRequest{Text: "STOP", Manner: Manner{DataCoding: coding(0xFF)}}, 1, func(m mo) bool { return m.dcs == 0xFF }, nil},
		"UCS-2 said to be GSM": {
			TextRequest{Text: "Ж", Manner: Manner{Encoding: "ucs2", DataCoding: coding(0)}},
			1,
			func(m mo) bool { return m.dcs == 0 && m.body == "\x04\x16" }, func(byte, string) string { return "Ж" },
		},
		"Latin-1":         {TextRequest{Text: "für", Manner: Manner{Encoding: "latin1"}}, 1, func(m mo) bool { return m.dcs == 3 && m.body == "f\xfcr" }, nil},
		"UTF-8 as 8-bit":  {TextRequest{Text: "für", Manner: Manner{Encoding: "utf8"}}, 1, func(m mo) bool { return m.dcs == 4 && m.body == "für" }, func(_ byte, s string) string { return s }},
		"octets":          {TextRequest{Octets: "00ff80", Manner: Manner{}}, 1, func(m mo) bool { return m.dcs == 4 && m.body == "\x00\xff\x80" }, func(byte, string) string { return "" }},
		"a plus":          {TextRequest{Text: "x", Manner: Manner{PhoneForm: "plus"}}, 1, func(m mo) bool { return m.from == "+"+testPhone && m.ton == smpp.TONInternational }, nil},
		"two zeros":       {TextRequest{Text: "x", Manner: Manner{PhoneForm: "zeros"}}, 1, func(m mo) bool { return m.from == "00"+testPhone && m.ton == smpp.TONUnknown }, nil},
		"national":        {TextRequest{Text: "x", Manner: Manner{PhoneForm: "national"}}, 1, func(m mo) bool { return m.from == testPhone[1:] && m.ton == smpp.TONNational }, nil},
		"parts backwards": {TextRequest{Text: long, Manner: Manner{PartOrder: "descending"}}, 3, func(mo) bool { return true }, nil},
		"twice":           {TextRequest{Text: "again", Manner: Manner{Duplicate: 1, DuplicateAfter: Duration(time.Millisecond)}}, 2, func(m mo) bool { return m.body == "again" }, func(byte, string) string { return "again" }},
		"a part lost":     {TextRequest{Text: long, Manner: Manner{LosePart: 1}}, 2, func(m mo) bool { return m.parts == 3 }, func(byte, string) string { return long }},
		"TLVs":            {TextRequest{Text: "x", Manner: Manner{TLVs: []TLV{{0x1401, "6162"}}}}, 1, func(m mo) bool { return string(m.tlvs) == "\x14\x01\x00\x02ab" }, nil},
	} {
		tc.q.From, tc.q.To = testPhone, testNumber
		if _, err := r.control().Send(t.Context(), tc.q); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := c.take(tc.parts)
		if name == "parts backwards" && (got[0].part != 3 || got[2].part != 1) {
			t.Errorf("%s: %d first, %d last", name, got[0].part, got[2].part)
		}
		slices.SortStableFunc(got, func(a, b mo) int { return a.part - b.part })
		body, dcs := "", byte(0)
		for _, m := range got {
			body, dcs = body+m.body, m.dcs
			if !tc.check(m) || m.to != testNumber {
				t.Errorf("%s: %+v", name, m)
			}
		}
		if tc.body != nil {
			body = tc.q.Text
		} else {
			body = text.Decode(dcs, []byte(body))
		}
		if tc.q.Octets == "" && body != tc.q.Text {
			t.Errorf("%s: %q", name, body)
		}
	}
	c.quiet(30 * time.Millisecond)
	for name, m := range map[string]Manner{
		"parts": {Parts: "udh32"}, "order": {PartOrder: "none"}, "encoding": {Encoding: "ebcdic"}, "coding": {DataCoding: coding(256)}, "phone": {PhoneForm: "x"},
		"share": {Duplicate: 2}, "tlv": {TLVs: []TLV{{1, "x"}}}, "gsm": {Encoding: "gsm"}, "esm": {ESMClass: 256},
	} {
		if _, err := r.control().Send(t.Context(), TextRequest{From: testPhone, To: testNumber, Text: "Ж", Manner: m}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestATextInAnOddMannerIsNotLostByARestart(t *testing.T) {
	dir := t.TempDir()
	r := startSMSC(t, dir, testAccounts(), quick())
	long := strings.Repeat("Is it tonight? ", 20)
	for _, m := range []Manner{{Parts: "sar", LosePart: 1, PhoneForm: "plus"}, {Parts: "payload", TLVs: []TLV{{0x1401, "6162"}}}} {
		if _, err := r.control().Send(t.Context(), TextRequest{From: testPhone, To: testNumber, Text: long, Manner: m}); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.server.pending.Load(); n != 2 {
		t.Fatalf("%d parts owed, want one of SAR and the payload", n)
	}
	r.stop()
	r = startSMSC(t, dir, testAccounts(), quick())
	c := r.bind(smpp.BindReceiverID)
	got := c.take(2)
	c.quiet(30 * time.Millisecond)
	slices.SortFunc(got, func(a, b mo) int { return b.parts - a.parts })
	if sar := got[0]; sar.parts != 2 || sar.from != "+"+testPhone || sar.ref == 0 || !strings.Contains(long, sar.body) {
		t.Errorf("%+v", sar)
	}
	if payload := got[1]; payload.body != long || !strings.HasSuffix(string(payload.tlvs), "\x14\x01\x00\x02ab") {
		t.Errorf("%+v", payload)
	}
}

func TestTrafficGoesOnAfterARestartWhereItWas(t *testing.T) {
	dir := t.TempDir()
	scenario := func() *Scenario { // without a seed: what it was stands in the log
		s := scenarioOf(t, `traffic: [{name: joins, to: "`+testNumber+`", phones: {from: "13125550000", count: 300}, total: 300, over: 3s, texts: [{text: "JOIN {i}"}]}]`)
		s.Seed = 0
		return s
	}
	texts, phones := map[string]int{}, map[string]int{}
	total := 0
	for run := 0; total < 300; run++ {
		if run > 20 {
			t.Fatalf("%d texts after %d runs", total, run)
		}
		r := startSMSC(t, dir, testAccounts(), scenario())
		c := r.bind(smpp.BindReceiverID)
		for _, m := range c.take(min(100, 300-total)) {
			texts[m.body]++
			phones[m.from]++
			total++
		}
		c.send(&smpp.EnquireLink{}) // the answers have been read
		for {
			h, _ := c.receive()
			if h.ID == smpp.EnquireLinkRespID {
				break
			}
		}
		c.nc.Close()
		r.stop()
	}
	// What came after the last answer comes again: it was never answered.
	if len(texts) < 290 || len(phones) < 290 {
		t.Errorf("%d texts of %d phones", len(texts), len(phones))
	}
	for body, n := range texts {
		if n > 1 {
			t.Errorf("%q was taken and answered %d times", body, n)
		}
	}
}

func TestTrafficWaitsForABindAndForAClientThatIsSlow(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), scenarioOf(t, `traffic: [{to: "`+testNumber+`", phones: {from: "13125550000"}, per_second: 1000, total: 20, texts: [{text: x}]}]`))
	time.Sleep(50 * time.Millisecond)
	if got := r.server.listTraffic(); len(got) != 1 || got[0].Sent != 0 || got[0].Begun || got[0].Name != "traffic-1" {
		t.Fatalf("%+v: texts without a bind", got)
	}
	c := r.bind(smpp.BindReceiverID)
	c.take(20)
	c.quiet(30 * time.Millisecond)
	if n, err := r.control().Count(t.Context(), url.Values{"command": {CommandTraffic}}, 1, time.Second); err != nil || n < 1 {
		t.Errorf("%d notes of how far it came, %v", n, err)
	}
}

func TestTrafficIsSwitchedAndReplacedWhileItRuns(t *testing.T) {
	stream := func(name, word string) string {
		return `traffic: [{name: ` + name + `, to: "` + testNumber + `", phones: {from: "13125550000"}, per_second: 500, texts: [{text: ` + word + `}]}]` + "\n"
	}
	r := startSMSC(t, t.TempDir(), testAccounts(), scenarioOf(t, stream("one", "first")))
	c := r.bind(smpp.BindReceiverID)
	c.take(3)
	if !r.server.turnTraffic(TrafficSwitch{Name: "one"}) || r.server.turnTraffic(TrafficSwitch{Name: "two"}) {
		t.Fatal("switching")
	}
	sent := r.server.listTraffic()[0].Sent
	c.take(int(sent) - 3)
	c.quiet(50 * time.Millisecond)
	if err := r.control().SetScenario(t.Context(), "latency: {}\nreceipts: {}\n"+stream("two", "second")); err != nil {
		t.Fatal(err)
	}
	if m := c.take(1)[0]; m.body != "second" {
		t.Errorf("%+v", m)
	}
}

func TestPhonesReplyToWhatTheyAreSent(t *testing.T) {
	yaml := `replies:
  - {matching: "(?i)joined", to: "*7", share: 1, delay: {}, texts: [{text: STOP}]}
  - {share: 0.2, delay: {}, texts: [{text: "thanks 🎉 {phone}"}]}
`
	said := func() map[string]string {
		r := startSMSC(t, t.TempDir(), testAccounts(), scenarioOf(t, yaml))
		c := r.bind(smpp.BindTransceiverID)
		defer c.nc.Close()
		for i := range 300 {
			sm := submitTo(fmt.Sprint(13125550000+i), "You joined the list.")
			sm.RegisteredDelivery = 0
			c.write(smpp.StatusOK, uint32(i+1), sm)
		}
		out, answers := map[string]string{}, 0
		for answers < 300 || int64(len(out)) < r.server.stats.texts.Load() {
			h, p := c.receive()
			if sm, ok := p.(*smpp.DeliverSM); ok {
				out[sm.Source.Addr] = text.Decode(sm.DataCoding, sm.ShortMessage)
				c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
			} else {
				answers++
			}
		}
		return out
	}
	first := said()
	stops, thanks := 0, 0
	for phone, body := range first {
		switch {
		case body == "STOP" && strings.HasSuffix(phone, "7"):
			stops++
		case body == "thanks 🎉 "+phone:
			thanks++
		default:
			t.Errorf("%s says %q", phone, body)
		}
	}
	if stops != 30 || thanks < 25 || thanks > 85 {
		t.Errorf("%d stops, %d thanks", stops, thanks)
	}
	if second := said(); !maps.Equal(first, second) {
		t.Error("the same seed gives other replies")
	}
}

func TestAReplyIsToTheWholeOfALongTextAndOnlyOnce(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), scenarioOf(t, `replies: [{matching: "begin.*end$", delay: {min: 200ms, max: 200ms}, texts: [{text: "YES"}]}]`))
	c := r.bind(smpp.BindTransceiverID)
	long := text.Split("begin "+strings.Repeat("of a long text ", 20)+"end", 9)
	for _, i := range []int{2, 0, 1} {
		sm := submitTo(testPhone, string(long.Parts[i].Data))
		sm.ESMClass, sm.RegisteredDelivery = long.ESMClass(), 0
		if status, _ := c.submit(sm); status != smpp.StatusOK {
			t.Fatal(status)
		}
	}
	if got := c.take(1)[0]; got.body != "YES" || got.from != testPhone {
		t.Errorf("%+v", got)
	}
	c.quiet(30 * time.Millisecond)
}

func TestAReplyComesAfterTheReceiptAndSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	yaml := "replies: [{delay: {min: 300ms, max: 300ms}, texts: [{text: OK}]}]\n"
	r := startSMSC(t, dir, testAccounts(), scenarioOf(t, yaml))
	c := r.bind(smpp.BindTransmitterID)
	c.submit(submitTo(testPhone, "hello"))
	c.submit(submitTo("nobody", "hello"))
	c.nc.Close()
	r.stop()
	r = startSMSC(t, dir, testAccounts(), scenarioOf(t, ""))
	c = r.bind(smpp.BindReceiverID)
	first, second := c.take(1)[0], c.take(1)[0]
	if first.esm != smpp.ESMReceipt || second.body != "OK" || second.from != testPhone {
		t.Errorf("%+v, then %+v", first, second)
	}
	c.quiet(30 * time.Millisecond)
}

func TestAPhoneDoesNotReplyToWhatNeverReachedIt(t *testing.T) {
	s := scenarioOf(t, "replies: [{delay: {}, texts: [{text: OK}]}]\n")
	s.Receipts = &Receipts{States: map[string]float64{"UNDELIV": 1}, Delay: &Distribution{}}
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	c.submit(submitTo(testPhone, "hello"))
	if got := c.take(1)[0]; got.esm != smpp.ESMReceipt {
		t.Errorf("%+v", got)
	}
	c.quiet(30 * time.Millisecond)
}

func TestTrafficThatMakesNoSenseIsRefused(t *testing.T) {
	good := `to: "1", phones: {from: "1"}, per_second: 1, texts: [{text: x}]`
	for want, yaml := range map[string]string{
		"to":                  `phones: {from: "1"}, per_second: 1, texts: [{text: x}]`,
		"phones":              `to: "1", per_second: 1, texts: [{text: x}]`,
		"count":               strings.Replace(good, `from: "1"`, `from: "13", count: 1000000`, 1),
		"pattern":             strings.Replace(good, `from: "1"`, `pattern: "13"`, 1),
		"list":                strings.Replace(good, `from: "1"`, `list: [Anna]`, 1),
		"order":               strings.Replace(good, `from: "1"`, `from: "1", order: none`, 1),
		"texts":               `to: "1", phones: {from: "1"}, per_second: 1`,
		"shares":              strings.Replace(good, "{text: x}", "{text: x, share: 0.7}", 1),
		"per_second, or":      strings.Replace(good, "per_second: 1", "over: 1s", 1),
		"one too many":        strings.Replace(good, "per_second: 1", "per_second: 1, over: 1s, total: 5", 1),
		"shape":               strings.Replace(good, "per_second: 1", "per_second: 1, over: 1s, shape: round", 1),
		"want an end":         strings.Replace(good, "per_second: 1", "per_second: 1, shape: post", 1),
		"curve":               strings.Replace(good, "per_second: 1", "total: 1, over: 1s, curve: [{at: 0, rate: 1}]", 1),
		"at the peak":         strings.Replace(good, "per_second: 1", "per_second: 1000000", 1),
		"one word":            good + `, name: "a b"`,
		"texts[0].encoding":   strings.Replace(good, "{text: x}", "{text: Ж, encoding: gsm}", 1),
		"more than 255":       strings.Replace(good, "{text: x}", "{text: Ж, characters: 17080, parts: udh16}", 1),
		"texts[0].octets":     strings.Replace(good, "{text: x}", "{octets_hex: 0}", 1),
		"texts[0].characters": strings.Replace(good, "{text: x}", "{text: x, characters: -1}", 1),
	} {
		_, err := ParseScenario("test", []byte("traffic: [{"+yaml+"}]"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %s", yaml, err, want)
		}
	}
	if _, err := ParseScenario("test", []byte("traffic: [{"+good+"}, {name: traffic-1, "+good+"}]")); err == nil {
		t.Error("a name given twice is taken")
	}
	for want, yaml := range map[string]string{
		"matching": `matching: "(", texts: [{text: x}]`, "texts": "share: 1", "delay": "delay: {min: 2s, max: 1s}, texts: [{text: x}]", "share": "share: 2, texts: [{text: x}]",
	} {
		if _, err := ParseScenario("test", []byte("replies: [{"+yaml+"}]")); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to name %s", yaml, err, want)
		}
	}
}
