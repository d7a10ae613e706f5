package smpp

// A PDU is one of the operations of this package. Other packages cannot add to
// them.
type PDU interface {
	CommandID() CommandID
	fields(c *coder)
}

// Address is a sender or a receiver (SMPP 3.4 §5.2.5 to §5.2.9).
type Address struct {
	TON, NPI byte
	Addr     string
}

// Types of number (SMPP 3.4 §5.2.5).
const (
	TONUnknown          byte = 0
	TONInternational    byte = 1
	TONNational         byte = 2
	TONNetworkSpecific  byte = 3
	TONSubscriberNumber byte = 4
	TONAlphanumeric     byte = 5
	TONAbbreviated      byte = 6
)

// Numbering plans (SMPP 3.4 §5.2.6).
const (
	NPIUnknown  byte = 0
	NPIISDN     byte = 1
	NPINational byte = 8
)

// Version34 is the interface_version of SMPP 3.4 (SMPP 3.4 §5.2.4).
const Version34 byte = 0x34

// Bind opens a session (SMPP 3.4 §4.1). Kind says which of the three binds it
// is: BindReceiverID, BindTransmitterID or BindTransceiverID.
type Bind struct {
	Kind                               CommandID
	SystemID, Password, SystemType     string
	InterfaceVersion, AddrTON, AddrNPI byte
	AddressRange                       string
}

// CommandID returns Kind.
func (p *Bind) CommandID() CommandID { return p.Kind }

// fields lists the bind requests in wire order (SMPP 3.4 §4.1.1, §4.1.3, §4.1.5).
func (p *Bind) fields(c *coder) {
	c.commandOf(&p.Kind, isBind(p.Kind))
	c.text("system_id", &p.SystemID, 16)
	c.text("password", &p.Password, 9)
	c.text("system_type", &p.SystemType, 13)
	c.octet("interface_version", &p.InterfaceVersion)
	c.octet("addr_ton", &p.AddrTON)
	c.octet("addr_npi", &p.AddrNPI)
	c.text("address_range", &p.AddressRange, 41)
}

// BindResp answers a Bind. Kind is the response's own command_id, as
// BindTransceiverRespID.
type BindResp struct {
	Kind     CommandID
	SystemID string
	Options  Options // sc_interface_version, if any
}

// CommandID returns Kind.
func (p *BindResp) CommandID() CommandID { return p.Kind }

// fields lists the bind responses in wire order (SMPP 3.4 §4.1.2, §4.1.4, §4.1.6).
func (p *BindResp) fields(c *coder) {
	c.commandOf(&p.Kind, p.Kind.IsResponse() && isBind(p.Kind&^respBit))
	if c.bodiless(p.SystemID == "" && len(p.Options) == 0) {
		return
	}
	c.text("system_id", &p.SystemID, 16)
	c.options(&p.Options)
}

func isBind(id CommandID) bool {
	return id == BindReceiverID || id == BindTransmitterID || id == BindTransceiverID
}

// EnquireLink asks whether the peer is alive (SMPP 3.4 §4.11.1).
type EnquireLink struct{}

// CommandID returns EnquireLinkID.
func (p *EnquireLink) CommandID() CommandID { return EnquireLinkID }
func (p *EnquireLink) fields(c *coder)      { c.command(EnquireLinkID) }

// EnquireLinkResp answers an EnquireLink (SMPP 3.4 §4.11.2).
type EnquireLinkResp struct{}

// CommandID returns EnquireLinkRespID.
func (p *EnquireLinkResp) CommandID() CommandID { return EnquireLinkRespID }
func (p *EnquireLinkResp) fields(c *coder)      { c.command(EnquireLinkRespID) }

// Unbind announces the end of a session (SMPP 3.4 §4.2.1).
type Unbind struct{}

// CommandID returns UnbindID.
func (p *Unbind) CommandID() CommandID { return UnbindID }
func (p *Unbind) fields(c *coder)      { c.command(UnbindID) }

// UnbindResp answers an Unbind (SMPP 3.4 §4.2.2).
type UnbindResp struct{}

// CommandID returns UnbindRespID.
func (p *UnbindResp) CommandID() CommandID { return UnbindRespID }
func (p *UnbindResp) fields(c *coder)      { c.command(UnbindRespID) }

// GenericNack refuses a PDU that cannot be answered otherwise; the status is
// in the header (SMPP 3.4 §4.3.1).
type GenericNack struct{}

// CommandID returns GenericNackID.
func (p *GenericNack) CommandID() CommandID { return GenericNackID }
func (p *GenericNack) fields(c *coder)      { c.command(GenericNackID) }
