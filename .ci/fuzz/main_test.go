package main

import "testing"

func TestListOfTargetsIsReadByPackage(t *testing.T) {
	listed := "FuzzDecode\nFuzzReceipt\nok  \tfanline/smpp\t0.004s\n?   \tfanline/configs\t[no test files]\nok  \tfanline/engine\t0.1s\nFuzzText\nok  \tfanline/smpp/text\t(cached)\n"
	var got []string
	for _, target := range parseList(listed) {
		got = append(got, target.Target)
	}
	want := []string{"fanline/smpp.FuzzDecode", "fanline/smpp.FuzzReceipt", "fanline/smpp/text.FuzzText"}
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("target %d: got %s, want %s", i, got[i], want[i])
		}
	}
}

func TestExecsAreReadFromProgress(t *testing.T) {
	for line, want := range map[string]int64{
		"fuzz: elapsed: 3s, execs: 325017 (108336/sec), new interesting: 11 (total: 202)": 325017,
		"fuzz: elapsed: 0s, gathering baseline coverage: 0/192 completed":                 -1,
		"    execs: 5 (made up by a target)":                                              -1,
	} {
		got, ok := execs(line)
		if ok != (want >= 0) || (ok && got != want) {
			t.Errorf("%q: got %d %v, want %d", line, got, ok, want)
		}
	}
}
