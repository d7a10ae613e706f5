package carrier

import (
	"regexp"
	"slices"
	"strings"

	"fanline/engine"
	"fanline/engine/message"
	"fanline/smpp"
)

// Grammar is how a carrier's receipts differ from what smpp reads, in the words
// of a profile.
type Grammar struct {
	// Pattern is a regular expression (Go's syntax) for the text of receipts
	// that smpp cannot read; its groups are named id, stat, err and date.
	// Receipts that it doesn't match are read as usual.
	Pattern string
	// Detect says what makes a receipt: esm_class (also where empty; or the
	// TLV receipted_message_id), or text: what reads as a receipt is one, too.
	// Anybody can text such a thing, so it is for carriers that leave
	// esm_class unset.
	Detect string
	// Errors maps the err of receipts to delivered, failed, expired or pending,
	// whatever their stat: for codes such as those of a do-not-disturb list.
	Errors map[string]string
	// Parts says for which parts of a long text receipts come: all (also where
	// empty), last, first, or any: the first one to come stands for all.
	Parts string
}

// grammar is a Grammar that was checked.
type grammar struct {
	pattern               *regexp.Regexp // nil: none
	id, stat, errno, date int            // its groups; 0: not there
	byText                bool
	errors                map[string]message.State
	parts                 engine.PartsReceipt
}

// memberAddress is which address of a receipt is the member's.
type memberAddress byte

const (
	memberIsSource memberAddress = iota
	memberIsDestination
	memberIsNone // what stands there is nobody's: receipts are found by their ids alone
)

// stateWords are what a profile makes of stat and err.
var stateWords = map[string]message.State{
	"delivered": message.Delivered, "failed": message.Failed, "expired": message.Expired, "pending": message.Open,
}

// readGrammar takes a profile's grammar over.
func (p *Profile) readGrammar(s *Grammar) error {
	g := &p.grammar
	if s.Pattern != "" {
		re, err := regexp.Compile(s.Pattern)
		if err != nil {
			return p.problem("receipts.pattern", s.Pattern)
		}
		g.pattern = re
		for i, name := range re.SubexpNames() {
			switch name {
			case "":
			case "id":
				g.id = i
			case "stat":
				g.stat = i
			case "err":
				g.errno = i
			case "date":
				g.date = i
			default:
				return p.problem("receipts.pattern", "(?P<"+name+">")
			}
		}
		if !slices.Contains(re.SubexpNames(), "id") && !slices.Contains(re.SubexpNames(), "stat") {
			return p.problem("receipts.pattern", s.Pattern)
		}
	}
	if !choose(&g.byText, s.Detect, map[string]bool{"": false, "esm_class": false, "text": true}) {
		return p.problem("receipts.detect", s.Detect)
	}
	if !choose(&g.parts, s.Parts, map[string]engine.PartsReceipt{
		"": engine.EveryPart, "all": engine.EveryPart, "last": engine.LastPart, "first": engine.FirstPart, "any": engine.AnyPart,
	}) {
		return p.problem("receipts.parts", s.Parts)
	}
	for code, word := range s.Errors {
		state, ok := stateWords[word]
		if !ok {
			return p.problem("receipts.errors."+code, word)
		}
		if g.errors == nil {
			g.errors = map[string]message.State{}
		}
		g.errors[plainCode(code)] = state
	}
	return nil
}

// plainCode brings an err to the form in which 009 and 9, and 21B and 21b, are
// the same.
func plainCode(code string) string {
	code = strings.ToLower(strings.TrimSpace(code))
	for len(code) > 1 && code[0] == '0' {
		code = code[1:]
	}
	return code
}

// PartsReceipt says for which parts of a text in several the carrier sends
// receipts.
func (p *Profile) PartsReceipt() engine.PartsReceipt { return p.grammar.parts }

// parse reads a receipt as the profile says. Its strings alias pdu unless the
// text had to be decoded.
func (p *Profile) parse(pdu []byte) (r smpp.Receipt, source, destination smpp.Address, ok bool) {
	r, source, destination, ok = parseReceipt(pdu)
	if p.grammar.pattern == nil && (ok || !p.grammar.byText) {
		return r, source, destination, ok
	}
	if !ok && !p.grammar.byText {
		return r, source, destination, false
	}
	text, part, err := p.Text(pdu)
	if err != nil || !ok && part.Parts > 1 {
		return r, source, destination, ok
	}
	if p.grammar.match(text, &r) {
		return r, source, destination, true
	}
	if !ok {
		r, ok = smpp.ParseReceiptText([]byte(text))
	}
	return r, source, destination, ok
}

// match reads a text by the pattern, which knows better than what smpp made of
// it; a TLV message_state stands where the pattern's stat says nothing.
func (g *grammar) match(text string, r *smpp.Receipt) bool {
	if g.pattern == nil {
		return false
	}
	m := g.pattern.FindStringSubmatch(text)
	if m == nil {
		return false
	}
	group := func(i int, to *string) {
		if i > 0 && m[i] != "" {
			*to = m[i]
		}
	}
	group(g.id, &r.ID)
	group(g.stat, &r.Stat)
	group(g.errno, &r.Err)
	group(g.date, &r.DoneDate)
	if g.stat > 0 {
		if said, _ := smpp.ParseReceiptText([]byte("stat:" + r.Stat)); said.State != 0 {
			r.State = said.State
		}
	}
	return true
}
