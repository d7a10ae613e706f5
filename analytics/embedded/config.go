package embedded

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed config.xml.tmpl
var configTemplate string

// configValues fill config.xml.tmpl.
type configValues struct {
	Dir            string
	User           string
	PasswordSHA256 string
	MemoryBytes    int64 // of the whole server
	QueryBytes     int64 // of one query
	MarkCacheBytes int64
	Threads        int
}

// writeConfig makes the child's configuration, readable by the owner only,
// though it holds no more than the password's hash.
func writeConfig(path string, v configValues) error {
	t, err := template.New("config").Funcs(template.FuncMap{"xml": escapeXML}).Parse(configTemplate)
	if err != nil {
		return fmt.Errorf("ClickHouse configuration: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, v); err != nil {
		return fmt.Errorf("ClickHouse configuration: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	// Renamed into place, so that a child that is starting never reads half.
	if err := os.WriteFile(path+".new", b.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func escapeXML(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
