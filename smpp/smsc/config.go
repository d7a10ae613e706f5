package smsc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"fanline/smpp"
)

// Account is one client of the simulated carrier.
type Account struct {
	SystemID string   `yaml:"system_id"`
	Password string   `yaml:"password"`         // as it is, or env:NAME, or file:PATH
	Binds    []string `yaml:"binds,omitempty"`  // transceiver, transmitter, receiver; empty: all
	MaxBinds int      `yaml:"max_binds"`        // at once; 0: 16
	Limit    int      `yaml:"limit_per_second"` // parts per second over all numbers; 0: none
	Numbers  []Number `yaml:"numbers"`          // the senders it may use
	Burst    Duration `yaml:"burst,omitempty"`  // how much of a second the limit's bucket holds; 0: 100ms

	LimitBy      string              `yaml:"limit_by,omitempty"`      // bucket: refilled all the time; second: so many in each second of the clock. Empty: bucket
	CountRefused bool                `yaml:"count_refused,omitempty"` // throttled submits count too: who goes on knocking stays throttled
	Window       int                 `yaml:"window,omitempty"`        // submits of one bind that wait for their answers; above it window_status. 0: no bound
	WindowStatus string              `yaml:"window_status,omitempty"` // empty: ESME_RMSGQFUL
	Lists        map[string][]string `yaml:"lists,omitempty"`         // distribution lists of submit_multi: phones by name
}

// Number is a sender that an account may use. "*" stands for any other, each with the limit given.
type Number struct {
	Number string   `yaml:"number"`
	Limit  int      `yaml:"limit_per_second"` // parts per second; 0: none
	Burst  Duration `yaml:"burst,omitempty"`

	MaxPending int `yaml:"max_pending,omitempty"` // receipts owed for it at once; above it ESME_RMSGQFUL. 0: no bound
}

const (
	burstDefault    = 100 * time.Millisecond
	maxBindsDefault = 16
	anyNumber       = "*"
)

// Duration is a time.Duration that YAML writes as 20ms, 3s.
type Duration time.Duration

// UnmarshalYAML reads Go's form of a duration; it must not be negative.
func (d *Duration) UnmarshalYAML(node ast.Node) error {
	at := node.GetToken().Position
	scalar, ok := node.(ast.ScalarNode)
	if !ok {
		return fmt.Errorf("[%d:%d] want a duration, such as 20ms or 3s", at.Line, at.Column)
	}
	written := fmt.Sprint(scalar.GetValue())
	v, err := time.ParseDuration(written)
	if err != nil {
		return fmt.Errorf("[%d:%d] %q is no duration, such as 20ms or 3s", at.Line, at.Column, written)
	}
	if v < 0 {
		return fmt.Errorf("[%d:%d] %s is negative", at.Line, at.Column, written)
	}
	*d = Duration(v)
	return nil
}

// StandaloneAccounts is one account that may do everything with any number: what a person needs who tries out other
// software.
func StandaloneAccounts() []Account {
	return []Account{{SystemID: "smppclient1", Password: "password", Numbers: []Number{{Number: anyNumber}}}}
}

// LoadAccounts reads the accounts file. Unknown keys and mistyped values are refused with their line, others with
// their key.
func LoadAccounts(path string) ([]Account, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return ParseAccounts(path, b)
}

// ParseAccounts reads accounts from the content of a file called name.
func ParseAccounts(name string, content []byte) ([]Account, error) {
	var file struct {
		Accounts []Account `yaml:"accounts"`
	}
	if err := parseYAML(name, content, &file); err != nil {
		return nil, err
	}
	if err := checkAccounts(file.Accounts); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return file.Accounts, nil
}

// LoadScenario reads the scenario file. Unknown keys and mistyped values are refused with their line, others with
// their key.
func LoadScenario(path string) (Scenario, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Scenario{}, err
	}
	return ParseScenario(path, b)
}

// ParseScenario reads a scenario from the content of a file called name; what it leaves out is as in DefaultScenario.
func ParseScenario(name string, content []byte) (Scenario, error) {
	s := DefaultScenario()
	if err := parseYAML(name, content, &s); err != nil {
		return s, err
	}
	if _, err := compileScenario(&s); err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func parseYAML(name string, content []byte, into any) error {
	if len(bytes.TrimSpace(content)) == 0 {
		return fmt.Errorf("%s: empty", name)
	}
	if err := yaml.UnmarshalWithOptions(content, into, yaml.Strict()); err != nil {
		return fmt.Errorf("%s: %s", name, yaml.FormatError(err, false, true)) // the line and what stands there
	}
	return nil
}

func checkAccounts(accounts []Account) error {
	if len(accounts) == 0 {
		return errors.New("accounts: none given")
	}
	seen := map[string]bool{}
	for i, a := range accounts {
		where := fmt.Sprintf("accounts[%d] (%s)", i, a.SystemID)
		switch {
		case a.SystemID == "" || len(a.SystemID) > 15:
			return fmt.Errorf("%s: system_id: 1 to 15 octets (SMPP 3.4 §5.2.1)", where)
		case seen[a.SystemID]:
			return fmt.Errorf("%s: system_id: given twice", where)
		case a.MaxBinds < 0:
			return fmt.Errorf("%s: max_binds: %d is negative", where, a.MaxBinds)
		case a.Limit < 0:
			return fmt.Errorf("%s: limit_per_second: %d is negative", where, a.Limit)
		case a.Window < 0:
			return fmt.Errorf("%s: window: %d is negative", where, a.Window)
		case a.LimitBy != "" && a.LimitBy != limitBucket && a.LimitBy != limitSecond:
			return fmt.Errorf("%s: limit_by: %q: want %s or %s", where, a.LimitBy, limitBucket, limitSecond)
		}
		if a.WindowStatus != "" {
			if _, err := parseStatus(a.WindowStatus); err != nil {
				return fmt.Errorf("%s: window_status: %w", where, err)
			}
		}
		if err := checkLists(a.Lists); err != nil {
			return fmt.Errorf("%s: lists: %w", where, err)
		}
		seen[a.SystemID] = true
		if _, err := bindKinds(a.Binds); err != nil {
			return fmt.Errorf("%s: binds: %w", where, err)
		}
		if err := checkNumbers(a.Numbers); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

func checkNumbers(numbers []Number) error {
	if len(numbers) == 0 {
		return errors.New(`numbers: none given; "*" allows any`)
	}
	seen := map[string]bool{}
	for i, n := range numbers {
		addr := canonicalPhone(n.Number)
		switch {
		case n.Number == "":
			return fmt.Errorf("numbers[%d]: number: missing", i)
		case len(addr) > 20:
			return fmt.Errorf("numbers[%d]: number: longer than 20 octets (SMPP 3.4 §5.2.8)", i)
		case seen[addr]:
			return fmt.Errorf("numbers[%d]: number: %s is given twice", i, n.Number)
		case n.Limit < 0:
			return fmt.Errorf("numbers[%d]: limit_per_second: %d is negative", i, n.Limit)
		case n.MaxPending < 0:
			return fmt.Errorf("numbers[%d]: max_pending: %d is negative", i, n.MaxPending)
		}
		seen[addr] = true
	}
	return nil
}

// checkLists holds distribution lists to what submit_multi can name (SMPP 3.4 §5.2.27).
func checkLists(lists map[string][]string) error {
	for name, phones := range lists {
		if name == "" || len(name) > 20 {
			return fmt.Errorf("%q: want a name of 1 to 20 octets", name)
		}
		for _, p := range phones {
			if parsePhone([]byte(canonicalPhone(p))) == 0 {
				return fmt.Errorf("%s: %q is no phone", name, p)
			}
		}
	}
	return nil
}

var errBindKind = errors.New("want transceiver, transmitter or receiver")

func bindKinds(names []string) ([]smpp.CommandID, error) {
	if len(names) == 0 {
		return []smpp.CommandID{smpp.BindTransceiverID, smpp.BindTransmitterID, smpp.BindReceiverID}, nil
	}
	var out []smpp.CommandID
	for _, name := range names {
		switch name {
		case "transceiver":
			out = append(out, smpp.BindTransceiverID)
		case "transmitter":
			out = append(out, smpp.BindTransmitterID)
		case "receiver":
			out = append(out, smpp.BindReceiverID)
		default:
			return nil, fmt.Errorf("%q: %w", name, errBindKind)
		}
	}
	return slices.Compact(out), nil
}

// secret resolves env:NAME and file:PATH.
func secret(s string) (string, error) {
	if name, ok := strings.CutPrefix(s, "env:"); ok {
		v, set := os.LookupEnv(name)
		if !set {
			return "", fmt.Errorf("environment variable %s is not set", name)
		}
		return v, nil
	}
	if path, ok := strings.CutPrefix(s, "file:"); ok {
		b, err := os.ReadFile(path)
		return strings.TrimRight(string(b), "\r\n"), err
	}
	return s, nil
}
