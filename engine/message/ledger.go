package message

// Ledger counts the messages of one broadcast by where they stand
// (contracts.md, "The ledger"). The Go fields are in the order of the page.
type Ledger struct {
	Accepted       int64 `json:"accepted"`
	Suppressed     int64 `json:"suppressed"`
	Rejected       int64 `json:"rejected"`
	ExpiredUnsent  int64 `json:"expired_unsent"`
	Cancelled      int64 `json:"cancelled"`
	Uncertain      int64 `json:"uncertain"`
	Submitted      int64 `json:"submitted"`
	Delivered      int64 `json:"delivered"`
	Failed         int64 `json:"failed"`
	Expired        int64 `json:"expired"`
	NoReceipt      int64 `json:"no_receipt"`
	PendingSend    int64 `json:"pending_send"`
	PendingReceipt int64 `json:"pending_receipt"`
}

// Parts is a Ledger that counts parts of what was encoded, beside the one that
// counts messages. The two convert into each other, so neither can lack a field
// of the other.
type Parts struct {
	Accepted       int64 `json:"parts_accepted"`
	Suppressed     int64 `json:"parts_suppressed"`
	Rejected       int64 `json:"parts_rejected"`
	ExpiredUnsent  int64 `json:"parts_expired_unsent"`
	Cancelled      int64 `json:"parts_cancelled"`
	Uncertain      int64 `json:"parts_uncertain"`
	Submitted      int64 `json:"parts_submitted"`
	Delivered      int64 `json:"parts_delivered"`
	Failed         int64 `json:"parts_failed"`
	Expired        int64 `json:"parts_expired"`
	NoReceipt      int64 `json:"parts_no_receipt"`
	PendingSend    int64 `json:"parts_pending_send"`
	PendingReceipt int64 `json:"parts_pending_receipt"`
}

// Tally counts messages (or parts) by state; index it with a State. Submitted
// holds those that the SMSC accepted and that still wait for a receipt.
type Tally [States]int64

// Add adds o to t.
func (t *Tally) Add(o Tally) {
	for i := range o {
		t[i] += o[i]
	}
}

// Ledger turns a tally into the ledger of a broadcast that accepted that many
// messages: what is in no state yet is pending_send.
func (t Tally) Ledger(accepted int64) Ledger {
	l := Ledger{
		Accepted: accepted, Suppressed: t[Suppressed], Rejected: t[Rejected], ExpiredUnsent: t[ExpiredUnsent],
		Cancelled: t[Cancelled], Uncertain: t[Uncertain], PendingReceipt: t[Submitted],
		Delivered: t[Delivered], Failed: t[Failed], Expired: t[Expired], NoReceipt: t[NoReceipt],
	}
	l.Submitted = l.Delivered + l.Failed + l.Expired + l.NoReceipt + l.PendingReceipt
	l.PendingSend = accepted - (l.Suppressed + l.Rejected + l.ExpiredUnsent + l.Cancelled + l.Uncertain + l.Submitted)
	return l
}

// Balanced tells whether both equations of the ledger hold and nothing is
// negative.
func (l Ledger) Balanced() bool {
	for _, n := range []int64{
		l.Accepted, l.Suppressed, l.Rejected, l.ExpiredUnsent, l.Cancelled, l.Uncertain,
		l.Submitted, l.Delivered, l.Failed, l.Expired, l.NoReceipt, l.PendingSend, l.PendingReceipt,
	} {
		if n < 0 {
			return false
		}
	}
	return l.Accepted == l.Suppressed+l.Rejected+l.ExpiredUnsent+l.Cancelled+l.Uncertain+l.Submitted+l.PendingSend &&
		l.Submitted == l.Delivered+l.Failed+l.Expired+l.NoReceipt+l.PendingReceipt
}

// AtRest tells whether nothing of the broadcast is still to come.
func (l Ledger) AtRest() bool { return l.PendingSend == 0 && l.PendingReceipt == 0 }
