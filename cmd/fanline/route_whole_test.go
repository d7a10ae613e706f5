package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/api"
)

// started is a command that runs beside the test until it is stopped.
type started struct {
	t    *testing.T
	stop context.CancelFunc
	once sync.Once
	code chan int
	mu   sync.Mutex
	said bytes.Buffer
}

func (s *started) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said.Write(b)
}

func startCommand(t *testing.T, args ...string) *started {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s := &started{t: t, stop: cancel, code: make(chan int, 1)}
	go func() { s.code <- run(ctx, commands(), args, strings.NewReader(""), s, s) }()
	t.Cleanup(s.end)
	return s
}

// end stops the command and waits for it.
func (s *started) end() {
	s.once.Do(func() {
		s.stop()
		if code := <-s.code; code != exitDone {
			s.t.Errorf("it ended with %d:\n%s", code, s.said.String())
		}
	})
}

// soon asks until the answer is yes.
func soon(t *testing.T, what string, yes func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !yes(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// twoWays is a whole process with the carriers acme and beta, both simulated,
// and routes between them. Analytics is away, which sending doesn't notice.
type twoWays struct {
	t       *testing.T
	dir     string
	carrier map[string]*started
}

func startTwoWays(t *testing.T) *twoWays {
	t.Helper()
	w := &twoWays{t: t, dir: shortTempDir(t), carrier: map[string]*started{}}
	t.Setenv("PW", "secret")
	w.write("accounts.yaml", "accounts: [{system_id: fanline, password: secret, numbers: [{number: \"+17735550100\"}]}]\n")
	hosts := map[string]string{}
	for _, name := range []string{"acme", "beta"} {
		addr := filepath.Join(w.dir, name+".addr")
		w.carrier[name] = startCommand(t, "smsc", "--listen", "127.0.0.1:0", "--accounts", filepath.Join(w.dir, "accounts.yaml"), "--addr", addr, "--log", filepath.Join(w.dir, name))
		soon(t, name+" listens", func() bool {
			raw, err := os.ReadFile(addr)
			hosts[name] = strings.TrimSpace(string(raw))
			return err == nil && hosts[name] != ""
		})
	}
	w.write("c.yaml", fmt.Sprintf(`data: %s/data
http: {listen: "127.0.0.1:0"}
clickhouse: {addresses: ["127.0.0.1:1"]}
sending: {validity: 2m, receipt_grace: 1m}
carriers:
  - {name: acme, profile: simulator, hosts: [%q], system_id: fanline, password: env:PW, window: 50, limit_per_second: 5000}
  - {name: beta, profile: simulator, hosts: [%q], system_id: fanline, password: env:PW, window: 50, limit_per_second: 5000}
numbers:
  - {number: "+17735550100", leader: demo, carriers: [acme, beta], limit_per_second: 5000}
routes:
  networks: [{name: tmo, aliases: [T-Mobile]}]
  prefixes: [{prefix: +1312, network: att}]
  rules:
    - {name: att, networks: [att], carriers: [{name: acme, weight: 70}, {name: beta, weight: 30}]}
    - {name: tmo, networks: [tmo], carriers: [{name: beta}]}
`, w.dir, hosts["acme"], hosts["beta"]))
	startCommand(t, "serve", "--config", filepath.Join(w.dir, "c.yaml"))
	soon(t, "both carriers are healthy", func() bool {
		code, out, _ := w.says("route", "explain", "+13125550000", "--json")
		return code == exitDone && strings.Count(out, `"healthy":true`) == 2
	})
	return w
}

func (w *twoWays) write(name, text string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

func (w *twoWays) says(args ...string) (int, string, string) {
	w.t.Helper()
	return fanline(w.t, append(args, "--data", filepath.Join(w.dir, "data"))...)
}

func (w *twoWays) mustSay(args ...string) string {
	w.t.Helper()
	code, out, complaints := w.says(args...)
	if code != exitDone {
		w.t.Fatalf("%v: exit %d\n%s%s", args, code, out, complaints)
	}
	return out
}

// broadcast sends a text to all, who are so many, and returns by which carrier
// each phone got it.
func (w *twoWays) broadcast(text string, all int) (got map[string]string) {
	w.t.Helper()
	var made api.Broadcast
	if err := json.Unmarshal([]byte(w.mustSay("broadcast", "create", "--text", text, "--audience", "all", "--json")), &made); err != nil {
		w.t.Fatal(err)
	}
	w.mustSay("broadcast", "start", fmt.Sprint(made.ID))
	soon(w.t, "everybody was reached", func() bool {
		got = w.reached(text)
		return len(got) >= all
	})
	return got
}

// reached reads in the carriers' logs who got a text.
func (w *twoWays) reached(text string) map[string]string {
	w.t.Helper()
	got := map[string]string{}
	for name := range w.carrier {
		_, out, _ := fanline(w.t, "smsc", "log", filepath.Join(w.dir, name))
		for line := range strings.Lines(out) {
			var e struct{ Dir, Command, Text, Destination, Status string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				w.t.Fatal(err)
			}
			if e.Dir == "in" && e.Command == "submit_sm" && e.Text == text && e.Status == "ESME_ROK" {
				phone := "+" + strings.TrimPrefix(e.Destination, "+")
				if had := got[phone]; had != "" {
					w.t.Errorf("%s got it by %s and %s", phone, had, name)
				}
				got[phone] = name
			}
		}
	}
	return got
}

func (w *twoWays) explained(phone string) (told api.Route) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(w.mustSay("route", "explain", phone, "--json")), &told); err != nil {
		w.t.Fatal(err)
	}
	return told
}

// TestMembersAreReachedByTheCarriersThatAreExplained goes from an imported file
// to the logs of two carriers: what `fanline route explain` tells is what
// happens, also when a carrier is gone and after a member wrote by the other.
func TestMembersAreReachedByTheCarriersThatAreExplained(t *testing.T) {
	w := startTwoWays(t)
	var file strings.Builder
	file.WriteString("phone,carrier\n")
	var phones []string
	for i := range 40 {
		for phone, carrier := range map[string]string{"+131255501": "", "+121255501": "T-Mobile", "+164655501": "beta", "+150255501": ""} {
			phones = append(phones, fmt.Sprintf("%s%02d", phone, i))
			fmt.Fprintf(&file, "%s%02d,%s\n", phone, i, carrier)
		}
	}
	w.write("members.csv", file.String())
	w.mustSay("members", "import", filepath.Join(w.dir, "members.csv"))
	counts := map[string]int{}
	got := w.broadcast("one", len(phones))
	for _, phone := range phones {
		told := w.explained(phone)
		if got[phone] != told.Carrier {
			t.Errorf("%s was reached by %q, the explanation says %s: %s", phone, got[phone], told.Carrier, told.Why)
		}
		counts[phone[:5]+" "+got[phone]]++
	}
	if counts["+1212 beta"] != 40 || counts["+1646 beta"] != 40 || counts["+1502 acme"] != 40 || counts["+1312 acme"] < 20 || counts["+1312 beta"] < 5 {
		t.Errorf("%v", counts)
	}

	// One writes by beta: the answer and all that follows goes there.
	const writer = "+15025550100"
	code, out, complaints := fanline(t, "smsc", "mo", "--log", filepath.Join(w.dir, "beta"), "--from", writer, "--to", "+17735550100", "--text", "HELP")
	if code != exitDone {
		t.Fatal(out, complaints)
	}
	soon(t, "the store remembers by which carrier a member wrote", func() bool { return w.explained(writer).Carrier == "beta" })
	if got = w.broadcast("two", len(phones)); got[writer] != "beta" || got["+15025550101"] != "acme" {
		t.Errorf("the writer was reached by %s, a neighbour by %s", got[writer], got["+15025550101"])
	}

	w.carrier["acme"].end()
	soon(t, "acme is not healthy", func() bool { return w.explained("+15025550101").Carrier == "beta" })
	got = w.broadcast("three", len(phones))
	for _, phone := range phones {
		if got[phone] != "beta" {
			t.Errorf("%s was reached by %q while acme was gone", phone, got[phone])
		}
	}
}
