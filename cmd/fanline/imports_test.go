package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "fanline"

// goPackage is what go list -json says of a package.
type goPackage struct {
	ImportPath                         string
	Standard                           bool
	Imports, TestImports, XTestImports []string
	Deps                               []string
}

func goList(t *testing.T, args ...string) (packages []goPackage) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-e", "-json=ImportPath,Standard,Imports,TestImports,XTestImports,Deps"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// rule says what a folder, with all below it, may import. The most specific rule
// for a package holds.
type rule struct {
	folder string
	ours   []string // of ours besides the folder itself; "…/" takes all below
	others []string // modules; nil allows any, empty only the standard library
	closed bool     // not even the folder's own other packages
}

// rules is the table of architecture.md.
func rules() []rule {
	const (
		words   = "engine/message"
		records = "pipeline/record"
	)
	standardOnly := []string{}
	edge := []string{words, "community", "community/", "analytics"} // message, and what it serves
	return []rule{
		{folder: "smpp", ours: nil, others: standardOnly, closed: true},
		{folder: "smpp/text", ours: []string{"smpp"}, others: []string{"github.com/rivo/uniseg"}},
		{folder: "smpp/session", ours: []string{"smpp"}, others: standardOnly},
		{folder: "smpp/smsc", ours: []string{"smpp", "smpp/"}},
		{folder: "smpp/pcap", others: standardOnly, closed: true},
		{folder: "smpp/tap", ours: []string{"smpp", "smpp/text"}, others: standardOnly, closed: true},
		{folder: "smpp/certify", ours: []string{"smpp", "smpp/text", "smpp/session", "smpp/tap"}, others: standardOnly, closed: true},
		{folder: "engine/message", closed: true},
		{folder: "engine", ours: []string{words, records}},
		{folder: "engine/carrier", ours: []string{words, records, "engine", "engine/", "smpp", "smpp/text", "smpp/session"}},
		{folder: "pipeline/record", ours: []string{words}},
		{folder: "pipeline", ours: []string{words, records}},
		{folder: "community", ours: []string{words, records}},
		{folder: "analytics", ours: []string{words, records}},
		{folder: "api", ours: edge},
		{folder: "web", ours: edge},
		{folder: "configs", closed: true},
		{folder: "cmd/fanline", ours: []string{"smpp", "engine", "pipeline", "community", "analytics", "api", "web", "configs", "smpp/", "engine/", "pipeline/", "community/", "analytics/", "api/", "web/"}},
	}
}

// below reports whether path is folder or lies under it.
func below(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

func ruleFor(path string) (found rule, ok bool) {
	for _, r := range rules() {
		if below(path, r.folder) && len(r.folder) >= len(found.folder) {
			found, ok = r, true
		}
	}
	return found, ok
}

// allowsOurs reports whether a package under r may import path.
func (r rule) allowsOurs(path string) bool {
	if !r.closed && below(path, r.folder) {
		return true
	}
	return slices.ContainsFunc(r.ours, func(o string) bool {
		return path == o || strings.HasSuffix(o, "/") && strings.HasPrefix(path, o)
	})
}

func TestImportsFollowArchitecture(t *testing.T) {
	packages := goList(t, module+"/...")
	if len(packages) < 3 {
		t.Fatalf("go list sees %d packages", len(packages))
	}
	for _, p := range packages {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		r, ok := ruleFor(path)
		if !ok {
			t.Errorf("%s: architecture.md has no such folder", path)
			continue
		}
		for _, name := range strings.Split(path, "/") {
			if slices.Contains([]string{"util", "utils", "common", "models", "manager", "helpers"}, name) {
				t.Errorf("%s: %q says nothing about what it is for", path, name)
			}
		}
		for _, imported := range p.Imports {
			checkImport(t, path, r, imported)
		}
		for _, imported := range slices.Concat(p.TestImports, p.XTestImports) {
			if ours, is := strings.CutPrefix(imported, module+"/"); is && below(ours, "cmd") {
				t.Errorf("%s: its tests import %s; nothing imports the program", path, ours)
			}
		}
	}
}

func checkImport(t *testing.T, path string, r rule, imported string) {
	t.Helper()
	if ours, is := strings.CutPrefix(imported, module+"/"); is {
		if !r.allowsOurs(ours) {
			t.Errorf("%s may not import %s (architecture.md, Parts)", path, ours)
		}
		return
	}
	first, _, _ := strings.Cut(imported, "/")
	if r.others == nil || !strings.Contains(first, ".") {
		return
	}
	if !slices.ContainsFunc(r.others, func(module string) bool { return below(imported, module) }) {
		t.Errorf("%s may not import %s: it stands on the standard library", path, imported)
	}
}

func TestImportRulesCanFail(t *testing.T) {
	for _, test := range []struct {
		from, to string
		allowed  bool
	}{
		{"smpp", "engine/message", false},
		{"smpp", "smpp/text", false},
		{"smpp/session", "smpp", true},
		{"smpp/session", "smpp/text", false},
		{"smpp/smsc", "smpp/session", true},
		{"smpp/smsc", "engine/message", false},
		{"engine/message", "engine/consent", false},
		{"engine", "engine/journal", true},
		{"engine/journal", "pipeline/record", true},
		{"engine/journal", "pipeline", false},
		{"engine", "smpp", false},
		{"engine/carrier", "smpp/session", true},
		{"engine/carrier", "smpp/smsc", false},
		{"pipeline/record", "engine/message", true},
		{"pipeline/record", "pipeline", false},
		{"pipeline/audience", "community", false},
		{"community/conversation", "community", true},
		{"community/conversation", "smpp/text", false},
		{"analytics", "community", false},
		{"api", "community", true},
		{"api", "engine", false},
		{"configs", "engine/message", false},
		{"cmd/fanline", "smpp/smsc", true},
		{"web", "api", false},
	} {
		r, ok := ruleFor(test.from)
		if !ok || r.allowsOurs(test.to) != test.allowed {
			t.Errorf("%s → %s: allowed %v, want %v", test.from, test.to, !test.allowed, test.allowed)
		}
	}
}

// TestTheFiveNamedPackagesAreInTheProgram holds the table of architecture.md:
// each is linked in, not only required by go.mod.
func TestTheFiveNamedPackagesAreInTheProgram(t *testing.T) {
	program := goList(t, module+"/cmd/fanline")[0]
	for _, want := range []string{
		"github.com/ClickHouse/clickhouse-go/v2",
		"github.com/prometheus/client_golang/prometheus",
		"github.com/sony/gobreaker/v2",
		"github.com/segmentio/kafka-go",
		"github.com/fiorix/go-smpp/smpp",
	} {
		if !slices.Contains(program.Deps, want) {
			t.Errorf("%s is not in the program", want)
		}
	}
}
