package smsc

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
)

// pageHTML is the live page: one file, with its style and script in it, that asks GET /live once a second.
//
//go:embed page.html
var pageHTML []byte

// servePage answers the page. Its policy lets nothing run, load or be asked but the page's own script, its style and
// this server.
func servePage() http.HandlerFunc {
	policy := fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		hashOfElement("script"), hashOfElement("style"))
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(pageHTML) // The browser is gone.
	}
}

// hashOfElement names what stands between an element's tags as a policy does.
func hashOfElement(name string) string {
	_, rest, _ := bytes.Cut(pageHTML, []byte("<"+name+">"))
	content, _, _ := bytes.Cut(rest, []byte("</"+name+">"))
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}
