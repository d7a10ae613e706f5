package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"fanline/api"
	"fanline/community"
	"fanline/engine/message"
	"fanline/engine/route"
	"fanline/pipeline/record"
)

// openRoutes makes the table that engine, planner, imports and explanations
// share; a reload swaps it.
func (n *node) openRoutes() error {
	table, err := n.cfg.routeTable()
	if err != nil {
		return fmt.Errorf("routes: %w", err)
	}
	n.routes.Store(table)
	return nil
}

// setRoutes has messages that are planned and sent from now on go by a table.
func (n *node) setRoutes(table *route.Table) {
	n.routes.Store(table)
	n.engine.SetRoutes(table)
}

// findings are what the store knows of a member, in the words of the table.
func findings(t *route.Table, w community.Ways) []route.Finding {
	var all []route.Finding
	for _, f := range []route.Finding{
		{Source: message.EvidenceLookup, Name: w.Looked}, {Source: message.EvidenceSeen, Name: w.Seen}, {Source: message.EvidenceImport, Name: w.Imported},
	} {
		if f.Name == "" {
			continue
		}
		if canonical, ok := t.Canonical(f.Name); ok { // The configuration may have changed since it was stored.
			f.Name = canonical
		}
		all = append(all, f)
	}
	return all
}

// hint chooses for the planner what can decide anything for a number.
func (n *node) hint(number message.Phone, known community.Ways) record.Hint {
	t := n.routes.Load()
	best := t.Best(number, findings(t, known))
	return record.Hint{Name: best.Name, Source: best.Source}
}

// carrierName reads the column carrier of imports.
func (n *node) carrierName(name string) (string, bool) { return n.routes.Load().Canonical(name) }

// route explains the way to a member, with the health of each carrier.
func (n *node) route(m community.Membership, phone message.Phone) api.Route {
	t := n.routes.Load()
	ctx, cancel := context.WithTimeout(context.Background(), learnedWait)
	defer cancel()
	learned := uint16(0)
	if name, err := n.engine.Learned(ctx, phone); err == nil && name != "" { // Without it the store's evidence still counts.
		learned = uint16(slices.Index(t.Carriers(), name) + 1)
	}
	return explained(t.Explain(m.Number, phone, findings(t, m.Ways), learned), n.carrierHealth(m.Number))
}

// learnedWait is how long an explanation waits for a busy engine.
const learnedWait = time.Second

// health is whether a carrier takes messages of a number, in words too.
type health struct {
	ok  bool
	how string
}

// carrierHealth is the engine's judgement, with the pool's reasons.
func (n *node) carrierHealth(number message.Phone) map[string]health {
	all := map[string]health{}
	for _, s := range n.carriers.pool.State() {
		all[s.Name] = health{s.Sending > 0, fmt.Sprintf("%d of %d binds up, %s", s.Up, len(s.Binds), s.Admin)}
	}
	for _, s := range n.engine.CarrierStates() {
		h := all[s.Name]
		h.ok = s.Healthy
		if s.Breaker != "closed" {
			h.how += ", breaker " + s.Breaker
		}
		for _, lane := range s.Lanes {
			if lane.Number == number && lane.Stopped {
				h.ok = false
				h.how += ", refuses this number"
			}
		}
		all[s.Name] = h
	}
	return all
}
