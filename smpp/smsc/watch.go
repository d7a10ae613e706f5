package smsc

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fanline/smpp/text"
)

// Sent is a text that a phone was sent, joined from its parts.
type Sent struct {
	Time      time.Time `json:"t"` // of the last part
	MessageID string    `json:"message_id"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Text      string    `json:"text"`
	Parts     int       `json:"parts"`
	Complete  bool      `json:"complete"` // all parts are there
	Key       string    `json:"key,omitempty"`
}

// sentPart is a part as it was accepted.
type sentPart struct {
	micros      int64
	id          uint64
	from        string
	key         string
	dcs         byte
	octets      []byte
	ref         uint16
	part, parts byte
}

// watchList keeps what some phones are sent: those that texted, and those that were asked about. Everybody else is
// only in the log. A filter of 64 bits spares the rest the look-up.
type watchList struct {
	filter atomic.Uint64
	mu     sync.Mutex
	phones map[string]*watched
}

type watched struct {
	scanned bool // what the log had before is in
	parts   []sentPart
}

const (
	watchedMax      = 1 << 14 // phones; later ones are read from the log each time
	watchedPartsMax = 2000    // a phone; the oldest go first
)

func watchBit(value uint64) uint64 { return 1 << (mix64(value) & 63) }

// add begins to watch and says whether the phone is watched.
func (w *watchList) add(phone string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.phones == nil {
		w.phones = map[string]*watched{}
	}
	if w.phones[phone] != nil {
		return true
	}
	if len(w.phones) >= watchedMax {
		return false
	}
	w.phones[phone] = &watched{}
	w.filter.Store(w.filter.Load() | watchBit(parsePhone([]byte(phone)).value()))
	return true
}

// saw keeps an accepted submit when its destination is watched.
func (w *watchList) saw(to phone, r *submitRecord, micros int64) {
	if filter := w.filter.Load(); filter == 0 || filter&watchBit(to.value()) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	x := w.phones[to.String()]
	if x == nil {
		return
	}
	x.put(sentPart{
		micros: micros, id: r.id, from: r.source[1:], key: string(r.key), dcs: r.dcs, octets: slices.Clone(r.text),
		ref: r.ref, part: r.part, parts: r.parts,
	})
}

func (x *watched) put(p sentPart) {
	if slices.ContainsFunc(x.parts, func(q sentPart) bool { return q.id == p.id }) {
		return
	}
	if len(x.parts) >= watchedPartsMax {
		x.parts = slices.Delete(x.parts, 0, 1)
	}
	x.parts = append(x.parts, p)
}

// sent lists what a phone was sent, from memory, and the first time from the log.
func (s *server) sent(phone string) ([]Sent, error) {
	kept := s.watch.add(phone)
	s.watch.mu.Lock()
	x := s.watch.phones[phone]
	known := kept && x.scanned
	s.watch.mu.Unlock()
	if !known {
		found := &watched{}
		if err := s.log.flush(); err != nil {
			return nil, err
		}
		err := ReadLog(s.log.dir, func(e *Entry) error {
			if e.Accepted() && canonicalPhone(e.Destination) == phone {
				found.put(sentPart{
					micros: e.Micros, id: e.MessageID, from: e.Source, key: string(e.Key), dcs: e.DataCoding,
					octets: slices.Clone(e.Octets), ref: e.Ref, part: e.Part, parts: e.Parts,
				})
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !kept {
			return joinParts(s.plan().form, phone, found.parts), nil
		}
		s.watch.mu.Lock()
		for _, p := range found.parts {
			x.put(p)
		}
		slices.SortStableFunc(x.parts, func(a, b sentPart) int { return int(a.micros - b.micros) })
		x.scanned = true
		s.watch.mu.Unlock()
	}
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return joinParts(s.plan().form, phone, x.parts), nil
}

// joinParts puts texts together by sender, reference and number of parts, in the order their first parts came.
func joinParts(form IDForm, to string, parts []sentPart) []Sent {
	type long struct {
		from  string
		ref   uint16
		parts byte
	}
	out := make([]Sent, 0, len(parts))
	open := map[long]int{} // place in out of a text that lacks parts
	have := map[int]map[byte]string{}
	for _, p := range parts {
		body := text.Decode(p.dcs, p.octets)
		sent := Sent{
			Time: time.UnixMicro(p.micros).UTC(), MessageID: string(form.Append(nil, p.id)), From: p.from, To: to, Text: body,
			Parts: int(p.parts), Complete: p.parts <= 1, Key: p.key,
		}
		if p.parts <= 1 {
			out = append(out, sent)
			continue
		}
		k := long{p.from, p.ref, p.parts}
		at, ok := open[k]
		if !ok || have[at][p.part] != "" {
			at = len(out)
			open[k], have[at] = at, map[byte]string{}
			out = append(out, sent)
		}
		have[at][p.part] = body
		out[at].Time, out[at].Text = sent.Time, ""
		for i := byte(1); i <= p.parts && i > 0; i++ {
			out[at].Text += have[at][i]
		}
		if len(have[at]) == int(p.parts) {
			out[at].Complete = true
			delete(open, k)
		}
	}
	return out
}
