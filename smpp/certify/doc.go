// Package certify runs the test plan that a carrier and its customer go through before traffic begins, and writes it up as a
// report that one can send: what was tried, by which section of the specification, what was expected, what was seen, and the
// PDUs themselves.
//
// A case passes only when what was expected was seen. What the other side does not offer is not applicable; what could not be
// tried, or nobody asked for because it is rude (too fast, wrong passwords), is not run, with the reason.
//
// It refuses to know configuration, carriers' profiles and the engine: it is told what to try. It sends with smpp/session,
// which carries the traffic too. Deliveries that have nothing to do with its own texts are put off with ESME_RX_T_APPN, so that
// the carrier keeps them, and appear nowhere in the report.
//
//	report, err := certify.Run(ctx, certify.Config{Carrier: "acme", Hosts: hosts, Dial: dial, SystemID: "fanline", …})
//	err = report.Markdown(file)
package certify
