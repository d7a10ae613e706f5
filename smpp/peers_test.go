package smpp

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// peerCase is what a library was asked to encode; see testdata/peers/README.md.
type peerCase struct {
	ID       string                          `json:"id"`
	Command  string                          `json:"command"`
	Sequence uint32                          `json:"seq"`
	Status   uint32                          `json:"status"`
	Version  string                          `json:"version"`
	Fields   map[string]any                  `json:"fields"`
	TLVs     []peerTLV                       `json:"tlvs"`
	Receipt  *struct{ ID, Stat, Err string } `json:"receipt"`
}

type peerTLV struct {
	Tag   uint16 `json:"tag"`
	Value string `json:"value_hex"`
}

// peerLine is what it made of that.
type peerLine struct {
	Case     string         `json:"case"`
	Hex      string         `json:"hex"`
	Fields   map[string]any `json:"fields"`
	TLVs     []peerTLV      `json:"tlvs"`
	Forgiven []string       `json:"forgiven"`
}

// peerTrace is what we say of it.
type peerTrace struct {
	Command  string                          `json:"command"`
	Status   uint32                          `json:"command_status"`
	Sequence uint32                          `json:"sequence_number"`
	Fields   map[string]any                  `json:"fields"`
	TLVs     []peerTLV                       `json:"tlvs"`
	Receipt  *struct{ ID, Stat, Err string } `json:"receipt"`
	Warnings []struct {
		Warning string `json:"warning"`
	} `json:"warnings"`
}

func jsonLines[T any](t testing.TB, file string) []T {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []T
	for line := range bytes.Lines(b) {
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, v)
	}
	return all
}

func TestPDUsOfOtherEncodersAreUnderstood(t *testing.T) {
	cases := map[string]peerCase{}
	for _, c := range jsonLines[peerCase](t, "testdata/peers/cases.jsonl") {
		cases[c.ID] = c
	}
	files, err := filepath.Glob("testdata/peers/*-*.jsonl")
	if err != nil || len(files) < 9 {
		t.Fatalf("%v, %v", files, err)
	}
	total, commands := 0, map[string]bool{}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			for _, line := range jsonLines[peerLine](t, file) {
				c, ok := cases[line.Case]
				if !ok {
					t.Fatalf("no case %q", line.Case)
				}
				total++
				commands[c.Command] = true
				comparePeer(t, c, line)
			}
		})
	}
	if total < 1500 || len(commands) < 31 {
		t.Errorf("only %d PDUs of %d commands", total, len(commands))
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func comparePeer(t *testing.T, c peerCase, line peerLine) {
	t.Helper()
	pdu := unhex(t, line.Hex)
	object, err := Trace(pdu)
	var got peerTrace
	if jsonErr := json.Unmarshal(object, &got); err != nil || jsonErr != nil {
		t.Errorf("%s: %v, %v", c.ID, err, jsonErr)
		return
	}
	if got.Command != c.Command || got.Status != c.Status || got.Sequence != c.Sequence {
		t.Errorf("%s: %s", c.ID, object)
	}
	bodiless := c.Status != 0 && len(pdu) == HeaderLen
	for name, want := range c.Fields {
		if said, ok := line.Fields[name]; ok {
			want = said
		}
		if diff := cmp.Diff(want, got.Fields[name]); diff != "" && !bodiless {
			t.Errorf("%s: %s: %s", c.ID, name, diff)
		}
	}
	wantTLVs := c.TLVs
	if line.TLVs != nil {
		wantTLVs = line.TLVs
	}
	if diff := cmp.Diff(sortedTLVs(wantTLVs), sortedTLVs(got.TLVs)); diff != "" && !bodiless {
		t.Errorf("%s: %s", c.ID, diff)
	}
	if c.Receipt != nil && !cmp.Equal(c.Receipt, got.Receipt) {
		t.Errorf("%s: %s", c.ID, cmp.Diff(c.Receipt, got.Receipt))
	}
	var warnings []string
	for _, w := range got.Warnings {
		warnings = append(warnings, w.Warning)
	}
	if diff := cmp.Diff(line.Forgiven, warnings); diff != "" {
		t.Errorf("%s: %s", c.ID, diff)
	}
	if len(warnings) == 0 {
		if back, err := Untrace(object); err != nil || !bytes.Equal(back, pdu) {
			t.Errorf("%s: %x, %v", c.ID, back, err)
		}
	}
}

// sortedTLVs forgets the order, in which some libraries have no say.
func sortedTLVs(all []peerTLV) []peerTLV {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b peerTLV) int {
		return strings.Compare(string(rune(a.Tag))+a.Value, string(rune(b.Tag))+b.Value)
	})
	if len(all) == 0 {
		return nil
	}
	return all
}
