package carrier

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
)

func TestAReceiptIsAnsweredOnlyOnceItIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		first := h.give(receiptFrom(t, member), receiptFrom(t, member+1))
		time.Sleep(gatherFor)
		synctest.Wait()
		if got := h.session.answered(t); len(got) != 0 {
			t.Fatalf("answered %v before anything was stored", got)
		}
		h.log.release(nil)
		synctest.Wait()
		want := map[uint32]smpp.Status{first: smpp.StatusOK, first + 1: smpp.StatusOK}
		if diff := cmp.Diff(want, h.session.answered(t)); diff != "" {
			t.Error(diff)
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestReceiptsAreStoredInBlocksOfTheirPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		want := map[message.Phone]string{}
		var pdus [][]byte
		for i := range 300 {
			phone := member + message.Phone(i)
			pdus = append(pdus, receiptFrom(t, phone))
			want[phone] = string(pdus[i])
		}
		at := time.Now().UnixMilli()
		h.give(pdus...)
		time.Sleep(gatherFor)
		synctest.Wait()
		entries := h.log.of(record.TopicReceipts)
		if len(entries) > partitions {
			t.Errorf("%d records for %d partitions", len(entries), partitions)
		}
		seen := map[message.Phone]string{}
		for _, e := range entries {
			rs, err := record.DecodeReceipts(e.Value, nil)
			if err != nil || rs.Carrier != "acme" {
				t.Fatal(rs.Carrier, err)
			}
			for _, entry := range rs.Entries {
				r, ok := profileOf(t, nil).Receipt(entry.PDU)
				if !ok || r.Phone.Partition(partitions) != e.Partition || entry.Bind != 3 || entry.At != at {
					t.Fatalf("in partition %d: %+v", e.Partition, r)
				}
				seen[r.Phone] = string(entry.PDU)
			}
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Error(diff)
		}
		h.log.release(nil)
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestDeliveriesOfManyBatchesSurviveThatTheGatheringGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		for round := range 3 { // Buffers are used again.
			for i := range 40 {
				h.give(receiptFrom(t, member+message.Phone(2*i)), textPDU(t, fmt.Sprint(13125550200+i), fmt.Sprint("text ", round)))
			}
			time.Sleep(gatherFor)
			synctest.Wait()
			h.log.release(nil)
			synctest.Wait()
		}
		receipts := 0
		for _, e := range h.log.of(record.TopicReceipts) {
			rs, err := record.DecodeReceipts(e.Value, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, entry := range rs.Entries {
				if r, ok := profileOf(t, nil).Receipt(entry.PDU); !ok || r.State != message.Delivered {
					t.Fatalf("%+v", r)
				}
				receipts++
			}
		}
		texts := h.log.of(record.TopicInbound)
		for i, e := range texts {
			in, err := record.DecodeInbound(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			s, _, err := profileOf(t, nil).Text(in.PDU)
			if err != nil || s != fmt.Sprint("text ", i/40) || in.Phone != 13125550200+message.Phone(i%40) || in.Number != ourNumber || in.Bind != 3 || in.Carrier != "acme" {
				t.Fatalf("%q %+v: %v", s, in, err)
			}
			if e.Partition != in.Phone.Partition(partitions) {
				t.Errorf("%v in partition %d", in.Phone, e.Partition)
			}
		}
		if receipts != 120 || len(texts) != 120 || len(h.session.answered(t)) != 240 {
			t.Errorf("%d receipts, %d texts, %d answers", receipts, len(texts), len(h.session.answered(t)))
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatCannotBeStoredIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		first := h.give(receiptFrom(t, member), textPDU(t, "13125550199", "STOP"))
		time.Sleep(gatherFor)
		synctest.Wait()
		h.log.release(errDisk)
		synctest.Wait()
		want := map[uint32]smpp.Status{first: smpp.StatusTemporaryError, first + 1: smpp.StatusTemporaryError}
		if diff := cmp.Diff(want, h.session.answered(t)); diff != "" {
			t.Error(diff)
		}
		if len(h.asked()) != 0 {
			t.Error("the classifier was asked about a text that was not stored")
		}
		// And the next gathering is none the worse for it.
		next := h.give(receiptFrom(t, member))
		time.Sleep(gatherFor)
		synctest.Wait()
		h.log.release(nil)
		synctest.Wait()
		if got, ok := h.session.answered(t)[next]; !ok || got != smpp.StatusOK {
			t.Errorf("the next one: %v, %v", got, ok)
		}
		if s := h.in.Stats(); s.PutOff != 2 || s.Failed != 1 || s.Unanswered != 0 {
			t.Errorf("%+v", s)
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestAStopIsAcknowledgedLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		at := time.Now().UnixMilli()
		hello := h.give(textPDU(t, "13125550198", "hello"))
		stop := h.give(textPDU(t, "13125550199", "STOP please"))
		time.Sleep(gatherFor)
		synctest.Wait()
		if len(h.asked()) != 0 || len(h.log.of(record.TopicInbound)) != 2 {
			t.Fatalf("asked about %q before it was stored", h.asked())
		}
		h.log.release(nil) // inbound is durable
		synctest.Wait()
		if diff := cmp.Diff([]string{"hello", "STOP please"}, h.asked()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(map[uint32]smpp.Status{hello: 0}, h.session.answered(t)); diff != "" {
			t.Error("only what is no STOP is answered now:", diff)
		}
		entries := h.log.of(record.TopicConsent)
		if len(entries) != 1 || len(h.stops()) != 0 {
			t.Fatalf("%d revocations appended, %d stops before they are stored", len(entries), len(h.stops()))
		}
		c, err := record.DecodeConsent(entries[0].Value)
		want := record.Consent{Number: ourNumber, Phone: member, Revoked: true, Why: "STOP", At: at}
		if diff := cmp.Diff(want, c); diff != "" || err != nil {
			t.Error(err, diff)
		}
		if string(entries[0].Key) != string(record.ConsentKey(ourNumber, member)) || entries[0].Partition != member.Partition(partitions) {
			t.Errorf("%q in partition %d", entries[0].Key, entries[0].Partition)
		}
		h.log.release(nil) // consent is durable
		synctest.Wait()
		if len(h.stops()) != 1 || h.stops()[0].number != ourNumber || h.stops()[0].phone != member || h.stops()[0].at != at {
			t.Fatalf("%+v", h.stops())
		}
		if len(h.session.answered(t)) != 1 {
			t.Error("acknowledged before the engine had stopped")
		}
		h.stops()[0].done()
		synctest.Wait()
		if diff := cmp.Diff(map[uint32]smpp.Status{hello: 0, stop: 0}, h.session.answered(t)); diff != "" {
			t.Error(diff)
		}
		if s := h.in.Stats(); s.Revocations != 1 || s.Texts != 2 || s.Unanswered != 0 {
			t.Errorf("%+v", s)
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestAStopThatCannotBeStoredStillStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		stop := h.give(textPDU(t, "13125550199", "STOP"))
		time.Sleep(gatherFor)
		synctest.Wait()
		h.log.release(nil)
		synctest.Wait()
		h.log.release(errDisk)
		synctest.Wait()
		if len(h.stops()) != 1 {
			t.Fatalf("%d stops", len(h.stops()))
		}
		h.stops()[0].done()
		synctest.Wait()
		if got, ok := h.session.answered(t)[stop]; !ok || got != smpp.StatusTemporaryError {
			t.Errorf("answered %v, %v", got, ok)
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestTextsFromWhatIsNoPhoneAreKeptAndAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		first := h.give(
			deliver(t, &smpp.DeliverSM{Source: smpp.Address{TON: 5, Addr: "ACME"}, Destination: smpp.Address{Addr: "17735550100"}, ShortMessage: []byte("STOP")}),
			deliver(t, &smpp.DeliverSM{Source: smpp.Address{TON: 5, Addr: "ACME"}, Destination: smpp.Address{Addr: "17735550100"}, ShortMessage: []byte("again")}),
			deliver(t, &smpp.DeliverSM{ShortMessage: []byte("from nobody")}),
		)
		time.Sleep(gatherFor)
		synctest.Wait()
		h.log.release(nil)
		synctest.Wait()
		if got := h.session.answered(t); len(got) != 3 || got[first] != smpp.StatusOK {
			t.Errorf("%v", got)
		}
		entries := h.log.of(record.TopicInbound)
		if len(entries) != 3 || entries[0].Partition != entries[1].Partition {
			t.Fatalf("%d entries; one sender's stay together", len(entries))
		}
		for _, e := range entries {
			if in, err := record.DecodeInbound(e.Value); err != nil || in.Phone != 0 {
				t.Errorf("%+v, %v", in, err)
			}
		}
		if len(h.asked()) != 0 || h.in.Stats().NoPhone != 3 {
			t.Errorf("asked about %q; %+v", h.asked(), h.in.Stats())
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestAReceiptWithoutAPhoneGoesByItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		nobody := func(id string) []byte {
			return receiptPDU(t, "", func(d *smpp.DeliverSM) { d.Source.Addr, d.ShortMessage = "", receiptText(id, "DELIVRD", "000") })
		}
		h.give(nobody("0012345"), nobody("12345"))
		time.Sleep(gatherFor)
		synctest.Wait()
		entries := h.log.of(record.TopicReceipts)
		if len(entries) != 1 {
			t.Errorf("%d records: two forms of one id belong into one partition", len(entries))
		}
		h.log.release(nil)
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestAReceiptGoesToThePartitionOfTheMemberThatTheProfileNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		turned := profileOf(t, func(s *Settings) { s.Member = "destination_addr" })
		h.intake = h.in.Intake("beta", NewCurrent(turned), 1, h.session)
		const other = member + 3
		if other.Partition(partitions) == ourNumber.Partition(partitions) {
			t.Fatal("the test needs phones of two partitions")
		}
		h.give(receiptPDU(t, "DELIVRD", func(d *smpp.DeliverSM) { d.Source.Addr, d.Destination.Addr = ourNumber.Digits(), other.Digits() }))
		time.Sleep(gatherFor)
		synctest.Wait()
		for _, e := range h.log.of(record.TopicReceipts) {
			rs, err := record.DecodeReceipts(e.Value, nil)
			if err != nil || rs.Carrier != "beta" || e.Partition != other.Partition(partitions) {
				t.Errorf("%s in partition %d: %v", rs.Carrier, e.Partition, err)
			}
		}
		h.log.release(nil)
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhatIsTooMuchIsPutOffAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(c *InboundConfig) { c.Unanswered = 3 })
		first := h.give(receiptFrom(t, member), receiptFrom(t, member))
		h.give(receiptFrom(t, member), receiptFrom(t, member), receiptFrom(t, member))
		if diff := cmp.Diff(map[uint32]smpp.Status{first + 3: smpp.StatusTemporaryError, first + 4: smpp.StatusTemporaryError}, h.session.answered(t)); diff != "" {
			t.Error(diff)
		}
		time.Sleep(gatherFor)
		synctest.Wait()
		h.log.release(nil)
		synctest.Wait()
		last := h.give(receiptFrom(t, member)) // There is room again.
		time.Sleep(gatherFor)
		synctest.Wait()
		h.log.release(nil)
		synctest.Wait()
		if got := h.session.answered(t); len(got) != 6 || got[first] != 0 || got[last] != 0 {
			t.Errorf("%v", got)
		}
		if s := h.in.Stats(); s.PutOff != 2 || s.Receipts != 4 {
			t.Errorf("%+v", s)
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestAGatheringWaitsAFewMillisecondsOrIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.give(receiptFrom(t, member))
		time.Sleep(gatherFor - time.Microsecond)
		synctest.Wait()
		h.give(receiptFrom(t, member))
		if h.log.count() != 0 {
			t.Error("appended early")
		}
		time.Sleep(time.Microsecond)
		synctest.Wait()
		if h.log.count() != 1 {
			t.Errorf("%d appends after %v", h.log.count(), gatherFor)
		}
		for range gatherMost / 64 {
			pdus := make([][]byte, 64)
			for i := range pdus {
				pdus[i] = receiptFrom(t, member)
			}
			h.give(pdus...)
		}
		synctest.Wait()
		if h.log.count() != 2 {
			t.Errorf("%d appends: a full gathering need not wait", h.log.count())
		}
		// Two are under way: the third goes, what comes then waits for one of them.
		for range 3 {
			h.give(receiptFrom(t, member))
			time.Sleep(2 * gatherFor)
			synctest.Wait()
		}
		if h.log.count() != appendsMost {
			t.Errorf("%d appends under way", h.log.count())
		}
		h.log.release(nil)
		synctest.Wait()
		if h.log.count() != appendsMost+1 {
			t.Error("nothing follows an append that is done")
		}
		for h.log.release(nil) {
			synctest.Wait()
		}
		if got := h.session.answered(t); len(got) != gatherMost+5 {
			t.Errorf("%d answers", len(got))
		}
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestARecordStaysFarBelowWhatABrokerTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		const n, payload = 40, 60_000
		for range n {
			h.give(receiptPDU(t, "DELIVRD", func(d *smpp.DeliverSM) {
				d.ShortMessage, d.Options = nil, d.Options.Append(smpp.TagMessagePayload, append(d.ShortMessage, make([]byte, payload)...))
			}))
		}
		time.Sleep(gatherFor)
		synctest.Wait()
		count := 0
		for _, e := range h.log.of(record.TopicReceipts) {
			if len(e.Value) > blockOctets+payload+1000 {
				t.Errorf("a record of %d octets", len(e.Value))
			}
			rs, err := record.DecodeReceipts(e.Value, nil)
			if err != nil {
				t.Fatal(err)
			}
			count += len(rs.Entries)
		}
		if count != n {
			t.Errorf("%d receipts stored of %d", count, n)
		}
		h.log.release(nil)
		if err := h.finish(); err != nil {
			t.Error(err)
		}
	})
}

func TestTheEndWaitsForWhatIsUnderWayAndTakesNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		first := h.give(textPDU(t, "13125550199", "STOP"))
		h.end()
		synctest.Wait() // The rest is appended without waiting for more.
		late := h.give(receiptFrom(t, member))
		if got := h.session.answered(t); got[late] != smpp.StatusTemporaryError || len(got) != 1 {
			t.Errorf("%v", got)
		}
		h.log.release(nil)
		synctest.Wait()
		h.log.release(nil)
		synctest.Wait()
		select {
		case err := <-h.ended:
			t.Fatal("ended while a STOP was unanswered:", err)
		default:
		}
		h.stops()[0].done()
		if err := <-h.ended; err != nil {
			t.Error(err)
		}
		if got, ok := h.session.answered(t)[first]; !ok || got != smpp.StatusOK {
			t.Errorf("%v, %v", got, ok)
		}
	})
}

func TestTheEndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		h.give(receiptFrom(t, member))
		began := time.Now()
		if err := h.finish(); err == nil || !strings.Contains(err.Error(), "1 deliveries") {
			t.Error(err)
		}
		if took := time.Since(began); took != drainFor {
			t.Errorf("after %v", took)
		}
		h.log.release(nil) // Too late, and harmless.
	})
}

func TestBadInboundConfigurationsAreRefused(t *testing.T) {
	for _, cfg := range []InboundConfig{{}, {Partitions: 12}, {Partitions: message.Slots + 1, Log: &fakeLog{}}} {
		if _, err := NewInbound(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}
