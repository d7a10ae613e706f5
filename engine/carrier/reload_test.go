package carrier

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine"
	"fanline/smpp"
)

// changed returns the rig's account with a change.
func changed(t testing.TB, change func(*Account)) []Account {
	a := accountOf(t)
	change(&a)
	return []Account{a}
}

func TestReloadSaysWhatCountsAtOnceAndWhatNeedsAnotherBind(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Account)
		want   Reloaded
	}{
		"nothing": {func(*Account) {}, Reloaded{}},
		"profile": {func(a *Account) { a.Profile = profileOf(t, func(s *Settings) { s.LongText = "sar" }) }, Reloaded{Applied: []string{"acme: profile"}}},
		"what binds say": {
			func(a *Account) { a.Profile = profileOf(t, func(s *Settings) { s.InterfaceVersion = 0x50 }) },
			Reloaded{Applied: []string{"acme: profile"}, Rebind: []string{"acme: profile (what binds say)"}},
		},
		"smaller window":   {func(a *Account) { a.Window = 5 }, Reloaded{Applied: []string{"acme: window"}}},
		"larger window":    {func(a *Account) { a.Window = 50 }, Reloaded{Rebind: []string{"acme: window"}}},
		"binds":            {func(a *Account) { a.Binds = 2 }, Reloaded{Applied: []string{"acme: binds"}}},
		"password":         {func(a *Account) { a.Password = func() string { return "new" } }, Reloaded{Rebind: []string{"acme: password"}}},
		"TLS":              {func(a *Account) { a.TLS = &TLS{} }, Reloaded{Rebind: []string{"acme: tls"}}},
		"hosts":            {func(a *Account) { a.Hosts = []string{"c:2775"} }, Reloaded{Rebind: []string{"acme: hosts"}}},
		"another account":  {func(a *Account) { a.Name = "beta" }, Reloaded{Restart: []string{"beta: added", "acme: removed"}}},
		"pauses":           {func(a *Account) { a.ReconnectMin = time.Second }, Reloaded{Applied: []string{"acme: reconnect_min"}}},
		"kind and timeout": {func(a *Account) { a.Kind, a.Response = "transmitter", time.Second }, Reloaded{Rebind: []string{"acme: bind", "acme: response_timeout"}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, &fakeSMSC{}, nil)
			synctest.Wait()
			got, err := r.pool.Reload(changed(t, test.change))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if s := r.state(); s.Bound != 1 || !s.Up {
				t.Errorf("%s: unbound: %+v", name, s)
			}
			r.finish()
		})
	}
}

func TestAReloadThatMakesNoSenseChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, nil)
		synctest.Wait()
		for _, accounts := range [][]Account{
			changed(t, func(a *Account) { a.Binds, a.Hosts = 3, nil }),
			append(changed(t, func(a *Account) { a.Binds = 3 }), accountOf(t)),
		} {
			if _, err := r.pool.Reload(accounts); err == nil || !strings.Contains(err.Error(), "acme") {
				t.Error(err)
			}
		}
		if s := r.pool.State()[0]; len(s.Binds) != 1 {
			t.Errorf("%+v", s)
		}
		r.finish()
	})
}

func TestTheNumberOfBindsFollowsTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, nil)
		synctest.Wait()
		for _, n := range []int{4, 2, 3, 1} {
			if _, err := r.pool.Reload(changed(t, func(a *Account) { a.Binds = n })); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if s := r.pool.State()[0]; s.Up != n || len(r.engine.bound()) != n {
				t.Errorf("%d binds, want %d", s.Up, n)
			}
		}
		if s := r.state(); s.Bound != 1 {
			t.Errorf("the bind that stays was touched: %+v", s)
		}
		for i := range r.smsc.dials() {
			if i > 0 && !slices.Contains(r.smsc.conn(i).commands(), smpp.UnbindID) {
				t.Errorf("session %d was left without unbind", i+1)
			}
		}
		r.finish()
	})
}

// The engine must never be told of room that the session doesn't have: what it
// hands over would come back, again and again.
func TestASmallerWindowCountsOnceThereIsRoomForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, nil)
		synctest.Wait()
		up, c := r.engine.bound()[0], r.smsc.conn(0)
		if n := up.conn.Write(items(t, slices.Repeat([]string{"x"}, 9)...)); n != 9 {
			t.Fatalf("took %d", n)
		}
		synctest.Wait()
		if _, err := r.pool.Reload(changed(t, func(a *Account) { a.Window = 4 })); err != nil {
			t.Fatal(err)
		}
		if n := len(r.engine.bound()); n != 0 {
			t.Errorf("%d binds attached while 9 of 10 places are taken", n)
		}
		_, submits, _ := c.saw()
		for i, seq := range submits {
			synctest.Wait()
			attached := len(r.engine.bound())
			if left := len(submits) - i; (left <= 6) != (attached == 1) {
				t.Errorf("%d unanswered, %d attached", left, attached)
			}
			c.answer(seq, smpp.StatusOK, "1")
		}
		synctest.Wait()
		again := r.engine.bound()
		if len(again) != 1 || again[0].window != 4 || r.state().Window != 4 || r.state().Bound != 1 {
			t.Fatalf("%+v", again)
		}
		if _, err := r.pool.Reload(changed(t, func(a *Account) { a.Window = 8 })); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if again = r.engine.bound(); len(again) != 1 || again[0].window != 8 {
			t.Errorf("back to what the session has: %+v", again)
		}
		r.finish()
	})
}

func TestARefusedAccountTriesAtOnceWhenItsConfigurationChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		smsc := &fakeSMSC{}
		smsc.bind = func(n int) smpp.Status {
			if n < 3 {
				return smpp.StatusInvPassword
			}
			return smpp.StatusOK
		}
		r := newRig(t, smsc, nil)
		time.Sleep(2*fatalRetry + fatalRetry/2)
		synctest.Wait()
		if s := r.pool.State()[0]; s.Up != 0 || s.Alarm == "" {
			t.Errorf("%+v", s)
		}
		if _, err := r.pool.Reload(changed(t, func(a *Account) { a.Password = func() string { return "right" } })); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := r.pool.State()[0]; s.Up != 1 || s.Alarm != "" {
			t.Errorf("%+v", s)
		}
		if bound, _, _ := smsc.conn(3).saw(); bound.Password != "right" {
			t.Errorf("bound with %q", bound.Password)
		}
		r.finish()
	})
}

func TestANewProfileCountsForTheNextMessageEverywhere(t *testing.T) {
	ps := NewProfiles(map[string]*Profile{"acme": profileOf(t, nil)})
	encoder := ps.Encoder("acme")
	encode := func() (octets string, number string) {
		t.Helper()
		var parts engine.Parts
		if err := encoder.Encode(&parts, exampleText("é")); err != nil {
			t.Fatal(err)
		}
		var s smpp.SubmitSM
		if _, err := smpp.DecodeInto(parts.Buf, &s); err != nil {
			t.Fatal(err)
		}
		return string(s.ShortMessage), s.Source.Addr
	}
	if o, n := encode(); o != "\x05" || n != "17735550100" {
		t.Errorf("%x from %s", o, n)
	}
	pdu := textPDU(t, "13125550199", "\xe9")
	if s, _, err := ps.Text("acme", pdu); err != nil || s != "é" { // Beyond septets: read as Latin-1.
		t.Errorf("%q, %v", s, err)
	}
	ps["acme"].Set(profileOf(t, func(s *Settings) {
		s.DefaultAlphabet, s.NumberFormat = "latin1", "plus"
		s.States, s.Inbound = map[string]string{"UNDELIV": "expired"}, map[string]string{"0": "ascii"}
	}))
	if o, n := encode(); o != "\xe9" || n != "+17735550100" {
		t.Errorf("%x from %s", o, n)
	}
	if s, _, err := ps.Text("acme", pdu); err != nil || s != "\uFFFD" {
		t.Errorf("%q, %v", s, err)
	}
	if got, ok := ps.Receipt("acme", receiptPDU(t, "UNDELIV", nil)); !ok || got.State.String() != "expired" {
		t.Errorf("%+v", got)
	}
}
