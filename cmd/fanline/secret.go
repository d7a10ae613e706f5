package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// Secret is a value that no log, error or dump may show. The value stands
// behind a function, so that even a %+v of an unexported field, where fmt
// cannot call String, prints an address instead of it.
type Secret struct {
	ref    string
	reveal func() string
}

// literalSecret wraps a value that has no reference, as the demo's generated
// passwords.
func literalSecret(value string) Secret {
	return Secret{reveal: func() string { return value }}
}

// Reveal returns the value, empty when none was configured.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// String names where the value comes from, never the value.
func (s Secret) String() string {
	switch {
	case s.ref != "":
		return "[" + s.ref + "]"
	case s.reveal != nil:
		return "[secret]"
	}
	return ""
}

// GoString keeps %#v from walking into the value.
func (s Secret) GoString() string { return s.String() }

// LogValue masks the secret in slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText masks the secret in JSON, YAML and everything else that asks.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// parseSecret reads env:NAME or file:PATH. With plain, anything else is the
// value itself: a database URL without a password is no secret.
func parseSecret(text string, plain bool, env lookup) (Secret, error) {
	kind, rest, _ := strings.Cut(text, ":")
	switch {
	case text == "":
		return Secret{}, nil
	case kind == "env" && rest != "":
		value, ok := env(rest)
		if !ok {
			return Secret{ref: text}, fmt.Errorf("the environment has no %s", rest)
		}
		return Secret{ref: text, reveal: func() string { return value }}, nil
	case kind == "file" && rest != "":
		raw, err := os.ReadFile(rest)
		if err != nil {
			return Secret{ref: text}, err
		}
		value := strings.TrimRight(string(raw), "\r\n")
		return Secret{ref: text, reveal: func() string { return value }}, nil
	case plain:
		return literalSecret(text), nil
	}
	return Secret{}, errors.New("a secret is written env:NAME or file:PATH, never in the file itself")
}

// signingKeyBytes is the size of a key that we make: that of the SHA-256 HMAC
// it feeds.
const signingKeyBytes = 32

// loadSigningKey returns the key that signs join links. A file that does not
// exist yet is made, readable by its owner only.
func loadSigningKey(s Secret) ([]byte, error) {
	path, isFile := strings.CutPrefix(s.ref, "file:")
	if s.Reveal() == "" && isFile {
		if err := makeSigningKey(path); err != nil {
			return nil, fmt.Errorf("signing_key: %w", err)
		}
		var err error
		if s, err = parseSecret(s.ref, false, os.LookupEnv); err != nil {
			return nil, fmt.Errorf("signing_key: %w", err)
		}
	}
	key := s.Reveal()
	if decoded, err := hex.DecodeString(key); err == nil && len(decoded) >= signingKeyBytes {
		return decoded, nil
	}
	if len(key) < signingKeyBytes {
		return nil, fmt.Errorf("signing_key: %d bytes in %v, at least %d expected", len(key), s, signingKeyBytes)
	}
	return []byte(key), nil
}

func makeSigningKey(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	raw := make([]byte, signingKeyBytes)
	if _, err := rand.Read(raw); err != nil {
		return err
	}
	// O_EXCL: two first starts at once must not sign with different keys.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(hex.EncodeToString(raw) + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}
