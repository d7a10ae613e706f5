package smsc

import (
	"slices"
	"sync"
	"sync/atomic"
)

// presence finds messages that have not come to their end by sender, phone and service type, for cancel_sm without an id
// and for replace_if_present_flag. Most clients use neither, so it begins with the first that does: what the log has then
// is read once, and from there on every accepted submit is noted.
type presence struct {
	active atomic.Bool // somebody has asked

	mu     sync.Mutex
	n      int
	byLine map[presentKey][]changed
}

// presentKey is what such messages have in common.
type presentKey struct {
	account, number, service string
	to                       phone
}

// presentMax bounds the messages noted; above it all are forgotten, and the next request reads the log anew.
const presentMax = 1 << 20

// note keeps an accepted submit, once somebody has asked.
func (p *presence) note(k presentKey, m changed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.active.Load() {
		return
	}
	if p.n >= presentMax {
		p.n, p.byLine = 0, nil
		p.active.Store(false)
		return
	}
	k.service = string([]byte(k.service)) // it may point into a read buffer
	if !slices.Contains(p.byLine[k], m) {
		p.byLine[k] = append(p.byLine[k], m)
		p.n++
	}
}

// start begins to note; it says whether the log must be read.
func (p *presence) start() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.active.Load() {
		return false
	}
	p.byLine = map[presentKey][]changed{}
	p.active.Store(true)
	return true
}

// list gives the messages noted under a key.
func (p *presence) list(k presentKey) []changed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.byLine[k])
}

// forget drops a message that has come to its end.
func (p *presence) forget(k presentKey, m changed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := slices.DeleteFunc(p.byLine[k], func(x changed) bool { return x == m })
	p.n -= len(p.byLine[k]) - len(left)
	if p.byLine[k] = left; len(left) == 0 {
		delete(p.byLine, k)
	}
}

// present lists the messages from a sender to a phone with a service type that have not come to their end.
func (c *conn) present(source, service string, to phone) (out []message) {
	if !c.writeLog() {
		c.stopRead = true
		return nil
	}
	c.block.reset(c.id, c.account.config.SystemID, c.at.micros)
	s := c.s
	if s.presence.start() {
		err := s.log.flush()
		if err == nil {
			err = ReadLog(s.log.dir, func(e *Entry) error {
				if e.Accepted() {
					if m := s.messageOf(e); m.at > c.at.micros {
						s.presence.note(presentKey{m.account, m.number, m.service, m.to}, m.changed)
					}
				}
				return nil
			})
		}
		if err != nil {
			s.logger.Error("simulator can't read its log", "error", err)
		}
	}
	k := presentKey{c.account.config.SystemID, canonicalPhone(string([]byte(source))), string([]byte(service)), to}
	for _, m := range s.presence.list(k) {
		alive := len(out)
		err := s.log.lookUp(IDDecimal, m.id, func(e *Entry) error {
			if x := s.messageOf(e); e.Accepted() && x.changed == m && x.at > c.at.micros {
				out = append(out, x)
			}
			return nil
		})
		if err != nil {
			s.logger.Error("simulator can't read its log", "error", err)
		}
		if len(out) == alive {
			s.presence.forget(k, m)
		}
	}
	return out
}

// noteAccepted has the message of c.submit found by its addresses.
func (c *conn) noteAccepted(from *sender, to phone) {
	r := &c.submit
	c.s.presence.note(presentKey{c.account.config.SystemID, from.number.addr, r.service, to}, changed{r.id, to})
}
