package message

import "fmt"

// Evidence is what a knowledge of a member's network or carrier rests on.
type Evidence uint8

// The kinds of evidence, the weakest first.
const (
	EvidenceNone   Evidence = iota // nothing is known
	EvidencePrefix                 // the table of prefixes
	EvidenceImport                 // the column of an imported file
	EvidenceSeen                   // a text or a receipt came that way
	EvidenceLookup                 // somebody who knows of ported numbers was asked
)

// String returns the name used in JSON and metrics.
func (e Evidence) String() string { return name(e, "none", "prefix", "import", "seen", "lookup") }

// MarshalText writes the form of String.
func (e Evidence) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads the form of String.
func (e *Evidence) UnmarshalText(b []byte) error {
	for v := EvidenceNone; v <= EvidenceLookup; v++ {
		if v.String() == string(b) {
			*e = v
			return nil
		}
	}
	return fmt.Errorf("evidence %q: want none, prefix, import, seen or lookup", b)
}
