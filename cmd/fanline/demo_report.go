package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"fanline/analytics"
	"fanline/api"
	"fanline/community"
	"fanline/engine/message"
	"fanline/smpp/smsc"
)

// demoReport is the line of JSON that --json ends with (contracts.md,
// "Commands"); below its fields stand those that we add.
type demoReport struct {
	Broadcast message.BroadcastID `json:"broadcast_id"`
	message.Ledger
	message.Parts
	Duration       float64    `json:"duration_s"` // from the start until every message was decided
	Rate           float64    `json:"rate_per_s"` // messages in that time
	ClickHouseRows uint64     `json:"clickhouse_rows"`
	ClickHouseKeys uint64     `json:"clickhouse_keys"`
	Balanced       bool       `json:"balanced"` // at rest, both equations hold, and ClickHouse and the engine say the same
	Lost           int64      `json:"lost"`
	Duplicates     int64      `json:"duplicates"`
	WindowsSum     int        `json:"windows_sum"`
	Resumed        bool       `json:"resumed"`
	RSSPeak        float64    `json:"rss_peak_mb"` // of this process
	SimLog         string     `json:"sim_log"`
	Journey        []demoStep `json:"journey"`

	Members        int       `json:"members"`
	SendsAfterStop int64     `json:"sends_after_stop"`
	MaxParts1s     int64     `json:"max_parts_1s"`
	LatencyMS      latencies `json:"delivery_ms"` // from the first write to the receipt
	RSSClickHouse  float64   `json:"rss_peak_clickhouse_mb"`
	RSSSimulator   float64   `json:"rss_peak_simulator_mb"`
}

type latencies struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
}

// How long ClickHouse may take to have what the log has.
const caughtUpWithin = 3 * time.Minute

// account holds the engine's account of the broadcast against ClickHouse's and
// the simulator's, and tells all of it.
func (m *demo) account(ctx context.Context, last api.Watched, r *demoReport) error {
	b, err := m.n.store.Broadcast(ctx, last.Ledger.Broadcast)
	if err != nil {
		return err
	}
	r.Broadcast = b.ID
	r.Ledger, r.Parts = last.Ledger.Ledger, last.Ledger.Parts
	m.speed(b, r)
	m.screen.note("\nWaiting for ClickHouse to have all of it …")
	if err := m.caughtUp(ctx); err != nil {
		return err
	}
	c, err := m.clickhouse(ctx, b, r)
	if err != nil {
		return fmt.Errorf("ClickHouse: %w", err)
	}
	audit, err := m.judge(ctx, r)
	if err != nil {
		return err
	}
	m.peaks(r)
	m.print(b, r, c, audit)
	return r.verdict(c)
}

// caughtUp waits until ClickHouse has everything that the log has now.
func (m *demo) caughtUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, caughtUpWithin, fmt.Errorf("%v have passed", caughtUpWithin))
	defer cancel()
	return m.n.analyticsCaughtUp(ctx)
}

// speed is that of the whole broadcast, as the store has its start and end;
// when a process was killed in between, the time until the next one counts.
func (m *demo) speed(b community.Broadcast, r *demoReport) {
	if b.Ended.After(b.Started) {
		r.Duration = b.Ended.Sub(b.Started).Seconds()
		r.Rate = float64(b.Total) / r.Duration
	}
}

// counted is what ClickHouse says of the broadcast.
type counted struct {
	messages, parts message.Ledger
	latency         analytics.Latency
	cities          []analytics.Place
}

func (m *demo) clickhouse(ctx context.Context, b community.Broadcast, r *demoReport) (c counted, err error) {
	if c.messages, c.parts, err = m.n.db.Ledger(ctx, b.ID, b.Total); err != nil {
		return c, err
	}
	if r.ClickHouseRows, r.ClickHouseKeys, err = m.n.db.Keys(ctx, b.ID); err != nil {
		return c, err
	}
	if c.latency, err = m.n.db.Latency(ctx, b.ID); err != nil {
		return c, err
	}
	r.LatencyMS = latencies{milliseconds(c.latency.P50), milliseconds(c.latency.P90), milliseconds(c.latency.P99)}
	r.Balanced = r.AtRest() && r.Ledger.Balanced() && message.Ledger(r.Parts).Balanced() &&
		c.messages == r.Ledger && c.parts == message.Ledger(r.Parts)
	c.cities, err = m.n.db.TopCities(ctx, b.ID, 5)
	return c, err
}

// judge asks the simulator's log, which no code of the engine has written.
func (m *demo) judge(ctx context.Context, r *demoReport) (smsc.Report, error) {
	var audit smsc.Report
	err := m.step(ctx, stepNothing, func(ctx context.Context) error {
		var err error
		if audit, err = smsc.Audit(m.simLog); err != nil {
			return err
		}
		return m.nothingAfter(ctx, audit.SendsAfterStop)
	})
	if err == nil && audit.Submits == 0 { // The step was taken by an earlier process.
		audit, err = smsc.Audit(m.simLog)
	}
	if err != nil {
		return audit, err
	}
	r.Duplicates, r.SendsAfterStop = audit.Duplicates, audit.SendsAfterStop
	for _, most := range audit.MaxParts1s {
		r.MaxParts1s = max(r.MaxParts1s, most)
	}
	var ids []message.BroadcastID
	m.memory.look(func(s *demoState) { ids = s.broadcasts() })
	for _, id := range ids {
		keys, err := accountKeys(ctx, m.n.db.States, m.simLog, id)
		if err != nil {
			return audit, err
		}
		r.Lost += int64(keys.lost().GetCardinality())
	}
	return audit, nil
}

// verdict is what is wrong with the account, or nil.
func (r *demoReport) verdict(c counted) error {
	var wrong []error
	bad := func(is bool, format string, args ...any) {
		if is {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	bad(!r.AtRest(), "the ledger is not at rest: %d to send, %d without a receipt", r.Ledger.PendingSend, r.Ledger.PendingReceipt)
	bad(!r.Ledger.Balanced() || !message.Ledger(r.Parts).Balanced(), "the ledger does not balance: %+v, parts %+v", r.Ledger, r.Parts)
	bad(c.messages != r.Ledger, "ClickHouse counts other messages than the engine: %+v, engine %+v", c.messages, r.Ledger)
	bad(c.parts != message.Ledger(r.Parts), "ClickHouse counts other parts than the engine: %+v, engine %+v", c.parts, r.Parts)
	bad(r.Lost > 0, "%d messages are lost: ledger and simulator differ on whether the carrier took them", r.Lost)
	bad(r.Duplicates > int64(r.WindowsSum), "%d duplicates, more than the windows hold (%d)", r.Duplicates, r.WindowsSum)
	bad(r.SendsAfterStop > 0, "%d submits after a STOP", r.SendsAfterStop)
	return errors.Join(wrong...)
}

// peaks are the most memory that the processes had so far.
func (m *demo) peaks(r *demoReport) {
	r.RSSPeak = peakMemory("self")
	if m.n.clickhouse != nil {
		r.RSSClickHouse = peakMemory(strconv.Itoa(m.n.clickhouse.Status().PID))
	}
	r.RSSSimulator = peakMemory(strconv.Itoa(m.simulator.pid()))
}

// peakMemory reads a process's VmHWM in megabytes; 0 where the system has no
// /proc or the process is gone.
func peakMemory(process string) float64 {
	raw, err := os.ReadFile("/proc/" + process + "/status")
	if err != nil {
		return 0
	}
	return parsePeak(string(raw))
}

func parsePeak(status string) float64 {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
			if err != nil {
				return 0
			}
			return kb / 1024
		}
	}
	return 0
}

// print tells the account to people.
func (m *demo) print(b community.Broadcast, r *demoReport, c counted, audit smsc.Report) {
	tell := m.screen.tell
	var table strings.Builder
	_ = printLedger(&table, api.Ledger{ // A builder takes everything.
		Broadcast: b.ID, State: b.State, Ledger: c.messages, Parts: message.Parts(c.parts), Balanced: r.Balanced, Complete: true,
	})
	tell("\nThe ledger, from ClickHouse")
	tell("%s", indented(table.String()))
	if r.Balanced {
		tell("  The engine, which counts by itself, says the same.")
	}
	tell("\nDelivery, from the first write to the receipt, from ClickHouse")
	tell("  half within %s, 90 %% within %s, 99 %% within %s",
		span(c.latency.P50.Seconds()), span(c.latency.P90.Seconds()), span(c.latency.P99.Seconds()))
	tell("\nTop cities, from ClickHouse")
	tell("%s", indented(cityTable(c.cities)))
	tell("The carrier's own log says")
	tell("  %s submits, %s accepted, %s throttled; %s lost, %s twice; at most %s parts in any second, %s allowed;\n  %s STOPs, %s submits after one",
		grouped(audit.Submits), grouped(audit.Accepted), grouped(audit.Throttled), grouped(r.Lost), grouped(r.Duplicates),
		grouped(r.MaxParts1s), grouped(simulatorLimit), grouped(audit.Stops), grouped(r.SendsAfterStop))
	tell("\nSpeed and memory")
	if r.Duration > 0 {
		tell("  %s messages in %s: %s/s, with receipts, journal, ClickHouse and the simulator on this machine",
			grouped(b.Total), span(r.Duration), grouped(int64(r.Rate)))
	}
	tell("  most memory: %.0f MB here, %.0f MB in ClickHouse, %.0f MB in the simulator", r.RSSPeak, r.RSSClickHouse, r.RSSSimulator)
	if m.exit {
		tell("\nAll of it is kept in %s: the same command shows this account again, and without --exit stays up to be asked.", m.cfg.Data)
		return
	}
	tell("\nWhat listens where")
	m.places(m.n)
	tell("\nTry, in another terminal:")
	m.try("hold engine, log, ClickHouse and carrier against each other", "ledger "+fmt.Sprint(b.ID)+" --compare"+m.shownData)
	m.try("recount everything with a client that the engine doesn't share", "audit"+m.shownData)
	m.try("see who wrote", "inbox list"+m.shownData)
	m.try("text the number as a fan would, and see what comes back",
		"smsc mo --log "+quoted(m.simLog)+" --from +14015559000 --to "+demoNumber+" --text 'Hi!'",
		"smsc messages --log "+quoted(m.simLog)+" --phone +14015559000")
	m.try("write to those in Chicago who are 21 or older", "broadcast create --text 'Hey {{first_name}}!' --audience 'city=Chicago age>=21'"+m.shownData)
	m.try("look at the carrier with two independent stacks", "carrier probe "+simulatorName+" --config "+quoted(m.cfg.Data+"/dev.yaml"))
}

func indented(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return "  " + strings.Join(lines, "\n  ")
}

func cityTable(cities []analytics.Place) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "city\tmessages\tdelivered\t\t")
	for _, c := range cities {
		share := 0.0
		if c.Messages > 0 {
			share = 100 * float64(c.Delivered) / float64(c.Messages)
		}
		fmt.Fprintf(t, "%s, %s\t%s\t%s\t%.1f %%\t\n", c.Name, c.Region, grouped(c.Messages), grouped(c.Delivered), share)
	}
	_ = t.Flush() // A builder takes everything.
	return b.String()
}
