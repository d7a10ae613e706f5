package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"fanline/api"
	"fanline/community"
)

// runBroadcastCreate makes a draft.
func runBroadcastCreate(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("broadcast create", stderr)
	var b api.NewBroadcast
	flags.StringVar(&b.Number, "number", "", "sender `NUMBER`; not needed when there is only one")
	flags.StringVar(&b.Text, "text", "", "`TEXT`, with {{first_name}}, {{last_name}}, {{city}} or {{state}} where a member's own should stand; - reads it from stdin")
	flags.StringVar(&b.Audience, "audience", "", "who gets it: `all`, or terms that must all hold: city=Chicago city=\"New York\" state=IL age>=21 gender=f language=es group=vip")
	flags.StringVar(&b.Policy, "policy", "", "`POLICY` after a crash: at-most-once or at-least-once; default: the configuration's")
	flags.StringVar(&b.Validity, "validity", "", "`DURATION` after the start in which a message may be sent, such as 4h; default: the configuration's")
	flags.StringVar(&b.Retry, "retry", "", "`POLICY` for what was not delivered: never, other-route, or such as other-route:failed,expired:2 (states, further carriers); default: the number's")
	key := flags.String("idempotency-key", "", "`KEY` by which a repeated creation is known; default: a new one")
	if _, err := parseFlags(flags.FlagSet, args); err != nil {
		return err
	}
	if b.Text == "" {
		return usagef("--text is missing; --text - reads it from stdin")
	}
	if b.Audience == "" {
		return usagef("--audience is missing; `--audience all` sends to everyone who has joined")
	}
	var err error
	if b.Text, err = textArgument(b.Text, stdin); err != nil {
		return err
	}
	c, number, err := flags.dialNumber(ctx, b.Number)
	if err != nil {
		return err
	}
	defer c.close()
	b.Number = number
	if *key == "" {
		*key = rand.Text()
	}
	var made api.Broadcast
	if err := c.ask(ctx, http.MethodPost, "/v1/broadcasts", b, &made, api.IdempotencyKey, *key); err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, made)
	}
	_, err = fmt.Fprintf(stdout, "broadcast %d is a draft: from %s to %s.\nnext: fanline broadcast dry-run %[1]d, then fanline broadcast start %[1]d\n",
		made.ID, made.Number, made.Audience)
	return err
}

// runBroadcastDryRun shows what a start would do.
func runBroadcastDryRun(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("broadcast dry-run", stderr)
	names, err := parseFlags(flags.FlagSet, args, "ID")
	if err != nil {
		return err
	}
	var d api.DryRun
	if err := flags.ask(ctx, http.MethodGet, pathOf("broadcasts", names[0], "dry-run"), nil, &d); err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, d)
	}
	return printDryRun(stdout, d)
}

func printDryRun(w io.Writer, d api.DryRun) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "broadcast\t%d (%s)\n", d.ID, d.State)
	fmt.Fprintf(t, "members\t%s\n", grouped(d.Count))
	fmt.Fprintf(t, "text\t%d characters as typed\n", d.Characters)
	fmt.Fprintf(t, "encoding\t%s of %d measured\n", counts(d.Encodings), d.Sample)
	if len(d.ForcedBy) > 0 {
		fmt.Fprintf(t, "\tucs2 because of %s\n", shown(strings.Join(d.ForcedBy, " ")))
	}
	if d.Unsendable > 0 {
		fmt.Fprintf(t, "\t%d of %d measured cannot be encoded\n", d.Unsendable, d.Sample)
	}
	fmt.Fprintf(t, "parts\t%.2f a message, about %s in all\n", d.PartsEach, grouped(d.PartsTotal))
	if d.Minutes != nil {
		fmt.Fprintf(t, "takes\t%s at the number's limit of %d parts a second\n", span(*d.Minutes*60), d.LimitPerSecond)
	}
	if d.Example != "" {
		fmt.Fprintf(t, "such as\t%s\n", shown(d.Example))
	}
	return t.Flush()
}

// counts writes a map of counts in a fixed order, the largest first.
func counts(m map[string]int) string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if m[a] != m[b] {
			return m[b] - m[a]
		}
		return strings.Compare(a, b)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, m[name])
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// span says a number of seconds as people do.
func span(seconds float64) string {
	switch d := time.Duration(seconds * float64(time.Second)); {
	case seconds < 10:
		return fmt.Sprintf("%.1f s", seconds)
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", seconds)
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.1f h", d.Hours())
	}
}

// broadcastControl makes the command of an action: start, pause, resume, cancel.
func broadcastControl(action string) func(context.Context, []string, io.Reader, io.Writer, io.Writer) error {
	return func(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
		flags := newClientFlags("broadcast "+action, stderr)
		names, err := parseFlags(flags.FlagSet, args, "ID")
		if err != nil {
			return err
		}
		var done api.Controlled
		if err := flags.ask(ctx, http.MethodPost, pathOf("broadcasts", names[0], action), nil, &done); err != nil {
			return err
		}
		if *flags.asJSON {
			return printJSON(stdout, done)
		}
		return printControlled(stdout, action, done)
	}
}

func printControlled(w io.Writer, action string, done api.Controlled) error {
	if action == "start" {
		_, err := fmt.Fprintf(w, "broadcast %d goes to %s members.\nnext: fanline broadcast watch %[1]d\n", done.ID, grouped(done.Total))
		return err
	}
	after := ""
	switch {
	case done.Effective != nil:
		after = fmt.Sprintf(", effective after %.0f ms", *done.Effective)
	case done.Epoch > 0:
		after = "; not every engine has confirmed it yet"
	}
	_, err := fmt.Fprintf(w, "broadcast %d is %s%s: %s sent, %s not sent\n", done.ID, done.State, after, grouped(done.Sent), grouped(done.NotSent))
	return err
}

// runBroadcastList lists the newest broadcasts.
func runBroadcastList(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("broadcast list", stderr)
	limit := flags.Int("limit", 50, "at most `N`")
	if _, err := parseFlags(flags.FlagSet, args); err != nil {
		return err
	}
	var all struct {
		Broadcasts []api.Broadcast `json:"broadcasts"`
	}
	if err := flags.ask(ctx, http.MethodGet, fmt.Sprintf("/v1/broadcasts?limit=%d", *limit), nil, &all); err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, all)
	}
	if len(all.Broadcasts) == 0 {
		_, err := fmt.Fprintln(stdout, "no broadcast yet; make one with: fanline broadcast create")
		return err
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tMEMBERS\tFROM\tAUDIENCE\tCREATED\tTEXT")
	for _, b := range all.Broadcasts {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\n", b.ID, b.State, grouped(b.Total), b.Number, b.Audience,
			b.Created.Local().Format(time.DateTime), shortened(shown(b.Text), 40))
	}
	return t.Flush()
}

// shortened cuts a text for a table.
func shortened(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// runBroadcastWatch shows the progress and ends with the ledger.
func runBroadcastWatch(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("broadcast watch", stderr)
	until := flags.String("until", "rest", "`WHEN` to end: sent (every message has left), or rest (every receipt is here or overdue)")
	id, err := optionalID(flags, args)
	if err != nil {
		return err
	}
	c, err := flags.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	show := newProgress(stderr)
	body, err := c.request(ctx, http.MethodGet, pathOf("broadcasts", id, "watch")+"?until="+url.QueryEscape(*until)+"&every_ms="+show.every, nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // only read
	last, err := follow(body, func(w api.Watched) error {
		show.line(w)
		return nil
	})
	show.end()
	if err != nil {
		return c.gone(err)
	}
	if *flags.asJSON {
		return printJSON(stdout, last.Ledger)
	}
	return printLedger(stdout, last.Ledger)
}

// optionalID reads the name of a broadcast, "last" without one.
func optionalID(flags clientFlags, args []string) (string, error) {
	names, err := parseNames(flags.FlagSet, args)
	switch {
	case err != nil:
		return "", err
	case len(names) == 0:
		return "last", nil
	case len(names) > 1:
		return "", usagef("%q is one word too many", names[1])
	}
	return names[0], nil
}

var errCutShort = errors.New("the progress ended before the broadcast did")

// follow shows the lines of a watch, until show fails, and returns the last.
func follow(body io.Reader, show func(api.Watched) error) (last api.Watched, err error) {
	d := json.NewDecoder(body)
	for {
		var line struct {
			api.Watched
			api.Error
		}
		switch err := d.Decode(&line); {
		case errors.Is(err, io.EOF):
			return last, errCutShort
		case err != nil:
			return last, err
		case line.Problem != "":
			return last, &line.Error
		}
		last = line.Watched
		if err := show(last); err != nil || last.Done {
			return last, err
		}
	}
}

// progress shows how far a broadcast has come: one line that is written over on
// a terminal, a line every few seconds elsewhere.
type progress struct {
	w        io.Writer
	terminal bool
	every    string // milliseconds
	width    int    // of the line that stands there
	last     string
	since    time.Time // when last was written
}

// repeatAfter is when a line that says nothing new is written again, to show
// that the watch goes on.
const repeatAfter = 30 * time.Second

func newProgress(w io.Writer) *progress {
	p := &progress{w: w, every: "2000"}
	if isTerminal(w) {
		p.terminal, p.every = true, "250"
	}
	return p
}

func (p *progress) line(w api.Watched) {
	text := progressLine(w)
	if !p.terminal {
		if now := time.Now(); text != p.last || now.Sub(p.since) >= repeatAfter {
			fmt.Fprintln(p.w, text)
			p.last, p.since = text, now
		}
		return
	}
	pad := max(0, p.width-len([]rune(text)))
	p.width = len([]rune(text))
	fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", pad))
}

func (p *progress) end() {
	if p.terminal && p.width > 0 {
		fmt.Fprintln(p.w)
	}
}

// progressLine says in one line how far a broadcast has come.
func progressLine(w api.Watched) string {
	l := w.Ledger
	if l.State == community.Draft {
		return fmt.Sprintf("broadcast %d is a draft; waiting for: fanline broadcast start %[1]d", l.Broadcast)
	}
	done := 0.0
	if l.Ledger.Accepted > 0 {
		done = float64(l.Ledger.Accepted-l.Ledger.PendingSend) / float64(l.Ledger.Accepted)
	}
	const bar = 20
	filled := int(done * bar)
	allowed := "no limit"
	if w.Allowed > 0 {
		allowed = grouped(int64(w.Allowed)) + " allowed"
	}
	left := ""
	switch {
	case l.State == community.Paused:
		left = " · paused"
	case l.State == community.Cancelled:
		left = " · cancelled"
	case l.Ledger.PendingSend == 0 && l.Ledger.PendingReceipt > 0:
		left = " · receipts to come: " + grouped(l.Ledger.PendingReceipt)
	case w.SecondsLeft != nil && l.Ledger.PendingSend > 0:
		left = fmt.Sprintf(" · %s left", span(*w.SecondsLeft))
	}
	// Rounded down: 100 % means all.
	return fmt.Sprintf("[%s%s] %3d%% · planned %s · sent %s · delivered %s · failed %s · %s/s (%s)%s",
		strings.Repeat("█", filled), strings.Repeat("░", bar-filled), int(done*100), grouped(w.Planned), grouped(w.Sent),
		grouped(w.Delivered), grouped(w.Failed), grouped(int64(w.Rate)), allowed, left)
}
