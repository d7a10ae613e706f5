package carrier

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// How a bind comes back.
const (
	firstRetry    = 200 * time.Millisecond // at most, after a session that had lasted
	lastRetry     = 30 * time.Second       // at most, however often it failed
	fatalRetry    = time.Minute            // after a refusal that only a person can change
	lasting       = 10 * time.Second       // a session that was up so long starts the back-off anew
	dialTimeout   = 10 * time.Second
	unbindTimeout = 5 * time.Second
	outOfStepFor  = 2 * time.Second // for answers, before a session that is out of step unbinds
)

// bind is one place in the pool: a session, or the wait for the next one.
type bind struct {
	pool    *Pool
	carrier *carrierBinds
	id      uint32
	log     *slog.Logger
	host    int // index of the host to try next

	mu      sync.Mutex
	state   BindState
	session *session.Session // nil while down
	past    session.Stats    // of the sessions before
}

func newBind(p *Pool, c *carrierBinds, i int) *bind {
	b := &bind{pool: p, carrier: c, id: uint32(i + 1), host: i % len(c.account.Hosts)}
	b.log = p.cfg.Logger.With(slog.String("carrier", c.account.Name), slog.Uint64("bind", uint64(b.id)))
	b.state = BindState{Bind: b.id, Kind: strings.TrimPrefix(c.kind.String(), "bind_"), Window: c.account.Window, Since: time.Now()}
	return b
}

// run holds the bind until ctx ends.
func (b *bind) run(ctx context.Context) {
	failures := 0
	for ctx.Err() == nil {
		host := b.carrier.account.Hosts[b.host]
		lasted, err := b.once(ctx, host)
		if ctx.Err() != nil {
			return
		}
		if lasted >= lasting {
			failures = 0
		}
		wait := retryAfter(failures, rand.Float64())
		failures++
		b.host = (b.host + 1) % len(b.carrier.account.Hosts)
		if fatal(err) {
			wait = fatalRetry
			b.log.Error("the carrier refuses this account: it is tried once a minute until its configuration changes",
				slog.String("host", host), slog.Any("error", err))
		} else {
			b.log.Warn("not bound", slog.String("host", host), slog.Duration("lasted", lasted.Round(time.Millisecond)),
				slog.Duration("retry_after", wait.Round(time.Millisecond)), slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// retryAfter is the pause after a number of failures in a row: exponential up
// to lastRetry, of which up to a half, by lot (0 to 1), is left out so that
// binds don't come back all at once.
func retryAfter(failures int, lot float64) time.Duration {
	d := lastRetry
	if failures < 8 { // 200 ms times 2 to the eighth is beyond lastRetry.
		d = min(lastRetry, firstRetry<<failures)
	}
	return d - time.Duration(float64(d/2)*lot)
}

// fatal tells whether a bind was refused for a reason that stays (SMPP 3.4
// §5.1.3: password, system_id, system_type).
func fatal(err error) bool {
	var refused *session.BindError
	return errors.As(err, &refused) && refused.Status.Class() == smpp.ClassBindFatal
}

// once dials, binds and carries one session to its end.
func (b *bind) once(ctx context.Context, host string) (lasted time.Duration, err error) {
	l, err := b.open(ctx, host)
	if err != nil {
		b.down(host, err)
		return 0, err
	}
	began := time.Now()
	b.up(host, l.s)
	err = b.carry(ctx, l)
	l.leave()
	if err == nil && ctx.Err() == nil {
		err = errOutOfStep
	}
	b.down(host, err)
	return time.Since(began), err
}

// errOutOfStep is the reason why a session was ended by us.
var errOutOfStep = errors.New("carrier: a status said that the session is out of step; binding again")

// open dials and binds. Nothing is handed to the engine before the bind is up.
func (b *bind) open(ctx context.Context, host string) (*link, error) {
	conn, err := b.dial(ctx, host)
	if err != nil {
		return nil, err
	}
	a := &b.carrier.account
	password := ""
	if a.Password != nil {
		password = a.Password()
	}
	l := &link{profile: a.Profile, window: a.Window, log: b.log, outOfStep: make(chan struct{}, 1)}
	l.s, err = session.Open(ctx, conn, session.Config{
		Kind: b.carrier.kind, SystemID: a.SystemID, Password: password, SystemType: a.SystemType, Window: a.Window,
		EnquireInterval: a.EnquireLink, ResponseTimeout: a.Response, UnbindTimeout: unbindTimeout, Logger: b.log,
	}, l)
	if err != nil {
		return nil, err
	}
	l.intake = b.pool.cfg.Inbound.Intake(a.Name, a.Profile, b.id, l)
	if b.carrier.kind != smpp.BindReceiverID {
		l.port = b.pool.cfg.Attach(a.Name, b.id, a.Window, l)
	}
	return l, nil
}

func (b *bind) dial(ctx context.Context, host string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := b.pool.cfg.Dial(ctx, "tcp", host)
	if err != nil {
		return nil, fmt.Errorf("carrier: %w", err)
	}
	if b.carrier.account.TLS == nil {
		return conn, nil
	}
	config := b.carrier.account.TLS.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(host)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // The handshake's error says more.
		return nil, fmt.Errorf("carrier: TLS with %s: %w", host, err)
	}
	return secure, nil
}

// carry runs a session until it ends, or has it unbind when ctx ends or it is
// out of step. The session itself is never cut by ctx: answers on their way
// would be lost.
func (b *bind) carry(ctx context.Context, l *link) error {
	ended := make(chan error, 1)
	go func() { ended <- l.s.Run(context.WithoutCancel(ctx)) }()
	drain := b.pool.cfg.Drain
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	case <-l.outOfStep:
		drain = outOfStepFor
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := l.s.Unbind(bounded); err != nil {
		b.log.Warn("unbinding although answers are missing", slog.Int("inflight", l.s.Inflight()))
	}
	return <-ended
}

// up notes a session that is bound.
func (b *bind) up(host string, s *session.Session) {
	b.mu.Lock()
	b.session = s
	b.state.Host, b.state.Peer, b.state.Up, b.state.Refused, b.state.Since = host, s.Peer().SystemID, true, false, time.Now()
	b.state.Bound++
	b.mu.Unlock()
	b.log.Info("bound", slog.String("host", host), slog.String("peer", s.Peer().SystemID))
}

// down notes the end of a session, or that there was none.
func (b *bind) down(host string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session != nil {
		add(&b.past, b.session.Stats())
		b.session = nil
		b.state.Since = time.Now()
	}
	b.state.Host, b.state.Up, b.state.Refused = host, false, fatal(err)
	if err != nil {
		b.state.LastError = err.Error()
	}
}

// snapshot returns the bind's state with the counters of all its sessions.
func (b *bind) snapshot() BindState {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := b.state
	state.Stats = b.past
	if b.session != nil {
		now := b.session.Stats()
		add(&state.Stats, now)
		state.Inflight = now.Inflight
		state.Stats.Inflight, state.Stats.Waiting, state.Stats.Congestion = now.Inflight, now.Waiting, now.Congestion
	}
	return state
}

// add adds the counters of s to sum.
func add(sum *session.Stats, s session.Stats) {
	sum.Submits += s.Submits
	sum.Accepted += s.Accepted
	sum.Refused += s.Refused
	sum.TimedOut += s.TimedOut
	sum.Late += s.Late
	sum.NotSent += s.NotSent
	sum.Lost += s.Lost
	sum.Invalid += s.Invalid
	sum.Deliveries += s.Deliveries
	sum.Responds += s.Responds
	sum.EnquiresSent += s.EnquiresSent
	sum.EnquiresSeen += s.EnquiresSeen
	sum.Strays += s.Strays
	sum.NacksSent += s.NacksSent
	sum.NacksSeen += s.NacksSeen
	sum.Malformed += s.Malformed
	sum.BytesIn += s.BytesIn
	sum.BytesOut += s.BytesOut
	sum.Reads += s.Reads
	sum.Writes += s.Writes
}
