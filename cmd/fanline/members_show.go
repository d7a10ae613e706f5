package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"fanline/api"
)

// runMembersShow shows one member: profile, consent, and what is known of the
// way to the phone.
func runMembersShow(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("members show", stderr)
	number := flags.String("number", "", "`NUMBER` whose member; not needed when there is only one")
	names, err := parseFlags(flags.FlagSet, args, "MEMBER")
	if err != nil {
		return err
	}
	c, n, err := flags.dialNumber(ctx, *number)
	if err != nil {
		return err
	}
	defer c.close()
	var m api.MemberView
	if err := c.ask(ctx, http.MethodGet, pathOf("numbers", n, "members", names[0]), nil, &m); err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, m)
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "member\t%d\n", m.Member)
	for _, row := range []struct{ name, value string }{
		{"phone", m.Phone.String()},
		{"name", who(m.Person)},
		{"from", shown(place(m.Person))},
		{"born", m.Birth},
		{"gender", m.Gender},
		{"e-mail", shown(m.Email)},
		{"language", m.Language},
		{"consent", fmt.Sprintf("%s since %s", m.Consent, m.Since.Local().Format(time.DateTime))},
		{"carrier, as imported", shown(m.Ways.Imported)},
		{"carrier, as seen", shown(m.Ways.Seen)},
		{"network, as looked up", shown(m.Ways.Looked)},
	} {
		if row.value != "" {
			fmt.Fprintf(t, "%s\t%s\n", row.name, row.value)
		}
	}
	return t.Flush()
}
