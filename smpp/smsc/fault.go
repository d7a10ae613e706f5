package smsc

import (
	"fmt"
	"sync/atomic"

	"fanline/smpp"
)

// Kinds of fault.
const (
	faultDrop   = "drop"     // the connection is reset; what it was owed is sent on another bind
	faultHalf   = "half_pdu" // half of the next answer is written, then the connection is reset
	faultSilent = "silent"   // submits are accepted and never answered
	faultStatus = "status"   // submits are answered with a status
)

// fault is a Fault compiled; left counts down the connections it still happens on.
type fault struct {
	kind    string
	account string
	after   int
	submits int
	status  smpp.Status
	left    atomic.Int64
}

func compileFault(f Fault) (*fault, error) {
	c := &fault{kind: f.Kind, account: f.Account, after: f.After, submits: max(f.Submits, 1)}
	c.left.Store(int64(max(f.Times, 1)))
	switch f.Kind {
	case faultDrop, faultHalf, faultSilent:
	case faultStatus:
		status, err := parseStatus(f.Status)
		if err != nil {
			return nil, fmt.Errorf("status: %w", err)
		}
		c.status = status
	default:
		return nil, fmt.Errorf("kind: %q: want %s, %s, %s or %s", f.Kind, faultDrop, faultHalf, faultSilent, faultStatus)
	}
	if f.After < 0 || f.Submits < 0 || f.Times < 0 {
		return nil, fmt.Errorf("after_submits, submits, times: want 0 or more")
	}
	return c, nil
}

// faultsOf lists the faults that may happen on an account's connections.
func (s *server) faultsOf(account string) []*fault {
	var out []*fault
	for _, f := range s.plan().faults {
		if f.account == "" || f.account == account {
			out = append(out, f)
		}
	}
	return out
}

// fault counts a submit and lets happen what is set for this number. It returns true when the submit is not to be
// looked at any more.
func (c *conn) fault() bool {
	if c.dropped {
		return true
	}
	n := c.submits
	c.submits++
	for _, f := range c.faults {
		if f.after != n || f.left.Add(-1) < 0 {
			continue
		}
		c.s.logger.Info("fault", "kind", f.kind, "conn", c.id, "after_submits", n)
		switch f.kind {
		case faultDrop:
			c.s.stats.droppedByFaults.Add(1)
			c.dropped, c.stopRead, c.reason = true, true, "fault: dropped"
			return true
		case faultHalf:
			c.s.stats.droppedByFaults.Add(1)
			c.reason = "fault: half a PDU"
			c.cut.Store(true)
		case faultSilent:
			c.silent = f.submits
		case faultStatus:
			c.forced, c.forcedStatus = f.submits, f.status
		}
	}
	return false
}
