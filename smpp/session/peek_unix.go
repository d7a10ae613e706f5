//go:build unix

package session

import (
	"crypto/tls"
	"net"
	"syscall"
)

// peeker tells whether a connection has something to read, without reading it.
type peeker struct {
	raw     syscall.RawConn
	layered bool // there is TLS above the socket, which holds octets of its own
	buf     [1]byte
}

// newPeeker returns a peeker that knows nothing when the connection is neither a socket, nor TLS over one, nor one that only looks on
// and has a method Under for what it is around.
func newPeeker(conn net.Conn) peeker {
	switch c := conn.(type) {
	case *tls.Conn:
		p := newPeeker(c.NetConn())
		p.layered = true
		return p
	case interface{ Under() net.Conn }: // Something that only listens in.
		return newPeeker(c.Under())
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
