//go:build unix

package session

import (
	"crypto/tls"
	"net"
	"testing"
)

// around is a connection that looks on, as a trace does.
type around struct{ net.Conn }

func (a around) Under() net.Conn { return a.Conn }

func TestSocketIsFoundBelowTLSAndWhatLooksOn(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	secure := tls.Client(socket, &tls.Config{ServerName: "smsc"})
	for _, c := range []struct {
		name           string
		conn           net.Conn
		known, layered bool
	}{
		{"a socket", socket, true, false},
		{"around a socket", around{socket}, true, false},
		{"TLS", secure, true, true},
		{"around TLS", around{secure}, true, true},
		{"TLS over what looks on", tls.Client(around{socket}, &tls.Config{ServerName: "smsc"}), true, true},
		{"a pipe", pipe, false, false},
		{"around a pipe", around{pipe}, false, false},
	} {
		p := newPeeker(c.conn)
		if p.known() != c.known || p.layered != c.layered {
			t.Errorf("%s: known %v, layered %v", c.name, p.known(), p.layered)
		}
		if c.known && !p.empty() {
			t.Errorf("%s: something is there to read", c.name)
		}
	}
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := socket.Read(nil); err != nil {
		t.Fatal(err)
	}
	p := newPeeker(around{socket})
	for p.empty() { // Loopback: it is on its way.
		continue
	}
}
