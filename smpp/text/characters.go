package text

import (
	"iter"
	"unicode"
	"unicode/utf8"
)

const (
	zeroWidthJoiner = 0x200D
	firstRegional   = 0x1F1E6
	lastRegional    = 0x1F1FF
)

// characters yields what a reader sees as one character. It approximates the
// extended grapheme clusters of Unicode Standard Annex 29: combining marks,
// variation selectors, skin tones and emoji tags stay with what they modify,
// what a zero-width joiner joins is one, two regional indicators are a flag,
// and so are a carriage return with its line feed. Hangul written in single
// jamo, which phones don't send, counts each of them.
func characters(s string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(s) > 0 {
			n := firstCharacter(s)
			if !yield(s[:n]) {
				return
			}
			s = s[n:]
		}
	}
}

// firstCharacter returns how many octets the first character of s takes.
func firstCharacter(s string) int {
	last, n := utf8.DecodeRuneInString(s)
	regionals := 0
	if isRegional(last) {
		regionals = 1
	}
	for n < len(s) {
		r, size := utf8.DecodeRuneInString(s[n:])
		switch {
		case last == '\r' && r == '\n':
			return n + size
		case last < ' ':
			return n
		case extends(r):
		case last == zeroWidthJoiner && isSymbol(r):
		case regionals == 1 && isRegional(r):
			regionals = 2
		default:
			return n
		}
		last, n = r, n+size
	}
	return n
}

// extends reports whether r modifies the character before it.
func extends(r rune) bool {
	if r < 0x300 {
		return false
	}
	return r == zeroWidthJoiner || r == 0x200C ||
		r >= 0x1F3FB && r <= 0x1F3FF || // Skin tones.
		r >= 0xE0020 && r <= 0xE007F || // Tags, as in the flag of Scotland.
		unicode.In(r, unicode.Mn, unicode.Me, unicode.Mc)
}

// isSymbol reports whether r is where Unicode keeps its emoji.
func isSymbol(r rune) bool { return r >= 0x2190 && r <= 0x329F || r >= 0x1F000 && r <= 0x1FAFF }

func isRegional(r rune) bool { return r >= firstRegional && r <= lastRegional }
