package smsc

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fanline/smpp"
)

// Query picks entries of a log; its zero value picks what `fanline smsc log` prints: binds, unbinds, closed connections,
// submits, receipts, texts from phones with their answers, and protocol errors. What is set must hold all at once.
type Query struct {
	Phone     string    // the subscriber's side: destination of a submit, source of a deliver_sm
	Number    string    // the other side
	Account   string    // system_id
	Commands  []string  // names of PDUs or events, or bind, receipt, reply; empty: all that are printed
	Status    string    // a name, a number, ok or error; of what was answered
	Stat      string    // what a receipt reports
	Key       string    // TLV 0x1400
	MessageID string    // as on the wire
	Text      string    // a piece of the text, in any case of letters
	Conn      uint32    // 0: all
	Since     time.Time // from here on
	Until     time.Time // before this
	All       bool      // also starts, texts taken in, traffic and the answers to receipts

	status struct {
		set, ok, failed bool
		code            smpp.Status
	}
	commands map[string]bool
	text     string
	since    int64
	until    int64
}

// QueryKeys are the names of a query's parts in an address, which are those of the flags of `fanline smsc log`.
func QueryKeys() []string {
	return []string{"phone", "number", "account", "command", "status", "stat", "key", "message_id", "text", "conn", "since", "until", "all"}
}

// ParseQuery reads a query from the parameters of GET /log. Times are RFC 3339 or a duration back from now.
func ParseQuery(v url.Values, now time.Time) (q Query, err error) {
	q = Query{
		Phone: v.Get("phone"), Number: v.Get("number"), Account: v.Get("account"), Status: v.Get("status"), Stat: v.Get("stat"),
		Key: v.Get("key"), MessageID: v.Get("message_id"), Text: v.Get("text"),
	}
	for _, list := range v["command"] {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				q.Commands = append(q.Commands, name)
			}
		}
	}
	if s := v.Get("conn"); s != "" {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return q, fmt.Errorf("conn %q: want a number", s)
		}
		q.Conn = uint32(n)
	}
	if q.All, err = parseFlag(v, "all"); err != nil {
		return q, err
	}
	if q.Since, err = parseMoment(v.Get("since"), now); err != nil {
		return q, fmt.Errorf("since %w", err)
	}
	if q.Until, err = parseMoment(v.Get("until"), now); err != nil {
		return q, fmt.Errorf("until %w", err)
	}
	return q, q.compile()
}

// parseFlag takes a parameter that is there without a value for true.
func parseFlag(v url.Values, name string) (bool, error) {
	if !v.Has(name) || v.Get(name) == "" {
		return v.Has(name), nil
	}
	on, err := strconv.ParseBool(v.Get(name))
	if err != nil {
		return false, fmt.Errorf("%s %q: want true or false", name, v.Get(name))
	}
	return on, nil
}

func parseMoment(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if back, err := time.ParseDuration(s); err == nil {
		return now.Add(-back.Abs()), nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return t, fmt.Errorf("%q: want a time such as 2026-01-02T15:04:05Z, or how long ago, such as 90s", s)
	}
	return t, nil
}

// errCommand says which commands a log knows.
var errCommand = errors.New("no command of the log; such as submit_sm, deliver_sm, bind, receipt, reply, closed, protocol_error")

// compile checks the query and makes it ready for pick.
func (q *Query) compile() error {
	q.Phone, q.Number, q.text = canonicalPhone(q.Phone), canonicalPhone(q.Number), strings.ToLower(q.Text)
	q.since, q.until = 0, 1<<63-1
	if !q.Since.IsZero() {
		q.since = q.Since.UnixMicro()
	}
	if !q.Until.IsZero() {
		q.until = q.Until.UnixMicro()
	}
	q.commands = nil
	for _, name := range q.Commands {
		if !knownCommand(name) {
			return fmt.Errorf("command %q: %w", name, errCommand)
		}
		if q.commands == nil {
			q.commands = map[string]bool{}
		}
		q.commands[name] = true
	}
	if q.Stat != "" {
		if _, ok := parseStat(q.Stat); !ok {
			return fmt.Errorf("stat %q: want one such as DELIVRD or UNDELIV", q.Stat)
		}
	}
	switch q.status.set = q.Status != ""; q.Status {
	case "":
	case "ok":
		q.status.ok = true
	case "error":
		q.status.failed = true
	default:
		code, err := parseStatus(q.Status)
		if err != nil {
			return fmt.Errorf("status: %w; or ok, or error", err)
		}
		q.status.code = code
	}
	return nil
}

// commandWords are the names that stand for something else than one PDU.
var commandWords = [...]string{
	"bind", "receipt", "reply", CommandClosed, CommandProtocolError, CommandByHand, CommandTraffic, "start", "queued",
}

func knownCommand(name string) bool {
	if slices.Contains(commandWords[:], name) {
		return true
	}
	for id := smpp.CommandID(0); id <= lastCommand; id++ {
		if id.String() == name || id.Response().String() == name {
			return true
		}
	}
	return false
}

// lastCommand is the highest request of SMPP 5.0 (§4.7.5), cancel_broadcast_sm.
const lastCommand = smpp.CommandID(0x113)

// picker follows a log with a query: an answer belongs to what it answers.
type picker struct {
	q       *Query
	answers bool // looks at deliver_sm_resp at all
	open    map[sentUnder]openDeliver
}

// openDeliver is a deliver_sm that waits for its answer.
type openDeliver struct {
	id             uint64
	phone, number  string
	picked, isText bool
}

func newPicker(q *Query) *picker {
	return &picker{q: q, answers: q.commands == nil || q.commands["deliver_sm_resp"], open: map[sentUnder]openDeliver{}}
}

// pick says whether an entry is wanted. To an answer it adds what it answers.
func (p *picker) pick(e *Entry) bool {
	switch e.Kind {
	case KindReceipt, KindReply:
		picked := p.wanted(e)
		if p.answers {
			p.open[sentUnder{e.Conn, e.Seq}] = openDeliver{e.MessageID, e.Source, e.Destination, picked, e.Kind == KindReply}
		}
		return picked && p.command(e)
	case KindDeliverResp:
		return p.answer(e)
	case KindEvent:
		if e.Command == CommandClosed {
			p.forget(e.Conn)
		}
		if e.Command == CommandTraffic && !p.q.All && !p.q.commands[CommandTraffic] {
			return false
		}
	case KindQueued, KindStart:
		if !p.q.All && !p.q.commands[e.Command] {
			return false
		}
	}
	return p.wanted(e) && p.command(e)
}

func (p *picker) answer(e *Entry) bool {
	if !p.answers {
		return false
	}
	under := sentUnder{e.Conn, e.Seq}
	o, known := p.open[under]
	delete(p.open, under)
	if known {
		e.MessageID, e.Source, e.Destination = o.id, o.phone, o.number
	}
	if !o.isText && !p.q.All && !p.q.commands["deliver_sm_resp"] {
		return false
	}
	if p.q.Text != "" || p.q.Stat != "" { // these stand in what it answers
		return o.picked && p.inTime(e) && p.status(e)
	}
	return p.wanted(e)
}

// forget gives up what a connection that ended was never answered.
func (p *picker) forget(conn uint32) {
	for under := range p.open {
		if under.conn == conn {
			delete(p.open, under)
		}
	}
}

func (p *picker) inTime(e *Entry) bool { return e.Micros >= p.q.since && e.Micros < p.q.until }

// wanted asks everything but the command.
func (p *picker) wanted(e *Entry) bool {
	q := p.q
	if !p.inTime(e) || q.Account != "" && e.Account != q.Account || q.Conn != 0 && e.Conn != q.Conn || !p.status(e) {
		return false
	}
	if q.Phone != "" || q.Number != "" {
		phone, number := e.Source, e.Destination
		if e.Kind == KindSubmit || e.Kind == KindOperation && e.In {
			phone, number = number, phone
		}
		if q.Phone != "" && canonicalPhone(phone) != q.Phone || q.Number != "" && canonicalPhone(number) != q.Number {
			return false
		}
	}
	if q.Stat != "" && (e.Kind != KindReceipt || e.Stat.String() != q.Stat) {
		return false
	}
	if q.Key != "" && string(e.Key) != q.Key || q.MessageID != "" && e.ID() != q.MessageID {
		return false
	}
	return q.text == "" || strings.Contains(strings.ToLower(textOf(e)), q.text)
}

// textOf is what people would look for in an entry: the text, or an event's note.
func textOf(e *Entry) string {
	if e.Text != "" {
		return e.Text
	}
	return e.Message()
}

// status compares what has a status; what has none is picked only where none is asked for.
func (p *picker) status(e *Entry) bool {
	s := &p.q.status
	if !s.set {
		return true
	}
	switch e.Kind {
	case KindDeliverResp, KindEvent, KindOperation:
	case KindSubmit:
		if e.Unanswered {
			return false
		}
	default:
		return false
	}
	switch {
	case s.ok:
		return e.Status == smpp.StatusOK
	case s.failed:
		return e.Status != smpp.StatusOK
	}
	return e.Status == s.code
}

func (p *picker) command(e *Entry) bool {
	c := p.q.commands
	return c == nil || c[e.Command] || c["receipt"] && e.Kind == KindReceipt || c["reply"] && e.Kind == KindReply ||
		c["bind"] && isBind(e.Command)
}

func isBind(command string) bool {
	return command == "bind_transceiver" || command == "bind_transmitter" || command == "bind_receiver"
}
