package smsc

// receiptWheel holds receipts in two wheels: what is due within half a second in fine slots, the rest in coarse ones
// that empty into the fine ones in time. A wheel of fine slots alone cost three times as much with receipts spread over
// seconds: every entry then lands in a chunk that has left the processor's cache since the one before it.
type receiptWheel struct {
	fine, coarse *wheel[delivery]
	refine       func([]delivery)
}

const (
	fineSlotMs   = 8
	fineSlots    = 128
	coarseSlotMs = 256
	coarseSlots  = 1024
	// coarseLeadMs before its end a coarse slot is emptied: two slots, so that nothing in it is due yet.
	coarseLeadMs = 2 * coarseSlotMs
	// coarseTurnMs is how often the coarse wheel must be looked at.
	coarseTurnMs = coarseSlotMs / 2
)

func newReceiptWheel(nowMs uint32, spare *chunks[delivery]) *receiptWheel {
	w := &receiptWheel{
		fine:   newWheel(fineSlots, fineSlotMs, nowMs, deliveryDue, spare),
		coarse: newWheel(coarseSlots, coarseSlotMs, nowMs+coarseLeadMs, deliveryDue, spare),
	}
	w.refine = func(batch []delivery) {
		for i := range batch {
			w.fine.add(&batch[i], batch[i].due)
		}
	}
	return w
}

func (w *receiptWheel) len() int { return w.fine.n + w.coarse.n }

func (w *receiptWheel) add(d *delivery, nowMs uint32) {
	if int32(d.due-nowMs) <= coarseLeadMs {
		w.fine.add(d, d.due)
	} else {
		w.coarse.add(d, d.due)
	}
}

func (w *receiptWheel) turn(nowMs uint32, emit func([]delivery)) {
	w.coarse.turn(nowMs+coarseLeadMs, w.refine)
	w.fine.turn(nowMs, emit)
}

// aheadMs is in how many milliseconds something may be due.
func (w *receiptWheel) aheadMs() int {
	if w.fine.n > 0 {
		return min(w.fine.ahead()*fineSlotMs, coarseTurnMs)
	}
	return coarseTurnMs
}

func (w *receiptWheel) drain(emit func([]delivery)) {
	w.fine.drain(emit)
	w.coarse.drain(emit)
}

// each visits everything until it returns false.
func (w *receiptWheel) each(visit func(*delivery) bool) {
	for _, level := range [...]*wheel[delivery]{w.fine, w.coarse} {
		for _, k := range level.slots {
			for ; k != nil; k = k.next {
				for i := range k.n {
					if !visit(&k.e[i]) {
						return
					}
				}
			}
		}
	}
}
