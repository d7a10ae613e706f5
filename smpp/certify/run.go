package certify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
	"fanline/smpp/text"
)

// need is what a case cannot do without.
type need byte

const (
	needSubmit   need = 1 << iota // an account that submits, and a phone
	needNegative                  // permission to do what may lock an account
	needFlood                     // a phone that may get thousands of texts
	needMO                        // a person who texts
	needIdle                      // time
	needReceive                   // a bind that receives
	needStrict                    // that a bind is tried no more often than the case says
)

// testCase is one row of the plan.
type testCase struct {
	id, name, section, purpose, expected string
	steps                                []string
	needs                                need
	run                                  func(ctx context.Context, r *runner) finding
}

// runner carries the plan out.
type runner struct {
	cfg         Config
	book        *book
	rec         recorder
	report      Report
	main        *link // that submits
	recv        *link // that receives; main, with a transceiver
	noReceiver  error // why there is none
	links       []*link
	connections int
	left        time.Time // when our last bind ended
	loose       time.Time // when a connection of ours ended before its bind; zero: a bind was accepted since
	strict      bool      // the case is about how soon a bind is accepted
	current     *Result
}

// Run carries the plan out, one case after another; it takes minutes. The error is only of the configuration or of ctx: what
// the other side does is in the report. Connections are closed when it returns.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &runner{cfg: cfg, book: newBook(&cfg)}
	r.rec.phones = r.book.phones
	r.report = Report{
		Carrier: cfg.Carrier, Program: cfg.Program, Started: time.Now().UTC(),
		Account: Account{
			SystemID: cfg.SystemID, SystemType: cfg.SystemType, Bind: cfg.Kind, Binds: cfg.Binds, Window: cfg.Window,
			LimitPerSecond: cfg.LimitPerSecond, Hosts: cfg.Hosts, Source: cfg.Source.Addr, Destination: cfg.Destination.Addr,
		},
	}
	for _, t := range plan() {
		if ctx.Err() != nil {
			break
		}
		if cfg.wanted(t.id) {
			r.report.Results = append(r.report.Results, r.carryOut(ctx, t))
		}
	}
	r.end(ctx)
	r.report.Receipts = r.book.summary()
	r.report.Ended = time.Now().UTC()
	r.report.count()
	return &r.report, ctx.Err()
}

// carryOut runs one case, unless it lacks what it needs.
func (r *runner) carryOut(ctx context.Context, t testCase) Result {
	result := Result{ID: t.id, Name: t.name, Section: t.section, Purpose: t.purpose, Steps: t.steps, Expected: t.expected, Observed: []string{}}
	r.cfg.Progress(result)
	r.current = &result
	begun := time.Now()
	end := finding{NotRun, r.missing(t.needs)}
	if end.reason == "" {
		r.strict = t.needs&needStrict != 0
		end = t.run(ctx, r)
		if ctx.Err() != nil {
			end = finding{NotRun, "the certification was interrupted"}
		}
	}
	result.Verdict, result.Reason = end.verdict, end.reason
	result.MS = milliseconds(time.Since(begun))
	r.settle()
	result.Trace, result.Omitted = r.rec.take()
	r.cfg.Progress(result)
	return result
}

// settling is how long answers to the last deliveries may take to be written, so that they stand in the trace of their case.
const settling = 200 * time.Millisecond

func (r *runner) settle() {
	owing := func() bool {
		return slices.ContainsFunc(r.links, func(l *link) bool {
			s := l.s.Stats()
			return l.alive() && (s.Deliveries > s.Responds || s.Waiting > 0)
		})
	}
	for begun := time.Now(); owing() && time.Since(begun) < settling; {
		time.Sleep(lookAgain)
	}
}

// missing says what a case lacks; empty: nothing.
func (r *runner) missing(n need) string {
	submits, receives := r.cfg.commands()
	switch {
	case n&needSubmit != 0 && submits == 0:
		return "the account binds as receiver only"
	case n&needSubmit != 0 && r.cfg.Destination.Addr == "":
		return "no phone was named that may be texted (--to)"
	case n&needReceive != 0 && receives == 0:
		return "the account binds as transmitter only"
	case n&needNegative != 0 && !r.cfg.Negative:
		return "it may lock an account, and nobody asked for it (--negative)"
	case n&needFlood != 0 && r.cfg.Flood == "":
		return "it sends faster than was agreed, and no phone was named that may get so many texts (--flood)"
	case n&needMO != 0 && r.cfg.MO == 0:
		return "nobody was said to be ready to text (--mo)"
	case n&needIdle != 0 && r.cfg.Idle == 0:
		return "nobody asked to wait (--idle)"
	}
	return ""
}

// saw notes an observation of the case that runs.
func (r *runner) saw(format string, args ...any) {
	r.current.Observed = append(r.current.Observed, fmt.Sprintf(format, args...))
}

func fail(format string, args ...any) finding {
	return finding{Fail, fmt.Sprintf(format, args...)}
}

func notApplicable(format string, args ...any) finding {
	return finding{NotApplicable, fmt.Sprintf(format, args...)}
}

func notRun(format string, args ...any) finding {
	return finding{NotRun, fmt.Sprintf(format, args...)}
}

// ready returns the link that submits, binding where it isn't up; where receipts come on another bind, that is up too, if the
// carrier lets it.
func (r *runner) ready(ctx context.Context) (*link, error) {
	submit, receive := r.cfg.commands()
	if submit == 0 {
		submit = receive
	}
	if r.main == nil || !r.main.alive() {
		l, err := r.open(ctx, bindAs{kind: submit})
		if err != nil {
			return nil, err
		}
		r.main = l
		if submit == receive {
			r.recv = l
		}
	}
	if submit != receive && r.noReceiver == nil && (r.recv == nil || !r.recv.alive()) {
		r.recv, r.noReceiver = r.open(ctx, bindAs{kind: receive})
		if r.noReceiver != nil {
			r.recv = nil
		}
	}
	return r.main, nil
}

// rest unbinds what is up, so that a case can have binds of its own.
func (r *runner) rest(ctx context.Context) {
	for _, l := range r.links {
		if l.alive() {
			_ = l.leave(ctx, r.cfg.Timeout) // The cases about unbinding say how that went.
			r.left = time.Now()
		}
	}
	r.links, r.main, r.recv = nil, nil, nil
}

// end closes everything, whatever ctx says: an account must not keep binds of ours.
func (r *runner) end(ctx context.Context) {
	r.book.mu.Lock()
	r.book.unpark(true)
	r.book.mu.Unlock()
	r.rest(context.WithoutCancel(ctx))
}

// submission is what a case sends.
type submission struct {
	pdu        smpp.SubmitSM
	registered byte
	to         string // another phone than usual
}

// submit sends and waits until everything is answered. An error means that nothing could be sent.
func (r *runner) submit(ctx context.Context, all ...submission) ([]*sent, error) {
	l, err := r.ready(ctx)
	if err != nil {
		return nil, err
	}
	return r.submitOn(ctx, l, all...)
}

func (r *runner) submitOn(ctx context.Context, l *link, all ...submission) ([]*sent, error) {
	out, err := r.hand(l, all...)
	if err != nil {
		return nil, err
	}
	r.answers(ctx, out)
	return out, nil
}

// hand gives submits to a session, as many as its window takes.
func (r *runner) hand(l *link, all ...submission) ([]*sent, error) {
	var out []*sent
	var items []session.Item
	for i := range all {
		p := all[i].pdu
		p.Source, p.Destination, p.RegisteredDelivery = r.cfg.Source, r.cfg.Destination, all[i].registered
		p.ServiceType, p.PriorityFlag = r.cfg.ServiceType, r.cfg.Priority
		if p.DataCoding == text.UCS2.DataCoding() {
			p.DataCoding = r.cfg.UCS2
		} else {
			p.DataCoding = r.cfg.DataCoding
		}
		p.Options = append(slices.Clone(r.cfg.Options), p.Options...)
		if all[i].to != "" {
			p.Destination.Addr = all[i].to
		}
		pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &p)
		if err != nil {
			return nil, err
		}
		s := r.book.begin(r.current.ID, all[i].registered)
		out, items = append(out, s), append(items, session.Item{Token: s.token, PDU: pdu})
	}
	if took := l.s.Submit(items); took < len(items) {
		for _, s := range out[took:] { // They were never sent.
			r.book.answer(&session.Outcome{Token: s.token, Code: session.NotSent})
		}
	}
	return out, nil
}

// answers waits until all are answered, or their time is over: the session gives every one an outcome.
func (r *runner) answers(ctx context.Context, all []*sent) bool {
	return r.book.wait(ctx, r.cfg.Timeout+r.cfg.Timeout/2+time.Second, func() bool {
		return !slices.ContainsFunc(all, func(s *sent) bool { return !s.answered })
	})
}

// receipts waits until all of those that asked for receipts have their final one.
func (r *runner) receipts(ctx context.Context, all []*sent) bool {
	return r.book.wait(ctx, r.cfg.ReceiptWait, func() bool {
		return !slices.ContainsFunc(all, func(s *sent) bool {
			_, done := s.final()
			return s.registered != 0 && s.code == session.Accepted && !done
		})
	})
}

// reasonOf words why a link could not be had.
func reasonOf(err error) string {
	var refused *session.BindError
	if errors.As(err, &refused) {
		return "the bind was refused with " + refused.Status.String()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// shown writes a time as people read it.
func shown(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
