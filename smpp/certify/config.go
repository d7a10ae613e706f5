package certify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"fanline/smpp"
)

// Config says what to certify and how far to go.
type Config struct {
	Carrier string // its name in the report
	Program string // what runs the plan, with its version

	Hosts []string
	// Dial opens a connection to one of Hosts, over TLS where the account wants it.
	Dial func(ctx context.Context, host string) (net.Conn, error)

	// The account. Kind is transceiver, transmitter, receiver or pair (a transmitter and a receiver).
	SystemID, Password, SystemType string
	Kind                           string
	Binds                          int // agreed, at once
	Taken                          int // of them, by a process that runs meanwhile
	Window                         int // submits without an answer, of one bind
	LimitPerSecond                 int // parts

	// How binds and submits are written besides. DataCoding is that of the default alphabet, UCS2 that of UCS-2 (0: 8); Options go
	// with every submit.
	Version          byte // interface_version; 0: 3.4
	Range            smpp.Address
	ServiceType      string
	Priority         byte
	DataCoding, UCS2 byte
	Options          smpp.Options

	// Source is one of our numbers. Destination is the phone that gets every text; without Addr nothing is sent.
	Source, Destination smpp.Address
	// Nowhere is an address that nobody can have; empty: 000.
	Nowhere string
	// Flood gets the texts of the cases that send faster than was agreed: some thousand. Empty: those are not run.
	Flood string

	Alphabet string // what data_coding 0 means there: gsm7, latin1 or ascii
	Long     string // how traffic sends long texts: udh, sar or payload
	IDBase   string // of responses and receipts: same, hex_to_decimal, decimal_to_hex, or auto

	Negative bool          // also try what a carrier may lock an account for
	MO       time.Duration // how long to wait for a text that a person sends; 0: not at all
	Idle     time.Duration // how long to be silent; 0: not at all

	Timeout       time.Duration // of an answer; 0: 10 s
	ReceiptWait   time.Duration // 0: 60 s
	ReconnectWait time.Duration // 0: 60 s
	Samples       int           // texts by which response times are measured; 0: 20
	Only          []string      // cases, or their first letters; empty: all

	// keeps is how long a server may serve nobody else because of a connection that ended before its bind; 0: 30 s, as seen.
	keeps time.Duration

	// Progress is told of each case as it begins (with an empty verdict) and as it ends; nil: nobody is.
	Progress func(Result)
}

func (c Config) withDefaults() (Config, error) {
	switch {
	case len(c.Hosts) == 0 || c.Dial == nil:
		return c, errors.New("certify: a host and a way to dial it are needed")
	case !slices.Contains([]string{"transceiver", "transmitter", "receiver", "pair"}, c.Kind):
		return c, fmt.Errorf("certify: bind %q: want transceiver, transmitter, receiver or pair", c.Kind)
	}
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{{&c.Timeout, 10 * time.Second}, {&c.ReceiptWait, time.Minute}, {&c.ReconnectWait, time.Minute}, {&c.keeps, 30 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	for _, n := range []struct {
		value    *int
		standard int
	}{{&c.Binds, 1}, {&c.Window, 10}, {&c.LimitPerSecond, 1}, {&c.Samples, 20}} {
		if *n.value <= 0 {
			*n.value = n.standard
		}
	}
	if c.UCS2 == 0 {
		c.UCS2 = 8
	}
	if c.Version == 0 {
		c.Version = smpp.Version34
	}
	if c.Nowhere == "" {
		c.Nowhere = "000"
	}
	if c.Alphabet == "" {
		c.Alphabet = "gsm7"
	}
	if c.Long == "" {
		c.Long = "udh"
	}
	if c.IDBase == "" {
		c.IDBase = "auto"
	}
	for _, want := range c.Only {
		if !slices.ContainsFunc(plan(), func(t testCase) bool { return selects(want, t.id) }) {
			return c, fmt.Errorf("certify: no case is named %q", want)
		}
	}
	if c.Progress == nil {
		c.Progress = func(Result) {}
	}
	return c, nil
}

// selects reports whether a word of Only means a case: its id, or the letter of its group.
func selects(want, id string) bool {
	return strings.EqualFold(want, id) || strings.EqualFold(want, id[:1])
}

func (c *Config) wanted(id string) bool {
	return len(c.Only) == 0 || slices.ContainsFunc(c.Only, func(want string) bool { return selects(want, id) })
}

// commands are the binds of the configured kind: where to submit, and where to receive.
func (c *Config) commands() (submit, receive smpp.CommandID) {
	switch c.Kind {
	case "transceiver":
		return smpp.BindTransceiverID, smpp.BindTransceiverID
	case "receiver":
		return 0, smpp.BindReceiverID
	}
	return smpp.BindTransmitterID, smpp.BindReceiverID
}

// any is the bind for cases that only need one of any kind.
func (c *Config) any() smpp.CommandID {
	submit, receive := c.commands()
	if submit == 0 {
		return receive
	}
	return submit
}
