package carrier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"fanline/smpp/session"
)

// TLS is how the hosts of an account are spoken to: at least TLS 1.2, and
// always verified. The files are read anew for each connection, so that a
// certificate that was replaced counts at the next one.
type TLS struct {
	CA               string // PEM file of the authorities to trust; empty: the system's
	Certificate, Key string // PEM files of our own, where the carrier asks for it; both or none
	ServerName       string // in the carrier's certificate; empty: the host's
}

// Config reads the files. The error names the key of the configuration.
func (t *TLS) Config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no PEM certificate", t.CA)
		}
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Client begins TLS over conn with host (host:port). On an error, which says
// what to do, conn is closed.
func (t *TLS) Client(ctx context.Context, conn net.Conn, host string) (net.Conn, error) {
	config, err := t.Config()
	if err != nil {
		_ = conn.Close() // Nothing was said on it.
		return nil, err
	}
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(host)
	}
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close() // The handshake's error says more.
		if help := t.help(err, config.ServerName); help != "" {
			return nil, fmt.Errorf("TLS with %s: %w: %s", host, err, help)
		}
		return nil, fmt.Errorf("TLS with %s: %w", host, err)
	}
	return secure, nil
}

// help says what to do about a handshake that failed.
func (t *TLS) help(err error, name string) string {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		remote   *net.OpError
	)
	// Of an alert that the other side sent nothing else is exported.
	alert := errors.As(err, &remote) && remote.Op == "remote error"
	switch {
	case errors.As(err, &unknown) && t.CA == "":
		return "name the PEM file of the carrier's own authority in tls.ca"
	case errors.As(err, &unknown):
		return "tls.ca does not hold the authority that signed it; ask the carrier which one did"
	case errors.As(err, &hostname) && len(hostname.Certificate.DNSNames) > 0:
		return fmt.Sprintf("it is for %s; if that is the carrier, put the name into tls.server_name", strings.Join(hostname.Certificate.DNSNames, ", "))
	case errors.As(err, &hostname):
		return fmt.Sprintf("it does not name %s; put the name that it has into tls.server_name", name)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the carrier must renew it; look at the clock of this machine too"
	case errors.As(err, &record):
		return "this port does not speak TLS: take the carrier's TLS port, or set tls.enabled to false"
	case alert && t.Certificate == "":
		return "the carrier refuses; where it wants a client certificate, name tls.certificate and tls.key"
	case alert:
		return "the carrier refuses; ask whether it knows tls.certificate, and which version of TLS it speaks"
	}
	return ""
}

// dial connects to a host of an account.
func (b *bind) dial(ctx context.Context, a *Account, host string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	dial := b.carrier.pool.cfg.Dial
	if dial == nil {
		dial = a.Dialer().DialContext
	}
	conn, err := dial(ctx, "tcp", host)
	if err != nil {
		if a.LocalAddress.IsValid() {
			return nil, fmt.Errorf("carrier: from local_address %s: %w", a.LocalAddress, err)
		}
		return nil, fmt.Errorf("carrier: %w", err)
	}
	if a.TLS == nil {
		return conn, nil
	}
	secure, err := a.TLS.Client(ctx, conn, host)
	if err != nil {
		return nil, fmt.Errorf("carrier: %w", err)
	}
	return secure, nil
}

// explain adds to the error of a bind that came to nothing what to do about it.
func (a *Account) explain(err error) error {
	switch {
	case a.TLS != nil: // With TLS 1.3 the verdict on our certificate comes after the handshake.
		if help := a.TLS.help(err, a.TLS.ServerName); help != "" {
			return fmt.Errorf("%w: %s", err, help)
		}
	case errors.Is(err, session.ErrPeerClosed):
		return fmt.Errorf("%w: a carrier that speaks TLS only, or lets certain addresses in, does that (tls, local_address)", err)
	}
	return err
}

// Dialer opens connections from the account's local address.
func (a *Account) Dialer() *net.Dialer {
	d := &net.Dialer{}
	if a.LocalAddress.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: a.LocalAddress.AsSlice(), Zone: a.LocalAddress.Zone()}
	}
	return d
}
