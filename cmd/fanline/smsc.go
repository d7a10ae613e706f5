package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fanline/smpp/smsc"
)

// smscAbout is what `fanline smsc -h` says before its flags.
const smscAbout = `fanline smsc runs the carrier simulator: an SMSC on loopback that answers, fails, sends receipts and texts as its
scenario says, and writes down all of it. Without files it takes binds as smppclient1 with the password "password" and
any number:

  fanline smsc                                          # binds on 127.0.0.1:2775
  fanline smsc --http 127.0.0.1:8775                    # with a page to watch it
  fanline smsc --accounts A.yaml --scenario S.yaml --log DIR

beside it:

  fanline smsc init DIR                                 # writes example accounts, scenarios and one file per fault
  fanline smsc log PATH [--phone P] [--command C] …     # asks a log, --follow goes on with it
  fanline smsc audit --log DIR                          # recounts it: duplicates, receipts, rates, sends after a STOP
  fanline smsc mo --log DIR --from P --to N --text T    # texts in as a phone; --count, --file for many
  fanline smsc messages --log DIR --phone P             # what a phone was sent
  fanline smsc binds|faults|traffic|scenario|drop --log DIR …

flags:
`

// runSMSC is the carrier simulator; what asks one that runs or reads its log stands beside it in the table of commands.
func runSMSC(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return usagef("smsc: no command %q; see fanline help smsc", args[0])
	}
	o, asJSON, err := smscOptions(args, stderr)
	if err != nil {
		return err
	}
	standalone := o.AccountsFile == ""
	if standalone {
		o.Accounts = smsc.StandaloneAccounts()
	}
	if o.LogDir == "" {
		dir, err := os.MkdirTemp("", "fanline-smsc-")
		if err != nil {
			return err
		}
		o.LogDir = filepath.Join(dir, "log")
	}
	o.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	var said error
	o.Ready = func(binds []smsc.Listening, http string) {
		if asJSON {
			said = printJSON(stdout, smscListens(binds, http, o.LogDir))
			return
		}
		sayWhere(stderr, binds, http, &o, standalone)
	}
	return errors.Join(smsc.Run(ctx, o), said)
}

// smscOptions reads the flags of the simulator itself.
func smscOptions(args []string, stderr io.Writer) (o smsc.Options, asJSON bool, err error) {
	flags := newFlags("smsc", stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, smscAbout)
		flags.PrintDefaults()
	}
	var plain, secured []string
	flags.Func("listen", "loopback `address` for binds, 127.0.0.1:2775 when left out; may be given again; port 0 takes a free one; none: no plain one", appendTo(&plain))
	flags.Func("tls-listen", "loopback `address` for binds over TLS, 127.0.0.1:3550 when left out; may be given again", appendTo(&secured))
	cert := flags.String("tls-cert", "", "PEM `file` with the certificate for TLS")
	key := flags.String("tls-key", "", "PEM `file` with its key")
	clientCA := flags.String("client-ca", "", "PEM `file`: clients must show a certificate of this authority")
	selfSigned := flags.String("tls-self-signed", "", "`directory` to make an authority, a server's and a client's certificate in, for tests")
	flags.StringVar(&o.AccountsFile, "accounts", "", "`file` with the accounts, see configs/simulator/accounts.yaml; none: smppclient1, password, any number")
	flags.StringVar(&o.ScenarioFile, "scenario", "", "`file` with the behaviour, see configs/simulator/scenario.yaml; none: a carrier in good order")
	flags.StringVar(&o.LogDir, "log", "", "`directory` of the log; a log that is there is gone on with; none: a new directory for temporary files")
	flags.StringVar(&o.AddrFile, "addr", "", "`file` to write the first address to once listening")
	flags.StringVar(&o.HTTP, "http", "", "loopback `address` of the live page and the control interface")
	flags.DurationVar(&o.IdleExit, "idle-exit", 0, "end after so long without a bind; 0: never")
	flags.BoolVar(&asJSON, "json", false, "one line of JSON that says where it listens")
	if _, err := parseFlags(flags, args); err != nil {
		return o, false, err
	}
	files, err := tlsFiles(*cert, *key, *clientCA, *selfSigned, len(secured) > 0)
	if err != nil {
		return o, false, err
	}
	o.Also = smscListeners(plain, secured, files)
	if len(o.Also) == 0 {
		return o, false, usagef("--listen none leaves nothing to listen on; give --tls-listen")
	}
	return o, asJSON, nil
}

func appendTo(list *[]string) func(string) error {
	return func(s string) error {
		*list = append(*list, s)
		return nil
	}
}

// The addresses when none is given: 2775 is registered for SMPP, 3550 is where SMPP over TLS is found.
const (
	smscPlain   = "127.0.0.1:2775"
	smscSecured = "127.0.0.1:3550"
)

func smscListeners(plain, secured []string, files *smsc.TLS) (out []smsc.Listener) {
	if len(plain) == 0 {
		plain = []string{smscPlain}
	}
	for _, addr := range plain {
		if addr != "none" {
			out = append(out, smsc.Listener{Addr: addr})
		}
	}
	if files == nil {
		return out
	}
	if len(secured) == 0 {
		secured = []string{smscSecured}
	}
	for _, addr := range secured {
		out = append(out, smsc.Listener{Addr: addr, TLS: files})
	}
	return out
}

// tlsFiles finds the files for TLS; nil when none is wanted.
func tlsFiles(cert, key, clientCA, selfSigned string, wanted bool) (*smsc.TLS, error) {
	switch {
	case selfSigned != "" && (cert != "" || key != ""):
		return nil, usagef("--tls-self-signed makes what --tls-cert and --tls-key name; give one of them")
	case selfSigned != "":
		files, err := smsc.SelfSigned(selfSigned)
		if err != nil {
			return nil, err
		}
		files.ClientCAFile = clientCA
		return &files, nil
	case cert != "" && key != "":
		return &smsc.TLS{CertFile: cert, KeyFile: key, ClientCAFile: clientCA}, nil
	case cert != "" || key != "":
		return nil, usagef("--tls-cert and --tls-key go together")
	case wanted || clientCA != "":
		return nil, usagef("TLS wants --tls-cert and --tls-key, or --tls-self-signed")
	}
	return nil, nil
}

// smscPlace is what `fanline smsc --json` says once it listens.
type smscPlace struct {
	Listen []smscAddress `json:"listen"`
	HTTP   string        `json:"http,omitempty"`
	Log    string        `json:"log"`
}

type smscAddress struct {
	Addr string `json:"addr"`
	TLS  bool   `json:"tls"`
}

func smscListens(binds []smsc.Listening, http, log string) smscPlace {
	p := smscPlace{HTTP: http, Log: log}
	for _, b := range binds {
		p.Listen = append(p.Listen, smscAddress(b))
	}
	return p
}

// sayWhere tells a person how to go on from here.
func sayWhere(w io.Writer, binds []smsc.Listening, http string, o *smsc.Options, standalone bool) {
	var b strings.Builder
	for _, l := range binds {
		kind := "SMPP"
		if l.TLS {
			kind = "TLS "
		}
		fmt.Fprintf(&b, "  %s  %s\n", kind, l.Addr)
	}
	if standalone {
		a := smsc.StandaloneAccounts()[0]
		fmt.Fprintf(&b, "  bind  system_id %s, password %s, transceiver, transmitter or receiver, with any number\n", a.SystemID, a.Password)
	} else {
		fmt.Fprintf(&b, "  bind  with the accounts of %s\n", o.AccountsFile)
	}
	if http != "" {
		fmt.Fprintf(&b, "  page  http://%s/\n", http)
	}
	fmt.Fprintf(&b, "  log   %s\n\n  fanline smsc log %[1]s --follow\n  fanline smsc mo --log %[1]s --from +13125550042 --to 12345 --text hello\n\n", o.LogDir)
	fmt.Fprint(w, b.String())
}

// runSMSCAudit recounts a log.
func runSMSCAudit(_ context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newFlags("smsc audit", stderr)
	dir := flags.String("log", "", "`directory` of the simulator's log")
	asJSON := flags.Bool("json", false, "one line of JSON")
	if _, err := parseFlags(flags, args); err != nil {
		return err
	}
	if *dir == "" {
		return usagef("--log is missing")
	}
	report, err := smsc.Audit(*dir)
	if err != nil {
		return err
	}
	if *asJSON {
		return printJSON(stdout, report)
	}
	_, err = io.WriteString(stdout, report.Text())
	return err
}

// smscWait is how long a command waits for a simulator's answer.
const smscWait = time.Minute
