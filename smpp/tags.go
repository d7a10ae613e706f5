package smpp

import "slices"

// Tag names an optional parameter (SMPP 3.4 §5.3.1).
type Tag uint16

// Kind is how the value of a TLV is to be read.
type Kind byte

const (
	// KindOctets is an octet string.
	KindOctets Kind = iota
	// KindInteger is an unsigned integer, most significant octet first.
	KindInteger
	// KindText is a C-octet string.
	KindText
)

// TagInfo is one line of the table of optional parameters.
type TagInfo struct {
	Tag      Tag
	Name     string // as in the specification
	Kind     Kind
	Min, Max int // octets of the value; 65,536 is "no limit"
}

// Lookup returns what is known about t, and false for tags outside the table.
func (t Tag) Lookup() (TagInfo, bool) {
	i, ok := slices.BinarySearchFunc(tags[:], t, func(e TagInfo, t Tag) int { return int(e.Tag) - int(t) })
	if !ok {
		return TagInfo{Tag: t, Name: hex16(uint16(t)), Max: anyLen}, false
	}
	return tags[i], true
}

// String returns the specification's name, as "receipted_message_id", or the
// number in hexadecimal, as "0x1400".
func (t Tag) String() string {
	info, _ := t.Lookup()
	return info.Name
}

// Tags returns the table of all known optional parameters, by ascending tag.
func Tags() []TagInfo { return slices.Clone(tags[:]) }

func hex16(v uint16) string { return "0x" + hex32(uint32(v))[6:] }

const anyLen = 1 << 16

// The optional parameters of SMPP 3.4 §5.3.2, and those that 5.0 added
// (congestion_state, 0x0600 to 0x0613).
const (
	TagDestAddrSubunit            Tag = 0x0005
	TagDestNetworkType            Tag = 0x0006
	TagDestBearerType             Tag = 0x0007
	TagDestTelematicsID           Tag = 0x0008
	TagSourceAddrSubunit          Tag = 0x000D
	TagSourceNetworkType          Tag = 0x000E
	TagSourceBearerType           Tag = 0x000F
	TagSourceTelematicsID         Tag = 0x0010
	TagQosTimeToLive              Tag = 0x0017
	TagPayloadType                Tag = 0x0019
	TagAdditionalStatusInfoText   Tag = 0x001D
	TagReceiptedMessageID         Tag = 0x001E
	TagMsMsgWaitFacilities        Tag = 0x0030
	TagPrivacyIndicator           Tag = 0x0201
	TagSourceSubaddress           Tag = 0x0202
	TagDestSubaddress             Tag = 0x0203
	TagUserMessageReference       Tag = 0x0204
	TagUserResponseCode           Tag = 0x0205
	TagSourcePort                 Tag = 0x020A
	TagDestinationPort            Tag = 0x020B
	TagSarMsgRefNum               Tag = 0x020C
	TagLanguageIndicator          Tag = 0x020D
	TagSarTotalSegments           Tag = 0x020E
	TagSarSegmentSeqnum           Tag = 0x020F
	TagScInterfaceVersion         Tag = 0x0210
	TagCallbackNumPresInd         Tag = 0x0302
	TagCallbackNumAtag            Tag = 0x0303
	TagNumberOfMessages           Tag = 0x0304
	TagCallbackNum                Tag = 0x0381
	TagDpfResult                  Tag = 0x0420
	TagSetDpf                     Tag = 0x0421
	TagMsAvailabilityStatus       Tag = 0x0422
	TagNetworkErrorCode           Tag = 0x0423
	TagMessagePayload             Tag = 0x0424
	TagDeliveryFailureReason      Tag = 0x0425
	TagMoreMessagesToSend         Tag = 0x0426
	TagMessageState               Tag = 0x0427
	TagCongestionState            Tag = 0x0428
	TagUssdServiceOp              Tag = 0x0501
	TagBroadcastChannelIndicator  Tag = 0x0600
	TagBroadcastContentType       Tag = 0x0601
	TagBroadcastContentTypeInfo   Tag = 0x0602
	TagBroadcastMessageClass      Tag = 0x0603
	TagBroadcastRepNum            Tag = 0x0604
	TagBroadcastFrequencyInterval Tag = 0x0605
	TagBroadcastAreaIdentifier    Tag = 0x0606
	TagBroadcastErrorStatus       Tag = 0x0607
	TagBroadcastAreaSuccess       Tag = 0x0608
	TagBroadcastEndTime           Tag = 0x0609
	TagBroadcastServiceGroup      Tag = 0x060A
	TagBillingIdentification      Tag = 0x060B
	TagSourceNetworkID            Tag = 0x060D
	TagDestNetworkID              Tag = 0x060E
	TagSourceNodeID               Tag = 0x060F
	TagDestNodeID                 Tag = 0x0610
	TagDestAddrNpResolution       Tag = 0x0611
	TagDestAddrNpInformation      Tag = 0x0612
	TagDestAddrNpCountry          Tag = 0x0613
	TagDisplayTime                Tag = 0x1201
	TagSmsSignal                  Tag = 0x1203
	TagMsValidity                 Tag = 0x1204
	TagAlertOnMessageDelivery     Tag = 0x130C
	TagItsReplyType               Tag = 0x1380
	TagItsSessionInfo             Tag = 0x1383
)

// tags is the table of the optional parameters. It is an array, and never
// written to.
var tags = [...]TagInfo{
	{TagDestAddrSubunit, "dest_addr_subunit", KindInteger, 1, 1},
	{TagDestNetworkType, "dest_network_type", KindInteger, 1, 1},
	{TagDestBearerType, "dest_bearer_type", KindInteger, 1, 1},
	{TagDestTelematicsID, "dest_telematics_id", KindInteger, 2, 2},
	{TagSourceAddrSubunit, "source_addr_subunit", KindInteger, 1, 1},
	{TagSourceNetworkType, "source_network_type", KindInteger, 1, 1},
	{TagSourceBearerType, "source_bearer_type", KindInteger, 1, 1},
	{TagSourceTelematicsID, "source_telematics_id", KindInteger, 1, 1},
	{TagQosTimeToLive, "qos_time_to_live", KindInteger, 4, 4},
	{TagPayloadType, "payload_type", KindInteger, 1, 1},
	{TagAdditionalStatusInfoText, "additional_status_info_text", KindText, 1, 256},
	{TagReceiptedMessageID, "receipted_message_id", KindText, 1, 65},
	{TagMsMsgWaitFacilities, "ms_msg_wait_facilities", KindInteger, 1, 1},
	{TagPrivacyIndicator, "privacy_indicator", KindInteger, 1, 1},
	{TagSourceSubaddress, "source_subaddress", KindOctets, 2, 23},
	{TagDestSubaddress, "dest_subaddress", KindOctets, 2, 23},
	{TagUserMessageReference, "user_message_reference", KindInteger, 2, 2},
	{TagUserResponseCode, "user_response_code", KindInteger, 1, 1},
	{TagSourcePort, "source_port", KindInteger, 2, 2},
	{TagDestinationPort, "destination_port", KindInteger, 2, 2},
	{TagSarMsgRefNum, "sar_msg_ref_num", KindInteger, 2, 2},
	{TagLanguageIndicator, "language_indicator", KindInteger, 1, 1},
	{TagSarTotalSegments, "sar_total_segments", KindInteger, 1, 1},
	{TagSarSegmentSeqnum, "sar_segment_seqnum", KindInteger, 1, 1},
	{TagScInterfaceVersion, "sc_interface_version", KindInteger, 1, 1},
	{TagCallbackNumPresInd, "callback_num_pres_ind", KindInteger, 1, 1},
	{TagCallbackNumAtag, "callback_num_atag", KindOctets, 0, 65},
	{TagNumberOfMessages, "number_of_messages", KindInteger, 1, 1},
	{TagCallbackNum, "callback_num", KindOctets, 4, 19},
	{TagDpfResult, "dpf_result", KindInteger, 1, 1},
	{TagSetDpf, "set_dpf", KindInteger, 1, 1},
	{TagMsAvailabilityStatus, "ms_availability_status", KindInteger, 1, 1},
	{TagNetworkErrorCode, "network_error_code", KindOctets, 3, 3},
	{TagMessagePayload, "message_payload", KindOctets, 0, anyLen},
	{TagDeliveryFailureReason, "delivery_failure_reason", KindInteger, 1, 1},
	{TagMoreMessagesToSend, "more_messages_to_send", KindInteger, 1, 1},
	{TagMessageState, "message_state", KindInteger, 1, 1},
	{TagCongestionState, "congestion_state", KindInteger, 1, 1},
	{TagUssdServiceOp, "ussd_service_op", KindOctets, 1, 1},
	{TagBroadcastChannelIndicator, "broadcast_channel_indicator", KindInteger, 1, 1},
	{TagBroadcastContentType, "broadcast_content_type", KindOctets, 3, 3},
	{TagBroadcastContentTypeInfo, "broadcast_content_type_info", KindOctets, 0, 255},
	{TagBroadcastMessageClass, "broadcast_message_class", KindInteger, 1, 1},
	{TagBroadcastRepNum, "broadcast_rep_num", KindInteger, 2, 2},
	{TagBroadcastFrequencyInterval, "broadcast_frequency_interval", KindOctets, 3, 3},
	{TagBroadcastAreaIdentifier, "broadcast_area_identifier", KindOctets, 0, anyLen},
	{TagBroadcastErrorStatus, "broadcast_error_status", KindInteger, 4, 4},
	{TagBroadcastAreaSuccess, "broadcast_area_success", KindInteger, 1, 1},
	{TagBroadcastEndTime, "broadcast_end_time", KindText, 1, 17},
	{TagBroadcastServiceGroup, "broadcast_service_group", KindOctets, 1, 255},
	{TagBillingIdentification, "billing_identification", KindOctets, 1, 1024},
	{TagSourceNetworkID, "source_network_id", KindText, 7, 66},
	{TagDestNetworkID, "dest_network_id", KindText, 7, 66},
	{TagSourceNodeID, "source_node_id", KindOctets, 6, 6},
	{TagDestNodeID, "dest_node_id", KindOctets, 6, 6},
	{TagDestAddrNpResolution, "dest_addr_np_resolution", KindInteger, 1, 1},
	{TagDestAddrNpInformation, "dest_addr_np_information", KindOctets, 10, 10},
	{TagDestAddrNpCountry, "dest_addr_np_country", KindOctets, 1, 5},
	{TagDisplayTime, "display_time", KindInteger, 1, 1},
	{TagSmsSignal, "sms_signal", KindInteger, 2, 2},
	{TagMsValidity, "ms_validity", KindInteger, 1, 4},
	{TagAlertOnMessageDelivery, "alert_on_message_delivery", KindOctets, 0, 1},
	{TagItsReplyType, "its_reply_type", KindInteger, 1, 1},
	{TagItsSessionInfo, "its_session_info", KindOctets, 2, 2},
}
