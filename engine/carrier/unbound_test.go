package carrier

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
)

// Elsewhere messages were handed to dead binds and came back thousands of times
// a minute. Here a bind that is down isn't there: nothing is offered, so nothing
// comes back.
func TestWhileUnboundNothingIsOfferedAndNothingComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		r := newRig(t, &fakeSMSC{refuse: whileDown(&down, "connection refused")}, func(a *Account) { a.Binds = 3 })
		synctest.Wait()
		up := r.engine.bound()
		for i, p := range up {
			p.conn.Write(items(t, "one"))
			synctest.Wait()
			if _, submits, _ := r.smsc.conn(i).saw(); len(submits) > 1 {
				t.Errorf("session %d has %d submits", i+1, len(submits))
			}
		}
		down.Store(true)
		for i := range up {
			r.smsc.conn(i).conn.Close()
		}
		synctest.Wait()
		events := len(r.engine.said())
		for range 12 {
			time.Sleep(time.Minute)
			for _, p := range up { // The engine has been told; should it not have looked yet, it gets everything back at once.
				if n := p.conn.Write(items(t, "x")); n != 0 {
					t.Errorf("a bind that is down took %d", n)
				}
			}
		}
		if got := r.engine.said()[events:]; len(got) != 0 {
			t.Errorf("while all is down: %v", got)
		}
		for _, p := range up {
			if got := p.got(); len(got) != 1 || got[0].Code != message.Unknown {
				t.Errorf("%+v", got)
			}
		}
		down.Store(false)
		time.Sleep(lastRetry)
		synctest.Wait()
		if n := len(r.engine.bound()); n != 3 {
			t.Errorf("%d binds are back", n)
		}
		r.finish()
	})
}

func TestSeveralSessionsShareOneAccountAndItsReceipts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{submit: accepting}, func(a *Account) { a.Binds = 4 })
		synctest.Wait()
		if n := len(r.engine.bound()); n != 4 {
			t.Fatalf("%d binds", n)
		}
		for i := range 4 {
			if bound, _, _ := r.smsc.conn(i).saw(); bound.SystemID != "fanline" || bound.Password != "secret" {
				t.Errorf("session %d: %+v", i+1, bound)
			}
		}
		r.engine.bound()[0].conn.Write(items(t, "one"))
		synctest.Wait()
		r.smsc.conn(3).send(smpp.StatusOK, 9, &smpp.DeliverSM{ // Not the one that it was sent by.
			Source: smpp.Address{TON: 1, NPI: 1, Addr: member.Digits()}, Destination: smpp.Address{TON: 1, NPI: 1, Addr: ourNumber.Digits()},
			ESMClass: smpp.ESMReceipt, ShortMessage: receiptText("id-one", "DELIVRD", "000"),
		})
		time.Sleep(gatherFor)
		synctest.Wait()
		entries := r.house.log.of(record.TopicReceipts)
		if len(entries) != 1 {
			t.Fatalf("%d records", len(entries))
		}
		stored, err := record.DecodeReceipts(entries[0].Value, nil)
		if err != nil || stored.Carrier != "acme" || len(stored.Entries) != 1 || stored.Entries[0].Bind == 0 {
			t.Errorf("%+v, %v", stored, err)
		}
		r.house.log.release(nil)
		synctest.Wait()
		if _, _, acks := r.smsc.conn(3).saw(); len(acks) != 1 {
			t.Errorf("%v", acks)
		}
		r.finish()
		for i := range 4 {
			if !slices.Contains(r.smsc.conn(i).commands(), smpp.UnbindID) {
				t.Errorf("session %d was left without unbind", i+1)
			}
		}
	})
}

// system_type is mandatory at some carriers; the account's own goes before the
// profile's. Others ask for a version, or for the addresses that a bind serves.
func TestABindSaysWhatTheProfileWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{}, func(a *Account) {
			a.SystemType = ""
			a.Profile = profileOf(t, func(s *Settings) {
				s.SystemType, s.InterfaceVersion, s.Range, s.AddressRange = "VMA", 0x50, Address{1, 1}, "^1773"
			})
		})
		synctest.Wait()
		bound, _, _ := r.smsc.conn(0).saw()
		want := smpp.Bind{
			Kind: smpp.BindTransceiverID, SystemID: "fanline", Password: "secret", SystemType: "VMA", InterfaceVersion: 0x50, AddrTON: 1, AddrNPI: 1, AddressRange: "^1773",
		}
		if diff := cmp.Diff(want, bound); diff != "" {
			t.Error(diff)
		}
		r.finish()
	})
}
