package embedded_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"fanline/analytics/embedded"
	"fanline/analytics/embedded/embeddedtest"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func open(t *testing.T, s *embedded.Server, user, password string) driver.Conn {
	t.Helper()
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr: []string{s.Address()}, Auth: clickhouse.Auth{Username: user, Password: password},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func count(t *testing.T, conn driver.Conn, table string) (n uint64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func exec1(t *testing.T, conn driver.Conn, queries ...string) {
	t.Helper()
	for _, q := range queries {
		if err := conn.Exec(t.Context(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
}

func TestDataIsThereAgainAfterTheServerWasEndedAndStarted(t *testing.T) {
	dir := t.TempDir()
	t.Run("first", func(t *testing.T) {
		s := embeddedtest.StartIn(t, embedded.Options{Dir: dir})
		exec1(t, open(t, s, s.User(), s.Password()), "CREATE DATABASE d",
			"CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n", "INSERT INTO d.t SELECT number FROM numbers(1000)")
	})
	t.Run("second", func(t *testing.T) {
		s := embeddedtest.StartIn(t, embedded.Options{Dir: dir})
		if n := count(t, open(t, s, s.User(), s.Password()), "d.t"); n != 1000 {
			t.Errorf("%d rows, want 1000", n)
		}
	})
}

func TestAKilledChildComesBackOnTheSameAddressWithItsData(t *testing.T) {
	s := embeddedtest.Start(t)
	address := s.Address()
	conn := open(t, s, s.User(), s.Password())
	exec1(t, conn, "CREATE DATABASE d", "CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n")
	for round := uint64(1); round <= 3; round++ {
		exec1(t, conn, "INSERT INTO d.t SELECT number FROM numbers(1000)")
		pid := s.Status().PID
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for s.Status().PID == pid { // Until the supervisor has seen it.
			time.Sleep(time.Millisecond)
		}
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.Address() != address {
			t.Errorf("address %s after a kill, was %s", s.Address(), address)
		}
		if got := s.Status().Restarts; got != int(round) {
			t.Errorf("%d restarts, want %d", got, round)
		}
		_ = conn.Ping(t.Context()) // The pool's connections are dead; the next is new.
		if n := count(t, open(t, s, s.User(), s.Password()), "d.t"); n != 1000*round {
			t.Errorf("%d rows after kill %d, want %d", n, round, 1000*round)
		}
		conn = open(t, s, s.User(), s.Password())
	}
}

func TestOnlyOurUserMayDoAnything(t *testing.T) {
	s := embeddedtest.Start(t)
	exec1(t, open(t, s, s.User(), s.Password()), "CREATE DATABASE d", "CREATE TABLE d.t (n UInt64) ENGINE = MergeTree ORDER BY n")
	stranger := open(t, s, "default", "")
	for _, q := range []string{
		"SELECT * FROM d.t", "INSERT INTO d.t VALUES (1)", "CREATE DATABASE e", "SYSTEM SHUTDOWN",
		"SELECT * FROM file('/etc/passwd', 'LineAsString')", "SELECT * FROM system.processes",
	} {
		var denied *clickhouse.Exception
		if err := stranger.Exec(t.Context(), q); !errors.As(err, &denied) || denied.Code != 497 {
			t.Errorf("%s as default: %v, want ACCESS_DENIED", q, err)
		}
	}
}

func TestConnectionsThatFailInTheirHandshakeLeaveTheServerAlone(t *testing.T) {
	s := embeddedtest.Start(t)
	pid := s.Status().PID
	for name, b := range map[string]string{
		"cut short": "\x00\x01", "garbage": "\x09\x01\x02\x03garbage", "http": "GET / HTTP/1.0\r\n\r\n", "nothing": "",
	} {
		conn, err := net.Dial("tcp", s.Address())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, _ = conn.Write([]byte(b))
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = conn.Read(make([]byte, 4096)) // Until the server has given it up.
		_ = conn.Close()
	}
	if err := open(t, s, s.User(), "wrong").Ping(t.Context()); err == nil {
		t.Error("a wrong password was accepted")
	}
	conn := open(t, s, s.User(), s.Password())
	for range 5 {
		if err := conn.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Status(); got.PID != pid || got.Restarts != 0 {
		t.Errorf("%+v, want process %d without a restart", got, pid)
	}
}

func TestTheChildLeavesWhenItsParentIsGone(t *testing.T) {
	library := embeddedtest.Library(t)
	s, err := embedded.New(embedded.Options{Dir: t.TempDir(), Library: library}) // Writes the configuration.
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config, err := filepath.Glob(filepath.Join(filepath.Dir(dir), "*", "config.xml"))
	if err != nil || len(config) != 1 {
		t.Fatalf("configurations %v, %v", config, err)
	}
	_, port, _ := net.SplitHostPort(s.Address())
	cmd := exec.Command(os.Args[0], embedded.Command, "-library="+library, "-path="+dir+"/store", "-config="+config[0], "-tcp="+port)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for open(t, s, s.User(), s.Password()).Ping(t.Context()) != nil {
		time.Sleep(20 * time.Millisecond) // Nothing but asking tells when it is up.
	}
	_ = stdin.Close() // What the kernel does when the parent is killed.
	if err := cmd.Wait(); err != nil {
		t.Errorf("the child ended with %v", err)
	}
}

func TestRunGivesUpWithTheReasonWhenNoChildEverAnswers(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "libchdb.so")
	if err := os.WriteFile(broken, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := embedded.New(embedded.Options{Dir: dir, Library: broken, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("Run: %v, want an error that names the library", err)
	}
	if err := s.Ready(context.Background()); err == nil {
		t.Error("Ready after Run gave up: no error")
	}
}

func TestAPortThatAnotherTookIsNamed(t *testing.T) {
	s, err := embedded.New(embedded.Options{Dir: t.TempDir(), Library: embeddedtest.Library(t), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("Run: %v, want an error that says that the address is in use", err)
	}
}
