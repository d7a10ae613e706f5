package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"fanline/community"
	"fanline/engine/message"
)

// demoSetting is where the store keeps how far the demo has come. It is in the
// store and not beside it, so that it is lost or kept with the members and
// broadcasts of which it speaks.
const demoSetting = "demo"

// demoStep is a step of the journey that was taken.
type demoStep struct {
	Name string  `json:"name"`
	OK   bool    `json:"ok"`
	MS   float64 `json:"ms"`
}

// demoState is how far the demo has come in a data directory.
type demoState struct {
	Members   int                 `json:"members"` // who get the broadcast: simulated ones and the fans of the story
	Seed      uint64              `json:"seed"`
	Simulated bool                `json:"simulated"` // all of them are in the store
	Run       int                 `json:"run"`       // grows with --new
	Fans      int                 `json:"fans"`      // phones given out
	Phones    map[string]string   `json:"phones"`    // of this run's fans, by role
	Steps     []demoStep          `json:"steps"`     // of this run, taken
	City      message.BroadcastID `json:"city"`      // the text to one city; 0: not made yet
	Broadcast message.BroadcastID `json:"broadcast"` // the one to all; 0: not made yet

	Abandoned []message.BroadcastID `json:"abandoned,omitempty"` // texts to one city that a crash cut off
}

// errOtherDemo says that a data directory holds another demo than was asked for.
var errOtherDemo = errors.New("the data directory holds another demo")

// begin settles what a state that was found, or none, means for what was asked
// for. It tells whether it goes on with something.
func (s *demoState) begin(o demoOptions) (resumed bool, err error) {
	if s.Run == 0 {
		*s = demoState{Members: o.members, Seed: o.seed, Run: 1, Phones: map[string]string{}}
		return false, nil
	}
	if o.given["members"] && o.members != s.Members {
		return false, fmt.Errorf("%w: one with %s members; leave --members out to go on with it, or name another --data", errOtherDemo, grouped(int64(s.Members)))
	}
	if o.given["seed"] && o.seed != s.Seed {
		return false, fmt.Errorf("%w: one of seed %d; leave --seed out to go on with it, or name another --data", errOtherDemo, s.Seed)
	}
	if !o.again {
		return true, nil
	}
	s.Run++
	s.Phones, s.Steps, s.City, s.Broadcast, s.Abandoned = map[string]string{}, nil, 0, 0, nil
	return false, nil
}

// demoFile says of a data directory, before it is opened, which demo it holds.
const demoFile = "demo"

// demoData is where a demo lives for which no --data was named: the usual
// place, or one beside it when another size or seed was asked for than lies
// there. What is there is never mixed with it, nor in its way.
func demoData(usual string, o demoOptions) (string, error) {
	raw, err := os.ReadFile(filepath.Join(usual, demoFile))
	if errors.Is(err, os.ErrNotExist) {
		return usual, nil
	}
	if err != nil {
		return "", err
	}
	var members int
	var seed uint64
	if _, err := fmt.Sscanf(string(raw), demoMark, &members, &seed); err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(usual, demoFile), err)
	}
	if o.given["members"] && o.members != members || o.given["seed"] && o.seed != seed {
		return fmt.Sprintf("%s-%d-%d", usual, o.members, o.seed), nil
	}
	return usual, nil
}

// demoMark is the form of demoFile.
const demoMark = "members %d seed %d\n"

// markDemo writes demoFile where there is none yet.
func markDemo(data string, o demoOptions) error {
	path := filepath.Join(data, demoFile)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return writeAtomically(path, fmt.Sprintf(demoMark, o.members, o.seed))
}

// taken tells whether a step was taken.
func (s *demoState) taken(name string) bool {
	return slices.ContainsFunc(s.Steps, func(t demoStep) bool { return t.Name == name })
}

// finished tells whether every step of the journey was taken.
func (s *demoState) finished() bool {
	return !slices.ContainsFunc(journeySteps(), func(name string) bool { return !s.taken(name) })
}

// journey is the steps in the order of the story: while the broadcast runs
// several go on at once. failed, when there is one, comes in its place.
func (s *demoState) journey(failed *demoStep) []demoStep {
	steps := slices.Clone(s.Steps)
	if failed != nil && !s.taken(failed.Name) {
		steps = append(steps, *failed)
	}
	order := journeySteps()
	slices.SortStableFunc(steps, func(a, b demoStep) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
	return steps
}

// again gives a role to another fan, who has all steps before her.
func (s *demoState) again(role string, steps []string) {
	delete(s.Phones, role)
	s.Steps = slices.DeleteFunc(s.Steps, func(t demoStep) bool { return slices.Contains(steps, t.Name) })
}

// broadcasts are all of this run.
func (s *demoState) broadcasts() []message.BroadcastID {
	all := slices.Clone(s.Abandoned)
	for _, id := range []message.BroadcastID{s.City, s.Broadcast} {
		if id != 0 {
			all = append(all, id)
		}
	}
	return all
}

// fanPrefix begins the phones of the demo's fans. No simulated member has one,
// since exchange 555 belongs to nobody.
const fanPrefix = "1401555"

// phone returns the phone of this run's fan in a role.
func (s *demoState) phone(role string) string {
	if p := s.Phones[role]; p != "" {
		return p
	}
	p := fmt.Sprintf("+%s%04d", fanPrefix, (100+s.Fans)%10_000)
	s.Fans++
	s.Phones[role] = p
	return p
}

// settings is where the state is kept.
type settings interface {
	Setting(ctx context.Context, name string) (string, error)
	SetSetting(ctx context.Context, name, value string) error
}

// demoMemory is the state, and its place in the store.
type demoMemory struct {
	store settings
	mu    sync.Mutex
	state demoState
}

// load reads what an earlier process has left.
func (m *demoMemory) load(ctx context.Context) error {
	raw, err := m.store.Setting(ctx, demoSetting)
	switch {
	case errors.Is(err, community.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if err := json.Unmarshal([]byte(raw), &m.state); err != nil {
		return fmt.Errorf("setting %s: %w", demoSetting, err)
	}
	return nil
}

// change changes the state and keeps it.
func (m *demoMemory) change(ctx context.Context, change func(*demoState)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.state)
	raw, err := json.Marshal(m.state)
	if err != nil {
		return err
	}
	return m.store.SetSetting(ctx, demoSetting, string(raw))
}

// look reads from the state; look must not keep its slices.
func (m *demoMemory) look(look func(*demoState)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	look(&m.state)
}

// taken tells whether a step was taken.
func (m *demoMemory) taken(name string) (yes bool) {
	m.look(func(s *demoState) { yes = s.taken(name) })
	return yes
}
