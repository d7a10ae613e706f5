package smpp

// Values of dest_flag (SMPP 3.4 §5.2.25).
const (
	destAddress byte = 1
	destList    byte = 2
)

// A Destination of a SubmitMulti is an address, or the name of a distribution
// list when List is set; its Address is not written then (SMPP 3.4 §4.5.1.1).
type Destination struct {
	Address
	List string
}

// fields lists one dest_address in wire order (SMPP 3.4 §4.5.1.1 to §4.5.1.3).
func (d *Destination) fields(c *coder) {
	flag := destAddress
	if d.List != "" {
		flag = destList
	}
	c.destFlag(&flag)
	if flag == destList {
		d.Address = Address{}
		c.text("dl_name", &d.List, 21)
		return
	}
	d.List = ""
	c.destination(&d.Address, 21)
}

// SubmitMulti sends one message to several destinations (SMPP 3.4 §4.5.1): 1 to
// 254, in SMPP 5.0 to 255.
type SubmitMulti struct {
	ServiceType          string
	Source               Address
	Destinations         []Destination
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

// CommandID returns SubmitMultiID.
func (p *SubmitMulti) CommandID() CommandID { return SubmitMultiID }

// fields lists submit_multi in wire order (SMPP 3.4 §4.5.1).
func (p *SubmitMulti) fields(c *coder) {
	c.command(SubmitMultiID)
	c.text("service_type", &p.ServiceType, 6)
	c.source(&p.Source, 21)
	for i := range group(c, "number_of_dests", "dest_address", &p.Destinations) {
		c.item()
		p.Destinations[i].fields(c)
	}
	groupEnd(c, "dest_address", &p.Destinations)
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

// Unsuccess is one destination that a SubmitMulti did not reach, and why
// (SMPP 3.4 §4.5.2.1).
type Unsuccess struct {
	Address
	Status Status
}

// fields lists one unsuccess_sme in wire order (SMPP 3.4 §4.5.2.1).
func (u *Unsuccess) fields(c *coder) {
	c.destination(&u.Address, 21)
	c.long("error_status_code", (*uint32)(&u.Status))
}

// SubmitMultiResp answers a SubmitMulti with the destinations that failed
// (SMPP 3.4 §4.5.2).
type SubmitMultiResp struct {
	MessageID string
	Unsuccess []Unsuccess
	Options   Options
}

// CommandID returns SubmitMultiRespID.
func (p *SubmitMultiResp) CommandID() CommandID { return SubmitMultiRespID }

// fields lists submit_multi_resp in wire order (SMPP 3.4 §4.5.2).
func (p *SubmitMultiResp) fields(c *coder) {
	c.command(SubmitMultiRespID)
	if c.bodiless(false) {
		return
	}
	c.id65(&p.MessageID)
	for i := range group(c, "no_unsuccess", "unsuccess_sme", &p.Unsuccess) {
		c.item()
		p.Unsuccess[i].fields(c)
	}
	groupEnd(c, "unsuccess_sme", &p.Unsuccess)
	c.options(&p.Options)
}
