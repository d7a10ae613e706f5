package record

import "fanline/engine/message"

// Inbound is a record of topic inbound: an MO text, or a part of one, as it
// came.
type Inbound struct {
	Number  message.Phone // ours, to which it was sent
	Phone   message.Phone // the sender
	Carrier string
	Bind    uint32
	At      int64  // Unix ms
	PDU     []byte // whole deliver_sm or data_sm
}

// AppendInbound appends the record.
func AppendInbound(dst []byte, in *Inbound) []byte {
	dst = append(dst, version)
	dst = appendUvarint(dst, uint64(in.Number))
	dst = appendUvarint(dst, uint64(in.Phone))
	dst = appendString(dst, in.Carrier)
	dst = appendUvarint(dst, uint64(in.Bind))
	dst = appendVarint(dst, in.At)
	return appendString(dst, in.PDU)
}

// DecodeInbound reads the record.
func DecodeInbound(b []byte) (Inbound, error) {
	r := reader{b: b}
	r.version()
	in := Inbound{
		Number:  message.Phone(r.uvarint("number")),
		Phone:   message.Phone(r.uvarint("phone")),
		Carrier: r.string("carrier"),
		Bind:    r.uint32("bind"),
		At:      r.varint("time"),
		PDU:     r.bytes("pdu"),
	}
	return in, r.end()
}

// Receipts is a record of topic receipts: those that one carrier sent for
// phones of one partition within a few milliseconds.
type Receipts struct {
	Carrier string
	Entries []Receipt
}

// Receipt is a delivery receipt as it came.
type Receipt struct {
	Bind uint32
	At   int64  // Unix ms
	PDU  []byte // whole deliver_sm or data_sm
}

// AppendReceipts appends the record.
func AppendReceipts(dst []byte, rs *Receipts) []byte {
	dst = append(dst, version)
	dst = appendString(dst, rs.Carrier)
	dst = appendUvarint(dst, uint64(len(rs.Entries)))
	var at int64
	for i := range rs.Entries {
		e := &rs.Entries[i]
		dst = appendUvarint(dst, uint64(e.Bind))
		dst = appendVarint(dst, e.At-at)
		at = e.At
		dst = appendString(dst, e.PDU)
	}
	return dst
}

// DecodeReceipts reads the record; entries is reused when it has room.
func DecodeReceipts(b []byte, entries []Receipt) (Receipts, error) {
	r := reader{b: b}
	r.version()
	rs := Receipts{Carrier: r.string("carrier"), Entries: entries[:0]}
	var at int64
	for range r.count(3, "entries") {
		e := Receipt{Bind: r.uint32("bind")}
		at += r.varint("time")
		e.At = at
		e.PDU = r.bytes("pdu")
		rs.Entries = append(rs.Entries, e)
		if r.err != nil {
			break
		}
	}
	return rs, r.end()
}

// Consent is a record of topic consent: a revocation, or a re-join after one.
type Consent struct {
	Number  message.Phone
	Phone   message.Phone
	Revoked bool   // false: joined again
	Why     string // the word or the way: "STOP", "form", "console"
	At      int64  // Unix ms
}

// ConsentKey is the Kafka key by which the topic is compacted.
func ConsentKey(number, phone message.Phone) []byte {
	return phone.AppendDigits(append(number.AppendDigits(nil), '/'))
}

// AppendConsent appends the record.
func AppendConsent(dst []byte, c *Consent) []byte {
	dst = append(dst, version)
	dst = appendUvarint(dst, uint64(c.Number))
	dst = appendUvarint(dst, uint64(c.Phone))
	dst = append(dst, boolByte(c.Revoked))
	dst = appendString(dst, c.Why)
	return appendVarint(dst, c.At)
}

// DecodeConsent reads the record.
func DecodeConsent(b []byte) (Consent, error) {
	r := reader{b: b}
	r.version()
	c := Consent{
		Number:  message.Phone(r.uvarint("number")),
		Phone:   message.Phone(r.uvarint("phone")),
		Revoked: r.byte("revoked") != 0,
		Why:     r.string("why"),
		At:      r.varint("time"),
	}
	return c, r.end()
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
