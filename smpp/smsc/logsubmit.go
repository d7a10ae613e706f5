package smsc

import (
	"encoding/binary"

	"fanline/smpp"
)

// Flags of a submit, first octet.
const (
	subMore      = 1 << 0 // a second octet of flags follows
	subConcat    = 1 << 1 // UDH is exactly the concatenation element with an 8-bit reference
	subBroadcast = 1 << 2 // key of a broadcast
	subKey       = 1 << 3 // another key, as it came
	subRefused   = 1 << 4 // status follows instead of an id
	subReceipt   = 1 << 5 // what the receipt will be follows
	subCoding    = 1 << 6 // esm_class, data_coding, registered_delivery follow; else 0 (0x40 with a UDH), 0, 1
	subTLVs      = 1 << 7 // all TLVs follow, because there are others than the key
)

// Flags of a submit, second octet.
const (
	subDest       = 1 << 0 // destination with its types as it came; else digits, international, E.164
	subUDH        = 1 << 1 // UDH as it came
	subUnanswered = 1 << 2
	subData       = 1 << 3 // data_sm
	subSAR        = 1 << 4 // part and parts come from the sar_ TLVs
	subValidity   = 1 << 5 // validity_period follows, in the list of addresses: one broadcast has one
	subThird      = 1 << 6 // a third octet of flags follows
)

// Flags of a submit, third octet.
const (
	subHead   = 1 << 0 // service_type, protocol_id, priority_flag, replace_if_present_flag, schedule_delivery_time follow
	subCause  = 1 << 1 // why it was refused
	subShape  = 1 << 2 // what is odd about the answer
	subIDForm = 1 << 3 // its id is written in another form than the log's
	subMulti  = 1 << 4 // a destination of submit_multi
)

// Flags in the receipt's plan.
const (
	planLost      = 1 << 4
	planDuplicate = 1 << 5
	planQuiet     = 1 << 6 // no receipt tells of it
	planBefore    = 1 << 7 // an intermediate receipt comes before
	planStatMask  = 15
)

// submitRecord is a submit with all that its record keeps.
type submitRecord struct {
	data              bool // data_sm
	seq               uint32
	source            string // interned; with its type octet in front
	dest              []byte
	destPhone         phone
	destType          byte
	esm, dcs, reg     byte
	udh               []byte // with its length octet
	ref               uint16
	part, parts       byte
	sar               bool
	keyKind           KeyKind
	key               []byte
	broadcast, member uint32
	tlvs              []byte // nil when there is only the key
	text              []byte
	status            smpp.Status
	unanswered        bool
	id                uint64
	stat              Stat
	lost, duplicate   bool
	quiet, before     bool
	delayMillis       uint32

	service, schedule  string
	validity           string // interned, with an octet in front as addresses have
	protocol, priority byte
	replace            bool
	cause              Cause
	shape              byte
	idForm             IDForm
	otherForm          bool // idForm is not the log's
	multi              bool
}

// third says which of the rarer fields the record has.
func (s *submitRecord) third() (third byte) {
	if s.service != "" || s.schedule != "" || s.protocol|s.priority != 0 || s.replace {
		third |= subHead
	}
	if s.cause != CauseNone {
		third |= subCause
	}
	if s.shape != 0 {
		third |= subShape
	}
	if s.otherForm {
		third |= subIDForm
	}
	if s.multi {
		third |= subMulti
	}
	return third
}

// flags says which fields the record of s has.
func (s *submitRecord) flags() (flags, more, third byte) {
	defaultESM := byte(0)
	if third = s.third(); third != 0 {
		more |= subThird
	}
	if s.validity != "" {
		more |= subValidity
	}
	switch {
	case isPlainConcat(s.udh):
		flags |= subConcat
		defaultESM = smpp.ESMUDHI
	case len(s.udh) > 0:
		more |= subUDH
		defaultESM = smpp.ESMUDHI
	case s.sar:
		more |= subSAR
	}
	switch s.keyKind {
	case KeyNone:
	case KeyBroadcast:
		flags |= subBroadcast
	default:
		flags |= subKey
	}
	if s.status != smpp.StatusOK {
		flags |= subRefused
	}
	if s.stat != StatNone {
		flags |= subReceipt
	}
	if s.esm != defaultESM || s.dcs != 0 || s.reg != 1 {
		flags |= subCoding
	}
	if s.tlvs != nil {
		flags |= subTLVs
	}
	if !s.destPhone.plain() || s.destType != typeE164 {
		more |= subDest
	}
	if s.unanswered {
		more |= subUnanswered
	}
	if s.data {
		more |= subData
	}
	if more != 0 {
		flags |= subMore
	}
	return flags, more, third
}

// appendThird writes the rarer fields.
func (s *submitRecord) appendThird(dst []byte, third byte) []byte {
	dst = append(dst, third)
	if third&subHead != 0 {
		replace := byte(0)
		if s.replace {
			replace = 1
		}
		dst = append(appendString(dst, s.service), s.protocol, s.priority, replace)
		dst = appendString(dst, s.schedule)
	}
	if third&subCause != 0 {
		dst = append(dst, byte(s.cause))
	}
	if third&subShape != 0 {
		dst = append(dst, s.shape)
	}
	if third&subIDForm != 0 {
		dst = append(dst, byte(s.idForm))
	}
	return dst
}

// submit records a submit with its answer and what its receipt will be.
func (b *block) submit(s *submitRecord) {
	b.endRun()
	b.records++
	flags, more, third := s.flags()
	dst := append(b.buf, recSubmit, flags)
	if more != 0 {
		dst = append(dst, more)
	}
	if third != 0 {
		dst = s.appendThird(dst, third)
	}
	dst = appendDelta32(dst, s.seq, &b.seq)
	var source int
	dst, source = b.appendSource(dst, s.source)
	if more&subDest == 0 {
		dst = binary.AppendUvarint(dst, s.destPhone.value())
	} else {
		dst = append(dst, s.destType)
		dst = appendBytes(dst, s.dest)
	}
	if flags&subCoding != 0 {
		dst = append(dst, s.esm, s.dcs, s.reg)
	}
	if more&subValidity != 0 {
		last := b.last
		dst, _ = b.appendSource(dst, s.validity)
		b.last = last
	}
	switch {
	case flags&subConcat != 0:
		dst = append(dst, s.udh[3], s.udh[4], s.udh[5])
	case more&subUDH != 0:
		dst = appendBytes(dst, s.udh)
	case more&subSAR != 0:
		dst = binary.AppendUvarint(dst, uint64(s.ref))
		dst = append(dst, s.parts, s.part)
	}
	if flags&subBroadcast != 0 {
		dst = appendDelta32(dst, s.broadcast, &b.broadcast)
		dst = appendDelta32(dst, s.member, &b.member)
	} else if flags&subKey != 0 {
		dst = appendBytes(dst, s.key)
	}
	if flags&subTLVs != 0 {
		dst = appendBytes(dst, s.tlvs)
	}
	dst = b.appendText(dst, s.text, textSlot(source, s.part, s.dcs, b.broadcast))
	if flags&subRefused != 0 {
		dst = binary.AppendUvarint(dst, uint64(s.status))
	}
	dst = b.appendID(dst, s.id)
	b.covers(s.id)
	if flags&subReceipt != 0 {
		dst = append(dst, s.plan())
		dst = binary.AppendUvarint(dst, uint64(s.delayMillis))
	}
	b.buf = dst
}

func (s *submitRecord) plan() byte {
	plan := byte(s.stat)
	if s.lost {
		plan |= planLost
	}
	if s.duplicate {
		plan |= planDuplicate
	}
	if s.quiet {
		plan |= planQuiet
	}
	if s.before {
		plan |= planBefore
	}
	return plan
}

// covers keeps the span of ids that the block's submits were given, by which they are found again.
func (b *block) covers(id uint64) {
	switch {
	case id == 0:
	case b.idFirst == 0:
		b.idFirst, b.idLast = id, id
	default:
		b.idFirst, b.idLast = min(b.idFirst, id), max(b.idLast, id)
	}
}
