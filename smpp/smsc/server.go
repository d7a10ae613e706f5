package smsc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Options is what a simulator needs to run.
type Options struct {
	Listen       string     // address and port; port 0 takes a free one. Only loopback addresses are allowed
	Also         []Listener // further ones; then Listen may be empty
	HTTP         string     // loopback address and port of the live page and the control interface; empty: none
	Accounts     []Account  // or AccountsFile
	AccountsFile string
	Scenario     *Scenario // or ScenarioFile; neither: DefaultScenario
	ScenarioFile string
	LogDir       string        // made when absent
	AddrFile     string        // where to write the address once listening; empty: nowhere
	IdleExit     time.Duration // ends after so long without a bind; 0: never
	Logger       *slog.Logger  // nil: nothing is said

	// Ready is called once with where binds and, with HTTP, browsers are taken; nil: not called.
	Ready func(binds []Listening, http string)
}

// server is one running simulator.
type server struct {
	live    atomic.Pointer[plan] // see plan
	logger  *slog.Logger
	log     *logWriter
	started time.Time
	epoch   int64    // microseconds since 1970 at started
	addr    net.Addr // of the first listener

	accounts map[string]*account
	numbers  numberTable
	texts    textTable
	watch    watchList
	forms    formTable

	changes    changes
	presence   presence
	broadcasts broadcasts

	scenario  atomic.Pointer[string] // the one in force as text
	replanned chan struct{}          // capacity 1: another plan is in force
	byHand    atomic.Uint32          // PDUs sent by hand
	traffic   trafficTable

	nextID   atomic.Uint64
	nextConn atomic.Uint32
	pending  atomic.Int64 // receipts and texts owed
	binds    atomic.Int64
	stats    stats

	mu       sync.Mutex
	conns    map[*conn]struct{}
	stopping bool
	failed   chan error    // the log can't be written
	ending   chan struct{} // closed when connections are to end
	work     sync.WaitGroup
}

// stats counts since the start of the process.
type stats struct {
	submits, accepted, throttled, refused        atomic.Int64
	receipts, receiptsAcked, texts, textsAcked   atomic.Int64
	protocolErrors, connections, droppedByFaults atomic.Int64
}

// plan is the scenario in force; the control interface may put another in its place at any time, so whoever needs two
// things of one scenario asks once.
func (s *server) plan() *plan { return s.live.Load() }

// moment is one reading of the clock in the three forms that are needed.
type moment struct {
	micros int64 // since 1970, not going back while the process lives
	ns     int64 // since the start
	ms     uint32
}

func (s *server) now() moment {
	ns := int64(time.Since(s.started))
	return moment{micros: s.epoch + ns/1000, ns: ns, ms: uint32(ns / 1_000_000)}
}

// Run serves until ctx ends, the idle time is over, or the log can't be written. It answers nothing that its log
// doesn't hold, and goes on with the receipts that the log of an earlier run says are due.
func Run(ctx context.Context, o Options) error {
	s, err := prepare(&o)
	if err != nil {
		return err
	}
	return s.run(ctx, o, func(string) {})
}

// run serves and says the address once it listens.
func (s *server) run(ctx context.Context, o Options, listening func(addr string)) (err error) {
	defer func() { err = errors.Join(err, s.log.close()) }()
	listeners, where, err := listenAll(ctx, &o)
	if err != nil {
		return err
	}
	s.addr = listeners[0].Addr()
	control, err := s.startControl(ctx, &o)
	if err != nil {
		return errors.Join(err, closeAll(listeners))
	}
	defer control.stop()
	if o.AddrFile != "" {
		if err := writeAtomically(o.AddrFile, s.addr.String()+"\n"); err != nil {
			return errors.Join(err, closeAll(listeners))
		}
		defer os.Remove(o.AddrFile) //nolint:errcheck // A file that is left names an address where nobody answers.
	}
	for _, l := range where {
		s.logger.Info("simulator listens", "addr", l.Addr, "tls", l.TLS, "log", o.LogDir, "owed", s.pending.Load())
	}
	if o.Ready != nil {
		o.Ready(where, control.http)
	}
	listening(s.addr.String())
	return s.serve(ctx, listeners, o.IdleExit)
}

func closeAll(listeners []net.Listener) (err error) {
	for _, l := range listeners {
		err = errors.Join(err, l.Close())
	}
	return err
}

func prepare(o *Options) (*server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	var err error
	if o.AccountsFile != "" {
		if o.Accounts, err = LoadAccounts(o.AccountsFile); err != nil {
			return nil, err
		}
	} else if err = checkAccounts(o.Accounts); err != nil {
		return nil, err
	}
	scenario, source, err := o.scenario()
	if err != nil {
		return nil, err
	}
	p, err := compileScenario(&scenario)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	if p.seed == 0 {
		p.seed = rand.Uint64()
	}
	if o.LogDir == "" {
		return nil, errors.New("smsc: no directory for the log given")
	}
	now := time.Now()
	s := &server{
		logger: o.Logger, started: now, epoch: now.UnixMicro(),
		conns: map[*conn]struct{}{}, failed: make(chan error, 1), ending: make(chan struct{}), replanned: make(chan struct{}, 1),
	}
	s.enact(p, source)
	if err := s.openAccounts(o.Accounts); err != nil {
		return nil, err
	}
	return s, s.openLog(o.LogDir)
}

// scenario gives the scenario and its text.
func (o *Options) scenario() (s Scenario, source string, err error) {
	switch {
	case o.ScenarioFile != "":
		b, err := os.ReadFile(o.ScenarioFile)
		if err != nil {
			return s, "", err
		}
		s, err = ParseScenario(o.ScenarioFile, b)
		return s, string(b), err
	case o.Scenario != nil:
		s = *o.Scenario
	default:
		s = DefaultScenario()
	}
	return s, scenarioText(&s), nil
}

// openLog locks the log, takes up what it says is owed, and goes on writing it.
func (s *server) openLog(dir string) error {
	lock, err := lockLog(dir)
	if err != nil {
		return err
	}
	s.log = &logWriter{dir: dir, lock: lock, dirty: make(chan struct{}, 1), form: s.plan().form, version: buildVersion(), now: func() int64 { return s.now().micros }}
	if err := s.restore(dir); err != nil {
		return errors.Join(err, s.log.close())
	}
	if s.nextID.Load() == 0 {
		start := s.plan().start
		if start == 0 {
			start = uint64(s.started.Unix()) * 1_000_000
		}
		s.nextID.Store(start)
	}
	if err := openLog(s.log); err != nil {
		return errors.Join(err, s.log.close())
	}
	return nil
}

func buildVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}

// listen refuses anything but loopback: the simulator trusts whoever reaches it.
func listen(ctx context.Context, addr string) (*door, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("smsc: listen on %q: %w", addr, err)
	}
	if !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("smsc: listen on %q: only a loopback address, such as 127.0.0.1:2775", addr)
	}
	listener, err := openDoor(ctx, tcp.String())
	if err != nil {
		return nil, fmt.Errorf("smsc: %w", err)
	}
	return listener, nil
}

func (s *server) serve(ctx context.Context, listeners []net.Listener, idleExit time.Duration) error {
	var accepting sync.WaitGroup
	for _, listener := range listeners {
		accepting.Go(func() { s.accept(listener) })
	}
	making, stopMaking := context.WithCancel(ctx)
	defer stopMaking()
	var made sync.WaitGroup
	made.Go(func() { s.runTraffic(making) })
	logged, flushing := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flushing)
		s.log.run(logged, s.fail)
	}()
	outward, stopOutward := context.WithCancel(ctx)
	accepting.Go(func() { s.doors(outward, listeners) })
	accepting.Go(func() { s.outbinds(outward) })
	err := s.wait(ctx, idleExit)
	stopOutward()
	err = errors.Join(err, closeAll(listeners))
	accepting.Wait()
	stopMaking()
	made.Wait()
	s.stop()
	s.work.Wait()
	close(logged)
	<-flushing
	s.logger.Info("simulator ends", "owed", s.pending.Load(), "submits", s.stats.submits.Load())
	return err
}

// wait returns when it is time to end.
func (s *server) wait(ctx context.Context, idleExit time.Duration) error {
	tick := time.NewTicker(idleTick(idleExit))
	defer tick.Stop()
	idleSince := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-s.failed:
			return err
		case now := <-tick.C:
			if s.binds.Load() > 0 {
				idleSince = now
			}
			if idleExit > 0 && now.Sub(idleSince) >= idleExit {
				s.logger.Info("simulator was idle", "for", idleExit)
				return nil
			}
		}
	}
}

// idleTick is how often idleness is looked at.
func idleTick(idleExit time.Duration) time.Duration {
	if idleExit > 0 && idleExit < 4*time.Second {
		return max(idleExit/4, time.Millisecond)
	}
	return time.Second
}

// connectionsMax bounds open connections; one more is closed at once.
const connectionsMax = 1024

func (s *server) accept(listener net.Listener) {
	for {
		nc, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			s.logger.Warn("simulator can't accept a connection", "error", err)
			time.Sleep(10 * time.Millisecond) // out of descriptors: give them time to come back
			continue
		}
		s.stats.connections.Add(1)
		s.take(newConn(s, nc))
	}
}

// take serves a connection.
func (s *server) take(c *conn) {
	s.mu.Lock()
	if s.stopping || len(s.conns) >= connectionsMax {
		s.mu.Unlock()
		_ = c.nc.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.work.Done()
		c.run()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// stop asks every connection to unbind; each closes within its own time.
func (s *server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	close(s.ending)
	for c := range s.conns {
		c.finish()
	}
}

// fail ends the simulator because its log can't be written: without a log nothing may be answered.
func (s *server) fail(err error) {
	select {
	case s.failed <- err:
	default:
	}
}

// writeAtomically replaces a small file so that a reader sees all or nothing of it.
func writeAtomically(path, content string) error {
	tmp := path + ".tmp"
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
