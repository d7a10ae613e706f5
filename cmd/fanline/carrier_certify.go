package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fanline/api"
	"fanline/engine"
	"fanline/engine/carrier"
	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/certify"
)

func runCarrierCertify(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("carrier certify", stderr)
	path := flags.String("config", "", "configuration `FILE` that has the carrier")
	report := flags.String("report", "", "`FILE` to write the report to: .html makes a page that prints well, anything else Markdown")
	to := flags.String("to", "", "`PHONE` that gets about fifty texts; default: nothing is sent")
	from := flags.String("from", "", "`NUMBER` to send from; default: the first number of this carrier")
	nowhere := flags.String("nowhere", "", "`ADDRESS` that nobody can have; default 000")
	flood := flags.String("flood", "", "`PHONE`, best of a test network, that gets thousands of texts: tries more than was agreed, which is rude")
	negative := flags.Bool("negative", false, "try wrong passwords and the like, for which a carrier may lock the account")
	mo := flags.Duration("mo", 0, "how long to wait for a text that a person sends to the number; default: not at all")
	idle := flags.Duration("idle", 0, "how long to be silent, best longer than the carrier's enquire_link; default: not at all")
	receipts := flags.Duration("receipt-wait", time.Minute, "how long to wait for a receipt")
	samples := flags.Int("samples", 20, "how many texts measure response times")
	only := flags.String("only", "", "carry out these cases only: `CASES` such as S-01,S-06 or letters of groups such as B,L")
	asJSON := flags.Bool("json", false, "end with one line of JSON")
	names, err := parseFlags(flags, args, "NAME")
	if err != nil {
		return err
	}
	config, account, err := loadCarrier(*path, names[0])
	if err != nil {
		return err
	}
	plan, err := account.certifyConfig(config, *from, *to)
	if err != nil {
		return usageError{err}
	}
	plan.Nowhere, plan.Negative, plan.MO, plan.Idle = *nowhere, *negative, *mo, *idle
	plan.ReceiptWait, plan.ReconnectWait, plan.Samples = *receipts, *receipts, *samples
	if *flood != "" {
		phone, err := message.ParsePhone(*flood)
		if err != nil {
			return usagef("--flood: %w", err)
		}
		plan.Flood = phone.Digits()
	}
	if *only != "" {
		plan.Only = strings.Split(*only, ",")
	}
	plan.Taken = bindsTaken(ctx, config.Data, account.Name)
	if plan.Taken > 0 {
		fmt.Fprintf(stderr, "a fanline that runs holds %d binds of this account; receipts of what is sent here may come to those\n", plan.Taken)
	}
	plan.Progress = progressTo(stderr, plan.Source.Addr)
	done, err := certify.Run(ctx, plan)
	if done == nil {
		return usageError{err}
	}
	return errors.Join(err, tellCertified(done, *report, stdout, *asJSON))
}

// tellCertified writes the report, and says how it went.
func tellCertified(done *certify.Report, path string, stdout io.Writer, asJSON bool) error {
	if path != "" {
		if err := writeCertification(path, done); err != nil {
			return err
		}
	}
	var err error
	if asJSON {
		err = printJSON(stdout, done)
	} else {
		_, err = fmt.Fprintf(stdout, "%s: %s\n", done.Verdict, done.Summary())
		if path != "" && err == nil {
			_, err = fmt.Fprintf(stdout, "the report is in %s\n", path)
		}
	}
	if err == nil && done.Verdict != certify.Pass {
		return errReported
	}
	return err
}

// writeCertification writes the report in the form that the file's name asks for.
func writeCertification(path string, done *certify.Report) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // A phone and its texts are in it.
	if err != nil {
		return err
	}
	write := done.Markdown
	if strings.EqualFold(filepath.Ext(path), ".html") {
		write = done.HTML
	}
	return errors.Join(write(file), file.Close())
}

// progressTo tells a person how far the plan has come, and when it is her turn.
func progressTo(w io.Writer, number string) func(certify.Result) {
	return func(r certify.Result) {
		switch {
		case r.Verdict == "" && r.ID == "M-01":
			fmt.Fprintf(w, "       %s %s: if --mo was given, text anything to %s now\n", r.ID, r.Name, number)
		case r.Verdict != "":
			fmt.Fprintf(w, "%-14s %s %s", r.Verdict, r.ID, r.Name)
			if r.Reason != "" {
				fmt.Fprintf(w, ": %s", shown(r.Reason))
			}
			fmt.Fprintln(w)
		}
	}
}

// certifyConfig is the account in the words of package certify.
func (c *CarrierConfig) certifyConfig(config *Config, from, to string) (certify.Config, error) {
	profile, err := LoadProfile(c.Profile)
	if err != nil {
		return certify.Config{}, err
	}
	info := readBuildInfo()
	plan := certify.Config{
		Carrier: c.Name, Program: "fanline " + info.Version + " (" + info.Revision + "), " + info.Platform, Hosts: c.Hosts,
		Dial:     func(ctx context.Context, host string) (net.Conn, error) { return c.dial(ctx, host) },
		SystemID: c.SystemID, Password: c.Password.Reveal(), SystemType: c.SystemType, Kind: c.Bind, Binds: c.Binds,
		Window: c.Window, LimitPerSecond: c.LimitPerSecond, Timeout: c.Response,
		Alphabet: profile.DefaultAlphabet, IDBase: profile.Receipts.IDBase, Long: profile.LongText,
	}
	if strings.HasPrefix(plan.Long, "udh") {
		plan.Long = "udh"
	}
	plan.Range, plan.SystemType = c.bindJob(profile, "").Range, c.bindJob(profile, "").SystemType
	plan.Version, _ = versionOf(profile.InterfaceVersion) // The profile was validated.
	from = cmp.Or(from, config.firstNumber(c.Name))
	if from == "" && to == "" {
		return plan, nil
	}
	narrow, err := c.sample(config, from, cmp.Or(to, "+13125550199"), "a")
	if err != nil {
		return plan, err
	}
	wide, err := c.sample(config, from, cmp.Or(to, "+13125550199"), "ж")
	if err != nil {
		return plan, err
	}
	plan.Source, plan.ServiceType, plan.Priority, plan.Options = narrow.Source, narrow.ServiceType, narrow.PriorityFlag, narrow.Options
	plan.DataCoding, plan.UCS2 = narrow.DataCoding, wide.DataCoding
	if to != "" {
		plan.Destination = narrow.Destination
	}
	return plan, nil
}

// sample is a text to a phone as traffic sends it: with the addresses, the
// service_type and the vendor's parameters that profile and number ask for.
func (c *CarrierConfig) sample(config *Config, from, to, body string) (*smpp.SubmitSM, error) {
	if from == "" {
		return nil, errors.New("--from: no number uses this carrier, name one")
	}
	number, err := message.ParseSender(from)
	if err != nil {
		return nil, fmt.Errorf("--from: %w", err)
	}
	phone, err := message.ParsePhone(to)
	if err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	account, err := config.account(c)
	if err != nil {
		return nil, err
	}
	var parts engine.Parts
	err = carrier.NewEncoder(account.Profile).Encode(&parts, &engine.Text{Number: number, Phone: phone, Body: []byte(body)})
	if err != nil {
		return nil, err
	}
	_, p, err := smpp.Decode(parts.Buf[:parts.Ends[0]])
	if err != nil {
		return nil, err
	}
	text, ok := p.(*smpp.SubmitSM)
	if !ok {
		return nil, fmt.Errorf("traffic goes by %v, which is not certified", p.CommandID())
	}
	key := smpp.Tag(0)
	if profile, err := LoadProfile(c.Profile); err == nil {
		key = smpp.Tag(profile.KeyTLV)
	}
	var kept smpp.Options
	for tag, value := range text.Options.All() {
		if tag != key && tag != smpp.TagMessagePayload { // Of this one text only.
			kept = kept.Append(tag, value)
		}
	}
	text.Options = kept
	return text, nil
}

// firstNumber is the first number that uses a carrier.
func (c *Config) firstNumber(carrier string) string {
	for i := range c.Numbers {
		for _, name := range c.Numbers[i].Carriers {
			if name == carrier {
				return c.Numbers[i].Number
			}
		}
	}
	return ""
}

// bindsTaken is how many binds of the account a process that runs holds: they
// count against what the carrier allows.
func bindsTaken(ctx context.Context, data, name string) int {
	found, ok := askCarrier(ctx, data, name)
	if !ok {
		return 0
	}
	return found.Bound
}

// askCarrier asks a process that runs about a carrier; false: none runs, or it
// has no such carrier.
func askCarrier(ctx context.Context, data, name string) (api.Carrier, bool) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	socket, err := dialControl(ctx, data)
	if err != nil {
		return api.Carrier{}, false
	}
	c := &client{http: socket, dir: data}
	defer c.close()
	var all struct {
		Carriers []api.Carrier `json:"carriers"`
	}
	if err := c.ask(ctx, http.MethodGet, pathOf("carriers"), nil, &all); err != nil {
		return api.Carrier{}, false
	}
	for _, carrier := range all.Carriers {
		if carrier.Name == name {
			return carrier, true
		}
	}
	return api.Carrier{}, false
}
