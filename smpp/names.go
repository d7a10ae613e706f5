package smpp

import "strings"

// enumName returns the word for a value of an enumerated field or TLV, by the
// specification's name of the field; empty when there is none. A trace shows it
// beside the number.
func enumName(field string, v uint32) string {
	switch field {
	case "esm_class":
		return esmName(v)
	case "registered_delivery":
		return deliveryName(v)
	case "interface_version", "sc_interface_version":
		return versionName(v)
	case "congestion_state":
		return Congestion(min(v, 0xFF)).String()
	case "error_status_code", "broadcast_error_status":
		return Status(v).String()
	case "data_coding":
		return codingName(v)
	case "ms_msg_wait_facilities":
		return waitName(v)
	}
	return wordIn(enumWords(field), v)
}

// enumWords returns the words for the values from zero on, apart with commas;
// a number before a word says which value it is.
func enumWords(field string) string {
	switch field {
	case "source_addr_ton", "dest_addr_ton", "addr_ton", "esme_addr_ton", "ton":
		return "unknown,international,national,network specific,subscriber number,alphanumeric,abbreviated"
	case "source_addr_npi", "dest_addr_npi", "addr_npi", "esme_addr_npi", "npi":
		return "unknown,ISDN,3=data,telex,6=land mobile,8=national,private,ERMES,14=internet,18=WAP"
	case "replace_if_present_flag":
		return "do not replace,replace"
	case "dest_flag":
		return "1=address,distribution list"
	case "message_state":
		return "SCHEDULED,ENROUTE,DELIVERED,EXPIRED,DELETED,UNDELIVERABLE,ACCEPTED,UNKNOWN,REJECTED,SKIPPED"
	case "source_network_type", "dest_network_type":
		return "unknown,GSM,TDMA,CDMA,PDC,PHS,iDEN,AMPS,paging"
	case "source_bearer_type", "dest_bearer_type":
		return "unknown,SMS,CSD,packet data,USSD,CDPD,DataTAC,FLEX,cell broadcast"
	case "source_addr_subunit", "dest_addr_subunit":
		return "unknown,display,mobile equipment,smart card,external unit"
	case "network_type":
		return "1=ANSI-136 access denied,IS-95 access denied,GSM,ANSI-136 cause,IS-95 cause,ANSI-41 error,SMPP error,message centre"
	case "payload_type":
		return "default,WCMP"
	case "privacy_indicator":
		return "not restricted,restricted,confidential,secret"
	case "language_indicator":
		return "unspecified,English,French,Spanish,German,Portuguese"
	case "ms_availability_status":
		return "available,denied,unavailable"
	case "delivery_failure_reason":
		return "destination unavailable,destination address invalid,permanent network error,temporary network error"
	case "more_messages_to_send":
		return "no,yes"
	case "dpf_result":
		return "not set,set"
	case "set_dpf":
		return "not requested,requested"
	}
	return rareWords(field)
}

func rareWords(field string) string {
	switch field {
	case "display_time":
		return "temporary,default,invoke"
	case "alert_on_message_delivery":
		return "default,low priority,medium priority,high priority"
	case "its_reply_type":
		return "digit,number,telephone number,password,character line,menu,date,time,continue"
	case "ussd_service_op":
		return "PSSD indication,PSSR indication,USSR request,USSN request,16=PSSD response,PSSR response,USSR confirm,USSN confirm"
	case "dest_addr_np_resolution":
		return "not queried,queried and not ported,queried and ported"
	case "broadcast_channel_indicator":
		return "basic,extended"
	case "broadcast_message_class":
		return "none,class 1,class 2,class 3"
	case "format":
		return "name,ellipsoid arc,polygon"
	case "behaviour":
		return "store for ever,until power-off,in this area,display only,for a time"
	case "digit_mode":
		return "DTMF,ASCII"
	}
	return ""
}

// wordIn returns the word of v in a list of enumWords.
func wordIn(words string, v uint32) string {
	for n := uint32(0); words != ""; n++ {
		word, rest, _ := strings.Cut(words, ",")
		if number, w, ok := strings.Cut(word, "="); ok {
			n, word = uint32(digits(number)), w
		}
		if n == v {
			return word
		}
		words = rest
	}
	return ""
}

func esmName(v uint32) string {
	if v == 0 || v > 0xFF {
		return ""
	}
	var all []string
	if s := wordIn("1=datagram,forward,store and forward", v&uint32(ESMModeMask)); s != "" {
		all = append(all, s)
	}
	kind := wordIn("1=delivery receipt,delivery acknowledgement,4=manual acknowledgement,6=conversation abort,8=intermediate notification", v>>2&15)
	if kind == "" && v&uint32(ESMTypeMask) != 0 {
		kind = "reserved type"
	}
	if kind != "" {
		all = append(all, kind)
	}
	if v&uint32(ESMUDHI) != 0 {
		all = append(all, "UDHI")
	}
	if v&uint32(ESMReplyPath) != 0 {
		all = append(all, "reply path")
	}
	return strings.Join(all, ", ")
}

func deliveryName(v uint32) string {
	var all []string
	if s := wordIn("1=receipt,receipt on failure,receipt on success", v&3); s != "" {
		all = append(all, s)
	}
	if v&uint32(ReceiptDeliveryAck) != 0 {
		all = append(all, "delivery acknowledgement")
	}
	if v&uint32(ReceiptManualAck) != 0 {
		all = append(all, "manual acknowledgement")
	}
	if v&uint32(ReceiptIntermediate) != 0 {
		all = append(all, "intermediate notification")
	}
	return strings.Join(all, ", ")
}

func versionName(v uint32) string {
	switch {
	case v == uint32(Version50):
		return "5.0"
	case v == uint32(Version34):
		return "3.4"
	case v < uint32(Version34):
		return "3.3 or earlier"
	}
	return ""
}

func codingName(v uint32) string {
	switch {
	case v >= 0xC0 && v <= 0xDF:
		return "GSM message waiting"
	case v >= 0xE0 && v <= 0xEF:
		return "GSM message waiting, UCS-2"
	case v >= 0xF0 && v <= 0xFF && v&4 != 0:
		return "GSM message class, binary"
	case v >= 0xF0 && v <= 0xFF:
		return "GSM message class"
	}
	return wordIn("default alphabet,ASCII,binary,Latin-1,binary,JIS,Cyrillic,Hebrew,UCS-2,pictogram,music,13=Kanji,Korean", v)
}

func waitName(v uint32) string {
	kind := wordIn("voicemail,fax,e-mail,other", v&3)
	if v&0x80 == 0 {
		return kind + " indication off"
	}
	return kind + " indication on"
}
