package smsc

import (
	"fmt"
	"maps"
	"slices"

	"fanline/smpp"
)

// Report is what Audit found in a log. It is counted from the log alone, by no code that the engine shares.
type Report struct {
	Submits   int64 `json:"submits"`   // submit_sm and data_sm, whatever the answer
	Accepted  int64 `json:"accepted"`  // answered ESME_ROK, or taken and by a fault not answered
	Throttled int64 `json:"throttled"` // answered ESME_RTHROTTLED
	Refused   int64 `json:"refused"`   // answered otherwise
	// Unanswered were accepted and by a fault never answered.
	Unanswered int64 `json:"unanswered"`
	// Unsaid are answers that the end of a connection left unsaid, or perhaps unsaid: a write failed. Clients can't know what
	// became of those submits.
	Unsaid     int64 `json:"answers_unsaid"`
	Messages   int64 `json:"messages"`   // distinct keys of accepted submits; without keys distinct contents
	Duplicates int64 `json:"duplicates"` // accepted (key, part) beyond the first
	Unkeyed    int64 `json:"unkeyed"`    // accepted submits without a key

	// Multi are destinations of submit_multi among the submits: each counts as one.
	Multi     int64            `json:"submit_multi"`
	Causes    map[string]int64 `json:"causes"`    // refused submits by what refused them: limit, queue, statuses, errors, fault, …
	Odd       map[string]int64 `json:"odd"`       // answers out of order: no_body, empty_id, nack, nack_zero, late
	Cancelled int64            `json:"cancelled"` // messages, by cancel_sm
	Replaced  int64            `json:"replaced"`  // messages, by replace_sm or replace_if_present_flag
	Queries   int64            `json:"queries"`   // query_sm
	Alerts    int64            `json:"alerts"`    // alert_notification sent
	Outbinds  int64            `json:"outbinds"`
	Faults    map[string]int64 `json:"faults"`  // by kind, how often they happened
	SameID    int64            `json:"same_id"` // accepted submits with the id of another, but for submit_multi

	Statuses      map[string]int64 `json:"statuses"`       // answers by name
	Receipts      map[string]int64 `json:"receipts"`       // sent for the first time, by state; a duplicate counts again
	Intermediate  int64            `json:"intermediate"`   // receipts that aren't the last word, sent for the first time; not among receipts
	ReceiptsAgain int64            `json:"receipts_again"` // sent again for want of an answer
	ReceiptsAcked int64            `json:"receipts_acked"` // deliver_sm_resp ESME_ROK to receipts

	Texts      int64 `json:"texts"`       // from phones, delivered at least once
	TextsAcked int64 `json:"texts_acked"` // all parts answered ESME_ROK
	Stops      int64 `json:"stops"`       // of those, with a word that means stop

	// MaxParts1s is by number the largest count of submits answered other than by throttling in any second.
	MaxParts1s map[string]int64 `json:"max_parts_1s"`

	SendsAfterStop int64       `json:"sends_after_stop"` // see stops.go
	StopReplies    int64       `json:"stop_replies"`     // submits after a stop that its confirmation or an answer excuses
	AfterStop      []AfterStop `json:"after_stop"`       // the first sends_after_stop, at most 20

	Binds          int64   `json:"binds"` // accepted
	Disconnects    int64   `json:"disconnects"`
	ProtocolErrors int64   `json:"protocol_errors"`
	Starts         int64   `json:"starts"`  // of the simulator
	Seconds        float64 `json:"seconds"` // from the first submit to the last
}

// Audit reads the log of the simulator in dir, and when a phone said STOP a second time for what was sent after it.
func Audit(dir string) (Report, error) {
	a := newAuditor()
	if err := ReadLog(dir, a.first); err != nil {
		return Report{}, err
	}
	if !a.stops.close() {
		return a.report(), nil
	}
	a.order = 0
	if err := ReadLog(dir, a.second); err != nil {
		return Report{}, err
	}
	return a.report(), nil
}

// Accepted is a message of which at least one part was accepted.
type Accepted struct {
	Key               []byte // valid until the next call
	Kind              KeyKind
	Broadcast, Member uint32 // of a broadcast's key
	Parts             int    // distinct parts accepted
	Total             int    // parts that it has
}

// AcceptedKeys calls yield for each key of which the log has an accepted submit, until it returns false: keys of
// broadcasts by number and member, then the others. Submits without a key are left out.
func AcceptedKeys(dir string, yield func(Accepted) bool) error {
	var keys keySet
	err := ReadLog(dir, func(e *Entry) error {
		if e.Accepted() && e.KeyKind != KeyNone {
			keys.add(e)
		}
		return nil
	})
	if err == nil {
		keys.each(yield)
	}
	return err
}

// auditor follows the log.
type auditor struct {
	r        Report
	keys     keySet
	rates    map[string]*slidingCount
	stops    stopRule
	order    int64 // of the entry, counted anew in each reading
	inFlight map[sentUnder]sentPartOf
	texts    map[uint64]*auditText
	from, to int64
	statuses map[smpp.Status]int64
	causes   [causeCount]int64
	odd      [len(shapeNames)]int64
	ids      bitset // of the low 32 bits of accepted ids
	stats    [len(statTable)]int64
}

// auditText is a text from a phone of which parts were sent.
type auditText struct {
	acked map[byte]bool
	parts byte
}

func newAuditor() *auditor {
	return &auditor{
		rates: map[string]*slidingCount{}, inFlight: map[sentUnder]sentPartOf{}, texts: map[uint64]*auditText{},
		statuses: map[smpp.Status]int64{},
	}
}

// first counts everything but what the rule on stops needs the whole log for.
func (a *auditor) first(e *Entry) error {
	a.order++
	switch e.Kind {
	case KindStart:
		if !e.Again {
			a.r.Starts++
		}
	case KindEvent:
		a.event(e)
	case KindSubmit:
		a.submit(e)
	case KindReceipt:
		a.inFlight[sentUnder{e.Conn, e.Seq}] = sentPartOf{id: e.MessageID}
		if e.Again {
			a.r.ReceiptsAgain++
		} else if e.Intermediate {
			a.r.Intermediate++
		} else if int(e.Stat) < len(a.stats) {
			a.stats[e.Stat]++
		}
	case KindReply:
		a.inFlight[sentUnder{e.Conn, e.Seq}] = sentPartOf{id: e.MessageID, part: e.Part}
		if a.texts[e.MessageID] == nil {
			a.texts[e.MessageID] = &auditText{acked: map[byte]bool{}, parts: e.Parts}
			a.r.Texts++
		}
		a.stops.text(e)
	case KindDeliverResp:
		a.answer(e)
	case KindOperation:
		a.operation(e)
	}
	return nil
}

func (a *auditor) operation(e *Entry) {
	if e.Command == "query_sm" {
		a.r.Queries++
	}
	if e.Status != smpp.StatusOK {
		return
	}
	switch e.Command {
	case "cancel_sm":
		a.r.Cancelled++
	case "replace_sm", CommandReplaced:
		a.r.Replaced++
	case "alert_notification":
		a.r.Alerts++
	case "outbind":
		a.r.Outbinds++
	}
}

func (a *auditor) event(e *Entry) {
	switch e.Command {
	case "bind_transceiver", "bind_transmitter", "bind_receiver":
		if e.Status == smpp.StatusOK {
			a.r.Binds++
		}
	case CommandClosed:
		a.r.Unsaid += int64(e.Seq)
		if e.Account != "" {
			a.r.Disconnects++
		}
	case CommandProtocolError:
		a.r.ProtocolErrors++
	case CommandFault:
		if a.r.Faults == nil {
			a.r.Faults = map[string]int64{}
		}
		a.r.Faults[e.Text]++
	}
}

func (a *auditor) submit(e *Entry) {
	a.r.Submits++
	a.statuses[e.Status]++
	if e.Multi {
		a.r.Multi++
	}
	a.causes[min(e.Cause, causeCount-1)]++
	if e.Shape != 0 {
		for i, x := range shapeNames {
			if e.Shape&x.bit != 0 {
				a.odd[i]++
			}
		}
	}
	if a.from == 0 || e.Micros < a.from {
		a.from = e.Micros
	}
	a.to = max(a.to, e.Micros)
	if e.Status != smpp.StatusThrottled {
		number := canonicalPhone(e.Source)
		c := a.rates[number]
		if c == nil {
			c = &slidingCount{}
			a.rates[number] = c
		}
		c.add(e.Micros)
	}
	if !e.Accepted() {
		return
	}
	if e.Unanswered {
		a.r.Unanswered++
	}
	if !a.ids.add(uint32(e.MessageID)) && !e.Multi {
		a.r.SameID++
	}
	if e.KeyKind == KeyNone {
		a.r.Unkeyed++
	}
	if !a.keys.add(e) {
		a.r.Duplicates++
	}
}

func (a *auditor) answer(e *Entry) {
	under := sentUnder{e.Conn, e.Seq}
	sent, ok := a.inFlight[under]
	if !ok {
		return
	}
	delete(a.inFlight, under)
	if e.Status != smpp.StatusOK {
		return
	}
	if sent.part == 0 {
		a.r.ReceiptsAcked++
		return
	}
	t := a.texts[sent.id]
	t.acked[sent.part] = true
	if len(t.acked) == int(max(t.parts, 1)) {
		a.r.TextsAcked++
		a.stops.answered(sent.id, place{e.Micros, e.Conn, a.order})
	}
}

// second looks at submits again, now that every stop is known.
func (a *auditor) second(e *Entry) error {
	a.order++
	if e.Kind == KindSubmit {
		a.stops.submit(e, place{e.Micros, e.Conn, a.order})
	}
	return nil
}

func (a *auditor) report() Report {
	r := a.r
	broadcast, other, unkeyed := a.keys.distinct()
	r.Messages = int64(broadcast + other + unkeyed)
	r.Statuses = map[string]int64{}
	for status, n := range a.statuses {
		r.Statuses[status.String()] = n
		switch status {
		case smpp.StatusOK:
			r.Accepted = n
		case smpp.StatusThrottled:
			r.Throttled = n
		default:
			r.Refused += n
		}
	}
	r.Causes, r.Odd = map[string]int64{}, map[string]int64{}
	for i, n := range a.causes {
		if n > 0 && Cause(i) != CauseNone {
			r.Causes[Cause(i).String()] = n
		}
	}
	for i, n := range a.odd {
		if n > 0 {
			r.Odd[shapeNames[i].name] = n
		}
	}
	if r.Faults == nil {
		r.Faults = map[string]int64{}
	}
	r.Receipts = map[string]int64{}
	for i, n := range a.stats {
		if n > 0 {
			r.Receipts[Stat(i).String()] = n
		}
	}
	r.MaxParts1s = map[string]int64{}
	for number, count := range a.rates {
		r.MaxParts1s[number] = count.finish()
	}
	r.Stops = a.stops.count
	r.SendsAfterStop, r.StopReplies, r.AfterStop = a.stops.judge()
	r.Seconds = float64(a.to-a.from) / 1e6
	return r
}

// Text writes the report for people.
func (r Report) Text() string {
	s := fmt.Sprintf("submits %d: accepted %d, throttled %d, refused %d, unanswered %d\n", r.Submits, r.Accepted, r.Throttled, r.Refused, r.Unanswered)
	s += fmt.Sprintf("messages %d, duplicates %d, without a key %d\n", r.Messages, r.Duplicates, r.Unkeyed)
	for _, name := range slices.Sorted(maps.Keys(r.Statuses)) {
		s += fmt.Sprintf("  answered %s: %d\n", name, r.Statuses[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Receipts)) {
		s += fmt.Sprintf("  receipts %s: %d\n", name, r.Receipts[name])
	}
	s += fmt.Sprintf("receipts sent again %d, acknowledged %d\n", r.ReceiptsAgain, r.ReceiptsAcked)
	s += r.oddText()
	for _, number := range slices.Sorted(maps.Keys(r.MaxParts1s)) {
		s += fmt.Sprintf("  most parts in a second from %s: %d\n", number, r.MaxParts1s[number])
	}
	s += fmt.Sprintf("texts from phones %d, acknowledged %d, stops %d\n", r.Texts, r.TextsAcked, r.Stops)
	return s + fmt.Sprintf("sends after stop %d, answers to stops %d\n", r.SendsAfterStop, r.StopReplies)
}

// oddText is what most logs have nothing of.
func (r Report) oddText() (s string) {
	line := func(name string, n int64) {
		if n != 0 {
			s += fmt.Sprintf("%s %d\n", name, n)
		}
	}
	line("answers left unsaid", r.Unsaid)
	line("destinations of submit_multi", r.Multi)
	line("cancelled", r.Cancelled)
	line("replaced", r.Replaced)
	line("queries", r.Queries)
	line("alerts", r.Alerts)
	line("outbinds", r.Outbinds)
	line("intermediate receipts", r.Intermediate)
	line("accepted with the id of another", r.SameID)
	for _, x := range []struct {
		name   string
		counts map[string]int64
	}{{"refused by", r.Causes}, {"odd answers:", r.Odd}, {"faults:", r.Faults}} {
		for _, key := range slices.Sorted(maps.Keys(x.counts)) {
			line("  "+x.name+" "+key, x.counts[key])
		}
	}
	return s
}
