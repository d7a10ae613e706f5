package route

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/cespare/xxhash/v2"

	"fanline/engine/message"
)

// Query is one message that wants a carrier.
type Query struct {
	Number, Phone message.Phone
	// Hint names a carrier or a network, exactly as Canonical writes it; "" none.
	Hint string
	// Source is what Hint rests on. A hint of EvidenceLookup goes before what was
	// learned, any other behind it.
	Source message.Evidence
	// Learned is 1 + the index of the carrier over which this phone was lately
	// reached, or by which it wrote to us; 0: nothing is known.
	Learned uint16
}

// Choice is a carrier that may take a message.
type Choice struct {
	Carrier uint16 // index in Config.Carriers
	Group   uint8  // of priority, 0 first
	Weight  uint16 // within its group
}

// Table answers queries. It is immutable and safe for concurrent use.
type Table struct {
	carriers     []string
	seeds        []uint64 // of carriers' names
	networks     []string // [0] is none
	rules        []string // their names
	countryCodes []string // [0] is none
	names        map[string]named
	folded       map[string]named
	numbers      map[message.Phone]*number
	prefixes     ranges   // ids are networks
	countries    ranges   // ids are countries
	ruled        []uint16 // by network: its place in number.byNetwork, 0 where no rule names it
	ignored      [message.EvidenceLookup + 1]bool
}

// named is what a name may mean: 1 + index of a carrier, index of a network.
type named struct{ carrier, network uint16 }

// number is what the table knows of a sender of ours. Numbers to which the
// same applies share one.
type number struct {
	may       []bool    // by carrier
	all       []*plan   // for networks that no rule of the number names
	byNetwork [][]*plan // the same with the rules of a network, by Table.ruled; nil: as all
	worldwide bool      // no rule asks for the country
}

// plan is what a rule, or the number's own list, comes to for a number. The
// last of each list fits everything.
type plan struct {
	rule      int             // -1: the number's own list
	countries map[uint16]bool // nil: all
	options   []option        // by group
	only      bool
}

// option is a carrier in a plan.
type option struct {
	carrier, weight uint16
	group           uint8
}

// seed makes a carrier's share of the phones depend on its name alone, so that
// the order of the configuration doesn't matter.
func seed(carrier string) uint64 { return xxhash.Sum64String(carrier) }

func (b *builder) setPrefixes(prefixes []Prefix) {
	areas := make([]area, 0, len(prefixes))
	seen := map[string]string{}
	for _, p := range prefixes {
		place := cmp.Or(p.Place, "prefix "+p.Digits)
		lo, hi, err := span(p.Digits)
		if err != nil {
			b.fail("%s: prefix %q: %w", place, p.Digits, err)
			continue
		}
		if had, twice := seen[p.Digits]; twice {
			b.fail("%s: prefix %s already stands for network %s", place, p.Digits, had)
			continue
		}
		seen[p.Digits] = p.Network
		areas = append(areas, area{lo, hi, value{b.network(p.Network, place), uint8(len(p.Digits))}})
	}
	var err error
	if b.t.prefixes, err = newRanges(areas); err != nil {
		b.fail("routes: prefixes: %w", err)
	}
}

func (b *builder) setCountries() {
	var areas []area
	for code, i := range b.countries {
		lo, hi, err := span(code)
		if err != nil {
			b.fail("routes: country %s: %w", code, err)
			continue
		}
		areas = append(areas, area{lo, hi, value{i, uint8(len(code))}})
	}
	if len(areas) == 0 {
		return
	}
	var err error
	if b.t.countries, err = newRanges(areas); err != nil {
		b.fail("routes: countries: %w", err)
	}
}

// options turns the carriers of a rule into indexes, sorted by priority.
func (b *builder) options(in []Option, place string) []option {
	if len(in) == 0 {
		b.fail("%s: names no carrier", place)
	}
	var out []option
	size := map[uint8]int{}
	for _, o := range in {
		i, ok := b.carriers[Fold(o.Carrier)]
		if !ok {
			b.fail("%s: carrier %q is not configured", place, o.Carrier)
			continue
		}
		if slices.ContainsFunc(out, func(had option) bool { return had.carrier == i }) {
			b.fail("%s: carrier %s is there twice", place, o.Carrier)
		}
		if size[o.Priority]++; size[o.Priority] == maxGroup+1 {
			b.fail("%s: more than %d carriers of one priority", place, maxGroup)
		}
		out = append(out, option{carrier: i, weight: o.Weight, group: o.Priority})
	}
	slices.SortStableFunc(out, func(a, c option) int { return cmp.Compare(a.group, c.group) })
	return out
}

// setRuled numbers the networks that rules name.
func (b *builder) setRuled() {
	b.t.ruled = make([]uint16, len(b.t.networks))
	for i := range b.rules {
		for network := range b.rules[i].networks {
			if b.t.ruled[network] == 0 {
				b.named++
				b.t.ruled[network] = b.named
			}
		}
	}
}

func (b *builder) setNumbers(all []Number) {
	shared := map[string]*number{}
	for _, n := range all {
		place := "number " + n.Phone.String()
		if b.t.numbers[n.Phone] != nil {
			b.fail("%s: is there twice", place)
			continue
		}
		own := make([]Option, len(n.Carriers))
		for i, c := range n.Carriers {
			own[i] = Option{Carrier: c, Weight: 1, Priority: uint8(min(i, math.MaxUint8))}
		}
		options := []option{}
		if len(own) > 0 { // A number without carriers has no choices.
			options = b.options(own, place)
		}
		var fits []int
		for i := range b.rules {
			if r := &b.rules[i]; r.numbers == nil || r.numbers[n.Phone] {
				fits = append(fits, i)
			}
		}
		key := fmt.Sprint(options, fits)
		if shared[key] == nil {
			shared[key] = b.number(options, fits)
		}
		b.t.numbers[n.Phone] = shared[key]
	}
}

// number makes the plans of a number that has those carriers and is meant by
// those rules.
func (b *builder) number(own []option, fits []int) *number {
	n := &number{may: make([]bool, len(b.t.carriers)), byNetwork: make([][]*plan, b.named+1), worldwide: true}
	for _, o := range own {
		n.may[o.carrier] = true
	}
	networks := map[uint16]bool{} // that rules of this number name
	plans := map[int]*plan{-1: {rule: -1, options: groups(own)}}
	for _, i := range fits {
		r := &b.rules[i]
		p := &plan{rule: i, countries: r.countries, options: allowed(r.options, n.may), only: r.only}
		if len(p.options) == 0 {
			continue
		}
		if !r.only {
			p.options = behind(p.options, own)
		}
		p.options = groups(p.options)
		plans[i] = p
		n.worldwide = n.worldwide && r.countries == nil
		for network := range r.networks {
			networks[network] = true
		}
	}
	list := func(network uint16) (out []*plan) {
		for _, i := range append(slices.Clone(fits), -1) {
			if p := plans[i]; p != nil && (i < 0 || b.rules[i].networks == nil || b.rules[i].networks[network]) {
				out = append(out, p)
			}
		}
		return out
	}
	n.all = list(0)
	for network := range networks {
		n.byNetwork[b.t.ruled[network]] = list(network)
	}
	return n
}

// allowed returns the options that a number may use.
func allowed(options []option, may []bool) []option {
	var out []option
	for _, o := range options {
		if may[o.carrier] {
			out = append(out, o)
		}
	}
	return out
}

// behind appends those of own that options lack, as groups that come after.
func behind(options, own []option) []option {
	out := slices.Clone(options)
	last := int(options[len(options)-1].group)
	for _, o := range own {
		if !slices.ContainsFunc(options, func(had option) bool { return had.carrier == o.carrier }) {
			o.group = uint8(min(last+1+int(o.group), math.MaxUint8))
			out = append(out, o)
		}
	}
	return out
}

// groups numbers the groups from 0 without gaps.
func groups(options []option) []option {
	out := slices.Clone(options)
	next, had := -1, -1
	for i := range out {
		if int(out[i].group) != had {
			had = int(out[i].group)
			next++
		}
		out[i].group = uint8(next)
	}
	return out
}

// setNames lists what hints may say.
func (b *builder) setNames() {
	b.t.folded = map[string]named{}
	for name, i := range b.networks {
		b.t.folded[name] = named{network: i}
	}
	for name, i := range b.carriers {
		both := b.t.folded[name]
		both.carrier = i + 1
		b.t.folded[name] = both
	}
	for _, both := range b.t.folded {
		b.t.names[b.t.canonical(both)] = both
	}
}
