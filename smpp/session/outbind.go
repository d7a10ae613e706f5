package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"fanline/smpp"
)

// ErrOutbindRefused is returned by OpenOutbind when the caller did not trust the SMSC that asked.
var ErrOutbindRefused = errors.New("the outbind is not one of ours")

// OpenOutbind serves a connection that an SMSC has opened to us because it has something to deliver (SMPP 3.4 §2.2.1, §4.1.7): it
// waits for outbind, asks allow about the system_id and password in it, and binds over the same connection as Open does,
// as a receiver unless cfg.Kind says transceiver (SMPP 5.0 §2.2.2). Config.BindTimeout bounds all of it together. When allow says no, the
// connection is closed without a word, since outbind has no response, and ErrOutbindRefused returned.
func OpenOutbind(ctx context.Context, conn net.Conn, cfg Config, allow func(systemID, password string) bool, h Handler) (*Session, error) {
	if cfg.Kind == 0 {
		cfg.Kind = smpp.BindReceiverID
	}
	if cfg.Kind == smpp.BindTransmitterID {
		_ = conn.Close()
		return nil, fmt.Errorf("session: %v does not answer an outbind", cfg.Kind)
	}
	return open(ctx, conn, cfg, h, func(s *Session) error {
		if err := s.awaitOutbind(allow); err != nil {
			return err
		}
		return s.bind()
	})
}

// awaitOutbind reads until the outbind.
func (s *Session) awaitOutbind(allow func(systemID, password string) bool) error {
	return s.negotiate("before outbind", func(h smpp.Header, pdu []byte) (done bool, err error) {
		if h.ID != smpp.OutbindID {
			return false, s.beforeBound(h)
		}
		var p smpp.Outbind
		if _, err := smpp.DecodeInto(pdu, &p); err != nil {
			return false, err
		}
		if !allow(strings.Clone(p.SystemID), strings.Clone(p.Password)) {
			return false, ErrOutbindRefused
		}
		return true, nil
	})
}
