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

func TestAnAccountThatIsStillBoundIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{bind: func(n int) smpp.Status {
			if n < 3 {
				return smpp.StatusAlreadyBound
			}
			return smpp.StatusOK
		}}, nil)
		time.Sleep(retryAfter(0, 0, 0, 0) + retryAfter(1, 0, 0, 0) + retryAfter(2, 0, 0, 0))
		synctest.Wait()
		if s := r.state(); !s.Up || s.Bound != 1 {
			t.Errorf("%+v", s)
		}
		r.finish()
	})
}
