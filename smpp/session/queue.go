package session

import (
	"encoding/binary"

	"fanline/smpp"
)

const (
	// chunkSize is how much one write hands to the kernel at most. Measured: 4 KB 2.3, 16 KB 5.4, 64 KB 7.8, 256 KB 6.4
	// million submits a second.
	chunkSize = 64 << 10
	// spareChunks is how many written chunks are kept for reuse, as many as a window of 16,000 fills; more than that were a burst.
	spareChunks = 64
)

// chunk is a run of whole PDUs that goes to the kernel in one write.
type chunk struct {
	octets []byte
	gen    uint32 // chunks are numbered as they are begun
	since  int64  // session clock when its first PDU was put in
	answer int    // octets of it that are not submits
}

// queue is what waits to be written, oldest first, in chunks. The writer takes one whole chunk at a time, so everything
// still in the queue is not begun and may be taken out again.
//
// Its size is bounded by the window (submits) and by maxAnswers (the rest), which the session checks.
type queue struct {
	chunks  []*chunk
	spare   []*chunk
	gen     uint32 // generation of the newest chunk
	size    int    // octets waiting
	answers int    // of these, what isn't submits
}

// tail returns the chunk into which a PDU of n octets goes next.
func (q *queue) tail(n int, now int64) *chunk {
	if k := len(q.chunks); k > 0 {
		if c := q.chunks[k-1]; len(c.octets)+n <= chunkSize {
			return c
		}
	}
	var c *chunk
	if k := len(q.spare); k > 0 {
		c, q.spare = q.spare[k-1], q.spare[:k-1]
	} else {
		c = &chunk{octets: make([]byte, 0, chunkSize)}
	}
	q.gen++
	c.gen, c.since = q.gen, now
	q.chunks = append(q.chunks, c)
	return c
}

// put copies a PDU into a chunk that tail returned and gives it its sequence number.
func (q *queue) put(c *chunk, pdu []byte, seq uint32) {
	at := len(c.octets)
	c.octets = append(c.octets, pdu...)
	smpp.PutSequence(c.octets[at:], seq)
	q.size += len(pdu)
}

// answer queues encoded PDUs that carry their sequence numbers already, and returns the generation of the last.
func (q *queue) answer(pdus []byte, now int64) (gen uint32) {
	for len(pdus) > 0 {
		n := binary.BigEndian.Uint32(pdus)
		c := q.tail(int(n), now)
		c.octets = append(c.octets, pdus[:n]...)
		c.answer += int(n)
		gen, pdus = c.gen, pdus[n:]
		q.size += int(n)
		q.answers += int(n)
	}
	return gen
}

// take removes the oldest chunk; the caller writes it and recycles it.
func (q *queue) take() *chunk {
	if len(q.chunks) == 0 {
		return nil
	}
	c := q.chunks[0]
	q.chunks = q.chunks[:copy(q.chunks, q.chunks[1:])]
	q.size -= len(c.octets)
	q.answers -= c.answer
	return c
}

func (q *queue) recycle(c *chunk) {
	if len(q.spare) < spareChunks && cap(c.octets) <= 2*chunkSize {
		c.octets, c.answer = c.octets[:0], 0
		q.spare = append(q.spare, c)
	}
}

// withdraw takes out every waiting submit for which drop says so; drop must not ask for anything else.
func (q *queue) withdraw(drop func(pdu []byte) bool) {
	kept := q.chunks[:0]
	for _, c := range q.chunks {
		w := 0
		for pdu := range each(c.octets) {
			if drop(pdu) {
				q.size -= len(pdu)
				continue
			}
			w += copy(c.octets[w:], pdu)
		}
		c.octets = c.octets[:w]
		if w == 0 {
			q.recycle(c)
			continue
		}
		kept = append(kept, c)
	}
	clear(q.chunks[len(kept):])
	q.chunks = kept
}

// each yields the PDUs of a run that this package built, so lengths are known to be right.
func each(run []byte) func(yield func(pdu []byte) bool) {
	return func(yield func([]byte) bool) {
		for len(run) > 0 {
			n := binary.BigEndian.Uint32(run)
			if !yield(run[:n:n]) {
				return
			}
			run = run[n:]
		}
	}
}
