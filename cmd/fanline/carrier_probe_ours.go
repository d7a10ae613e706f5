package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"fanline/smpp"
	"fanline/smpp/certify"
	"fanline/smpp/session"
)

// probeQuiet is after how much silence our session asks enquire_link in a probe.
const probeQuiet = 50 * time.Millisecond

// probeOurs asks with the stack that carries the traffic.
func probeOurs(ctx context.Context, job probeJob) probeSight {
	saw := probeSight{Stack: "fanline", Kind: job.Bind, Bind: sawUnreachable}
	dialCtx, cancel := context.WithTimeout(ctx, job.Timeout)
	defer cancel()
	conn, err := job.dial(dialCtx)
	if err != nil {
		saw.Error = err.Error()
		return saw
	}
	kind, _ := bindCommand(job.Bind)
	tap := &enquireTap{Conn: conn, answered: make(chan time.Duration, 1)}
	handler := &probeHandler{outcome: make(chan session.Outcome, 1), receipt: make(chan probeReceipt, 1)}
	start := time.Now()
	s, err := session.Open(ctx, tap, session.Config{
		Kind: kind, SystemID: job.SystemID, Password: job.Password, SystemType: job.SystemType, InterfaceVersion: job.Version,
		AddressRange: job.Range.Addr, AddrTON: job.Range.TON, AddrNPI: job.Range.NPI,
		EnquireInterval: probeQuiet, ResponseTimeout: job.Timeout, BindTimeout: job.Timeout, UnbindTimeout: job.Timeout,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), // everything it would say is in the report
	}, handler)
	saw.LatencyMS = milliseconds(time.Since(start))
	var refused *session.BindError
	switch {
	case errors.As(err, &refused):
		saw.Bind, saw.Code, saw.Status = sawRefused, refused.Status.String(), refused.Status
		return saw
	case err != nil:
		saw.Bind, saw.Error = sawFailed, err.Error()
		return saw
	}
	saw.Bind, saw.Code, saw.SMSC, saw.Version = sawAccepted, smpp.StatusOK.String(), s.Peer().SystemID, versionText(s.Peer().InterfaceVersion)
	handler.session = s
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	over := saw.ask(job, s, tap, handler, ended)
	if !over {
		unbind, cancel := context.WithTimeout(ctx, job.Timeout)
		defer cancel()
		err = s.Unbind(unbind)
		if run := <-ended; err == nil {
			err = run
		}
		saw.Unbind = sawAccepted
		if err != nil {
			saw.Unbind, saw.Error = sawFailed, err.Error()
		}
	}
	return saw
}

// ask waits for an enquire_link and one submit; it reports whether the session
// is over.
func (saw *probeSight) ask(job probeJob, s *session.Session, tap *enquireTap, h *probeHandler, ended <-chan error) (over bool) {
	late := time.After(job.Timeout + probeQuiet)
	select {
	case took := <-tap.answered:
		saw.EnquireLink, saw.EnquireLinkMS = sawAccepted, milliseconds(took)
	case err := <-ended:
		saw.EnquireLink, saw.Error = sawFailed, errorText(err)
		return true
	case <-late:
		saw.EnquireLink = sawFailed
	}
	if job.Destination == nil {
		return false
	}
	text := &smpp.SubmitSM{
		ServiceType: job.ServiceType, Source: job.Source, Destination: *job.Destination, ShortMessage: []byte(probeText(saw.Stack)), Options: job.Options,
	}
	if job.Receipt > 0 {
		text.RegisteredDelivery = smpp.ReceiptAlways
	}
	pdu, err := smpp.Append(nil, smpp.StatusOK, 0, text)
	if err != nil {
		saw.Submit, saw.Error = sawFailed, err.Error()
		return false
	}
	if s.Submit([]session.Item{{PDU: pdu}}) == 0 {
		saw.Submit, saw.Error = sawFailed, "the session is ending"
		return false
	}
	// Every submit that was taken has an outcome, at the latest when Run ends.
	sent := time.Now()
	o := <-h.outcome
	saw.Submit, saw.SubmitMS, saw.ID = o.Code.String(), milliseconds(o.Took), string(o.MessageID)
	if o.Code == session.Accepted || o.Code == session.Refused {
		saw.SubmitCode = o.Status.String()
	}
	if job.Receipt > 0 && o.Code == session.Accepted {
		return saw.wait(job, h, sent, ended)
	}
	return false
}

// wait waits for the receipt; it reports whether the session is over.
func (saw *probeSight) wait(job probeJob, h *probeHandler, sent time.Time, ended <-chan error) (over bool) {
	saw.Receipt = sawNone
	select {
	case r := <-h.receipt:
		saw.Receipt, saw.ReceiptForm, saw.ReceiptMS = r.stat, r.form, milliseconds(r.at.Sub(sent))
	case <-time.After(job.Receipt):
	case err := <-ended:
		saw.Error = errorText(err)
		return true
	}
	return false
}

func errorText(err error) string {
	if err == nil {
		return "the session ended"
	}
	return err.Error()
}

// probeHandler keeps the one outcome and puts off what the carrier delivers: the
// probe has no place to store a text or a receipt, so it must not acknowledge one.
type probeHandler struct {
	session *session.Session
	outcome chan session.Outcome
	receipt chan probeReceipt
	id      string // of our text, once it is known
}

// probeReceipt is the receipt of our text.
type probeReceipt struct {
	at         time.Time
	stat, form string
}

// Outcomes keeps the first answer.
func (h *probeHandler) Outcomes(batch []session.Outcome) {
	for _, o := range batch {
		o.MessageID = append([]byte(nil), o.MessageID...) // it aliases the read buffer
		h.id = string(o.MessageID)
		select {
		case h.outcome <- o:
		default: // an answer after its time-out; the time-out has been reported
		}
	}
}

// Deliveries takes the receipt of our own text, and answers to everything else
// that we cannot take it now (SMPP 3.4 §5.1.3, ESME_RX_T_APPN).
func (h *probeHandler) Deliveries(batch []session.Delivery) {
	for _, d := range batch {
		status := smpp.StatusTemporaryError
		if _, p, err := smpp.Decode(d.PDU); err == nil {
			if r, ours := receiptFor(h.id, d.Command, p, d.At); ours {
				status = smpp.StatusOK
				select {
				case h.receipt <- r:
				default: // One is enough.
				}
			}
		}
		h.session.Respond(d.Command, d.Sequence, status)
	}
}

// receiptFor reads a final receipt of the text that has an id.
func receiptFor(id string, command smpp.CommandID, p smpp.PDU, at time.Time) (r probeReceipt, ours bool) {
	var told smpp.Receipt
	var fields *smpp.SubmitSM
	switch p := p.(type) {
	case *smpp.DeliverSM:
		told, ours = smpp.ParseReceipt(p)
		fields = (*smpp.SubmitSM)(p)
	case *smpp.DataSM:
		told, ours = smpp.ParseDataReceipt(p)
		fields = &smpp.SubmitSM{ESMClass: p.ESMClass, Options: p.Options}
	}
	form, same := certify.IDForm(id, told.ID)
	if !ours || !same || told.Intermediate {
		return r, false
	}
	return probeReceipt{at: at, stat: told.Stat, form: certify.ReceiptForm(command, fields) + "; id " + form}, true
}

// enquireTap watches a connection for the first enquire_link and its answer. The
// session's reader and writer are two goroutines.
type enquireTap struct {
	net.Conn
	answered chan time.Duration

	mu   sync.Mutex
	in   pduScan
	out  pduScan
	sent time.Time
	seen bool
}

func (t *enquireTap) Write(b []byte) (int, error) {
	now := time.Now()
	n, err := t.Conn.Write(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.feed(b[:n], func(id smpp.CommandID) {
		if id == smpp.EnquireLinkID && t.sent.IsZero() {
			t.sent = now
			t.report()
		}
	})
	return n, err
}

func (t *enquireTap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.in.feed(b[:n], func(id smpp.CommandID) {
		if id == smpp.EnquireLinkRespID && !t.seen {
			t.seen = true
			t.report()
		}
	})
	return n, err
}

// report is called with mu held. The answer may be read before Write returns.
func (t *enquireTap) report() {
	if t.seen && !t.sent.IsZero() {
		t.answered <- time.Since(t.sent) // once, into a buffer of one
	}
}

// pduScan finds the PDUs in a stream without keeping their bodies.
type pduScan struct {
	header []byte
	skip   uint32
}

func (p *pduScan) feed(b []byte, each func(smpp.CommandID)) {
	for len(b) > 0 {
		if p.skip > 0 {
			n := min(p.skip, uint32(len(b)))
			b, p.skip = b[n:], p.skip-n
			continue
		}
		n := min(smpp.HeaderLen-len(p.header), len(b))
		p.header, b = append(p.header, b[:n]...), b[n:]
		if len(p.header) < smpp.HeaderLen {
			return
		}
		each(smpp.CommandID(binary.BigEndian.Uint32(p.header[4:])))
		p.skip = max(binary.BigEndian.Uint32(p.header), smpp.HeaderLen) - smpp.HeaderLen
		p.header = p.header[:0]
	}
}
