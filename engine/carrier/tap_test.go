package carrier

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"fanline/smpp"
)

// ear keeps what a tap heard.
type ear struct {
	mu     sync.Mutex
	frames []Frame
}

func (e *ear) hear(f Frame) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f.PDU = bytes.Clone(f.PDU)
	e.frames = append(e.frames, f)
}

func (e *ear) heard() (list []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.frames {
		direction := "in "
		if f.Out {
			direction = "out "
		}
		list = append(list, direction+commandOf(f.PDU).String())
	}
	return list
}

func TestATapSeesEveryPDUFromTheBindOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ear
		hold := make(chan struct{})
		r := newRig(t, &fakeSMSC{submit: accepting, refuse: func(int) error { <-hold; return nil }}, nil)
		stop := r.pool.Tap(e.hear)
		close(hold)
		synctest.Wait()
		r.engine.bound()[0].conn.Write(items(t, "one"))
		synctest.Wait()
		r.finish()
		want := []string{
			"out bind_transceiver", "in bind_transceiver_resp", "out submit_sm", "in submit_sm_resp", "out unbind", "in unbind_resp",
		}
		if diff := cmp.Diff(want, e.heard()); diff != "" {
			t.Error(diff)
		}
		for _, f := range e.frames {
			if f.Carrier != "acme" || f.Bind != 1 || f.At.IsZero() {
				t.Errorf("%+v", f)
			}
		}
		stop()
	})
}

func TestATapMayBeginAndEndInTheMiddleOfASession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, &fakeSMSC{submit: accepting}, nil)
		synctest.Wait()
		up := r.engine.bound()[0]
		var first, second ear
		for i, body := range []string{"before", "heard", "by both", "by one", "after"} {
			var stop []func()
			switch i {
			case 1:
				defer r.pool.Tap(first.hear)()
			case 2:
				stop = append(stop, r.pool.Tap(second.hear))
			}
			up.conn.Write(items(t, body))
			synctest.Wait()
			for _, s := range stop {
				s()
			}
		}
		if got := second.heard(); len(got) != 2 {
			t.Errorf("heard after it was stopped, or not before: %v", got)
		}
		if got := first.heard(); len(got) != 8 || slices.Contains(got, "out bind_transceiver") {
			t.Errorf("%v", got)
		}
		r.finish()
	})
}

func TestAFramerFindsItsWayIntoAStream(t *testing.T) {
	var stream []byte
	var all [][]byte
	for i := range 50 {
		pdu, err := smpp.Append(nil, smpp.StatusOK, uint32(i+1), &smpp.SubmitSMResp{MessageID: string(bytes.Repeat([]byte("0"), i))})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, pdu)
		stream = append(stream, pdu...)
	}
	for from := range 200 {
		for _, piece := range []int{1000, 700} {
			var f framer
			var got [][]byte
			for rest := stream[from:]; len(rest) > 0; {
				n := min(piece, len(rest))
				f.feed(rest[:n], func(pdu []byte) { got = append(got, bytes.Clone(pdu)) })
				rest = rest[n:]
			}
			begin, at := 0, 0
			for at < from {
				at += len(all[begin])
				begin++
			}
			if !slices.EqualFunc(all[begin:], got, bytes.Equal) {
				t.Fatalf("from octet %d, %d at a time: %x", from, piece, got)
			}
		}
	}
}

func FuzzFramer(f *testing.F) {
	pdu, _ := smpp.Append(nil, smpp.StatusOK, 1, &smpp.EnquireLink{})
	f.Add(append(bytes.Clone(pdu), pdu...), 7)
	f.Add([]byte{0, 0, 0, 1}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, piece int) {
		piece = max(1, min(piece, 4096))
		var fr framer
		seen := 0
		for rest := stream; len(rest) > 0; {
			n := min(piece, len(rest))
			fr.feed(rest[:n], func(pdu []byte) {
				seen += len(pdu)
				if len(pdu) < smpp.HeaderLen {
					t.Errorf("a frame of %d octets", len(pdu))
				}
			})
			rest = rest[n:]
		}
		if seen > len(stream) {
			t.Errorf("%d octets of %d", seen, len(stream))
		}
	})
}

func BenchmarkUntappedRead(b *testing.B) {
	p := &Pool{}
	c := &tappedConn{pool: p}
	buf := make([]byte, 4096)
	for b.Loop() {
		c.see(&c.in, buf, false)
	}
}
