package smsc

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanline/smpp"
)

// clientTLS is what a client of the self-signed files needs.
func clientTLS(t *testing.T, dir string, withCert bool) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(filepath.Join(dir, caFile))
	if err != nil {
		t.Fatal(err)
	}
	c := &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "localhost", MinVersion: tls.VersionTLS12}
	if !c.RootCAs.AppendCertsFromPEM(pem) {
		t.Fatal("the authority's file holds no certificate")
	}
	if withCert {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, clientCertFile), filepath.Join(dir, clientKeyFile))
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// startTLS starts a simulator with a plain and a TLS listener and gives the address of the latter.
func startTLS(t *testing.T, files TLS, scenario *Scenario) (*running, string) {
	t.Helper()
	addr := ""
	r := startSMSC(t, t.TempDir(), testAccounts(), scenario, func(o *Options) {
		o.Also = []Listener{{Addr: "127.0.0.1:0", TLS: &files}}
		o.Ready = func(binds []Listening, _ string) {
			if len(binds) == 2 && !binds[0].TLS && binds[1].TLS {
				addr = binds[1].Addr
			}
		}
	})
	if addr == "" {
		t.Fatal("Ready doesn't name a plain and a TLS listener")
	}
	return r, addr
}

func dialTLS(t *testing.T, addr string, config *tls.Config) (*client, error) {
	t.Helper()
	nc, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, nc: nc}, nil
}

func TestBindsAreTakenPlainAndOverTLSWithAClientsCertificate(t *testing.T) {
	dir := t.TempDir()
	files, err := SelfSigned(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, addr := startTLS(t, files, quick())
	r.bind(smpp.BindTransmitterID) // plain
	c, err := dialTLS(t, addr, clientTLS(t, dir, true))
	if err != nil {
		t.Fatal(err)
	}
	if status := c.bind(smpp.BindTransceiverID, "acme", "secret"); status != smpp.StatusOK {
		t.Fatalf("bind over TLS: %s", status)
	}
	if status, id := c.submit(submitTo("13125550001", "hello")); status != smpp.StatusOK || id == "" {
		t.Errorf("submit over TLS: %s, id %q", status, id)
	}
	binds, err := r.control().Binds(t.Context())
	if err != nil || len(binds) != 2 || binds[0].TLS || !binds[1].TLS || binds[1].Submits != 1 {
		t.Errorf("binds %+v, %v", binds, err)
	}
	h, _ := c.expect(smpp.DeliverSMID)
	c.write(smpp.StatusOK, h.Sequence, &smpp.DeliverSMResp{})
	c.send(&smpp.Unbind{})
	c.expect(smpp.UnbindRespID)
}

func TestOverTLSNobodyBindsWithoutACertificateThatWasAskedFor(t *testing.T) {
	dir := t.TempDir()
	files, err := SelfSigned(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, addr := startTLS(t, files, quick())
	c, err := dialTLS(t, addr, clientTLS(t, dir, false))
	if err == nil { // TLS 1.3 tells with the first read
		_ = c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err = c.nc.Read(make([]byte, 1))
	}
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want the server to ask for a certificate", err)
	}
	if _, err := dialTLS(t, addr, &tls.Config{ServerName: "localhost", MinVersion: tls.VersionTLS12}); err == nil {
		t.Error("an authority that nobody trusts is trusted")
	}
}

func TestADroppedTLSConnectionEndsWithoutCloseNotify(t *testing.T) {
	dir := t.TempDir()
	files, err := SelfSigned(dir)
	if err != nil {
		t.Fatal(err)
	}
	files.ClientCAFile = ""
	r, addr := startTLS(t, files, quick())
	c, err := dialTLS(t, addr, clientTLS(t, dir, false))
	if err != nil {
		t.Fatal(err)
	}
	if status := c.bind(smpp.BindTransceiverID, "acme", "secret"); status != smpp.StatusOK {
		t.Fatal(status)
	}
	if err := r.control().Drop(t.Context(), DropRequest{}); err != nil {
		t.Fatal(err)
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err = c.nc.Read(make([]byte, 1))
	if err == nil || strings.Contains(err.Error(), "EOF") && !strings.Contains(err.Error(), "unexpected") {
		t.Errorf("got %v, want a reset", err)
	}
}

func TestSelfSignedFilesAreKeptWhileTheyAreGood(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	if _, err := SelfSigned(dir); err != nil {
		t.Fatal(err)
	}
	read := func() string {
		b, err := os.ReadFile(filepath.Join(dir, serverCertFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	first := read()
	if _, err := SelfSigned(dir); err != nil || read() != first {
		t.Errorf("a good certificate was replaced, or %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, serverKeyFile), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := SelfSigned(dir); err != nil || read() == first {
		t.Errorf("a certificate without its key was kept, or %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, serverKeyFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key %v, %v", info.Mode(), err)
	}
}

func TestNoListenerOfSeveralIsReachedFromOutside(t *testing.T) {
	for _, o := range []Options{
		{Listen: "0.0.0.0:0"},
		{Also: []Listener{{Addr: ":0"}}},
		{Listen: "127.0.0.1:0", Also: []Listener{{Addr: "127.0.0.1:0", TLS: &TLS{CertFile: "none", KeyFile: "none"}}}},
		{},
	} {
		got, _, err := listenAll(t.Context(), &o)
		if err == nil {
			t.Errorf("%+v: listens", o)
			_ = closeAll(got)
		}
	}
	var open net.Listener
	if got, where, err := listenAll(t.Context(), &Options{Listen: "127.0.0.1:0"}); err != nil || len(where) != 1 {
		t.Error(err)
	} else {
		open = got[0]
		open.Close()
	}
}
