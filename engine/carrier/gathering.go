package carrier

import (
	"time"

	"fanline/engine/journal"
	"fanline/engine/message"
	"fanline/pipeline/record"
	"fanline/smpp"
	"fanline/smpp/session"
)

const (
	// blockOctets is how many octets of receipts one record holds at most,
	// beyond its last: far below the megabyte that brokers take.
	blockOctets = 256 << 10
	// keepOctets is how large a buffer a gathering keeps for the next time.
	keepOctets = 4 << 20
)

// gathering is what was delivered within a few milliseconds: it becomes durable
// together and is answered together.
type gathering struct {
	since   time.Time // when its first delivery came
	count   int
	arena   []byte  // copies of PDUs, and records of texts; what is in use never moves
	blocks  []block // by carrier and partition
	touched []int   // of blocks
	texts   []inboundText
	answers []answers
	buf     []byte // records of receipts
	ends    []int
	entries []journal.Entry
	err     error // of its append
}

// block gathers the receipts of one carrier in one partition.
type block struct {
	carrier   string
	partition int32
	receipts  []record.Receipt
}

// answers are owed to one session.
type answers struct {
	to        *Intake
	responses []session.Response
}

// inboundText is a text that waits to be durable, and then for the classifier.
type inboundText struct {
	to            *Intake
	number, phone message.Phone
	at            int64 // Unix ms
	pdu           []byte
	partition     int32
	response      session.Response
}

// receipt adds a receipt; its PDU is copied.
func (g *gathering) receipt(to *Intake, d *session.Delivery, partition int32, at int64) {
	i := to.index*to.in.cfg.Partitions + int(partition)
	for len(g.blocks) <= i {
		g.blocks = append(g.blocks, block{})
	}
	b := &g.blocks[i]
	if len(b.receipts) == 0 {
		b.carrier, b.partition = to.carrier, partition
		g.touched = append(g.touched, i)
	}
	from := len(g.arena)
	g.arena = append(g.arena, d.PDU...)
	b.receipts = append(b.receipts, record.Receipt{Bind: to.bind, At: at, PDU: g.arena[from:len(g.arena):len(g.arena)]})
}

// text adds a text as a record of topic inbound.
func (g *gathering) text(to *Intake, d *session.Delivery, s *sorted, at int64) {
	from := len(g.arena)
	g.arena = record.AppendInbound(g.arena, &record.Inbound{
		Number: s.number, Phone: s.phone, Carrier: to.carrier, Bind: to.bind, At: at, PDU: d.PDU,
	})
	value := g.arena[from:len(g.arena):len(g.arena)]
	g.entries = append(g.entries, journal.Entry{Topic: record.TopicInbound, Partition: s.partition, Value: value})
	g.texts = append(g.texts, inboundText{
		to: to, number: s.number, phone: s.phone, at: at, pdu: value[len(value)-len(d.PDU):], partition: s.partition, response: responseTo(d),
	})
}

// owed returns the answers of a session, to be added to.
func (g *gathering) owed(to *Intake) *answers {
	for i := range g.answers {
		if g.answers[i].to == to {
			return &g.answers[i]
		}
	}
	if n := len(g.answers); n < cap(g.answers) {
		g.answers = g.answers[:n+1]
		g.answers[n].to = to // Its responses have room from the time before.
	} else {
		g.answers = append(g.answers, answers{to: to})
	}
	return &g.answers[len(g.answers)-1]
}

func responseTo(d *session.Delivery) session.Response {
	return session.Response{Command: d.Command, Sequence: d.Sequence, Status: smpp.StatusOK}
}

// seal returns all records: the texts', and one or more for each block.
func (g *gathering) seal() []journal.Entry {
	texts := len(g.entries)
	for _, i := range g.touched {
		b := &g.blocks[i]
		for rest := b.receipts; len(rest) > 0; {
			n, octets := 0, 0
			for n < len(rest) && octets < blockOctets {
				octets += len(rest[n].PDU)
				n++
			}
			g.buf = record.AppendReceipts(g.buf, &record.Receipts{Carrier: b.carrier, Entries: rest[:n]})
			g.ends = append(g.ends, len(g.buf))
			g.entries = append(g.entries, journal.Entry{Topic: record.TopicReceipts, Partition: b.partition})
			rest = rest[n:]
		}
	}
	from := 0
	for i, end := range g.ends { // Only now the buffer stays where it is.
		g.entries[texts+i].Value = g.buf[from:end:end]
		from = end
	}
	return g.entries
}

// reset empties the gathering for the next time. After a failed append the log
// may still read the buffers: they are left to it.
func (g *gathering) reset() {
	for _, i := range g.touched {
		clear(g.blocks[i].receipts)
		g.blocks[i].receipts = g.blocks[i].receipts[:0]
	}
	for i := range g.answers {
		g.answers[i].to, g.answers[i].responses = nil, g.answers[i].responses[:0]
	}
	clear(g.texts)
	clear(g.entries)
	if g.err != nil || cap(g.arena) > keepOctets || cap(g.buf) > keepOctets {
		g.arena, g.buf = nil, nil
	}
	g.arena, g.buf, g.touched, g.texts = g.arena[:0], g.buf[:0], g.touched[:0], g.texts[:0]
	g.answers, g.ends, g.entries = g.answers[:0], g.ends[:0], g.entries[:0]
	if g.err != nil {
		g.entries = nil
	}
	g.count, g.err, g.since = 0, nil, time.Time{}
}
