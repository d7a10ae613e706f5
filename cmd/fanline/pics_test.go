package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"fanline/smpp"
	"fanline/smpp/session"
	"fanline/smpp/smsc"
)

var updatePICS = flag.Bool("update", false, "write docs/pics.md anew")

// The operations and timers of docs/pics.md are what a running session, a
// running simulator and the configuration say of themselves.
func TestThePICSSaysWhatSessionAndSimulatorDo(t *testing.T) {
	const file = "../../docs/pics.md"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	for name, table := range map[string]string{"operations": picsOperations(t), "timers": picsTimers(t)} {
		begin, end := "<!-- made by asking: "+name+" -->\n", "<!-- end -->"
		head, rest, ok := strings.Cut(doc, begin)
		was, tail, ended := strings.Cut(rest, end)
		if !ok || !ended {
			t.Errorf("%s has no table %q", file, name)
			continue
		}
		if was != table && !*updatePICS {
			t.Errorf("%s differs; -update writes it anew\nthe document:\n%s\nthe code:\n%s", name, was, table)
		}
		doc = head + begin + table + end + tail
	}
	if *updatePICS && doc != string(b) {
		if err := os.WriteFile(file, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func picsOperations(t *testing.T) string {
	t.Helper()
	sends, takes := askSession(t)
	answers := askSimulator(t)
	made := simulatorMakes(t)
	out := "| operation | since | ESME sends | ESME receives | simulator receives | simulator sends |\n|---|---|---|---|---|---|\n"
	since := map[byte]string{smpp.Version33: "3.3", smpp.Version34: "3.4", smpp.Version50: "5.0"}
	for _, id := range smpp.Commands() {
		if id.IsResponse() && id != smpp.GenericNackID {
			continue
		}
		out += fmt.Sprintf("| %s | %s | %s | %s | %s | %s |\n", id, since[id.Since()], sends[id], takes[id], answers[id], made[id])
	}
	return out
}

// picsRequest returns a PDU of an operation with what it must have.
func picsRequest(id smpp.CommandID) smpp.PDU {
	from, to := smpp.Address{TON: 1, NPI: 1, Addr: "17735550100"}, smpp.Address{TON: 1, NPI: 1, Addr: "13125550199"}
	switch id {
	case smpp.BindReceiverID, smpp.BindTransmitterID, smpp.BindTransceiverID:
		return &smpp.Bind{Kind: id, SystemID: "acme", Password: "secret", InterfaceVersion: smpp.Version50}
	case smpp.SubmitSMID:
		return &smpp.SubmitSM{Source: from, Destination: to, ShortMessage: []byte("Hey")}
	case smpp.SubmitMultiID:
		return &smpp.SubmitMulti{Source: from, Destinations: []smpp.Destination{{Address: to}}, ShortMessage: []byte("Hey")}
	case smpp.DataSMID:
		return &smpp.DataSM{Source: from, Destination: to, Options: smpp.Options(nil).Append(smpp.TagMessagePayload, []byte("Hey"))}
	case smpp.DeliverSMID:
		return &smpp.DeliverSM{Source: to, Destination: from, ShortMessage: []byte("Hey")}
	}
	if p := picsManagement(id, from); p != nil {
		return p
	}
	return map[smpp.CommandID]smpp.PDU{
		smpp.EnquireLinkID: &smpp.EnquireLink{}, smpp.UnbindID: &smpp.Unbind{}, smpp.GenericNackID: &smpp.GenericNack{},
		smpp.OutbindID: &smpp.Outbind{SystemID: "acme"}, smpp.AlertNotificationID: &smpp.AlertNotification{Source: to, ESME: from},
		smpp.ParamRetrieveID: &smpp.ParamRetrieve{Name: "x"}, smpp.QueryLastMsgsID: &smpp.QueryLastMsgs{Source: from, Number: 1},
		smpp.QueryMsgDetailsID: &smpp.QueryMsgDetails{MessageID: "1", Source: from},
	}[id]
}

func picsManagement(id smpp.CommandID, from smpp.Address) smpp.PDU {
	area := smpp.Options(nil).Append(smpp.TagBroadcastAreaIdentifier, smpp.BroadcastArea{Details: []byte("Chicago")}.Octets()).
		Append(smpp.TagBroadcastContentType, smpp.BroadcastContent{}.Octets()).AppendUint(smpp.TagBroadcastRepNum, 1).
		Append(smpp.TagBroadcastFrequencyInterval, smpp.BroadcastInterval{}.Octets()).Append(smpp.TagMessagePayload, []byte("Hey"))
	switch id {
	case smpp.QuerySMID:
		return &smpp.QuerySM{MessageID: "1", Source: from}
	case smpp.CancelSMID:
		return &smpp.CancelSM{MessageID: "1", Source: from}
	case smpp.ReplaceSMID:
		return &smpp.ReplaceSM{MessageID: "1", Source: from, ShortMessage: []byte("Ho")}
	case smpp.BroadcastSMID:
		return &smpp.BroadcastSM{Source: from, Options: area}
	case smpp.QueryBroadcastSMID:
		return &smpp.QueryBroadcastSM{MessageID: "1", Source: from}
	case smpp.CancelBroadcastSMID:
		return &smpp.CancelBroadcastSM{MessageID: "1", Source: from}
	}
	return nil
}

// picsPeer speaks SMPP over a connection, one PDU at a time.
type picsPeer struct {
	t    testing.TB
	conn net.Conn
}

func (p picsPeer) send(seq uint32, status smpp.Status, pdu smpp.PDU) {
	p.t.Helper()
	b, err := smpp.Encoding{Version: smpp.Version50}.Append(nil, status, seq, pdu)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.conn.Write(b); err != nil {
		p.t.Error(err)
	}
}

// read returns the next PDU's header, or false when there is none.
func (p picsPeer) read() (smpp.Header, []byte, bool) {
	_ = p.conn.SetReadDeadline(time.Now().Add(20 * time.Second)) // A fallback: everything asked here is answered at once.
	head := make([]byte, smpp.HeaderLen)
	if _, err := readFull(p.conn, head); err != nil {
		return smpp.Header{}, nil, false
	}
	h, err := smpp.ReadHeader(head)
	if err != nil {
		p.t.Error(err)
		return h, nil, false
	}
	pdu := append(head, make([]byte, int(h.Length)-len(head))...)
	_, err = readFull(p.conn, pdu[len(head):])
	return h, pdu, err == nil
}

func readFull(conn net.Conn, b []byte) (int, error) {
	n := 0
	for n < len(b) {
		m, err := conn.Read(b[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// answer returns what the peer says to a request: everything up to the answer to
// an enquire_link that follows it.
func (p picsPeer) answer(seq uint32, request smpp.PDU) string {
	p.t.Helper()
	const mark = 1 << 30
	p.send(seq, smpp.StatusOK, request)
	if request.CommandID() != smpp.UnbindID {
		p.send(mark, smpp.StatusOK, &smpp.EnquireLink{})
	}
	said := "no answer"
	if !hasResponse(request.CommandID()) {
		said = "no answer: none exists"
	}
	// The simulator takes its time over messages: their answer may come behind.
	marked := false
	for !marked || said == "no answer" {
		h, _, ok := p.read()
		switch {
		case !ok:
			return said
		case h.Sequence == mark && h.ID == smpp.EnquireLinkRespID:
			marked = true
		case h.ID.IsResponse() && h.Sequence == seq && h.Status == smpp.StatusOK:
			said = "answers"
		case h.ID == smpp.GenericNackID && h.Sequence == seq:
			said = "generic_nack " + h.Status.String()
		case h.ID.IsResponse() && h.Sequence == seq:
			said = "answers " + h.Status.String()
		case !h.ID.IsResponse() && h.ID != smpp.AlertNotificationID: // Of its own accord: a receipt, an enquire_link.
			p.send(h.Sequence, smpp.StatusOK, picsResponse(h.ID))
		}
	}
	return said
}

// hasResponse reports whether an operation has one (SMPP 3.4 §4.1.7, §4.3.1, §4.12.1).
func hasResponse(id smpp.CommandID) bool {
	return id != smpp.OutbindID && id != smpp.AlertNotificationID && id != smpp.GenericNackID
}

func picsResponse(id smpp.CommandID) smpp.PDU {
	switch id {
	case smpp.DeliverSMID:
		return &smpp.DeliverSMResp{}
	case smpp.DataSMID:
		return &smpp.DataSMResp{}
	case smpp.UnbindID:
		return &smpp.UnbindResp{}
	}
	return &smpp.EnquireLinkResp{}
}

// askSimulator sends every operation to a simulator.
func askSimulator(t *testing.T) map[smpp.CommandID]string {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	ready, done := make(chan string, 1), make(chan error, 1)
	go func() {
		done <- smsc.Run(ctx, smsc.Options{
			Listen: "127.0.0.1:0", LogDir: t.TempDir(),
			Accounts: []smsc.Account{{SystemID: "acme", Password: "secret", Numbers: []smsc.Number{{Number: "17735550100"}}}},
			Ready:    func(binds []smsc.Listening, _ string) { ready <- binds[0].Addr },
		})
	}()
	defer func() {
		stop()
		if err := <-done; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}()
	var addr string
	select {
	case addr = <-ready:
	case err := <-done:
		done <- err
		t.Fatal(err)
	}
	answers := map[smpp.CommandID]string{}
	for _, id := range smpp.Commands() {
		if id.IsResponse() && id != smpp.GenericNackID {
			continue
		}
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		p := picsPeer{t, conn}
		if pdu := picsRequest(id); isBindID(id) {
			answers[id] = p.answer(1, pdu)
		} else {
			if said := p.answer(1, picsRequest(smpp.BindTransceiverID)); said != "answers" {
				t.Fatalf("bind: %s", said)
			}
			if id == smpp.QuerySMID || id == smpp.CancelSMID || id == smpp.ReplaceSMID {
				p.answer(2, picsRequest(smpp.SubmitSMID))
			}
			answers[id] = picsPlain(p.answer(3, pdu))
		}
		if id != smpp.UnbindID {
			p.answer(4, &smpp.Unbind{})
		}
		_ = conn.Close()
	}
	return answers
}

// picsPlain leaves out the status of a response that knows its operation: what
// was asked may not exist.
func picsPlain(said string) string {
	if strings.HasPrefix(said, "answers") && !strings.Contains(said, smpp.StatusInvCmdID.String()) {
		return "answers"
	}
	return said
}

func isBindID(id smpp.CommandID) bool {
	return id == smpp.BindReceiverID || id == smpp.BindTransmitterID || id == smpp.BindTransceiverID
}

// picsHandler answers deliveries as an engine does.
type picsHandler struct {
	mu sync.Mutex
	s  *session.Session
}

func (h *picsHandler) Outcomes([]session.Outcome) {}

func (h *picsHandler) Alert(*smpp.AlertNotification, time.Time) {}

func (h *picsHandler) Deliveries(batch []session.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range batch {
		h.s.Respond(d.Command, d.Sequence, smpp.StatusOK)
	}
}

// askSession binds a session to an SMSC of ours, which sends it every operation,
// and asks it to send every operation.
func askSession(t *testing.T) (sends, takes map[smpp.CommandID]string) {
	t.Helper()
	sends, takes = map[smpp.CommandID]string{}, map[smpp.CommandID]string{}
	for _, id := range smpp.Commands() {
		if id.IsResponse() && id != smpp.GenericNackID {
			continue
		}
		ours, theirs := net.Pipe()
		p := picsPeer{t, theirs}
		h := &picsHandler{}
		bound, ended := make(chan *session.Session, 1), make(chan struct{})
		h.mu.Lock()
		go func() {
			defer close(ended)
			s, err := session.Open(t.Context(), ours, session.Config{SystemID: "fanline", InterfaceVersion: smpp.Version50, Logger: slog.New(slog.DiscardHandler)}, h)
			if err != nil {
				t.Error(err)
				bound <- nil
				return
			}
			h.s = s
			h.mu.Unlock()
			bound <- s
			_ = s.Run(t.Context())
		}()
		head, _, _ := p.read()
		p.send(head.Sequence, smpp.StatusOK, &smpp.BindResp{
			Kind: smpp.BindTransceiverRespID, SystemID: "acme", Options: smpp.Options(nil).AppendUint(smpp.TagScInterfaceVersion, uint32(smpp.Version50)),
		})
		s := <-bound
		if s == nil {
			t.FailNow()
		}
		takes[id] = p.answer(77, picsRequest(id))
		sends[id] = sentBy(s, id)
		_ = theirs.Close()
		<-ended
		_ = ours.Close()
	}
	return sends, takes
}

// sentBy says how a session sends an operation, if it does.
func sentBy(s *session.Session, id smpp.CommandID) string {
	switch id {
	case smpp.BindReceiverID, smpp.BindTransmitterID, smpp.BindTransceiverID, smpp.UnbindID, smpp.EnquireLinkID, smpp.GenericNackID:
		return "yes"
	case smpp.SubmitSMID:
		return "yes"
	case smpp.DataSMID: // Submit takes what it may send.
		return "library"
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := s.Request(ctx, picsRequest(id)); err != nil && strings.Contains(err.Error(), "does not send it") {
		return "no"
	}
	return "library"
}

// simulatorMakes says which operations the simulator's own source makes.
func simulatorMakes(t *testing.T) map[smpp.CommandID]string {
	t.Helper()
	files, err := os.ReadDir("../../smpp/smsc")
	if err != nil {
		t.Fatal(err)
	}
	var source bytes.Buffer
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".go") && !strings.HasSuffix(f.Name(), "_test.go") {
			b, err := os.ReadFile("../../smpp/smsc/" + f.Name())
			if err != nil {
				t.Fatal(err)
			}
			source.Write(b)
		}
	}
	made := map[smpp.CommandID]string{}
	for _, id := range smpp.Commands() {
		if p := picsRequest(id); p != nil && (!id.IsResponse() || id == smpp.GenericNackID) {
			name := strings.TrimPrefix(fmt.Sprintf("%T", p), "*")
			made[id] = "no"
			if bytes.Contains(source.Bytes(), []byte("&"+name+"{")) {
				made[id] = "yes"
			}
		}
	}
	return made
}

// picsTimers reads what is done where nothing is configured.
func picsTimers(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("../../smpp/session/config.go")
	if err != nil {
		t.Fatal(err)
	}
	standard := func(name string) string {
		m := regexp.MustCompile(`\{"` + name + `", &c\.\w+, ([^}]+)\}`).FindSubmatch(source)
		if m == nil {
			t.Fatalf("no default of %s in the session's configuration", name)
		}
		return strings.NewReplacer(" * time.Second", " s", "0 s", "0 s").Replace(string(m[1]))
	}
	var c CarrierConfig
	c.setDefaults()
	sim := smsc.DefaultScenario()
	inactivity := standard("inactivity timeout")
	if inactivity == "0" {
		inactivity = "none"
	}
	return "| | ESME, by default | key of a carrier's configuration | simulator, by default |\n|---|---|---|---|\n" +
		fmt.Sprintf("| session_init_timer | %s for the bind | | %v until the bind |\n", standard("bind timeout"), time.Duration(sim.BindWithin)) +
		fmt.Sprintf("| enquire_link_timer | %s without an answer to anything of ours | enquire_link | %v |\n", standard("enquire interval"), time.Duration(sim.Enquire)) +
		fmt.Sprintf("| inactivity_timer | %s | | none |\n", inactivity) +
		fmt.Sprintf("| response_timer | %v (the library: %s) | response_timeout | a receipt is sent again after %v |\n", c.Response, standard("response timeout"), time.Duration(sim.Resend)) +
		fmt.Sprintf("| one write to the network | %s | | |\n", standard("write timeout")) +
		fmt.Sprintf("| unbind_resp | %s | | |\n", standard("unbind timeout")) +
		fmt.Sprintf("| reconnect after at most | %v, with jitter | reconnect_min, reconnect_max | |\n", c.ReconnectMax) +
		fmt.Sprintf("| window: requests without an answer | %d, 1 to %d | window | %d receipts and texts |\n", c.Window, maxWindow, sim.Window) +
		fmt.Sprintf("| binds of one account | %d, 1 to %d | binds | |\n", c.Binds, maxBinds)
}
