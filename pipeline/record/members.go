package record

import "fanline/engine/message"

// Members is a record of topic members: profiles as analytics needs them,
// without names, e-mail or the phone itself. All members of a record are of
// one partition.
type Members struct {
	Entries []Member
}

// Member is a profile as of At; a later one of the same member replaces it.
type Member struct {
	Member   message.MemberID
	Deleted  bool
	City     uint32
	CityName string
	Region   string // state or province
	Birth    int32  // days since 1970-01-01, 0 unknown
	Gender   byte
	Language [2]byte
	Joined   int64 // Unix ms
	At       int64 // Unix ms
}

// AppendMembers appends the record.
func AppendMembers(dst []byte, ms *Members) []byte {
	dst = append(dst, version)
	dst = appendUvarint(dst, uint64(len(ms.Entries)))
	for i := range ms.Entries {
		m := &ms.Entries[i]
		dst = appendUvarint(dst, uint64(m.Member))
		dst = append(dst, boolByte(m.Deleted))
		dst = appendUvarint(dst, uint64(m.City))
		dst = appendString(dst, m.CityName)
		dst = appendString(dst, m.Region)
		dst = appendVarint(dst, int64(m.Birth))
		dst = append(dst, m.Gender, m.Language[0], m.Language[1])
		dst = appendVarint(dst, m.Joined)
		dst = appendVarint(dst, m.At)
	}
	return dst
}

// DecodeMembers reads the record.
func DecodeMembers(b []byte) (Members, error) {
	r := reader{b: b}
	r.version()
	var ms Members
	for range r.count(11, "entries") {
		m := Member{
			Member:   message.MemberID(r.uint32("member")),
			Deleted:  r.byte("deleted") != 0,
			City:     r.uint32("city"),
			CityName: r.string("city name"),
			Region:   r.string("region"),
			Birth:    int32(r.varint("birth")),
			Gender:   r.byte("gender"),
		}
		r.fixed(m.Language[:], "language")
		m.Joined = r.varint("joined")
		m.At = r.varint("time")
		ms.Entries = append(ms.Entries, m)
		if r.err != nil {
			break
		}
	}
	return ms, r.end()
}

// Action is what a control record tells the owners.
type Action uint8

// The actions of topic control.
const (
	Start Action = iota + 1
	Pause
	Resume
	Cancel
)

// String returns the name used in JSON.
func (a Action) String() string {
	switch a {
	case Start:
		return "start"
	case Pause:
		return "pause"
	case Resume:
		return "resume"
	case Cancel:
		return "cancel"
	}
	return "unknown"
}

// Control is a record of topic control.
type Control struct {
	Broadcast message.BroadcastID
	Epoch     message.Epoch
	Action    Action
	At        int64          // Unix ms
	Totals    []message.Rank // ranks of the fixed audience, by partition
}

// AppendControl appends the record.
func AppendControl(dst []byte, c *Control) []byte {
	dst = append(dst, version)
	dst = appendUvarint(dst, uint64(c.Broadcast))
	dst = appendUvarint(dst, uint64(c.Epoch))
	dst = append(dst, byte(c.Action))
	dst = appendVarint(dst, c.At)
	dst = appendUvarint(dst, uint64(len(c.Totals)))
	for _, n := range c.Totals {
		dst = appendUvarint(dst, uint64(n))
	}
	return dst
}

// DecodeControl reads the record.
func DecodeControl(b []byte) (Control, error) {
	r := reader{b: b}
	r.version()
	c := Control{
		Broadcast: message.BroadcastID(r.uint32("broadcast")),
		Epoch:     message.Epoch(r.uint32("epoch")),
		Action:    Action(r.byte("action")),
		At:        r.varint("time"),
	}
	for range r.count(1, "totals") {
		c.Totals = append(c.Totals, message.Rank(r.uint32("total")))
	}
	return c, r.end()
}
