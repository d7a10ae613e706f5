package smpp

// QuerySM asks what became of a message (SMPP 3.4 §4.8.1).
type QuerySM struct {
	MessageID string
	Source    Address // that of the submit_sm
	Options   Options
}

// CommandID returns QuerySMID.
func (p *QuerySM) CommandID() CommandID { return QuerySMID }

// fields lists query_sm in wire order (SMPP 3.4 §4.8.1).
func (p *QuerySM) fields(c *coder) {
	c.command(QuerySMID)
	c.id65(&p.MessageID)
	c.source(&p.Source, 21)
	c.options(&p.Options)
}

// QuerySMResp answers a QuerySM (SMPP 3.4 §4.8.2).
type QuerySMResp struct {
	MessageID    string
	FinalDate    string // empty while the message has no final state
	MessageState byte   // one of the State constants
	ErrorCode    byte   // of the network, zero if none
	Options      Options
}

// CommandID returns QuerySMRespID.
func (p *QuerySMResp) CommandID() CommandID { return QuerySMRespID }

// fields lists query_sm_resp in wire order (SMPP 3.4 §4.8.2).
func (p *QuerySMResp) fields(c *coder) {
	c.command(QuerySMRespID)
	if c.bodiless(false) {
		return
	}
	c.id65(&p.MessageID)
	c.time("final_date", &p.FinalDate)
	c.octet("message_state", &p.MessageState)
	c.octet("error_code", &p.ErrorCode)
	c.options(&p.Options)
}

// CancelSM withdraws one message by its id, or all that are under way from
// Source to Destination when MessageID is empty (SMPP 3.4 §4.9.1).
type CancelSM struct {
	ServiceType         string
	MessageID           string
	Source, Destination Address
	Options             Options
}

// CommandID returns CancelSMID.
func (p *CancelSM) CommandID() CommandID { return CancelSMID }

// fields lists cancel_sm in wire order (SMPP 3.4 §4.9.1).
func (p *CancelSM) fields(c *coder) {
	c.command(CancelSMID)
	c.text("service_type", &p.ServiceType, 6)
	c.id65(&p.MessageID)
	c.source(&p.Source, 21)
	c.destination(&p.Destination, 21)
	c.options(&p.Options)
}

// CancelSMResp answers a CancelSM (SMPP 3.4 §4.9.2).
type CancelSMResp struct{ Options Options }

// CommandID returns CancelSMRespID.
func (p *CancelSMResp) CommandID() CommandID { return CancelSMRespID }
func (p *CancelSMResp) fields(c *coder)      { c.empty(CancelSMRespID, &p.Options) }

// ReplaceSM changes a message that is still under way (SMPP 3.4 §4.10.1). In
// SMPP 5.0 its text may be in the TLV message_payload.
type ReplaceSM struct {
	MessageID            string
	Source               Address
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   byte
	SMDefaultMsgID       byte
	ShortMessage         []byte
	Options              Options
}

// CommandID returns ReplaceSMID.
func (p *ReplaceSM) CommandID() CommandID { return ReplaceSMID }

// fields lists replace_sm in wire order (SMPP 3.4 §4.10.1).
func (p *ReplaceSM) fields(c *coder) {
	c.command(ReplaceSMID)
	c.id65(&p.MessageID)
	c.source(&p.Source, 21)
	c.time("schedule_delivery_time", &p.ScheduleDeliveryTime)
	c.time("validity_period", &p.ValidityPeriod)
	c.octet("registered_delivery", &p.RegisteredDelivery)
	c.octet("sm_default_msg_id", &p.SMDefaultMsgID)
	c.message(&p.ShortMessage)
	c.options(&p.Options)
}

// ReplaceSMResp answers a ReplaceSM (SMPP 3.4 §4.10.2).
type ReplaceSMResp struct{ Options Options }

// CommandID returns ReplaceSMRespID.
func (p *ReplaceSMResp) CommandID() CommandID { return ReplaceSMRespID }
func (p *ReplaceSMResp) fields(c *coder)      { c.empty(ReplaceSMRespID, &p.Options) }

// AlertNotification says that a phone for which a message waits is there again
// (SMPP 3.4 §4.12.1). It has no response.
type AlertNotification struct {
	Source  Address // the phone
	ESME    Address // who asked for the alert
	Options Options // ms_availability_status, if any
}

// CommandID returns AlertNotificationID.
func (p *AlertNotification) CommandID() CommandID { return AlertNotificationID }

// fields lists alert_notification in wire order (SMPP 3.4 §4.12.1).
func (p *AlertNotification) fields(c *coder) {
	c.command(AlertNotificationID)
	c.source(&p.Source, 65)
	c.octet("esme_addr_ton", &p.ESME.TON)
	c.octet("esme_addr_npi", &p.ESME.NPI)
	c.text("esme_addr", &p.ESME.Addr, 65)
	c.options(&p.Options)
}
