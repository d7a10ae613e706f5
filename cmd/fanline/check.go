package main

import (
	"context"
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
	"fanline/smpp"
)

// probeTimeout bounds each question that `fanline check` puts to a server: two
// binds of a carrier are the longest.
const probeTimeout = 10 * time.Second

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
				return carrier.checkHost(ctx, c.Data, host)
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

// checkPatience bounds what a bind of `fanline check` waits for an answer.
const checkPatience = 3 * time.Second

// checkHost binds as the account's binds do, and unbinds. It binds as
// transmitter where the carrier lets it: texts and receipts stay with the binds
// that can store them.
func (c *CarrierConfig) checkHost(ctx context.Context, data, host string) (string, error) {
	profile, err := LoadProfile(c.Profile)
	if err != nil {
		return "", err
	}
	job := c.bindJob(profile, host)
	job.Timeout = min(c.Response, checkPatience)
	saw := probeOurs(ctx, job)
	if kind := c.bindKind(); saw.Bind == sawRefused && kind != job.Bind && !saw.fatal() {
		job.Bind = kind // The carrier may not have agreed to transmitters.
		saw = probeOurs(ctx, job)
	}
	switch saw.Bind {
	case sawAccepted:
		answer := fmt.Sprintf("binds, to %q, in %.0f ms", shown(saw.SMSC), saw.LatencyMS)
		if saw.Error != "" {
			return "", fmt.Errorf("%s, but then: %s", answer, saw.Error)
		}
		return answer, nil
	case sawRefused:
		if found, running := askCarrier(ctx, data, c.Name); running && found.Bound > 0 && saw.Code == smpp.StatusAlreadyBound.String() {
			return fmt.Sprintf("%d binds are up in the fanline that runs%s, and the account has no more", found.Bound, byProcess(data)), nil
		}
		return "", fmt.Errorf("refuses the bind with %s: %s", saw.Code, adviceOn(saw.Status))
	case sawUnreachable:
		return "", errors.New(saw.Error)
	}
	return "", fmt.Errorf("the connection opens, but no bind: %s; is it the port for SMPP, with or without TLS as configured?", saw.Error)
}

// bindKind is the kind of bind that a transmitter is an alternative to.
func (c *CarrierConfig) bindKind() string {
	if c.Bind == "pair" {
		return "transmitter"
	}
	return c.Bind
}

// adviceOn says what to do about a status that refuses a bind.
func adviceOn(status smpp.Status) string {
	switch status {
	case smpp.StatusInvPassword:
		return "compare the password with the carrier's, and ask whether the account is locked"
	case smpp.StatusInvSystemID:
		return "compare system_id with the carrier's, and ask whether the account is open on this host"
	case smpp.StatusInvSystemType:
		return "ask the carrier which system_type it wants"
	case smpp.StatusAlreadyBound:
		return "all binds of the account are taken: by another process, or by a bind whose end the carrier has not seen yet; try again in a minute"
	case smpp.StatusBindFailed:
		return "ask the carrier: it often means that this address of ours is not allowed"
	case smpp.StatusInvCmdID:
		return "the carrier doesn't know this kind of bind: set bind to pair"
	}
	info, _ := status.Lookup()
	return info.Meaning + "; ask the carrier"
}

// dial connects to one of the carrier's hosts as its binds do: from the
// configured address, over TLS where the configuration says so.
func (c *CarrierConfig) dial(ctx context.Context, host string) (net.Conn, error) {
	var dialer net.Dialer
	if c.LocalAddress != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.LocalAddress)}
	}
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil || !c.TLS.Enabled {
		return conn, err
	}
	return c.TLS.account().Client(ctx, conn, host)
}
