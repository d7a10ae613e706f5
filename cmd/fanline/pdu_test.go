package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
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

// What other encoders write comes back from the command octet by octet, unless
// something had to be forgiven.
func TestPDUsOfOtherEncodersComeBackFromTheCommand(t *testing.T) {
	files, err := filepath.Glob("../../smpp/testdata/peers/*-*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	var in bytes.Buffer
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(b) {
			var peer struct{ Hex string }
			if err := json.Unmarshal(line, &peer); err != nil {
				t.Fatal(err)
			}
			in.WriteString(peer.Hex + "\n")
		}
	}
	want := strings.Split(in.String(), "\n")
	var objects, back bytes.Buffer
	if err := runPDU(t.Context(), nil, &in, &objects, io.Discard); err != nil {
		t.Fatal(err)
	}
	traces := strings.Split(objects.String(), "\n")
	if err := runPDU(t.Context(), []string{"encode", "--loose"}, &objects, &back, io.Discard); err != nil {
		t.Fatal(err)
	}
	same := 0
	for i, got := range strings.Split(back.String(), "\n") {
		switch {
		case got == want[i]:
			same++
		case !strings.Contains(traces[i], `"warnings"`):
			t.Errorf("%s\ngives %s\nwant  %s", traces[i], got, want[i])
		}
	}
	if same < 1500 {
		t.Errorf("only %d of %d came back", same, len(want))
	}
}

func TestAnyLineHasOneLineOfJSONForAnAnswer(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2)) // The same lines every time.
	pieces := []string{"00000010", "00000015", "0x", `\x`, "00", "ff", ":", ",", " ", "-", ";", "|", `"`, "z", "\xff", "0", "x", "8000"}
	for range 20000 {
		var line []byte
		for range random.IntN(12) {
			line = append(line, pieces[random.IntN(len(pieces))]...)
		}
		if out := tracePDU(line, nil); !json.Valid(out) || bytes.ContainsRune(out, '\n') {
			t.Fatalf("%q: %q", line, out)
		}
	}
}

func TestHexIsReadAsProgramsPrintIt(t *testing.T) {
	for _, line := range []string{
		"0000001500000103000000000000000100010131320000",
		"0000001500000103000000000000000100 01 01 31 32 00 00",
		"  0x0000001500000103000000000000000100010131320000\r",
		"00:00:00:15:00:00:01:03:00:00:00:00:00:00:00:01:00:01:01:31:32:00:00",
		"0x00, 0x00, 0x00, 0x15, 0x00, 0x00, 0x01, 0x03, 0X00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01, 0x01, 0x31, 0x32, 0x00, 0x00",
		`"\x00\x00\x00\x15\x00\x00\x01\x03\x00\x00\x00\x00\x00\x00\x00\x01\x00\x01\x01\x31\x32\x00\x00"`,
		"00000015-00000103-00000000-00000001|00 01 01 31 32 00 00",
	} {
		// Two octets more than its length says: each form has to get that far.
		if got := string(tracePDU(bytes.TrimSpace([]byte(line)), nil)); !strings.Contains(got, "is 21, and there are 23 octets") {
			t.Errorf("%s: %s", line, got)
		}
	}
}

func TestBlankLinesAndCommentsHaveNoAnswer(t *testing.T) {
	const in = "# two PDUs\n\n \t\r\n00000010000000150000000000000001\r\n#\n00000010800000150000000000000001"
	var out bytes.Buffer
	if err := runPDU(t.Context(), nil, strings.NewReader(in), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 2 || !strings.Contains(out.String(), `"enquire_link_resp"`) {
		t.Errorf("%d lines: %s", n, out.String())
	}
}

func TestALineWithoutEndIsNotKept(t *testing.T) {
	in := strings.Repeat("0", 2*maxPDULine) + "\n00000010000000150000000000000001\n"
	var out bytes.Buffer
	if err := runPDU(t.Context(), nil, strings.NewReader(in), &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], "longer than") || !strings.Contains(lines[1], "enquire_link") {
		t.Errorf("got %q", out.String())
	}
	out.Reset()
	in = `{"command":"unbind","status":"` + strings.Repeat("0", 2*maxPDULine) + "\n"
	var complaints bytes.Buffer
	if err := runPDU(t.Context(), []string{"encode"}, strings.NewReader(in), &out, &complaints); !errors.Is(err, errReported) || !strings.Contains(complaints.String(), "longer than") {
		t.Errorf("%v, %s", err, complaints.String())
	}
}

func TestATraceHasTheCharactersBesideTheOctets(t *testing.T) {
	const object = `{"command":"deliver_sm","fields":{"esm_class":64,"data_coding":8,"short_message":"050003070201d83cdf89"}}`
	var hex, out bytes.Buffer
	if err := runPDU(t.Context(), []string{"encode"}, strings.NewReader(object), &hex, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := runPDU(t.Context(), nil, &hex, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Text string         `json:"text"`
		Part map[string]int `json:"part"`
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Text != "🎉" || got.Part["total"] != 2 || got.Part["number"] != 1 {
		t.Errorf("%v, %s", err, out.String())
	}
}

func TestTheVersionSaysWhatIsEncoded(t *testing.T) {
	long := `{"command":"submit_sm","fields":{"short_message":"` + strings.Repeat("61", 255) + `"}}`
	option := `{"command":"submit_sm","tlvs":[{"tag":5120,"value":"x"}]}`
	name := `{"command":"outbind","fields":{"system_id":"sixteen-octets--"}}`
	for _, tc := range []struct {
		args   []string
		object string
		ok     bool
	}{
		{nil, long, true},
		{[]string{"--version", "5.0"}, long, true},
		{[]string{"--version=3.4"}, long, false},
		{nil, option, true},
		{[]string{"--version", "3.3"}, option, false},
		{nil, name, false},
		{[]string{"--loose"}, name, true},
	} {
		var out bytes.Buffer
		err := runPDU(t.Context(), append([]string{"encode"}, tc.args...), strings.NewReader(tc.object), &out, io.Discard)
		if (err == nil) != tc.ok || tc.ok != (len(out.String()) > 1) {
			t.Errorf("%v %.60s: %v, %q", tc.args, tc.object, err, out.String())
		}
	}
	var usage usageError
	if err := runPDU(t.Context(), []string{"encode", "--version", "4.0"}, strings.NewReader(""), io.Discard, io.Discard); !errors.As(err, &usage) {
		t.Error(err)
	}
}

func TestPDURefusesWordsThatItDoesNotKnow(t *testing.T) {
	var usage usageError
	if err := runPDU(t.Context(), []string{"decode"}, strings.NewReader(""), io.Discard, io.Discard); !errors.As(err, &usage) {
		t.Error(err)
	}
}
