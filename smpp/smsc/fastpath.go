package smsc

import (
	"bytes"
	"encoding/binary"

	"fanline/smpp"
)

// readSubmit reads the usual submit_sm (SMPP 3.4 §4.4.1) faster than the general decoder: no service_type, no
// scheduled time, everything in its bounds, TLVs whole. Strings and slices point into b. It returns false for anything else, good or bad, which the decoder then judges. A fuzz test holds that the two
// agree.
func readSubmit(b []byte, sm *smpp.SubmitSM) bool {
	const shortest = smpp.HeaderLen + 17 // all strings empty, no text
	if len(b) < shortest || b[smpp.HeaderLen] != 0 {
		return false
	}
	at := smpp.HeaderLen + 1
	source, at := readAddress(b, at)
	if at == 0 {
		return false
	}
	sm.Source = source
	destination, at := readAddress(b, at)
	if at == 0 || len(b) < at+10 {
		return false
	}
	sm.Destination = destination
	sm.ServiceType, sm.ScheduleDeliveryTime = "", ""
	sm.ESMClass, sm.ProtocolID, sm.PriorityFlag = b[at], b[at+1], b[at+2]
	if b[at+3] != 0 { // schedule_delivery_time
		return false
	}
	at += 4
	n := bytes.IndexByte(b[at:min(at+17, len(b))], 0) // validity_period
	if n < 0 || len(b) < at+n+6 {
		return false
	}
	sm.ValidityPeriod = stringOf(b[at : at+n])
	at += n + 1
	sm.RegisteredDelivery, sm.ReplaceIfPresent, sm.DataCoding, sm.SMDefaultMsgID = b[at], b[at+1], b[at+2], b[at+3]
	length := int(b[at+4])
	at += 5
	if len(b)-at < length {
		return false
	}
	sm.ShortMessage = b[at : at+length : at+length]
	at += length
	sm.Options = nil
	if at == len(b) {
		return true
	}
	sm.Options = smpp.Options(b[at:])
	for at < len(b) {
		if len(b)-at < 4 {
			return false
		}
		at += 4 + int(binary.BigEndian.Uint16(b[at+2:]))
	}
	return at == len(b)
}

// addressMax is the longest address without its NUL (SMPP 3.4 §5.2.8).
const addressMax = 20

// readAddress gives an address and the place behind it, 0 when it isn't whole.
func readAddress(b []byte, at int) (a smpp.Address, next int) {
	if len(b) < at+3 {
		return a, 0
	}
	a.TON, a.NPI = b[at], b[at+1]
	at += 2
	rest := b[at:min(at+addressMax+1, len(b))]
	for i, c := range rest {
		if c == 0 {
			a.Addr = stringOf(rest[:i])
			return a, at + i + 1
		}
	}
	return a, 0
}
