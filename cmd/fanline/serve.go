package main

import (
	"context"
	"io"
	"log/slog"
	"os"
)

// runServe runs a process on a configuration until it is told to stop.
func runServe(ctx context.Context, args []string, _ io.Reader, _, stderr io.Writer) error {
	flags := newFlags("serve", stderr)
	config := flags.String("config", "", "configuration `file`; see configs/fanline.yaml")
	data := flags.String("data", "", "data `directory`, instead of the configuration's")
	debug := flags.Bool("debug", false, "log more")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	if *config == "" {
		return usagef("--config is missing; `fanline dev` needs none")
	}
	cfg, err := loadConfig(*config, *data, os.Environ())
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if *debug {
		level = slog.LevelDebug
	}
	return runNode(ctx, cfg, slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})), func(n *node) []part {
		n.reloads = &reloader{n: n, load: func() (*Config, error) { return loadConfig(*config, *data, os.Environ()) }}
		return []part{{"reload", n.reloads.run}}
	})
}
