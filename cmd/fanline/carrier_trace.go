package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"fanline/api"
	"fanline/smpp/pcap"
)

// traceReport is the JSON of `fanline carrier trace`.
type traceReport struct {
	Number  string   `json:"number"`
	Carrier string   `json:"carrier,omitempty"`
	PDUs    int      `json:"pdus"`
	Dropped int64    `json:"dropped"` // left out because they came faster than they could be read
	Seconds float64  `json:"seconds"`
	PCAP    string   `json:"pcap,omitempty"`
	Ports   []uint16 `json:"ports"` // of the carriers, for Wireshark's "decode as"
}

func runCarrierTrace(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	flags := newClientFlags("carrier trace", stderr)
	t := tracing{out: stdout}
	number := flags.String("number", "", "`NUMBER` whose PDUs are shown: one of ours, or a member's phone")
	path := flags.String("pcap", "", "`FILE` that Wireshark and tshark read; the passwords of binds are blanked in it, TLS is taken off")
	seconds := flags.Float64("seconds", 0, "end after so many `SECONDS`; default: at Ctrl-C")
	flags.IntVar(&t.count, "count", 0, "end after `N` PDUs; default: at Ctrl-C")
	links := flags.Bool("all", false, "show binds, enquire_link, unbind and generic_nack too")
	flags.BoolVar(&t.raw, "raw", false, "print the octets of each PDU too")
	flags.BoolVar(&t.plain, "texts", false, "print texts and whole numbers; otherwise lengths, and numbers with their middle hidden")
	read := flags.String("read", "", "read the capture `FILE`, ours or a carrier's, instead of a running process; without --number all of it")
	names, err := parseNames(flags.FlagSet, args)
	switch {
	case err != nil:
		return err
	case len(names) > 1:
		return usagef("%q is one word too many", names[1])
	case *number == "" && !*links && *read == "":
		return usagef("--number is missing: whose PDUs?")
	case *seconds < 0 || t.count < 0:
		return usagef("--seconds and --count cannot be negative")
	}
	t.report.Number, t.report.PCAP, t.report.Ports = *number, *path, []uint16{}
	if len(names) == 1 {
		t.report.Carrier = names[0]
	}
	if *flags.asJSON {
		t.out = stderr
	}
	t.lines = bufio.NewWriter(t.out)
	if *read != "" {
		if len(names) > 0 || *path != "" || *seconds != 0 {
			return usagef("--read takes neither a carrier nor --pcap nor --seconds")
		}
		if err := t.readTrace(*read, *links); err != nil {
			return err
		}
		return t.end(stdout, *flags.asJSON)
	}
	c, err := flags.dial(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if *path != "" {
		file, err := os.OpenFile(*path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600) // People's texts are in it.
		if err != nil {
			return usageError{err}
		}
		defer func() { _ = file.Close() }() // Closed below where it matters.
		t.file, t.octets = file, bufio.NewWriter(file)
		if t.pcap, err = pcap.NewWriter(t.octets); err != nil {
			return err
		}
	}
	long := time.Duration(*seconds * float64(time.Second))
	begun := time.Now()
	if err := t.follow(ctx, c, long, *links, stderr); err != nil {
		return err
	}
	t.report.Seconds = time.Since(begun).Seconds()
	return t.end(stdout, *flags.asJSON)
}

// tracing is one trace, as it is printed and written.
type tracing struct {
	report     traceReport
	count      int
	raw, plain bool
	out        io.Writer
	lines      *bufio.Writer // to out; flushed whenever nothing more is there
	pcap       *pcap.Writer
	octets     *bufio.Writer // to file, likewise
	file       *os.File
}

// flush lets go of everything, so that whoever watches sees the last PDU.
func (t *tracing) flush() error {
	err := t.lines.Flush()
	if t.octets != nil {
		err = errors.Join(err, t.octets.Flush())
	}
	return err
}

// errEnough says that as many PDUs came as were asked for.
var errEnough = errors.New("enough")

// follow reads the trace of a running process until its time is over.
func (t *tracing) follow(ctx context.Context, c *client, long time.Duration, links bool, stderr io.Writer) (err error) {
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	if long > 0 {
		bounded, cancel = context.WithTimeout(ctx, long)
		defer cancel()
	}
	q := url.Values{"number": {t.report.Number}, "carrier": {t.report.Carrier}}
	if links {
		q.Set("links", "true")
	}
	body, err := c.request(bounded, http.MethodGet, pathOf("carriers", "trace")+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // It was only read.
	defer func() { err = errors.Join(err, t.flush()) }()
	lines := json.NewDecoder(body)
	for {
		if left, ok := lines.Buffered().(*bytes.Reader); !ok || left.Len() <= len("\n") {
			if err := t.flush(); err != nil {
				return err
			}
		}
		var f api.TraceFrame
		err := lines.Decode(&f)
		switch {
		case err == nil:
		case bounded.Err() != nil:
			return nil // The time is over, or Ctrl-C.
		default:
			return c.gone(err)
		}
		if f.Began {
			fmt.Fprintln(stderr, "tracing; Ctrl-C ends it")
			continue
		}
		switch err := t.frame(f); {
		case errors.Is(err, errEnough):
			return nil
		case err != nil:
			return err
		}
	}
}

// frame takes one PDU.
func (t *tracing) frame(f api.TraceFrame) error {
	if f.Dropped > t.report.Dropped {
		fmt.Fprintf(t.lines, "… %d PDUs left out: they came faster than they could be read\n", f.Dropped-t.report.Dropped)
		t.report.Dropped = f.Dropped
	}
	t.report.PDUs++
	t.port(f.Remote.Port())
	way, from, to := "<", f.Remote, f.Local
	if f.Out {
		way, from, to = ">", f.Local, f.Remote
	}
	if t.pcap != nil {
		if err := t.pcap.Write(f.At, from, to, f.PDU); err != nil {
			return fmt.Errorf("%s: %w", t.report.PCAP, err)
		}
	}
	return t.line(fmt.Sprintf("%s %s/%d %s", f.At.Format(traceTime), f.Carrier, f.Bind, way), f.PDU)
}

// port notes a carrier's port.
func (t *tracing) port(port uint16) {
	for _, p := range t.report.Ports {
		if p == port {
			return
		}
	}
	t.report.Ports = append(t.report.Ports, port)
}

// end closes the file and says what to do with it.
func (t *tracing) end(stdout io.Writer, asJSON bool) error {
	if t.file != nil {
		if err := t.file.Close(); err != nil {
			return err
		}
	}
	if asJSON {
		return printJSON(stdout, t.report)
	}
	if _, err := fmt.Fprintf(stdout, "%d PDUs in %.1f s, %d left out\n", t.report.PDUs, t.report.Seconds, t.report.Dropped); err != nil || t.file == nil {
		return err
	}
	decode := ""
	for _, p := range t.report.Ports {
		decode += fmt.Sprintf(" -d tcp.port==%d,smpp", p)
	}
	_, err := fmt.Fprintf(stdout, "read it with: tshark -r %s%s -V\n", t.report.PCAP, decode)
	return err
}
