// Command fuzz runs every fuzz target of the module for a while, one after the
// other, and sums up what each did. A crash's input is left where go test puts
// it, under testdata/fuzz of its package, to be mended and committed.
//
//	go run ./.ci/fuzz --json --time 30s
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// target is one fuzz function and what came of it.
type target struct {
	Target  string `json:"target"` // package.Function
	Execs   int64  `json:"execs"`
	Crashes int    `json:"crashes"`

	pkg, function string
}

func main() {
	asJSON := flag.Bool("json", false, "end with one line of JSON")
	each := flag.Duration("time", 10*time.Second, "how long each target runs")
	only := flag.String("run", "", "only targets whose package.Function matches this `REGEXP`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	targets, err := fuzz(ctx, *each, *only, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
	crashes := 0
	for _, t := range targets {
		crashes += t.Crashes
		if !*asJSON {
			fmt.Printf("%-60s %12d execs %3d crashes\n", t.Target, t.Execs, t.Crashes)
		}
	}
	if *asJSON {
		err = json.NewEncoder(os.Stdout).Encode(map[string]any{"targets": targets})
	}
	if err != nil || crashes > 0 || len(targets) == 0 {
		os.Exit(1)
	}
}

// fuzz lists the targets and runs them; go test's own output goes to progress.
func fuzz(ctx context.Context, each time.Duration, only string, progress io.Writer) ([]target, error) {
	match, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	list := exec.CommandContext(ctx, "go", "test", "-list", "^Fuzz", "./...")
	list.Stderr = progress
	listed, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go test -list: %w\n%s", err, listed)
	}
	var ran []target
	for _, t := range parseList(string(listed)) {
		if !match.MatchString(t.Target) {
			continue
		}
		if err := t.run(ctx, each, progress); err != nil {
			return nil, err
		}
		ran = append(ran, t)
	}
	return ran, nil
}

// parseList reads what go test -list prints: the functions of a package, each on
// its line, then "ok" and the package.
func parseList(listed string) []target {
	var all, ofPackage []target
	for line := range strings.Lines(listed) {
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && strings.HasPrefix(words[0], "Fuzz"):
			ofPackage = append(ofPackage, target{function: words[0]})
		case len(words) > 1 && words[0] == "ok":
			for _, t := range ofPackage {
				t.pkg = words[1]
				t.Target = t.pkg + "." + t.function
				all = append(all, t)
			}
			ofPackage = nil
		}
	}
	return all
}

// run fuzzes one target. A failing target is a crash; a go test that cannot be
// started at all is an error.
func (t *target) run(ctx context.Context, each time.Duration, progress io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.function+"$", "-fuzztime", each.String(), "-fuzzminimizetime", "10x", t.pkg)
	cmd.Stderr = progress
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fmt.Fprintln(progress, lines.Text())
		if n, ok := execs(lines.Text()); ok {
			t.Execs = n
		}
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Crashes = 1 // go test stops a target at its first crash
		return nil
	}
	return errors.Join(err, lines.Err())
}

// execs reads the count from "fuzz: elapsed: 3s, execs: 102 (34/sec), …".
func execs(line string) (int64, bool) {
	_, rest, found := strings.Cut(line, "execs: ")
	if !found || !strings.HasPrefix(line, "fuzz: ") {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(digits, 10, 64)
	return n, err == nil
}
