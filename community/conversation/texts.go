package conversation

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

// defaultTexts is the one file in which every automatic text stands.
//
//go:embed texts.tmpl
var defaultTexts string

// Text names one of the automatic texts.
type Text string

// The texts of texts.tmpl.
const (
	TextInvite       Text = "invite"       // first reply to a stranger
	TextInviteAgain  Text = "invite_again" // later ones
	TextConfirmation Text = "confirmation" // after the form
	TextCard         Text = "card"         // with the link to the contact card
	TextWelcomeBack  Text = "welcome_back" // after START
	TextHelp         Text = "help"         // after HELP or INFO
	TextStopped      Text = "stopped"      // the one text after STOP
)

// AllTexts lists the names.
func AllTexts() []Text {
	return []Text{TextInvite, TextInviteAgain, TextConfirmation, TextCard, TextWelcomeBack, TextHelp, TextStopped}
}

// Fields are what the texts are filled with.
type Fields struct {
	Leader  string // who texts, as people know them
	Program string // the registered name of the program
	Help    string // where a person is reached
	Link    string // the join form or the contact card; empty elsewhere
}

// Texts are the automatic texts of an installation.
type Texts struct{ templates *template.Template }

// DefaultTexts returns those of texts.tmpl.
func DefaultTexts() (Texts, error) { return ParseTexts(defaultTexts) }

// ParseTexts reads a file in the form of texts.tmpl; one that lacks a text, or
// names a field that doesn't exist, is an error.
func ParseTexts(file string) (Texts, error) {
	t, err := template.New("texts").Option("missingkey=error").Parse(file)
	if err != nil {
		return Texts{}, fmt.Errorf("automatic texts: %w", err)
	}
	texts := Texts{t}
	for _, name := range AllTexts() {
		if t.Lookup(string(name)) == nil {
			return Texts{}, fmt.Errorf("automatic texts: %q is missing", name)
		}
		if _, err := texts.Fill(name, Fields{Leader: "l", Program: "p", Help: "h", Link: "k"}); err != nil {
			return Texts{}, err
		}
	}
	return texts, nil
}

// Fill returns a text with its fields in place.
func (t Texts) Fill(name Text, f Fields) (string, error) {
	var b strings.Builder
	if err := t.templates.ExecuteTemplate(&b, string(name), f); err != nil {
		return "", fmt.Errorf("automatic text %q: %w", name, err)
	}
	// Whatever the file's lines look like, an SMS has no line ends of ours.
	return strings.Join(strings.Fields(b.String()), " "), nil
}
