package smsc

import (
	"encoding/binary"
	"errors"
	"fmt"

	"fanline/smpp"
)

var errBlock = errors.New("block can't be read")

// decoder turns a payload into entries; it is block's counterpart and keeps the same memory of what went before.
type decoder struct {
	raw, plain []byte // buffers
	payload    []byte
	pos        int
	bad        bool

	from    int64 // blocks that began before are not looked at, but for those that say how ids are written; 0: none
	at      int64 // offset of the block in its segment
	form    IDForm
	entry   Entry
	micros  int64
	conn    uint32
	account string

	seq, ackSeq       uint32
	id                uint64
	broadcast, member uint32
	sources           []string
	texts             [textSlots][]byte
	arena             []byte // texts rebuilt from others
	key               []byte
	accounts          map[string]string // account and address strings seen, so that they are allocated once
}

// internMax bounds the decoder's memory of strings.
const internMax = 1 << 16

func (d *decoder) intern(b []byte) string {
	if s, ok := d.accounts[string(b)]; ok {
		return s
	}
	if d.accounts == nil || len(d.accounts) >= internMax {
		d.accounts = make(map[string]string)
	}
	s := string(b)
	d.accounts[s] = s
	return s
}

func (d *decoder) fail() { d.bad, d.pos = true, len(d.payload) }

func (d *decoder) octet() byte {
	if d.pos >= len(d.payload) {
		d.fail()
		return 0
	}
	c := d.payload[d.pos]
	d.pos++
	return c
}

func (d *decoder) uvarint() uint64 {
	if d.pos < len(d.payload) && d.payload[d.pos] < 0x80 {
		d.pos++
		return uint64(d.payload[d.pos-1])
	}
	v, n := binary.Uvarint(d.payload[d.pos:])
	if n <= 0 {
		d.fail()
		return 0
	}
	d.pos += n
	return v
}

func (d *decoder) delta32(last *uint32) uint32 {
	z := uint32(d.uvarint())
	*last += z>>1 ^ -(z & 1)
	return *last
}

func (d *decoder) nextID() uint64 {
	z := d.uvarint()
	d.id += z>>1 ^ -(z & 1)
	return d.id
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.payload)-d.pos) {
		d.fail()
		return nil
	}
	b := d.payload[d.pos : d.pos+int(n) : d.pos+int(n)]
	d.pos += int(n)
	return b
}

// source gives an address and its type, and its place in the list.
func (d *decoder) source() (addr string, kind byte, place int) {
	i := d.uvarint()
	if i < uint64(len(d.sources)) {
		s := d.sources[i]
		return s[1:], s[0], int(i)
	}
	b := d.bytes()
	if i != uint64(len(d.sources)) || len(b) == 0 {
		d.fail()
		return "", 0, 0
	}
	s := d.intern(b)
	if len(d.sources) < blockSources {
		d.sources = append(d.sources, s)
	}
	return s[1:], s[0], int(i)
}

func (d *decoder) typed() (addr string, kind byte) {
	b := d.bytes()
	if len(b) == 0 {
		d.fail()
		return "", 0
	}
	return string(b[1:]), b[0]
}

// skips says whether the payload is older than what is asked for.
func (d *decoder) skips() bool {
	if d.from == 0 || len(d.payload) < 11 || d.payload[10] == recStart {
		return false
	}
	return int64(binary.LittleEndian.Uint64(d.payload)) < d.from
}

// entries walks the payload. The entry handed out is the same each time.
func (d *decoder) entries(yield func(*Entry) error) error {
	d.pos, d.bad = 0, false
	if len(d.payload) < 8 {
		return fmt.Errorf("%w: %d bytes", errBlock, len(d.payload))
	}
	d.micros = int64(binary.LittleEndian.Uint64(d.payload))
	d.pos = 8
	d.conn = uint32(d.uvarint())
	d.account = d.intern(d.bytes())
	d.seq, d.ackSeq, d.id, d.broadcast, d.member = 0, 0, 0, 0, 0
	d.sources = d.sources[:0]
	clear(d.texts[:])
	d.arena = d.arena[:0]
	for d.pos < len(d.payload) {
		start := d.pos
		count, err := d.record(yield)
		if d.bad {
			return fmt.Errorf("%w: record of kind %d at octet %d", errBlock, d.payload[start], start)
		}
		if err != nil {
			return err
		}
		if count {
			if err := yield(&d.entry); err != nil {
				return err
			}
		}
	}
	if d.bad {
		return fmt.Errorf("%w: head", errBlock)
	}
	return nil
}

// record reads one record into d.entry and says whether it is to be handed out.
func (d *decoder) record(yield func(*Entry) error) (bool, error) {
	kind := d.octet()
	if kind == recTime {
		d.micros += int64(d.uvarint())
		return false, nil
	}
	d.entry = Entry{Micros: d.micros, Conn: d.conn, Account: d.account, IDForm: d.form, Part: 1, Parts: 1}
	switch kind {
	case recSubmit:
		d.submit()
	case recReceipt:
		d.receipt()
	case recReply, recQueued:
		d.text(kind)
	case recAck:
		return false, d.acks(yield)
	case recEvent:
		d.event()
	case recOperate:
		d.operation()
	case recStart:
		again := d.octet()
		d.form = IDForm(d.octet())
		e := &d.entry
		e.Kind, e.IDForm, e.Command, e.Again = KindStart, d.form, "start", again != 0
		e.Text = string(d.bytes())
	default:
		d.bad = true
	}
	return !d.bad, nil
}

func (d *decoder) submit() {
	e := &d.entry
	e.Kind, e.In, e.Command = KindSubmit, true, "submit_sm"
	flags := d.octet()
	more := byte(0)
	if flags&subMore != 0 {
		more = d.octet()
	}
	if more&subData != 0 {
		e.Command = "data_sm"
	}
	if more&subThird != 0 {
		d.third()
	}
	e.Unanswered = more&subUnanswered != 0
	e.Seq = d.delta32(&d.seq)
	var place int
	e.Source, e.SourceType, place = d.source()
	if more&subDest != 0 {
		e.DestType = d.octet()
		e.Destination = string(d.bytes())
	} else {
		e.DestType = typeE164
		e.Destination = d.digits(d.uvarint())
	}
	e.Registered = 1
	if flags&subConcat != 0 || more&subUDH != 0 {
		e.ESMClass = 0x40
	}
	if flags&subCoding != 0 {
		e.ESMClass, e.DataCoding, e.Registered = d.octet(), d.octet(), d.octet()
	}
	if more&subValidity != 0 {
		e.Validity, _, _ = d.source()
	}
	d.concat(flags, more)
	d.readKey(flags)
	if flags&subTLVs != 0 {
		e.TLVs = smpp.Options(d.bytes())
	}
	e.Octets = d.messageText(textSlot(place, e.Part, e.DataCoding, d.broadcast))
	if flags&subRefused != 0 {
		e.Status = smpp.Status(d.uvarint())
	}
	e.MessageID = d.nextID()
	if flags&subReceipt != 0 {
		plan := d.octet()
		e.Stat = min(Stat(plan&planStatMask), statCount-1)
		e.Lost, e.Duplicate = plan&planLost != 0, plan&planDuplicate != 0
		e.Unwanted, e.Intermediate = plan&planQuiet != 0, plan&planBefore != 0
		e.DelayMillis = uint32(d.uvarint())
	} else {
		e.Unwanted = true
	}
}

func (d *decoder) third() {
	e, third := &d.entry, d.octet()
	if third&subHead != 0 {
		e.ServiceType = d.intern(d.bytes())
		e.ProtocolID, e.Priority, e.Replace = d.octet(), d.octet(), d.octet() != 0
		e.Schedule = string(d.bytes())
	}
	if third&subCause != 0 {
		e.Cause = Cause(d.octet())
	}
	if third&subShape != 0 {
		e.Shape = d.octet()
	}
	if third&subIDForm != 0 {
		e.IDForm = IDForm(d.octet())
	}
	if third&subMulti != 0 {
		e.Multi, e.Command = true, "submit_multi"
	}
}

func (d *decoder) readKey(flags byte) {
	e := &d.entry
	switch {
	case flags&subBroadcast != 0:
		e.Broadcast = d.delta32(&d.broadcast)
		e.Member = d.delta32(&d.member)
		d.key = appendBroadcastKey(d.key[:0], e.Broadcast, e.Member)
		e.Key, e.KeyKind = d.key, KeyBroadcast
	case flags&subKey != 0:
		e.Key = d.bytes()
		e.KeyKind = KeyOther
		if isULID(e.Key) {
			e.KeyKind = KeyULID
		}
	}
}

func (d *decoder) concat(flags, more byte) {
	e := &d.entry
	switch {
	case flags&subConcat != 0:
		ref, parts, part := d.octet(), d.octet(), d.octet()
		start := len(d.arena)
		d.arena = append(d.arena, 5, 0, 3, ref, parts, part)
		e.UDH = d.arena[start:len(d.arena):len(d.arena)]
	case more&subUDH != 0:
		e.UDH = d.bytes()
	case more&subSAR != 0:
		e.Ref = uint16(d.uvarint())
		e.Parts, e.Part = d.octet(), d.octet()
		return
	}
	if ref, part, parts, ok := concatUDH(e.UDH); ok {
		e.Ref, e.Part, e.Parts = ref, part, parts
	}
}

// arenaMax bounds what the texts of one block may come to: no block that was written holds more than one read.
const arenaMax = 4 << 20

// messageText rebuilds a text from the last one of its slot.
func (d *decoder) messageText(slot int) []byte {
	prefix, suffix := d.uvarint(), d.uvarint()
	middle := d.bytes()
	ref := d.texts[slot]
	if prefix > uint64(len(ref)) || suffix > uint64(len(ref))-prefix || len(d.arena) > arenaMax {
		d.fail()
		return nil
	}
	text := middle
	if prefix+suffix > 0 {
		start := len(d.arena)
		d.arena = append(d.arena, ref[:prefix]...)
		d.arena = append(d.arena, middle...)
		d.arena = append(d.arena, ref[len(ref)-int(suffix):]...)
		text = d.arena[start:len(d.arena):len(d.arena)]
	}
	d.texts[slot] = text
	return text
}

func (d *decoder) digits(v uint64) string {
	var buf [20]byte
	i := len(buf)
	for {
		i--
		buf[i] = byte('0' + v%10)
		v /= 10
		if v == 0 {
			break
		}
	}
	return string(buf[i:])
}

func (d *decoder) receipt() {
	e := &d.entry
	e.Kind, e.Command = KindReceipt, "deliver_sm"
	flags := d.octet()
	e.Stat = min(Stat(flags>>4), statCount-1)
	e.Again = flags&delAgain != 0
	if flags&delMore != 0 {
		d.how()
	}
	e.Seq = d.delta32(&d.seq)
	e.MessageID = d.nextID()
	e.Destination, e.DestType, _ = d.source()
	if flags&delDest != 0 {
		e.SourceType = d.octet()
		p := phone(d.uvarint())
		if p.digits() > phoneDigitsMax {
			d.bad = true
			return
		}
		e.Source = p.String()
	} else {
		e.SourceType = typeE164
		e.Source = d.digits(d.uvarint())
	}
}

// how reads in which form a receipt was written.
func (d *decoder) how() {
	e, how := &d.entry, d.octet()
	if how&moreData != 0 {
		e.Command = "data_sm"
	}
	e.Intermediate = how&moreIntermediate != 0
	if f := how >> moreFormat; f > 0 && int(f) < len(formatNames) {
		e.Format = formatNames[f]
	}
}

func (d *decoder) text(kind byte) {
	e := &d.entry
	e.Kind, e.Command = KindReply, "deliver_sm"
	if kind == recQueued {
		e.Kind, e.Command, e.In = KindQueued, "queued", true
	}
	flags := d.octet()
	e.Again = flags&delAgain != 0
	if flags&delMore != 0 {
		form := d.octet()
		e.Form, e.Duplicate = TextForm(form&^formTwin), form&formTwin != 0
		e.Ref, e.DelayMillis = uint16(d.uvarint()), uint32(d.uvarint())
		e.TLVs = smpp.Options(d.bytes())
	}
	e.Seq = d.delta32(&d.seq)
	e.MessageID = d.nextID()
	e.Destination, e.DestType, _ = d.source()
	e.Source, e.SourceType = d.typed()
	e.ESMClass, e.DataCoding = d.octet(), d.octet()
	e.Parts, e.Part = d.octet(), d.octet()
	e.UDH = d.bytes()
	e.Octets = d.bytes()
	if ref, _, _, ok := concatUDH(e.UDH); ok {
		e.Ref = ref
	}
}

// acks hands out an entry for each response of a run.
func (d *decoder) acks(yield func(*Entry) error) error {
	e := &d.entry
	e.Kind, e.Command, e.In = KindDeliverResp, "deliver_sm_resp", true
	flags := d.octet()
	first := d.delta32(&d.ackSeq)
	count := d.uvarint()
	if flags&ackRefused != 0 {
		e.Status = smpp.Status(d.uvarint())
	}
	if d.bad || count > 1<<20 {
		d.bad = true
		return nil
	}
	head := *e
	for i := range uint32(count) {
		*e = head
		e.Seq = first + i
		if err := yield(e); err != nil {
			return err
		}
	}
	if flags&ackRefused == 0 {
		d.ackSeq = first + uint32(count) - 1
	}
	return nil
}

func (d *decoder) event() {
	e := &d.entry
	e.Kind = KindEvent
	e.In = d.octet() != 0
	e.Command = d.intern(d.bytes())
	e.Status = smpp.Status(d.uvarint())
	e.Seq = uint32(d.uvarint())
	if account := d.bytes(); len(account) > 0 { // a bind's, which the block doesn't know yet
		e.Account = d.intern(account)
	}
	e.Text = string(d.bytes())
}

// concatUDH finds the concatenation element, with an 8-bit (0x00) or 16-bit (0x08) reference, in a header.
func concatUDH(udh []byte) (ref uint16, part, parts byte, ok bool) {
	if len(udh) < 2 {
		return 0, 0, 0, false
	}
	rest := udh[1:]
	for len(rest) >= 2 {
		id, n := rest[0], int(rest[1])
		rest = rest[2:]
		if n > len(rest) {
			return 0, 0, 0, false
		}
		switch {
		case id == 0x00 && n == 3:
			ref, parts, part, ok = uint16(rest[0]), rest[1], rest[2], true
		case id == 0x08 && n == 4:
			ref, parts, part, ok = binary.BigEndian.Uint16(rest), rest[2], rest[3], true
		}
		rest = rest[n:]
	}
	if ok && (part == 0 || part > parts) { // TS 23.040: such an element is ignored
		return 0, 0, 0, false
	}
	return ref, part, parts, ok
}
