package smpp

import "encoding/binary"

// The typed values of TLVs that are more than a number or a text. Each is read
// by a method of Options, and written as Options.Append(tag, v.Octets()).

// Subaddress is source_subaddress or dest_subaddress (SMPP 3.4 §5.3.2.15).
type Subaddress struct {
	Type  byte   // 0x80 NSAP with an even, 0x88 with an odd number of digits, 0xA0 user specified
	Value []byte // at most 22 octets
}

// Subaddress returns the value of TagSourceSubaddress or TagDestSubaddress.
func (o Options) Subaddress(t Tag) (Subaddress, bool) {
	v, _ := o.Get(t)
	if len(v) < 2 {
		return Subaddress{}, false
	}
	return Subaddress{v[0], v[1:]}, true
}

// Octets returns the value of the TLV.
func (s Subaddress) Octets() []byte { return append([]byte{s.Type}, s.Value...) }

// CallbackNum is one number to call back (SMPP 3.4 §5.3.2.36).
type CallbackNum struct {
	DigitMode byte // 0: DTMF, 1: ASCII
	Address
}

// CallbackNums returns all callback_num of a PDU, in order.
func (o Options) CallbackNums() []CallbackNum {
	var all []CallbackNum
	for t, v := range o.All() {
		if t == TagCallbackNum && len(v) >= 3 {
			all = append(all, CallbackNum{v[0], Address{v[1], v[2], alias(trimNUL(v[3:]))}})
		}
	}
	return all
}

// Octets returns the value of the TLV.
func (n CallbackNum) Octets() []byte { return append([]byte{n.DigitMode, n.TON, n.NPI}, n.Addr...) }

// CallbackTag is what a phone shows for a CallbackNum (SMPP 3.4 §5.3.2.38).
type CallbackTag struct {
	DataCoding byte
	Text       []byte
}

// CallbackTags returns all callback_num_atag of a PDU; the first belongs to the
// first callback_num, and so on.
func (o Options) CallbackTags() []CallbackTag {
	var all []CallbackTag
	for t, v := range o.All() {
		if t == TagCallbackNumAtag && len(v) > 0 {
			all = append(all, CallbackTag{v[0], v[1:]})
		}
	}
	return all
}

// Octets returns the value of the TLV.
func (c CallbackTag) Octets() []byte { return append([]byte{c.DataCoding}, c.Text...) }

// NetworkError returns the TLV network_error_code: the type of network and its
// error (SMPP 3.4 §5.3.2.31). Some carriers send three ASCII digits instead;
// the network is then zero.
func (o Options) NetworkError() (network byte, code uint16, ok bool) {
	v, _ := o.Get(TagNetworkErrorCode)
	switch {
	case len(v) != 3:
		return 0, 0, false
	case asciiDigits(v):
		return 0, uint16(digits(alias(v))), true
	}
	return v[0], uint16(bigEndian(v[1:])), true
}

// MSValidity is ms_validity: how long the phone keeps the message (SMPP 5.0
// §4.8.4.42). Unit and Number only count when Behaviour is 4.
type MSValidity struct {
	Behaviour byte // 0 for ever, 1 until power-off, 2 in this area, 3 display only, 4 for a time
	Unit      byte // 0 seconds, 1 minutes, 2 hours, 3 days, 4 weeks, 5 months, 6 years
	Number    uint16
}

// MSValidity returns ms_validity.
func (o Options) MSValidity() (MSValidity, bool) {
	v, _ := o.Get(TagMsValidity)
	switch len(v) {
	case 1:
		return MSValidity{Behaviour: v[0]}, true
	case 4:
		return MSValidity{v[0], v[1], binary.BigEndian.Uint16(v[2:])}, true
	}
	return MSValidity{}, false
}

// Octets returns the value of the TLV.
func (v MSValidity) Octets() []byte {
	if v.Behaviour != 4 {
		return []byte{v.Behaviour}
	}
	return []byte{v.Behaviour, v.Unit, byte(v.Number >> 8), byte(v.Number)}
}

// TeleserviceSession is its_session_info: the place of a message in an interactive
// teleservice (SMPP 3.4 §5.3.2.43).
type TeleserviceSession struct {
	Number, Sequence byte // Sequence has seven bits
	End              bool
}

// TeleserviceSession returns its_session_info.
func (o Options) TeleserviceSession() (TeleserviceSession, bool) {
	v, _ := o.Get(TagItsSessionInfo)
	if len(v) != 2 {
		return TeleserviceSession{}, false
	}
	return TeleserviceSession{v[0], v[1] >> 1, v[1]&1 != 0}, true
}

// Octets returns the value of the TLV.
func (s TeleserviceSession) Octets() []byte {
	b := s.Sequence << 1
	if s.End {
		b |= 1
	}
	return []byte{s.Number, b}
}

// BroadcastArea is where a broadcast goes (SMPP 5.0 §4.8.4.4).
type BroadcastArea struct {
	Format  byte // one of the Area constants
	Details []byte
}

// BroadcastAreas returns all broadcast_area_identifier of a PDU, in order; in a
// broadcast_sm_resp they are the areas that failed.
func (o Options) BroadcastAreas() []BroadcastArea {
	var all []BroadcastArea
	for t, v := range o.All() {
		if t == TagBroadcastAreaIdentifier && len(v) > 0 {
			all = append(all, BroadcastArea{v[0], v[1:]})
		}
	}
	return all
}

// Octets returns the value of the TLV.
func (a BroadcastArea) Octets() []byte { return append([]byte{a.Format}, a.Details...) }

// BroadcastContent is the kind of a broadcast (SMPP 5.0 §4.8.4.8).
type BroadcastContent struct {
	Network byte // 0 generic, 1 GSM, 2 TDMA, 3 CDMA
	Type    uint16
}

// BroadcastContent returns broadcast_content_type.
func (o Options) BroadcastContent() (BroadcastContent, bool) {
	v, _ := o.Get(TagBroadcastContentType)
	if len(v) != 3 {
		return BroadcastContent{}, false
	}
	return BroadcastContent{v[0], binary.BigEndian.Uint16(v[1:])}, true
}

// Octets returns the value of the TLV.
func (b BroadcastContent) Octets() []byte { return []byte{b.Network, byte(b.Type >> 8), byte(b.Type)} }

// BroadcastInterval is the time between two repetitions (SMPP 5.0 §4.8.4.11).
type BroadcastInterval struct {
	Unit   byte // one of the Interval constants
	Number uint16
}

// BroadcastInterval returns broadcast_frequency_interval.
func (o Options) BroadcastInterval() (BroadcastInterval, bool) {
	v, _ := o.Get(TagBroadcastFrequencyInterval)
	if len(v) != 3 {
		return BroadcastInterval{}, false
	}
	return BroadcastInterval{v[0], binary.BigEndian.Uint16(v[1:])}, true
}

// Octets returns the value of the TLV.
func (b BroadcastInterval) Octets() []byte {
	return []byte{b.Unit, byte(b.Number >> 8), byte(b.Number)}
}

// Billing is billing_identification: a format of the carrier's, and what it
// says (SMPP 5.0 §4.8.4.3).
type Billing struct {
	Format byte
	Data   []byte
}

// Billing returns billing_identification.
func (o Options) Billing() (Billing, bool) {
	v, _ := o.Get(TagBillingIdentification)
	if len(v) == 0 {
		return Billing{}, false
	}
	return Billing{v[0], v[1:]}, true
}

// Octets returns the value of the TLV.
func (b Billing) Octets() []byte { return append([]byte{b.Format}, b.Data...) }

// Congestion returns congestion_state, which SMPP 5.0 allows in any response.
func (o Options) Congestion() (Congestion, bool) {
	v, ok := o.Uint(TagCongestionState)
	return Congestion(min(v, 0xFF)), ok
}

// AppendUint returns o with one more integer TLV, as long as the table has it;
// a tag outside the table gets as few octets as the number needs.
func (o Options) AppendUint(t Tag, n uint32) Options {
	info, known := t.Lookup()
	size := max(info.Min, 1)
	for !known && size < 4 && n>>(8*size) != 0 {
		size++
	}
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4), n)
	return o.Append(t, b[4-min(size, 4):])
}

// AppendText returns o with one more C-octet string TLV, its NUL included.
func (o Options) AppendText(t Tag, s string) Options {
	return o.Append(t, append([]byte(s), 0))
}
