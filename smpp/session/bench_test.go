package session_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"sync"
	"testing"

	"fanline/smpp"
	"fanline/smpp/session"
)

// BenchmarkSubmit sends submits of 210 octets over loopback to a sink in this process that answers each read with one write: the
// layout of the table in reference/smpp-performance.md. One operation is one submit with its answer.
func BenchmarkSubmit(b *testing.B) {
	for _, bench := range []struct {
		name     string
		binds    int
		window   int
		batch    int
		receipts bool
	}{
		{"binds=1/window=1000", 1, 1000, 64, false},
		{"binds=4/window=1000", 4, 1000, 64, false},
		{"binds=1/window=1000/receipts", 1, 1000, 64, true},
		{"binds=4/window=1000/receipts", 4, 1000, 64, true},
		{"binds=1/window=100", 1, 100, 64, false},
		{"binds=1/window=1000/one-by-one", 1, 1000, 1, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			var wg sync.WaitGroup
			pumps := make([]*pump, bench.binds)
			for i := range pumps {
				pumps[i] = newPump(b, bench.window, bench.batch, bench.receipts)
			}
			b.ResetTimer()
			for i, p := range pumps {
				n := b.N / bench.binds
				if i == 0 {
					n += b.N % bench.binds
				}
				wg.Go(func() { p.send(n) })
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
			var writes, submits uint64
			for _, p := range pumps {
				p.close(b)
				st := p.s.Stats()
				writes, submits = writes+st.Writes, submits+st.Submits
			}
			b.ReportMetric(float64(submits)/float64(writes), "submits/write")
		})
	}
}

// pump submits as fast as the window allows.
type pump struct {
	s        *session.Session
	items    []session.Item
	answered chan int

	responses []session.Response
	run       chan error
	sink      *sink
}

func newPump(tb testing.TB, window, batch int, receipts bool) *pump {
	tb.Helper()
	p := &pump{answered: make(chan int, 1<<16), run: make(chan error, 1), sink: newSink(tb, receipts)}
	conn, err := net.Dial("tcp", p.sink.addr())
	if err != nil {
		tb.Fatal(err)
	}
	p.s, err = session.Open(tb.Context(), conn, session.Config{
		SystemID: "bench", Window: window, Logger: slog.New(slog.DiscardHandler),
	}, p)
	if err != nil {
		tb.Fatal(err)
	}
	go func() { p.run <- p.s.Run(context.WithoutCancel(tb.Context())) }()
	pdu, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.SubmitSM{
		Source:       smpp.Address{TON: smpp.TONNational, NPI: smpp.NPIISDN, Addr: "7735550100"},
		Destination:  smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: "13125550199"},
		ShortMessage: make([]byte, 153),
	})
	if err != nil {
		tb.Fatal(err)
	}
	for range batch {
		p.items = append(p.items, session.Item{PDU: pdu})
	}
	return p
}

func (p *pump) Outcomes(batch []session.Outcome) { p.answered <- len(batch) }

func (p *pump) Deliveries(batch []session.Delivery) {
	p.responses = p.responses[:0]
	for i := range batch {
		p.responses = append(p.responses, session.Response{Command: batch[i].Command, Sequence: batch[i].Sequence})
	}
	p.s.RespondAll(p.responses)
}

// send submits n and returns when all are answered.
func (p *pump) send(n int) {
	for sent, done := 0, 0; done < n; {
		took := p.s.Submit(p.items[:min(len(p.items), n-sent)])
		sent += took
		if took == 0 {
			done += <-p.answered
		}
		for more := true; more; {
			select {
			case k := <-p.answered:
				done += k
			default:
				more = false
			}
		}
	}
}

func (p *pump) close(tb testing.TB) {
	if err := p.s.Unbind(tb.Context()); err != nil {
		tb.Error(err)
	}
	if err := <-p.run; err != nil {
		tb.Error(err)
	}
	p.sink.close()
}

// sink is the least SMSC: it accepts every submit, all of a read with one write, and sends a receipt-sized deliver_sm for each if asked.
type sink struct {
	ln       net.Listener
	receipts bool
	wg       sync.WaitGroup
}

func newSink(tb testing.TB, receipts bool) *sink {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	return startSink(ln, receipts)
}

// newExampleSMSC is a sink without a test; it is nil where nothing can listen.
func newExampleSMSC() *sink {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil
	}
	return startSink(ln, false)
}

func startSink(ln net.Listener, receipts bool) *sink {
	k := &sink{ln: ln, receipts: receipts}
	k.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			k.wg.Go(func() { k.serve(conn) })
		}
	})
	return k
}

func (k *sink) addr() string { return k.ln.Addr().String() }

func (k *sink) close() {
	k.ln.Close()
	k.wg.Wait()
}

func (k *sink) serve(conn net.Conn) {
	defer conn.Close()
	receipt, err := smpp.Append(nil, smpp.StatusOK, 0, &smpp.DeliverSM{
		ESMClass: smpp.ESMReceipt, Source: smpp.Address{Addr: "13125550199"}, Destination: smpp.Address{Addr: "7735550100"},
		ShortMessage: []byte("id:0123456789 sub:001 dlvrd:001 submit date:2601010000 done date:2601010000 stat:DELIVRD err:000 text:"),
	})
	if err != nil {
		return
	}
	buf := make([]byte, 128<<10)
	var out []byte
	filled := 0
	for {
		n, err := conn.Read(buf[filled:])
		if err != nil {
			return
		}
		rest := buf[:filled+n]
		out = out[:0]
		for len(rest) >= smpp.HeaderLen && len(rest) >= int(binary.BigEndian.Uint32(rest)) {
			out = k.answer(out, rest, receipt)
			rest = rest[binary.BigEndian.Uint32(rest):]
		}
		filled = copy(buf, rest)
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return
			}
		}
	}
}

func (k *sink) answer(out, pdu, receipt []byte) []byte {
	id := smpp.CommandID(binary.BigEndian.Uint32(pdu[4:]))
	if id.IsResponse() {
		return out
	}
	body := ""
	switch id {
	case smpp.SubmitSMID:
		body = "0123456789\x00"
	case smpp.BindTransceiverID:
		body = "sink\x00"
	}
	out = binary.BigEndian.AppendUint32(out, uint32(smpp.HeaderLen+len(body)))
	out = binary.BigEndian.AppendUint32(out, uint32(id.Response()))
	out = append(out, 0, 0, 0, 0)
	out = append(append(out, pdu[12:16]...), body...)
	if k.receipts && id == smpp.SubmitSMID {
		out = append(append(out, receipt[:12]...), pdu[12:16]...)
		out = append(out, receipt[16:]...)
	}
	return out
}
