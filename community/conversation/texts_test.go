package conversation

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var sample = Fields{
	Leader: "Maya Torres", Program: "Maya Live", Help: "help@maya.example",
	Link: "https://txt.maya.example/j/" + strings.Repeat("x", 41),
}

func defaults(t testing.TB) Texts {
	t.Helper()
	texts, err := DefaultTexts()
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func fill(t testing.TB, name Text) string {
	t.Helper()
	s, err := defaults(t).Fill(name, sample)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// product.md section 0 (what people were sent) and 3.3 (what law and carriers
// ask for).
func TestEveryTextHasItsRequiredElements(t *testing.T) {
	const (
		frequency = "msg frequency varies"
		rates     = "msg & data rates may apply"
		help      = "help"
		stop      = "stop"
	)
	program, contact := strings.ToLower(sample.Program), sample.Help
	tests := []struct {
		text Text
		want []string
		not  []string
	}{
		{TextInvite, []string{
			"maya torres", "sign up", "answer you directly", "can't reach everyone", "stay in touch",
			"what i'm up to", "want to hear from you too", sample.Link,
		}, nil},
		{TextInviteAgain, []string{"maya torres", "sign up", sample.Link}, nil},
		{TextConfirmation, []string{
			"got your number saved", "more from me soon", program, frequency, rates,
			"reply help for help", "stop to cancel at any time",
		}, nil},
		{TextCard, []string{"save", sample.Link}, nil},
		{TextWelcomeBack, []string{program, frequency, rates, "help for help", "stop to cancel"}, nil},
		{TextHelp, []string{program, contact, frequency, rates, "reply stop to cancel", help, stop}, nil},
		{TextStopped, []string{program, "unsubscribed", "no more messages will be sent"}, []string{"http", "sign up"}},
	}
	if len(tests) != len(AllTexts()) {
		t.Errorf("%d texts are tested, there are %d", len(tests), len(AllTexts()))
	}
	for _, tt := range tests {
		got := strings.ToLower(fill(t, tt.text))
		for _, element := range tt.want {
			if !strings.Contains(got, strings.ToLower(element)) {
				t.Errorf("%s lacks %q: %s", tt.text, element, got)
			}
		}
		for _, element := range tt.not {
			if strings.Contains(got, element) {
				t.Errorf("%s has %q, which is not for it: %s", tt.text, element, got)
			}
		}
	}
}

func TestTextsStayAsTheyWereApproved(t *testing.T) {
	var b strings.Builder
	for _, name := range AllTexts() {
		b.WriteString(string(name) + ": " + fill(t, name) + "\n")
	}
	golden := filepath.Join("testdata", "texts.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("texts changed (run with -update, have the new ones approved):\n%s", diff)
	}
}

// A character outside GSM 03.38 would double the parts of every reply; two
// parts hold 306 septets.
func TestTextsFitTwoPartsOfTheDefaultAlphabet(t *testing.T) {
	for _, name := range AllTexts() {
		s := fill(t, name)
		for _, r := range s {
			if r < ' ' || r > '~' || strings.ContainsRune("`[]{}\\^~|", r) {
				t.Errorf("%s: %q is not one septet of the default alphabet", name, r)
			}
		}
		if len(s) > 306 {
			t.Errorf("%s: %d characters with usual names, two parts hold 306", name, len(s))
		}
	}
}

func TestATextsFileWithGapsIsRefused(t *testing.T) {
	for _, file := range []string{
		"", `{{define "invite"}}hi{{end}}`, strings.ReplaceAll(defaultTexts, ".Program", ".Brand"), "{{define",
	} {
		if _, err := ParseTexts(file); err == nil {
			t.Errorf("taken: %.60q", file)
		}
	}
}
