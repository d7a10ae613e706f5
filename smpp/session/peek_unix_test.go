//go:build unix

package session

import (
	"net"
	"testing"
)

// listener is a connection around another, as one that only listens in.
type listener struct{ net.Conn }

func (l listener) Under() net.Conn { return l.Conn }

func TestASocketIsSeenThroughWhoListensIn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if p := newPeeker(listener{conn}); !p.known() || !p.empty() {
		t.Error("the socket is not seen")
	}
	ours, theirs := net.Pipe()
	defer ours.Close()
	defer theirs.Close()
	if p := newPeeker(listener{ours}); p.known() {
		t.Error("a pipe is no socket")
	}
}
