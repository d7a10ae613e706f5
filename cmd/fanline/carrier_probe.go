package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"fanline/engine/message"
	"fanline/smpp"
)

// probeText is what --to receives from a stack. It names the stack, so that the
// phone and the carrier see two messages and no duplicate. All of it is in every
// default alphabet.
func probeText(stack string) string {
	return "Fanline carrier probe by " + stack + ". No need to answer."
}

// childStart is what the start of a process may take on a machine under load.
const childStart = 10 * time.Second

// probeJob is what both stacks are asked to do. The independent one gets it on
// its standard input, since a password has no place among arguments.
type probeJob struct {
	Host        string        `json:"host"`
	TLS         TLSConfig     `json:"tls"`
	Bind        string        `json:"bind"`
	SystemID    string        `json:"system_id"`
	Password    string        `json:"password"`
	SystemType  string        `json:"system_type"`
	Source      smpp.Address  `json:"source"`
	Destination *smpp.Address `json:"destination"` // nil: nothing is submitted
	Timeout     time.Duration `json:"timeout"`     // of each question
}

// probeSight is what one stack saw.
type probeSight struct {
	Stack         string  `json:"stack"`
	Bind          string  `json:"bind"` // accepted, refused, failed or unreachable
	Code          string  `json:"code,omitempty"`
	LatencyMS     float64 `json:"latency_ms"`
	SMSC          string  `json:"smsc,omitempty"` // the system_id it answered with
	EnquireLink   string  `json:"enquire_link,omitempty"`
	EnquireLinkMS float64 `json:"enquire_link_ms,omitempty"`
	Submit        string  `json:"submit,omitempty"`
	SubmitCode    string  `json:"submit_code,omitempty"`
	SubmitMS      float64 `json:"submit_ms,omitempty"`
	ID            string  `json:"id,omitempty"` // the carrier's message id
	Error         string  `json:"error,omitempty"`
}

// The words of a sight.
const (
	sawAccepted    = "accepted"
	sawRefused     = "refused"
	sawFailed      = "failed"
	sawUnreachable = "unreachable"
)

// probeReport is the JSON of `fanline carrier probe`.
type probeReport struct {
	Carrier     string     `json:"carrier"`
	Host        string     `json:"host"`
	Ours        probeSight `json:"ours"`
	Independent probeSight `json:"independent"`
	Differences []string   `json:"differences"`
}

func runCarrierProbe(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("carrier probe", stderr)
	path := flags.String("config", "", "configuration `FILE` that has the carrier")
	host := flags.String("host", "", "`HOST:PORT` to probe; default: the carrier's first")
	bind := flags.String("bind", "transmitter", "`KIND` of bind; transmitter keeps the account's texts and receipts where they are")
	to := flags.String("to", "", "`PHONE` that gets one text from each stack; default: nothing is sent")
	from := flags.String("from", "", "`NUMBER` to send from; default: the first number of this carrier")
	asJSON := flags.Bool("json", false, "end with one line of JSON")
	names, err := parseFlags(flags, args, "NAME")
	if err != nil {
		return err
	}
	config, err := LoadConfig(*path, os.Environ())
	if err != nil {
		return err
	}
	carrier, err := config.carrier(names[0])
	if err != nil {
		return usageError{err}
	}
	job, err := carrier.probeJob(config, *host, *bind, *from, *to)
	if err != nil {
		return usageError{err}
	}
	report := probeReport{Carrier: carrier.Name, Host: job.Host}
	// One after the other: an account may allow a single bind.
	report.Ours = probeOurs(ctx, job)
	report.Independent = probeIndependentChild(ctx, job, stderr)
	report.Differences = differences(report.Ours, report.Independent)
	if err := report.print(stdout, *asJSON); err != nil {
		return err
	}
	if !report.Ours.allAccepted() || !report.Independent.allAccepted() {
		return errReported
	}
	return nil
}

// carrier finds a carrier by its name.
func (c *Config) carrier(name string) (*CarrierConfig, error) {
	var names []string
	for i := range c.Carriers {
		if c.Carriers[i].Name == name {
			return &c.Carriers[i], nil
		}
		names = append(names, c.Carriers[i].Name)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("no carrier %q: the configuration names none; give one with --config", name)
	}
	return nil, fmt.Errorf("no carrier %q: there are %s", name, strings.Join(names, ", "))
}

func (c *CarrierConfig) probeJob(config *Config, host, bind, from, to string) (probeJob, error) {
	job := probeJob{
		Host: cmp.Or(host, c.Hosts[0]), TLS: c.TLS, Bind: bind,
		SystemID: c.SystemID, Password: c.Password.Reveal(), SystemType: c.SystemType, Timeout: c.Response,
	}
	if _, ok := bindCommand(bind); !ok {
		return job, fmt.Errorf("--bind %q: one of %s expected", bind, strings.Join(bindKinds(), ", "))
	}
	if to == "" {
		return job, nil
	}
	if bind == "receiver" {
		return job, errors.New("--to: a receiver bind cannot submit")
	}
	phone, err := message.ParsePhone(to)
	if err != nil {
		return job, fmt.Errorf("--to: %w", err)
	}
	for i := range config.Numbers {
		n := &config.Numbers[i]
		for _, name := range n.Carriers {
			if name == c.Name {
				from = cmp.Or(from, n.Number)
			}
		}
	}
	if from == "" {
		return job, errors.New("--from: no number uses this carrier, name one")
	}
	profile, err := LoadProfile(c.Profile)
	if err != nil {
		return job, err
	}
	job.Source = profile.Source.address(strings.TrimPrefix(from, "+"))
	destination := profile.Destination.address(phone.Digits())
	job.Destination = &destination
	return job, nil
}

func (a AddressProfile) address(digits string) smpp.Address {
	return smpp.Address{TON: byte(a.TON), NPI: byte(a.NPI), Addr: digits}
}

func bindCommand(kind string) (smpp.CommandID, bool) {
	switch kind {
	case "transceiver":
		return smpp.BindTransceiverID, true
	case "transmitter":
		return smpp.BindTransmitterID, true
	case "receiver":
		return smpp.BindReceiverID, true
	}
	return 0, false
}

// dial connects as the carrier's binds do.
func (j *probeJob) dial(ctx context.Context) (net.Conn, error) {
	c := CarrierConfig{TLS: j.TLS}
	return c.dial(ctx, j.Host)
}

// probeIndependentChild runs the independent stack in a process of its own: what
// a carrier sends can panic it, and that is an answer, not the end of ours.
func probeIndependentChild(ctx context.Context, job probeJob, stderr io.Writer) probeSight {
	failed := func(err error) probeSight {
		return probeSight{Stack: independentStack, Bind: sawFailed, Error: err.Error()}
	}
	input, err := json.Marshal(job)
	if err != nil {
		return failed(err)
	}
	self, err := os.Executable()
	if err != nil {
		return failed(err)
	}
	// Bind, enquire_link, submit, unbind are each bounded by the job's own time-out; this ends a stack that hangs.
	ctx, cancel := context.WithTimeout(ctx, 5*job.Timeout+childStart)
	defer cancel()
	var out, complaints bytes.Buffer
	child := exec.CommandContext(ctx, self, independentCommand)
	child.Stdin, child.Stdout, child.Stderr = bytes.NewReader(input), &out, &complaints
	if err := child.Run(); err != nil {
		_, _ = stderr.Write(complaints.Bytes()) // A stack trace, for whoever wants to report it there.
		first, _, _ := strings.Cut(complaints.String(), "\n")
		return failed(fmt.Errorf("the stack broke down: %w: %s", err, first))
	}
	var saw probeSight
	if err := json.Unmarshal(out.Bytes(), &saw); err != nil {
		return failed(err)
	}
	return saw
}

func (s *probeSight) allAccepted() bool {
	good := func(word string) bool { return word == "" || word == sawAccepted }
	return s.Bind == sawAccepted && good(s.EnquireLink) && good(s.Submit) && s.Error == ""
}

// differences are what to ask the carrier, or us, about. Ids and latencies differ
// by nature.
func differences(ours, other probeSight) []string {
	found := []string{}
	compare := func(what, a, b string) {
		if a != b {
			found = append(found, fmt.Sprintf("%s: %s saw %s, %s saw %s", what, ours.Stack, cmp.Or(a, "nothing"), other.Stack, cmp.Or(b, "nothing")))
		}
	}
	compare("bind", ours.Bind, other.Bind)
	compare("bind code", ours.Code, other.Code)
	compare("smsc", ours.SMSC, other.SMSC)
	compare("enquire_link", ours.EnquireLink, other.EnquireLink)
	compare("submit", ours.Submit, other.Submit)
	compare("submit code", ours.SubmitCode, other.SubmitCode)
	return found
}

func (r probeReport) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	fmt.Fprintf(w, "carrier %s, %s\n", r.Carrier, r.Host)
	for _, s := range []probeSight{r.Ours, r.Independent} {
		fmt.Fprintf(w, "  %-8s bind %s %s, %.1f ms", s.Stack, s.Bind, s.Code, s.LatencyMS)
		if s.EnquireLink != "" {
			fmt.Fprintf(w, "; enquire_link %s, %.1f ms", s.EnquireLink, s.EnquireLinkMS)
		}
		if s.Submit != "" {
			fmt.Fprintf(w, "; submit %s %s, %.1f ms, id %q", s.Submit, s.SubmitCode, s.SubmitMS, s.ID)
		}
		if s.Error != "" {
			fmt.Fprintf(w, "; %s", s.Error)
		}
		fmt.Fprintln(w)
	}
	for _, d := range r.Differences {
		fmt.Fprintln(w, "  differs:", d)
	}
	_, err := fmt.Fprintf(w, "%d differences\n", len(r.Differences))
	return err
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
