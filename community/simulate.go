package community

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"

	"fanline/engine/message"
)

// Simulate joins n simulated members to a number; the same seed gives the same
// people on the same day. They take the way of an import, with evidence that
// says what they are.
func (s *Store) Simulate(ctx context.Context, n int, seed uint64, number message.Phone, progress func(ImportReport)) (ImportReport, error) {
	g := newGenerator(seed, DateOf(s.now()))
	made := 0
	return s.insert(ctx, number, Evidence{Method: "simulated", Source: fmt.Sprintf("seed %d", seed)}, progress, func(b *batch) (bool, error) {
		for made < n && len(b.entries) < cap(b.entries) {
			e, err := g.next()
			if err != nil {
				return false, err
			}
			b.entries = append(b.entries, e)
			made++
		}
		b.read = ImportReport{Rows: int64(made)}
		return made < n, nil
	})
}

// generator makes simulated members.
type generator struct {
	random               *rand.Rand
	today                Date
	cities               []simulatedCity
	upTo                 []int // people of the cities up to and with each
	female, male, family []string
	lines                map[int]int // numbers given out, by area code
	first                int         // line with which every area code begins
}

func newGenerator(seed uint64, today Date) *generator {
	g := &generator{random: rand.New(rand.NewPCG(seed, 0x66616e6c696e65)), today: today, cities: simulatedCities(), lines: map[int]int{}}
	g.female, g.male, g.family = simulatedNames()
	all := 0
	for _, c := range g.cities {
		all += c.people
		g.upTo = append(g.upTo, all)
	}
	g.first = g.random.IntN(areaLines)
	return g
}

func (g *generator) next() (entry, error) {
	city := &g.cities[sort.SearchInts(g.upTo, g.random.IntN(g.upTo[len(g.upTo)-1])+1)]
	e := entry{Profile: Profile{City: city.name, State: city.state, Country: defaultCountry, LastName: pick(g.random, g.family)}}
	switch g.random.IntN(100) {
	case 0, 1:
		e.Gender = "x"
	case 2, 3, 4: // Said nothing.
	default:
		e.Gender = []string{"f", "m"}[g.random.IntN(2)]
	}
	if e.Gender == "f" || e.Gender != "m" && g.random.IntN(2) == 0 {
		e.FirstName = pick(g.random, g.female)
	} else {
		e.FirstName = pick(g.random, g.male)
	}
	if g.random.IntN(50) > 0 { // One in fifty gives no birth date. The others are young, as fans are.
		years := MinAge + min(g.random.IntN(70), g.random.IntN(70), g.random.IntN(70))
		e.Birth = g.today.lastBirth(years) - Date(g.random.IntN(365))
	}
	e.Language = [...]string{"en", "en", "en", "en", "en", "en", "en", "es", "es", "fr"}[g.random.IntN(10)]
	if g.random.IntN(2) == 0 {
		e.Email = fmt.Sprintf("%s.%d@example.com", strings.ToLower(e.State), g.random.Uint32())
	}
	var err error
	e.phone, err = g.phone(city)
	return e, err
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

// areaLines is how many lines an area code has for simulated members: ten
// thousand in each exchange from 200 to 999 but those that end in 11, which are
// services, and 555, which belongs to nobody.
const areaLines = (800 - 8 - 1) * 10_000

// phone gives out the lines of a city's area codes in turn, round from the
// seed's first line, so that no two members share one.
func (g *generator) phone(city *simulatedCity) (message.Phone, error) {
	area := city.areas[g.random.IntN(len(city.areas))]
	n := g.lines[area]
	if n == areaLines {
		return 0, fmt.Errorf("simulating: area code %d has no more numbers", area)
	}
	g.lines[area]++
	n = (g.first + n) % areaLines
	exchange, line := n/10_000, n%10_000
	// The exchanges in order, those left out passed over.
	exchange += 200
	for _, out := range [...]int{211, 311, 411, 511, 555, 611, 711, 811, 911} {
		if exchange >= out {
			exchange++
		}
	}
	return message.Phone(10_000_000_000 + area*10_000_000 + exchange*10_000 + line), nil
}
