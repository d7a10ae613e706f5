package carrier

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/smpp"
)

// soon bounds an operation of an operator.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	t.Cleanup(cancel)
	return ctx
}

func TestADisabledCarrierUnbindsInOrderAndStaysDownUntilItIsEnabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, func(a *Account) { a.Binds = 2 })
		synctest.Wait()
		up, c := r.engine.bound()[0], r.smsc.conn(0)
		up.conn.Write(items(t, "one"))
		synctest.Wait()
		if _, submits, _ := c.saw(); len(submits) == 0 {
			c = r.smsc.conn(1)
		}
		disabled := make(chan error, 1)
		go func() { disabled <- r.pool.Disable(soon(t), "acme") }()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(r.engine.bound()) != 0 || up.conn.Write(items(t, "two")) != 0 {
			t.Error("the engine may still submit")
		}
		if slices.Contains(c.commands(), smpp.UnbindID) {
			t.Error("unbound before the answer")
		}
		_, submits, _ := c.saw()
		c.answer(submits[0], smpp.StatusOK, "1")
		if err := <-disabled; err != nil {
			t.Error(err)
		}
		if got := up.got(); len(got) != 1 || got[0].Code != message.Accepted {
			t.Errorf("%+v", got)
		}
		for i := range 2 {
			if !slices.Contains(r.smsc.conn(i).commands(), smpp.UnbindID) {
				t.Errorf("bind %d left without unbind", i+1)
			}
		}
		dials := len(r.smsc.dials())
		time.Sleep(time.Hour)
		if s := r.pool.State()[0]; s.Admin != Disabled || s.Up != 0 || len(r.smsc.dials()) != dials {
			t.Errorf("%+v, %d dials", s, len(r.smsc.dials()))
		}
		if err := r.pool.Healthy(); err != nil {
			t.Errorf("what nobody wants is well: %v", err)
		}
		if err := r.pool.Enable("acme"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if s := r.pool.State()[0]; s.Admin != Enabled || s.Up != 2 || len(r.engine.bound()) != 2 {
			t.Errorf("%+v", s)
		}
		r.finish()
	})
}

func TestADrainedCarrierKeepsItsBindsForReceiptsAndGetsNoMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, nil)
		synctest.Wait()
		up, c := r.engine.bound()[0], r.smsc.conn(0)
		up.conn.Write(items(t, "one"))
		synctest.Wait()
		bounded, cancel := context.WithTimeout(t.Context(), time.Second)
		err := r.pool.Drain(bounded, "acme")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 submits are still without an answer") {
			t.Error(err)
		}
		if up.conn.Write(items(t, "two")) != 0 || len(r.engine.bound()) != 0 {
			t.Error("the engine may still submit")
		}
		drained := make(chan error, 1)
		go func() { drained <- r.pool.Drain(soon(t), "acme") }()
		synctest.Wait()
		_, submits, _ := c.saw()
		c.answer(submits[0], smpp.StatusOK, "1")
		if err := <-drained; err != nil {
			t.Error(err)
		}
		c.send(smpp.StatusOK, 40, &smpp.DeliverSM{
			Source: smpp.Address{TON: 1, NPI: 1, Addr: member.Digits()}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: ourNumber.Digits()},
			ESMClass: smpp.ESMReceipt, ShortMessage: receiptText("1", "DELIVRD", "000"),
		})
		time.Sleep(gatherFor)
		synctest.Wait()
		r.house.log.release(nil)
		synctest.Wait()
		if _, _, acks := c.saw(); len(acks) != 1 {
			t.Errorf("receipts are not taken: %v", acks)
		}
		if s := r.pool.State()[0]; s.Admin != Draining || s.Up != 1 {
			t.Errorf("%+v", s)
		}
		if err := r.pool.Enable("acme"); err != nil {
			t.Error(err)
		}
		again := r.engine.bound()
		if len(again) != 1 || again[0].conn.Write(items(t, "two")) != 1 {
			t.Fatalf("%+v", again)
		}
		synctest.Wait()
		if n := len(r.smsc.dials()); n != 1 {
			t.Errorf("%d sessions, one would do", n)
		}
		r.finish()
	})
}

func TestACarrierBeginsAsTheOperatorLeftIt(t *testing.T) {
	for admin, want := range map[Admin]struct{ up, attached int }{Disabled: {0, 0}, Draining: {1, 0}, Enabled: {1, 1}} {
		synctest.Test(t, func(t *testing.T) {
			r := newRigAs(t, &fakeSMSC{}, map[string]Admin{"acme": admin}, nil)
			time.Sleep(time.Minute)
			synctest.Wait()
			if s := r.pool.State()[0]; s.Up != want.up || s.Admin != admin || len(r.engine.bound()) != want.attached {
				t.Errorf("%s: %+v, %d attached", admin, s, len(r.engine.bound()))
			}
			r.finish()
		})
	}
}

func TestRebindTakesOneBindAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Pointer[rig] // set once all are up
		var least atomic.Int32
		least.Store(3)
		r := newRig(t, &fakeSMSC{bind: func(int) smpp.Status {
			if r := running.Load(); r != nil {
				least.Store(min(least.Load(), int32(len(r.engine.bound()))))
			}
			return smpp.StatusOK
		}}, func(a *Account) { a.Binds = 3 })
		synctest.Wait()
		running.Store(r)
		if err := r.pool.Rebind(soon(t), "acme"); err != nil {
			t.Error(err)
		}
		for _, b := range r.pool.State()[0].Binds {
			if b.Bound != 2 || !b.Up {
				t.Errorf("%+v", b)
			}
		}
		if n := least.Load(); n != 2 {
			t.Errorf("at one time %d binds were up", n)
		}
		for i := range 3 {
			if !slices.Contains(r.smsc.conn(i).commands(), smpp.UnbindID) {
				t.Errorf("session %d was left without unbind", i+1)
			}
		}
		r.finish()
	})
}

func TestRebindStopsAtTheFirstBindThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{bind: func(n int) smpp.Status {
			if n >= 3 {
				return smpp.StatusInvPassword
			}
			return smpp.StatusOK
		}}, func(a *Account) { a.Binds = 3 })
		synctest.Wait()
		err := r.pool.Rebind(soon(t), "acme")
		if err == nil || !strings.Contains(err.Error(), "ESME_RINVPASWD") || !strings.Contains(err.Error(), "bind 1") {
			t.Error(err)
		}
		if s := r.pool.State()[0]; s.Up != 2 || len(r.smsc.dials()) != 4 || !strings.Contains(s.Alarm, "ESME_RINVPASWD") {
			t.Errorf("%+v, %d dials", s, len(r.smsc.dials()))
		}
		r.finish()
	})
}

func TestOperationsOnACarrierThatIsNotThereSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, nil)
		synctest.Wait()
		for name, err := range map[string]error{
			"enable": r.pool.Enable("x"), "disable": r.pool.Disable(soon(t), "x"), "drain": r.pool.Drain(soon(t), "x"), "rebind": r.pool.Rebind(soon(t), "x"),
		} {
			if !errors.Is(err, ErrNoCarrier) || !strings.Contains(err.Error(), `"x"`) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := r.pool.Disable(soon(t), "acme"); err != nil {
			t.Error(err)
		}
		if err := r.pool.Rebind(soon(t), "acme"); !errors.Is(err, ErrDisabled) {
			t.Errorf("rebind of a disabled one: %v", err)
		}
		r.finish()
		if err := r.pool.Rebind(soon(t), "acme"); err == nil {
			t.Error("after the end")
		}
	})
}

func TestTheEndOfThePoolReleasesWhoWaitsForACarrier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{refuse: func(int) error { return errors.New("no route to host") }}, nil)
		synctest.Wait()
		rebound := make(chan error, 1)
		go func() { rebound <- r.pool.Rebind(soon(t), "acme") }()
		time.Sleep(time.Minute)
		r.finish()
		if err := <-rebound; !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "no route to host") {
			t.Error(err)
		}
	})
}

func TestDisablingInTheMiddleOfAnAttemptEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		r := newRig(t, &fakeSMSC{bind: func(int) smpp.Status {
			<-hang // The SMSC takes its time.
			return smpp.StatusOK
		}}, nil)
		synctest.Wait()
		began := time.Now()
		if err := r.pool.Disable(soon(t), "acme"); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
		close(hang)
		r.finish()
	})
}

func TestOperatorsMayContradictEachOtherAtAnyTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{submit: accepting}, func(a *Account) { a.Binds = 4 })
		synctest.Wait()
		var all sync.WaitGroup
		for i := range 60 {
			all.Go(func() {
				time.Sleep(time.Duration(i%7) * 30 * time.Millisecond)
				switch i % 5 {
				case 0:
					_ = r.pool.Disable(soon(t), "acme")
				case 1:
					_ = r.pool.Rebind(soon(t), "acme")
				case 2:
					_ = r.pool.Drain(soon(t), "acme")
				case 3:
					_ = r.pool.Enable("acme")
				case 4:
					for _, p := range r.engine.bound() {
						p.conn.Write(items(t, "x"))
					}
				}
			})
		}
		time.Sleep(time.Minute)
		if err := r.pool.Enable("acme"); err != nil {
			t.Error(err)
		}
		all.Wait()
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := r.pool.State()[0]; s.Admin != Enabled || s.Up != 4 || len(r.engine.bound()) != 4 {
			t.Errorf("%+v, %d attached", s, len(r.engine.bound()))
		}
		r.finish()
		counts := map[string]int{}
		for _, e := range r.engine.said() {
			counts[e]++
		}
		if counts["attach"] != counts["detach"] {
			t.Errorf("attached and detached differ: %s", cmp.Diff(counts["attach"], counts["detach"]))
		}
	})
}
