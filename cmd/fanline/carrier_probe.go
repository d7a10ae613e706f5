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
	Local       string        `json:"local"` // address to dial from
	TLS         TLSConfig     `json:"tls"`
	Bind        string        `json:"bind"`
	SystemID    string        `json:"system_id"`
	Password    string        `json:"password"`
	SystemType  string        `json:"system_type"`
	Version     byte          `json:"version"` // interface_version
	Range       smpp.Address  `json:"range"`   // address_range
	Source      smpp.Address  `json:"source"`
	ServiceType string        `json:"service_type"`
	Options     []byte        `json:"options"`     // TLVs that go with each submit
	Destination *smpp.Address `json:"destination"` // nil: nothing is submitted
	Receipt     time.Duration `json:"receipt"`     // how long to wait for a receipt; 0: none is asked for
	Timeout     time.Duration `json:"timeout"`     // of each question
}

func runCarrierProbe(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("carrier probe", stderr)
	path := flags.String("config", "", "configuration `FILE` that has the carrier")
	host := flags.String("host", "", "`HOST:PORT` to probe; default: the carrier's first")
	bind := flags.String("bind", "", "`KIND` of bind; default transmitter, which keeps the account's texts and receipts where they are, and transceiver with --receipt")
	version := flags.String("version", "", "interface_`VERSION` to say: 3.3, 3.4 or 5.0; default: the profile's")
	to := flags.String("to", "", "`PHONE` that gets one text from each stack; default: nothing is sent")
	from := flags.String("from", "", "`NUMBER` to send from; default: the first number of this carrier")
	receipt := flags.Duration("receipt", 0, "how long to wait for the receipt of each text; default: none is asked for")
	asJSON := flags.Bool("json", false, "end with one line of JSON")
	names, err := parseFlags(flags, args, "NAME")
	if err != nil {
		return err
	}
	config, carrier, err := loadCarrier(*path, names[0])
	if err != nil {
		return err
	}
	profile, err := LoadProfile(carrier.Profile)
	if err != nil {
		return err
	}
	job := carrier.bindJob(profile, cmp.Or(*host, carrier.Hosts[0]))
	job.Receipt = *receipt
	if err := job.want(*bind, *version); err != nil {
		return usageError{err}
	}
	if err := job.address(config, carrier, *from, *to); err != nil {
		return usageError{err}
	}
	report := probeReport{Carrier: carrier.Name, Host: job.Host, TLS: job.TLS.Enabled, Version: versionText(job.Version), Kind: job.Bind, Account: carrier.Bind}
	report.Running = bindsTaken(ctx, config.Data, carrier.Name)
	// One after the other: an account may allow a single bind.
	report.Ours = probeOurs(ctx, job)
	report.Independent = probeIndependentChild(ctx, job, stderr)
	report.judge()
	if err := report.print(stdout, *asJSON); err != nil {
		return err
	}
	if !report.Ours.allAccepted() || !report.Independent.allAccepted() {
		return errReported
	}
	return nil
}

// loadCarrier reads a configuration and finds one of its carriers.
func loadCarrier(path, name string) (*Config, *CarrierConfig, error) {
	config, err := LoadConfig(path, os.Environ())
	if err != nil {
		return nil, nil, err
	}
	account, err := config.carrier(name)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return config, account, nil
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

// bindJob is a bind as transmitter to a host, as the account's binds do it.
func (c *CarrierConfig) bindJob(profile *Profile, host string) probeJob {
	job := probeJob{
		Host: host, Local: c.LocalAddress, TLS: c.TLS, Bind: "transmitter",
		SystemID: c.SystemID, Password: c.Password.Reveal(), SystemType: cmp.Or(c.SystemType, profile.SystemType), Timeout: c.Response,
		Range: smpp.Address{TON: byte(profile.AddressRange.TON), NPI: byte(profile.AddressRange.NPI), Addr: profile.AddressRange.Range},
	}
	if c.Bind == "receiver" {
		job.Bind = c.Bind
	}
	job.Version, _ = versionOf(profile.InterfaceVersion) // The profile was validated.
	return job
}

// versionOf reads an interface_version.
func versionOf(text string) (byte, bool) {
	switch text {
	case "3.3":
		return smpp.Version33, true
	case "", "3.4":
		return smpp.Version34, true
	case "5.0":
		return smpp.Version50, true
	}
	return 0, false
}

func versionText(v byte) string { return fmt.Sprintf("%x.%x", v>>4, v&0x0F) }

// want takes over what the command line says of the bind.
func (j *probeJob) want(bind, version string) error {
	if bind == "" && j.Receipt > 0 {
		bind = "transceiver"
	}
	j.Bind = cmp.Or(bind, j.Bind)
	if _, ok := bindCommand(j.Bind); !ok {
		return fmt.Errorf("--bind %q: one of transceiver, transmitter, receiver expected", j.Bind)
	}
	if version != "" {
		var ok bool
		if j.Version, ok = versionOf(version); !ok {
			return fmt.Errorf("--version %q: one of 3.3, 3.4, 5.0 expected", version)
		}
	}
	switch {
	case j.Receipt < 0:
		return errors.New("--receipt: a time to wait is expected")
	case j.Receipt > 0 && j.Bind == "transmitter":
		return errors.New("--receipt: a transmitter bind gets none")
	}
	return nil
}

// address says from where to where a text goes, as traffic does.
func (j *probeJob) address(config *Config, carrier *CarrierConfig, from, to string) error {
	switch {
	case to == "" && j.Receipt > 0:
		return errors.New("--receipt: of which text? Name a phone with --to")
	case to == "":
		return nil
	case j.Bind == "receiver":
		return errors.New("--to: a receiver bind cannot submit")
	}
	text, err := carrier.sample(config, cmp.Or(from, config.firstNumber(carrier.Name)), to, "a")
	if err != nil {
		return err
	}
	j.Source, j.Destination, j.ServiceType, j.Options = text.Source, &text.Destination, text.ServiceType, text.Options
	return nil
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
	c := CarrierConfig{TLS: j.TLS, LocalAddress: j.Local}
	return c.dial(ctx, j.Host)
}

// probeIndependentChild runs the independent stack in a process of its own: what
// a carrier sends can panic it, and that is an answer, not the end of ours.
func probeIndependentChild(ctx context.Context, job probeJob, stderr io.Writer) probeSight {
	failed := func(err error) probeSight {
		return probeSight{Stack: independentStack, Kind: job.Bind, Bind: sawFailed, Error: err.Error()}
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
	ctx, cancel := context.WithTimeout(ctx, 5*job.Timeout+job.Receipt+childStart)
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

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
