package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"fanline/api"
	"fanline/engine/carrier"
)

// adminFile keeps what the operator wants of carriers over restarts.
const adminFile = "carriers.json"

// adminState is the content of DATA/carriers.json: carriers that are not
// enabled. Those that the configuration doesn't name any more are kept, since
// they may come back.
type adminState struct {
	mu       sync.Mutex
	path     string
	Carriers map[string]carrier.Admin `json:"carriers"`
}

func loadAdminState(d *dataDir) (*adminState, error) {
	s := &adminState{path: d.file(adminFile), Carriers: map[string]carrier.Admin{}}
	raw, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, s)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	for name, admin := range s.Carriers {
		if admin != carrier.Enabled && admin != carrier.Draining && admin != carrier.Disabled {
			return nil, fmt.Errorf("%s: %s: %q is none of %s, %s, %s", s.path, name, admin, carrier.Enabled, carrier.Draining, carrier.Disabled)
		}
	}
	return s, nil
}

// of returns the states of the carriers that there are.
func (s *adminState) of(accounts []carrier.Account) map[string]carrier.Admin {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := map[string]carrier.Admin{}
	for i := range accounts {
		if admin, ok := s.Carriers[accounts[i].Name]; ok {
			found[accounts[i].Name] = admin
		}
	}
	return found
}

// set writes a state before it takes effect: a process that is killed in
// between must not come back sending over a carrier that was disabled.
func (s *adminState) set(name string, admin carrier.Admin) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := maps.Clone(s.Carriers)
	if next[name] = admin; admin == carrier.Enabled {
		delete(next, name)
	}
	raw, err := json.Marshal(&adminState{Carriers: next})
	if err != nil {
		return err
	}
	if err := writeAtomically(s.path, string(raw)+"\n"); err != nil {
		return err
	}
	s.Carriers = next
	return nil
}

// carrierVerbs are what an operator can do to a carrier, and what it is then.
func carrierVerbs() map[string]carrier.Admin {
	return map[string]carrier.Admin{"enable": carrier.Enabled, "drain": carrier.Draining, "disable": carrier.Disabled, "rebind": ""}
}

// Change is part of api.CarrierControl.
func (c *carrierNode) Change(ctx context.Context, name, verb string) (api.CarrierChange, error) {
	admin, known := carrierVerbs()[verb]
	before, there := c.state(name)
	switch {
	case !known:
		words := slices.Sorted(maps.Keys(carrierVerbs()))
		return api.CarrierChange{}, &api.Error{Status: http.StatusNotFound, Problem: fmt.Sprintf("a carrier cannot be %q; there is %s", verb, strings.Join(words, ", "))}
	case !there:
		return api.CarrierChange{}, &api.Error{Status: http.StatusNotFound, Problem: fmt.Sprintf("no carrier %q; there is %s", name, cmp.Or(strings.Join(c.names(), ", "), "none"))}
	}
	if admin != "" {
		if err := c.admin.set(name, admin); err != nil {
			return api.CarrierChange{}, fmt.Errorf("keeping what is wanted: %w", err)
		}
	}
	begun := time.Now()
	err := c.change(ctx, name, verb)
	if errors.Is(err, carrier.ErrDisabled) {
		return api.CarrierChange{}, &api.Error{Status: http.StatusConflict, Problem: fmt.Sprintf("%s is disabled: enable it first", name)}
	}
	after, _ := c.state(name)
	change := changeBetween(before, after)
	change.Verb, change.Done, change.MS = verb, err == nil, milliseconds(time.Since(begun))
	if err != nil {
		change.Problem = strings.TrimPrefix(err.Error(), "carrier: ")
	}
	c.n.log.Info("a carrier was operated", "carrier", name, "verb", verb, "done", change.Done, "ms", change.MS,
		"answered", change.Answered, "taken_back", change.TakenBack, "uncertain", change.Uncertain)
	return change, nil
}

func (c *carrierNode) change(ctx context.Context, name, verb string) error {
	switch verb {
	case "enable":
		if err := c.pool.Enable(name); err != nil {
			return err
		}
		return c.waitBound(ctx, name)
	case "drain":
		return c.pool.Drain(ctx, name)
	case "disable":
		return c.pool.Disable(ctx, name)
	}
	return c.pool.Rebind(ctx, name)
}

// lookBound is how often the binds of a carrier that was enabled are looked at.
const lookBound = 20 * time.Millisecond

// waitBound waits until all binds are up. It gives up when none is and the
// carrier has refused: only a person can change that.
func (c *carrierNode) waitBound(ctx context.Context, name string) error {
	tick := time.NewTicker(lookBound)
	defer tick.Stop()
	for {
		s, _ := c.state(name)
		if s.Up == len(s.Binds) {
			return nil
		}
		missing := fmt.Sprintf("%d of %d binds are up", s.Up, len(s.Binds))
		refused := 0
		for _, b := range s.Binds {
			if !b.Up && b.LastError != "" {
				missing = fmt.Sprintf("%d of %d binds are up: %s", s.Up, len(s.Binds), b.LastError)
			}
			if b.Refused {
				refused++
			}
		}
		if s.Admin != carrier.Enabled {
			return fmt.Errorf("it is %s meanwhile", s.Admin)
		}
		if refused > 0 && s.Up+refused == len(s.Binds) || refused > 0 && s.Alarm != "" && s.Up == 0 {
			return errors.New(missing)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.New(missing)
		}
	}
}

// changeBetween counts what became of submits between two looks at a carrier.
func changeBetween(before, after carrier.CarrierState) api.CarrierChange {
	change := api.CarrierChange{Carrier: after.Name, Admin: string(after.Admin), Binds: len(after.Binds), Bound: after.Up}
	a, b := sumOf(after), sumOf(before)
	change.InFlight = b.inFlight
	change.Answered = int(a.answered - b.answered)
	change.TakenBack = int(a.notSent - b.notSent)
	change.Uncertain = int(a.unknown - b.unknown)
	return change
}

// bindSum are counts of all binds of a carrier.
type bindSum struct {
	inFlight                            int
	submits, answered, notSent, unknown uint64
}

func sumOf(s carrier.CarrierState) (sum bindSum) {
	for _, b := range s.Binds {
		sum.inFlight += b.Inflight
		sum.submits += b.Stats.Submits
		sum.answered += b.Stats.Accepted + b.Stats.Refused
		sum.notSent += b.Stats.NotSent
		sum.unknown += b.Stats.TimedOut + b.Stats.Lost
	}
	return sum
}

func (c *carrierNode) state(name string) (carrier.CarrierState, bool) {
	for _, s := range c.pool.State() {
		if s.Name == name {
			return s, true
		}
	}
	return carrier.CarrierState{}, false
}

func (c *carrierNode) names() []string {
	names := make([]string, len(c.accounts))
	for i := range c.accounts {
		names[i] = c.accounts[i].Name
	}
	return names
}
