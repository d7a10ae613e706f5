package record

import (
	"fmt"

	"fanline/engine/message"
)

// MaxBlock is the largest number of recipients in one block.
const MaxBlock = 256

// Job is a record of topic jobs: a block of a broadcast's recipients, or one
// one-to-one message. Exactly one of the two is set.
type Job struct {
	Block  *Block
	Single *Single
}

// Block holds recipients of one broadcast with consecutive ranks of one
// partition. Text and limits ride along, so the engine needs no store.
type Block struct {
	Broadcast  message.BroadcastID
	Epoch      message.Epoch
	Number     message.Phone // the sender
	Policy     message.Policy
	Deadline   int64        // Unix ms; no write begins later
	Validity   uint32       // seconds from the write for which the carrier may try
	Text       string       // with its merge fields
	Total      message.Rank // ranks of the audience in this partition
	First      message.Rank // of Recipients[0]
	Retry      Retry
	Hints      []Hint // at most MaxHints; recipients point to them
	Fields     int    // merge values of each recipient
	Recipients []Recipient
	Values     []string // Fields values for each recipient, one after another
}

// MaxHints is the largest number of hints of a block: an index must fit a
// recipient's.
const MaxHints = 255

// Hint names the carrier or the home network of a phone, and what that rests
// on. It is a name and no index: the configuration may change between planning
// and sending.
type Hint struct {
	Name   string // "": none
	Source message.Evidence
}

// Retry says whether a message that was not delivered goes once more by another
// carrier. The zero value is never.
type Retry struct {
	Routes uint8 // how many further carriers, at most
	On     RetryOn
}

// RetryOn is a set of final states.
type RetryOn uint8

// The states upon which another carrier may be tried.
const (
	RetryFailed   RetryOn = 1 << iota // a receipt says that it was not delivered
	RetryRejected                     // the carrier refused it at submit
	RetryExpired                      // the carrier gave up
)

// Covers tells whether a message that came to a state may be tried again.
func (on RetryOn) Covers(s message.State) bool {
	switch s {
	case message.Failed:
		return on&RetryFailed != 0
	case message.Rejected:
		return on&RetryRejected != 0
	case message.Expired:
		return on&RetryExpired != 0
	}
	return false
}

// Recipient is one place in a block.
type Recipient struct {
	Member     message.MemberID
	Phone      message.Phone
	Suppressed message.Reason // NoReason: to be sent
	Attributes message.Attributes
	Hint       uint8 // 1 + index in the block's hints, 0 none
}

// HintOf returns the hint of recipient i, the zero one where there is none.
func (b *Block) HintOf(i int) Hint {
	if h := b.Recipients[i].Hint; h > 0 {
		return b.Hints[h-1]
	}
	return Hint{}
}

// ValuesOf returns the merge values of recipient i.
func (b *Block) ValuesOf(i int) []string { return b.Values[i*b.Fields : (i+1)*b.Fields] }

// Single is one one-to-one message or automatic reply.
type Single struct {
	ID         message.ID
	Number     message.Phone
	Phone      message.Phone
	Member     message.MemberID // 0: a stranger
	Class      message.Class
	Policy     message.Policy
	Deadline   int64  // Unix ms
	Validity   uint32 // seconds
	At         int64  // Unix ms of what it answers; a later STOP holds it back
	Text       string
	Attributes message.Attributes
	Hint       Hint
	Retry      Retry
}

// The kinds of a job. Those without routing are read, no longer written: a
// program before this one may have left them in the log.
const (
	jobBlockUnrouted  = 1 // no retry, no hints; a recipient's octet is void
	jobSingleUnrouted = 2 // no hint, no retry
	jobBlock          = 3
	jobSingle         = 4
)

// AppendBlock appends the record of a block.
func AppendBlock(dst []byte, b *Block) []byte {
	dst = append(dst, version, jobBlock)
	dst = appendUvarint(dst, uint64(b.Broadcast))
	dst = appendUvarint(dst, uint64(b.Epoch))
	dst = appendUvarint(dst, uint64(b.Number))
	dst = append(dst, byte(b.Policy))
	dst = appendVarint(dst, b.Deadline)
	dst = appendUvarint(dst, uint64(b.Validity))
	dst = appendString(dst, b.Text)
	dst = appendUvarint(dst, uint64(b.Total))
	dst = appendUvarint(dst, uint64(b.First))
	dst = appendRetry(dst, b.Retry)
	dst = appendUvarint(dst, uint64(len(b.Hints)))
	for _, h := range b.Hints {
		dst = appendHint(dst, h)
	}
	dst = appendUvarint(dst, uint64(b.Fields))
	dst = appendUvarint(dst, uint64(len(b.Recipients)))
	for i := range b.Recipients {
		r := &b.Recipients[i]
		dst = appendUvarint(dst, uint64(r.Member))
		dst = appendUvarint(dst, uint64(r.Phone))
		dst = append(dst, byte(r.Suppressed), r.Hint)
		dst = appendAttributes(dst, r.Attributes)
		for _, v := range b.ValuesOf(i) {
			dst = appendString(dst, v)
		}
	}
	return dst
}

// AppendSingle appends the record of a one-to-one message.
func AppendSingle(dst []byte, s *Single) []byte {
	dst = append(dst, version, jobSingle)
	dst = append(dst, s.ID[:]...)
	dst = appendUvarint(dst, uint64(s.Number))
	dst = appendUvarint(dst, uint64(s.Phone))
	dst = appendUvarint(dst, uint64(s.Member))
	dst = append(dst, byte(s.Class), byte(s.Policy))
	dst = appendVarint(dst, s.Deadline)
	dst = appendUvarint(dst, uint64(s.Validity))
	dst = appendVarint(dst, s.At)
	dst = appendString(dst, s.Text)
	dst = appendAttributes(dst, s.Attributes)
	return appendRetry(appendHint(dst, s.Hint), s.Retry)
}

// DecodeJob reads a record of topic jobs.
func DecodeJob(b []byte) (Job, error) {
	r := reader{b: b}
	r.version()
	switch kind := r.byte("kind"); {
	case r.err != nil:
		return Job{}, r.err
	case kind == jobBlock, kind == jobBlockUnrouted:
		block := r.block(kind == jobBlock)
		return Job{Block: block}, r.end()
	case kind == jobSingle, kind == jobSingleUnrouted:
		single := r.single(kind == jobSingle)
		return Job{Single: single}, r.end()
	default:
		return Job{}, fmt.Errorf("%w: job of kind %d", ErrRecord, kind)
	}
}

func (r *reader) block(routed bool) *Block {
	b := &Block{
		Broadcast: message.BroadcastID(r.uint32("broadcast")),
		Epoch:     message.Epoch(r.uint32("epoch")),
		Number:    message.Phone(r.uvarint("number")),
		Policy:    message.Policy(r.byte("policy")),
		Deadline:  r.varint("deadline"),
		Validity:  r.uint32("validity"),
		Text:      r.string("text"),
		Total:     message.Rank(r.uint32("total")),
		First:     message.Rank(r.uint32("first rank")),
	}
	if routed {
		b.Retry, b.Hints = r.retry(), r.hints()
	}
	fields := r.uvarint("fields")
	if fields > 64 {
		r.fail("more than 64 merge values")
	}
	b.Fields = int(fields)
	n := r.count(9, "recipients")
	if n > MaxBlock {
		r.fail("more recipients than a block holds")
		n = 0
	}
	b.Recipients = make([]Recipient, n)
	if b.Fields > 0 {
		b.Values = make([]string, 0, n*b.Fields)
	}
	for i := range b.Recipients {
		b.Recipients[i] = Recipient{
			Member:     message.MemberID(r.uint32("member")),
			Phone:      message.Phone(r.uvarint("phone")),
			Suppressed: message.Reason(r.byte("suppressed")),
			Hint:       r.byte("hint"),
			Attributes: r.attributes(),
		}
		if !routed {
			b.Recipients[i].Hint = 0
		} else if int(b.Recipients[i].Hint) > len(b.Hints) {
			r.fail("hint that the block doesn't have")
		}
		for range b.Fields {
			b.Values = append(b.Values, r.string("merge value"))
		}
		if r.err != nil {
			break
		}
	}
	return b
}

func (r *reader) single(routed bool) *Single {
	s := &Single{}
	r.fixed(s.ID[:], "id")
	s.Number = message.Phone(r.uvarint("number"))
	s.Phone = message.Phone(r.uvarint("phone"))
	s.Member = message.MemberID(r.uint32("member"))
	s.Class = message.Class(r.byte("class"))
	s.Policy = message.Policy(r.byte("policy"))
	if s.Class >= message.Classes {
		r.fail("unknown class")
	}
	s.Deadline = r.varint("deadline")
	s.Validity = r.uint32("validity")
	s.At = r.varint("time")
	s.Text = r.string("text")
	s.Attributes = r.attributes()
	if routed {
		s.Hint, s.Retry = r.hint(), r.retry()
	}
	return s
}

func appendHint(dst []byte, h Hint) []byte { return append(appendString(dst, h.Name), byte(h.Source)) }

func (r *reader) hint() Hint {
	h := Hint{Name: r.string("hint"), Source: message.Evidence(r.byte("evidence"))}
	if h.Source > message.EvidenceLookup {
		r.fail("unknown evidence")
	}
	return h
}

func (r *reader) hints() []Hint {
	n := r.count(2, "hints")
	if n > MaxHints {
		r.fail("more hints than a block holds")
		n = 0
	}
	if n == 0 {
		return nil
	}
	hints := make([]Hint, n)
	for i := range hints {
		hints[i] = r.hint()
	}
	return hints
}

func appendRetry(dst []byte, retry Retry) []byte { return append(dst, retry.Routes, byte(retry.On)) }

func (r *reader) retry() Retry {
	return Retry{Routes: r.byte("routes to retry"), On: RetryOn(r.byte("states to retry"))}
}

func appendAttributes(dst []byte, a message.Attributes) []byte {
	dst = appendUvarint(dst, uint64(a.City))
	return append(dst, a.Age, a.Gender, a.Language[0], a.Language[1])
}

func (r *reader) attributes() message.Attributes {
	a := message.Attributes{City: r.uint32("city"), Age: r.byte("age"), Gender: r.byte("gender")}
	r.fixed(a.Language[:], "language")
	return a
}
