package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1   // what was asked for did not happen; the reason is on stderr
	exitUsage       = 2   // it was asked for wrongly: flags, names, configuration
	exitInterrupted = 130 // a second Ctrl-C cut the draining short
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		cancel() // Drains: every command stops in its own order.
		<-signals
		fmt.Fprintln(os.Stderr, "fanline: stopped without draining; the next start goes on from the log")
		os.Exit(exitInterrupted)
	}()
	os.Exit(run(ctx, commands(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run finds the command, runs it and turns its error into an exit code.
func run(ctx context.Context, table []command, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		printHelp(stderr, table, "")
		return exitUsage
	}
	if args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		return help(ctx, table, args[1:], stdin, stdout, stderr)
	}
	c, rest, ok := find(table, args)
	if !ok {
		fmt.Fprintf(stderr, "fanline: no command %q\n\n", args[0])
		printHelp(stderr, table, args[0])
		return exitUsage
	}
	return exitCode(c.run(ctx, rest, stdin, stdout, stderr), c.name, stderr)
}

// usageError is an error of whoever typed the command.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func exitCode(err error, name string, stderr io.Writer) int {
	var usage usageError
	var problems Problems
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &problems):
		fmt.Fprintln(stderr, problems.Error())
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "fanline %s: %v\n", name, err)
		return exitUsage
	}
	fmt.Fprintf(stderr, "fanline %s: %v\n", name, err)
	return exitFailed
}

// errReported is returned by a command that failed and has said so itself.
var errReported = errors.New("already reported")
