// Package smpp is the SMPP protocol, versions 3.3, 3.4 and 5.0, as values:
// PDUs, TLVs, statuses, delivery receipts, and a trace that shows any of them
// as JSON.
//
// Every PDU is described once, by a fields method that lists its fields in
// wire order; the writer (Append), the reader (Decode, DecodeInto) and the
// trace (Trace, Untrace) all follow that one description.
//
// Writing is strict: a field that the specification does not allow is an
// error and nothing is written. Append is for SMPP 3.4; an Encoding names
// another version, or writes what is forbidden to test others. Reading takes
// every version at once, and is lenient where carriers are known to sin (an
// absent response body, a missing or surplus NUL, an sm_length off by one, a
// broken tail of TLVs): the trace tells each of these as a warning. The rest it
// answers with a *ProtocolError that carries the status to nack with. No input
// makes it panic. docs/pics.md lists all of it, and a test holds it to the code.
//
// The package refuses to know about connections, windows, timers, character
// sets and carriers: see smpp/session, smpp/text and the engine. It imports
// the standard library only.
//
//	pdu, err := smpp.Append(nil, smpp.StatusOK, 1, &smpp.SubmitSM{
//		Source:       smpp.Address{TON: smpp.TONNational, NPI: smpp.NPIISDN, Addr: "7735550100"},
//		Destination:  smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: "13125550199"},
//		ShortMessage: []byte("Hey Ana"),
//	})
package smpp
