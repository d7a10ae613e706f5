package smsc

import (
	"encoding/binary"

	"fanline/smpp"
)

// operation is what changes or asks about messages other than by submitting them.
type operation struct {
	in                  bool
	command             string
	status              smpp.Status
	seq                 uint32
	id                  uint64 // of the message; 0: none
	idForm              IDForm
	source, destination string // with their type octets in front; empty: none
	dcs                 byte
	octets              []byte // the new text of a replace_sm, the text of a broadcast_sm
	stat                Stat   // what the message's fate is from now on; StatNone: as it was
	delayMillis         uint32 // how long after this
	quiet               bool   // no receipt tells of it
	note                string
}

// operate records an operation.
func (b *block) operate(o *operation) {
	b.endRun()
	b.records++
	flags := byte(0)
	if o.in {
		flags |= opIn
	}
	if o.quiet {
		flags |= opQuiet
	}
	dst := append(b.buf, recOperate, flags, byte(o.idForm), byte(o.stat), o.dcs)
	dst = appendString(dst, o.command)
	dst = binary.AppendUvarint(dst, uint64(o.status))
	dst = binary.AppendUvarint(dst, uint64(o.seq))
	dst = b.appendID(dst, o.id)
	dst = appendString(dst, o.source)
	dst = appendString(dst, o.destination)
	dst = appendBytes(dst, o.octets)
	dst = binary.AppendUvarint(dst, uint64(o.delayMillis))
	b.buf = appendString(dst, o.note)
}

// Flags of an operation.
const (
	opIn    = 1 << 0
	opQuiet = 1 << 1
)

// operation reads an Operation's record.
func (d *decoder) operation() {
	e := &d.entry
	e.Kind = KindOperation
	flags := d.octet()
	e.In, e.Unwanted = flags&opIn != 0, flags&opQuiet != 0
	e.IDForm, e.Stat, e.DataCoding = IDForm(d.octet()), min(Stat(d.octet()), statCount-1), d.octet()
	e.Command = d.intern(d.bytes())
	e.Status = smpp.Status(d.uvarint())
	e.Seq = uint32(d.uvarint())
	e.MessageID = d.nextID()
	e.Source, e.SourceType = d.maybeTyped()
	e.Destination, e.DestType = d.maybeTyped()
	e.Octets = d.bytes()
	e.DelayMillis = uint32(d.uvarint())
	e.Text = string(d.bytes())
}

func (d *decoder) maybeTyped() (addr string, kind byte) {
	b := d.bytes()
	if len(b) == 0 {
		return "", 0
	}
	return string(b[1:]), b[0]
}
