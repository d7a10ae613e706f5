package carrier

import (
	"fmt"
	"slices"
)

// Reloaded says what a new configuration changed, each as "carrier: key" in the
// words of the configuration.
type Reloaded struct {
	Applied []string // counts from now on
	Rebind  []string // counts for each bind from its next session on: Rebind brings it about
	Restart []string // needs another process
}

// Reload takes over what changed in the accounts. Nothing is unbound, but for
// binds that are not to be any more; and nothing is changed where it returns an
// error. Profiles and smaller windows count at once, more binds begin, and binds
// that are down try again; what a session agreed on when it bound stays until
// its next one. Accounts cannot come or go: the engine is built for those that
// it began with.
func (p *Pool) Reload(accounts []Account) (Reloaded, error) {
	var r Reloaded
	for i := range accounts {
		a := &accounts[i]
		if err := a.check(); err != nil {
			return r, err
		}
		if slices.ContainsFunc(accounts[:i], func(o Account) bool { return o.Name == a.Name }) {
			return r, fmt.Errorf("carrier: %s is there twice", a.Name)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range accounts {
		if c, err := p.find(accounts[i].Name); err == nil {
			c.reload(&accounts[i], &r)
		} else {
			r.Restart = append(r.Restart, accounts[i].Name+": added")
		}
	}
	for _, c := range p.carriers {
		if !slices.ContainsFunc(accounts, func(a Account) bool { return a.Name == c.name }) {
			r.Restart = append(r.Restart, c.name+": removed")
		}
	}
	return r, nil
}

// reload takes over what changed in one account. The pool's mu is held.
func (c *carrierBinds) reload(a *Account, r *Reloaded) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.account
	changes := difference(&old, a)
	if len(changes.Applied)+len(changes.Rebind) == 0 {
		return
	}
	c.account = *a
	c.profile.Set(a.Profile)
	for _, b := range c.binds {
		if b.link == nil {
			b.backOff.reset()
			b.attempt()
			continue
		}
		b.link.resize(a.Window)
		b.state.Window = min(a.Window, b.link.size)
	}
	c.place(a.places())
	c.notify()
	for _, key := range changes.Applied {
		r.Applied = append(r.Applied, c.name+": "+key)
	}
	for _, key := range changes.Rebind {
		r.Rebind = append(r.Rebind, c.name+": "+key)
	}
}

// place makes the binds as many as they are to be. c.mu is held, and the
// pool's.
func (c *carrierBinds) place(n int) {
	for len(c.binds) < n {
		b := newBind(c, len(c.binds))
		c.binds = append(slices.Clip(c.binds), b)
		if c.pool.start != nil {
			c.pool.start(b)
		}
	}
	for len(c.binds) > n {
		b := c.binds[len(c.binds)-1]
		b.removed = true
		b.leave(errRemoved)
		c.binds = c.binds[:len(c.binds)-1]
	}
}

// difference names the keys of an account that changed.
func difference(old, a *Account) (r Reloaded) {
	note := func(list *[]string, changed bool, key string) {
		if changed {
			*list = append(*list, key)
		}
	}
	note(&r.Applied, !old.Profile.same(a.Profile), "profile")
	note(&r.Applied, old.Binds != a.Binds, "binds")
	note(&r.Applied, a.Window < old.Window, "window")
	note(&r.Applied, old.ReconnectMin != a.ReconnectMin, "reconnect_min")
	note(&r.Applied, old.ReconnectMax != a.ReconnectMax, "reconnect_max")
	note(&r.Rebind, a.Window > old.Window, "window")
	note(&r.Rebind, !slices.Equal(old.Hosts, a.Hosts), "hosts")
	note(&r.Rebind, old.Priority != a.Priority, "failover")
	note(&r.Rebind, (old.TLS == nil) != (a.TLS == nil) || a.TLS != nil && *old.TLS != *a.TLS, "tls")
	note(&r.Rebind, old.LocalAddress != a.LocalAddress, "local_address")
	note(&r.Rebind, old.Kind != a.Kind, "bind")
	note(&r.Rebind, old.SystemID != a.SystemID, "system_id")
	note(&r.Rebind, old.password() != a.password(), "password")
	note(&r.Rebind, old.SystemType != a.SystemType, "system_type")
	note(&r.Rebind, old.EnquireLink != a.EnquireLink, "enquire_link")
	note(&r.Rebind, old.Response != a.Response, "response_timeout")
	note(&r.Rebind, old.Profile.greeting != a.Profile.greeting, "profile (what binds say)")
	return r
}

func (a *Account) password() string {
	if a.Password == nil {
		return ""
	}
	return a.Password()
}
