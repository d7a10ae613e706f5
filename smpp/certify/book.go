package certify

import (
	"context"
	"slices"
	"sync"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// sent is one submit and what came back for it.
type sent struct {
	token      uint64
	label      string
	registered byte
	at         time.Time // when it was handed to the session

	answered bool
	code     session.Code
	status   smpp.Status
	id       string
	took     time.Duration
	order    int // of its answer among all answers
	receipts []receipt
	putOff   bool // its next receipt is refused for now
	refused  int  // receipts refused for now
}

// receipt is one delivery receipt.
type receipt struct {
	smpp.Receipt
	after   time.Duration // from the submit
	early   bool          // before the response
	form    string        // how its id relates to the response's
	how     string        // deliver_sm esm_class=0x04, text and TLVs
	command smpp.CommandID
}

// final returns the first receipt that says how the message ended.
func (s *sent) final() (receipt, bool) {
	i := slices.IndexFunc(s.receipts, func(r receipt) bool {
		return !r.Intermediate && r.State != smpp.StateEnroute && r.State != smpp.StateAccepted
	})
	if i < 0 {
		return receipt{}, false
	}
	return s.receipts[i], true
}

// book keeps all submits, answers, receipts and texts of a certification.
type book struct {
	source string // digits of the address that all our texts have
	phones phones // whom they go to
	base   string

	mu      sync.Mutex
	all     []*sent
	open    map[uint64]*sent
	order   int
	parked  []parked // receipts whose response may still come
	strange []receipt
	wantMO  bool
	texts   []inbound
	changed chan struct{}
}

// parked is a receipt that matched nothing yet. The list is bounded by the carrier's own window of unanswered deliver_sm.
type parked struct {
	receipt
	to  *link
	d   session.Delivery // without its PDU
	at  time.Time
	our bool // its addresses are those of our texts
}

// inbound is a text from a phone.
type inbound struct {
	at  time.Time
	pdu *smpp.SubmitSM
}

func newBook(c *Config) *book {
	return &book{
		source: c.Source.Addr, phones: phones{c.Destination.Addr, c.Flood, c.Nowhere}, base: c.IDBase,
		open: map[uint64]*sent{}, changed: make(chan struct{}),
	}
}

// begin notes a submit before it is handed to a session.
func (b *book) begin(label string, registered byte) *sent {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &sent{token: uint64(len(b.all) + 1), label: label, registered: registered, at: time.Now()}
	b.all = append(b.all, s)
	b.open[s.token] = s
	return s
}

// notify wakes whoever waits. b.mu is held.
func (b *book) notify() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// wait returns true as soon as reached does, which is asked with b.mu held, or false when the time is over.
func (b *book) wait(ctx context.Context, long time.Duration, reached func() bool) bool {
	timer := time.NewTimer(long)
	defer timer.Stop()
	for {
		b.mu.Lock()
		ok, changed := reached(), b.changed
		b.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-changed:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// answer takes an outcome in.
func (b *book) answer(o *session.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.open[o.Token]
	if s == nil || s.answered && !o.Late {
		return
	}
	if !s.answered {
		b.order++
		s.order = b.order
	}
	s.answered, s.code, s.status, s.id, s.took = true, o.Code, o.Status, string(o.MessageID), o.Took
	b.unpark(false)
	b.notify()
}

// deliver takes in what a link was delivered; the answer goes out at once or, for a receipt whose response may still be on its
// way, when that has come.
func (b *book) deliver(to *link, d *session.Delivery) {
	p, r, is := deliveryOf(d)
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.notify()
	switch {
	case p == nil:
		to.s.Respond(d.Command, d.Sequence, smpp.StatusTemporaryError)
	case is:
		x := parked{receipt: r, to: to, d: *d, at: d.At, our: b.ours(p.Source.Addr, p.Destination.Addr)}
		x.d.PDU = nil // It aliases the read buffer.
		b.parked = append(b.parked, x)
		b.unpark(false)
	case b.wantMO && sameDigits(p.Destination.Addr, b.source):
		b.texts = append(b.texts, inbound{d.At, p})
		to.s.Respond(d.Command, d.Sequence, smpp.StatusOK)
	default:
		// Somebody else's: the carrier keeps it (SMPP 3.4 §5.1.3, ESME_RX_T_APPN).
		to.s.Respond(d.Command, d.Sequence, smpp.StatusTemporaryError)
	}
}

// ours reports whether a receipt has the addresses of our texts, whichever way round.
func (b *book) ours(from, to string) bool {
	return b.phones.have(from) && sameDigits(to, b.source) || sameDigits(from, b.source) && b.phones.have(to)
}

// unpark joins receipts to their submits and answers them. At the end, what fits nothing is put off. b.mu is held.
func (b *book) unpark(end bool) {
	waiting := slices.ContainsFunc(b.all, func(s *sent) bool { return !s.answered })
	kept := b.parked[:0]
	for _, x := range b.parked {
		s, form := b.match(x.ID, x.our)
		switch {
		case s != nil:
			b.join(s, x, form)
		case waiting && !end:
			kept = append(kept, x)
		default:
			if x.our {
				b.strange = append(b.strange, x.receipt)
			}
			x.to.s.Respond(x.d.Command, x.d.Sequence, smpp.StatusTemporaryError)
		}
	}
	b.parked = kept
}

// join notes a receipt and answers it. b.mu is held.
func (b *book) join(s *sent, x parked, form string) {
	if s.putOff {
		s.putOff = false
		s.refused++
		x.to.s.Respond(x.d.Command, x.d.Sequence, smpp.StatusTemporaryError)
		return
	}
	x.form, x.after, x.early = form, x.at.Sub(s.at), x.at.Before(s.at.Add(s.took))
	s.receipts = append(s.receipts, x.receipt)
	x.to.s.Respond(x.d.Command, x.d.Sequence, smpp.StatusOK)
}

// match finds the submit that a receipt's id means, by the closest relation there is. Of receipts with other addresses only
// the very id counts: digits of other traffic may look like ours in another base. b.mu is held.
func (b *book) match(id string, our bool) (found *sent, form string) {
	best := len(idForms)
	if !our {
		best = formSame + 1
	}
	for _, s := range b.all {
		if !s.answered || s.id == "" {
			continue
		}
		if rank := relation(s.id, id, b.base); rank < best {
			found, best = s, rank
		}
	}
	if found == nil {
		return nil, ""
	}
	return found, idForms[best]
}
