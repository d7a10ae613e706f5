package smsc_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
	"fanline/smpp/smsc"
)

// esme is a client as Fanline's own is, that keeps what it was told.
type esme struct {
	s  *session.Session
	mu sync.Mutex
	// by token: what became of a submit; a late answer counts
	codes map[uint64]session.Code
	ids   map[uint64]string
	got   int // deliveries
}

func (e *esme) Outcomes(batch []session.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range batch {
		e.codes[o.Token], e.ids[o.Token] = o.Code, string(o.MessageID)
	}
}

func (e *esme) Deliveries(batch []session.Delivery) {
	e.mu.Lock()
	e.got += len(batch)
	e.mu.Unlock()
	for _, d := range batch {
		e.s.Respond(d.Command, d.Sequence, smpp.StatusOK)
	}
}

// judged runs a simulator with a scenario, has a client send to it until it has heard of everything or the connection has
// ended, and gives what each of the two knows.
func judged(t *testing.T, yaml string, submits int) (*esme, string) {
	t.Helper()
	dir := t.TempDir()
	scenario, err := smsc.ParseScenario("scenario.yaml", []byte("seed: 3\nlatency: {max: 5ms}\n"+yaml+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- smsc.Run(ctx, smsc.Options{
			Listen: "127.0.0.1:0", LogDir: filepath.Join(dir, "log"), Scenario: &scenario,
			Accounts: []smsc.Account{{SystemID: "acme", Password: "secret", Numbers: []smsc.Number{{Number: "17735550100"}}}},
			Ready:    func(binds []smsc.Listening, _ string) { ready <- binds[0].Addr },
		})
	}()
	nc, err := net.Dial("tcp", <-ready)
	if err != nil {
		t.Fatal(err)
	}
	e := &esme{codes: map[uint64]session.Code{}, ids: map[uint64]string{}}
	e.s, err = session.Open(ctx, nc, session.Config{
		SystemID: "acme", Password: "secret", Window: 50, ResponseTimeout: 400 * time.Millisecond,
		EnquireInterval: 300 * time.Millisecond, UnbindTimeout: time.Second, Logger: slog.New(slog.DiscardHandler),
	}, e)
	if err != nil {
		t.Fatal(err)
	}
	run := make(chan error, 1)
	go func() { run <- e.s.Run(ctx) }()
	e.feed(t, submits, run)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return e, filepath.Join(dir, "log")
}

// feed submits and waits for what becomes of it.
func (e *esme) feed(t *testing.T, submits int, run <-chan error) {
	t.Helper()
	sent := 0
	deadline := time.After(20 * time.Second)
	for {
		if sent < submits {
			pdu, err := smpp.Append(nil, 0, 0, &smpp.SubmitSM{
				Source: smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: fmt.Sprint(13125550000 + sent)},
				RegisteredDelivery: 1, ShortMessage: fmt.Appendf(nil, "text %d", sent),
				Options: smpp.Options(nil).Append(smsc.TagKey, fmt.Appendf(nil, "b1.%d", sent)),
			})
			if err != nil {
				t.Fatal(err)
			}
			sent += e.s.Submit([]session.Item{{Token: uint64(sent), PDU: pdu}})
		}
		e.mu.Lock()
		known := len(e.codes)
		e.mu.Unlock()
		if known == submits {
			unbind, done := context.WithTimeout(t.Context(), 2*time.Second)
			if err := e.s.Unbind(unbind); err != nil {
				t.Logf("unbind: %v", err) // how it ends is the scenario's affair
			}
			done()
		}
		select {
		case err := <-run:
			t.Logf("the session ended: %v", err)
			return
		case <-deadline:
			t.Fatalf("%d of %d known after 20 s", known, submits)
		case <-time.After(time.Millisecond / 2):
		}
	}
}

// TestTheLogJudgesTruthfullyUnderEveryFault holds a real client's account of its submits against the log's: what the
// client knows as accepted, the log has as accepted under that very id; what it knows as refused or not sent, the log
// hasn't accepted; and of what the client can't know, the log knows more, never less.
func TestTheLogJudgesTruthfullyUnderEveryFault(t *testing.T) {
	for name, yaml := range map[string]string{
		"none":               "receipts: {delay: {max: 20ms}}",
		"late and bent":      "responses: {late: 0.1, late_by: {min: 10ms, max: 600ms}, no_body: 0.05, empty_id: 0.05, nack: 0.05}",
		"nacks for nothing":  "responses: {nack_zero: 0.05}",
		"unanswered":         "unanswered: 0.05",
		"errors":             "errors: [{status: ESME_RTHROTTLED, nth: 7}, {status: \"0x455\", share: 0.1}]\nstatuses: {ESME_RSYSERR: 0.1}",
		"odd receipts":       "receipts: {delay: {max: 20ms}, early: 0.2, duplicate: 0.2, reorder: 0.3, intermediate: 0.5, as: data_sm}",
		"drop":               "faults: [{kind: drop, after_submits: 120}]",
		"close":              "faults: [{kind: close, after_submits: 120}]",
		"half a PDU":         "faults: [{kind: half_pdu, after_submits: 120}]",
		"drop at a time":     "faults: [{kind: drop, after: 30ms}]",
		"pieces":             "faults: [{kind: pieces, after: 0s, piece: 11, pause: 1ms, for: 500ms}]",
		"silent":             "faults: [{kind: silent, after_submits: 50, submits: 20}]",
		"nack":               "faults: [{kind: nack, after_submits: 50, submits: 20}]",
		"stop reading":       "faults: [{kind: stop_reading, after_submits: 60, for: 300ms}]",
		"half open":          "faults: [{kind: half_open, after_submits: 60}]",
		"unbind":             "faults: [{kind: unbind, after_submits: 120}]",
		"flood":              "faults: [{kind: flood, after_submits: 60, count: 500}]",
		"garbage":            "faults: [{kind: garbage, after_submits: 120}]",
		"wrong length":       "faults: [{kind: bad_length, after_submits: 120, length: 3}]",
		"unbind is silent":   "on_unbind: silent",
		"closes with unbind": "on_unbind: close",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const submits = 200
			e, log := judged(t, yaml, submits)
			accepted := map[string]string{} // id by key
			var entries int
			if err := smsc.ReadLog(log, func(x *smsc.Entry) error {
				if x.Kind == smsc.KindSubmit {
					entries++
					if x.Accepted() {
						accepted[string(x.Key)] = x.ID()
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			counts := map[session.Code]int{}
			for token, code := range e.codes {
				id, taken := accepted[fmt.Sprintf("b1.%d", token)]
				counts[code]++
				switch {
				case code == session.Accepted && (!taken || e.ids[token] != "" && id != e.ids[token]):
					t.Errorf("submit %d: accepted as %q, the log has %q", token, e.ids[token], id)
				case (code == session.Refused || code == session.NotSent) && taken:
					t.Errorf("submit %d: %s, the log has it as accepted", token, code)
				}
			}
			report, err := smsc.Audit(log)
			if err != nil || int(report.Accepted) != len(accepted) || int(report.Submits) != entries || report.Duplicates != 0 {
				t.Errorf("audit: %+v, %v: the log has %d accepted of %d", report, err, len(accepted), entries)
			}
			// Elsewhere what was said may have been lost under a reset.
			exact := name == "silent" || name == "unanswered" || name == "half open"
			if unknown := counts[session.Unknown]; exact && int(report.Unanswered+report.Unsaid) < len(accepted)-counts[session.Accepted] {
				t.Errorf("the log knows of %d answers that weren't said, the client misses %d of %d unknown", report.Unanswered+report.Unsaid, len(accepted)-counts[session.Accepted], unknown)
			}
			if least, most := counts[session.Accepted], counts[session.Accepted]+counts[session.Unknown]; len(accepted) < least || len(accepted) > most {
				t.Errorf("the log has %d accepted, the client knows %v", len(accepted), counts)
			}
			if kind, _, ok := strings.Cut(yaml, ","); ok && strings.HasPrefix(kind, "faults") {
				kind = strings.TrimPrefix(kind, "faults: [{kind: ")
				if report.Faults[kind] != 1 {
					t.Errorf("the log names %v, want one %s", report.Faults, kind)
				}
			}
		})
	}
}
