package session_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

// TestPeerThatOnlyTalksIsGivenUp: a peer that delivers without a pause, and answers neither submit nor enquire_link, is found out over
// TCP and TLS alike, long before it has sent as much as could have hidden an answer.
func TestPeerThatOnlyTalksIsGivenUp(t *testing.T) {
	server, client := tlsConfigs(t)
	for _, c := range []struct {
		name   string
		listen func() (net.Listener, error)
		dial   func(addr string) (net.Conn, error)
	}{
		{
			"tcp", func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") },
			func(addr string) (net.Conn, error) { return net.Dial("tcp", addr) },
		},
		{
			"tls", func() (net.Listener, error) { return tls.Listen("tcp", "127.0.0.1:0", server) },
			func(addr string) (net.Conn, error) { return tls.Dial("tcp", addr, client) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			ln, err := c.listen()
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			var peer sync.WaitGroup
			defer peer.Wait()
			peer.Go(func() { talk(t, ln) })
			conn, err := c.dial(ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			h := &account{room: make(chan struct{}, 1)}
			s, err := session.Open(t.Context(), conn, session.Config{
				ResponseTimeout: 100 * time.Millisecond, EnquireInterval: 100 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
			}, h)
			if err != nil {
				t.Fatal(err)
			}
			h.s = s
			s.Submit([]session.Item{{Token: 1, PDU: submitPDU(t, "x")}})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // Not a measure: without an end the test would not fail.
			defer cancel()
			if err := s.Run(ctx); !errors.Is(err, session.ErrSilent) {
				t.Errorf("ended by %v", err)
			}
			if st := s.Stats(); st.BytesIn > 8<<20 || st.TimedOut != 1 || st.EnquiresSent != 1 || st.Deliveries == 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// talk is the peer: it delivers again as soon as its delivery is answered, so that there is always something on its way.
func talk(t *testing.T, ln net.Listener) {
	conn, err := ln.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	delivery := deliverPDU(t, 1)
	pdu := make([]byte, smpp.MaxPDU)
	for {
		if _, err := io.ReadFull(conn, pdu[:smpp.HeaderLen]); err != nil {
			return
		}
		if _, err := io.ReadFull(conn, pdu[smpp.HeaderLen:binary.BigEndian.Uint32(pdu)]); err != nil {
			return
		}
		switch smpp.CommandID(binary.BigEndian.Uint32(pdu[4:])) {
		case smpp.BindTransceiverID:
			_, err = conn.Write(append(header(smpp.BindTransceiverRespID, 0, 1), delivery...))
		case smpp.DeliverSMRespID:
			_, err = conn.Write(delivery)
		}
		if err != nil {
			return
		}
	}
}
