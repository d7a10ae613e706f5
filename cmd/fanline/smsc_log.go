package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"fanline/smpp/smsc"
)

// runSMSCLog asks a log, that of a simulator that runs too.
func runSMSCLog(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc log", stderr)
	v := url.Values{}
	set := func(key string) func(string) error {
		return func(s string) error {
			v.Add(key, s)
			return nil
		}
	}
	flags.Func("phone", "only what concerns this `phone`", set("phone"))
	flags.Func("number", "only what concerns this `number`", set("number"))
	flags.Func("account", "only of this `system_id`", set("account"))
	flags.Func("command", "only this `command`, such as submit_sm, deliver_sm, bind, receipt, reply, closed; several with commas", set("command"))
	flags.Func("status", "only what was answered with this `status`: a name, a number, ok or error", set("status"))
	flags.Func("stat", "only receipts that say this `state`", set("stat"))
	flags.Func("key", "only messages with this `key`", set("key"))
	flags.Func("message-id", "only the message with this `id`", set("message_id"))
	flags.Func("text", "only what has this in its `text`", set("text"))
	flags.Func("conn", "only this `number` of a connection", set("conn"))
	flags.Func("since", "only from this `time` on: RFC 3339, or how long ago, such as 90s", set("since"))
	flags.Func("until", "only before this `time`", set("until"))
	all := flags.Bool("all", false, "also starts, texts taken in, traffic, and the answers to receipts")
	last := flags.Int("last", 0, "only so `many`, the last ones")
	count := flags.Bool("count", false, "only how many there are")
	follow := flags.Bool("follow", false, "go on with what is added, until interrupted")
	flags.Bool("json", true, "as always: one JSON object a line")
	names, err := parseFlags(flags, args, "PATH")
	if err != nil {
		return err
	}
	v.Set("all", strconv.FormatBool(*all))
	q, err := smsc.ParseQuery(v, time.Now())
	switch {
	case err != nil:
		return usageError{err}
	case *last < 0 || *count && (*follow || *last > 0):
		return usagef("--count goes with neither --follow nor --last")
	case *count:
		return countLog(stdout, names[0], &q)
	case *follow:
		return smsc.FollowNDJSON(ctx, stdout, names[0], &q, *last)
	}
	return smsc.WriteQuery(stdout, names[0], &q, *last)
}

func countLog(stdout io.Writer, path string, q *smsc.Query) error {
	n := 0
	if err := smsc.QueryLog(path, q, func(*smsc.Entry) error { n++; return nil }); err != nil {
		return err
	}
	_, err := fmt.Fprintln(stdout, n)
	return err
}
