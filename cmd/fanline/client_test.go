package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/api"
	"fanline/community"
	"fanline/engine/message"
)

const theNumber = message.Phone(17735550100)

// running is a process as its clients see it: a store behind /v1 on the socket
// of a data directory, without anything that sends.
type runningProcess struct {
	t     *testing.T
	dir   string
	store *community.Store

	mu       sync.Mutex
	progress api.Progress
	compared api.Comparison
}

func startProcess(t *testing.T) *runningProcess {
	t.Helper()
	p := &runningProcess{t: t, dir: shortTempDir(t)}
	d := holdData(t, p.dir)
	store, err := community.Open(t.Context(), filepath.Join(p.dir, "fanline.db"), community.Options{Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	p.store = store
	if err := store.SyncNumbers(t.Context(), []community.Number{{Number: theNumber, Leader: "Maya", LimitPerSecond: 100}}); err != nil {
		t.Fatal(err)
	}
	listener, err := listenControl(d)
	if err != nil {
		t.Fatal(err)
	}
	a := api.New(api.Config{
		Store: store, Validity: time.Hour, Log: slog.New(slog.DiscardHandler),
		Progress: func(message.BroadcastID) api.Progress {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.progress
		},
		Compare: func(context.Context, message.BroadcastID) (api.Comparison, error) { return p.compared, nil },
		Measure: func(string) (api.Measured, error) { return api.Measured{Encoding: "gsm7", Parts: 1}, nil },
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, listener, a.Handler()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// set changes what the process knows of its broadcasts.
func (p *runningProcess) set(change func(*api.Progress)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.progress)
}

// says runs a command with a stdin and returns code, stdout and stderr.
func (p *runningProcess) says(stdin string, args ...string) (int, string, string) {
	p.t.Helper()
	var out, complaints strings.Builder
	code := run(p.t.Context(), commands(), append(args, "--data", p.dir), strings.NewReader(stdin), &out, &complaints)
	return code, out.String(), complaints.String()
}

// mustSay is says for a command that must succeed.
func (p *runningProcess) mustSay(args ...string) string {
	p.t.Helper()
	code, out, complaints := p.says("", args...)
	if code != exitDone {
		p.t.Fatalf("%v: exit %d\n%s%s", args, code, out, complaints)
	}
	return out
}

func (p *runningProcess) file(name, content string) string {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

const people = "phone,first_name,city,state\n+13125550101,Ann,Chicago,IL\n+13125550102,Bob,Boston,MA\nnonsense,Eve,Nowhere,XX\n"

// lastLine reads the line of JSON that a command ends with.
func lastLine[T any](t *testing.T, out string) T {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var v T
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &v); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return v
}

func TestAnImportJoinsGoodRowsAndKeepsTheOthers(t *testing.T) {
	p := startProcess(t)
	path := p.file("people.csv", people)
	got := lastLine[map[string]any](t, p.mustSay("members", "import", path, "--json"))
	rejects := filepath.Join(p.dir, "people.rejects.csv")
	for field, want := range map[string]any{"rows": 3.0, "created": 2.0, "joined": 2.0, "rejected": 1.0, "rejects_file": rejects, "number": "+17735550100"} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	kept, err := os.ReadFile(rejects)
	if err != nil || !strings.HasPrefix(string(kept), "line,reason,phone") || !strings.Contains(string(kept), "\n4,") || !strings.Contains(string(kept), "nonsense,Eve") {
		t.Errorf("rejects %q, %v", kept, err)
	}
	out := p.mustSay("members", "import", p.file("good.csv", people[:strings.Index(people, "nonsense")]))
	if !strings.Contains(out, "unchanged") || !strings.Contains(out, "rows") {
		t.Errorf("table:\n%s", out)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "good.rejects.csv")); err == nil {
		t.Error("a reject file without rejects was left")
	}
}

func TestAnImportSaysWhatIsWrongWithItsFile(t *testing.T) {
	p := startProcess(t)
	good := p.file("people.csv", people)
	for _, tt := range []struct {
		name  string
		args  []string
		stdin string
		says  string
	}{
		{"no file", []string{"/nowhere/people.csv"}, "", "no such file"},
		{"no name", nil, "", "FILE is missing"},
		{"a directory", []string{p.dir, "--format", "csv"}, "", "is a directory"},
		{"format unknown", []string{p.file("people.xlsx", "PK")}, "", "--format"},
		{"no phone column", []string{p.file("names.csv", "name\nAnn\n")}, "", "phone"},
		{"empty", []string{p.file("empty.csv", "")}, "", "empty"},
		{"binary", []string{"-", "--format", "csv"}, "\x00\x01\x02\xff", "header"},
		{"rejects over the file", []string{good, "--rejects", good}, "", "overwrite"},
		{"rejects nowhere", []string{good, "--rejects", "/nowhere/x.csv"}, "", "reject file"},
		{"another's number", []string{good, "--number", "+12025550123"}, "", "not configured"},
	} {
		code, _, complaints := p.says(tt.stdin, append([]string{"members", "import"}, tt.args...)...)
		if code == exitDone || !strings.Contains(complaints, tt.says) {
			t.Errorf("%s: exit %d, %q; want %q", tt.name, code, complaints, tt.says)
		}
	}
	if raw, err := os.ReadFile(good); err != nil || string(raw) != people {
		t.Error("the file was changed")
	}
}

func TestALargeImportStreamsFromStdin(t *testing.T) {
	p := startProcess(t)
	var file strings.Builder
	const rows = 30_000
	for i := range rows {
		fmt.Fprintf(&file, "{\"phone\":\"+1312%07d\",\"first_name\":\"Ann\"}\n", 2000000+i)
	}
	code, out, complaints := p.says(file.String(), "members", "import", "-", "--format", "ndjson", "--json")
	if code != exitDone {
		t.Fatal(complaints)
	}
	if got := lastLine[imported](t, out); got.Created != rows || got.Rejected != 0 {
		t.Errorf("%+v", got)
	}
	if !strings.Contains(complaints, "rows") {
		t.Errorf("no progress: %q", complaints)
	}
}

func TestABroadcastGoesFromDraftToLedger(t *testing.T) {
	p := startProcess(t)
	p.mustSay("members", "import", p.file("people.csv", people))
	code, out, complaints := p.says("Hey {{first_name}}!\n", "broadcast", "create", "--text", "-", "--audience", "all", "--json")
	if code != exitDone {
		t.Fatal(complaints)
	}
	b := lastLine[api.Broadcast](t, out)
	if b.ID != 1 || b.State != community.Draft || b.Text != "Hey {{first_name}}!" {
		t.Errorf("%+v", b)
	}
	dry := p.mustSay("broadcast", "dry-run", "1")
	for _, want := range []string{"members    2", "gsm7 2 of 2 measured", "such as    Hey Ann!", "100 parts a second"} {
		if !strings.Contains(dry, want) {
			t.Errorf("dry run lacks %q:\n%s", want, dry)
		}
	}
	p.set(func(pr *api.Progress) { pr.Ready, pr.Epochs = true, []message.Epoch{1, 1} })
	started := lastLine[api.Controlled](t, p.mustSay("broadcast", "start", "1", "--json"))
	if started.Total != 2 || started.Effective == nil || started.NotSent != 2 {
		t.Errorf("%+v", started)
	}
	p.set(func(pr *api.Progress) {
		pr.Planned, pr.Messages[message.Delivered], pr.Messages[message.Failed] = 2, 1, 1
		pr.Parts[message.Delivered], pr.Parts[message.Failed] = 1, 1
	})
	code, out, complaints = p.says("", "broadcast", "watch", "--json")
	if got := lastLine[map[string]any](t, out); code != exitDone || got["delivered"] != 1.0 || got["parts_failed"] != 1.0 || got["balanced"] != true {
		t.Errorf("%d %v", code, got)
	}
	if !strings.Contains(complaints, "100%") || !strings.Contains(complaints, "delivered 1") || !strings.Contains(complaints, "100 allowed") {
		t.Errorf("progress %q", complaints)
	}
	if table := p.mustSay("ledger"); !strings.Contains(table, "it balances") || !strings.Contains(table, "pending_receipt") {
		t.Errorf("ledger:\n%s", table)
	}
	if list := p.mustSay("broadcast", "list"); !strings.Contains(list, "sending") || !strings.Contains(list, "Hey {{first_name}}!") {
		t.Errorf("list:\n%s", list)
	}
}

func TestALedgerIsComparedWithItsSources(t *testing.T) {
	p := startProcess(t)
	p.mustSay("broadcast", "create", "--text", "x", "--audience", "all")
	p.compared = api.Comparison{Log: &message.Ledger{Accepted: 7}, ClickHouse: &message.Ledger{Accepted: 7}, DiffKeys: 3, Examples: []string{"b1.2"}, Notes: []string{"simulator: not ours"}}
	got := lastLine[map[string]any](t, p.mustSay("ledger", "1", "--compare", "--json"))
	if got["diff_keys"] != 3.0 || got["simulator"] != nil || got["log"].(map[string]any)["accepted"] != 7.0 || got["accepted"] != 0.0 || got["compare"] != nil {
		t.Errorf("%v", got)
	}
	table := p.mustSay("ledger", "1", "--compare")
	for _, want := range []string{"engine", "clickhouse", "messages on which they differ: 3", "such as: b1.2", "note: simulator"} {
		if !strings.Contains(table, want) {
			t.Errorf("lacks %q:\n%s", want, table)
		}
	}
}

func TestControlsTellWhatHasLeft(t *testing.T) {
	p := startProcess(t)
	p.mustSay("members", "import", p.file("people.csv", people))
	p.mustSay("broadcast", "create", "--text", "x", "--audience", "all")
	p.set(func(pr *api.Progress) { pr.Ready, pr.Epochs = true, []message.Epoch{9, 9} })
	p.mustSay("broadcast", "start", "1")
	p.set(func(pr *api.Progress) { pr.Messages[message.Submitted] = 1 })
	if out := p.mustSay("broadcast", "pause", "1"); !strings.Contains(out, "paused, effective after") || !strings.Contains(out, "1 sent, 1 not sent") {
		t.Errorf("%s", out)
	}
	p.mustSay("broadcast", "resume", "1")
	got := lastLine[map[string]any](t, p.mustSay("broadcast", "cancel", "1", "--json"))
	if got["id"] != 1.0 || got["state"] != "cancelled" || got["sent"] != 1.0 || got["not_sent"] != 1.0 || got["effective_ms"] == nil {
		t.Errorf("%v", got)
	}
	if code, _, complaints := p.says("", "broadcast", "resume", "1"); code != exitFailed || !strings.Contains(complaints, "cancelled") {
		t.Errorf("%d %s", code, complaints)
	}
}

func TestBroadcastErrorsSayWhatToDo(t *testing.T) {
	p := startProcess(t)
	for _, tt := range []struct {
		args []string
		says string
	}{
		{[]string{"create", "--audience", "all"}, "--text is missing"},
		{[]string{"create", "--text", "x"}, "--audience all"},
		{[]string{"create", "--text", strings.Repeat("x", 10_000), "--audience", "all"}, "text: has 10000 characters, at most 400"},
		{[]string{"create", "--text", "Hey {{name}}", "--audience", "all"}, "want one of first_name"},
		{[]string{"create", "--text", "x", "--audience", "town=Rome"}, "is no field"},
		{[]string{"create", "--text", "x", "--audience", "all", "--number", "5"}, "--number 5"},
		{[]string{"start", "7"}, "not found"},
		{[]string{"start"}, "ID is missing"},
		{[]string{"watch"}, "no broadcast yet"},
		{[]string{"watch", "1", "2"}, "one word too many"},
		{[]string{"dry-run", "x"}, "or last"},
	} {
		code, _, complaints := p.says("", append([]string{"broadcast"}, tt.args...)...)
		if code != exitUsage || !strings.Contains(complaints, tt.says) {
			t.Errorf("%.60q: exit %d, %q; want %q", tt.args, code, complaints, tt.says)
		}
	}
}

func TestGroupsAndInboxGoByHand(t *testing.T) {
	p := startProcess(t)
	p.mustSay("members", "import", p.file("people.csv", people))
	if out := p.mustSay("members", "group", "add", "vip", "+13125550101", "+13125559999"); !strings.Contains(out, "1 put into vip") || !strings.Contains(out, "+13125559999") {
		t.Error(out)
	}
	code, out, _ := p.says("+13125550102\n\n", "members", "group", "add", "vip", "-", "--json")
	if got := lastLine[api.GroupChanged](t, out); code != exitDone || got.Changed != 1 {
		t.Errorf("%+v", got)
	}
	if out := p.mustSay("members", "group", "list"); !strings.Contains(out, "vip") || !strings.Contains(out, "2") {
		t.Error(out)
	}
	if out := p.mustSay("members", "group", "remove", "vip", "+13125550102"); !strings.Contains(out, "1 taken out of vip") {
		t.Error(out)
	}
	if code, _, complaints := p.says("", "members", "group", "add", "vip"); code != exitUsage || !strings.Contains(complaints, "add GROUP PHONE") {
		t.Error(complaints)
	}
	if out := p.mustSay("inbox", "list"); !strings.Contains(out, "nobody who has joined has written yet") {
		t.Error(out)
	}
	m, err := p.store.FindMember(t.Context(), theNumber, 13125550101)
	if err == nil {
		err = p.store.InTx(t.Context(), func(tx *community.Tx) error {
			_, err := tx.AppendText(t.Context(), theNumber, m.Member.ID, community.Text{Direction: community.In, Text: "Hi \x1b[2J there"})
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	list := p.mustSay("inbox", "list")
	if !strings.Contains(list, "Ann") || !strings.Contains(list, "Chicago, IL") || strings.Contains(list, "\x1b") {
		t.Errorf("%q", list)
	}
	id := fmt.Sprint(m.Member.ID)
	if out := p.mustSay("inbox", "show", id); !strings.Contains(out, "Ann: Hi \uFFFD[2J there") {
		t.Errorf("%q", out)
	}
	if got := lastLine[api.Replied](t, p.mustSay("inbox", "reply", "+13125550101", "Hello Ann!", "--json")); got.Member != m.Member.ID || got.ID == "" {
		t.Errorf("%+v", got)
	}
	if out := p.mustSay("inbox", "list", "--json"); !strings.Contains(out, `"unread":0`) || !strings.Contains(out, "Hello Ann!") {
		t.Error(out)
	}
}

func TestWithoutAProcessACommandSaysHowToStartOne(t *testing.T) {
	var out, complaints strings.Builder
	dir := shortTempDir(t)
	code := run(t.Context(), commands(), []string{"ledger", "--data", dir}, strings.NewReader(""), &out, &complaints)
	if code != exitFailed || !strings.Contains(complaints.String(), "fanline dev --data "+dir) {
		t.Errorf("%d %s", code, complaints.String())
	}
}

func TestTheDataDirectoryIsFoundAsTheProcessFindsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("data: /srv/fan\ncarriers:\n  - {name: acme, password: env:NOT_HERE}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) (string, bool) { return "", false }
	set := func(name string) (string, bool) { return "/env", name == "FANLINE_DATA" }
	for _, tt := range []struct {
		data, config string
		env          lookup
		want         string
	}{
		{"", "", none, "./data"}, {"", file, none, "/srv/fan"}, {"", file, set, "/env"}, {"/flag", file, set, "/flag"}, {"", "", set, "/env"},
	} {
		if got, err := clientDataDir(tt.data, tt.config, tt.env); err != nil || got != tt.want {
			t.Errorf("%q %q: %q, %v; want %q", tt.data, tt.config, got, err, tt.want)
		}
	}
	if _, err := clientDataDir("", "/nowhere.yaml", none); err == nil {
		t.Error("a configuration that isn't there was passed over")
	}
}

func TestTheProgressLineSaysWhatMattersNow(t *testing.T) {
	left := 90.0
	base := api.Watched{Planned: 900, Sent: 500, Delivered: 400, Failed: 10, Rate: 1234.5, Allowed: 5000, SecondsLeft: &left}
	base.Ledger = api.Ledger{Broadcast: 3, State: community.Sending, Ledger: message.Ledger{Accepted: 1000, PendingSend: 500}}
	got := progressLine(base)
	if want := "[██████████░░░░░░░░░░]  50% · planned 900 · sent 500 · delivered 400 · failed 10 · 1,234/s (5,000 allowed) · 90 s left"; got != want {
		t.Errorf("\n%s\n%s", got, want)
	}
	base.Ledger.State = community.Paused
	if got := progressLine(base); !strings.HasSuffix(got, "· paused") {
		t.Error(got)
	}
	base.Ledger.Ledger.PendingSend, base.Ledger.Ledger.PendingReceipt, base.Ledger.State, base.Allowed = 0, 20, community.Sending, 0
	if got := progressLine(base); !strings.HasSuffix(got, "(no limit) · receipts to come: 20") {
		t.Error(got)
	}
}

func TestCountsAreGroupedInThousands(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -999: "-999"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestTextsOfPeopleCannotDriveTheTerminal(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\tc": "a b c", "\x1b]0;x\x07": "\uFFFD]0;x\uFFFD", "a\u202eb": "a\uFFFDb", "\xff": "\uFFFD", "\u009b2J": "\uFFFD2J", "👍🏽 é": "👍🏽 é",
	} {
		if got := shown(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
