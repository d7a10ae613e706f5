package smsc

import (
	"bytes"

	"fanline/smpp"
)

// multiMax is the most destinations of a submit_multi (SMPP 3.4 §5.2.24; 5.0 allows 255), lists resolved.
const multiMax = 255

// takeMulti decides a submit_multi: every destination for itself, all under one id. The answer names those that failed
// (SMPP 3.4 §4.5.2).
func (c *conn) takeMulti(h smpp.Header, b []byte) {
	if !c.maySubmit() {
		c.refuseState(h.Sequence, kindMulti)
		return
	}
	var p smpp.SubmitMulti
	if _, err := smpp.DecodeInto(bytes.Clone(b), &p); err != nil {
		c.unreadable(h, err)
		return
	}
	if c.fault() {
		return
	}
	to, unsuccess := c.resolve(p.Destinations)
	if n := len(to) + len(unsuccess); n == 0 || n > multiMax {
		c.block.event(CommandProtocolError, true, smpp.StatusInvNumDests, h.Sequence, "", "submit_multi")
		c.refuse(h, smpp.StatusInvNumDests)
		return
	}
	resp := &smpp.SubmitMultiResp{Unsuccess: unsuccess}
	var due uint32
	var id uint64
	silent := c.silent > 0
	for _, destination := range to {
		c.sm = smpp.SubmitSM{
			ServiceType: p.ServiceType, Source: p.Source, Destination: destination, ESMClass: p.ESMClass, ProtocolID: p.ProtocolID,
			PriorityFlag: p.PriorityFlag, ScheduleDeliveryTime: p.ScheduleDeliveryTime, ValidityPeriod: p.ValidityPeriod,
			RegisteredDelivery: p.RegisteredDelivery, ReplaceIfPresent: p.ReplaceIfPresent, DataCoding: p.DataCoding,
			SMDefaultMsgID: p.SMDefaultMsgID, ShortMessage: p.ShortMessage, Options: p.Options,
		}
		at, status := c.takeOne(h.Sequence, &id)
		due = later(due, at)
		if status != smpp.StatusOK {
			resp.Unsuccess = append(resp.Unsuccess, smpp.Unsuccess{Address: destination, Status: status})
		}
	}
	c.answerMulti(h, resp, id, due, silent)
}

// takeOne decides one destination. The first accepted gives all their id.
func (c *conn) takeOne(seq uint32, id *uint64) (due uint32, status smpp.Status) {
	from, to, b := c.judge(seq, kindMulti)
	r := &c.submit
	r.multi = true
	due, chance := c.due(b)
	c.multiID = *id
	due = c.accept(b, from, to, due, chance)
	c.multiID = 0
	if r.status == smpp.StatusOK && *id == 0 {
		*id = r.id
	}
	c.counts.count(r.status)
	c.block.submit(r)
	return due, r.status
}

// answerMulti queues the answer: a status when all destinations failed for one reason, else the list.
func (c *conn) answerMulti(h smpp.Header, resp *smpp.SubmitMultiResp, id uint64, due uint32, silent bool) {
	status := smpp.StatusOK
	if id == 0 {
		status = resp.Unsuccess[0].Status
	} else {
		resp.MessageID = string(c.idForm.Append(nil, id))
	}
	if c.submit.unanswered || silent {
		return
	}
	if c.tellsCongestion() {
		resp.Options = resp.Options.Append(smpp.TagCongestionState, []byte{byte(c.congestion.Load())})
	}
	key := c.box.prepare(c.encode(status, h.Sequence, resp))
	c.outstanding++
	c.answers = append(c.answers, response{id: key, due: due, seq: h.Sequence, kind: kindMulti})
}

// resolve puts the members of distribution lists in their places; a list that isn't one fails as a destination.
func (c *conn) resolve(list []smpp.Destination) (to []smpp.Address, unsuccess []smpp.Unsuccess) {
	for _, d := range list {
		if d.List == "" {
			to = append(to, d.Address)
			continue
		}
		phones, ok := c.account.config.Lists[d.List]
		if !ok {
			unsuccess = append(unsuccess, smpp.Unsuccess{Address: smpp.Address{Addr: d.List}, Status: smpp.StatusInvDLName})
		}
		for _, phone := range phones {
			to = append(to, smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: canonicalPhone(phone)})
		}
	}
	return to, unsuccess
}

func later(a, b uint32) uint32 {
	if int32(b-a) > 0 || a == 0 {
		return b
	}
	return a
}
