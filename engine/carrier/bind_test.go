package carrier

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
)

func TestBindsComeBackSoonAndThenEverLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var at []time.Time
		refused := errors.New("connection refused")
		r := newRig(t, &fakeSMSC{refuse: func(int) error {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Now())
			return refused
		}}, nil)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		r.finish()
		mu.Lock()
		defer mu.Unlock()
		for i := 1; i < len(at); i++ {
			least, most := retryAfter(i-1, 1, 0, 0), retryAfter(i-1, 0, 0, 0)
			if gap := at[i].Sub(at[i-1]); gap < least || gap > most {
				t.Errorf("attempt %d after %v, want %v to %v", i+1, gap, least, most)
			}
		}
		if len(at) < 15 {
			t.Errorf("%d attempts in five minutes", len(at))
		}
		if s := r.state(); s.Up || s.Refused || !strings.Contains(s.LastError, "connection refused") {
			t.Errorf("%+v", s)
		}
		hosts := r.smsc.dials()[:4]
		if diff := cmp.Diff([]string{"a:2775", "b:2775", "a:2775", "b:2775"}, hosts); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheBackOffHasItsBounds(t *testing.T) {
	for failures, want := range map[int]time.Duration{0: 200 * time.Millisecond, 1: 400 * time.Millisecond, 7: 25600 * time.Millisecond, 8: lastRetry, 100: lastRetry} {
		if got := retryAfter(failures, 0, 0, 0); got != want {
			t.Errorf("after %d failures %v, want %v", failures, got, want)
		}
		if got := retryAfter(failures, 1, 0, 0); got != want/2 {
			t.Errorf("after %d failures at least %v, want %v", failures, got, want/2)
		}
	}
}

func TestABindThatLastedComesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, nil)
		drop := func() time.Duration {
			n := len(r.smsc.dials())
			r.smsc.conn(n - 1).conn.Close()
			began := time.Now()
			for len(r.smsc.dials()) == n {
				time.Sleep(time.Millisecond)
				synctest.Wait()
			}
			return time.Since(began)
		}
		synctest.Wait()
		time.Sleep(lasting)
		for i := range 4 { // A bind that is dropped at once each time is tried ever later.
			if took := drop(); took > retryAfter(i, 0, 0, 0)+time.Millisecond || took < retryAfter(i, 1, 0, 0) {
				t.Errorf("drop %d: back after %v", i+1, took)
			}
			synctest.Wait()
		}
		time.Sleep(lasting)
		synctest.Wait()
		if took := drop(); took > firstRetry+time.Millisecond {
			t.Errorf("a session that had lasted came back after %v", took)
		}
		r.finish()
	})
}

func TestARefusedAccountIsTriedOnceAMinute(t *testing.T) {
	for _, status := range []smpp.Status{smpp.StatusInvPassword, smpp.StatusInvSystemID, smpp.StatusInvSystemType} {
		synctest.Test(t, func(t *testing.T) {
			var fixed atomic.Bool
			r := newRig(t, &fakeSMSC{bind: func(int) smpp.Status {
				if fixed.Load() {
					return smpp.StatusOK
				}
				return status
			}}, nil)
			time.Sleep(10*fatalRetry - time.Second)
			synctest.Wait()
			if n := len(r.smsc.dials()); n != 10 {
				t.Errorf("%v: %d attempts in ten minutes", status, n)
			}
			if s := r.state(); s.Up || !s.Refused || !strings.Contains(s.LastError, status.String()) {
				t.Errorf("%+v", s)
			}
			fixed.Store(true)
			time.Sleep(fatalRetry)
			synctest.Wait()
			if s := r.state(); !s.Up || s.Refused {
				t.Errorf("%+v", s)
			}
			r.finish()
		})
	}
}

// ESME_RALYBND tells of a session, but not of one of ours: taken as a bind it
// would be one that nobody reads.
func TestAnAccountThatIsStillBoundIsTriedAgainUntilTheStaleSessionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stale := time.Now().Add(90 * time.Second)
		r := newRig(t, &fakeSMSC{bind: func(int) smpp.Status {
			if time.Now().Before(stale) {
				return smpp.StatusAlreadyBound
			}
			return smpp.StatusOK
		}}, nil)
		time.Sleep(85 * time.Second)
		synctest.Wait()
		if s := r.state(); s.Up || s.Bound != 0 || s.Refused || s.RefusedSince.IsZero() || len(r.engine.bound()) != 0 || !strings.Contains(s.LastError, "ESME_RALYBND") {
			t.Errorf("%+v", s)
		}
		if n := len(r.smsc.dials()); n < 8 || n > 16 {
			t.Errorf("%d attempts in 85 s", n)
		}
		time.Sleep(5*time.Second + lastRetry)
		synctest.Wait()
		if s := r.state(); !s.Up || s.Bound != 1 || !s.RefusedSince.IsZero() {
			t.Errorf("%+v", s)
		}
		r.finish()
	})
}

func TestABindThatIsRefusedLeavesTheOthersAlone(t *testing.T) {
	for _, status := range []smpp.Status{smpp.StatusAlreadyBound, smpp.StatusBindFailed} {
		synctest.Test(t, func(t *testing.T) {
			var places atomic.Int32
			r := newRig(t, &fakeSMSC{submit: accepting, bind: func(int) smpp.Status {
				if places.Add(1) > 4 { // Four is what the account may have.
					return status
				}
				return smpp.StatusOK
			}}, func(a *Account) { a.Binds = 5 })
			time.Sleep(stubborn + 2*lastRetry)
			synctest.Wait()
			s := r.pool.State()[0]
			if s.Up != 4 || len(r.engine.bound()) != 4 {
				t.Errorf("%+v", s)
			}
			for _, b := range s.Binds {
				if b.Up && b.Bound != 1 {
					t.Errorf("%+v", b)
				}
			}
			if !strings.Contains(s.Alarm, "holds 4 of 5 binds") || !strings.Contains(s.Alarm, status.String()) || s.AlarmSince.IsZero() {
				t.Errorf("alarm %q since %v", s.Alarm, s.AlarmSince)
			}
			places.Store(0)
			time.Sleep(lastRetry)
			synctest.Wait()
			if s := r.pool.State()[0]; s.Up != 5 || s.Alarm != "" {
				t.Errorf("%+v", s)
			}
			r.finish()
		})
	}
}

// Every bind that asks with a wrong password brings the account closer to being
// locked.
func TestWhileAnAccountIsRefusedOneBindAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fixed atomic.Bool
		r := newRig(t, &fakeSMSC{bind: func(int) smpp.Status {
			if fixed.Load() {
				return smpp.StatusOK
			}
			return smpp.StatusInvPassword
		}}, func(a *Account) { a.Binds = 8 })
		time.Sleep(10*fatalRetry - time.Second)
		synctest.Wait()
		if n := len(r.smsc.dials()); n < 1+9 || n > 8+9 { // Binds that begin at once all ask, those that come later don't.
			t.Errorf("%d attempts in ten minutes, want one a minute after the first", n)
		}
		s := r.pool.State()[0]
		if !strings.Contains(s.Alarm, `refuses the account "fanline"`) || time.Since(s.AlarmSince) < 9*time.Minute {
			t.Errorf("alarm %q since %v", s.Alarm, s.AlarmSince)
		}
		fixed.Store(true)
		time.Sleep(fatalRetry)
		synctest.Wait()
		if s := r.pool.State()[0]; s.Up != 8 || s.Alarm != "" {
			t.Errorf("%+v", s)
		}
		r.finish()
	})
}

func TestTheProfileSaysWhichRefusalsAreFatal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{bind: func(int) smpp.Status { return smpp.StatusBindFailed }}, func(a *Account) {
			a.Profile = profileOf(t, func(s *Settings) { s.Statuses = map[string]string{"0x0D": "bind_fatal"} })
		})
		time.Sleep(10*fatalRetry - time.Second)
		synctest.Wait()
		if n := len(r.smsc.dials()); n != 10 || !r.state().Refused {
			t.Errorf("%d attempts in ten minutes", n)
		}
		r.finish()
	})
}

func TestAThrottledBindWaitsSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{bind: func(int) smpp.Status { return smpp.StatusThrottled }}, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(r.smsc.dials()); n < 3 || n > 12 {
			t.Errorf("%d attempts in a minute", n)
		}
		r.finish()
	})
}

// Some carriers refuse, or forget, who binds again within 30 s.
func TestNoBindComesBackBeforeTheCarrierWantsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, func(a *Account) { a.ReconnectMin, a.ReconnectMax = 30*time.Second, 2*time.Minute })
		least := func(what string, act func()) {
			t.Helper()
			synctest.Wait()
			n, began := len(r.smsc.dials()), time.Now()
			act()
			for len(r.smsc.dials()) == n {
				time.Sleep(time.Second)
				synctest.Wait()
			}
			if took := time.Since(began); took < 30*time.Second || took > 38*time.Second {
				t.Errorf("%s: bound again after %v", what, took)
			}
		}
		synctest.Wait()
		time.Sleep(lasting)
		least("after a drop", func() { r.smsc.conn(0).conn.Close() })
		least("after disabling and enabling", func() {
			if err := r.pool.Disable(soon(t), "acme"); err != nil {
				t.Error(err)
			}
			if err := r.pool.Enable("acme"); err != nil {
				t.Error(err)
			}
		})
		least("after a rebind", func() {
			if err := r.pool.Rebind(soon(t), "acme"); err != nil {
				t.Error(err)
			}
		})
		r.finish()
	})
}

func TestAPairIsATransmitterAndAReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{submit: accepting}, func(a *Account) { a.Kind, a.Binds = "pair", 2 })
		synctest.Wait()
		var kinds []string
		s := r.pool.State()[0]
		for _, b := range s.Binds {
			kinds = append(kinds, b.Kind+" "+b.Host)
		}
		if diff := cmp.Diff([]string{"transmitter a:2775", "receiver a:2775", "transmitter b:2775", "receiver b:2775"}, kinds); diff != "" {
			t.Error(diff)
		}
		if s.Up != 4 || s.Sending != 2 || len(r.engine.bound()) != 2 {
			t.Errorf("%+v", s)
		}
		for _, p := range r.engine.bound() {
			if p.conn.Write(items(t, "one")) != 1 {
				t.Errorf("bind %d takes nothing", p.bind)
			}
		}
		r.finish()
	})
}

func TestWithPriorityEveryBindBeginsAtTheFirstHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		var n atomic.Int32
		r := newRig(t, &fakeSMSC{refuse: func(int) error {
			// While the first host is down every second attempt, at the other one, succeeds.
			if down.Load() && n.Add(1) <= 2 {
				return errors.New("connection refused")
			}
			return nil
		}}, func(a *Account) { a.Priority, a.Binds = true, 1 })
		synctest.Wait()
		time.Sleep(lasting)
		down.Store(true)
		r.smsc.conn(0).conn.Close()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		// It broke at a, so b comes first; b and a were refused, then b again.
		if diff := cmp.Diff([]string{"a:2775", "b:2775", "a:2775", "b:2775"}, r.smsc.dials()); diff != "" {
			t.Error(diff)
		}
		if s := r.state(); !s.Up || s.Host != "b:2775" {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Hour)
		if s := r.state(); s.Bound != 2 {
			t.Errorf("a session that works was ended: %+v", s)
		}
		r.smsc.conn(1).conn.Close()
		time.Sleep(time.Second)
		synctest.Wait()
		if s := r.state(); !s.Up || s.Host != "a:2775" {
			t.Errorf("after a session away from home it begins at home: %+v", s)
		}
		r.finish()
	})
}

func TestACarrierThatNobodyReachesIsAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		r := newRig(t, &fakeSMSC{refuse: whileDown(&down, "no route to host")}, func(a *Account) { a.Binds = 2 })
		synctest.Wait()
		time.Sleep(time.Hour)
		down.Store(true)
		r.smsc.conn(0).conn.Close()
		time.Sleep(time.Hour)
		if s := r.pool.State()[0]; s.Alarm != "" || s.Up != 1 {
			t.Errorf("one bind is up: %+v", s)
		}
		r.smsc.conn(1).conn.Close()
		time.Sleep(unreachable / 2)
		if s := r.pool.State()[0]; s.Alarm != "" {
			t.Errorf("too early: %q", s.Alarm)
		}
		time.Sleep(unreachable/2 + lastRetry)
		if s := r.pool.State()[0]; !strings.Contains(s.Alarm, "no bind of 2 is up") || !strings.Contains(s.Alarm, "no route to host") || s.AlarmSince.IsZero() {
			t.Errorf("%+v", s)
		}
		down.Store(false)
		time.Sleep(lastRetry)
		synctest.Wait()
		if s := r.pool.State()[0]; s.Alarm != "" || s.Up != 2 {
			t.Errorf("%+v", s)
		}
		r.finish()
	})
}

// Who enabled a carrier long ago is not in a hurry any more.
func TestAnOldWishDoesNotShortenTheBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		r := newRig(t, &fakeSMSC{refuse: whileDown(&down, "connection refused")}, nil)
		synctest.Wait()
		if err := r.pool.Enable("acme"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		down.Store(true)
		n := len(r.smsc.dials())
		r.smsc.conn(0).conn.Close()
		synctest.Wait()
		if got := len(r.smsc.dials()); got != n {
			t.Errorf("%d attempts at once", got-n)
		}
		r.finish()
	})
}
