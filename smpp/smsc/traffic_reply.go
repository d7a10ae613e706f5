package smsc

import (
	"fmt"
	"hash/crc32"
	"regexp"
	"slices"
	"strconv"
	"sync"

	"fanline/smpp/text"
)

// Reply lets phones answer what they are sent, some time after it was delivered.
type Reply struct {
	Name     string        `yaml:"name"`     // empty: reply-1 and so on
	To       string        `yaml:"to"`       // pattern of the phone; empty: all
	From     string        `yaml:"from"`     // pattern of the number; empty: all
	Matching string        `yaml:"matching"` // regular expression (RE2) that the text matches; empty: every text
	Share    float64       `yaml:"share"`    // of those; 0: all
	Delay    *Distribution `yaml:"delay"`    // from delivery; left out: 1s to 30s
	Texts    []TextSpec    `yaml:"texts"`
	Manner   `yaml:",inline"`
}

// replyRule is a Reply compiled.
type replyRule struct {
	name     string
	hash     uint64
	to, from pattern
	matching *regexp.Regexp
	below    uint64
	delay    *sampler
	texts    []textShare
}

func replyDelay() *Distribution {
	return &Distribution{Min: Duration(1e9), Max: Duration(30e9)}
}

func compileReplies(list []Reply) (out []*replyRule, err error) {
	for i := range list {
		r, err := compileReply(&list[i], i)
		if err != nil {
			return nil, fmt.Errorf("replies[%d]: %w", i, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func compileReply(r *Reply, i int) (c *replyRule, err error) {
	c = &replyRule{name: r.Name, to: compilePattern(r.To), from: compilePattern(r.From), below: 1 << 32}
	if c.name == "" {
		c.name = "reply-" + strconv.Itoa(i+1)
	}
	c.hash = hashOf(c.name)
	if r.Share != 0 {
		if c.below, err = share(r.Share); err != nil {
			return nil, err
		}
	}
	if r.Matching != "" {
		if c.matching, err = regexp.Compile(r.Matching); err != nil {
			return nil, fmt.Errorf("matching: %w", err)
		}
	}
	delay := r.Delay
	if delay == nil {
		delay = replyDelay()
	}
	if c.delay, err = compileDistribution(delay); err != nil {
		return nil, fmt.Errorf("delay: %w", err)
	}
	c.texts, err = compileTexts(r.Texts, &r.Manner)
	return c, err
}

// echo lets a phone answer the submit that was just accepted, by the first rule that applies and is drawn. The draw
// depends on seed, rule, phone and text alone: the same phones answer the same texts, in whatever order they are sent.
func (c *conn) echo(p *plan, n *number, to phone) {
	r := &c.submit
	if r.stat != StatNone && r.stat != StatDelivered {
		return // a phone doesn't answer what never reached it
	}
	place := uint64(crc32.Checksum(r.text, castagnoli()))
	if r.parts > 1 {
		place = uint64(r.ref)<<16 | uint64(r.parts)<<8
	}
	place = mix64(p.seed ^ mix64(to.value()^place<<20))
	for _, rule := range p.replies {
		chance := rng{mix64(place ^ rule.hash)}
		if chance.next()>>32 >= rule.below {
			continue
		}
		phone := to.String()
		if !rule.to.match(phone) || !rule.from.match(n.addr) {
			continue
		}
		body, whole := c.s.traffic.echoes.body(rule, n, to, r)
		if !whole {
			continue // the rest of it is still to come
		}
		if rule.matching != nil && !rule.matching.MatchString(body) {
			continue
		}
		c.answerBy(rule, &chance, n, phone)
		return
	}
}

// answerBy makes the answer and keeps it until the log holds it.
func (c *conn) answerBy(rule *replyRule, chance *rng, n *number, phone string) {
	if c.s.texts.full() || len(c.echoes) >= textsMax {
		c.s.traffic.dropped.Add(1)
		return
	}
	delay := c.submit.delayMillis + rule.delay.draw(chance.next())/1000
	t := pickText(rule.texts, chance)
	x, err := c.s.newInbound(n, phone, t.write(chance, c.submit.id, phone), t.octets, &t.manner)
	if err != nil {
		c.s.logger.Error("simulator can't make up a reply", "reply", rule.name, "error", err)
		return
	}
	twin := c.s.arrange(x, &t.manner, chance, delay)
	for _, one := range []*inbound{x, twin} {
		if one != nil {
			c.block.queued(one)
			c.echoes = append(c.echoes, one)
		}
	}
}

// oweEchoes hands over the answers that the log holds now.
func (c *conn) oweEchoes() {
	if len(c.echoes) == 0 {
		return
	}
	c.s.stats.texts.Add(int64(len(c.echoes)))
	c.s.owe(c.echoes, c.at.ms)
	c.echoes = c.echoes[:0]
}

// echoTable joins the parts of long texts that a rule wants to look at: a few in a thousand, so a small table does.
type echoTable struct {
	mu   sync.Mutex
	open map[echoKey]*echoText
}

type echoKey struct {
	rule       *replyRule
	number     *number
	to         phone
	ref        uint16
	parts, dcs byte
}

type echoText struct {
	parts [][]byte
	got   int
}

// echoesMax bounds texts of which parts are missing; for one more, some other is forgotten and not answered.
const echoesMax = 4096

// body is the whole text, once the last of its parts is there.
func (t *echoTable) body(rule *replyRule, n *number, to phone, r *submitRecord) (string, bool) {
	if r.parts <= 1 {
		return text.Decode(r.dcs, r.text), true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	key := echoKey{rule, n, to, r.ref, r.parts, r.dcs}
	x := t.open[key]
	if x == nil {
		if t.open == nil {
			t.open = map[echoKey]*echoText{}
		}
		if len(t.open) >= echoesMax {
			for other := range t.open {
				delete(t.open, other)
				break
			}
		}
		x = &echoText{parts: make([][]byte, r.parts)}
		t.open[key] = x
	}
	if i := int(r.part) - 1; i >= 0 && i < len(x.parts) && x.parts[i] == nil {
		x.parts[i] = append([]byte{}, r.text...)
		x.got++
	}
	if x.got < len(x.parts) {
		return "", false
	}
	delete(t.open, key)
	return text.Decode(r.dcs, slices.Concat(x.parts...)), true
}
