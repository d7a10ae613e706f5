// Package tap looks at SMPP sessions from outside: it cuts a stream into PDUs, follows those that concern one number,
// blanks passwords and tells a PDU in one line. `fanline carrier trace`, probe and certify stand on it.
//
// It refuses to know what becomes of what it shows, and changes nothing that goes over the wire.
//
//	f := tap.NewFollower("17735550100", false)
//	if f.Concerns(session, out, pdu) {
//		fmt.Println(tap.Line(pdu, false))
//	}
package tap
