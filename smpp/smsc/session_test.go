package smsc

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"fanline/smpp"
)

func TestLinksAreAskedAfterBothWays(t *testing.T) {
	s := quick()
	s.Enquire = Duration(time.Second)
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	seq := c.send(&smpp.EnquireLink{})
	if h, _ := c.expect(smpp.EnquireLinkRespID); h.Sequence != seq {
		t.Errorf("answer %d to enquire_link %d", h.Sequence, seq)
	}
	h, _ := c.expect(smpp.EnquireLinkID)
	c.write(smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
	c.expect(smpp.EnquireLinkID) // silent again: asked again,
	c.expect(smpp.EnquireLinkID) // and once more,
	c.closed()                   // then given up.
}

func TestUnbindIsAnsweredAfterAllElse(t *testing.T) {
	s := quick()
	s.Latency = &Distribution{Min: Duration(50 * time.Millisecond), Max: Duration(50 * time.Millisecond)}
	s.Receipts.Delay = &Distribution{Min: Duration(time.Minute), Max: Duration(time.Minute)}
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	c.send(submitTo("13125550002", "hello"))
	seq := c.send(&smpp.Unbind{})
	c.expect(smpp.SubmitSMRespID)
	if h, _ := c.expect(smpp.UnbindRespID); h.Sequence != seq {
		t.Errorf("unbind_resp %d, want %d", h.Sequence, seq)
	}
	c.closed()
	c.nc.Close()
	r.stop()
	if n := count(r.entries(), isEvent("unbind")); n != 1 {
		t.Errorf("%d unbinds in the log", n)
	}
}

func TestASimulatorThatEndsUnbinds(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransceiverID)
	r.cancel()
	h, _ := c.expect(smpp.UnbindID)
	c.write(smpp.StatusOK, h.Sequence, &smpp.UnbindResp{})
	c.closed()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.cancel = nil
}

func TestRubbishEndsItsConnectionOnly(t *testing.T) {
	accounts := testAccounts()
	accounts[0].MaxBinds = 8
	r := startSMSC(t, t.TempDir(), accounts, quick())
	good := r.bind(smpp.BindTransceiverID)
	for name, octets := range map[string][]byte{
		"a length below the header": {0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9},
		"a length beyond all":       bytes.Repeat([]byte{0x47}, 64),
	} {
		t.Run(name, func(t *testing.T) {
			bad := r.bind(smpp.BindTransceiverID)
			if _, err := bad.nc.Write(octets); err != nil {
				t.Fatal(err)
			}
			if h, _ := bad.expect(smpp.GenericNackID); h.Status == smpp.StatusOK {
				t.Error("generic_nack with status 0")
			}
			bad.closed()
			bad.nc.Close()
			if status, _ := good.submit(submitTo("13125550002", "hello")); status != smpp.StatusOK {
				t.Errorf("the other bind: %s", status)
			}
		})
	}
	good.nc.Close()
	r.stop()
	if n := count(r.entries(), isEvent(CommandProtocolError)); n != 2 {
		t.Errorf("%d protocol errors in the log, want 2", n)
	}
}

func TestAnUnknownCommandIsRefusedAndNoMore(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransceiverID)
	if _, err := c.nc.Write(appendHeader(nil, 16, 0x0666, 0, 77)); err != nil {
		t.Fatal(err)
	}
	if h, _ := c.expect(smpp.GenericNackID); h.Status != smpp.StatusInvCmdID || h.Sequence != 77 {
		t.Errorf("generic_nack %+v", h)
	}
	if status, _ := c.submit(submitTo("13125550002", "hello")); status != smpp.StatusOK {
		t.Errorf("afterwards: %s", status)
	}
}

func TestDataAndQueryAreAnswered(t *testing.T) {
	s := quick()
	s.Receipts.Delay = &Distribution{Min: Duration(time.Minute), Max: Duration(time.Minute)}
	r := startSMSC(t, t.TempDir(), testAccounts(), s)
	c := r.bind(smpp.BindTransceiverID)
	var o smpp.Options
	o = o.Append(smpp.TagMessagePayload, []byte("a payload")).Append(TagKey, []byte("b9.7"))
	c.send(&smpp.DataSM{
		Source: smpp.Address{TON: 1, NPI: 1, Addr: testNumber}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: "13125550002"},
		RegisteredDelivery: 1, Options: o,
	})
	h, p := c.expect(smpp.DataSMRespID)
	if h.Status != smpp.StatusOK {
		t.Fatal(h.Status)
	}
	id := p.(*smpp.DataSMResp).MessageID
	c.send(&smpp.QuerySM{MessageID: id})
	if h, p := c.expect(smpp.QuerySMRespID); h.Status != smpp.StatusOK || p.(*smpp.QuerySMResp).MessageState != smpp.StateEnroute {
		t.Errorf("query_sm: %s %+v", h.Status, p)
	}
	c.send(&smpp.QuerySM{MessageID: "999"})
	if h, _ := c.expect(smpp.QuerySMRespID); h.Status != smpp.StatusQueryFailed {
		t.Errorf("query_sm of an unknown id: %s", h.Status)
	}
	c.nc.Close()
	r.stop()
	for _, e := range r.entries() {
		if e.Kind == KindSubmit && (e.Command != "data_sm" || e.Message() != "a payload" || string(e.Key) != "b9.7" || len(e.TLVs) != len(o)) {
			t.Errorf("logged %+v", e)
		}
	}
}

func TestPartsAreCountedFromHeaderOrSAR(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	c := r.bind(smpp.BindTransmitterID)
	long := submitTo("13125550002", "\x05\x00\x03\x2a\x03\x02second")
	long.ESMClass = smpp.ESMUDHI
	wide := submitTo("13125550002", "\x06\x08\x04\x01\x02\x03\x03third")
	wide.ESMClass = smpp.ESMUDHI
	sar := submitTo("13125550002", "first")
	sar.Options = sar.Options.Append(smpp.TagSarMsgRefNum, []byte{0, 9}).Append(smpp.TagSarTotalSegments, []byte{2}).Append(smpp.TagSarSegmentSeqnum, []byte{1})
	for _, sm := range []*smpp.SubmitSM{long, wide, sar, submitTo("13125550002", "one")} {
		if status, _ := c.submit(sm); status != smpp.StatusOK {
			t.Fatal(status)
		}
	}
	c.nc.Close()
	r.stop()
	var got []string
	for _, e := range r.entries() {
		if e.Kind == KindSubmit {
			got = append(got, fmt.Sprintf("%s %d/%d ref %d", e.Octets, e.Part, e.Parts, e.Ref))
		}
	}
	want := []string{"second 2/3 ref 42", "third 3/3 ref 258", "first 1/2 ref 9", "one 1/1 ref 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAnIdleSimulatorEnds(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick(), func(o *Options) { o.IdleExit = 300 * time.Millisecond })
	c := r.bind(smpp.BindTransceiverID)
	select {
	case err := <-r.done:
		t.Fatalf("ended while a client was bound: %v", err)
	case <-time.After(600 * time.Millisecond): // Twice the idle time: the rule is about time itself.
	}
	c.nc.Close()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.cancel()
	r.cancel = nil
}

func TestOnlyLoopbackIsListenedOn(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:0", ":0"} {
		if err := Run(t.Context(), Options{Listen: addr, Accounts: testAccounts(), LogDir: t.TempDir()}); err == nil {
			t.Errorf("listened on %s", addr)
		}
	}
}

func TestTwoSimulatorsDoNotShareALog(t *testing.T) {
	r := startSMSC(t, t.TempDir(), testAccounts(), quick())
	if err := Run(t.Context(), Options{Listen: "127.0.0.1:0", Accounts: testAccounts(), LogDir: r.dir}); err == nil {
		t.Error("a second simulator ran on the same log")
	}
}
