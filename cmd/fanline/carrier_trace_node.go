package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"

	"fanline/api"
	"fanline/engine/carrier"
	"fanline/engine/message"
	"fanline/smpp/tap"
)

// traceBuffer is how many PDUs a trace holds for a client that reads slowly.
// What comes beyond it is left out and counted: a trace never holds up a bind.
const traceBuffer = 1 << 15

// traceLink tells sessions apart: each has sequence numbers of its own.
type traceLink struct {
	carrier string
	bind    uint32
	local   netip.AddrPort
}

// Trace is part of api.CarrierControl.
func (c *carrierNode) Trace(ctx context.Context, q api.TraceRequest, some func([]api.TraceFrame) error) error {
	if q.Carrier != "" {
		if _, there := c.state(q.Carrier); !there {
			return &api.Error{Status: http.StatusNotFound, Problem: fmt.Sprintf("no carrier %q; there is %s", q.Carrier, strings.Join(c.names(), ", "))}
		}
	}
	number := q.Number
	if phone, err := message.ParseSender(number); err == nil {
		number = phone.String() // However it was written.
	}
	frames := make(chan api.TraceFrame, traceBuffer)
	var dropped atomic.Int64
	follower := tap.NewFollower[traceLink](number, q.Links)
	stop := c.pool.Tap(func(f carrier.Frame) {
		if q.Carrier != "" && f.Carrier != q.Carrier {
			return
		}
		if !follower.Concerns(traceLink{f.Carrier, f.Bind, f.Local}, f.Out, f.PDU) {
			return
		}
		frame := api.TraceFrame{
			At: f.At, Carrier: f.Carrier, Bind: f.Bind, Out: f.Out, Local: f.Local, Remote: f.Remote, PDU: bytes.Clone(tap.WithoutPassword(f.PDU)),
		}
		select {
		case frames <- frame:
		default:
			dropped.Add(1)
		}
	})
	defer stop()
	if err := some([]api.TraceFrame{{Began: true}}); err != nil {
		return err
	}
	told := int64(0)
	batch := make([]api.TraceFrame, 0, traceBatch)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case frame := <-frames:
			batch = append(batch[:0], frame)
		}
		for len(batch) < traceBatch && len(frames) > 0 {
			batch = append(batch, <-frames) // Nobody else takes any.
		}
		if n := dropped.Load(); n > told {
			told = n
			batch[0].Dropped = n
		}
		if err := some(batch); err != nil {
			return err
		}
	}
}

// traceBatch is how many PDUs go to the client at a time, when so many are there.
const traceBatch = 512
