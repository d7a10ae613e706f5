package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"text/tabwriter"

	"github.com/nyaruka/phonenumbers"

	"fanline/api"
	"fanline/engine/message"
	"fanline/engine/route"
)

// runRouteExplain tells which carrier a message to a phone would take, and why:
// as the running process sees it, or by a configuration alone.
func runRouteExplain(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("route explain", stderr)
	number := flags.String("number", "", "our `NUMBER`; not needed when there is only one")
	hint := flags.String("hint", "", "`NAME` of a carrier or network, as if an import had named it; only without a running process")
	names, err := parseFlags(flags.FlagSet, args, "PHONE")
	if err != nil {
		return err
	}
	phone, err := message.ParsePhone(names[0])
	if err != nil {
		return usagef("%s: %w", names[0], err)
	}
	told, err := askRoute(ctx, flags, *number, phone)
	if errors.Is(err, errNotRunning) && *flags.config != "" {
		fmt.Fprintf(stderr, "no process runs on the data directory of %s: explained by the configuration alone, without what is known of the member\n", *flags.config)
		told, err = routeOffline(*flags.config, *number, phone, *hint)
	}
	if err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, told)
	}
	return printRoute(stdout, told)
}

func askRoute(ctx context.Context, flags clientFlags, number string, phone message.Phone) (told api.Route, err error) {
	c, n, err := flags.dialNumber(ctx, number)
	if err != nil {
		return told, err
	}
	defer c.close()
	return told, c.ask(ctx, http.MethodGet, pathOf("numbers", n, "routes", phone.String()), nil, &told)
}

// routeOffline explains by a configuration.
func routeOffline(config, number string, phone message.Phone, hint string) (api.Route, error) {
	cfg, err := LoadConfig(config, os.Environ())
	if err != nil {
		return api.Route{}, err
	}
	table, err := cfg.routeTable()
	if err != nil {
		return api.Route{}, err
	}
	if number == "" {
		if len(cfg.Numbers) != 1 {
			return api.Route{}, usagef("the configuration has %d numbers; say which with --number", len(cfg.Numbers))
		}
		number = cfg.Numbers[0].Number
	}
	ours, err := message.ParseSender(number)
	if err != nil {
		return api.Route{}, usagef("--number %s: %w", number, err)
	}
	var known []route.Finding
	if hint != "" {
		if canonical, ok := table.Canonical(hint); ok {
			hint = canonical
		}
		known = append(known, route.Finding{Source: message.EvidenceImport, Name: hint})
	}
	return explained(table.Explain(ours, phone, known, 0), nil), nil
}

// explained adds to the table's explanation who gets the message. Without
// healths all carriers are taken to be well.
func explained(e route.Explanation, healths map[string]health) api.Route {
	told := api.Route{
		Number: e.Number, Phone: e.Phone, Network: e.Network, NetworkFrom: e.NetworkFrom, Country: e.Country,
		Rule: e.Rule, Only: e.Only, Problem: e.Problem, Region: regionOf(e.Phone),
		Evidence: []api.RouteEvidence{}, Choices: []api.RouteChoice{}, Failover: []string{},
	}
	for _, w := range e.Evidence {
		told.Evidence = append(told.Evidence, api.RouteEvidence(w))
	}
	var ill []string
	for _, p := range e.Choices {
		c := api.RouteChoice{Carrier: p.Carrier, Group: p.Group, Weight: p.Weight, Share: p.Share, From: p.From}
		ok := true
		if healths != nil {
			h := healths[p.Carrier]
			ok = h.ok
			c.Healthy, c.Health = &ok, h.how
		}
		told.Choices = append(told.Choices, c)
		switch {
		case told.Carrier != "":
			told.Failover = append(told.Failover, p.Carrier)
		case ok:
			told.Carrier = p.Carrier
			told.Why = whyCarrier(p, e.Rule, ill)
		default:
			ill = append(ill, p.Carrier)
		}
	}
	if told.Carrier == "" && told.Problem == "" {
		told.Problem = "no carrier is healthy: messages wait until one is, or until their deadline"
	}
	return told
}

// regionOf names the country of a phone; "" for what can be nobody's.
func regionOf(phone message.Phone) string {
	n, err := phonenumbers.Parse(phone.String(), "")
	if err != nil || !phonenumbers.IsPossibleNumber(n) {
		return ""
	}
	return phonenumbers.GetRegionCodeForNumber(n)
}

// whyCarrier says what put a carrier where it is.
func whyCarrier(p route.Place, rule string, ill []string) string {
	why := "the number's own list"
	switch {
	case p.From != message.EvidenceNone:
		why = fmt.Sprintf("evidence (%s) names it", p.From)
	case rule != "" && p.Group == 0:
		why = fmt.Sprintf("rule %q", rule)
	case rule != "":
		why = fmt.Sprintf("rule %q and what follows it", rule)
	}
	if p.Share < 1 {
		why += fmt.Sprintf("; this phone is of the %.0f %% that its weight gives it", 100*p.Share)
	}
	if len(ill) > 0 {
		why += fmt.Sprintf("; not healthy before it: %v", ill)
	}
	return why
}

// printRoute writes an explanation for people.
func printRoute(w io.Writer, r api.Route) error {
	fmt.Fprintf(w, "from %s to %s", r.Number, r.Phone)
	if r.Live && r.Member == 0 {
		fmt.Fprint(w, ", who is no member")
	}
	if r.Region != "" {
		fmt.Fprintf(w, " (%s)", r.Region)
	}
	fmt.Fprint(w, "\n\nevidence, the strongest first\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range r.Evidence {
		used := "no"
		if e.Used {
			used = "yes"
		}
		fmt.Fprintf(t, "  %s\t%s\tused: %s\t%s\n", e.Source, shown(e.Says), used, e.Why)
	}
	if len(r.Evidence) == 0 {
		fmt.Fprintln(t, "  none")
	}
	t.Flush()
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if r.Network != "" {
		fmt.Fprintf(t, "network\t%s, by %s\n", shown(r.Network), r.NetworkFrom)
	}
	if r.Country != "" {
		fmt.Fprintf(t, "country\t+%s\n", r.Country)
	}
	switch {
	case r.Only:
		fmt.Fprintf(t, "rule\t%s, which lets no other carrier step in\n", shown(r.Rule))
	case r.Rule != "":
		fmt.Fprintf(t, "rule\t%s\n", shown(r.Rule))
	default:
		fmt.Fprintln(t, "rule\tnone: the number's carriers in their order")
	}
	t.Flush()
	fmt.Fprint(w, "\ntried in this order\n")
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range r.Choices {
		fmt.Fprintf(t, "  %s\tpriority %d\tweight %d (%.0f %%)\t%s\n", c.Carrier, c.Group, c.Weight, 100*c.Share, healthText(c))
	}
	t.Flush()
	if r.Carrier != "" {
		fmt.Fprintf(w, "\nnow: %s (%s)\n", r.Carrier, shown(r.Why))
	}
	if len(r.Failover) > 0 {
		fmt.Fprintf(w, "then: %v\n", r.Failover)
	}
	if r.Problem != "" {
		fmt.Fprintf(w, "\n%s\n", r.Problem)
	}
	return nil
}

func healthText(c api.RouteChoice) string {
	switch {
	case c.Healthy == nil:
		return ""
	case *c.Healthy:
		return "healthy: " + c.Health
	}
	return "not healthy: " + c.Health
}
