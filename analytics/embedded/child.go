package embedded

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Command is the hidden first argument by which our executable becomes the
// ClickHouse child. Its stdin must be a pipe that the parent holds open.
const Command = "internal-clickhouse"

// keepAlive outlives every process: sleepEachRow may take 3 s a row and block,
// and a query that reads stdin as a table would need FILE grants.
const keepAlive = "SELECT sleepEachRow(3) FROM system.numbers FORMAT Null SETTINGS max_block_size = 1"

// childFlags are what the parent tells the child. The password isn't among
// them: arguments can be read by every user of the machine.
type childFlags struct {
	library, path, config string
	tcp, http             int
}

func (f *childFlags) set() *flag.FlagSet {
	set := flag.NewFlagSet(Command, flag.ContinueOnError)
	set.StringVar(&f.library, "library", "", "path of "+libraryName)
	set.StringVar(&f.path, "path", "", "data directory")
	set.StringVar(&f.config, "config", "", "configuration file")
	set.IntVar(&f.tcp, "tcp", 0, "port of the native protocol on 127.0.0.1")
	set.IntVar(&f.http, "http", 0, "port of HTTP on 127.0.0.1, 0 for none")
	return set
}

func (f *childFlags) args() []string {
	return []string{
		"-library=" + f.library, "-path=" + f.path, "-config=" + f.config,
		fmt.Sprintf("-tcp=%d", f.tcp), fmt.Sprintf("-http=%d", f.http),
	}
}

// Main is the child: it serves ClickHouse until its stdin ends, then returns
// nil, or returns why ClickHouse would not start. The caller must end the
// process at once after it, for ClickHouse's threads are still running; what
// was acknowledged is on its way to the disk and survives that.
func Main(args []string) error {
	var f childFlags
	if err := f.set().Parse(args); err != nil {
		return err
	}
	// Buffered: the one that comes second must not hold the process.
	ended := make(chan error, 2)
	stdin, err := pretendTerminal()
	if err != nil {
		fmt.Fprintln(os.Stderr, "serving without a terminal:", err)
		stdin = cmp.Or(stdin, os.Stdin)
	}
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		ended <- err
	}()
	go func() { ended <- f.serve() }()
	return <-ended
}

// serve returns only when ClickHouse failed.
func (f *childFlags) serve() error {
	runtime.LockOSThread() // ClickHouse keeps state of the query in thread locals.
	lib, err := purego.Dlopen(f.library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return fmt.Errorf("loading %s: %w", f.library, err)
	}
	var (
		setSignalHandlersEnabled func(enabled int32)
		queryCmdline             func(argc int32, argv unsafe.Pointer) uintptr
		resultError              func(result uintptr) string
	)
	for name, fn := range map[string]any{
		"chdb_set_signal_handlers_enabled": &setSignalHandlersEnabled,
		"chdb_query_cmdline":               &queryCmdline,
		"chdb_result_error":                &resultError,
	} {
		symbol, err := purego.Dlsym(lib, name)
		if err != nil {
			return fmt.Errorf("%s has no %s: not the version this program was made for: %w", f.library, name, err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	// Its handlers for deadly signals would sleep for minutes before the
	// process ends; the supervisor wants it gone at once.
	setSignalHandlersEnabled(0)
	argv := cStrings(f.clickhouseArgs())
	result := queryCmdline(int32(len(argv)-1), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
	if result == 0 {
		return errors.New("ClickHouse ended without saying why")
	}
	return fmt.Errorf("ClickHouse ended %s", resultError(result)) // It has written its reasons to stderr.
}

// clickhouseArgs writes options as --key=value, the only form that it reads.
func (f *childFlags) clickhouseArgs() []string {
	query := "SYSTEM START LISTEN TCP; "
	args := []string{
		"clickhouse", "--path=" + f.path, "--config-file=" + f.config,
		"--log-level=warning", "--interactive", "--progress=off", "--progress-table=off", "--listen_host=127.0.0.1", fmt.Sprintf("--tcp_port=%d", f.tcp),
	}
	if f.http != 0 {
		args = append(args, fmt.Sprintf("--http_port=%d", f.http))
		query += "SYSTEM START LISTEN HTTP; "
	}
	return append(args, "--query="+query+keepAlive)
}

// cStrings returns an argv: NUL-terminated strings and a nil at the end.
func cStrings(args []string) []*byte {
	argv := make([]*byte, 0, len(args)+1)
	for _, a := range args {
		argv = append(argv, &append([]byte(a), 0)[0])
	}
	return append(argv, nil)
}
