package main

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"fanline/engine/carrier"
	"fanline/engine/message"
)

func (r *configReader) carriers(carriers []CarrierConfig) {
	names := map[string]int{}
	for i := range carriers {
		c, path := &carriers[i], fmt.Sprintf("carriers[%d]", i)
		if !isName(c.Name) {
			r.problem(path+".name", "%q found, a name of letters, digits, - and _ expected", c.Name)
		} else if first, twice := names[c.Name]; twice {
			r.problem(path+".name", "carriers[%d] already has the name %q", first, c.Name)
		}
		names[c.Name] = i
		if len(c.Hosts) == 0 {
			r.problem(path+".hosts", "none found, at least one host:port expected")
		}
		for j, h := range c.Hosts {
			r.hostPort(fmt.Sprintf("%s.hosts[%d]", path, j), h)
		}
		r.oneOf(path+".failover", c.Failover, []string{"spread", "priority"})
		if _, err := netip.ParseAddr(c.LocalAddress); c.LocalAddress != "" && err != nil {
			r.problem(path+".local_address", "%q found, an address of this machine such as 10.0.0.5 expected", c.LocalAddress)
		}
		r.tlsSection(path+".tls", c.TLS)
		r.oneOf(path+".bind", c.Bind, accountKinds())
		r.between(path+".binds", c.Binds, 1, maxBinds)
		r.octets(path+".system_id", c.SystemID, 1, maxSystemID)
		r.octets(path+".system_type", c.SystemType, 0, maxSystemType)
		if n := len(c.Password.Reveal()); n > maxPassword {
			r.problem(path+".password", "%d octets, at most %d expected (SMPP 3.4 §4.1.1)", n, maxPassword)
		}
		r.between(path+".window", c.Window, 1, maxWindow)
		r.between(path+".limit_per_second", c.LimitPerSecond, 1, maxLimit)
		r.profileOf(path, c)
		r.duration(path+".enquire_link", c.EnquireLink, time.Second, time.Hour)
		r.duration(path+".response_timeout", c.Response, 100*time.Millisecond, 10*time.Minute)
		r.duration(path+".reconnect_min", c.ReconnectMin, 0, 10*time.Minute)
		r.duration(path+".reconnect_max", c.ReconnectMax, max(time.Second, c.ReconnectMin), time.Hour)
	}
}

// accountKinds are the words of a carrier's bind.
func accountKinds() []string { return append(bindKinds(), "pair") }

// profileOf reads the carrier's profile, holds the account to the limits in it,
// and takes over what the account leaves open.
func (r *configReader) profileOf(path string, c *CarrierConfig) {
	p, err := LoadProfile(c.Profile)
	if err != nil {
		r.problem(path+".profile", "%v", err)
		p = new(defaultProfile())
	}
	for _, limit := range []struct {
		key         string
		found, most int
	}{{"binds", c.Binds, p.Limits.Binds}, {"window", c.Window, p.Limits.Window}, {"limit_per_second", c.LimitPerSecond, p.Limits.LimitPerSecond}} {
		if limit.most > 0 && limit.found > limit.most {
			r.problem(path+"."+limit.key, "%d found, at most %d expected: profile %s says that the carrier grants no more", limit.found, limit.most, c.Profile)
		}
	}
	if p.InterfaceVersion == "3.3" && c.Bind == "transceiver" {
		r.problem(path+".bind", "transceiver, which SMPP 3.3 of profile %s doesn't know: pair does the same", c.Profile)
	}
	c.EnquireLink = cmp.Or(c.EnquireLink, p.EnquireLink)
	c.ReconnectMin = cmp.Or(c.ReconnectMin, p.ReconnectMin)
	c.ReconnectMax = max(c.ReconnectMax, c.ReconnectMin)
}

// senderAt checks what carriers have to know about a number.
func (r *configReader) senderAt(path string, n *NumberConfig, carriers []CarrierConfig) {
	for name := range n.Addresses {
		if !slices.Contains(n.Carriers, name) {
			r.problem(path+".addresses."+name, "the number goes by no carrier that is named %q", name)
		}
	}
	phone, err := message.ParseSender(n.Number)
	if err != nil {
		return // Said already.
	}
	names := map[string]bool{}
	for i := range carriers {
		c := &carriers[i]
		if !slices.Contains(n.Carriers, c.Name) {
			continue
		}
		p, err := c.profile()
		if err != nil {
			continue // Said already.
		}
		for _, name := range p.TLVNames() {
			names[name] = true
		}
		if _, err := p.WithSenders(map[message.Phone]carrier.Sender{phone: n.sender(c.Name)}); err != nil {
			key := path + ".tlvs"
			if _, given := n.Addresses[c.Name]; given {
				key = path + ".addresses." + c.Name
			}
			r.problem(key, "carrier %s: %v", c.Name, err)
		}
	}
	for name := range n.TLVs {
		if !names[name] {
			r.problem(path+".tlvs."+name, "no profile of the number's carriers has a parameter of this name")
		}
	}
}

// sender is the number in the words of engine/carrier.
func (n *NumberConfig) sender(carrierName string) carrier.Sender {
	return carrier.Sender{Kind: n.Kind, Address: n.Addresses[carrierName], Values: n.TLVs}
}

// profile is the carrier's profile in the words of engine/carrier.
func (c *CarrierConfig) profile() (*carrier.Profile, error) {
	p, err := LoadProfile(c.Profile)
	if err != nil {
		return nil, err
	}
	return carrier.NewProfile(p.settings(c.Profile))
}

// accounts are the carriers in the words of engine/carrier, each with its
// profile and with what it has to know about the numbers that go by it.
func (c *Config) accounts() ([]carrier.Account, error) {
	accounts := make([]carrier.Account, 0, len(c.Carriers))
	for i := range c.Carriers {
		a, err := c.account(&c.Carriers[i])
		if err != nil {
			return nil, fmt.Errorf("carrier %s: %w", c.Carriers[i].Name, err)
		}
		accounts = append(accounts, a)
	}
	return accounts, nil
}

func (c *Config) account(cc *CarrierConfig) (a carrier.Account, err error) {
	profile, err := cc.profile()
	if err != nil {
		return a, err
	}
	senders := map[message.Phone]carrier.Sender{}
	for i := range c.Numbers {
		n := &c.Numbers[i]
		if !slices.Contains(n.Carriers, cc.Name) {
			continue
		}
		phone, err := message.ParseSender(n.Number)
		if err != nil {
			return a, err
		}
		senders[phone] = n.sender(cc.Name)
	}
	if profile, err = profile.WithSenders(senders); err != nil {
		return a, err
	}
	a = carrier.Account{
		Name: cc.Name, Profile: profile, Hosts: cc.Hosts, Priority: cc.Failover == "priority", Kind: cc.Bind, Binds: cc.Binds,
		SystemID: cc.SystemID, Password: cc.Password.Reveal, SystemType: cc.SystemType, Window: cc.Window,
		EnquireLink: cc.EnquireLink, Response: cc.Response, ReconnectMin: cc.ReconnectMin, ReconnectMax: cc.ReconnectMax,
	}
	if cc.LocalAddress != "" {
		if a.LocalAddress, err = netip.ParseAddr(cc.LocalAddress); err != nil {
			return a, err
		}
	}
	if cc.TLS.Enabled {
		a.TLS = cc.TLS.account()
		if _, err := a.TLS.Config(); err != nil {
			return a, err
		}
	}
	return a, nil
}

// account is the section in the pool's words.
func (t TLSConfig) account() *carrier.TLS {
	return &carrier.TLS{CA: t.CA, Certificate: t.Certificate, Key: t.Key, ServerName: t.ServerName}
}

func addressOf(a AddressProfile) carrier.Address {
	return carrier.Address{TON: byte(a.TON), NPI: byte(a.NPI)}
}
