package smsc

import (
	"sync"

	"fanline/smpp"
)

// broadcasts are the cell broadcasts of SMPP 5.0: one fate for a whole area, drawn as for a message.
type broadcasts struct {
	mu   sync.Mutex
	byID map[uint64]*cellBroadcast
}

type cellBroadcast struct {
	account, source, service string
	areas                    []byte // the TLVs broadcast_area_identifier as they came
	change
}

// broadcastsMax bounds the broadcasts remembered; above it broadcast_sm fails.
const broadcastsMax = 1 << 16

func (t *broadcasts) get(id uint64) (cellBroadcast, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b := t.byID[id]; b != nil {
		return *b, true
	}
	return cellBroadcast{}, false
}

func (t *broadcasts) put(id uint64, b *cellBroadcast) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byID == nil {
		t.byID = map[uint64]*cellBroadcast{}
	}
	if len(t.byID) >= broadcastsMax {
		return false
	}
	t.byID[id] = b
	return true
}

// broadcast answers broadcast_sm, query_broadcast_sm and cancel_broadcast_sm (SMPP 5.0 §4.4, §4.6).
func (c *conn) broadcast(h smpp.Header, b []byte) error {
	if c.version < smpp.Version50 {
		c.unknown(h)
		return nil
	}
	switch h.ID {
	case smpp.BroadcastSMID:
		var p smpp.BroadcastSM
		if _, err := smpp.DecodeInto(b, &p); err != nil {
			return err
		}
		c.broadcastSM(h, &p)
	case smpp.QueryBroadcastSMID:
		var p smpp.QueryBroadcastSM
		if _, err := smpp.DecodeInto(b, &p); err != nil {
			return err
		}
		c.queryBroadcast(h, &p)
	default:
		var p smpp.CancelBroadcastSM
		if _, err := smpp.DecodeInto(b, &p); err != nil {
			return err
		}
		c.cancelBroadcast(h, &p)
	}
	return nil
}

func (c *conn) broadcastSM(h smpp.Header, p *smpp.BroadcastSM) {
	id, status := uint64(0), c.mayBroadcast(p)
	o := operation{source: typedAddress(packType(p.Source.TON, p.Source.NPI), p.Source.Addr), dcs: p.DataCoding, note: p.ServiceType}
	o.octets, _ = p.Options.Get(smpp.TagMessagePayload)
	resp := &smpp.BroadcastSMResp{}
	if status == smpp.StatusOK {
		base := &c.s.plan().of(c.account.config.SystemID).base
		chance := c.random()
		fate := change{base.stat(uint32(chance)), c.at.micros + int64(base.delay.draw(chance>>32))}
		id = c.takeID()
		cell := &cellBroadcast{account: c.account.config.SystemID, source: canonicalPhone(string([]byte(p.Source.Addr))), service: string([]byte(p.ServiceType)), change: fate}
		for tag, value := range p.Options.All() {
			if tag == smpp.TagBroadcastAreaIdentifier {
				cell.areas = smpp.Options(cell.areas).Append(tag, value)
			}
		}
		if !c.s.broadcasts.put(id, cell) {
			id, status = 0, smpp.StatusBcastFailed
		} else {
			o.stat, o.delayMillis = fate.stat, uint32((fate.at-c.at.micros)/1000)
			resp.MessageID = string(c.idForm.Append(nil, id))
		}
	}
	o.id = id
	c.record(h, status, o)
	resp.Options = resp.Options.Append(smpp.TagCongestionState, []byte{byte(c.congestion.Load())})
	c.reply(status, h.Sequence, resp)
}

// mayBroadcast asks for what SMPP 5.0 §4.4.1.1 makes mandatory, and for the number.
func (c *conn) mayBroadcast(p *smpp.BroadcastSM) smpp.Status {
	if c.s.number(c.account, canonicalPhone(p.Source.Addr)) == nil {
		return smpp.StatusInvSrcAddr
	}
	for _, tag := range [...]smpp.Tag{
		smpp.TagBroadcastAreaIdentifier, smpp.TagBroadcastContentType, smpp.TagBroadcastRepNum, smpp.TagBroadcastFrequencyInterval,
	} {
		if _, ok := p.Options.Get(tag); !ok {
			return smpp.StatusMissingOption
		}
	}
	return smpp.StatusOK
}

// ownBroadcast finds a broadcast of the account's.
func (c *conn) ownBroadcast(written string) (id uint64, b cellBroadcast) {
	id, ok := c.idForm.Parse(written)
	if ok {
		b, ok = c.s.broadcasts.get(id)
	}
	if !ok || b.account != c.account.config.SystemID {
		return 0, cellBroadcast{}
	}
	return id, b
}

// allReached is a broadcast_area_success of a hundred per cent.
const allReached = 100

func (c *conn) queryBroadcast(h smpp.Header, p *smpp.QueryBroadcastSM) {
	id, b := c.ownBroadcast(p.MessageID)
	status := smpp.StatusBcastQueryFailed
	resp := &smpp.QueryBroadcastSMResp{MessageID: string([]byte(p.MessageID))}
	if id != 0 {
		status = smpp.StatusOK
		state, success := smpp.StateEnroute, byte(0)
		if b.at <= c.at.micros {
			state = statTable[b.stat].state
			if b.stat == StatDelivered {
				success = allReached
			}
		}
		resp.Options = resp.Options.Append(smpp.TagMessageState, []byte{state})
		for tag, value := range smpp.Options(b.areas).All() {
			resp.Options = resp.Options.Append(tag, value).Append(smpp.TagBroadcastAreaSuccess, []byte{success})
		}
	}
	c.record(h, status, operation{id: id, note: p.MessageID})
	c.reply(status, h.Sequence, resp)
}

// cancelBroadcast ends a broadcast by its id, or all of a sender's with one service type.
func (c *conn) cancelBroadcast(h smpp.Header, p *smpp.CancelBroadcastSM) {
	status := smpp.StatusBcastCancelFailed
	one, _ := c.ownBroadcast(p.MessageID)
	c.s.broadcasts.mu.Lock()
	var ended []uint64
	for id, b := range c.s.broadcasts.byID {
		wanted := id == one
		if p.MessageID == "" {
			wanted = b.account == c.account.config.SystemID && b.source == canonicalPhone(p.Source.Addr) && b.service == p.ServiceType
		}
		if wanted && b.at > c.at.micros {
			b.change = change{StatDeleted, c.at.micros}
			ended = append(ended, id)
		}
	}
	c.s.broadcasts.mu.Unlock()
	for _, id := range ended {
		status = smpp.StatusOK
		c.record(h, status, operation{id: id, stat: StatDeleted})
	}
	if status != smpp.StatusOK {
		c.record(h, status, operation{note: p.MessageID})
	}
	c.reply(status, h.Sequence, &smpp.CancelBroadcastSMResp{})
}
