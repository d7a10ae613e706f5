package text

import "slices"

// A Summary is what a person wants to know about a text before it is sent.
type Summary struct {
	Encoding   string   `json:"encoding"`   // "gsm7" or "ucs2"
	Characters int      `json:"characters"` // as a reader counts: an emoji of several code points is one
	Parts      int      `json:"parts"`      // SMS on the wire
	PartTexts  []string `json:"part_texts"`
	ForcedBy   []string `json:"forced_by"` // characters that GSM 03.38 lacks, each once, in order
}

// Preview says how s would travel. It returns ErrTooLong, and a Summary without
// parts, for a text of more than MaxParts parts.
func Preview(s string) (Summary, error) {
	var m Message
	err := m.Split(s, 0)
	sum := Summary{Encoding: m.Encoding.String(), Parts: len(m.Parts), PartTexts: []string{}, ForcedBy: []string{}}
	for _, p := range m.Parts {
		sum.PartTexts = append(sum.PartTexts, p.Text)
	}
	for char := range characters(s) {
		sum.Characters++
		if enc, ok := Encode(char); (enc != GSM7 || !ok) && !slices.Contains(sum.ForcedBy, char) {
			sum.ForcedBy = append(sum.ForcedBy, char)
		}
	}
	return sum, err
}
