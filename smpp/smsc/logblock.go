package smsc

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"fanline/smpp"
)

// Kinds of record in a block. A block holds what one connection did in one read or one flush; nothing in it refers to
// another block, so a torn tail costs only itself.
const (
	recTime    = 1 // later records happened so many microseconds after those before
	recSubmit  = 2
	recReceipt = 3
	recReply   = 4
	recAck     = 5 // a run of deliver_sm_resp with consecutive sequence numbers and one status
	recEvent   = 6
	recQueued  = 7
	recStart   = 8
	recOperate = 9 // an Operation
)

// Flags of receipt, reply and ack.
const (
	delDest    = 1 << 0 // phone with its types as it came
	delAgain   = 1 << 1
	delMore    = 1 << 2 // more follows: how the receipt is written; of a text its form, reference, delay and TLVs
	formTwin   = 1 << 7 // of a text's form: a duplicate
	ackRefused = 1 << 0
)

// What the octet says of a receipt.
const (
	moreData         = 1 << 0 // data_sm
	moreIntermediate = 1 << 1
	moreFormat       = 4 // bits above: the format's number
)

const typeE164 = 1<<5 | 1 // packed: international number, E.164 plan

// texts one block remembers to describe the next ones by; a power of two
const textSlots = 16

// block collects records and writes them as one. The texts it is given must stay unchanged until reset.
type block struct {
	buf      []byte // header, then payload
	conn     uint32
	account  string
	micros   int64
	records  int
	literals int // octets of text that no earlier text gave: what compressing can still win

	seq, ackSeq       uint32
	id                uint64
	broadcast, member uint32
	sources           []string // addresses named so far in this block, with their type octet in front
	last              int      // index of the one used last
	texts             [textSlots][]byte
	suffixes          [textSlots]int // what the last two of a slot had in common at their ends

	runStart, runCount uint32 // acks not yet written
	idFirst, idLast    uint64 // of submits; 0: none
	packed             []byte // scratch for compressing
}

// reset starts an empty block at a time.
func (b *block) reset(conn uint32, account string, micros int64) {
	b.buf = append(b.buf[:0], make([]byte, blockHeaderLen)...)
	b.buf = binary.LittleEndian.AppendUint64(b.buf, uint64(micros))
	b.buf = binary.AppendUvarint(b.buf, uint64(conn))
	b.buf = appendString(b.buf, account)
	b.conn, b.account, b.micros = conn, account, micros
	b.records, b.literals, b.last = 0, 0, 0
	b.seq, b.ackSeq, b.id, b.broadcast, b.member = 0, 0, 0, 0, 0
	b.sources = b.sources[:0]
	clear(b.texts[:])
	b.runStart, b.runCount, b.idFirst, b.idLast = 0, 0, 0, 0
}

func (b *block) empty() bool { return b.records == 0 && b.runCount == 0 }

// at moves the clock of the records that follow; it never goes back within a block.
func (b *block) at(micros int64) {
	if micros <= b.micros {
		return
	}
	b.endRun()
	b.buf = append(b.buf, recTime)
	b.buf = binary.AppendUvarint(b.buf, uint64(micros-b.micros))
	b.micros = micros
}

// receipt records a deliver_sm with a receipt that is about to be written.
// how is what its octet more says; 0 for the usual form.
func (b *block) receipt(seq uint32, id uint64, number string, from phone, fromType byte, stat Stat, again bool, how byte) {
	b.endRun()
	b.records++
	var flags byte
	if how != 0 {
		flags |= delMore
	}
	plain := fromType == typeE164 && from.plain()
	if !plain {
		flags |= delDest
	}
	if again {
		flags |= delAgain
	}
	dst := append(b.buf, recReceipt, flags|byte(stat)<<4)
	if how != 0 {
		dst = append(dst, how)
	}
	dst = appendDelta32(dst, seq, &b.seq)
	dst = b.appendID(dst, id)
	dst, _ = b.appendSource(dst, number)
	if plain {
		dst = binary.AppendUvarint(dst, from.value())
	} else {
		dst = append(dst, fromType)
		dst = binary.AppendUvarint(dst, uint64(from))
	}
	b.buf = dst
}

// textRecord is a text from a phone, or a part of one.
type textRecord struct {
	id          uint64
	seq         uint32
	phone       string // with its type octet in front
	number      string // with its type octet in front
	esm, dcs    byte
	udh, octets []byte
	parts, part byte
	again       bool
	form        TextForm
	ref         uint16
	twin        bool   // a duplicate of the text before
	delayMs     uint32 // of one taken in: when it is due, from then on
	tlvs        []byte
}

// more says whether a text has what most don't.
func (r *textRecord) more() bool {
	return r.form != formShort || r.twin || r.delayMs > 0 || len(r.tlvs) > 0
}

// text records a reply about to be written, or (recQueued) one that was taken in.
func (b *block) text(kind byte, r *textRecord) {
	b.endRun()
	b.records++
	var flags byte
	if r.again {
		flags |= delAgain
	}
	if r.more() {
		flags |= delMore
	}
	dst := append(b.buf, kind, flags)
	if flags&delMore != 0 {
		form := byte(r.form)
		if r.twin {
			form |= formTwin
		}
		dst = append(dst, form)
		dst = binary.AppendUvarint(dst, uint64(r.ref))
		dst = binary.AppendUvarint(dst, uint64(r.delayMs))
		dst = appendBytes(dst, r.tlvs)
	}
	dst = appendDelta32(dst, r.seq, &b.seq)
	dst = b.appendID(dst, r.id)
	dst, _ = b.appendSource(dst, r.number)
	dst = appendString(dst, r.phone)
	dst = append(dst, r.esm, r.dcs, r.parts, r.part)
	dst = appendBytes(dst, r.udh)
	b.buf = appendBytes(dst, r.octets)
}

// ack records a deliver_sm_resp; consecutive good ones become one record.
func (b *block) ack(seq uint32, status smpp.Status) {
	if status == smpp.StatusOK {
		if b.runCount > 0 && seq == b.runStart+b.runCount {
			b.runCount++
			return
		}
		b.endRun()
		b.runStart, b.runCount = seq, 1
		return
	}
	b.endRun()
	b.records++
	b.buf = append(b.buf, recAck, ackRefused)
	b.buf = appendDelta32(b.buf, seq, &b.ackSeq)
	b.buf = binary.AppendUvarint(b.buf, 1)
	b.buf = binary.AppendUvarint(b.buf, uint64(status))
}

func (b *block) endRun() {
	if b.runCount == 0 {
		return
	}
	b.records++
	b.buf = append(b.buf, recAck, 0)
	b.buf = appendDelta32(b.buf, b.runStart, &b.ackSeq)
	b.buf = binary.AppendUvarint(b.buf, uint64(b.runCount))
	b.ackSeq = b.runStart + b.runCount - 1
	b.runCount = 0
}

// event records a bind, unbind, closed connection or protocol error.
func (b *block) event(name string, in bool, status smpp.Status, seq uint32, account, note string) {
	b.endRun()
	b.records++
	dir := byte(0)
	if in {
		dir = 1
	}
	dst := append(b.buf, recEvent, dir)
	dst = appendString(dst, name)
	dst = binary.AppendUvarint(dst, uint64(status))
	dst = binary.AppendUvarint(dst, uint64(seq))
	dst = appendString(dst, account)
	b.buf = appendString(dst, note)
}

// start opens a run or a segment: what a reader must know to write ids.
func (b *block) start(version string, form IDForm, again bool) {
	b.records++
	flag := byte(0)
	if again {
		flag = 1
	}
	dst := append(b.buf, recStart, flag, byte(form))
	b.buf = appendString(dst, version)
}

// appendSource names an address by its place in the block's list, spelled out the first time.
func (b *block) appendSource(dst []byte, s string) ([]byte, int) {
	if b.last < len(b.sources) && b.sources[b.last] == s {
		return binary.AppendUvarint(dst, uint64(b.last)), b.last
	}
	for i, have := range b.sources {
		if have == s {
			b.last = i
			return binary.AppendUvarint(dst, uint64(i)), i
		}
	}
	i := len(b.sources)
	if i == blockSources { // more senders than fit in a list that is searched: spelled out each time
		dst = binary.AppendUvarint(dst, uint64(i))
		return appendString(dst, s), i
	}
	b.sources = append(b.sources, s)
	b.last = i
	dst = binary.AppendUvarint(dst, uint64(i))
	return appendString(dst, s), i
}

// blockSources bounds the list of addresses in one block.
const blockSources = 64

func (b *block) appendID(dst []byte, id uint64) []byte {
	dst = binary.AppendVarint(dst, int64(id-b.id))
	b.id = id
	return dst
}

// appendText writes a text by what it has in common with the last one of its slot at both ends: the parts of one
// broadcast differ by a name or two, so three octets and the name stand for it.
func (b *block) appendText(dst, text []byte, slot int) []byte {
	ref := b.texts[slot]
	b.texts[slot] = text
	prefix := commonPrefix(text, ref)
	suffix := commonSuffix(text[prefix:], ref[prefix:], b.suffixes[slot])
	b.suffixes[slot] = suffix
	middle := text[prefix : len(text)-suffix]
	b.literals += len(middle)
	dst = binary.AppendUvarint(dst, uint64(prefix))
	dst = binary.AppendUvarint(dst, uint64(suffix))
	return appendBytes(dst, middle)
}

func textSlot(source int, part, dcs byte, broadcast uint32) int {
	return int(uint32(source)*5+uint32(part)*3+uint32(dcs)+broadcast*7) & (textSlots - 1)
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// commonSuffix tries a length first: texts of one broadcast end alike, and comparing at once is many times faster than
// finding out how far.
func commonSuffix(a, b []byte, guess int) int {
	n := min(len(a), len(b))
	i := 0
	if guess <= n && bytes.Equal(a[len(a)-guess:], b[len(b)-guess:]) {
		i = guess
	}
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(a[len(a)-i-8:]) ^ binary.LittleEndian.Uint64(b[len(b)-i-8:]); x != 0 {
			return i + bits.LeadingZeros64(x)/8
		}
	}
	for i < n && a[len(a)-1-i] == b[len(b)-1-i] {
		i++
	}
	return i
}

// isPlainConcat says whether a UDH is just the element that every SMSC writes for a long message (3GPP TS 23.040 §9.2.3.24.1).
func isPlainConcat(udh []byte) bool {
	return len(udh) == 6 && udh[0] == 5 && udh[1] == 0 && udh[2] == 3
}

func appendDelta32(dst []byte, v uint32, last *uint32) []byte {
	d := int32(v - *last)
	*last = v
	return binary.AppendUvarint(dst, uint64(uint32(d<<1)^uint32(d>>31)))
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}
