package smpp

import (
	"slices"
	"strconv"
)

// CommandID names the operation of a PDU (SMPP 3.4 §5.1.2.1).
type CommandID uint32

// respBit is set in the command_id of every response.
const respBit CommandID = 0x80000000

// The operations of SMPP 3.3, 3.4 and 5.0 that this package encodes and decodes.
const (
	GenericNackID           CommandID = 0x80000000
	BindReceiverID          CommandID = 0x00000001
	BindReceiverRespID      CommandID = 0x80000001
	BindTransmitterID       CommandID = 0x00000002
	BindTransmitterRespID   CommandID = 0x80000002
	QuerySMID               CommandID = 0x00000003
	QuerySMRespID           CommandID = 0x80000003
	SubmitSMID              CommandID = 0x00000004
	SubmitSMRespID          CommandID = 0x80000004
	DeliverSMID             CommandID = 0x00000005
	DeliverSMRespID         CommandID = 0x80000005
	UnbindID                CommandID = 0x00000006
	UnbindRespID            CommandID = 0x80000006
	ReplaceSMID             CommandID = 0x00000007
	ReplaceSMRespID         CommandID = 0x80000007
	CancelSMID              CommandID = 0x00000008
	CancelSMRespID          CommandID = 0x80000008
	BindTransceiverID       CommandID = 0x00000009
	BindTransceiverRespID   CommandID = 0x80000009
	OutbindID               CommandID = 0x0000000B
	EnquireLinkID           CommandID = 0x00000015
	EnquireLinkRespID       CommandID = 0x80000015
	SubmitMultiID           CommandID = 0x00000021
	ParamRetrieveID         CommandID = 0x00000022
	ParamRetrieveRespID     CommandID = 0x80000022
	QueryLastMsgsID         CommandID = 0x00000023
	QueryLastMsgsRespID     CommandID = 0x80000023
	QueryMsgDetailsID       CommandID = 0x00000024
	QueryMsgDetailsRespID   CommandID = 0x80000024
	SubmitMultiRespID       CommandID = 0x80000021
	AlertNotificationID     CommandID = 0x00000102
	DataSMID                CommandID = 0x00000103
	DataSMRespID            CommandID = 0x80000103
	BroadcastSMID           CommandID = 0x00000111
	BroadcastSMRespID       CommandID = 0x80000111
	QueryBroadcastSMID      CommandID = 0x00000112
	QueryBroadcastSMRespID  CommandID = 0x80000112
	CancelBroadcastSMID     CommandID = 0x00000113
	CancelBroadcastSMRespID CommandID = 0x80000113
)

// requestName names every request of SMPP 3.3, 3.4 and 5.0.
func requestName(id CommandID) string {
	switch id {
	case BindReceiverID:
		return "bind_receiver"
	case BindTransmitterID:
		return "bind_transmitter"
	case QuerySMID:
		return "query_sm"
	case SubmitSMID:
		return "submit_sm"
	case DeliverSMID:
		return "deliver_sm"
	case UnbindID:
		return "unbind"
	case ReplaceSMID:
		return "replace_sm"
	case CancelSMID:
		return "cancel_sm"
	case BindTransceiverID:
		return "bind_transceiver"
	case OutbindID:
		return "outbind"
	case EnquireLinkID:
		return "enquire_link"
	case SubmitMultiID:
		return "submit_multi"
	case ParamRetrieveID:
		return "param_retrieve"
	case QueryLastMsgsID:
		return "query_last_msgs"
	case QueryMsgDetailsID:
		return "query_msg_details"
	case AlertNotificationID:
		return "alert_notification"
	case DataSMID:
		return "data_sm"
	case BroadcastSMID:
		return "broadcast_sm"
	case QueryBroadcastSMID:
		return "query_broadcast_sm"
	case CancelBroadcastSMID:
		return "cancel_broadcast_sm"
	}
	return ""
}

// String returns the specification's name, as "submit_sm", or the number in
// hexadecimal, as "0x00000abc".
func (id CommandID) String() string {
	if id == GenericNackID {
		return "generic_nack"
	}
	name := requestName(id &^ respBit)
	switch {
	case name == "":
		return hex32(uint32(id))
	case id.IsResponse():
		return name + "_resp"
	}
	return name
}

// IsResponse reports whether the PDU answers another one; generic_nack does.
func (id CommandID) IsResponse() bool { return id&respBit != 0 }

// Response returns the command_id that answers the request id.
func (id CommandID) Response() CommandID { return id | respBit }

// Since returns the first SMPP version that has the operation: Version33,
// Version34 or Version50; zero for one that none has.
func (id CommandID) Since() byte {
	switch id &^ respBit {
	case BindTransceiverID, OutbindID, AlertNotificationID, DataSMID:
		return Version34
	case BroadcastSMID, QueryBroadcastSMID, CancelBroadcastSMID:
		return Version50
	}
	if id != GenericNackID && requestName(id&^respBit) == "" {
		return 0
	}
	return Version33
}

// Commands returns every operation that this package reads and writes.
func Commands() []CommandID { return slices.Clone(commands[:]) }

func hex32(v uint32) string {
	s := strconv.FormatUint(uint64(v), 16)
	return "0x" + "00000000"[len(s):] + s
}
