package session

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"syscall"
	"time"

	"fanline/smpp"
)

// Config says how to bind and how patient to be. The zero value of a field means its default.
type Config struct {
	Kind             smpp.CommandID // smpp.BindTransceiverID (default), BindTransmitterID or BindReceiverID
	SystemID         string
	Password         string
	SystemType       string
	AddressRange     string
	AddrTON, AddrNPI byte
	InterfaceVersion byte // smpp.Version33, Version34 (default) or Version50

	// Window is how many submits may be without an answer (1 to 1<<20, default 10).
	Window int
	// EnquireInterval is how long nothing of ours may go unanswered before an enquire_link is sent (default 30 s).
	EnquireInterval time.Duration
	// ResponseTimeout is how long an answer may take, from the moment its request was wholly written (default 60 s).
	ResponseTimeout time.Duration
	// BindTimeout bounds Open (default 15 s).
	BindTimeout time.Duration
	// WriteTimeout is how long the kernel may take for one write of at most 64 KB (default 15 s; it may be a quarter longer).
	WriteTimeout time.Duration
	// UnbindTimeout bounds the wait for unbind_resp, and for what is under way after the peer's unbind (default 10 s).
	UnbindTimeout time.Duration

	// InactivityTimeout is after how long without any PDU but enquire_link the session unbinds by itself (the inactivity_timer of
	// SMPP 3.4 §2.9); zero: never.
	InactivityTimeout time.Duration

	// Logger gets what an operator should know: no texts, no numbers, no password. Default: slog.Default.
	Logger *slog.Logger
}

// withDefaults fills in and checks a configuration.
func (c Config) withDefaults() (Config, error) {
	switch c.Kind {
	case 0:
		c.Kind = smpp.BindTransceiverID
	case smpp.BindTransceiverID, smpp.BindTransmitterID, smpp.BindReceiverID:
	default:
		return c, fmt.Errorf("session: kind %v is not a bind", c.Kind)
	}
	if c.InterfaceVersion == 0 {
		c.InterfaceVersion = smpp.Version34
	}
	if err := checkVersion(c.InterfaceVersion, c.Kind); err != nil {
		return c, err
	}
	if c.Window == 0 {
		c.Window = 10
	}
	if c.Window < 0 || c.Window > 1<<20 {
		return c, fmt.Errorf("session: window %d is not between 1 and %d", c.Window, 1<<20)
	}
	for _, d := range []struct {
		name     string
		value    *time.Duration
		standard time.Duration
	}{
		{"enquire interval", &c.EnquireInterval, 30 * time.Second},
		{"response timeout", &c.ResponseTimeout, 60 * time.Second},
		{"bind timeout", &c.BindTimeout, 15 * time.Second},
		{"write timeout", &c.WriteTimeout, 15 * time.Second},
		{"unbind timeout", &c.UnbindTimeout, 10 * time.Second},
		{"inactivity timeout", &c.InactivityTimeout, 0},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("session: %s %v is negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// Why a session ended. Run and Open return them wrapped, with what they know besides; errors.Is finds them.
var (
	ErrBindTimeout   = errors.New("the bind time-out is over")
	ErrPeerClosed    = errors.New("the peer closed the connection")
	ErrPeerUnbound   = errors.New("the peer unbound the session")
	ErrSilent        = errors.New("the peer does not answer enquire_link")
	ErrInactive      = errors.New("nothing was sent or received for the inactivity timeout")
	ErrNotReading    = errors.New("the peer does not read what is sent to it")
	ErrUnbindTimeout = errors.New("no unbind response in time")
	ErrAlreadyRun    = errors.New("the session has been run already")
)

// BindError is a bind that the peer refused. Status says why, and smpp's status table what to do about it.
type BindError struct {
	Kind   smpp.CommandID
	Status smpp.Status
	Nack   bool // refused by generic_nack: the peer does not know this kind of bind
}

// Error names the bind and the status.
func (e *BindError) Error() string {
	if e.Nack {
		return fmt.Sprintf("%v refused by generic_nack: %v", e.Kind, e.Status)
	}
	return fmt.Sprintf("%v refused: %v", e.Kind, e.Status)
}

// connectionEnd says that the peer has closed, in whatever words the connection has for it.
func connectionEnd(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return ErrPeerClosed
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%w: %w", ErrPeerClosed, err)
	}
	return err
}
