package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestEveryLineOfHexBecomesAnObject(t *testing.T) {
	in := strings.Join([]string{
		"00000010000000150000000000000001",
		"",
		"0x00 00 00 10:00 00 00 06:00000000:00000002",
		"0000001x",
		"000",
		"00000010000000150000",
		"0000001180000004000000580000000300", // The last line has no end.
	}, "\n")
	var out bytes.Buffer
	if err := runPDU(t.Context(), nil, strings.NewReader(in), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{
		{"command": "enquire_link", "sequence_number": 1.0},
		{"command": "unbind", "sequence_number": 2.0},
		{"error": "encoding/hex: invalid byte: U+0078 'x'", "offset": 3.0},
		{"error": "encoding/hex: odd length hex string", "offset": 1.0},
		{"offset": 10.0, "field": "command_length"},
		{"command": "submit_sm_resp", "status": "ESME_RTHROTTLED", "command_status": 88.0},
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, line := range lines {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for key, v := range want[i] {
			if got[key] != v {
				t.Errorf("line %d: %s is %v, want %v", i+1, key, got[key], v)
			}
		}
	}
}

func TestWhatCannotBeEncodedIsToldWithItsLineAndKeepsItsPlace(t *testing.T) {
	const in = `{"command":"unbind","sequence_number":1}` + "\n" + `{"command":"no"}` + "\n" + `{"command":"unbind","sequence_number":2}` + "\n"
	var out, complaints bytes.Buffer
	if err := runPDU(t.Context(), []string{"encode"}, strings.NewReader(in), &out, &complaints); !errors.Is(err, errReported) {
		t.Errorf("got %v", err)
	}
	if want := "00000010000000060000000000000001\n\n00000010000000060000000000000002\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	if !strings.HasPrefix(complaints.String(), "line 2: ") {
		t.Errorf("complaints %q", complaints.String())
	}
}

func TestEncodeAndTraceAreInverse(t *testing.T) {
	const object = `{"command":"deliver_sm","sequence_number":9,"fields":{"source_addr":"13125550199","short_message":"53544f50"},"tlvs":[{"tag":5120,"value":"b7.1"}]}` + "\n"
	pass := func(in string, args ...string) string {
		var out bytes.Buffer
		if err := runPDU(t.Context(), args, strings.NewReader(in), &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	hex := pass(object, "encode")
	if again := pass(pass(hex), "encode"); hex == "" || hex != again {
		t.Errorf("%q became %q", hex, again)
	}
}

func TestPDURefusesWordsThatItDoesNotKnow(t *testing.T) {
	var usage usageError
	if err := runPDU(t.Context(), []string{"decode"}, strings.NewReader(""), io.Discard, io.Discard); !errors.As(err, &usage) {
		t.Error(err)
	}
}
