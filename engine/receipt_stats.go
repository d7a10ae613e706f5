package engine

import (
	"log/slog"
	"sync/atomic"
	"time"

	"fanline/engine/receipts"
)

// IDForm is how the receipts of a carrier write the ids of its responses.
// Blanks, case and leading zeros never count.
type IDForm uint8

// The forms that are told apart, in the order in which they are tried.
const (
	IDSame    IDForm = iota // the base is the same in both
	IDDecimal               // receipts are decimal, responses hexadecimal
	IDHex                   // receipts are hexadecimal, responses decimal
	IDForms   = 3
)

// String returns the name used in profiles, JSON and metrics.
func (f IDForm) String() string {
	switch f {
	case IDSame:
		return "same"
	case IDDecimal:
		return "hex_to_decimal"
	case IDHex:
		return "decimal_to_hex"
	}
	return "unknown"
}

// MarshalText writes the form of String.
func (f IDForm) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// PartsReceipt says for which parts of a text in several a carrier sends
// receipts.
type PartsReceipt uint8

// What stands for the receipts of all parts.
const (
	EveryPart PartsReceipt = iota // nothing: each has one
	LastPart                      // that of the last one
	FirstPart                     // that of the first one
	AnyPart                       // any one
)

// CarrierReceipts is what became of a carrier's receipts since the engine
// started, and how the carrier writes ids. Every receipt that was read counts
// once, in one of the first eight, or is in Parked. No receipt is ever without.
type CarrierReceipts struct {
	Carrier      string `json:"carrier"`
	Matched      int64  `json:"matched"`      // at once
	Joined       int64  `json:"joined"`       // having been parked for a while
	Settled      int64  `json:"settled"`      // uncertain messages' parts, by phone and time
	Repeated     int64  `json:"repeated"`     // came before, or after another final one
	Late         int64  `json:"late"`         // its message had been decided without it
	Unmatched    int64  `json:"unmatched"`    // parked until its time was over
	Intermediate int64  `json:"intermediate"` // says nothing final
	Unreadable   int64  `json:"unreadable"`

	Parked    int64 `json:"parked"`     // now
	ByPhone   int64 `json:"by_phone"`   // of those matched: without an id
	Astray    int64 `json:"astray"`     // … filed under another phone, or under none
	Ambiguous int64 `json:"ambiguous"`  // of those parked: more than one message could be meant
	IDsReused int64 `json:"ids_reused"` // ids of responses that another message had shortly before or still has

	Form      IDForm         `json:"form"`          // tried first
	Detected  bool           `json:"form_detected"` // … because receipts have shown it
	ByForm    [IDForms]int64 `json:"by_form"`       // matches by the form of their id: same, hex_to_decimal, decimal_to_hex
	Responses receipts.Style `json:"responses"`     // what ids look like there
	Receipts  receipts.Style `json:"receipts"`
}

// Results returns the eight ends that a receipt can come to, by the names used
// in metrics.
func (r *CarrierReceipts) Results() map[string]int64 {
	return map[string]int64{
		"matched": r.Matched, "joined": r.Joined, "settled": r.Settled, "repeated": r.Repeated,
		"late": r.Late, "unmatched": r.Unmatched, "intermediate": r.Intermediate, "unreadable": r.Unreadable,
	}
}

// MatchRate is the share of final receipts that found their message; 1 where
// there were none. What came again or too late doesn't count.
func (r *CarrierReceipts) MatchRate() float64 {
	found := r.Matched + r.Joined + r.Settled
	if all := found + r.Unmatched + r.Parked; all > 0 {
		return float64(found) / float64(all)
	}
	return 1
}

// told is what other goroutines see of what became of receipts.
type told struct {
	v    atomic.Pointer[[]CarrierReceipts]
	next time.Time // when it is renewed
}

// Receipts returns what became of each carrier's receipts, in the order of the
// configuration, as of a moment ago.
func (e *Engine) Receipts() []CarrierReceipts {
	if all := e.told.v.Load(); all != nil {
		return *all
	}
	return nil
}

// incoming is what an engine learns of a carrier by its receipts.
type incoming struct {
	stats   CarrierReceipts
	detect  bool   // the form of ids is to be found out
	last    IDForm // of the last match
	streak  int    // matches of that form in a row
	learned int    // grows when something was learned that may find what is parked
	looked  int    // … for the last time after so much was learned
	astray  bool   // receipts come filed under other phones than their messages
	noIDs   bool   // receipts come without ids: messages are found by phone too
	recent  *receipts.Seen
	warned  time.Time // when reuse of ids was last spoken of
}

const (
	sureAfter   = 8       // matches of a form in a row, until it alone is tried
	recentIDs   = 1 << 10 // of a carrier, for noticing at once that it uses them again
	styleWhole  = 1000    // ids are looked at one by one, and then
	styleSample = 64      // one in so many
)

// sure tells whether the form of ids needs no more finding out.
func (in *incoming) sure() bool { return !in.detect || in.stats.Detected }

// learn takes note of a match; clear: in no other form would the id have been
// the same.
func (in *incoming) learn(form IDForm, clear bool) {
	in.stats.ByForm[form]++
	if !in.detect || !clear {
		return
	}
	if in.streak++; form != in.last {
		in.last, in.streak = form, 1
	}
	if s := &in.stats; in.streak >= sureAfter && (!s.Detected || s.Form != form) {
		s.Form, s.Detected = form, true
		in.learned++
	} else if !s.Detected && s.ByForm[form] > s.ByForm[s.Form] {
		s.Form = form
		in.learned++
	}
}

// again tells whether an id came with another response shortly before: two
// messages have it, of whatever partitions.
func (in *incoming) again(key uint64) bool {
	if in.recent == nil {
		in.recent = receipts.NewSeen(recentIDs)
	}
	return in.recent.Again(key)
}

// reused says, once a minute, that a carrier uses ids again. Their receipts are
// told apart by phone.
func (e *Engine) reused(c *carrier) {
	if e.now.Sub(c.in.warned) >= time.Minute {
		c.in.warned = e.now
		e.cfg.Logger.Warn("a carrier gave several messages one id: their receipts can only be told apart by phone",
			slog.String("carrier", c.name), slog.Int64("so_far", c.in.stats.IDsReused))
	}
}

// look has a style see some of many ids.
func look(s *receipts.Style, n int64, id []byte) {
	if n < styleWhole || n%styleSample == 0 {
		s.Observe(id)
	}
}

// tell puts what became of receipts into the engine's counts, and, a few times
// a second, before other goroutines.
func (e *Engine) tell(s *Stats) {
	for _, c := range e.carriers {
		r := &c.in.stats
		s.ReceiptsMatched += r.Matched + r.Joined + r.Settled
		s.ReceiptsRepeated += r.Repeated
		s.ReceiptsLate += r.Late
		s.ReceiptsUnmatched += r.Unmatched
		s.ReceiptsIntermediate += r.Intermediate
		s.IDsReused += r.IDsReused
	}
	if e.now.Before(e.told.next) {
		return
	}
	e.told.next = e.now.Add(100 * time.Millisecond)
	all := make([]CarrierReceipts, len(e.carriers))
	for i, c := range e.carriers {
		all[i] = c.in.stats
		all[i].Carrier = c.name
	}
	for _, p := range e.parts {
		if p == nil {
			continue
		}
		for _, r := range p.parked {
			all[r.carrier.index].Parked++
		}
	}
	e.told.v.Store(&all)
}
