package conversation

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Intent is what an inbound text asks for.
type Intent uint8

// The intents. Yes opts in only where an opt-in is pending; everywhere else it
// is an ordinary answer, so the caller that knows decides.
const (
	Talk  Intent = iota // nothing of the below: a text for the leader
	Stop                // revokes consent
	Help                // asks who this is
	Start               // asks to join, or to join again
	Yes                 // agrees to whatever was asked last
)

// String returns the intent's name in logs and metrics.
func (i Intent) String() string {
	switch i {
	case Talk:
		return "talk"
	case Stop:
		return "stop"
	case Help:
		return "help"
	case Start:
		return "start"
	case Yes:
		return "yes"
	}
	return "unknown"
}

// longestWord is the length of the longest entry of intentOf; a text with more
// letters and digits than that is none of them.
const longestWord = 20

// Classify reads a whole message. Case, accents, spaces, punctuation and the
// width of letters make no difference: "Opt-out!", "ARRÊT" and "ｓｔｏｐ" are
// Stop, "please don't stop" is Talk. The words are the union of what the FCC
// (47 CFR 64.1200(a)(10)), CTIA, Twilio, AWS, Telnyx and Braze name as exact
// words, with the whole-message phrases of Spoke's list. Pure: the engine asks
// it before it acknowledges an MO, the handler asks it again afterwards, and
// both get one answer.
func Classify(text string) Intent {
	var buf [4 * longestWord]byte
	word := buf[:0]
	letters := 0
	var it norm.Iter
	it.InitString(norm.NFKD, text)
	for !it.Done() {
		for _, r := range string(it.Next()) {
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				continue // Accents are marks after NFKD, so they go here too.
			}
			if letters++; letters > longestWord {
				return Talk
			}
			word = append(word, string(unicode.ToLower(r))...)
		}
	}
	return intentOf(string(word))
}

// intentOf is the table of exact words, without spaces and punctuation.
func intentOf(word string) Intent {
	switch word {
	case "stop", "quit", "end", "revoke", "optout", "cancel", "unsubscribe", // FCC
		"stopall",               // Twilio, Telnyx ("STOP ALL" too)
		"arret", "remove", "td", // AWS, with Canada's French
		"stop2quit", "removeme", "takemeoffthelist", "losemynumber", "dontcontactme": // Spoke
		return Stop
	case "help", "info":
		return Help
	case "start", "unstop":
		return Start
	case "yes":
		return Yes
	}
	return Talk
}

// Words lists the entries of the table for one intent as people type them, for
// pages and tests.
func Words(i Intent) []string {
	switch i {
	case Stop:
		return strings.Split("STOP,QUIT,END,REVOKE,OPT OUT,OPT-OUT,OPTOUT,CANCEL,UNSUBSCRIBE,STOPALL,STOP ALL,ARRET,REMOVE,TD,"+
			"STOP2QUIT,remove me,take me off the list,lose my number,don't contact me", ",")
	case Help:
		return []string{"HELP", "INFO"}
	case Start:
		return []string{"START", "UNSTOP"}
	case Yes:
		return []string{"YES"}
	}
	return nil
}
