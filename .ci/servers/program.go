package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// The account at the simulator and the number, as configs/simulator has them.
const (
	number   = "+17735550100"
	binds    = 4
	window   = 250
	parts    = 4000 // a second
	validity = "60s"
)

// program is fanline on the servers, and the simulator beside it.
type program struct {
	fanline, dir   string
	config, simLog string
	site           string // http://host:port
	carrier        string // host:port
	serve, carries *process
	starts         int
}

func newProgram(s *servers, fanline string) (*program, error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	p := &program{
		fanline: fanline, dir: s.dir, config: filepath.Join(s.dir, "fanline.yaml"), simLog: filepath.Join(s.dir, "data", "smsc", "log"),
		site: "http://" + loopback(ports[0]), carrier: loopback(ports[1]),
	}
	if err := os.MkdirAll(p.simLog, 0o700); err != nil {
		return nil, err
	}
	for name, secret := range map[string]string{"store": s.storeURL, "clickhouse": s.clickhouse.Password(), "carrier": "secret"} {
		if err := os.WriteFile(filepath.Join(s.dir, "secret."+name), []byte(secret), 0o600); err != nil {
			return nil, err
		}
	}
	return p, os.WriteFile(p.config, []byte(p.yaml(s, "data", p.site)), 0o600)
}

// yaml names every server there is.
func (p *program) yaml(s *servers, data, site string) string {
	return fmt.Sprintf(`data: %[1]s/%[2]s
log: {brokers: [%[3]q]}
clickhouse: {addresses: [%[4]q], user: %[5]s, password: "file:%[1]s/secret.clickhouse"}
store: {url: "file:%[1]s/secret.store"}
http: {listen: %[6]q, public_url: %[7]q}
sending: {validity: %[8]s, receipt_grace: 10s}
carriers:
  - {name: sim, profile: simulator, hosts: [%[9]q], binds: %[10]d, window: %[11]d, system_id: fanline,
     password: "file:%[1]s/secret.carrier", limit_per_second: 100000}
numbers:
  - {number: %[12]q, leader: demo, carriers: [sim], limit_per_second: %[13]d}
`, p.dir, data, s.brokers, s.clickhouse.Address(), s.clickhouse.User(), strings.TrimPrefix(site, "http://"), site,
		validity, p.carrier, binds, window, number, parts)
}

// ask runs a command of the program that prints one line of JSON.
func (p *program) ask(ctx context.Context, into any, args ...string) error {
	out, err := command(ctx, append([]string{p.fanline}, args...)...)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	return json.Unmarshal([]byte(lines[len(lines)-1]), into)
}

func (p *program) startCarrier(ctx context.Context) (err error) {
	p.carries, err = start("the simulator", filepath.Join(p.dir, "smsc.out"), p.fanline, "smsc", "--listen", p.carrier, "--idle-exit", "0",
		"--accounts", "configs/simulator/accounts.yaml", "--scenario", "configs/simulator/demo.yaml", "--log", p.simLog)
	if err != nil {
		return err
	}
	return p.carries.until(ctx, func() bool { return reachable(ctx, p.carrier) })
}

// start starts serve and waits until it is ready.
func (p *program) start(ctx context.Context) (err error) {
	p.starts++
	if p.serve, err = start("serve", p.serveLog(), p.fanline, "serve", "--config", p.config); err != nil {
		return err
	}
	return p.serve.until(ctx, func() bool { return ready(p.site) })
}

// serveLog is a file for each start.
func (p *program) serveLog() string {
	return filepath.Join(p.dir, fmt.Sprintf("serve.%d.out", p.starts))
}

func ready(site string) bool {
	client := http.Client{Timeout: 2 * time.Second}
	resp, err := client.Get(site + "/readyz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close() // Its status is all there is to know.
	return resp.StatusCode == http.StatusOK
}

// stop ends what runs; serve in its own order first.
func (p *program) stop() error {
	var errs []error
	for _, one := range []*process{p.serve, p.carries} {
		if one != nil {
			errs = append(errs, one.stop(time.Minute))
		}
	}
	return errors.Join(errs...)
}

// ledger is of the fields of contracts.md those that the story judges.
type ledger struct {
	Accepted       int64 `json:"accepted"`
	Suppressed     int64 `json:"suppressed"`
	Rejected       int64 `json:"rejected"`
	ExpiredUnsent  int64 `json:"expired_unsent"`
	Cancelled      int64 `json:"cancelled"`
	Uncertain      int64 `json:"uncertain"`
	Submitted      int64 `json:"submitted"`
	Delivered      int64 `json:"delivered"`
	Failed         int64 `json:"failed"`
	Expired        int64 `json:"expired"`
	NoReceipt      int64 `json:"no_receipt"`
	PendingSend    int64 `json:"pending_send"`
	PendingReceipt int64 `json:"pending_receipt"`
}

// balances tells whether both equations hold.
func (l ledger) balances() bool {
	return l.Accepted == l.Suppressed+l.Rejected+l.ExpiredUnsent+l.Cancelled+l.Uncertain+l.Submitted+l.PendingSend &&
		l.Submitted == l.Delivered+l.Failed+l.Expired+l.NoReceipt+l.PendingReceipt
}

func (l ledger) String() string {
	return fmt.Sprintf("accepted %d, submitted %d, delivered %d, failed %d, expired %d, rejected %d, uncertain %d, expired_unsent %d, pending %d + %d",
		l.Accepted, l.Submitted, l.Delivered, l.Failed, l.Expired, l.Rejected, l.Uncertain, l.ExpiredUnsent, l.PendingSend, l.PendingReceipt)
}

type comparison struct {
	ledger
	Engine     *ledger  `json:"engine"`
	Log        *ledger  `json:"log"`
	ClickHouse *ledger  `json:"clickhouse"`
	Simulator  *ledger  `json:"simulator"`
	DiffKeys   int64    `json:"diff_keys"`
	Notes      []string `json:"notes"`
}

type carrierAudit struct {
	Duplicates     int64            `json:"duplicates"`
	SendsAfterStop int64            `json:"sends_after_stop"`
	Stops          int64            `json:"stops"`
	StopReplies    int64            `json:"stop_replies"`
	MaxParts1s     map[string]int64 `json:"max_parts_1s"`
	ProtocolErrors int64            `json:"protocol_errors"`
}
