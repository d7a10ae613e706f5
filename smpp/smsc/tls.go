package smsc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// Listener is an address on which the simulator takes binds.
type Listener struct {
	Addr string // loopback address and port; port 0 takes a free one
	TLS  *TLS   // nil: plain
}

// TLS names the PEM files of a listener.
type TLS struct {
	CertFile, KeyFile string
	ClientCAFile      string // clients must show a certificate that this authority signed; empty: none is asked for
}

// Listening says where a simulator listens once it does.
type Listening struct {
	Addr string // of the listener
	TLS  bool
}

// config reads the files. Nothing older than TLS 1.2 is spoken.
func (t *TLS) config() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("smsc tls: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if t.ClientCAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("smsc tls: %w", err)
	}
	c.ClientCAs, c.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("smsc tls: %s holds no certificate", t.ClientCAFile)
	}
	return c, nil
}

// listenAll opens every listener, or none.
func listenAll(ctx context.Context, o *Options) (out []net.Listener, where []Listening, err error) {
	all := o.Also
	if o.Listen != "" {
		all = append([]Listener{{Addr: o.Listen}}, all...)
	}
	if len(all) == 0 {
		return nil, nil, errors.New("smsc: no address to listen on")
	}
	for _, l := range all {
		listener, err := l.open(ctx)
		if err != nil {
			for _, opened := range out {
				err = errors.Join(err, opened.Close())
			}
			return nil, nil, err
		}
		out = append(out, listener)
		where = append(where, Listening{listener.Addr().String(), l.TLS != nil})
	}
	return out, where, nil
}

func (l *Listener) open(ctx context.Context) (net.Listener, error) {
	var config *tls.Config
	if l.TLS != nil {
		var err error
		if config, err = l.TLS.config(); err != nil {
			return nil, err
		}
	}
	d, err := listen(ctx, l.Addr)
	switch {
	case err != nil:
		return nil, err
	case config == nil:
		return &opened{d, d}, nil
	}
	return &opened{tls.NewListener(d, config), d}, nil
}

// tcpOf is the TCP connection under nc; nil when there is none.
func tcpOf(nc net.Conn) *net.TCPConn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	tcp, _ := nc.(*net.TCPConn)
	return tcp
}

// closeWriteWithin bounds the close_notify to a client that doesn't read.
const closeWriteWithin = time.Second

// closeWrite says that nothing more follows: close_notify where TLS is spoken, then a FIN.
func closeWrite(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		_ = t.SetWriteDeadline(time.Now().Add(closeWriteWithin))
		_ = t.CloseWrite() // The connection ends in any case.
	}
	if tcp := tcpOf(nc); tcp != nil {
		_ = tcp.CloseWrite()
	}
}
