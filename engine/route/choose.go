package route

import (
	"math"

	"fanline/engine/message"
)

// Carriers returns the names that choices are indexes of.
func (t *Table) Carriers() []string { return t.carriers }

// Canonical returns the one form of the name of a carrier or a network, given
// it or an alias in any case; false when the table knows no such name.
func (t *Table) Canonical(name string) (string, bool) {
	both, ok := t.folded[Fold(name)]
	if !ok {
		return "", false
	}
	return t.canonical(both), true
}

func (t *Table) canonical(n named) string {
	if n.carrier > 0 {
		return t.carriers[n.carrier-1]
	}
	return t.networks[n.network]
}

// MayUse tells whether a number may use a carrier.
func (t *Table) MayUse(number message.Phone, carrier uint16) bool {
	n := t.numbers[number]
	return n != nil && int(carrier) < len(n.may) && n.may[carrier]
}

// decision is what a query comes to before weights.
type decision struct {
	number  message.Phone
	n       *number
	pins    [2]uint16 // 1 + carrier, from hint and what was learned, the better first
	because [2]message.Evidence
	network uint16
	knows   message.Evidence // what network rests on
	prefix  value
	country value
	plan    *plan
}

// decide weighs the evidence: a carrier that it names goes first, if the number
// may use it; a network that it names replaces that of the prefix table. It
// reports false for a number that is not in the table.
func (t *Table) decide(q *Query, d *decision) bool {
	if d.n = t.numbers[q.Number]; d.n == nil {
		return false
	}
	d.number = q.Number
	if q.Hint != "" && !t.ignored[q.Source] {
		if hint := t.names[q.Hint]; hint.carrier > 0 && d.n.may[hint.carrier-1] {
			d.pin(hint.carrier, q.Source)
		} else if hint.network > 0 {
			d.network, d.knows = hint.network, q.Source
		}
	}
	if l := q.Learned; l > 0 && int(l) <= len(d.n.may) && d.n.may[l-1] && !t.ignored[message.EvidenceSeen] {
		d.learned(l, q.Source)
	}
	if d.network == 0 && !t.ignored[message.EvidencePrefix] {
		if d.prefix = t.prefixes.find(q.Phone); d.prefix.id > 0 {
			d.network, d.knows = d.prefix.id, message.EvidencePrefix
		}
	}
	plans := d.n.all
	if special := d.n.byNetwork[t.ruled[d.network]]; special != nil {
		plans = special
	}
	if !d.n.worldwide {
		d.country = t.countries.find(q.Phone)
	}
	for _, p := range plans {
		if p.countries == nil || p.countries[d.country.id] {
			d.plan = p
			break
		}
	}
	if d.plan.only {
		d.only()
	}
	return true
}

func (d *decision) pin(carrier uint16, because message.Evidence) {
	d.pins[0], d.because[0] = carrier, because
}

// learned pins a carrier before the one of the hint, or behind one of a lookup.
func (d *decision) learned(carrier uint16, hint message.Evidence) {
	switch {
	case d.pins[0] == carrier:
	case d.pins[0] > 0 && hint == message.EvidenceLookup:
		d.pins[1], d.because[1] = carrier, message.EvidenceSeen
	default:
		d.pins[1], d.because[1] = d.pins[0], d.because[0]
		d.pin(carrier, message.EvidenceSeen)
	}
}

// only takes back what evidence names and the rule doesn't.
func (d *decision) only() {
	for i, pin := range d.pins {
		named := false
		for _, o := range d.plan.options {
			named = named || o.carrier+1 == pin
		}
		if !named {
			d.pins[i], d.because[i] = 0, message.EvidenceNone
		}
	}
}

// Choices appends the carriers that may take a message in the order in which
// they are to be tried: carriers that evidence names, each a group of its own,
// then the groups of the first rule that fits, then the number's other carriers
// unless the rule forbids it. Within a group the order is drawn by weight from
// the phone and the carriers' names, so it stays the same for a phone, and when
// carriers or weights change only the phones of the changed share move
// (weighted rendezvous hashing). Nothing is appended for a number that the table
// doesn't have. It doesn't allocate when dst has room.
func (t *Table) Choices(dst []Choice, q Query) []Choice {
	var d decision
	if !t.decide(&q, &d) {
		return dst
	}
	return t.choices(dst, q.Phone, &d)
}

func (t *Table) choices(dst []Choice, phone message.Phone, d *decision) []Choice {
	group := uint8(0)
	for _, pin := range d.pins {
		if pin > 0 {
			dst = append(dst, Choice{Carrier: pin - 1, Group: group, Weight: 1})
			group++
		}
	}
	options := d.plan.options
	for len(options) > 0 {
		n := 1
		for n < len(options) && options[n].group == options[0].group {
			n++
		}
		had := len(dst)
		dst = t.draw(dst, phone, options[:n], d, group)
		if len(dst) > had {
			group++
		}
		options = options[n:]
	}
	return dst
}

// draw appends one group. Each carrier draws from an exponential distribution
// whose rate is its weight, seeded by phone and name; the earliest is first.
func (t *Table) draw(dst []Choice, phone message.Phone, options []option, d *decision, group uint8) []Choice {
	var draws [maxGroup]float64
	from := len(dst)
	for _, o := range options {
		if o.carrier+1 == d.pins[0] || o.carrier+1 == d.pins[1] {
			continue
		}
		at := math.Inf(1)
		if len(options) > 1 && o.weight > 0 {
			at = -math.Log(uniform(uint64(phone)^t.seeds[o.carrier])) / float64(o.weight)
		}
		dst = append(dst, Choice{Carrier: o.carrier, Group: group, Weight: o.weight})
		i := len(dst) - 1 - from
		for ; i > 0 && at < draws[i-1]; i-- {
			draws[i] = draws[i-1]
			dst[from+i], dst[from+i-1] = dst[from+i-1], dst[from+i]
		}
		draws[i] = at
	}
	return dst
}

// uniform mixes a seed (the finaliser of SplitMix64) to a number between 0 and
// 1, neither of them included.
func uniform(x uint64) float64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	return (float64(x>>12) + 0.5) * (1.0 / (1 << 52))
}
