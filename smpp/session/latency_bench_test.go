package session_test

import (
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"fanline/smpp"
)

// BenchmarkLatency sends one submit at a time over loopback, through a session and over the bare connection, and reports the time
// from handing it in to having its answer. What the session adds is the difference.
func BenchmarkLatency(b *testing.B) {
	b.Run("session", func(b *testing.B) {
		p := newPump(b, 1000, 1, false)
		times := make([]time.Duration, 0, b.N)
		b.ResetTimer()
		for range b.N {
			began := time.Now()
			p.send(1)
			times = append(times, time.Since(began))
		}
		b.StopTimer()
		p.close(b)
		quantiles(b, times)
	})
	b.Run("session/one-a-millisecond", func(b *testing.B) { // The goroutines have gone to sleep each time.
		p := newPump(b, 1000, 1, false)
		times := make([]time.Duration, 0, b.N)
		b.ResetTimer()
		for range b.N {
			time.Sleep(time.Millisecond)
			began := time.Now()
			p.send(1)
			times = append(times, time.Since(began))
		}
		b.StopTimer()
		p.close(b)
		quantiles(b, times)
	})
	b.Run("bare", func(b *testing.B) { bare(b, 0) })
	b.Run("bare/one-a-millisecond", func(b *testing.B) { bare(b, time.Millisecond) })
}

// bare is the reference: write the PDU, read the answer.
func bare(b *testing.B, pause time.Duration) {
	k := newSink(b, false)
	defer k.close()
	conn, err := net.Dial("tcp", k.addr())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	pdu := submitPDU(b, "one at a time")
	answer := make([]byte, smpp.HeaderLen+len("0123456789\x00"))
	times := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for range b.N {
		time.Sleep(pause)
		began := time.Now()
		if _, err := conn.Write(pdu); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(conn, answer); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(began))
	}
	b.StopTimer()
	quantiles(b, times)
}

func quantiles(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50-µs", 0.5}, {"p99-µs", 0.99}} {
		b.ReportMetric(float64(times[int(q.at*float64(len(times)-1))].Nanoseconds())/1e3, q.name)
	}
}

// BenchmarkWindow shows that a window costs nothing by its size: submits at 10 to 100,000 in flight, one bind.
func BenchmarkWindow(b *testing.B) {
	for _, bench := range []struct {
		name   string
		window int
	}{{"10", 10}, {"100", 100}, {"1000", 1000}, {"10000", 10_000}, {"100000", 100_000}} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			p := newPump(b, bench.window, 64, false)
			p.send(4 * bench.window) // The queue has its size then.
			b.ResetTimer()
			p.send(b.N)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submits/s")
			p.close(b)
		})
	}
}
