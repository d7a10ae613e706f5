package smsc

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fanline/smpp"
)

// account is one client of the carrier, with the connections that may receive for it.
type account struct {
	config   Account
	password string
	kinds    []smpp.CommandID
	limit    limit
	numbers  map[string]*number // by canonical address
	any      *Number            // template for those not listed

	mu        sync.Mutex
	binds     int
	receivers []*conn
	next      int        // whose turn it is
	parked    []delivery // owed, while nobody receives
	stale     []uint32   // ms at which binds that broke off give up their places

	windowStatus smpp.Status
	meter        meter
}

// number is a sender of an account, with its limit. Its place in the table stands for it in compact entries.
type number struct {
	place   uint16
	addr    string // canonical digits
	typed   string // with the type octet of E.164 in front, as the log writes it
	account *account
	limit   limit
	meter   meter

	maxPending int64
	pending    atomic.Int64 // receipts owed; counted where maxPending is set
}

// shortCodeMax is the most digits that a short code has.
const shortCodeMax = 6

// address is the number as carriers write it in a deliver_sm: a short code and a name have types of their own
// (SMPP 3.4 §5.2.5).
func (n *number) address() smpp.Address {
	switch {
	case parsePhone([]byte(n.addr)) == 0:
		return smpp.Address{TON: smpp.TONAlphanumeric, Addr: n.addr}
	case len(n.addr) <= shortCodeMax:
		return smpp.Address{TON: smpp.TONAbbreviated, NPI: smpp.NPIISDN, Addr: n.addr}
	}
	return smpp.Address{TON: smpp.TONInternational, NPI: smpp.NPIISDN, Addr: n.addr}
}

// numberTable lists all numbers; it only grows, and readers never wait.
type numberTable struct {
	mu   sync.Mutex
	list atomic.Pointer[[]*number]
}

func (t *numberTable) all() []*number {
	if p := t.list.Load(); p != nil {
		return *p
	}
	return nil
}

func (t *numberTable) add(n *number) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.place = uint16(len(t.all()))
	list := append(slices.Clone(t.all()), n)
	t.list.Store(&list)
}

// numbersMax bounds what "*" may grow to.
const numbersMax = 1<<16 - 1

func (s *server) openAccounts(accounts []Account) error {
	s.accounts = make(map[string]*account, len(accounts))
	for _, config := range accounts {
		a := &account{config: config, numbers: map[string]*number{}}
		var err error
		if a.password, err = secret(config.Password); err != nil {
			return fmt.Errorf("account %s: password: %w", config.SystemID, err)
		}
		if len(a.password) > 8 {
			return fmt.Errorf("account %s: password: more than 8 octets (SMPP 3.4 §5.2.2)", config.SystemID)
		}
		if a.kinds, err = bindKinds(config.Binds); err != nil {
			return fmt.Errorf("account %s: %w", config.SystemID, err)
		}
		if a.config.MaxBinds == 0 {
			a.config.MaxBinds = maxBindsDefault
		}
		a.setLimit(&a.limit, config.Limit, config.Burst)
		a.windowStatus = smpp.StatusMsgQFull
		if config.WindowStatus != "" {
			if a.windowStatus, err = parseStatus(config.WindowStatus); err != nil {
				return fmt.Errorf("account %s: window_status: %w", config.SystemID, err)
			}
		}
		for _, n := range config.Numbers {
			if n.Number == anyNumber {
				a.any = &n
				continue
			}
			s.addNumber(a, canonicalPhone(n.Number), n)
		}
		s.accounts[config.SystemID] = a
	}
	return nil
}

// setLimit makes a limit of the account's kind.
func (a *account) setLimit(l *limit, perSecond int, d Duration) {
	l.set(perSecond, burst(d))
	l.bySecond, l.countRefused = a.config.LimitBy == limitSecond, a.config.CountRefused
}

func burst(d Duration) time.Duration {
	if d == 0 {
		return burstDefault
	}
	return time.Duration(d)
}

func (s *server) addNumber(a *account, addr string, config Number) *number {
	n := &number{addr: addr, typed: typedAddress(typeE164, addr), account: a, maxPending: int64(config.MaxPending)}
	a.setLimit(&n.limit, config.Limit, config.Burst)
	s.numbers.add(n)
	a.numbers[addr] = n
	return n
}

// number finds a sender by its canonical address; nil when the account may not use it.
func (s *server) number(a *account, addr string) *number {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := a.numbers[addr]; n != nil {
		return n
	}
	if a.any == nil || addr == "" || len(s.numbers.all()) >= numbersMax {
		return nil
	}
	return s.addNumber(a, string([]byte(addr)), *a.any)
}

// bind admits a connection, or says why not.
func (a *account) bind(kind smpp.CommandID, password string, nowMs uint32) smpp.Status {
	if password != a.password {
		return smpp.StatusInvPassword
	}
	if !slices.Contains(a.kinds, kind) {
		return smpp.StatusBindFailed
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stale = slices.DeleteFunc(a.stale, func(until uint32) bool { return int32(until-nowMs) <= 0 })
	if a.binds+len(a.stale) >= a.config.MaxBinds {
		return smpp.StatusAlreadyBound
	}
	a.binds++
	return smpp.StatusOK
}

// receive lets a connection receive, from what was owed while nobody did.
func (a *account) receive(c *conn, nowMs uint32) {
	a.mu.Lock()
	parked := a.parked
	a.parked = nil
	a.receivers = append(a.receivers, c)
	a.mu.Unlock()
	a.deliver(parked, nowMs)
}

// leave ends a connection's bind; it gets nothing more. staleUntil is when its place is free again; 0: at once.
func (a *account) leave(c *conn, staleUntil uint32) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.binds--
	if staleUntil != 0 {
		a.stale = append(a.stale, staleUntil)
	}
	a.receivers = slices.DeleteFunc(a.receivers, func(r *conn) bool { return r == c })
}

// deliver hands deliveries to a connection, in turn; without any they wait for the next bind.
func (a *account) deliver(batch []delivery, nowMs uint32) { a.deliverBut(nil, batch, nowMs) }

// deliverBut avoids a connection when there is another.
func (a *account) deliverBut(but *conn, batch []delivery, nowMs uint32) {
	if len(batch) == 0 {
		return
	}
	for {
		a.mu.Lock()
		if len(a.receivers) == 0 {
			a.parked = append(a.parked, batch...)
			a.mu.Unlock()
			return
		}
		a.next++
		c := a.receivers[a.next%len(a.receivers)]
		if c == but {
			a.next++
			c = a.receivers[a.next%len(a.receivers)]
		}
		a.mu.Unlock()
		if _, taken := c.box.add(nil, batch, nowMs); taken {
			return
		}
		// That connection is closing: it takes itself off the list before it gives back what it holds.
		a.drop(c)
	}
}

func (a *account) drop(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.receivers = slices.DeleteFunc(a.receivers, func(r *conn) bool { return r == c })
}
