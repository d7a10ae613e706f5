package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"text/tabwriter"

	"fanline/configs"
	"fanline/smpp/smsc"
)

// askSMSC dials the simulator that --log names and asks it; the answer is printed as a table or as JSON.
func askSMSC(ctx context.Context, dir string, ask func(ctx context.Context, c *smsc.Client) error) error {
	if dir == "" {
		return usagef("--log is missing")
	}
	client, err := smsc.Dial(dir)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, smscWait)
	defer cancel()
	return ask(ctx, client)
}

// runSMSCBinds lists connections.
func runSMSCBinds(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc binds", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	asJSON := flags.Bool("json", false, "one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	return askSMSC(ctx, *dir, func(ctx context.Context, c *smsc.Client) error {
		binds, err := c.Binds(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(stdout, map[string]any{"binds": binds})
		}
		table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "conn\taccount\tbind\tversion\tfrom\tsubmits\tunanswered\twaiting")
		for _, b := range binds {
			fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", b.Conn, b.Account, b.Kind, b.Version, b.Remote, b.Submits, b.Unacked, b.Waiting)
		}
		return table.Flush()
	})
}

// runSMSCDrop ends connections.
func runSMSCDrop(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc drop", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	conn := flags.Uint("conn", 0, "`number` of the connection; left out: all")
	account := flags.String("account", "", "only those of this `system_id`")
	how := flags.String("how", "reset", "reset, close or unbind")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	return askSMSC(ctx, *dir, func(ctx context.Context, c *smsc.Client) error {
		err := c.Drop(ctx, smsc.DropRequest{Choice: smsc.Choice{Conn: uint32(*conn), Account: *account}, How: *how})
		if err == nil {
			fmt.Fprintln(stdout, "dropped")
		}
		return err
	})
}

// runSMSCFaults lists the faults of the scenario, or switches one.
func runSMSCFaults(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc faults", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	on := flags.String("on", "", "`name` of a fault to switch on")
	off := flags.String("off", "", "`name` of a fault to switch off")
	times := flags.Int("times", 1, "with --on: on how `many` connections it happens")
	asJSON := flags.Bool("json", false, "one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	return askSMSC(ctx, *dir, func(ctx context.Context, c *smsc.Client) error {
		for _, q := range []smsc.FaultSwitch{{Name: *on, On: true, Times: *times}, {Name: *off}} {
			if q.Name == "" {
				continue
			}
			if err := c.SwitchFault(ctx, q); err != nil {
				return err
			}
		}
		faults, err := c.Faults(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(stdout, map[string]any{"faults": faults})
		}
		table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "name\tkind\taccount\ton\tto come\thappened")
		for _, f := range faults {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\n", f.Name, f.Kind, f.Account, strconv.FormatBool(f.On), f.Left, f.Hits)
		}
		return table.Flush()
	})
}

// runSMSCTraffic lists generated traffic, or switches some.
func runSMSCTraffic(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc traffic", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	on := flags.String("on", "", "`name` of traffic to go on with")
	off := flags.String("off", "", "`name` of traffic to hold")
	asJSON := flags.Bool("json", false, "one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	return askSMSC(ctx, *dir, func(ctx context.Context, c *smsc.Client) error {
		for _, q := range []smsc.TrafficSwitch{{Name: *on, On: true}, {Name: *off}} {
			if q.Name == "" {
				continue
			}
			if err := c.SwitchTraffic(ctx, q); err != nil {
				return err
			}
		}
		traffic, err := c.Traffic(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(stdout, map[string]any{"traffic": traffic})
		}
		table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "name\ton\tsent\tof")
		for _, s := range traffic {
			fmt.Fprintf(table, "%s\t%t\t%d\t%d\n", s.Name, s.On, s.Sent, s.Total)
		}
		return table.Flush()
	})
}

// runSMSCScenario prints the scenario in force, or puts that of a file in its place.
func runSMSCScenario(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc scenario", stderr)
	dir := flags.String("log", "", "`directory` of the log of a running simulator")
	file := flags.String("set", "", "`file` to put in force")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	return askSMSC(ctx, *dir, func(ctx context.Context, c *smsc.Client) error {
		if *file != "" {
			b, err := os.ReadFile(*file)
			if err != nil {
				return err
			}
			return c.SetScenario(ctx, string(b))
		}
		text, err := c.Scenario(ctx)
		if err != nil {
			return err
		}
		_, err = io.WriteString(stdout, text)
		return err
	})
}

// runSMSCInit writes the example files of the simulator into a directory; what is there stays as it is.
func runSMSCInit(_ context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	names, err := parseFlags(newFlags("smsc init", stderr), args, "DIR")
	if err != nil {
		return err
	}
	dir := names[0]
	examples, err := fs.Sub(configs.Files, "simulator")
	if err != nil {
		return err
	}
	written := 0
	err = fs.WalkDir(examples, ".", func(name string, d fs.DirEntry, err error) error {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(path, 0o755)) //nolint:gosec // examples are nobody's secret
		}
		b, err := fs.ReadFile(examples, name)
		if err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644) //nolint:gosec // the same
		if errors.Is(err, fs.ErrExist) {
			fmt.Fprintf(stderr, "%s is there already and stays as it is\n", path)
			return nil
		}
		if err != nil {
			return err
		}
		written++
		_, err = f.Write(b)
		return errors.Join(err, f.Close())
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "%d files in %s; begin with:\n\n  fanline smsc --accounts %[2]s --scenario %[3]s --log %[4]s\n", written, dir,
		filepath.Join(dir, "accounts.yaml"), filepath.Join(dir, "scenario.yaml"), filepath.Join(dir, "log"))
	return err
}
