package smsc

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"fanline/smpp"
)

// outbindEvery is how often the simulator looks whether it is time to connect to a client.
const outbindEvery = 20 * time.Millisecond

// outbindWithin bounds a connection that is being made.
const outbindWithin = 5 * time.Second

// outbinds connects to clients as the scenario in force says, until ctx ends. The connections are served like those that
// came in.
func (s *server) outbinds(ctx context.Context) {
	var dialing sync.WaitGroup
	defer dialing.Wait()
	tick := time.NewTicker(outbindEvery)
	defer tick.Stop()
	var p *plan
	var done []int
	for {
		if live := s.plan(); live != p {
			p, done = live, make([]int, len(live.outbind))
		}
		now := s.now()
		for i := range p.outbind {
			o := &p.outbind[i]
			if !outbindDue(o, done[i], now.ns-p.since) {
				continue
			}
			done[i]++
			dialing.Go(func() {
				if err := s.outbind(ctx, o); err != nil {
					s.logger.Warn("outbind failed", "addr", o.Address, "error", err)
				}
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// outbindDue says whether the next outbind is due after so many, ns since the plan came into force.
func outbindDue(o *Outbind, done int, ns int64) bool {
	if o.Times > 0 && done >= o.Times || o.Every == 0 && done >= max(o.Times, 1) {
		return false
	}
	return ns >= int64(o.After)+int64(done)*int64(o.Every)
}

// outbind connects to a client, says who it is, and waits for its bind (SMPP 3.4 §2.2.1, §4.1.7).
func (s *server) outbind(ctx context.Context, o *Outbind) error {
	ctx, cancel := context.WithTimeout(ctx, outbindWithin)
	defer cancel()
	note := o.Address
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", o.Address)
	if err != nil {
		note += ": " + err.Error()
	}
	var c *conn
	if err == nil {
		c = newConn(s, nc)
	}
	var b block
	id := uint32(0)
	if c != nil {
		id = c.id
	}
	b.reset(id, "", s.now().micros)
	status := smpp.StatusOK
	if err != nil {
		status = smpp.StatusSysErr
	}
	b.operate(&operation{command: "outbind", status: status, seq: 1, note: note})
	if err := s.log.write(&b); err != nil {
		s.fail(err)
	}
	if c == nil {
		return err
	}
	pdu, err := smpp.Append(nil, smpp.StatusOK, 1, &smpp.Outbind{SystemID: o.SystemID, Password: o.Password})
	if err != nil {
		return errors.Join(err, nc.Close())
	}
	c.box.say(pdu)
	s.take(c)
	return nil
}
