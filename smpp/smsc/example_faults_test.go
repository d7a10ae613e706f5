package smsc

import (
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/text"
)

// seen by a client that plays against an example.
type played struct {
	answers   map[uint32]smpp.Status // by the submit's sequence number
	order     []uint32               // of the answers
	ids       map[string]int         // of accepted submits
	bodies    map[int]int            // answers to submits by length of body
	nacks     int                    // generic_nack
	nackZero  int
	receipts  []*smpp.DeliverSM
	dataSM    int
	early     int // receipts before any answer had their id
	texts     []mo
	requests  map[smpp.CommandID]int
	options   int // answers with TLVs
	ended     error
	took      time.Duration // until all submits were answered
	reads     int
	undecoded int
}

// player is a client that submits and answers all it is sent, and keeps what it saw.
type player struct {
	t        *testing.T
	nc       net.Conn
	version  byte
	asked    byte // registered_delivery
	submits  int
	gap      time.Duration // between submits
	until    func(p *played) bool
	deadline time.Duration
}

func (x *player) play() *played {
	x.t.Helper()
	p := &played{answers: map[uint32]smpp.Status{}, ids: map[string]int{}, bodies: map[int]int{}, requests: map[smpp.CommandID]int{}}
	start := time.Now()
	sent := make(chan struct{})
	go func() { // ends with its submits or the connection
		defer close(sent)
		for i := range x.submits {
			sm := submitTo("1312555"+string([]byte{'0' + byte(i/1000%10), '0' + byte(i/100%10), '0' + byte(i/10%10), '0' + byte(i%10)}), "Hello, reply STOP to end")
			sm.Source.Addr, sm.RegisteredDelivery = "12345", x.asked
			b, err := smpp.Append(nil, smpp.StatusOK, uint32(i+10), sm)
			if err != nil {
				return
			}
			_ = x.nc.SetWriteDeadline(time.Now().Add(20 * time.Second))
			if _, err := x.nc.Write(b); err != nil {
				return
			}
			time.Sleep(x.gap)
		}
	}()
	buf := make([]byte, 0, 1<<16)
	for {
		_ = x.nc.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		n, err := x.nc.Read(buf[len(buf):cap(buf)])
		if n > 0 {
			p.reads++
		}
		buf = x.take(p, buf[:len(buf)+n])
		if len(p.answers) == x.submits && p.took == 0 {
			p.took = time.Since(start)
		}
		timeout := errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !timeout {
			p.ended = err
			break
		}
		if x.until(p) || time.Since(start) > x.deadline {
			break
		}
	}
	_ = x.nc.SetWriteDeadline(time.Now())
	<-sent
	return p
}

// take works on whole PDUs and gives back the rest.
func (x *player) take(p *played, b []byte) []byte {
	whole := b
	for len(b) >= smpp.HeaderLen {
		size := int(binary.BigEndian.Uint32(b))
		if size < smpp.HeaderLen || size > 1<<17 {
			p.undecoded++
			return b[:0]
		}
		if size > len(b) {
			break
		}
		h, pdu, err := smpp.Decode(b[:size])
		if err != nil {
			p.undecoded++
		} else {
			x.pdu(p, h, pdu)
		}
		b = b[size:]
	}
	if len(b) == len(whole) && cap(b) > len(b) {
		return b
	}
	return append(make([]byte, 0, len(b)+1<<16), b...) // what was decoded lies in the old one
}

func (x *player) pdu(p *played, h smpp.Header, pdu smpp.PDU) {
	switch h.ID {
	case smpp.SubmitSMRespID:
		r := pdu.(*smpp.SubmitSMResp)
		p.answers[h.Sequence] = h.Status
		p.order = append(p.order, h.Sequence)
		p.bodies[int(h.Length)-smpp.HeaderLen]++
		if h.Status == smpp.StatusOK {
			p.ids[r.MessageID]++
		}
		if len(r.Options) > 0 {
			p.options++
		}
		return
	case smpp.GenericNackID:
		p.nacks++
		if h.Sequence == 0 {
			p.nackZero++
		} else {
			p.answers[h.Sequence] = h.Status
		}
		return
	}
	p.requests[h.ID]++
	switch r := pdu.(type) {
	case *smpp.DeliverSM:
		if receipt, ok := smpp.ParseReceipt(r); ok || r.ESMClass&0x2c != 0 {
			if ok && p.ids[receipt.ID] == 0 {
				p.early++
			}
			p.receipts = append(p.receipts, r)
		} else {
			p.texts = append(p.texts, readText(x.t, r))
		}
		x.answer(h, &smpp.DeliverSMResp{})
	case *smpp.DataSM:
		p.dataSM++
		x.answer(h, &smpp.DataSMResp{})
	case *smpp.EnquireLink:
		x.answer(h, &smpp.EnquireLinkResp{})
	case *smpp.Unbind:
		x.answer(h, &smpp.UnbindResp{})
	}
}

func (x *player) answer(h smpp.Header, resp smpp.PDU) {
	if b, err := smpp.Append(nil, smpp.StatusOK, h.Sequence, resp); err == nil {
		_ = x.nc.SetWriteDeadline(time.Now().Add(10 * time.Second))
		_, _ = x.nc.Write(b) // The connection's end is seen by reading.
	}
}

// example is what a client sees of a file under configs/simulator/faults.
type example struct {
	submits int
	gap     time.Duration
	asked   byte
	version byte
	binds   int                  // beside the one that plays
	until   func(p *played) bool // besides all submits answered and a moment more
	check   func(p *played) bool
}

func all(n int) func(*played) bool { return func(p *played) bool { return len(p.answers) == n } }

func receipts(n int) func(*played) bool {
	return func(p *played) bool { return len(p.receipts)+p.dataSM >= n }
}

func texts(n int) func(*played) bool { return func(p *played) bool { return len(p.texts) >= n } }

func ended(p *played) bool { return p.ended != nil }

func (p *played) with(status smpp.Status) (n int) {
	for _, s := range p.answers {
		if s == status {
			n++
		}
	}
	return n
}

func (p *played) receiptsLike(match func(sm *smpp.DeliverSM, text string) bool) (n int) {
	for _, r := range p.receipts {
		if match(r, string(r.ShortMessage)) {
			n++
		}
	}
	return n
}

func examples() map[string]example {
	return map[string]example{
		"answers-late": {submits: 200, until: all(200), check: func(p *played) bool { return !slices.IsSorted(p.order) }},
		"answers-never": {submits: 200, asked: 1, until: receipts(150), check: func(p *played) bool {
			return len(p.answers) < 195 && len(p.answers) > 150 && len(p.receipts) >= 150
		}},
		"answers-odd": {submits: 200, version: smpp.Version34, until: all(200), check: func(p *played) bool {
			return p.bodies[0] > 5 && p.ids[""] > 10 && p.with(smpp.StatusInvDstAddr) > 5 && p.options > 100
		}},
		"nacked": {submits: 200, until: func(p *played) bool { return len(p.answers)+p.nackZero == 200 }, check: func(p *played) bool {
			return p.nacks > 10 && p.nackZero > 0 && p.with(smpp.StatusInvCmdLen) > 10
		}},
		"throttled":  {submits: 300, gap: 3 * time.Millisecond, until: all(300), check: func(p *played) bool { return p.with(smpp.StatusThrottled) > 20 && p.with(smpp.StatusOK) > 20 }},
		"queue-full": {submits: 200, asked: 1, until: all(200), check: func(p *played) bool { return p.with(smpp.StatusMsgQFull) > 100 && p.with(smpp.StatusOK) >= 50 }},
		"errors-by-code": {submits: 400, until: all(400), check: func(p *played) bool {
			return p.with(0x400) > 0 && p.with(0x4ff) > 0 && p.with(smpp.StatusSysErr) > 0 && p.with(smpp.StatusOK) > 250
		}},
		"receipts-lost": {submits: 200, asked: 1, until: func(*played) bool { return false }, check: func(p *played) bool {
			return len(p.receipts) < 190 && len(p.receipts) > 120
		}},
		"receipts-early":      {submits: 100, asked: 1, until: receipts(100), check: func(p *played) bool { return p.early > 20 && p.early < 80 }},
		"receipts-duplicate":  {submits: 100, asked: 1, until: receipts(140), check: func(p *played) bool { return len(p.receipts) >= 130 && len(p.receipts) < 180 }},
		"receipts-reordered":  {submits: 100, asked: 1, until: receipts(100), check: func(p *played) bool { return !slices.IsSortedFunc(p.receipts, byReceiptID) }},
		"receipts-other-bind": {submits: 100, asked: 1, binds: 1, until: func(*played) bool { return false }, check: func(p *played) bool { return len(p.receipts) > 20 && len(p.receipts) < 80 }},
		"receipts-hex-ids": {submits: 50, asked: 1, until: receipts(50), check: func(p *played) bool {
			return p.early == 50 && p.receiptsLike(func(sm *smpp.DeliverSM, _ string) bool { return len(sm.Options) == 0 }) == 50
		}},
		"receipts-odd-text": {submits: 100, asked: 1, until: receipts(100), check: func(p *played) bool {
			has := func(s string) bool {
				return p.receiptsLike(func(_ *smpp.DeliverSM, text string) bool { return strings.Contains(text, s) }) > 0
			}
			return has("stat:delivrd") && has("err:0042") && has("ACKED") && has("FAILED") && has("00,") && p.receiptsLike(func(_ *smpp.DeliverSM, s string) bool { return !strings.Contains(s, "id:") }) > 0
		}},
		"receipts-in-data-sm": {submits: 100, asked: 1, until: receipts(100), check: func(p *played) bool {
			return p.dataSM == 80 && p.receiptsLike(func(_ *smpp.DeliverSM, text string) bool { return text == "" }) == 20
		}},
		"receipts-unmarked": {submits: 100, asked: 1, until: func(p *played) bool { return len(p.receipts)+len(p.texts) >= 100 }, check: func(p *played) bool {
			return p.receiptsLike(func(sm *smpp.DeliverSM, _ string) bool { return sm.ESMClass == 0x20 }) == 10 && p.receiptsLike(func(sm *smpp.DeliverSM, _ string) bool { return sm.ESMClass == 0x44 }) == 10
		}},
		"receipts-intermediate": {submits: 20, asked: 1, until: receipts(40), check: func(p *played) bool {
			return p.receiptsLike(func(sm *smpp.DeliverSM, text string) bool {
				return sm.ESMClass == 0x20 && strings.Contains(text, "ENROUTE")
			}) == 20
		}},
		"receipts-unasked": {submits: 20, asked: 0, until: receipts(20), check: func(p *played) bool { return len(p.receipts) == 20 }},
		"ids-repeated":     {submits: 100, until: all(100), check: func(p *played) bool { return len(p.ids) < 95 && len(p.ids) > 50 }},
		"dropped": {submits: 60, gap: time.Millisecond, until: ended, check: func(p *played) bool {
			return p.ended != nil && len(p.answers) < 20 // a write may have been told of the reset before a read
		}},
		"closed":   {submits: 60, gap: time.Millisecond, until: ended, check: func(p *played) bool { return p.ended != nil && len(p.answers) <= 20 }},
		"half-pdu": {submits: 60, gap: time.Millisecond, until: ended, check: func(p *played) bool { return p.ended != nil && len(p.answers) <= 60 }},
		"pieces": {submits: 20, until: all(20), check: func(p *played) bool {
			return p.reads > 20 && p.took > 150*time.Millisecond && p.with(smpp.StatusOK) == 20
		}},
		"zero-window":  {submits: 200, gap: time.Millisecond, until: all(200), check: func(p *played) bool { return p.took > time.Second && p.with(smpp.StatusOK) == 200 }},
		"half-open":    {submits: 60, gap: time.Millisecond, until: func(*played) bool { return false }, check: func(p *played) bool { return p.ended == nil && len(p.answers) <= 20 }},
		"silent":       {submits: 60, until: all(50), check: func(p *played) bool { return len(p.answers) == 50 && p.answers[10+25] == 0 }},
		"system-error": {submits: 60, until: all(60), check: func(p *played) bool { return p.with(smpp.StatusSysErr) == 20 && p.nacks == 10 }},
		"unbound":      {submits: 60, gap: time.Millisecond, until: func(p *played) bool { return p.requests[smpp.UnbindID] > 0 && ended(p) }, check: func(p *played) bool { return p.requests[smpp.UnbindID] == 1 && p.ended != nil }},
		"garbage":      {until: func(p *played) bool { return p.undecoded > 0 }, check: func(p *played) bool { return p.undecoded > 0 }},
		"bad-length":   {until: func(p *played) bool { return p.undecoded > 0 }, check: func(p *played) bool { return p.undecoded > 0 }},
		"flood":        {submits: 20, gap: 20 * time.Millisecond, until: func(p *played) bool { return len(p.texts) == 2000 && len(p.answers) == 20 }, check: func(p *played) bool { return len(p.texts) == 2000 && p.with(smpp.StatusOK) == 20 }},
		"congestion":   {submits: 20, version: smpp.Version50, until: all(20), check: func(p *played) bool { return p.options == 20 }},
		"mo-out-of-order": {until: texts(20), check: func(p *played) bool {
			return slices.ContainsFunc(p.texts, func(m mo) bool { return m.parts > 1 }) && !slices.IsSortedFunc(p.texts, func(a, b mo) int { return a.part - b.part })
		}},
		"mo-every-form": {until: texts(60), check: func(p *played) bool {
			has := func(f func(m mo) bool) bool { return slices.ContainsFunc(p.texts, f) }
			return has(func(m mo) bool { return m.esm == 0 && m.parts > 1 }) && has(func(m mo) bool { return m.esm == 0x40 && m.ref > 255 }) &&
				has(func(m mo) bool { return m.parts == 1 && len(m.body) == 1000 }) && has(func(m mo) bool { return m.dcs == 8 && m.parts > 1 })
		}},
		"mo-odd-coding": {until: texts(60), check: func(p *played) bool {
			codings := map[byte]bool{}
			for _, m := range p.texts {
				codings[m.dcs] = true
			}
			return codings[0xF1] && codings[0xFF] && codings[0] && codings[3] && codings[4]
		}},
		"mo-duplicate": {until: texts(60), check: func(p *played) bool {
			count := map[string]int{}
			twice := 0
			for _, m := range p.texts {
				if count[m.body]++; count[m.body] == 2 {
					twice++
				}
			}
			return twice > 5
		}},
		"mo-part-missing": {until: texts(60), check: func(p *played) bool {
			parts := map[string]int{}
			for _, m := range p.texts {
				parts[m.from]++
			}
			short := 0
			for _, n := range parts {
				if n == 2 {
					short++
				}
			}
			return short > 3
		}},
		"replies": {submits: 100, asked: 1, until: texts(50), check: func(p *played) bool {
			return slices.ContainsFunc(p.texts, func(m mo) bool { return m.body == "STOP" }) &&
				slices.ContainsFunc(p.texts, func(m mo) bool { return strings.HasPrefix(text.Decode(m.dcs, []byte(m.body)), "thanks") })
		}},
	}
}

func byReceiptID(a, b *smpp.DeliverSM) int {
	x, _ := smpp.ParseReceipt(a)
	y, _ := smpp.ParseReceipt(b)
	return strings.Compare(x.ID, y.ID)
}

// exampleDeadline bounds how long a client plays; what is not to come can only be waited for.
const exampleDeadline = 4 * time.Second

func TestEachExampleOfAFaultDoesWhatItSays(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "configs", "simulator", "faults", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	byHand := map[string]func(*testing.T, *running){
		"bind-refused": exampleBindRefused, "stale-binds": exampleStaleBinds, "connection-refused": exampleConnectionRefused,
		"enquire-before-bind": exampleEnquireFirst, "unbind-silent": exampleUnbindSilent, "version-33": exampleVersion33, "outbind": nil,
	}
	table := examples()
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario, err := LoadScenario(file)
			if err != nil {
				t.Fatal(err)
			}
			accounts := StandaloneAccounts()
			if name == "stale-binds" {
				accounts[0].MaxBinds = 1
			}
			if name == "outbind" {
				exampleOutbind(t, accounts, &scenario)
				return
			}
			r := startSMSC(t, t.TempDir(), accounts, &scenario)
			if play, ok := byHand[name]; ok {
				play(t, r)
				return
			}
			x, ok := table[name]
			if !ok {
				t.Fatal("nothing here plays against this file")
			}
			x.play(t, r)
		})
	}
	for name := range table {
		if !slices.ContainsFunc(files, func(f string) bool { return filepath.Base(f) == name+".yaml" }) {
			t.Errorf("%s.yaml is not there", name)
		}
	}
}

func (x example) play(t *testing.T, r *running) {
	version := x.version
	if version == 0 {
		version = smpp.Version34
	}
	for range x.binds { // reads and answers nothing; its window is large enough
		standaloneBind(t, r, smpp.BindReceiverID, smpp.Version34)
	}
	c := standaloneBind(t, r, smpp.BindTransceiverID, version)
	p := (&player{t: t, nc: c.nc, version: version, asked: x.asked, submits: x.submits, gap: x.gap, until: x.until, deadline: exampleDeadline}).play()
	if !x.check(p) {
		t.Errorf("%d answers of %d, ids %d, bodies %v, nacks %d (%d), receipts %d (%d early), data_sm %d, texts %d, options %d, reads %d, ended %v, took %v",
			len(p.answers), x.submits, len(p.ids), p.bodies, p.nacks, p.nackZero, len(p.receipts), p.early, p.dataSM, len(p.texts), p.options, p.reads, p.ended, p.took)
		for i, m := range p.receipts[:min(len(p.receipts), 8)] {
			t.Logf("%d %#x %q %x", i, m.ESMClass, m.ShortMessage, []byte(m.Options))
		}
	}
}

// standaloneBind binds as the built-in account, and must succeed.
func standaloneBind(t *testing.T, r *running, kind smpp.CommandID, version byte) *client {
	t.Helper()
	c := r.dial()
	if status := bindAs(c, kind, version); status != smpp.StatusOK {
		t.Fatal(status)
	}
	return c
}

func bindAs(c *client, kind smpp.CommandID, version byte) smpp.Status {
	c.t.Helper()
	c.send(&smpp.Bind{Kind: kind, SystemID: "smppclient1", Password: "password", InterfaceVersion: version})
	h, _ := c.receive()
	return h.Status
}

func exampleBindRefused(t *testing.T, r *running) {
	if got := bindAs(r.dial(), smpp.BindTransceiverID, smpp.Version34); got != smpp.StatusSysErr {
		t.Errorf("the first bind got %s", got)
	}
	start := time.Now()
	if got := bindAs(r.dial(), smpp.BindTransceiverID, smpp.Version34); got != smpp.StatusOK || time.Since(start) < 900*time.Millisecond {
		t.Errorf("the second bind got %s after %v", got, time.Since(start))
	}
}

func exampleStaleBinds(t *testing.T, r *running) {
	c := standaloneBind(t, r, smpp.BindTransceiverID, smpp.Version34)
	p := (&player{t: t, nc: c.nc, submits: 20, gap: time.Millisecond, until: ended, deadline: exampleDeadline}).play()
	if p.ended == nil {
		t.Fatal("the connection was not dropped")
	}
	if got := bindAs(r.dial(), smpp.BindTransceiverID, smpp.Version34); got != smpp.StatusAlreadyBound {
		t.Errorf("who comes back at once gets %s", got)
	}
	until(t, "the place is free again", func() bool {
		again := r.dial()
		status := bindAs(again, smpp.BindTransceiverID, smpp.Version34)
		again.nc.Close()
		return status == smpp.StatusOK
	})
}

func exampleConnectionRefused(t *testing.T, r *running) {
	nc, err := net.Dial("tcp", r.addr)
	if err == nil { // it was listened on for a moment
		nc.Close()
	}
	var first error
	refused := false
	until(t, "it listens again", func() bool {
		nc, err := net.Dial("tcp", r.addr)
		if err != nil {
			refused, first = true, err
			return false
		}
		nc.Close()
		return refused
	})
	if first == nil || !strings.Contains(first.Error(), "refused") {
		t.Errorf("%v, want the connection refused", first)
	}
}

func exampleEnquireFirst(t *testing.T, r *running) {
	c := r.dial()
	h, _ := c.expect(smpp.EnquireLinkID)
	c.write(smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
	if got := bindAs(c, smpp.BindTransceiverID, smpp.Version34); got != smpp.StatusOK {
		t.Error(got)
	}
}

func exampleUnbindSilent(t *testing.T, r *running) {
	c := standaloneBind(t, r, smpp.BindTransceiverID, smpp.Version34)
	c.send(&smpp.Unbind{})
	c.quiet(100 * time.Millisecond)
}

func exampleVersion33(t *testing.T, r *running) {
	if got := bindAs(r.dial(), smpp.BindTransceiverID, smpp.Version34); got == smpp.StatusOK {
		t.Error("a transceiver binds where SMPP 3.3 is spoken")
	}
	c := r.dial()
	if got := bindAs(c, smpp.BindTransmitterID, smpp.Version34); got != smpp.StatusOK {
		t.Fatal(got)
	}
	sm := submitTo("13125550001", "hello")
	sm.Source.Addr = "12345"
	if status, id := c.submit(sm); status != smpp.StatusOK || len(id) > 8 {
		t.Errorf("%s, id %q", status, id)
	}
}

func exampleOutbind(t *testing.T, accounts []Account, scenario *Scenario) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	scenario.Outbind[0].Address = listener.Addr().String() // The file's may be taken.
	startSMSC(t, t.TempDir(), accounts, scenario)
	nc, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &client{t: t, nc: nc}
	_, p := c.expect(smpp.OutbindID)
	if o := p.(*smpp.Outbind); o.SystemID != "smsc" || o.Password != "secret" {
		t.Errorf("%+v", o)
	}
	if got := bindAs(c, smpp.BindReceiverID, smpp.Version34); got != smpp.StatusOK {
		t.Error(got)
	}
}
