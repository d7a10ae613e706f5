package main

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"fanline/pipeline/audit"
	"fanline/pipeline/embedded"
)

// runAudit reads the log with a client of its own and recounts it.
func runAudit(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
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
		if from.Dial, from.Brokers, err = embedded.DialerOf(filepath.Join(config.Data, "broker")); err != nil {
			return err
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
