package engine

import (
	"time"

	"fanline/engine/message"
	"fanline/engine/route"
	"fanline/pipeline/record"
)

// retry is what a message needs that may go once more over another carrier when
// it was not delivered, by the policy of its broadcast. It lives in memory from
// the first attempt to the end of the last: after a crash there is no further
// attempt, and the message stays what its receipt said.
type retry struct {
	routes uint8 // further carriers that may be tried
	on     record.RetryOn
	tried  laneSet
	// Of the attempt before: what it came to, why, and the receipts that said so,
	// which snapshots keep.
	state message.State
	err   string
	said  []parked
}

// again starts a further attempt for a message whose receipts came to state;
// false when its policy, consent, time or ways don't allow one. The message
// stays submitted meanwhile.
func (e *Engine) again(p *partition, h handleOf, state message.State, err string) bool {
	o := p.retries[h]
	if o == nil {
		return false
	}
	l := e.mayRetry(o, state)
	if l == nil {
		return false
	}
	o.retry.state, o.retry.err, o.retry.said = state, err, p.heard[h]
	since := p.table.At(h).Offset // A new owner must find the attempt before.
	p.free(h)
	p.inMemory = true
	o.from, o.waits, o.unknown = message.Submitted, false, false
	e.another(o, l)
	o.since = since
	if p.again == nil {
		p.again = map[*outgoing]struct{}{}
	}
	p.again[o] = struct{}{}
	if o.flying == 0 { // Else when the outcome of the attempt before is durable.
		e.requeue(o, e.now)
		e.in.post(event{})
	}
	return true
}

// begins tells whether a further attempt waits for the outcomes of the one
// before to be durable.
func (o *outgoing) begins() bool {
	return o.from == message.Submitted && o.carrier == nil && o.todo != 0 && !o.queued
}

// mayRetry returns the lane of a further attempt after one that came to state,
// nil where there is to be none.
func (e *Engine) mayRetry(o *outgoing, state message.State) *lane {
	if o.retry.routes == 0 || !o.retry.on.Covers(state) || e.stopping || e.now.UnixMilli() > o.deadline || !o.n.mayReach(o) {
		return nil
	}
	if bc := o.bc; bc != nil && (bc.settled || bc.paused) {
		return nil
	}
	return firstUsable(e.lanesOf(o.n, o.p, o.msg.Phone, o.hint), o.retry.tried.with(o.lane))
}

// another readies a message for an attempt in another lane.
func (e *Engine) another(o *outgoing, l *lane) {
	o.retry.routes--
	o.retry.tried = o.retry.tried.with(o.lane)
	o.lane, o.carrier, o.queued = l, nil, false
	o.given = given{}
	o.todo, o.left, o.out, o.put, o.notUntil, o.since, o.written = 1, 0, 0, 0, 0, 0, 0
	e.stats.Retried++
}

// retryRejected has a message of one part that the carrier refused go another
// way; false when it may not.
func (e *Engine) retryRejected(o *outgoing) bool {
	if o.msg.Parts != 1 || o.from == message.Uncertain || o.resent {
		return false
	}
	l := e.mayRetry(o, message.Rejected)
	if l == nil {
		return false
	}
	e.another(o, l) // It returns to its lane when the outcome is durable.
	return true
}

// remember keeps a message that may have a further attempt until its receipts
// say whether it needs one.
func (e *Engine) remember(o *outgoing) {
	if o.retry.routes == 0 && o.from != message.Submitted {
		return
	}
	if o.p.retries == nil {
		o.p.retries = map[handleOf]*outgoing{}
	}
	o.p.retries[o.handle] = o
}

// failedAgain settles a message whose further attempt led nowhere: it is what
// the attempt before came to.
func (e *Engine) failedAgain(o *outgoing, ms int64) {
	delete(o.p.again, o)
	o.dropped, o.queued = o.retry.state, false
	g := e.gather.At(o.p.id)
	g.Record.Finals = append(g.Record.Finals, record.Final{
		Message: o.msg, From: message.Submitted, State: o.retry.state, Err: o.retry.err, Written: o.written, At: ms,
	})
	g.Finals = append(g.Finals, settled{bc: o.bc})
}

// learn remembers the way on which a further attempt arrived.
func (e *Engine) learn(p *partition, h handleOf, state message.State, at int64) {
	o := p.retries[h]
	if o == nil || o.from != message.Submitted || state != message.Delivered {
		return
	}
	for i, to := range e.routes.to {
		if to == int(o.lane.c.index) {
			if p.learned == nil {
				p.learned = route.NewLearned(learnedMost)
			}
			p.learned.Learn(o.msg.Phone, uint16(i), uint32(time.UnixMilli(at).Unix()))
		}
	}
}
