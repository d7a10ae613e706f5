package tap

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"fanline/smpp"
	smstext "fanline/smpp/text"
)

// Line tells a PDU in one line: command, sequence number, status, and what matters of its fields. Plain shows whole numbers
// and texts; otherwise the middle of phones is hidden and texts are lengths. Control characters are never written, so that
// a line cannot do anything to a terminal. A password is not shown at all.
func Line(pdu []byte, plain bool) string {
	h, err := smpp.ReadHeader(pdu)
	if err != nil {
		return fmt.Sprintf("no SMPP: %v", err)
	}
	l := &line{plain: plain}
	l.add("%v", h.ID)
	l.add("seq=%d", h.Sequence)
	if h.ID.IsResponse() || h.Status != 0 {
		l.add("%v", h.Status)
	}
	if h, p, err := smpp.Decode(pdu); err != nil {
		if _, known := smpp.Trace(pdu); known != nil {
			l.add("(%v)", err)
		}
	} else {
		l.fields(h, p)
	}
	return strings.Join(l.words, " ")
}

type line struct {
	plain bool
	words []string
}

func (l *line) add(format string, args ...any) {
	l.words = append(l.words, fmt.Sprintf(format, args...))
}

// octet adds a field that isn't zero.
func (l *line) octet(name string, v byte) {
	if v != 0 {
		l.add("%s=0x%02x", name, v)
	}
}

// word adds a text field that isn't empty.
func (l *line) word(name, v string) {
	if v != "" {
		l.add("%s=%s", name, strconv.Quote(v))
	}
}

func (l *line) fields(_ smpp.Header, p smpp.PDU) {
	switch p := p.(type) {
	case *smpp.Bind:
		l.word("system_id", p.SystemID)
		l.word("system_type", p.SystemType)
		l.add("interface_version=0x%02x", p.InterfaceVersion)
		l.word("address_range", p.AddressRange)
	case *smpp.BindResp:
		l.word("system_id", p.SystemID)
		l.options(p.Options)
	case *smpp.SubmitSM:
		l.message(p, smpp.Receipt{}, false)
	case *smpp.DeliverSM:
		r, is := smpp.ParseReceipt(p)
		l.message((*smpp.SubmitSM)(p), r, is)
	case *smpp.DataSM:
		r, is := smpp.ParseDataReceipt(p)
		l.message(&smpp.SubmitSM{
			ServiceType: p.ServiceType, Source: p.Source, Destination: p.Destination, ESMClass: p.ESMClass,
			RegisteredDelivery: p.RegisteredDelivery, DataCoding: p.DataCoding, Options: p.Options,
		}, r, is)
	case *smpp.SubmitSMResp:
		l.word("message_id", p.MessageID)
		l.options(p.Options)
	case *smpp.DataSMResp:
		l.word("message_id", p.MessageID)
		l.options(p.Options)
	case *smpp.DeliverSMResp:
		l.options(p.Options)
	case *smpp.QuerySM:
		l.word("message_id", p.MessageID)
		l.add("%s", l.address(p.Source))
	case *smpp.QuerySMResp:
		l.word("message_id", p.MessageID)
		l.add("message_state=%d", p.MessageState)
		l.word("final_date", p.FinalDate)
		l.octet("error_code", p.ErrorCode)
	}
}

func (l *line) address(a smpp.Address) string {
	digits := a.Addr
	if !l.plain {
		digits = Mask(digits)
	}
	return fmt.Sprintf("%s(%d/%d)", strconv.QuoteToGraphic(digits)[1:len(strconv.QuoteToGraphic(digits))-1], a.TON, a.NPI)
}

func (l *line) message(p *smpp.SubmitSM, r smpp.Receipt, receipt bool) {
	l.add("%s→%s", l.address(p.Source), l.address(p.Destination))
	l.word("service_type", p.ServiceType)
	l.octet("esm_class", p.ESMClass)
	l.octet("protocol_id", p.ProtocolID)
	l.octet("priority", p.PriorityFlag)
	l.word("schedule", p.ScheduleDeliveryTime)
	l.word("validity", p.ValidityPeriod)
	l.octet("registered_delivery", p.RegisteredDelivery)
	l.octet("data_coding", p.DataCoding)
	if receipt {
		l.receipt(r)
	} else {
		l.text(p)
	}
	l.optionsOf(p.DataCoding, receipt, p.Options)
}

func (l *line) receipt(r smpp.Receipt) {
	l.add("receipt id=%s stat=%s", strconv.Quote(r.ID), strconv.Quote(r.Stat))
	l.word("err", r.Err)
	l.word("submit_date", r.SubmitDate)
	l.word("done_date", r.DoneDate)
	if l.plain {
		l.word("text", r.Text)
	}
}

// text adds the text of short_message, or its length.
func (l *line) text(p *smpp.SubmitSM) {
	data := p.ShortMessage
	if p.ESMClass&smpp.ESMUDHI != 0 && len(data) > 0 && len(data) > int(data[0]) {
		l.add("udh=%s", hex.EncodeToString(data[:data[0]+1]))
		data = data[data[0]+1:]
	}
	switch {
	case len(data) == 0:
	case l.plain:
		l.word("text", smstext.Decode(p.DataCoding, data))
	default:
		l.add("text of %d octets", len(data))
	}
}

// options adds TLVs in order.
func (l *line) options(o smpp.Options) { l.optionsOf(0, false, o) }

// optionsOf is options for a message, whose message_payload is a text, unless it is that of a receipt.
func (l *line) optionsOf(dataCoding byte, receipt bool, o smpp.Options) {
	for tag, v := range o.All() {
		switch {
		case tag == smpp.TagMessagePayload && l.plain && !receipt:
			l.word(tag.String(), smstext.Decode(dataCoding, v))
		case tag == smpp.TagMessagePayload && !l.plain:
			l.add("%v of %d octets", tag, len(v))
		case !l.plain && len(v) > 4 && tag != smpp.TagReceiptedMessageID:
			l.add("%v of %d octets", tag, len(v)) // A vendor's may hold anything, numbers too.
		default:
			l.add("%v=%s", tag, value(tag, v))
		}
	}
}

func value(tag smpp.Tag, v []byte) string {
	info, _ := tag.Lookup()
	if info.Kind == smpp.KindText {
		return strconv.Quote(strings.TrimSuffix(string(v), "\x00"))
	}
	return "0x" + hex.EncodeToString(v)
}
