//go:build unix

package session

import (
	"net"
	"syscall"
)

// peeker tells whether a connection has something to read, without reading it.
type peeker struct {
	raw syscall.RawConn
	buf [1]byte
}

// newPeeker returns a peeker that knows nothing when the connection isn't a plain socket: TLS holds octets of its own.
func newPeeker(conn net.Conn) peeker {
	switch c := conn.(type) {
	case *net.TCPConn:
		raw, _ := c.SyscallConn()
		return peeker{raw: raw}
	case *net.UnixConn:
		raw, _ := c.SyscallConn()
		return peeker{raw: raw}
	}
	return peeker{}
}

// known reports whether empty can tell.
func (p *peeker) known() bool { return p.raw != nil }

// empty reports whether there is nothing to read, not even an end or an error.
func (p *peeker) empty() bool {
	empty := false
	err := p.raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		empty = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	})
	return err == nil && empty
}
