package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/google/go-cmp/cmp"
)

const exampleFile = "../../configs/fanline.yaml"

// load writes text to a file named c.yaml and loads it.
func load(t *testing.T, text string, env ...string) (*Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	if err := os.WriteFile("c.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadConfig("c.yaml", env)
}

func TestExampleLoads(t *testing.T) {
	c, err := LoadConfig(exampleFile, []string{"ACME_PASSWORD=s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Carriers[0].Password.Reveal(); got != "s3cret" {
		t.Errorf("password %q, want the environment's", got)
	}
	if got, want := c.Sending.Validity, 4*time.Hour; got != want {
		t.Errorf("validity %v, want %v", got, want)
	}
}

func TestExampleShowsTheDefaults(t *testing.T) {
	c, err := LoadConfig(exampleFile, []string{"ACME_PASSWORD=x"})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := LoadConfig("", nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Carriers, c.Numbers, c.Routes = nil, nil, RoutesConfig{}
	c.Log.Brokers, c.ClickHouse.Addresses = nil, nil // written as empty lists there
	if diff := cmp.Diff(fmt.Sprintf("%+v", *empty), fmt.Sprintf("%+v", *c)); diff != "" &&
		!strings.Contains(diff, "signing") {
		t.Errorf("configs/fanline.yaml shows something else than the defaults:\n%s", diff)
	}
}

// TestExampleDocumentsEveryKey holds that each key of the structs stands in
// configs/fanline.yaml under a comment of its own, and nothing else does.
func TestExampleDocumentsEveryKey(t *testing.T) {
	parsed, err := parser.ParseFile(exampleFile, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	documentedKeys("", parsed.Docs[0].Body, documented)
	for _, key := range structKeys("", reflect.TypeFor[Config]()) {
		commented, there := documented[key]
		switch {
		case !there:
			t.Errorf("%s does not stand in configs/fanline.yaml", key)
		case !commented:
			t.Errorf("%s has no comment above it in configs/fanline.yaml", key)
		}
	}
}

func structKeys(path string, typ reflect.Type) (keys []string) {
	for i := range typ.NumField() {
		f := typ.Field(i)
		key := join(path, f.Tag.Get("yaml"))
		keys = append(keys, key)
		inner := f.Type
		if inner.Kind() == reflect.Slice {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[Secret]() {
			keys = append(keys, structKeys(key, inner)...)
		}
	}
	return keys
}

func documentedKeys(path string, node ast.Node, into map[string]bool) {
	if list, ok := node.(*ast.SequenceNode); ok {
		for i, item := range list.Values {
			documentedKeys(path, item, into)
			// A comment above the dash belongs to the item's first key.
			above := i == 0 && list.GetComment() != nil || i < len(list.ValueHeadComments) && list.ValueHeadComments[i] != nil
			if pairs, ok := pairsOf(item); ok && above {
				into[join(path, pairs[0].Key.GetToken().Value)] = true
			}
		}
		return
	}
	pairs, _ := pairsOf(node)
	for i, pair := range pairs {
		key := join(path, pair.Key.GetToken().Value)
		comment := pair.GetComment()
		if i == 0 && comment == nil {
			comment = node.GetComment()
		}
		into[key] = comment != nil
		documentedKeys(key, pair.Value, into)
	}
}

func TestEveryProfileLoads(t *testing.T) {
	files, err := filepath.Glob("../../configs/carriers/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		byName, err := LoadProfile(strings.TrimSuffix(filepath.Base(file), ".yaml"))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		byPath, err := LoadProfile(file)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if diff := cmp.Diff(byName, byPath); diff != "" {
			t.Errorf("%s by name and by path differ:\n%s", file, diff)
		}
	}
	if p, _ := LoadProfile("simulator"); p == nil || p.KeyTLV != 0x1400 {
		t.Errorf("simulator: %+v, want key_tlv 0x1400", p)
	}
	if p, _ := LoadProfile("default"); p == nil || p.KeyTLV != 0 {
		t.Errorf("default: %+v, want no vendor TLV", p)
	}
}

func TestBadProfileIsRefusedWithItsLine(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "key_tlv: 0x1300\nstatuses: {\"0x58\": sender, \"88x\": sender, \"0x59\": perhaps}\nreceipts: {states: {DELIVRD: done}}\nton: 1\n"
	if err := os.WriteFile("p.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := LoadProfile("p.yaml")
	want := `profile p.yaml:1:10: key_tlv: 4864 found, 5120 to 16383 expected
p.yaml:2:28: statuses.88x: "88x" found, a status such as 0x00000058 expected
p.yaml:2:43: statuses.0x59: "perhaps" found, one of throttle, transient, permanent, sender, session, bind_retry, bind_fatal expected
p.yaml:3:21: receipts.states.DELIVRD: "done" found, one of delivered, failed, expired, pending expected
p.yaml:4:1: ton: unknown key; did you mean source?`
	want = strings.TrimSuffix(want, "; did you mean source?") + "; expected one of system_type, interface_version, address_range, source, short_code, toll_free, alphanumeric, destination, number_format, country_code, trunk_prefix, region, default_alphabet, data_coding, data_coding_overrides, guess_ucs2, long_text, service_type, priority, registered_delivery, validity, tlvs, key_tlv, receipts, statuses, limits, enquire_link, reconnect_min"
	if diff := cmp.Diff(want, fmt.Sprint(err)); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsAreAllNamedWithTheirPlace(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		env  []string
		want []string
	}{
		"unknown key": {
			"data: x\nhttp:\n  listn: a\n", nil,
			[]string{"c.yaml:3:3: http.listn: unknown key; did you mean listen?"},
		},
		"unknown key far from any": {
			"log: {x1: 1}", nil,
			[]string{"c.yaml:1:7: log.x1: unknown key; expected one of brokers"},
		},
		"key twice": {
			"data: x\ndata: y", nil,
			[]string{"c.yaml:2:1: data: this key already stands on line 1"},
		},
		"wrong kinds": {
			"log: [a]\ndata: {a: b}\ncarriers: x\nprogram: {name: }", nil,
			[]string{
				"c.yaml:1:1: log: a list found, keys expected",
				"c.yaml:2:1: data: keys found, text expected",
				"c.yaml:3:1: carriers: a single value found, a list expected",
				"c.yaml:4:11: program.name: nothing found, text expected",
			},
		},
		"values": {
			"sending: {policy: thrice, validity: 4}\nhttp: {listen: x, public_url: ftp://x}", nil,
			[]string{
				`c.yaml:1:19: sending.policy: policy "thrice": want at-most-once or at-least-once`,
				`c.yaml:1:37: sending.validity: "4" found, a duration such as 30s or 4h expected`,
				`c.yaml:2:16: http.listen: "x" found, address:port expected`,
				`c.yaml:2:31: http.public_url: "ftp://x" found, http(s)://host[:port][/path] expected`,
			},
		},
		"clickhouse": {
			"clickhouse: {addresses: ['a:1', 'b:2'], database: a-b}", nil,
			[]string{
				"c.yaml:1:14: clickhouse.addresses: 2 found, one expected: tables that are not replicated would differ",
				`c.yaml:1:51: clickhouse.database: "a-b" found, a name of letters, digits and _ expected`,
			},
		},
		"carrier": {
			"carriers:\n  - {name: a, hosts: ['h:1', h], system_id: abcdefghijklmnop, window: 10001, limit_per_second: 1, bind: both, tls: {ca: x}}", nil,
			[]string{
				`c.yaml:2:30: carriers[0].hosts[1]: "h" found, host:port expected`,
				`c.yaml:2:45: carriers[0].system_id: 16 octets, 1 to 15 expected (SMPP 3.4 §4.1.1)`,
				`c.yaml:2:71: carriers[0].window: 10001 found, 1 to 10000 expected`,
				`c.yaml:2:105: carriers[0].bind: "both" found, one of transceiver, transmitter, receiver, pair expected`,
				`c.yaml:2:111: carriers[0].tls.enabled: false, though other keys of tls are set`,
			},
		},
		"numbers": {
			"numbers:\n  - {number: 17735550100, leader: a, carriers: [b], limit_per_second: 0}\n  - {number: +1 x, kind: toll_free, leader: a, carriers: [], limit_per_second: 1}\n  - {number: '12', kind: short_code, leader: a, carriers: [b], limit_per_second: 1}", nil,
			[]string{
				`c.yaml:2:14: numbers[0].number: "17735550100" found, E.164 such as +17735550100 expected`,
				`c.yaml:2:49: numbers[0].carriers[0]: no carrier is named "b"`,
				`c.yaml:2:71: numbers[0].limit_per_second: 0 found, 1 to 1000000 expected`,
				`c.yaml:3:14: numbers[1].number: "+1 x" found, E.164 such as +17735550100 expected`,
				`c.yaml:3:48: numbers[1].carriers: none found, at least one name of a carrier expected`,
				`c.yaml:4:14: numbers[2].number: "12" found, a short code of 3 to 8 digits expected`,
				`c.yaml:4:60: numbers[2].carriers[0]: no carrier is named "b"`,
			},
		},
		"secrets": {
			"clickhouse: {password: hunter2}\nstore: {url: 'mysql://u:hunter2@h/d'}\nsigning_key: env:NOWHERE", nil,
			[]string{
				"c.yaml:1:24: clickhouse.password: a secret is written env:NAME or file:PATH, never in the file itself",
				"c.yaml:2:14: store.url: postgres://user@host/database expected; empty means SQLite",
				"c.yaml:3:14: signing_key: the environment has no NOWHERE",
			},
		},
		"environment": {
			"",
			[]string{"FANLINE_HTTP_LISTEN=x", "FANLINE_HTTP_LISTN=y", "FANLINE_SENDING_VALIDITY=soon"},
			[]string{
				"FANLINE_SENDING_VALIDITY: sending.validity: \"soon\" found, a duration such as 30s or 4h expected",
				"FANLINE_HTTP_LISTN: no such key in the configuration",
				"FANLINE_HTTP_LISTEN: http.listen: \"x\" found, address:port expected",
			},
		},
		"not YAML":         {"data: [x\nb: 1", nil, []string{"c.yaml:2:1: not YAML: ',' or ']' must be specified"}},
		"second document":  {"data: x\n---\ndata: y\n", nil, []string{"c.yaml:3:5: a second document: one is expected"}},
		"anchors":          {"data: &a x\nprogram: {name: *a}", nil, []string{"c.yaml:1:1: data: an anchor, alias or tag, which are not read here, found, text expected", "c.yaml:2:11: program.name: an anchor, alias or tag, which are not read here, found, text expected"}},
		"list of carriers": {"carriers: [acme]", nil, []string{"c.yaml:1:12: carriers[0]: a single value found, keys expected"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, test.text, test.env...)
			if diff := cmp.Diff(strings.Join(test.want, "\n"), fmt.Sprint(err)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Error("the error shows a secret")
			}
		})
	}
}

func TestEnvironmentWinsOverFile(t *testing.T) {
	c, err := load(t, "log: {brokers: ['a:1']}\nhttp: {listen: '127.0.0.1:1'}",
		"FANLINE_LOG_BROKERS=b:1,c:2", "FANLINE_HTTP_LISTEN=127.0.0.1:0", "FANLINE_DATA=elsewhere", "FANLINE_SERVICE_HOST=10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b:1", "c:2"}, c.Log.Brokers); diff != "" {
		t.Error(diff)
	}
	if c.HTTP.Listen != "127.0.0.1:0" || c.Data != "elsewhere" {
		t.Errorf("listen %q, data %q", c.HTTP.Listen, c.Data)
	}
	if got, want := c.SigningKey.String(), "[file:elsewhere/signing.key]"; got != want {
		t.Errorf("signing key %s, want %s: the default follows data", got, want)
	}
}

func TestUnquotedNumbersStayText(t *testing.T) {
	c, err := load(t, "carriers: [{name: a, hosts: ['h:1'], system_id: 007, limit_per_second: 5}]\n"+
		"numbers: [{number: +17735550100, leader: 12, carriers: [a], limit_per_second: 5}]")
	if err != nil {
		t.Fatal(err)
	}
	if c.Numbers[0].Number != "+17735550100" || c.Carriers[0].SystemID != "007" || c.Numbers[0].Leader != "12" {
		t.Errorf("got %+v %+v", c.Numbers[0], c.Carriers[0])
	}
}

func FuzzConfigNeverPanics(f *testing.F) {
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example))
	f.Add("carriers: [{tls: , hosts: {a: [b]}}]\nnumbers: [[], ~, {number: !!int 5}]")
	f.Add("a: &a [*a]\n<<: *a\n? b\n: c")
	f.Fuzz(func(t *testing.T, text string) {
		c := defaultConfig()
		r := newConfigReader("fuzz.yaml", nil)
		r.file([]byte(text), &c)
		for _, p := range r.problems {
			if !strings.HasPrefix(p.Place, "fuzz.yaml") || p.Message == "" {
				t.Errorf("a problem without place or words: %+v", p)
			}
		}
	})
}
