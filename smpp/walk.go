package smpp

// walk follows the description of p. A switch instead of a call through the
// interface keeps the coder and p off the heap. The operations that come by the
// million stand first.
func (c *coder) walk(p PDU) bool {
	switch p := p.(type) {
	case *SubmitSM:
		p.fields(c)
	case *SubmitSMResp:
		p.fields(c)
	case *DeliverSM:
		p.fields(c)
	case *DeliverSMResp:
		p.fields(c)
	case *DataSM:
		p.fields(c)
	case *DataSMResp:
		p.fields(c)
	case *EnquireLink:
		p.fields(c)
	case *EnquireLinkResp:
		p.fields(c)
	default:
		return c.walkRare(p)
	}
	return true
}

func (c *coder) walkRare(p PDU) bool {
	switch p := p.(type) {
	case *QuerySM:
		p.fields(c)
	case *QuerySMResp:
		p.fields(c)
	case *Unbind:
		p.fields(c)
	case *UnbindResp:
		p.fields(c)
	case *GenericNack:
		p.fields(c)
	case *Bind:
		p.fields(c)
	case *BindResp:
		p.fields(c)
	case *SubmitMulti:
		p.fields(c)
	case *SubmitMultiResp:
		p.fields(c)
	case *CancelSM:
		p.fields(c)
	case *CancelSMResp:
		p.fields(c)
	case *ReplaceSM:
		p.fields(c)
	case *ReplaceSMResp:
		p.fields(c)
	case *Outbind:
		p.fields(c)
	case *AlertNotification:
		p.fields(c)
	case *BroadcastSM:
		p.fields(c)
	case *BroadcastSMResp:
		p.fields(c)
	case *QueryBroadcastSM:
		p.fields(c)
	case *QueryBroadcastSMResp:
		p.fields(c)
	case *CancelBroadcastSM:
		p.fields(c)
	case *CancelBroadcastSMResp:
		p.fields(c)
	case *ParamRetrieve:
		p.fields(c)
	case *ParamRetrieveResp:
		p.fields(c)
	case *QueryLastMsgs:
		p.fields(c)
	case *QueryLastMsgsResp:
		p.fields(c)
	case *QueryMsgDetails:
		p.fields(c)
	case *QueryMsgDetailsResp:
		p.fields(c)
	default:
		return false
	}
	return true
}

// newPDU returns an empty PDU for a command, or nil for one that this package
// does not know.
func newPDU(id CommandID) PDU {
	switch id {
	case SubmitSMID:
		return &SubmitSM{}
	case SubmitSMRespID:
		return &SubmitSMResp{}
	case DeliverSMID:
		return &DeliverSM{}
	case DeliverSMRespID:
		return &DeliverSMResp{}
	case DataSMID:
		return &DataSM{}
	case DataSMRespID:
		return &DataSMResp{}
	case QuerySMID:
		return &QuerySM{}
	case QuerySMRespID:
		return &QuerySMResp{}
	case SubmitMultiID:
		return &SubmitMulti{}
	case SubmitMultiRespID:
		return &SubmitMultiResp{}
	case EnquireLinkID:
		return &EnquireLink{}
	case EnquireLinkRespID:
		return &EnquireLinkResp{}
	case UnbindID:
		return &Unbind{}
	case UnbindRespID:
		return &UnbindResp{}
	case GenericNackID:
		return &GenericNack{}
	case BindReceiverID, BindTransmitterID, BindTransceiverID:
		return &Bind{}
	case BindReceiverRespID, BindTransmitterRespID, BindTransceiverRespID:
		return &BindResp{}
	}
	return newRarePDU(id)
}

// newRarePDU goes on where newPDU ends.
func newRarePDU(id CommandID) PDU {
	switch id {
	case CancelSMID:
		return &CancelSM{}
	case CancelSMRespID:
		return &CancelSMResp{}
	case ReplaceSMID:
		return &ReplaceSM{}
	case ReplaceSMRespID:
		return &ReplaceSMResp{}
	case OutbindID:
		return &Outbind{}
	case AlertNotificationID:
		return &AlertNotification{}
	case BroadcastSMID:
		return &BroadcastSM{}
	case BroadcastSMRespID:
		return &BroadcastSMResp{}
	case QueryBroadcastSMID:
		return &QueryBroadcastSM{}
	case QueryBroadcastSMRespID:
		return &QueryBroadcastSMResp{}
	case CancelBroadcastSMID:
		return &CancelBroadcastSM{}
	case CancelBroadcastSMRespID:
		return &CancelBroadcastSMResp{}
	case ParamRetrieveID:
		return &ParamRetrieve{}
	case ParamRetrieveRespID:
		return &ParamRetrieveResp{}
	case QueryLastMsgsID:
		return &QueryLastMsgs{}
	case QueryLastMsgsRespID:
		return &QueryLastMsgsResp{}
	case QueryMsgDetailsID:
		return &QueryMsgDetails{}
	case QueryMsgDetailsRespID:
		return &QueryMsgDetailsResp{}
	}
	return nil
}
