package smpp

import "slices"

// Status is a command_status (SMPP 3.4 §5.1.3).
type Status uint32

// The statuses of SMPP 3.4 §5.1.3, and those from 0x100 on that 5.0 added
// (§4.7.6). Statuses lists them with their names and meanings.
const (
	StatusOK                  Status = 0x00
	StatusInvMsgLen           Status = 0x01
	StatusInvCmdLen           Status = 0x02
	StatusInvCmdID            Status = 0x03
	StatusInvBindStatus       Status = 0x04
	StatusAlreadyBound        Status = 0x05
	StatusInvPriority         Status = 0x06
	StatusInvRegisteredDlv    Status = 0x07
	StatusSysErr              Status = 0x08
	StatusInvSrcAddr          Status = 0x0A
	StatusInvDstAddr          Status = 0x0B
	StatusInvMsgID            Status = 0x0C
	StatusBindFailed          Status = 0x0D
	StatusInvPassword         Status = 0x0E
	StatusInvSystemID         Status = 0x0F
	StatusCancelFailed        Status = 0x11
	StatusReplaceFailed       Status = 0x13
	StatusMsgQFull            Status = 0x14
	StatusInvServiceType      Status = 0x15
	StatusInvNumDests         Status = 0x33
	StatusInvDLName           Status = 0x34
	StatusInvDestFlag         Status = 0x40
	StatusInvSubmitReplace    Status = 0x42
	StatusInvESMClass         Status = 0x43
	StatusCannotSubmitDL      Status = 0x44
	StatusSubmitFailed        Status = 0x45
	StatusInvSrcTON           Status = 0x48
	StatusInvSrcNPI           Status = 0x49
	StatusInvDstTON           Status = 0x50
	StatusInvDstNPI           Status = 0x51
	StatusInvSystemType       Status = 0x53
	StatusInvReplaceFlag      Status = 0x54
	StatusInvNumMsgs          Status = 0x55
	StatusThrottled           Status = 0x58
	StatusInvSchedule         Status = 0x61
	StatusInvExpiry           Status = 0x62
	StatusInvDefaultMsgID     Status = 0x63
	StatusTemporaryError      Status = 0x64 // ESME_RX_T_APPN
	StatusPermanentError      Status = 0x65 // ESME_RX_P_APPN
	StatusRejectMessage       Status = 0x66 // ESME_RX_R_APPN
	StatusQueryFailed         Status = 0x67
	StatusInvOptParStream     Status = 0xC0
	StatusOptParNotAllowed    Status = 0xC1
	StatusInvParLen           Status = 0xC2
	StatusMissingOption       Status = 0xC3
	StatusInvOptParValue      Status = 0xC4
	StatusDeliveryFailed      Status = 0xFE
	StatusUnknownError        Status = 0xFF
	StatusServiceUnauthorised Status = 0x100
	StatusProhibited          Status = 0x101
	StatusServiceUnavailable  Status = 0x102
	StatusServiceDenied       Status = 0x103
	StatusInvDataCoding       Status = 0x104
	StatusInvSrcSubunit       Status = 0x105
	StatusInvDstSubunit       Status = 0x106
	StatusInvBcastInterval    Status = 0x107
	StatusInvBcastAlias       Status = 0x108
	StatusInvBcastAreaFormat  Status = 0x109
	StatusInvBcastAreas       Status = 0x10A
	StatusInvBcastContent     Status = 0x10B
	StatusInvBcastClass       Status = 0x10C
	StatusBcastFailed         Status = 0x10D
	StatusBcastQueryFailed    Status = 0x10E
	StatusBcastCancelFailed   Status = 0x10F
	StatusInvBcastRepeat      Status = 0x110
	StatusInvBcastGroup       Status = 0x111
	StatusInvBcastChannel     Status = 0x112
)

// Status codes that carriers define for themselves (SMPP 3.4 §5.1.3).
const (
	StatusVendorFirst Status = 0x400
	StatusVendorLast  Status = 0x4FF
)

// Vendor reports whether s is one of the codes that the specification leaves to
// carriers. What it means only the carrier can say.
func (s Status) Vendor() bool { return s >= StatusVendorFirst && s <= StatusVendorLast }

// Class says what the sender should do about a status. A carrier's profile may
// say otherwise.
type Class byte

const (
	// ClassOK: accepted.
	ClassOK Class = iota
	// ClassThrottle: slow down, send again; the message is not to blame.
	ClassThrottle
	// ClassTransient: send again a bounded number of times.
	ClassTransient
	// ClassPermanent: this message will never be accepted.
	ClassPermanent
	// ClassSender: nothing from this sender will be accepted; stop it and call
	// someone.
	ClassSender
	// ClassSession: the session is out of step; bind again, the message is
	// unharmed.
	ClassSession
	// ClassBindRetry: the bind failed, try again with back-off.
	ClassBindRetry
	// ClassBindFatal: the bind fails until someone changes the configuration.
	ClassBindFatal
)

// String returns the class in one or two words.
func (c Class) String() string {
	switch c {
	case ClassOK:
		return "ok"
	case ClassThrottle:
		return "throttle"
	case ClassTransient:
		return "transient"
	case ClassPermanent:
		return "permanent"
	case ClassSender:
		return "sender"
	case ClassSession:
		return "session"
	case ClassBindRetry:
		return "bind retry"
	case ClassBindFatal:
		return "bind fatal"
	}
	return "unknown class"
}

// StatusInfo is one line of the status table.
type StatusInfo struct {
	Status  Status
	Name    string // as in the specification
	Class   Class
	Meaning string
}

// Lookup returns what is known about s, and false for codes outside the table:
// vendor codes (0x400 to 0x4FF) and reserved ones count as permanent.
func (s Status) Lookup() (StatusInfo, bool) {
	i, ok := slices.BinarySearchFunc(statuses[:], s, func(e StatusInfo, s Status) int { return int(e.Status) - int(s) })
	if !ok {
		meaning := "reserved by the specification"
		if s.Vendor() {
			meaning = "a code of the carrier's own"
		}
		return StatusInfo{Status: s, Name: hex32(uint32(s)), Class: ClassPermanent, Meaning: meaning}, false
	}
	return statuses[i], true
}

// String returns the specification's name, as "ESME_RTHROTTLED", or the number
// in hexadecimal, as "0x00000401".
func (s Status) String() string {
	info, _ := s.Lookup()
	return info.Name
}

// Class returns what to do about s.
func (s Status) Class() Class {
	if s == StatusOK {
		return ClassOK
	}
	info, _ := s.Lookup()
	return info.Class
}

// BindClass returns what to do about s as the answer to a bind: nothing, try
// again with back-off, or wait for someone to change the configuration. The
// codes that throttle a submit, or are nobody's, only delay a bind.
func (s Status) BindClass() Class {
	switch c := s.Class(); c {
	case ClassOK, ClassBindFatal:
		return c
	}
	return ClassBindRetry
}

// Once reports whether one more try is all that a transient s is worth:
// ESME_RSUBMITFAIL mostly means that the message will never be taken.
func (s Status) Once() bool { return s == StatusSubmitFailed }

// Statuses returns the table of all known statuses, by ascending code.
func Statuses() []StatusInfo { return slices.Clone(statuses[:]) }
