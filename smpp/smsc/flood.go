package smsc

import (
	"fmt"
	"slices"
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
	texts := make([]*inbound, 0, f.count)
	for i := range f.count {
		x := &inbound{
			id: s.nextID.Add(1), account: a, number: n, phone: fmt.Sprint(floodPhones + i), kind: typeE164,
			parts: []inboundPart{{octets: fmt.Appendf(nil, "flood %d", i)}}, left: 1,
		}
		texts = append(texts, x)
	}
	if s.texts.owed()+len(texts) > textsMax {
		s.logger.Warn("flood: too many texts are owed already")
		return
	}
	for batch := range slices.Chunk(texts, floodBlock) {
		if s.takeIn(batch, nil) != nil {
			return // It ended the simulator.
		}
	}
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
