package smpp

// Types of number (SMPP 3.4 §5.2.5).
const (
	TONUnknown          byte = 0
	TONInternational    byte = 1
	TONNational         byte = 2
	TONNetworkSpecific  byte = 3
	TONSubscriberNumber byte = 4
	TONAlphanumeric     byte = 5
	TONAbbreviated      byte = 6
)

// Numbering plans (SMPP 3.4 §5.2.6).
const (
	NPIUnknown    byte = 0
	NPIISDN       byte = 1
	NPIData       byte = 3
	NPITelex      byte = 4
	NPILandMobile byte = 6
	NPINational   byte = 8
	NPIPrivate    byte = 9
	NPIERMES      byte = 10
	NPIInternet   byte = 14
	NPIWAP        byte = 18
)

// Bits of esm_class (SMPP 3.4 §5.2.12): two for the mode, four for the type,
// two for features of GSM.
const (
	ESMDatagram        byte = 0x01
	ESMForward         byte = 0x02 // transaction mode
	ESMStoreAndForward byte = 0x03
	ESMModeMask        byte = 0x03

	ESMReceipt             byte = 0x04 // delivery receipt, final
	ESMDeliveryAck         byte = 0x08 // acknowledgement by the receiving SME
	ESMManualAck           byte = 0x10 // acknowledgement by the person
	ESMConversationAbort   byte = 0x18 // Korean CDMA
	ESMIntermediateReceipt byte = 0x20 // intermediate delivery notification
	ESMTypeMask            byte = 0x3C

	ESMUDHI      byte = 0x40 // short_message starts with a user data header
	ESMReplyPath byte = 0x80

	// ESMReceiptMask selects the bits of which any marks a receipt. It leaves
	// ESMManualAck out, which a person sends.
	ESMReceiptMask byte = ESMReceipt | ESMDeliveryAck | ESMIntermediateReceipt
)

// Values of registered_delivery (SMPP 3.4 §5.2.17, 5.0 §4.7.21): one of the
// first four, with bits of the others.
const (
	ReceiptNone         byte = 0
	ReceiptAlways       byte = 1
	ReceiptOnFailure    byte = 2
	ReceiptOnSuccess    byte = 3 // 5.0
	ReceiptDeliveryAck  byte = 0x04
	ReceiptManualAck    byte = 0x08
	ReceiptIntermediate byte = 0x10
)

// Values of priority_flag (SMPP 3.4 §5.2.14): GSM knows only whether it is
// zero; 4 is of SMPP 5.0 and ANSI-41.
const (
	PriorityNone       byte = 0
	PriorityNormal     byte = 1
	PriorityUrgent     byte = 2
	PriorityVeryUrgent byte = 3
)

// Values of replace_if_present_flag (SMPP 3.4 §5.2.18).
const (
	ReplaceNo  byte = 0
	ReplaceYes byte = 1
)

// Values of data_coding (SMPP 3.4 §5.2.19). What 0 means the carrier knows.
const (
	CodingDefault   byte = 0x00
	CodingASCII     byte = 0x01
	CodingBinary2   byte = 0x02
	CodingLatin1    byte = 0x03
	CodingBinary    byte = 0x04
	CodingJIS       byte = 0x05
	CodingCyrillic  byte = 0x06
	CodingHebrew    byte = 0x07
	CodingUCS2      byte = 0x08
	CodingPictogram byte = 0x09
	CodingMusic     byte = 0x0A
	CodingKanji     byte = 0x0D
	CodingKorean    byte = 0x0E
)

// States of a message (SMPP 3.4 §5.2.28, 5.0 §4.7.15). Zero is also "not
// known": in SMPP 3.4 no state has that number, and neither is final.
const (
	StateScheduled     byte = 0 // 5.0
	StateEnroute       byte = 1
	StateDelivered     byte = 2
	StateExpired       byte = 3
	StateDeleted       byte = 4
	StateUndeliverable byte = 5
	StateAccepted      byte = 6
	StateUnknown       byte = 7
	StateRejected      byte = 8
	StateSkipped       byte = 9 // 5.0
)

// Kinds of network in source_network_type and dest_network_type (SMPP 3.4
// §5.3.2.3).
const (
	NetworkUnknown byte = 0
	NetworkGSM     byte = 1
	NetworkTDMA    byte = 2
	NetworkCDMA    byte = 3
	NetworkPDC     byte = 4
	NetworkPHS     byte = 5
	NetworkIDEN    byte = 6
	NetworkAMPS    byte = 7
	NetworkPaging  byte = 8
)

// Bearers in source_bearer_type and dest_bearer_type (SMPP 3.4 §5.3.2.5).
const (
	BearerUnknown       byte = 0
	BearerSMS           byte = 1
	BearerCSD           byte = 2
	BearerPacketData    byte = 3
	BearerUSSD          byte = 4
	BearerCDPD          byte = 5
	BearerDataTAC       byte = 6
	BearerFLEX          byte = 7
	BearerCellBroadcast byte = 8
)

// Values of delivery_failure_reason (SMPP 3.4 §5.3.2.33).
const (
	FailureUnavailable byte = 0
	FailureAddress     byte = 1
	FailurePermanent   byte = 2
	FailureTemporary   byte = 3
)

// Values of ms_availability_status (SMPP 3.4 §5.3.2.30).
const (
	PhoneAvailable   byte = 0
	PhoneDenied      byte = 1
	PhoneUnavailable byte = 2
)

// Values of ussd_service_op (SMPP 3.4 §5.3.2.44).
const (
	USSDIndicationPSSD byte = 0
	USSDIndicationPSSR byte = 1
	USSDRequestUSSR    byte = 2
	USSDRequestUSSN    byte = 3
	USSDResponsePSSD   byte = 16
	USSDResponsePSSR   byte = 17
	USSDConfirmUSSR    byte = 18
	USSDConfirmUSSN    byte = 19
)

// Values of dest_addr_np_resolution (SMPP 5.0 §4.8.4.22).
const (
	PortingNotQueried byte = 0
	PortingNotPorted  byte = 1
	PortingPorted     byte = 2
)

// Formats of a BroadcastArea (SMPP 5.0 §4.8.4.4).
const (
	AreaName         byte = 0
	AreaEllipsoidArc byte = 1
	AreaPolygon      byte = 2
)

// Units of a BroadcastInterval (SMPP 5.0 §4.8.4.11).
const (
	IntervalAsap    byte = 0x00 // as often as possible
	IntervalSeconds byte = 0x08
	IntervalMinutes byte = 0x09
	IntervalHours   byte = 0x0A
	IntervalDays    byte = 0x0B
	IntervalWeeks   byte = 0x0C
	IntervalMonths  byte = 0x0D
	IntervalYears   byte = 0x0E
)

// Congestion is what congestion_state says of the SMSC's load, 0 to 100 (SMPP
// 5.0 §4.8.4.18).
type Congestion byte

// String returns the word that the specification has for the range.
func (c Congestion) String() string {
	switch {
	case c == 0:
		return "idle"
	case c < 30:
		return "low load"
	case c < 50:
		return "medium load"
	case c < 80:
		return "high load"
	case c < 90:
		return "optimum load"
	case c < 100:
		return "nearing congestion"
	case c == 100:
		return "congested"
	}
	return "reserved"
}
