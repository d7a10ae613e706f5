package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// process is a server that we started and will end, by its own process id.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // why; read after done
	log  string        // file with its output
}

// start runs a program with its output in a file. ready says when it can be
// used: a text that its output will hold, or nothing.
func start(name, log string, command ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; we end it in our order.
	err = errors.Join(cmd.Start(), out.Close())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, done: make(chan struct{}), log: log}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// says waits until the process has written a text.
func (p *process) says(ctx context.Context, text string) error {
	return p.until(ctx, func() bool {
		raw, err := os.ReadFile(p.log)
		return err == nil && strings.Contains(string(raw), text)
	})
}

// until waits for something while the process runs.
func (p *process) until(ctx context.Context, reached func() bool) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !reached() {
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("%s ended: %w; it wrote:\n%s", p.name, orNil(p.err), p.tail())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; it wrote:\n%s", p.name, context.Cause(ctx), p.tail())
		}
	}
	return nil
}

// stop asks the process to end, and makes it when it takes longer than
// patience, which is an error.
func (p *process) stop(patience time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // Fails only when it has ended.
	select {
	case <-p.done:
		return p.err
	case <-time.After(patience):
		p.kill()
		return fmt.Errorf("%s did not end within %v and was killed", p.name, patience)
	}
}

// kill ends the process as a crash would.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // Fails only when it has ended.
	<-p.done
}

const tailBytes = 3000

func (p *process) tail() string {
	f, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer f.Close() //nolint:errcheck // It was only read.
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-tailBytes), io.SeekStart) // From the start, then.
	}
	raw, _ := io.ReadAll(f) // What could be read is what there is to show.
	return string(raw)
}

var errEnded = errors.New("without an error")

func orNil(err error) error {
	if err == nil {
		return errEnded
	}
	return err
}

// freePorts picks ports below those that the kernel gives to connections, so
// that nobody gets one of them by chance while its server is down.
func freePorts(n int) ([]int, error) {
	const first, last = 31_000, 31_999
	var ports []int
	var failed error
	for range 100 {
		l, err := net.Listen("tcp4", loopback(first+rand.IntN(last-first+1)))
		if err != nil {
			failed = err
			continue
		}
		defer l.Close() //nolint:errcheck // Nothing was written to it.
		if ports = append(ports, l.Addr().(*net.TCPAddr).Port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("choosing ports: %w", failed)
}

func loopback(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// command runs a program to its end and returns its standard output; the error
// holds what it complained about.
func command(ctx context.Context, args ...string) (string, error) {
	var out, complaints strings.Builder
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w\n%s%s", strings.Join(args, " "), err, out.String(), complaints.String())
	}
	return out.String(), nil
}
