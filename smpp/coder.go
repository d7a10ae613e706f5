package smpp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unsafe"
)

// A coder walks the fields of one PDU in wire order, and reads, writes, traces
// or fills them according to its mode. A PDU's fields method is the only
// description of its wire form.
type coder struct {
	mode              mode
	buf               []byte // reading: the whole PDU; writing: what has been written so far
	pos               int    // reading: the next octet; writing: where this PDU starts in buf
	id                CommandID
	whole             bool           // reading: the rest of the PDU is known to be whole TLVs
	short             int            // reading: items of a group that begin at the end of the PDU
	version           byte           // writing: the SMPP version to write for
	loose             bool           // writing: take what the specification forbids
	body              bodyRule       // writing: whether a failed response has a body
	payload, segments bool           // writing: there is a message_payload, a sar_msg_ref_num
	status            Status         // writing: that of the header
	read              *ProtocolError // first fault while reading
	refuse            *FieldError    // first fault while writing or filling
	trace             *tracer        // reading for a trace: told of every field
	fill              *filler        // filling: the fields of a trace
}

type mode byte

const (
	writing mode = iota
	reading
	filling
)

// bodyRule says whether a failed response is written with its body.
type bodyRule byte

const (
	bodyByVersion bodyRule = iota // SMPP 3.4 leaves it out when there is nothing to say
	bodyNever
	bodyAlways
)

// empty describes a PDU that is its header. SMPP 5.0 has congestion_state in
// every response, and some carriers put TLVs of their own anywhere.
func (c *coder) empty(id CommandID, o *Options) {
	c.command(id)
	c.options(o)
}

// command states which PDU this is: the first line of every description.
func (c *coder) command(id CommandID) {
	if c.mode == reading && c.id != id {
		c.mismatch(id)
	}
	c.id = id
}

// commandOf states the kind of a PDU that several commands share.
func (c *coder) commandOf(kind *CommandID, known bool) {
	switch {
	case c.mode == writing && !known:
		c.id = *kind
		c.refuseField("command_id", "is none of the bind commands")
	case c.mode == writing:
		c.id = *kind
	default:
		*kind = c.id
	}
}

func (c *coder) mismatch(want CommandID) {
	c.faultAt(4, "command_id", StatusInvCmdID, fmt.Sprintf("is %s, not %s", c.id, want))
}

// text is a C-octet string of at most size octets, its NUL included.
func (c *coder) text(name string, s *string, size int) {
	switch c.mode {
	case writing:
		if *s == "" {
			c.buf = append(c.buf, 0)
			return
		}
		if len(*s) >= size && !c.loose || strings.IndexByte(*s, 0) >= 0 {
			c.refuseText(name, *s, size)
			return
		}
		c.buf = append(c.buf, *s...)
		c.buf = append(c.buf, 0)
	case reading:
		c.readText(name, s, size)
	default:
		c.fill.text(c, name, s)
	}
}

// readText takes the octets up to the next NUL, or to the end of the PDU when
// the NUL is missing. More octets than the specification allows are accepted:
// carriers answer with message ids of any length.
func (c *coder) readText(name string, s *string, size int) {
	rest := c.buf[c.pos:]
	if len(rest) == 0 {
		*s = ""
		c.ends(name)
		return
	}
	n := bytes.IndexByte(rest, 0)
	next := n + 1
	if n < 0 {
		n, next = len(rest), len(rest)
	}
	if n >= size && size == timeSize && isTimeEnd(rest[timeSize-2]) {
		n, next = timeSize-1, timeSize-1
	}
	*s = unsafe.String(unsafe.SliceData(rest), n)
	if c.trace != nil {
		c.trace.text(c.pos, name, *s, n < next, size)
	}
	c.pos += next
}

// timeSize is that of a time with its NUL: YYMMDDhhmmsstnnp (SMPP 3.4 §7.1.1).
// One of 16 octets whose NUL is missing is known by its last one.
const timeSize = 17

func isTimeEnd(c byte) bool { return c == '+' || c == '-' || c == 'R' }

// time is a C-octet string that is empty or 16 octets long.
func (c *coder) time(name string, s *string) {
	if c.mode == writing && *s != "" && len(*s) != timeSize-1 && !c.loose {
		c.refuseField(name, fmt.Sprintf("%d octets, not %d or none", len(*s), timeSize-1))
		return
	}
	c.text(name, s, timeSize)
}

// source is a sender's address, its digits a C-octet string of at most size
// octets (SMPP 3.4 §5.2.5 to §5.2.8).
func (c *coder) source(a *Address, size int) {
	c.octet("source_addr_ton", &a.TON)
	c.octet("source_addr_npi", &a.NPI)
	c.text("source_addr", &a.Addr, size)
}

// destination is a receiver's address (SMPP 3.4 §5.2.5 to §5.2.9).
func (c *coder) destination(a *Address, size int) {
	c.octet("dest_addr_ton", &a.TON)
	c.octet("dest_addr_npi", &a.NPI)
	c.text("destination_addr", &a.Addr, size)
}

// octet is an integer of one octet.
func (c *coder) octet(name string, v *byte) {
	switch c.mode {
	case writing:
		c.buf = append(c.buf, *v)
	case reading:
		if c.pos >= len(c.buf) {
			*v = 0
			c.ends(name)
			return
		}
		*v = c.buf[c.pos]
		if c.trace != nil {
			c.trace.octet(name, *v)
		}
		c.pos++
	default:
		c.fill.octet(c, name, v)
	}
}

// message is sm_length and short_message (SMPP 3.4 §5.2.21, §5.2.22).
func (c *coder) message(v *[]byte) {
	switch c.mode {
	case writing:
		if len(*v) > MaxShortMessage && !c.longMessage(len(*v)) {
			c.refuseField("short_message", fmt.Sprintf("%d octets, at most %d", len(*v), MaxShortMessage))
			return
		}
		c.buf = append(c.buf, byte(len(*v)))
		c.buf = append(c.buf, *v...)
	case reading:
		c.readMessage(v)
	default:
		c.fill.message(c, v)
	}
}

// longMessage reports whether a text that SMPP 3.4 does not allow may be
// written: 5.0 takes one octet more.
func (c *coder) longMessage(n int) bool { return n <= 255 && (c.version >= Version50 || c.loose) }

// readMessage forgives an sm_length that is off by one: senders count a NUL that
// they don't send, or send one that they don't count.
func (c *coder) readMessage(v *[]byte) {
	*v = nil
	if c.pos >= len(c.buf) {
		c.ends("sm_length")
		return
	}
	n, from := int(c.buf[c.pos]), c.pos+1
	have := len(c.buf) - from
	if n > have+1 {
		c.faultAt(c.pos, "sm_length", StatusInvMsgLen, fmt.Sprintf("is %d, and %d octets follow", n, have))
		return
	}
	take := c.messageEnd(from, min(n, have)) - from
	*v = c.buf[from : from+take : from+take]
	if c.trace != nil {
		c.trace.shortMessage(c.pos, n, *v)
	}
	c.pos = from + take
}

// messageEnd returns where a short_message ends that begins at from and has n
// octets: there, if TLVs or nothing follow, or a surplus NUL; else one octet
// before or behind, if that makes whole TLVs of the rest.
func (c *coder) messageEnd(from, n int) int {
	at := from + n
	rest := c.buf[at:]
	if len(rest) == 0 || c.id == QueryMsgDetailsRespID { // In which fields follow.
		return at
	}
	if c.whole = wholeTLVs(rest) == len(rest); c.whole {
		return at
	}
	if before := c.buf[at-1:]; n > 0 && wholeTLVs(before) == len(before) {
		return at - 1
	}
	if rest[0] != 0 && wholeTLVs(rest[1:]) == len(rest)-1 {
		return at + 1
	}
	return at
}

// options is the range of TLVs that ends a PDU (SMPP 3.4 §3.2.4). It is
// checked, and kept as it is: unknown tags survive, in order.
func (c *coder) options(v *Options) {
	switch c.mode {
	case writing:
		if len(*v) > 0 {
			c.checkOptions(*v)
		}
		c.buf = append(c.buf, *v...)
	case reading:
		c.readOptions(v)
	default:
		c.fill.options(c, v)
	}
}

// checkOptions refuses TLVs that the specification does not allow: of a length
// that is not theirs, or in SMPP 3.3 any. Tags outside the table are the
// carrier's.
func (c *coder) checkOptions(o Options) {
	if c.version < Version34 && !c.loose {
		c.refuseField("optional parameters", "do not exist in SMPP 3.3")
		return
	}
	for rest := o; len(rest) > 0; {
		n := 0
		if len(rest) >= 4 {
			n = int(binary.BigEndian.Uint16(rest[2:]))
		}
		if 4+n > len(rest) {
			c.refuseField("optional parameters", "are no sequence of tag, length, value")
			return
		}
		if t := Tag(binary.BigEndian.Uint16(rest)); t < TagVendorFirst && !c.loose {
			if !t.fits(n) {
				info, _ := t.Lookup()
				c.refuseField(info.Name, info.misfit(n))
				return
			}
			c.payload = c.payload || t == TagMessagePayload
			c.segments = c.segments || t == TagSarMsgRefNum
		}
		rest = rest[4+n:]
	}
}

// exclusive refuses two texts in one PDU (SMPP 3.4 §5.3.2.32), and two
// descriptions of its place in a long message: a user data header and the TLVs
// sar_ (§5.3.2.22).
func (c *coder) exclusive(esmClass byte, short []byte) {
	if c.payload && len(short) > 0 {
		c.refuseField("message_payload", "stands beside a short_message")
	}
	if c.segments && esmClass&ESMUDHI != 0 {
		c.refuseField("sar_msg_ref_num", "stands beside a user data header")
	}
}

// readOptions drops a surplus NUL after short_message, and a tail that is no
// TLV. The PDU itself stays good: its mandatory fields are known.
func (c *coder) readOptions(v *Options) {
	*v = nil
	rest := c.buf[c.pos:]
	if len(rest) == 0 {
		return
	}
	n := len(rest)
	if !c.whole {
		n = wholeTLVs(rest)
	}
	if n < len(rest) && rest[0] == 0 {
		if m := wholeTLVs(rest[1:]); m == len(rest)-1 {
			if c.trace != nil {
				c.trace.warn(c.pos, "a surplus NUL was dropped")
			}
			c.pos++
			rest, n = rest[1:], m
		}
	}
	if n > 0 {
		*v = Options(rest[:n:n])
	}
	if c.trace != nil {
		c.trace.options(c.pos, *v)
		if n < len(rest) {
			c.trace.tail(c.pos+n, rest[n:])
		}
	}
	c.pos = len(c.buf)
}

// messageID is the message_id that opens the body of a response. A carrier
// that leaves it out and sends TLVs all the same is recognised: what follows
// the first NUL is no sequence of TLVs then, but the whole body is.
func (c *coder) messageID(s *string) {
	if c.mode == reading {
		rest := c.buf[c.pos:]
		if i := bytes.IndexByte(rest, 0); i >= 0 && i+1 < len(rest) &&
			wholeTLVs(rest[i+1:]) != len(rest)-i-1 && wholeTLVs(rest) == len(rest) {
			*s = ""
			if c.trace != nil {
				c.trace.warn(c.pos, "message_id is missing before the optional parameters")
			}
			return
		}
	}
	c.id65(s)
}

// id65 is a message_id: 64 octets and a NUL; in SMPP 3.3 eight hexadecimal
// digits and a NUL (SMPP 3.3 §6.2).
func (c *coder) id65(s *string) {
	if c.mode == writing && c.version < Version34 && !isHexID(*s) && !c.loose {
		c.refuseField("message_id", "is no hexadecimal number of at most 8 digits, as SMPP 3.3 has it")
		return
	}
	c.text("message_id", s, 65)
}

func isHexID(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; (s[i] < '0' || s[i] > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(s) <= 8
}

// ends is what to do about a PDU that ends before a field. Responses may: SMPP
// 3.4 §4.4.2 leaves the body of a failed submit_sm_resp out, and carriers leave
// out more.
func (c *coder) ends(name string) {
	switch {
	case !c.id.IsResponse():
		c.faultAt(len(c.buf), name, StatusInvCmdLen, "the PDU ends before it")
	case c.trace != nil:
		c.trace.ends(len(c.buf), name)
	}
}

// bodiless reports whether a response is to be written without its body: it
// failed, there is nothing to say, and this is SMPP 3.4 (§4.1.2, §4.4.2). SMPP
// 3.3 and 5.0 always have the body.
func (c *coder) bodiless(empty bool) bool {
	if c.mode != writing || c.status == StatusOK {
		return false
	}
	if c.body == bodyByVersion {
		return empty && c.version == Version34
	}
	return c.body == bodyNever
}

func (c *coder) faultAt(offset int, name string, status Status, reason string) {
	if c.read == nil {
		c.read = &ProtocolError{Command: c.id, Offset: offset, Field: name, Reason: reason, Status: status}
	}
	c.pos = len(c.buf)
}

func (c *coder) refuseField(name, reason string) {
	if c.refuse == nil {
		c.refuse = &FieldError{Command: c.id, Field: name, Reason: reason}
	}
}

func (c *coder) refuseText(name, s string, size int) {
	if strings.IndexByte(s, 0) >= 0 {
		c.refuseField(name, "contains a NUL")
		return
	}
	c.refuseField(name, fmt.Sprintf("%d octets, at most %d", len(s), size-1))
}
