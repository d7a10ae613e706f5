package smpp

import (
	"fmt"
	"strconv"
)

// What readers forgive and a trace tells: each of these is a sin of some
// carrier, or of a client of ours.

func (t *tracer) checkHeader() {
	h := t.header
	if h.Status != StatusOK && !h.ID.IsResponse() {
		t.warn(8, "a request has a command_status")
	}
	if (h.Sequence == 0 || h.Sequence > MaxSequence) && h.ID != GenericNackID {
		t.warn(12, "sequence_number is outside 1 to 2147483647")
	}
}

func (t *tracer) checkText(at int, name, s string, terminated bool, size int) {
	if !terminated {
		t.warn(at+len(s), name+" has no NUL")
	}
	switch {
	case len(s) >= size:
		t.warn(at, name+" is longer than "+strconv.Itoa(size-1)+" octets")
	case size == timeSize && s != "" && len(s) != size-1:
		t.warn(at, name+" is neither empty nor 16 octets long")
	}
	if t.header.ID == DeliverSMID && size == timeSize && s != "" {
		t.warn(at, name+" is set in a deliver_sm")
	}
	if s == "" && (name == "dl_name" || name == "message_id" && t.givesID()) {
		t.warn(at, name+" is empty")
	}
}

// givesID reports whether the PDU should say under which id the SMSC keeps the
// message.
func (t *tracer) givesID() bool {
	switch t.header.ID {
	case SubmitSMRespID, SubmitMultiRespID, DataSMRespID, BroadcastSMRespID:
		return t.header.Status == StatusOK
	}
	return false
}

func (t *tracer) checkMessage(at, length, have int) {
	switch {
	case length > have:
		t.warn(at, "sm_length is one more than the octets of short_message")
	case length < have:
		t.warn(at, "sm_length is one less than the octets of short_message")
	case length > MaxShortMessage:
		t.warn(at, "short_message has 255 octets, which SMPP 3.4 does not allow")
	}
}

func (t *tracer) checkOptions(at int, o Options) {
	seen := map[Tag]bool{}
	for tag, v := range o.All() {
		info, known := tag.Lookup()
		if !tag.fits(len(v)) {
			t.warn(at, info.Name+" "+info.misfit(len(v)))
		}
		if seen[tag] && known && !info.Repeats {
			t.warn(at, info.Name+" comes again; the first one counts")
		}
		if tag == TagNetworkErrorCode && asciiDigits(v) {
			t.warn(at, "network_error_code is digits")
		}
		seen[tag] = true
		at += 4 + len(v)
	}
}

// checkWhole looks at what only the whole PDU shows.
func (t *tracer) checkWhole(p PDU) {
	esmClass, _, _, o := messageOf(p)
	var short []byte
	switch p := p.(type) {
	case *SubmitSM:
		short = p.ShortMessage
	case *DeliverSM:
		short = p.ShortMessage
	case *SubmitMulti:
		short = p.ShortMessage
		if len(p.Destinations) == 0 {
			t.warn(HeaderLen, "there are no destinations")
		}
	}
	if _, ok := o.Get(TagMessagePayload); ok && len(short) > 0 {
		t.warn(HeaderLen, "message_payload stands beside a short_message")
	}
	if _, ok := o.Get(TagSarMsgRefNum); ok && esmClass&ESMUDHI != 0 {
		t.warn(HeaderLen, "sar_msg_ref_num stands beside a user data header")
	}
}

// tail tells of octets behind the last field that are no TLV.
func (t *tracer) tail(at int, rest []byte) {
	if len(rest) >= 4 {
		tag := Tag(uint16(rest[0])<<8 | uint16(rest[1]))
		t.warn(at, fmt.Sprintf("%s has %d octets and says %d: dropped", tag, len(rest)-4, int(rest[2])<<8|int(rest[3])))
		return
	}
	t.warn(at, "octets that are no TLV were dropped")
}

// ends tells of a response that ends before a field; that a failed one has no
// body is no sin (SMPP 3.4 §4.4.2).
func (t *tracer) ends(at int, name string) {
	if !t.ended && (at > HeaderLen || t.header.Status == StatusOK) {
		t.warn(at, "the PDU ends before "+name)
	}
	t.ended = true
}
