package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

func TestASecretIsNeverShown(t *testing.T) {
	const value = "hunter22"
	fromEnv, err := parseSecret("env:X", false, func(string) (string, bool) { return value, true })
	if err != nil {
		t.Fatal(err)
	}
	type hidden struct{ secret Secret }
	for _, s := range []Secret{fromEnv, literalSecret(value)} {
		var shown bytes.Buffer
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&shown, format+"\n", s)
			fmt.Fprintf(&shown, format+"\n", &s)
			fmt.Fprintf(&shown, format+"\n", hidden{s})
			fmt.Fprintf(&shown, format+"\n", CarrierConfig{Password: s})
		}
		slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "s", s, "c", CarrierConfig{Password: s})
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "s", s, "c", CarrierConfig{Password: s})
		if err := json.NewEncoder(&shown).Encode(CarrierConfig{Password: s}); err != nil {
			t.Fatal(err)
		}
		asYAML, err := yaml.Marshal(CarrierConfig{Password: s})
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(asYAML)
		for _, form := range []string{value, fmt.Sprintf("%x", value)} {
			if i := strings.Index(shown.String(), form); i >= 0 {
				t.Errorf("shown: %s", shown.String()[max(0, i-80):i+20])
			}
		}
		if s.Reveal() != value {
			t.Errorf("Reveal gives %q", s.Reveal())
		}
	}
}

func TestASecretFromAFileLosesItsLineEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pw")
	if err := os.WriteFile(path, []byte("top secret\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := parseSecret("file:"+path, false, nil)
	if err != nil || s.Reveal() != "top secret" {
		t.Errorf("%q, %v", s.Reveal(), err)
	}
}

func TestTheSigningKeyIsMadeOnceAndKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	config, err := loadConfig("", dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, err := loadSigningKey(config.SigningKey)
	if err != nil || len(first) != signingKeyBytes {
		t.Fatalf("%d bytes, %v", len(first), err)
	}
	info, err := os.Stat(filepath.Join(dir, "signing.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: want it closed to others", info, err)
	}
	config, err = loadConfig("", dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadSigningKey(config.SigningKey)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("another key on the second start, %v: all links of the first are dead", err)
	}
}

func TestAShortSigningKeyIsRefused(t *testing.T) {
	if _, err := loadSigningKey(literalSecret("short")); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("got %v", err)
	}
}
