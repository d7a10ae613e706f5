package carrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
	"fanline/smpp/session"
)

const (
	// gatherFor is how long deliveries are gathered before they are appended.
	gatherFor = 3 * time.Millisecond
	// gatherMost is how many are appended at once without waiting for more.
	gatherMost = 4096
	// appendsMost is how many appends may be under way; what comes meanwhile
	// makes the next one larger.
	appendsMost = 3
	// maxUnanswered is how many deliveries may wait for their answer.
	maxUnanswered = 1 << 16
	// drainFor bounds the end.
	drainFor = 10 * time.Second
)

// InboundConfig says where deliveries go. All functions must be safe for
// concurrent use.
type InboundConfig struct {
	Partitions int
	// Log makes records durable. Its callbacks may come from any goroutine.
	Log journal.Log
	// Revokes tells whether a text revokes consent, and by which word.
	Revokes func(carrier string, pdu []byte) (word string, ok bool)
	// Stop is engine.Engine.Stop: it calls done when nothing more reaches phone.
	Stop func(number, phone message.Phone, at int64, done func())
	// Unanswered is how many deliveries may wait for their answer; 65,536 where
	// zero.
	Unanswered int
	Logger     *slog.Logger // slog.Default where nil
}

// Inbound makes what carriers deliver durable before it is acknowledged:
// receipts in blocks, texts one by one, revocations twice and fenced. What it
// holds is bounded by the windows of the carriers, which wait for answers, and
// by InboundConfig.Unanswered, beyond which they are asked to come again.
type Inbound struct {
	cfg  InboundConfig
	wake chan struct{} // has room for one

	mu         sync.Mutex
	carriers   map[string]int
	filling    *gathering
	spare      []*gathering
	finished   []*gathering
	flying     int // appends under way
	unanswered int
	closed     bool
	stats      InboundStats
}

// InboundStats counts deliveries since the start.
type InboundStats struct {
	Receipts, Texts uint64 // taken in
	Revocations     uint64 // texts that revoked consent
	NoPhone         uint64 // texts whose sender is no phone number
	PutOff          uint64 // answered with ESME_RX_T_APPN: too many at once, or the log failed
	Appends, Failed uint64 // gatherings appended, and those that came to an error
	Unanswered      int    // now
}

// NewInbound checks the configuration; Run starts the work.
func NewInbound(cfg InboundConfig) (*Inbound, error) {
	switch {
	case cfg.Partitions < 1 || cfg.Partitions > message.Slots:
		return nil, fmt.Errorf("carrier: %d partitions, want 1 to %d", cfg.Partitions, message.Slots)
	case cfg.Log == nil || cfg.Revokes == nil || cfg.Stop == nil:
		return nil, errors.New("carrier: Log, Revokes and Stop must be set")
	}
	if cfg.Unanswered == 0 {
		cfg.Unanswered = maxUnanswered
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	return &Inbound{cfg: cfg, wake: make(chan struct{}, 1), carriers: map[string]int{}, filling: &gathering{}}, nil
}

// Intake returns where a session of a carrier hands in its deliveries; they are
// answered through to.
func (in *Inbound) Intake(carrier string, profile *Current, bind uint32, to Responder) *Intake {
	in.mu.Lock()
	defer in.mu.Unlock()
	index, known := in.carriers[carrier]
	if !known {
		index = len(in.carriers)
		in.carriers[carrier] = index
	}
	return &Intake{in: in, carrier: carrier, profile: profile, bind: bind, index: index, to: to}
}

// Stats returns a snapshot of the counters.
func (in *Inbound) Stats() InboundStats {
	in.mu.Lock()
	defer in.mu.Unlock()
	s := in.stats
	s.Unanswered = in.unanswered
	return s
}

// take adds as much of a batch as there is room for.
func (in *Inbound) take(t *Intake, batch []session.Delivery) (took int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	took = max(0, min(len(batch), in.cfg.Unanswered-in.unanswered))
	if in.closed {
		took = 0
	}
	in.stats.PutOff += uint64(len(batch) - took)
	if took == 0 {
		return 0
	}
	g := in.filling
	before := g.count
	if before == 0 {
		g.since = time.Now()
	}
	owed := g.owed(t)
	for i := range batch[:took] {
		d, s := &batch[i], &t.sorted[i]
		at := d.At.UnixMilli()
		if s.receipt {
			in.stats.Receipts++
			g.receipt(t, d, s.partition, at)
			owed.responses = append(owed.responses, responseTo(d))
			continue
		}
		in.stats.Texts++
		if s.phone == 0 {
			in.stats.NoPhone++
		}
		g.text(t, d, s, at)
	}
	g.count += took
	in.unanswered += took
	if before == 0 || before < gatherMost && g.count >= gatherMost {
		in.signal()
	}
	return took
}

// signal wakes Run.
func (in *Inbound) signal() {
	select {
	case in.wake <- struct{}{}:
	default: // It is awake or about to be.
	}
}

// Run appends what is gathered and answers what has become durable, until ctx
// ends. Then it takes nothing more, appends the rest and waits, at most 10 s,
// for what is under way. End it after the pool.
func (in *Inbound) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	done := ctx.Done()
	var deadline time.Time
	for {
		select {
		case <-in.wake:
		case <-timer.C:
		case <-done:
			done, deadline = nil, time.Now().Add(drainFor)
			in.close()
		}
		in.answer()
		now := time.Now()
		for g := in.due(now); g != nil; g = in.due(now) {
			in.append(g)
		}
		left, pause := in.rest(now)
		if done == nil {
			if left == 0 {
				return nil
			}
			if !now.Before(deadline) {
				return fmt.Errorf("carrier: %d deliveries are still unanswered after %v", left, drainFor)
			}
			pause = min(pause, deadline.Sub(now))
		}
		timer.Reset(pause)
	}
}

func (in *Inbound) close() {
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
}

// due takes the gathering when its time has come and the log has room.
func (in *Inbound) due(now time.Time) *gathering {
	in.mu.Lock()
	defer in.mu.Unlock()
	g := in.filling
	if g.count == 0 || in.flying >= appendsMost || g.count < gatherMost && now.Sub(g.since) < gatherFor && !in.closed {
		return nil
	}
	in.filling = &gathering{}
	if n := len(in.spare); n > 0 {
		in.filling, in.spare = in.spare[n-1], in.spare[:n-1]
	}
	in.flying++
	in.stats.Appends++
	return g
}

// append makes a gathering durable. The log's callback only puts it down; Run
// goes on with it.
func (in *Inbound) append(g *gathering) {
	in.cfg.Log.Append(g.seal(), func(_ []int64, err error) {
		in.mu.Lock()
		g.err = err
		in.finished = append(in.finished, g)
		in.flying--
		if err != nil {
			in.stats.Failed++
		}
		in.mu.Unlock()
		in.signal()
	})
}

// rest returns how many deliveries are unanswered and how long nothing needs
// to be done unless something comes in.
func (in *Inbound) rest(now time.Time) (left int, pause time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.filling.count == 0 || in.flying >= appendsMost {
		return in.unanswered, time.Hour
	}
	return in.unanswered, max(0, gatherFor-now.Sub(in.filling.since))
}

// answer answers what has become durable, or could not.
func (in *Inbound) answer() {
	for {
		in.mu.Lock()
		n := len(in.finished)
		if n == 0 {
			in.mu.Unlock()
			return
		}
		g := in.finished[0]
		in.finished = append(in.finished[:0], in.finished[1:]...)
		in.mu.Unlock()
		in.answerOne(g)
	}
}

func (in *Inbound) answerOne(g *gathering) {
	if g.err != nil {
		in.cfg.Logger.Error("deliveries could not be stored: the carriers are asked to send them again",
			slog.Int("deliveries", g.count), slog.Any("error", g.err))
	}
	var stops []stop
	for i := range g.texts {
		t := &g.texts[i]
		if g.err == nil && t.number != 0 && t.phone != 0 {
			if word, ok := in.cfg.Revokes(t.to.carrier, t.pdu); ok {
				stops = append(stops, stop{
					to: t.to, response: t.response, partition: t.partition,
					consent: record.Consent{Number: t.number, Phone: t.phone, Revoked: true, Why: word, At: t.at},
				})
				continue
			}
		}
		owed := g.owed(t.to)
		owed.responses = append(owed.responses, t.response)
	}
	for i := range g.answers {
		a := &g.answers[i]
		if g.err != nil {
			for j := range a.responses {
				a.responses[j].Status = smpp.StatusTemporaryError
			}
		}
		if len(a.responses) > 0 {
			a.to.to.RespondAll(a.responses)
		}
	}
	count, failed := g.count-len(stops), g.err != nil
	g.reset()
	in.mu.Lock()
	in.unanswered -= count
	in.stats.Revocations += uint64(len(stops))
	if failed {
		in.stats.PutOff += uint64(count)
	}
	if len(in.spare) < appendsMost {
		in.spare = append(in.spare, g)
	}
	in.mu.Unlock()
	if len(stops) > 0 {
		in.revoke(stops)
	}
}

// stop is a text that revokes consent, on its way to being acknowledged.
type stop struct {
	to        *Intake
	response  session.Response
	partition int32
	consent   record.Consent
}

// revoke makes revocations durable, has the engine stop, and only then lets the
// carrier know that the texts have arrived. Where the log fails the engine stops
// all the same, and the carrier sends the texts again.
func (in *Inbound) revoke(stops []stop) {
	entries := make([]journal.Entry, len(stops))
	for i := range stops {
		c := &stops[i].consent
		entries[i] = journal.Entry{
			Topic: record.TopicConsent, Partition: stops[i].partition,
			Key: record.ConsentKey(c.Number, c.Phone), Value: record.AppendConsent(nil, c),
		}
	}
	in.cfg.Log.Append(entries, func(_ []int64, err error) {
		if err != nil {
			in.cfg.Logger.Error("revocations of consent could not be stored: nothing is sent, and the carriers are asked to send them again",
				slog.Int("texts", len(stops)), slog.Any("error", err))
		}
		for i := range stops {
			s := &stops[i]
			if err != nil {
				s.response.Status = smpp.StatusTemporaryError
			}
			in.cfg.Stop(s.consent.Number, s.consent.Phone, s.consent.At, func() { in.acknowledge(s) })
		}
	})
}

// acknowledge answers a text that has had its effect.
func (in *Inbound) acknowledge(s *stop) {
	s.to.to.RespondAll([]session.Response{s.response})
	in.mu.Lock()
	in.unanswered--
	if s.response.Status != smpp.StatusOK {
		in.stats.PutOff++
	}
	in.mu.Unlock()
	in.signal()
}
