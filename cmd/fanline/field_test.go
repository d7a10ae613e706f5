package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEveryFieldRequirementNamesTestsThatExist holds docs/field.md to the code:
// each line names at least one test, and each named test stands in the package
// named before it.
func TestEveryFieldRequirementNamesTestsThatExist(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "field.md"))
	if err != nil {
		t.Fatal(err)
	}
	token := regexp.MustCompile("`([a-z][a-z0-9/]*)`|\\b((?:Test|Fuzz|Benchmark)[A-Z][A-Za-z0-9_]*)")
	sources := map[string]string{}
	lines := 0
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 3 || strings.HasPrefix(strings.TrimSpace(cells[0]), "-") || strings.TrimSpace(cells[2]) == "held by" {
			continue
		}
		lines++
		folder, named := "", 0
		for _, m := range token.FindAllStringSubmatch(cells[2], -1) {
			if m[1] != "" {
				folder = m[1]
				continue
			}
			named++
			if _, read := sources[folder]; !read {
				sources[folder] = testSource(t, filepath.Join(root, folder))
			}
			if !strings.Contains(sources[folder], "func "+m[2]+"(") {
				t.Errorf("item %s: %s is not in %q", strings.TrimSpace(cells[0]), m[2], folder)
			}
		}
		if named == 0 && !strings.Contains(cells[2], "not ") {
			t.Errorf("item %s: names neither a test nor why there is none", strings.TrimSpace(cells[0]))
		}
	}
	if lines < 60 {
		t.Errorf("%d lines were read, the page has more", lines)
	}
}

// testSource is all test code of a folder.
func testSource(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}
