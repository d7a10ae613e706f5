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

// Values of interface_version and sc_interface_version (SMPP 5.0 §4.7.13).
// Anything below Version34 is SMPP 3.3 or earlier.
const (
	Version33 byte = 0x33
	Version34 byte = 0x34
	Version50 byte = 0x50
)

// Bind opens a session (SMPP 3.4 §4.1). Kind says which of the three binds it
// is: BindReceiverID, BindTransmitterID or BindTransceiverID.
type Bind struct {
	Kind                               CommandID
	SystemID, Password, SystemType     string
	InterfaceVersion, AddrTON, AddrNPI byte
	AddressRange                       string
	Options                            Options // of the carrier's own making, if any
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
	c.options(&p.Options)
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

// Version returns the SMPP version that the SMSC says it speaks; one that says
// nothing speaks 3.3, by the letter (SMPP 3.4 §5.3.2.25).
func (p *BindResp) Version() byte {
	if v, ok := p.Options.Uint(TagScInterfaceVersion); ok {
		return byte(min(v, 0xFF))
	}
	return Version33
}

// Outbind asks an ESME to bind as a receiver (SMPP 3.4 §4.1.7). It has no
// response.
type Outbind struct {
	SystemID, Password string
	Options            Options
}

// CommandID returns OutbindID.
func (p *Outbind) CommandID() CommandID { return OutbindID }

// fields lists outbind in wire order (SMPP 3.4 §4.1.7.1).
func (p *Outbind) fields(c *coder) {
	c.command(OutbindID)
	c.text("system_id", &p.SystemID, 16)
	c.text("password", &p.Password, 9)
	c.options(&p.Options)
}

func isBind(id CommandID) bool {
	return id == BindReceiverID || id == BindTransmitterID || id == BindTransceiverID
}

// EnquireLink asks whether the peer is alive (SMPP 3.4 §4.11.1).
type EnquireLink struct{ Options Options }

// CommandID returns EnquireLinkID.
func (p *EnquireLink) CommandID() CommandID { return EnquireLinkID }
func (p *EnquireLink) fields(c *coder)      { c.empty(EnquireLinkID, &p.Options) }

// EnquireLinkResp answers an EnquireLink (SMPP 3.4 §4.11.2).
type EnquireLinkResp struct{ Options Options }

// CommandID returns EnquireLinkRespID.
func (p *EnquireLinkResp) CommandID() CommandID { return EnquireLinkRespID }
func (p *EnquireLinkResp) fields(c *coder)      { c.empty(EnquireLinkRespID, &p.Options) }

// Unbind announces the end of a session (SMPP 3.4 §4.2.1).
type Unbind struct{ Options Options }

// CommandID returns UnbindID.
func (p *Unbind) CommandID() CommandID { return UnbindID }
func (p *Unbind) fields(c *coder)      { c.empty(UnbindID, &p.Options) }

// UnbindResp answers an Unbind (SMPP 3.4 §4.2.2).
type UnbindResp struct{ Options Options }

// CommandID returns UnbindRespID.
func (p *UnbindResp) CommandID() CommandID { return UnbindRespID }
func (p *UnbindResp) fields(c *coder)      { c.empty(UnbindRespID, &p.Options) }

// GenericNack refuses a PDU that cannot be answered otherwise; the status is
// in the header (SMPP 3.4 §4.3.1).
type GenericNack struct{ Options Options }

// CommandID returns GenericNackID.
func (p *GenericNack) CommandID() CommandID { return GenericNackID }
func (p *GenericNack) fields(c *coder)      { c.empty(GenericNackID, &p.Options) }
