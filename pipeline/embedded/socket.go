package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/sys/unix"
)

// brokerAddress is what metadata names as the broker. The top-level domain
// .invalid never resolves (RFC 2606 §2), so a client without our dialer fails
// instead of finding some other Kafka.
const brokerAddress = "broker.invalid:9092"

// socketPathMax is what sun_path holds on Linux (108), less its zero octet.
const socketPathMax = 107

// AddressFile returns the file in a data directory that holds the path of the
// running broker's socket.
func AddressFile(dir string) string { return filepath.Join(dir, "broker.addr") }

// DialerOf returns the dialer of a broker that another process runs on a data
// directory; the error says when none does.
func DialerOf(dir string) (dial func(ctx context.Context, network, address string) (net.Conn, error), addresses []string, err error) {
	raw, err := os.ReadFile(AddressFile(dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, fmt.Errorf("no embedded broker runs in %s: %w", dir, err)
	}
	if err != nil {
		return nil, nil, err
	}
	return dialSocket(strings.TrimSpace(string(raw))), []string{brokerAddress}, nil
}

func dialSocket(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "unix", path)
		if err != nil {
			return nil, fmt.Errorf("embedded broker: %w", err)
		}
		return conn, nil
	}
}

// privateListener listens on a unix socket that only our user can reach.
type privateListener struct {
	net.Listener
	dir, path string
	conns     atomic.Int64
}

func listenPrivately() (*privateListener, error) {
	dir, err := os.MkdirTemp("", "fanline-") // mode 0700
	if err == nil && len(filepath.Join(dir, "kafka.sock")) > socketPathMax {
		if err = os.Remove(dir); err == nil {
			dir, err = os.MkdirTemp("/tmp", "fanline-")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("directory of the socket: %w", err)
	}
	path := filepath.Join(dir, "kafka.sock")
	ln, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &privateListener{Listener: ln, dir: dir, path: path}, nil
}

// take is kfake's way to ask for a listener; there is one broker.
func (l *privateListener) take(string, string) (net.Listener, error) { return l, nil }

// Addr is what kfake tells clients about itself.
func (l *privateListener) Addr() net.Addr { return address(brokerAddress) }

type address string

func (address) Network() string  { return "unix" }
func (a address) String() string { return string(a) }

// Accept returns the next connection, guarded.
func (l *privateListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.conns.Add(1)
	return &guardedConn{Conn: conn, conns: &l.conns}, nil
}

func (l *privateListener) open() int64 { return l.conns.Load() }

// remove takes the socket and its directory away.
func (l *privateListener) remove() error {
	err := l.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // by kfake
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// guardedConn ends a connection on which something other than a Kafka client
// speaks: kfake would allocate whatever size the first four octets say, and
// panic on a request that it doesn't know.
type guardedConn struct {
	net.Conn
	conns  *atomic.Int64
	closed atomic.Bool
	head   [6]byte // size and api_key
	have   int
	skip   int64 // octets of the request still to come
}

const requestMax = 100 << 20

var errNotKafka = errors.New("not a Kafka request")

func (c *guardedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	for b := p[:n]; len(b) > 0; {
		if c.skip > 0 {
			k := min(c.skip, int64(len(b)))
			c.skip -= k
			b = b[k:]
			continue
		}
		k := copy(c.head[c.have:], b)
		c.have += k
		b = b[k:]
		if c.have >= 4 && binary.BigEndian.Uint32(c.head[:4]) > requestMax {
			return 0, errNotKafka
		}
		if c.have == len(c.head) {
			size := binary.BigEndian.Uint32(c.head[:4])
			if size < 8 || kmsg.RequestForKey(int16(binary.BigEndian.Uint16(c.head[4:]))) == nil {
				return 0, errNotKafka
			}
			c.skip, c.have = int64(size)-2, 0
		}
	}
	return n, err
}

// Close closes once; kfake closes from its reader and its writer.
func (c *guardedConn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	c.conns.Add(-1)
	return c.Conn.Close()
}

func writeAddress(file, path string) error {
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, []byte(path+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

// removeStaleSocket removes the socket of a broker that ended without closing.
// It is called with the directory locked, so nobody serves it.
func removeStaleSocket(file string) error {
	raw, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	path := strings.TrimSpace(string(raw))
	if dir := filepath.Dir(path); filepath.Base(path) == "kafka.sock" && strings.HasPrefix(filepath.Base(dir), "fanline-") {
		if err := errors.Join(removeIfThere(path), removeIfThere(dir)); err != nil {
			return err
		}
	}
	return os.Remove(file)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// lockDirectory takes a lock that ends with the process, however that ends.
func lockDirectory(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
