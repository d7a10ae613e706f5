package certify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
	"fanline/smpp/text"
)

// Texts of the plan. All but those that are about other characters are in every default alphabet.
const (
	greeting   = "Fanline certification %s. No need to answer."
	extension  = "Fanline certification %s: ^ { } \\ [ ~ ] | €"
	cyrillic   = "Fanline certification %s: Привет, 你好, שלום"
	emoji      = "Fanline certification %s: 👍🏽 🎉 👨‍👩‍👧"
	fillerWord = "0123456789 "
)

func submitCases() []testCase {
	oneText := []string{"Submit it with registered_delivery 1.", "Wait for the response and for the receipt.", "Read it on the phone."}
	longText := []string{"Cut a text of about 380 characters into three parts.", "Submit them at once with registered_delivery 1.", "Wait for three responses and three receipts.", "Read it on the phone: one text, in order."}
	const good = "Accepted with a message_id; the receipt says DELIVRD."
	const goodLong = "Each part is accepted with a message_id of its own and has a receipt that says DELIVRD. A way that traffic doesn't use may be refused."
	return []testCase{
		{id: "S-01", name: "A short text", section: "§4.4", purpose: "The default alphabet, data_coding 0.", steps: oneText, expected: good, needs: needSubmit, run: oneCase(greeting, gsm)},
		{id: "S-02", name: "Characters of the extension table", section: "3GPP TS 23.038 §6.2.1.1", purpose: "Each takes two septets, which some gateways lose.", steps: oneText, expected: good, needs: needSubmit, run: oneCase(extension, gsm)},
		{id: "S-03", name: "160 characters", section: "§5.2.21", purpose: "The longest text of one part.", steps: oneText, expected: good, needs: needSubmit, run: longestCase},
		{id: "S-04", name: "Other scripts", section: "§5.2.19", purpose: "UCS-2, data_coding 8.", steps: oneText, expected: good, needs: needSubmit, run: oneCase(cyrillic, ucs2)},
		{id: "S-05", name: "Emoji", section: "§5.2.19", purpose: "Characters beyond 16 bits, as surrogates in UCS-2.", steps: oneText, expected: good, needs: needSubmit, run: oneCase(emoji, ucs2)},
		{id: "S-06", name: "A long text by user data header", section: "§5.2.12, 3GPP TS 23.040 §9.2.3.24.1", purpose: "esm_class 0x40; the phone joins the parts.", steps: longText, expected: goodLong, needs: needSubmit, run: longCase("udh")},
		{id: "S-07", name: "A long text by SAR parameters", section: "§5.3.2.22 to §5.3.2.24", purpose: "The SMSC makes the user data header.", steps: longText, expected: goodLong, needs: needSubmit, run: longCase("sar")},
		{id: "S-08", name: "A long text in message_payload", section: "§5.3.2.32", purpose: "The SMSC cuts the text.", steps: []string{"Submit a text of about 380 characters in message_payload, with sm_length 0 and registered_delivery 1.", "Wait for response and receipt.", "Read it on the phone: one text, in order."}, expected: goodLong, needs: needSubmit, run: payloadCase},
		{id: "S-09", name: "registered_delivery 0", section: "§5.2.17", purpose: "Nobody pays for receipts that nobody asked for.", steps: []string{"Submit a text with registered_delivery 0.", "Wait three times as long as receipts took until now, at least 2 s."}, expected: "Accepted, and no receipt.", needs: needSubmit | needReceive, run: unregistered(smpp.ReceiptNone)},
		{id: "S-10", name: "registered_delivery 2", section: "§5.2.17", purpose: "A receipt on failure only.", steps: []string{"Submit a text with registered_delivery 2 to a phone that is on.", "Wait as in S-09."}, expected: "Accepted, and no receipt of success.", needs: needSubmit | needReceive, run: unregistered(smpp.ReceiptOnFailure)},
		{id: "S-11", name: "Validity in relative time", section: "§5.2.16, §7.1.1", purpose: "Texts of an event are worth nothing after it.", steps: []string{"Submit a text with a validity_period of ten minutes, 000000001000000R.", "Wait for response and receipt."}, expected: good, needs: needSubmit, run: relativeValidity},
		{id: "S-12", name: "Validity that is over", section: "§5.2.16, §5.1.3", purpose: "A late text must not be sent at all.", steps: []string{"Submit a text whose validity_period, in absolute time, ended yesterday.", "Wait for response and receipt."}, expected: "Refused, best with ESME_RINVEXPIRY; or accepted with a receipt other than DELIVRD.", needs: needSubmit, run: pastValidity},
		{id: "S-13", name: "A phone that cannot be", section: "§5.1.3", purpose: "A wrong number is told as such: what is wrong with one text must neither stop the sender nor be tried again.", steps: []string{"Submit a text to an address that nobody has.", "Wait for response and receipt."}, expected: "Refused with a status of the class permanent, best ESME_RINVDSTADR; or accepted with a receipt other than DELIVRD.", needs: needSubmit, run: nobody},
		{id: "S-14", name: "A sender that isn't ours", section: "§5.1.3", purpose: "Nobody else can text in our name, either.", steps: []string{"Submit a text from a number that the account doesn't have."}, expected: "Refused, best with ESME_RINVSRCADR.", needs: needSubmit | needNegative, run: otherSender},
		{id: "S-15", name: "query_sm", section: "§4.8", purpose: "What became of a text whose receipt is missing.", steps: []string{"Submit a text with registered_delivery 1.", "Ask for it by query_sm at once."}, expected: "query_sm_resp with the same message_id and a state of §5.2.28; where it isn't offered, a status that says so.", needs: needSubmit, run: query},
	}
}

// alphabets of the plan.
const (
	gsm  = false
	ucs2 = true
)

func oneCase(format string, wide bool) func(context.Context, *runner) finding {
	return func(ctx context.Context, r *runner) finding {
		body := fmt.Sprintf(format, r.current.ID)
		if !wide && r.cfg.Alphabet != "gsm7" && strings.Contains(format, "€") {
			return notApplicable("the account's default alphabet is %s, which has no extension table", r.cfg.Alphabet)
		}
		return r.one(ctx, smpp.SubmitSM{}, body, wide)
	}
}

func longestCase(ctx context.Context, r *runner) finding {
	body := fmt.Sprintf(greeting, r.current.ID) + " " + strings.Repeat(fillerWord, 20)
	return r.one(ctx, smpp.SubmitSM{}, body[:160], gsm)
}

// one sends a text of one part and expects it delivered.
func (r *runner) one(ctx context.Context, p smpp.SubmitSM, body string, wide bool) finding {
	m := text.Split(body, 0)
	if len(m.Parts) != 1 || wide != (m.Encoding == text.UCS2) {
		return notRun("the text is not what the case is about")
	}
	p.ESMClass, p.DataCoding, p.ShortMessage = m.ESMClass(), m.DataCoding(), m.Parts[0].Data
	return r.delivered(ctx, true, submission{pdu: p, registered: smpp.ReceiptAlways})
}

// long is a text of three parts in any default alphabet.
func (r *runner) long() string {
	return fmt.Sprintf(greeting, r.current.ID) + " It has three parts. " + strings.Repeat(fillerWord, 29) + "The end."
}

// longCase sends a text in parts, which the configured way of traffic must get through.
func longCase(way string) func(context.Context, *runner) finding {
	return func(ctx context.Context, r *runner) finding {
		if way == "sar" && r.before34(ctx) {
			return notApplicable(noOptions)
		}
		reference := r.current.ID[3] // Any will do, another for each case.
		m := text.Split(r.long(), reference)
		var all []submission
		for i := range m.Parts {
			p := smpp.SubmitSM{ESMClass: m.ESMClass(), DataCoding: m.DataCoding(), ShortMessage: m.Parts[i].Data}
			if way == "sar" {
				p.ESMClass, p.ShortMessage = 0, p.ShortMessage[p.ShortMessage[0]+1:]
				p.Options = smpp.Options{}.Append(smpp.TagSarMsgRefNum, []byte{0, reference}).
					Append(smpp.TagSarTotalSegments, []byte{byte(len(m.Parts))}).Append(smpp.TagSarSegmentSeqnum, []byte{byte(i + 1)})
			}
			all = append(all, submission{pdu: p, registered: smpp.ReceiptAlways})
		}
		return r.delivered(ctx, r.cfg.Long == way, all...)
	}
}

// noOptions is why what needs TLVs is not tried.
const noOptions = "SMPP 3.3 has no optional parameters"

// before34 reports whether TLVs cannot be sent: we say SMPP 3.3, or the other side did in its bind response. Our session
// refuses such submits itself, which says nothing about the carrier.
func (r *runner) before34(ctx context.Context) bool {
	if r.cfg.Version < smpp.Version34 {
		return true
	}
	l, err := r.ready(ctx)
	return err == nil && l.s.Version() < smpp.Version34
}

func payloadCase(ctx context.Context, r *runner) finding {
	if r.before34(ctx) {
		return notApplicable(noOptions)
	}
	body, ok := text.AppendGSM7(nil, r.long())
	if !ok {
		return notRun("the text is not in the default alphabet")
	}
	p := smpp.SubmitSM{Options: smpp.Options{}.Append(smpp.TagMessagePayload, body)}
	return r.delivered(ctx, r.cfg.Long == "payload", submission{pdu: p, registered: smpp.ReceiptAlways})
}

// delivered submits and expects all parts to be accepted and delivered. What traffic doesn't use may be refused.
func (r *runner) delivered(ctx context.Context, used bool, all ...submission) finding {
	sents, err := r.submit(ctx, all...)
	if err != nil {
		r.saw("%s", reasonOf(err))
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	if bad := r.accepted(sents); bad != "" {
		refused := !slices.ContainsFunc(sents, func(s *sent) bool { return s.code != session.Refused })
		if !used && refused {
			return notApplicable("it is refused, and the account's traffic doesn't use it: %s", bad)
		}
		return fail("%s", bad)
	}
	return r.received(ctx, sents)
}

// accepted notes what became of submits, and what is wrong with it; empty: nothing.
func (r *runner) accepted(all []*sent) (bad string) {
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	ids := map[string]bool{}
	for i, s := range all {
		part := ""
		if len(all) > 1 {
			part = fmt.Sprintf("part %d: ", i+1)
		}
		switch {
		case s.code == session.Refused:
			bad = part + "refused with " + s.status.String()
			r.saw("%srefused with %v (%v) after %s", part, s.status, s.status.Class(), shown(s.took))
		case s.code != session.Accepted:
			bad = part + "no response within the time-out"
			r.saw("%s%v: no response", part, s.code)
		case s.id == "":
			bad = part + "accepted without a message_id"
			r.saw("%saccepted without a message_id after %s", part, shown(s.took))
		default:
			if ids[s.id] {
				bad = part + "the message_id was given twice"
			}
			ids[s.id] = true
			r.saw("%saccepted in %s as message_id %q", part, shown(s.took), s.id)
		}
	}
	return bad
}

// received waits for receipts and expects them all to say that the text arrived.
func (r *runner) received(ctx context.Context, all []*sent) finding {
	if r.recv == nil {
		if r.noReceiver != nil {
			return fail("accepted, but receipts cannot come: %s", reasonOf(r.noReceiver))
		}
		r.saw("receipts were not waited for: no bind receives")
		return pass()
	}
	r.receipts(ctx, all)
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	end := pass()
	for i, s := range all {
		part := ""
		if len(all) > 1 {
			part = fmt.Sprintf("part %d: ", i+1)
		}
		last, ok := s.final()
		if !ok {
			end = fail("%sno receipt within %v", part, r.cfg.ReceiptWait)
			r.saw("%sno receipt within %v", part, r.cfg.ReceiptWait)
			continue
		}
		r.saw("%sreceipt after %s: %s err %q, id %q (%s); %s", part, shown(last.after), last.Stat, last.Err, last.ID, last.form, last.how)
		if last.State != smpp.StateDelivered {
			end = fail("%sthe receipt says %s", part, last.Stat)
		}
	}
	return end
}

// unregistered expects no receipt.
func unregistered(registered byte) func(context.Context, *runner) finding {
	return func(ctx context.Context, r *runner) finding {
		sents, err := r.submit(ctx, submission{pdu: r.plain(), registered: registered})
		if err != nil {
			return fail("nothing could be submitted: %s", reasonOf(err))
		}
		if bad := r.accepted(sents); bad != "" {
			return fail("%s", bad)
		}
		if r.recv == nil {
			return notRun("no bind receives: nobody could see a receipt")
		}
		long := r.quiet()
		s := sents[0]
		if !r.book.wait(ctx, long, func() bool { return len(s.receipts) > 0 }) {
			r.saw("no receipt within %s", shown(long))
			return pass()
		}
		r.book.mu.Lock()
		defer r.book.mu.Unlock()
		got := s.receipts[0]
		r.saw("a receipt after %s: %s", shown(got.after), got.Stat)
		if registered == smpp.ReceiptOnFailure && got.State != smpp.StateDelivered {
			return notApplicable("the text failed (%s), and that is what was to be told", got.Stat)
		}
		return fail("a receipt came (%s)", got.Stat)
	}
}

// quiet is how long a receipt that must not come is waited for.
func (r *runner) quiet() time.Duration {
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	slowest := time.Duration(0)
	for _, s := range r.book.all {
		if last, ok := s.final(); ok {
			slowest = max(slowest, last.after)
		}
	}
	return min(max(3*slowest, 2*time.Second), r.cfg.ReceiptWait)
}

// plain is a short text.
func (r *runner) plain() smpp.SubmitSM {
	return smpp.SubmitSM{ShortMessage: fmt.Appendf(nil, greeting, r.current.ID)}
}

func relativeValidity(ctx context.Context, r *runner) finding {
	p := r.plain()
	p.ValidityPeriod = "000000001000000R"
	return r.delivered(ctx, true, submission{pdu: p, registered: smpp.ReceiptAlways})
}

func pastValidity(ctx context.Context, r *runner) finding {
	p := r.plain()
	p.ValidityPeriod = time.Now().UTC().Add(-24*time.Hour).Format("060102150405") + "000+"
	return r.undelivered(ctx, func(smpp.Status) string { return "" }, submission{pdu: p, registered: smpp.ReceiptAlways})
}

func nobody(ctx context.Context, r *runner) finding {
	wrong := func(s smpp.Status) string {
		if s.Class() != smpp.ClassPermanent {
			return fmt.Sprintf("%v counts as %v: it says that the text may be sent again, or that the sender is at fault", s, s.Class())
		}
		return ""
	}
	return r.undelivered(ctx, wrong, submission{pdu: r.plain(), registered: smpp.ReceiptAlways, to: r.cfg.Nowhere})
}

// undelivered expects a text to be refused, with a status that nothing is wrong with, or to fail later.
func (r *runner) undelivered(ctx context.Context, wrong func(smpp.Status) string, s submission) finding {
	sents, err := r.submit(ctx, s)
	if err != nil {
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	bad := r.accepted(sents)
	switch got := sents[0]; {
	case got.code == session.Refused:
		if why := wrong(got.status); why != "" {
			return fail("%s", why)
		}
		return pass()
	case bad != "":
		return fail("%s", bad)
	case r.recv == nil:
		return notRun("accepted, and no bind receives: nobody can see what becomes of it")
	}
	if !r.receipts(ctx, sents) {
		r.saw("no receipt within %v", r.cfg.ReceiptWait)
		return fail("accepted, and nothing was heard of it within %v", r.cfg.ReceiptWait)
	}
	r.book.mu.Lock()
	defer r.book.mu.Unlock()
	last, _ := sents[0].final()
	r.saw("receipt after %s: %s err %q", shown(last.after), last.Stat, last.Err)
	if last.State == smpp.StateDelivered {
		return fail("accepted, and the receipt says %s", last.Stat)
	}
	return pass()
}

func otherSender(ctx context.Context, r *runner) finding {
	l, err := r.ready(ctx)
	if err != nil {
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	mine := r.cfg.Source
	defer func() { r.cfg.Source = mine }()
	r.cfg.Source.Addr = "15005550006" // A number that is set aside for tests.
	sents, err := r.submitOn(ctx, l, submission{pdu: r.plain()})
	if err != nil {
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	bad := r.accepted(sents)
	switch sents[0].code {
	case session.Refused:
		return pass()
	case session.Accepted:
		return fail("a text in somebody else's name was accepted")
	}
	return fail("%s", bad)
}

func query(ctx context.Context, r *runner) finding {
	sents, err := r.submit(ctx, submission{pdu: r.plain(), registered: smpp.ReceiptAlways})
	if err != nil {
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	if bad := r.accepted(sents); bad != "" {
		return fail("%s", bad)
	}
	pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.QuerySM{MessageID: sents[0].id, Source: r.cfg.Source})
	if err != nil {
		return notRun("%v", err)
	}
	a, took, err := r.main.ask(ctx, r.cfg.Timeout, 0, pdu)
	if err != nil {
		r.saw("%s", reasonOf(err))
		return fail("query_sm: %s", reasonOf(err))
	}
	r.saw("%v with %v after %s", a.header.ID, a.header.Status, shown(took))
	switch a.header.Status {
	case smpp.StatusOK:
	case smpp.StatusInvCmdID, smpp.StatusQueryFailed, smpp.StatusSysErr, smpp.StatusInvBindStatus:
		return notApplicable("query_sm is not offered: %v", a.header.Status)
	default:
		return fail("query_sm for a text that was just accepted: %v", a.header.Status)
	}
	_, decoded, err := smpp.Decode(a.pdu)
	resp, is := decoded.(*smpp.QuerySMResp)
	if err != nil || !is {
		return fail("query_sm was answered by %v that cannot be read", a.header.ID)
	}
	r.saw("message_id %q, message_state %d, final_date %q, error_code %d", resp.MessageID, resp.MessageState, resp.FinalDate, resp.ErrorCode)
	if resp.MessageID != sents[0].id || resp.MessageState == 0 || resp.MessageState > smpp.StateRejected {
		return fail("the answer is about message_id %q, state %d", resp.MessageID, resp.MessageState)
	}
	return pass()
}
