package engine

import (
	"testing"
	"time"

	"fanline/engine/message"
)

func TestAReceiptOfAnUncertainMessageShowsThatItArrived(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 1)
	p.lose("plain", ann, 1)
	p.want(id, message.Uncertain)
	p.delivered("plain", "m1", ann)
	p.want(id, message.Delivered)
	p.delivered("plain", "m1", ann)
	p.counted("plain", CarrierReceipts{Settled: 1, Repeated: 1})
}

func TestAnUncertainMessageOfSeveralPartsIsSettledByTheReceiptsOfThoseItLacks(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 3)
	p.accept("plain", ann, 1, "a")
	p.lose("plain", ann, 2)
	p.lose("plain", ann, 3)
	p.want(id, message.Uncertain)
	p.delivered("plain", "a", ann)
	p.delivered("plain", "a", ann) // Again: it shows nothing of the others.
	p.want(id, message.Uncertain)
	p.receipt("plain", "b", ann, 0, message.Failed, "3")
	p.want(id, message.Uncertain)
	p.receipt("plain", "b", ann, 0, message.Failed, "3")
	p.want(id, message.Uncertain)
	p.delivered("plain", "c", ann)
	s := p.want(id, message.Failed)
	if len(s.parts) != 3 || s.parts[0].State != message.Delivered || s.err != "3" {
		t.Errorf("err %q, parts %v", s.err, s.parts)
	}
	p.counted("plain", CarrierReceipts{Matched: 1, Settled: 2, Repeated: 2})
}

func TestAMessageOfWhichAPartNeverLeftIsNotSettledByReceipts(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 2)
	p.lose("plain", ann, 1)
	p.answer("plain", ann, 2, Answer{Code: message.Refused, Status: 0x0B})
	p.want(id, message.Rejected)
	p.delivered("plain", "a", ann)
	p.delivered("plain", "b", ann)
	p.want(id, message.Rejected)
}

func TestALateAnswerBringsItsIDAndItIsKnownAfterARestart(t *testing.T) {
	for name, restart := range map[string]bool{"": false, "restart": true} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, nil)
			one, two := p.send(postNumber, ann, 1), p.send(postNumber, ben, 2)
			p.lose("plain", ann, 1)
			p.lose("plain", ben, 1)
			p.accept("plain", ben, 2, "c")
			p.want(one, message.Uncertain)
			p.want(two, message.Uncertain)
			p.accept("plain", ann, 1, "a")
			p.accept("plain", ben, 1, "b")
			p.want(one, message.Submitted)
			p.want(two, message.Submitted)
			if restart {
				p.pass(time.Second)
				p.boot()
			}
			p.delivered("plain", "a", ann)
			p.receipt("plain", "b", ben, 0, message.Failed, "7")
			p.delivered("plain", "c", ben)
			p.want(one, message.Delivered)
			if s := p.want(two, message.Failed); len(s.parts) != 2 || s.parts[0].State != message.Failed || s.parts[1].State != message.Delivered {
				t.Errorf("parts %v", s.parts)
			}
			p.counted("plain", CarrierReceipts{Matched: 3})
		})
	}
}

func TestALateAnswerOfOnePartLeavesTheOthersInDoubtOverARestart(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 3)
	p.lose("plain", ann, 1)
	p.lose("plain", ann, 2)
	p.accept("plain", ann, 1, "a") // Before the last one is decided.
	p.lose("plain", ann, 3)
	p.want(id, message.Uncertain)
	p.accept("plain", ann, 3, "c") // After.
	p.want(id, message.Uncertain)
	p.boot()
	p.delivered("plain", "a", ann)
	p.delivered("plain", "c", ann)
	p.want(id, message.Uncertain)
	p.delivered("plain", "b", ann)
	p.want(id, message.Delivered)
	p.counted("plain", CarrierReceipts{Matched: 2, Settled: 1})
}

func TestUncertainPartsAreSettledAfterARestart(t *testing.T) {
	p := newPost(t, nil)
	id := p.send(postNumber, ann, 2)
	p.accept("plain", ann, 2, "b")
	p.pass(time.Second)
	p.boot() // The other part was written, and nobody knows what became of it.
	p.want(id, message.Uncertain)
	p.receipt("plain", "x", ann, 0, message.Expired, "")
	p.want(id, message.Uncertain+1) // Submitted: the carrier has both.
	p.delivered("plain", "b", ann)
	if s := p.want(id, message.Expired); len(s.parts) != 2 || s.parts[0].State != message.Expired || s.parts[1].State != message.Delivered {
		t.Errorf("parts %v", s.parts)
	}
}

// What receipts have said of a message that is not final yet survives, in
// whatever way it was found.
func TestWhatWasHeardOfAMessageSurvivesARestart(t *testing.T) {
	for name, hear := range map[string]func(p *post){
		"by id": func(p *post) { p.accept("plain", ann, 1, "1"); p.receipt("plain", "1", ann, 0, message.Failed, "9") },
		"early": func(p *post) {
			p.receipt("plain", "1", ann, 0, message.Failed, "9")
			p.pass(time.Second)
			p.accept("plain", ann, 1, "1")
		},
		"by phone": func(p *post) { p.accept("plain", ann, 1, "1"); p.receipt("plain", "", ann, 0, message.Failed, "9") },
		"astray":   func(p *post) { p.accept("plain", ann, 1, "1"); p.receipt("plain", "1", 0, 0, message.Failed, "9") },
		"far astray": func(p *post) {
			p.accept("plain", ann, 1, "1111")
			p.receipt("plain", "1111", 0, 0, message.Failed, "9")
		},
		"far, astray": func(p *post) { p.accept("plain", ann, 1, "111"); p.receipt("plain", "111", 0, 0, message.Failed, "9") },
		"out of doubt": func(p *post) {
			p.lose("plain", ann, 1)
			p.receipt("plain", "1", ann, 0, message.Failed, "9")
		},
		"out of doubt, adopted": func(p *post) {
			p.lose("plain", ann, 1)
			p.accept("plain", ann, 2, "z")
			p.receipt("plain", "1", ann, 0, message.Failed, "9")
		},
	} {
		for _, pause := range []time.Duration{0, time.Millisecond, time.Second} {
			t.Run(name+" "+pause.String(), func(t *testing.T) {
				p := newPost(t, nil)
				id := p.send(postNumber, ann, 2)
				hear(p)
				if p.binds["plain"].out["12025550101/2"] != 0 {
					p.accept("plain", ann, 2, "z")
				}
				for range 3 {
					if pause > 0 {
						p.pass(pause)
					}
					p.boot()
				}
				p.pass(3 * time.Second)
				p.delivered("plain", "z", ann)
				s := p.want(id, message.Failed)
				if len(s.parts) != 2 || s.parts[0].State != message.Failed || s.parts[0].Err != "9" || s.parts[1].State != message.Delivered {
					t.Errorf("parts %v", s.parts)
				}
			})
		}
	}
}

// The log gives receipts again that were read before a crash; they count once.
func TestReceiptsReadAgainAfterARestartChangeNothing(t *testing.T) {
	p := newPost(t, nil)
	a, b := p.send(postNumber, ann, 1), p.send(postNumber, ben, 1)
	p.accept("plain", ann, 1, "a")
	p.accept("plain", ben, 1, "b")
	p.receipt("plain", "a", ann, 0, message.Failed, "")
	for i := range p.receipts { // From the start, as though nothing had been committed.
		for off, v := range p.receipts[i] {
			part := p.e.parts[i]
			part.receiptsNext = int64(off)
			p.feed("receipts", int32(i), int64(off), v)
		}
	}
	p.steps()
	p.delivered("plain", "b", ben)
	p.want(a, message.Failed)
	p.want(b, message.Delivered)
	p.counted("plain", CarrierReceipts{Matched: 2, Repeated: 1})
}

func TestAParkedReceiptSurvivesARestartAndJoins(t *testing.T) {
	p := newPost(t, nil)
	p.delivered("plain", "m1", ann) // Nobody's, so far.
	p.pass(15 * time.Minute)        // Longer than what snapshots used to tell of.
	p.boot()
	p.counted("plain", CarrierReceipts{Parked: 1})
	p.boot()
	p.counted("plain", CarrierReceipts{Parked: 1})
	id := p.send(postNumber, ann, 1)
	p.accept("plain", ann, 1, "m1")
	p.want(id, message.Delivered)
	p.counted("plain", CarrierReceipts{Joined: 1})
}
