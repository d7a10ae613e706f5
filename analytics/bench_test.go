package analytics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"fanline/analytics/embedded/embeddedtest"
	"fanline/engine/message"
	"fanline/pipeline/record"
)

// journalRecord is a journal record as a busy engine writes it.
func journalRecord(owner int64, broadcast message.BroadcastID, first, n int, finals bool) []byte {
	j := record.Journal{Owner: owner}
	random := rand.New(rand.NewPCG(uint64(first), uint64(broadcast)))
	for i := range n {
		k := first + i
		h := uint32(k) * 2654435761
		m := record.Message{
			Number: 17735550100, Carrier: "acme", Class: message.ClassBroadcast, Broadcast: broadcast, Rank: message.Rank(k),
			Member: message.MemberID(k), Phone: message.Phone(12025550000 + k), Parts: 1,
			Attributes: message.Attributes{
				City: uint32(math.Exp(8 * random.Float64())), Age: uint8(18 + random.IntN(60)),
				Gender: "fmx"[h%3], Language: [2]byte([]byte("enesfrde"[h%4*2:][:2])),
			},
		}
		at := 1_790_000_000_000 + int64(k/100) + random.Int64N(20)
		if finals {
			state := message.Delivered
			if random.IntN(20) == 0 {
				state = message.Failed
			}
			j.Finals = append(j.Finals, record.Final{Message: m, From: message.Submitted, State: state, Err: "000", Written: at - 500 - random.Int64N(3000), At: at})
		} else {
			j.Outcomes = append(j.Outcomes, record.Outcome{
				Ref: record.Ref{Offset: int64(first), Index: uint32(i)}, Message: m, Part: 1, Code: message.Accepted,
				MessageID: []byte("0123456789"), Bind: 1, Written: at - random.Int64N(20), At: at, State: message.Submitted,
			})
		}
	}
	if finals { // Receipts come in no order.
		random.Shuffle(n, func(a, b int) { j.Finals[a], j.Finals[b] = j.Finals[b], j.Finals[a] })
	}
	return record.AppendJournal(nil, &j)
}

// cpuOf returns the CPU time of a process in clock ticks of 10 ms.
func cpuOf(tb testing.TB, pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	u, _ := strconv.Atoi(f[11])
	s, _ := strconv.Atoi(f[12])
	return float64(u+s) / 100
}

// BenchmarkInsert reports CPU per row of our side (decode, append, encode) and
// of the server, inserts of full cuts.
func BenchmarkInsert(b *testing.B) {
	s := embeddedtest.Start(b)
	db := migrated(b, s)
	const perRecord, perCut, cuts = 200, 240_000, 8
	raw := make([][]byte, cuts*perCut/perRecord)
	for i := range raw { // Partition i%12; outcomes and finals of the same members by turns.
		raw[i] = journalRecord(0, 1, i/24*perRecord*12+i%12*perRecord, perRecord, i/12%2 == 1)
	}
	e := newEvents()
	owner := int64(0)
	rows := 0
	server, client := cpuOf(b, s.Status().PID), cpuOf(b, os.Getpid())
	for cut := 0; b.Loop(); cut++ {
		e.reset()
		first := cut % cuts * perCut / perRecord
		for i, value := range raw[first : first+perCut/perRecord] {
			offset := int64(cut*perCut/perRecord+i) / 12
			if err := e.add(&source{partition: int32(i % 12), offset: offset, value: value, owner: &owner}); err != nil {
				b.Fatal(err)
			}
		}
		if err := e.insert(b.Context(), db.conn, "bench/"+strconv.Itoa(cut)); err != nil {
			b.Fatal(err)
		}
		rows += e.len()
	}
	n := float64(rows)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/row")
	b.ReportMetric((cpuOf(b, s.Status().PID)-server)*1e9/n, "server-cpu-ns/row")
	b.ReportMetric((cpuOf(b, os.Getpid())-client)*1e9/n, "client-cpu-ns/row")
	var stored, count uint64
	if err := db.conn.QueryRow(b.Context(), "SELECT sum(bytes_on_disk), sum(rows) FROM system.parts WHERE active AND table = 'message_events'").Scan(&stored, &count); err != nil {
		b.Fatal(err)
	}
	if count != uint64(rows) {
		b.Fatalf("%d rows are in, %d were inserted", count, rows)
	}
	b.ReportMetric(float64(stored)/n, "disk-B/row")
	if os.Getenv("COLUMNS") != "" {
		r, _ := db.conn.Query(b.Context(), "SELECT column, sum(column_data_compressed_bytes), sum(column_data_uncompressed_bytes) FROM system.parts_columns WHERE active AND table = 'message_events' GROUP BY 1 ORDER BY 2 DESC")
		for r.Next() {
			var name string
			var c, u uint64
			_ = r.Scan(&name, &c, &u)
			b.Logf("%-20s %6.2f of %6.2f", name, float64(c)/n, float64(u)/n)
		}
	}
}

// BenchmarkAppend is our side of BenchmarkInsert without a server.
func BenchmarkAppend(b *testing.B) {
	raw := journalRecord(0, 1, 0, 200, true)
	e := newEvents()
	owner := int64(0)
	rows := 0
	for b.Loop() {
		if e.len() > 100_000 {
			e.reset()
		}
		if err := e.add(&source{partition: 1, offset: 5, value: raw, owner: &owner}); err != nil {
			b.Fatal(err)
		}
		rows += 200
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(rows), "ns/row")
}

// BenchmarkSink reports what the whole sink costs: a log of full records read
// by kafka-go from the embedded broker until all rows are in. The broker's
// share of the CPU is in client-cpu, because it runs in this process.
func BenchmarkSink(b *testing.B) {
	const partitions, perRecord, records = 12, 200, 12_000 // 2.4 million rows
	for b.Loop() {
		b.StopTimer()
		server := embeddedtest.Start(b)
		db := migrated(b, server)
		log := newLog(b, partitions)
		for i := range records {
			value := journalRecord(0, 1, i/24*perRecord*12+i%12*perRecord, perRecord, i/12%2 == 1)
			log.client.Produce(b.Context(), &kgo.Record{Topic: record.TopicJournal, Partition: int32(i % partitions), Value: value}, func(_ *kgo.Record, err error) {
				if err != nil {
					b.Error(err)
				}
			})
		}
		if err := log.client.Flush(b.Context()); err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		ours, theirs := cpuOf(b, os.Getpid()), cpuOf(b, server.Status().PID)
		b.StartTimer()
		began := time.Now()
		sink := runSink(b, db, log, func(c *SinkConfig) { c.Partitions, c.Interval, c.MaxRows = partitions, 0, 0 })
		sink.caughtUp(b, log)
		b.StopTimer()
		const rows = perRecord * records
		b.ReportMetric(rows/time.Since(began).Seconds(), "rows/s")
		b.ReportMetric((cpuOf(b, os.Getpid())-ours)*1e9/rows, "client-cpu-ns/row")
		b.ReportMetric((cpuOf(b, server.Status().PID)-theirs)*1e9/rows, "server-cpu-ns/row")
		if n, _, err := db.Keys(b.Context(), 1); n != rows || err != nil {
			b.Fatalf("%d rows, %v; want %d", n, err, rows)
		}
		_ = sink.stop()
		b.StartTimer()
	}
}
