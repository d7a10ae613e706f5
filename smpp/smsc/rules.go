package smsc

import "fmt"

func compileRules(a Answers, list []Rule, ground behaviour) (r rulesOf, err error) {
	if r.base, err = compileAnswers(a, ground); err != nil {
		return r, err
	}
	for i, x := range list {
		b, err := compileAnswers(x.Answers, r.base)
		if err != nil {
			return r, fmt.Errorf("rules[%d]: %w", i, err)
		}
		if x.To == "" && x.From == "" {
			return r, fmt.Errorf("rules[%d]: neither to nor from", i)
		}
		r.rules = append(r.rules, rule{to: compilePattern(x.To), from: compilePattern(x.From), behaviour: b})
	}
	return r, nil
}

// compileAccounts lets what an account differs in stand on what holds for all, and the rules on that.
func compileAccounts(s *Scenario, base behaviour) (map[string]*rulesOf, error) {
	out := map[string]*rulesOf{}
	for name, a := range s.Accounts {
		r, err := compileRules(a, s.Rules, base)
		if err != nil {
			return nil, fmt.Errorf("accounts.%s: %w", name, err)
		}
		out[name] = &r
	}
	return out, nil
}

// of gives what holds for an account.
func (p *plan) of(systemID string) *rulesOf {
	if len(p.accounts) > 0 {
		if r := p.accounts[systemID]; r != nil {
			return r
		}
	}
	return &p.rulesOf
}

// behaviours visits everything that a submit may meet.
func (p *plan) behaviours(visit func(*behaviour)) {
	each := func(r *rulesOf) {
		visit(&r.base)
		for i := range r.rules {
			visit(&r.rules[i].behaviour)
		}
	}
	each(&p.rulesOf)
	for _, r := range p.accounts {
		each(r)
	}
}

// adopt puts a plan in force. Receipts keep the form they were planned with, so forms get a number that outlives plans.
func (s *server) adopt(p *plan) {
	p.behaviours(func(b *behaviour) { b.formIndex = s.forms.index(b.form) })
	p.since = s.now().ns
	s.live.Store(p)
}
