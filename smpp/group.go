package smpp

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// A group is a count and as many items, each of them a few fields: what
// submit_multi and its response repeat. A description walks it as
//
//	for i := range group(c, "number_of_dests", "dest_address", &p.Destinations) {
//		c.item()
//		p.Destinations[i].fields(c)
//	}
//	groupEnd(c, "dest_address", &p.Destinations)

// maxGroup is what fits the octet that counts: 254 in SMPP 3.4, 255 in 5.0.
const maxGroup = 255

// group makes *items as long as the count says, and returns that length.
func group[T any](c *coder, count, name string, items *[]T) int {
	switch c.mode {
	case writing:
		c.writeCount(count, len(*items))
		return len(*items)
	case reading:
		there := c.pos < len(c.buf)
		n := c.readCount(count)
		if n > cap(*items) {
			*items = make([]T, n)
		}
		*items = (*items)[:n]
		clear(*items)
		if there && c.trace != nil {
			c.trace.openGroup(name)
		}
		return n
	}
	n := c.fill.openGroup(c, count, name)
	*items = make([]T, n)
	return n
}

// groupEnd drops the items of a response that ended before they began.
func groupEnd[T any](c *coder, name string, items *[]T) {
	if c.mode == reading {
		if c.short > 0 {
			*items = (*items)[:len(*items)-c.short]
			if c.trace != nil {
				c.trace.warn(len(c.buf), fmt.Sprintf("the PDU ends before the last %d of %s", c.short, name))
			}
		}
		if len(*items) == 0 {
			*items = nil
		}
		if c.trace != nil {
			c.trace.closeGroup()
		}
	}
	if c.mode == filling {
		c.fill.closeGroup(c)
	}
	c.short = 0
}

// item opens the next item of a group.
func (c *coder) item() {
	switch c.mode {
	case reading:
		if c.pos >= len(c.buf) {
			c.short++
		} else if c.trace != nil {
			c.trace.openItem()
		}
	case filling:
		c.fill.openItem(c)
	}
}

func (c *coder) writeCount(name string, n int) {
	limit := maxGroup
	if c.version < Version50 && c.id == SubmitMultiID && !c.loose {
		limit = maxGroup - 1
	}
	switch {
	case n > limit:
		c.refuseField(name, fmt.Sprintf("%d, at most %d", n, limit))
	case n == 0 && c.id == SubmitMultiID && !c.loose:
		c.refuseField(name, "0, at least 1")
	}
	c.buf = append(c.buf, byte(n))
}

// readCount believes no count that the rest of the PDU cannot hold: an item
// has at least one octet.
func (c *coder) readCount(name string) int {
	if c.pos >= len(c.buf) {
		c.ends(name)
		return 0
	}
	at := c.pos
	n := int(c.buf[c.pos])
	c.pos++
	if c.trace != nil {
		c.trace.octet(name, byte(n))
	}
	if rest := len(c.buf) - c.pos; n > rest {
		if !c.id.IsResponse() {
			c.faultAt(at, name, StatusInvNumDests, fmt.Sprintf("is %d, and %d octets follow", n, rest))
			return 0
		}
		if c.trace != nil {
			c.trace.warn(at, fmt.Sprintf("%s is %d, and %d octets follow", name, n, rest))
		}
		n = rest
	}
	return n
}

// destFlag says whether an address or the name of a list follows (SMPP 3.4
// §5.2.25). Whoever writes a PDU by hand may leave it out.
func (c *coder) destFlag(v *byte) {
	at := c.pos
	c.octet("dest_flag", v)
	if c.mode == filling && *v == 0 {
		*v = destAddress
		if c.fill.has("dl_name") {
			*v = destList
		}
	}
	if c.mode == reading && c.read == nil && *v != destAddress && *v != destList {
		c.faultAt(at, "dest_flag", StatusInvDestFlag, fmt.Sprintf("is %d: neither an address nor a list", *v))
	}
}

// long is an integer of four octets.
func (c *coder) long(name string, v *uint32) {
	switch c.mode {
	case writing:
		c.buf = binary.BigEndian.AppendUint32(c.buf, *v)
	case reading:
		if len(c.buf)-c.pos < 4 {
			*v = 0
			c.ends(name)
			c.pos = len(c.buf)
			return
		}
		*v = binary.BigEndian.Uint32(c.buf[c.pos:])
		if c.trace != nil {
			c.trace.number(name, *v)
		}
		c.pos += 4
	default:
		c.fill.long(c, name, v)
	}
}

func (t *tracer) openGroup(name string) {
	t.fields = append(appendName(t.fields, name), '[')
	t.group, t.items = name, 0
}

func (t *tracer) openItem() {
	if t.items > 0 {
		t.fields = append(t.fields, "},"...)
	}
	t.fields = append(t.fields, '{')
	t.path = fmt.Sprintf("%s[%d].", t.group, t.items)
	t.items++
}

func (t *tracer) closeGroup() {
	if t.group == "" {
		return
	}
	if t.items > 0 {
		t.fields = append(t.fields, '}')
	}
	t.fields = append(t.fields, ']')
	t.group, t.path = "", ""
}

// openGroup takes the items of a group; those who count them need not say how
// many there are.
func (f *filler) openGroup(c *coder, count, name string) int {
	delete(f.fields, count)
	f.items = nil
	f.take(c, name, &f.items)
	f.group, f.next, f.outer = name, 0, f.fields
	return len(f.items)
}

func (f *filler) openItem(c *coder) {
	f.leftOver(c)
	f.fields = f.items[f.next]
	f.next++
}

func (f *filler) closeGroup(c *coder) {
	f.leftOver(c)
	f.fields, f.items = f.outer, nil
}

// leftOver refuses what an item has and nobody asked for.
func (f *filler) leftOver(c *coder) {
	if f.next == 0 {
		return
	}
	for name := range f.fields {
		c.refuseField(fmt.Sprintf("%s[%d]", f.group, f.next-1), "has no field "+name)
	}
}

func (f *filler) has(name string) bool {
	_, ok := f.fields[name]
	return ok
}

func (f *filler) long(c *coder, name string, v *uint32) {
	var n uint32
	f.take(c, name, &n)
	*v = n
}

// items is a group's place in a filler.
type items []map[string]json.RawMessage
