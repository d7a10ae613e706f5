package session

import (
	"bytes"
	"fmt"

	"fanline/smpp"
)

// Peer is what the SMSC said of itself in the bind response.
type Peer struct {
	SystemID string
	// InterfaceVersion is sc_interface_version; 0x33 where the peer didn't send it (SMPP 3.4 §5.3.2.25).
	InterfaceVersion byte
	// Declared tells whether the peer sent it. Many that speak 3.4 don't, and their clients rely on TLVs; only what is declared
	// is held to.
	Declared bool
}

// Peer returns what the SMSC said of itself.
func (s *Session) Peer() Peer { return s.peer }

// Version returns what both sides speak, as far as the peer has said: the lower of Config.InterfaceVersion and a declared
// sc_interface_version. What is not in it is refused and never sent: for 0x33 data_sm and TLVs, below 0x50 the broadcast_sm family.
func (s *Session) Version() byte { return s.version }

// agree settles the version after the bind response.
func (s *Session) agree() {
	s.version = s.cfg.InterfaceVersion
	if !s.peer.Declared || s.peer.InterfaceVersion >= s.version {
		return
	}
	s.version = s.peer.InterfaceVersion
	if s.version < smpp.Version34 {
		s.log.Warn("the peer speaks SMPP 3.3: data_sm and TLVs are not sent to it", "sc_interface_version", fmt.Sprintf("%#x", s.version))
	}
}

// checkVersion refuses an interface_version that is none, and what it has no room for.
func checkVersion(version byte, kind smpp.CommandID) error {
	switch {
	case version > smpp.Version34 && version != smpp.Version50:
		return fmt.Errorf("session: interface version %#x is none of 0x33, 0x34 and 0x50", version)
	case version < smpp.Version34 && kind == smpp.BindTransceiverID:
		return fmt.Errorf("session: %v needs SMPP 3.4, not interface version %#x: bind a transmitter and a receiver", kind, version)
	}
	return nil
}

// statusOptionNotAllowed is ESME_ROPTPARNOTALLWD.
const statusOptionNotAllowed smpp.Status = 0xC1

// needs34 tells whether a submit_sm or data_sm has what SMPP 3.3 does not know: data_sm itself, and TLVs behind the short_message.
// It looks at no more than lengths and allocates nothing; what it can't follow the codec has not written.
func needs34(pdu []byte) bool {
	if command(pdu) == smpp.DataSMID {
		return true
	}
	rest := pdu[smpp.HeaderLen:]
	for _, fixed := range [...]int{2, 2, 3, 0, 4} { // Octets behind service_type, source, destination, schedule and validity.
		end := bytes.IndexByte(rest, 0)
		if end < 0 || len(rest) < end+1+fixed {
			return true
		}
		rest = rest[end+1+fixed:]
	}
	return len(rest) == 0 || len(rest) != 1+int(rest[0])
}
