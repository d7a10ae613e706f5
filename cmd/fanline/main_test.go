package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	chembedded "fanline/analytics/embedded"
)

// TestMain lets the test binary be the program: commands that start themselves
// again as a child find the real main behind os.Executable.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{independentCommand, chembedded.Command, "smsc", "dev"}, os.Args[1]) {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// fanline runs a command as main does.
func fanline(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaints bytes.Buffer
	code = run(t.Context(), commands(), args, strings.NewReader(""), &out, &complaints)
	return code, out.String(), complaints.String()
}

func TestExitCodesTellWhatWentWrong(t *testing.T) {
	table := []command{
		{name: "good", about: "x", run: func(context.Context, []string, io.Reader, io.Writer, io.Writer) error { return nil }},
		{name: "bad", about: "x", run: func(context.Context, []string, io.Reader, io.Writer, io.Writer) error {
			return errors.New("no luck")
		}},
		{name: "said", about: "x", run: func(context.Context, []string, io.Reader, io.Writer, io.Writer) error {
			return errReported
		}},
		{name: "two words", about: "x", run: func(_ context.Context, args []string, _ io.Reader, _, stderr io.Writer) error {
			_, err := parseFlags(newFlags("two words", stderr), args, "NAME")
			return err
		}},
		{name: "config", about: "x", run: func(context.Context, []string, io.Reader, io.Writer, io.Writer) error {
			return fmt.Errorf("loading: %w", Problems{{Place: "c.yaml:1:1", Key: "a", Message: "b"}})
		}},
	}
	for _, test := range []struct {
		args   string
		code   int
		stderr string
	}{
		{"good", exitDone, ""},
		{"bad", exitFailed, "fanline bad: no luck\n"},
		{"said", exitFailed, ""},
		{"two words x", exitDone, ""},
		{"two words", exitUsage, "NAME is missing"},
		{"two words x y", exitUsage, `"y" is one word too many`},
		{"two words --nope", exitUsage, "flag provided but not defined"},
		{"two words x -h", exitDone, "Usage of fanline two words"},
		{"two", exitUsage, `no command "two"`},
		{"config", exitUsage, "c.yaml:1:1: a: b\n"},
		{"", exitUsage, "fanline good"},
		{"help nope", exitUsage, `no command "nope"`},
	} {
		var out, complaints bytes.Buffer
		code := run(t.Context(), table, strings.Fields(test.args), nil, &out, &complaints)
		if code != test.code || !strings.Contains(complaints.String(), test.stderr) {
			t.Errorf("%q: exit %d, %q; want %d, %q", test.args, code, complaints.String(), test.code, test.stderr)
		}
		if out.Len() > 0 {
			t.Errorf("%q: complained on stdout: %q", test.args, out.String())
		}
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands() {
		if c.about == "" {
			continue
		}
		code, out, complaints := fanline(t, append([]string{"help"}, strings.Fields(c.name)...)...)
		if code != exitDone || !strings.Contains(out, c.about) || complaints != "" {
			t.Errorf("help %s: exit %d, stdout %q, stderr %q", c.name, code, out, complaints)
		}
	}
}

func TestHelpHidesWhatOnlyTheProgramCalls(t *testing.T) {
	if _, out, _ := fanline(t, "help"); strings.Contains(out, independentCommand) || !strings.Contains(out, "fanline check") {
		t.Errorf("help shows:\n%s", out)
	}
}

func TestFlagsAndNamesMixFreely(t *testing.T) {
	for _, args := range []string{"a --json b", "--json a b", "a b --json"} {
		flags := flag.NewFlagSet("x", flag.ContinueOnError)
		asJSON := flags.Bool("json", false, "")
		names, err := parseFlags(flags, strings.Fields(args), "ONE", "TWO")
		if err != nil || !*asJSON || len(names) != 2 || names[0] != "a" || names[1] != "b" {
			t.Errorf("%s: %v %v %v", args, names, *asJSON, err)
		}
	}
}
