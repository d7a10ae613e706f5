package smpp

import (
	"fmt"
	"slices"
)

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
	// KindParts is a structure: see Tag.Parts.
	KindParts
)

// TagInfo is one line of the table of optional parameters.
type TagInfo struct {
	Tag      Tag
	Name     string // as in the specification
	Kind     Kind
	Min, Max int  // octets of the value; 65,536 is "no limit"
	Since    byte // Version34 or Version50
	Repeats  bool // may come several times in one PDU
}

// misfit says what is wrong with a value of n octets.
func (i TagInfo) misfit(n int) string {
	if i.Min == i.Max {
		return fmt.Sprintf("has %d octets, not %d", n, i.Min)
	}
	return fmt.Sprintf("has %d octets, not %d to %d", n, i.Min, i.Max)
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

// Vendor reports whether t is one of the tags that the specification leaves to
// carriers (SMPP 3.4 §5.3.1).
func (t Tag) Vendor() bool { return t >= TagVendorFirst && t <= TagVendorLast }

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

	// What carriers define for themselves lies between these.
	TagVendorFirst Tag = 0x1400
	TagVendorLast  Tag = 0x3FFF
)

// tags is the table of the optional parameters. It is an array, and never
// written to.
var tags = [...]TagInfo{
	{TagDestAddrSubunit, "dest_addr_subunit", KindInteger, 1, 1, Version34, false},
	{TagDestNetworkType, "dest_network_type", KindInteger, 1, 1, Version34, false},
	{TagDestBearerType, "dest_bearer_type", KindInteger, 1, 1, Version34, false},
	{TagDestTelematicsID, "dest_telematics_id", KindInteger, 2, 2, Version34, false},
	{TagSourceAddrSubunit, "source_addr_subunit", KindInteger, 1, 1, Version34, false},
	{TagSourceNetworkType, "source_network_type", KindInteger, 1, 1, Version34, false},
	{TagSourceBearerType, "source_bearer_type", KindInteger, 1, 1, Version34, false},
	{TagSourceTelematicsID, "source_telematics_id", KindInteger, 1, 2, Version34, false},
	{TagQosTimeToLive, "qos_time_to_live", KindInteger, 4, 4, Version34, false},
	{TagPayloadType, "payload_type", KindInteger, 1, 1, Version34, false},
	{TagAdditionalStatusInfoText, "additional_status_info_text", KindText, 1, 256, Version34, false},
	{TagReceiptedMessageID, "receipted_message_id", KindText, 1, 65, Version34, false},
	{TagMsMsgWaitFacilities, "ms_msg_wait_facilities", KindInteger, 1, 1, Version34, false},
	{TagPrivacyIndicator, "privacy_indicator", KindInteger, 1, 1, Version34, false},
	{TagSourceSubaddress, "source_subaddress", KindParts, 2, 23, Version34, false},
	{TagDestSubaddress, "dest_subaddress", KindParts, 2, 23, Version34, false},
	{TagUserMessageReference, "user_message_reference", KindInteger, 2, 2, Version34, false},
	{TagUserResponseCode, "user_response_code", KindInteger, 1, 1, Version34, false},
	{TagSourcePort, "source_port", KindInteger, 2, 2, Version34, false},
	{TagDestinationPort, "destination_port", KindInteger, 2, 2, Version34, false},
	{TagSarMsgRefNum, "sar_msg_ref_num", KindInteger, 2, 2, Version34, false},
	{TagLanguageIndicator, "language_indicator", KindInteger, 1, 1, Version34, false},
	{TagSarTotalSegments, "sar_total_segments", KindInteger, 1, 1, Version34, false},
	{TagSarSegmentSeqnum, "sar_segment_seqnum", KindInteger, 1, 1, Version34, false},
	{TagScInterfaceVersion, "sc_interface_version", KindInteger, 1, 1, Version34, false},
	{TagCallbackNumPresInd, "callback_num_pres_ind", KindInteger, 1, 1, Version34, true},
	{TagCallbackNumAtag, "callback_num_atag", KindParts, 1, 65, Version34, true},
	{TagNumberOfMessages, "number_of_messages", KindInteger, 1, 1, Version34, false},
	{TagCallbackNum, "callback_num", KindParts, 4, 19, Version34, true},
	{TagDpfResult, "dpf_result", KindInteger, 1, 1, Version34, false},
	{TagSetDpf, "set_dpf", KindInteger, 1, 1, Version34, false},
	{TagMsAvailabilityStatus, "ms_availability_status", KindInteger, 1, 1, Version34, false},
	{TagNetworkErrorCode, "network_error_code", KindParts, 3, 3, Version34, false},
	{TagMessagePayload, "message_payload", KindOctets, 0, anyLen, Version34, false},
	{TagDeliveryFailureReason, "delivery_failure_reason", KindInteger, 1, 1, Version34, false},
	{TagMoreMessagesToSend, "more_messages_to_send", KindInteger, 1, 1, Version34, false},
	{TagMessageState, "message_state", KindInteger, 1, 1, Version34, false},
	{TagCongestionState, "congestion_state", KindInteger, 1, 1, Version50, false},
	{TagUssdServiceOp, "ussd_service_op", KindInteger, 1, 1, Version34, false},
	{TagBroadcastChannelIndicator, "broadcast_channel_indicator", KindInteger, 1, 1, Version50, false},
	{TagBroadcastContentType, "broadcast_content_type", KindParts, 3, 3, Version50, true},
	{TagBroadcastContentTypeInfo, "broadcast_content_type_info", KindOctets, 0, 255, Version50, false},
	{TagBroadcastMessageClass, "broadcast_message_class", KindInteger, 1, 1, Version50, false},
	{TagBroadcastRepNum, "broadcast_rep_num", KindInteger, 2, 2, Version50, false},
	{TagBroadcastFrequencyInterval, "broadcast_frequency_interval", KindParts, 3, 3, Version50, false},
	{TagBroadcastAreaIdentifier, "broadcast_area_identifier", KindParts, 1, 101, Version50, true},
	{TagBroadcastErrorStatus, "broadcast_error_status", KindInteger, 4, 4, Version50, true},
	{TagBroadcastAreaSuccess, "broadcast_area_success", KindInteger, 1, 1, Version50, true},
	{TagBroadcastEndTime, "broadcast_end_time", KindText, 1, 17, Version50, false},
	{TagBroadcastServiceGroup, "broadcast_service_group", KindOctets, 1, 255, Version50, false},
	{TagBillingIdentification, "billing_identification", KindParts, 1, 1024, Version50, false},
	{TagSourceNetworkID, "source_network_id", KindText, 7, 66, Version50, false},
	{TagDestNetworkID, "dest_network_id", KindText, 7, 66, Version50, false},
	{TagSourceNodeID, "source_node_id", KindOctets, 6, 6, Version50, false},
	{TagDestNodeID, "dest_node_id", KindOctets, 6, 6, Version50, false},
	{TagDestAddrNpResolution, "dest_addr_np_resolution", KindInteger, 1, 1, Version50, false},
	{TagDestAddrNpInformation, "dest_addr_np_information", KindOctets, 10, 10, Version50, false},
	{TagDestAddrNpCountry, "dest_addr_np_country", KindOctets, 1, 5, Version50, false},
	{TagDisplayTime, "display_time", KindInteger, 1, 1, Version34, false},
	{TagSmsSignal, "sms_signal", KindInteger, 2, 2, Version34, false},
	{TagMsValidity, "ms_validity", KindParts, 1, 4, Version34, false},
	{TagAlertOnMessageDelivery, "alert_on_message_delivery", KindInteger, 0, 1, Version34, false},
	{TagItsReplyType, "its_reply_type", KindInteger, 1, 1, Version34, false},
	{TagItsSessionInfo, "its_session_info", KindParts, 2, 2, Version34, false},
}

// fits reports whether the value of t may have n octets. It says what the table
// says, as code: every TLV that is written passes here.
func (t Tag) fits(n int) bool {
	switch t {
	case TagDestAddrSubunit, TagDestNetworkType, TagDestBearerType, TagSourceAddrSubunit,
		TagSourceNetworkType, TagSourceBearerType, TagPayloadType, TagMsMsgWaitFacilities,
		TagPrivacyIndicator, TagUserResponseCode, TagLanguageIndicator, TagSarTotalSegments,
		TagSarSegmentSeqnum, TagScInterfaceVersion, TagCallbackNumPresInd, TagNumberOfMessages,
		TagDpfResult, TagSetDpf, TagMsAvailabilityStatus, TagDeliveryFailureReason,
		TagMoreMessagesToSend, TagMessageState, TagCongestionState, TagUssdServiceOp,
		TagBroadcastChannelIndicator, TagBroadcastMessageClass, TagBroadcastAreaSuccess, TagDestAddrNpResolution,
		TagDisplayTime, TagItsReplyType:
		return n == 1
	case TagDestTelematicsID, TagUserMessageReference, TagSourcePort, TagDestinationPort,
		TagSarMsgRefNum, TagBroadcastRepNum, TagSmsSignal, TagItsSessionInfo:
		return n == 2
	case TagNetworkErrorCode, TagBroadcastContentType, TagBroadcastFrequencyInterval:
		return n == 3
	case TagQosTimeToLive, TagBroadcastErrorStatus:
		return n == 4
	case TagReceiptedMessageID, TagCallbackNumAtag:
		return n >= 1 && n <= 65
	case TagSourceSubaddress, TagDestSubaddress:
		return n >= 2 && n <= 23
	case TagSourceNetworkID, TagDestNetworkID:
		return n >= 7 && n <= 66
	case TagSourceNodeID, TagDestNodeID:
		return n == 6
	case TagSourceTelematicsID:
		return n >= 1 && n <= 2
	case TagAdditionalStatusInfoText:
		return n >= 1 && n <= 256
	case TagCallbackNum:
		return n >= 4 && n <= 19
	case TagMessagePayload:
		return true
	case TagBroadcastContentTypeInfo:
		return n <= 255
	case TagBroadcastAreaIdentifier:
		return n >= 1 && n <= 101
	case TagBroadcastEndTime:
		return n >= 1 && n <= 17
	case TagBroadcastServiceGroup:
		return n >= 1 && n <= 255
	case TagBillingIdentification:
		return n >= 1 && n <= 1024
	case TagDestAddrNpInformation:
		return n == 10
	case TagDestAddrNpCountry:
		return n >= 1 && n <= 5
	case TagAlertOnMessageDelivery:
		return n <= 1
	case TagMsValidity:
		return n == 1 || n == 4
	}
	return true
}
