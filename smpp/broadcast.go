package smpp

// BroadcastSM sends a message to everyone in an area (SMPP 5.0 §4.4.1). Area,
// content type, repetitions and interval are TLVs: broadcast_area_identifier,
// broadcast_content_type, broadcast_rep_num, broadcast_frequency_interval; the
// text is in message_payload.
type BroadcastSM struct {
	ServiceType          string
	Source               Address
	MessageID            string // of the broadcast to replace, else empty
	PriorityFlag         byte
	ScheduleDeliveryTime string
	ValidityPeriod       string
	ReplaceIfPresent     byte
	DataCoding           byte
	SMDefaultMsgID       byte
	Options              Options
}

// CommandID returns BroadcastSMID.
func (p *BroadcastSM) CommandID() CommandID { return BroadcastSMID }

// fields lists broadcast_sm in wire order (SMPP 5.0 §4.4.1.1).
func (p *BroadcastSM) fields(c *coder) {
	c.command(BroadcastSMID)
	c.text("service_type", &p.ServiceType, 6)
	c.source(&p.Source, 21)
	c.id65(&p.MessageID)
	c.octet("priority_flag", &p.PriorityFlag)
	c.time("schedule_delivery_time", &p.ScheduleDeliveryTime)
	c.time("validity_period", &p.ValidityPeriod)
	c.octet("replace_if_present_flag", &p.ReplaceIfPresent)
	c.octet("data_coding", &p.DataCoding)
	c.octet("sm_default_msg_id", &p.SMDefaultMsgID)
	c.options(&p.Options)
}

// BroadcastSMResp answers a BroadcastSM (SMPP 5.0 §4.4.1.2).
type BroadcastSMResp struct {
	MessageID string
	Options   Options // broadcast_error_status and the areas that failed, congestion_state
}

// CommandID returns BroadcastSMRespID.
func (p *BroadcastSMResp) CommandID() CommandID { return BroadcastSMRespID }

// fields lists broadcast_sm_resp in wire order (SMPP 5.0 §4.4.1.2).
func (p *BroadcastSMResp) fields(c *coder) {
	c.command(BroadcastSMRespID)
	if c.bodiless(false) {
		return
	}
	c.messageID(&p.MessageID)
	c.options(&p.Options)
}

// QueryBroadcastSM asks what became of a broadcast (SMPP 5.0 §4.6.1).
type QueryBroadcastSM struct {
	MessageID string
	Source    Address // that of the broadcast_sm
	Options   Options // user_message_reference, if any
}

// CommandID returns QueryBroadcastSMID.
func (p *QueryBroadcastSM) CommandID() CommandID { return QueryBroadcastSMID }

// fields lists query_broadcast_sm in wire order (SMPP 5.0 §4.6.1.1).
func (p *QueryBroadcastSM) fields(c *coder) {
	c.command(QueryBroadcastSMID)
	c.id65(&p.MessageID)
	c.source(&p.Source, 21)
	c.options(&p.Options)
}

// QueryBroadcastSMResp answers a QueryBroadcastSM (SMPP 5.0 §4.6.1.3).
type QueryBroadcastSMResp struct {
	MessageID string
	Options   Options // message_state, and area and success of each area
}

// CommandID returns QueryBroadcastSMRespID.
func (p *QueryBroadcastSMResp) CommandID() CommandID { return QueryBroadcastSMRespID }

// fields lists query_broadcast_sm_resp in wire order (SMPP 5.0 §4.6.1.3).
func (p *QueryBroadcastSMResp) fields(c *coder) {
	c.command(QueryBroadcastSMRespID)
	if c.bodiless(false) {
		return
	}
	c.messageID(&p.MessageID)
	c.options(&p.Options)
}

// CancelBroadcastSM ends a broadcast by its id, or all of a sender's with one
// service type and content type when MessageID is empty (SMPP 5.0 §4.6.2).
type CancelBroadcastSM struct {
	ServiceType string
	MessageID   string
	Source      Address
	Options     Options // broadcast_content_type and user_message_reference, if any
}

// CommandID returns CancelBroadcastSMID.
func (p *CancelBroadcastSM) CommandID() CommandID { return CancelBroadcastSMID }

// fields lists cancel_broadcast_sm in wire order (SMPP 5.0 §4.6.2.1).
func (p *CancelBroadcastSM) fields(c *coder) {
	c.command(CancelBroadcastSMID)
	c.text("service_type", &p.ServiceType, 6)
	c.id65(&p.MessageID)
	c.source(&p.Source, 21)
	c.options(&p.Options)
}

// CancelBroadcastSMResp answers a CancelBroadcastSM (SMPP 5.0 §4.6.2.3).
type CancelBroadcastSMResp struct{ Options Options }

// CommandID returns CancelBroadcastSMRespID.
func (p *CancelBroadcastSMResp) CommandID() CommandID { return CancelBroadcastSMRespID }

func (p *CancelBroadcastSMResp) fields(c *coder) { c.empty(CancelBroadcastSMRespID, &p.Options) }
