package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheOperatorsGuideNamesCommandsAndFlagsThatExist holds docs/carriers.md to
// the program: every command in it, and every flag of each.
func TestTheOperatorsGuideNamesCommandsAndFlagsThatExist(t *testing.T) {
	raw, err := os.ReadFile("../../docs/carriers.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, line := range strings.Split(string(raw), "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "fanline" {
			continue
		}
		seen++
		c, rest, ok := find(commands(), words[1:])
		if !ok {
			t.Errorf("%s: no such command", line)
			continue
		}
		for _, word := range rest {
			if flag, is := strings.CutPrefix(word, "--"); is && !hasFlag(t, c, flag) {
				t.Errorf("%s: no flag --%s", line, flag)
			}
		}
	}
	for _, command := range []string{"list", "enable", "drain", "disable", "rebind", "trace", "probe", "certify"} {
		if !strings.Contains(string(raw), "fanline carrier "+command+" ") && !strings.Contains(string(raw), "fanline carrier "+command+"\n") {
			t.Errorf("nothing is said of fanline carrier %s", command)
		}
	}
	if seen < 10 {
		t.Errorf("%d commands were found", seen)
	}
	certify, _, _ := find(commands(), []string{"carrier", "certify"})
	for _, m := range regexp.MustCompile("`--([a-z]+)").FindAllStringSubmatch(string(raw), -1) {
		known := false
		for _, c := range commands() {
			known = known || strings.HasPrefix(c.name, "carrier ") && hasFlag(t, c, m[1])
		}
		if !known && !hasFlag(t, certify, m[1]) && m[1] != "help" {
			t.Errorf("no carrier command has --%s", m[1])
		}
	}
}

// hasFlag asks a command's own help.
func hasFlag(t *testing.T, c command, flag string) bool {
	t.Helper()
	var help bytes.Buffer
	_ = c.run(t.Context(), []string{"-h"}, strings.NewReader(""), &help, &help) // It always returns that help was asked for.
	return regexp.MustCompile(`(?m)^\s+-` + regexp.QuoteMeta(flag) + `\b`).Match(help.Bytes())
}
