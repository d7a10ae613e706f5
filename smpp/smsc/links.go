package smsc

import (
	"errors"
	"fmt"
	"net"
	"time"

	"fanline/smpp"
)

// BindError makes binds fail.
type BindError struct {
	Account string   `yaml:"account"` // whose; empty: all
	Status  string   `yaml:"status"`  // a status, such as ESME_RINVPASWD, or nack (a generic_nack), or silent (no answer), or close
	Delay   Duration `yaml:"delay"`   // before the answer
	Share   float64  `yaml:"share"`   // of those it would hit; 0: all
	Nth     int      `yaml:"nth"`     // every nth only
	Skip    int      `yaml:"skip"`    // not the first ones
	Count   int      `yaml:"count"`   // so many at most; 0: no bound
	Window  `yaml:",inline"`
}

// Congestion is what clients of SMPP 5.0 are told at times.
type Congestion struct {
	State  int `yaml:"state"` // 0 idle to 100 congested (SMPP 5.0 §4.8.4.18)
	Window `yaml:",inline"`
}

// Alerts says when alert_notification follows a failed delivery whose submit had the TLV set_dpf.
type Alerts struct {
	Delay  *Distribution `yaml:"delay"`  // after the receipt was due; left out: none is sent but on command
	Status int           `yaml:"status"` // ms_availability_status: 0 available, 1 denied, 2 unavailable
}

// Outbind is a client that the simulator connects to, so that it binds as a receiver (SMPP 3.4 §4.1.7).
type Outbind struct {
	Address  string           `yaml:"address"`   // of the client; loopback only
	SystemID string           `yaml:"system_id"` // of the simulator, in the outbind
	Password string           `yaml:"password"`
	Times    int              `yaml:"times"` // 0: one with every left out, else no bound
	Window   `yaml:",inline"` // for and daily are not looked at
}

// links is what a scenario says about connections and binds, compiled.
type links struct {
	version      byte
	binds        []*bindError
	refuse       []window
	stale        time.Duration
	onUnbind     string
	enquireFirst bool
	congestion   []congestionAt
	alertDelay   *sampler // nil: no alerts
	alertStatus  byte
	outbind      []Outbind
	receiveBuf   int
}

type bindError struct {
	account string
	status  smpp.Status
	how     string // nack, silent, close; empty: status
	delay   time.Duration
	below   uint64
	window  window
	*counter
}

type congestionAt struct {
	state  byte
	window window
}

// What on_unbind may say, and what binds.status may say beside a status.
const (
	unbindAnswer = "answer"
	unbindClose  = "close"
	unbindSilent = "silent"
	bindNack     = "nack"
	bindSilent   = "silent"
	bindClose    = "close"
)

var errVersion = errors.New(`version: want "3.3", "3.4" or "5.0"`)

func compileLinks(s *Scenario) (l links, err error) {
	switch s.Version {
	case "3.3":
		l.version = smpp.Version33
	case "3.4":
		l.version = smpp.Version34
	case "", "5.0":
		l.version = smpp.Version50
	default:
		return l, errVersion
	}
	switch s.OnUnbind {
	case "":
		l.onUnbind = unbindAnswer
	case unbindAnswer, unbindClose, unbindSilent:
		l.onUnbind = s.OnUnbind
	default:
		return l, fmt.Errorf("on_unbind: %q: want answer, close or silent", s.OnUnbind)
	}
	l.stale, l.enquireFirst, l.receiveBuf = time.Duration(s.StaleBinds), s.EnquireFirst, s.ReceiveBuf
	if s.ReceiveBuf < 0 {
		return l, fmt.Errorf("receive_buffer: %d is negative", s.ReceiveBuf)
	}
	for i, b := range s.Binds {
		c, err := compileBindError(b)
		if err != nil {
			return l, fmt.Errorf("binds[%d]: %w", i, err)
		}
		l.binds = append(l.binds, c)
	}
	for i, w := range s.Refuse {
		c, err := compileWindow(w)
		if err != nil {
			return l, fmt.Errorf("refuse[%d]: %w", i, err)
		}
		l.refuse = append(l.refuse, c)
	}
	for i, x := range s.Congestion {
		c, err := compileWindow(x.Window)
		if err == nil && (x.State < 0 || x.State > 100) {
			err = fmt.Errorf("state: %d: want 0 to 100", x.State)
		}
		if err != nil {
			return l, fmt.Errorf("congestion[%d]: %w", i, err)
		}
		l.congestion = append(l.congestion, congestionAt{byte(x.State), c})
	}
	if s.Alerts.Status < 0 || s.Alerts.Status > 2 {
		return l, fmt.Errorf("alerts: status: %d: want 0, 1 or 2", s.Alerts.Status)
	}
	l.alertStatus = byte(s.Alerts.Status)
	if s.Alerts.Delay != nil {
		if l.alertDelay, err = compileDistribution(s.Alerts.Delay); err != nil {
			return l, fmt.Errorf("alerts: delay: %w", err)
		}
	}
	for i, o := range s.Outbind {
		if err := checkOutbind(&o); err != nil {
			return l, fmt.Errorf("outbind[%d]: %w", i, err)
		}
		l.outbind = append(l.outbind, o)
	}
	return l, nil
}

func compileBindError(b BindError) (c *bindError, err error) {
	c = &bindError{account: b.Account, delay: time.Duration(b.Delay)}
	switch b.Status {
	case bindNack:
		c.how, c.status = bindNack, smpp.StatusInvCmdID
	case bindSilent, bindClose:
		c.how = b.Status
	default:
		if c.status, err = parseStatus(b.Status); err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
		if c.status == smpp.StatusOK && b.Delay == 0 {
			return nil, errors.New("status: ESME_ROK without a delay changes nothing")
		}
	}
	if c.below, err = shareOrAll(b.Share); err != nil {
		return nil, err
	}
	if c.window, err = compileWindow(b.Window); err != nil {
		return nil, err
	}
	c.counter, err = compileCounter(b.Skip, b.Nth, b.Count)
	return c, err
}

// bindError is what the first entry that applies does to a bind; nil when none does.
func (l *links) bindError(account string, ns, micros int64, random func() uint64) *bindError {
	for _, b := range l.binds {
		if (b.account == "" || b.account == account) && b.window.active(ns, micros) && (b.below >= 1<<32 || random()>>32 < b.below) && b.next() {
			return b
		}
	}
	return nil
}

// refuses says whether nobody listens now.
func (l *links) refuses(ns, micros int64) bool {
	for i := range l.refuse {
		if l.refuse[i].active(ns, micros) {
			return true
		}
	}
	return false
}

func checkOutbind(o *Outbind) error {
	addr, err := net.ResolveTCPAddr("tcp", o.Address)
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	switch {
	case !addr.IP.IsLoopback() || addr.Port == 0:
		return fmt.Errorf("address: %q: only a loopback address with a port", o.Address)
	case o.SystemID == "" || len(o.SystemID) > 15:
		return errors.New("system_id: 1 to 15 octets (SMPP 3.4 §5.2.1)")
	case len(o.Password) > 8:
		return errors.New("password: more than 8 octets (SMPP 3.4 §5.2.2)")
	case o.Times < 0:
		return fmt.Errorf("times: %d is negative", o.Times)
	}
	return nil
}
