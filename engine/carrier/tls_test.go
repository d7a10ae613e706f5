package carrier

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
)

// authority signs certificates for 127.0.0.1.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	file string // its certificate, PEM
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	pair := a.sign(t, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	a.pool.AddCert(a.cert)
	a.file = filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, a.file, "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(t *testing.T, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(1), pkix.Name{CommonName: t.Name()}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// client writes a certificate of ours, with its key, into two files.
func (a *authority) client(t *testing.T, cert, key string) {
	t.Helper()
	pair := a.sign(t, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalECPrivateKey(pair.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, cert, "CERTIFICATE", pair.Leaf.Raw)
	writePEM(t, key, "EC PRIVATE KEY", der)
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// bindOnce binds to host and unbinds again.
func bindOnce(t *testing.T, host string, change func(*Account)) error {
	t.Helper()
	return bindOnceTapped(t, host, change, nil)
}

func bindOnceTapped(t *testing.T, host string, change func(*Account), tap func(Frame)) error {
	t.Helper()
	inbound, err := NewInbound(InboundConfig{
		Partitions: 1, Log: &fakeLog{}, Logger: quiet(),
		Revokes: func(string, []byte) (string, bool) { return "", false }, Stop: func(_, _ message.Phone, _ int64, done func()) { done() },
	})
	if err != nil {
		t.Fatal(err)
	}
	a := accountOf(t)
	a.Hosts = []string{host}
	if change != nil {
		change(&a)
	}
	pool, err := NewPool(PoolConfig{Accounts: []Account{a}, Attach: (&fakeEngine{}).Attach, Inbound: inbound, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if tap != nil {
		defer pool.Tap(tap)()
	}
	b := pool.carriers[0].binds[0]
	l, err := b.open(t.Context(), &a, host)
	if err == nil {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_ = b.carry(ended, l) // Unbinds at once.
	}
	return err
}

func TestTLSIsVerifiedOnBothSides(t *testing.T) {
	ours, stranger := newAuthority(t), newAuthority(t)
	server := ours.sign(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"smsc.example"}})
	expired := ours.sign(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(-time.Hour)})
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	ours.client(t, cert, key)
	wanting := &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool}
	for _, test := range []struct {
		name   string
		server *tls.Config // nil: plain TCP
		ours   TLS
		want   string // in the error; empty: bound
	}{
		{"by the host's address", wanting, TLS{CA: ours.file, Certificate: cert, Key: key}, ""},
		{"by its configured name", wanting, TLS{CA: ours.file, Certificate: cert, Key: key, ServerName: "smsc.example"}, ""},
		{"of an unknown authority", wanting, TLS{CA: stranger.file, Certificate: cert, Key: key}, "tls.ca does not hold the authority"},
		{"of no public authority", wanting, TLS{Certificate: cert, Key: key}, "name the PEM file of the carrier's own authority in tls.ca"},
		{"of another name", wanting, TLS{CA: ours.file, Certificate: cert, Key: key, ServerName: "other.example"}, "it is for smsc.example"},
		{"that has expired", &tls.Config{Certificates: []tls.Certificate{expired}}, TLS{CA: ours.file}, "look at the clock"},
		{"too old a version", &tls.Config{Certificates: []tls.Certificate{server}, MaxVersion: tls.VersionTLS11}, TLS{CA: ours.file}, "protocol version"},
		{"without our certificate", &tls.Config{
			Certificates: wanting.Certificates, ClientAuth: wanting.ClientAuth, ClientCAs: wanting.ClientCAs, MaxVersion: tls.VersionTLS12,
		}, TLS{CA: ours.file}, "name tls.certificate and tls.key"},
		{"without our certificate, of TLS 1.3", wanting, TLS{CA: ours.file}, "name tls.certificate and tls.key"},
		{"on a port without TLS", nil, TLS{CA: ours.file}, "does not speak TLS"},
		{"with a file that is not there", wanting, TLS{CA: "nowhere.pem"}, "tls.ca: open nowhere.pem"},
		{"with a file that holds something else", wanting, TLS{CA: key}, "holds no PEM certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var listener net.Listener
			var err error
			if test.server != nil {
				listener, err = tls.Listen("tcp", "127.0.0.1:0", test.server)
			} else {
				listener, err = net.Listen("tcp", "127.0.0.1:0")
			}
			if err != nil {
				t.Fatal(err)
			}
			var serving sync.WaitGroup
			serving.Go(func() {
				if test.server == nil {
					greetInTheClear(listener)
					return
				}
				answerBinds(listener)
			})
			err = bindOnce(t, listener.Addr().String(), func(a *Account) { a.TLS = &test.ours })
			switch {
			case test.want == "" && err != nil:
				t.Error(err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %q in it", err, test.want)
			}
			listener.Close()
			serving.Wait()
		})
	}
}

// greetInTheClear answers whatever comes with something that is not TLS.
func greetInTheClear(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte{0, 0, 0, 16, 0x80, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0})
	_, _ = conn.Read(make([]byte, 1))
	conn.Close()
}

func TestACertificateThatWasReplacedCountsAtTheNextBind(t *testing.T) {
	ours, stranger := newAuthority(t), newAuthority(t)
	server := ours.sign(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool, MaxVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { answerBinds(listener) })
	dir := t.TempDir()
	config := &TLS{CA: ours.file, Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	stranger.client(t, config.Certificate, config.Key)
	use := func(a *Account) { a.TLS = config }
	if err := bindOnce(t, listener.Addr().String(), use); err == nil || !strings.Contains(err.Error(), "ask whether it knows tls.certificate") {
		t.Errorf("a stranger's certificate: %v", err)
	}
	ours.client(t, config.Certificate, config.Key)
	if err := bindOnce(t, listener.Addr().String(), use); err != nil {
		t.Error(err)
	}
	listener.Close()
	serving.Wait()
}

func TestBindsComeFromTheLocalAddressOfTheirCarrier(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 1)
	var serving sync.WaitGroup
	serving.Go(func() { answerBinds(remembering{listener, seen}) })
	err = bindOnce(t, listener.Addr().String(), func(a *Account) { a.LocalAddress = netip.MustParseAddr("127.0.0.5") })
	if err != nil {
		t.Fatal(err)
	}
	if from := <-seen; !strings.HasPrefix(from, "127.0.0.5:") {
		t.Errorf("came from %s", from)
	}
	listener.Close()
	serving.Wait()
	err = bindOnce(t, listener.Addr().String(), func(a *Account) { a.LocalAddress = netip.MustParseAddr("192.0.2.1") })
	if err == nil || !strings.Contains(err.Error(), "local_address 192.0.2.1") {
		t.Errorf("an address that is not ours: %v", err)
	}
}

// remembering says where its connections come from.
type remembering struct {
	net.Listener
	from chan string
}

func (r remembering) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	if err == nil {
		r.from <- conn.RemoteAddr().String()
	}
	return conn, err
}

func TestATapSeesWhatIsInsideTLSAndBothEnds(t *testing.T) {
	ours := newAuthority(t)
	server := ours.sign(t, &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server}})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { answerBinds(listener) })
	var e ear
	err = bindOnceTapped(t, listener.Addr().String(), func(a *Account) { a.TLS = &TLS{CA: ours.file} }, e.hear)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"out bind_transceiver", "in bind_transceiver_resp", "out unbind", "in unbind_resp"}
	if diff := cmp.Diff(want, e.heard()); diff != "" {
		t.Error(diff)
	}
	for _, f := range e.frames {
		if f.Remote.String() != listener.Addr().String() || !f.Local.IsValid() || f.Local == f.Remote {
			t.Errorf("from %v to %v", f.Local, f.Remote)
		}
	}
	listener.Close()
	serving.Wait()
}
