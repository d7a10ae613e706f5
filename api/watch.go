package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/rivo/uniseg"

	"fanline/community"
	"fanline/engine/message"
)

// Watched is one line of a watch. The last has Done set.
type Watched struct {
	Planned     int64    `json:"planned"` // members read from the log or decided
	Sent        int64    `json:"sent"`    // messages whose bytes left or may have left
	Delivered   int64    `json:"delivered"`
	Failed      int64    `json:"failed"`        // by receipt: failed or expired; or refused
	Rate        float64  `json:"rate_per_s"`    // parts, over the last seconds
	Allowed     int      `json:"allowed_per_s"` // parts, by the number's limit; 0: none
	SecondsLeft *float64 `json:"seconds_left"`  // until all is sent; null when it can't be told
	Elapsed     float64  `json:"elapsed_s"`     // since the start
	Done        bool     `json:"done"`
	Ledger      Ledger   `json:"ledger"`
}

// How often a watch looks, and over how long the rate is taken.
const (
	watchEvery   = 500 * time.Millisecond
	watchFastest = 50 * time.Millisecond
	rateOver     = 3 * time.Second
)

// watch streams the progress of a broadcast until all of it is sent (with
// until=sent) or has its receipts (until=rest, which is the default), or the
// client leaves. A draft is waited for.
func (a *API) watch(w http.ResponseWriter, r *http.Request) error {
	b, err := a.broadcastOf(r)
	if err != nil {
		return err
	}
	n, err := a.number(r.Context(), b.Number)
	if err != nil {
		return err
	}
	every, untilSent, err := watchOptions(r)
	if err != nil {
		return err
	}
	out := newStream(w)
	tick := time.NewTicker(every)
	defer tick.Stop()
	var rate meter
	for {
		line := a.look(b, n.LimitPerSecond, &rate)
		line.Done = line.Ledger.over(untilSent)
		if out.line(line) != nil || line.Done {
			return nil
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return nil
		}
		if b, err = a.Store.Broadcast(r.Context(), b.ID); err != nil {
			if r.Context().Err() == nil {
				_ = out.line(toldAs(err)) // If that fails too the client has left.
			}
			return nil
		}
	}
}

func watchOptions(r *http.Request) (every time.Duration, untilSent bool, err error) {
	every = watchEvery
	if text := r.URL.Query().Get("every_ms"); text != "" {
		ms, err := strconv.Atoi(text)
		if every = time.Duration(ms) * time.Millisecond; err != nil || every < watchFastest || every > time.Minute {
			return 0, false, invalid("every_ms", "%q: want a number from %d to 60000", text, watchFastest.Milliseconds())
		}
	}
	switch text := r.URL.Query().Get("until"); text {
	case "", "rest":
	case "sent":
		untilSent = true
	default:
		return 0, false, invalid("until", "%q: want sent or rest", text)
	}
	return every, untilSent, nil
}

// over tells whether nothing is to come any more. While a partition has no
// owner nobody can tell.
func (l *Ledger) over(untilSent bool) bool {
	switch {
	case l.State == community.Draft, !l.Complete:
		return false
	case l.Ledger.Accepted == 0: // Cancelled before its start.
		return l.State == community.Cancelled
	case untilSent:
		return l.Ledger.PendingSend == 0
	}
	return l.AtRest()
}

// look makes one line.
func (a *API) look(b community.Broadcast, limit int, rate *meter) Watched {
	p := a.Progress(b.ID)
	l := NewLedger(b, p)
	now := a.Now()
	rate.add(now, partsSent(p.Parts))
	line := Watched{
		Planned: max(p.Planned, l.Ledger.Accepted-l.Ledger.PendingSend), Sent: l.Ledger.Submitted + l.Ledger.Rejected + l.Ledger.Uncertain, Delivered: l.Ledger.Delivered,
		Failed: l.Ledger.Failed + l.Ledger.Expired + l.Ledger.Rejected, Rate: rate.perSecond(), Allowed: limit, Ledger: l,
	}
	if !b.Started.IsZero() {
		line.Elapsed = max(0, now.Sub(b.Started).Seconds())
	}
	if left, ok := secondsLeft(l, line.Rate, limit); ok && b.State == community.Sending {
		line.SecondsLeft = &left
	}
	return line
}

// partsSent counts the parts whose bytes left or may have left.
func partsSent(t message.Tally) int64 {
	return t[message.Submitted] + t[message.Delivered] + t[message.Failed] + t[message.Expired] + t[message.NoReceipt] +
		t[message.Rejected] + t[message.Uncertain]
}

// secondsLeft reckons with the rate of now, or with the limit before there is
// one, and with as many parts for each message as there were so far.
func secondsLeft(l Ledger, rate float64, limit int) (float64, bool) {
	if l.Ledger.PendingSend == 0 {
		return 0, true
	}
	if rate < 1 {
		rate = float64(limit)
	}
	if rate < 1 {
		return 0, false
	}
	each := 1.0
	if sent := l.Ledger.Submitted + l.Ledger.Rejected + l.Ledger.Uncertain; sent > 0 {
		each = max(1, float64(l.Parts.Submitted+l.Parts.Rejected+l.Parts.Uncertain)/float64(sent))
	}
	return float64(l.Ledger.PendingSend) * each / rate, true
}

// meter tells how fast a count grows, over the last few looks.
type meter struct{ samples []sample }

type sample struct {
	at    time.Time
	count int64
}

func (m *meter) add(at time.Time, count int64) {
	m.samples = append(m.samples, sample{at, count})
	for len(m.samples) > 2 && at.Sub(m.samples[1].at) >= rateOver {
		m.samples = m.samples[1:]
	}
}

func (m *meter) perSecond() float64 {
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	span := last.at.Sub(first.at).Seconds()
	if span <= 0 {
		return 0
	}
	return max(0, float64(last.count-first.count)/span)
}

// characters counts as a reader does: grapheme clusters.
func characters(s string) int { return uniseg.GraphemeClusterCount(s) }
