package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"fanline/pipeline/audit"
	"fanline/pipeline/embedded"
)

// runAudit reads the log with a client of its own and recounts it.
func runAudit(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) (err error) {
	flags := newFlags("audit", stderr)
	path := flags.String("config", "", "configuration `FILE`; without it, the defaults and the environment say where the log is")
	data := flags.String("data", "", "data `DIR` of the running process, instead of the configured one")
	asJSON := flags.Bool("json", false, "end with one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	config, err := loadConfig(*path, *data, os.Environ())
	if err != nil {
		return err
	}
	from := audit.Config{Brokers: config.Log.Brokers}
	if len(from.Brokers) == 0 {
		broker, err := reachBroker(ctx, filepath.Join(config.Data, "broker"), &from)
		if err != nil {
			return err
		}
		if broker != nil {
			defer func() { err = errors.Join(err, broker.Close()) }()
		}
	}
	report, err := audit.Read(ctx, from)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, report)
	}
	return report.Print(stdout)
}

// reachBroker sets how to reach the embedded broker of a data directory: that of
// the process that runs, or, when none does, one of its own, which is returned
// to be closed.
func reachBroker(ctx context.Context, dir string, to *audit.Config) (*embedded.Broker, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("no log: %w", err)
	}
	broker, err := embedded.Open(ctx, embedded.Config{Dir: dir})
	if errors.Is(err, embedded.ErrInUse) {
		to.Dial, to.Brokers, err = embedded.DialerOf(dir)
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	to.Dial, to.Brokers = broker.Dialer(), broker.Addresses()
	return broker, nil
}
