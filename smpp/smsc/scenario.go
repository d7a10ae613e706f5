package smsc

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"fanline/smpp"
)

// Scenario is how the simulated carrier behaves.
type Scenario struct {
	Seed       uint64           `yaml:"seed"` // of all chance; 0: another one each run
	IDs        IDs              `yaml:"ids"`  // how message ids are written
	Answers    `yaml:",inline"` // of submits that no rule matches
	Window     int              `yaml:"receipt_window"` // deliver_sm outstanding on one bind
	Resend     Duration         `yaml:"resend_after"`   // an unanswered or for now refused deliver_sm goes again after this
	ReceiptsTo string           `yaml:"receipts_to"`    // same: the bind of the submit, any: all binds in turn
	ReceiptTLV bool             `yaml:"receipt_tlvs"`   // receipted_message_id, message_state beside the text
	Enquire    Duration         `yaml:"enquire_link"`   // asked when the client was silent for so long; twice unanswered: closed
	BindWithin Duration         `yaml:"bind_within"`    // a connection that doesn't bind is closed
	MaxPending int              `yaml:"max_pending"`    // receipts owed at once; above it ESME_RMSGQFUL
	Rules      []Rule           `yaml:"rules"`          // the first that matches wins
	Faults     []Fault          `yaml:"faults"`

	Version      string             `yaml:"version"`             // the highest that is spoken: "3.3", "3.4", "5.0"
	Accounts     map[string]Answers `yaml:"accounts"`            // what differs for an account, by system_id; rules go before it
	Binds        []BindError        `yaml:"binds"`               // binds that fail; the first that applies wins
	Refuse       []Window           `yaml:"refuse"`              // when connections are refused: nobody listens
	StaleBinds   Duration           `yaml:"stale_binds"`         // a bind that ended without unbind keeps its place for so long
	OnUnbind     string             `yaml:"on_unbind"`           // answer: unbind_resp, the client closes; close: and closes at once; silent: no unbind_resp
	EnquireFirst bool               `yaml:"enquire_before_bind"` // an enquire_link comes before the client has bound
	Congestion   []Congestion       `yaml:"congestion"`          // what 5.0 clients are told at times; otherwise the load of limits and queues
	Alerts       Alerts             `yaml:"alerts"`
	Outbind      []Outbind          `yaml:"outbind"`        // clients that the simulator connects to and asks to bind
	ReceiveBuf   int                `yaml:"receive_buffer"` // octets that the kernel keeps of what the simulator hasn't read; 0: its default
	Traffic      []Traffic          `yaml:"traffic"`        // texts that phones send
	Replies      []Reply            `yaml:"replies"`        // to what they are sent; the first that applies and is drawn wins
}

// IDs says how message ids are written.
type IDs struct {
	Form        string `yaml:"form"`         // decimal, hex, hex-upper, padded, uuid
	ReceiptForm string `yaml:"receipt_form"` // the same when empty
	Start       uint64 `yaml:"start"`        // first id of a new log; 0: made of the time, so that logs don't share ids

	Repeat float64 `yaml:"repeat"` // share of accepted submits that get the id of the one before on that connection
}

// Answers says what becomes of a submit.
type Answers struct {
	Latency    *Distribution      `yaml:"latency"`    // until the answer
	Statuses   map[string]float64 `yaml:"statuses"`   // share by status; what is left of 1 is accepted
	Unanswered *float64           `yaml:"unanswered"` // share that is accepted and never answered
	Receipts   *Receipts          `yaml:"receipts"`
	Errors     []ErrorSchedule    `yaml:"errors"`    // asked before statuses; the first that applies wins
	Responses  *Responses         `yaml:"responses"` // what is odd about the answers
}

// Receipts says what receipts say, and when. They are sent only where registered_delivery asks for them.
type Receipts struct {
	States    map[string]float64 `yaml:"states"`    // share by state; what is left of 1 is DELIVRD
	Delay     *Distribution      `yaml:"delay"`     // from the submit
	Lost      float64            `yaml:"lost"`      // share that is never sent
	Duplicate float64            `yaml:"duplicate"` // share that is sent twice
	Early     float64            `yaml:"early"`     // share that is sent before the answer to the submit

	DuplicateAfter Duration      `yaml:"duplicate_after"` // how long after the first the second comes; 0: 50ms
	Reorder        float64       `yaml:"reorder"`         // share that is held back, so that later ones overtake it
	ReorderBy      *Distribution `yaml:"reorder_by"`      // for how long; left out: up to 1s
	OtherBind      float64       `yaml:"other_bind"`      // share that comes on another bind of the account than the submit's
	Unasked        float64       `yaml:"unasked"`         // share of those not asked for that come all the same
	Intermediate   float64       `yaml:"intermediate"`    // share of messages with an intermediate receipt; where 0x10 of registered_delivery asks: all

	Form ReceiptForm `yaml:",inline"`
}

// Rule changes the answers for some destinations or numbers. What it leaves out is as without it.
type Rule struct {
	To      string `yaml:"to"`   // pattern of the destination's digits; * stands for any run of them
	From    string `yaml:"from"` // pattern of the number
	Answers `yaml:",inline"`
}

// Fault breaks something on a connection, once: when it has sent a number of submits since its bind, or a time after
// its bind. Every fault that happens stands in the log.
type Fault struct {
	Kind    string    `yaml:"kind"`          // see below
	Name    string    `yaml:"name"`          // to switch it by; left out: kind and place, as drop-1
	Account string    `yaml:"account"`       // whose connections; empty: all
	After   int       `yaml:"after_submits"` // on that connection
	Time    *Duration `yaml:"after"`         // since the bind, instead of after_submits
	Times   int       `yaml:"times"`         // on how many connections it happens; 0: on one
	Off     bool      `yaml:"off"`           // waits to be switched on

	Submits int      `yaml:"submits"` // silent, status, nack: how many submits it lasts; 0: one
	Status  string   `yaml:"status"`  // status, nack
	For     Duration `yaml:"for"`     // pieces, stop_reading, half_open: how long it lasts; 0: to the end of the connection
	Piece   int      `yaml:"piece"`   // pieces: octets in each; 0: 7
	Pause   Duration `yaml:"pause"`   // pieces: between two; 0: 10ms
	Count   int      `yaml:"count"`   // flood: texts; 0: 1000
	Number  string   `yaml:"number"`  // flood: to which number; empty: the account's first
	Octets  int      `yaml:"octets"`  // garbage: how many; 0: 64
	Length  int      `yaml:"length"`  // bad_length: the command_length of an enquire_link of 16 octets; 0: 2147483647
}

// Distribution is a span of time drawn anew each time: uniform between min and max, or, where quantiles are given,
// linear between them.
type Distribution struct {
	Min Duration  `yaml:"min"`
	P50 *Duration `yaml:"p50"`
	P90 *Duration `yaml:"p90"`
	P99 *Duration `yaml:"p99"`
	Max Duration  `yaml:"max"`
}

// UnmarshalYAML reads a span for itself: nothing of the one that held before stays.
func (d *Distribution) UnmarshalYAML(unmarshal func(any) error) error {
	type keys Distribution
	var k keys
	if err := unmarshal(&k); err != nil {
		return err
	}
	*d = Distribution(k)
	return nil
}

// DefaultScenario is a carrier in good order: answers within 20 ms, receipts within seconds.
func DefaultScenario() Scenario {
	return Scenario{
		IDs: IDs{Form: "decimal"},
		Answers: Answers{
			Latency:  &Distribution{Min: Duration(time.Millisecond), Max: Duration(20 * time.Millisecond)},
			Receipts: &Receipts{Delay: &Distribution{Min: Duration(100 * time.Millisecond), Max: Duration(3 * time.Second)}},
		},
		Window: 1000, Resend: Duration(10 * time.Second), ReceiptsTo: "same", ReceiptTLV: true,
		Enquire: Duration(30 * time.Second), BindWithin: Duration(10 * time.Second), MaxPending: 5_000_000,
	}
}

// quantiles is the resolution of a compiled distribution.
const quantiles = 1024

// sampler is a distribution as a table of equally likely values, so that drawing is one look-up.
type sampler struct {
	micros [quantiles]uint32
	zero   bool
}

func (s *sampler) draw(r uint64) uint32 { return s.micros[r%quantiles] }

func compileDistribution(d *Distribution) (*sampler, error) {
	type point struct {
		q float64
		v *Duration
	}
	points := slices.DeleteFunc([]point{{0, &d.Min}, {0.5, d.P50}, {0.9, d.P90}, {0.99, d.P99}, {1, &d.Max}},
		func(p point) bool { return p.v == nil })
	s := &sampler{zero: true}
	for i := range quantiles {
		q := (float64(i) + 0.5) / quantiles
		j := 1
		for q > points[j].q {
			j++
		}
		a, b := points[j-1], points[j]
		if *b.v < *a.v {
			return nil, fmt.Errorf("quantiles fall: %s after %s", time.Duration(*b.v), time.Duration(*a.v))
		}
		v := float64(*a.v) + (q-a.q)/(b.q-a.q)*float64(*b.v-*a.v)
		micros := v / float64(time.Microsecond)
		if micros > math.MaxUint32 {
			return nil, fmt.Errorf("%s is longer than an hour", time.Duration(v))
		}
		s.micros[i] = uint32(micros)
		s.zero = s.zero && s.micros[i] == 0
	}
	return s, nil
}

// behaviour is Answers compiled: shares are thresholds of a 32-bit random number.
type behaviour struct {
	latency    *sampler
	statuses   []statusShare
	unanswered uint64
	states     []stateShare
	delay      *sampler
	lost       uint64
	duplicate  uint64
	early      uint64
	repeatMs   uint32 // duplicate_after
	odd        oddReceipts
	form       receiptForm
	formIndex  byte // of form in the server's table
	errors     []*errorSchedule
	responses  *responseShapes
}

type statusShare struct {
	below  uint64
	status smpp.Status
}

type stateShare struct {
	below uint64
	stat  Stat
}

type rule struct {
	to, from pattern
	behaviour
}

// rulesOf is what holds for one account.
type rulesOf struct {
	base  behaviour
	rules []rule
}

// plan is a scenario compiled.
type plan struct {
	rulesOf
	accounts   map[string]*rulesOf // those that differ
	since      int64               // ns since the simulator's start: when the plan came into force
	form       IDForm
	receipt    IDForm
	start      uint64
	seed       uint64
	window     int
	resend     time.Duration
	spread     bool
	tlvs       bool
	enquire    time.Duration
	bindWithin time.Duration
	maxPending int64
	faults     []*fault
	links
	tlvSets []smpp.Options // of answers
	repeat  uint64         // ids.repeat
	traffic []*stream
	replies []*replyRule
}

func compileScenario(s *Scenario) (*plan, error) {
	p := &plan{
		seed: s.Seed, start: s.IDs.Start, window: s.Window, resend: time.Duration(s.Resend), tlvs: s.ReceiptTLV,
		enquire: time.Duration(s.Enquire), bindWithin: time.Duration(s.BindWithin), maxPending: int64(s.MaxPending),
	}
	var err error
	if p.form, err = ParseIDForm(s.IDs.Form); err != nil {
		return nil, fmt.Errorf("ids.form: %w", err)
	}
	p.receipt = p.form
	if s.IDs.ReceiptForm != "" {
		if p.receipt, err = ParseIDForm(s.IDs.ReceiptForm); err != nil {
			return nil, fmt.Errorf("ids.receipt_form: %w", err)
		}
	}
	switch s.ReceiptsTo {
	case "same", "any":
		p.spread = s.ReceiptsTo == "any"
	default:
		return nil, fmt.Errorf("receipts_to: %q: want same or any", s.ReceiptsTo)
	}
	if s.Window < 1 || s.Window > 1<<16 {
		return nil, fmt.Errorf("receipt_window: %d: want 1 to 65536", s.Window)
	}
	if p.resend < time.Millisecond || p.enquire < time.Millisecond || p.bindWithin < time.Millisecond {
		return nil, errors.New("resend_after, enquire_link, bind_within: want at least 1ms each")
	}
	if s.MaxPending < 1 {
		return nil, fmt.Errorf("max_pending: %d: want at least 1", s.MaxPending)
	}
	ground := behaviour{form: standardForm(p.receipt, p.tlvs)}
	if p.rulesOf, err = compileRules(s.Answers, s.Rules, ground); err != nil {
		return nil, err
	}
	if p.accounts, err = compileAccounts(s, p.base); err != nil {
		return nil, err
	}
	if p.links, err = compileLinks(s); err != nil {
		return nil, err
	}
	if p.repeat, err = share(s.IDs.Repeat); err != nil {
		return nil, fmt.Errorf("ids.repeat: %w", err)
	}
	p.numberTLVs()
	for i, f := range s.Faults {
		c, err := compileFault(f, i)
		if err != nil {
			return nil, fmt.Errorf("faults[%d]: %w", i, err)
		}
		p.faults = append(p.faults, c)
	}
	if p.traffic, err = compileTraffic(s.Traffic); err != nil {
		return nil, err
	}
	if p.replies, err = compileReplies(s.Replies); err != nil {
		return nil, err
	}
	return p, nil
}

// compileAnswers starts from what applies without these answers.
func compileAnswers(a Answers, b behaviour) (behaviour, error) {
	var err error
	if a.Latency != nil {
		if b.latency, err = compileDistribution(a.Latency); err != nil {
			return b, fmt.Errorf("latency: %w", err)
		}
	}
	if b.latency == nil {
		b.latency = &sampler{zero: true}
	}
	if a.Statuses != nil {
		b.statuses = nil
		sum := 0.0
		for _, name := range slices.Sorted(maps.Keys(a.Statuses)) {
			st, err := parseStatus(name)
			if err != nil {
				return b, fmt.Errorf("statuses: %w", err)
			}
			t, err := threshold(&sum, a.Statuses[name])
			if err != nil {
				return b, fmt.Errorf("statuses.%s: %w", name, err)
			}
			b.statuses = append(b.statuses, statusShare{t, st})
		}
	}
	if a.Unanswered != nil {
		if b.unanswered, err = share(*a.Unanswered); err != nil {
			return b, fmt.Errorf("unanswered: %w", err)
		}
	}
	if a.Receipts != nil {
		if err := compileReceipts(a.Receipts, &b); err != nil {
			return b, fmt.Errorf("receipts.%w", err)
		}
	}
	if a.Errors != nil {
		if b.errors, err = compileErrors(a.Errors); err != nil {
			return b, err
		}
	}
	if a.Responses != nil {
		if b.responses, err = compileResponses(a.Responses); err != nil {
			return b, fmt.Errorf("responses.%w", err)
		}
	}
	if b.delay == nil {
		b.delay = &sampler{zero: true}
	}
	return b, nil
}

func compileReceipts(r *Receipts, b *behaviour) (err error) {
	b.states = nil
	sum := 0.0
	for _, name := range slices.Sorted(maps.Keys(r.States)) {
		stat, ok := parseStat(name)
		if !ok || stat == StatEnroute {
			return fmt.Errorf("states: %q: want one of %s", name, strings.Join(finalStats(), ", "))
		}
		t, err := threshold(&sum, r.States[name])
		if err != nil {
			return fmt.Errorf("states.%s: %w", name, err)
		}
		b.states = append(b.states, stateShare{t, stat})
	}
	if r.Delay != nil {
		if b.delay, err = compileDistribution(r.Delay); err != nil {
			return fmt.Errorf("delay: %w", err)
		}
	}
	if b.lost, err = share(r.Lost); err != nil {
		return fmt.Errorf("lost: %w", err)
	}
	if b.duplicate, err = share(r.Duplicate); err != nil {
		return fmt.Errorf("duplicate: %w", err)
	}
	if b.early, err = share(r.Early); err != nil {
		return fmt.Errorf("early: %w", err)
	}
	if b.odd, err = compileOdd(r); err != nil {
		return err
	}
	b.repeatMs = uint32(time.Duration(r.DuplicateAfter) / time.Millisecond)
	b.form, err = compileForm(&r.Form, b.form)
	return err
}

// share turns a share into the number that a random 32-bit number lies below so often; 1 is above all of them.
func share(v float64) (uint64, error) {
	if v < 0 || v > 1 || math.IsNaN(v) {
		return 0, fmt.Errorf("share %v: want 0 to 1", v)
	}
	return uint64(v * (1 << 32)), nil
}

func threshold(sum *float64, v float64) (uint64, error) {
	if _, err := share(v); err != nil {
		return 0, err
	}
	*sum += v
	if *sum > 1+1e-9 {
		return 0, fmt.Errorf("shares add up to %v", *sum)
	}
	return share(min(*sum, 1))
}

// parseStatus reads a name of the specification or a number such as 0x58.
func parseStatus(s string) (smpp.Status, error) {
	if n, err := strconv.ParseUint(s, 0, 32); err == nil {
		return smpp.Status(n), nil
	}
	for _, info := range smpp.Statuses() {
		if info.Name == s {
			return info.Status, nil
		}
	}
	return 0, fmt.Errorf("%q is no command_status, such as ESME_RTHROTTLED or 0x58", s)
}

// pattern matches a string; * stands for any run of characters. The zero pattern matches everything.
type pattern struct {
	parts  []string // between the stars
	exact  bool
	always bool
}

func compilePattern(s string) pattern {
	if s == "" || s == "*" {
		return pattern{always: true}
	}
	s = canonicalPhone(s)
	return pattern{parts: strings.Split(s, "*"), exact: !strings.Contains(s, "*")}
}

func (p *pattern) match(s string) bool {
	if p.always {
		return true
	}
	if p.exact {
		return s == p.parts[0]
	}
	first, last := p.parts[0], p.parts[len(p.parts)-1]
	if len(s) < len(first)+len(last) || s[:len(first)] != first || s[len(s)-len(last):] != last {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range p.parts[1 : len(p.parts)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}

// behaviourFor picks the first rule that matches, or the base.
func (r *rulesOf) behaviourFor(to, from string) *behaviour {
	for i := range r.rules {
		x := &r.rules[i]
		if x.to.match(to) && x.from.match(from) {
			return &x.behaviour
		}
	}
	return &r.base
}

func (b *behaviour) status(r uint32) smpp.Status {
	for _, s := range b.statuses {
		if uint64(r) < s.below {
			return s.status
		}
	}
	return smpp.StatusOK
}

func (b *behaviour) stat(r uint32) Stat {
	for _, s := range b.states {
		if uint64(r) < s.below {
			return s.stat
		}
	}
	return StatDelivered
}
