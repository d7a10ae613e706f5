package certify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
)

func connectionCases() []testCase {
	return []testCase{
		{
			id: "C-01", name: "Every host accepts connections", section: "§2.1",
			purpose:  "A host that nobody reaches is found on the day the other one fails.",
			steps:    []string{"Connect to each host, over TLS where the account has it.", "Bind and unbind: some servers keep a connection that never bound, and serve nobody else meanwhile.", "Close."},
			expected: "Each host accepts within the time-out.", run: everyHost,
		},
		{
			id: "C-02", name: "TLS", section: "RFC 8446, RFC 5246",
			purpose:  "Passwords and texts go over networks of others.",
			steps:    []string{"Connect.", "Verify the certificate against the configured or the system's authorities.", "Note version, cipher and how long the certificate is valid.", "Bind and unbind, as in C-01."},
			expected: "TLS 1.2 or later with a certificate that is verified and valid for two more weeks.", run: tlsCase,
		},
	}
}

func everyHost(ctx context.Context, r *runner) finding {
	var bad []string
	for _, host := range r.cfg.Hosts {
		l, err := r.connect(ctx, host)
		if err != nil {
			r.saw("%s: %s", host, reasonOf(err))
			bad = append(bad, host)
			continue
		}
		r.saw("%s: connected in %s; %s", host, shown(l.dialed), r.visit(ctx, l))
	}
	if len(bad) > 0 {
		return fail("no connection to %s", strings.Join(bad, ", "))
	}
	return pass()
}

// visit binds and unbinds over a connection that was only to be opened, and says how that went: it is judged by the cases about
// binds. A connection that is closed before its bind keeps some servers waiting for half a minute.
func (r *runner) visit(ctx context.Context, l *link) string {
	if err := r.bind(ctx, l, bindAs{kind: r.cfg.any()}); err != nil {
		return reasonOf(err)
	}
	defer func() { r.left = time.Now() }()
	if err := l.leave(ctx, 2*r.cfg.Timeout); err != nil {
		return "bound, and unbinding: " + reasonOf(err)
	}
	return "bound and unbound"
}

// renewal is how long a certificate should last: who certifies on a Monday wants to send at the end of the month.
const renewal = 14 * 24 * time.Hour

func tlsCase(ctx context.Context, r *runner) finding {
	end := pass()
	for _, host := range r.cfg.Hosts {
		l, err := r.connect(ctx, host)
		if err != nil {
			return fail("%s: %s", host, reasonOf(err))
		}
		state, secure := tlsOf(l.conn.Conn)
		r.visit(ctx, l)
		if !secure {
			r.report.SMSC.TLS = "none"
			return notApplicable("the account is configured without TLS")
		}
		r.report.SMSC.TLS = tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite)
		r.saw("%s: %s", host, r.report.SMSC.TLS)
		if len(state.VerifiedChains) == 0 {
			end = fail("%s: the certificate was not verified", host)
		}
		if len(state.PeerCertificates) > 0 {
			c := state.PeerCertificates[0]
			r.saw("%s: certificate for %s by %s, until %s", host, c.Subject.String(), c.Issuer.String(), c.NotAfter.UTC().Format(time.DateOnly))
			if time.Until(c.NotAfter) < renewal {
				end = fail("%s: the certificate ends on %s", host, c.NotAfter.UTC().Format(time.DateOnly))
			}
		}
		if state.Version < tls.VersionTLS12 {
			end = fail("%s: %s", host, tls.VersionName(state.Version))
		}
	}
	return end
}

func bindCases() []testCase {
	kindSteps := func(kind string) []string {
		return []string{"Connect and send bind_" + kind + ".", "Wait for its response; note system_id and sc_interface_version.", "Send unbind and wait for unbind_resp."}
	}
	return []testCase{
		{
			id: "B-01", name: "bind_transmitter", section: "§4.1.1, §4.2", purpose: "A bind that only submits.", steps: kindSteps("transmitter"),
			expected: "ESME_ROK, then unbind_resp; where the account is agreed for other binds only, a status that refuses.",
			run:      bindCase(smpp.BindTransmitterID),
		},
		{
			id: "B-02", name: "bind_receiver", section: "§4.1.3, §4.2", purpose: "A bind that only receives.", steps: kindSteps("receiver"),
			expected: "ESME_ROK, then unbind_resp; where the account is agreed for other binds only, a status that refuses.",
			run:      bindCase(smpp.BindReceiverID),
		},
		{
			id: "B-03", name: "bind_transceiver", section: "§4.1.5, §4.2", purpose: "A bind that does both (since 3.4).", steps: kindSteps("transceiver"),
			expected: "ESME_ROK, then unbind_resp; where the account is agreed for other binds only, a status that refuses.",
			run:      bindCase(smpp.BindTransceiverID),
		},
		{
			id: "B-04", name: "As many binds as agreed", section: "§4.1", purpose: "Binds share the load, and one may break.",
			steps:    []string{"Open all binds of the account at once, over all hosts in turn.", "Unbind them all."},
			expected: "Each is accepted.", run: manyBinds,
		},
		{
			id: "B-05", name: "Wrong password", section: "§4.1, §5.1.3", purpose: "A mistake must be told, not met with silence: the client must stop trying.", needs: needNegative,
			steps:    []string{"Bind with a wrong password."},
			expected: "A bind response with ESME_RINVPASWD, or ESME_RBINDFAIL.", run: wrongPassword,
		},
		{
			id: "B-06", name: "Wrong system_id", section: "§4.1, §5.1.3", purpose: "As B-05.", needs: needNegative,
			steps:    []string{"Bind with a system_id that doesn't exist."},
			expected: "A bind response with ESME_RINVSYSID, ESME_RINVPASWD or ESME_RBINDFAIL.", run: wrongSystemID,
		},
		{
			id: "B-07", name: "A request before the bind", section: "§2.2, §5.1.3", purpose: "Nothing is accepted from whom nobody knows.", needs: needNegative,
			steps:    []string{"Connect.", "Send a query_sm without a bind."},
			expected: "query_sm_resp or generic_nack with ESME_RINVBNDSTS; or the connection is closed. No ESME_ROK.", run: beforeBind,
		},
		{
			id: "B-08", name: "A second bind on a bound session", section: "§5.1.3", purpose: "One session, one bind.", needs: needNegative,
			steps:    []string{"Bind.", "Send the bind once more on the same connection.", "Send enquire_link."},
			expected: "A bind response or generic_nack with ESME_RALYBND (ESME_RINVBNDSTS will do); the session lives on.", run: secondBind,
		},
	}
}

// bindCase binds and unbinds. That a kind which was not agreed on is refused is no fault.
func bindCase(kind smpp.CommandID) func(context.Context, *runner) finding {
	return func(ctx context.Context, r *runner) finding {
		if kind == smpp.BindTransceiverID && r.cfg.Version < smpp.Version34 {
			return notApplicable("SMPP 3.3 has no bind_transceiver") // Our own session would refuse it, unsent.
		}
		r.rest(ctx)
		submit, receive := r.cfg.commands()
		agreed := kind == submit || kind == receive
		l, err := r.open(ctx, bindAs{kind: kind})
		var refused *session.BindError
		switch {
		case errors.As(err, &refused) && !agreed:
			r.saw("refused with %v", refused.Status)
			return notApplicable("the account is agreed for %s, and %v is refused with a status, as it should be", r.cfg.Kind, kind)
		case err != nil:
			r.saw("%s", reasonOf(err))
			return fail("%v: %s", kind, reasonOf(err))
		}
		peer := l.s.Peer()
		r.saw("accepted in %s by system_id %q, SMPP %x.%x", shown(l.bound), peer.SystemID, peer.InterfaceVersion>>4, peer.InterfaceVersion&0x0F)
		err = l.leave(ctx, 2*r.cfg.Timeout)
		r.left = time.Now()
		if err != nil {
			r.saw("unbinding: %s", reasonOf(err))
			return fail("unbind was not answered in order: %s", reasonOf(err))
		}
		if n := l.count(smpp.UnbindRespID); n != 1 {
			return fail("%d unbind_resp came for one unbind", n)
		}
		r.saw("unbind_resp came")
		return pass()
	}
}

func manyBinds(ctx context.Context, r *runner) finding {
	r.rest(ctx)
	submit, receive := r.cfg.commands()
	if submit == 0 {
		submit = receive
	}
	want := r.cfg.Binds - r.cfg.Taken
	if want < 1 {
		return notRun("a process that runs meanwhile holds all %d binds of the account", r.cfg.Binds)
	}
	up := 0
	var last error
	for i := range want {
		l, err := r.open(ctx, bindAs{kind: submit, host: r.cfg.Hosts[i%len(r.cfg.Hosts)]})
		if err != nil {
			last = err
			r.saw("bind %d at %s: %s", i+1, r.cfg.Hosts[i%len(r.cfg.Hosts)], reasonOf(err))
			continue
		}
		up++
		r.saw("bind %d at %s: accepted in %s", i+1, l.host, shown(l.bound))
	}
	r.rest(ctx)
	switch {
	case up == want && r.cfg.Taken > 0:
		r.saw("a process that runs meanwhile holds %d more", r.cfg.Taken)
		return pass()
	case up == want:
		return pass()
	}
	return fail("%d of %d binds were accepted: %s", up, want, reasonOf(last))
}

// refusedBind expects a bind to be refused with one of some statuses.
func refusedBind(ctx context.Context, r *runner, as bindAs, good ...smpp.Status) finding {
	r.rest(ctx)
	as.kind, _ = r.cfg.commands()
	if as.kind == 0 {
		as.kind = smpp.BindReceiverID
	}
	l, err := r.open(ctx, as)
	var refused *session.BindError
	switch {
	case err == nil:
		r.saw("accepted by system_id %q", l.s.Peer().SystemID)
		return fail("the bind was accepted")
	case errors.As(err, &refused):
		r.saw("refused with %v", refused.Status)
		for _, s := range good {
			if refused.Status == s {
				return pass()
			}
		}
		return fail("refused, but with %v, by which a client doesn't know that trying again is useless", refused.Status)
	}
	r.saw("%s", reasonOf(err))
	return fail("no status told the reason: %s", reasonOf(err))
}

func wrongPassword(ctx context.Context, r *runner) finding {
	wrong := "wrong-1"
	if r.cfg.Password == wrong {
		wrong = "wrong-2"
	}
	return refusedBind(ctx, r, bindAs{password: wrong}, smpp.StatusInvPassword, smpp.StatusBindFailed)
}

func wrongSystemID(ctx context.Context, r *runner) finding {
	return refusedBind(ctx, r, bindAs{systemID: "nobody-" + time.Now().Format("150405")}, smpp.StatusInvSystemID, smpp.StatusInvPassword, smpp.StatusBindFailed)
}

func beforeBind(ctx context.Context, r *runner) finding {
	r.rest(ctx)
	l, err := r.connect(ctx, r.cfg.Hosts[0])
	if err != nil {
		return fail("%s", reasonOf(err))
	}
	go l.readAll()
	defer func() {
		l.cut()
		r.loose = time.Now()
	}()
	pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.QuerySM{MessageID: "1", Source: r.cfg.Source})
	if err != nil {
		return notRun("%v", err)
	}
	a, took, err := l.ask(ctx, r.cfg.Timeout, 0, pdu)
	switch {
	case errors.Is(err, errNoAnswer):
		r.saw("%v", err)
		return fail("neither an answer nor an end")
	case err != nil:
		r.saw("the connection was closed: %v", err)
		return pass()
	}
	r.saw("%v with %v after %s", a.header.ID, a.header.Status, shown(took))
	if a.header.Status == smpp.StatusInvBindStatus {
		return pass()
	}
	return fail("%v with %v", a.header.ID, a.header.Status)
}

// readAll reads for a connection that has no session.
func (l *link) readAll() {
	buf := make([]byte, 4096)
	for {
		if _, err := l.conn.Read(buf); err != nil {
			l.ended <- fmt.Errorf("reading: %w", err)
			return
		}
	}
}

func secondBind(ctx context.Context, r *runner) finding {
	l, err := r.ready(ctx)
	if err != nil {
		return fail("%s", reasonOf(err))
	}
	submit, receive := r.cfg.commands()
	if submit == 0 {
		submit = receive
	}
	pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.Bind{
		Kind: submit, SystemID: r.cfg.SystemID, Password: r.cfg.Password, SystemType: r.cfg.SystemType, InterfaceVersion: r.cfg.Version,
	})
	if err != nil {
		return notRun("%v", err)
	}
	a, took, err := l.ask(ctx, r.cfg.Timeout, 0, pdu)
	if err != nil {
		r.saw("%v", err)
		return fail("the second bind was not answered: %s", reasonOf(err))
	}
	r.saw("%v with %v after %s", a.header.ID, a.header.Status, shown(took))
	if end := r.stillThere(ctx, l); end.verdict != Pass {
		return end
	}
	if a.header.Status != smpp.StatusAlreadyBound && a.header.Status != smpp.StatusInvBindStatus {
		return fail("answered with %v", a.header.Status)
	}
	return pass()
}
