package community

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"fanline/engine/message"
)

// Audience is a parsed filter: the terms that all must hold. None: all members.
type Audience struct {
	Terms []Term
}

// Term compares a field with a value.
type Term struct {
	Field string // city, state, age, gender, group, language
	Op    string // = != < <= > >=
	Value string
	Years int // Value of age
}

// AudienceError says where a filter cannot be read and what could stand there.
type AudienceError struct {
	Filter  string
	At      int // character, from 1
	Problem string
}

// Error shows the place.
func (e *AudienceError) Error() string {
	return fmt.Sprintf("audience, character %d: %s", e.At, e.Problem)
}

// Unwrap makes every AudienceError an ErrInvalid.
func (e *AudienceError) Unwrap() error { return ErrInvalid }

const audienceHelp = `want "all", or terms such as city=Chicago city="New York" state=IL age>=21 gender=f language=es group=vip`

// maxFilter and maxTerms bound what a filter costs.
const (
	maxFilter = 1000
	maxTerms  = 20
)

// ParseAudience reads "all", or terms joined by spaces that all must hold:
// field, one of = != < <= > >=, value; a value with spaces stands in double
// quotes. The error is an *AudienceError.
//
//	city="New York" age>=21 age<30 group!=vip
//
// Who has an unknown city, age or the like matches a term with != and no other.
func ParseAudience(s string) (Audience, error) {
	p := filterParser{s: s}
	a, problem := p.parse()
	if problem != "" {
		at := len([]rune(strings.ToValidUTF8(s[:min(p.at, len(s))], "?"))) + 1
		return Audience{}, &AudienceError{Filter: s, At: at, Problem: problem}
	}
	return a, nil
}

type filterParser struct {
	s  string
	at int // octet
}

func (p *filterParser) parse() (a Audience, problem string) {
	if len(p.s) > maxFilter {
		return a, fmt.Sprintf("has %d octets, at most %d are read", len(p.s), maxFilter)
	}
	if _, problem := cleanUnicode(p.s); problem != "" {
		return a, problem
	}
	if strings.TrimSpace(p.s) == "all" {
		return a, ""
	}
	for {
		for p.at < len(p.s) && p.s[p.at] == ' ' {
			p.at++
		}
		if p.at == len(p.s) {
			break
		}
		t, problem := p.term()
		if problem != "" {
			return Audience{}, problem
		}
		if a.Terms = append(a.Terms, t); len(a.Terms) > maxTerms {
			return Audience{}, fmt.Sprintf("more than %d terms", maxTerms)
		}
	}
	if len(a.Terms) == 0 {
		return a, "is empty: " + audienceHelp
	}
	return a, ""
}

func (p *filterParser) term() (t Term, problem string) {
	start := p.at
	for p.at < len(p.s) && strings.IndexByte(`=!<> "`, p.s[p.at]) < 0 {
		p.at++
	}
	t.Field = strings.ToLower(p.s[start:p.at])
	switch t.Field {
	case "city", "state", "age", "gender", "group", "language":
	default:
		p.at = start
		return t, fmt.Sprintf("%q is no field: %s", t.Field, audienceHelp)
	}
	opAt := p.at
	for p.at < len(p.s) && p.at < opAt+2 && strings.IndexByte("=!<>", p.s[p.at]) >= 0 {
		p.at++
	}
	switch t.Op = p.s[opAt:p.at]; t.Op {
	case "=", "!=":
	case "<", "<=", ">", ">=":
		if t.Field != "age" {
			p.at = opAt
			return t, fmt.Sprintf("%s can only be compared by = or !=", t.Field)
		}
	default:
		p.at = opAt
		return t, fmt.Sprintf("after %s want one of = != < <= > >=", t.Field)
	}
	valueAt := p.at
	if t.Value, problem = p.value(); problem == "" {
		end := p.at
		if problem = t.check(); problem != "" {
			p.at = valueAt
		} else {
			p.at = end
		}
	}
	return t, problem
}

func (p *filterParser) value() (v, problem string) {
	if p.at < len(p.s) && p.s[p.at] == '"' {
		end := strings.IndexByte(p.s[p.at+1:], '"')
		if end < 0 {
			return "", "the quote is not closed"
		}
		v = p.s[p.at+1 : p.at+1+end]
		p.at += end + 2
		if p.at < len(p.s) && p.s[p.at] != ' ' {
			return "", "want a space after the closing quote"
		}
		return v, ""
	}
	start := p.at
	for p.at < len(p.s) && p.s[p.at] != ' ' {
		if strings.IndexByte(`=!<>"`, p.s[p.at]) >= 0 {
			return "", "a value with one of = ! < > stands in double quotes"
		}
		p.at++
	}
	return p.s[start:p.at], ""
}

// check brings a value into the form in which the store has it.
func (t *Term) check() (problem string) {
	t.Value = strings.TrimSpace(t.Value)
	switch t.Field {
	case "age":
		n, err := strconv.Atoi(t.Value)
		if err != nil || n < 0 || n > maxAge || t.Value[0] == '+' || t.Value[0] == '-' {
			return fmt.Sprintf("an age is a number from 0 to %d", maxAge)
		}
		t.Years = n
	case "gender":
		if t.Value, problem = gender(t.Value); problem == "" && t.Value == "" {
			problem = "want f, m or x"
		}
	case "language":
		if t.Value, problem = letters(strings.ToLower(t.Value), "a language as two letters, such as en"); problem == "" && t.Value == "" {
			problem = "want a language as two letters, such as en"
		}
	case "state":
		t.Value = strings.ToUpper(t.Value)
	}
	if problem == "" && t.Value == "" {
		problem = "a value is missing after " + t.Field + t.Op
	}
	return problem
}

// String returns a form that ParseAudience reads as the same audience.
func (a Audience) String() string {
	if len(a.Terms) == 0 {
		return "all"
	}
	terms := make([]string, len(a.Terms))
	for i, t := range a.Terms {
		v := t.Value
		if strings.ContainsAny(v, ` =!<>`) {
			v = `"` + v + `"`
		}
		terms[i] = t.Field + t.Op + v
	}
	return strings.Join(terms, " ")
}

// selectAudience returns FROM and WHERE of a query over the joined members m of
// a number who match, with its parameters.
func (q querier) selectAudience(ctx context.Context, number message.Phone, a Audience, today Date) (from string, args []any, err error) {
	n, err := q.numberID(ctx, number)
	if err != nil {
		return "", nil, err
	}
	leader, err := q.leaderID(ctx, number)
	if err != nil {
		return "", nil, err
	}
	args = []any{n}
	param := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	var b strings.Builder
	b.WriteString(`FROM consent k JOIN members m ON m.id = k.member WHERE k.number = $1 AND k.state = 'joined'`)
	for _, t := range a.Terms {
		b.WriteString(" AND ")
		b.WriteString(t.sql(param, leader, today))
	}
	return b.String(), args, nil
}

func (t Term) sql(param func(any) string, leader int64, today Date) string {
	not := ""
	if t.Op == "!=" {
		not = "NOT "
	}
	switch t.Field {
	case "city":
		return `m.city ` + not + `IN (SELECT id FROM cities WHERE folded = ` + param(fold(t.Value)) + `)`
	case "state":
		return `m.city ` + not + `IN (SELECT id FROM cities WHERE state = ` + param(t.Value) + `)`
	case "group":
		return `m.id ` + not + `IN (SELECT gm.member FROM group_members gm JOIN groups g ON g.id = gm.grp WHERE g.leader = ` +
			param(leader) + ` AND g.folded = ` + param(fold(t.Value)) + `)`
	case "age":
		return t.ageSQL(param, today)
	default: // gender, language
		return `m.` + t.Field + ` ` + t.Op + ` ` + param(t.Value)
	}
}

// ageSQL compares birth dates: at least n years old is born on the last day
// that gives n full years, or before.
func (t Term) ageSQL(param func(any) string, today Date) string {
	atLeast := func(n int) string { return `m.birth <= ` + param(int64(today.lastBirth(n))) }
	younger := func(n int) string { return `m.birth > ` + param(int64(today.lastBirth(n))) }
	switch t.Op {
	case ">=":
		return `(m.birth > 0 AND ` + atLeast(t.Years) + `)`
	case ">":
		return `(m.birth > 0 AND ` + atLeast(t.Years+1) + `)`
	case "<":
		return `(m.birth > 0 AND ` + younger(t.Years) + `)`
	case "<=":
		return `(m.birth > 0 AND ` + younger(t.Years+1) + `)`
	case "=":
		return `(m.birth > 0 AND ` + atLeast(t.Years) + ` AND ` + younger(t.Years+1) + `)`
	default:
		return `(m.birth = 0 OR ` + younger(t.Years) + ` OR ` + atLeast(t.Years+1) + `)`
	}
}
