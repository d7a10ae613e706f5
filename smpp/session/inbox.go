package session

import (
	"sync"
	"time"

	"fanline/smpp"
)

const (
	// maxBacklog is how many octets of deliveries may wait for a handler that is slower than the peer. At the limit the peer is
	// told to come again (ESME_RX_T_APPN): reading no more would keep answers back too. A peer whose own window is
	// smaller, as nearly every one is, never gets there.
	maxBacklog = 4 << 20
	// spareSack is how large a buffer of deliveries is always kept for the next ones; a larger one until leanAfter uses in a row have
	// needed no more than a quarter of it.
	spareSack = 256 << 10
	leanAfter = 64
)

// inbox holds what the peer delivered until the handler takes it, on a goroutine of its own: a handler that waits must not
// keep the reader from answers. The reader fills one sack while the other is handed over.
type inbox struct {
	mu      sync.Mutex
	more    sync.Cond // the goroutine waits here
	waiting bool
	closed  bool // nothing more comes; what is here is still handed over
	filling sack
}

// sack is a run of PDUs, copied out of the read buffer.
type sack struct {
	octets []byte
	ends   []int // of each PDU in octets
	slips  []Delivery
	lean   int // how often in a row it was much too large
}

func (k *sack) add(d *Delivery) {
	k.octets = append(k.octets, d.PDU...)
	k.ends = append(k.ends, len(k.octets))
	k.slips = append(k.slips, Delivery{Command: d.Command, Sequence: d.Sequence, At: d.At})
}

// deliveries returns what is in the sack, which the slices alias.
func (k *sack) deliveries() []Delivery {
	begin := 0
	for i, end := range k.ends {
		k.slips[i].PDU = k.octets[begin:end:end]
		begin = end
	}
	return k.slips
}

func (k *sack) empty() {
	if 4*len(k.octets) > cap(k.octets) {
		k.lean = 0
	} else if k.lean++; k.lean > leanAfter && cap(k.octets) > spareSack {
		*k = sack{}
		return
	}
	clear(k.slips)
	k.slips, k.ends, k.octets = k.slips[:0], k.ends[:0], k.octets[:0]
}

// put takes as many deliveries, from the first, as there is room for.
func (b *inbox) put(batch []Delivery) (n int) {
	b.mu.Lock()
	for n < len(batch) && len(b.filling.octets)+len(batch[n].PDU) <= maxBacklog {
		b.filling.add(&batch[n])
		n++
	}
	wake := b.waiting && n > 0
	if wake {
		b.waiting = false
	}
	b.mu.Unlock()
	if wake {
		b.more.Signal()
	}
	return n
}

// take waits for deliveries and swaps them for an empty sack. It reports false when the inbox is closed and empty.
func (b *inbox) take(k *sack) bool {
	k.empty()
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.filling.ends) == 0 {
		if b.closed {
			return false
		}
		b.waiting = true
		b.more.Wait()
	}
	*k, b.filling = b.filling, *k
	return true
}

func (b *inbox) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.more.Signal()
}

// deliver is the goroutine that hands deliveries over, until the inbox is closed and empty.
func (s *Session) deliver() {
	var k sack
	for s.inbox.take(&k) {
		for rest := k.deliveries(); len(rest) > 0; {
			n := s.notices(rest)
			if n == 0 {
				for n < len(rest) && n < batchSize && rest[n].Command != smpp.AlertNotificationID {
					n++
				}
				s.handler.Deliveries(rest[:n:n])
			}
			rest = rest[n:]
		}
	}
}

// notices hands over the alert_notifications that rest begins with and returns how many they are.
func (s *Session) notices(rest []Delivery) (n int) {
	for n < len(rest) && rest[n].Command == smpp.AlertNotificationID {
		var a smpp.AlertNotification
		if _, err := smpp.DecodeInto(rest[n].PDU, &a); err == nil {
			s.alerted.Alert(&a, rest[n].At)
		}
		n++
	}
	return n
}

// AlertHandler is a Handler that wants to know of alert_notification too (SMPP 3.4 §4.12: a phone can be reached again). It
// is called as Deliveries is, never at the same time; nothing answers it, and what a points to is reused afterwards.
type AlertHandler interface {
	Alert(a *smpp.AlertNotification, at time.Time)
}
