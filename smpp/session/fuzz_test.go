package session_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// FuzzSession lets a peer send anything behind its bind response: nothing panics, the session ends when the octets do, and every
// submit has exactly one outcome.
func FuzzSession(f *testing.F) {
	f.Add(header(smpp.SubmitSMRespID, 0, 2))
	f.Add(header(smpp.GenericNackID, 3, 3))
	f.Add(append(header(smpp.EnquireLinkID, 0, 9), header(smpp.UnbindID, 0, 10)...))
	f.Add(deliverPDU(f, 2))
	f.Add(header(0x777, 0, 2))
	f.Add([]byte{0, 0, 0, 15, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Add([]byte("\x00\x00\x00\x19\x80\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x02abc\x00\x04\x28\x00\x01\x5a"))
	items := make([]session.Item, 5)
	for i := range items {
		items[i] = session.Item{Token: uint64(i), PDU: submitPDU(f, "fuzz")}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := &canned{Reader: bytes.NewReader(append(header(smpp.BindTransceiverRespID, 0, 1), data...))}
		c := &collector{}
		s, err := session.Open(t.Context(), conn, session.Config{Window: 4, Logger: slog.New(slog.DiscardHandler)}, c)
		if err != nil {
			t.Fatal(err)
		}
		taken := s.Submit(items)
		if err := s.Run(t.Context()); err == nil {
			t.Error("the session ended without a reason")
		}
		seen := map[uint64]int{}
		for _, o := range c.outcomes {
			if seen[o.Token]++; o.Late || seen[o.Token] > 1 {
				t.Errorf("%+v", o)
			}
		}
		if taken != 4 || len(seen) != taken {
			t.Errorf("%d outcomes for %d submits", len(seen), taken)
		}
	})
}

// canned is a connection that reads what it was given, and takes whatever is written.
type canned struct {
	io.Reader
	net.Conn
	closed bool
}

func (c *canned) Read(b []byte) (int, error)       { return c.Reader.Read(b) }
func (c *canned) Write(b []byte) (int, error)      { return len(b), nil }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }

func (c *canned) Close() error {
	if c.closed {
		return errors.New("closed twice")
	}
	c.closed = true
	return nil
}

// FuzzOutbind lets whoever connects to us say anything before we bind: it ends in order, and only a known password gets a bind.
func FuzzOutbind(f *testing.F) {
	outbind, err := smpp.Append(nil, smpp.StatusOK, 1, &smpp.Outbind{SystemID: "smsc", Password: "pass"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(outbind)
	f.Add(append(outbind, header(smpp.BindReceiverRespID, 0, 1)...))
	f.Add(append(header(smpp.EnquireLinkID, 0, 9), outbind...))
	f.Add(header(smpp.UnbindID, 0, 10))
	f.Add([]byte{0, 0, 0, 17, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 1, 65})
	f.Fuzz(func(t *testing.T, data []byte) {
		conn := &canned{Reader: bytes.NewReader(data)}
		known := false
		s, err := session.OpenOutbind(t.Context(), conn, session.Config{Logger: slog.New(slog.DiscardHandler)}, func(id, password string) bool {
			known = id == "smsc" && password == "pass"
			return known
		}, &collector{})
		if err != nil {
			if !conn.closed {
				t.Error("the connection is left open")
			}
			return
		}
		if !known {
			t.Error("bound to somebody unknown")
		}
		if err := s.Run(t.Context()); err == nil {
			t.Error("the session ended without a reason")
		}
	})
}
