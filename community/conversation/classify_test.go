package conversation

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClassifyReadsTheWholeMessage(t *testing.T) {
	tests := []struct {
		text string
		want Intent
	}{
		{"STOP", Stop},
		{"stop", Stop},
		{" Stop. ", Stop},
		{"STOP!!!", Stop},
		{"\"Stop\"", Stop},
		{"s t o p", Stop},
		{"stop\r\n", Stop},
		{"\u200bstop\u00a0", Stop},
		{"STOP 🛑", Stop},
		{"Opt-Out", Stop},
		{"opt out", Stop},
		{"Stop all", Stop},
		{"ARRÊT", Stop},
		{"arre\u0302t", Stop},
		{"ＳＴＯＰ", Stop},
		{"𝗦𝗧𝗢𝗣", Stop},
		{"Don’t contact me", Stop},
		{"Take me off the list.", Stop},
		{"td", Stop},
		{"Help", Help},
		{"HELP?", Help},
		{"info", Help},
		{"Start", Start},
		{"UNSTOP", Start},
		{"yes!", Yes},

		{"", Talk},
		{"?!", Talk},
		{"🛑", Talk},
		{"please don't stop", Talk},
		{"stop it", Talk}, // Meaning is another issue; the table is exact words.
		{"the end", Talk},
		{"stopp", Talk},
		{"helpful", Talk},
		{"start over", Talk},
		{"yes yes", Talk},
		{"s", Talk},
		{"st0p", Talk},
		{"стоп", Talk},
		{strings.Repeat("stop ", 100), Talk},
		{"stop" + strings.Repeat("!", 10_000), Stop},
		{"\xff\xfestop", Stop}, // Octets that are no text don't shield the word.
	}
	for _, tt := range tests {
		if got := Classify(tt.text); got != tt.want {
			t.Errorf("Classify(%.40q) = %v, want %v", tt.text, got, tt.want)
		}
	}
}

func TestEveryListedWordIsReadAsItsIntent(t *testing.T) {
	for _, intent := range []Intent{Stop, Help, Start, Yes} {
		words := Words(intent)
		if len(words) == 0 {
			t.Errorf("no words for %v", intent)
		}
		for _, w := range words {
			for _, text := range []string{w, strings.ToUpper(w), strings.ToLower(w), "  " + w + "!\n"} {
				if got := Classify(text); got != intent {
					t.Errorf("Classify(%q) = %v, want %v", text, got, intent)
				}
			}
		}
	}
}

// The sets of product.md 3.2, written out again so that the table cannot lose one.
func TestTheUnionOfPublishedSetsIsCovered(t *testing.T) {
	sets := map[string]string{
		"FCC":    "STOP|QUIT|END|REVOKE|OPT OUT|CANCEL|UNSUBSCRIBE",
		"Twilio": "STOP|UNSUBSCRIBE|END|QUIT|STOPALL|REVOKE|OPTOUT|CANCEL",
		"AWS":    "ARRET|CANCEL|END|OPT-OUT|OPTOUT|QUIT|REMOVE|STOP|TD|UNSUBSCRIBE",
		"Telnyx": "STOP|STOPALL|STOP ALL|UNSUBSCRIBE|CANCEL|END|QUIT",
		"CTIA":   "STOP|END|CANCEL|UNSUBSCRIBE|QUIT",
	}
	for who, set := range sets {
		for _, w := range strings.Split(set, "|") {
			if Classify(w) != Stop {
				t.Errorf("%s of %s is not Stop", w, who)
			}
		}
	}
}

func FuzzClassify(f *testing.F) {
	for _, s := range []string{"STOP", "Opt-out!", "arre\u0302t", "hello", "", "\xff", "ﷺ", "stop\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Classify(s)
		if again := Classify(s); again != got {
			t.Fatalf("%q: %v, then %v", s, got, again)
		}
		// Punctuation around a message never changes what it asks for.
		if around := Classify(" ¡" + s + "! "); utf8.ValidString(s) && around != got && !startsWithMark(s) {
			t.Fatalf("%q is %v, with punctuation %v", s, got, around)
		}
		// More words make a word an ordinary text.
		if got != Talk && Classify(s+" qqqqqqqqqqqqqqqqqqqqq") != Talk {
			t.Fatalf("%q with a long word behind it is still %v", s, got)
		}
	})
}

// startsWithMark tells whether the first rune may join the one before it.
func startsWithMark(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsMark(r)
}
