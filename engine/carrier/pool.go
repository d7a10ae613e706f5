package carrier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"fanline/engine"
	"fanline/smpp"
	"fanline/smpp/session"
)

// Account is one account at an operator, with the binds to hold.
type Account struct {
	Name       string
	Profile    *Profile
	Hosts      []string    // host:port; binds are spread over them, and go to the next after a failure
	TLS        *tls.Config // nil: plain TCP; without ServerName the host's name is verified
	Kind       string      // transceiver (also where empty), transmitter or receiver
	Binds      int
	SystemID   string
	Password   func() string // asked at each bind; nil: empty
	SystemType string
	Window     int // unanswered submits of one bind
	// Silence after which an enquire_link is sent, and how long an answer may
	// take; 0: the session's own 30 s and 60 s.
	EnquireLink, Response time.Duration
}

// Port is where the binds hand in what became of their parts; *engine.Port.
type Port interface {
	Answers(batch []engine.Answer)
	// Detach is called once, when the bind takes nothing more. Answers to what
	// it was writing may come afterwards, within seconds.
	Detach()
}

// PoolConfig says which binds to hold and what they are handed.
type PoolConfig struct {
	Accounts []Account
	// Attach tells the engine of a bind that is up: engine.Engine.Attach. Bind
	// numbers count from 1 in each account and stay over reconnects.
	Attach  func(carrier string, bind uint32, window int, conn engine.Bind) Port
	Inbound *Inbound
	// Dial opens TCP connections; net.Dialer's where nil.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Drain  time.Duration // how long the end may wait for answers before it unbinds; 10 s where zero
	Logger *slog.Logger  // slog.Default where nil
}

// Pool holds the binds of all accounts. Make it with NewPool.
type Pool struct {
	cfg      PoolConfig
	carriers []*carrierBinds
}

type carrierBinds struct {
	account Account
	kind    smpp.CommandID
	binds   []*bind
}

// NewPool checks the accounts; Run opens their binds.
func NewPool(cfg PoolConfig) (*Pool, error) {
	if cfg.Attach == nil || cfg.Inbound == nil {
		return nil, errors.New("carrier: Attach and Inbound must be set")
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	if cfg.Drain == 0 {
		cfg.Drain = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	p := &Pool{cfg: cfg}
	for _, a := range cfg.Accounts {
		c := &carrierBinds{account: a}
		known := choose(&c.kind, a.Kind, map[string]smpp.CommandID{
			"": smpp.BindTransceiverID, "transceiver": smpp.BindTransceiverID,
			"transmitter": smpp.BindTransmitterID, "receiver": smpp.BindReceiverID,
		})
		switch {
		case !known:
			return nil, fmt.Errorf("carrier: %s: bind %q: want transceiver, transmitter or receiver", a.Name, a.Kind)
		case a.Profile == nil || len(a.Hosts) == 0 || a.Binds < 1 || a.Window < 1:
			return nil, fmt.Errorf("carrier: %s: needs a profile, a host, a bind and a window", a.Name)
		}
		for i := range a.Binds {
			c.binds = append(c.binds, newBind(p, c, i))
		}
		p.carriers = append(p.carriers, c)
	}
	return p, nil
}

// Run holds the binds until ctx ends. Then each takes no more submits, waits
// for the answers to those it has (Drain at most) and for Inbound's to what was
// delivered, unbinds and closes. Nothing else ends it: a carrier that refuses
// is tried again for ever.
func (p *Pool) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, c := range p.carriers {
		for _, b := range c.binds {
			all.Go(func() { b.run(ctx) })
		}
	}
	all.Wait()
	return nil
}

// CarrierState is a snapshot of the binds of one account.
type CarrierState struct {
	Name  string      `json:"name"`
	Up    int         `json:"up"`
	Binds []BindState `json:"binds"`
}

// BindState is a snapshot of one bind.
type BindState struct {
	Bind      uint32        `json:"bind"`
	Kind      string        `json:"kind"`
	Host      string        `json:"host"` // that it is bound to, or was tried last
	Peer      string        `json:"peer"` // the SMSC's system_id
	Up        bool          `json:"up"`
	Refused   bool          `json:"refused"` // bind-fatal: somebody must change the configuration
	Since     time.Time     `json:"since"`   // when it came up or went down
	Bound     uint64        `json:"bound"`   // how often since the start
	Window    int           `json:"window"`
	Inflight  int           `json:"inflight"`
	LastError string        `json:"last_error,omitempty"`
	Stats     session.Stats `json:"-"` // of all its sessions together, for metrics
}

// State returns a snapshot, in the order of the accounts.
func (p *Pool) State() []CarrierState {
	states := make([]CarrierState, len(p.carriers))
	for i, c := range p.carriers {
		states[i].Name = c.account.Name
		for _, b := range c.binds {
			s := b.snapshot()
			if s.Up {
				states[i].Up++
			}
			states[i].Binds = append(states[i].Binds, s)
		}
	}
	return states
}

// Healthy returns nil when every account has a bind that is up, and otherwise
// names those that have none.
func (p *Pool) Healthy() error {
	var down []string
	for _, c := range p.State() {
		if c.Up == 0 {
			down = append(down, c.Name)
		}
	}
	if len(down) == 0 {
		return nil
	}
	return fmt.Errorf("no bind is up at %s", strings.Join(down, ", "))
}
