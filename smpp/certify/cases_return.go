package certify

import (
	"context"
	"errors"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

func returnCases() []testCase {
	return []testCase{
		{
			id: "X-01", needs: needStrict, name: "Coming back after a broken connection", section: "§2.4, §5.1.3", purpose: "Connections break; the bind that died must not keep the next one out for long.",
			steps:    []string{"Close the connection without unbind.", "Bind again, every half second, until it is accepted."},
			expected: "A bind is accepted within the reconnect time.", run: comeBack,
		},
		{
			id: "X-02", needs: needStrict, name: "Leaving in order", section: "§4.2", purpose: "Who says goodbye leaves nothing behind.",
			steps:    []string{"Send unbind and wait for unbind_resp.", "Close, and bind again at once; if need be once more half a second later."},
			expected: "unbind_resp with ESME_ROK; the next bind is accepted at the second try at the latest.", run: leaveInOrder,
		},
		{
			id: "X-03", name: "Receipts that were due while nobody was there", section: "§2.10", needs: needSubmit | needReceive, purpose: "What happens to texts meanwhile must not be lost.",
			steps:    []string{"Submit a text with registered_delivery 1, and break the connection when it is accepted.", "Stay away for two seconds, and bind again.", "Wait for the receipt."},
			expected: "The receipt comes after the bind.", run: whileAway,
		},
	}
}

// again is how often a bind is tried.
const again = 500 * time.Millisecond

// rebind tries until a bind is accepted or the time is over.
func (r *runner) rebind(ctx context.Context) (l *link, took time.Duration, refusals map[string]int, err error) {
	refusals = map[string]int{}
	begun := time.Now()
	for {
		l, err = r.ready(ctx)
		if err == nil {
			return l, time.Since(begun), refusals, nil
		}
		var refused *session.BindError
		if errors.As(err, &refused) {
			refusals[refused.Status.String()]++
		} else {
			refusals[reasonOf(err)]++
		}
		if time.Since(begun) > r.cfg.ReconnectWait || ctx.Err() != nil {
			return nil, time.Since(begun), refusals, err
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
		}
	}
}

func comeBack(ctx context.Context, r *runner) finding {
	return r.bound(ctx, func(l *link) finding {
		l.cut()
		r.left = time.Now()
		r.saw("the connection was closed without unbind")
		_, took, refusals, err := r.rebind(ctx)
		if len(refusals) > 0 {
			r.saw("until then: %s", listed(refusals))
		}
		if err != nil {
			return fail("no bind was accepted within %v: %s", r.cfg.ReconnectWait, reasonOf(err))
		}
		r.saw("accepted after %s", shown(took))
		return pass()
	})
}

func leaveInOrder(ctx context.Context, r *runner) finding {
	return r.bound(ctx, func(l *link) finding {
		if err := l.leave(ctx, 2*r.cfg.Timeout); err != nil {
			r.saw("unbind: %s", reasonOf(err))
			return fail("unbind was not answered in order: %s", reasonOf(err))
		}
		if l.count(smpp.UnbindRespID) == 0 {
			return fail("the connection was closed without unbind_resp")
		}
		r.saw("unbind_resp came")
		_, took, refusals, err := r.rebind(ctx)
		tried := 0
		for _, n := range refusals {
			tried += n
		}
		if tried > 0 {
			r.saw("until then: %s", listed(refusals))
		}
		if err != nil || tried > 1 {
			return fail("the next bind was refused %d times", tried)
		}
		r.saw("bound again within %s", shown(took))
		return pass()
	})
}

// awayFor is how long nobody is there.
const awayFor = 2 * time.Second

func whileAway(ctx context.Context, r *runner) finding {
	for range 3 {
		sents, err := r.submit(ctx, submission{pdu: r.plain(), registered: smpp.ReceiptAlways})
		if err != nil {
			return fail("nothing could be submitted: %s", reasonOf(err))
		}
		if r.recv == nil {
			return fail("no bind receives: %s", reasonOf(r.noReceiver))
		}
		for _, l := range r.links {
			if l.alive() {
				l.cut()
			}
		}
		r.left = time.Now()
		if bad := r.accepted(sents); bad != "" {
			return fail("%s", bad)
		}
		s := sents[0]
		if _, already := r.final(s); already {
			r.saw("its receipt was faster than we could leave")
			continue
		}
		select {
		case <-time.After(awayFor):
		case <-ctx.Done():
		}
		_, took, _, err := r.rebind(ctx)
		if err != nil {
			return fail("no bind was accepted within %v: %s", r.cfg.ReconnectWait, reasonOf(err))
		}
		r.saw("away for %s, bound again after %s", shown(awayFor), shown(took))
		begun := time.Now()
		if !r.receipts(ctx, sents) {
			return fail("no receipt within %v after the bind", r.cfg.ReceiptWait)
		}
		r.saw("the receipt came %s after the bind", shown(time.Since(begun)))
		return pass()
	}
	return notApplicable("receipts are faster than we can leave")
}

func (r *runner) final(s *sent) (receipt, bool) {
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	return s.final()
}

func inboundCases() []testCase {
	return []testCase{{
		id: "M-01", name: "A text from the phone", section: "§4.6", needs: needMO | needReceive, purpose: "People answer, join and say STOP.",
		steps:    []string{"Bind.", "A person texts the number from any phone.", "Answer with deliver_sm_resp, ESME_ROK."},
		expected: "deliver_sm with the number as destination and the phone as source, both as agreed; no receipt flags in esm_class.", run: fromPhone,
	}}
}

func fromPhone(ctx context.Context, r *runner) finding {
	if _, err := r.ready(ctx); err != nil {
		return fail("no session: %s", reasonOf(err))
	}
	if r.recv == nil {
		return fail("no bind receives: %s", reasonOf(r.noReceiver))
	}
	b := r.book
	b.mu.Lock()
	b.wantMO = true
	b.mu.Unlock()
	came := b.wait(ctx, r.cfg.MO, func() bool { return len(b.texts) > 0 })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wantMO = false
	if !came {
		return fail("no text came within %v", r.cfg.MO)
	}
	p := b.texts[0].pdu
	r.saw("from TON %d, NPI %d, %d digits, to %s (TON %d, NPI %d)", p.Source.TON, p.Source.NPI, len(p.Source.Addr), p.Destination.Addr, p.Destination.TON, p.Destination.NPI)
	r.saw("esm_class 0x%02x, data_coding %d, %d octets of text", p.ESMClass, p.DataCoding, len(p.ShortMessage))
	if p.Source.Addr == "" {
		return fail("the text has no source: nobody could answer it")
	}
	return pass()
}
