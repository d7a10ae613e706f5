package smsc

import (
	"slices"
	"strings"
	"time"

	"fanline/smpp/text"
)

// The rule on stops. A phone's STOP to a number holds from the deliver_sm_resp that accepts it (the last part's, when it
// came in parts) until the same phone's next START is delivered. Every submit from the number to the phone that was read
// in between counts, whatever its answer, but for one thing: for each text that the phone sent to the number from the
// STOP on, one submit is excused whose key is a ULID, that is, one that belongs to no broadcast: the confirmation of the
// STOP, the answer to a HELP. A long answer's parts share a key and count as one. Unkeyed submits and those of
// broadcasts are never excused.
type stopRule struct {
	texts map[uint64]*phoneText
	lines map[line]*lineStops
	count int64
}

// line is a conversation: number and phone.
type line struct{ number, phone string }

// phoneText is a text on its way in.
type phoneText struct {
	line  line
	parts [][]byte
	got   int
	dcs   byte
	at    int64  // delivered, first part
	word  string // once all parts are known
	acked place
}

// place is a point in the log: a moment, and between what one connection brought in one read the order in which it
// stood there.
type place struct {
	micros int64
	conn   uint32
	order  int64
}

// before says whether a connection's p was read before its q, or p's read was over when q's began.
func (p place) before(q place) bool {
	return p.micros < q.micros || p.micros == q.micros && p.conn == q.conn && p.order < q.order
}

// lineStops is what one phone said to one number, and what it was sent after a stop.
type lineStops struct {
	texts []*phoneText
	stops []*stopped
}

// stopped is a span in which nothing may be sent.
type stopped struct {
	since int64 // delivery of the first STOP
	from  place // its acceptance
	to    int64 // delivery of the START that ends it
	after []sentAfter
}

type sentAfter struct {
	at   int64
	ulid bool
	key  string
	id   string
}

// AfterStop is a submit that should not have been.
type AfterStop struct {
	Time      time.Time `json:"t"`
	Number    string    `json:"number"`
	Phone     string    `json:"phone"`
	Key       string    `json:"key"`
	MessageID string    `json:"message_id"`
}

const afterStopMax = 20

// isStop and isStart know the words that carriers require, alone in the text, in any case.
func isStop(word string) bool {
	switch word {
	case "STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "OPT OUT", "OPT-OUT":
		return true
	}
	return false
}

func isStart(word string) bool {
	return word == "START" || word == "UNSTOP"
}

func wordOf(s string) string {
	return strings.ToUpper(strings.Trim(strings.Join(strings.Fields(s), " "), ".!\"' "))
}

// text takes a part of a text that was sent to the client.
func (s *stopRule) text(e *Entry) {
	if s.texts == nil {
		s.texts, s.lines = map[uint64]*phoneText{}, map[line]*lineStops{}
	}
	t := s.texts[e.MessageID]
	if t == nil {
		l := line{canonicalPhone(e.Destination), canonicalPhone(e.Source)}
		t = &phoneText{line: l, at: e.Micros, dcs: e.DataCoding, parts: make([][]byte, max(e.Parts, 1))}
		s.texts[e.MessageID] = t
		stops := s.lines[l]
		if stops == nil {
			stops = &lineStops{}
			s.lines[l] = stops
		}
		stops.texts = append(stops.texts, t)
	}
	if i := int(e.Part) - 1; i >= 0 && i < len(t.parts) && t.parts[i] == nil {
		t.parts[i] = append([]byte{}, e.Octets...)
		t.got++
	}
	if t.got == len(t.parts) {
		t.word = wordOf(text.Decode(t.dcs, slices.Concat(t.parts...)))
	}
}

// answered says when the last part was accepted.
func (s *stopRule) answered(id uint64, at place) {
	if t := s.texts[id]; t != nil {
		t.acked = at
	}
}

// close makes the spans of the stops, once the whole log is known, and says whether there are any.
func (s *stopRule) close() (any bool) {
	for _, l := range s.lines {
		slices.SortStableFunc(l.texts, func(a, b *phoneText) int { return compareInt64(a.at, b.at) })
		var open *stopped
		for _, t := range l.texts {
			switch {
			case isStop(t.word):
				s.count++
				if open == nil {
					open = &stopped{since: t.at, to: 1<<63 - 1}
				}
				if t.acked.micros != 0 && (open.from.micros == 0 || t.acked.before(open.from)) {
					open.from = t.acked
				}
				if open.from.micros != 0 && !slices.Contains(l.stops, open) {
					l.stops = append(l.stops, open)
					any = true
				}
			case isStart(t.word) && open != nil:
				open.to = t.at
				open = nil
			}
		}
	}
	return any
}

// submit takes a submit, in the second reading.
func (s *stopRule) submit(e *Entry, at place) {
	if len(s.lines) == 0 {
		return
	}
	l := s.lines[line{canonicalPhone(e.Source), canonicalPhone(e.Destination)}]
	if l == nil {
		return
	}
	for _, span := range l.stops {
		if span.from.before(at) && e.Micros < span.to {
			span.after = append(span.after, sentAfter{e.Micros, e.KeyKind == KeyULID, string(e.Key), e.ID()})
			return
		}
	}
}

// judge counts what the rule excuses and what it doesn't, and lists the first of the latter.
func (s *stopRule) judge() (counted, excused int64, first []AfterStop) {
	first = []AfterStop{}
	for name, l := range s.lines {
		for _, span := range l.stops {
			slices.SortStableFunc(span.after, func(a, b sentAfter) int { return compareInt64(a.at, b.at) })
			known := map[string]bool{}
			for _, sent := range span.after {
				if sent.ulid && (known[sent.key] || len(known) < l.textsBetween(span.since, sent.at)) {
					known[sent.key] = true
					excused++
					continue
				}
				counted++
				first = append(first, AfterStop{time.UnixMicro(sent.at).UTC(), name.number, maskPhone(name.phone), sent.key, sent.id})
			}
		}
	}
	slices.SortFunc(first, func(a, b AfterStop) int { return a.Time.Compare(b.Time) })
	return counted, excused, first[:min(len(first), afterStopMax)]
}

// textsBetween is how many texts the phone sent in a span of time, its ends included.
func (l *lineStops) textsBetween(from, to int64) (n int) {
	for _, t := range l.texts {
		if t.at >= from && t.at <= to {
			n++
		}
	}
	return n
}

func compareInt64(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// maskPhone leaves the last four digits.
func maskPhone(s string) string {
	if len(s) <= 4 {
		return s
	}
	return strings.Repeat("*", len(s)-4) + s[len(s)-4:]
}
