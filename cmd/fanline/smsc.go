package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"fanline/smpp/smsc"
)

// runSMSC is the carrier simulator: `fanline smsc --listen …` runs it, `smsc audit`, `smsc log`, `smsc mo` and
// `smsc messages` look at one or play the phones.
func runSMSC(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "audit":
			return runSMSCAudit(args[1:], stdout, stderr)
		case "log":
			return runSMSCLog(args[1:], stdout, stderr)
		case "mo":
			return runSMSCText(ctx, args[1:], stdout, stderr)
		case "messages":
			return runSMSCMessages(ctx, args[1:], stdout, stderr)
		}
	}
	flags := newFlags("smsc", stderr)
	o := smsc.Options{}
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:2775", "loopback `address` and port; port 0 takes a free one")
	flags.StringVar(&o.AccountsFile, "accounts", "", "`file` with the accounts, see configs/simulator/accounts.yaml")
	flags.StringVar(&o.ScenarioFile, "scenario", "", "`file` with the behaviour, see configs/simulator/scenario.yaml; none: a carrier in good order")
	flags.StringVar(&o.LogDir, "log", "", "`directory` of the log; a log that is there is gone on with")
	flags.StringVar(&o.AddrFile, "addr", "", "`file` to write the address to once listening")
	flags.DurationVar(&o.IdleExit, "idle-exit", 10*time.Minute, "end after so long without a bind; 0: never")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	switch "" {
	case o.AccountsFile:
		return usagef("--accounts is missing")
	case o.LogDir:
		return usagef("--log is missing")
	}
	o.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	return smsc.Run(ctx, o)
}

func runSMSCAudit(args []string, stdout, stderr io.Writer) error {
	flags := newFlags("smsc audit", stderr)
	dir := flags.String("log", "", "`directory` of the simulator's log")
	asJSON := flags.Bool("json", false, "one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	if *dir == "" {
		return usagef("--log is missing")
	}
	report, err := smsc.Audit(*dir)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, report)
	}
	_, err = io.WriteString(stdout, report.Text())
	return err
}

func runSMSCLog(args []string, stdout, stderr io.Writer) error {
	flags := newFlags("smsc log", stderr)
	all := flags.Bool("all", false, "also starts, texts taken in, and the answers to receipts")
	flags.Bool("json", true, "as always: one JSON object a line")
	names, err := parseFlags(flags, args, "PATH")
	if err != nil {
		return err
	}
	return smsc.WriteNDJSON(stdout, names[0], *all)
}

func runSMSCText(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("smsc mo", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	from := flags.String("from", "", "`phone` that texts")
	to := flags.String("to", "", "`number` that is texted")
	body := flags.String("text", "", "the text; several parts when it is long")
	wait := flags.Duration("wait", 0, "how long to wait for the answer, at most 1m")
	asJSON := flags.Bool("json", false, "one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	for name, value := range map[string]string{"--log": *dir, "--from": *from, "--to": *to} {
		if value == "" {
			return usagef("%s is missing", name)
		}
	}
	client, err := smsc.Dial(*dir)
	if err != nil {
		return err
	}
	defer client.Close()
	result, err := client.Text(ctx, *from, *to, *body, *wait)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, result)
	}
	state := "queued"
	if result.Answered {
		state = "answered " + result.Status
	}
	_, err = fmt.Fprintf(stdout, "text %s, %d part(s): %s\n", result.ID, result.Parts, state)
	return err
}

func runSMSCMessages(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("smsc messages", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	phone := flags.String("phone", "", "`phone` whose messages to show")
	asJSON := flags.Bool("json", false, "one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	if *dir == "" || *phone == "" {
		return usagef("--log and --phone are needed")
	}
	client, err := smsc.Dial(*dir)
	if err != nil {
		return err
	}
	defer client.Close()
	messages, err := client.Messages(ctx, *phone)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, map[string]any{"messages": messages})
	}
	for _, m := range messages {
		if _, err := fmt.Fprintf(stdout, "%s  %s\n%s\n\n", m.Time.Format(time.RFC3339), m.From, m.Text); err != nil {
			return err
		}
	}
	return nil
}
