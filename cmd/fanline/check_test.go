package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"fanline/pipeline"
	"fanline/smpp"
	"fanline/smpp/smsc"
)

// listening returns the address of a port that accepts, and one that refuses.
func listening(t *testing.T) (accepts, refuses string) {
	t.Helper()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = open.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	return open.Addr().String(), closed.Addr().String()
}

// checkJSON runs fanline check and returns what it says of each name.
func checkJSON(t *testing.T, config string, args ...string) (int, map[string]finding) {
	t.Helper()
	if err := os.WriteFile("c.yaml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, complaints := fanline(t, append([]string{"check", "--config", "c.yaml", "--json"}, args...)...)
	var report checkReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("stdout %q, stderr %q: %v", out, complaints, err)
	}
	found := map[string]finding{}
	for _, f := range report.Checks {
		found[f.Name] = f
	}
	if report.OK != (code == exitDone) {
		t.Errorf("exit %d with ok %v", code, report.OK)
	}
	return code, found
}

func TestCheckAsksWhatTheConfigurationNames(t *testing.T) {
	t.Chdir(shortTempDir(t))
	accepts, refuses := listening(t)
	carrier := simulate(t, smsc.Account{}, "")
	t.Setenv("CARRIER_PASSWORD", "pw")
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	if err := os.WriteFile("libchdb.so", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, found := checkJSON(t, `
log: {brokers: ["`+broker.ListenAddrs()[0]+`"]}
clickhouse: {addresses: ["`+refuses+`"]}
store: {url: "postgres://me:pssst@`+refuses+`/fanline"}
http: {listen: "`+accepts+`"}
carriers:
  - {name: good, hosts: ["`+carrier.plain+`"], system_id: me, password: env:CARRIER_PASSWORD, limit_per_second: 1}
  - {name: bad, hosts: ["`+refuses+`"], system_id: me, limit_per_second: 1}
`)
	for name, want := range map[string]struct {
		ok     bool
		detail string
	}{
		"configuration":                 {true, "c.yaml"},
		"data ./data":                   {true, "made on the first start"},
		"log":                           {true, "Kafka, 1 broker; 8 topics are made on the first start"},
		"clickhouse " + refuses:         {false, "connection refused"},
		"store":                         {false, "connection refused"},
		"signing_key":                   {true, "is made on the first start"},
		"http.listen " + accepts:        {false, "address already in use"},
		"carrier good " + carrier.plain: {true, `binds, to "fanline-smsc", in `},
		"carrier bad " + refuses:        {false, "connection refused"},
	} {
		got, there := found[name]
		if !there || got.OK != want.ok || !strings.Contains(got.Detail, want.detail) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
		if strings.Contains(got.Detail, "pssst") {
			t.Errorf("%s shows the password: %s", name, got.Detail)
		}
		if strings.Contains(got.Detail, "\n") {
			t.Errorf("%s takes more than its line: %q", name, got.Detail)
		}
	}
}

// TestCheckBindsAndSaysWhatToDoWhenItCannot has one trouble for each carrier.
func TestCheckBindsAndSaysWhatToDoWhenItCannot(t *testing.T) {
	t.Chdir(shortTempDir(t))
	silent, _ := listening(t)
	open := simulate(t, smsc.Account{}, "")
	transceivers := simulate(t, smsc.Account{Binds: []string{"transceiver"}}, "")
	full := simulate(t, smsc.Account{MaxBinds: 1}, "")
	holdABind(t, full.plain)
	t.Setenv("GOOD", "pw")
	t.Setenv("BAD", "wrong")
	_, found := checkJSON(t, `
carriers:
  - {name: tls, hosts: ["`+open.secure+`"], tls: {enabled: true, ca: `+open.ca+`, server_name: localhost}, system_id: me, password: env:GOOD, limit_per_second: 1}
  - {name: stranger, hosts: ["`+open.plain+`"], system_id: nobody, password: env:GOOD, limit_per_second: 1}
  - {name: mistaken, hosts: ["`+open.plain+`"], system_id: me, password: env:BAD, limit_per_second: 1}
  - {name: transceivers, hosts: ["`+transceivers.plain+`"], system_id: me, password: env:GOOD, limit_per_second: 1}
  - {name: full, hosts: ["`+full.plain+`"], system_id: me, password: env:GOOD, limit_per_second: 1}
  - {name: silent, hosts: ["`+silent+`"], system_id: me, limit_per_second: 1, response_timeout: 300ms}
  - {name: notls, hosts: ["`+open.plain+`"], tls: {enabled: true}, system_id: me, limit_per_second: 1, response_timeout: 1s}
`)
	for name, want := range map[string]struct {
		ok     bool
		detail string
	}{
		"carrier tls " + open.secure:                 {true, `binds, to "fanline-smsc", in `},
		"carrier stranger " + open.plain:             {false, "ESME_RINVSYSID: compare system_id with the carrier's"},
		"carrier mistaken " + open.plain:             {false, "ESME_RINVPASWD: compare the password"},
		"carrier transceivers " + transceivers.plain: {true, `binds, to "fanline-smsc"`},
		"carrier full " + full.plain:                 {false, "ESME_RALYBND: all binds of the account are taken"},
		"carrier silent " + silent:                   {false, "the connection opens, but no bind"},
		"carrier notls " + open.plain:                {false, "TLS with"},
	} {
		got, there := found[name]
		if !there || got.OK != want.ok || !strings.Contains(got.Detail, want.detail) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// holdABind binds and stays until the test ends.
func holdABind(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	pdu, err := smpp.Append(nil, smpp.StatusOK, 1, &smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "me", Password: "pw", InterfaceVersion: smpp.Version34})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(pdu); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, smpp.HeaderLen)
	if _, err := io.ReadFull(conn, answer); err != nil {
		t.Fatal(err)
	}
	if h, err := smpp.ReadHeader(answer); err != nil || h.Status != smpp.StatusOK {
		t.Fatal(h, err)
	}
}

func TestCheckRefusesTopicsThatServeWouldRefuse(t *testing.T) {
	t.Chdir(shortTempDir(t))
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	client, err := pipeline.NewClient(pipeline.Config{Brokers: broker.ListenAddrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := pipeline.EnsureTopics(t.Context(), client, partitionsEmbedded, 1); err != nil {
		t.Fatal(err)
	}
	_, found := checkJSON(t, `log: {brokers: ["`+broker.ListenAddrs()[0]+`"]}`)
	if got := found["log"]; got.OK || !strings.Contains(got.Detail, "12 partitions") {
		t.Errorf("topics of another size: %+v", got)
	}
}

func TestCheckPrintsALineForEach(t *testing.T) {
	t.Chdir(shortTempDir(t))
	if err := os.WriteFile("libchdb.so", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FANLINE_CLICKHOUSE_LIBRARY", "libchdb.so")
	t.Setenv("FANLINE_HTTP_LISTEN", "127.0.0.1:0")
	code, out, complaints := fanline(t, "check")
	want := `ok      configuration: defaults and environment
ok      data ./data: made on the first start
ok      log: embedded broker, in data
ok      store: SQLite, in data
ok      signing_key: [file:data/signing.key] is made on the first start
ok      http.listen 127.0.0.1:0: free
ok      clickhouse: embedded server from libchdb.so
`
	if diff := cmp.Diff(want, out); diff != "" || code != exitDone || complaints != "" {
		t.Errorf("exit %d, stderr %q, stdout:\n%s", code, complaints, diff)
	}
	if entries, _ := os.ReadDir("."); len(entries) != 1 {
		t.Errorf("check left %v", entries)
	}
}

func TestCheckShowsABadConfigurationAsFindings(t *testing.T) {
	t.Chdir(shortTempDir(t))
	code, found := checkJSON(t, "colour: red")
	if code != exitFailed || !strings.HasPrefix(found["configuration"].Detail, "c.yaml:1:1: colour: unknown key") {
		t.Errorf("exit %d, %+v", code, found)
	}
}

func TestCheckSeesAProcessThatRuns(t *testing.T) {
	dir := shortTempDir(t)
	t.Chdir(dir)
	accepts, _ := listening(t)
	serveControl(t, holdData(t, filepath.Join(dir, "data")))
	_, found := checkJSON(t, `http: {listen: "`+accepts+`"}`)
	for name, want := range map[string]string{
		"data ./data":            `^in use by process \d+, which answers$`,
		"http.listen " + accepts: `^taken while fanline runs by process \d+$`,
	} {
		if got := found[name]; !got.OK || !regexp.MustCompile(want).MatchString(got.Detail) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestCheckRefusesADirectoryThatIsAFile(t *testing.T) {
	t.Chdir(shortTempDir(t))
	_, found := checkJSON(t, "data: ./c.yaml/data")
	if got := found["data ./c.yaml/data"]; got.OK || !strings.Contains(got.Detail, "not a directory") {
		t.Errorf("%+v", got)
	}
}

func TestALibraryThatIsConfiguredButMissingIsNamedByItsKey(t *testing.T) {
	t.Chdir(shortTempDir(t))
	var c Config
	if _, err := c.findLibrary(); err == nil || !strings.Contains(err.Error(), "make chdb") {
		t.Errorf("got %v, want a word on how to get it", err)
	}
	c.ClickHouse.Library = "nowhere.so"
	if _, err := c.findLibrary(); err == nil || !strings.Contains(err.Error(), "clickhouse.library") {
		t.Errorf("got %v", err)
	}
}
