package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// story is what happens, one step after the other; the first that is wrong ends it.
type story struct {
	*program
	servers *servers
	members int
	kills   int64 // of serve, or of the log under it: each may leave a window uncertain
	stopped int64 // members who texted STOP
	last    string
}

// tell runs the story. It says at the end what it did and measures nothing.
func tell(ctx context.Context, s *servers, fanline string, members int) (err error) {
	p, err := newProgram(s, fanline)
	if err != nil {
		return err
	}
	t := &story{program: p, servers: s, members: members}
	defer func() {
		if err != nil && p.serve != nil {
			err = fmt.Errorf("%w\nserve wrote last:\n%s", err, p.serve.tail())
		}
		if stopping := p.stop(); err == nil {
			err = stopping
		}
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"the simulator starts", p.startCarrier},
		{"check finds every server before the first start", t.check},
		{"serve starts on empty servers", p.start},
		{"check finds every server while serve runs", t.check},
		{"members are imported from CSV", t.importMembers},
		{"a broadcast, and a STOP while it runs", t.broadcast(t.stopOne)},
		{"audit, by a client of its own, finds it balanced on 24 partitions", t.audit},
		{"kill -9 of serve while it sends, and a new start", t.broadcast(t.killServe)},
		{"an orderly stop while it sends, and a new start", t.broadcast(t.restartServe)},
		{"kill -9 of Kafka while it sends, and its return", t.broadcast(t.killKafka)},
		{"PostgreSQL goes away while it sends and a STOP comes, and returns", t.broadcast(t.losePostgres)},
		{"kill -9 of ClickHouse while it sends", t.broadcast(t.killClickHouse)},
		{"a second serve waits, and takes over when the first is killed", t.broadcast(t.secondServe)},
		{"a store that is not the log's is refused", t.foreignStore},
		{"serve stops in order", t.stopServe},
	} {
		begun := time.Now()
		limited, cancel := context.WithTimeoutCause(ctx, 3*time.Minute, errors.New("three minutes are over"))
		err := step.do(limited)
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Printf("ok  %-68s %5.1f s  %s\n", step.name, time.Since(begun).Seconds(), t.last)
		t.last = ""
	}
	return nil
}

func (t *story) check(ctx context.Context) error {
	var report struct {
		OK     bool
		Checks []struct{ Name, Detail string }
	}
	if err := t.ask(ctx, &report, "check", "--config", t.config, "--json"); err != nil {
		return err
	}
	for _, c := range report.Checks {
		if kind, _, _ := strings.Cut(c.Name, " "); kind == "log" || kind == "store" || kind == "clickhouse" {
			t.last += c.Detail + "; "
		}
	}
	return nil
}

func phone(i int) string { return fmt.Sprintf("+1312%07d", 2_000_000+37*i) }

func (t *story) importMembers(ctx context.Context) error {
	cities := []string{"Chicago,IL", "Houston,TX", "Miami,FL", "Denver,CO"}
	var b strings.Builder
	b.WriteString("phone,first_name,city,state,birth_date\n")
	for i := range t.members {
		fmt.Fprintf(&b, "%s,Ann%d,%s,1990-01-%02d\n", phone(i), i, cities[i%len(cities)], 1+i%28)
	}
	path := filepath.Join(t.dir, "members.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return err
	}
	var report struct{ Rows, Joined, Rejected int }
	if err := t.ask(ctx, &report, "members", "import", path, "--config", t.config, "--json"); err != nil {
		return err
	}
	if report.Joined != t.members || report.Rejected != 0 {
		return fmt.Errorf("%+v of %d rows", report, t.members)
	}
	return nil
}

// broadcast sends to all who are left, has something happen while it is on its
// way, and judges the end.
func (t *story) broadcast(meanwhile func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		var made struct{ ID, Total int64 }
		if err := t.ask(ctx, &made, "broadcast", "create", "--config", t.config, "--text", "Hey {{first_name}}, tonight!", "--audience", "all", "--json"); err != nil {
			return err
		}
		id := strconv.FormatInt(made.ID, 10)
		if err := t.ask(ctx, &made, "broadcast", "start", id, "--config", t.config, "--json"); err != nil {
			return err
		}
		if want := int64(t.members) - t.stopped; made.Total != want {
			return fmt.Errorf("broadcast %s goes to %d members, want %d", id, made.Total, want)
		}
		if err := t.serve.until(ctx, func() bool { return t.submitted(ctx, id) > int64(t.members)/8 }); err != nil {
			return err
		}
		if err := meanwhile(ctx); err != nil {
			return err
		}
		var end ledger
		if err := t.ask(ctx, &end, "broadcast", "watch", id, "--config", t.config, "--json"); err != nil {
			return err
		}
		return t.judge(ctx, id, made.Total)
	}
}

func (t *story) submitted(ctx context.Context, id string) int64 {
	var l ledger
	if t.ask(ctx, &l, "ledger", id, "--config", t.config, "--json") != nil {
		return 0
	}
	return l.Submitted
}

// judge holds all four accounts of a broadcast against each other. ClickHouse
// is a second or so behind, so it is asked until it agrees.
func (t *story) judge(ctx context.Context, id string, total int64) error {
	var c comparison
	var wrong error
	err := t.serve.until(ctx, func() bool {
		c = comparison{}
		if wrong = t.ask(ctx, &c, "ledger", id, "--compare", "--config", t.config, "--json"); wrong == nil {
			wrong = t.verdict(c, total)
		}
		return wrong == nil
	})
	if err != nil {
		return errors.Join(err, wrong)
	}
	var audit carrierAudit
	if err := t.ask(ctx, &audit, "smsc", "audit", "--log", t.simLog, "--json"); err != nil {
		return err
	}
	t.last = fmt.Sprintf("%v; duplicates %d, stops %d, sent after them %d", c.ledger, audit.Duplicates, audit.Stops, audit.SendsAfterStop)
	switch bound := t.kills * binds * window; {
	case audit.Duplicates > bound:
		return fmt.Errorf("%d duplicates, at most %d may be", audit.Duplicates, bound)
	case c.Uncertain > binds*window:
		return fmt.Errorf("%d uncertain, the windows hold %d", c.Uncertain, binds*window)
	case audit.SendsAfterStop != 0 || audit.Stops != t.stopped || audit.StopReplies != t.stopped:
		return fmt.Errorf("%d of %d STOPs, %d confirmed, %d sent after them", audit.Stops, t.stopped, audit.StopReplies, audit.SendsAfterStop)
	case audit.ProtocolErrors != 0:
		return fmt.Errorf("%d protocol errors", audit.ProtocolErrors)
	}
	return nil
}

func (t *story) verdict(c comparison, total int64) error {
	for name, l := range map[string]*ledger{"engine": c.Engine, "log": c.Log, "clickhouse": c.ClickHouse} {
		if l == nil || *l != c.ledger {
			return fmt.Errorf("the ledger is (%v), that of %s (%v); %q", c.ledger, name, l, c.Notes)
		}
	}
	switch {
	case c.Accepted != total || !c.balances():
		return fmt.Errorf("of %d: %v", total, c.ledger)
	case c.PendingSend+c.PendingReceipt != 0:
		return fmt.Errorf("not at rest: %v", c.ledger)
	case c.Simulator == nil || c.Simulator.Submitted < c.Submitted || c.DiffKeys != 0:
		return fmt.Errorf("the simulator accepted %v, the ledger says %d, %d keys differ", c.Simulator, c.Submitted, c.DiffKeys)
	}
	return nil
}

func (t *story) stopOne(ctx context.Context) error {
	t.stopped++
	var told struct{ Answered bool }
	err := t.ask(ctx, &told, "smsc", "mo", "--log", t.simLog, "--from", phone(int(t.stopped)), "--to", number, "--text", "STOP", "--wait", "30s", "--json")
	if err == nil && !told.Answered {
		err = errors.New("the STOP was not answered")
	}
	return err
}

func (t *story) audit(ctx context.Context) error {
	out, err := command(ctx, t.fanline, "audit", "--config", t.config, "--json")
	if err != nil {
		return err
	}
	var report struct {
		Topics []struct {
			Topic    string
			Retained []struct{ Partition int }
		}
		Broadcasts []struct{ Balanced bool }
		Problems   []string
		Complete   bool
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		return err
	}
	for _, topic := range report.Topics {
		if want := 24; topic.Topic != "control" && len(topic.Retained) != want {
			return fmt.Errorf("%s has %d partitions, want %d", topic.Topic, len(topic.Retained), want)
		}
	}
	if len(report.Broadcasts) != 1 || !report.Broadcasts[0].Balanced || !report.Complete || len(report.Problems) > 0 {
		return fmt.Errorf("%+v", report)
	}
	return nil
}

func (t *story) killServe(ctx context.Context) error {
	t.kills++
	t.serve.kill()
	return t.start(ctx)
}

func (t *story) restartServe(ctx context.Context) error {
	if err := t.serve.stop(time.Minute); err != nil {
		return err
	}
	return t.start(ctx)
}

func (t *story) killKafka(ctx context.Context) error {
	t.kills++
	t.servers.kafka.kill()
	return t.servers.runKafka(ctx)
}

func (t *story) losePostgres(ctx context.Context) error {
	if err := t.servers.stopPostgres("immediate"); err != nil {
		return err
	}
	// The engine needs no store to honour it.
	if err := t.stopOne(ctx); err != nil {
		return err
	}
	return t.servers.runPostgres(ctx)
}

func (t *story) killClickHouse(ctx context.Context) error {
	if err := syscall.Kill(t.servers.clickhouse.Status().PID, syscall.SIGKILL); err != nil {
		return err
	}
	return t.servers.clickhouse.Ready(ctx)
}

// secondServe starts another process with a data directory of its own. It must
// touch nothing before the first is gone.
func (t *story) secondServe(ctx context.Context) error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	first := *t.program
	t.site, t.config = "http://"+loopback(ports[0]), filepath.Join(t.dir, "second.yaml")
	if err := os.WriteFile(t.config, []byte(t.yaml(t.servers, "data2", t.site)), 0o600); err != nil {
		return err
	}
	// --compare finds the simulator's log in the data directory.
	if err := errors.Join(os.MkdirAll(filepath.Join(t.dir, "data2"), 0o700), os.Symlink(filepath.Join(t.dir, "data", "smsc"), filepath.Join(t.dir, "data2", "smsc"))); err != nil {
		return err
	}
	t.starts++
	if t.serve, err = start("the second serve", t.serveLog(), t.fanline, "serve", "--config", t.config); err != nil {
		return err
	}
	if err := t.serve.says(ctx, "this one waits until it ends"); err != nil {
		return errors.Join(err, first.serve.stop(time.Minute))
	}
	t.kills++
	first.serve.kill()
	return t.serve.until(ctx, func() bool { return ready(t.site) })
}

// foreignStore names another database with the same log.
func (t *story) foreignStore(ctx context.Context) error {
	other := *t.servers
	other.dir = filepath.Join(t.dir, "other")
	if err := os.MkdirAll(other.dir, 0o700); err != nil {
		return err
	}
	url := strings.TrimSuffix(t.servers.storeURL, "postgres") + "template1"
	other.storeURL = url
	p, err := newProgram(&other, t.fanline)
	if err != nil {
		return err
	}
	p.carrier = t.carrier
	_, err = command(ctx, t.fanline, "serve", "--config", p.config)
	if err == nil || !strings.Contains(err.Error(), "don't belong together") {
		return fmt.Errorf("it said: %w", orNil(err))
	}
	return nil
}

func (t *story) stopServe(context.Context) error {
	err := t.serve.stop(time.Minute)
	t.serve = nil
	return err
}
