package certify

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed report.html
var page string

// HTML writes the report as one page that needs nothing else and prints well.
func (r *Report) HTML(out io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"class":    func(verdict string) string { return strings.ReplaceAll(verdict, " ", "-") },
		"lower":    strings.ToLower,
		"gap":      func(i int, x Result) bool { return i == traceHead && x.Omitted > 0 },
		"ms":       func(v float64) string { return fmt.Sprintf("%.0f ms", v) },
		"facts":    r.facts,
		"signed":   signatures,
		"inGroup":  func(letter string) []Result { return r.inGroup(letter) },
		"groups":   Groups,
		"headline": func() string { return strings.ToUpper(r.Verdict) },
	}).Parse(page)
	if err != nil {
		return fmt.Errorf("certify: %w", err)
	}
	if err := t.Execute(out, r); err != nil {
		return fmt.Errorf("certify: %w", err)
	}
	return nil
}

func (r *Report) inGroup(letter string) (found []Result) {
	for i := range r.Results {
		if strings.HasPrefix(r.Results[i].ID, letter) {
			found = append(found, r.Results[i])
		}
	}
	return found
}
