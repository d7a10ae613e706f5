package smsc

import (
	"fmt"
)

// floodPhones is the first of the phones that a flood comes from.
const floodPhones = 19990000000

// flood lets many phones text a number at once. They stand in the log before the first goes out, as every text does.
func (s *server) flood(a *account, f *fault) {
	n := s.floodNumber(a, f.number)
	if n == nil {
		s.logger.Warn("flood: the account has no such number", "account", a.config.SystemID)
		return
	}
	at := s.now()
	var b block
	texts := make([]*inbound, 0, f.count)
	for i := range f.count {
		x := &inbound{
			id: s.nextID.Add(1), account: a, number: n, phone: fmt.Sprint(floodPhones + i), done: make(chan struct{}),
			parts: []inboundPart{{octets: fmt.Appendf(nil, "flood %d", i)}}, left: 1,
		}
		texts = append(texts, x)
	}
	s.texts.mu.Lock()
	full := len(s.texts.byID)+len(texts) > textsMax
	s.texts.mu.Unlock()
	if full {
		s.logger.Warn("flood: too many texts are owed already")
		return
	}
	var batch []delivery
	for i, x := range texts {
		if i%floodBlock == 0 {
			b.reset(0, a.config.SystemID, at.micros)
		}
		b.text(recQueued, x.record(0, 0, false))
		if i%floodBlock == floodBlock-1 || i == len(texts)-1 {
			if err := s.log.write(&b); err != nil {
				s.fail(err)
				return
			}
		}
		batch = append(batch, delivery{id: x.id, due: at.ms, flags: deliverText})
	}
	if err := s.log.flush(); err != nil {
		s.fail(err)
		return
	}
	for _, x := range texts {
		s.texts.put(x)
	}
	s.stats.texts.Add(int64(len(texts)))
	s.pending.Add(int64(len(batch)))
	a.deliver(batch, at.ms)
}

// floodBlock is how many texts share a block of the log.
const floodBlock = 1000

func (s *server) floodNumber(a *account, addr string) *number {
	if addr != "" {
		return s.number(a, canonicalPhone(addr))
	}
	for _, n := range a.config.Numbers {
		if n.Number != anyNumber {
			return s.number(a, canonicalPhone(n.Number))
		}
	}
	return nil
}
