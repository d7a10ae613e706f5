package smsc

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The files that SelfSigned writes.
const (
	caFile         = "ca.pem"
	serverCertFile = "server.pem"
	serverKeyFile  = "server-key.pem"
	clientCertFile = "client.pem"
	clientKeyFile  = "client-key.pem"
)

// selfSignedFor is how long the certificates are good; those with less than selfSignedLeft are made anew.
const (
	selfSignedFor  = 365 * 24 * time.Hour
	selfSignedLeft = 24 * time.Hour
)

// SelfSigned makes an authority, a certificate for 127.0.0.1, ::1 and localhost, and one for a client in dir, and
// returns the listener's side of it. What is there and good for another day stays. The authority's key is not kept:
// it signs these two and nothing more.
func SelfSigned(dir string) (TLS, error) {
	t := TLS{
		CertFile: filepath.Join(dir, serverCertFile), KeyFile: filepath.Join(dir, serverKeyFile),
		ClientCAFile: filepath.Join(dir, caFile),
	}
	if stillGood(t.CertFile) {
		if _, err := t.config(); err == nil {
			return t, nil
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return t, fmt.Errorf("smsc tls: %w", err)
	}
	if err := writeSelfSigned(dir); err != nil {
		return t, fmt.Errorf("smsc tls: %w", err)
	}
	return t, nil
}

func stillGood(path string) bool {
	b, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return err == nil && time.Until(cert.NotAfter) > selfSignedLeft
}

func writeSelfSigned(dir string) error {
	ca, caKey, err := certify("fanline simulator authority", nil, nil, nil)
	if err != nil {
		return err
	}
	server, serverKey, err := certify("localhost", []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, ca, caKey)
	if err != nil {
		return err
	}
	client, clientKey, err := certify("client", []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, ca, caKey)
	if err != nil {
		return err
	}
	return errors.Join(
		writeCert(dir, caFile, ca), writeCert(dir, serverCertFile, server), writeCert(dir, clientCertFile, client),
		writeKey(dir, serverKeyFile, serverKey), writeKey(dir, clientKeyFile, clientKey),
	)
}

// certify makes a key and its certificate; without a parent an authority that signs itself.
func certify(name string, use []x509.ExtKeyUsage, parent *x509.Certificate, parentKey crypto.Signer) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	c := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(selfSignedFor), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: use, BasicConstraintsValid: true,
	}
	if parent == nil {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		parent, parentKey = c, key
	} else {
		c.DNSNames = []string{name}
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, nil, err
	}
	c, err = x509.ParseCertificate(der)
	return c, key, err
}

func writeCert(dir, name string, c *x509.Certificate) error {
	return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o644) //nolint:gosec // a certificate is public
}

func writeKey(dir, name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
