// Command servers runs `fanline serve` on named servers: Apache Kafka as Maven
// has it, the machine's PostgreSQL, and a ClickHouse that it is not the parent
// of. The simulator is the carrier, and its log the judge.
//
//	go run ./.ci/servers            # tells and judges a whole story
//	go run ./.ci/servers --hold     # only the servers, for tests and by hand, until Ctrl-C
//
// Needs Java 17, Maven and PostgreSQL 15; KAFKA_LIB names a folder with Kafka's
// jars in place of Maven, POSTGRES_BIN that of initdb and pg_ctl.
package main

import (
	"context"
	crand "crypto/rand"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	hold := flag.Bool("hold", false, "start the servers, say where they are, and wait for Ctrl-C")
	keep := flag.Bool("keep", false, "leave the folder with everything that was written")
	members := flag.Int("members", 20_000, "how many members get the broadcasts")
	program := flag.String("fanline", "", "the program; built when empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, *program, *members, *hold, *keep)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, fanline string, members int, hold, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "fanline-servers-")
	if err != nil {
		return err
	}
	defer func() {
		if keep {
			fmt.Fprintln(os.Stderr, "left:", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	// PostgreSQL runs as another user and must get through to its folder.
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	if fanline == "" {
		fanline = filepath.Join(dir, "fanline")
		if _, err := command(ctx, "go", "build", "-trimpath", "-o", fanline, "./cmd/fanline"); err != nil {
			return err
		}
	}
	starting, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, errors.New("five minutes are over"))
	defer cancel()
	s, err := startServers(starting, dir, fanline)
	defer func() { err = errors.Join(err, s.stop()) }()
	if err != nil {
		return err
	}
	if hold {
		fmt.Print(s.where())
		<-ctx.Done()
		return nil
	}
	return tell(ctx, s, fanline, members)
}

// where says how to reach the servers, as a shell reads it.
func (s *servers) where() string {
	return fmt.Sprintf("export FANLINE_TEST_POSTGRES=%s\nexport FANLINE_LOG_BROKERS=%s FANLINE_STORE_URL=%[1]s\n"+
		"export FANLINE_CLICKHOUSE_ADDRESSES=%[3]s FANLINE_CLICKHOUSE_USER=%s CLICKHOUSE_PASSWORD=%s FANLINE_CLICKHOUSE_PASSWORD=env:CLICKHOUSE_PASSWORD\n",
		s.storeURL, s.brokers, s.clickhouse.Address(), s.clickhouse.User(), s.clickhouse.Password())
}

func reachable(ctx context.Context, address string) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	_ = conn.Close() // It was only opened to see that it opens.
	return true
}

// rand16 is a password of 16 letters and digits.
func rand16() string { return crand.Text()[:16] }
