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
	Fields     int          // merge values of each recipient
	Recipients []Recipient
	Values     []string // Fields values for each recipient, one after another
}

// Recipient is one place in a block.
type Recipient struct {
	Member     message.MemberID
	Phone      message.Phone
	Suppressed message.Reason // NoReason: to be sent
	Attributes message.Attributes
	Carrier    uint8 // hint: 1 + index in the number's carriers, 0 none
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
}

const (
	jobBlock  = 1
	jobSingle = 2
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
	dst = appendUvarint(dst, uint64(b.Fields))
	dst = appendUvarint(dst, uint64(len(b.Recipients)))
	for i := range b.Recipients {
		r := &b.Recipients[i]
		dst = appendUvarint(dst, uint64(r.Member))
		dst = appendUvarint(dst, uint64(r.Phone))
		dst = append(dst, byte(r.Suppressed), r.Carrier)
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
	return appendAttributes(dst, s.Attributes)
}

// DecodeJob reads a record of topic jobs.
func DecodeJob(b []byte) (Job, error) {
	r := reader{b: b}
	r.version()
	switch kind := r.byte("kind"); {
	case r.err != nil:
		return Job{}, r.err
	case kind == jobBlock:
		block := r.block()
		return Job{Block: block}, r.end()
	case kind == jobSingle:
		single := r.single()
		return Job{Single: single}, r.end()
	default:
		return Job{}, fmt.Errorf("%w: job of kind %d", ErrRecord, kind)
	}
}

func (r *reader) block() *Block {
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
			Carrier:    r.byte("carrier"),
			Attributes: r.attributes(),
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

func (r *reader) single() *Single {
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
	return s
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
