package smpp

// The operations that SMPP 3.3 has and 3.4 dropped. They are read and written
// for whoever looks at the traffic of such a peer; nothing of ours sends them.

// ParamRetrieve asks the SMSC for the value of one of its parameters (SMPP 3.3).
type ParamRetrieve struct{ Name string }

// CommandID returns ParamRetrieveID.
func (p *ParamRetrieve) CommandID() CommandID { return ParamRetrieveID }

// fields lists param_retrieve in wire order (SMPP 3.3).
func (p *ParamRetrieve) fields(c *coder) {
	c.command(ParamRetrieveID)
	c.text("param_name", &p.Name, 32)
}

// ParamRetrieveResp answers a ParamRetrieve (SMPP 3.3).
type ParamRetrieveResp struct{ Value string }

// CommandID returns ParamRetrieveRespID.
func (p *ParamRetrieveResp) CommandID() CommandID { return ParamRetrieveRespID }

// fields lists param_retrieve_resp in wire order (SMPP 3.3).
func (p *ParamRetrieveResp) fields(c *coder) {
	c.command(ParamRetrieveRespID)
	if c.bodiless(false) {
		return
	}
	c.text("param_value", &p.Value, 100)
}

// QueryLastMsgs asks for the ids of a sender's last messages (SMPP 3.3).
type QueryLastMsgs struct {
	Source Address
	Number byte // of ids, 1 to 100
}

// CommandID returns QueryLastMsgsID.
func (p *QueryLastMsgs) CommandID() CommandID { return QueryLastMsgsID }

// fields lists query_last_msgs in wire order (SMPP 3.3).
func (p *QueryLastMsgs) fields(c *coder) {
	c.command(QueryLastMsgsID)
	c.source(&p.Source, 21)
	c.octet("no_of_messages", &p.Number)
}

// QueryLastMsgsResp answers a QueryLastMsgs (SMPP 3.3).
type QueryLastMsgsResp struct{ MessageIDs []string }

// CommandID returns QueryLastMsgsRespID.
func (p *QueryLastMsgsResp) CommandID() CommandID { return QueryLastMsgsRespID }

// fields lists query_last_msgs_resp in wire order (SMPP 3.3).
func (p *QueryLastMsgsResp) fields(c *coder) {
	c.command(QueryLastMsgsRespID)
	if c.bodiless(false) {
		return
	}
	for i := range group(c, "no_of_messages", "messages", &p.MessageIDs) {
		c.item()
		c.id65(&p.MessageIDs[i])
	}
	groupEnd(c, "messages", &p.MessageIDs)
}

// QueryMsgDetails asks for all that the SMSC knows of a message (SMPP 3.3).
type QueryMsgDetails struct {
	MessageID  string
	Source     Address
	TextLength byte // how many octets of the text are wanted
}

// CommandID returns QueryMsgDetailsID.
func (p *QueryMsgDetails) CommandID() CommandID { return QueryMsgDetailsID }

// fields lists query_msg_details in wire order (SMPP 3.3).
func (p *QueryMsgDetails) fields(c *coder) {
	c.command(QueryMsgDetailsID)
	c.id65(&p.MessageID)
	c.source(&p.Source, 21)
	c.octet("text_length", &p.TextLength)
}

// QueryMsgDetailsResp answers a QueryMsgDetails (SMPP 3.3).
type QueryMsgDetailsResp struct {
	ServiceType          string
	Source               Address
	Destinations         []Destination
	ProtocolID           byte
	PriorityFlag         byte
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   byte
	DataCoding           byte
	ShortMessage         []byte
	MessageID            string
	FinalDate            string
	MessageState         byte
	ErrorCode            byte
}

// CommandID returns QueryMsgDetailsRespID.
func (p *QueryMsgDetailsResp) CommandID() CommandID { return QueryMsgDetailsRespID }

// fields lists query_msg_details_resp in wire order (SMPP 3.3).
func (p *QueryMsgDetailsResp) fields(c *coder) {
	c.command(QueryMsgDetailsRespID)
	if c.bodiless(false) {
		return
	}
	c.text("service_type", &p.ServiceType, 6)
	c.source(&p.Source, 21)
	for i := range group(c, "number_of_dests", "dest_address", &p.Destinations) {
		c.item()
		p.Destinations[i].fields(c)
	}
	groupEnd(c, "dest_address", &p.Destinations)
	c.octet("protocol_id", &p.ProtocolID)
	c.octet("priority_flag", &p.PriorityFlag)
	c.time("schedule_delivery_time", &p.ScheduleDeliveryTime)
	c.time("validity_period", &p.ValidityPeriod)
	c.octet("registered_delivery", &p.RegisteredDelivery)
	c.octet("data_coding", &p.DataCoding)
	c.message(&p.ShortMessage)
	c.id65(&p.MessageID)
	c.time("final_date", &p.FinalDate)
	c.octet("message_state", &p.MessageState)
	c.octet("error_code", &p.ErrorCode)
}
