package smpp

// MaxShortMessage is the longest short_message in octets that Append writes
// (SMPP 3.4 §5.2.21); SMPP 5.0 peers may send 255.
const MaxShortMessage = 254

// SubmitSM sends one message part to the SMSC (SMPP 3.4 §4.4.1).
type SubmitSM struct {
	ServiceType          string
	Source, Destination  Address
	ESMClass             byte
	ProtocolID           byte
	PriorityFlag         byte
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   byte
	ReplaceIfPresent     byte
	DataCoding           byte
	SMDefaultMsgID       byte
	ShortMessage         []byte // as on the wire, user data header included
	Options              Options
}

// CommandID returns SubmitSMID.
func (p *SubmitSM) CommandID() CommandID { return SubmitSMID }

// fields lists submit_sm in wire order (SMPP 3.4 §4.4.1).
func (p *SubmitSM) fields(c *coder) {
	c.command(SubmitSMID)
	p.body(c)
}

// body lists what submit_sm and deliver_sm share (SMPP 3.4 §4.4.1, §4.6.1).
func (p *SubmitSM) body(c *coder) {
	c.text("service_type", &p.ServiceType, 6)
	c.source(&p.Source, 21)
	c.destination(&p.Destination, 21)
	c.octet("esm_class", &p.ESMClass)
	c.octet("protocol_id", &p.ProtocolID)
	c.octet("priority_flag", &p.PriorityFlag)
	c.time("schedule_delivery_time", &p.ScheduleDeliveryTime)
	c.time("validity_period", &p.ValidityPeriod)
	c.octet("registered_delivery", &p.RegisteredDelivery)
	c.octet("replace_if_present_flag", &p.ReplaceIfPresent)
	c.octet("data_coding", &p.DataCoding)
	c.octet("sm_default_msg_id", &p.SMDefaultMsgID)
	c.message(&p.ShortMessage)
	c.options(&p.Options)
	c.exclusive(p.ESMClass, p.ShortMessage)
}

// SubmitSMResp answers a SubmitSM; a failed one may come without a body
// (SMPP 3.4 §4.4.2).
type SubmitSMResp struct {
	MessageID string
	Options   Options
}

// CommandID returns SubmitSMRespID.
func (p *SubmitSMResp) CommandID() CommandID { return SubmitSMRespID }

// fields lists submit_sm_resp in wire order (SMPP 3.4 §4.4.2).
func (p *SubmitSMResp) fields(c *coder) {
	c.command(SubmitSMRespID)
	if c.bodiless(p.MessageID == "" && len(p.Options) == 0) {
		return
	}
	c.messageID(&p.MessageID)
	c.options(&p.Options)
}

// DeliverSM brings a text from a phone, or a receipt, to us (SMPP 3.4 §4.6.1).
type DeliverSM SubmitSM

// CommandID returns DeliverSMID.
func (p *DeliverSM) CommandID() CommandID { return DeliverSMID }

// fields lists deliver_sm in wire order (SMPP 3.4 §4.6.1).
func (p *DeliverSM) fields(c *coder) {
	c.command(DeliverSMID)
	(*SubmitSM)(p).body(c)
}

// DeliverSMResp answers a DeliverSM; its message_id is unused (SMPP 3.4 §4.6.2).
type DeliverSMResp struct {
	MessageID string
	Options   Options
}

// CommandID returns DeliverSMRespID.
func (p *DeliverSMResp) CommandID() CommandID { return DeliverSMRespID }

// fields lists deliver_sm_resp in wire order (SMPP 3.4 §4.6.2).
func (p *DeliverSMResp) fields(c *coder) {
	c.command(DeliverSMRespID)
	if c.bodiless(false) { // SMPP 3.4 §4.6.2 has the body in every case.
		return
	}
	c.messageID(&p.MessageID)
	c.options(&p.Options)
}

// DataSM carries a message whose text is in the TLV message_payload, either
// way (SMPP 3.4 §4.7.1).
type DataSM struct {
	ServiceType         string
	Source, Destination Address
	ESMClass            byte
	RegisteredDelivery  byte
	DataCoding          byte
	Options             Options
}

// CommandID returns DataSMID.
func (p *DataSM) CommandID() CommandID { return DataSMID }

// fields lists data_sm in wire order (SMPP 3.4 §4.7.1).
func (p *DataSM) fields(c *coder) {
	c.command(DataSMID)
	c.text("service_type", &p.ServiceType, 6)
	c.source(&p.Source, 65)
	c.destination(&p.Destination, 65)
	c.octet("esm_class", &p.ESMClass)
	c.octet("registered_delivery", &p.RegisteredDelivery)
	c.octet("data_coding", &p.DataCoding)
	c.options(&p.Options)
	c.exclusive(p.ESMClass, nil)
}

// DataSMResp answers a DataSM (SMPP 3.4 §4.7.2).
type DataSMResp struct {
	MessageID string
	Options   Options
}

// CommandID returns DataSMRespID.
func (p *DataSMResp) CommandID() CommandID { return DataSMRespID }

// fields lists data_sm_resp in wire order (SMPP 3.4 §4.7.2).
func (p *DataSMResp) fields(c *coder) {
	c.command(DataSMRespID)
	if c.bodiless(false) {
		return
	}
	c.messageID(&p.MessageID)
	c.options(&p.Options)
}
