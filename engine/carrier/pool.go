package carrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fanline/engine"
	"fanline/smpp"
)

// Account is one account at an operator, with the binds to hold.
type Account struct {
	Name    string
	Profile *Profile
	Hosts   []string // host:port
	// Priority has every bind begin at the first host. Otherwise bind n begins at
	// the n-th, round and round. See bind.next for what comes after a failure.
	Priority     bool
	TLS          *TLS       // nil: plain TCP
	LocalAddress netip.Addr // to dial from; the zero Addr leaves it to the system
	Kind         string     // transceiver (also where empty), transmitter, receiver or pair
	Binds        int        // with pair: pairs, each a transmitter and a receiver
	SystemID     string
	Password     func() string // asked at each bind; nil: empty
	SystemType   string        // the profile's where empty
	Window       int           // unanswered submits of one bind
	// Silence after which an enquire_link is sent, and how long an answer may
	// take; 0: the session's own 30 s and 60 s.
	EnquireLink, Response time.Duration
	// ReconnectMin is the shortest pause before a bind comes back: some carriers
	// refuse one that comes within 30 s. 0: 100 ms. ReconnectMax bounds the
	// back-off; 0: 30 s.
	ReconnectMin, ReconnectMax time.Duration
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
	// Admin says which accounts begin disabled or draining, by name.
	Admin map[string]Admin
	// Attach tells the engine of a bind that is up: engine.Engine.Attach. Bind
	// numbers count from 1 in each account and stay over reconnects. A bind that
	// was drained is attached again when it may submit again.
	Attach  func(carrier string, bind uint32, window int, conn engine.Bind) Port
	Inbound *Inbound
	// Dial opens TCP connections; net.Dialer's, from the account's local
	// address, where nil.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Drain  time.Duration // how long the end may wait for answers before it unbinds; 10 s where zero
	Logger *slog.Logger  // slog.Default where nil
}

// Pool holds the binds of all accounts. Make it with NewPool.
type Pool struct {
	cfg      PoolConfig
	carriers []*carrierBinds // fixed: the engine knows no others
	taps     atomic.Pointer[[]*tap]
	ended    chan struct{} // closed when Run returns

	mu    sync.Mutex
	start func(*bind) // while Run runs
	all   sync.WaitGroup
}

// carrierBinds is one account with its binds. Nothing of it is touched for a
// message: mu guards all that changes, of the binds too.
type carrierBinds struct {
	pool    *Pool
	name    string
	log     *slog.Logger
	profile Current

	mu      sync.Mutex
	account Account
	admin   Admin
	since   time.Time // of admin
	binds   []*bind
	alarm   Alarm
	changed chan struct{} // closed, and replaced, at every change that somebody may wait for
	rebinds chan struct{} // holds one while Rebind runs
}

// NewPool checks the accounts; Run opens their binds.
func NewPool(cfg PoolConfig) (*Pool, error) {
	if cfg.Attach == nil || cfg.Inbound == nil {
		return nil, errors.New("carrier: Attach and Inbound must be set")
	}
	if cfg.Drain == 0 {
		cfg.Drain = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	p := &Pool{cfg: cfg, ended: make(chan struct{})}
	for _, a := range cfg.Accounts {
		if err := a.check(); err != nil {
			return nil, err
		}
		admin := cfg.Admin[a.Name]
		if admin == "" {
			admin = Enabled
		}
		if !admin.valid() {
			return nil, fmt.Errorf("carrier: %s: admin state %q: want %s, %s or %s", a.Name, admin, Enabled, Draining, Disabled)
		}
		c := &carrierBinds{
			pool: p, name: a.Name, log: cfg.Logger.With(slog.String("carrier", a.Name)), account: a, admin: admin, since: time.Now(),
			changed: make(chan struct{}), rebinds: make(chan struct{}, 1),
		}
		c.profile.Set(a.Profile)
		for i := range a.places() {
			c.binds = append(c.binds, newBind(c, i))
		}
		p.carriers = append(p.carriers, c)
	}
	return p, nil
}

// The words of Account.Kind.
const (
	kindTransceiver = "transceiver"
	kindTransmitter = "transmitter"
	kindReceiver    = "receiver"
	kindPair        = "pair"
)

// check refuses an account whose binds could not even be tried.
func (a *Account) check() error {
	switch {
	case !slices.Contains([]string{"", kindTransceiver, kindTransmitter, kindReceiver, kindPair}, a.Kind):
		return fmt.Errorf("carrier: %s: bind %q: want transceiver, transmitter, receiver or pair", a.Name, a.Kind)
	case a.Profile == nil || len(a.Hosts) == 0 || a.Binds < 1 || a.Window < 1:
		return fmt.Errorf("carrier: %s: needs a profile, a host, a bind and a window", a.Name)
	}
	return nil
}

// places is how many sessions the account is to have.
func (a *Account) places() int {
	if a.Kind == kindPair {
		return 2 * a.Binds
	}
	return a.Binds
}

// command is the bind that the i-th place sends: of a pair first comes the
// transmitter, then the receiver.
func (a *Account) command(i int) smpp.CommandID {
	switch {
	case a.Kind == kindTransmitter, a.Kind == kindPair && i%2 == 0:
		return smpp.BindTransmitterID
	case a.Kind == kindReceiver, a.Kind == kindPair:
		return smpp.BindReceiverID
	}
	return smpp.BindTransceiverID
}

// home is the host at which the i-th place begins: both of a pair at the same.
func (a *Account) home(i int) int {
	if a.Priority {
		return 0
	}
	if a.Kind == kindPair {
		i /= 2
	}
	return i % len(a.Hosts)
}

// Run holds the binds until ctx ends. Then each takes no more submits, waits
// for the answers to those it has (Drain at most) and for Inbound's to what was
// delivered, unbinds and closes. Nothing else ends it: a carrier that refuses
// is tried again for ever.
func (p *Pool) Run(ctx context.Context) error {
	defer close(p.ended)
	p.mu.Lock()
	p.start = func(b *bind) { p.all.Go(func() { b.run(ctx) }) }
	for _, c := range p.carriers {
		c.mu.Lock()
		for _, b := range c.binds {
			p.start(b)
		}
		c.mu.Unlock()
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.start = nil // What Reload adds from now on never starts.
	p.mu.Unlock()
	p.all.Wait()
	return nil
}

// find returns an account by its name.
func (p *Pool) find(name string) (*carrierBinds, error) {
	for _, c := range p.carriers {
		if c.name == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNoCarrier, name)
}

// notify wakes whoever waits for a change. c.mu is held.
func (c *carrierBinds) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}
