package smsc

import (
	"fmt"
	"net/http"
)

// FaultState is a fault of the scenario as GET /faults lists it.
type FaultState struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Account string `json:"account,omitempty"`
	On      bool   `json:"on"`
	Left    int64  `json:"left"` // how often it can still happen
	Hits    int64  `json:"hits"` // how often it happened
}

// FaultSwitch is the body of POST /faults.
type FaultSwitch struct {
	Name  string `json:"name"`
	On    bool   `json:"on"`
	Times int    `json:"times,omitempty"` // how often from now on; 0: once
}

func (s *server) serveFaults(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"faults": s.listFaults()})
}

func (s *server) listFaults() []FaultState {
	out := []FaultState{}
	for _, f := range s.plan().faults {
		left := max(f.left.Load(), 0)
		out = append(out, FaultState{Name: f.name, Kind: f.kind, Account: f.account, On: left > 0, Left: left, Hits: f.hits.Load()})
	}
	return out
}

func (s *server) switchFault(w http.ResponseWriter, r *http.Request) {
	var q FaultSwitch
	if !readJSON(w, r, &q) {
		return
	}
	for _, f := range s.plan().faults {
		if f.name != q.Name {
			continue
		}
		f.left.Store(0)
		if q.On {
			f.left.Store(int64(max(q.Times, 1)))
		}
		s.logger.Info("simulator's fault was switched", "fault", q.Name, "on", q.On)
		writeJSON(w, map[string]any{"faults": s.listFaults()})
		return
	}
	httpError(w, http.StatusNotFound, fmt.Errorf("no fault %q in the scenario", q.Name))
}
