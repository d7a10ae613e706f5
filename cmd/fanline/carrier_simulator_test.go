package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fanline/smpp/smsc"
)

// simulated is a simulator that runs until the test ends.
type simulated struct{ plain, secure, ca, log string }

// simulate runs one with an account "me", password "pw", that may send
// from +17735550100; it listens with and without TLS.
func simulate(t *testing.T, account smsc.Account, scenario string) simulated {
	t.Helper()
	dir := t.TempDir()
	s := simulated{ca: filepath.Join(dir, "ca.pem"), log: filepath.Join(dir, "log")}
	key := filepath.Join(dir, "key.pem")
	writeCertificate(t, s.ca, key)
	if !strings.Contains(scenario, "latency:") {
		scenario = "latency: {min: 1ms, max: 3ms}\n" + scenario
	}
	parsed, err := smsc.ParseScenario("scenario", []byte(scenario))
	if err != nil {
		t.Fatal(err)
	}
	if account.SystemID == "" {
		account.SystemID = "me"
	}
	account.Password = "pw"
	account.Numbers = []smsc.Number{{Number: "+17735550100"}}
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan []smsc.Listening, 1), make(chan error, 1)
	go func() {
		ended <- smsc.Run(ctx, smsc.Options{
			Listen: "127.0.0.1:0", Also: []smsc.Listener{{Addr: "127.0.0.1:0", TLS: &smsc.TLS{CertFile: s.ca, KeyFile: key}}},
			Accounts: []smsc.Account{account}, Scenario: &parsed, LogDir: s.log,
			Ready: func(binds []smsc.Listening, _ string) { ready <- binds },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case binds := <-ready:
		s.plain, s.secure = binds[0].Addr, binds[1].Addr
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return s
}

// writeCertificate makes one for localhost that is its own authority.
func writeCertificate(t *testing.T, certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
