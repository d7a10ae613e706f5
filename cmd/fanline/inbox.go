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
	"fanline/community"
	"fanline/engine/message"
)

// runInboxList lists threads, newest first.
func runInboxList(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("inbox list", stderr)
	number := flags.String("number", "", "`NUMBER` whose inbox; not needed when there is only one")
	limit := flags.Int("limit", 50, "at most `N`")
	if _, err := parseFlags(flags.FlagSet, args); err != nil {
		return err
	}
	c, n, err := flags.dialNumber(ctx, *number)
	if err != nil {
		return err
	}
	defer c.close()
	var all struct {
		Number  message.Phone    `json:"number"`
		Threads []api.ThreadLine `json:"threads"`
	}
	if err := c.ask(ctx, http.MethodGet, pathOf("numbers", n, "inbox")+fmt.Sprintf("?limit=%d", *limit), nil, &all); err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, all)
	}
	if len(all.Threads) == 0 {
		_, err := fmt.Fprintln(stdout, "nobody who has joined has written yet")
		return err
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "MEMBER\tNEW\tWHO\tFROM\tWHEN\tLAST")
	for _, line := range all.Threads {
		unread := ""
		if line.Unread > 0 {
			unread = grouped(int64(line.Unread))
		}
		last := shown(line.Last.Text)
		if line.Last.Direction == community.Out {
			last = "you: " + last
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\n", line.Member, unread, who(line.Person), shown(place(line.Person)),
			line.Last.At.Local().Format(time.DateTime), shortened(last, 50))
	}
	return t.Flush()
}

// who names a person, by phone when there is no name.
func who(p api.Person) string {
	name := strings.TrimSpace(p.FirstName + " " + p.LastName)
	if name == "" {
		return p.Phone.String()
	}
	return shown(name)
}

func place(p api.Person) string {
	if p.City == "" || p.State == "" {
		return p.City + p.State
	}
	return p.City + ", " + p.State
}

// runInboxShow shows a thread and marks it read.
func runInboxShow(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("inbox show", stderr)
	number := flags.String("number", "", "`NUMBER` whose inbox; not needed when there is only one")
	limit := flags.Int("limit", 50, "the newest `N` texts")
	unread := flags.Bool("keep-unread", false, "don't mark it read")
	names, err := parseFlags(flags.FlagSet, args, "MEMBER")
	if err != nil {
		return err
	}
	c, n, err := flags.dialNumber(ctx, *number)
	if err != nil {
		return err
	}
	defer c.close()
	var view api.ThreadView
	if err := c.ask(ctx, http.MethodGet, pathOf("numbers", n, "inbox", names[0])+fmt.Sprintf("?limit=%d", *limit), nil, &view); err != nil {
		return err
	}
	if !*unread {
		var read struct{}
		if err := c.ask(ctx, http.MethodPost, pathOf("numbers", n, "inbox", names[0], "read"), nil, &read); err != nil {
			return err
		}
	}
	if *flags.asJSON {
		return printJSON(stdout, view)
	}
	fmt.Fprintf(stdout, "%s · %s · %s · %s\n", who(view.Person), view.Phone, shown(place(view.Person)), view.Consent)
	for _, text := range view.Texts {
		from := who(view.Person)
		if text.Direction == community.Out {
			from = "you"
		}
		fmt.Fprintf(stdout, "%s  %s: %s\n", text.At.Local().Format(time.DateTime), from, shown(text.Text))
	}
	return nil
}

// runInboxReply answers one member.
func runInboxReply(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("inbox reply", stderr)
	number := flags.String("number", "", "`NUMBER` that answers; not needed when there is only one")
	names, err := parseFlags(flags.FlagSet, args, "MEMBER", "TEXT")
	if err != nil {
		return err
	}
	text, err := textArgument(names[1], stdin)
	if err != nil {
		return err
	}
	c, n, err := flags.dialNumber(ctx, *number)
	if err != nil {
		return err
	}
	defer c.close()
	var done api.Replied
	if err := c.ask(ctx, http.MethodPost, pathOf("numbers", n, "inbox", names[0], "replies"), api.Reply{Text: text}, &done); err != nil {
		return err
	}
	if *flags.asJSON {
		return printJSON(stdout, done)
	}
	_, err = fmt.Fprintf(stdout, "on its way to member %d as %s\n", done.Member, done.ID)
	return err
}
