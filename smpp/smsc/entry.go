package smsc

import (
	"time"

	"fanline/smpp"
	"fanline/smpp/text"
)

// Kind tells the entries of the log apart.
type Kind uint8

// The kinds of entry.
const (
	KindStart       Kind = iota + 1 // the simulator started on this log
	KindEvent                       // bind, unbind, closed connection, protocol error: Command says which
	KindSubmit                      // a submit_sm or data_sm with the answer it was given
	KindReceipt                     // a deliver_sm that carries a receipt, written before it was sent
	KindReply                       // a deliver_sm that carries a text from a phone, written before it was sent
	KindDeliverResp                 // the answer to a receipt or reply
	KindQueued                      // a text from a phone that the simulator took in and owes to the number
	KindOperation                   // what else changes or asks about messages, with the answer: query_sm, cancel_sm, replace_sm, broadcast_*; alert_notification, outbind
)

// The events' names beside those of PDUs.
const (
	CommandClosed        = "closed"         // the connection ended; Text says why
	CommandProtocolError = "protocol_error" // what came was no SMPP; Text says what
	CommandFault         = "fault"          // the scenario broke something; Text opens with the fault's kind
	CommandReplaced      = "replaced"       // an operation: a message gave way to one with replace_if_present_flag
	CommandByHand        = "by_hand"        // a PDU that somebody sent through the control interface; Text is its hex
	CommandTraffic       = "traffic"        // how far generated traffic came; Text says it
)

// Entry is one record of the log. Its slices and strings alias the reader's buffers: copy what outlives the call.
type Entry struct {
	Kind      Kind
	Micros    int64  // when: microseconds since 1970; for what was received the moment after the read that brought it
	Conn      uint32 // number of the connection, unique within a log; 0 when there is none
	Account   string // system_id of the connection; empty before a bind
	Command   string // name of the PDU, or CommandClosed, CommandProtocolError, "start", "queued"
	In        bool   // came from the client
	Status    smpp.Status
	Seq       uint32 // of CommandClosed: how many answers to submits were never said, or perhaps not
	MessageID uint64 // number of the message; ID writes it as on the wire. For KindReply and KindQueued that of the text
	IDForm    IDForm // how MessageID is written in responses

	Source, Destination       string
	SourceType, DestType      byte // packed TON and NPI
	ESMClass, DataCoding      byte
	Registered                byte
	UDH                       []byte // user data header with its length octet, when there is one
	Octets                    []byte // what follows it: the text as encoded
	Ref                       uint16 // reference of a long message
	Part, Parts               byte   // from UDH or SAR; 1 of 1 otherwise
	Key                       []byte // vendor TLV 0x1400
	Broadcast, Member         uint32 // what Key names when it is that of a broadcast
	KeyKind                   KeyKind
	TLVs                      smpp.Options // all TLVs in wire order; nil when only the key came
	Stat                      Stat         // of a receipt; of a submit: what its receipt will say
	Lost, Duplicate, Unwanted bool         // of a submit: its receipt gets lost, comes twice, is not sent because it was not asked for
	Unanswered                bool         // of a submit: accepted, and by a fault never answered
	DelayMillis               uint32       // of a submit: it comes to its end so long after it, and its receipt is due; of a text taken in: itself
	Form                      TextForm     // of a text from a phone
	Again                     bool         // of a receipt or reply: not the first sending
	Text                      string       // of an event: remote address or reason; of KindStart: version

	ServiceType          string
	ProtocolID, Priority byte
	Replace              bool   // replace_if_present_flag
	Schedule, Validity   string // schedule_delivery_time, validity_period as they came
	Cause                Cause  // of a refused submit
	Shape                byte   // of a submit: what was odd about its answer; see Odd
	Intermediate         bool   // of a submit: an intermediate receipt comes first; of a receipt: it is that one
	Format               string // of a receipt whose text is not the standard one
	Multi                bool   // of a submit: one destination of a submit_multi, all of which share an id
}

// Odd lists what was odd about the answer to a submit: no_body, empty_id, nack, nack_zero, late.
func (e *Entry) Odd() (names []string) {
	for _, x := range shapeNames {
		if e.Shape&x.bit != 0 {
			names = append(names, x.name)
		}
	}
	return names
}

// KeyKind says what sort of key a submit carried.
type KeyKind uint8

// The sorts of key.
const (
	KeyNone      KeyKind = iota
	KeyBroadcast         // b<broadcast>.<member>
	KeyULID              // one-to-one and automatic replies
	KeyOther
)

// Time is when the entry happened, to the microsecond.
func (e *Entry) Time() time.Time { return time.UnixMicro(e.Micros) }

// Accepted says whether the entry is a submit that the simulator took.
func (e *Entry) Accepted() bool { return e.Kind == KindSubmit && e.Status == smpp.StatusOK }

// ID is the message id as responses write it; empty when there is none.
func (e *Entry) ID() string {
	if e.MessageID == 0 {
		return ""
	}
	return string(e.IDForm.Append(nil, e.MessageID))
}

// Message decodes the text that the octets stand for.
func (e *Entry) Message() string {
	if len(e.Octets) == 0 {
		return ""
	}
	return text.Decode(e.DataCoding, e.Octets)
}

// Stat is the final state that a receipt reports.
type Stat uint8

// The states of SMPP 3.4 §5.2.28 that a receipt of the simulator may report.
const (
	StatNone Stat = iota
	StatDelivered
	StatExpired
	StatDeleted
	StatUndeliverable
	StatUnknown
	StatRejected
	StatAccepted // a final state where a carrier knows no better
	StatSkipped  // SMPP 5.0
	StatEnroute  // of intermediate receipts only
	statCount
)

// statTable holds the word of the receipt's text (SMPP 3.4 appendix B), message_state (§5.2.28) and the err field.
var statTable = [statCount]struct {
	name  string
	state byte
	err   string
	csv   int // in receipts of format csv
}{
	StatNone:          {"", 0, "", 0},
	StatDelivered:     {"DELIVRD", 2, "000", 0},
	StatExpired:       {"EXPIRED", 3, "027", 3},
	StatDeleted:       {"DELETED", 4, "028", 4},
	StatUndeliverable: {"UNDELIV", 5, "001", 5},
	StatUnknown:       {"UNKNOWN", 7, "255", 7},
	StatRejected:      {"REJECTD", 8, "069", 8},
	StatAccepted:      {"ACCEPTD", 6, "000", 6},
	StatSkipped:       {"SKIPPED", 9, "070", 9},
	StatEnroute:       {"ENROUTE", 1, "000", 1},
}

// finalStats lists the words of the states that a message may end in.
func finalStats() (names []string) {
	for s := StatDelivered; s < StatEnroute; s++ {
		names = append(names, statTable[s].name)
	}
	return names
}

// String is the state's word in a receipt: DELIVRD, EXPIRED, DELETED, UNDELIV, UNKNOWN, REJECTD, ACCEPTD, SKIPPED,
// ENROUTE.
func (s Stat) String() string {
	if int(s) < len(statTable) {
		return statTable[s].name
	}
	return ""
}

func parseStat(s string) (Stat, bool) {
	for i, row := range statTable {
		if i > 0 && row.name == s {
			return Stat(i), true
		}
	}
	return StatNone, false
}
