package record

import (
	"encoding/binary"

	"fanline/engine/message"
)

// Journal is a record of topic journal: what one gathering of one owner says
// about one partition. A record carries any number of entries of every kind;
// an intent is referred to by the record's offset and its index in Intents.
//
// Records whose Owner is older than the last own record before them are void.
type Journal struct {
	Owner    int64 // offset of the owner's own record; NoOwner in that record itself
	Own      *Own
	Runs     []Run
	Intents  []Intent
	Outcomes []Outcome
	Finals   []Final
	Settles  []Settle
	Snapshot *Snapshot
	Early    []Early  // beside a snapshot, and only there
	Seen     []uint64 // likewise: hashes of the last receipts that were credited, oldest first
}

// NoOwner stands for the owner in an own record, whose offset is not known yet.
const NoOwner = -1

// Own says that an engine took a partition over; the offset of its record is
// the owner epoch that all its records carry.
type Own struct {
	Engine string
	At     int64 // Unix ms
}

// Run is what one lane hands to one bind in one gathering: a flush.
type Run struct {
	Number  message.Phone
	Carrier string
	Bind    uint32
	At      int64 // Unix ms
}

// Intent says that a part is about to be written.
type Intent struct {
	Run       int // index in Runs
	Class     message.Class
	Broadcast message.BroadcastID // 0: one-to-one, by ID
	Epoch     message.Epoch
	Rank      message.Rank
	ID        message.ID
	Member    message.MemberID
	Phone     message.Phone
	Part      uint8 // from 1
	Parts     uint8
}

// Key returns the message's key.
func (i *Intent) Key() message.Key {
	if i.Broadcast == 0 {
		return message.Key{ID: i.ID}
	}
	return message.Key{Broadcast: i.Broadcast, Member: i.Member}
}

// Ref points at an intent in the same partition.
type Ref struct {
	Offset int64
	Index  uint32
}

// Outcome says what the submit of one part came to, and what the message came
// to when this was its last part to be decided.
type Outcome struct {
	Ref       Ref
	Message   Message
	Part      uint8
	Code      message.Code
	Status    uint32 // SMPP command_status, 0 where none came
	MessageID []byte // the carrier's, as it came
	Bind      uint32
	Written   int64         // Unix ms; 0: never written
	At        int64         // Unix ms of the response
	From      message.State // where the message stood before
	State     message.State // where it stands now; Open: not decided by this part
	Reason    message.Reason
}

// Final says that a message moved on without a submit's response: a receipt
// made it final, a late one moved it out of uncertain, or it was never sent.
type Final struct {
	Message Message
	From    message.State
	State   message.State
	Reason  message.Reason
	Err     string // the receipt's err field
	Written int64  // Unix ms of the first write; 0: never
	At      int64  // Unix ms
	Parts   []Part // of a message in several, in order, where receipts told of any; else nil
}

// Part is what the receipt of one part of a message said.
type Part struct {
	State message.State // Open: it has none
	Err   string        // the receipt's err field
	At    int64         // Unix ms; 0 where it has no receipt
}

// Message is what outcomes and finals say of their message, enough for a row
// of analytics.
type Message struct {
	Number     message.Phone
	Carrier    string // empty: never routed
	Class      message.Class
	Broadcast  message.BroadcastID
	Rank       message.Rank
	ID         message.ID
	Member     message.MemberID
	Phone      message.Phone
	Parts      uint8 // 0: never encoded
	Attributes message.Attributes
}

// Key returns the message's key.
func (m *Message) Key() message.Key {
	if m.Broadcast == 0 {
		return message.Key{ID: m.ID}
	}
	return message.Key{Broadcast: m.Broadcast, Member: m.Member}
}

// Settle moves all undecided ranks of a broadcast in this partition to one
// state: a cancel.
type Settle struct {
	Broadcast message.BroadcastID
	Epoch     message.Epoch
	State     message.State
	Count     int64
	At        int64 // Unix ms
}

// Snapshot holds what an owner knows as of the records before Applied; a new
// owner reads journal from Replay to find open intents and pending receipts,
// and counts from Applied on.
type Snapshot struct {
	Applied    int64
	Replay     int64
	Broadcasts []Broadcast
	Recent     []message.ID // one-to-one messages of the last minutes
}

// Early is a receipt that has changed nothing in the journal yet: the id or the
// other parts of its message are still to come. Its record in the topic
// receipts may be gone when a new owner needs it.
type Early struct {
	Carrier string
	ID      []byte // as the receipt writes it
	Phone   message.Phone
	To      message.Phone // our number; 0 unknown
	State   message.State
	Err     string
	At      int64       // Unix ms
	Of      message.Key // the message that took it by its phone; zero: none, or one that has its id
}

// Broadcast is the state of a broadcast in one partition.
type Broadcast struct {
	ID      message.BroadcastID
	Epoch   message.Epoch
	Total   message.Rank
	Low     message.Rank  // all ranks up to it are decided
	Decided []byte        // bit i: rank Low+1+i is decided; bits little end first
	Settled bool          // a cancel settled the rest
	Counts  message.Tally // messages
	Parts   message.Tally // parts
}

const (
	kindOwn = iota + 1
	kindIntents
	kindOutcomes
	kindFinals
	kindSettle
	kindSnapshot
	kindEarly
	kindSeen
)

// AppendJournal appends the record; runs without intents are left out by the
// caller.
func AppendJournal(dst []byte, j *Journal) []byte {
	dst = append(dst, version)
	dst = appendVarint(dst, j.Owner)
	if j.Own != nil {
		dst = append(dst, kindOwn)
		dst = appendString(dst, j.Own.Engine)
		dst = appendVarint(dst, j.Own.At)
	}
	if len(j.Intents) > 0 {
		dst = appendIntents(append(dst, kindIntents), j)
	}
	if len(j.Outcomes) > 0 {
		dst = append(dst, kindOutcomes)
		dst = appendUvarint(dst, uint64(len(j.Outcomes)))
		var prev Message
		for i := range j.Outcomes {
			dst = appendOutcome(dst, &j.Outcomes[i], &prev)
		}
	}
	if len(j.Finals) > 0 {
		dst = append(dst, kindFinals)
		dst = appendUvarint(dst, uint64(len(j.Finals)))
		var prev Message
		for i := range j.Finals {
			dst = appendFinal(dst, &j.Finals[i], &prev)
		}
	}
	for i := range j.Settles {
		s := &j.Settles[i]
		dst = append(dst, kindSettle)
		dst = appendUvarint(dst, uint64(s.Broadcast))
		dst = appendUvarint(dst, uint64(s.Epoch))
		dst = append(dst, byte(s.State))
		dst = appendVarint(dst, s.Count)
		dst = appendVarint(dst, s.At)
	}
	if j.Snapshot != nil {
		dst = appendSnapshot(append(dst, kindSnapshot), j.Snapshot)
	}
	if len(j.Early) > 0 {
		dst = appendEarly(append(dst, kindEarly), j.Early)
	}
	if len(j.Seen) > 0 {
		dst = appendUvarint(append(dst, kindSeen), uint64(len(j.Seen)))
		for _, key := range j.Seen {
			dst = binary.LittleEndian.AppendUint64(dst, key)
		}
	}
	return dst
}

// DecodeJournal reads a record into j, whose slices are reused.
func DecodeJournal(b []byte, j *Journal) error {
	*j = Journal{Runs: j.Runs[:0], Intents: j.Intents[:0], Outcomes: j.Outcomes[:0], Finals: j.Finals[:0], Settles: j.Settles[:0]}
	r := reader{b: b}
	r.version()
	j.Owner = r.varint("owner")
	for r.err == nil && !r.done() {
		switch r.byte("kind") {
		case kindOwn:
			j.Own = &Own{Engine: r.string("engine"), At: r.varint("time")}
		case kindIntents:
			r.intents(j)
		case kindOutcomes:
			var prev Message
			for range r.count(20, "outcomes") {
				j.Outcomes = append(j.Outcomes, r.outcome(&prev))
				if r.err != nil {
					break
				}
			}
		case kindFinals:
			var prev Message
			for range r.count(14, "finals") {
				j.Finals = append(j.Finals, r.final(&prev))
				if r.err != nil {
					break
				}
			}
		case kindSettle:
			j.Settles = append(j.Settles, Settle{
				Broadcast: message.BroadcastID(r.uint32("broadcast")),
				Epoch:     message.Epoch(r.uint32("epoch")),
				State:     r.state("state"),
				Count:     r.varint("count"),
				At:        r.varint("time"),
			})
		case kindSnapshot:
			j.Snapshot = r.snapshot()
		case kindEarly:
			r.early(j)
		case kindSeen:
			var key [8]byte
			for range r.count(len(key), "receipts seen") {
				r.fixed(key[:], "receipt seen")
				j.Seen = append(j.Seen, binary.LittleEndian.Uint64(key[:]))
			}
		default:
			r.off--
			r.fail("unknown kind of entry")
		}
	}
	return r.end()
}

func (r *reader) state(what string) message.State { return r.stateIn(what, 0xFF) }

// stateIn reads a state from some of the bits of an octet.
func (r *reader) stateIn(what string, bits byte) message.State {
	s := message.State(r.byte(what) & bits)
	if s >= message.States {
		r.fail(what + ": unknown")
		return message.Open
	}
	return s
}
