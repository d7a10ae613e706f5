package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"fanline/analytics/embedded"
)

//go:embed kafka-pom.xml
var kafkaPOM string

// servers are what a configuration names in place of the embedded parts. All
// listen on loopback and keep their data below dir.
type servers struct {
	dir        string
	brokers    string // host:port
	storeURL   string
	kafka      *process
	postgres   bool // it runs
	port       int  // of PostgreSQL
	bin        string
	clickhouse *embedded.Server
	ended      chan error // of ClickHouse

	kafkaCommand []string
	endCH        context.CancelFunc
}

// startServers starts all three. What did start is in the result, error or not.
func startServers(ctx context.Context, dir, fanline string) (*servers, error) {
	s := &servers{dir: dir}
	if err := s.startKafka(ctx); err != nil {
		return s, fmt.Errorf("kafka: %w", err)
	}
	if err := s.startPostgres(ctx); err != nil {
		return s, fmt.Errorf("postgresql: %w", err)
	}
	if err := s.startClickHouse(ctx, fanline); err != nil {
		return s, fmt.Errorf("clickhouse: %w", err)
	}
	return s, nil
}

// startKafka runs one node that is broker and controller, as Kafka comes from
// Maven Central: what a single node cannot do is left at one replica.
func (s *servers) startKafka(ctx context.Context) error {
	dir := filepath.Join(s.dir, "kafka")
	lib, err := kafkaLibrary(ctx, dir)
	if err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	s.brokers = loopback(ports[0])
	properties := filepath.Join(dir, "node.properties")
	if err := os.WriteFile(properties, []byte(kafkaProperties(dir, ports)), 0o600); err != nil {
		return err
	}
	classes := []string{"java", "-cp", lib + "/*"}
	id, err := command(ctx, append(classes, "kafka.tools.StorageTool", "random-uuid")...)
	if err != nil {
		return err
	}
	_, err = command(ctx, append(classes, "kafka.tools.StorageTool", "format", "-t", strings.TrimSpace(id), "-c", properties, "--standalone")...)
	if err != nil {
		return err
	}
	s.kafkaCommand = []string{"java", "-Xmx512m", "-Xms256m", "-XX:+UseG1GC", "-Dlog4j2.level=WARN", "-cp", lib + "/*", "kafka.Kafka", properties}
	return s.runKafka(ctx)
}

// runKafka starts the node that startKafka has made.
func (s *servers) runKafka(ctx context.Context) (err error) {
	s.kafka, err = start("Kafka", filepath.Join(s.dir, "kafka", "out"), s.kafkaCommand...)
	if err != nil {
		return err
	}
	return s.kafka.until(ctx, func() bool { return reachable(ctx, s.brokers) })
}

// kafkaLibrary is the folder of jars: that of KAFKA_LIB, or one that Maven fills.
func kafkaLibrary(ctx context.Context, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if lib := os.Getenv("KAFKA_LIB"); lib != "" {
		return lib, nil
	}
	pom, lib := filepath.Join(dir, "pom.xml"), filepath.Join(dir, "lib")
	if err := os.WriteFile(pom, []byte(kafkaPOM), 0o600); err != nil {
		return "", err
	}
	_, err := command(ctx, "mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+lib, "-DincludeScope=runtime")
	return lib, err
}

func kafkaProperties(dir string, ports []int) string {
	broker, controller := loopback(ports[0]), loopback(ports[1])
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"listeners=PLAINTEXT://" + broker + ",CONTROLLER://" + controller,
		"advertised.listeners=PLAINTEXT://" + broker + ",CONTROLLER://" + controller,
		"controller.listener.names=CONTROLLER",
		"controller.quorum.bootstrap.servers=" + controller,
		"log.dirs=" + filepath.Join(dir, "data"),
		"default.replication.factor=1",
		"offsets.topic.replication.factor=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		"auto.create.topics.enable=false",
	}, "\n") + "\n"
}

// startPostgres makes a cluster of PostgreSQL's own and starts it. It refuses
// to run as root, so root lends it to the user postgres.
func (s *servers) startPostgres(ctx context.Context) error {
	bin, err := postgresBin()
	if err != nil {
		return err
	}
	dir := filepath.Join(s.dir, "postgres")
	for _, d := range []string{dir, filepath.Join(dir, "sock")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	password := strings.ToLower(rand16())
	if err := os.WriteFile(filepath.Join(dir, "pw"), []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		if err := lend(dir); err != nil {
			return err
		}
	}
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	if _, err := command(ctx, asPostgres(filepath.Join(bin, "initdb"), "-D", data, "-U", "fanline", "--pwfile="+filepath.Join(dir, "pw"),
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8")...); err != nil {
		return err
	}
	s.bin, s.port = bin, ports[0]
	s.storeURL = fmt.Sprintf("postgres://fanline:%s@%s/postgres", password, loopback(s.port))
	return s.runPostgres(ctx)
}

// runPostgres starts the cluster that startPostgres has made.
func (s *servers) runPostgres(ctx context.Context) error {
	dir := filepath.Join(s.dir, "postgres")
	options := fmt.Sprintf("-c listen_addresses=127.0.0.1 -p %d -k %s", s.port, filepath.Join(dir, "sock"))
	_, err := command(ctx, asPostgres(filepath.Join(s.bin, "pg_ctl"), "-D", filepath.Join(dir, "data"), "-l", filepath.Join(dir, "log"), "-w", "-o", options, "start")...)
	s.postgres = err == nil
	return err
}

// stopPostgres ends it fast, or immediate, which is a crash.
func (s *servers) stopPostgres(mode string) error {
	_, err := command(context.Background(), asPostgres(filepath.Join(s.bin, "pg_ctl"), "-D", filepath.Join(s.dir, "postgres", "data"), "-m", mode, "stop")...)
	s.postgres = s.postgres && err != nil
	return err
}

// postgresBin is where Debian puts the newest PostgreSQL, or what
// POSTGRES_BIN says.
func postgresBin() (string, error) {
	if bin := os.Getenv("POSTGRES_BIN"); bin != "" {
		return bin, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err == nil && len(found) == 0 {
		err = errors.New("not installed (apt-get install --no-install-recommends postgresql-15), and POSTGRES_BIN names no folder")
	}
	if err != nil {
		return "", err
	}
	return found[len(found)-1], nil
}

func asPostgres(args ...string) []string {
	if os.Geteuid() != 0 {
		return args
	}
	return append([]string{"runuser", "-u", "postgres", "--"}, args...)
}

// lend gives a folder and what lies in it to the user postgres.
func lend(dir string) error {
	who, err := user.Lookup("postgres")
	if err != nil {
		return err
	}
	_, err = command(context.Background(), "chown", "-R", who.Uid+":"+who.Gid, dir)
	return err
}

// startClickHouse starts the library of the embedded server stand-alone: what
// `serve` then reaches is a named address, with a name and a password, of a
// process that is none of its own.
func (s *servers) startClickHouse(ctx context.Context, fanline string) error {
	var err error
	s.clickhouse, err = embedded.New(embedded.Options{
		Dir: filepath.Join(s.dir, "clickhouse"), Executable: fanline, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx))
	s.endCH, s.ended = end, make(chan error, 1)
	go func() { s.ended <- s.clickhouse.Run(running) }()
	return s.clickhouse.Ready(ctx)
}

// stop ends what was started, each by its own process id.
func (s *servers) stop() error {
	var errs []error
	if s.endCH != nil {
		s.endCH()
		errs = append(errs, <-s.ended)
	}
	if s.postgres {
		errs = append(errs, s.stopPostgres("fast"))
	}
	if s.kafka != nil {
		if err := s.kafka.stop(30 * time.Second); err != nil && !strings.Contains(err.Error(), "exit status 143") { // Java's word for SIGTERM.
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
