package text

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
	"github.com/google/go-cmp/cmp"
)

// allGSM is every character that GSM 03.38 can carry, in the order of the tables.
func allGSM() string {
	var b strings.Builder
	for c, r := range gsmBasic {
		if c != escape {
			b.WriteRune(r)
		}
	}
	for _, r := range gsmExtension {
		if r != 0 {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestTheFastTableAgreesWithTheAlphabet(t *testing.T) {
	want := [256]byte{}
	for i := range want {
		want[i] = notPlain
	}
	for c, r := range gsmBasic {
		if r < utf8.RuneSelf && c != escape {
			want[r] = byte(c)
		}
	}
	if diff := cmp.Diff(want, octetToGSM); diff != "" {
		t.Error(diff)
	}
}

func TestEveryCharacterOfTheAlphabetReturns(t *testing.T) {
	for _, r := range allGSM() {
		enc, ok := AppendGSM7(nil, string(r))
		if !ok {
			t.Errorf("%q is refused", r)
		}
		if got := Decode(0, enc); got != string(r) {
			t.Errorf("%q becomes % x and then %q", r, enc, got)
		}
	}
	if n := utf8.RuneCountInString(allGSM()); n != 127+10 {
		t.Errorf("the alphabet has %d characters, want 137", n)
	}
}

func TestNothingElseIsInTheAlphabet(t *testing.T) {
	in := map[rune]bool{}
	for _, r := range allGSM() {
		in[r] = true
	}
	for r := rune(0); r <= 0x1FFFF; r++ {
		if _, ok := AppendGSM7(nil, string(r)); ok != in[r] {
			t.Errorf("%U %q: accepted %v, in the tables %v", r, r, ok, in[r])
		}
	}
}

// The form feed is left out: go-smpp lacks it.
func TestAnIndependentEncoderAgrees(t *testing.T) {
	s := strings.ReplaceAll(allGSM(), "\f", "")
	got, ok := AppendGSM7(nil, s)
	if want := pdutext.GSM7(s).Encode(); !ok || !cmp.Equal(got, want) {
		t.Errorf("ok %v, %s", ok, cmp.Diff(want, got))
	}
}

func TestTextOutsideTheAlphabetLeavesTheBufferAsItWas(t *testing.T) {
	got, ok := AppendGSM7([]byte("before"), "a€ then ё")
	if ok || string(got) != "before" {
		t.Errorf("got %q, %v", got, ok)
	}
}

func TestEscapesThatMeanNothingStillShow(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"\x1be", "€"},
		{"\x1bA", "A"},
		{"\x1b", " "},
		{"a\x1b\x1be", "a €"},
		{"\x1b\xe9", " é"},
		{"caf\xe9", "café"},
		{"\x00\x02", "@$"},
	} {
		if got := Decode(0, []byte(tc.in)); got != tc.want {
			t.Errorf("% x: got %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	s := strings.Repeat("Hey Ana, tonight @ 8€ ", 8)[:160]
	dst := make([]byte, 0, 512)
	for name, f := range map[string]func(){
		"AppendGSM7":    func() { AppendGSM7(dst, s) },
		"AppendUCS2":    func() { AppendUCS2(dst, s) },
		"Encode":        func() { Encode(s) },
		"AppendDecoded": func() { AppendDecoded(dst, 0, []byte("Hey")) },
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkAppendGSM7(b *testing.B) {
	dst := make([]byte, 0, 512)
	for _, tc := range []struct{ name, text string }{
		{"ascii", strings.Repeat("Hey Ana, see you tonight at 8! ", 6)[:160]},
		{"accents", strings.Repeat("Così mañana à 8h Ñé ", 10)[:160]},
	} {
		b.Run(tc.name, func(b *testing.B) {
			for b.Loop() {
				dst, _ = AppendGSM7(dst[:0], tc.text)
			}
		})
	}
}
