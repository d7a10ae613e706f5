package main

import (
	"regexp"
	"testing"
)

func TestAnInstanceKeepsItsNameAndSharesItWithNone(t *testing.T) {
	open := func(dir string) string {
		t.Helper()
		d, err := openDataDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		name, err := instanceName(d)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	here, there := t.TempDir(), t.TempDir()
	first := open(here)
	if again := open(here); again != first {
		t.Errorf("%s came back as %s", first, again)
	}
	if other := open(there); other == first {
		t.Errorf("two data directories of one host have the name %s", first)
	}
	// What Kafka takes as a group.instance.id.
	if !regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`).MatchString(first) {
		t.Errorf("%q is no name for Kafka", first)
	}
}
