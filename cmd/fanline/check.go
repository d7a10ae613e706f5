package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5"
	"github.com/twmb/franz-go/pkg/kadm"

	"fanline/analytics/embedded"
	"fanline/pipeline"
)

// probeTimeout bounds each question that `fanline check` puts to a server.
const probeTimeout = 5 * time.Second

// finding is one line of `fanline check`.
type finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// probe asks one thing that the configuration names; it returns what to say
// when all is well, or the reason.
type probe struct {
	name string
	ask  func(ctx context.Context) (string, error)
}

// checkReport is the JSON of `fanline check`.
type checkReport struct {
	OK     bool      `json:"ok"`
	Checks []finding `json:"checks"`
}

func runCheck(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("check", stderr)
	path := flags.String("config", "", "configuration `FILE`; without it, the defaults and the environment are checked")
	data := flags.String("data", "", "data `DIR`, instead of the configured one")
	asJSON := flags.Bool("json", false, "end with one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	report := checkReport{OK: true}
	config, err := loadConfig(*path, *data, os.Environ())
	var problems Problems
	switch {
	case errors.As(err, &problems):
		for _, p := range problems {
			report.Checks = append(report.Checks, finding{Name: "configuration", Detail: p.Error()})
		}
	case err != nil:
		report.Checks = append(report.Checks, finding{Name: "configuration", Detail: err.Error()})
	default:
		report.Checks = append(report.Checks, finding{"configuration", true, orDefault(*path)})
		report.Checks = append(report.Checks, askAll(ctx, probesOf(config))...)
	}
	for _, f := range report.Checks {
		report.OK = report.OK && f.OK
	}
	if err := report.print(stdout, *asJSON); err != nil {
		return err
	}
	if !report.OK {
		return errReported
	}
	return nil
}

func orDefault(path string) string {
	if path == "" {
		return "defaults and environment"
	}
	return path
}

func (r checkReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	for _, f := range r.Checks {
		mark := "ok    "
		if !f.OK {
			mark = "FAILED"
		}
		if _, err := fmt.Fprintf(w, "%s  %s: %s\n", mark, f.Name, f.Detail); err != nil {
			return err
		}
	}
	return nil
}

// askAll asks everything at once and keeps the order of the configuration.
func askAll(ctx context.Context, probes []probe) []finding {
	found := make([]finding, len(probes))
	var wait sync.WaitGroup
	for i, p := range probes {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, probeTimeout)
			defer cancel()
			detail, err := p.ask(ctx)
			if err != nil {
				detail = oneLine(err.Error())
			}
			found[i] = finding{p.name, err == nil, detail}
		})
	}
	wait.Wait()
	return found
}

// oneLine joins the lines of an error: some libraries write one for each try.
func oneLine(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.ReplaceAll(strings.Join(lines, "; "), ":; ", ": ")
}

func probesOf(c *Config) []probe {
	probes := []probe{
		{"data " + c.Data, func(ctx context.Context) (string, error) { return checkData(ctx, c.Data) }},
		{"log", c.checkLog},
		{"store", c.checkStore},
		{"signing_key", c.checkSigningKey},
		{"http.listen " + c.HTTP.Listen, c.checkListen},
	}
	if len(c.ClickHouse.Addresses) == 0 {
		probes = append(probes, probe{"clickhouse", c.checkLibrary})
	}
	for _, address := range c.ClickHouse.Addresses {
		probes = append(probes, probe{"clickhouse " + address, func(ctx context.Context) (string, error) {
			return c.checkClickHouse(ctx, address)
		}})
	}
	for i := range c.Carriers {
		carrier := &c.Carriers[i]
		for _, host := range carrier.Hosts {
			probes = append(probes, probe{"carrier " + carrier.Name + " " + host, func(ctx context.Context) (string, error) {
				return carrier.checkHost(ctx, host)
			}})
		}
	}
	return probes
}

// checkData tells whether the directory, or where it is going to be made, can
// be written.
func checkData(ctx context.Context, dir string) (string, error) {
	if _, err := dialControl(ctx, dir); err == nil {
		return "in use" + byProcess(dir) + ", which answers", nil
	}
	where, verdict := dir, "writable"
	for {
		info, err := os.Stat(where)
		if err == nil && !info.IsDir() {
			return "", fmt.Errorf("%s is not a directory", where)
		}
		if err == nil {
			break
		}
		if !isMissingFile(err) {
			return "", err
		}
		where, verdict = filepath.Dir(where), "made on the first start"
	}
	f, err := os.CreateTemp(where, ".fanline-check-*")
	if err != nil {
		return "", err
	}
	return verdict, errors.Join(f.Close(), os.Remove(f.Name()))
}

func (c *Config) checkLog(ctx context.Context) (string, error) {
	if len(c.Log.Brokers) == 0 {
		return "embedded broker, in data", nil
	}
	client, err := pipeline.NewClient(pipeline.Config{Brokers: c.Log.Brokers, ClientID: "fanline-check"})
	if err != nil {
		return "", err
	}
	defer client.Close()
	brokers, err := kadm.NewClient(client).ListBrokers(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(c.Log.Brokers, ", "), err)
	}
	answer := fmt.Sprintf("Kafka, %d brokers", len(brokers))
	if len(brokers) == 1 {
		answer = "Kafka, 1 broker"
	}
	found, err := pipeline.FindTopics(ctx, client, partitionsCluster)
	switch {
	case err != nil:
		return "", err
	case len(found.Missing) > 0:
		return fmt.Sprintf("%s; %d topics are made on the first start", answer, len(found.Missing)), nil
	}
	return fmt.Sprintf("%s; topics of %d partitions, replicas %d", answer, partitionsCluster, found.Replicas), nil
}

func (c *Config) checkStore(ctx context.Context) (string, error) {
	url := c.Store.URL.Reveal()
	if url == "" {
		return "SQLite, in data", nil
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return "", fmt.Errorf("PostgreSQL: %w", withoutSecret(err, url))
	}
	var version string
	err = conn.QueryRow(ctx, "SHOW server_version").Scan(&version)
	return "PostgreSQL " + version, errors.Join(err, conn.Close(ctx))
}

// withoutSecret drops a secret that a library repeats in its error.
func withoutSecret(err error, secret string) error {
	return errors.New(strings.ReplaceAll(err.Error(), secret, "[secret]"))
}

func (c *Config) checkSigningKey(context.Context) (string, error) {
	if c.SigningKey.Reveal() == "" {
		return fmt.Sprintf("%v is made on the first start", c.SigningKey), nil
	}
	key, err := loadSigningKey(c.SigningKey)
	return fmt.Sprintf("%v, %d bytes", c.SigningKey, len(key)), err
}

func (c *Config) checkListen(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTP.Listen)
	if err == nil {
		return "free", listener.Close()
	}
	if _, running := dialControl(ctx, c.Data); running == nil {
		return "taken while fanline runs" + byProcess(c.Data), nil
	}
	return "", err
}

func (c *Config) checkClickHouse(ctx context.Context, address string) (string, error) {
	conn, err := clickhouse.Open(&clickhouse.Options{
		Addr:        []string{address},
		Auth:        clickhouse.Auth{Username: c.ClickHouse.User, Password: c.ClickHouse.Password.Reveal()},
		DialTimeout: probeTimeout,
	})
	if err != nil {
		return "", err
	}
	if err := conn.Ping(ctx); err != nil {
		return "", errors.Join(err, conn.Close())
	}
	version, err := conn.ServerVersion()
	if err != nil {
		return "", errors.Join(err, conn.Close())
	}
	return "ClickHouse " + version.Version.String(), conn.Close()
}

func (c *Config) checkLibrary(context.Context) (string, error) {
	path, err := c.findLibrary()
	return "embedded server from " + path, err
}

// findLibrary returns the libchdb that the embedded ClickHouse runs from.
func (c *Config) findLibrary() (string, error) {
	path, err := embedded.FindLibrary(c.ClickHouse.Library)
	if err != nil && c.ClickHouse.Library != "" {
		return "", fmt.Errorf("clickhouse.library: %w", err)
	}
	return path, err
}

// checkHost opens the connection that a bind would use.
func (c *CarrierConfig) checkHost(ctx context.Context, host string) (string, error) {
	conn, err := c.dial(ctx, host)
	if err != nil {
		return "", err
	}
	return "reachable; `fanline carrier probe " + c.Name + "` binds", conn.Close()
}

// dial connects to one of the carrier's hosts, over TLS where the
// configuration says so.
func (c *CarrierConfig) dial(ctx context.Context, host string) (net.Conn, error) {
	if !c.TLS.Enabled {
		return (&net.Dialer{}).DialContext(ctx, "tcp", host)
	}
	config, err := c.TLS.load()
	if err != nil {
		return nil, err
	}
	return (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", host)
}

// load reads the files that the TLS section names.
func (t TLSConfig) load() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return nil, fmt.Errorf("tls.ca: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca: %s holds no PEM certificate", t.CA)
		}
	}
	if t.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.Certificate, t.Key)
		if err != nil {
			return nil, fmt.Errorf("tls.certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
