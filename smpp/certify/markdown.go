package certify

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Markdown writes the report as Markdown.
func (r *Report) Markdown(out io.Writer) error {
	w := &markdown{bufio.NewWriter(out)}
	w.line("# SMPP certification of %s", escaped(r.Carrier))
	w.line("")
	w.line("**%s**: %s", strings.ToUpper(r.Verdict), r.Summary())
	w.line("")
	w.line("| | |\n|---|---|")
	for _, row := range r.facts() {
		w.line("| %s | %s |", row[0], escaped(row[1]))
	}
	w.line("\n## Summary\n\n| case | | verdict | |\n|---|---|---|---|")
	for i := range r.Results {
		x := &r.Results[i]
		w.line("| [%s](#%s) | %s | %s | %s |", x.ID, strings.ToLower(x.ID), escaped(x.Name), mark(x.Verdict), escaped(x.Reason))
	}
	for _, g := range Groups() {
		some := false
		for i := range r.Results {
			if x := &r.Results[i]; strings.HasPrefix(x.ID, g[0]) {
				if !some {
					w.line("\n## %s", g[1])
				}
				some = true
				w.result(x)
			}
		}
	}
	w.line("\n## Signatures\n\n| | for the carrier | for %s |\n|---|---|---|", escaped(r.Account.SystemID))
	for _, row := range signatures() {
		w.line("| %s | | |", row)
	}
	return w.Flush()
}

// Summary counts the verdicts in words.
func (r *Report) Summary() string {
	return fmt.Sprintf("%d passed, %d failed, %d not applicable, %d not run", r.Passed, r.Failed, r.NA, r.NotRun)
}

func signatures() []string { return []string{"name", "date", "signature"} }

// facts is the environment: no secret is among it.
func (r *Report) facts() [][2]string {
	a := r.Account
	facts := [][2]string{
		{"carrier", r.Carrier},
		{"hosts", strings.Join(a.Hosts, ", ")},
		{"SMSC", strings.TrimSpace(r.SMSC.SystemID + " SMPP " + r.SMSC.InterfaceVersion)},
		{"TLS", r.SMSC.TLS},
		{"account", fmt.Sprintf("system_id %s, system_type %q", a.SystemID, a.SystemType)},
		{"agreed", fmt.Sprintf("%d × %s, window %d, %d parts/s", a.Binds, a.Bind, a.Window, a.LimitPerSecond)},
		{"texts", fmt.Sprintf("from %s to %s", orNone(a.Source), orNone(a.Destination))},
		{"certified by", r.Program},
		{"what it speaks", "docs/pics.md, the conformance statement in its sources"},
		{"when", fmt.Sprintf("%s to %s UTC", r.Started.Format(time.DateTime), r.Ended.Format(time.DateTime))},
	}
	if r.Receipts.Asked > 0 {
		facts = append(facts, [2]string{"receipts", fmt.Sprintf("%d of %d (p50 %.0f ms, p99 %.0f ms); ids: %s",
			r.Receipts.Matched, r.Receipts.Asked, r.Receipts.P50MS, r.Receipts.P99MS, orNone(listed(r.Receipts.IDForms)))})
	}
	return facts
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func mark(verdict string) string {
	if verdict == Fail {
		return "**FAIL**"
	}
	return verdict
}

// markdown remembers the first failure by itself: bufio.Writer does.
type markdown struct{ *bufio.Writer }

func (w *markdown) line(format string, args ...any) {
	_, _ = fmt.Fprintf(w, format+"\n", args...) // Flush returns the error.
}

func (w *markdown) result(x *Result) {
	w.line("\n### %s\n\n%s (%s): %s %s\n", x.ID, escaped(x.Name), escaped(x.Section), escaped(x.Purpose), mark(x.Verdict))
	for i, s := range x.Steps {
		w.line("%d. %s", i+1, escaped(s))
	}
	w.line("\nExpected: %s\n", escaped(x.Expected))
	if len(x.Observed) > 0 {
		w.line("Observed, within %.0f ms:\n", x.MS)
	}
	for _, s := range x.Observed {
		w.line("- %s", escaped(s))
	}
	if x.Reason != "" {
		w.line("\nVerdict: %s, because %s", mark(x.Verdict), escaped(x.Reason))
	} else {
		w.line("\nVerdict: %s", mark(x.Verdict))
	}
	if len(x.Trace) == 0 {
		return
	}
	w.line("\n```")
	for i := range x.Trace {
		if i == traceHead && x.Omitted > 0 {
			w.line("… %d PDUs more …", x.Omitted)
		}
		w.line("%s", x.Trace[i].String())
	}
	w.line("```")
}

// String writes a line of a trace, with its octets on lines of their own.
func (l Line) String() string {
	way := "<"
	if l.Out {
		way = ">"
	}
	s := fmt.Sprintf("%s #%d %s %s", l.At.UTC().Format("15:04:05.000000"), l.Link, way, strings.ReplaceAll(l.Text, "```", "'''"))
	for rest := l.Hex; rest != ""; {
		n := min(len(rest), 64)
		s += "\n    " + rest[:n]
		rest = rest[n:]
	}
	return s
}

// escaped makes what peers sent harmless in a table and in a paragraph.
func escaped(s string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "`", "'", "<", "&lt;", "[", `\[`, "\n", " ", "\\", `\\`).Replace(s)
}
