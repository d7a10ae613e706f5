package engine

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"fanline/engine/message"
	"fanline/engine/receipts"
)

// TestAnyMixOfReceiptsTellsTheTruth runs random histories of texts in one to
// three parts whose responses come in any order, late, or never, and whose
// receipts come early, twice, once more with another state, without a phone, or
// with an id that other messages have too; the engine is restarted in between.
// No message may ever stand where its receipts didn't put it, and one that the
// carrier named unmistakably must stand where they did.
func TestAnyMixOfReceiptsTellsTheTruth(t *testing.T) {
	seeds := uint64(120)
	if n, err := strconv.Atoi(os.Getenv("FANLINE_HISTORIES")); err == nil {
		seeds = uint64(n)
	}
	all := spellings()
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := &mix{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 3)), carrier: "plain", number: postNumber, spelled: all[0]}
			if seed%2 == 1 {
				h.carrier, h.number, h.spelled = "auto", autoNumber, all[int(seed/2)%len(all)]
			}
			h.run()
		})
	}
}

// mix is one history.
type mix struct {
	t       *testing.T
	p       *post
	rng     *rand.Rand
	seed    uint64
	carrier string
	number  message.Phone
	spelled spelling
	texts   []*mixed
	parts   []*mixedPart
	ids     uint64
	filed   int64
	reuse   bool // the carrier uses ids again
	did     map[message.Phone][]string
}

// note keeps what happened to a phone, for whoever has to find out why.
func (h *mix) note(part *mixedPart, what string, args ...any) {
	h.did[part.text.phone] = append(h.did[part.text.phone],
		fmt.Sprintf("%v part %d of %d, id %d: ", part.text.id, part.number, len(part.text.parts), part.id)+fmt.Sprintf(what, args...))
}

// mixed is a text and what became of it in truth.
type mixed struct {
	id     message.ID
	phone  message.Phone
	parts  []*mixedPart
	shared bool // another text to its phone has one of its ids
	own    bool // two of its parts have one
}

type mixedPart struct {
	text     *mixed
	number   int
	id       uint64
	answered bool
	lost     bool // … as unknown; a late answer may follow
	known    bool // the engine was told the id
	fate     message.State
	told     bool
	vaguely  bool // a receipt named no phone, which alone settles no doubt
}

func (h *mix) run() {
	h.p, h.did = newPost(h.t, nil), map[message.Phone][]string{}
	h.reuse = h.seed%5 == 0
	for range 250 {
		h.step()
	}
	for left, i := 1, 0; left > 0; i++ {
		left = 0
		for _, part := range h.parts {
			if !part.answered {
				left++
				h.answer(part, true)
			}
		}
		if h.p.pass(100 * time.Millisecond); i > 300 {
			h.t.Fatalf("%d parts were never written", left)
		}
	}
	for _, part := range h.parts {
		if !part.told {
			h.receipt(part, part.text.phone)
		}
	}
	for range 3 {
		h.p.pass(6 * time.Second)
	}
	h.check()
}

func (h *mix) step() {
	part := func() *mixedPart { return h.parts[h.rng.IntN(len(h.parts))] }
	switch n := h.rng.IntN(100); {
	case n < 30 || len(h.parts) == 0:
		h.send()
	case n < 60:
		if part := part(); !part.answered {
			h.answer(part, h.rng.IntN(8) > 0)
		} else if part.lost && !part.known && h.rng.IntN(2) == 0 {
			h.late(part)
		}
	case n < 90: // Sent again now and then, and in the end with another state.
		part := part()
		phone := part.text.phone
		if h.rng.IntN(10) == 0 && !h.reuse && h.carrier == "plain" {
			phone = 0
		}
		h.receipt(part, phone)
	case n < 93:
		part := part()
		h.p.receipt(h.carrier, h.spelled.receipt(part.id), part.text.phone, h.number, message.Open, "")
		h.filed++
	case n < 96:
		h.p.pass(time.Duration(h.rng.IntN(3000)) * time.Millisecond)
	case n == 96:
		h.p.boot()
		for phone := range h.did {
			h.did[phone] = append(h.did[phone], "restart")
		}
		for _, part := range h.parts { // What was on its way is lost.
			if !part.answered {
				part.answered, part.lost = true, true
			}
			part.lost = part.lost || !part.known
		}
	}
}

func (h *mix) send() {
	text := &mixed{phone: ann + message.Phone(h.rng.IntN(20))}
	for number := range 1 + h.rng.IntN(3)*h.rng.IntN(2) {
		h.ids++
		part := &mixedPart{text: text, number: number + 1, id: 70_000 + h.ids, fate: message.Delivered}
		if h.rng.IntN(3) == 0 {
			part.fate = []message.State{message.Failed, message.Expired}[h.rng.IntN(2)]
		}
		if h.reuse && h.rng.IntN(4) == 0 && h.ids > 1 {
			part.id = 70_000 + 1 + uint64(h.rng.IntN(int(h.ids)))
		}
		text.parts = append(text.parts, part)
	}
	for _, other := range h.texts {
		for _, a := range other.parts {
			for _, b := range text.parts {
				if a.id == b.id && other.phone == text.phone {
					text.shared, other.shared = true, true
				}
			}
		}
	}
	for i, a := range text.parts {
		for _, b := range text.parts[:i] {
			text.own = text.own || a.id == b.id
		}
	}
	busy := false // The harness names parts by phone: one text to a phone at a time is under way.
	for _, other := range h.texts {
		for _, part := range other.parts {
			busy = busy || other.phone == text.phone && (!part.answered || part.lost && !part.known)
		}
	}
	if busy {
		return
	}
	text.id = h.p.send(h.number, text.phone, len(text.parts))
	h.texts, h.parts = append(h.texts, text), append(h.parts, text.parts...)
}

func (h *mix) answer(part *mixedPart, accepted bool) {
	if !h.p.written(h.carrier, part.text.phone, part.number) {
		return // After losses the window is small for a while.
	}
	part.answered = true
	h.note(part, "accepted %v", accepted)
	if accepted {
		part.known = true
		h.p.accept(h.carrier, part.text.phone, part.number, h.spelled.response(part.id))
	} else {
		part.lost = true
		h.p.lose(h.carrier, part.text.phone, part.number)
	}
}

// late answers a part that was given up, unless a restart has come between.
func (h *mix) late(part *mixedPart) {
	if _, ok := h.p.binds[h.carrier].past[fmt.Sprintf("%d/%d", part.text.phone, part.number)]; ok {
		part.known = true
		h.note(part, "accepted late")
		h.p.accept(h.carrier, part.text.phone, part.number, h.spelled.response(part.id))
	}
}

// receipt files a receipt; the first of a part is the true one.
func (h *mix) receipt(part *mixedPart, phone message.Phone) {
	state := part.fate
	part.vaguely = part.vaguely || phone == 0
	if part.told && !part.text.shared && !part.text.own && !part.vaguely && h.rng.IntN(3) == 0 {
		state = message.Delivered
	}
	part.told = true
	h.filed++
	h.note(part, "receipt %v for %d", state, phone)
	h.p.receipt(h.carrier, h.spelled.receipt(part.id), phone, h.number, state, "")
}

func (h *mix) check() {
	told := h.p.read()
	for _, text := range h.texts {
		want, known := message.Open, true
		for _, part := range text.parts {
			want = receipts.Join(want, part.fate)
			known = known && part.known
		}
		got := told[text.id]
		switch {
		case got.finals > 1:
			h.t.Errorf("seed %d: %d finals of one message", h.seed, got.finals)
		case got.state == want || text.own || text.shared: // Whose receipt comes again nobody can tell.
		case got.state != message.Submitted && got.state != message.Uncertain && (got.state != message.Open || known):
			h.t.Errorf("seed %d: a message is %v, and its receipts came to %v", h.seed, got.state, want)
		case known && !h.reuse && (h.carrier == "plain" || h.p.stats("auto").Detected):
			h.t.Errorf("seed %d: a message is %v whose ids and receipts are all known, want %v: %+v", h.seed, got.state, want, h.p.stats(h.carrier))
		}
		for i, part := range got.parts {
			if part.State != message.Open && part.State != text.parts[i].fate && known && !text.shared && !text.own {
				h.t.Errorf("seed %d: part %d is %v, want %v", h.seed, i+1, part.State, text.parts[i].fate)
			}
		}
		if h.t.Failed() {
			h.t.Fatalf("%v:\n%s", text.id, strings.Join(h.did[text.phone], "\n"))
		}
	}
	if h.p.booted == 1 { // Every receipt that was read stands in one account.
		r := h.p.stats(h.carrier)
		sum := r.Parked
		for _, n := range r.Results() {
			sum += n
		}
		if sum != h.filed {
			h.t.Errorf("seed %d: %d receipts were filed, and %d accounted for: %+v", h.seed, h.filed, sum, r)
		}
	}
}
