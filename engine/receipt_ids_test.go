package engine

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"fanline/engine/message"
)

const autoNumber = postNumber + 1

// spelling is how a carrier writes one number in responses and in receipts.
type spelling struct {
	name              string
	response, receipt func(n uint64) string
	form              IDForm
}

func spellings() []spelling {
	decimal := func(n uint64) string { return strconv.FormatUint(n, 10) }
	hex := func(n uint64) string { return strconv.FormatUint(n, 16) }
	upper := func(n uint64) string { return strings.ToUpper(hex(n)) }
	padded := func(n uint64) string { return fmt.Sprintf("%010d", n) }
	uuid := func(n uint64) string { return fmt.Sprintf("0%07x-0000-4000-8000-%012x", n, n) }
	return []spelling{
		{"decimal", decimal, decimal, IDSame},
		{"decimal, padded in receipts", decimal, padded, IDSame},
		{"decimal, padded in responses", padded, decimal, IDSame},
		{"hex, another case", upper, hex, IDSame},
		{"hex, padded in responses", func(n uint64) string { return fmt.Sprintf("%08X", n) }, hex, IDSame},
		{"hex to decimal", hex, decimal, IDDecimal},
		{"hex, upper and padded, to padded decimal", func(n uint64) string { return fmt.Sprintf("%08X", n) }, padded, IDDecimal},
		{"decimal to hex", decimal, hex, IDHex},
		{"decimal to upper hex", padded, func(n uint64) string { return fmt.Sprintf("%08X", n) }, IDHex},
		{"UUID, another case", uuid, func(n uint64) string { return strings.ToUpper(uuid(n)) }, IDSame},
		{"64 characters", func(n uint64) string { return fmt.Sprintf("%064d", n) }, decimal, IDSame},
		{"64 letters", func(n uint64) string { return fmt.Sprintf("z%063x", n) }, func(n uint64) string { return fmt.Sprintf("Z%063X", n) }, IDSame},
	}
}

func TestTheFormOfIDsIsFoundOutAndReported(t *testing.T) {
	for _, s := range spellings() {
		t.Run(s.name, func(t *testing.T) {
			p := newPost(t, nil)
			var sent []message.ID
			for i := range uint64(3 * sureAfter) {
				phone := ann + message.Phone(i)
				sent = append(sent, p.send(autoNumber, phone, 1))
				p.accept("auto", phone, 1, s.response(70_000+i))
			}
			for i := range uint64(3 * sureAfter) {
				p.delivered("auto", s.receipt(70_000+i), ann+message.Phone(i))
			}
			for _, id := range sent {
				p.want(id, message.Delivered)
			}
			r := p.stats("auto")
			if r.Form != s.form || !r.Detected || r.ByForm[s.form] != 3*sureAfter || r.MatchRate() != 1 {
				t.Errorf("form %v, detected %v, by form %v, rate %v", r.Form, r.Detected, r.ByForm, r.MatchRate())
			}
			p.counted("auto", CarrierReceipts{Matched: 3 * sureAfter})
		})
	}
}

// Ids that mean one number in decimal and another in hexadecimal: 16 and 22 are
// 0x10 and 0x16. All messages are to one phone, so that the phone says nothing.
func TestIDsThatOverlapInAnotherBaseAreNeverMistaken(t *testing.T) {
	for _, s := range spellings() {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(20) {
				overlapping(t, s, seed, true)
				overlapping(t, s, seed, false)
			}
		})
	}
}

// overlapping sends messages whose ids are small numbers in any order, loses
// some responses, and has receipts come early, late, twice, or never. Every
// message has a fate of its own, so one credited to another would show.
func overlapping(t *testing.T, s spelling, seed uint64, onePhone bool) {
	const messages = 60
	rng := rand.New(rand.NewPCG(seed, 11))
	p := newPost(t, nil)
	fates := []message.State{message.Delivered, message.Failed, message.Expired}
	type sent struct {
		id       message.ID
		n        uint64
		phone    message.Phone
		fate     message.State
		receipts int
	}
	var all []sent
	ids := rng.Perm(messages * 2)
	for i := range messages {
		m := sent{n: uint64(ids[i]) + 1, phone: ann, fate: fates[rng.IntN(3)], receipts: 1}
		if !onePhone {
			m.phone += message.Phone(rng.IntN(8))
		}
		m.id = p.send(autoNumber, m.phone, 1)
		report := func() { p.receipt("auto", s.receipt(m.n), m.phone, autoNumber, m.fate, "") }
		switch rng.IntN(8) {
		case 0: // Early.
			report()
			p.accept("auto", m.phone, 1, s.response(m.n))
			m.receipts = 0
		case 1:
			p.lose("auto", m.phone, 1)
		default:
			p.accept("auto", m.phone, 1, s.response(m.n))
		}
		all = append(all, m)
		for range rng.IntN(3) { // The receipt of some message before, perhaps once more.
			o := &all[rng.IntN(len(all))]
			p.receipt("auto", s.receipt(o.n), o.phone, autoNumber, o.fate, "")
			o.receipts = 0
		}
		if rng.IntN(10) == 0 {
			p.pass(3 * time.Second)
		}
	}
	for _, m := range all {
		if m.receipts > 0 {
			p.receipt("auto", s.receipt(m.n), m.phone, autoNumber, m.fate, "")
		}
	}
	p.pass(6 * time.Second)
	p.pass(6 * time.Second)
	told, wrong, open := p.read(), 0, 0
	for _, m := range all {
		switch st := told[m.id].state; st {
		case m.fate:
		case message.Submitted, message.Uncertain:
			open++
		default:
			wrong++
		}
	}
	if wrong > 0 {
		t.Errorf("seed %d, one phone %v: %d messages have the fate of another: %+v", seed, onePhone, wrong, p.stats("auto"))
	}
	if !onePhone && open > messages/2 {
		t.Errorf("seed %d: %d of %d messages found no receipt: %+v", seed, open, messages, p.stats("auto"))
	}
}

func TestACarrierThatChangesTheFormOfItsIDsIsFollowed(t *testing.T) {
	p := newPost(t, nil)
	n := uint64(70_000)
	send := func(count int, receipt func(uint64) string) (sent []message.ID) {
		for range count {
			n++
			phone := ann + message.Phone(n%50)
			sent = append(sent, p.send(autoNumber, phone, 1))
			p.accept("auto", phone, 1, strconv.FormatUint(n, 16))
			p.delivered("auto", receipt(n), phone)
		}
		return sent
	}
	send(20, func(n uint64) string { return strconv.FormatUint(n, 16) })
	if r := p.stats("auto"); r.Form != IDSame || !r.Detected {
		t.Errorf("form %v", r.Form)
	}
	changed := send(20, func(n uint64) string { return strconv.FormatUint(n, 10) })
	p.pass(5 * time.Second)
	changed = append(changed, send(5, func(n uint64) string { return strconv.FormatUint(n, 10) })...)
	for _, id := range changed {
		p.want(id, message.Delivered)
	}
	r := p.stats("auto")
	if r.Form != IDDecimal || r.ByForm[IDDecimal] != 25 || r.Parked != 0 {
		t.Errorf("%+v", r)
	}
}

func TestEarlyReceiptsOfAnUnknownFormWaitUntilItIsKnown(t *testing.T) {
	p := newPost(t, nil)
	var sent []message.ID
	for i := range uint64(30) { // Every receipt is early, and of another base than its response.
		phone := ann + message.Phone(i)
		sent = append(sent, p.send(autoNumber, phone, 1))
		p.delivered("auto", strconv.FormatUint(70_000+i, 10), phone)
		p.accept("auto", phone, 1, strconv.FormatUint(70_000+i, 16))
	}
	p.pass(5 * time.Second)
	for _, id := range sent {
		p.want(id, message.Delivered)
	}
	p.counted("auto", CarrierReceipts{Joined: 30})
}

func TestAReceiptWithoutAPhoneWaitsUntilTheFormIsSure(t *testing.T) {
	p := newPost(t, nil)
	hex := func(n uint64) string { return strconv.FormatUint(n, 16) }
	a := p.send(autoNumber, ann, 1)
	p.accept("auto", ann, 1, "16")
	b := p.send(autoNumber, ben, 1)
	p.receipt("auto", hex(22), 0, 0, message.Failed, "") // 0x16: of b, whose response is still to come.
	p.accept("auto", ben, 1, "22")
	p.pass(5 * time.Second)
	p.want(a, message.Submitted)
	p.want(b, message.Submitted)
	for i := range uint64(sureAfter) {
		phone := cleo + message.Phone(i)
		p.send(autoNumber, phone, 1)
		p.accept("auto", phone, 1, strconv.FormatUint(70_000+i, 10))
		p.delivered("auto", hex(70_000+i), phone)
	}
	p.pass(10 * time.Second)
	p.want(a, message.Submitted)
	p.want(b, message.Failed)
}

func TestIDsLookLikeWhatIsReported(t *testing.T) {
	p := newPost(t, nil)
	p.send(autoNumber, ann, 1)
	p.accept("auto", ann, 1, "00007A1F")
	p.delivered("auto", "0000031263", ann)
	r := p.stats("auto")
	if got := r.Responses.String(); got != "hex, upper case, 8 octets, zero-padded" {
		t.Errorf("responses %q", got)
	}
	if got := r.Receipts.String(); got != "decimal, 10 octets, zero-padded" {
		t.Errorf("receipts %q", got)
	}
	if r.ByForm != [IDForms]int64{0, 1, 0} {
		t.Errorf("by form %v", r.ByForm)
	}
}

func TestNationalNumbersAreTheEndOfWholeOnes(t *testing.T) {
	for _, c := range []struct {
		short, whole message.Phone
		want         bool
	}{
		{2025550101, 12025550101, true},
		{5550101, 12025550101, true}, // Seven digits are enough.
		{550101, 12025550101, false},
		{2025550102, 12025550101, false},
		{12025550101, 12025550101, false}, // The same, not a part of it.
		{7700900123, 447700900123, true},
		{0, 12025550101, false},
		{912025550101, 12025550101, false},
		{999_999_999_999_999, 1, false},
	} {
		if got := national(c.short, c.whole); got != c.want {
			t.Errorf("%d and %d: %v", c.short, c.whole, got)
		}
	}
}
