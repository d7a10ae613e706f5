package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"fanline/smpp"
)

// Open binds over conn (SMPP 3.4 §4.1) and returns a session that Run then carries; submits handed in before are written then. It
// returns a *BindError when the peer refuses, ErrBindTimeout when it doesn't answer, and owns conn from the call on: it
// is closed when Open fails and when Run returns. A session whose Run is never called keeps conn open.
func Open(ctx context.Context, conn net.Conn, cfg Config, h Handler) (*Session, error) {
	return open(ctx, conn, cfg, h, (*Session).bind)
}

// open makes a session and has negotiate bind it.
func open(ctx context.Context, conn net.Conn, cfg Config, h Handler, negotiate func(*Session) error) (*Session, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	s := &Session{
		conn: conn, cfg: cfg, handler: h, log: cfg.Logger, began: time.Now(),
		raw: newPeeker(conn), in: newReader(), win: newWindow(cfg.Window), ended: make(chan struct{}),
	}
	s.more.L, s.inbox.more.L = &s.mu, &s.inbox.mu
	s.calls.turns = make(chan struct{}, maxCalls)
	s.alerted, _ = h.(AlertHandler)
	s.stats.Congestion = -1
	s.live = liveness{interval: int64(cfg.EnquireInterval), response: int64(cfg.ResponseTimeout)}

	_ = conn.SetDeadline(s.began.Add(cfg.BindTimeout)) // Fails only on a closed connection; so will the write.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	err = negotiate(s)
	if !stop() && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("session: %w", err)
	}
	_ = conn.SetDeadline(time.Time{})
	now := s.now()
	s.live.heard, s.live.answered, s.active = now, now, now
	s.agree()
	s.sweepAt = now + int64(cfg.ResponseTimeout)
	return s, nil
}

// bind sends the bind and reads until its answer. What the peer sent behind that stays in the buffer for Run.
func (s *Session) bind() error {
	seq := s.win.next()
	pdu, err := smpp.Encoding{Version: s.cfg.InterfaceVersion}.Append(nil, smpp.StatusOK, seq, &smpp.Bind{
		Kind: s.cfg.Kind, SystemID: s.cfg.SystemID, Password: s.cfg.Password, SystemType: s.cfg.SystemType,
		InterfaceVersion: s.cfg.InterfaceVersion, AddrTON: s.cfg.AddrTON, AddrNPI: s.cfg.AddrNPI, AddressRange: s.cfg.AddressRange,
	})
	if err != nil {
		return err
	}
	if err := s.bindWrite(pdu); err != nil {
		return err
	}
	return s.negotiate(beforeResponse, func(h smpp.Header, pdu []byte) (bound bool, err error) {
		switch h.ID {
		case s.cfg.Kind.Response():
			return s.bound(h, pdu, seq)
		case smpp.BindReceiverRespID, smpp.BindTransmitterRespID, smpp.BindTransceiverRespID:
			return false, fmt.Errorf("%v answered with %v (%v)", s.cfg.Kind, h.ID, h.Status)
		case smpp.GenericNackID: // There is but one request that it can mean, whatever its number.
			return false, &BindError{Kind: s.cfg.Kind, Status: h.Status, Nack: true}
		}
		return false, s.beforeBound(h)
	})
}

// beforeResponse says when an attempt to bind ended.
const beforeResponse = "before the bind response"

// negotiate reads PDUs and hands them to take until it says that what it waits for is done.
func (s *Session) negotiate(when string, take func(h smpp.Header, pdu []byte) (done bool, err error)) error {
	in := &s.in
	for {
		for in.filled >= smpp.HeaderLen {
			h, err := smpp.ReadHeader(in.buf[:in.filled])
			if err != nil {
				_ = s.bindWrite(appendHeader(nil, smpp.GenericNackID, smpp.StatusInvCmdLen, h.Sequence))
				return fmt.Errorf("%s: %w", when, err)
			}
			n := int(h.Length)
			if in.filled < n {
				break
			}
			done, err := take(h, in.buf[:n:n])
			in.filled = copy(in.buf, in.buf[n:in.filled])
			if done || err != nil {
				return err
			}
		}
		n, err := s.conn.Read(in.buf[in.filled:])
		in.filled += n
		in.octets += uint64(n)
		if n == 0 && err != nil {
			return bindFailure(when, err)
		}
	}
}

// beforeBound answers what the peer sends before the session is bound. Some SMSCs ask whether we are there first.
func (s *Session) beforeBound(h smpp.Header) error {
	switch {
	case h.ID == smpp.EnquireLinkID:
		return s.bindWrite(appendHeader(nil, smpp.EnquireLinkRespID, smpp.StatusOK, h.Sequence))
	case h.ID == smpp.UnbindID:
		_ = s.bindWrite(appendHeader(nil, smpp.UnbindRespID, smpp.StatusOK, h.Sequence))
		return fmt.Errorf("before the bind response: %w", ErrPeerUnbound)
	case h.ID == smpp.DeliverSMID, h.ID == smpp.DataSMID:
		return s.bindWrite(appendDeliverResp(nil, h.ID, h.Sequence, smpp.StatusInvBindStatus))
	case h.ID.IsResponse(), h.ID == smpp.OutbindID, h.ID == smpp.AlertNotificationID:
		return nil
	}
	return s.bindWrite(appendHeader(nil, smpp.GenericNackID, smpp.StatusInvBindStatus, h.Sequence))
}

// bound reads the bind response. There is but one bind it can answer, so its number is not held against it, nor is its body.
func (s *Session) bound(h smpp.Header, pdu []byte, seq uint32) (bool, error) {
	if h.Status != smpp.StatusOK {
		return false, &BindError{Kind: s.cfg.Kind, Status: h.Status}
	}
	if h.Sequence != seq {
		s.log.Warn("bind response with another sequence number", "sequence", h.Sequence, "want", seq)
	}
	s.peer.InterfaceVersion = smpp.Version33
	var resp smpp.BindResp
	if _, err := smpp.DecodeInto(pdu, &resp); err != nil {
		s.log.Warn("bind response that cannot be decoded", "error", err)
		return true, nil
	}
	s.peer.SystemID = strings.Clone(resp.SystemID)
	if v, ok := resp.Options.Uint(smpp.TagScInterfaceVersion); ok {
		s.peer.InterfaceVersion, s.peer.Declared = byte(v), true
	}
	if v, ok := resp.Options.Uint(smpp.TagCongestionState); ok {
		s.stats.Congestion = congestion(v)
	}
	return true, nil
}

func (s *Session) bindWrite(pdu []byte) error {
	n, err := s.conn.Write(pdu)
	s.stats.BytesOut += uint64(n)
	s.stats.Writes++
	if err != nil {
		return bindFailure(beforeResponse, err)
	}
	return nil
}

// bindFailure words the end of the connection before the bind was answered.
func bindFailure(when string, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrBindTimeout
	}
	return fmt.Errorf("%s: %w", when, connectionEnd(err))
}
