package smsc

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"fanline/smpp"
)

// scenario is one that answers and sends receipts at once, but for what the YAML says.
func scenario(t testing.TB, yaml string) *Scenario {
	t.Helper()
	s, err := ParseScenario("scenario.yaml", []byte("seed: 7\nlatency: {}\n"+yaml))
	if err != nil {
		t.Fatal(err)
	}
	if s.Receipts.Delay == nil || s.Receipts.Delay.Max == DefaultScenario().Receipts.Delay.Max {
		s.Receipts.Delay = &Distribution{}
	}
	return &s
}

// start runs a simulator with the test accounts and a scenario in YAML.
func start(t *testing.T, yaml string) *running {
	t.Helper()
	return startSMSC(t, t.TempDir(), testAccounts(), scenario(t, yaml))
}

// bindAs binds as acme with an interface_version, and gives the response.
func (r *running) bindAs(kind smpp.CommandID, version byte) (*client, *smpp.BindResp) {
	r.t.Helper()
	c := r.dial()
	c.send(&smpp.Bind{Kind: kind, SystemID: "acme", Password: "secret", InterfaceVersion: version})
	h, p := c.expect(kind.Response())
	if h.Status != smpp.StatusOK {
		r.t.Fatalf("bind: %s", h.Status)
	}
	return c, p.(*smpp.BindResp)
}

// raw reads the next PDU as it came.
func (c *client) raw() []byte {
	c.t.Helper()
	_ = c.nc.SetReadDeadline(time.Now().Add(10 * time.Second))
	head := make([]byte, 4)
	c.read(head)
	b := append(head, make([]byte, binary.BigEndian.Uint32(head)-4)...)
	c.read(b[4:])
	return b
}

func (c *client) read(b []byte) {
	c.t.Helper()
	for len(b) > 0 {
		n, err := c.nc.Read(b)
		if err != nil {
			c.t.Fatal(err)
		}
		b = b[n:]
	}
}

func TestAVersionIsAgreedOn(t *testing.T) {
	for _, tt := range []struct {
		server       string
		client, want byte // 0: no sc_interface_version
	}{
		{"5.0", 0x50, 0x50},
		{"5.0", 0x34, 0x34},
		{"5.0", 0x33, 0},
		{"5.0", 0, 0},
		{"5.0", 0x51, 0x50},
		{"3.4", 0x50, 0x34},
		{"3.4", 0x34, 0x34},
		{"3.4", 0x33, 0},
		{"3.3", 0x34, 0},
		{"3.3", 0x50, 0},
	} {
		r := start(t, "version: \""+tt.server+"\"\n")
		_, resp := r.bindAs(smpp.BindTransmitterID, tt.client)
		v, ok := resp.Options.Uint(smpp.TagScInterfaceVersion)
		if ok != (tt.want != 0) || byte(v) != tt.want {
			t.Errorf("simulator %s, client %#x: %#x, %v, want %#x", tt.server, tt.client, v, ok, tt.want)
		}
	}
}

func TestATransceiverIsUnknownIn33(t *testing.T) {
	r := start(t, "version: \"3.3\"\n")
	c := r.dial()
	c.send(&smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "acme", Password: "secret", InterfaceVersion: 0x34})
	if h, _ := c.expect(smpp.GenericNackID); h.Status != smpp.StatusInvCmdID {
		t.Errorf("got %s", h.Status)
	}
}

func TestAClientOf33GetsShortIDsAndNoTLVs(t *testing.T) {
	r := start(t, "receipts: {delay: {}, tlvs: [id, state], intermediate: 1}\n")
	tx, _ := r.bindAs(smpp.BindTransmitterID, 0x33)
	rx, _ := r.bindAs(smpp.BindReceiverID, 0x33)
	status, id := tx.submit(submitTo("13125550001", "hello"))
	if v, err := strconv.ParseUint(id, 16, 32); status != smpp.StatusOK || err != nil || len(id) > 8 {
		t.Fatalf("%s, id %q (%d): want up to eight hexadecimal digits", status, id, v)
	}
	for _, want := range []string{"ENROUTE", "DELIVRD"} {
		h, p := rx.expect(smpp.DeliverSMID)
		sm := p.(*smpp.DeliverSM)
		got, ok := smpp.ParseReceiptText(sm.ShortMessage)
		if !ok || got.ID != id || got.Stat != want || len(sm.Options) != 0 {
			t.Errorf("receipt %q with %d octets of TLVs, want %s for %s", sm.ShortMessage, len(sm.Options), want, id)
		}
		rx.write(0, h.Sequence, &smpp.DeliverSMResp{})
	}
	tx.send(&smpp.QuerySM{MessageID: id, Source: smpp.Address{Addr: testNumber}})
	if h, p := tx.expect(smpp.QuerySMRespID); h.Status != smpp.StatusOK || p.(*smpp.QuerySMResp).MessageState != smpp.StateDelivered {
		t.Errorf("query_sm: %s %+v", h.Status, p)
	}
	bad := submitTo("nobody", "hello")
	tx.send(bad)
	if b := tx.raw(); len(b) != smpp.HeaderLen+1 || b[smpp.HeaderLen] != 0 {
		t.Errorf("refusal %x: want an empty message_id, as 3.3 has it", b)
	}
	tx.nc.Close()
	rx.nc.Close()
	r.stop()
	for _, e := range r.entries() {
		if e.Kind == KindSubmit && e.Accepted() && e.ID() != id {
			t.Errorf("the log has %s, the client was told %s", e.ID(), id)
		}
	}
}

func TestAClientOf50IsToldCongestion(t *testing.T) {
	accounts := testAccounts()
	accounts[0].Limit, accounts[0].Burst = 10, Duration(time.Second)
	r := startSMSC(t, t.TempDir(), accounts, scenario(t, ""))
	c, _ := r.bindAs(smpp.BindTransmitterID, 0x50)
	told := func() (smpp.Status, uint64) {
		t.Helper()
		c.send(submitTo("13125550001", "hello"))
		h, p := c.expect(smpp.SubmitSMRespID)
		v, ok := p.(*smpp.SubmitSMResp).Options.Uint(smpp.TagCongestionState)
		if !ok {
			t.Fatalf("no congestion_state in an answer %s", h.Status)
		}
		return h.Status, uint64(v)
	}
	_, first := told()
	last, status := uint64(0), smpp.StatusOK
	for range 20 {
		if status, last = told(); status != smpp.StatusOK {
			break
		}
	}
	if first >= 50 || status != smpp.StatusThrottled || last != 100 {
		t.Errorf("first %d, then %s with %d: want little at first and 100 when throttled", first, status, last)
	}
	old, _ := r.bindAs(smpp.BindTransmitterID, 0x34)
	old.send(submitTo("13125550001", "hello"))
	if _, p := old.expect(smpp.SubmitSMRespID); len(p.(*smpp.SubmitSMResp).Options) != 0 {
		t.Error("a client of 3.4 is told congestion too")
	}
}

func TestCongestionIsWhatTheScenarioSays(t *testing.T) {
	r := start(t, "congestion: [{state: 95, for: 1h}]\n")
	c, _ := r.bindAs(smpp.BindTransmitterID, 0x50)
	c.send(submitTo("13125550001", "hello"))
	_, p := c.expect(smpp.SubmitSMRespID)
	if v, _ := p.(*smpp.SubmitSMResp).Options.Uint(smpp.TagCongestionState); v != 95 {
		t.Errorf("told %d, want 95", v)
	}
}

// TestOddClientsAreServed sends what real clients send and the specification doesn't have.
func TestOddClientsAreServed(t *testing.T) {
	r := start(t, "")
	plain, err := smpp.Append(nil, 0, 1, submitTo("13125550001", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	number := func(b []byte, seq uint32) []byte {
		b = bytes.Clone(b)
		binary.BigEndian.PutUint32(b, uint32(len(b)))
		binary.BigEndian.PutUint32(b[12:], seq)
		return b
	}
	tlv := func(tag smpp.Tag, value ...byte) []byte { return smpp.Options(nil).Append(tag, value) }
	for name, tt := range map[string]struct {
		pdu []byte
		seq uint32
	}{
		"sequence number 0":            {plain, 0},
		"sequence number of 32 bits":   {plain, 0xfffffffe},
		"a NUL behind the text":        {append(bytes.Clone(plain), 0), 5},
		"octets behind the text":       {append(bytes.Clone(plain), 0xff, 0xee, 1), 6},
		"a TLV of a vendor":            {append(bytes.Clone(plain), tlv(0x1999, 1, 2, 3)...), 7},
		"an empty TLV":                 {append(bytes.Clone(plain), tlv(0x1999)...), 8},
		"a TLV twice":                  {append(bytes.Clone(plain), append(tlv(0x0204, 0, 1), tlv(0x0204, 0, 2)...)...), 9},
		"an integer TLV that is short": {append(bytes.Clone(plain), tlv(smpp.TagUserMessageReference, 1)...), 10},
	} {
		t.Run(name, func(t *testing.T) {
			c := r.bind(smpp.BindTransmitterID)
			defer c.nc.Close()
			if _, err := c.nc.Write(number(tt.pdu, tt.seq)); err != nil {
				t.Fatal(err)
			}
			if h, _ := c.expect(smpp.SubmitSMRespID); h.Status != smpp.StatusOK || h.Sequence != tt.seq {
				t.Errorf("answered %s, sequence number %d", h.Status, h.Sequence)
			}
			c.nc.Close()
			until(t, "the place is free", func() bool { return r.server.binds.Load() == 0 })
		})
	}
}

func TestAMissingNULAtTheEndIsForgiven(t *testing.T) {
	r := start(t, "")
	c := r.dial()
	b, err := smpp.Append(nil, 0, 1, &smpp.Bind{Kind: smpp.BindTransmitterID, SystemID: "acme", Password: "secret", InterfaceVersion: 0x34, AddressRange: "1"})
	if err != nil {
		t.Fatal(err)
	}
	b = b[:len(b)-1] // address_range has no NUL
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	if _, err := c.nc.Write(b); err != nil {
		t.Fatal(err)
	}
	if h, _ := c.expect(smpp.BindTransmitterRespID); h.Status != smpp.StatusOK {
		t.Errorf("bind: %s", h.Status)
	}
}

func TestEveryWrongPDUHasItsAnswer(t *testing.T) {
	accounts := testAccounts()
	accounts[0].MaxBinds = 32
	r := startSMSC(t, t.TempDir(), accounts, scenario(t, ""))
	short := appendHeader(nil, 18, smpp.SubmitSMID, 0, 9)
	short = append(short, 0, 1)
	long, err := smpp.Append(nil, 0, 9, submitTo("13125550001", "hello"))
	if err != nil {
		t.Fatal(err)
	}
	long[len(long)-len("hello")-1] = 77 // sm_length
	for _, tt := range []struct {
		name   string
		kind   smpp.CommandID // 0: not bound
		pdu    []byte
		id     smpp.CommandID
		status smpp.Status
		goesOn bool
	}{
		{"an unknown command", smpp.BindTransceiverID, appendHeader(nil, 16, 0x0666, 0, 9), smpp.GenericNackID, smpp.StatusInvCmdID, true},
		{"a command_length below the header", smpp.BindTransceiverID, appendHeader(nil, 3, smpp.SubmitSMID, 0, 9), smpp.GenericNackID, smpp.StatusInvCmdLen, false},
		{"a command_length beyond all", smpp.BindTransceiverID, appendHeader(nil, 0x47474747, smpp.SubmitSMID, 0, 9), smpp.GenericNackID, smpp.StatusInvCmdLen, false},
		{"a submit_sm without its fields", smpp.BindTransceiverID, short, smpp.SubmitSMRespID, smpp.StatusInvCmdLen, true},
		{"an sm_length beyond the PDU", smpp.BindTransceiverID, long, smpp.SubmitSMRespID, smpp.StatusInvMsgLen, true},
		{"a query_sm before the bind", 0, append(appendHeader(nil, 20, smpp.QuerySMID, 0, 9), 0, 0, 0, 0), smpp.QuerySMRespID, smpp.StatusInvBindStatus, true},
		{"a cancel_sm of a receiver", smpp.BindReceiverID, append(appendHeader(nil, 24, smpp.CancelSMID, 0, 9), make([]byte, 8)...), smpp.CancelSMRespID, smpp.StatusInvBindStatus, true},
		{"a submit_multi of a receiver", smpp.BindReceiverID, append(appendHeader(nil, 24, smpp.SubmitMultiID, 0, 9), make([]byte, 8)...), smpp.SubmitMultiRespID, smpp.StatusInvBindStatus, true},
		{"a deliver_sm from a client", smpp.BindTransceiverID, append(appendHeader(nil, 24, smpp.DeliverSMID, 0, 9), make([]byte, 8)...), smpp.GenericNackID, smpp.StatusInvCmdID, true},
		{"a broadcast_sm in 3.4", smpp.BindTransceiverID, append(appendHeader(nil, 24, smpp.BroadcastSMID, 0, 9), make([]byte, 8)...), smpp.GenericNackID, smpp.StatusInvCmdID, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := r.dial()
			if tt.kind != 0 {
				c = r.bind(tt.kind)
			}
			if _, err := c.nc.Write(tt.pdu); err != nil {
				t.Fatal(err)
			}
			h, _, err := c.next(10 * time.Second)
			if h.ID != tt.id || h.Status != tt.status || tt.goesOn && h.Sequence != 9 {
				t.Fatalf("got %s %s sequence %d (%v), want %s %s", h.ID, h.Status, h.Sequence, err, tt.id, tt.status)
			}
			if !tt.goesOn {
				c.closed()
				return
			}
			c.send(&smpp.EnquireLink{})
			c.expect(smpp.EnquireLinkRespID)
		})
	}
}
