package smsc

import "math/bits"

// chunkLen entries share one allocation, so that walking a slot is walking along memory. A chunk must not be a power of
// two long: the heads of all open chunks would then fall into the same few lines of the processor's cache.
const chunkLen = 101

type chunk[T any] struct {
	next *chunk[T] // first, so that the collector looks at one word of the chunk
	n    int
	e    [chunkLen]T
}

// chunks hands out chunks and takes them back, so that a wheel that goes round doesn't allocate.
type chunks[T any] struct {
	free  *chunk[T]
	count int
}

// freeMax bounds how many unused chunks are kept; more go to the collector.
const freeMax = 1 << 12

func (c *chunks[T]) get() *chunk[T] {
	k := c.free
	if k == nil {
		return new(chunk[T])
	}
	c.free, k.next = k.next, nil
	c.count--
	return k
}

func (c *chunks[T]) put(k *chunk[T]) {
	if c.count >= freeMax {
		return
	}
	k.n = 0
	k.next, c.free = c.free, k
	c.count++
}

// queue is first in, first out, in chunks.
type queue[T any] struct {
	head, tail *chunk[T]
	at         int // next to leave in head
	n          int
}

func (q *queue[T]) push(c *chunks[T], v T) {
	if q.tail == nil || q.tail.n == chunkLen {
		k := c.get()
		if q.tail == nil {
			q.head = k
		} else {
			q.tail.next = k
		}
		q.tail = k
	}
	q.tail.e[q.tail.n] = v
	q.tail.n++
	q.n++
}

func (q *queue[T]) pop(c *chunks[T]) (v T, ok bool) {
	if q.n == 0 {
		return v, false
	}
	v = q.head.e[q.at]
	q.at++
	q.n--
	if q.at == q.head.n {
		k := q.head
		q.head, q.at = k.next, 0
		if q.head == nil {
			q.tail = nil
		}
		c.put(k)
	}
	return v, true
}

// each visits everything in line until it returns false.
func (q *queue[T]) each(visit func(*T) bool) {
	from := q.at
	for k := q.head; k != nil; k, from = k.next, 0 {
		for i := from; i < k.n; i++ {
			if !visit(&k.e[i]) {
				return
			}
		}
	}
}

// wheel is a timing wheel: slots of a power of two of milliseconds, entries further ahead than a turn wait for theirs.
// A turn divides the range of the clock, so that slots stay in step when it wraps: times are milliseconds since the
// simulator started, wrap after 49 days, and are never compared further apart than half of that.
type wheel[T any] struct {
	slots []*chunk[T] // newest chunk of each slot first; their number is a power of two
	shift uint8       // a slot is 1<<shift ms wide
	pos   uint32      // ms: end of the slot turned to last
	n     int
	far   int // entries that were further ahead than a turn when they came
	due   func(*T) uint32
	spare *chunks[T]
}

// newWheel makes a wheel whose entries say when they are due; spare may be shared with others under the same lock.
func newWheel[T any](slots int, slotMs, nowMs uint32, due func(*T) uint32, spare *chunks[T]) *wheel[T] {
	w := &wheel[T]{slots: make([]*chunk[T], slots), shift: uint8(bits.TrailingZeros32(slotMs)), due: due, spare: spare}
	w.pos = nowMs &^ (w.width() - 1)
	return w
}

func (w *wheel[T]) width() uint32 { return 1 << w.shift }

// index is the place of the slot that ends at ms.
func (w *wheel[T]) index(ms uint32) uint32 { return ms >> w.shift & uint32(len(w.slots)-1) }

// add puts v into the slot that ends at or after the time it is due, the next one when that is past.
func (w *wheel[T]) add(v *T, due uint32) {
	width := w.width()
	at := (due + width - 1) &^ (width - 1)
	if int32(at-w.pos) <= 0 {
		at = w.pos + width
	}
	if turn := uint32(len(w.slots)) << w.shift; at-w.pos > turn {
		at = w.pos + turn // comes by once a turn until it is due
		w.far++
	}
	i := w.index(at)
	k := w.slots[i]
	if k == nil || k.n == chunkLen {
		fresh := w.spare.get()
		fresh.next = k
		w.slots[i], k = fresh, fresh
	}
	k.e[k.n] = *v
	k.n++
	w.n++
}

// turn hands what is due by nowMs to emit, some at a time; emit must not keep what it is handed.
func (w *wheel[T]) turn(nowMs uint32, emit func([]T)) {
	target := nowMs &^ (w.width() - 1)
	for w.n > 0 && int32(target-w.pos) > 0 {
		w.pos += w.width()
		i := w.index(w.pos)
		k := w.slots[i]
		w.slots[i] = nil
		for k != nil {
			w.n -= k.n
			if w.far == 0 {
				emit(k.e[:k.n])
			} else {
				w.sift(k, nowMs, emit)
			}
			next := k.next
			w.spare.put(k)
			k = next
		}
	}
	if int32(target-w.pos) > 0 {
		w.pos = target
	}
}

// sift hands out what is due of a chunk and sends the rest round again.
func (w *wheel[T]) sift(k *chunk[T], nowMs uint32, emit func([]T)) {
	for j := range k.n {
		v := &k.e[j]
		if due := w.due(v); int32(due-nowMs) > 0 {
			w.far--
			w.add(v, due)
		} else {
			emit(k.e[j : j+1])
		}
	}
}

// ahead is how many slots from now the next entry lies, looking aheadMax slots far.
func (w *wheel[T]) ahead() int {
	for i := 1; i < aheadMax; i++ {
		if w.slots[w.index(w.pos+uint32(i)<<w.shift)] != nil {
			return i
		}
	}
	return aheadMax
}

const aheadMax = 64

// drain empties the wheel into emit, whatever its time.
func (w *wheel[T]) drain(emit func([]T)) {
	for i, k := range w.slots {
		for ; k != nil; k = k.next {
			emit(k.e[:k.n])
		}
		w.slots[i] = nil
	}
	w.n, w.far = 0, 0
}

// response is an answer to a submit that waits for its time.
type response struct {
	id     uint64
	due    uint32
	seq    uint32
	status uint32
	kind   byte // of the request
	shape  byte // what is odd about it
	tlvs   byte // which of the plan's sets of TLVs it has, counted from 1
}

// Kinds of request that a response answers.
const (
	kindSubmit   byte = iota
	kindData          // data_sm
	kindMulti         // submit_multi: prepared
	kindPrepared      // id names an answer that the outbox keeps
)

func responseDue(r *response) uint32 { return r.due }

// delivery is a receipt, or a part of a text from a phone, on its way to the client.
type delivery struct {
	id        uint64 // of the message; of the text
	from      phone
	due       uint32
	submitted uint32 // Unix seconds
	number    uint16 // place in the simulator's list of numbers; of a text: its part
	fromType  byte
	toType    byte
	stat      Stat
	flags     byte
	form      byte // place of its form in the server's table, with form33
}

// Flags of a delivery.
const (
	deliverAgain = 1 << 0
	deliverText  = 1 << 1 // a text from a phone, not a receipt
	deliverEarly = 1 << 2 // a receipt that must leave before the answer to its submit

	deliverBefore = 1 << 3 // an intermediate receipt
	deliverAlert  = 1 << 4 // an alert_notification, which nobody answers
	deliverDead   = 1 << 5 // withdrawn: not to be sent
)

func deliveryDue(d *delivery) uint32 { return d.due }
