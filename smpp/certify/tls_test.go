package certify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// secured listens over TLS with a certificate that lasts so long, and returns a way to dial it.
func secured(t *testing.T, lasts time.Duration, verify bool) (addr string, dial func(context.Context, string) (net.Conn, error)) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "smsc"}, DNSNames: []string{"smsc"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lasts), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				_, _ = conn.Read(make([]byte, 1)) // Shakes hands, and waits for the end.
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); all.Wait() })
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	config := &tls.Config{RootCAs: pool, ServerName: "smsc", MinVersion: tls.VersionTLS12, InsecureSkipVerify: !verify} //nolint:gosec // That is what the case must find.
	return listener.Addr().String(), func(ctx context.Context, host string) (net.Conn, error) {
		return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", host)
	}
}

func TestTLSIsJudgedByItsCertificate(t *testing.T) {
	for _, test := range []struct {
		name    string
		lasts   time.Duration
		verify  bool
		verdict string
		reason  string
	}{
		{"a good one", 90 * 24 * time.Hour, true, Pass, ""},
		{"one that ends within two weeks", 10 * 24 * time.Hour, true, Fail, "the certificate ends on"},
		{"one that nobody verified", 90 * 24 * time.Hour, false, Fail, "not verified"},
	} {
		addr, dial := secured(t, test.lasts, test.verify)
		c := configFor(addr)
		c.Dial, c.Only = dial, []string{"C"}
		r := carryOut(t, c)
		if x := r.result(t, "C-02"); x.Verdict != test.verdict || !strings.Contains(x.Reason, test.reason) || len(x.Observed) != 2 {
			t.Errorf("%s: %s %s %v", test.name, x.Verdict, x.Reason, x.Observed)
		}
		if !strings.HasPrefix(r.SMSC.TLS, "TLS 1.3, ") {
			t.Errorf("%s: %s", test.name, r.SMSC.TLS)
		}
	}
}
