package engine

import (
	"sync"
	"time"
)

// maxRecords is how many log records may wait for the event loop; whoever
// brings more waits, which holds back the consumer and with it the log.
const maxRecords = 4096

// Record is a record of the log for a partition that this engine owns. Value
// must stay as it is.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Value     []byte
}

type event struct {
	call    func(now time.Time)
	records []Record
	answers []Answer
	port    *Port
}

// answer is an Answer with the bind that it came on.
type answer struct {
	Answer
	port *Port
}

// events are what came in since the loop last looked.
type events struct {
	calls   []func(time.Time)
	records []Record
	answers []answer
	ids     []byte // holds the answers' ids
}

// inbox hands events to the loop in two buffers that take turns.
type inbox struct {
	mu     sync.Mutex
	room   sync.Cond
	wake   chan struct{}
	now    events
	spare  events
	closed bool
}

func (in *inbox) init() {
	in.wake = make(chan struct{}, 1)
	in.room.L = &in.mu
}

// post adds an event. Records wait while too many are there already; calls and
// answers never wait, being bounded by the windows.
func (in *inbox) post(ev event) bool {
	in.mu.Lock()
	for len(ev.records) > 0 && len(in.now.records) >= maxRecords && !in.closed {
		in.room.Wait()
	}
	if in.closed {
		in.mu.Unlock()
		return false
	}
	if ev.call != nil {
		in.now.calls = append(in.now.calls, ev.call)
	}
	in.now.records = append(in.now.records, ev.records...)
	for _, a := range ev.answers {
		from := len(in.now.ids)
		in.now.ids = append(in.now.ids, a.ID...)
		a.ID = in.now.ids[from:len(in.now.ids):len(in.now.ids)]
		in.now.answers = append(in.now.answers, answer{a, ev.port})
	}
	in.mu.Unlock()
	select {
	case in.wake <- struct{}{}:
	default: // The loop is awake or about to be.
	}
	return true
}

// take empties the inbox; records stay, and hold back those who bring more,
// unless they are asked for.
func (in *inbox) take(records bool) events {
	in.mu.Lock()
	defer in.mu.Unlock()
	ev := in.now
	in.now, in.spare = in.spare, events{}
	if records {
		in.room.Broadcast()
	} else {
		in.now.records, ev.records = ev.records, in.now.records
	}
	return ev
}

// recycle gives a buffer back. The ids stay with those who hold them: journal
// entries alias them until they are durable.
func (in *inbox) recycle(ev events) {
	clear(ev.calls)
	clear(ev.records)
	clear(ev.answers)
	in.mu.Lock()
	in.spare = events{calls: ev.calls[:0], records: ev.records[:0], answers: ev.answers[:0]}
	in.mu.Unlock()
}

func (in *inbox) close() {
	in.mu.Lock()
	in.closed = true
	in.room.Broadcast()
	in.mu.Unlock()
}
