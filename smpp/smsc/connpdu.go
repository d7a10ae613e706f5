package smsc

import (
	"errors"
	"time"

	"fanline/smpp"
)

// pdu works on one PDU; b is all of it.
func (c *conn) pdu(h smpp.Header, b []byte) {
	switch h.ID {
	case smpp.SubmitSMID:
		c.takeSubmit(h, b)
	case smpp.SubmitMultiID:
		c.takeMulti(h, b)
	case smpp.DeliverSMRespID, smpp.DataSMRespID:
		c.acked(h)
	case smpp.DataSMID:
		c.takeData(h, b)
	case smpp.BindReceiverID, smpp.BindTransmitterID, smpp.BindTransceiverID:
		c.bind(h, b)
	case smpp.EnquireLinkID:
		c.reply(smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{})
	case smpp.EnquireLinkRespID:
	case smpp.UnbindID:
		c.unbind(h)
	case smpp.UnbindRespID:
		c.block.event("unbind_resp", true, h.Status, h.Sequence, "", "")
		c.stopRead, c.orderly, c.reason = true, true, "unbound by the simulator"
	case smpp.QuerySMID, smpp.CancelSMID, smpp.ReplaceSMID, smpp.BroadcastSMID, smpp.QueryBroadcastSMID, smpp.CancelBroadcastSMID:
		c.operate(h, b)
	case smpp.GenericNackID:
		c.block.event("generic_nack", true, h.Status, h.Sequence, "", "")
		c.acked(h)
	default:
		c.unknown(h)
	}
}

// acked records an answer to a deliver_sm in its place among the submits: audit asks what came after it.
func (c *conn) acked(h smpp.Header) {
	c.acks = append(c.acks, ackRecord{h.Sequence, h.Status})
	c.block.ack(h.Sequence, h.Status)
}

// rubbish answers what is no SMPP and ends this connection; the stream is out of step.
func (c *conn) rubbish(h smpp.Header, err error) {
	c.farewell = c.encode(c.protocolError(h, err), h.Sequence, &smpp.GenericNack{})
	c.stopRead, c.lingers, c.reason = true, true, "protocol error"
}

// unreadable answers a PDU that is whole but not what it says it is: by its response, and the stream goes on.
func (c *conn) unreadable(h smpp.Header, err error) { c.refuse(h, c.protocolError(h, err)) }

// protocolError notes what is wrong with a PDU and returns the status to answer it with.
func (c *conn) protocolError(h smpp.Header, err error) smpp.Status {
	status := smpp.StatusInvCmdLen
	var protocol *smpp.ProtocolError
	if errors.As(err, &protocol) {
		status = protocol.Status
	}
	c.s.stats.protocolErrors.Add(1)
	c.block.event(CommandProtocolError, true, status, h.Sequence, "", err.Error())
	return status
}

// endured waits where a fault has the simulator stop reading, and says whether what was read is thrown away because the
// connection is half open.
func (c *conn) endured() bool {
	for {
		until := c.stall.Load()
		wait := time.Duration(until - c.s.now().ns)
		if until == 0 || wait <= 0 {
			break
		}
		if !c.s.sleep(wait, c.written) {
			break
		}
		c.stall.CompareAndSwap(until, 0)
	}
	return c.isDeaf()
}

// end closes a connection that a fault drops.
func (c *conn) end() {
	if c.hangUp {
		_ = c.nc.Close()
		return
	}
	reset(c.nc)
}

// linger gives the farewell time to arrive: a connection closed with octets unread would be reset under it.
func (c *conn) linger(buf []byte) {
	if !c.lingers {
		return
	}
	select {
	case <-c.box.said:
	case <-time.After(unbindWithin):
	}
	_ = c.nc.SetReadDeadline(time.Now().Add(unbindWithin / 4))
	for range lingerReads {
		if _, err := c.nc.Read(buf); err != nil {
			return
		}
	}
}

const lingerReads = 16

// reply queues an answer that needs no time of its own.
func (c *conn) reply(status smpp.Status, seq uint32, p smpp.PDU) {
	c.replies = append(c.replies, c.encode(status, seq, p)...)
}

func (c *conn) encode(status smpp.Status, seq uint32, p smpp.PDU) []byte {
	pdu, err := smpp.Encoding{Version: c.version, Loose: true}.Append(nil, status, seq, p)
	if err != nil { // A field came in longer than it may go out, such as a message_id of query_sm.
		c.s.logger.Warn("simulator can't encode an answer", "conn", c.id, "error", err)
		return appendHeader(nil, smpp.HeaderLen, smpp.GenericNackID, smpp.StatusSysErr, seq)
	}
	return pdu
}
