package text

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestPartsAreFilledToTheLastCharacter(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		enc        Encoding
		lengths    []int // octets of text in each part
	}{
		{"nothing", "", GSM7, []int{0}},
		{"160 septets", strings.Repeat("a", 160), GSM7, []int{160}},
		{"161 septets", strings.Repeat("a", 161), GSM7, []int{153, 8}},
		{"306 septets", strings.Repeat("a", 306), GSM7, []int{153, 153}},
		{"307 septets", strings.Repeat("a", 307), GSM7, []int{153, 153, 1}},
		{"an escape pair that just fits one part", strings.Repeat("a", 158) + "€", GSM7, []int{160}},
		{"an escape pair over the end of one part", strings.Repeat("a", 159) + "€", GSM7, []int{153, 8}},
		{"an escape pair over the end of a part", strings.Repeat("a", 152) + "€" + strings.Repeat("b", 10), GSM7, []int{152, 12}},
		{"an escape pair at the end of a part", strings.Repeat("a", 151) + "€" + strings.Repeat("b", 10), GSM7, []int{153, 10}},
		{"70 units", strings.Repeat("ж", 70), UCS2, []int{140}},
		{"71 units", strings.Repeat("ж", 71), UCS2, []int{134, 8}},
		{"134 units", strings.Repeat("ж", 134), UCS2, []int{134, 134}},
		{"a surrogate pair over the end of a part", strings.Repeat("ж", 66) + "👍" + strings.Repeat("ж", 10), UCS2, []int{132, 24}},
		{"35 emoji", strings.Repeat("👍", 35), UCS2, []int{140}},
		{"36 emoji", strings.Repeat("👍", 36), UCS2, []int{132, 12}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := Split(tc.text, 0xA7)
			var lengths []int
			for _, p := range m.Parts {
				n := len(p.Data)
				if len(m.Parts) > 1 {
					n -= udhLen
				}
				lengths = append(lengths, n)
			}
			if m.Encoding != tc.enc || !cmp.Equal(lengths, tc.lengths) {
				t.Errorf("got %v %v, want %v %v", m.Encoding, lengths, tc.enc, tc.lengths)
			}
			checkParts(t, m, tc.text, 0xA7)
		})
	}
}

// checkParts holds what is true of every split.
func checkParts(t *testing.T, m Message, text string, ref byte) {
	t.Helper()
	joined := ""
	for i, p := range m.Parts {
		data := p.Data
		if len(m.Parts) > 1 {
			want := []byte{5, 0, 3, ref, byte(len(m.Parts)), byte(i + 1)}
			if !cmp.Equal(data[:udhLen], want) || m.ESMClass() != 0x40 {
				t.Errorf("part %d starts % x, esm_class %#x", i+1, data[:udhLen], m.ESMClass())
			}
			data = data[udhLen:]
		}
		if octets := len(data) + (len(p.Data) - len(data)); m.Encoding == UCS2 && octets > 140 {
			t.Errorf("part %d has %d octets", i+1, octets)
		}
		if m.Encoding == GSM7 && len(m.Parts) > 1 && len(data) > partGSM7 {
			t.Errorf("part %d has %d septets", i+1, len(data))
		}
		if got := Decode(m.DataCoding(), data); got != strings.ToValidUTF8(p.Text, "\uFFFD") && !strings.Contains(got, "\uFFFD") {
			t.Errorf("part %d reads %q, its text is %q", i+1, got, p.Text)
		}
		joined += p.Text
	}
	if len(m.Parts) > 0 && joined != text {
		t.Errorf("joined %q, want %q", joined, text)
	}
}

func TestATextOfMoreThan255PartsIsRefused(t *testing.T) {
	if m := Split(strings.Repeat("a", 255*153), 1); len(m.Parts) != 255 {
		t.Errorf("255 parts: got %d", len(m.Parts))
	}
	var m Message
	for _, text := range []string{strings.Repeat("a", 255*153+1), strings.Repeat("ж", 255*67+1), strings.Repeat("ж", 1e6)} {
		if err := m.Split(text, 1); !errors.Is(err, ErrTooLong) || len(m.Parts) != 0 {
			t.Errorf("%d characters: got %d parts, %v", len(text), len(m.Parts), err)
		}
	}
}

func TestSplittingAgainReusesItsMemory(t *testing.T) {
	var m Message
	long, emoji := strings.Repeat("Hey Ana, see you tonight! ", 20), strings.Repeat("Hey Ana 🎉 ", 20)
	split := func() {
		for _, s := range []string{long, "short", emoji} {
			if err := m.Split(s, 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	split()
	if n := testing.AllocsPerRun(50, split); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if err := m.Split(long, 9); err != nil {
		t.Fatal(err)
	}
	checkParts(t, m, long, 9)
}

func TestPreviewSaysWhatATextCosts(t *testing.T) {
	for name, text := range map[string]string{
		"plain":     "Hey Ana, see you tonight at 8.",
		"extension": "Only 5€ [today]",
		"quote":     "Don’t miss it — it’s tonight",
		"family":    "We are 👨‍👩‍👧‍👦, from 🇨🇴 and 🏴󠁧󠁢󠁳󠁣󠁴󠁿: ❤️ 👍🏽 e\u0301",
		"long":      strings.Repeat("Hey Ana, see you tonight at 8. ", 12),
		"long_ucs2": strings.Repeat("Nos vemos mañana aquí 🎉 ", 9),
		"empty":     "",
	} {
		t.Run(name, func(t *testing.T) {
			sum, err := Preview(text)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(sum, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "preview_"+name+".golden", append(got, '\n'))
		})
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: -want +got\n%s", path, diff)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(strings.Repeat("a", 152)+"€ and more", byte(1))
	f.Add(strings.Repeat("ж", 66)+"👍👍", byte(255))
	f.Add("broken \xff\xfe\xed\xa0\x80", byte(0))
	f.Add(strings.Repeat("👨‍👩‍👧‍👦🇨🇴", 20), byte(7))
	f.Fuzz(func(t *testing.T, s string, ref byte) {
		m := Split(s, ref)
		checkParts(t, m, s, ref)
		sum, err := Preview(s)
		if (err == nil) != (len(m.Parts) > 0) || sum.Parts != len(m.Parts) {
			t.Errorf("preview says %d parts, %v; split %d", sum.Parts, err, len(m.Parts))
		}
		if (m.Encoding == UCS2) != (len(sum.ForcedBy) > 0) {
			t.Errorf("%v is forced by %q", m.Encoding, sum.ForcedBy)
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	var m Message
	for _, tc := range []struct{ name, text string }{
		{"one_part", "Hey Ana, see you tonight at 8. Doors open at 7, bring your code."},
		{"three_parts", strings.Repeat("Hey Ana, see you tonight at 8. ", 12)},
		{"ucs2", strings.Repeat("Nos vemos mañana aquí 🎉 ", 9)},
	} {
		b.Run(tc.name, func(b *testing.B) {
			for b.Loop() {
				if err := m.Split(tc.text, 1); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
