package message

import "fmt"

// Class is the urgency of a message inside a lane; lower goes first.
type Class uint8

// The classes of contracts.md, most urgent first.
const (
	ClassStop      Class = iota // answers to STOP and HELP
	ClassJoining                // signup link, confirmation, card
	ClassOneToOne               // a leader's answer to one member
	ClassBroadcast              // one text to an audience
	Classes        = 4
)

// String returns the class's name in logs and metrics.
func (c Class) String() string { return name(c, "stop_help", "joining", "one_to_one", "broadcast") }

// Policy says what becomes of a message whose fate a crash left uncertain.
type Policy uint8

// AtMostOnce never resends; AtLeastOnce resends once, within validity and
// after a new consent check.
const (
	AtMostOnce Policy = iota
	AtLeastOnce
)

// String returns the name used in configuration and JSON.
func (p Policy) String() string { return name(p, "at-most-once", "at-least-once") }

// ParsePolicy reads the name used in configuration and JSON.
func ParsePolicy(s string) (Policy, error) {
	switch s {
	case "at-most-once":
		return AtMostOnce, nil
	case "at-least-once":
		return AtLeastOnce, nil
	}
	return 0, fmt.Errorf("policy %q: want at-most-once or at-least-once", s)
}

// Code is what a submit of one part came to.
type Code uint8

// The four outcomes of a submit. A part that the carrier would not take for
// now (throttling, queue full) is NotSent with the carrier's status: nothing
// of it will be delivered, and it returns to its lane.
const (
	Unknown  Code = iota // bytes may have left and no response came
	Accepted             // the SMSC took it
	Refused              // the SMSC refused it for good
	NotSent              // it was not wholly handed to the kernel, or only put off
)

// String returns the name used in the log and in JSON.
func (c Code) String() string { return name(c, "unknown", "accepted", "refused", "not_sent") }

// State is where a message stands in the ledger.
type State uint8

// The states of contracts.md's ledger. Open is none yet.
const (
	Open State = iota
	Suppressed
	Rejected
	ExpiredUnsent
	Cancelled
	Uncertain
	Submitted
	Delivered
	Failed
	Expired
	NoReceipt
	States = 11
)

// String returns the ledger's field name.
func (s State) String() string {
	return name(s, "open", "suppressed", "rejected", "expired_unsent", "cancelled", "uncertain",
		"submitted", "delivered", "failed", "expired", "no_receipt")
}

// Final tells whether no receipt can move a message on from s.
func (s State) Final() bool { return s != Open && s != Uncertain && s != Submitted }

// Reason says why a message was suppressed or rejected.
type Reason uint8

// The reasons that this version produces.
const (
	NoReason    Reason = iota
	ReasonStop         // the member revoked consent
	ReasonLeft         // the member was deleted or blocked
	ReasonAge          // below the number's age limit
	ReasonCode         // the SMSC refused a part
	ReasonText         // the text cannot be encoded or has too many parts
	ReasonRoute        // no carrier serves the number
	reasonCount
)

// String returns the name used in JSON and ClickHouse.
func (r Reason) String() string {
	return name(r, "", "stop", "left", "age", "refused", "text", "route")
}

// Attributes are what analytics groups a message by, as of sending.
type Attributes struct {
	City     uint32 // id of the store's table of cities, 0 unknown
	Age      uint8  // full years, 0 unknown
	Gender   byte   // 'f', 'm', 'x', or 0 unknown
	Language [2]byte
}

// name indexes names by v; an unknown value shows its number.
func name[T ~uint8](v T, names ...string) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("%d", uint8(v))
}
