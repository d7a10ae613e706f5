package carrier

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
)

// rig is a pool of one account, run against a scripted SMSC.
type rig struct {
	t      testing.TB
	smsc   *fakeSMSC
	engine *fakeEngine
	house  *house
	pool   *Pool
	end    context.CancelFunc
	ended  chan error
}

func accountOf(t testing.TB) Account {
	return Account{
		Name: "acme", Profile: profileOf(t, nil), Hosts: []string{"a:2775", "b:2775"}, Binds: 1, SystemID: "fanline",
		Password: func() string { return "secret" }, SystemType: "VMA", Window: 10,
	}
}

func newRig(t testing.TB, smsc *fakeSMSC, change func(*Account)) *rig {
	t.Helper()
	return newRigAs(t, smsc, nil, change)
}

// newRigAs begins with what operators want of the carriers.
func newRigAs(t testing.TB, smsc *fakeSMSC, admin map[string]Admin, change func(*Account)) *rig {
	t.Helper()
	r := &rig{t: t, smsc: smsc, engine: &fakeEngine{}, house: newHouse(t, nil), ended: make(chan error, 1)}
	smsc.t = t
	account := accountOf(t)
	if change != nil {
		change(&account)
	}
	var err error
	r.pool, err = NewPool(PoolConfig{
		Accounts: []Account{account}, Admin: admin, Attach: r.engine.Attach, Inbound: r.house.in, Dial: smsc.Dial, Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.end = cancel
	go func() { r.ended <- r.pool.Run(ctx) }()
	return r
}

// finish ends everything in its order.
func (r *rig) finish() {
	r.t.Helper()
	r.end()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
	if err := r.house.finish(); err != nil {
		r.t.Error(err)
	}
	r.smsc.work.Wait()
	if n := len(r.engine.bound()); n != 0 {
		r.t.Errorf("%d binds are still attached", n)
	}
}

func (r *rig) state() BindState { return r.pool.State()[0].Binds[0] }

// parts encodes a text as the engine would.
func items(t testing.TB, bodies ...string) []engine.Item {
	t.Helper()
	var all []engine.Item
	e := NewEncoder(profileOf(t, nil))
	for i, body := range bodies {
		var parts engine.Parts
		if err := e.Encode(&parts, exampleText(body)); err != nil {
			t.Fatal(err)
		}
		all = append(all, engine.Item{Token: uint64(i + 1), PDU: parts.Buf})
	}
	return all
}

func accepting(_ *smscConn, s *smpp.SubmitSM) (smpp.Status, string, bool) {
	return smpp.StatusOK, "id-" + string(s.ShortMessage), true
}

func TestABindIsAttachedOnceItIsUpAndCarriesParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{submit: accepting}, nil)
		synctest.Wait()
		up := r.engine.bound()
		if len(up) != 1 || up[0].carrier != "acme" || up[0].bind != 1 || up[0].window != 10 {
			t.Fatalf("%+v", up)
		}
		bound, _, _ := r.smsc.conn(0).saw()
		want := smpp.Bind{Kind: smpp.BindTransceiverID, SystemID: "fanline", Password: "secret", SystemType: "VMA", InterfaceVersion: 0x34}
		if diff := cmp.Diff(want, bound); diff != "" {
			t.Error(diff)
		}
		if n := up[0].conn.Write(items(t, "one", "two")); n != 2 {
			t.Errorf("took %d", n)
		}
		synctest.Wait()
		at := time.Now().UnixMilli()
		wantAnswers := []engine.Answer{
			{Token: 1, Code: message.Accepted, ID: []byte("id-one"), At: at, Congestion: -1},
			{Token: 2, Code: message.Accepted, ID: []byte("id-two"), At: at, Congestion: -1},
		}
		if diff := cmp.Diff(wantAnswers, up[0].got()); diff != "" {
			t.Error(diff)
		}
		if s := r.state(); !s.Up || s.Host != "a:2775" || s.Peer != "smsc" || s.Kind != "transceiver" || s.Bound != 1 || s.Stats.Accepted != 2 {
			t.Errorf("%+v", s)
		}
		if err := r.pool.Healthy(); err != nil {
			t.Error(err)
		}
		r.finish()
		if got := r.smsc.conn(0).commands(); !slices.Contains(got, smpp.UnbindID) {
			t.Errorf("left without unbind: %v", got)
		}
	})
}

func TestAWindowTakesNoMoreThanItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, func(a *Account) { a.Window = 100 })
		synctest.Wait()
		conn := r.engine.bound()[0].conn
		if n := conn.Write(items(t, slices.Repeat([]string{"x"}, 150)...)); n != 100 {
			t.Errorf("took %d", n)
		}
		if n := conn.Write(items(t, "x")); n != 0 {
			t.Errorf("took %d more", n)
		}
		synctest.Wait()
		if s := r.state(); s.Inflight != 100 {
			t.Errorf("%d in flight", s.Inflight)
		}
		if len(r.engine.bound()) != 1 {
			t.Error("a full window is no reason to detach")
		}
		r.finish()
	})
}

func TestEveryPartIsAnsweredBeforeItsBindIsDetached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, nil)
		synctest.Wait()
		up := r.engine.bound()[0]
		up.conn.Write(items(t, "one", "two", "three"))
		synctest.Wait()
		r.smsc.conn(0).conn.Close() // The carrier drops the connection.
		synctest.Wait()
		got := up.got()
		if len(got) != 3 {
			t.Fatalf("%d answers", len(got))
		}
		for _, a := range got {
			if a.Code != message.Unknown || !a.Fault || a.Later {
				t.Errorf("%+v", a)
			}
		}
		if diff := cmp.Diff([]string{"attach", "answers", "detach"}, r.engine.said()); diff != "" {
			t.Error(diff)
		}
		if s := r.state(); s.Up || s.LastError == "" || s.Stats.Lost != 3 || s.Inflight != 0 {
			t.Errorf("%+v", s)
		}
		if err := r.pool.Healthy(); err == nil || !strings.Contains(err.Error(), "acme") {
			t.Error(err)
		}
		time.Sleep(firstRetry)
		synctest.Wait()
		if again := r.engine.bound(); len(again) != 1 || again[0] == up || again[0].bind != 1 {
			t.Fatalf("%+v", again)
		}
		if s := r.state(); !s.Up || s.Bound != 2 || s.Host != "b:2775" || s.Stats.Lost != 3 {
			t.Errorf("%+v", s)
		}
		r.finish()
	})
}

func TestABindThatIsEndingGetsNothingMoreAndStillAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, nil)
		synctest.Wait()
		up, c := r.engine.bound()[0], r.smsc.conn(0)
		up.conn.Write(items(t, "one"))
		synctest.Wait()
		c.send(smpp.StatusOK, 99, &smpp.Unbind{}) // The carrier wants to leave, with an answer still to come.
		synctest.Wait()
		if n := up.conn.Write(items(t, "two")); n != 0 {
			t.Errorf("took %d", n)
		}
		if diff := cmp.Diff([]string{"attach", "detach"}, r.engine.said()); diff != "" {
			t.Error(diff)
		}
		up.conn.Write(items(t, "two")) // Detached once only.
		_, submits, _ := c.saw()
		c.answer(submits[0], smpp.StatusOK, "1")
		synctest.Wait()
		if got := up.got(); len(got) != 1 || got[0].Code != message.Accepted {
			t.Errorf("%+v", got)
		}
		if diff := cmp.Diff([]string{"attach", "detach", "answers"}, r.engine.said()); diff != "" {
			t.Error(diff)
		}
		time.Sleep(firstRetry)
		synctest.Wait()
		if again := r.engine.bound(); len(again) != 1 {
			t.Errorf("%d binds", len(again))
		}
		r.finish()
	})
}

func TestRevokedPartsComeBackNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		blocked := make(chan struct{})
		r := newRig(t, &fakeSMSC{submit: func(*smscConn, *smpp.SubmitSM) (smpp.Status, string, bool) {
			<-blocked // The SMSC reads nothing more: what follows the first write waits with us.
			return smpp.StatusOK, "1", true
		}}, nil)
		synctest.Wait()
		up := r.engine.bound()[0]
		up.conn.Write(items(t, "first"))
		synctest.Wait()
		up.conn.Write([]engine.Item{{Token: 7, PDU: items(t, "second")[0].PDU}})
		synctest.Wait()
		up.conn.Write([]engine.Item{{Token: 8, PDU: items(t, "third")[0].PDU}, {Token: 9, PDU: items(t, "fourth")[0].PDU}})
		up.conn.Revoke(func(token uint64) bool { return token == 8 })
		synctest.Wait()
		got := up.got()
		if len(got) != 1 || got[0].Token != 8 || got[0].Code != message.NotSent || got[0].Fault {
			t.Errorf("%+v", got)
		}
		close(blocked)
		synctest.Wait()
		if got := up.got(); len(got) != 4 {
			t.Errorf("%+v", got)
		}
		r.finish()
	})
}

func TestASessionOutOfStepIsBoundAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{submit: func(c *smscConn, _ *smpp.SubmitSM) (smpp.Status, string, bool) {
			if c == c.smsc.conn(0) {
				return smpp.StatusInvBindStatus, "", true
			}
			return smpp.StatusOK, "1", true
		}}, nil)
		synctest.Wait()
		first := r.engine.bound()[0]
		first.conn.Write(items(t, "one"))
		time.Sleep(firstRetry)
		synctest.Wait()
		if got := first.got(); len(got) != 1 || !got[0].Later {
			t.Errorf("%+v", got)
		}
		up := r.engine.bound()
		if len(up) != 1 || up[0] == first {
			t.Fatalf("%+v", up)
		}
		if got := r.smsc.conn(0).commands(); !slices.Contains(got, smpp.UnbindID) {
			t.Errorf("left without unbind: %v", got)
		}
		r.finish()
	})
}

func TestTheEndWaitsForAnswersWithinItsBound(t *testing.T) {
	for _, answers := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, &fakeSMSC{}, nil)
			synctest.Wait()
			up, c := r.engine.bound()[0], r.smsc.conn(0)
			up.conn.Write(items(t, "one"))
			synctest.Wait()
			began := time.Now()
			r.end()
			time.Sleep(time.Second)
			synctest.Wait()
			if slices.Contains(c.commands(), smpp.UnbindID) {
				t.Error("unbound before the answer")
			}
			if up.conn.Write(items(t, "late")) != 0 {
				t.Error("a session that is ending took a part")
			}
			if answers {
				_, submits, _ := c.saw()
				c.answer(submits[0], smpp.StatusOK, "1")
			}
			r.finish()
			took, got := time.Since(began), up.got()
			if answers && (took != time.Second || len(got) != 1 || got[0].Code != message.Accepted) {
				t.Errorf("after %v: %+v", took, got)
			}
			if !answers && (took != 10*time.Second || len(got) != 1 || got[0].Code != message.Unknown) {
				t.Errorf("after %v: %+v", took, got)
			}
		})
	}
}

func TestDeliveriesAreAnsweredOnTheirOwnBindAndBeforeUnbind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, func(a *Account) { a.Binds = 2 })
		synctest.Wait()
		pdu := func(seq uint32) smpp.PDU {
			return &smpp.DeliverSM{
				Source: smpp.Address{TON: 1, NPI: 1, Addr: member.Digits()}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: ourNumber.Digits()},
				ESMClass: smpp.ESMReceipt, ShortMessage: receiptText("1", "DELIVRD", "000"),
			}
		}
		r.smsc.conn(0).send(smpp.StatusOK, 40, pdu(40))
		r.smsc.conn(1).send(smpp.StatusOK, 50, pdu(50))
		time.Sleep(gatherFor)
		synctest.Wait()
		r.end()
		time.Sleep(time.Second)
		synctest.Wait()
		for i := range 2 {
			if slices.Contains(r.smsc.conn(i).commands(), smpp.UnbindID) {
				t.Error("unbound with a receipt unanswered")
			}
		}
		r.house.log.release(nil)
		synctest.Wait()
		for i, seq := range []uint32{40, 50} {
			_, _, acks := r.smsc.conn(i).saw()
			if diff := cmp.Diff(map[uint32]smpp.Status{seq: smpp.StatusOK}, acks); diff != "" {
				t.Errorf("bind %d: %s", i+1, diff)
			}
		}
		if n := len(r.house.log.of(record.TopicReceipts)); n != 1 {
			t.Errorf("%d records for one partition of two binds", n)
		}
		r.finish()
	})
}

func TestBindsAreSpreadOverTheHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, func(a *Account) { a.Binds = 4 })
		synctest.Wait()
		dialed := slices.Sorted(slices.Values(r.smsc.dials()))
		if diff := cmp.Diff([]string{"a:2775", "a:2775", "b:2775", "b:2775"}, dialed); diff != "" {
			t.Error(diff)
		}
		if s := r.pool.State()[0]; s.Up != 4 || s.Name != "acme" || s.Binds[3].Bind != 4 {
			t.Errorf("%+v", s)
		}
		r.finish()
	})
}

func TestAReceiverIsNotAttachedToTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, func(a *Account) { a.Kind = "receiver" })
		synctest.Wait()
		if s := r.state(); !s.Up || s.Kind != "receiver" || len(r.engine.said()) != 0 {
			t.Errorf("%+v, %v", s, r.engine.said())
		}
		r.finish()
	})
}

func TestBadAccountsAreRefused(t *testing.T) {
	inbound, err := NewInbound(InboundConfig{
		Partitions: 1, Log: &fakeLog{}, Revokes: func(string, []byte) (string, bool) { return "", false }, Stop: func(_, _ message.Phone, _ int64, _ func()) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Account){
		"no host": func(a *Account) { a.Hosts = nil }, "no bind": func(a *Account) { a.Binds = 0 }, "no window": func(a *Account) { a.Window = 0 },
		"no profile": func(a *Account) { a.Profile = nil }, "another kind": func(a *Account) { a.Kind = "transponder" },
	} {
		a := accountOf(t)
		change(&a)
		if _, err := NewPool(PoolConfig{Accounts: []Account{a}, Attach: (&fakeEngine{}).Attach, Inbound: inbound}); err == nil || !strings.Contains(err.Error(), "acme") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewPool(PoolConfig{}); err == nil {
		t.Error("a pool without an engine")
	}
}
