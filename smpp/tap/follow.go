package tap

import (
	"bytes"
	"strings"

	"fanline/smpp"
)

// followedMax bounds how many requests a Follower waits for the answers of. Beyond it the answers of new ones are not
// recognised: the requests themselves are.
const followedMax = 100_000

// Follower picks the PDUs that concern one number. It is not safe for concurrent use.
type Follower[Session comparable] struct {
	digits []byte // as addresses carry them: without plus and leading zeros
	links  bool
	asked  map[question[Session]]struct{}
}

// question is a request whose answer is to come from the other side.
type question[Session comparable] struct {
	session  Session
	out      bool
	sequence uint32
}

// NewFollower follows a number: a phone, with or without a plus, or a short code or name. With links, everything that
// concerns the session and no message is picked too: binds, enquire_link, unbind, and generic_nack whatever it refuses.
func NewFollower[Session comparable](number string, links bool) *Follower[Session] {
	return &Follower[Session]{digits: canonical([]byte(number)), links: links, asked: map[question[Session]]struct{}{}}
}

func canonical(address []byte) []byte {
	address = bytes.TrimPrefix(address, []byte("+"))
	if trimmed := bytes.TrimLeft(address, "0"); len(trimmed) > 0 {
		return trimmed
	}
	return address
}

// Concerns reports whether a PDU has the number as source or destination, or answers one that has. Sessions tell
// connections apart, since each has its own sequence numbers; out says that we send it.
func (f *Follower[Session]) Concerns(session Session, out bool, pdu []byte) bool {
	h, err := smpp.ReadHeader(pdu)
	if err != nil {
		return f.links
	}
	if h.ID.IsResponse() {
		q := question[Session]{session, !out, h.Sequence}
		_, ours := f.asked[q]
		delete(f.asked, q)
		return ours || f.links && isLink(h.ID)
	}
	concerns := f.addressed(h.ID, pdu[smpp.HeaderLen:])
	if concerns && len(f.asked) < followedMax {
		f.asked[question[Session]{session, out, h.Sequence}] = struct{}{}
	}
	return concerns || f.links && isLink(h.ID)
}

func isLink(id smpp.CommandID) bool {
	switch id &^ 0x80000000 {
	case 0, smpp.BindReceiverID, smpp.BindTransmitterID, smpp.BindTransceiverID, smpp.EnquireLinkID, smpp.UnbindID, 0x0B:
		return true
	}
	return false
}

// addressed looks for the number among the addresses of a request. It reads no further than to the last of them, and does
// not allocate: a broadcast may run meanwhile.
func (f *Follower[Session]) addressed(id smpp.CommandID, body []byte) bool {
	const cancel, replace, multi = 0x08, 0x07, 0x21
	switch id {
	case smpp.SubmitSMID, smpp.DeliverSMID, smpp.DataSMID:
		_, body = text(body) // service_type
		return f.either(body)
	case smpp.QuerySMID, replace:
		_, body = text(body) // message_id
		found, _ := f.address(body)
		return found
	case cancel:
		_, body = text(body) // service_type
		_, body = text(body) // message_id
		return f.either(body)
	case multi:
		_, body = text(body)
		return f.multi(body)
	}
	return false
}

func (f *Follower[Session]) either(body []byte) bool {
	found, body := f.address(body)
	if found {
		return true
	}
	found, _ = f.address(body)
	return found
}

// multi looks through the destinations of submit_multi (SMPP 3.4 §4.5.1).
func (f *Follower[Session]) multi(body []byte) bool {
	found, body := f.address(body)
	if found || len(body) == 0 {
		return found
	}
	n, body := int(body[0]), body[1:]
	for range n {
		if len(body) == 0 {
			return false
		}
		flag := body[0]
		body = body[1:]
		if flag == 2 { // A distribution list.
			_, body = text(body)
			continue
		}
		if found, body = f.address(body); found {
			return true
		}
	}
	return false
}

// address reads type, plan and digits and compares the digits.
func (f *Follower[Session]) address(body []byte) (found bool, rest []byte) {
	if len(body) < 2 {
		return false, nil
	}
	digits, rest := text(body[2:])
	return bytes.Equal(canonical(digits), f.digits), rest
}

// text reads a C-octet string; what has no NUL goes on to the end.
func text(b []byte) (s, rest []byte) {
	s, rest, _ = bytes.Cut(b, []byte{0})
	return s, rest
}

// Mask hides the middle of a phone: +177******00 becomes of +17735550100. What is too short to be one stays as it is.
func Mask(address string) string {
	digits := strings.TrimPrefix(address, "+")
	if len(digits) < 8 || strings.Trim(digits, "0123456789") != "" {
		return address
	}
	head := len(address) - len(digits) + 3
	return address[:head] + strings.Repeat("*", len(address)-head-2) + address[len(address)-2:]
}
