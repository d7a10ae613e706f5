package carrier

import (
	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
	"fanline/smpp/session"
)

// class says what to do about a status of a submit: the profile's word, else
// that of smpp's table.
func (p *Profile) class(s smpp.Status) smpp.Class {
	if c, ok := p.statuses[s]; ok {
		return c
	}
	return s.Class()
}

// answer turns what a session says about a submit into what the engine decides
// by. Throttling is never a fault: the carrier is well, we are too fast.
func (p *Profile) answer(o *session.Outcome) engine.Answer {
	a := engine.Answer{
		Token: o.Token, Status: uint32(o.Status), ID: o.MessageID, At: o.At.UnixMilli(), Late: o.Late,
		Took: o.Took, Congestion: o.Congestion,
	}
	switch o.Code {
	case session.Accepted:
		a.Code = message.Accepted
		return a
	case session.NotSent:
		a.Code = message.NotSent
		return a
	case session.Unknown:
		a.Code, a.Fault = message.Unknown, true
		return a
	}
	a.Code = message.Refused
	switch p.class(o.Status) {
	case smpp.ClassThrottle:
		a.Later, a.Slow, a.Full = true, true, o.Status == smpp.StatusMsgQFull
	case smpp.ClassTransient:
		// ESME_RX_T_APPN speaks of the receiver, the others of the carrier.
		a.Later, a.Fault = true, o.Status != smpp.StatusTemporaryError
	case smpp.ClassSender:
		a.Sender = true
	case smpp.ClassSession, smpp.ClassBindRetry, smpp.ClassBindFatal:
		a.Later, a.Fault = true, true // The message is unharmed.
	}
	return a
}
