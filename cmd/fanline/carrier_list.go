package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"fanline/api"
)

func runCarrierList(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("carrier list", stderr)
	binds := flags.Bool("binds", false, "show each bind, too")
	if _, err := parseFlags(flags.FlagSet, args); err != nil {
		return err
	}
	var all struct {
		Carriers []api.Carrier `json:"carriers"`
	}
	if err := flags.ask(ctx, http.MethodGet, pathOf("carriers"), nil, &all); err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, all)
	}
	return printCarriers(stdout, all.Carriers, *binds, time.Now())
}

// printCarriers writes the table, and below it what needs words: alarms, binds
// that are down and what keeps each carrier from going faster.
func printCarriers(w io.Writer, all []api.Carrier, binds bool, now time.Time) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no carrier is configured")
		return err
	}
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "CARRIER\tSTATE\tBINDS\tWINDOW\tANSWERS\tRATE/S\tLIMIT/S\tTHROTTLED\tWAITING\tRECEIPTS\tIDS\tCONGESTION\tBREAKER")
	for i := range all {
		c := &all[i]
		fmt.Fprintf(columns, "%s\t%s\t%d/%d\t%d/%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			c.Name, c.Admin, c.Bound, c.Binds, c.InFlight, c.WindowUsed, orDash(c.AnswerMS > 0, "%.1f ms", c.AnswerMS),
			grouped(int64(c.Rate+0.5)), limitOf(c), fmt.Sprintf("%.1f %%", 100*c.ThrottledShare), grouped(int64(c.Waiting)),
			receiptsOf(c), idsOf(c), orDash(c.Congestion >= 0, "%d", c.Congestion), c.Breaker)
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for i := range all {
		if err := printCarrierWords(w, &all[i], binds, now); err != nil {
			return err
		}
	}
	return nil
}

func orDash(there bool, format string, v any) string {
	if !there {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// limitOf is the agreed limit, and what the carrier was found to take where
// that is less.
func limitOf(c *api.Carrier) string {
	limit := "none"
	if c.LimitPerSecond > 0 {
		limit = grouped(int64(c.LimitPerSecond))
	}
	if c.PacePerSecond > 0 && (c.LimitPerSecond == 0 || c.PacePerSecond < c.LimitPerSecond) {
		limit += " (takes " + grouped(int64(c.PacePerSecond)) + ")"
	}
	return limit
}

func receiptsOf(c *api.Carrier) string {
	if c.Receipts == nil || c.Receipts.Matched+c.Receipts.Parked+c.Receipts.Unmatched == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*c.Receipts.MatchRate)
}

func idsOf(c *api.Carrier) string {
	if c.Receipts == nil || c.Receipts.Matched == 0 {
		return "-"
	}
	if c.Receipts.Detected {
		return c.Receipts.IDForm + " (found)"
	}
	return c.Receipts.IDForm
}

// printCarrierWords writes the lines below the table.
func printCarrierWords(w io.Writer, c *api.Carrier, binds bool, now time.Time) error {
	fmt.Fprintf(w, "\n%s: %s\n", c.Name, whyNotFaster(c))
	for _, a := range c.Alarms {
		fmt.Fprintf(w, "  ALARM since %s: %s\n", ago(a.Since, now), shown(a.Reason))
	}
	for _, p := range c.Slowed {
		fmt.Fprintf(w, "  number %v: the carrier throttles it, and takes %s/s; %s messages wait\n", p.Number, grouped(int64(p.PerSecond)), grouped(int64(p.Waiting)))
	}
	for _, s := range c.Sessions {
		if !binds && (s.Up || c.Admin == "disabled") {
			continue
		}
		fmt.Fprintf(w, "  bind %d %s %s: ", s.Bind, s.Kind, orElse(s.Host, "not tried yet"))
		if s.Up {
			fmt.Fprintf(w, "up for %s, %q, %s, window %d/%d of %d", since(s.Since, now), shown(s.Peer), spoken(&s), s.InFlight, s.WindowUsed, s.Window)
			if s.AnswerMS > 0 {
				fmt.Fprintf(w, ", answers in %.1f ms", s.AnswerMS)
			}
			fmt.Fprintln(w)
			continue
		}
		fmt.Fprintf(w, "down for %s", since(s.Since, now))
		if s.LastError != "" {
			fmt.Fprintf(w, ": %s", shown(s.LastError))
		}
		if !s.Retry.IsZero() && s.Retry.After(now) {
			fmt.Fprintf(w, "; tries again in %s", since(now, s.Retry))
		}
		fmt.Fprintln(w)
	}
	if !binds && c.Bound > 0 {
		fmt.Fprintf(w, "  bound to %s\n", strings.Join(boundTo(c), ", "))
	}
	return nil
}

// boundTo lists hosts with what answers there.
func boundTo(c *api.Carrier) (list []string) {
	counts := map[string]int{}
	var order []string
	for _, s := range c.Sessions {
		if !s.Up {
			continue
		}
		place := fmt.Sprintf("%s (%q, %s)", s.Host, shown(s.Peer), spoken(&s))
		if counts[place] == 0 {
			order = append(order, place)
		}
		counts[place]++
	}
	for _, place := range order {
		list = append(list, fmt.Sprintf("%d × %s", counts[place], place))
	}
	return list
}

// spoken is the version that an SMSC says it speaks. One that says none counts as
// of SMPP 3.3 (SMPP 3.4 §5.3.2.25), though many of them speak 3.4.
func spoken(s *api.CarrierSession) string {
	if !s.Said {
		return "SMPP " + s.Version + " (not said)"
	}
	return "SMPP " + s.Version
}

// whyNotFaster answers the commonest question about SMPP: how do I get more
// than N a second?
func whyNotFaster(c *api.Carrier) string {
	most := "what they would carry is known when answers come"
	if c.MostPerSecond > 0 {
		most = fmt.Sprintf("they would carry %s/s (window %s ÷ %.1f ms)", grouped(int64(c.MostPerSecond)), grouped(int64(c.WindowUsed)), c.AnswerMS)
	}
	switch c.LimitedBy {
	case api.LimitedByState:
		if c.Admin != "enabled" {
			return "sends nothing: it is " + c.Admin
		}
		if c.Breaker == "open" {
			return "sends nothing for a moment: most of what was sent lately failed, its breaker is open"
		}
		return "sends nothing: no bind that may submit is up"
	case api.LimitedByPace:
		return fmt.Sprintf("as fast as the carrier lets it: it throttles above %s/s, so the engine keeps below", grouped(int64(c.PacePerSecond)))
	case api.LimitedByLimit:
		return fmt.Sprintf("at the limit agreed, %s/s; as for binds and windows, %s", grouped(int64(c.LimitPerSecond)), most)
	case api.LimitedByWindow:
		return fmt.Sprintf("its windows are full: by binds × window ÷ response time, %s; more binds, a larger window or a nearer host make it faster", most)
	case api.LimitedByAnswers:
		return fmt.Sprintf("%s: more under way would only be answered later; as for binds and windows, %s", slowAnswers(c), most)
	case api.LimitedByNumbers:
		return numbersWait(c) + "; as for binds and windows, " + most
	}
	return fmt.Sprintf("nothing waits; as for binds and windows, %s", most)
}

// quickMS is what no window is made smaller for.
const quickMS = 250

// slowAnswers says why less of the windows is used than was agreed.
func slowAnswers(c *api.Carrier) string {
	after := "the carrier left submits unanswered"
	switch {
	case c.AnswerMS >= 1000:
		after = fmt.Sprintf("the carrier answers after %.1f s", c.AnswerMS/1000)
	case c.AnswerMS >= quickMS:
		after = fmt.Sprintf("the carrier answers after %.0f ms", c.AnswerMS)
	case c.AnswerMS > 0:
		after = "the carrier answered slowly, or said that its queue is full, a while ago"
	}
	return fmt.Sprintf("%s: windows were made smaller (%s of %s)", after, grouped(int64(c.WindowUsed)), grouped(int64(c.Window)))
}

// numbersWait says what waits although neither the agreed limit nor a window is
// reached.
func numbersWait(c *api.Carrier) string {
	slowed := 0
	for _, p := range c.Slowed {
		slowed += p.Waiting
	}
	words := fmt.Sprintf("%s messages wait, and not for this carrier: for the limits of their numbers, or this machine is busy", grouped(int64(c.Waiting)))
	if slowed > 0 {
		words = fmt.Sprintf("%s messages wait, %s of them for numbers that the carrier throttles (below)", grouped(int64(c.Waiting)), grouped(int64(slowed)))
	}
	if c.Shrunk() {
		words += "; " + slowAnswers(c) + ", and even those are not full"
	}
	return words
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func ago(t, now time.Time) string {
	return fmt.Sprintf("%s (%s ago)", t.Local().Format(time.DateTime), since(t, now))
}

// since writes a span as people say it.
func since(from, to time.Time) string {
	d := to.Sub(from)
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}
