package text

import (
	"testing"

	"github.com/rivo/uniseg"
)

// uniseg follows Unicode Standard Annex 29 to the letter; characters only as
// far as texts on phones need it.
func TestCharactersAreCountedAsUnicodeDoes(t *testing.T) {
	for _, s := range []string{
		"", "Hey Ana", "two\r\nlines\n\n", "é e\u0301 n\u0303o\u0302\u0323", "👍 👍🏽 ❤️ ☎️ 1️⃣ #️⃣", "👨‍👩‍👧‍👦🏳️‍🌈🏴‍☠️👩🏾‍🚀", "🇨🇴🇺🇸🇲🇽", "🇨🇴🇺", "🏴󠁧󠁢󠁳󠁣󠁴󠁿🏴󠁧󠁢󠁥󠁮󠁧󠁿",
		"नमस्ते", "สวัสดี", "שָׁלוֹם", "العَرَبِيَّة", "Việt Nam", "Привет, мир", "你好", "안녕하세요", "a\u200db", "a\u200dё", "\u0301alone", "a\u200c", "tab\tand\u0301",
	} {
		n := 0
		for range characters(s) {
			n++
		}
		if want := uniseg.GraphemeClusterCount(s); n != want {
			t.Errorf("%q: %d characters, want %d", s, n, want)
		}
	}
}
