package certify

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

func receiptCases() []testCase {
	return []testCase{
		{
			id: "R-01", name: "Every text has its receipt", section: "appendix B, §5.3.2.12, §5.3.2.35", needs: needSubmit | needReceive,
			purpose:  "What becomes of a message is known from receipts alone.",
			steps:    []string{"Join all receipts of the cases before with their responses, by message_id."},
			expected: "One final receipt for each part that asked for one; none with an id that fits no response.", run: everyReceipt,
		},
		{
			id: "R-02", name: "Ids of responses and receipts", section: "appendix B", needs: needSubmit | needReceive,
			purpose:  "Carriers write one id in two ways; the profile must say which.",
			steps:    []string{"Compare the ids of all receipts with those of their responses."},
			expected: "All relate in one way, and in the one that the account's profile says, where it says one.", run: idForm,
		},
		{
			id: "R-03", name: "A receipt that is refused for now comes again", section: "§4.6.2, §5.1.3", needs: needSubmit | needReceive,
			purpose:  "Whoever cannot store a receipt must be able to put it off.",
			steps:    []string{"Submit a text with registered_delivery 1.", "Answer its receipt with ESME_RX_T_APPN.", "Wait for it to come again, and answer with ESME_ROK."},
			expected: "It comes again.", run: putOff,
		},
	}
}

// summary counts what came for all texts that asked for receipts.
func (b *book) summary() Receipts {
	b.mu.Lock()
	defer b.mu.Unlock()
	sum := Receipts{Strange: len(b.strange), IDForms: map[string]int{}, States: map[string]int{}, Form: map[string]int{}}
	var took []time.Duration
	for _, s := range b.all {
		if s.registered != smpp.ReceiptAlways {
			continue
		}
		if s.id == "" {
			if s.code == session.Accepted {
				sum.Nameless++
			}
			continue
		}
		sum.Asked++
		last, ok := s.final()
		if !ok {
			sum.Lost++
			continue
		}
		sum.Matched++
		finals := 0
		for _, r := range s.receipts {
			if !r.Intermediate {
				finals++
			}
			sum.IDForms[r.form]++
			sum.Form[r.how]++
		}
		if finals > 1 {
			sum.Repeated++
		}
		if last.early {
			sum.Early++
		}
		sum.States[last.Stat]++
		if s.refused == 0 { // We had none of them come again.
			took = append(took, last.after)
		}
	}
	sum.P50MS, sum.P99MS = milliseconds(percentile(took, 50)), milliseconds(percentile(took, 99))
	return sum
}

// percentile returns the smallest of the values that p percent don't exceed; 0 of none.
func percentile(all []time.Duration, p int) time.Duration {
	if len(all) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(all))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// sure returns receipts to judge by; where no case before asked for any, it sends three texts.
func (r *runner) sure(ctx context.Context) (Receipts, error) {
	r.book.mu.Lock()
	before := slices.Clone(r.book.all)
	r.book.mu.Unlock()
	r.receipts(ctx, before) // Some case didn't wait for its own.
	if sum := r.book.summary(); sum.Asked+sum.Nameless > 0 {
		return sum, nil
	}
	for range 3 {
		sents, err := r.submit(ctx, submission{pdu: r.plain(), registered: smpp.ReceiptAlways})
		if err != nil {
			return Receipts{}, err
		}
		r.receipts(ctx, sents)
	}
	return r.book.summary(), nil
}

func everyReceipt(ctx context.Context, r *runner) finding {
	sum, err := r.sure(ctx)
	switch {
	case err != nil:
		return fail("nothing could be submitted: %s", reasonOf(err))
	case sum.Asked+sum.Nameless == 0:
		return fail("no text was accepted")
	case sum.Asked == 0:
		return r.nameless(sum)
	}
	r.saw("%d receipts asked for, %d came (%d %%), %d more than once, %d before the response", sum.Asked, sum.Matched, 100*sum.Matched/sum.Asked, sum.Repeated, sum.Early)
	r.saw("states: %s", listed(sum.States))
	r.saw("form: %s", listed(sum.Form))
	r.saw("after p50 %.0f ms, p99 %.0f ms", sum.P50MS, sum.P99MS)
	switch {
	case sum.Nameless > 0:
		return r.nameless(sum)
	case sum.Strange > 0:
		return fail("%d receipts have ids that fit no response", sum.Strange)
	case sum.Lost > 0:
		return fail("%d of %d receipts did not come within %v", sum.Lost, sum.Asked, r.cfg.ReceiptWait)
	}
	return pass()
}

// nameless fails a carrier whose responses don't say as what it took a text in.
func (r *runner) nameless(sum Receipts) finding {
	r.saw("%d of %d accepted texts have no message_id; %d receipts came whose id fits no response", sum.Nameless, sum.Nameless+sum.Asked, sum.Strange)
	return fail("accepted without message_id: receipts can only be matched by phone and time")
}

// listed writes counts, the most frequent first.
func listed(counts map[string]int) string {
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return strings.Compare(a, b)
	})
	words := make([]string, len(keys))
	for i, k := range keys {
		words[i] = fmt.Sprintf("%d × %s", counts[k], k)
	}
	return strings.Join(words, "; ")
}

func idForm(ctx context.Context, r *runner) finding {
	sum, err := r.sure(ctx)
	switch {
	case err != nil:
		return fail("nothing could be submitted: %s", reasonOf(err))
	case sum.Asked == 0 && sum.Nameless > 0:
		return notApplicable("texts are accepted without message_id: there is nothing to compare")
	case len(sum.IDForms) == 0 && sum.Strange > 0:
		r.book.mu.Lock()
		defer r.book.mu.Unlock()
		r.saw("a receipt has id %q; no response had one like it", r.book.strange[0].ID)
		return fail("no receipt can be joined with its response")
	case len(sum.IDForms) == 0:
		return notRun("no receipt came")
	}
	r.saw("%s", listed(sum.IDForms))
	bases := map[string]bool{}
	for form := range sum.IDForms {
		bases[baseOf(form)] = true
		if !slices.ContainsFunc(agreed(r.cfg.IDBase), func(i int) bool { return idForms[i] == form }) {
			return fail("the profile says receipts.id_base: %s, and ids are %s: set it to %s", r.cfg.IDBase, form, baseOf(form))
		}
	}
	if len(bases) > 1 {
		return fail("ids are written in more than one way")
	}
	return pass()
}

func putOff(ctx context.Context, r *runner) finding {
	l, err := r.ready(ctx)
	if err != nil {
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	if r.recv == nil {
		return fail("no bind receives: %s", reasonOf(r.noReceiver))
	}
	sents, err := r.hand(l, submission{pdu: r.plain(), registered: smpp.ReceiptAlways})
	if err != nil {
		return fail("nothing could be submitted: %s", reasonOf(err))
	}
	s := sents[0]
	r.book.mu.Lock()
	s.putOff = true
	r.book.mu.Unlock()
	r.answers(ctx, sents)
	if bad := r.accepted(sents); bad != "" {
		return fail("%s", bad)
	}
	if !r.book.wait(ctx, r.cfg.ReceiptWait, func() bool { return s.refused > 0 }) {
		return fail("no receipt within %v", r.cfg.ReceiptWait)
	}
	begun := time.Now()
	r.saw("the receipt came and was refused for now")
	if !r.receipts(ctx, sents) {
		r.saw("it did not come again within %v", r.cfg.ReceiptWait)
		return fail("a receipt that was refused for now was lost")
	}
	r.saw("it came again after %s", shown(time.Since(begun)))
	return pass()
}
