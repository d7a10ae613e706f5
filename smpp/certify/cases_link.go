package certify

import (
	"context"
	"time"

	"fanline/smpp"
)

func linkCases() []testCase {
	return []testCase{
		{
			id: "L-01", name: "enquire_link from our side", section: "§4.11", purpose: "A dead connection is found by it.",
			steps:    []string{"Send five enquire_link, one after the other."},
			expected: "Each is answered with enquire_link_resp, ESME_ROK and its sequence number.", run: enquire,
		},
		{
			id: "L-02", name: "Silence, and enquire_link from the other side", section: "§4.11, §7.2", purpose: "Quiet nights must not cost the bind.", needs: needIdle,
			steps:    []string{"Bind and send nothing for the time that was asked for.", "Answer every enquire_link.", "Send enquire_link."},
			expected: "The session is still there. If the other side asks, it takes our answers.", run: silence,
		},
		{
			id: "L-03", name: "A command that doesn't exist", section: "§4.3, §5.1.3", purpose: "What one side doesn't know must not end the session.",
			steps:    []string{"Send a PDU with the reserved command_id 0x0000010A.", "Send enquire_link."},
			expected: "generic_nack with ESME_RINVCMDID and the same sequence number; the session lives on.", run: unknownCommand,
		},
		{
			id: "L-04", name: "The highest sequence number", section: "§3.2, §5.1.4", purpose: "Long sessions get there.",
			steps:    []string{"Send enquire_link with sequence number 0x7FFFFFFF."},
			expected: "Answered with the same number.", run: highestSequence,
		},
		{
			id: "L-05", name: "PDUs that TCP cuts and joins", section: "§3.1", purpose: "A stream has no borders; only readers that know this survive load.",
			steps:    []string{"Send three enquire_link in one write.", "Send one in three writes with pauses, cut within its header."},
			expected: "All four are answered.", run: cutAndJoined,
		},
	}
}

func (r *runner) enquiry(ctx context.Context, l *link, sequence uint32) (answer, time.Duration, error) {
	pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.EnquireLink{})
	if err != nil {
		return answer{}, 0, err
	}
	return l.ask(ctx, r.cfg.Timeout, sequence, pdu)
}

// stillThere asks whether a session lives.
func (r *runner) stillThere(ctx context.Context, l *link) finding {
	a, took, err := r.enquiry(ctx, l, 0)
	switch {
	case err != nil:
		r.saw("enquire_link: %s", reasonOf(err))
		return fail("the session did not live on: %s", reasonOf(err))
	case a.header.ID != smpp.EnquireLinkRespID || a.header.Status != smpp.StatusOK:
		r.saw("enquire_link was answered by %v with %v", a.header.ID, a.header.Status)
		return fail("enquire_link was answered by %v with %v", a.header.ID, a.header.Status)
	}
	r.saw("enquire_link answered in %s: the session lives on", shown(took))
	return pass()
}

// bound is ready for cases that only need a session of any kind.
func (r *runner) bound(ctx context.Context, run func(l *link) finding) finding {
	l, err := r.ready(ctx)
	if err != nil {
		r.saw("%s", reasonOf(err))
		return fail("no session: %s", reasonOf(err))
	}
	return run(l)
}

func enquire(ctx context.Context, r *runner) finding {
	return r.bound(ctx, func(l *link) finding {
		for range 5 {
			a, took, err := r.enquiry(ctx, l, 0)
			switch {
			case err != nil:
				r.saw("%s", reasonOf(err))
				return fail("enquire_link: %s", reasonOf(err))
			case a.header.ID != smpp.EnquireLinkRespID || a.header.Status != smpp.StatusOK:
				r.saw("%v with %v", a.header.ID, a.header.Status)
				return fail("answered by %v with %v", a.header.ID, a.header.Status)
			}
			r.saw("answered in %s", shown(took))
		}
		return pass()
	})
}

func silence(ctx context.Context, r *runner) finding {
	r.rest(ctx)
	defer r.rest(ctx)
	submit, receive := r.cfg.commands()
	if submit == 0 {
		submit = receive
	}
	l, err := r.open(ctx, bindAs{kind: submit, enquire: r.cfg.Idle + 2*r.cfg.Timeout})
	if err != nil {
		r.saw("%s", reasonOf(err))
		return fail("no session: %s", reasonOf(err))
	}
	if err, ended := l.end(r.cfg.Idle); ended {
		r.saw("after %d enquire_link of theirs the session ended: %v", l.count(smpp.EnquireLinkID), err)
		return fail("the session did not survive %v of silence: set enquire_link to less than that", r.cfg.Idle)
	}
	r.saw("%v of silence; the other side sent %d enquire_link, each answered", r.cfg.Idle, l.count(smpp.EnquireLinkID))
	return r.stillThere(ctx, l)
}

// reserved is a command_id that SMPP 3.4 §5.1.2.1 reserves.
const reserved smpp.CommandID = 0x0000010A

func unknownCommand(ctx context.Context, r *runner) finding {
	return r.bound(ctx, func(l *link) finding {
		pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.EnquireLink{})
		if err != nil {
			return notRun("%v", err)
		}
		pdu[6], pdu[7] = byte(reserved>>8), byte(reserved&0xFF)
		a, took, err := l.ask(ctx, r.cfg.Timeout, 0, pdu)
		if err != nil {
			r.saw("%s", reasonOf(err))
			return fail("no generic_nack: %s", reasonOf(err))
		}
		r.saw("%v with %v after %s", a.header.ID, a.header.Status, shown(took))
		if end := r.stillThere(ctx, l); end.verdict != Pass {
			return end
		}
		if a.header.ID != smpp.GenericNackID || a.header.Status != smpp.StatusInvCmdID {
			return fail("answered by %v with %v", a.header.ID, a.header.Status)
		}
		return pass()
	})
}

func highestSequence(ctx context.Context, r *runner) finding {
	return r.bound(ctx, func(l *link) finding {
		a, took, err := r.enquiry(ctx, l, smpp.MaxSequence)
		if err != nil {
			r.saw("%s", reasonOf(err))
			return fail("sequence number 0x%08x: %s", uint32(smpp.MaxSequence), reasonOf(err))
		}
		r.saw("%v with %v and the same number after %s", a.header.ID, a.header.Status, shown(took))
		if a.header.ID != smpp.EnquireLinkRespID || a.header.Status != smpp.StatusOK {
			return fail("answered by %v with %v", a.header.ID, a.header.Status)
		}
		return pass()
	})
}

// lookAgain is how often a count that changes elsewhere is looked at.
const lookAgain = 10 * time.Millisecond

func cutAndJoined(ctx context.Context, r *runner) finding {
	return r.bound(ctx, func(l *link) finding {
		one, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.EnquireLink{})
		if err != nil {
			return notRun("%v", err)
		}
		before := l.count(smpp.EnquireLinkRespID)
		_, _, err = l.askWith(ctx, r.cfg.Timeout, injectedFrom+0x0F000002, one, func(last []byte) error {
			joined := make([]byte, 0, 3*len(last))
			for i := range uint32(3) {
				joined = append(joined, last...)
				smpp.PutSequence(joined[len(joined)-len(last):], injectedFrom+0x0F000000+i)
			}
			_, err := l.conn.Write(joined)
			return err
		})
		if err != nil {
			r.saw("three in one write: %s", reasonOf(err))
			return fail("three enquire_link in one write: %s", reasonOf(err))
		}
		joined := l.count(smpp.EnquireLinkRespID) - before
		for begun := time.Now(); joined < 3 && time.Since(begun) < r.cfg.Timeout; time.Sleep(lookAgain) {
			joined = l.count(smpp.EnquireLinkRespID) - before // They may be answered in any order.
		}
		r.saw("%d of 3 in one write answered", joined)
		_, took, err := l.askWith(ctx, r.cfg.Timeout, 0, one, l.conn.WriteCut)
		if err != nil {
			r.saw("one in three writes: %s", reasonOf(err))
			return fail("one enquire_link in three writes: %s", reasonOf(err))
		}
		r.saw("one in three writes answered in %s", shown(took))
		if joined != 3 {
			return fail("%d of 3 enquire_link in one write were answered", joined)
		}
		return pass()
	})
}
