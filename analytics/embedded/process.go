package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

const (
	leaveTimeout  = 5 * time.Second // after its stdin ended, before it is killed
	probeInterval = 20 * time.Millisecond
	probeTimeout  = 2 * time.Second
)

// runChild starts a child, tells when it answers and returns when it has
// ended, and whether it ever answered. When ctx ends it makes the child leave.
func (s *Server) runChild(ctx context.Context) (answered bool, err error) {
	if err := s.checkPorts(); err != nil {
		return false, err
	}
	cmd := exec.Command(s.opts.Executable, slices.Concat(s.opts.Args, s.flags.args())...)
	var out tail
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Dir = s.opts.Dir
	cmd.Env = childEnv(os.Environ())
	cmd.WaitDelay = leaveTimeout
	// A session, thus a process group, of its own: Ctrl-C is for us, who end
	// the child last, and ClickHouse finds no terminal to draw on.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	alive, err := cmd.StdinPipe() // The child leaves when this ends, so also when we are killed.
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	var ended error
	exited := make(chan struct{}) // closed when ended is set
	go func() {
		ended = cmd.Wait()
		close(exited)
	}()
	s.setChild(cmd.Process.Pid)
	defer s.setChild(0)

	if err = s.awaitAnswer(ctx, exited); err == nil {
		answered = true
		s.opts.Log.Info("ClickHouse answers", "address", s.Address(), "pid", cmd.Process.Pid)
		s.setReady()
		select {
		case <-exited:
		case <-ctx.Done():
		}
	}
	if isClosed(exited) {
		return answered, childError(ended, &out)
	}
	// Either we are stopping, or it hangs without answering.
	_ = alive.Close()
	select {
	case <-exited:
	case <-time.After(leaveTimeout):
		_ = cmd.Process.Kill()
		<-exited
	}
	return answered, err
}

// errNoAnswer: the child runs, but it is of no use.
var errNoAnswer = errors.New("no answer")

// awaitAnswer asks until the child answers as our own user, which nobody
// else's server on that port would. It fails when the child has exited, when
// ctx ends, or after startTimeout.
func (s *Server) awaitAnswer(ctx context.Context, exited <-chan struct{}) error {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{s.Address()},
		Auth:        clickhouse.Auth{Username: user, Password: s.password},
		DialTimeout: probeTimeout,
		ReadTimeout: probeTimeout,
	})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	var last error
	for {
		select {
		case <-exited:
			return errNoAnswer
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			return fmt.Errorf("%w within %v: %w", errNoAnswer, startTimeout, last)
		case <-tick.C:
			if last = conn.Ping(ctx); last == nil {
				return nil
			}
		}
	}
}

// childError adds what the child said to how it ended.
func childError(err error, out *tail) error {
	if err == nil {
		err = errors.New("it ended without an error")
	}
	if said := out.String(); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return err
}

// childEnv passes on only what a library needs; passwords of carriers stand in
// the environment too.
func childEnv(env []string) []string {
	var kept []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "GOCOVERDIR"} {
		for _, e := range env {
			if len(e) > len(name) && e[:len(name)] == name && e[len(name)] == '=' {
				kept = append(kept, e)
			}
		}
	}
	return kept
}

func (s *Server) setChild(pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pid = pid
	if pid == 0 && isClosed(s.ready) {
		s.ready = make(chan struct{})
	}
}

func (s *Server) setReady() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ready)
}
