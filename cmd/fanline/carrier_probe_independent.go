package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	gosmpp "github.com/fiorix/go-smpp/smpp"
	gopdu "github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"

	"fanline/smpp"
)

const (
	independentStack = "go-smpp"
	// independentCommand is no row that help shows: only probeIndependentChild
	// calls it.
	independentCommand = "carrier-probe-independent"
)

// runProbeIndependent reads a probeJob, asks with fiorix/go-smpp, which shares
// no line with our stack, and writes what it saw.
func runProbeIndependent(_ context.Context, _ []string, stdin io.Reader, stdout, _ io.Writer) error {
	var job probeJob
	if err := json.NewDecoder(stdin).Decode(&job); err != nil {
		return err
	}
	return printJSON(stdout, probeIndependent(job))
}

func probeIndependent(job probeJob) probeSight {
	saw := probeSight{Stack: independentStack, Kind: job.Bind, Bind: sawUnreachable}
	var config *tls.Config
	if job.TLS.Enabled {
		var err error
		if config, err = job.TLS.account().Config(); err != nil {
			saw.Error = err.Error()
			return saw
		}
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(job.Host) // its tls.Client knows no address to take it from
		}
	}
	conn, err := gosmpp.Dial(job.Host, config)
	if err != nil {
		saw.Error = err.Error()
		return saw
	}
	p := &independentPeer{conn: conn, timeout: job.Timeout}
	if err := p.bind(job, &saw); err != nil {
		saw.Error = err.Error()
	}
	p.close(&saw)
	return saw
}

// independentPeer asks one question after the other over go-smpp's connection.
type independentPeer struct {
	conn    gosmpp.Conn
	timeout time.Duration
	bound   bool
	id      string        // of our text, once it is known
	receipt *probeReceipt // of it
}

// ask writes a request and reads until its answer, answering what the carrier
// asks meanwhile. A silent carrier is cut off after the time-out.
func (p *independentPeer) ask(request gopdu.Body) (answer gopdu.Body, took time.Duration, err error) {
	start := time.Now()
	timer := time.AfterFunc(p.timeout, func() { _ = p.conn.Close() }) // ends the read below
	defer func() {
		if !timer.Stop() && err != nil {
			err = fmt.Errorf("no answer within %v: %w", p.timeout, err)
		}
	}()
	if err := p.conn.Write(request); err != nil {
		return nil, 0, err
	}
	for {
		answer, err := p.conn.Read()
		if err != nil {
			return nil, 0, err
		}
		h := answer.Header()
		switch {
		case h.ID == gopdu.EnquireLinkID:
			err = p.conn.Write(gopdu.NewEnquireLinkRespSeq(h.Seq))
		case h.ID == gopdu.DeliverSMID:
			err = p.delivered(answer)
		case h.Seq == request.Header().Seq && h.ID&0x80000000 != 0:
			return answer, time.Since(start), nil
		}
		if err != nil {
			return nil, 0, err
		}
	}
}

// bind binds, and goes on with enquire_link and the submit when it may.
func (p *independentPeer) bind(job probeJob, saw *probeSight) error {
	request := gopdu.NewBindTransmitter()
	switch job.Bind {
	case "transceiver":
		request = gopdu.NewBindTransceiver()
	case "receiver":
		request = gopdu.NewBindReceiver()
	}
	f := request.Fields()
	err := errors.Join(
		f.Set(pdufield.SystemID, job.SystemID), f.Set(pdufield.Password, job.Password),
		f.Set(pdufield.SystemType, job.SystemType), f.Set(pdufield.InterfaceVersion, job.Version),
		f.Set(pdufield.AddrTON, job.Range.TON), f.Set(pdufield.AddrNPI, job.Range.NPI), f.Set(pdufield.AddressRange, job.Range.Addr))
	if err != nil {
		return err
	}
	saw.Bind = sawFailed
	answer, took, err := p.ask(request)
	if err != nil {
		return err
	}
	saw.Bind, saw.Code = verdict(answer)
	saw.Status = smpp.Status(answer.Header().Status)
	saw.LatencyMS = milliseconds(took)
	if saw.Bind != sawAccepted {
		return nil
	}
	p.bound = true
	saw.SMSC = fieldText(answer, pdufield.SystemID)
	saw.Version = versionText(smpp.Version33) // Without the parameter (SMPP 3.4 §5.3.2.25).
	if v := answer.TLVFields()[pdutlv.Tag(smpp.TagScInterfaceVersion)]; v != nil && len(v.Bytes()) == 1 {
		saw.Version = versionText(v.Bytes()[0])
	}
	saw.EnquireLink = sawFailed
	if answer, took, err = p.ask(gopdu.NewEnquireLink()); err != nil {
		return err
	}
	saw.EnquireLink, _ = verdict(answer)
	saw.EnquireLinkMS = milliseconds(took)
	if job.Destination == nil {
		return nil
	}
	return p.submit(job, saw)
}

func (p *independentPeer) submit(job probeJob, saw *probeSight) error {
	request := gopdu.NewSubmitSM(nil)
	f := request.Fields()
	err := errors.Join(
		f.Set(pdufield.ServiceType, job.ServiceType), f.Set(pdufield.SourceAddrTON, job.Source.TON), f.Set(pdufield.SourceAddrNPI, job.Source.NPI),
		f.Set(pdufield.SourceAddr, job.Source.Addr),
		f.Set(pdufield.DestAddrTON, job.Destination.TON), f.Set(pdufield.DestAddrNPI, job.Destination.NPI),
		f.Set(pdufield.DestinationAddr, job.Destination.Addr),
		f.Set(pdufield.ShortMessage, pdutext.Raw(probeText(saw.Stack))))
	for tag, v := range smpp.Options(job.Options).All() {
		err = errors.Join(err, request.TLVFields().Set(pdutlv.Tag(tag), v))
	}
	if job.Receipt > 0 {
		err = errors.Join(err, f.Set(pdufield.RegisteredDelivery, smpp.ReceiptAlways))
	}
	if err != nil {
		return err
	}
	sent := time.Now()
	saw.Submit = "unknown"
	answer, took, err := p.ask(request)
	if err != nil {
		return err
	}
	saw.Submit, saw.SubmitCode = verdict(answer)
	saw.SubmitMS = milliseconds(took)
	saw.ID = fieldText(answer, pdufield.MessageID)
	p.id = saw.ID
	if job.Receipt == 0 || saw.Submit != sawAccepted {
		return nil
	}
	saw.Receipt = sawNone
	if err := p.wait(job.Receipt); err != nil {
		return err
	}
	if r := p.receipt; r != nil {
		saw.Receipt, saw.ReceiptForm, saw.ReceiptMS = r.stat, r.form, milliseconds(r.at.Sub(sent))
	}
	return nil
}

// wait reads until the receipt has come. This stack cannot stop reading but by
// closing, so it asks whether the carrier is there, again and again: the answer
// comes at once, and with it the end of a read.
func (p *independentPeer) wait(long time.Duration) error {
	for begun := time.Now(); p.receipt == nil && time.Since(begun) < long; time.Sleep(receiptLook) {
		if _, _, err := p.ask(gopdu.NewEnquireLink()); err != nil {
			return err
		}
	}
	return nil
}

// receiptLook is how often the independent stack looks for a receipt.
const receiptLook = 50 * time.Millisecond

// delivered takes the receipt of our own text. Anything else is not stored, so
// it is not acknowledged: ESME_RX_T_APPN.
func (p *independentPeer) delivered(answer gopdu.Body) error {
	status := smpp.StatusTemporaryError
	if r, ours := receiptFor(p.id, smpp.DeliverSMID, deliverOf(answer), time.Now()); ours {
		status, p.receipt = smpp.StatusOK, &r
	}
	later := gopdu.NewDeliverSMRespSeq(answer.Header().Seq)
	later.Header().Status = gopdu.Status(status)
	return p.conn.Write(later)
}

// deliverOf is what the independent stack read of a deliver_sm, as far as
// receipts need it.
func deliverOf(answer gopdu.Body) *smpp.DeliverSM {
	d := &smpp.DeliverSM{}
	if f := answer.Fields()[pdufield.ESMClass]; f != nil && len(f.Bytes()) == 1 {
		d.ESMClass = f.Bytes()[0]
	}
	if f := answer.Fields()[pdufield.ShortMessage]; f != nil {
		d.ShortMessage = f.Bytes()
	}
	for tag, v := range answer.TLVFields() {
		d.Options = d.Options.Append(smpp.Tag(tag), v.Bytes())
	}
	return d
}

// close unbinds where there is a bind, and notes the answer.
func (p *independentPeer) close(saw *probeSight) {
	if p.bound {
		saw.Unbind = sawFailed
		if answer, _, err := p.ask(gopdu.NewUnbind()); err == nil {
			saw.Unbind, _ = verdict(answer)
		}
	}
	_ = p.conn.Close() // Closed already when a question timed out.
}

// verdict puts an answer's status into the words of the report; the code's name
// comes from our table, so that both stacks name it alike.
func verdict(answer gopdu.Body) (word, code string) {
	status := smpp.Status(answer.Header().Status)
	if status == smpp.StatusOK && answer.Header().ID != gopdu.GenericNACKID {
		return sawAccepted, status.String()
	}
	return sawRefused, status.String()
}

func fieldText(p gopdu.Body, name pdufield.Name) string {
	if f := p.Fields()[name]; f != nil {
		return f.String()
	}
	return ""
}
