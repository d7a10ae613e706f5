package embedded

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// user is the one that may do everything; the child's own, default, may not.
const user = "fanline"

const (
	startTimeout = 60 * time.Second // until a child that was started must answer
	backOffMin   = 100 * time.Millisecond
	backOffMax   = 5 * time.Second
	// firstStarts that fail end Run; once a child has answered it is restarted
	// for ever, because sending never needs analytics to be up.
	firstStarts = 5
)

// Options say where the server lives; only Dir must be given.
type Options struct {
	Dir         string   // data directory, made when absent; one process at a time
	Library     string   // path of libchdb.so; empty: FindLibrary
	Executable  string   // that calls Main; empty: os.Executable
	Args        []string // that make it do so; nil: Command
	MemoryBytes int64    // cap of the server; 0: a quarter of the machine's, at most 4 GiB
	HTTP        bool     // also listen for HTTP (its console is at /play)
	Log         *slog.Logger
}

// Server is a ClickHouse on loopback, kept alive by Run.
type Server struct {
	opts     Options
	flags    childFlags
	password string

	mu       sync.Mutex
	ready    chan struct{} // closed while a child answers
	ended    chan struct{} // closed when Run has returned
	err      error         // of the last child, or what Run returned
	pid      int
	restarts int
}

// New chooses ports and a password and writes the configuration; it starts
// nothing. Its error is ErrNoLibrary when libchdb.so cannot be found.
func New(o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("embedded ClickHouse: no data directory given")
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, err
	}
	if o.Library, err = FindLibrary(o.Library); err != nil {
		return nil, err
	}
	if o.Library, err = filepath.Abs(o.Library); err != nil {
		return nil, err
	}
	if o.Executable == "" {
		if o.Executable, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	if o.Args == nil {
		o.Args = []string{Command}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.MemoryBytes == 0 {
		o.MemoryBytes = defaultMemory()
	}
	s := &Server{opts: o, password: crand.Text(), ready: make(chan struct{}), ended: make(chan struct{})}
	s.flags = childFlags{library: o.Library, path: filepath.Join(o.Dir, "store"), config: filepath.Join(o.Dir, "config.xml")}
	ports, err := choosePorts(2)
	if err != nil {
		return nil, err
	}
	s.flags.tcp = ports[0]
	if o.HTTP {
		s.flags.http = ports[1]
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "log"), 0o700); err != nil {
		return nil, err
	}
	return s, writeConfig(s.flags.config, configValues{
		Dir: o.Dir, User: user, PasswordSHA256: sha256Hex(s.password), MemoryBytes: o.MemoryBytes,
		QueryBytes: o.MemoryBytes / 2, MarkCacheBytes: o.MemoryBytes / 16, Threads: max(2, runtime.NumCPU()/2),
	})
}

// defaultMemory is a quarter of the machine, between 512 MiB and 4 GiB.
func defaultMemory() int64 {
	const gib = 1 << 30
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return gib
	}
	return min(max(int64(info.Totalram)*int64(info.Unit)/4, gib/2), 4*gib)
}

// Address returns host:port of the native protocol, the same from New on.
func (s *Server) Address() string { return loopback(s.flags.tcp) }

// HTTPAddress returns host:port of HTTP, empty when it was not asked for.
func (s *Server) HTTPAddress() string {
	if s.flags.http == 0 {
		return ""
	}
	return loopback(s.flags.http)
}

// User returns the name to connect with.
func (s *Server) User() string { return user }

// Password returns the password of User, made anew by New.
func (s *Server) Password() string { return s.password }

// Status is a glance at the supervised child.
type Status struct {
	Ready    bool
	PID      int // 0: none is running
	Restarts int
	Err      error // why the last child ended
}

// Status returns how the child is.
func (s *Server) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{Ready: isClosed(s.ready), PID: s.pid, Restarts: s.restarts, Err: s.err}
}

// Ready waits until a child answers. It fails when ctx ends, or when Run has
// given up, with the reason.
func (s *Server) Ready(ctx context.Context) error {
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-s.ended:
		s.mu.Lock()
		defer s.mu.Unlock()
		return fmt.Errorf("embedded ClickHouse is not running: %w", s.err)
	case <-ctx.Done():
		return fmt.Errorf("waiting for the embedded ClickHouse: %w", context.Cause(ctx))
	}
}

// Run keeps a child running until ctx ends, then ends it and returns nil. A
// child that ends by itself is started again on the same path and ports, with
// back-off; when the first ones all fail to come up, Run returns why. It may
// be called once.
func (s *Server) Run(ctx context.Context) (err error) {
	defer func() {
		s.setErr(cmp.Or(err, context.Cause(ctx)))
		close(s.ended)
	}()
	backOff, answered := backOffMin, false
	for failed := 1; ; failed++ {
		began := time.Now()
		ok, err := s.runChild(ctx)
		s.setErr(err)
		if ctx.Err() != nil {
			return nil
		}
		answered = answered || ok
		if !answered && failed == firstStarts {
			return fmt.Errorf("embedded ClickHouse: %w", err)
		}
		if time.Since(began) > 10*backOffMax {
			backOff = backOffMin
		}
		s.opts.Log.Warn("ClickHouse ended, starting it again", "err", err, "in", backOff)
		s.mu.Lock()
		s.restarts++
		s.mu.Unlock()
		select {
		case <-time.After(backOff):
		case <-ctx.Done():
			return nil
		}
		backOff = min(2*backOff, backOffMax)
	}
}

func (s *Server) setErr(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// Ports are taken from below those that the kernel gives to connections
// (32768 and up by default): while the child is down nobody else gets one by
// chance, least of all we by dialling it.
const (
	portFirst = 20_000
	portLast  = 32_767
	portTries = 100
)

// choosePorts picks n ports that are free now. They stay the same for the
// server's life, for others know them; ClickHouse could not tell which one it
// got for port 0 anyhow.
func choosePorts(n int) ([]int, error) {
	var ports []int
	var last error
	for range portTries {
		port := portFirst + rand.IntN(portLast-portFirst+1)
		l, err := net.Listen("tcp4", loopback(port))
		if err != nil {
			last = err
			continue
		}
		defer func() { _ = l.Close() }() // At the end, so that they all differ.
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("choosing ports for ClickHouse: %w", last)
}

// checkPorts finds a port that somebody else has taken meanwhile. ClickHouse
// would only write that to its log, and serve nothing.
func (s *Server) checkPorts() error {
	for _, port := range []int{s.flags.tcp, s.flags.http} {
		if port == 0 {
			continue
		}
		l, err := net.Listen("tcp4", loopback(port))
		if err != nil {
			return fmt.Errorf("the port of ClickHouse: %w", err)
		}
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// tail keeps the last bytes that the child wrote to stderr, for its error.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 4096

// Write implements io.Writer; it never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if extra := len(t.b) - tailBytes; extra > 0 {
		t.b = append(t.b[:0], t.b[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
