package smsc

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Traffic is texts from phones that the simulator makes up, the same ones for the same seed.
type Traffic struct {
	Name      string     `yaml:"name"`       // in the log and the control interface; empty: traffic-1 and so on
	To        Words      `yaml:"to"`         // numbers that are texted, in turn
	Phones    Phones     `yaml:"phones"`     // that text
	PerSecond float64    `yaml:"per_second"` // texts; or total
	Total     int        `yaml:"total"`      // texts in all; 0: no end
	Over      Duration   `yaml:"over"`       // for how long; 0: no end
	Shape     string     `yaml:"shape"`      // how the rate goes while it lasts: even, rising, peak, post
	Curve     []Point    `yaml:"curve"`      // or so
	After     Duration   `yaml:"after"`      // begins so long after the first bind that receives for the number
	Off       bool       `yaml:"off"`        // waits until it is switched on
	Texts     []TextSpec `yaml:"texts"`
	Manner    `yaml:",inline"`
}

// Point says how large the rate is, compared with the other points, at a share of the time; between two it is linear.
type Point struct {
	At   float64 `yaml:"at"`
	Rate float64 `yaml:"rate"`
}

// Phones says which phones text. One of from, pattern and list is given.
type Phones struct {
	From    string `yaml:"from"`    // the first of a range
	Count   int    `yaml:"count"`   // how many; 0: one
	Pattern string `yaml:"pattern"` // each # is a digit
	List    Words  `yaml:"list"`
	Order   string `yaml:"order"` // random: each once before any comes again, in a seeded order; ascending
}

// TextSpec is a text that phones send, and how. What its manner leaves out is as the traffic or reply around it says.
type TextSpec struct {
	Text       string  `yaml:"text"`       // {i} is the running number, {phone} the phone's digits
	Share      float64 `yaml:"share"`      // of all; those without one share the rest evenly
	Characters int     `yaml:"characters"` // filled up with words to this length
	Octets     string  `yaml:"octets_hex"` // in place of a text: octets as they are
	Manner     `yaml:",inline"`
}

// trafficMaxRate bounds texts per second of one traffic: a batch each trafficTick.
const trafficMaxRate = 100_000

// stream is a Traffic compiled.
type stream struct {
	name    string
	spec    *Traffic
	numbers []string // canonical
	phones  phoneSet
	texts   []textShare
	curve   curve
	total   uint64 // 0: no end
	off     bool
}

// textShare is a TextSpec compiled; below is a threshold of 32 bits.
type textShare struct {
	below  uint64
	spec   TextSpec
	octets []byte
	manner manner
}

func compileTraffic(list []Traffic) (out []*stream, err error) {
	names := map[string]bool{}
	for i := range list {
		s, err := compileStream(&list[i], i)
		if err == nil && names[s.name] {
			err = fmt.Errorf("name: %s is given twice", s.name)
		}
		if err != nil {
			return nil, fmt.Errorf("traffic[%d]: %w", i, err)
		}
		names[s.name] = true
		out = append(out, s)
	}
	return out, nil
}

func compileStream(t *Traffic, i int) (*stream, error) {
	s := &stream{name: t.Name, spec: t, off: t.Off}
	if s.name == "" {
		s.name = "traffic-" + strconv.Itoa(i+1)
	}
	if strings.ContainsAny(s.name, " \t\r\n") {
		return nil, fmt.Errorf("name: %q: want one word", s.name)
	}
	if len(t.To) == 0 {
		return nil, errors.New("to: no number")
	}
	for _, n := range t.To {
		s.numbers = append(s.numbers, canonicalPhone(n))
	}
	var err error
	if s.phones, err = compilePhones(&t.Phones); err != nil {
		return nil, fmt.Errorf("phones.%w", err)
	}
	if s.texts, err = compileTexts(t.Texts, &t.Manner); err != nil {
		return nil, err
	}
	return s, s.pace(t)
}

// pace sets when each text is sent.
func (s *stream) pace(t *Traffic) error {
	over := time.Duration(t.Over)
	switch {
	case t.Total < 0 || t.PerSecond < 0 || math.IsNaN(t.PerSecond):
		return errors.New("total, per_second: want 0 or more")
	case t.Total > 0 && t.PerSecond > 0 && over > 0:
		return errors.New("total, per_second and over: one too many, two of them give the third")
	case t.Total > 0 && over > 0:
		s.total = uint64(t.Total)
	case t.PerSecond > 0:
		s.total = uint64(t.Total)
		if over > 0 {
			s.total = max(uint64(t.PerSecond*over.Seconds()), 1)
		} else if t.Total > 0 {
			over = time.Duration(float64(t.Total) / t.PerSecond * float64(time.Second))
		}
	default:
		return errors.New("want per_second, or total and over")
	}
	if s.total == 0 { // without an end: a turn of the curve is a second
		if t.Shape != "" && t.Shape != "even" || len(t.Curve) > 0 {
			return errors.New("shape, curve: want an end: total, or over")
		}
		s.curve = curve{over: time.Second, perTurn: t.PerSecond}
	} else {
		points, err := shapeOf(t)
		if err != nil {
			return err
		}
		if s.curve, err = compileCurve(points, over, float64(s.total)); err != nil {
			return fmt.Errorf("curve: %w", err)
		}
	}
	if s.curve.peak() > trafficMaxRate {
		return fmt.Errorf("%.0f texts a second at the peak: want at most %d", s.curve.peak(), trafficMaxRate)
	}
	return nil
}

func shapeOf(t *Traffic) ([]Point, error) {
	if len(t.Curve) > 0 {
		if t.Shape != "" {
			return nil, errors.New("shape and curve: want one of them")
		}
		return t.Curve, nil
	}
	switch t.Shape {
	case "", "even":
		return []Point{{0, 1}, {1, 1}}, nil
	case "rising":
		return []Point{{0, 0.1}, {1, 1}}, nil
	case "peak": // a broadcast that mentions the number: up to the middle, then down
		return []Point{{0, 0.1}, {0.5, 1}, {1, 0.1}}, nil
	case "post": // a post: nearly all at once, then ever fewer
		return []Point{{0, 0.2}, {0.03, 1}, {0.1, 0.6}, {0.25, 0.25}, {0.5, 0.1}, {1, 0.02}}, nil
	}
	return nil, fmt.Errorf("shape: %q: want even, rising, peak or post, or a curve", t.Shape)
}

// curve says when the i-th text is sent: its points are times at which so much of the whole has been sent.
type curve struct {
	over    time.Duration
	perTurn float64
	points  []Point // Rate: share sent until At; none: even
	rates   []Point // as given, so that between two points a time can be found
	area    float64
}

func compileCurve(points []Point, over time.Duration, total float64) (curve, error) {
	c := curve{over: over, perTurn: total, rates: points}
	if len(points) < 2 || points[0].At != 0 || points[len(points)-1].At != 1 {
		return c, errors.New("want points from at: 0 to at: 1")
	}
	c.points = append(c.points, Point{})
	for i, p := range points[1:] {
		before := points[i]
		if p.At <= before.At || p.Rate < 0 || before.Rate < 0 || math.IsNaN(p.Rate) {
			return c, fmt.Errorf("point %d: want times that rise and rates of 0 or more", i+2)
		}
		c.area += (p.At - before.At) * (p.Rate + before.Rate) / 2
		c.points = append(c.points, Point{p.At, c.area})
	}
	if c.area <= 0 {
		return c, errors.New("the rate is 0 all the time")
	}
	return c, nil
}

// peak is the largest rate, in texts a second.
func (c *curve) peak() float64 {
	if c.points == nil {
		return c.perTurn
	}
	most := 0.0
	for _, p := range c.rates {
		most = max(most, p.Rate)
	}
	return most / c.area * c.perTurn / c.over.Seconds()
}

// when is how long after the beginning the place in the row of all texts is reached, which counts from 0 and may lie
// between two of them.
func (c *curve) when(place float64) time.Duration {
	if c.points == nil {
		return time.Duration(place / c.perTurn * float64(c.over))
	}
	want := min(place/c.perTurn, 1) * c.area
	i, _ := slices.BinarySearchFunc(c.points, want, func(p Point, v float64) int {
		if p.Rate < v {
			return -1
		}
		return 1
	})
	i = min(max(i, 1), len(c.points)-1)
	a, b := c.rates[i-1], c.rates[i]
	return time.Duration((a.At + solve(a.Rate, b.Rate, b.At-a.At, want-c.points[i-1].Rate)) * float64(c.over))
}

// solve finds how far along a stretch, on which the rate goes from r0 to r1, the area reaches want.
func solve(r0, r1, length, want float64) float64 {
	slope := (r1 - r0) / length
	if math.Abs(slope) < 1e-12 {
		if r0 <= 0 {
			return length
		}
		return min(want/r0, length)
	}
	root := math.Sqrt(max(r0*r0+2*slope*want, 0))
	return min(max((root-r0)/slope, 0), length)
}

// phoneSet gives the phone of each place in the row.
type phoneSet struct {
	list     []string
	pattern  string // its # are filled with digits
	first    uint64 // of a range
	digits   int    // of the range's phones; 0: no range
	count    uint64
	shuffled bool
}

func compilePhones(p *Phones) (s phoneSet, err error) {
	given := 0
	for _, there := range []bool{p.From != "", p.Pattern != "", len(p.List) > 0} {
		if there {
			given++
		}
	}
	if given != 1 {
		return s, errors.New("from, pattern, list: want one of them")
	}
	switch p.Order {
	case "", "random":
		s.shuffled = true
	case "ascending":
	default:
		return s, fmt.Errorf("order: %q: want random or ascending", p.Order)
	}
	if p.Count != 0 && p.From == "" || p.Count < 0 {
		return s, errors.New("count: want 1 or more, and from beside it")
	}
	switch {
	case p.From != "":
		s.count = uint64(max(p.Count, 1))
		first := canonicalPhone(p.From)
		if parsePhone([]byte(first)) == 0 {
			return s, fmt.Errorf("from: %w", errPhone)
		}
		s.first, s.digits = parsePhone([]byte(first)).value(), len(first)
		if last := strconv.FormatUint(s.first+s.count-1, 10); len(last) > len(first) || len(last) > phoneDigitsMax {
			return s, fmt.Errorf("count: the last phone would be %s", last)
		}
	case p.Pattern != "":
		s.pattern = canonicalPhone(p.Pattern)
		places := strings.Count(s.pattern, "#")
		if places == 0 || places > 12 || parsePhone([]byte(strings.ReplaceAll(s.pattern, "#", "0"))) == 0 {
			return s, errors.New("pattern: want a phone with 1 to 12 # for digits, such as 1312555####")
		}
		s.count = 1
		for range places {
			s.count *= 10
		}
	default:
		for _, one := range p.List {
			if one = canonicalPhone(one); parsePhone([]byte(one)) == 0 {
				return s, fmt.Errorf("list: %q: %w", one, errPhone)
			}
			s.list = append(s.list, one)
		}
		s.count = uint64(len(s.list))
	}
	return s, nil
}

// at is the phone of a number from 0 to count-1.
func (s *phoneSet) at(i uint64) string {
	switch {
	case s.list != nil:
		return s.list[i]
	case s.pattern != "":
		b := []byte(s.pattern)
		for j := len(b) - 1; j >= 0; j-- {
			if b[j] == '#' {
				b[j] = byte('0' + i%10)
				i /= 10
			}
		}
		return string(b)
	}
	return fmt.Sprintf("%0*d", s.digits, s.first+i)
}

func compileTexts(list []TextSpec, around *Manner) (out []textShare, err error) {
	if len(list) == 0 {
		return nil, errors.New("texts: none")
	}
	given, without := 0.0, 0
	for i, t := range list {
		if _, err := share(t.Share); err != nil {
			return nil, fmt.Errorf("texts[%d].share: %w", i, err)
		}
		if given += t.Share; t.Share == 0 {
			without++
		}
	}
	if given > 1+1e-9 || without == 0 && given < 1-1e-9 {
		return nil, fmt.Errorf("texts: shares add up to %v", given)
	}
	sum := 0.0
	for i, t := range list {
		one := textShare{spec: t}
		if t.Share == 0 {
			t.Share = (1 - given) / float64(without)
		}
		sum += t.Share
		if one.below, err = share(min(sum, 1)); err != nil {
			return nil, fmt.Errorf("texts[%d]: %w", i, err)
		}
		if err := one.compile(around); err != nil {
			return nil, fmt.Errorf("texts[%d].%w", i, err)
		}
		out = append(out, one)
	}
	out[len(out)-1].below = 1 << 32
	return out, nil
}
