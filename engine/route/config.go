package route

import (
	"errors"
	"fmt"
	"strings"

	"fanline/engine/message"
)

// Config is what a Table is made of.
type Config struct {
	Carriers []string // all names; a Choice holds an index into them
	Numbers  []Number
	Networks []Network // only for aliases: rules and prefixes name networks too
	Prefixes []Prefix
	Rules    []Rule // the first that fits a message wins
	// Ignored lists evidence that is passed over. Where all texts of a number
	// come in by one carrier, say, EvidenceSeen would undo the weights of rules.
	Ignored []message.Evidence
}

// Number is a sender of ours and the carriers that it may use, in the order of
// preference for messages that no rule is about.
type Number struct {
	Phone    message.Phone
	Carriers []string
}

// Network is a mobile operator as imported files, lookups and prefixes name it.
type Network struct {
	Name    string
	Aliases []string
}

// Prefix says that phones which begin with Digits belong to a network, unless
// a longer prefix says otherwise.
type Prefix struct {
	Digits  string // of E.164, without plus
	Network string
	Place   string // where it stood, for errors; may be empty
}

// Rule gives carriers to the messages that fit all of its conditions. An empty
// condition fits all. A rule none of whose carriers a number may use is not
// about that number.
type Rule struct {
	Name      string
	Numbers   []message.Phone // senders
	Networks  []string        // of the member
	Countries []string        // E.164 country codes or longer, digits; a phone's is the longest that any rule names
	Carriers  []Option
	// Only keeps away all other carriers: those of the number, which otherwise
	// follow behind the rule's, and those that evidence names.
	Only bool
}

// Option is a carrier of a rule.
type Option struct {
	Carrier  string
	Weight   uint16 // its share within its priority; 0: only when the others of it cannot
	Priority uint8  // lower goes first
}

// The most of each that a Config may have: an index must fit its type, and a
// choice its place on the stack.
const (
	maxCarriers  = 1 << 10
	maxNetworks  = 1 << 15
	maxCountries = 1 << 12
	maxGroup     = 32
)

// builder makes a Table and gathers what is wrong.
type builder struct {
	t         *Table
	carriers  map[string]uint16
	networks  map[string]uint16 // folded name or alias
	countries map[string]uint16
	rules     []rule
	named     uint16 // networks that rules name
	errs      []error
}

func (b *builder) fail(format string, args ...any) {
	const most = 20
	if len(b.errs) < most {
		b.errs = append(b.errs, fmt.Errorf(format, args...))
	}
}

// New checks a configuration and makes its table. The error joins all that is
// wrong, at most 20 things.
func New(c Config) (*Table, error) {
	b := builder{
		t:        &Table{names: map[string]named{}, numbers: map[message.Phone]*number{}, networks: []string{""}, countryCodes: []string{""}},
		carriers: map[string]uint16{}, networks: map[string]uint16{}, countries: map[string]uint16{},
	}
	b.setCarriers(c.Carriers)
	for _, e := range c.Ignored {
		if e == message.EvidenceNone || e > message.EvidenceLookup {
			b.fail("routes: %s is no evidence", e)
			continue
		}
		b.t.ignored[e] = true
	}
	for _, n := range c.Networks {
		i := b.network(n.Name, "networks")
		for _, alias := range n.Aliases {
			b.alias(alias, i)
		}
	}
	for i := range c.Rules {
		b.rule(i, &c.Rules[i])
	}
	b.setPrefixes(c.Prefixes)
	b.setCountries()
	b.setRuled()
	b.setNumbers(c.Numbers)
	b.setNames()
	if len(b.errs) > 0 {
		return nil, errors.Join(b.errs...)
	}
	return b.t, nil
}

// Fold is the form in which names of carriers and networks are compared: lower
// case, without space around.
func Fold(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

func (b *builder) setCarriers(names []string) {
	if len(names) > maxCarriers {
		b.fail("routes: %d carriers, at most %d", len(names), maxCarriers)
		return
	}
	for i, name := range names {
		if _, twice := b.carriers[Fold(name)]; twice || name == "" {
			b.fail("routes: carrier %q is there twice or has no name", name)
		}
		b.carriers[Fold(name)] = uint16(i)
		b.t.seeds = append(b.t.seeds, seed(name))
	}
	b.t.carriers = names
}

// network returns the index of a network, which is made when it is new.
func (b *builder) network(name, place string) uint16 {
	key := Fold(name)
	if key == "" {
		b.fail("%s: a network without a name", place)
		return 0
	}
	i, ok := b.networks[key]
	if ok {
		return i
	}
	if len(b.t.networks) >= maxNetworks {
		b.fail("%s: more than %d networks", place, maxNetworks)
		return 0
	}
	i = uint16(len(b.t.networks))
	b.networks[key] = i
	b.t.networks = append(b.t.networks, strings.TrimSpace(name))
	return i
}

func (b *builder) alias(name string, network uint16) {
	key := Fold(name)
	if had, ok := b.networks[key]; key == "" || ok && had != network {
		b.fail("networks: %s: alias %q is empty or another network's", b.t.networks[network], name)
		return
	}
	b.networks[key] = network
}

// rule is a Rule with its names turned into indexes.
type rule struct {
	numbers   map[message.Phone]bool // nil: all
	networks  map[uint16]bool        // nil: all
	countries map[uint16]bool        // nil: all
	options   []option               // by priority
	only      bool
}

func (b *builder) rule(i int, r *Rule) {
	if r.Name == "" {
		r.Name = fmt.Sprint("rule ", i+1)
	}
	place := "routes: " + r.Name
	made := rule{only: r.Only}
	for _, n := range r.Numbers {
		if made.numbers == nil {
			made.numbers = map[message.Phone]bool{}
		}
		made.numbers[n] = true
	}
	for _, n := range r.Networks {
		if made.networks == nil {
			made.networks = map[uint16]bool{}
		}
		made.networks[b.network(n, place)] = true
	}
	for _, code := range r.Countries {
		if made.countries == nil {
			made.countries = map[uint16]bool{}
		}
		made.countries[b.country(code, place)] = true
	}
	made.options = b.options(r.Carriers, place)
	b.rules = append(b.rules, made)
	b.t.rules = append(b.t.rules, r.Name)
}

// country returns the index of a country code.
func (b *builder) country(code, place string) uint16 {
	code = strings.TrimPrefix(strings.TrimSpace(code), "+")
	if _, _, err := span(code); err != nil {
		b.fail("%s: country %q: %w", place, code, err)
		return 0
	}
	i, ok := b.countries[code]
	if !ok {
		if len(b.t.countryCodes) >= maxCountries {
			b.fail("%s: more than %d countries", place, maxCountries)
			return 0
		}
		i = uint16(len(b.t.countryCodes))
		b.countries[code] = i
		b.t.countryCodes = append(b.t.countryCodes, code)
	}
	return i
}
