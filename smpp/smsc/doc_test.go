package smsc

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// simulatorDoc is the page for people who test other software.
func simulatorDoc(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulator.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestWhatTheDocumentShowsIsYAMLThatTheSimulatorTakes(t *testing.T) {
	snippets := regexp.MustCompile("(?s)```yaml (accounts|scenario)\n(.*?)```").FindAllStringSubmatch(simulatorDoc(t), -1)
	if len(snippets) < 4 {
		t.Fatalf("%d snippets", len(snippets))
	}
	if n := strings.Count(simulatorDoc(t), "```yaml"); n != len(snippets) {
		t.Errorf("%d snippets of YAML, of which %d say what they are", n, len(snippets))
	}
	for i, m := range snippets {
		var err error
		if m[1] == "accounts" {
			_, err = ParseAccounts("doc", []byte(m[2]))
		} else {
			_, err = ParseScenario("doc", []byte(m[2]))
		}
		if err != nil {
			t.Errorf("snippet %d: %v", i+1, err)
		}
	}
}

func TestTheDocumentNamesEveryKeyAndEveryExample(t *testing.T) {
	doc := simulatorDoc(t)
	for _, key := range append(yamlKeys(Scenario{}), yamlKeys(Account{})...) {
		if !strings.Contains(doc, key+":") && !strings.Contains(doc, "`"+key+"`") {
			t.Errorf("%s is not in the document", key)
		}
	}
	for _, kind := range faultKinds {
		if !strings.Contains(doc, "`"+kind+"`") {
			t.Errorf("the fault %s is not in the document", kind)
		}
	}
	files, err := filepath.Glob(filepath.Join("..", "..", "configs", "simulator", "faults", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if !strings.Contains(doc, "(../configs/simulator/faults/"+filepath.Base(f)+")") {
			t.Errorf("%s is not in the document", f)
		}
	}
	for _, link := range regexp.MustCompile(`\]\((\.\./[^)]+)\)`).FindAllStringSubmatch(doc, -1) {
		if _, err := os.Stat(filepath.Join("..", "..", "docs", link[1])); err != nil {
			t.Errorf("a link leads nowhere: %v", err)
		}
	}
}

func TestTheDocumentNamesEveryRequestOfTheControlInterface(t *testing.T) {
	source, err := os.ReadFile("control.go")
	if err != nil {
		t.Fatal(err)
	}
	doc := simulatorDoc(t)
	routes := regexp.MustCompile(`HandleFunc\("([A-Z]+ /[a-z]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(routes) < 12 {
		t.Fatalf("%d routes", len(routes))
	}
	for _, r := range routes {
		if r[1] != "GET /live" && !strings.Contains(doc, "`"+r[1]) {
			t.Errorf("%s is not in the document", r[1])
		}
	}
	for _, key := range QueryKeys() {
		if !strings.Contains(doc, "--"+strings.ReplaceAll(key, "_", "-")) {
			t.Errorf("the filter %s is not in the document", key)
		}
	}
}
