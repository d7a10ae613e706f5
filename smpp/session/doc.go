// Package session is one SMPP bind, seen from the ESME: it binds, sends submits through a window, matches the answers, asks
// whether the peer is alive and answers the same, and ends in order. Every submit that it takes comes back with exactly one
// outcome: accepted, refused, not sent or unknown.
//
// It uses three goroutines: the one in Run reads, keeps time and hands outcomes over, another hands deliveries over, so that a
// handler that waits with those keeps no answer back, and the third writes. Submits are copied into chunks of up to 64 KB, each of
// which becomes one write; whatever gathers while one is written goes with the next, and nothing waits for company. The window is a
// ring of slots indexed by sequence number, and time-outs are found by going through the ring.
//
// Open binds over a connection that we made, OpenOutbind over one that the SMSC made to have us fetch something. Submit carries
// the traffic; Request asks the seldom things (query_sm, cancel_sm, replace_sm, submit_multi, broadcasts) and waits for the answer.
// What the agreed version does not know is refused here and not sent: see Version.
//
// It refuses to know what a message is, to whom it goes, how fast it may go, and what to do about a status: those are the
// engine's. It does not dial, and does not bind again.
//
//	s, err := session.Open(ctx, conn, session.Config{SystemID: "fanline", Password: secret, Window: 1000}, handler)
//	if err != nil {
//		return err // *session.BindError when the peer refused
//	}
//	go submit(s) // s.Submit(items), which never blocks
//	return s.Run(ctx)
//
// What is not obvious:
//   - A link is given up when nothing of ours has been answered for EnquireInterval plus ResponseTimeout, whatever else comes in.
//   - A request enters its slot before its first octet can be written, so no answer is too early for it; one that comes before the
//     writing began answers nothing.
//   - A response time counts from the end of the write. What still waits here is never reported as unanswered.
//   - Time-outs are decided only when everything readable has been read.
//   - What is handed to Submit before a call of Respond is written before that response.
package session
