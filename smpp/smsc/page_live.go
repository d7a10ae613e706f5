package smsc

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"fanline/smpp"
)

// live is what the page shows of the last minute. It reads it from the log, and only while somebody looks: what serves
// binds is spared the counting.
type live struct {
	s *server

	mu    sync.Mutex
	tail  *logTail // nil: nobody looked lately
	asked time.Time
	ring  [liveRing]liveSecond
	near  int64 // offset in the segment from which messages are shown: those before are not the latest
	shown liveMessages
	only  string // what is looked for: all that have it are shown, in lower case
}

const (
	liveSeconds = 60
	liveRing    = 64 // more than are shown: the present second is being counted
	// liveIdle after the last look what was counted is given up: the next look reads the last minute anew.
	liveIdle = 30 * time.Second
	// liveKeys bounds the numbers told apart in a second.
	liveKeys = 500
)

// liveSecond counts one second of the log.
type liveSecond struct {
	at       int64 // Unix seconds
	numbers  map[liveKey]*liveCounts
	statuses map[smpp.Status]int64
}

type liveKey struct{ account, number string }

type liveCounts struct{ accepted, throttled, refused, receipts, texts int64 }

// second is the place of a moment; what is older than a minute has none.
func (l *live) second(micros int64) *liveSecond {
	at := micros / secondMicros
	x := &l.ring[at%liveRing]
	switch {
	case x.at == at:
	case x.at > at:
		return nil
	default:
		*x = liveSecond{at: at, numbers: map[liveKey]*liveCounts{}, statuses: map[smpp.Status]int64{}}
	}
	return x
}

func (x *liveSecond) of(account, number string) *liveCounts {
	k := liveKey{account, number}
	c := x.numbers[k]
	if c == nil {
		if len(x.numbers) >= liveKeys {
			k.number = "others"
		}
		if c = x.numbers[k]; c == nil {
			c = &liveCounts{}
			x.numbers[k] = c
		}
	}
	return c
}

// entry takes one entry of the log.
func (l *live) entry(e *Entry) error {
	x := l.second(e.Micros)
	switch e.Kind {
	case KindSubmit:
		if x != nil {
			x.submit(e)
		}
		if l.shows(e) {
			l.shown.submit(e)
		}
	case KindReceipt:
		if x != nil && !e.Again {
			x.of(e.Account, canonicalPhone(e.Destination)).receipts++
		}
		l.shown.receipt(e)
	case KindQueued:
		if l.shows(e) {
			l.shown.queued(e)
		}
	case KindReply:
		if x != nil && !e.Again {
			x.of(e.Account, canonicalPhone(e.Destination)).texts++
		}
		l.shown.sent(e)
	case KindDeliverResp:
		l.shown.answered(e)
	case KindEvent:
		if x != nil && e.Status != smpp.StatusOK && e.In {
			x.statuses[e.Status]++
		}
	}
	return nil
}

// shows says whether a message is shown: all that are looked for, a few of each second of the others.
func (l *live) shows(e *Entry) bool {
	if l.only != "" {
		for _, s := range []string{e.Source, e.Destination, e.ID(), e.Status.String(), strings.ToLower(e.Message())} {
			if strings.Contains(s, l.only) {
				return true
			}
		}
		return false
	}
	return l.tail.d.at >= l.near && l.shown.room(e)
}

func (x *liveSecond) submit(e *Entry) {
	c := x.of(e.Account, canonicalPhone(e.Source))
	x.statuses[e.Status]++
	switch {
	case e.Status == smpp.StatusOK:
		c.accepted++
	case e.Status.Class() == smpp.ClassThrottle:
		c.throttled++
	default:
		c.refused++
	}
}

// look brings what is shown up to now; what is looked for anew is looked for in the last minute.
func (l *live) look(only string) error {
	now := time.Now()
	if l.tail == nil || now.Sub(l.asked) > liveIdle || only != l.only {
		l.only = only
		since := now.Add(-liveSeconds * time.Second)
		l.tail = &logTail{dir: l.s.log.dir, since: since, d: decoder{from: since.UnixMicro()}}
		l.ring, l.shown = [liveRing]liveSecond{}, liveMessages{}
	}
	l.asked = now
	if err := l.s.log.flush(); err != nil {
		return err
	}
	l.near = l.s.log.offset() - liveNear
	return l.tail.read(l.entry)
}

// liveRate is a row of numbers, over the last minute.
type liveRate struct {
	Account   string  `json:"account"`
	Number    string  `json:"number"`
	PerSecond float64 `json:"per_second"` // submits answered, over the last five whole seconds
	Accepted  int64   `json:"accepted"`
	Throttled int64   `json:"throttled"`
	Refused   int64   `json:"refused"`
	Receipts  int64   `json:"receipts"`
	Texts     int64   `json:"texts"`
}

// livePoint is one second of all numbers.
type livePoint struct {
	Accepted  int64 `json:"accepted"`
	Throttled int64 `json:"throttled"`
	Refused   int64 `json:"refused"`
	Receipts  int64 `json:"receipts"`
	Texts     int64 `json:"texts"`
}

type liveStatus struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// livePage is what GET /live answers: all that the page shows.
type livePage struct {
	Time     time.Time      `json:"t"`
	Stats    Stats          `json:"stats"`
	Binds    []Bind         `json:"binds"`
	Numbers  []liveRate     `json:"numbers"`
	Seconds  []livePoint    `json:"seconds"` // the oldest first, the last one whole
	Statuses []liveStatus   `json:"statuses"`
	Messages []*liveMessage `json:"messages"` // the newest first
	Faults   []FaultState   `json:"faults"`
	Traffic  []TrafficState `json:"traffic"`
}

func (l *live) serve(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.look(strings.ToLower(r.URL.Query().Get("only"))); err != nil {
		httpError(w, http.StatusInternalServerError, err)
		return
	}
	now := time.Now()
	p := livePage{
		Time: now.UTC(), Stats: l.s.readStats(), Binds: l.s.listBinds(), Faults: l.s.listFaults(), Traffic: l.s.listTraffic(),
		Messages: l.shown.newest(),
	}
	p.Numbers, p.Statuses, p.Seconds = l.sum(now.Unix())
	writeJSON(w, p)
}

// liveRecent is over how many whole seconds a rate is taken.
const liveRecent = 5

// sum adds up the minute before now.
func (l *live) sum(now int64) (numbers []liveRate, statuses []liveStatus, seconds []livePoint) {
	rows, codes := map[liveKey]*liveRate{}, map[smpp.Status]int64{}
	seconds = make([]livePoint, 0, liveSeconds)
	for at := now - liveSeconds; at < now; at++ {
		x := &l.ring[at%liveRing]
		point := livePoint{}
		if x.at == at {
			for k, c := range x.numbers {
				row := rows[k]
				if row == nil {
					row = &liveRate{Account: k.account, Number: k.number}
					rows[k] = row
				}
				row.add(c, at >= now-liveRecent)
				point.add(c)
			}
			for code, n := range x.statuses {
				codes[code] += n
			}
		}
		seconds = append(seconds, point)
	}
	numbers, statuses = []liveRate{}, []liveStatus{}
	for _, row := range rows {
		numbers = append(numbers, *row)
	}
	slices.SortFunc(numbers, func(a, b liveRate) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Number, b.Number))
	})
	for code, n := range codes {
		statuses = append(statuses, liveStatus{code.String(), n})
	}
	slices.SortFunc(statuses, func(a, b liveStatus) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name))
	})
	return numbers, statuses, seconds
}

func (r *liveRate) add(c *liveCounts, recent bool) {
	r.Accepted += c.accepted
	r.Throttled += c.throttled
	r.Refused += c.refused
	r.Receipts += c.receipts
	r.Texts += c.texts
	if recent {
		r.PerSecond += float64(c.accepted+c.throttled+c.refused) / liveRecent
	}
}

func (p *livePoint) add(c *liveCounts) {
	p.Accepted += c.accepted
	p.Throttled += c.throttled
	p.Refused += c.refused
	p.Receipts += c.receipts
	p.Texts += c.texts
}

// liveMessage is one of the latest messages, a part of a long one for itself.
type liveMessage struct {
	Time  time.Time `json:"t"`
	In    bool      `json:"from_phone"` // a text from a phone
	ID    string    `json:"id,omitempty"`
	From  string    `json:"from"`
	To    string    `json:"to"`
	Text  string    `json:"text"`
	Part  byte      `json:"part"`
	Parts byte      `json:"parts"`
	State string    `json:"state"` // waiting, sent, done, refused, silent
	Word  string    `json:"word"`  // a status, or what a receipt says

	key liveName
}

// liveName tells messages apart: ids of submits and of texts come from one row of numbers.
type liveName struct {
	id   uint64
	part byte
}

// liveMessages holds the latest messages and follows what becomes of them.
type liveMessages struct {
	list   []*liveMessage // the oldest first
	byName map[liveName]*liveMessage
	open   map[sentUnder]*liveMessage
	second int64  // of the last one
	counts [2]int // in that second, by direction
}

// livePerSecond is how many of each direction are shown of one second, so that one sees what becomes of them.
const livePerSecond = 5

// room says whether this second may show one more.
func (m *liveMessages) room(e *Entry) bool {
	if at := e.Micros / secondMicros; at != m.second {
		m.second, m.counts = at, [2]int{}
	}
	n := &m.counts[0]
	if e.Kind == KindQueued {
		n = &m.counts[1]
	}
	*n++
	return *n <= livePerSecond
}

const (
	liveShown = 60
	liveText  = 400       // characters
	liveNear  = 256 << 10 // octets of the log in which the latest messages are
)

func (m *liveMessages) add(x *liveMessage, name liveName) {
	if m.byName == nil {
		m.byName, m.open = map[liveName]*liveMessage{}, map[sentUnder]*liveMessage{}
	}
	x.key = name
	if name.id != 0 {
		m.byName[name] = x
	}
	if m.list = append(m.list, x); len(m.list) < 2*liveShown {
		return
	}
	for _, old := range m.list[:liveShown] {
		if m.byName[old.key] == old {
			delete(m.byName, old.key)
		}
	}
	m.list = slices.Delete(m.list, 0, liveShown)
	for under, x := range m.open {
		if m.byName[x.key] != x {
			delete(m.open, under)
		}
	}
}

func messageOf(e *Entry) *liveMessage {
	text := e.Message()
	if utf8.RuneCountInString(text) > liveText {
		text = string([]rune(text)[:liveText]) + "…"
	}
	return &liveMessage{
		Time: e.Time().UTC(), ID: e.ID(), From: e.Source, To: e.Destination, Text: text, Part: e.Part, Parts: e.Parts, State: "waiting",
	}
}

func (m *liveMessages) submit(e *Entry) {
	x := messageOf(e)
	x.Word = e.Status.String()
	switch {
	case e.Status != smpp.StatusOK:
		x.State, x.ID = "refused", ""
	case e.Unanswered:
		x.State = "silent"
	case e.Stat == StatNone || e.Unwanted || e.Lost:
		x.State = "done"
	}
	m.add(x, liveName{id: e.MessageID})
}

func (m *liveMessages) receipt(e *Entry) {
	if x := m.byName[liveName{id: e.MessageID}]; x != nil {
		x.State, x.Word = "sent", e.Stat.String()
		m.open[sentUnder{e.Conn, e.Seq}] = x
	}
}

func (m *liveMessages) queued(e *Entry) {
	x := messageOf(e)
	x.In = true
	m.add(x, liveName{e.MessageID, e.Part})
}

func (m *liveMessages) sent(e *Entry) {
	name := liveName{e.MessageID, e.Part}
	x := m.byName[name]
	if x == nil { // taken in longer ago than is looked back
		return
	}
	x.State = "sent"
	m.open[sentUnder{e.Conn, e.Seq}] = x
}

func (m *liveMessages) answered(e *Entry) {
	under := sentUnder{e.Conn, e.Seq}
	x := m.open[under]
	if x == nil {
		return
	}
	delete(m.open, under)
	if x.State = "done"; e.Status != smpp.StatusOK {
		x.State, x.Word = "refused", e.Status.String()
	}
}

// newest lists them for the page.
func (m *liveMessages) newest() []*liveMessage {
	out := slices.Clone(m.list[max(0, len(m.list)-liveShown):])
	slices.Reverse(out)
	return out
}
