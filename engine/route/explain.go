package route

import (
	"fmt"
	"strconv"

	"fanline/engine/message"
)

// Finding is one thing that is known of a phone: a carrier or a network that
// somebody or something named.
type Finding struct {
	Source message.Evidence
	Name   string
}

// Usable tells whether a hint of that name can send a message of a number
// anywhere: it names a carrier that the number may use, or a network that a rule
// of the number names.
func (t *Table) Usable(number message.Phone, name string) bool {
	n := t.numbers[number]
	if n == nil {
		return false
	}
	both := t.names[name]
	return both.carrier > 0 && n.may[both.carrier-1] || n.byNetwork[t.ruled[both.network]] != nil
}

// Best returns the strongest of the findings that is usable for a number and
// isn't ignored; it is what a planner hands on as the hint. Where none is, a
// network that is known at all still says that the prefix table is wrong. The
// zero Finding where there is none.
func (t *Table) Best(number message.Phone, findings []Finding) Finding {
	var best, known Finding
	for _, f := range findings {
		switch {
		case f.Source > message.EvidenceLookup || t.ignored[f.Source]:
		case f.Source > best.Source && t.Usable(number, f.Name):
			best = f
		case f.Source > known.Source && t.names[f.Name].network > 0:
			known = f
		}
	}
	if best.Source > message.EvidenceNone {
		return best
	}
	return known
}

// Explanation says step by step why a message goes where it goes.
type Explanation struct {
	Number      message.Phone    `json:"number"`
	Phone       message.Phone    `json:"phone"`
	Evidence    []Weighed        `json:"evidence"`     // the strongest first
	Network     string           `json:"network"`      // of the member; "": unknown
	NetworkFrom message.Evidence `json:"network_from"` // what Network rests on
	Country     string           `json:"country"`      // the longest code among the rules' that the phone begins with; "": none, or no rule asks
	Rule        string           `json:"rule"`         // that decided; "": the number's own list
	Only        bool             `json:"only"`         // the rule allows no other carriers
	Choices     []Place          `json:"choices"`      // in the order in which they are tried
	Problem     string           `json:"problem,omitempty"`
}

// Weighed is a piece of evidence and what became of it.
type Weighed struct {
	Source message.Evidence `json:"source"`
	Says   string           `json:"says"` // a name; for a prefix its digits and the network
	Used   bool             `json:"used"`
	Why    string           `json:"why"`
}

// Place is a choice in words.
type Place struct {
	Carrier string           `json:"carrier"`
	Group   int              `json:"group"` // of priority, 0 first
	Weight  int              `json:"weight"`
	Share   float64          `json:"share"` // of all phones of its group, 0 to 1
	From    message.Evidence `json:"from"`  // none: rule or list
}

// Explain decides as Choices does and tells how. learned is as in Query.
func (t *Table) Explain(number, phone message.Phone, findings []Finding, learned uint16) Explanation {
	best := t.Best(number, findings)
	q := Query{Number: number, Phone: phone, Hint: best.Name, Source: best.Source, Learned: learned}
	e := Explanation{Number: number, Phone: phone, Evidence: []Weighed{}, Choices: []Place{}}
	var d decision
	if !t.decide(&q, &d) {
		e.Problem = "the number is not configured"
		return e
	}
	e.Network, e.NetworkFrom, e.Country = t.networks[d.network], d.knows, t.countryCodes[d.country.id]
	if d.plan.rule >= 0 {
		e.Rule, e.Only = t.rules[d.plan.rule], d.plan.only
	}
	for source := message.EvidenceLookup; source > message.EvidencePrefix; source-- {
		had := ""
		if source == message.EvidenceSeen && learned > 0 && int(learned) <= len(t.carriers) {
			had = t.carriers[learned-1]
			e.Evidence = append(e.Evidence, t.weigh(Finding{source, had}, best, &d))
		}
		for _, f := range findings {
			if f.Source == source && f.Name != had {
				e.Evidence = append(e.Evidence, t.weigh(f, best, &d))
			}
		}
	}
	if w, ok := t.weighPrefix(phone, &d); ok {
		e.Evidence = append(e.Evidence, w)
	}
	e.Choices = t.places(t.choices(nil, phone, &d), &d)
	if len(e.Choices) == 0 {
		e.Problem = "the number has no carriers"
	}
	return e
}

// weigh says what became of one finding.
func (t *Table) weigh(f, best Finding, d *decision) Weighed {
	w := Weighed{Source: f.Source, Says: f.Name}
	both, known := t.names[f.Name]
	carrier := both.carrier > 0 && d.n.may[both.carrier-1]
	pinned := carrier && (d.pins[0] == both.carrier && d.because[0] == f.Source || d.pins[1] == both.carrier && d.because[1] == f.Source)
	switch {
	case t.ignored[f.Source]:
		w.Why = "the configuration ignores this kind of evidence"
	case !known:
		w.Why = "no carrier and no network of the configuration has this name"
	case pinned:
		w.Used, w.Why = true, "a carrier that the number may use: it is tried before the rules'"
	case carrier && d.plan.only:
		w.Why = fmt.Sprintf("a carrier, but rule %q allows only its own", t.rules[d.plan.rule])
	case !carrier && both.network > 0 && f == best && d.network == both.network:
		w.Used, w.Why = true, "the member's network, by which rules are chosen"
	case both.carrier > 0 && !carrier && both.network == 0:
		w.Why = "a carrier that the number may not use"
	case !carrier && !t.Usable(d.number, f.Name):
		w.Why = "a network that no rule of the number names"
	default:
		w.Why = "stronger evidence decided"
	}
	return w
}

func (t *Table) weighPrefix(phone message.Phone, d *decision) (Weighed, bool) {
	found := t.prefixes.find(phone)
	if found.id == 0 {
		return Weighed{}, false
	}
	digits := strconv.FormatUint(uint64(phone), 10)
	w := Weighed{Source: message.EvidencePrefix, Says: "+" + digits[:found.digits] + " " + t.networks[found.id]}
	switch {
	case t.ignored[message.EvidencePrefix]:
		w.Why = "the configuration ignores this kind of evidence"
	case d.knows == message.EvidencePrefix:
		w.Used, w.Why = true, "the longest prefix: the member's network, by which rules are chosen"
	default:
		w.Why = "stronger evidence named the network"
	}
	return w, true
}

// places turns choices into words.
func (t *Table) places(choices []Choice, d *decision) []Place {
	sums := map[uint8]int{}
	for _, c := range choices {
		sums[c.Group] += int(c.Weight)
	}
	out := make([]Place, len(choices))
	for i, c := range choices {
		out[i] = Place{Carrier: t.carriers[c.Carrier], Group: int(c.Group), Weight: int(c.Weight)}
		if sums[c.Group] > 0 {
			out[i].Share = float64(c.Weight) / float64(sums[c.Group])
		}
		for j, pin := range d.pins {
			if pin == c.Carrier+1 {
				out[i].From = d.because[j]
			}
		}
	}
	return out
}
