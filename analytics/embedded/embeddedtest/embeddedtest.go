// Package embeddedtest gives tests a real ClickHouse. The test binary itself
// is the child, so a package that uses it hands its TestMain over:
//
//	func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }
package embeddedtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"fanline/analytics/embedded"
)

// Main is the child when the binary was started as one, else it runs the tests
// and fails when they leave goroutines behind. It returns the exit code.
func Main(m *testing.M) int {
	if len(os.Args) > 1 && os.Args[1] == embedded.Command {
		code := 0
		if err := embedded.Main(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		// At once: with the race detector, os.Exit runs C's exit handlers
		// first, and they take down what ClickHouse's threads still use.
		syscall.Exit(code)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, "goroutines left behind:", err)
			code = 1
		}
	}
	return code
}

// Library returns the path of libchdb.so: that of $FANLINE_CLICKHOUSE_LIBRARY,
// as in the program, or the one below the module's root. Without one the test
// is skipped, but fails where $CI is set, for there `make test` has installed it.
func Library(tb testing.TB) string {
	tb.Helper()
	setting := os.Getenv("FANLINE_CLICKHOUSE_LIBRARY")
	if setting == "" {
		setting = embedded.LibraryBelow(moduleRoot())
	}
	path, err := embedded.FindLibrary(setting)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		tb.Fatal(err)
	}
	tb.Skipf("needs a real ClickHouse: %v", err)
	return ""
}

// Start runs a server for the length of the test.
func Start(tb testing.TB) *embedded.Server {
	tb.Helper()
	return StartIn(tb, embedded.Options{Dir: tb.TempDir()})
}

// StartIn is Start with options; library and log are filled in.
func StartIn(tb testing.TB, o embedded.Options) *embedded.Server {
	tb.Helper()
	o.Library = Library(tb)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	server, err := embedded.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Errorf("embedded ClickHouse: %v", err)
		}
	})
	wait, stop := context.WithTimeoutCause(ctx, time.Minute, errors.New("a minute is over"))
	defer stop()
	if err := server.Ready(wait); err != nil {
		tb.Fatal(err)
	}
	return server
}

// moduleRoot walks up from the package's folder, where tests run.
func moduleRoot() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
